"""compare(): several runs, or several models trained under one time budget, in one table beside floor and copycat."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genwright.errors import GenwrightError, did_you_mean
from genwright.folder import next_free
from genwright.modalities import open_run
from genwright.models import MODELS
from genwright.run import Run
from genwright.trainer import start
from genwright.training.ranks import launched


@dataclass(frozen=True)
class Comparison:
    """One row a metric, one column a run; floor and copycat are the mean over the runs, which share the data."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __str__(self) -> str:
        widths = [max(len(row[i]) for row in (self.columns, *self.rows)) for i in range(len(self.columns))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in (self.columns, *self.rows)
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(line.rstrip() for line in [*lines, self.note] if line)

    def _repr_html_(self) -> str:
        def cells(tag: str, row: Sequence[str]) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"

        body = "".join(cells("td", row) for row in self.rows)
        return f"<table>{cells('th', self.columns)}{body}</table><p>{html.escape(self.note)}</p>"


def compare(
    *runs: Any,
    models: Sequence[str] | None = None,
    time: str = "5m",
    test: str | None = None,
    target: str | None = None,
    preset: str = "",
    out: str | Path | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> Comparison:
    """Compare run folders (or Runs); or train each of `models` on the one data set given, each within `time`, first.

    `preset`: of the trainings; empty: the steps of "best" for tables, else the networks of "quick", as larger ones
    learn too little in minutes.

    Runs of different data are refused (GW-0213): their numbers would not be comparable.
    """
    if models:
        if len(runs) != 1:
            raise GenwrightError("GW-0213", "Models are compared on one data set", "Give one file and --models a,b,c.")
        for name in models:
            if name not in MODELS:
                raise GenwrightError("GW-0205", f"There is no model {name!r}", did_you_mean(name, list(MODELS)))
        opened = _train_each(
            runs[0], models, time=time, test=test, target=target, preset=preset, out=out, seed=seed, quiet=quiet
        )
    else:
        if not runs:
            raise GenwrightError(
                "GW-0213", "There is nothing to compare", "Give run folders, or a file and --models a,b."
            )
        opened = [run if isinstance(run, Run) else open_run(run) for run in runs]
    return table(opened)


def table(runs: Sequence[Run]) -> Comparison:
    """The comparison of finished runs."""
    prints = {
        (run.state["data"]["fingerprint"], run.settings.test, run.settings.holdout, run.settings.seed) for run in runs
    }
    if len({fingerprint for fingerprint, *_ in prints}) > 1:
        raise GenwrightError("GW-0213", "The runs were trained on different data", "Compare runs of the same data.")
    reports = [_report(run) for run in runs]
    names = _column_names(runs)
    rows = []
    for metric, first in reports[0].items():
        if not all(metric in report for report in reports):
            continue
        values = [_number(report[metric]["value"]) for report in reports]
        ends = [_number(_mean([report[metric][end] for report in reports])) for end in ("floor", "copycat")]
        unit = f" ({first['unit']})" if first.get("unit") else ""
        rows.append((metric + unit, *values, *ends, first["better"]))
    for part in ("training", "total"):
        rows.append((f"seconds, {part}", *(_number(run.state["seconds"].get(part)) for run in runs), "-", "-", "lower"))
    note = "" if len(prints) == 1 else "Note: the runs do not share one hold-out; floors differ."
    return Comparison(("metric", *names, "floor", "copycat", "better"), tuple(rows), note)


def _train_each(
    data: Any, models: Sequence[str], *, preset: str, out: str | Path | None, quiet: bool, **settings: Any
) -> list[Run]:
    if launched():
        raise GenwrightError("GW-0408", "Several processes train one model", "Start genwright compare without torchrun")
    stem = Path(data).name.split(".")[0] if isinstance(data, str | Path) else "frame"
    folder = Path(out) if out else next_free(Path("runs"), f"compare-{stem}")
    given = {name: value for name, value in settings.items() if value is not None}
    usual = {"row": "best", "grid": "quick", "tokens": "quick"}
    return [
        start(
            data,
            {**given, "model": name, "preset": preset or usual[MODELS[name].kind], "out": str(folder / name)},
            quiet=quiet,
        )
        for name in models
    ]


def _report(run: Run) -> dict[str, Any]:
    path = run.folder / "report.json"
    if not path.exists():
        run.report(effort="quick")
    return json.loads(path.read_text(encoding="utf-8"))["metrics"]


def _column_names(runs: Sequence[Run]) -> list[str]:
    models = [run.facts()["model"] for run in runs]
    return models if len(set(models)) == len(models) else [str(run.folder) for run in runs]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
