"""What the decoder computes in its own way, for speed, against the plain formulas."""

import pytest
import torch
import torch.nn.functional as F

from genwright.networks import head, hidden, sequence
from genwright.networks.adapters import Adapted
from genwright.networks.attention import attended
from genwright.networks.by_hand import may_replace, product
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
        mask = sequence._own_document(begins.cumsum(1)).double()
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


def test_a_place_sees_the_earlier_places_of_its_own_document():
    mask = sequence._own_document(torch.tensor([[0, 0, 1, 1]]))[0, 0]
    assert mask.isfinite().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
    assert mask[mask.isfinite()].eq(0).all()


@pytest.mark.parametrize("places", [1, 30, 130])
def test_a_hidden_layer_in_pieces_is_that_of_its_two_layers(places, monkeypatch):
    """130 places are several pieces, with any number of threads."""
    monkeypatch.setattr(hidden, "ROWS", max(1, 128 // torch.get_num_threads()))
    torch.manual_seed(0)
    up, down = (torch.nn.Linear(*sizes, bias=False, dtype=torch.double) for sizes in ((8, 32), (32, 8)))
    given = torch.randn(3, places, 8, dtype=torch.double, requires_grad=True), up.weight, down.weight
    plain = given[0] + down(F.relu(up(F.rms_norm(given[0], (8,)))).square())
    _assert_same(hidden.added(*given), plain, given)


@pytest.mark.parametrize("pieces", [11, 500])
def test_costs_and_their_gradients_in_pieces_are_those_of_torch(pieces, monkeypatch):
    """Also where a token is all but impossible."""
    monkeypatch.setattr(head, "NUMBERS", 11)
    monkeypatch.setattr(head, "ROWS", 8)
    torch.manual_seed(0)
    h = torch.randn(3, 21, 8, dtype=torch.double)
    h[0, 0] *= 1000
    given = h.requires_grad_(), torch.randn(pieces, 8, dtype=torch.double, requires_grad=True)
    tokens = torch.randint(pieces, (3, 21))
    plain = F.cross_entropy((h @ given[1].mT).mT, tokens, reduction="none")
    assert plain.max() > 800, "no share of this size can be written down"
    _assert_same(head.nats(*given, tokens), plain, given)


def test_a_product_whose_gradient_is_the_other_way_round_is_that_of_a_linear_layer():
    torch.manual_seed(0)
    given = torch.randn(3, 5, 8, requires_grad=True), torch.randn(4, 8, requires_grad=True)
    _assert_same(product(*given), F.linear(*given), given)


def _assert_same(ours, wanted, given):
    """The numbers, and the gradients of what was given."""
    torch.testing.assert_close(ours, wanted)
    gradient = torch.randn_like(wanted)
    for own, other in zip(*(torch.autograd.grad(out, given, gradient) for out in (ours, wanted)), strict=True):
        torch.testing.assert_close(own, other)


def test_weights_are_left_to_their_layers_where_they_are_watched_or_adapted():
    up, down, x = torch.nn.Linear(8, 32, bias=False), torch.nn.Linear(32, 8, bias=False), torch.randn(2, 3, 8)
    assert may_replace(x, up, down)
    with Tape(up.parameters(), (), examples=2, draws=1, known={}):
        assert not may_replace(x, up, down)
    with torch.no_grad():
        assert not may_replace(x, up, down)
    with torch.autocast("cpu", torch.bfloat16):
        assert not may_replace(x, up, down)
    assert not may_replace(x, Adapted(up, 2, 4.0), down)
    assert not may_replace(x, torch.nn.Linear(8, 32), down)


@pytest.mark.parametrize("function", [normalised, squared_relu])
def test_gradients_of_examples_side_by_side_are_those_of_each(function):
    """torch's transforms of functions know nothing of gradients that are written by hand: they take the plain way."""
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    found = torch.func.vmap(torch.func.grad(lambda x: function(x).pow(3).sum()))(x)
    wanted = torch.autograd.grad(function(x.requires_grad_()).pow(3).sum(), x)[0]
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("at_once", [1, 100, 10**6])
def test_a_head_that_works_in_pieces_costs_the_same(monkeypatch, at_once):
    monkeypatch.setattr(sequence, "LOGITS", at_once)
    torch.manual_seed(0)
    decoder, h, tokens = Decoder(11, 8, depth=1, heads=2, key_heads=2), torch.randn(3, 7, 8), torch.randint(11, (3, 7))
    whole = F.cross_entropy(decoder.logits(h).mT, tokens, reduction="none")
    with torch.no_grad():  # with gradients, `head.nats` works in pieces of its own
        torch.testing.assert_close(decoder.nats(h, tokens), whole)
