"""Tables that trip reports up: one row, nothing but texts, columns without values, constants, no hold-out."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from page import check_page

from genwright.metrics.table import ORDER, score
from genwright.report import Report, build_report
from genwright.report.verdict import grade

ALWAYS = set(ORDER) - {"importance_agreement", "copied_identifiers", "copied_texts"}


def mixed(rows: int, seed: int, kinds: tuple[str, ...]) -> tuple[pl.DataFrame, dict[str, str]]:
    draw = np.random.default_rng(seed)
    number = draw.normal(size=rows)
    columns: dict[str, tuple[Any, str]] = {
        "n1": (number, "decimal"),
        "n2": (number + draw.normal(size=rows), "decimal"),
        "c1": (draw.choice(["a", "b", "c"], rows), "category"),
        "c2": (draw.random(rows) < 0.3, "boolean"),
        "constant": (["x"] * rows, "constant"),
        "missing": (pl.Series([None] * rows, dtype=pl.String), "missing"),
        "empty": (pl.Series([None] * rows, dtype=pl.Float64), "decimal"),
        "when": (pl.Series(draw.integers(0, 10**9, rows) * 10**6).cast(pl.Datetime("us")), "datetime"),
        "text": ([f"t{i}" for i in draw.integers(0, 10**6, rows)], "text"),
    }
    return pl.DataFrame({n: columns[n][0] for n in kinds}), {n: columns[n][1] for n in kinds}


SHAPES = {
    "categories only": ("c1", "c2"),
    "numbers only": ("n1", "n2"),
    "one column": ("n1",),
    "with constant and empty columns": ("n1", "c1", "constant", "missing", "empty"),
    "nothing to model": ("constant", "missing", "text"),
    "dates and texts": ("when", "n1", "text"),
}


@pytest.mark.parametrize("columns", SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("rows", [1, 5, 160])
def test_odd_tables(columns: tuple[str, ...], rows: int) -> None:
    train, kinds = mixed(rows, 1, columns)
    holdout, synthetic = (mixed(rows, seed, columns)[0] for seed in (2, 3))
    predicted = [name for name in columns if name in ("n1", "c1")][:1]
    for test, target in [(holdout, None), (None, None), *((holdout, name) for name in predicted)]:
        scores = score(train, test, synthetic, kinds, target=target, effort="quick")
        assert set(scores["metrics"]) >= ALWAYS
        for name, metric in scores["metrics"].items():
            assert metric["value"] is not None or metric["notes"] or name.startswith("copied"), name
        if rows < 100:
            assert scores["metrics"]["boosting_judge"]["value"] is None, "guessing would look like success"
            assert grade("boosting_judge", scores["metrics"]["boosting_judge"]) == "unknown"
        check_page(build_report(scores, {}))
        str(Report(scores))


def test_constants_that_break_are_named() -> None:
    train, kinds = mixed(200, 1, ("n1", "constant"))
    made = mixed(200, 2, ("n1", "constant"))[0].with_columns(constant=pl.lit("y"))
    scores = score(train, train, made, kinds, effort="quick")
    notes = scores["metrics"]["shape"]["notes"]
    assert {"code": "constants_broken", "columns": ["constant"], "count": 1} in notes
    assert "constant in the training table" in build_report(scores, {})
