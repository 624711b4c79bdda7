"""The places just before by laws: the formula, nothing from later or from other documents, nothing where weights are zero."""

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

import coded
from genwright.contract import BEGIN, END, Batch
from genwright.networks.mixing import SCALE, mixed, mixed_after, outside_of
from genwright.networks.sequence import Decoder, Memory
from genwright.privacy.clipping import Engine

DISTANCES = 3


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def by_hand(h: Tensor, weights: Tensor, document: Tensor) -> Tensor:
    """One place after another."""
    out = h.clone()
    for window in range(len(h)):
        for place in range(h.shape[1]):
            for j in range(1, min(place, len(weights)) + 1):
                if document[window, place] == document[window, place - j]:
                    out[window, place] += SCALE * weights[j - 1] * h[window, place - j]
    return out


def documents(places: int) -> Tensor:
    """Of three windows: one document, one that begins at the second and at the last place, and short ones."""
    begins = torch.zeros(3, places, dtype=torch.long)
    begins[1, [min(1, places - 1), places - 1]] = 1
    begins[2, ::2] = 1
    return begins.cumsum(1)


def decoder(mixing: int = DISTANCES, *, stirred: bool = True) -> Decoder:
    """One whose blocks do something: at first they are nothing."""
    torch.manual_seed(0)
    net = Decoder(12, 16, depth=2, heads=2, key_heads=1, mixing=mixing).double()
    with torch.no_grad():
        for name, parameter in net.blocks.named_parameters():
            if stirred or "mixing" not in name:
                parameter.normal_(std=0.3 / SCALE if "mixing" in name else 0.3)
    return net


@pytest.mark.parametrize("places", [1, 2, 3, 9])
def test_the_formula(places):
    h, weights, document = numbers(3, places, 4), numbers(DISTANCES, 4, seed=1), documents(places)
    torch.testing.assert_close(mixed(h, weights, outside_of(document, DISTANCES)), by_hand(h, weights, document))
    torch.testing.assert_close(mixed(h, weights), by_hand(h, weights, torch.zeros_like(document)))


@pytest.mark.parametrize("packed", [False, True])
def test_gradients_that_are_written_by_hand_are_those_of_the_formula(packed):
    h, weights = numbers(3, 6, 2).requires_grad_(), numbers(DISTANCES, 2, seed=1).requires_grad_()
    outside = outside_of(documents(6), DISTANCES) if packed else None
    assert torch.autograd.gradcheck(lambda h, weights: mixed(h, weights, outside), (h, weights))


def test_read_in_parts_it_is_the_same():
    h, weights = numbers(2, 12, 4), numbers(DISTANCES, 4, seed=1)
    recent = torch.zeros(2, DISTANCES, 4, dtype=torch.double)
    parts = [mixed_after(recent, part, weights) for part in h.split([1, 2, 1, 5, 3], dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), mixed(h, weights))
    assert torch.equal(recent, h[:, -DISTANCES:])


def test_zero_weights_are_no_mixing():
    plain, begun = decoder(0), decoder(stirred=False)
    assert "blocks.0.mixing" not in plain.state_dict()
    begun.load_state_dict({**begun.state_dict(), **plain.state_dict()})
    tokens = torch.randint(0, 12, (4, 16), generator=torch.Generator().manual_seed(0))
    assert torch.equal(begun(tokens), plain(tokens))
    assert not torch.allclose(decoder()(tokens), plain(tokens), atol=1e-2)


def test_nothing_comes_from_later_places_or_other_documents():
    net, tokens = decoder(), torch.randint(2, 12, (1, 14), generator=torch.Generator().manual_seed(0))
    tokens[0, [4, 9, 10]] = BEGIN
    starts = [0, 4, 9, 10, 14]
    before = net(tokens)
    for place in range(14):
        changed = tokens.clone()
        if changed[0, place] == BEGIN:
            continue
        changed[0, place] = 2 + (changed[0, place] - 1) % 10
        moved = (net(changed) != before).any(-1)[0]
        end = min(start for start in starts if start > place)
        assert moved[place:end].all()
        assert not moved[:place].any()
        assert not moved[end:].any()


def test_a_window_is_seen_by_no_other():
    net, tokens = decoder(), torch.randint(0, 12, (3, 10), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[1] = torch.randint(0, 12, (10,), generator=torch.Generator().manual_seed(1))
    assert torch.equal(net(changed)[[0, 2]], net(tokens)[[0, 2]])


@pytest.mark.parametrize("mixing", [0, 1, DISTANCES, 20])
def test_a_memory_that_forgets_texts_goes_on_as_before(mixing):
    net, tokens = decoder(mixing), torch.randint(2, 12, (4, 16), generator=torch.Generator().manual_seed(0))
    memory, held = Memory(net, 4, 16), torch.arange(4)
    whole = net(tokens)
    memory.kept = [tuple(kept.double() for kept in block) for block in memory.kept]
    for size, kept in ((2, [0, 1, 2, 3]), (1, [3, 1, 0]), (5, [2, 0]), (1, [1]), (7, [0])):
        held = held[kept]
        memory.select(torch.tensor(kept))
        start = memory.length
        torch.testing.assert_close(net(tokens[held, start : start + size], memory), whole[held, start : start + size])


@pytest.mark.parametrize("micro_batch", [None, 3])
def test_private_training_clips_the_gradients_of_each_example(micro_batch):
    model, phase = coded.build("gpt").double(), coded.build("gpt").phases[0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    x = torch.randint(0, coded.VOCABULARY, (7, coded.CONTEXT + 1), generator=torch.Generator().manual_seed(0))
    assert (x[:, 1:] == BEGIN).any()
    engine = Engine(model, phase, micro_batch=micro_batch)
    names = [name for name in engine.parameters if "mixing" in name]
    assert names
    each, norms = [], []
    for row in x:
        found = torch.autograd.grad(model.loss(phase, Batch(row[None]))["nats"].sum(), engine.parameters.values())
        each.append(dict(zip(engine.parameters, found, strict=True)))
        norms.append(torch.cat([g.flatten() for g in found]).norm())
    clip_norm = float(torch.stack(norms).median())
    clipped = engine.clipped_gradient(Batch(x), clip_norm)
    assert engine.way == "tape", engine.reason
    torch.testing.assert_close(clipped.norms, torch.stack(norms))
    for name in names:
        wanted = sum(g[name] * min(1.0, clip_norm / float(norm)) for g, norm in zip(each, norms, strict=True))
        torch.testing.assert_close(clipped.total[name], wanted)


def test_in_half_precision_the_weights_keep_theirs():
    net, tokens = decoder().float(), torch.randint(0, 12, (4, 16), generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        half = net(tokens)
        half.float().square().sum().backward()
    torch.testing.assert_close(half.float(), net(tokens), atol=0.1, rtol=0.1)
    assert net.blocks[0].mixing.grad.dtype == torch.float32
    assert net.blocks[0].mixing.grad.any()


def test_what_is_loaded_is_what_was_saved():
    net, other, tokens = decoder(), decoder(stirred=False), torch.tensor([[BEGIN, 4, 5, 6, END, BEGIN, 7]])
    assert not torch.equal(other(tokens), net(tokens))
    other.load_state_dict(load(save(net.state_dict())))
    assert torch.equal(other(tokens), net(tokens))
