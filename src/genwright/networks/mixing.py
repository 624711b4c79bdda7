"""Adding the places just before, each channel by itself: what makes words of letters before attention has learned to.

torch's convolutions of single channels take ten times as long on a processor, and know no documents. Read `sequence.py`
next: it uses this.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SCALE = 8.0  # Adam moves every number by about the learning rate: these would move too slowly beside Muon's matrices
Places = tuple[Tensor, Tensor]
"""(n,) windows and (n,) places in them."""
Outside = list[Places]
"""For each distance, 1 first: from which places one must not look so far ahead, as another document stands there."""


def mixed(h: Tensor, weights: Tensor, outside: Outside | None = None) -> Tensor:
    """(B, T, width) -> (B, T, width), to place t is added the sum over distances j of SCALE * weights[j - 1] * h[:, t - j],
    where `weights` are (distances, width). Before a window stands nothing; what lies `outside` (None: nothing) adds nothing.

    A causal convolution of each channel by itself, as So et al. 2021 ("Primer", section 3) put behind queries, keys and
    values, and as the "Canon layers" of Allen-Zhu 2025 ("Physics of Language Models: Part 4.1") put before attention too.
    """
    # Weights of each example's own: private training sees this product, so it gets the gradients of each.
    each = weights * h.new_full((len(h), 1, 1), SCALE)
    return _Mixed.apply(h, each.to(h.dtype), outside)


def mixed_after(recent: Tensor, h: Tensor, weights: Tensor) -> Tensor:
    """`mixed` where (B, distances, width) places stand before; `recent` is changed to those that then stand before the
    next."""
    joined = torch.cat([recent.to(h.dtype), h], dim=1)
    recent.copy_(joined[:, -len(weights) :])
    return mixed(joined, weights)[:, len(weights) :]


def outside_of(document: Tensor, distances: int) -> Outside:
    """From the number of the document that each place belongs to, (B, T)."""
    others = (document[:, j:] != document[:, :-j] for j in range(1, distances + 1))
    return [other.nonzero(as_tuple=True) for other in others]  # type: ignore[misc]


class _Mixed(torch.autograd.Function):
    """`mixed` with the weights of each example, (B, distances, width)."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weights: Tensor, outside: Outside | None) -> Tensor:
        out = h.clone()
        for j, weight in enumerate(weights.split(1, dim=1), start=1):
            _add_product(out[:, j:], h[:, :-j], weight, None if outside is None else outside[j - 1])
        ctx.save_for_backward(h, weights)
        ctx.outside = outside
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (h, weights), outside = ctx.saved_tensors, ctx.outside
        of_h, of_weights = gradient.clone(), torch.empty_like(weights)
        for j, weight in enumerate(weights.split(1, dim=1), start=1):
            later, earlier = gradient[:, j:], h[:, :-j]
            _add_product(of_h[:, :-j], later, weight, None if outside is None else outside[j - 1])
            product = later * earlier
            if outside is not None:
                product[outside[j - 1]] = 0
            of_weights[:, j - 1] = product.sum(1)
        return of_h, of_weights, None


def _add_product(to: Tensor, left: Tensor, right: Tensor, kept: Places | None) -> None:
    """In place, but what stands at the kept places stays: they are few, and masks would pass over everything."""
    if kept is None:
        to.addcmul_(left, right)
    else:
        before = to[kept]
        to.addcmul_(left, right)
        to[kept] = before
