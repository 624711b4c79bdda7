"""What could be meant otherwise in a table's columns, as sentences; nothing is changed by them. `schema.py` asks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import polars as pl

from genwright.data.columns import NULL, TEXT, Column
from genwright.data.date_text import dates_among, is_ambiguous
from genwright.data.kinds import means_missing
from genwright.data.number_text import numbers_among
from genwright.data.parsing import holds_words
from genwright.data.sentinels import find_sentinel
from genwright.data.sources import TableSource

NEARLY = 0.95
"""Share of the values of a column of words that are numbers or dates, from which on the others seem to be slips."""
_WORDS = ("category", "text", "identifier")


def column_notes(columns: list[Column], sample: pl.DataFrame, source: TableSource) -> Iterator[str]:
    """The notes on all columns, by the rows that were looked at."""
    for column in columns:
        values = sample[column.name]
        if column.kind == "date" and column.stored == TEXT:
            if is_ambiguous(column, values.filter(~values.is_in(list(column.missing))).unique()):
                yield f"Day and month of {column.name!r} could be swapped: it is read as {column.format}."
        elif sentinel := find_sentinel(column, values):
            yield _sentinel_note(column, sentinel)
        if "%y" in column.format:
            yield (
                f"The years of {column.name!r}, read as {column.format}, have two digits: 69 to 99 are taken as 1969 to 1999, "
                "00 to 68 as 2000 to 2068."
            )
        if "%z" in column.format or "%:z" in column.format:
            yield f"The times of {column.name!r} have several offsets: they come back in UTC."
        yield from _missing_note(column)
        if column.kind in _WORDS and column.style not in ("sequence", "uuid") and holds_words(column):
            yield from _slips_note(column, values, source)


def _missing_note(column: Column) -> Iterator[str]:
    if column.kind == "missing" or not holds_words(column):
        return
    if len(column.missing) > 1:
        shown = ", ".join("no value" if word == NULL else repr(word) for word in column.missing[:5])
        yield f"{column.name!r} writes missing values as {shown}: all come back as the first."
    elif column.kind in (*_WORDS, "boolean") and any(word != NULL and word.strip() for word in column.missing):
        what = f"the word {column.missing[0]!r} is taken for a missing value"
        yield f"In {column.name!r} {what}: if it is none, take it out of `missing` in the schema."


def _sentinel_note(column: Column, sentinel: str) -> str:
    how = f"add {sentinel!r} to its `missing` in the schema" if column.stored == TEXT else "make it null in the table"
    return f"{column.name!r} holds {sentinel} far from all other values: if it means missing, {how}."


def _slips_note(column: Column, values: pl.Series, source: TableSource) -> Iterator[str]:
    """That nearly all words are numbers, or dates, and which is the first that is not like most of them."""
    words = values.cast(pl.String).drop_nulls()
    words = words.filter(~(means_missing(words) | words.is_in([word for word in column.missing if word != NULL])))
    if not len(words):
        return
    counts = words.alias("word").value_counts(name="rows", sort=True)
    for what, among in (("numbers", numbers_among), ("dates", dates_among)):
        readings = list(islice(among(counts["word"]), 8))
        read = sum(int(counts["rows"].filter(mask).sum()) for mask in readings)
        if not readings or read < NEARLY * len(words):
            continue
        most = max(readings, key=lambda mask: int(counts["rows"].filter(mask).sum()))
        odd = words.is_in(counts["word"].filter(~most).implode())
        first = words.filter(odd)[0]
        yield (
            f"{column.name!r} is treated as words, though nearly all of its values are {what}: not written as most are "
            f"{int(odd.sum()):,} of {len(words):,} looked at, first {first!r} in {source.place_of(column.name, first)}. "
            "Mend them; or name the kind and add them to `missing` in the schema."
        )
        return
