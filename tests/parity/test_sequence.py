"""What the decoder computes in its own way, for speed, against the plain formulas."""

import pytest
import torch
import torch.nn.functional as F

from genwright.networks import hidden, sequence
from genwright.networks.adapters import Adapted
from genwright.networks.attention import attended
from genwright.networks.rms_norm import normalised
from genwright.networks.sequence import Decoder, rotated, rotation, squared_relu
from genwright.privacy.tape import Tape


def test_gradients_that_are_written_by_hand_are_those_of_the_formulas():
    x = torch.randn(2, 3, 2, 8, dtype=torch.double, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for function in (normalised, squared_relu):
        assert torch.autograd.gradcheck(function, (x,), check_undefined_grad=False)
        with torch.no_grad():  # the other way through the same formula
            plain = function(x)
        torch.testing.assert_close(function(x), plain)


@pytest.mark.parametrize("places", [1, 5, 70])
@pytest.mark.parametrize("documents", [False, True])
def test_attention_whose_gradients_are_written_by_hand_is_that_of_torch(places, documents):
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(2, places, 6, 8, dtype=torch.double, generator=generator).requires_grad_()
    turns, mask = rotation(places, 4, 8, parts), None
    if documents:
        begins = torch.rand(2, places, generator=generator) < 0.3
        mask = (begins.cumsum(1)[:, :, None] == begins.cumsum(1)[:, None]).tril()[:, None]
    before = parts.detach().clone()

    def of_torch(parts):
        turned, values = parts.split([4, 2], dim=2)
        queries, keys = rotated(normalised(turned), turns).split(2, dim=2)
        both = (part.transpose(1, 2) for part in (queries, keys, values))
        return F.scaled_dot_product_attention(*both, attn_mask=mask, is_causal=mask is None).transpose(1, 2)

    ours, theirs = attended(parts, turns, mask), of_torch(parts)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
    gradient = torch.randn(ours.shape, dtype=torch.double, generator=generator)
    for_ours, for_theirs = (torch.autograd.grad(out, parts, gradient)[0] for out in (ours, theirs))
    torch.testing.assert_close(for_ours, for_theirs, rtol=1e-5, atol=1e-7)
    assert torch.equal(parts, before), "what goes in stays as it is"
    each = torch.func.vmap(torch.func.grad(lambda x, g: (attended(x[None], turns, None)[0] * g).sum()))
    if not documents:
        torch.testing.assert_close(each(parts.detach(), gradient), for_ours)


def test_attention_of_halves_is_reckoned_in_single_precision():
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(2, 70, 6, 8, generator=generator).bfloat16().requires_grad_()
    gradient = torch.randn(2, 70, 2, 8, generator=generator).bfloat16()
    turns = rotation(70, 4, 8, parts)
    fine = attended(parts.float(), turns, None)
    with torch.autocast("cpu", torch.bfloat16):
        ours = attended(parts, turns, None)
    assert torch.equal(ours, fine.bfloat16())
    for_ours, for_fine = (
        torch.autograd.grad(out, parts, g)[0] for out, g in ((ours, gradient), (fine, gradient.float()))
    )
    assert torch.equal(for_ours, for_fine)


@pytest.mark.parametrize("places", [1, 30, 130])
def test_a_hidden_layer_in_pieces_is_that_of_its_two_layers(places, monkeypatch):
    """Also for each example by itself; 130 places are several pieces, with any number of threads."""
    monkeypatch.setattr(hidden, "ROWS", max(1, 128 // torch.get_num_threads()))
    torch.manual_seed(0)
    up, down = (torch.nn.Linear(*sizes, bias=False, dtype=torch.double) for sizes in ((8, 32), (32, 8)))
    given = torch.randn(3, places, 8, dtype=torch.double, requires_grad=True), up.weight, down.weight
    gradient = torch.randn(3, places, 8, dtype=torch.double)
    plain = given[0] + down(F.relu(up(F.rms_norm(given[0], (8,)))).square())
    assert hidden.suits(given[0], up, down)
    ours = hidden.added(*given)
    torch.testing.assert_close(ours, plain)
    for own, wanted in zip(*(torch.autograd.grad(out, given, gradient) for out in (ours, plain)), strict=True):
        torch.testing.assert_close(own, wanted)
    each = torch.func.grad(lambda weight, x, g: (hidden.added(x[None], weight, down.weight)[0] * g).sum())
    found = torch.func.vmap(each, in_dims=(None, 0, 0))(up.weight.detach(), given[0].detach(), gradient)
    torch.testing.assert_close(found.sum(0), torch.autograd.grad(hidden.added(*given), up.weight, gradient)[0])


def test_a_hidden_layer_is_left_to_its_layers_where_their_weights_are_watched_or_adapted():
    up, down, x = torch.nn.Linear(8, 32, bias=False), torch.nn.Linear(32, 8, bias=False), torch.randn(2, 3, 8)
    assert hidden.suits(x, up, down)
    with Tape(up.parameters(), (), examples=2, draws=1, known={}):
        assert not hidden.suits(x, up, down)
    with torch.no_grad():
        assert not hidden.suits(x, up, down)
    with torch.autocast("cpu", torch.bfloat16):
        assert not hidden.suits(x, up, down)
    assert not hidden.suits(x, Adapted(up, 2, 4.0), down)
    assert not hidden.suits(x, torch.nn.Linear(8, 32), down)


@pytest.mark.parametrize("at_once", [1, 100, 10**6])
def test_a_head_that_works_in_pieces_costs_the_same(monkeypatch, at_once):
    monkeypatch.setattr(sequence, "LOGITS", at_once)
    torch.manual_seed(0)
    decoder, h, tokens = Decoder(11, 8, depth=1, heads=2, key_heads=2), torch.randn(3, 7, 8), torch.randint(11, (3, 7))
    whole = F.cross_entropy(decoder.logits(h).mT, tokens, reduction="none")
    torch.testing.assert_close(decoder.nats(h, tokens), whole)
