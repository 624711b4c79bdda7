"""What grades and statements of the verdict are made of, whatever the data: see `verdict.py` and `verdict_images.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genwright.report.words import Words

GRADES = ("good", "fair", "poor", "unknown")


@dataclass(frozen=True)
class Judgement:
    """One statement of the verdict."""

    topic: str
    grade: str
    words: Words


def at_most(distance: float, good: float, fair: float) -> str:
    """A grade by how far off something is."""
    return "good" if distance <= good else "fair" if distance <= fair else "poor"


def worst(*grades: str) -> str:
    """The worst of several grades; unknown ones do not count unless all are."""
    known = [g for g in grades if g != "unknown"]
    return max(known, key=GRADES.index) if known else "unknown"


def glue(statement: Words, numbers: Words) -> Words:
    """The statement with its numbers behind it."""
    return Words(statement.en + numbers.en, statement.zh + numbers.zh)


UNITS = {"AUC": "AUC", "R2": "R²", "%": "%", "score": "", "share": "", "ratio": "", "distance": ""}


def show(value: float | None, digits: int = 2) -> str:
    """A number for people; a dash where there is none. Tiny numbers that are not zero do not read as zero."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    if value != 0 and float(text) == 0:
        return f"<{10.0**-digits:.{digits}f}"
    return text


def show_metric(metric: dict[str, Any], key: str) -> str:
    """The value, floor or copycat of a metric with its unit."""
    if metric[key] is None:
        return "–"
    if metric["unit"] == "%":
        return f"{show(metric[key])} %"
    return show(metric[key], 1 if metric["unit"] == "words" else 3)
