"""compare(): several runs, or several models trained under one time budget, in one table beside floor and copycat."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genwright import settings as settings_layer
from genwright.contest import Contest
from genwright.data.image_writers import thumbnail
from genwright.errors import GenwrightError
from genwright.folder import next_free, write_text
from genwright.modalities import open_run
from genwright.report.build import template
from genwright.report.words import Words, say
from genwright.run import Run

SHOWN = 480  # pixels of the longer side of a run's pictures on the page, at most


@dataclass(frozen=True)
class Comparison:
    """One row a metric, one column a run; floor and copycat are the mean over the runs that have the metric, as all share the
    data. "-": a run has no such number, as a model without a likelihood."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[Words, ...] = ()
    """What the numbers stand on, and who is left out."""
    page: Path | None = None
    """Where the same stands as a page, if it was written."""

    @property
    def note(self) -> str:
        """The notes in English, a line each."""
        return "\n".join(note.en for note in self.notes)

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
    **shared: Any,
) -> Comparison:
    """Compare run folders (or Runs); or train each of `models` on the one data set given, each within `time`, first.

    `shared`: more settings of all trainings, with dots for nested ones, such as holdout=0.2 or **{"images.size": 32}.
    `preset`: of the trainings; empty: as the kind of data wants it (`contest.py`). The same call with the same `out` goes on
    where it was stopped. A model that fails is left out, and a note says why; if all do, that is the error.
    GW-0601 with `epsilon`: train each model with it, and compare the finished runs.

    Trained models, and finished runs with `out`, leave comparison.html in the folder. Runs of different data are refused
    (GW-0213): their numbers would not be comparable.
    """
    folder = Path(out) if out else None
    failed: Mapping[str, GenwrightError] = {}
    _refuse_guarantee({**settings_layer.from_environment(), **shared} if models else shared)
    if models:
        if len(runs) != 1:
            raise GenwrightError("GW-0213", "Models are compared on one data set", "Give one file and --models a,b,c.")
        folder = folder or next_free(Path("runs"), f"compare-{_stem(runs[0])}")
        given = {"time": time, "test": test, "target": target, "seed": seed, **shared}
        contest = Contest(runs[0], models, folder, given, preset)
        contest.check()
        opened, failed = contest.train(quiet=quiet)
    elif shared:
        raise GenwrightError(
            "GW-0213", f"{next(iter(shared))} is a setting of trainings", "Give one file and --models a,b,c."
        )
    else:
        if not runs:
            raise GenwrightError(
                "GW-0213", "There is nothing to compare", "Give run folders, or a file and --models a,b."
            )
        opened = [run if isinstance(run, Run) else open_run(run) for run in runs]
    found = table(opened)
    lost = [say("compare.left_out", name=name, error=error) for name, error in failed.items()]
    found = replace(found, notes=(*found.notes, *lost))
    return _written(found, opened, folder) if folder else found


def _refuse_guarantee(given: Mapping[str, Any]) -> None:
    if settings_layer.build({"epsilon": given.get("epsilon") or 0}).epsilon:
        raise GenwrightError(
            "GW-0601",
            "Models are compared under one time budget, and to time their steps is to look at private batches: that cannot "
            "go with --epsilon",
            "Train each with genwright train --epsilon, then compare the finished runs: genwright compare RUN RUN. Mind that "
            "guarantees of several runs on the same data add up.",
        )


def table(runs: Sequence[Run]) -> Comparison:
    """The comparison of finished runs."""
    prints = {(run.state["data"]["fingerprint"], _hold_out(run)) for run in runs}
    if len({fingerprint for fingerprint, *_ in prints}) > 1:
        raise GenwrightError("GW-0213", "The runs were trained on different data", "Compare runs of the same data.")
    reports = [_report(run) for run in runs]
    names = _column_names(runs)
    rows = _metric_rows([report["metrics"] for report in reports])
    measured = [report["features"] for report in reports if "features" in report]
    if len(measured) == len(runs):
        rows.append(("n of distances", *(_number(each.get("n")) for each in measured), "-", "-", "-"))
    for part in ("training", "total"):
        rows.append((f"seconds, {part}", *(_number(run.state["seconds"].get(part)) for run in runs), "-", "-", "lower"))
    rows.append(("memory, MB", *(_number(run.state.get("memory_mb")) for run in runs), "-", "-", "lower"))
    guarantees = [run.facts().get("privacy", {}) for run in runs]
    spent = [each.get("spent") for each in guarantees]
    if any(spent):
        rows.append(("epsilon spent", *map(_number, spent), "-", "-", "lower"))
    holds = {
        "floor_of_costs": any("nats_per_character" in report["metrics"] for report in reports),
        "several_hold_outs": len(prints) > 1,
        "several_deltas": len({(g["delta"], g["unit"]) for g in guarantees if g}) > 1,
        "guarantees_add_up": sum(map(bool, spent)) > 1,
        "outside_of_guarantees": any(spent),
    }
    notes = [*_measuring(reports, names), *(say(f"compare.{key}") for key, held in holds.items() if held)]
    return Comparison(("metric", *names, "floor", "copycat", "better"), tuple(rows), tuple(notes))


