"""Membership inference: can somebody who holds a real record tell from synthetic ones whether it was trained on?

The attacker gives every record a score, higher for "it was trained on". Members are training records; others are hold-out
records, equally many. Two scores, both from distances:

- by distance: the nearer the closest synthetic record, the likelier a member (Chen et al. 2020, GAN-Leaks, full black box);
- by density: the density of synthetic records around it over that of real ones the model never saw (DOMIAS, van Breugel et
  al. 2023, equation 2). A record in a crowd has near neighbours anyway; the ratio takes that out. Densities are
  nearest-neighbour ones (Loftsgaarden and Quesenberry 1965, k = 1), so their ratio only grows with reference distance
  over synthetic distance. The reference records are neither members nor others.

Read `attacks.py` next for rows of tables, `vector_attacks.py` for images and texts: they put floor and copycat beside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.auc import Estimate, auc
from genwright.metrics.nearest import Encoded, Index

FALSE_ALARMS = 0.01
FEWEST = 20  # targets on each side
Floats = NDArray[np.float64]


class Records(Protocol):
    """Records of any kind."""

    @property
    def rows(self) -> int:
        """How many there are."""

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Those at these places."""


R = TypeVar("R", bound=Records)
Search = Callable[[R], Callable[[R], Floats]]
"""Of records: what finds for each of others the distance to the nearest of them."""


@dataclass(frozen=True)
class Game(Generic[R]):
    """Who is attacked with what: one of the three sets that stand as the synthetic one."""

    train: R
    holdout: R
    synthetic: R


@dataclass(frozen=True)
class Caught:
    """Share of members in [0, 1] that a score finds when 1 % of the others are called members too; with 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Scored:
    """How well one score tells members from others. Area under the ROC curve: .5 is guessing."""

    area: Estimate
    caught: Caught


@dataclass(frozen=True)
class Membership:
    """Both attacks on the same records: `targets` members and as many others."""

    targets: int
    distance: Scored
    density: Scored


def played(game: Game[R], most: int, search: Search[R], generator: np.random.Generator) -> Membership | None:
    """The attack on at most so many members and as many others, which are half of the hold-out at most: the rest is the
    reference. None where they would be too few."""
    n = min(game.train.rows, game.holdout.rows // 2, most)
    if n < FEWEST:
        return None
    order = generator.permutation(game.holdout.rows)
    members = game.train.take(generator.permutation(game.train.rows)[:n])
    others, reference = game.holdout.take(order[:n]), game.holdout.take(order[n:])
    return membership(members, others, game.synthetic, reference, generator, search)


def among_rows(rows: Encoded) -> Callable[[Encoded], Floats]:
    """The `Search` of rows of a table, by the distance of `nearest.py`."""
    index = Index(rows)
    return lambda asked: index.neighbours(asked).first.astype(np.float64)


def membership(
    members: R, others: R, synthetic: R, reference: R, generator: np.random.Generator, search: Search[R]
) -> Membership:
    """Attack training records (`members`) and hold-out records (`others`); none of them may be in `reference`."""
    to_made, to_real = (
        np.concatenate([find(members), find(others)]) for find in (search(synthetic), search(reference))
    )
    # The ratio on a scale from -1 to 1, which it orders alike: a distance of 0 needs no constant added, and 0/0 is even.
    reach = to_real + to_made
    ratio = (to_real - to_made) / np.where(reach > 0, reach, 1)
    is_member = np.arange(len(reach)) < members.rows
    distance, density = (scored(is_member, scores, generator) for scores in (-to_made, ratio))
    return Membership(members.rows, distance, density)


def scored(is_member: NDArray[np.bool_], scores: Floats, generator: np.random.Generator) -> Scored:
    """How well scores, higher for members, tell them from the others."""
    return Scored(auc(is_member, scores), caught(scores[is_member], scores[~is_member], generator))


def caught(members: Floats, others: Floats, generator: np.random.Generator, alarms: float = FALSE_ALARMS) -> Caught:
    """True-positive rate at a false-positive rate of `alarms` (Carlini et al. 2022); ties are broken at random.

    The 95 % interval allows for both samples: the threshold, a quantile of the others, lies between two of their order
    statistics, and beyond each of the two the share of members has its interval (Clopper and Pearson 1934). Each of the
    four ends fails in 1.25 % of draws at most, so that together they hold in 95 % whatever the distributions.
    """
    from scipy.special import bdtr, betaincinv

    n, m = len(members), len(others)
    order = np.lexsort((generator.random(n + m), np.concatenate([members, others])))
    place = np.empty(n + m, dtype=np.int64)
    place[order] = np.arange(n + m)
    thresholds = np.append(np.sort(place[n:])[::-1], -1)  # at most k others lie above the one at k
    share = 0.05 / 4
    above = bdtr(np.arange(m + 1), m, alarms)
    fewest, most = (int(np.searchsorted(above, level)) for level in (share, 1 - share))

    def found(k: int) -> int:
        return int((place[:n] > thresholds[k]).sum())

    # With so few others that perhaps none lies above the threshold, members above them all prove nothing.
    lower = found(fewest - 1) if fewest else 0
    upper = found(most)
    low = float(betaincinv(lower, n - lower + 1, share)) if lower else 0.0
    high = float(betaincinv(upper + 1, n - upper, 1 - share)) if upper < n else 1.0
    # Of fresh others, (k + 1) / (m + 1) are expected above the threshold that k of these lie above.
    return Caught(found(max(0, int(alarms * (m + 1)) - 1)) / n, low, high)
