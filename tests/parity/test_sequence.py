"""What the decoder computes in its own way, for speed, against the plain formulas."""

import pytest
import torch
import torch.nn.functional as F

from genwright.networks import sequence
from genwright.networks.attention import attended
from genwright.networks.sequence import Decoder, normalised, rotated, rotation, squared_relu


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


@pytest.mark.parametrize("at_once", [1, 100, 10**6])
def test_a_head_that_works_in_pieces_costs_the_same(monkeypatch, at_once):
    monkeypatch.setattr(sequence, "LOGITS", at_once)
    torch.manual_seed(0)
    decoder, h, tokens = Decoder(11, 8, depth=1, heads=2, key_heads=2), torch.randn(3, 7, 8), torch.randint(11, (3, 7))
    whole = F.cross_entropy(decoder.logits(h).mT, tokens, reduction="none")
    torch.testing.assert_close(decoder.nats(h, tokens), whole)
