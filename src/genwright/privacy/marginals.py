"""Counts of one and of two columns of coded rows: chosen, noisy and paid for, or exact where no privacy is asked.

Select, measure, generate: the models of tables without gradients see nothing of the rows but what `Marginals` answers.
It is all paid from three entries that `plan_marginals` puts into the ledger. Read `models/mixture.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genwright.errors import GenwrightError
from genwright.privacy.events import DiscreteGaussian, ZeroConcentrated
from genwright.privacy.ledger import Entry, PrivacyLedger
from genwright.privacy.mechanisms import counts_entry, deviation, noisy_counts, select
from genwright.privacy.noise import Source, system_source

ONES, CHOICES, PAIRS = "counts of single columns", "choices of a pair of columns", "counts of pairs of columns"
RARE = 3.0  # deviations of the noise: a code whose count is smaller shares a group with all such codes of its column
# Two columns of r / n groups of n rows have a noise of (r / n)^2 deviations: r / f^2 where n = f sqrt(r deviation).
COARSE = 1.4
WORTH = 0.8  # a coarser view has at most this share of the groups
NEARLY_ALL = 0.998  # of the budget goes to a column alone; the rest is for rounding
MEAN_ERROR = math.sqrt(2 / math.pi)  # of a normal variable, in its deviations

Floats = NDArray[np.float64]


def plan_marginals(
    ledger: PrivacyLedger, columns: int, *, rounds: int, choices: int, ones_share: float, choices_share: float
) -> None:
    """Plan all that the plan so far has left for counts of `columns` columns: each column once, `rounds` of pairs.

    `ones_share` and `choices_share` of what is left (zCDP) go to single columns and to the choice of up to `choices` pairs;
    the noise on pairs is the least that the guarantee then allows. Plan the codec's releases before. GW-0603 if nothing
    is left.
    """
    if rounds and ones_share + choices_share >= 1:
        raise GenwrightError(
            "GW-0603",
            f"Single columns ({ones_share:g}) and choices ({choices_share:g}) take the whole budget of the model",
            "Lower --model.ones_share or --model.choices_share: the rest is for counts of pairs.",
        )
    left = ledger.left()
    rows = ledger.contributions
    ones_share = ones_share if rounds else NEARLY_ALL
    entries = [counts_entry(ONES, ones_share * left, sensitivity=rows, releases=columns)] if left else []
    if left and choices:
        event = ZeroConcentrated(choices_share * left / choices, choices)
        entries.append(Entry(CHOICES, "exponential mechanism", event, rows))
    ledger.plan(*entries)
    if rounds:
        ledger.plan_rest(
            lambda noise: Entry(
                PAIRS, "discrete Gaussian noise on counts", DiscreteGaussian(noise * rows, rows, rounds), rows
            )
        )


@dataclass(frozen=True)
class Codes:
    """What is known of one column: codes with too few rows to be told from the noise share a group."""

    group: NDArray[np.int64]
    """(codes,) the group of each code."""
    share: Floats
    """(codes,) the share of its group's rows that each code gets back; 1 for a code on its own."""
    counts: Floats
    """(groups,) noisy numbers of rows; may be negative."""
    noise: Floats
    """(groups,) deviation of the noise on them; 0 if they are exact."""
    ordered_from: int
    """Groups from here on follow the order of the values."""

    @classmethod
    def of(cls, counts: Floats, noise: float, ordered_from: int) -> Codes:
        """Group codes by their noisy counts alone."""
        group = grouped(counts, ordered_from, RARE * noise)
        members, sums = np.bincount(group), np.bincount(group, weights=counts).astype(np.float64)
        start = int(group[ordered_from]) if ordered_from < len(group) else len(sums)
        return cls(group, _within(counts, group, noise), sums, noise * np.sqrt(members), start)


@dataclass(frozen=True)
class View:
    """A column at one resolution: pairs with other columns are counted at the finest that the noise bears."""

    column: int
    group: NDArray[np.int64]
    """(groups of the column,) what each is part of."""

    @property
    def size(self) -> int:
        return int(self.group.max()) + 1


