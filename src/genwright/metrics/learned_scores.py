"""Second stage of scoring: what models say. Judges that tell real from synthetic, and models fitted on synthetic rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from genwright.metrics import judges, utility
from genwright.metrics.auc import Estimate
from genwright.metrics.importance import importance_metric, not_measured
from genwright.metrics.threads import in_threads
from genwright.metrics.values import NO_HOLDOUT, Metric, Scene, metric, rounded
from genwright.metrics.view import View

JUDGE_STAGE, UTILITY_STAGE = 4, 5
STAND_INS = ("synthetic", "holdout", "train")
Predictions = tuple[utility.Prediction, utility.Prediction]
"""Of models fitted on synthetic and on training rows, for the same hold-out rows."""
Judge = Callable[[View, View, Sequence[str], int], Estimate | None]


def judge_metrics(scene: Scene) -> dict[str, Metric]:
    """`logistic_judge` (C2ST score, 1 best) and `boosting_judge` (AUC, .5 best).

    Each table in turn stands as the synthetic one against as many random training rows. The copycat draws its rows from
    all training rows too, so the two sides share rows and the judge falls below .5: see `judges.py`.
    """
    tables = scene.tables
    columns = list(tables.modelled)
    sides = {name: _sides(scene, view) for name, view in tables.views.items()}
    rows = sides["synthetic"][0].rows

    def ask(job: tuple[str, Judge]) -> Estimate | None:
        table, judge = job
        return judge(*sides[table], columns, scene.seed) if table in sides and columns else None

    jobs = [(table, judge) for judge in (judges.boosting_auc, judges.logistic_auc) for table in STAND_INS]
    areas = in_threads(ask, jobs)
    notes: list[dict[str, Any]] = []
    if rows < min(tables.train.rows, tables.synthetic.rows):
        notes.append({"code": "judge_rows", "rows": rows})
    if not columns:
        notes.append({"code": "no_columns"})
    elif any(min(side.rows for side in pair) < judges.MINIMUM_ROWS for pair in sides.values()):
        notes.append({"code": "too_few_rows", "rows": judges.MINIMUM_ROWS})
    notes += [] if tables.holdout is not None else [NO_HOLDOUT]
    return {"logistic_judge": _logistic(areas[3:], notes, rows), "boosting_judge": _boosting(areas[:3], notes, rows)}


def _sides(scene: Scene, view: View) -> tuple[View, View]:
    """Equal numbers of random training rows and of random rows of `view`."""
    generator = scene.generator(JUDGE_STAGE)
    cells = scene.effort.judge_cells / max(1, len(scene.tables.modelled))
    rows = int(min(scene.tables.train.rows, view.rows, scene.effort.judge_rows, max(judges.MINIMUM_ROWS, cells)))
    return scene.tables.train.sample(rows, generator), view.sample(rows, generator)


def _logistic(areas: list[Estimate | None], notes: list[dict[str, Any]], rows: int) -> Metric:
    scores = [judges.c2st(area) if area is not None else None for area in areas]
    value, floor, copycat = (score[0] if score is not None else None for score in scores)
    interval = scores[0][1] if scores[0] is not None else None
    more = {"auc": areas[0].value} if areas[0] is not None else {}
    return metric(value, floor, copycat, "higher", "score", interval=interval, notes=notes, rows=rows, **more)


def _boosting(areas: list[Estimate | None], notes: list[dict[str, Any]], rows: int) -> Metric:
    value, floor, copycat = (area.value if area is not None else None for area in areas)
    interval = areas[0].interval(0, 1) if areas[0] is not None else None
    return metric(value, floor, copycat, "nearer to .5", "AUC", interval=interval, notes=notes, rows=rows)


def utility_metrics(
    scene: Scene, target: str | None, columns: dict[str, Any]
) -> tuple[dict[str, Metric], Predictions | None]:
    """`utility` over all columns (then each entry of `columns` gets its own "utility"); or, for a named target, `utility`,
    `importance_agreement` and what the two models said of hold-out rows, if they could be fitted."""
    if scene.tables.holdout is None:
        unit = "AUC" if target else "ratio"
        silent = {"utility": metric(None, None, None, "higher", unit, notes=[NO_HOLDOUT], target=target)}
        return silent | ({"importance_agreement": not_measured(NO_HOLDOUT)} if target else {}), None
    if target is None:
        return {"utility": _every_column(scene, columns)}, None
    found, predictions = _target(scene, target)
    return {"utility": found, "importance_agreement": importance_metric(scene, target)}, predictions


def _target(scene: Scene, target: str) -> tuple[Metric, Predictions | None]:
    tables, effort, generator = scene.tables, scene.effort, scene.generator(UTILITY_STAGE)
    assert tables.holdout is not None
    limit = min(effort.utility_rows, effort.utility_cells / len(tables.modelled))
    everything = min(tables.train.rows, tables.synthetic.rows)
    rows = int(min(everything, limit))
    task = utility.task_for(tables.train, target)
    test = scene.sample(tables.holdout, limit, generator)
    fitted = [scene.sample(view, rows, generator) for view in (tables.synthetic, tables.train)]
    made, real = in_threads(
        lambda view: utility.predict(task, view, test, tables.modelled, scene.seed, utility.USUAL), fitted
    )
    notes: list[dict[str, Any]] = [{"code": "utility_rows", "rows": rows}] if rows < everything else []
    if made is None or real is None:
        return metric(None, None, None, "higher", task.unit, notes=[{"code": "target_silent"}], target=target), None
    value, floor = made.estimate(), real.estimate().value
    return metric(value.value, floor, floor, "higher", task.unit,
                  interval=value.interval(high=1.0), notes=notes, target=target, rows=rows), (made, real)  # fmt: skip


def _every_column(scene: Scene, columns: dict[str, Any]) -> Metric:
    tables, effort, generator = scene.tables, scene.effort, scene.generator(UTILITY_STAGE)
    assert tables.holdout is not None
    names = list(tables.modelled)
    asked = names
    most = max(3, effort.utility_pairs // max(1, len(names)))
    if len(names) > most:
        chosen = set(generator.choice(len(names), most, replace=False).tolist())
        asked = [name for index, name in enumerate(names) if index in chosen]
    limit = effort.utility_column_rows
    train, synthetic = (view.sample(min(limit, tables.train.rows, tables.synthetic.rows), generator)
                        for view in (tables.train, tables.synthetic))  # fmt: skip
    skills = utility.every_column(train, synthetic, tables.holdout.sample(limit, generator), names, asked, scene.seed)
    for name, skill in skills.items():
        columns[name]["utility"] = {
            "unit": skill.unit, "value": rounded(skill.synthetic), "floor": rounded(skill.train),
        }  # fmt: skip
    ratio = utility.skill_ratio(skills)
    notes: list[dict[str, Any]] = [
        {"code": "utility_columns", "columns": len(asked), "of": len(names), "rows": train.rows}
    ]
    if ratio is None:
        notes = [{"code": "nothing_predictable"}]
    known = None if ratio is None else 1.0
    return metric(ratio, known, known, "higher", "ratio", notes=notes, target=None, rows=train.rows)
