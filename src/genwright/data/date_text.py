"""Dates and times as people write them: the format is found, and the same format writes them again.

A text is taken apart into date, time of day and offset; the date's order is tried against a list. `kinds.py` asks
`find_date` whether a column holds dates: read it next.
"""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from genwright.data.columns import Column

_TRIED_FIRST = 200
_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%d %B %Y",
    "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%Y年%m月%d日", "%Y-%b-%d", "%a, %d %b %Y", "%d. %B %Y", "%Y%m%d",
)  # fmt: skip
_WHOLE = ("%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%S")
_SWAPPED = {"%m/%d/%Y": "%d/%m/%Y", "%m/%d/%y": "%d/%m/%y", "%d-%m-%Y": "%m-%d-%Y", "%d.%m.%Y": "%m.%d.%Y"}
_PARTS = re.compile(
    r"(?P<date>.*?\d.*?)(?P<gap>[ T]|, )(?P<time>\d{1,2}:\d{2}(?P<second>:\d{2}(?P<fraction>\.\d{1,9})?)?)"
    r"(?P<half> ?[AaPp][Mm])?(?P<zone> ?(?:Z|[+-]\d{2}:?\d{2}|UTC|GMT))?"
)
_TIME_ONLY = re.compile(r"(?P<time>\d{1,2}:\d{2}(?P<second>:\d{2}(?P<fraction>\.\d{1,9})?)?)(?P<half> ?[AaPp][Mm])?")
_PADDED = re.compile(r"%([mdHI])")


def find_date(values: pl.Series) -> dict[str, Any] | None:
    """How the distinct, present texts are written as dates (fields of `Column`, kind included), or None."""
    if not values.str.contains(r"\d.*\d.*\d").all() or values.str.len_chars().max() > 48:  # type: ignore[operator]
        return None
    first = values[:_TRIED_FIRST]
    for kind, pattern in _candidates(values):
        if first.len() == _parsed(kind, pattern, first).drop_nulls().len() and not _fails(kind, pattern, values):
            return _finish(kind, pattern, values)
    return None


def is_ambiguous(column: Column, values: pl.Series) -> bool:
    """Whether day and month could as well stand the other way round."""
    other = next((swap for usual, swap in _SWAPPED.items() if column.format.replace("-", "") == usual), None)
    return other is not None and not _fails("date", other, values)


def parse_date(column: Column, texts: pl.Series) -> pl.Series:
    """Date or Datetime values (UTC where the text has an offset); null where a text is not written so."""
    return _parsed(column.kind, column.format, texts, column.unit).cast(column.dtype)


def format_date(column: Column, values: pl.Series) -> pl.Series:
    """The values as the user writes them; null stays null."""
    pattern = column.format.replace("%z", "+0000").replace("%:z", "+00:00")
    pattern = pattern.replace("%p", "%P") if "%P" in column.format else pattern
    return values.dt.strftime(pattern)


def _candidates(values: pl.Series) -> list[tuple[str, str]]:
    """Formats worth trying, as (kind, format), from the shape of the first value."""
    text = values[0]
    if only := _TIME_ONLY.fullmatch(text):
        return [("datetime", _time_format(only, values))]
    parts = _PARTS.fullmatch(text)
    if parts is None:
        offsets = values.str.extract(r" ([+-]\d{4}) ").unique()
        offset = str(offsets[0]) if len(offsets) == 1 else "%z"  # shared by all: letters, so that times stay as written
        return [("date", pattern) for pattern in _DATES if _plausible(pattern, values)] + [
            ("datetime", pattern.replace("%z", offset)) for pattern in _WHOLE if _plausible(pattern, values)
        ]
    tail = parts["gap"] + _time_format(parts, values) + _zone_format(parts["zone"] or "", values)
    return [("datetime", pattern + tail) for pattern in _DATES]


def _plausible(pattern: str, values: pl.Series) -> bool:
    """Bare digits are dates only where each starts with a year of our time."""
    if not pattern.startswith("%Y%m%d"):
        return True
    letters = 8 if pattern == "%Y%m%d" else 14
    bare = values.str.replace("T", "", literal=True)
    return bool(bare.str.contains(rf"^(?:19|20)\d{{{letters - 2}}}$").all()) and len(values) > 1


def _time_format(parts: re.Match[str], values: pl.Series) -> str:
    half = parts["half"]
    text = ("%I" if half else "%H") + ":%M" + (":%S" if parts["second"] else "")
    if parts["second"] and values.str.contains(r":\d{2}\.\d").any():
        digits = values.str.extract(r":\d{2}\.(\d+)").str.len_chars()
        fixed = digits.null_count() == 0 and digits.n_unique() == 1 and int(digits[0]) in (3, 6, 9)
        text += f"%.{digits[0]}f" if fixed else "%.f"
    if half:
        text += half[:-2] + ("%P" if half[-2:].islower() else "%p")
    return text


def _zone_format(zone: str, values: pl.Series) -> str:
    """The offset: letters of the format when all values share it, so that times stay as written."""
    if not zone:
        return ""
    if values.str.ends_with(zone).all():
        return zone
    return " " * zone.startswith(" ") + ("%:z" if ":" in zone else "%z")


def _parsed(kind: str, pattern: str, texts: pl.Series, unit: str = "us") -> pl.Series:
    bare = re.sub(r"%-([a-zA-Z])", r"%\1", pattern).replace("%P", "%p").replace("%:z", "%z")
    if kind == "date":
        return texts.str.to_date(bare, strict=False)
    if "%Y" not in bare and "%y" not in bare:
        nanoseconds = texts.str.to_time(bare, strict=False).cast(pl.Int64)
        return nanoseconds.cast(pl.Datetime("ns")).cast(pl.Datetime(unit))  # type: ignore[arg-type]
    moments = texts.str.to_datetime(bare, strict=False, time_unit=unit)  # type: ignore[arg-type]
    return moments.dt.replace_time_zone(None) if isinstance(moments.dtype, pl.Datetime) else moments


def _fails(kind: str, pattern: str, values: pl.Series) -> bool:
    return _parsed(kind, pattern, values).null_count() > 0


def _finish(kind: str, pattern: str, values: pl.Series) -> dict[str, Any]:
    """With single-digit days and hours where that is how the values are written, and the finest step needed."""
    unit = "ns" if values.str.contains(r":\d{2}\.\d{7,9}(?:\D|$)").any() else "us"
    moments = _parsed(kind, pattern, values, unit)
    best, most = pattern, -1
    for candidate in (pattern, _PADDED.sub(r"%-\1", pattern), re.sub(r"%([HI])", r"%-\1", pattern)):
        written = format_date(Column("", "date", format=candidate), moments)
        same = int((written == values).sum())
        if same > most:
            best, most = candidate, same
    return {"kind": kind, "format": best, "unit": unit}
