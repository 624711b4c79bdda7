"""Muon: momentum whose matrices are made orthogonal before they move the weights.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024. PyTorch has one too, in bfloat16, which
processors without that arithmetic take a dozen times as long for; here matrices of one shape go through together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

Quintic = tuple[float, float, float]
"""What s, s^3 and s^5 are multiplied by."""
# Each is of all quintics the nearest to 1 on what the one before leaves of .003 .. 1 (Amsel et al. 2025, arXiv 2505.16932,
# theorem 4.1). Four end in .80 .. 1.20, where five steps of the first method end in .68 .. 1.20, and texts train as well.
QUINTICS: tuple[Quintic, ...] = (
    (8.38367, -24.76591, 18.35708),
    (4.04342, -3.01141, 0.56951),
    (3.50557, -2.62665, 0.52572),
    (2.49012, -1.83428, 0.43683),
)
MARGIN = 1.02  # above 1 they rise steeply, and bfloat16 rounds


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
    """(N, rows, columns) each with its singular values near 1, by a few steps of odd polynomials."""
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    upright = x.shape[-2] > x.shape[-1]
    x = x.mT if upright else x
    x = x / (MARGIN * torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True) + 1e-7)
    # All steps multiply from the left by a polynomial of x x', so long matrices need no more than that small one: half of
    # the products. Not in bfloat16, of whose few digits the square of a singular value leaves too little.
    long = x.shape[-1] >= 2 * x.shape[-2] and x.dtype != torch.bfloat16
    x = _factor(x @ x.mT) @ x if long else _stepped(x)
    return (x.mT if upright else x).to(matrices.dtype)


def _stepped(x: Tensor) -> Tensor:
    """The steps on the matrices themselves."""
    for quintic in QUINTICS:
        x = torch.baddbmm(x, _powers(x @ x.mT, quintic), x, beta=quintic[0])
    return x


def _factor(square: Tensor) -> Tensor:
    """What the steps multiply x by, from x x'."""
    product = own = _polynomial(square, QUINTICS[0])
    for quintic in QUINTICS[1:]:
        square = own @ square @ own
        own = _polynomial(square, quintic)
        product = own @ product
    return product


def _polynomial(square: Tensor, quintic: Quintic) -> Tensor:
    powers = _powers(square, quintic)
    powers.diagonal(dim1=-2, dim2=-1).add_(quintic[0])
    return powers


def _powers(square: Tensor, quintic: Quintic) -> Tensor:
    """The second and third term of the quintic, divided by x."""
    return torch.baddbmm(square, square, square, beta=quintic[1], alpha=quintic[2])
