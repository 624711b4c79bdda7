"""Canaries: random texts planted in the training texts on purpose, to measure how well a model remembers what it saw once.

Make them with `make`, plant some, train, and ask `exposure` what the model's loss says of them (Carlini et al. 2019). The
others, which were not planted, say what an innocent model would score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from genwright.errors import GenwrightError

TEMPLATE = "The code of locker {#} is {######}."
SLOT = "#"
FLAGGED = 0.01  # chance that a canary which the model never saw is flagged


@dataclass(frozen=True)
class Exposure:
    """How much more likely than other candidates a canary is."""

    bits: np.ndarray
    """(canaries,) log2(candidates) - log2(rank), from 0, the most surprising of all, to log2(candidates)."""
    limit: float
    """Bits above which a canary that was never seen comes with a chance of 1 in 100."""

    @property
    def flagged(self) -> np.ndarray:
        """(canaries,) whether the model remembers it."""
        return self.bits > self.limit


def make(n: int, *, template: str = TEMPLATE, seed: int = 0) -> list[str]:
    """n different texts: every # of the template becomes a random digit, braces around them go. Errors: GW-0532 for a
    template with less than ten times n different texts, which could not tell remembering from guessing."""
    slots = template.count(SLOT)
    if 10**slots < 10 * n:
        raise GenwrightError(
            "GW-0532",
            f"The template {template!r} makes {10**slots} different texts at most, too few for {n} canaries",
            f"Give it {math.ceil(math.log10(10 * n))} or more signs {SLOT}, each of which becomes a digit",
        )
    random = np.random.default_rng([seed, 23])
    pieces = template.replace("{" + SLOT, SLOT).replace(SLOT + "}", SLOT).split(SLOT)
    found: dict[str, None] = {}
    while len(found) < n:
        digits = random.integers(10, size=slots)
        found["".join(f"{piece}{digit}" for piece, digit in zip(pieces, digits, strict=False)) + pieces[-1]] = None
    return list(found)


def exposure(
    canaries: Sequence[str], candidates: Sequence[str], loss: Callable[[Sequence[str]], np.ndarray]
) -> Exposure:
    """Exposure of each canary among candidates of the same template that were not planted: the rank of its loss, in bits
    (Carlini et al. 2019, definition 5; the canary is one of the candidates). `loss` gives the cost of each text, in nats.

    Errors: GW-0533 without canaries, with fewer than 200 candidates, and for losses that are no numbers.
    """
    if not canaries or len(candidates) < 2 / FLAGGED:
        raise GenwrightError(
            "GW-0533",
            f"There are {len(canaries)} canaries and {len(candidates)} candidates",
            f"Give one canary at least, and {2 / FLAGGED:.0f} candidates from the same template that were not planted",
        )
    planted, others = (np.asarray(loss(list(texts)), dtype=np.float64) for texts in (canaries, candidates))
    if not (np.isfinite(planted).all() and np.isfinite(others).all()):
        raise GenwrightError(
            "GW-0533", "The loss of a canary is not a number", "Measure the loss with a model whose training went well"
        )
    rank = 1 + np.searchsorted(np.sort(others), planted, side="right")  # of ties, the worst: no exposure without proof
    total = len(others) + 1
    return Exposure(np.log2(total) - np.log2(rank), math.log2(1 / FLAGGED))
