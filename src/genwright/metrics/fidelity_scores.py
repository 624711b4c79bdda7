"""First stage of scoring: distributions of columns, relations of pairs, missing values, spikes; and the drawn summaries."""

from __future__ import annotations

import math
from typing import Any

from genwright.metrics import marginals, summaries
from genwright.metrics.copies import missing_rate
from genwright.metrics.pairs import Trend, trends
from genwright.metrics.triples import choose_triples, triple_errors
from genwright.metrics.values import NO_HOLDOUT, Metric, Scene, mean, metric, rounded
from genwright.metrics.view import COPY_KINDS, EMPTY_KINDS, Tables

MATRIX_COLUMNS = 40
WORST_PAIRS = 20
LEAST_TRIPLES, LEAST_TRIPLE_ROWS = 50, 10_000
ROWS_STAGE, PAIRS_STAGE, TRIPLES_STAGE = 2, 3, 8


def fidelity(scene: Scene) -> tuple[dict[str, Metric], dict[str, Any], dict[str, Any]]:
    """The metrics shape, trend, three_way, missing and spikes; the per-column part; the per-pair part."""
    tables, notes = cut(scene)
    holdout = tables.holdout
    names = list(tables.modelled)
    notes += [] if holdout is not None else [NO_HOLDOUT]
    columns = {name: _column(tables, name) for name in tables.kinds}
    found = {
        "shape": marginals.shape_errors, "missing": marginals.missing_errors, "spikes": marginals.spike_errors,
    }  # fmt: skip
    metrics = {}
    for title, measure in found.items():
        made = measure(tables.train, tables.synthetic, names)
        real = measure(tables.train, holdout, names) if holdout is not None else {}
        if title == "missing":
            made, real = _with_copy_kinds(tables, made, real, columns)
        for name in made:
            columns[name][title] = {"value": rounded(100 * made[name]), "floor": rounded(_percent(real.get(name)))}
        metrics[title] = _metric(title, made, real, tables, notes)
    trend = trends(tables.train, holdout, tables.synthetic, names, scene.effort.pairs, scene.generator(PAIRS_STAGE))
    sampled = (
        [{"code": "some_pairs", "pairs": len(trend.pairs), "of": trend.total}] if trend.total > len(trend.pairs) else []
    )
    metrics["trend"] = metric(
        _percent(mean(trend.synthetic)), _percent(mean(trend.holdout or [])), 0.0 if trend.pairs else None,
        "lower", "%", notes=notes + sampled + ([] if trend.pairs else [{"code": "no_pairs"}]),
    )  # fmt: skip
    metrics["three_way"] = _three_way(scene, tables, names, notes)
    return metrics, columns, _pairs(trend, names)


def _three_way(scene: Scene, tables: Tables, names: list[str], notes: list[dict[str, Any]]) -> Metric:
    """`three_way`: mean total variation of three-way margins, in percent."""
    limit = max(LEAST_TRIPLES, int(scene.effort.triple_rows / max(LEAST_TRIPLE_ROWS, tables.train.rows)))
    triples = choose_triples(names, limit, scene.generator(TRIPLES_STAGE))
    others = [view for view in (tables.synthetic, tables.holdout) if view is not None]
    made, *real = (mean(errors) for errors in triple_errors(tables.train, others, triples))
    notes, total = list(notes), math.comb(len(names), 3)
    if len(triples) < total:
        notes.append({"code": "some_triples", "triples": len(triples), "of": total})
    if not triples:
        notes.append({"code": "no_triples"})
    floor = real[0] if real else None
    return metric(_percent(made), _percent(floor), 0.0 if triples else None, "lower", "%", notes=notes)


def cut(scene: Scene) -> tuple[Tables, list[dict[str, Any]]]:
    """The tables with at most the allowed number of rows each."""
    tables, generator = scene.tables, scene.generator(ROWS_STAGE)
    rows = scene.effort.fidelity_cells / max(1, len(tables.kinds))
    views = {name: scene.sample(view, rows, generator) for name, view in tables.views.items()}
    cut = any(view.rows < tables.views[name].rows for name, view in views.items())
    small = Tables(
        views["train"],
        views.get("holdout"),
        views["synthetic"],
        tables.kinds,
        tables.labels,
        tables.modelled,
        tables.frames,
    )
    return small, [{"code": "some_rows", "rows": int(rows)}] if cut else []


