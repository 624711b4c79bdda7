"""Scores and facts -> report.json and one self-contained report.html.

`scores` is what `metrics.table.score` returns; `facts` says how the rows were made, all of it optional: "name", "model",
"settings", "data", "outcome", "seconds", "versions", "files", "command", "epsilon" ... (any plain values; the page lists
them). The page needs no network, carries both languages and stays small on tables of 1,000 columns because only the worst
columns are drawn. `table.html.j2` is the page, `words.py` its sentences, `breakdowns.py` its smaller tables, `figures.py` and
`heat.py` its drawings.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from genwright.folder import write_text
from genwright.report import breakdowns, figures
from genwright.report.attacks import attack_sentences
from genwright.report.grades import show, show_metric
from genwright.report.verdict import grade, verdict
from genwright.report.words import LANGUAGES, TEXT, Words, say, say_of

DRAWN_COLUMNS = 60
LISTED_COLUMNS = 1_000
SECTIONS = ("summary", "columns", "pairs", "judges", "utility", "subgroups", "privacy")
GROUPS = {
    "fidelity": ("shape", "trend", "three_way", "missing", "spikes"),
    "judges": ("logistic_judge", "boosting_judge"),
    "utility": ("utility", "importance_agreement"),
    "subgroups": ("worst_subgroup",),
    "privacy": (
        "nearer_to_train", "closest_distance", "closest_ratio", "exact_copies", "copied_identifiers", "copied_texts",
        "membership", "singling_out", "linkability", "attribute_inference",
    ),
}  # fmt: skip
FACTS_FIRST = ("name", "model", "command", "data", "outcome", "settings", "seconds", "memory_mb", "versions", "files")


def write_report(folder: str | Path, scores: dict[str, Any], facts: dict[str, Any], *, language: str = "auto") -> Path:
    """Write report.json and report.html into `folder`, each whole or not at all; returns the path of the page.

    report.json is `scores` with one more entry, "facts". Errors: GW-0301 if the folder can not be written.
    """
    folder = Path(folder)
    write_scores(folder, scores, facts)
    page = folder / "report.html"
    write_text(page, build_report(scores, facts, language=language))
    return page


def write_scores(folder: Path, scores: dict[str, Any], facts: dict[str, Any]) -> None:
    """report.json: the scores with one more entry, "facts"."""
    data = json.dumps({**scores, "facts": _plain(facts)}, ensure_ascii=False, allow_nan=False)
    data = data.encode("utf-8", "backslashreplace").decode()  # half a character of a text: JSON's own way to write it
    write_text(folder / "report.json", data + "\n")


def build_report(scores: dict[str, Any], facts: dict[str, Any], *, language: str = "auto") -> str:
    """The page as a string. `language` is "en", "zh" or "auto": what the reader's browser prefers."""
    return template("table.html.j2").render(
        **frame(scores, facts, language, title="title", sizes="sizes"),
        sections=[(k, k) for k in SECTIONS if k != "subgroups" or k in scores],  # not in reports of older versions
        effort=say("effort_full" if scores["effort"] == "full" else "effort_quick"),
        groups=grouped(scores, GROUPS),
        columns=_columns(scores),
        pairs=breakdowns.pairs(scores),
        skills=breakdowns.skills(scores),
        target=scores["target"],
        importances=breakdowns.importances(scores),
        subgroups=breakdowns.subgroups(scores),
        extras=_privacy_extras(scores["metrics"]),
        has_holdout=scores["sizes"]["holdout"] > 0,
    )


def frame(scores: dict[str, Any], facts: dict[str, Any], language: str, *, title: str, sizes: str) -> dict[str, Any]:
    """What page.html.j2 needs; `title` and `sizes` are keys of sentences."""
    return {
        "language": language if language in LANGUAGES else "en",
        "follow_browser": language not in LANGUAGES,
        "say": say,
        "title": title,
        "name": str(facts.get("name") or ""),
        "sizes": say(sizes, **{name: f"{number:,}" for name, number in scores["sizes"].items()}),
        "verdict": verdict(scores),
        "limits": _limits(scores, facts),
        "facts": _facts(scores, facts),
    }


def grouped(scores: dict[str, Any], groups: Mapping[str, tuple[str, ...]]) -> dict[str, list[dict[str, Any]]]:
    """The lines of the metric tables, by group."""
    return {group: [_metric(n, scores) for n in names if n in scores["metrics"]] for group, names in groups.items()}


