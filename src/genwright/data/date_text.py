"""Dates and times as people write them: the format is found, and the same format writes them again.

A text is taken apart into date, time of day and offset; the date's order is tried against a list. `kinds.py` asks
`find_date` whether a column holds dates: read it next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from genwright.data.columns import Column

_TRIED_FIRST = 200
_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%y-%m-%d", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %y",
    "%d/%b/%Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%b %Y", "%Y年%m月%d日", "%Y-%b-%d", "%a, %d %b %Y",
    "%d. %B %Y", "%Y%m%d",
)  # fmt: skip
_WHOLE = ("%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%S")
_SWAPPED = {"%m/%d/%Y": "%d/%m/%Y", "%m/%d/%y": "%d/%m/%y", "%d-%m-%Y": "%m-%d-%Y", "%d.%m.%Y": "%m.%d.%Y"}
_PARTS = re.compile(
    r"(?P<date>.*?\d.*?)(?P<gap>[ T]|, )(?P<time>\d{1,2}:\d{2}(?P<second>:\d{2}(?P<fraction>\.\d{1,9})?)?)"
    r"(?P<half> ?[AaPp][Mm])?(?P<zone> ?(?:Z|[+-]\d{2}:?\d{2}|UTC|GMT))?"
)
_TIME_ONLY = re.compile(r"(?P<time>\d{1,2}:\d{2}(?P<second>:\d{2}(?P<fraction>\.\d{1,9})?)?)(?P<half> ?[AaPp][Mm])?")
_PADDED = re.compile(r"%([mdHI])")
_LETTER = re.compile(r"%[-:.]?\d?[A-Za-z]")
_SHAPES = {"%Y": r"\d{4}", "%y": r"\d{2}", "%b": r"\p{L}+", "%B": r"\p{L}+", "%a": r"\p{L}+"}
_SHAPES |= dict.fromkeys(("%m", "%d", "%H", "%I"), r"\d{1,2}") | dict.fromkeys(("%M", "%S"), r"\d{2}")
_PIVOT = 2069
"""Two digits of a year from 69 on are of the last century, as POSIX has it; polars begins with 70."""


def find_date(values: pl.Series) -> dict[str, Any] | None:
    """How the distinct, present texts are written as dates (fields of `Column`, kind included), or None."""
    if not values.str.contains(r"\d.*\d.*\d").all() or values.str.len_chars().max() > 48:  # type: ignore[operator]
        return None
    for kind, pattern in _candidates(values):
        if _fits(kind, pattern, values[:_TRIED_FIRST]) and _fits(kind, pattern, values):
            return _finish(kind, pattern, values)
    return None


def dates_among(values: pl.Series) -> Iterator[pl.Series]:
    """For each way in which some of the distinct texts are written as dates: mask over those that are."""
    open_ = values.str.contains(r"\d.*\d.*\d") & (values.str.len_chars() <= 48)
    while open_.any():
        left = values.filter(open_)
        first = left[:_TRIED_FIRST]
        kind, pattern = max(
            _candidates(left), key=lambda way: int(_written(way[0], way[1], first).sum()), default=("date", "%Y")
        )
        mask = _written(kind, pattern, values) & open_
        if not mask.any():
            return
        yield mask
        open_ &= ~mask


def is_ambiguous(column: Column, values: pl.Series) -> bool:
    """Whether day and month could as well stand the other way round."""
    other = _SWAPPED.get(column.format.replace("%-", "%"))
    return other is not None and _fits("date", other, values)


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
        return _of_our_years(texts.str.to_date(bare, strict=False), bare)
    if "%Y" not in bare and "%y" not in bare:
        nanoseconds = texts.str.to_time(bare, strict=False).cast(pl.Int64)
        return nanoseconds.cast(pl.Datetime("ns")).cast(pl.Datetime(unit))  # type: ignore[arg-type]
    moments = texts.str.to_datetime(bare, strict=False, time_unit=unit)  # type: ignore[arg-type]
    return _of_our_years(moments.dt.replace_time_zone(None), bare) if moments.dtype.is_temporal() else moments


def _of_our_years(moments: pl.Series, pattern: str) -> pl.Series:
    """Years of two digits in the right century; null before the year 1 and after 9999, which Python has no dates for."""
    years, when = moments.dt.year(), moments.to_frame("when")
    if "%y" in pattern and (years >= _PIVOT).any():
        shifted = pl.when(pl.col("when").dt.year() >= _PIVOT).then(pl.col("when").dt.offset_by("-100y"))
        return when.select(shifted.otherwise(pl.col("when"))).to_series()
    if not years.is_between(1, 9999).all():
        return when.select(pl.when(pl.col("when").dt.year().is_between(1, 9999)).then(pl.col("when"))).to_series()
    return moments


def _fits(kind: str, pattern: str, texts: pl.Series) -> bool:
    """Whether all texts are written so, but for zeros before digits: polars alone would take 96 for a year of four."""
    return bool(texts.str.contains(_shape(pattern)).all()) and not _parsed(kind, pattern, texts).null_count()


def _written(kind: str, pattern: str, texts: pl.Series) -> pl.Series:
    """Mask over texts: those that are written so."""
    return texts.str.contains(_shape(pattern)) & _parsed(kind, pattern, texts).is_not_null()


def _shape(pattern: str) -> str:
    """What a format looks like, as a regular expression."""
    parts = [re.escape(part).replace("\\ ", r"\s*") for part in _LETTER.split(pattern)]
    letters = [_SHAPES.get(letter.replace("-", ""), ".*") for letter in _LETTER.findall(pattern)]
    return "^" + "".join(part + letter for part, letter in zip(parts, [*letters, ""], strict=True)) + "$"


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
