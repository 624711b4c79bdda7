"""Utility: fit a model on synthetic rows, test it on real hold-out rows (TSTR, Esteban et al. 2017).

The model is scikit-learn's histogram gradient boosting with defaults and a fixed seed. Beside it stands the same model
fitted on as many training rows: that is what real data gives, so it is both the floor and the copycat of this metric.
Read `importance.py` next: which columns such models rely on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
Settings = Mapping[str, Any]
USUAL: Settings = {}
FAST: Settings = {"max_iter": 25, "learning_rate": 0.2, "max_leaf_nodes": 15, "early_stopping": False}
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


@dataclass(frozen=True)
class Fitted:
    """A model of the target; `model` is None where the target never varied in the rows fitted on: nothing to learn."""

    task: Task
    features: list[str]
    model: Any

    def say(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """What it says of `tree_features`: (rows,) numbers, or (rows, classes + 1) scores."""
        if self.task.classes is None:
            return self.model.predict(matrix)
        scores = np.zeros((len(matrix), len(self.task.classes) + 1))
        if self.model is not None:
            scores[:, self.model.classes_.astype(np.intp)] = self.model.predict_proba(matrix)
        return scores


@dataclass(frozen=True)
class Prediction:
    """What a fitted model says of test rows whose target is known and varies."""

    task: Task
    rows: View
    truth: NDArray[np.float64]
    said: NDArray[np.float64]

    def estimate(self) -> Estimate:
        """AUC (macro one-vs-rest over all classes) or R2."""
        return judge(self.task, self.truth, self.said)

    def estimate_among(self, chosen: NDArray[np.bool_]) -> Estimate | None:
        """The same on some of the rows; None where it would be noise: few rows, or few of a second class."""
        truth, said = self.truth[chosen], self.said[chosen]
        count = np.sort(np.unique(truth, return_counts=True)[1])
        if len(truth) < MINIMUM_ROWS or len(count) < 2 or (self.task.classes is not None and count[-2] < CLASS_ROWS):
            return None
        return judge(self.task, truth, said)


def judge(task: Task, truth: NDArray[np.float64], said: NDArray[np.float64]) -> Estimate:
    """AUC (macro one-vs-rest over all classes) or R2 of what a model said; `truth` must vary."""
    return r_squared(truth, said) if task.classes is None else macro_auc(truth.astype(np.intp), said)


def fit(task: Task, view: View, columns: Sequence[str], seed: int, settings: Settings) -> Fitted | None:
    """The target from all other columns; None where there are too few rows with a target, or no other column."""
    features = [name for name in columns if name != task.target]
    y = task.labels(view)
    rows = np.flatnonzero(~np.isnan(y))
    if len(rows) < MINIMUM_ROWS or not features:
        return None
    if task.classes is not None and np.all(y[rows] == y[rows][0]):
        return Fitted(task, features, None)
    return Fitted(task, features, _model(task, view.take(rows), y[rows], features, seed, settings))


def _model(task: Task, view: View, y: NDArray[np.float64], features: list[str], seed: int, settings: Settings) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    number = task.classes is None
    kind = HistGradientBoostingRegressor if number else HistGradientBoostingClassifier
    settings = {"categorical_features": is_category(view, features), **settings}
    if not number and np.unique(y, return_counts=True)[1].min() < CLASS_ROWS:
        settings = {**settings, "early_stopping": False}  # its stratified validation split wants rows of every class
    return kind(random_state=seed, **settings).fit(to_fit(tree_features(view, features)), y)


def known(task: Task, test: View) -> tuple[View, NDArray[np.float64]] | None:
    """The rows whose target is known, and their targets; None where these are too few or never vary."""
    truth = task.labels(test)
    asked = np.flatnonzero(~np.isnan(truth))
    if len(asked) < MINIMUM_ROWS or np.all(truth[asked] == truth[asked][0]):
        return None
    return test.take(asked), truth[asked]


def predict(
    task: Task, fitted: View, test: View, columns: Sequence[str], seed: int, settings: Settings
) -> Prediction | None:
    """What a model fitted on `fitted` says of `test`.

    None where nothing can be said: too few rows, a target that does not vary in `test`. If the target does not vary in
    the fitted rows there is nothing to learn, and the result is that of guessing: AUC .5, or the R2 of their mean.
    """
    asked = known(task, test)
    model = fit(task, fitted, columns, seed, settings) if asked is not None else None
    if asked is None or model is None:
        return None
    rows, truth = asked
    return Prediction(task, rows, truth, model.say(tree_features(rows, model.features)))


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
        made, real = (predict(task, view, test, columns, seed, FAST) for view in (synthetic, train))
        return None if made is None or real is None else Skill(task.unit, _skill(made), _skill(real))

    skills = zip(asked, in_threads(measure, asked), strict=True)
    return {target: skill for target, skill in skills if skill is not None}


def _skill(prediction: Prediction) -> float:
    value = prediction.estimate().value
    return float(np.clip(value if prediction.task.classes is None else 2 * value - 1, 0, 1))


def skill_ratio(skills: dict[str, Skill]) -> float | None:
    """Sum of the synthetic-fitted skills over the sum of the train-fitted ones; None if no column can be predicted.

    A ratio of sums: the mean of ratios would be ruled by columns that nothing predicts (0/0).
    """
    total = sum(skill.train for skill in skills.values())
    return sum(skill.synthetic for skill in skills.values()) / total if total >= 0.05 else None
