"""Exact nearest neighbours of mixed rows in L1 distance: |difference| / training range for numbers, 1 for unequal labels.

Brute force costs rows x rows x columns. Here the reference rows are sorted into leaves of about a thousand similar rows,
each leaf knows the range of its numbers and which labels occur in it, and a query is only compared with leaves whose best
possible distance does not exceed the neighbours it already has. The result is that of brute force, ties included.
Numpy releases the interpreter lock, so blocks of queries run in threads. `closest.py` is the only user.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genwright.data.ahead import cores
from genwright.metrics.view import View

LEAF_ROWS = 1024
QUERY_ROWS = 1024
TILE_ROWS = 256  # queries x leaf floats that stay in a processor's second-level cache
Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Encoded:
    """Rows by column: numbers (columns, rows) in units of the training range, labels (columns, rows)."""

    numbers: Floats
    labels: NDArray[np.int32]
    may_miss: tuple[bool, ...]
    """For each number column: it has missing values, which lie 1 from every number and 0 from each other."""

    @property
    def rows(self) -> int:
        return self.numbers.shape[1]

    def take(self, rows: NDArray[np.intp]) -> Encoded:
        return Encoded(self.numbers[:, rows], self.labels[:, rows], self.may_miss)


@dataclass(frozen=True)
class Neighbours:
    """For each query: distance to the nearest and second nearest reference row, and how many rows tie for the nearest."""

    first: Floats
    second: Floats
    ties: Labels

    def merge(self, other: Neighbours) -> Neighbours:
        """Neighbours among both sets of reference rows."""
        first = np.minimum(self.first, other.first)
        ties = np.where(self.first == first, self.ties, 0) + np.where(other.first == first, other.ties, 0)
        second = np.minimum(np.maximum(self.first, other.first), np.minimum(self.second, other.second))
        return Neighbours(first, second, ties)


def encode(view: View, train: View, columns: Sequence[str], may_miss: Sequence[str]) -> Encoded:
    """Scale by the training table's ranges (a column without range counts as 0 or, where it differs, its difference)."""
    names = [name for name in columns if name in train.numbers]
    numbers = np.empty((len(names), view.rows), dtype=np.float32)
    for row, name in enumerate(names):
        present = train.numbers[name][~np.isnan(train.numbers[name])]
        low, high = (float(present.min()), float(present.max())) if present.size else (0.0, 1.0)
        scaled = (view.numbers[name] - low) / (high - low or 1.0)
        # Distances in such columns are cut at 1, so a far-away marker is 1 from every number and 0 from itself.
        numbers[row] = np.where(np.isnan(scaled), 1e9, np.clip(scaled, -1e6, 1e6))
    labels = [view.codes[name] for name in columns if name in train.codes]
    stacked = np.stack(labels) if labels else np.empty((0, view.rows), dtype=np.int32)
    return Encoded(numbers, stacked, tuple(name in may_miss for name in names))


