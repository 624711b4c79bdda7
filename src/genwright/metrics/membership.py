"""Membership inference: can somebody who holds a real record tell from the synthetic rows whether it was trained on?

The attacker gives every record a score, higher for "it was in the training table". Members are training rows; others are
hold-out rows, equally many. Two scores, both from the distance of `nearest.py`:

- by distance: the nearer the closest synthetic row, the likelier a member (Chen et al. 2020, GAN-Leaks, full black box);
- by density: the density of synthetic rows around the record over that of real rows the model never saw (DOMIAS, van
  Breugel et al. 2023, equation 2). A row in a crowd has near neighbours anyway; the ratio takes that out. Densities are
  nearest-neighbour ones (Loftsgaarden and Quesenberry 1965, k = 1), so their ratio only grows with reference distance
  over synthetic distance. The reference rows are neither members nor others.

Read `attacks.py` next: it chooses the rows and puts floor and copycat beside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.auc import Estimate, auc
from genwright.metrics.nearest import Encoded, Index

FALSE_ALARMS = 0.01
Floats = NDArray[np.float64]


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


def membership(
    members: Encoded, others: Encoded, synthetic: Encoded, reference: Encoded, generator: np.random.Generator
) -> Membership:
    """Attack training rows (`members`) and hold-out rows (`others`); none of them may be in `reference`."""
    made, real = Index(synthetic), Index(reference)
    to_made, to_real = (
        np.concatenate([index.neighbours(rows).first for rows in (members, others)]).astype(np.float64)
        for index in (made, real)
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
