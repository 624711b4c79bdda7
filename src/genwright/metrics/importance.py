"""Do models fitted on synthetic rows rely on the same columns as models fitted on real rows?

Importance of a column: what its permutation costs a fitted model on rows it never saw, in AUC or R2 (Breiman 2001; scikit-
learn's permutation_importance). Agreement: Spearman's rank correlation of the importances of all columns under two models,
ties at their mean rank. Importances below 0 are chance; they count as 0, so that columns which matter to neither model tie.
Read `closest.py` next: good utility means nothing if it was bought by copying.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.auc import midranks
from genwright.metrics.features import tree_features
from genwright.metrics.threads import in_threads
from genwright.metrics.utility import FAST, FAST_CLASSES, Fitted, Task, fit, judge, known, task_for
from genwright.metrics.values import Metric, Scene, metric, rounded
from genwright.metrics.view import View

IMPORTANCE_STAGE = 9
LEAST_ASKED = 500
SETTINGS = {**FAST, "max_features": 0.3, "categorical_features": None}
"""Each split sees three columns of ten, so that columns that say the same share their importance and neither takes all of it;
labels are numbers in the order of how common they are, which makes asking several times faster."""
LEAST_COLUMNS = 3
"""Two ranks agree or they do not: below three columns a correlation says nothing."""
MOST_COLUMNS = 60
Floats = NDArray[np.float64]


def importance_metric(scene: Scene, target: str) -> Metric:
    """`importance_agreement` of models fitted on synthetic and on training rows, judged on one half of the hold-out.

    Floor: a model fitted on the other half in the place of the synthetic-fitted one. All are fitted on equally many rows, so
    that value and floor may be compared. Copycat: a model agrees with itself. "columns" holds the importances.
    """
    tables = scene.tables
    assert tables.holdout is not None
    task = task_for(tables.train, target, FAST_CLASSES)
    first, second = np.array_split(scene.generator(IMPORTANCE_STAGE).permutation(tables.holdout.rows), 2)
    asked = max(LEAST_ASKED, int(scene.effort.importance_cells / len(tables.modelled)))
    test = known(task, tables.holdout.take(second[:asked]))
    models = _models(scene, task, tables.holdout.take(first))
    if test is None or not models:
        return not_measured({"code": "target_silent"})
    features = models[0].features
    most = min(MOST_COLUMNS, len(features))
    chosen = np.sort(scene.generator(IMPORTANCE_STAGE).choice(len(features), most, replace=False))
    real, made, held = in_threads(lambda model: importances(model, *test, chosen, scene.seed), models)
    value = agreement(real, made)
    if value is None:
        return not_measured({"code": "importance_flat", "columns": LEAST_COLUMNS})
    columns = {
        features[place]: {"train": rounded(a), "synthetic": rounded(b)}
        for place, a, b in zip(chosen.tolist(), real.tolist(), made.tolist(), strict=True)
    }
    note = {"code": "importance_columns", "columns": most, "of": len(features), "rows": test[0].rows}
    return metric(value, agreement(real, held), 1.0, "higher", "score", notes=[note], columns=columns)


def not_measured(note: dict[str, Any]) -> Metric:
    """`importance_agreement` where it can not be had, and why."""
    return metric(None, None, None, "higher", "score", notes=[note])


def _models(scene: Scene, task: Task, held: View) -> list[Fitted]:
    """Fitted on as many training, synthetic and hold-out rows; none if one of them has too few to learn from."""
    tables = scene.tables
    rows = min(tables.train.rows, tables.synthetic.rows, held.rows, scene.effort.importance_rows)
    # Each table is cut by a stream of its own: those of equal length are cut to the same places, and a copy stays a copy.
    views = [view.sample(rows, scene.generator(IMPORTANCE_STAGE)) for view in (tables.train, tables.synthetic, held)]
    found = in_threads(lambda view: fit(task, view, tables.modelled, scene.seed, SETTINGS), views)
    models = [model for model in found if model is not None]
    return models if len(models) == len(views) else []


def importances(fitted: Fitted, rows: View, truth: Floats, asked: NDArray[np.intp], seed: int) -> Floats:
    """(asked,) what permuting each of these features costs, in AUC or R2, at least 0; all 0 where nothing was learned."""
    from sklearn.inspection import permutation_importance

    if fitted.model is None:
        return np.zeros(len(asked))
    matrix = tree_features(rows, fitted.features)
    whole = matrix.copy()

    def score(_: Any, permuted: Floats, labels: Floats) -> float:
        whole[:, asked] = permuted
        return judge(fitted.task, labels, fitted.say(whole)).value

    found = permutation_importance(fitted.model, matrix[:, asked], truth, scoring=score, n_repeats=1, random_state=seed)
    return np.maximum(found.importances_mean, 0.0)


def agreement(real: Floats, other: Floats) -> float | None:
    """Spearman's rho in [-1, 1] of two (columns,) importances, ties at their mean rank.

    None where no column is more important than another under the real model, or there are fewer than three columns. If
    only the other model makes no difference between columns it says nothing of which matter: 0.
    """
    if len(real) < LEAST_COLUMNS or np.all(real == real[0]):
        return None
    if np.all(other == other[0]):
        return 0.0
    return float(np.corrcoef(midranks(real), midranks(other))[0, 1])
