"""The schema of a table: what each column means, how to read it into typed values, and how to write those again.

`Schema.inspect` finds it from the data; `schema_file.py` keeps it in a TOML file that a person can edit. Codecs see only
the typed side: read `codecs/table.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

import polars as pl

from genwright.data.column_notes import column_notes
from genwright.data.columns import KINDS, Column
from genwright.data.declared import Declared
from genwright.data.inspection import inspect_table
from genwright.data.parsing import format_column, parse_column
from genwright.data.schema_file import read_toml, write_toml
from genwright.data.sources import TableSource
from genwright.errors import GenwrightError, did_you_mean


def nth(row: int) -> str:
    """A row, counted from 0, by its number."""
    return f"row {row + 1:,}"


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in the user's order."""

    columns: tuple[Column, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)
    """Sentences on what could be meant otherwise."""
    declared: Mapping[str, Declared] = field(default_factory=dict, hash=False)
    """What the owner knows of columns, by name: under a guarantee it costs nothing. Never found by looking."""

    def __post_init__(self) -> None:
        names = self.names
        if not names or len(set(names)) < len(names):
            raise GenwrightError("GW-0110", "A schema needs columns, each with a name of its own", "Rename or add some")

    @cached_property
    def names(self) -> list[str]:
        """The columns' names, in order."""
        return [column.name for column in self.columns]

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def __getitem__(self, name: str) -> Column:
        """The column of that name; GW-0112 with the nearest right one when there is none."""
        if name not in self._by_name:
            raise GenwrightError("GW-0112", f"There is no column {name!r}", did_you_mean(name, self.names))
        return self._by_name[name]

    @classmethod
    def inspect(cls, source: TableSource, *, sample_rows: int = 200_000) -> Schema:
        """Find every column's kind: from the first `sample_rows` rows, proved (and mended) on all others."""
        columns, sample = inspect_table(source, sample_rows)
        return cls(tuple(columns), tuple(column_notes(columns, sample, source)))

    def parse(self, frame: pl.DataFrame, *, place: Callable[[int], str] = nth) -> pl.DataFrame:
        """Typed values (Int64, Float64, Boolean, String, Date, Datetime in UTC), null where missing.

        Raises GW-0112 for a column that the frame lacks, GW-0113 for a value that its column's kind does not allow; `place`
        says where a row of the frame, counted from 0, stands.
        """
        given = {values.name: values for values in frame.get_columns()}
        return pl.DataFrame([self._parse(column, given, place) for column in self.columns])

    def format(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A typed frame in the user's form: order, words, precision, dtypes; the opposite of `parse`."""
        return pl.DataFrame([format_column(column, frame[column.name]) for column in self.columns])

    def parse_value(self, name: str, value: Any) -> Any:
        """One value of a column, given as typed value or as the user's word, typed; None where it means missing."""
        column = self[name]
        if value is None:
            return None
        try:
            series = pl.Series(name, [value], dtype=pl.String if isinstance(value, str) else None)
            typed, odd = parse_column(column, series)
            odd = odd | _cut(series, typed)
            if odd.any() and isinstance(value, str):  # a number with other decorations than the column's own
                typed, odd = pl.Series([value]).cast(column.dtype, strict=False), pl.Series([False])
                odd = typed.is_null()
        except (TypeError, pl.exceptions.PolarsError):
            odd = pl.Series([True])
        if odd.any():
            raise GenwrightError("GW-0113", f"{value!r} is not a value of {name!r}", f"Give {_expected(column)}")
        return typed[0]

    def describe(self) -> list[dict[str, str]]:
        """One row per column for a terminal table: name, kind, missing, distinct, values; blank where not inspected."""
        rows = []
        for column in self.columns:
            seen = column.summary
            share = f"{seen.missing / max(seen.rows, 1):.1%}" if seen else ""
            rows.append(
                {
                    "name": column.name,
                    "kind": column.kind,
                    "missing": share if seen and seen.missing else "",
                    "distinct": f"{seen.distinct:,}" if seen else "",
                    "values": seen.values if seen else "",
                }
            )
        return rows

    def to_toml(self) -> str:
        """As a commented TOML text for people to read and edit."""
        return write_toml(self.columns, self.notes, self.declared)

    @classmethod
    def from_toml(cls, text: str) -> Schema:
        """Back from `to_toml`, edited or not; GW-0110 and GW-0111 name what is wrong in it and what would be right."""
        columns, declared = read_toml(text)
        return cls(tuple(columns), declared=declared)

    def to_json(self) -> dict[str, Any]:
        """As JSON values, summaries left out."""
        columns = []
        for column in self.columns:
            values = asdict(column)
            default = asdict(Column(column.name, column.kind))
            kept = {key: value for key, value in values.items() if key != "summary" and value != default[key]}
            columns.append({"name": column.name, "kind": column.kind, **kept})
        declared = {name: known.to_json() for name, known in self.declared.items()}
        return {"columns": columns, "notes": list(self.notes), **({"declared": declared} if declared else {})}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        """Back from `to_json`; GW-0304 when the values are no schema."""
        known = {item.name for item in fields(Column)} - {"summary"}
        try:
            columns = [Column(**{**values, "missing": tuple(values.get("missing", ()))}) for values in data["columns"]]
            if not all(set(values) <= known for values in data["columns"]):
                raise ValueError
            if any(column.kind not in KINDS for column in columns):
                raise ValueError
            declared = {name: Declared.from_json(known) for name, known in data.get("declared", {}).items()}
            return cls(tuple(columns), tuple(data["notes"]), declared)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise GenwrightError("GW-0304", "The schema in the run folder is damaged", "Train again") from None

    def _parse(self, column: Column, given: Mapping[str, pl.Series], place: Callable[[int], str]) -> pl.Series:
        if column.name not in given:
            raise GenwrightError(
                "GW-0112", f"The table has no column {column.name!r}", did_you_mean(column.name, given)
            )
        typed, odd = parse_column(column, given[column.name])
        if odd.any():
            row = int(odd.arg_true()[0])
            raise GenwrightError(
                "GW-0113",
                f"Column {column.name!r} is of kind {column.kind}, but {given[column.name][row]!r} in {place(row)} is none",
                "Correct the value; before training, the schema file can also make the column category or text",
            )
        return typed


def _expected(column: Column) -> str:
    if column.kind == "boolean" and column.true:
        return f"{column.true!r} or {column.false!r}"
    if column.format:
        return f"a {column.kind} written as {column.format}"
    return f"{'an' if column.kind[0] in 'aeiou' else 'a'} {column.kind}"


def _cut(given: pl.Series, typed: pl.Series) -> pl.Series:
    """Where a value lost its fraction, or its time of day, when it was made the column's."""
    if typed.dtype.is_integer() and given.dtype.is_float():
        return (typed != given).fill_null(False)
    if typed.dtype == pl.Date and isinstance(given.dtype, pl.Datetime):
        return (typed.cast(pl.Datetime("us")) != given.dt.replace_time_zone(None)).fill_null(False)
    return pl.repeat(typed.dtype == pl.Date and given.dtype.is_numeric(), len(given), eager=True)
