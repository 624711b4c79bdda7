"""Division by the root mean square, without weights; `sequence.py` and what it is made of use it."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genwright.networks.by_hand import is_faster


def normalised(x: Tensor) -> Tensor:
    """(..., width) divided by its root mean square (Zhang and Sennrich 2019, equation 4, without gain)."""
    # Without a kernel of its own, torch takes thrice as long for the gradients as is needed.
    if is_faster(x):
        return _Normalised.apply(x)
    return F.rms_norm(x, x.shape[-1:])


def scale_of(x: Tensor) -> Tensor:
    """(..., width) -> (..., 1): what x is multiplied by to have a root mean square of 1."""
    fine = torch.promote_types(x.dtype, torch.float32)
    squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=fine).square()
    return (squares / x.shape[-1] + torch.finfo(fine).eps).rsqrt()


class _Normalised(torch.autograd.Function):
    """`normalised`. The gradient passes over memory as seldom as can be."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.contiguous()  # reading a slice twice takes longer than copying it
        scale = scale_of(x)
        y = (x * scale).to(x.dtype)
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        y, scale = ctx.saved_tensors
        along = torch.linalg.vecdot(gradient, y)[..., None] / -y.shape[-1]
        return torch.addcmul(gradient, y, along).mul_(scale)
