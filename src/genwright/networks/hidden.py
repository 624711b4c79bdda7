"""A block's hidden layer of squared ReLUs as one function whose gradients are written by hand, for a processor.

Its numbers, four times as many as those that enter, are made and used a few rows at a time, while they are in the cache;
and only their roots are kept for the gradients. `sequence.py` uses it: read it next.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import has_torch_function

from genwright.networks.rms_norm import scale_of

ROWS = 256  # at once in a thread: with fewer, weights are read too often; with more, hidden numbers leave the cache


def suits(x: Tensor, up: nn.Module, down: nn.Module) -> bool:
    """Whether `added` computes, and the faster way, what a block does with the two layers."""
    plain = type(up) is type(down) is nn.Linear and up.bias is down.bias is None
    exact = not x.is_cuda and x.dtype.itemsize >= 4 and not torch.is_autocast_enabled("cpu")
    # Private training looks at each use of a weight, and would not see those in here.
    return plain and exact and torch.is_grad_enabled() and not has_torch_function((x,))


def added(x: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """(..., width) -> (..., width): x + down relu(up x / rms(x))^2 (So et al. 2021) for `up` (hidden, width) and `down`
    (width, hidden)."""
    return _Added.apply(x, up, down)[0]


class _Added(torch.autograd.Function):
    """`added`, and the roots of the hidden numbers."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, up: Tensor, down: Tensor) -> tuple[Tensor, ...]:
        made, roots = [], []
        for part in x.flatten(0, -2).split(ROWS * torch.get_num_threads()):
            roots.append(torch.mm(part * scale_of(part), up.mT).relu_())
            made.append(torch.addmm(part, roots[-1].square(), down.mT))
        return torch.cat(made).view(x.shape), *roots

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)  # no zeros for them
        ctx.save_for_backward(*inputs, *output[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: None) -> tuple[Tensor, Tensor, Tensor]:
        x, up, down, *roots = ctx.saved_tensors
        of_x, of_up, of_down = [], torch.zeros_like(up), torch.zeros_like(down)
        parts = (t.flatten(0, -2).split(len(roots[0])) for t in (x, gradient))
        for part, own, root in zip(*parts, roots, strict=True):
            scale = scale_of(part)
            entered = part * scale
            of_down = torch.addmm(of_down, own.mT, root.square())
            of_hidden = torch.mm(own * 2, down).mul_(root)
            of_up = torch.addmm(of_up, of_hidden.mT, entered)
            of_entered = torch.mm(of_hidden, up)
            along = torch.linalg.vecdot(of_entered, entered)[..., None] / -x.shape[-1]
            of_x.append(torch.addcmul(own, torch.addcmul(of_entered, entered, along), scale))
        return torch.cat(of_x).view(x.shape), of_up, of_down
