"""Fidelity of pairs of columns (trend), and the strength of each relation for the heat maps.

Definition (SDMetrics' CorrelationSimilarity and ContingencySimilarity without their thresholds, averaged over ALL pairs):
two numbers: |r_real - r_other| / 2 with Pearson's r; otherwise the total variation of the joint table, numbers cut in ten
equal-width bins of the TRAINING table's range (values beyond it fall in the outer bins). Missing values count too: they
are a cell of their own in a joint table; for two numbers r is taken over rows with both present, and the error is at least
the total variation of the joint table of "is missing". Read `triples.py` next.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.marginals import total_variation
from genwright.metrics.view import View

BINS = 10
SPARSE_CELLS = 1_000_000
Pair = tuple[str, str]
Cells = NDArray[np.int64]


@dataclass(frozen=True)
class Trend:
    """Per pair: error of the synthetic table and of the hold-out (None if absent), relation in train and synthetic."""

    pairs: list[Pair]
    total: int
    """Number of pairs of the table; more than len(pairs) when only a seeded sample was measured."""
    synthetic: list[float]
    holdout: list[float] | None
    relation_train: list[float]
    relation_synthetic: list[float]


def choose_pairs(columns: Sequence[str], limit: int, generator: np.random.Generator) -> list[Pair]:
    """All pairs, or a random `limit` of them, in table order."""
    total = math.comb(len(columns), 2)
    pairs = list(itertools.combinations(columns, 2))
    if total <= limit:
        return pairs
    return [pairs[i] for i in sorted(generator.choice(total, limit, replace=False).tolist())]


def trends(
    train: View,
    holdout: View | None,
    synthetic: View,
    columns: Sequence[str],
    limit: int,
    generator: np.random.Generator,
) -> Trend:
    """Trend errors in [0, 1], 0 best; relations are Pearson's r in [-1, 1] or Cramér's V in [0, 1]."""
    pairs = choose_pairs(columns, limit, generator)
    edges = all_edges(train, columns)
    grids = [_Grid(view, edges) for view in (train, synthetic, holdout) if view is not None]
    errors_synthetic, errors_holdout, real, made = [], [], [], []
    for first, second in pairs:
        if first in edges and second in edges:
            correlations = [grid.pearson(first, second) for grid in grids]
            errors = [
                _number_error(grids[0], other, first, second, correlations[0], r)
                for other, r in zip(grids[1:], correlations[1:], strict=True)
            ]
            relations = correlations[:2]
        else:
            tables = joint_tables([grid.cells(first, second) for grid in grids])
            errors = [total_variation(tables[0].ravel(), table.ravel()) for table in tables[1:]]
            relations = [cramers_v(tables[0]), cramers_v(tables[1])]
        errors_synthetic.append(errors[0])
        errors_holdout.extend(errors[1:])
        real.append(relations[0])
        made.append(relations[1])
    floors = errors_holdout if holdout is not None else None
    return Trend(pairs, math.comb(len(columns), 2), errors_synthetic, floors, real, made)


class _Grid:
    """Binned codes and standardised numbers of one table, computed once and used for every pair."""

    def __init__(self, view: View, edges: dict[str, NDArray[np.float64]]) -> None:
        self.codes = cell_codes(view, edges)
        self.missing: dict[str, NDArray[np.bool_]] = {}
        self.numbers = view.numbers
        self.standard: dict[str, NDArray[np.float64]] = {}
        for name in edges:
            missing = view.missing(name)
            if missing.any():
                self.missing[name] = missing
            else:
                self.standard[name] = standardise(view.numbers[name])

    def cells(self, first: str, second: str) -> tuple[Cells, Cells]:
        return self.codes[first], self.codes[second]

    def pearson(self, first: str, second: str) -> float:
        """Pearson's r over rows with both values; 0 where it is not defined (fewer than 2 rows, or no variation)."""
        if first in self.standard and second in self.standard:
            x, y = self.standard[first], self.standard[second]
        else:
            both = ~(np.isnan(self.numbers[first]) | np.isnan(self.numbers[second]))
            x, y = standardise(self.numbers[first][both]), standardise(self.numbers[second][both])
        return float(x @ y / len(x)) if len(x) else 0.0

    def pattern(self, first: str, second: str) -> Cells:
        """(4,) counts of the joint table of "is missing"."""
        code = np.zeros(len(self.numbers[first]), dtype=np.int64)
        for weight, name in ((1, first), (2, second)):
            if name in self.missing:
                code += weight * self.missing[name]
        return np.bincount(code, minlength=4)


