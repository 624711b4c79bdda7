"""Utility: fit a model on synthetic rows, test it on real hold-out rows (TSTR, Esteban et al. 2017).

The model is scikit-learn's histogram gradient boosting with defaults and a fixed seed. Beside it stands the same model
fitted on as many training rows: that is what real data gives, so it is both the floor and the copycat of this metric.
Read `closest.py` next: good utility means nothing if it was bought by copying.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.auc import Estimate, macro_auc, r_squared
from genwright.metrics.features import is_category, to_fit, tree_features
from genwright.metrics.threads import in_threads
from genwright.metrics.view import View

MINIMUM_ROWS = 50
CLASS_ROWS = 10
"""A class with fewer training rows than this joins the class "(other)": its AUC would be noise."""
FAST = {"max_iter": 25, "learning_rate": 0.2, "max_leaf_nodes": 15, "early_stopping": False}
FAST_CLASSES = 5


@dataclass(frozen=True)
class Task:
    """What to predict: a number (classes None), or one of `classes` training labels, all others being one more class."""

    target: str
    classes: NDArray[np.float64] | None

    @property
    def unit(self) -> str:
        return "R2" if self.classes is None else "AUC"

    def labels(self, view: View) -> NDArray[np.float64]:
        """(rows,) target values: floats, or class indices with the number of classes for "(other)"; NaN missing."""
        if self.target in view.numbers:
            values = view.numbers[self.target]
        else:
            codes = view.codes[self.target]
            values = np.where(codes < 0, np.nan, codes)
        if self.classes is None:
            return values
        if not self.classes.size:  # a target without a single value
            return np.full(view.rows, np.nan)
        at = np.minimum(np.searchsorted(self.classes, values), len(self.classes) - 1)
        labels = np.where(self.classes[at] == values, at, len(self.classes)).astype(np.float64)
        labels[np.isnan(values)] = np.nan
        return labels


def task_for(train: View, target: str, most_classes: int | None = None) -> Task:
    """Numbers with more than two values are regressed; everything else is classified, `most_classes` commonest at most."""
    if target in train.numbers:
        values, count = np.unique(train.numbers[target][~np.isnan(train.numbers[target])], return_counts=True)
        return Task(target, None if len(values) > 2 else values)
    values, count = np.unique(train.codes[target][train.codes[target] >= 0], return_counts=True)
    kept = np.argsort(-count, kind="stable")[:most_classes]
    frequent = values[kept][count[kept] >= CLASS_ROWS]
    return Task(target, np.sort(frequent if len(frequent) >= 2 else values[kept]).astype(np.float64))


def train_and_test(
    task: Task, fitted: View, test: View, columns: Sequence[str], seed: int, fast: bool
) -> Estimate | None:
    """AUC (macro one-vs-rest over all classes) or R2 on `test` of a model fitted on `fitted`.

    None where nothing can be said: too few rows, a target that does not vary in `test`. If the target does not vary in
    the fitted rows there is nothing to learn, and the result is that of guessing: AUC .5, or the R2 of their mean.
    """
    features = [name for name in columns if name != task.target]
    y, truth = task.labels(fitted), task.labels(test)
    rows, asked = np.flatnonzero(~np.isnan(y)), np.flatnonzero(~np.isnan(truth))
    truth = truth[asked]
    if min(len(rows), len(asked)) < MINIMUM_ROWS or not features or np.all(truth == truth[0]):
        return None
    fit_on, ask = fitted.take(rows), test.take(asked)
    if task.classes is None:
        model = _fit(fit_on, y[rows], features, seed, fast, number=True)
        return r_squared(truth, model.predict(tree_features(ask, features)))
    scores = np.zeros((len(truth), len(task.classes) + 1))
    if not np.all(y[rows] == y[rows][0]):
        model = _fit(fit_on, y[rows], features, seed, fast, number=False)
        scores[:, model.classes_.astype(np.intp)] = model.predict_proba(tree_features(ask, features))
    return macro_auc(truth.astype(np.intp), scores)


def _fit(view: View, y: NDArray[np.float64], features: list[str], seed: int, fast: bool, number: bool) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if number else HistGradientBoostingClassifier
    settings: dict[str, Any] = FAST if fast else {}
    if not number and np.unique(y, return_counts=True)[1].min() < CLASS_ROWS:
        settings = {**settings, "early_stopping": False}  # its stratified validation split wants rows of every class
    model = kind(random_state=seed, categorical_features=is_category(view, features), **settings)
    return model.fit(to_fit(tree_features(view, features)), y)


@dataclass(frozen=True)
class Skill:
    """How well one column is predicted from the others: synthetic-fitted and train-fitted, 2 AUC - 1 or R2."""

    unit: str
    synthetic: float
    train: float


def every_column(
    train: View, synthetic: View, test: View, columns: Sequence[str], asked: Sequence[str], seed: int
) -> dict[str, Skill]:
    """Skill for each asked column in turn, with a smaller model; categories keep their five commonest labels and "(other)".

    Skill is 2 AUC - 1 or R2, cut to [0, 1]; columns where it can not be measured are left out.
    """

    def measure(target: str) -> Skill | None:
        task = task_for(train, target, FAST_CLASSES)
        made, real = (train_and_test(task, view, test, columns, seed, fast=True) for view in (synthetic, train))
        return None if made is None or real is None else Skill(task.unit, _skill(task, made), _skill(task, real))

    skills = zip(asked, in_threads(measure, asked), strict=True)
    return {target: skill for target, skill in skills if skill is not None}


def _skill(task: Task, estimate: Estimate) -> float:
    return float(np.clip(estimate.value if task.classes is None else 2 * estimate.value - 1, 0, 1))


def skill_ratio(skills: dict[str, Skill]) -> float | None:
    """Sum of the synthetic-fitted skills over the sum of the train-fitted ones; None if no column can be predicted.

    A ratio of sums: the mean of ratios would be ruled by columns that nothing predicts (0/0).
    """
    total = sum(skill.train for skill in skills.values())
    return sum(skill.synthetic for skill in skills.values()) / total if total >= 0.05 else None
