"""The pieces of a grid's slices that a condition leaves: what share of each slice they are, and draws from them.

`allowed.py` makes factors of the shares: read it next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genwright.codecs.grid import Grid


@dataclass(frozen=True)
class Pieces:
    """Stretches of ticks in rising order, both ends included, each inside one slice."""

    starts: np.ndarray
    ends: np.ndarray
    first: np.ndarray
    """(slices + 1,): index of each slice's first piece; the last entry is the number of pieces."""
    weights: np.ndarray
    """Share of the slice that each piece is, above 0 up to 1."""
    cut: np.ndarray
    """(slices,): what is left is not just the whole slice."""

    @classmethod
    def of(cls, grid: Grid, firsts: np.ndarray, lasts: np.ndarray, digits: int) -> Pieces:
        """What lies in stretches of ticks, from `firsts` to `lasts`.

        Where numbers have no smallest step, a stretch that is one number is as wide as all that is rounded to it: they
        have `digits` significant digits.
        """
        begin, end = np.searchsorted(grid.ends, firsts), np.searchsorted(grid.starts, lasts, side="right")
        begin = np.where(firsts == lasts, np.maximum(begin, end - 1), begin)  # slices touch: a number is in one of them
        stretch = np.repeat(np.arange(len(firsts)), end - begin)
        at = np.arange(len(stretch)) + np.repeat(end - np.cumsum(end - begin), end - begin)
        starts, ends = np.maximum(grid.starts[at], firsts[stretch]), np.minimum(grid.ends[at], lasts[stretch])
        whole, single = grid.scale.places is not None, grid.starts == grid.ends
        if not whole:
            some = (starts < ends) | single[at] | (firsts == lasts)[stretch]
            starts, ends, at = starts[some], ends[some], at[some]
        width = np.where(single, 1.0, _width(grid.starts, grid.ends, whole))
        length = _width(starts, ends, whole)
        if not whole:
            length = np.where(starts == ends, _resolution(starts, digits), length)
        weights = np.where(single[at], 1.0, np.minimum(length / width[at], 1.0))
        cut = np.ones(len(width), dtype=bool)
        cut[at[(starts == grid.starts[at]) & (ends == grid.ends[at])]] = False
        return cls(starts, ends, np.searchsorted(at, np.arange(len(width) + 1)), weights, cut)

    @property
    def shares(self) -> np.ndarray:
        """(slices,): what share of each is left."""
        reached = np.append(0.0, np.cumsum(self.weights))
        return np.clip(np.diff(reached[self.first]), 0.0, 1.0)

    def draw(self, at: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """A tick in a piece of each of the slices `at`, of which something must be left."""
        reached = np.append(0.0, np.cumsum(self.weights))
        low, high = reached[self.first[at]], reached[self.first[at + 1]]
        place = low + generator.random(len(at)) * (high - low)
        piece = np.searchsorted(reached, place, side="right") - 1
        piece = np.clip(piece, self.first[at], self.first[at + 1] - 1)
        start, end, share = self.starts[piece], self.ends[piece], generator.random(len(at))
        if start.dtype.kind == "f":
            return np.where(start < end, start + share * (end - start), start)
        return np.minimum(start + np.floor(share * (end - start + 1.0)).astype(np.int64), end)


def _width(starts: np.ndarray, ends: np.ndarray, whole: bool) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # infinite numbers are cells of their own
        return (ends - starts).astype(np.float64) + (1.0 if whole else 0.0)


def _resolution(numbers: np.ndarray, digits: int) -> np.ndarray:
    """The step between neighbouring numbers of so many significant digits."""
    with np.errstate(divide="ignore"):
        largest = np.floor(np.log10(np.abs(numbers)))
    return 10.0 ** (np.where(np.isfinite(largest), largest, 0.0) - digits + 1)
