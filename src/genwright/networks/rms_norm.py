"""Division by the root mean square, without weights; `sequence.py` and what it is made of use it."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def normalised(x: Tensor) -> Tensor:
    """(..., width) divided by its root mean square (Zhang and Sennrich 2019, equation 4, without gain)."""
    # Without a kernel of its own, torch takes thrice as long for the gradients as is needed.
    if torch.is_grad_enabled() and not x.is_cuda:
        return _Normalised.apply(x)[0]
    return F.rms_norm(x, x.shape[-1:])


def scale_of(x: Tensor) -> Tensor:
    """(..., width) -> (..., 1): what x is multiplied by to have a root mean square of 1."""
    fine = torch.promote_types(x.dtype, torch.float32)
    squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=fine).square()
    return (squares / x.shape[-1] + torch.finfo(fine).eps).rsqrt()


class _Normalised(torch.autograd.Function):
    """`normalised`, and what the numbers were multiplied by. The gradient passes over memory as seldom as can be."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.contiguous()  # reading a slice twice takes longer than copying it
        scale = scale_of(x)
        return (x * scale).to(x.dtype), scale

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)  # no zeros for it
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> Tensor:
        y, scale = ctx.saved_tensors
        along = torch.linalg.vecdot(gradient, y)[..., None] / -y.shape[-1]
        return torch.addcmul(gradient, y, along).mul_(scale)
