"""A pandas, polars or pyarrow frame as a polars frame, with a record of what it was so that its like can be built.

Neither pandas nor pyarrow is imported: narwhals speaks for whatever the user has. `writers.py` goes the other way.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import numbers
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from genwright.data.origin import Origin, distinct_names
from genwright.errors import GenwrightError

_DIGEST_ROWS = 10_000
_DAYS = (datetime.date.min.toordinal() - 719_163, datetime.date.max.toordinal() - 719_163)  # since 1970
_IN_NUMPY = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
    *(pl.Float32, pl.Float64),
)
_READ = "Give a pandas, polars or pyarrow frame, or the path of a CSV, Parquet or JSON lines file"


def read_frame(native: Any) -> tuple[pl.DataFrame, Origin, list[str]]:
    """The frame in polars, what it was, and notes. GW-0103 when it is no frame."""
    notes: list[str] = []
    if isinstance(native, pl.LazyFrame):
        raise GenwrightError("GW-0103", "A lazy polars frame has no rows yet", "Call .collect() on it first")
    if nw.dependencies.is_pandas_dataframe(native):
        frame, origin = _from_pandas(native, notes)
    elif isinstance(native, pl.DataFrame):
        names, renamed = distinct_names(native.columns)
        frame, origin = named(native, names), Origin("frame", frame="polars", names=renamed)
        notes.extend(f"Column {old!r} is called {new!r} here." for new, old in renamed.items())
    elif nw.dependencies.is_pyarrow_table(native):
        frame, origin = _from_pyarrow(native)
    else:
        raise GenwrightError("GW-0103", f"A {type(native).__name__} is not a table that can be read", _READ)
    if not frame.width or not frame.height:
        raise GenwrightError("GW-0102", f"The {origin.frame} frame has no rows", "Give a frame with at least one row")
    return plain(frame, notes), origin, notes


def named(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """The same frame under other names."""
    return frame if names == frame.columns else frame.rename(dict(zip(frame.columns, names, strict=True)))


def plain(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """The same frame with nested, binary and object columns as text, and without dates that Python has none for; each
    noted."""
    columns = []
    for column in frame.get_columns():
        if (ends := _ends(column.dtype)) and not (within := column.to_physical().is_between(*ends)).all():
            notes.append(f"Dates of {column.name!r} before the year 1 or after 9999 count as missing.")
            column = column.to_frame().select(pl.when(within).then(pl.first()).alias(column.name)).to_series()
        if column.dtype.is_nested() or column.dtype in (pl.Object, pl.Binary):
            notes.append(f"Column {column.name!r} holds {column.dtype} values: it is treated as text.")
            column = pl.Series(column.name, [_text(value) for value in column.to_list()], dtype=pl.String)
        columns.append(column)
    return pl.DataFrame(columns)


def _ends(dtype: pl.DataType) -> tuple[int, int] | None:
    """The first and the last day or moment that Python has, as polars keeps it; None for what cannot lie beyond."""
    if dtype == pl.Date:
        return _DAYS
    steps = {"ms": 1000, "us": 1_000_000}.get(dtype.time_unit or "") if isinstance(dtype, pl.Datetime) else None
    return (_DAYS[0] * 86_400 * steps, (_DAYS[1] + 1) * 86_400 * steps - 1) if steps else None


def digest_frame(frame: pl.DataFrame) -> str:
    """SHA-256 over names, dtypes and values: the same for equal tables, however they lie in memory."""
    hashes = [hashlib.sha256(f"{column.name}\0{column.dtype}\0".encode()) for column in frame.get_columns()]
    for part in frame.iter_slices(_DIGEST_ROWS):
        for digest, column in zip(hashes, part.get_columns(), strict=True):
            digest.update(column.is_null().to_numpy().tobytes())
            if column.dtype in _IN_NUMPY or column.dtype.is_temporal():
                digest.update(column.to_physical().fill_null(0).to_numpy().tobytes())
            else:
                texts = column.cast(pl.String).fill_null("")
                digest.update(texts.str.len_bytes().to_numpy().tobytes())
                digest.update("".join(texts.to_list()).encode())
    return hashlib.sha256("".join(digest.hexdigest() for digest in hashes).encode()).hexdigest()


def _from_pandas(native: Any, notes: list[str]) -> tuple[pl.DataFrame, Origin]:
    if native.columns.nlevels > 1:
        raise GenwrightError(
            "GW-0103", "The pandas frame has column names of several levels", "Flatten them: frame.columns = [...]"
        )
    if type(native.index).__name__ != "RangeIndex":
        notes.append("The pandas index is left out: frame.reset_index() makes it a column.")
    names, renamed = distinct_names([_label(label) for label in native.columns])
    if renamed:
        notes.extend(f"Column {old!r} is called {new!r} here." for new, old in renamed.items() if isinstance(old, str))
    native = native.set_axis(names, axis=1)
    frame = nw.from_native(native, eager_only=True)
    categories = {}
    for name in names:
        if str(native[name].dtype) == "category":
            accessor = native[name].cat
            categories[name] = {"values": [_label(v) for v in accessor.categories], "ordered": bool(accessor.ordered)}
    dtypes = {name: str(native[name].dtype) for name in names}
    origin = Origin("frame", frame="pandas", names=renamed, dtypes=dtypes, categories=categories)
    return pl.DataFrame([_series(frame[name], notes) for name in names]), origin


def _from_pyarrow(native: Any) -> tuple[pl.DataFrame, Origin]:
    names, renamed = distinct_names(list(native.column_names))
    dtypes = {name: str(kind) for name, kind in zip(names, native.schema.types, strict=True)}
    frame = pl.DataFrame(native.rename_columns(names))  # through the Arrow C stream, without a copy
    return frame, Origin("frame", frame="pyarrow", names=renamed, dtypes=dtypes)


def _label(label: Any) -> Any:
    """A pandas label as JSON can hold it."""
    return label if label is None or isinstance(label, str | int | float | bool) else str(label)


def _series(column: nw.Series, notes: list[str]) -> pl.Series:
    """One pandas column in polars; missing values of every sort become null."""
    missing = pl.Series(column.is_null().to_numpy().astype(bool))
    dtype = column.dtype
    if dtype.is_integer() or dtype == nw.Boolean or dtype.is_float():
        filled = column.fill_null(False if dtype == nw.Boolean else 0).to_numpy()
        target = bool if dtype == nw.Boolean else None
        values = pl.Series(np.asarray(filled, dtype=target or _numpy_name(dtype)))
    elif isinstance(dtype, nw.Datetime):
        values = _datetimes(column, dtype)
    elif isinstance(dtype, nw.Duration):
        values = pl.Series(column.to_numpy())
    else:
        texts = column.cast(nw.String) if dtype in (nw.Categorical, nw.Enum) else column
        values = _objects(column.name, texts.to_list(), missing.to_list(), notes)
    table = pl.DataFrame({"values": values, "missing": missing})
    return table.select(pl.when(~pl.col("missing")).then(pl.col("values")).alias(column.name)).to_series()


def _numpy_name(dtype: Any) -> str:
    return str(dtype).lower()  # "Int64" -> "int64", "Float32" -> "float32"


def _datetimes(column: nw.Series, dtype: nw.Datetime) -> pl.Series:
    zone = dtype.time_zone
    if zone:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    unit = "us" if dtype.time_unit == "s" else dtype.time_unit
    values = pl.Series(column.to_numpy().astype(f"datetime64[{unit}]"))
    return values.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else values


def _objects(name: str, values: list[Any], missing: list[bool], notes: list[str]) -> pl.Series:
    """Python objects as the one type that they share, or as text."""
    present = [None if gone else value for value, gone in zip(values, missing, strict=True)]
    types = {_type_of(value) for value in present if value is not None}
    if types <= {"text"}:
        return pl.Series(present, dtype=pl.String)
    shared: dict[frozenset[str], Any] = {
        frozenset({"boolean"}): pl.Boolean,
        frozenset({"integer"}): pl.Int64,
        frozenset({"number"}): pl.Float64,
        frozenset({"integer", "number"}): pl.Float64,
        frozenset({"date"}): pl.Date,
        frozenset({"datetime"}): pl.Datetime("us"),
    }
    dtype = shared.get(frozenset(types))
    if dtype is not None:
        try:
            return pl.Series(present, dtype=dtype, strict=False)
        except (OverflowError, TypeError, pl.exceptions.PolarsError):
            pass  # an integer beyond 64 bits, a mix of time zones: text
    held = f"mixes types ({', '.join(sorted(types))})" if len(types) > 1 else f"holds {min(types)} values"
    notes.append(f"Column {name!r} {held}: it is treated as text.")
    return pl.Series([_text(value) for value in present], dtype=pl.String)


def _type_of(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if isinstance(value, numbers.Integral):
        return "integer"
    if isinstance(value, numbers.Real | Decimal):
        return "number"
    if isinstance(value, datetime.datetime):
        return "datetime"
    return "date" if isinstance(value, datetime.date) else type(value).__name__


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