def _metric(
    title: str, made: dict[str, float], real: dict[str, float], tables: Tables, notes: list[dict[str, Any]]
) -> Metric:
    """The mean over the columns that the metric concerns. The copycat IS the training table, so its error is exactly 0."""
    notes = list(notes)
    if title == "missing":
        with_gaps = [name for name in made if made[name] > 0 or real.get(name, 0) > 0 or _has_gaps(tables, name)]
        if not with_gaps:
            return metric(0.0, 0.0, 0.0, "lower", "%", notes=[*notes, {"code": "none_missing"}], columns=0)
        made = {name: made[name] for name in with_gaps}
        real = {name: real[name] for name in with_gaps if name in real}
    if title == "shape":
        constants = [name for name in tables.of_kind(EMPTY_KINDS) if name not in tables.modelled]
        errors = marginals.shape_errors(tables.train, tables.synthetic, constants)
        if broken := [name for name, error in errors.items() if error > 0]:
            notes.append({"code": "constants_broken", "columns": broken[:10], "count": len(broken)})
    if not made:
        notes.append({"code": "no_columns" if title == "shape" else "no_spikes"})
    copycat = 0.0 if made else None
    return metric(
        _percent(mean(made.values())),
        _percent(mean(real.values())),
        copycat,
        "lower",
        "%",
        notes=notes,
        columns=len(made),
    )


def _has_gaps(tables: Tables, name: str) -> bool:
    if tables.kinds[name] in COPY_KINDS:
        return missing_rate(tables, name, "train") > 0
    return bool(tables.train.missing(name).any())


def _with_copy_kinds(
    tables: Tables, made: dict[str, float], real: dict[str, float], columns: dict[str, Any]
) -> tuple[dict[str, float], dict[str, float]]:
    """Missing values count in identifiers and texts too."""
    for name in tables.of_kind(COPY_KINDS):
        rates = columns[name]["missing_rate"]
        made[name] = abs(rates["synthetic"] - rates["train"])
        if "holdout" in rates:
            real[name] = abs(rates["holdout"] - rates["train"])
    return made, real


def _column(tables: Tables, name: str) -> dict[str, Any]:
    """Kind, rate of missing values in each table, histogram, moments."""
    kind = tables.kinds[name]
    if kind in COPY_KINDS:
        return {
            "kind": kind,
            "missing_rate": {table: rounded(missing_rate(tables, name, table)) for table in tables.views},
        }
    rates = {table: rounded(float(view.missing(name).mean())) for table, view in tables.views.items()}
    out: dict[str, Any] = {"kind": kind, "missing_rate": rates}
    if name in tables.modelled:
        out["histogram"] = summaries.histogram(tables, name)
        if name in tables.train.numbers and kind in ("integer", "decimal"):
            out["moments"] = summaries.moments(tables, name)
    return out


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _pairs(trend: Trend, names: list[str]) -> dict[str, Any]:
    """{"measured", "total", "columns", "error", "floor", "relation": {"train", "synthetic"}, "worst": [...]}.

    Matrices are square over "columns" (at most 40: those with the largest mean error), in table order, None where a pair
    was not measured; errors in percent, relations Pearson's r or Cramér's V. "worst" lists the 20 worst pairs of all.
    """
    errors: dict[str, list[float]] = {name: [] for name in names}
    for (first, second), error in zip(trend.pairs, trend.synthetic, strict=True):
        errors[first].append(error)
        errors[second].append(error)
    ranked = sorted(names, key=lambda name: -(mean(errors[name]) or 0.0))[:MATRIX_COLUMNS]
    shown = [name for name in names if name in set(ranked)]
    place = {name: index for index, name in enumerate(shown)}
    worst = sorted(range(len(trend.pairs)), key=lambda index: -trend.synthetic[index])[:WORST_PAIRS]
    percent = [round(100 * error, 3) for error in trend.synthetic]
    floor = [round(100 * error, 3) for error in trend.holdout] if trend.holdout is not None else None
    relation = {"train": _short(trend.relation_train), "synthetic": _short(trend.relation_synthetic)}
    return {
        "measured": len(trend.pairs),
        "total": trend.total,
        "columns": shown,
        "error": _matrix(trend, place, percent),
        "floor": _matrix(trend, place, floor) if floor is not None else None,
        "relation": {table: _matrix(trend, place, values) for table, values in relation.items()},
        "worst": [
            {
                "columns": list(trend.pairs[index]), "error": percent[index], "floor": floor[index] if floor else None,
                "relation": {table: values[index] for table, values in relation.items()},
            }
            for index in worst
        ],
    }  # fmt: skip


def _short(values: list[float]) -> list[float]:
    return [round(value, 3) if math.isfinite(value) else 0.0 for value in values]


def _matrix(trend: Trend, place: dict[str, int], values: list[float]) -> list[list[float | None]]:
    matrix: list[list[float | None]] = [[None] * len(place) for _ in place]
    for (first, second), value in zip(trend.pairs, values, strict=True):
        if first in place and second in place:
            matrix[place[first]][place[second]] = matrix[place[second]][place[first]] = value
    return matrix
