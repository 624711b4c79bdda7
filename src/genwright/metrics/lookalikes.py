"""Two attacks through the most similar synthetic row: linkability and attribute inference.

Linkability: the attacker holds two halves of a record in two tables without names, and says that they belong together if
both point at the same synthetic row. Attribute inference: he knows all of a record but one value, and reads that value off
the synthetic row most similar in the others. Distance: each column adds at most 1 (Gower 1971), so that no far-out number
outweighs the labels. `risks.py` turns successes into risks.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genwright.data.ahead import cores
from genwright.metrics.nearest import Encoded
from genwright.metrics.risks import Attacked, Rate, rate

BLOCK_CELLS = 2**17  # targets x rows that stay in a processor's second-level cache
TOLERANCE = 0.05
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Lookalikes:
    """For each target, what the most similar synthetic rows give away. Columns: the numbers, then the labels."""

    linked: NDArray[np.bool_]
    """(targets,) do both halves of the columns have a nearest row in common?"""
    chance: NDArray[np.float64]
    """(targets,) how likely as many rows as were nearest to each half, drawn at random, have one in common."""
    twins: NDArray[np.intp]
    """(columns, targets) the row nearest in all other columns."""


def halves(rows: Encoded) -> NDArray[np.intp]:
    """(columns,) 0 or 1: columns dealt by their number of distinct values, so that both halves tell people apart."""
    distinct = [len(np.unique(column)) for column in (*rows.numbers, *rows.labels)]
    side = np.empty(len(distinct), dtype=np.intp)
    side[np.argsort([-count for count in distinct], kind="stable")] = np.resize([0, 1, 1, 0], len(distinct))
    return side


def lookalikes(targets: Encoded, rows: Encoded, side: NDArray[np.intp]) -> Lookalikes:
    """Compare every target with every row; `side` (columns,) says which half a column belongs to."""
    size = max(1, BLOCK_CELLS // rows.rows)
    blocks = [targets.take(np.arange(i, min(i + size, targets.rows))) for i in range(0, targets.rows, size)]
    with ThreadPoolExecutor(cores()) as pool:
        parts = list(pool.map(lambda block: _compare(block, rows, side), blocks))
    return Lookalikes(
        np.concatenate([part.linked for part in parts]),
        np.concatenate([part.chance for part in parts]),
        np.concatenate([part.twins for part in parts], axis=1),
    )


def _compare(targets: Encoded, rows: Encoded, side: NDArray[np.intp]) -> Lookalikes:
    total = np.zeros((2, targets.rows, rows.rows), dtype=np.float32)
    for column, half in enumerate(side):
        total[half] += _gap(targets, rows, column)
    nearest = total == total.min(2, keepdims=True)
    few, many = np.sort(nearest.sum(2), axis=0) / rows.rows
    everywhere = total.sum(0)
    twins = [(everywhere - _gap(targets, rows, column)).argmin(1) for column in range(len(side))]
    return Lookalikes(nearest.all(0).any(1), 1 - (1 - many) ** (few * rows.rows), np.array(twins))


def _gap(targets: Encoded, rows: Encoded, column: int) -> Floats:
    """(targets, rows) distance in one column, in [0, 1]."""
    numbers = len(rows.numbers)
    if column >= numbers:
        return targets.labels[column - numbers][:, None] != rows.labels[column - numbers]
    gap = np.subtract(targets.numbers[column][:, None], rows.numbers[column])
    np.abs(gap, out=gap)
    return np.minimum(gap, 1, out=gap)


def tolerances(train: Encoded) -> list[float]:
    """How far off a guessed number may be: 5 % of what lies between the 5th and the 95th percentile of training rows."""
    out = []
    for values in train.numbers:
        present = values[values <= 1]  # training numbers lie in [0, 1]; what is missing lies far beyond
        low, high = np.quantile(present, [0.05, 0.95]) if len(present) else (0.0, 0.0)
        out.append(TOLERANCE * float(high - low))
    return out


def right(targets: Encoded, rows: Encoded, twins: NDArray[np.intp], allowed: list[float]) -> NDArray[np.bool_]:
    """(columns, targets) is the value of the twin that of the target? `allowed` are the `tolerances` of the numbers.

    A missing value is right only where the target's is missing.
    """
    out = np.empty(twins.shape, dtype=bool)
    for column, (asked, made, limit) in enumerate(zip(targets.numbers, rows.numbers, allowed, strict=True)):
        out[column] = np.abs(asked - made[twins[column]]) <= limit
    for column, (known, made_of) in enumerate(zip(targets.labels, rows.labels, strict=True), len(allowed)):
        out[column] = known == made_of[twins[column]]
    return out


def linkability(members: Lookalikes, others: Lookalikes) -> Attacked:
    """Both halves of a record point at one synthetic row; naive: as many rows, drawn at random."""
    n = len(members.linked)
    return Attacked(
        rate(float(members.linked.mean()), n),
        rate(float(others.linked.mean()), len(others.linked)),
        float(members.chance.mean()),
        n,
    )


def inference(members: NDArray[np.bool_], others: NDArray[np.bool_], naive: NDArray[np.bool_]) -> Attacked:
    """The share of values found, for (columns, targets) of `right`; naive: the values of random synthetic rows."""
    return Attacked(_found(members), _found(others), float(naive.mean()), members.shape[1])


def _found(hits: NDArray[np.bool_]) -> Rate:
    """The columns of one record go together, so records are what is counted: as many yes-or-no outcomes as vary alike."""
    shares = hits.mean(0)
    share, n = float(shares.mean()), len(shares)
    spread = float(shares.var(ddof=1)) if n > 1 else 0.0
    return rate(share, n * max(1.0, share * (1 - share) / spread) if spread > 0 else n)
