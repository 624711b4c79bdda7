"""Third stage of scoring: how close, and how useful, the rows of each subgroup are. Who is served worse than the others?

A subgroup is the rows with one label of one category column; those with 100 rows or more in training table and hold-out
count, so that no rare value is ever named. Within each, the shape error of `marginals.py` is averaged over all other columns,
numbers being read on at most 1,000 quantiles of the training rows and labels beyond the 999 commonest being one. The floor
puts the hold-out rows of the same subgroup in the place of the synthetic ones. Read `privacy_scores.py` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.fidelity_scores import cut
from genwright.metrics.learned_scores import Predictions
from genwright.metrics.values import NO_HOLDOUT, Metric, Scene, metric, rounded
from genwright.metrics.view import CATEGORY_KINDS, Tables

LEAST_ROWS = 100
LEAST_COLUMNS = 10  # that form subgroups, whatever the effort
LEVELS = 1_000
LISTED = 20
SUBGROUP_STAGE = 10
Codes = NDArray[np.int64]
Shares = NDArray[np.float64]


def subgroup_metrics(scene: Scene, predictions: Predictions | None) -> tuple[dict[str, Metric], dict[str, Any]]:
    """`worst_subgroup`: the shape error in percent of the subgroup that exceeds its floor most; and the subgroups.

    {"measured", "least_rows", "worst"}: how many there are, how many rows they have at least, and the 20 that exceed their
    floors most, each with "column", "label", "rows" in each table, "value" and "floor" in percent and, where `predictions`
    allow it, "utility" {"unit", "value", "floor"}.
    """
    tables, notes = cut(scene)
    names = tables.of_kind(CATEGORY_KINDS) if tables.holdout is not None and len(tables.modelled) > 1 else []
    most = max(LEAST_COLUMNS, int(scene.effort.subgroup_cells / (tables.train.rows * max(1, len(tables.modelled)))))
    columns = [names[place] for place in sorted(scene.generator(SUBGROUP_STAGE).permutation(len(names))[:most])]
    if len(columns) < len(names):
        notes.append({"code": "some_group_columns", "columns": len(columns), "of": len(names)})
    levels = {name: _levels(tables, name) for name in tables.modelled} if columns else {}
    found = [group for name in columns for group in _subgroups(tables, name, levels)]
    found.sort(key=lambda group: group["floor"] - group["value"])
    worst = [_with_utility(group, tables, predictions) for group in found[:LISTED]]
    parts = {"measured": len(found), "least_rows": LEAST_ROWS, "worst": worst}
    if not worst:
        notes = [NO_HOLDOUT if tables.holdout is None else {"code": "no_subgroups", "rows": LEAST_ROWS}]
        return {"worst_subgroup": metric(None, None, None, "lower", "%", notes=notes)}, parts
    first = worst[0]
    named = {"code": "subgroup", "column": first["column"], "label": first["label"], "of": len(found), **first["rows"]}
    return {"worst_subgroup": metric(first["value"], first["floor"], 0.0, "lower", "%", notes=[named, *notes])}, parts


def _levels(tables: Tables, name: str) -> dict[str, Codes]:
    """(rows,) whole numbers up to LEVELS + 1 in each table, 0 for missing, in the order of the values."""
    if name in tables.train.codes:
        return {table: np.minimum(view.codes[name], LEVELS - 1) + 1 for table, view in tables.views.items()}
    edges = np.unique(tables.train.numbers[name][~tables.train.missing(name)])
    if len(edges) > LEVELS:
        edges = np.unique(np.nanquantile(tables.train.numbers[name], np.linspace(0, 1, LEVELS), method="inverted_cdf"))
    return {
        table: np.where(view.missing(name), 0, 1 + np.searchsorted(edges, view.numbers[name], side="right"))
        for table, view in tables.views.items()
    }


def _subgroups(tables: Tables, column: str, levels: dict[str, dict[str, Codes]]) -> list[dict[str, Any]]:
    """All subgroups that one column forms."""
    size = len(tables.labels[column])
    rows = {table: np.bincount(view.codes[column] + 1, minlength=size + 1)[1:] for table, view in tables.views.items()}
    labels = np.flatnonzero(np.minimum(rows["train"], rows["holdout"]) >= LEAST_ROWS)
    if not labels.size:
        return []
    place = np.full(size + 1, len(labels))  # the last place is for all other rows; code -1 reads the last entry
    place[labels] = np.arange(len(labels))
    groups = {table: place[view.codes[column]] for table, view in tables.views.items()}
    others = [name for name in tables.modelled if name != column]
    made, real = (
        np.mean([_errors(tables, name, levels[name], groups, table, len(labels)) for name in others], axis=0)
        for table in ("synthetic", "holdout")
    )
    return [
        {
            "column": column,
            "label": tables.labels[column][label],
            "rows": {table: int(count[label]) for table, count in rows.items()},
            "value": rounded(100 * float(made[at])),
            "floor": rounded(100 * float(real[at])),
        }
        for at, label in enumerate(labels.tolist())
    ]


def _errors(
    tables: Tables, name: str, levels: dict[str, Codes], groups: dict[str, Codes], table: str, count: int
) -> Shares:
    """(count,) shape error of one column in each group: Kolmogorov-Smirnov or total variation; 1 without any row."""
    size = 1 + max(int(codes.max()) for codes in levels.values())
    real, other = (_shares(levels[part], groups[part], count, size) for part in ("train", table))
    gap = real - other
    if name in tables.train.numbers:
        errors = np.abs(gap.cumsum(1)).max(1)
    else:
        errors = np.abs(gap).sum(1) / 2
    return np.where(other.any(1), errors, 1.0)


def _shares(levels: Codes, groups: Codes, count: int, size: int) -> Shares:
    """(count, size) distribution of the levels within each group; zeros for a group without rows."""
    table = np.bincount(groups * size + levels, minlength=(count + 1) * size).reshape(count + 1, size)[:count]
    return table / np.maximum(1, table.sum(1, keepdims=True))


def _with_utility(group: dict[str, Any], tables: Tables, predictions: Predictions | None) -> dict[str, Any]:
    """The subgroup with its AUC or R2, where the target varies among its hold-out rows."""
    if predictions is None or predictions[0].task.target == group["column"]:
        return group
    code = tables.labels[group["column"]].index(group["label"])
    made, real = (said.estimate_among(said.rows.codes[group["column"]] == code) for said in predictions)
    if made is None or real is None:
        return group
    numbers = {"unit": predictions[0].task.unit, "value": rounded(made.value), "floor": rounded(real.value)}
    return {**group, "utility": numbers}