def _metric_rows(reports: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A row for every metric that a run has."""
    rows = []
    for metric in dict.fromkeys(name for report in reports for name in report):
        known = [report[metric] for report in reports if metric in report]
        values = [_number(report[metric]["value"]) if metric in report else "-" for report in reports]
        ends = [_number(_mean([found[end] for found in known])) for end in ("floor", "copycat")]
        unit = f" ({known[0]['unit']})" if known[0].get("unit") else ""
        rows.append((metric + unit, *values, *ends, known[0]["better"]))
    return rows


def _measuring(reports: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Words]:
    """What distances are measured on, of reports that say so."""
    used = {
        name: report["features"]["name"] for name, report in zip(names, reports, strict=True) if "features" in report
    }
    sizes = {report["features"].get("n") for report in reports if "features" in report}
    notes = [note for report in reports for metric in report["metrics"].values() for note in metric.get("notes", ())]
    said = []
    if len(set(used.values())) == 1:
        said.append(say("compare.one_measure", features=next(iter(used.values()))))
    elif used:
        each = ", ".join(f"{name}: {features}" for name, features in used.items())
        said.append(say("compare.several_measures", each=each))
    if len(sizes) > 1:
        said.append(say("compare.several_sizes"))
    if any(note["code"] == "weak_features" for note in notes):
        said.append(say("compare.weak_features"))
    return said


def _hold_out(run: Run) -> tuple[Any, ...]:
    """What decides which examples a run is judged by: under a guarantee their own content, else the seed."""
    given = run.settings
    return (given.test, given.holdout, given.unit if given.epsilon else given.seed, bool(given.epsilon))


def _stem(data: Any) -> str:
    return Path(data).name.split(".")[0] if isinstance(data, str | Path) else "frame"


def _written(found: Comparison, runs: Sequence[Run], folder: Path) -> Comparison:
    """The comparison, also as a page in the folder."""
    pages = [run.folder / "report.html" for run in runs]
    links = [os.path.relpath(page, folder) if page.exists() else "" for page in pages]
    text = template("comparison.html.j2").render(
        name=str(runs[0].facts()["name"]),
        columns=found.columns,
        links=["", *links, "", "", ""],
        rows=[{"cells": row, "best": _best(row[1:-1], row[-1])} for row in found.rows],
        pictures=_pictures(runs, found.columns[1:]),
        ends=say("compare.ends"),
        notes=found.notes,
    )
    write_text(folder / "comparison.html", text)
    return replace(found, page=folder / "comparison.html")


def _pictures(runs: Sequence[Run], names: Sequence[str]) -> list[dict[str, str]]:
    """The samples of each run that are pictures, by its name, for the page."""
    paths = [run.first_path for run in runs]
    return [
        {"name": name, "data": base64.b64encode(thumbnail(path, SHOWN)).decode()}
        for name, path in zip(names, paths, strict=False)
        if path.suffix == ".png" and path.exists()
    ]


def _best(cells: Sequence[str], better: str) -> list[int]:
    """The places, from 1 on, of the best values among the runs; the last two cells are floor and copycat."""
    values = [None if cell == "-" else float(cell) for cell in cells]
    *own, floor, _ = values
    goals = {"nearer to .5": 0.5, "nearer to the floor": floor}
    misses = {}
    for place, value in enumerate(own, start=1):
        if value is None:
            continue
        if better in ("lower", "higher"):
            misses[place] = value if better == "lower" else -value
        elif (goal := goals.get(better)) is not None:
            misses[place] = abs(value - goal)
    return [place for place, miss in misses.items() if miss == min(misses.values())]


def _report(run: Run) -> dict[str, Any]:
    path = run.folder / "report.json"
    if not path.exists():
        run.report(effort="quick")
    return json.loads(path.read_text(encoding="utf-8"))


def _column_names(runs: Sequence[Run]) -> list[str]:
    models = [run.facts()["model"] for run in runs]
    return models if len(set(models)) == len(models) else [str(run.folder) for run in runs]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
