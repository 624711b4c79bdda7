"""Counts beside a network by laws: the mixture is what its definition says, whichever way it is asked."""

import numpy as np
import pytest
import torch

from genwright.contract import BEGIN, END, Batch
from genwright.networks.adapters import start_from
from genwright.networks.drawing import Drawing
from small_gpt import counting, gpt

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model():
    """A decoder that knows nothing beside counts that do, not wholly trusted."""
    made = gpt(counts=3)
    made.fit(counting().once(CPU), None)
    made.beside.share.fill_(0.6)
    return made


def by_hand(model, x):
    """The definition, place by place: (B, T - 1) nats."""
    share, counts = float(model.beside.share), model.beside.counts.model
    network = model.net.logits(model.net(x[:, :-1])).softmax(-1).detach().numpy()
    out = np.empty(x[:, 1:].shape)
    for row, tokens in enumerate(x.numpy()):
        for place in range(len(tokens) - 1):
            begin = max((k for k in range(place + 1) if tokens[k] == BEGIN), default=0)
            if tokens[place + 1] == BEGIN:
                begin = place + 1  # a document is counted from its own beginning
            counted = counts.next_probabilities([tokens[begin : place + 1]])[0]
            both = share * counted + (1 - share) * network[row, place]
            out[row, place] = -np.log(both[tokens[place + 1]])
    return out


def test_held_out_windows_cost_what_the_mixture_says(model):
    batch = counting(seed=2).batch(np.arange(0, 60, 7), CPU)
    nats, counted = model.nats(batch)
    assert torch.equal(counted, batch.counts[:, 1:])
    np.testing.assert_allclose(nats.detach().numpy(), by_hand(model, batch.x), rtol=1e-5)


def test_before_there_are_counts_the_network_speaks_alone():
    fresh, plain = gpt(counts=3), gpt()
    batch = counting().batch(np.arange(5), CPU)
    assert torch.equal(fresh.nats(batch)[0], plain.nats(batch)[0])
    draws = [m.sample(20, generator=torch.Generator().manual_seed(0)).x for m in (fresh, plain)]
    assert torch.equal(*draws)


def test_a_guarantee_leaves_nothing_counted():
    made = gpt(counts=3)
    made.fit(counting().once(CPU), ledger=object())
    assert float(made.beside.share) == 0
    assert len(made.beside.counts.model.levels[0].keys) <= 2, "one token stands there from the beginning"


def test_the_share_is_the_likeliest_for_held_out_texts():
    model = gpt(counts=3)
    model.fit(counting().once(CPU), None)
    held = []
    for batch in counting(seed=1).once(CPU):  # a third of the tokens is noise, of which the counts know nothing
        noise = torch.rand(batch.x.shape, generator=torch.Generator().manual_seed(0)) < 1 / 3
        held.append(Batch(torch.where(noise, 3 + (batch.x * 5) % 7, batch.x), counts=batch.counts))
    model.tune(held)
    found = float(model.beside.share)
    assert 0.2 < found < 0.98

    @torch.no_grad()
    def cost(share):
        model.beside.share.fill_(share)
        total = number = 0.0
        for batch in held:
            nats, counted = model.nats(batch)
            later = counted & (torch.arange(16) >= 8)
            total, number = total + float(nats[later].sum()), number + int(later.sum())
        return total / number

    best = cost(found)
    assert best <= min(cost(found - 0.01), cost(found + 0.01)) + 1e-6
    assert best < cost(1e-9) - 0.5, "the counts help"


def test_drawn_tokens_follow_the_mixture(model):
    """Ten thousand continuations of one prompt, drawn three tokens far, against the product of the costs by hand."""
    prompt = torch.tensor([[BEGIN, 4, 5]]).expand(10_000, -1)
    drawn = torch.stack(list(model.stream(prompt, generator=torch.Generator().manual_seed(0), length=2)), 1)
    ends = torch.tensor([[a, b] for a in range(1, 12) for b in range(1, 12) if a != END])
    x = torch.cat([prompt[:1].expand(len(ends), -1), ends], 1)
    expected = np.exp(-by_hand(model, x)[:, 2:].sum(1))
    found = ((drawn[:, None] == ends).all(-1)).float().mean(0).numpy()
    np.testing.assert_allclose(found, expected, atol=4 * 0.5 / 100)
    assert expected.max() > 0.2, "there is something to be seen"


def test_texts_that_have_ended_leave_the_others_alone(model):
    """Half of the texts are dropped on the way (`select`): the others go on as the one that is drawn alone."""
    greedy = Drawing(top_k=1)
    prompts = torch.tensor([[BEGIN, token] for token in range(3, 10)])
    together = torch.stack(list(model.stream(prompts, generator=torch.Generator(), drawing=greedy, length=30)), 1)
    for row, prompt in zip(together, prompts, strict=True):
        alone = torch.stack(list(model.stream(prompt[None], generator=torch.Generator(), drawing=greedy, length=30)), 1)
        assert torch.equal(row[: alone.shape[1]], alone[0])


def test_what_is_saved_is_loaded_whatever_the_sizes(model):
    other = gpt(counts=3)
    other.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    batch = counting(seed=2).batch(np.arange(5), CPU)
    assert torch.equal(other.nats(batch)[0], model.nats(batch)[0])


def test_another_training_starts_from_the_network_and_counts_anew(model):
    other = gpt(counts=5)
    start_from(other, model.state_dict(), "a run")
    assert torch.equal(other.net.embedding.weight, model.net.embedding.weight)
    assert float(other.beside.share) == 0


def test_no_more_tokens_are_counted_than_asked():
    made = gpt(counts=2)
    made.beside.counts.fit(counting().once(CPU), most=100)
    assert 50 < made.beside.counts.model.levels[-1].counts.sum() <= 100


def test_without_held_out_tokens_the_network_speaks_alone(model):
    made = gpt(counts=3)
    made.fit(counting().once(CPU), None)
    silent = counting(seed=1).batch(np.arange(4), CPU)
    made.tune([Batch(silent.x, counts=torch.zeros_like(silent.counts))])
    assert float(made.beside.share) == 0