def standardise(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean 0 and standard deviation 1; all zeros where nothing varies."""
    if values.size == 0:
        return values
    centred = values - values.mean()
    spread = math.sqrt(float(centred @ centred) / len(centred))
    # A spread of rounding errors alone (a constant far from zero) is no variation.
    return centred / spread if spread > 1e-12 * (1 + abs(float(values.mean()))) else np.zeros_like(centred)


def _number_error(real: _Grid, other: _Grid, first: str, second: str, r_real: float, r_other: float) -> float:
    error = abs(r_real - r_other) / 2
    if any(name in grid.missing for grid in (real, other) for name in (first, second)):
        error = max(error, total_variation(real.pattern(first, second), other.pattern(first, second)))
    return error


def bin_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nine inner edges of ten equal-width bins of the present values; none where there is nothing to cut."""
    present = values[~np.isnan(values)]
    if present.size == 0 or present.min() == present.max():
        return np.empty(0)
    return np.linspace(present.min(), present.max(), BINS + 1)[1:-1]


def all_edges(train: View, columns: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """`bin_edges` of every number column."""
    return {name: bin_edges(train.numbers[name]) for name in columns if name in train.numbers}


def cell_codes(view: View, edges: dict[str, NDArray[np.float64]]) -> dict[str, Cells]:
    """(rows,) the cell of each value in tables of counts, for each column: 0 missing, then bins or labels from 1 on."""
    numbers = {
        name: np.where(view.missing(name), 0, 1 + np.searchsorted(inner, view.numbers[name], side="right"))
        for name, inner in edges.items()
    }
    return {**numbers, **{name: codes.astype(np.int64) + 1 for name, codes in view.codes.items()}}


def joint_tables(codes: list[tuple[Cells, Cells]]) -> list[Cells]:
    """Tables of counts with the same cells, one for each table given; (rows, columns), or (cells, 1) where very sparse."""
    height = 1 + max(int(first.max(initial=0)) for first, _ in codes)
    width = 1 + max(int(second.max(initial=0)) for _, second in codes)
    tables = tallies([first * width + second for first, second in codes], height * width)
    dense = len(tables[0]) == height * width
    return [table.reshape(height, width) if dense else table.reshape(-1, 1) for table in tables]


def tallies(cells: list[Cells], size: int) -> list[Cells]:
    """How often each of `size` cells occurs in each table given; only the cells that occur at all where there are many."""
    if size <= SPARSE_CELLS:
        return [np.bincount(rows, minlength=size) for rows in cells]
    _, used = np.unique(np.concatenate(cells), return_inverse=True)
    parts = np.split(used, np.cumsum([len(rows) for rows in cells])[:-1])
    return [np.bincount(rows, minlength=int(used.max()) + 1) for rows in parts]


def cramers_v(table: Cells) -> float:
    """Cramér's V with Bergsma's correction for chance (2013), in [0, 1]; 0 where it is not defined or too sparse."""
    table = table[table.sum(1) > 0][:, table.sum(0) > 0].astype(np.float64)
    rows, columns, n = *table.shape, table.sum()
    if min(rows, columns) < 2 or n < 2:
        return 0.0
    expected = np.outer(table.sum(1), table.sum(0)) / n
    phi2 = float(((table - expected) ** 2 / expected).sum() / n)
    phi2 = max(0.0, phi2 - (rows - 1) * (columns - 1) / (n - 1))
    levels = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return min(1.0, math.sqrt(phi2 / levels)) if levels > 0 else 0.0
