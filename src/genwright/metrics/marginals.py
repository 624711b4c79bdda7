"""Fidelity of single columns: distribution (shape), rate of missing values, rate of spikes.

All results are shares in [0, 1], 0 best. `real` is always the training table: the floor puts the hold-out in the place of
`other`. Read `pairs.py` next: the same for two columns at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.view import View

SPIKE_SHARE = 0.01
SPIKE_ROWS = 3  # a spike is a habit of the table, never one person's value
Counted = NDArray[np.float64]


def shape_errors(real: View, other: View, columns: Sequence[str]) -> dict[str, float]:
    """Distance of each column's distribution.

    Numbers: Kolmogorov-Smirnov statistic sup |F_real - F_other|. Categories: total variation, half the sum of |p - q|.
    Both are one minus SDMetrics' KSComplement and TVComplement where nothing is missing. Missing values count too (there
    they are dropped): a missing number sorts below every number, a missing label is one more category.
    """
    return {name: _shape(real, other, name) for name in columns}


def _shape(real: View, other: View, name: str) -> float:
    if name in real.numbers:
        return kolmogorov_smirnov(real.numbers[name], other.numbers[name])
    size = 2 + max(real.codes[name].max(initial=-1), other.codes[name].max(initial=-1))
    return total_variation(counts(real.codes[name], size), counts(other.codes[name], size))


def kolmogorov_smirnov(real: Counted, other: Counted) -> float:
    """sup over t of |F_real(t) - F_other(t)|, with missing values (NaN) as mass below every number."""
    real_sorted, other_sorted = _missing_first(real), _missing_first(other)
    steps = np.concatenate([real_sorted, other_sorted])
    real_below = np.searchsorted(real_sorted, steps, side="right") / len(real_sorted)
    other_below = np.searchsorted(other_sorted, steps, side="right") / len(other_sorted)
    return float(np.abs(real_below - other_below).max())


def _missing_first(values: Counted) -> Counted:
    return np.sort(np.where(np.isnan(values), -np.inf, values))


def counts(codes: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """(size,) how often each code occurs; codes start at -1 (missing), which is counted first."""
    return np.bincount(codes + 1, minlength=size)


def total_variation(real: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Half the sum of |p - q| of two tables of counts with the same cells."""
    return float(np.abs(real / real.sum() - other / other.sum()).sum() / 2)


def missing_errors(real: View, other: View, columns: Sequence[str]) -> dict[str, float]:
    """|share missing in real - share missing in other| of each column."""
    return {name: abs(float(real.missing(name).mean()) - float(other.missing(name).mean())) for name in columns}


def spike_errors(real: View, other: View, columns: Sequence[str]) -> dict[str, float]:
    """How far the rate of the worst spike is off, in each number column that has spikes in either table.

    A spike is a value that holds more than 1 % of a table's present values (and at least 3 rows): zeros, capped values,
    round numbers. Spikes of the other table count too: a synthetic heap at a clipping limit is an error. Rates are
    shares of the present values.
    """
    errors = {}
    for name in columns:
        if name in real.numbers:
            values = np.union1d(spikes(real, name)[0], spikes(other, name)[0])
            if values.size:
                errors[name] = float(np.abs(_rates(real, name, values) - _rates(other, name, values)).max())
    return errors


def spikes(view: View, name: str) -> tuple[Counted, Counted]:
    """The spikes of one number column and their rates, heaviest first."""
    unique, count, present = _tally(view, name)
    heavy = np.flatnonzero((count >= SPIKE_ROWS) & (count > SPIKE_SHARE * present))
    order = heavy[np.argsort(-count[heavy], kind="stable")]
    return unique[order], count[order] / max(present, 1)


def _rates(view: View, name: str, values: Counted) -> Counted:
    """Share of the present values that equals each of `values`."""
    unique, count, present = _tally(view, name)
    if present == 0:
        return np.zeros(len(values))
    at = np.minimum(np.searchsorted(unique, values), len(unique) - 1)
    return np.where(unique[at] == values, count[at], 0) / present


def _tally(view: View, name: str) -> tuple[Counted, NDArray[np.int64], int]:
    present = view.numbers[name][~np.isnan(view.numbers[name])]
    unique, count = np.unique(present, return_counts=True)
    return unique, count, present.size
