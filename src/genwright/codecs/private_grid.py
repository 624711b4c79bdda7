"""The grid of a number of which only noisy quantiles and spikes are known, or a declaration.

Used by `private_table.py`; the grid itself is in `grid.py`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from genwright.codecs.grid import Grid, Scale
from genwright.data.columns import Column

TAILS = (1e-3, 4e-3)  # the outermost cells end and begin at these shares of the rows
EXACT = 2.0**53


def cuts(bins: int) -> np.ndarray:
    """Shares of the rows at which cells begin and end: even ones, and narrower ones in both tails."""
    tails = [share for share in TAILS if share * bins < 1]
    return np.unique([*tails, *(np.arange(1, bins) / bins), *(1 - share for share in tails)])


def known_at(scale: Scale, edges: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in ticks the distribution function of what is in no spike is known, and what it is there."""
    if not len(edges):
        return np.zeros(1), np.zeros(1)
    return scale.ticks(edges).astype(np.float64), np.concatenate([[0.0], shares[1:-1], [1.0]])


def cells_between(column: Column, atoms: np.ndarray, edges: np.ndarray) -> Grid:
    """A grid of atoms, and of intervals between rising edges that no atom stands in; each cell is one slice."""
    scale = _scale(column, np.concatenate([atoms, edges]))
    spikes, cuts = scale.ticks(atoms), np.unique(scale.ticks(edges))
    whole = scale.places is not None
    after = spikes + 1 if whole else np.nextafter(spikes, np.inf)
    if len(cuts):
        after = after[(after >= cuts[0]) & (after <= cuts[-1])]
    starts = np.unique(np.concatenate([cuts[: max(len(cuts) - 1, 1)], spikes, after[: len(after) * (len(cuts) > 0)]]))
    before = starts[1:] - 1 if whole else np.nextafter(starts[1:], -np.inf)
    last = cuts[-1] if len(cuts) else starts[-1]
    ends = np.minimum(np.append(before, max(last, starts[-1])), last)
    atom = np.isin(starts, spikes)
    ends = np.where(atom, starts, ends)
    kept = ends >= starts
    return Grid(scale, starts[kept], ends[kept], np.arange(int(kept.sum()) + 1))


def _scale(column: Column, values: np.ndarray) -> Scale:
    """The column's declared precision; its ticks begin at the lowest value that the codec knows."""
    places = 0 if column.dtype != pl.Float64 else column.places
    if places is None or np.abs(values).max() * 10.0**places >= EXACT:
        return Scale(None) if column.dtype == pl.Float64 else Scale(0, int(np.floor(values.min())))
    return Scale(places, int(np.floor(values.min() * 10.0**places)))


def every_step(values: range) -> Grid:
    """A grid of atoms: one for each whole number."""
    ticks = np.arange(len(values))
    return Grid(Scale(0, values.start), ticks, ticks, np.arange(len(values) + 1))
