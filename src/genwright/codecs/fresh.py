"""Columns that need no code, or only one for missing: identifiers, texts, constants, and columns without any value.

Identifiers (`identifiers.py`) and texts (`words.py`) are made afresh for each sample. `table.py` puts the columns side by
side: read it next.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import polars as pl

from genwright.codecs.columns import missing_condition
from genwright.data.columns import Column
from genwright.errors import GenwrightError


class Source(Protocol):
    """Where new values of identifiers and texts come from."""

    def draw(self, rows: int, generator: np.random.Generator, first_row: int) -> pl.Series:
        """Values for rows first_row .. first_row + rows - 1 of a sample."""

    def to_json(self) -> dict[str, Any]:
        """What is not in `arrays`."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays, by name."""


class FreshCoder:
    """Identifiers and texts: the codes tell at most whether there is a value; the value itself is made afresh."""

    def __init__(self, column: Column, source: Source, missing: bool) -> None:
        self.column, self.source, self.missing = column, source, missing

    def sizes(self) -> list[int]:
        return [2] if self.missing else []

    def ordered_from(self) -> int:
        return 2

    def refined(self) -> np.ndarray:
        return np.zeros(2, dtype=bool)

    def encode(self, values: pl.Series) -> list[np.ndarray]:
        return [values.is_not_null().cast(pl.Int64).to_numpy()] if self.missing else []

    def decode(self, codes: list[np.ndarray], rows: int, generator: np.random.Generator, first_row: int) -> pl.Series:
        values = self.source.draw(rows, generator, first_row).cast(self.column.dtype)
        if codes:
            values = pl.select(pl.when(pl.Series(codes[0] > 0)).then(values)).to_series()
        return values.alias(self.column.name)

    def condition(self, value: Any) -> list[int]:
        if value is None:
            return missing_condition(self.column, self.missing, 1)
        raise GenwrightError(
            "GW-0114",
            f"{self.column.name!r} is {self.column.kind}: its values are made afresh and cannot be asked for",
            "Leave it out" + (", or ask for missing" if self.missing else ""),
        )

    def to_json(self) -> dict[str, Any]:
        return {"coder": "fresh", "missing": self.missing, "source": self.source.to_json()}

    def arrays(self) -> dict[str, np.ndarray]:
        return self.source.arrays()


class FixedCoder:
    """Constants, and columns without any value: nothing to code."""

    def __init__(self, column: Column) -> None:
        self.column, self.missing = column, False

    def sizes(self) -> list[int]:
        return []

    def ordered_from(self) -> int:
        return 0

    def refined(self) -> np.ndarray:
        return np.zeros(0, dtype=bool)

    def encode(self, values: pl.Series) -> list[np.ndarray]:
        return []

    def decode(self, codes: list[np.ndarray], rows: int, generator: np.random.Generator, first_row: int) -> pl.Series:
        value = self.column.value if self.column.kind == "constant" else None
        return pl.Series(self.column.name, [value], dtype=self.column.dtype).new_from_index(0, rows)

    def condition(self, value: Any) -> list[int]:
        own = self.column.value if self.column.kind == "constant" else None
        if value != own and str(value) != own:
            what = f"{own!r} in every row" if own is not None else "missing in every row"
            raise GenwrightError("GW-0114", f"{self.column.name!r} is {what}, never {value!r}", "Leave it out")
        return []

    def to_json(self) -> dict[str, Any]:
        return {"coder": "fixed"}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}
