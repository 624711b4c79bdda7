"""What tokens cost, as one function of what is known before them, whose gradients are written by hand, for a processor.

With many pieces in a vocabulary the probabilities are most of what a training step makes: they are made a few rows at a
time, while they are in the cache, passed over once and kept; the gradients are two products with them. `sequence.py` uses
it: read it next.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

NUMBERS = 2**20  # at once in a thread, but at least so many rows:
ROWS = 128


def nats(h: Tensor, weight: Tensor, tokens: Tensor) -> Tensor:
    """(..., width) and (...) tokens -> (...): minus the logarithms of the tokens' probabilities, softmax(weight h), for
    `weight` (vocabulary, width)."""
    return _Nats.apply(h, weight, tokens)


class _Nats(torch.autograd.Function):
    """`nats`; kept is what the gradient of a row's logits is, but for the gradient of its cost: probabilities less 1 at
    the token."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, tokens: Tensor) -> Tensor:
        rows = max(ROWS, NUMBERS // len(weight)) * torch.get_num_threads()
        flat, wanted = h.flatten(0, -2), tokens.reshape(-1, 1)
        costs, kept = [], []
        for part, token in zip(flat.split(rows), wanted.split(rows), strict=True):
            logits = torch.mm(part, weight.mT)
            shares = logits.softmax(-1)
            # The largest share is 1 over the sum that divided: no logarithm of what may be nothing.
            costs.append(logits.amax(-1, keepdim=True) - shares.amax(-1, keepdim=True).log() - logits.gather(1, token))
            kept.append(shares.scatter_add_(1, token, -torch.ones_like(token, dtype=shares.dtype)))
        ctx.save_for_backward(flat, weight, *kept)
        return torch.cat(costs).view(tokens.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        flat, weight, *kept = ctx.saved_tensors
        own = gradient.reshape(-1, 1)
        of_h, of_weight = torch.empty_like(flat), torch.zeros_like(weight.mT)
        each = (t.split(len(kept[0])) for t in (flat * own, of_h))
        for part, to, share in zip(*each, kept, strict=True):
            torch.mm(share, weight, out=to)
            of_weight.addmm_(part.mT, share)  # this way round, as in `by_hand.product`
        return of_h.mul_(own).view(*gradient.shape, -1), of_weight.mT, None
