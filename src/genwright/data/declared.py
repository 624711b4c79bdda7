"""What the owner of a table knows of its values without looking at them: under a privacy guarantee it costs nothing.

It stands in schema.toml, written by hand: `genwright data` never writes it, since what was found by looking is no
declaration. `codecs/private_table.py` finds by mechanisms whatever is not declared: read it next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from genwright.data.columns import Column
from genwright.errors import GenwrightError

KEYS = ("low", "high", "categories", "gaps")
EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Declared:
    """Of one column; what is not said is to be found."""

    bounds: tuple[float, float] | None = None
    """Numbers and dates (days, or the column's unit, since 1970): the range; what is outside counts at its edge."""
    categories: tuple[str, ...] = ()
    """All categories; others are read as rare."""
    gaps: bool | None = None
    """Whether values can be missing. Where they cannot, a missing one is read as the usual value."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        bounds = list(self.bounds) if self.bounds else None
        return {"bounds": bounds, "categories": list(self.categories), "gaps": self.gaps}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Declared:
        """Back from `to_json`; KeyError, TypeError or ValueError if it is nothing of the sort."""
        low_high = data["bounds"]
        bounds = None if low_high is None else (low_high[0], low_high[1])
        return cls(bounds, tuple(map(str, data["categories"])), data["gaps"])


def read_declared(column: Column, entry: Mapping[str, Any]) -> Declared | None:
    """What an entry of schema.toml declares of the column; None if nothing. GW-0111 for what cannot be so."""
    given = [key for key in KEYS if key in entry]
    for key in given:
        fits = {"low": column.is_number, "high": column.is_number, "categories": column.kind == "category"}
        if not fits.get(key, column.is_number or column.kind in ("category", "boolean")):
            raise _wrong(column, f"is a {column.kind}, of which no {key} can be declared", "Leave that line out")
    if not given:
        return None
    gaps = entry.get("gaps")
    if not isinstance(gaps, bool | None):
        raise _wrong(column, f"declares gaps as {gaps!r}", "Write gaps = true or gaps = false")
    return Declared(_bounds(column, entry), _categories(column, entry), gaps)


def lines_of(column: Column, declared: Declared) -> dict[str, Any]:
    """The opposite of `read_declared`: the keys of the entry."""
    lines: dict[str, Any] = {}
    if declared.bounds:
        lines |= {"low": _shown(column, declared.bounds[0]), "high": _shown(column, declared.bounds[1])}
    if declared.categories:
        lines["categories"] = list(declared.categories)
    return lines if declared.gaps is None else {**lines, "gaps": declared.gaps}


def _bounds(column: Column, entry: Mapping[str, Any]) -> tuple[float, float] | None:
    if "low" not in entry and "high" not in entry:
        return None
    if "low" not in entry or "high" not in entry:
        raise _wrong(column, "has only one of low and high", "Declare both or none")
    low, high = (_place(column, key, entry[key]) for key in ("low", "high"))
    if low >= high:
        raise _wrong(column, f"has low {entry['low']} and high {entry['high']}", "low must be the smaller")
    return low, high


def _place(column: Column, key: str, value: Any) -> float:
    """Where a value lies on the line: numbers as they are, dates in days and times in the column's unit since 1970."""
    try:
        if column.kind in ("integer", "decimal"):
            if isinstance(value, bool) or not math.isfinite(value) or (column.kind == "integer" and value % 1):
                raise ValueError
            return int(value) if column.kind == "integer" else float(value)
        moment = datetime.fromisoformat(value.isoformat() if isinstance(value, date) else value)
        since = (moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment) - EPOCH
    except (TypeError, ValueError):
        example = {"integer": "a whole number", "decimal": "a number"}.get(column.kind, 'a date: "1900-01-31"')
        raise _wrong(column, f"has {key} {value!r}", f"Give {example}") from None
    if column.kind == "date":
        return since.days
    return since // timedelta(microseconds=1) * _steps(column)


def _shown(column: Column, place: float) -> Any:
    if column.kind in ("integer", "decimal"):
        return place
    if column.kind == "date":
        return (EPOCH + timedelta(days=place)).date().isoformat()
    return (EPOCH + timedelta(microseconds=place // _steps(column))).isoformat()


def _steps(column: Column) -> int:
    """Of the column's unit in a microsecond."""
    return 1000 if column.unit == "ns" else 1


def _categories(column: Column, entry: Mapping[str, Any]) -> tuple[str, ...]:
    words = entry.get("categories", ())
    if "categories" in entry and not (isinstance(words, list) and words and all(isinstance(w, str) for w in words)):
        raise _wrong(column, f"has categories {words!r}", 'Give a list of words, such as ["yes", "no"]')
    for at, word in enumerate(words):
        if word in words[:at]:
            raise _wrong(column, f"has the category {word!r} twice", "Write it once")
        if word in column.missing:
            raise _wrong(column, f"has {word!r} as a category and as a word for missing", "Choose one of them")
    return tuple(words)


def _wrong(column: Column, what: str, fix: str) -> GenwrightError:
    return GenwrightError("GW-0111", f"Column {column.name!r} {what}", fix)
