"""One column at a time: the user's words or dtypes into typed values, and typed values into the user's form again.

`schema.py` applies both to whole frames: read it next.
"""

from __future__ import annotations

import polars as pl

from genwright.data.columns import NULL, TEXT, Column, dtype_from_name
from genwright.data.date_text import format_date, parse_date
from genwright.data.kinds import PLACEHOLDERS, means_missing
from genwright.data.number_text import format_number, parse_number

_WORDS = (TEXT, "String", "Categorical")


def holds_words(column: Column) -> bool:
    """Whether the source stores the column as words, whatever they mean."""
    return column.stored in _WORDS or column.stored.startswith("Enum")


def parse_column(column: Column, values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Typed values (`Column.dtype`), and a mask of those that do not fit the kind and came out as null."""
    if values.dtype == pl.Categorical or isinstance(values.dtype, pl.Enum):
        values = values.cast(pl.String)
    if values.dtype == pl.String:
        missing = values.is_null() | values.is_in([word for word in column.missing if word != NULL])
        present = _unless(missing, values)
        typed = _from_words(column, present)
        odd = typed.is_null() & ~missing
        if odd.any() and typed.dtype != pl.String:  # words for missing that this column has not had so far
            odd = odd & ~(means_missing(values) | values.str.strip_chars().str.to_lowercase().is_in(PLACEHOLDERS))
    else:
        missing = values.is_null()
        if values.dtype.is_float():
            missing = missing | values.is_nan().fill_null(False)
        typed = _unless(missing, _from_typed(column, values))
        odd = typed.is_null() & ~missing
    return typed.alias(column.name), odd


def _unless(missing: pl.Series, values: pl.Series) -> pl.Series:
    return pl.select(pl.when(~missing).then(values)).to_series() if missing.any() else values


def format_column(column: Column, values: pl.Series) -> pl.Series:
    """The values in the user's form: words as written for words, the stored dtype for anything else."""
    if column.kind == "missing":
        values = pl.Series(column.name, [None] * len(values), dtype=pl.String)
    elif column.kind == "constant":
        values = pl.Series(column.name, [column.value], dtype=pl.String).new_from_index(0, len(values))
    if not holds_words(column):
        return _to_typed(column, values).alias(column.name)
    words = _to_words(column, values)
    token = column.missing[0] if column.missing else ("" if column.stored == TEXT else NULL)
    words = words if token == NULL else words.fill_null(token)
    return words.alias(column.name) if column.stored == TEXT else words.cast(dtype_from_name(column.stored))


def _from_words(column: Column, words: pl.Series) -> pl.Series:
    if column.kind in ("integer", "decimal"):
        return parse_number(column, words)
    if column.kind in ("date", "datetime"):
        return parse_date(column, words)
    if column.kind == "boolean":
        frame = pl.DataFrame({"word": words})
        true, false = pl.col("word") == column.true, pl.col("word") == column.false
        return frame.select(pl.when(true).then(True).when(false).then(False)).to_series()
    return words.cast(column.dtype, strict=False)


def _to_words(column: Column, values: pl.Series) -> pl.Series:
    if column.kind in ("integer", "decimal"):
        return format_number(column, values)
    if column.kind in ("date", "datetime"):
        return format_date(column, values)
    if column.kind == "boolean":
        words = {True: column.true, False: column.false}
        return values.replace_strict(words, default=None, return_dtype=pl.String)
    return values.cast(pl.String)


def _from_typed(column: Column, values: pl.Series) -> pl.Series:
    dtype = values.dtype
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone:
            values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    elif dtype == pl.Time:
        values = values.cast(pl.Int64).cast(pl.Datetime("ns"))
    elif isinstance(dtype, pl.Duration):
        values = values.to_physical()
    if values.dtype.is_temporal() and column.dtype.is_numeric():
        values = values.to_physical()
    return values.cast(column.dtype, strict=False)


def _to_typed(column: Column, values: pl.Series) -> pl.Series:
    target = dtype_from_name(column.stored)
    if isinstance(target, pl.Datetime) and target.time_zone and isinstance(values.dtype, pl.Datetime):
        values = values.dt.replace_time_zone("UTC").dt.convert_time_zone(target.time_zone)
    elif target == pl.Time and isinstance(values.dtype, pl.Datetime):
        values = values.dt.time()
    elif target.is_integer() and values.dtype.is_float():
        values = values.round()
    elif target == pl.Boolean and values.dtype == pl.String:
        values = values == "true"
    typed = values.cast(target, strict=False)
    if target.is_float() and column.missing[:1] == ("NaN",):
        typed = typed.fill_null(float("nan"))
    return typed