def grouped(counts: Floats, ordered_from: int, least: float) -> NDArray[np.int64]:
    """(codes,) groups: codes of `least` rows stay alone; of the others neighbours from `ordered_from` on join until they
    have as many, and all before it are one group, the first."""
    group = np.empty(len(counts), dtype=np.int64)
    rare = counts[:ordered_from] < least
    group[:ordered_from] = np.where(rare, -1, np.arange(ordered_from))
    number, gathered = ordered_from, 0.0
    for code in range(ordered_from, len(counts)):
        if counts[code] >= least and gathered:
            number, gathered = number + 1, 0.0
        group[code] = number
        gathered += max(counts[code], 1.0)
        if gathered >= least:
            number, gathered = number + 1, 0.0
    return np.unique(group, return_inverse=True)[1]


def _within(counts: Floats, group: NDArray[np.int64], noise: float) -> Floats:
    """The shares of the codes in their groups: nearer to equal, the less their counts differ beyond the noise.

    Shrunk to the group's mean (James and Stein 1961, with the factor's positive part).
    """
    within = np.ones(len(counts))
    for number in np.flatnonzero(np.bincount(group) > 1):
        here = group == number
        mean = counts[here].mean()
        spread = ((counts[here] - mean) ** 2).sum()
        kept = max(0.0, 1 - (here.sum() - 1) * noise**2 / spread) if spread else 0.0
        shrunk = np.maximum(mean + kept * (counts[here] - mean), 0)
        within[here] = shrunk / shrunk.sum() if shrunk.sum() > 0 else 1 / here.sum()
    return within


def workload_of(named: Sequence[str], names: Sequence[str]) -> NDArray[np.bool_]:
    """(columns,) which of the columns of these names are meant: the named ones, or all where none is.

    GW-0112 if no column is left: those that have one value only are not coded.
    """
    chosen = np.array([name in named for name in names], dtype=bool)
    if named and not chosen.any():
        raise GenwrightError(
            "GW-0112",
            f"None of the columns of --model.workload ({', '.join(map(repr, named))}) has values to count",
            "Name another column, or none: then all pairs count.",
        )
    return chosen | (not named)


