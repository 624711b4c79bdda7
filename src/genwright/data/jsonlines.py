"""JSON lines (one object a line) as typed polars frames: columns and types are those that all lines together need.

A column whose values mix types, or hold lists and objects, becomes text (and `notes` says so). `sources.py` opens the
file: read it next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from genwright.data.encodings import utf8_blocks
from genwright.errors import GenwrightError

_HALVES = re.compile("[\ud800-\udfff]")


class JsonLines:
    """One file of JSON lines; opening it reads it through once to learn its columns."""

    def __init__(self, path: Path, encoding: str) -> None:
        self.path, self.encoding = path, encoding
        self.notes: list[str] = []
        found: dict[str, set[str]] = {}
        for row in self._objects():
            for key, value in row.items():
                found.setdefault(key, set()).add(_type_of(value))
        if not found:
            raise GenwrightError("GW-0102", f"{path} holds no JSON object", "Give one object a line")
        self.dtypes = {key: self._dtype(key, types - {"null"}) for key, types in found.items()}

    def frames(self, rows: int) -> Iterator[pl.DataFrame]:
        """Frames of at most `rows` rows, all with the same columns and dtypes."""
        chunk: list[dict[str, Any]] = []
        for row in self._objects():
            chunk.append(row)
            if len(chunk) == rows:
                yield self._frame(chunk)
                chunk = []
        if chunk:
            yield self._frame(chunk)

    def _frame(self, rows: list[dict[str, Any]]) -> pl.DataFrame:
        columns = []
        for key, dtype in self.dtypes.items():
            values = [row.get(key) for row in rows]
            if dtype == pl.String:
                values = [value if value is None or isinstance(value, str) else _text(value) for value in values]
            columns.append(pl.Series(key, values, dtype=dtype, strict=False))
        return pl.DataFrame(columns)

    def _objects(self) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(self._lines(), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise GenwrightError(
                    "GW-0108", f"Line {number:,} of {self.path} is not JSON: {error}", "Give one JSON object a line"
                ) from None
            if not isinstance(row, dict):
                raise GenwrightError(
                    "GW-0108",
                    f"Line {number:,} of {self.path} is JSON, but not an object with columns as keys",
                    'Give lines such as {"age": 30, "city": "Ulm"}',
                )
            yield self._without_halves(row) if b"\\ud" in line.lower() else row

    def _without_halves(self, value: Any) -> Any:
        """The same with U+FFFD for halves of surrogate pairs that stand alone: they are no characters, and have no UTF-8."""
        if isinstance(value, str) and _HALVES.search(value):
            note = "Halves of surrogate pairs, which are no characters, became U+FFFD."
            self.notes += [note] if note not in self.notes else []
            return _HALVES.sub("\ufffd", value)
        if isinstance(value, dict):
            return {self._without_halves(key): self._without_halves(entry) for key, entry in value.items()}
        return [self._without_halves(entry) for entry in value] if isinstance(value, list) else value

    def _lines(self) -> Iterator[bytes]:
        carried = b""
        for block in utf8_blocks(self.path, self.encoding):
            *lines, carried = (carried + block).split(b"\n")
            yield from lines
        yield carried

    def _dtype(self, key: str, types: set[str]) -> pl.DataType:
        if types <= {"string"}:
            return pl.String() if types else pl.Null()
        if types == {"boolean"}:
            return pl.Boolean()
        if types == {"integer"}:
            return pl.Int64()
        if types <= {"integer", "number"}:
            return pl.Float64()
        self.notes.append(f"Column {key!r} holds {' and '.join(sorted(types))} values: it is treated as text.")
        return pl.String()


def _type_of(value: Any) -> str:
    if value is None or value != value:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "very large integer"
    return "number" if isinstance(value, float) else "string" if isinstance(value, str) else "nested"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
