"""Numbers as cells of a sorted grid: spikes keep a cell of their own, the rest shares intervals cut into slices.

Values are counted in *ticks*, the smallest step that the column uses (cents, days, multiples of five), so that nothing
between two possible values is ever drawn; columns without such a step stay floating-point. `columns.py` turns cells into
codes: read it next.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_EXACT = 2.0**53
_ROWS_IN_TAIL_CELL = 8
_TAIL_CELLS = 3
_ROWS_IN_SLICE = 4


@dataclass(frozen=True)
class Scale:
    """How values become ticks: value = (offset + unit * tick) / 10**places; places None keeps floats as they are."""

    places: int | None
    offset: int = 0
    unit: int = 1

    @classmethod
    def of(cls, values: np.ndarray, places: int | None) -> Scale:
        """The coarsest scale on which all values stand; integers have 0 places."""
        if values.dtype.kind == "f":
            if places is None or not np.isfinite(values).all() or np.abs(values).max() * 10.0**places >= _EXACT:
                return cls(None)
            values = np.round(values * 10.0**places).astype(np.int64)
        offset = int(values.min())
        steps = _minus(values, offset)
        unit = max(int(np.gcd.reduce(steps)), 1)
        while int(steps.max()) // unit >= 1 << 62:  # the whole range of 64 bits: the last bits cannot be kept
            unit *= 2
        return cls(places or 0, offset, unit)

    def ticks(self, values: np.ndarray) -> np.ndarray:
        """Ticks (int64) of values, or the values themselves; values off the scale go to the tick below."""
        if self.places is None:
            return values.astype(np.float64)
        if values.dtype.kind == "f":
            largest = 2.0**62
            values = np.clip(np.round(values * 10.0**self.places), -largest, largest).astype(np.int64)
        low = values < self.offset
        return np.where(low, -1, (_minus(values, self.offset) // np.uint64(self.unit)).astype(np.int64))

    def values(self, ticks: np.ndarray, *, whole: bool) -> np.ndarray:
        """Values of ticks: int64 when `whole`, else floats."""
        if self.places is None:
            return ticks
        offset = np.uint64(self.offset % (1 << 64))
        exact = (ticks.astype(np.uint64) * np.uint64(self.unit) + offset).astype(np.int64)
        return exact if whole else exact / 10.0**self.places


def _minus(values: np.ndarray, offset: int) -> np.ndarray:
    """values - offset as uint64: right even where int64 would overflow."""
    return values.astype(np.int64).astype(np.uint64) - np.uint64(offset % (1 << 64))


@dataclass(frozen=True)
class Grid:
    """Slices [start, end] in rising order, and the cell that each belongs to. An atom is a cell with start = end."""

    scale: Scale
    starts: np.ndarray
    ends: np.ndarray
    first: np.ndarray
    """(cells + 1,): index of each cell's first slice; the last entry is the number of slices."""

    @property
    def cells(self) -> int:
        return len(self.first) - 1

    @property
    def slices(self) -> np.ndarray:
        """(cells,): how many slices each cell has; 1 for an atom."""
        return np.diff(self.first)

    @functools.cached_property
    def _cell_of_slice(self) -> np.ndarray:
        return np.repeat(np.arange(self.cells), self.slices)

    def locate(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cell and slice of each value; a value that stands in no slice goes to the nearest one."""
        ticks = self.scale.ticks(values)
        at = np.clip(np.searchsorted(self.starts, ticks, side="right") - 1, 0, None)
        after = np.minimum(at + 1, len(self.starts) - 1)
        beyond = ticks > self.ends[at]
        if beyond.any():
            with np.errstate(invalid="ignore"):
                nearer = (self.starts[after] - ticks) < (ticks - self.ends[at])
            at = np.where(beyond & nearer, after, at)
        cell = self._cell_of_slice[at]
        return cell, at - self.first[cell]

    def draw(self, cell: np.ndarray, part: np.ndarray, generator: np.random.Generator, *, whole: bool) -> np.ndarray:
        """A value of each slice, every tick in it equally likely."""
        at = self.first[cell] + np.minimum(part, self.slices[cell] - 1)
        start, end = self.starts[at], self.ends[at]
        share = generator.random(len(at))
        if self.scale.places is None:
            inside = np.isfinite(start) & (end > start)
            with np.errstate(invalid="ignore", over="ignore"):
                return np.where(inside, start + share * (end - start), start)
        ticks = start + np.floor(share * (end - start + 1)).astype(np.int64)
        return self.scale.values(np.minimum(ticks, end), whole=whole)

    def edge_values(self, *, whole: bool) -> tuple[Any, Any]:
        """The smallest and the largest value that the grid can give."""
        ends = np.array([self.starts[0], self.ends[-1]])
        low, high = self.scale.values(ends, whole=whole)
        return low, high

    def to_json(self) -> dict[str, Any]:
        """What is not in `arrays`."""
        return {"places": self.scale.places, "offset": self.scale.offset, "unit": self.scale.unit}

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays, by name."""
        return {"starts": self.starts, "ends": self.ends, "first": self.first}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Grid:
        """Back from `to_json` and `arrays`; ValueError when they do not fit together."""
        grid = cls(
            Scale(data["places"], data["offset"], data["unit"]), arrays["starts"], arrays["ends"], arrays["first"]
        )
        kind = "f" if grid.scale.places is None else "i"
        if grid.starts.dtype.kind != kind or grid.starts.shape != grid.ends.shape or not len(grid.starts):
            raise ValueError("a grid's slices are damaged")
        if grid.first[0] != 0 or grid.first[-1] != len(grid.starts) or (np.diff(grid.first) < 1).any():
            raise ValueError("a grid's cells are damaged")
        return grid


def build_grid(
    values: np.ndarray, counts: np.ndarray, *, places: int | None, bins: int, slices: int, most_values: int
) -> Grid:
    """A grid over distinct values in rising order and how often each was seen.

    With at most `most_values` of them each is an atom, unless hardly any value is seen twice: then their exact list
    would be a list of people, and intervals are laid over them as over any other number.
    """
    scale = Scale.of(values, places)
    points = scale.ticks(values)
    rows = int(counts.sum())
    dense = scale.places is not None and int(points[-1] - points[0]) < most_values
    if len(points) <= most_values and (dense or rows >= 2 * len(points)):
        return Grid(scale, points, points, np.arange(len(points) + 1))
    atoms = counts * (2 * bins) > rows
    if scale.places is None:
        atoms |= ~np.isfinite(points)
    rest = int(counts[~atoms].sum())
    bins = int(np.clip(round(bins * rest / rows), 1, max(rest // _ROWS_IN_TAIL_CELL, 1)))
    slices = int(np.clip(rest // (_ROWS_IN_SLICE * bins), 1, slices))
    cell = _cells(atoms, counts, bins)
    return _sliced(scale, points, counts, cell, slices)


def _cells(atoms: np.ndarray, counts: np.ndarray, bins: int) -> np.ndarray:
    """The cell of each point: atoms alone, the others by quantile, with narrower cells in both tails; an atom ends
    the cell that it stands in, so that no interval holds one."""
    weight = np.where(atoms, 0, counts)
    rows = weight.sum()
    inner = np.arange(1, bins) / bins
    tail = [1 / bins / 2**k for k in range(1, _TAIL_CELLS + 1) if rows / bins / 2**k >= _ROWS_IN_TAIL_CELL]
    shares = np.sort(np.concatenate([inner, tail, 1 - np.array(tail)]))
    middle = (np.cumsum(weight) - weight / 2) / max(rows, 1)
    interval = np.searchsorted(shares, middle)
    starts = np.ones(len(counts), dtype=bool)
    starts[1:] = atoms[1:] | atoms[:-1] | (interval[1:] != interval[:-1])
    return np.cumsum(starts) - 1


def _sliced(scale: Scale, points: np.ndarray, counts: np.ndarray, cell: np.ndarray, slices: int) -> Grid:
    """Every cell that holds several points, cut into slices of equal width (in a heavy tail: of growing width)."""
    begins = np.flatnonzero(np.diff(cell, prepend=-1))
    finishes = np.append(begins[1:], len(points)) - 1
    intervals = np.flatnonzero(begins < finishes)
    starts, ends, first = [], [], [0]
    for number, (begin, finish) in enumerate(zip(begins, finishes, strict=True)):
        low, high = points[begin], points[finish]
        inside, weight = points[begin : finish + 1], counts[begin : finish + 1]
        if begin == finish:
            steps = np.zeros(1, dtype=points.dtype)
        else:
            bend = 0.0
            if number == intervals[-1]:
                bend = _bend(inside - low, weight)
            elif number == intervals[0]:
                bend = -_bend((high - inside)[::-1], weight[::-1])
            steps = _steps(high - low, slices, bend, whole=scale.places is not None)
        cuts = low + steps
        starts.append(cuts)
        ends.append(np.append(cuts[1:] - 1 if scale.places is not None else cuts[1:], high))
        first.append(first[-1] + len(cuts))
    return Grid(scale, np.concatenate(starts), np.concatenate(ends), np.array(first))


def _bend(distances: np.ndarray, weight: np.ndarray) -> float:
    """The median distance from a tail cell's inner edge where values crowd there, so that slices should grow
    geometrically from it; 0 where they are spread evenly enough."""
    middle = int(np.searchsorted(np.cumsum(weight), weight.sum() / 2))
    median, width = float(distances[middle]), float(distances[-1])
    return median if 0 < median < width / 6 else 0.0


def _steps(width: Any, slices: int, bend: float, *, whole: bool) -> np.ndarray:
    """Distances from the lower edge at which slices start: rising, the first 0. A negative bend: the upper edge is the
    inner one."""
    size = float(width) + (1 if whole else 0)
    share = np.arange(slices) / slices
    if bend > 0:
        cuts = bend * np.expm1(share * np.log1p(size / bend))
    elif bend < 0:
        cuts = size + bend * np.expm1((1 - share) * np.log1p(size / -bend))
    else:
        cuts = share * size
    cuts[0] = 0.0
    if whole:
        return np.unique(np.ceil(cuts).astype(np.int64).clip(0, int(width)))
    return np.unique(cuts.clip(0.0, width))
