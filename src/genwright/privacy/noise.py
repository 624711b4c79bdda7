"""Random noise for private releases, from the operating system's generator.

Discrete noise is exact: from the moment its scale is a fraction, only whole numbers are drawn and compared, so that no
rounding of floating-point numbers can leak what it was added to. The samplers are those of Canonne, Kamath and Steinke
2020 ("The Discrete Gaussian for Differential Privacy", algorithms 1 to 3), run on whole arrays at once.
Read `mechanisms.py` next for what the noise is added to.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from genwright.errors import GenwrightError

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Source = Callable[[int], NDArray[np.uint64]]
"""Gives n words of 64 random bits. Only tests give another than `system_source`: a seed that is known hides nothing."""

LARGEST = 1 << 24  # scale of the noise: beyond, the exact comparisons no longer fit in 64 bits
_WORD = np.int64(2**63 - 1)


def system_source(n: int) -> NDArray[np.uint64]:
    """n words from the operating system's cryptographic generator."""
    return np.frombuffer(os.urandom(8 * n), dtype=np.uint64)


def discrete_gaussian(size: int, noise: float, source: Source = system_source) -> Integers:
    """(size,) exact draws with probability proportional to e^(-x^2 / 2 sigma^2); 0 < noise <= 2^24, else GW-0602.

    sigma is `noise`, rounded up so that its square is a short fraction: by at most .1 % from 1 upwards, 5 % at .1.
    """
    _check(noise)
    scale = math.floor(noise) + 1
    parts = min(1024, LARGEST // scale + 1)
    squared = math.ceil(Fraction(noise) ** 2 * parts / scale)  # sigma^2 = scale * squared / parts
    drawn = np.zeros(size, dtype=np.int64)
    left = np.arange(size)
    while left.size:
        y = discrete_laplace(left.size, scale, 1, source)
        # (|y| - sigma^2 / scale)^2 / 2 sigma^2; |y| beyond 90 scales, where this would overflow, has probability e^-90.
        kept = _happens((np.abs(y) * parts - squared) ** 2, np.full(left.size, 2 * scale * squared * parts), source)
        drawn[left[kept]] = y[kept]
        left = left[~kept]
    return drawn


def discrete_laplace(size: int, scale: int, parts: int, source: Source = system_source) -> Integers:
    """(size,) exact draws with probability proportional to e^(-|x| parts / scale); scale <= 2^30, else GW-0602."""
    _check(scale / 64)
    drawn = np.zeros(size, dtype=np.int64)
    left = np.arange(size)
    whole = np.full(size, scale)
    while left.size:
        n = left.size
        remainder = _below(whole[:n], source)
        kept = _happens(remainder, whole[:n], source)
        y = (remainder + scale * _successes(n, source)) // parts
        negative = (source(n) & np.uint64(1)).astype(bool)
        kept &= ~(negative & (y == 0))  # zero must not come up twice as often
        drawn[left[kept]] = np.where(negative, -y, y)[kept]
        left = left[~kept]
    return drawn


def gaussian(size: int, source: Source = system_source) -> NDArray[np.float64]:
    """(size,) standard normal draws by Box and Muller's transform of 53-bit uniform numbers; they end at 8.6."""
    pairs = (size + 1) // 2
    radius = np.sqrt(-2 * np.log(uniform(pairs, source)))
    angle = 2 * math.pi * uniform(pairs, source)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:size]


def uniform(size: int, source: Source = system_source) -> NDArray[np.float64]:
    """(size,) numbers in (0, 1], multiples of 2^-53."""
    return ((source(size) >> np.uint64(11)).astype(np.float64) + 1) * 2.0**-53


def _check(noise: float) -> None:
    if not 0 < noise <= LARGEST:
        raise GenwrightError(
            "GW-0602", f"Noise of scale {noise:.3g} cannot be drawn", f"It must be above 0 and at most {LARGEST:,}."
        )


def _below(bound: Integers, source: Source) -> Integers:
    """Whole numbers, each uniform in [0, its bound): words that would favour small numbers are drawn again."""
    drawn = np.zeros(bound.size, dtype=np.int64)
    left = np.arange(bound.size)
    while left.size:
        word = (source(left.size) >> np.uint64(1)).astype(np.int64)
        limit = bound[left]
        fair = word < _WORD // limit * limit
        drawn[left[fair]] = word[fair] % limit[fair]
        left = left[~fair]
    return drawn


def _happens(numerator: Integers, denominator: Integers, source: Source) -> Flags:
    """True with probability e^(-numerator / denominator), exactly (algorithm 1)."""
    times, rest = np.divmod(numerator, denominator)
    happened = np.ones(numerator.size, dtype=bool)
    done = 0
    while (left := np.flatnonzero(happened & (times > done))).size:
        one = np.ones(left.size, dtype=np.int64)
        happened[left] = _happens_at_most_one(one, one, source)
        done += 1
    left = np.flatnonzero(happened)
    happened[left] = _happens_at_most_one(rest[left], denominator[left], source)
    return happened


def _happens_at_most_one(numerator: Integers, denominator: Integers, source: Source) -> Flags:
    """The same for numerator <= denominator: the first k at which chance numerator / (denominator k) fails is odd."""
    odd = np.ones(numerator.size, dtype=bool)
    left = np.arange(numerator.size)
    k = 1
    while left.size:
        left = left[_below(denominator[left] * k, source) < numerator[left]]
        odd[left] = ~odd[left]
        k += 1
    return odd


def _successes(size: int, source: Source) -> Integers:
    """How often chance 1 / e succeeds before it first fails."""
    count = np.zeros(size, dtype=np.int64)
    left = np.arange(size)
    while left.size:
        one = np.ones(left.size, dtype=np.int64)
        left = left[_happens_at_most_one(one, one, source)]
        count[left] += 1
    return count
