"""Privacy by distance: are synthetic rows nearer to the rows the model saw than to rows it never saw?

Distance: L1 with numbers in units of the training range and 1 for every unequal label; missing is a label of its own.
These numbers show copying, they do not prove privacy: only a model trained with (epsilon, delta) can promise that.
Read `nearest.py` for how the neighbours are found, `copies.py` for exact copies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.auc import Z95
from genwright.metrics.nearest import Encoded, Index, Neighbours

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Closeness:
    """One table handed in as synthetic. Distances in training ranges; shares in [0, 1]."""

    nearer_to_train: float | None
    """Share of rows nearer to training than to hold-out rows, as it would be if both were equally many; .5 best."""
    interval: tuple[float, float] | None
    """95 % Wilson interval of that share, from the number of rows asked."""
    equal_size: float | None
    """The plain share against a random part of the training rows, as large as the hold-out; ties count half."""
    distance: float
    """Median distance to the closest training row."""
    ratio: float
    """5th percentile of d1/d2, nearest over second nearest training row; 0: a row sits on exactly one training row."""
    rows: int


class References:
    """The rows to be compared with: training rows, in two parts the first of which is as large as the hold-out."""

    def __init__(self, train: Encoded, holdout: Encoded | None, generator: np.random.Generator) -> None:
        order = generator.permutation(train.rows)
        cut = min(holdout.rows, train.rows) if holdout is not None else train.rows
        self.train_rows = train.rows
        self.holdout_rows = holdout.rows if holdout is not None else 0
        self.parts = [Index(train.take(part)) for part in (order[:cut], order[cut:]) if len(part)]
        self.holdout = Index(holdout) if holdout is not None else None

    def closeness(self, queries: Encoded) -> Closeness:
        """Compare rows that are in neither table of references (or are, when a copycat is to be shown)."""
        part = self.parts[0].neighbours(queries)
        train = part.merge(self.parts[1].neighbours(queries)) if len(self.parts) > 1 else part
        if self.holdout is None:
            return _closeness(train, None, None, 0.0)
        holdout = self.holdout.neighbours(queries)
        half_ties = float((part.first < holdout.first).mean() + (part.first == holdout.first).mean() / 2)
        return _closeness(train, _wins(train, holdout), half_ties, self.train_rows / self.holdout_rows)


def holdout_floor(train: Encoded, holdout: Encoded, limit: int, generator: np.random.Generator) -> Closeness | None:
    """Real rows scored as if synthetic: each half of the hold-out in turn against training rows and the other half.

    None if the hold-out has fewer than 2 rows. At most `limit` rows are asked; the references stay whole.
    """
    if holdout.rows < 2:
        return None
    order = generator.permutation(holdout.rows)
    halves = (order[: holdout.rows // 2], order[holdout.rows // 2 :])
    whole = Index(train)
    near_train, wins = [], []
    for asked, other in (halves, halves[::-1]):
        queries = holdout.take(asked[: max(1, limit // 2)])
        near_train.append(whole.neighbours(queries))
        wins.append(_wins(near_train[-1], Index(holdout.take(other)).neighbours(queries)))
    both = Neighbours(*(np.concatenate([getattr(n, f) for n in near_train]) for f in ("first", "second", "ties")))
    return _closeness(both, np.concatenate(wins), None, train.rows / (holdout.rows / 2))


def _wins(train: Neighbours, holdout: Neighbours) -> Floats:
    """(queries,) 1 where a training row is nearer, 0 where a hold-out row is; a tie is shared by the tied rows' numbers.

    With these shares the expected win is exactly train rows / all rows if the query knows nothing of either table,
    whatever the distances look like; one tied row on each side gives the customary half.
    """
    shared = train.ties / (train.ties + holdout.ties)
    return np.where(train.first < holdout.first, 1.0, np.where(train.first > holdout.first, 0.0, shared))


def _closeness(train: Neighbours, wins: Floats | None, equal_size: float | None, size_ratio: float) -> Closeness:
    second = np.where(train.second > 0, train.second, 1)
    # 0/0: two or more training rows coincide there, so sitting on them points at nobody: ratio 1.
    ratios = np.where(train.second > 0, train.first / second, 1.0)
    ratios = ratios[np.isfinite(train.second)]
    share = interval = None
    if wins is not None:
        share = balanced(float(wins.mean()), size_ratio)
        low, high = wilson(float(wins.mean()), len(wins))
        interval = (balanced(low, size_ratio), balanced(high, size_ratio))
    return Closeness(
        share,
        interval,
        equal_size,
        float(np.median(train.first)),
        float(np.quantile(ratios, 0.05)) if ratios.size else 1.0,
        len(train.first),
    )


def balanced(share: float, size_ratio: float) -> float:
    """The share of wins as it would be with equally many rows on both sides: the odds divided by the ratio of sizes.

    Cutting the larger table down instead would hide most copies of rows that were cut away.
    """
    return share / (share + (1 - share) * size_ratio)


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n (Wilson 1927); it stays inside [0, 1] and has width at 0 and 1."""
    z2 = Z95 * Z95 / n
    centre = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * math.sqrt(share * (1 - share) / n + z2 / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)
