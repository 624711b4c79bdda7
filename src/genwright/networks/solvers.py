"""Solvers of dx/dt = f(x, t) along given times, either way, as plain functions. `models/flow.py` samples with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

Field = Callable[[Tensor, Tensor], Tensor]
"""(x of shape (B, ...), t of shape (B,)) -> dx/dt of the shape of x."""


def even(steps: int) -> list[float]:
    """Times from 0 to 1 with equal steps between them."""
    return [step / steps for step in range(steps + 1)]


def growing(steps: int) -> list[float]:
    """Times from 0 to 1 with steps that grow evenly: what an image will be is decided early."""
    return [(step / steps) ** 2 for step in range(steps + 1)]


def euler(field: Field, x: Tensor, times: Sequence[float]) -> Tensor:
    """Forward Euler: order 1, one call a step."""
    for start, end in pairwise(times):
        x = x + (end - start) * field(x, _time(x, start))
    return x


def heun(field: Field, x: Tensor, times: Sequence[float]) -> Tensor:
    """Heun's method: order 2, two calls a step; the last is an Euler step, one call less in all."""
    for start, end in pairwise(times):
        first = field(x, _time(x, start))
        ahead = x + (end - start) * first
        if end == times[-1]:
            return ahead
        x = x + (end - start) * 0.5 * (first + field(ahead, _time(x, end)))
    return x


def adaptive(field: Field, x: Tensor, times: Sequence[float], *, tolerance: float = 1e-2) -> Tensor:
    """Bogacki and Shampine's pair of orders 3 and 2 (1989) between the outermost times, three calls a step, of the size that
    keeps the error within `tolerance` (root mean square, worst example). Sizes lie between a tenth of those given, on average,
    and a quarter of the way, so it always ends."""
    start, way, steps = times[0], times[-1] - times[0], len(times) - 1
    time, size = 0.0, 1.0 / steps  # shares of the way

    def along(x: Tensor, time: float) -> Tensor:
        return way * field(x, _time(x, start + way * time))

    first = along(x, 0.0)
    while time < 1.0:
        size = min(size, 1.0 - time)
        second = along(x + 0.5 * size * first, time + 0.5 * size)
        third = along(x + 0.75 * size * second, time + 0.75 * size)
        ahead = x + size * (2 * first + 3 * second + 4 * third) / 9
        last = along(ahead, time + size)
        gap = size * (-5 * first / 72 + second / 12 + third / 9 - last / 8)
        error = float(gap.flatten(1).pow(2).mean(1).sqrt().max()) / tolerance
        if error <= 1.0 or size <= 0.1 / steps:
            time = 1.0 if 1.0 - time - size < 1e-9 else time + size
            x, first = ahead, last
        size = max(0.1 / steps, min(0.25, size * min(3.0, max(0.3, 0.9 * max(error, 1e-8) ** (-1 / 3)))))
    return x


def _time(x: Tensor, value: float) -> Tensor:
    return torch.full((len(x),), value, device=x.device)