@cache
def template(name: str) -> Any:
    """A page's template; drawings made here may pass unescaped, everything else is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = Markup  # only for what figures.py and heat.py made: they escape every label
    environment.filters["show"] = show
    return environment.get_template(name)


def _metric(name: str, scores: dict[str, Any]) -> dict[str, Any]:
    """One line of the tables."""
    metric, kind = scores["metrics"][name], scores.get("kind")
    shown = {key: show_metric(metric, key) for key in ("value", "floor", "copycat")}
    interval = None
    if "interval" in metric and metric["value"] is not None:
        low, high = metric["interval"]
        interval = say("interval", low=show(low, 3), high=show(high, 3))
    return {
        **shown,
        "name": say_of(kind, f"{name}.name"),
        "meaning": say_of(kind, f"{name}.meaning"),
        "definition": say_of(kind, f"{name}.definition"),
        "grade": grade(name, metric, kind),
        "interval": interval,
        "notes": [note_words(note, kind) for note in metric.get("notes", [])],
        "gauge": figures.gauge(metric),
    }


def note_words(note: Mapping[str, Any], kind: str | None = None) -> Words:
    """The sentence of a note; whole numbers with separators, lists with commas."""
    shown = {
        key: f"{value:,}"
        if isinstance(value, int)
        else ", ".join(map(str, value))
        if isinstance(value, list)
        else value
        for key, value in note.items()
        if key != "code"
    }
    return say_of(kind, f"note.{note['code']}", **shown)


def _columns(scores: dict[str, Any]) -> dict[str, Any]:
    """Which columns are drawn and listed, and each one's figure and numbers."""
    columns = scores["columns"]
    names = list(columns)
    worst = sorted((n for n in names if "histogram" in columns[n]), key=lambda n: -_shape(columns[n]))
    drawn = set(worst[:DRAWN_COLUMNS])
    listed = (
        names if len(names) <= LISTED_COLUMNS else sorted(names, key=lambda n: -_shape(columns[n]))[:LISTED_COLUMNS]
    )
    return {
        "total": len(names),
        "modelled": len(worst),
        "drawn": [_column(name, columns[name]) for name in names if name in drawn],
        "listed": [(name, columns[name]) for name in listed],
        "has": {key: any(key in columns[n] for n in listed) for key in ("spikes", "utility")},
    }


def _shape(column: dict[str, Any]) -> float:
    return column["shape"]["value"] if "shape" in column else -1.0


def _column(name: str, column: dict[str, Any]) -> dict[str, Any]:
    histogram = column["histogram"]
    floor = column["shape"]["floor"]
    return {
        "name": name,
        "column": column,
        "figure": figures.column_figure(histogram, f"{name}: {show(column['shape']['value'])} %"),
        "bins": _bin_labels(histogram),
        "histogram": histogram,
        "order": round(column["shape"]["value"], 4),
        "mark": grade("shape", {"value": column["shape"]["value"], "floor": floor, "unit": "%"}),
    }


def _bin_labels(histogram: dict[str, Any]) -> list[str]:
    if "labels" in histogram:
        return list(histogram["labels"])
    edges = histogram["edge_labels"]
    if not edges:
        return []
    return [f"< {edges[0]}", *(f"{a} – {b}" for a, b in itertools.pairwise(edges)), f"≥ {edges[-1]}"]


def _privacy_extras(metrics: dict[str, Any]) -> list[Words]:
    share, copies = metrics["nearer_to_train"], metrics["exact_copies"]
    out = []
    if share.get("equal_size") is not None:
        out.append(say("equal_size", share=show(share["equal_size"], 3)))
    if copies.get("of_holdout") is not None:
        out.append(say("of_holdout", share=show(copies["of_holdout"])))
    return [*out, *attack_sentences(metrics)]


def _limits(scores: dict[str, Any], facts: dict[str, Any]) -> list[Words]:
    """Of tables, pictures or texts, which have their own sentences under the same names."""
    kind = scores.get("kind")
    out = [say_of(kind, f"limits_{number}") for number in (1, 3, 4, 2)]
    if scores["sizes"]["holdout"] == 0:
        return [say_of(kind, "limits_no_holdout"), *out]
    if facts.get("epsilon") is not None:
        out.insert(0, say_of(kind, "outside_guarantee", epsilon=facts["epsilon"]))
    return [*out, say_of(kind, "limits_5")]


def _facts(scores: dict[str, Any], facts: dict[str, Any]) -> list[tuple[Words | None, list[tuple[Words, str]]]]:
    """Groups of (name, value) lines in a steady order, what the report itself took last."""
    ordered = [*(n for n in FACTS_FIRST if n in facts), *(n for n in facts if n not in FACTS_FIRST)]
    single: list[tuple[Words, str]] = []
    groups: list[tuple[Words | None, list[tuple[Words, str]]]] = []
    for name in ordered:
        value = facts[name]
        if name == "data" and "notes" in value:
            value = dict(value)
            repairs = [(Words(f"{number}", f"{number}"), note) for number, note in enumerate(value.pop("notes"), 1)]
            groups += [(say("fact.notes"), repairs)] if repairs else []
            value.pop("skipped", None)  # the notes name these files
        if isinstance(value, Mapping):
            groups.append(
                (_fact_name(name), [(Words(str(key), str(key)), _fact(entry)) for key, entry in value.items()])
            )
        else:
            single.append((_fact_name(name), _fact(value)))
    report = {"effort": scores["effort"], "seed": scores["seed"], "target": scores["target"] or "–"}
    report |= {f"seconds: {stage}": seconds for stage, seconds in scores["seconds"].items()}
    own = [(Words(name, name), _fact(value)) for name, value in report.items()]
    return [*([(None, single)] if single else []), *groups, (say("fact.report"), own)]


def _plain(value: Any) -> Any:
    """What JSON can hold: numbers that are not finite become None, paths and other objects their text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _fact_name(name: str) -> Words:
    return say(f"fact.{name}") if f"fact.{name}" in TEXT else Words(name, name)


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
