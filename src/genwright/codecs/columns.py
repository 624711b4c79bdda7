"""One column of a table <-> one or two integer codes: numbers and categories.

Every coder has the same methods; code 0 means missing wherever the column has missing values. Columns whose
values are made afresh are in `fresh.py`: read it next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import polars as pl

from genwright.codecs.grid import Grid
from genwright.codecs.tally import numbers_of
from genwright.contract import FREE
from genwright.data.columns import Column
from genwright.data.parsing import format_column
from genwright.errors import GenwrightError, did_you_mean

MOST_CATEGORIES = 4096
"""Beyond these, categories count as rare: a code for each would be a model's largest part, for its rarest rows."""


_EXACT_POWER = 22  # the largest power of ten that is a float, so that multiplying and dividing round only once


class Coder(Protocol):
    """What `TableCodec` asks of a column."""

    column: Column
    missing: bool
    """The column has missing values, and code 0 for them."""

    def sizes(self) -> list[int]:
        """Number of codes of each span; empty where the column needs none."""

    def ordered_from(self) -> int:
        """From which code on the first span follows the order of the values."""

    def refined(self) -> np.ndarray:
        """Mask over the first span's codes: those that the second span tells more about."""

    def encode(self, values: pl.Series) -> list[np.ndarray]:
        """Codes of each span; FREE where there is none for the value."""

    def decode(self, codes: list[np.ndarray], rows: int, generator: np.random.Generator, first_row: int) -> pl.Series:
        """Typed values of `rows` rows."""

    def condition(self, value: Any) -> list[int]:
        """The codes of one typed value (None: missing); GW-0114 when the column has no such value."""

    def to_json(self) -> dict[str, Any]:
        """What is not in `arrays`."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays, by name."""


class NumberCoder:
    """Integers, decimals, dates and datetimes: the cell of a grid and, for intervals, the slice of the cell."""

    def __init__(self, column: Column, grid: Grid, missing: bool) -> None:
        self.column, self.grid, self.missing = column, grid, missing
        self._shift = int(missing)
        self._whole = column.dtype != pl.Float64
        self._slices = int(grid.slices.max())

    def sizes(self) -> list[int]:
        size = self._shift + self.grid.cells
        return [] if size == 1 and self._slices == 1 else [size] if self._slices == 1 else [size, self._slices]

    def ordered_from(self) -> int:
        return self._shift

    def refined(self) -> np.ndarray:
        inside = self.grid.slices > 1
        return np.concatenate([np.zeros(self._shift, dtype=bool), inside])

    def encode(self, values: pl.Series) -> list[np.ndarray]:
        present = values.is_not_null().to_numpy()
        cell = np.full(len(values), 0 if self.missing else FREE)
        part = np.zeros(len(values), dtype=np.int64)
        found, part[present] = self.grid.locate(numbers_of(values))
        cell[present] = found + self._shift
        return [cell, part][: len(self.sizes())]

    def decode(self, codes: list[np.ndarray], rows: int, generator: np.random.Generator, first_row: int) -> pl.Series:
        zeros = np.zeros(rows, dtype=np.int64)
        cell = (codes[0] if codes else zeros) - self._shift
        missing = cell < 0
        part = codes[1] if len(codes) > 1 else zeros
        drawn = self.grid.draw(np.maximum(cell, 0), part, generator, whole=self._whole)
        if self.grid.scale.places is None:
            drawn = self._rounded(drawn)
        values = pl.Series(self.column.name, drawn)
        if missing.any():
            values = pl.select(pl.when(pl.Series(~missing)).then(values)).to_series().alias(self.column.name)
        if self.column.kind == "date":
            values = values.cast(pl.Int32)
        return values.cast(self.column.dtype)

    def _rounded(self, drawn: np.ndarray) -> np.ndarray:
        """To the column's places or significant digits, yet never outside the range of the grid."""
        if self.column.places is not None:  # values too large for ticks, or infinities among them
            drawn = np.round(drawn, self.column.places)
        elif self.column.digits < 16:
            drawn = rounded(drawn, self.column.digits)
        low, high = self.grid.edge_values(whole=False)
        return np.clip(drawn, low, high)

    def condition(self, value: Any) -> list[int]:
        if value is None:
            return missing_condition(self.column, self.missing, len(self.sizes()))
        wanted = pl.Series(self.column.name, [value], dtype=self.column.dtype)
        exact = numbers_of(wanted)
        low, high = self.grid.edge_values(whole=self._whole)
        cell, part = self.grid.locate(exact)
        if not low <= exact[0] <= high:
            raise GenwrightError(
                "GW-0114",
                f"{self._show(exact)} is outside the range of {self.column.name!r} that rows are drawn from",
                f"Give a value from {self._show(np.array([low]))} to {self._show(np.array([high]))}",
            )
        if self._slices == 1 and (self.grid.starts == self.grid.ends).all():
            self._check_listed(exact, int(cell[0]))
        return [int(cell[0]) + self._shift, int(part[0])][: len(self.sizes())]

    def _check_listed(self, exact: np.ndarray, cell: int) -> None:
        """Every value has its code: one that was never seen has none."""
        known = self.grid.scale.values(self.grid.starts, whole=self._whole)
        if known[cell] != exact[0]:
            nearest = np.sort(known[np.argsort(np.abs(known.astype(float) - float(exact[0])), kind="stable")[:3]])
            shown = ", ".join(self._show(np.array([near])) for near in nearest)
            raise GenwrightError(
                "GW-0114", f"No training row has {self._show(exact)} in {self.column.name!r}", f"Nearest are {shown}"
            )

    def _show(self, exact: np.ndarray) -> str:
        values = pl.Series(self.column.name, exact)
        typed = (values.cast(pl.Int32) if self.column.kind == "date" else values).cast(self.column.dtype)
        return str(format_column(self.column, typed)[0])

    def to_json(self) -> dict[str, Any]:
        return {"coder": "number", "missing": self.missing, "grid": self.grid.to_json()}

    def arrays(self) -> dict[str, np.ndarray]:
        return self.grid.arrays()


