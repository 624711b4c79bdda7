"""Judges (classifier two-sample tests): can a model tell training rows from synthetic ones?

Equal numbers of rows of both tables are mixed, a classifier is fitted on two thirds and asked about the last third, three
times. `AUC` is the mean over the three folds. .5: it guesses. Clearly below .5: rows of one table occur in the other, and
the twin in the fitted part has the opposite label; so a copycat scores BELOW .5, and that too is a finding.
Read `utility.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.auc import Estimate, auc
from genwright.metrics.features import is_category, linear_features, to_fit, tree_features
from genwright.metrics.view import View

FOLDS = 3
MINIMUM_ROWS = 100
"""Below this a judge can hardly find anything, and its .5 would look like success: it gives no number."""
NEWTON_WIDTH = 500
Floats = NDArray[np.floating]


def boosting_auc(real: View, other: View, columns: Sequence[str], seed: int) -> Estimate | None:
    """AUC in [0, 1] of scikit-learn's HistGradientBoostingClassifier (defaults); .5 best. None: too few rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    def fit(x: Floats, y: NDArray[np.bool_]) -> Any:
        return HistGradientBoostingClassifier(random_state=seed, categorical_features=is_category(real, columns)).fit(
            to_fit(x), y
        )

    return _cross_validated(tree_features(real, columns), tree_features(other, columns), fit, seed)


def logistic_auc(real: View, other: View, columns: Sequence[str], seed: int) -> Estimate | None:
    """AUC in [0, 1] of a logistic regression (L2, C = 1) on standardised numbers and one-hot labels; .5 best."""
    from sklearn.linear_model import LogisticRegression

    a, b = linear_features(real, other, columns)
    # A Newton step costs width^3 but a handful is enough; on wide matrices L-BFGS is the faster road to the same optimum.
    solver = "newton-cholesky" if a.shape[1] <= NEWTON_WIDTH else "lbfgs"

    def fit(x: Floats, y: NDArray[np.bool_]) -> Any:
        return LogisticRegression(solver=solver, max_iter=100).fit(x, y)

    return _cross_validated(a, b, fit, seed)


def c2st(area: Estimate) -> tuple[float, tuple[float, float]]:
    """SDMetrics' LogisticDetection, 1 - (2 max(AUC, .5) - 1), in [0, 1], 1 best; with its 95 % interval."""
    low, high = area.interval(0, 1)
    return _c2st(area.value), (_c2st(high), _c2st(low))


def _c2st(area: float) -> float:
    return 2 - 2 * max(area, 0.5)


def _cross_validated(
    real: Floats, other: Floats, fit: Callable[[Floats, NDArray[np.bool_]], Any], seed: int
) -> Estimate | None:
    """Mean AUC over stratified folds; its variance is the folds' DeLong variances over folds squared."""
    if min(len(real), len(other)) < MINIMUM_ROWS or real.shape[1] == 0:
        return None
    x = np.concatenate([real, other])
    y = np.arange(len(x)) >= len(real)
    parts = []
    for fitted, asked in _folds(len(real), len(other), seed):
        model = fit(x[fitted], y[fitted])
        parts.append(auc(y[asked], model.predict_proba(x[asked])[:, 1]))
    value = float(np.mean([part.value for part in parts]))
    return Estimate(value, float(np.sqrt(sum(part.error**2 for part in parts))) / FOLDS)


def _folds(real: int, other: int, seed: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """(rows to fit on, rows to ask about): each class is dealt evenly over the folds."""
    generator = np.random.default_rng(seed)
    fold = np.concatenate([generator.permutation(real) % FOLDS, generator.permutation(other) % FOLDS])
    for k in range(FOLDS):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)
