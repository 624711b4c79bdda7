"""Looking at a whole table, once, to find its schema: kinds from a sample of rows, proved on all the others.

A value further down that does not fit its column becomes evidence, and the column is found anew with it; so a stray
"n/a" in row five million ends as a missing word, not as an error in the middle of a run. `schema.py` is the public side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from genwright.data.columns import NULL, TEXT, Column, Summary
from genwright.data.kinds import Setting, find_column, float_precision, is_blank, means_missing
from genwright.data.parsing import format_column, holds_words, parse_column
from genwright.data.sources import TableSource

_MOST_EVIDENCE = 1000
_ATTEMPTS = 3


def inspect_table(source: TableSource, sample_rows: int) -> tuple[list[Column], pl.DataFrame]:
    """The columns of the source, with summaries over the sample, and the sample: the first rows as they stand, behind
    what was found odd further down."""
    batches = source.batches(min(sample_rows, 100_000))
    sample = _take(batches, sample_rows)
    setting = Setting(comma_decimals=source.origin.delimiter == ";")
    columns = [find_column(values, text=not source.typed, setting=setting) for values in sample.get_columns()]
    for attempt in range(1, _ATTEMPTS + 1):
        witnesses = [_Witness(column, values) for column, values in zip(columns, sample.get_columns(), strict=True)]
        more = False
        for batch in batches:
            more = True
            for witness, values in zip(witnesses, batch.get_columns(), strict=True):
                witness.look(values)
        if not more or all(witness.content for witness in witnesses):
            break
        columns = [witness.verdict(setting, not source.typed, attempt == _ATTEMPTS) for witness in witnesses]
        sample = pl.DataFrame([witness.sample[: sample.height] for witness in witnesses])
        batches = source.batches(100_000)
    return [_summarised(column, values) for column, values in zip(columns, sample.get_columns(), strict=True)], sample


def _take(batches: Iterator[pl.DataFrame], rows: int) -> pl.DataFrame:
    """At least `rows` rows from the front of the stream, fewer only at its end."""
    taken, count = [], 0
    for batch in batches:
        taken.append(batch)
        count += batch.height
        if count >= rows:
            break
    return pl.concat(taken)


class _Witness:
    """Watches one column over the rows beyond the sample."""

    def __init__(self, column: Column, sample: pl.Series) -> None:
        self.column, self.sample = column, sample
        self.evidence: list[pl.Series] = []
        self.hashes = [sample.drop_nulls().hash().to_numpy()] if column.kind == "identifier" else []

    @property
    def content(self) -> bool:
        """Nothing that was seen speaks against the column as found."""
        return not self.evidence and self._all_different()

    def look(self, values: pl.Series) -> None:
        """One more batch of values."""
        if self.hashes:
            self.hashes.append(values.filter(~parse_column(self.column, values)[0].is_null()).hash().to_numpy())
        if sum(len(part) for part in self.evidence) < _MOST_EVIDENCE:
            odd = _misfits(self.column, values.unique())
            if len(odd):
                self.evidence.append(odd[:_MOST_EVIDENCE])

    def verdict(self, setting: Setting, text: bool, last: bool) -> Column:
        """The column found again, now with the evidence; as plain words when that has not ended the matter before."""
        if self.content:
            return self.column
        self.sample = pl.concat([*self.evidence, self.sample])
        setting = replace(setting, all_different=self._all_different())
        column = find_column(self.sample, text=text, setting=setting)
        if last and self.evidence and column.kind not in ("text", "category") and holds_words(column):
            return Column(column.name, "text", column.stored, column.missing)
        return column

    def _all_different(self) -> bool:
        if len(self.hashes) < 2:
            return True
        hashes = pl.Series(np.concatenate(self.hashes))
        return hashes.n_unique() == len(hashes)


def _misfits(column: Column, values: pl.Series) -> pl.Series:
    """The distinct values that the column, as found so far, would lose or change."""
    missing = values.is_null()
    if missing.any() and NULL not in column.missing:
        return values.filter(missing)
    if column.kind in ("constant", "missing"):
        same = values.cast(pl.String) == column.value if column.kind == "constant" else missing
        known = values.is_in(list(column.missing)) if values.dtype == pl.String else missing
        return values.filter(~(same.fill_null(True) | known))
    if holds_words(column):
        return _word_misfits(column, values.cast(pl.String)).cast(values.dtype)
    if values.dtype.is_float():
        nan = values.is_nan().fill_null(False)
        if nan.any() and "NaN" not in column.missing:
            return values.filter(nan)
        finer = float_precision(values.fill_nan(None).drop_nulls())["places"]
        places = column.places
        return values.filter(~nan) if places is not None and (finer is None or finer > places) else values[:0]
    return values[:0]


def _word_misfits(column: Column, words: pl.Series) -> pl.Series:
    known = words.is_null() | words.is_in(list(column.missing))
    if column.dtype == pl.String:
        if column.stored != TEXT:
            return words[:0]
        gone = is_blank(words) if column.kind == "category" and column.missing else means_missing(words)
        return words.filter(~known & gone)
    typed, odd = parse_column(column, words)
    odd = odd | (typed.is_null() & ~known)  # a new word for missing
    if column.kind == "decimal" and column.places is not None:
        odd = odd | (typed.is_finite() & (typed.round(column.places) != typed)).fill_null(False)
    elif column.kind == "integer" and column.width:
        odd = odd | (words.str.starts_with("0") & (format_column(column, typed) != words))
    elif column.kind == "integer":
        odd = odd | words.str.contains(r"^\D*0\d").fill_null(False)
    return words.filter(odd)


def _summarised(column: Column, values: pl.Series) -> Column:
    typed, _ = parse_column(column, values)
    present = typed.drop_nulls()
    shown = ""
    if column.is_number and len(present):
        low, high = format_column(column, pl.Series(column.name, [present.min(), present.max()], dtype=typed.dtype))
        shown = f"{low} to {high}"
    elif column.kind in ("category", "boolean"):
        top = format_column(column, present).value_counts(sort=True)[column.name].cast(pl.String).head(3)
        shown = ", ".join(str(word) for word in top) + (", ..." if present.n_unique() > 3 else "")
    elif column.kind == "constant":
        shown = column.value
    elif column.kind == "identifier":
        shown = column.style
    summary = Summary(len(values), typed.null_count(), present.n_unique() if len(present) else 0, shown)
    return replace(column, summary=summary)
