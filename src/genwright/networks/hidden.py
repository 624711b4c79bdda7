"""A block's hidden layer of squared ReLUs as one function whose gradients are written by hand, for a processor.

Its numbers, four times as many as those that enter, are made and used a few rows at a time, while they are in the cache;
and only their roots are kept for the gradients. `sequence.py` uses it: read it next.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genwright.networks.rms_norm import scale_of

ROWS = 512  # at once in a thread: with fewer, weights are read too often; with more, hidden numbers leave the cache


def added(x: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """(..., width) -> (..., width): x + down relu(up x / rms)^2 (So et al. 2021) for rms that of x, `up` (hidden, width)
    and `down` (width, hidden)."""
    return _Added.apply(x, up, down)


class _Added(torch.autograd.Function):
    """`added`, as x + scale^2 down relu(up x)^2: nothing is divided before it is multiplied."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, up: Tensor, down: Tensor) -> Tensor:
        rows = ROWS * torch.get_num_threads()
        flat = x.flatten(0, -2)
        scales = scale_of(flat).square()
        out, roots = torch.empty_like(flat), []
        for part, scale, to in zip(flat.split(rows), scales.split(rows), out.split(rows), strict=True):
            roots.append(torch.mm(part, up.mT).relu_())
            torch.addcmul(part, torch.mm(roots[-1].square(), down.mT), scale, out=to)
        ctx.save_for_backward(flat, scales, up, down, *roots)
        return out.view(x.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        flat, scales, up, down, *roots = ctx.saved_tensors
        of_x, of_up, of_down = torch.empty_like(flat), torch.zeros_like(up.mT), torch.zeros_like(down)
        each = (t.split(len(roots[0])) for t in (flat, gradient.flatten(0, -2), scales, of_x))
        for part, own, scale, to, root in zip(*each, roots, strict=True):
            twice = own * (2 * scale)
            of_down.addmm_(twice.mT, root.square(), alpha=0.5)
            of_hidden = torch.mm(twice, down).mul_(root)
            of_up.addmm_(part.mT, of_hidden)  # this way round, as in `by_hand.product`
            torch.mm(of_hidden, up, out=to)
            along = torch.linalg.vecdot(to, part)[..., None] * scale / -part.shape[-1]
            to.add_(own).addcmul_(part, along)
        return of_x.view(gradient.shape), of_up.mT, of_down