class Marginals:
    """Counts of single columns (measured at once) and of pairs of views; codes are grouped before any pair is counted."""

    def __init__(
        self,
        codes: NDArray[np.int64],
        sizes: list[int],
        ordered_from: list[int],
        ledger: PrivacyLedger | None,
        *,
        workload: NDArray[np.bool_] | None = None,
        source: Source = system_source,
    ) -> None:
        """`codes`: (rows, columns), those of column i below sizes[i], in order from ordered_from[i] on; `workload`:
        (columns,) of each pair that may be counted at least one column is in it; None: all are.

        Without a ledger all answers are exact. GW-0604 if the ledger has no plan for them: see `plan_marginals`.
        """
        self._ledger, self._source = ledger, source
        self._workload = np.ones(len(sizes), dtype=bool) if workload is None else workload
        self.noise = deviation(ledger.entry(PAIRS)) if ledger and len(sizes) > 1 else 0.0
        """Deviation of the noise on each count of a pair, by one release."""
        ones = [self._ones(codes[:, at], size) for at, size in enumerate(sizes)]
        # The fewer codes a column has, the better is the sum of its counts known.
        self.rows = max(1.0, float(np.average([one.sum() for one in ones], weights=[1 / size for size in sizes])))
        noise = deviation(ledger.entry(ONES)) if ledger else 0.0
        self.columns = [Codes.of(one, noise, start) for one, start in zip(ones, ordered_from, strict=True)]
        self.views = [view for at in range(len(sizes)) for view in self._views(at)]
        self.starts = np.cumsum([0, *(view.size for view in self.views)])
        self._exact = np.zeros((self.starts[-1],) * 2, dtype=np.int64)
        seen = [view.group[self.columns[view.column].group[codes[:, view.column]]] for view in self.views]
        for u, v in zip(*np.nonzero(np.triu(self.pairs)), strict=True):
            shape = (self.views[u].size, self.views[v].size)
            cells = np.bincount(seen[u] * shape[1] + seen[v], minlength=shape[0] * shape[1])
            self._exact[self.block(u, v)] = cells.reshape(shape)

    @property
    def pairs(self) -> NDArray[np.bool_]:
        """(views, views) whether two views are of different columns, of which the workload has one at least."""
        column = np.array([view.column for view in self.views])
        wanted = self._workload[column]
        return (column[:, None] != column[None]) & (wanted[:, None] | wanted[None])

    @property
    def left(self) -> int:
        """Releases of pairs that the plan still allows."""
        return self._ledger.remaining(PAIRS) if self._ledger and len(self.columns) > 1 else 0

    def block(self, u: int, v: int) -> tuple[slice, slice]:
        """Where the counts of two views stand in a square over all groups of all views."""
        return slice(self.starts[u], self.starts[u + 1]), slice(self.starts[v], self.starts[v + 1])

    def choose(self, expected: Floats, noise: float, allowed: NDArray[np.bool_]) -> tuple[int, int]:
        """The views u < v whose counts differ most from the expected ones, beyond what such noise would hide.

        `expected`: counts over all groups of all views, a square; `allowed`: (views, views). Paid by one CHOICES. The score
        is that of AIM (McKenna et al. 2022, algorithm 2) with all pairs of equal weight: one row changes it by at most 1.
        """
        places = np.argwhere(np.triu(allowed))
        scores = np.empty(len(places))
        for at, (u, v) in enumerate(places):
            here = self.block(u, v)
            error = np.abs(self._exact[here] - expected[here])
            scores[at] = error.sum() - MEAN_ERROR * noise * error.size
        if self._ledger is None:
            best = int(np.argmax(scores))
        else:
            best = select(scores, self._ledger.contributions, self._ledger, CHOICES, source=self._source)
        return int(places[best, 0]), int(places[best, 1])

    def pair(self, u: int, v: int, releases: int = 1) -> tuple[Floats, float]:
        """Counts of views u < v, (groups of u, groups of v), and the deviation of their noise.

        The mean of `releases` noisy answers, which costs and tells as much as one with less noise.
        """
        exact = self._exact[self.block(u, v)]
        if self._ledger is None:
            return exact.astype(np.float64), 0.0
        copies = np.broadcast_to(exact, (releases, *exact.shape))
        noisy = noisy_counts(copies, self._ledger, PAIRS, releases=releases, source=self._source)
        return noisy.mean(axis=0), self.noise / math.sqrt(releases)

    def _ones(self, codes: NDArray[np.int64], size: int) -> Floats:
        counts = np.bincount(codes, minlength=size)
        if self._ledger is None:
            return counts.astype(np.float64)
        return noisy_counts(counts, self._ledger, ONES, source=self._source).astype(np.float64)

    def _views(self, column: int) -> list[View]:
        """The column as it is, and coarser where that makes a difference."""
        known = self.columns[column]
        views = [View(column, np.arange(len(known.counts)))]
        group = grouped(known.counts, known.ordered_from, COARSE * math.sqrt(self.rows * self.noise))
        if 1 < group.max() + 1 <= len(known.counts) * WORTH:
            views.append(View(column, group))
        return views


def shares(counts: Floats) -> Floats:
    """The nearest shares (in squares) to noisy counts over their sum: none is negative, together they are 1.

    Projection onto the simplex (Duchi et al. 2008, figure 1).
    """
    flat = counts.ravel() / max(counts.sum(), 1.0)
    falling = np.sort(flat)[::-1]
    excess = np.cumsum(falling) - 1
    kept = np.flatnonzero(falling * np.arange(1, flat.size + 1) > excess)[-1]
    return np.maximum(flat - excess[kept] / (kept + 1), 0).reshape(counts.shape)
