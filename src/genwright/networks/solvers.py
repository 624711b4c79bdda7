"""Solvers of dx/dt = f(x, t) from t = 0 to t = 1, as plain functions. Flows are sampled with them: `models/flow.py`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

Field = Callable[[Tensor, Tensor], Tensor]
"""(x of shape (B, ...), t of shape (B,)) -> dx/dt of the shape of x."""


def euler(field: Field, x: Tensor, steps: int) -> Tensor:
    """Forward Euler with equal steps: order 1, one call a step."""
    times = torch.linspace(0.0, 1.0, steps + 1).tolist()
    for start, end in pairwise(times):
        x = x + (end - start) * field(x, _time(x, start))
    return x


def heun(field: Field, x: Tensor, steps: int) -> Tensor:
    """Heun's method with equal steps: order 2, two calls a step; the last is an Euler step, 2 * steps - 1 calls in all."""
    times = torch.linspace(0.0, 1.0, steps + 1).tolist()
    for start, end in pairwise(times):
        first = field(x, _time(x, start))
        ahead = x + (end - start) * first
        if end == times[-1]:
            return ahead
        x = x + (end - start) * 0.5 * (first + field(ahead, _time(x, end)))
    return x


def adaptive(field: Field, x: Tensor, steps: int, *, tolerance: float = 1e-2) -> Tensor:
    """Bogacki and Shampine's pair of orders 3 and 2 (1989), three calls a step, of the size that keeps the error within
    `tolerance` (root mean square, worst example). Sizes lie between 1 / (10 * steps) and 1 / 4, so it always ends."""
    time, size = 0.0, 1.0 / steps
    first = field(x, _time(x, 0.0))
    while time < 1.0:
        size = min(size, 1.0 - time)
        second = field(x + 0.5 * size * first, _time(x, time + 0.5 * size))
        third = field(x + 0.75 * size * second, _time(x, time + 0.75 * size))
        ahead = x + size * (2 * first + 3 * second + 4 * third) / 9
        last = field(ahead, _time(x, time + size))
        gap = size * (-5 * first / 72 + second / 12 + third / 9 - last / 8)
        error = float(gap.flatten(1).pow(2).mean(1).sqrt().max()) / tolerance
        if error <= 1.0 or size <= 0.1 / steps:
            time = 1.0 if 1.0 - time - size < 1e-9 else time + size
            x, first = ahead, last
        size = max(0.1 / steps, min(0.25, size * min(3.0, max(0.3, 0.9 * max(error, 1e-8) ** (-1 / 3)))))
    return x


def _time(x: Tensor, value: float) -> Tensor:
    return torch.full((len(x),), value, device=x.device)