class Index:
    """Reference rows sorted into leaves; `neighbours` answers queries exactly."""

    def __init__(self, rows: Encoded) -> None:
        leaves = _split(rows, np.arange(rows.rows))
        self.leaves = [rows.take(leaf) for leaf in leaves]
        self.low = np.stack([leaf.numbers.min(1) for leaf in self.leaves])
        self.high = np.stack([leaf.numbers.max(1) for leaf in self.leaves])
        self.has = [self._occurs(column, rows.labels[column]) for column in range(len(rows.labels))]

    def _occurs(self, column: int, codes: NDArray[np.int32]) -> NDArray[np.bool_]:
        """(leaves, labels + 1): does the label occur in the leaf? The first place is "missing"."""
        table = np.zeros((len(self.leaves), int(codes.max()) + 2), dtype=bool)
        for index, leaf in enumerate(self.leaves):
            table[index, leaf.labels[column] + 1] = True
        return table

    def neighbours(self, queries: Encoded) -> Neighbours:
        """Nearest and second nearest distance of every query, and the number of ties for the nearest."""
        starts = range(0, queries.rows, QUERY_ROWS)
        blocks = [queries.take(np.arange(start, min(start + QUERY_ROWS, queries.rows))) for start in starts]
        with ThreadPoolExecutor(cores()) as pool:
            parts = list(pool.map(self._block, blocks))
        return Neighbours(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("first", "second", "ties")))

    def _block(self, queries: Encoded) -> Neighbours:
        bound = self._bounds(queries)
        best = Neighbours(
            np.full(queries.rows, np.inf, np.float32),
            np.full(queries.rows, np.inf, np.float32),
            np.zeros(queries.rows, int),
        )
        home = bound.argmin(0)
        for own in (True, False):  # the most promising leaf first: it makes the bounds tight for all others
            for index, leaf in enumerate(self.leaves):
                wanted = home == index if own else (home != index) & (bound[index] <= best.second)
                rows = np.flatnonzero(wanted)
                for start in range(0, len(rows), TILE_ROWS):
                    tile = rows[start : start + TILE_ROWS]
                    found = Neighbours(best.first[tile], best.second[tile], best.ties[tile]).merge(
                        _compare(queries.take(tile), leaf)
                    )
                    best.first[tile], best.second[tile], best.ties[tile] = found.first, found.second, found.ties
        return best

    def _bounds(self, queries: Encoded) -> Floats:
        """(leaves, queries) no row of the leaf is nearer than this. A hair is taken off: sums round differently."""
        bound = np.zeros((len(self.leaves), queries.rows), dtype=np.float32)
        for column, values in enumerate(queries.numbers):
            gap = np.maximum(self.low[:, column, None] - values, values - self.high[:, column, None])
            bound += np.clip(gap, 0, 1 if queries.may_miss[column] else None)
        for column, codes in enumerate(queries.labels):
            has = self.has[column]
            known = codes + 1 < has.shape[1]
            bound += ~(has[:, np.where(known, codes + 1, 0)] & known)
        return bound * np.float32(1 - 1e-5)


def _compare(queries: Encoded, leaf: Encoded) -> Neighbours:
    """Brute force: all queries against all rows of one leaf."""
    distance = np.zeros((queries.rows, leaf.rows), dtype=np.float32)
    step = np.empty_like(distance)
    for column, values in enumerate(queries.numbers):
        np.subtract(values[:, None], leaf.numbers[column], out=step)
        np.abs(step, out=step)
        if queries.may_miss[column]:
            np.minimum(step, 1, out=step)
        distance += step
    if len(queries.labels):
        unequal = np.zeros(distance.shape, dtype=np.uint16)
        for column, codes in enumerate(queries.labels):
            unequal += codes[:, None] != leaf.labels[column]
        distance += unequal
    nearest = distance.argmin(1)
    rows = np.arange(queries.rows)
    first = distance[rows, nearest]
    ties = (distance == first[:, None]).sum(1)
    distance[rows, nearest] = np.inf
    return Neighbours(first, distance.min(1), ties)


def _split(rows: Encoded, members: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Halve along the column that adds most to the distance of two members, until the leaves are small."""
    if len(members) <= LEAF_ROWS:
        return [members]
    few = members[:: max(1, len(members) // 500)]
    spread = [2 * np.abs(v[few] - np.median(v[few])).clip(0, 1).mean() for v in rows.numbers]
    spread += [1 - float(((np.unique(c[few], return_counts=True)[1] / len(few)) ** 2).sum()) for c in rows.labels]
    best = int(np.argmax(spread))
    keys = rows.numbers[best] if best < len(rows.numbers) else rows.labels[best - len(rows.numbers)]
    members = members[np.argsort(keys[members], kind="stable")]
    cut = _boundary(keys[members])
    return _split(rows, members[:cut]) + _split(rows, members[cut:])


def _boundary(ordered: NDArray[np.generic]) -> int:
    """Where to cut sorted keys: between two different keys as near to the middle as possible, else in the middle."""
    middle = len(ordered) // 2
    left = int(np.searchsorted(ordered, ordered[middle], side="left"))
    right = int(np.searchsorted(ordered, ordered[middle], side="right"))
    inside = [cut for cut in (left, right) if 0 < cut < len(ordered)]
    return min(inside, key=lambda cut: abs(cut - middle), default=middle)
