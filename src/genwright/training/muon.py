"""Muon: momentum whose matrices are made orthogonal before they move the weights.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024. PyTorch has one too, in bfloat16, which
processors without that arithmetic take a dozen times as long for; here matrices of one shape go through together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

STEPS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)  # brings singular values near 1 in five steps (Jordan et al. 2024)


class Muon(torch.optim.Optimizer):
    """For matrices of hidden layers, (outputs, inputs); embeddings, heads and vectors want another optimiser."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, *, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        """`lr`: the step is this times the root of max(1, outputs / inputs); `weight_decay` is decoupled."""
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One step, Nesterov's momentum first. Parameters without a gradient stay."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault(parameter.shape, []).append(parameter)
            for shape, same in shapes.items():
                ways = orthogonal(torch.stack([self._momentum(p, group["momentum"]) for p in same]))
                length = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for parameter, way in zip(same, ways, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(way, alpha=-length)

    def _momentum(self, parameter: Tensor, share: float) -> Tensor:
        """The gradient moved towards its running mean, which it enters."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        mean: Tensor = state["momentum_buffer"].lerp_(parameter.grad, 1 - share)
        return parameter.grad.lerp(mean, share)


def orthogonal(matrices: Tensor) -> Tensor:
    """(N, rows, columns) each with its singular values near 1: five steps of Newton and Schulz."""
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    upright = x.shape[-2] > x.shape[-1]
    x = x.mT if upright else x
    x = x / (torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True) + 1e-7)
    # All steps multiply from the left by a polynomial of x x', so long matrices need no more than that small one: half of
    # the products. Not in bfloat16, of whose few digits the square of a singular value leaves too little.
    long = x.shape[-1] >= 2 * x.shape[-2] and x.dtype != torch.bfloat16
    x = _factor(x @ x.mT) @ x if long else _stepped(x)
    return (x.mT if upright else x).to(matrices.dtype)


def _stepped(x: Tensor) -> Tensor:
    """The steps on the matrices themselves."""
    for _ in range(STEPS):
        x = torch.baddbmm(x, _powers(x @ x.mT), x, beta=QUINTIC[0])
    return x


def _factor(square: Tensor) -> Tensor:
    """What the steps multiply x by, from x x'."""
    product = own = _polynomial(square)
    for _ in range(STEPS - 1):
        square = own @ square @ own
        own = _polynomial(square)
        product = own @ product
    return product


def _polynomial(square: Tensor) -> Tensor:
    powers = _powers(square)
    powers.diagonal(dim1=-2, dim2=-1).add_(QUINTIC[0])
    return powers


def _powers(square: Tensor) -> Tensor:
    """The second and third term of the quintic, divided by x."""
    return torch.baddbmm(square, square, square, beta=QUINTIC[1], alpha=QUINTIC[2])