class CategoryCoder:
    """Categories and booleans, most frequent first. Those of few rows share one code, so that no rare word of a person
    is kept; it decodes to a draw from the kept ones."""

    def __init__(self, column: Column, kept: list[str], shares: np.ndarray, missing: bool, rare: bool) -> None:
        self.column, self.kept, self.missing, self.rare = column, kept, missing, rare
        self.shares = shares
        self._shift = int(missing) + int(rare)
        self.rare_code = int(missing) if rare else FREE
        lookup: list[str | None] = [None] * self._shift + list(kept)
        self._lookup = pl.Series(column.name, lookup, dtype=pl.String)
        self._codes = {word: code + self._shift for code, word in enumerate(kept)}

    @classmethod
    def of(cls, column: Column, words: list[str], counts: list[int], missing: bool, rare_below: int) -> CategoryCoder:
        """From all words, most frequent first. If all are rare, those of the highest count stay."""
        floor = rare_below if column.kind == "category" else 0
        number = sum(count >= min(floor, counts[0]) for count in counts)
        number = min(number, MOST_CATEGORIES)
        shares = np.array(counts[:number]) / sum(counts[:number])
        return cls(column, words[:number], shares, missing, number < len(words))

    def sizes(self) -> list[int]:
        size = self._shift + len(self.kept)
        return [size] if size > 1 else []

    def ordered_from(self) -> int:
        return self._shift + len(self.kept)

    def refined(self) -> np.ndarray:
        return np.zeros(self._shift + len(self.kept), dtype=bool)

    def encode(self, values: pl.Series) -> list[np.ndarray]:
        if not self.sizes():
            return []
        words = values.cast(pl.String)
        codes = words.replace_strict(self._codes, default=self.rare_code, return_dtype=pl.Int64)
        gone = 0 if self.missing else FREE
        result = np.where(words.is_null().to_numpy(), gone, codes.fill_null(FREE).to_numpy())
        return [result]

    def decode(self, codes: list[np.ndarray], rows: int, generator: np.random.Generator, first_row: int) -> pl.Series:
        at = codes[0] if codes else np.zeros(rows, dtype=np.int64)
        if self.rare:
            rare = at == self.rare_code
            drawn = generator.choice(len(self.kept), size=int(rare.sum()), p=self.shares) + self._shift
            at = at.copy()
            at[rare] = drawn
        words = self._lookup.gather(at)
        return words == "true" if self.column.kind == "boolean" else words

    def condition(self, value: Any) -> list[int]:
        if value is None:
            return missing_condition(self.column, self.missing, len(self.sizes()))
        word = str(value).lower() if isinstance(value, bool) else str(value)
        if word not in self._codes:
            raise GenwrightError(
                "GW-0114", f"{self.column.name!r} has no value {word!r}", did_you_mean(word, self.kept)
            )
        return [self._codes[word]][: len(self.sizes())]

    def to_json(self) -> dict[str, Any]:
        return {"coder": "category", "missing": self.missing, "rare": self.rare, "kept": self.kept}

    def arrays(self) -> dict[str, np.ndarray]:
        return {"shares": self.shares}


def rounded(values: np.ndarray, digits: int) -> np.ndarray:
    """Floats to so many significant digits: the very floats that these digits are read as."""
    with np.errstate(divide="ignore", invalid="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(values)))
    exact = np.abs(places) <= _EXACT_POWER
    power = 10.0 ** np.where(exact, np.abs(places), 0)
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.where(places < 0, np.round(values / power) * power, np.round(values * power) / power)
    for at in np.flatnonzero(~exact & np.isfinite(values)):  # no float is that power of ten
        near[at] = float(f"{values[at]:.{digits - 1}e}")
    return np.where(np.isfinite(near), near, values)


def missing_condition(column: Column, missing: bool, spans: int) -> list[int]:
    """The codes of no value; GW-0114 where the column always has one."""
    if not missing:
        raise GenwrightError("GW-0114", f"{column.name!r} is never missing in the training data", "Give a value")
    return [0] * spans


def grid_coder(data: Mapping[str, Any], column: Column, arrays: Mapping[str, np.ndarray]) -> NumberCoder:
    """A number coder from its JSON and arrays."""
    return NumberCoder(column, Grid.from_json(data["grid"], arrays), bool(data["missing"]))


def category_coder(data: Mapping[str, Any], column: Column, arrays: Mapping[str, np.ndarray]) -> CategoryCoder:
    """A category coder from its JSON and arrays."""
    shares, kept = arrays["shares"], list(data["kept"])
    if len(shares) != len(kept) or not all(isinstance(word, str) for word in kept):
        raise ValueError("categories are damaged")
    return CategoryCoder(column, kept, shares, bool(data["missing"]), bool(data["rare"]))
