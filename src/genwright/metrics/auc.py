"""Area under the ROC curve and R2, each with a 95 % interval; used by the judges and by the utility metrics.

The interval of an AUC is DeLong's: the variance of the two-sample U-statistic from each row's placement value (DeLong,
DeLong and Clarke-Pearson 1988; computed by mid-ranks as in Sun and Xu 2014). R2 is the delta method over rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number, and its standard error from the rows it was measured on."""

    value: float
    error: float

    def interval(self, low: float = -np.inf, high: float = np.inf) -> tuple[float, float]:
        """95 % interval, cut to the range that the number can take."""
        return max(low, self.value - Z95 * self.error), min(high, self.value + Z95 * self.error)


def midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, where, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[where]


def placements(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """(rows,) share of the other class that each row beats (positives) or is beaten by (negatives); ties count half."""
    everywhere = midranks(scores)
    out = np.empty(len(scores))
    up, down = int(positive.sum()), int((~positive).sum())
    out[positive] = (everywhere[positive] - midranks(scores[positive])) / down
    out[~positive] = 1 - (everywhere[~positive] - midranks(scores[~positive])) / up
    return out


def auc(positive: NDArray[np.bool_], scores: Floats) -> Estimate:
    """AUC of scores (higher = more positive); both classes must occur."""
    return macro_auc(np.where(positive, 0, 1), np.stack([scores, -scores], axis=1), classes=np.array([0]))


def macro_auc(labels: NDArray[np.intp], scores: Floats, classes: NDArray[np.intp] | None = None) -> Estimate:
    """Mean over classes of the one-vs-rest AUC. `labels` (rows,) index the columns of `scores` (rows, classes).

    Classes that no row (or every row) has are left out: their AUC is not defined. The interval keeps the covariance
    between classes, by summing each row's influence over all of them.
    """
    classes = np.arange(scores.shape[1]) if classes is None else classes
    areas, influence = [], np.zeros(len(labels))
    for k in classes:
        positive = labels == k
        share = float(positive.mean())
        if 0 < share < 1:
            place = placements(positive, scores[:, k])
            area = float(place[positive].mean())
            areas.append(area)
            influence += (place - area) / np.where(positive, share, 1 - share)
    if not areas:
        raise ValueError("an AUC needs rows of two classes")
    influence /= len(areas)
    return Estimate(float(np.mean(areas)), float(np.sqrt((influence**2).sum()) / len(labels)))


def r_squared(real: Floats, predicted: Floats) -> Estimate:
    """1 - sum of squared errors / sum of squares around the mean; `real` must vary."""
    squares = (real - real.mean()) ** 2
    errors = (real - predicted) ** 2
    value = 1 - errors.sum() / squares.sum()
    influence = ((1 - value) * squares - errors) / squares.mean()
    return Estimate(float(value), float(np.sqrt((influence**2).sum()) / len(real)))
