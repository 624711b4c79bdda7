"""A table codec that is fitted privately: every bound, quantile, spike and category was declared, or a mechanism paid for it.

Kinds of columns are never guessed from values: they are declared in schema.toml, or the source's own types say them. What
is fitted is an ordinary `TableCodec`: see `table.py`. The plan of its releases comes first, then the model's
(`privacy/marginals.py`), and only then is anything drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from genwright.codecs.columns import MOST_CATEGORIES, CategoryCoder, Coder, NumberCoder
from genwright.codecs.fresh import FixedCoder, FreshCoder
from genwright.codecs.identifiers import Sequence
from genwright.codecs.private_grid import cells_between, cuts, every_step, known_at
from genwright.codecs.table import TableCodec
from genwright.codecs.tally import numbers_of
from genwright.data.columns import NULL, Column, dtype_name
from genwright.data.declared import Declared
from genwright.data.schema import Schema
from genwright.errors import GenwrightError
from genwright.privacy.ledger import PrivacyLedger
from genwright.privacy.mechanisms import (
    LEVELS,
    counts_entry,
    deviation,
    discover,
    noisy_counts,
    private_bounds,
    private_count,
    private_quantiles,
)
from genwright.privacy.noise import Source, system_source

ROWS = "number of rows"
VALUES, BOUNDS, QUANTILES = "values of {!r}", "bounds of {!r}", "quantiles of {!r}"
WEIGHTS = {VALUES: 1.0, BOUNDS: 0.5, QUANTILES: 3.0}  # parts of the budget; the number of rows gets ROWS_WEIGHT
ROWS_WEIGHT = 0.5
FOUND = 3.0  # deviations of the noise above which there are rows at all


Declarations = Mapping[str, Declared]
NOTHING = Declared()


def schema_of_types(types: Mapping[str, pl.DataType]) -> Schema:
    """The schema that the types of a typed source (Parquet, a frame) declare, without a look at the values.

    Words become categories. GW-0610 for a type that says too little.
    """
    kinds = {pl.Boolean: "boolean", pl.String: "category", pl.Categorical: "category", pl.Enum: "category",
             pl.Date: "date", pl.Datetime: "datetime"}  # fmt: skip
    columns = []
    for name, dtype in types.items():
        kind = "integer" if dtype.is_integer() else "decimal" if dtype.is_float() else kinds.get(type(dtype))
        if kind is None:
            raise GenwrightError(
                "GW-0610", f"The type {dtype_name(dtype)} of {name!r} says no kind", "Declare it in schema.toml."
            )
        words = {"true": "true", "false": "false"} if kind == "boolean" else {}
        columns.append(Column(name, kind, dtype_name(dtype), (NULL,), **words))  # type: ignore[arg-type]
    return Schema(tuple(columns))


def require_declared(schema: Schema | None) -> Schema:
    """The schema; GW-0610 if there is none: to guess kinds from the words of a text file is to look at private data."""
    if schema is None:
        raise GenwrightError(
            "GW-0610",
            "The kinds of the columns are not declared, and finding them would look at private values without noise",
            "Write a schema.toml for the table and give it with --schema, or train from a Parquet file.",
        )
    return schema


def plan_codec(
    ledger: PrivacyLedger,
    schema: Schema,
    rho: float,
    delta: float,
    declared: Declarations,
    *,
    bins: int = 32,
    counted: bool = False,
) -> None:
    """Plan all releases of `fit_private`: they cost rho (zCDP), and `delta` for the thresholds of all columns together.

    `bins`: as `fit_private` will be given; `counted`: the model needs to know how often each code is, also where all codes
    are declared. GW-0611 for a column of text or identifiers, whose values cannot be made without looking at them.
    GW-0603 if it is too much.
    """
    wanted = []
    for column in schema.columns:
        needed = [] if _names_units(column, ledger) else _needs(column, _of(declared, column), bins, counted)
        wanted += [(template, column) for template in needed]
    total = ROWS_WEIGHT + sum(WEIGHTS[template] for template, _ in wanted)
    sought = {column.name for template, column in wanted if all_values(column, _of(declared, column), bins) is None}
    rows = ledger.contributions
    entries = [counts_entry(ROWS, rho * ROWS_WEIGHT / total, sensitivity=rows)]
    for template, column in wanted:
        entries.append(
            counts_entry(
                template.format(column.name),
                rho * WEIGHTS[template] / total,
                sensitivity=rows,
                releases=LEVELS if template == QUANTILES else 1,
                delta=delta / len(sought) if template == VALUES and column.name in sought else 0.0,
            )
        )
    ledger.plan(*entries)


def fit_private(
    batches: Callable[[], Iterator[pl.DataFrame]],
    schema: Schema,
    ledger: PrivacyLedger,
    *,
    bins: int = 32,
    declared: Declarations | None = None,
    source: Source = system_source,
) -> TableCodec:
    """A codec of typed frames by the releases that `plan_codec` planned; `bins` cells for each number.

    Values of many rows keep a code of their own; between them lie cells of about as many rows each, in which values are
    drawn evenly: no rare value is in the codec. `rows` and `counts` of the codec are noisy. GW-0612 for a column in which
    nothing stands out of the noise.
    """
    frame = pl.concat(batches())
    rows = max(1, private_count(len(frame), ledger, ROWS, source=source))
    coders: list[Coder] = []
    counts: list[np.ndarray] = []
    for column in schema.columns:
        fitting = _Fitting(column, _of(declared or {}, column), frame[column.name], rows, ledger, source)
        coder, seen = fitting.coder(bins)
        coders.append(coder)
        counts += [np.maximum(np.rint(seen), 0).astype(np.int64)] if coder.sizes() else []
    return TableCodec(schema, coders, counts, rows)


def _of(declared: Declarations, column: Column) -> Declared:
    return declared.get(column.name, NOTHING)


def _names_units(column: Column, ledger: PrivacyLedger) -> bool:
    """Whether its values name the units of privacy: synthetic ones are counted from 1, whatever the real ones are."""
    return column.kind == "identifier" and column.name == ledger.unit


def _needs(column: Column, known: Declared, bins: int, counted: bool) -> list[str]:
    """Which releases a column needs."""
    if column.kind in ("constant", "missing"):
        return []
    if column.kind in ("text", "identifier"):
        raise GenwrightError(
            "GW-0611",
            f"{column.name!r} is {column.kind}: its values cannot be imitated under a privacy guarantee",
            "Leave the column out of the table, or declare it as category in schema.toml.",
        )
    if all_values(column, known, bins) is not None:
        return [] if known.gaps is not None and not counted else [VALUES]
    if column.is_number:
        return [VALUES, QUANTILES] if known.bounds else [VALUES, BOUNDS, QUANTILES]
    return [VALUES]


def all_values(column: Column, known: Declared, bins: int = 0) -> tuple[Any, ...] | None:
    """All values, where nobody has to look for them: words, or the whole numbers of a range of at most `bins`."""
    if column.kind == "boolean":
        return ("true", "false")
    if known.bounds and column.dtype != pl.Float64:
        whole = range(math.ceil(known.bounds[0]), math.floor(known.bounds[1]) + 1)
        return tuple(whole) if 0 < len(whole) <= bins else None
    if column.stored.startswith("Enum[") and not known.categories:
        return tuple(column.stored.removeprefix("Enum[").removesuffix("]").split("\x1f"))[:MOST_CATEGORIES]
    return known.categories[:MOST_CATEGORIES] or None


class _Fitting:
    """One column: its values, and what may be asked of them."""

    def __init__(
        self, column: Column, known: Declared, values: pl.Series, rows: int, ledger: PrivacyLedger, source: Source
    ) -> None:
        self.column, self.known, self.values, self.rows = column, known, values, rows
        self.ledger, self.source = ledger, source

    def coder(self, bins: int) -> tuple[Coder, np.ndarray]:
        """The coder and about how many rows have each of its codes."""
        if self.column.kind in ("constant", "missing"):
            return FixedCoder(self.column), np.zeros(0)
        if _names_units(self.column, self.ledger):
            return FreshCoder(self.column, Sequence(0, 1), missing=False), np.zeros(0)
        listed = all_values(self.column, self.known, bins)
        if self.column.is_number:
            values = self._clipped()
            return self._number(values, bins) if listed is None else self._steps(values, listed)
        words = self.values.cast(pl.String)
        return self._categories(words) if listed is None else self._words(words, listed)

    @property
    def _noise(self) -> float:
        return deviation(self.ledger.entry(VALUES.format(self.column.name)))

    def _clipped(self) -> pl.Series:
        """The numbers, days or times; what is beyond the declared bounds is at them."""
        values, bounds = self.values.to_physical(), self.known.bounds
        if bounds is None:
            return values
        low, high = bounds if values.dtype.is_float() else (math.ceil(bounds[0]), math.floor(bounds[1]))
        return values.clip(low, high)

    def _counts(self, exact: list[int]) -> np.ndarray:
        """Noisy counts of all values that there can be; where the plan pays for none, as if each were as frequent."""
        purpose = VALUES.format(self.column.name)
        if purpose not in {entry.purpose for entry in self.ledger.entries}:
            return np.full(len(exact), self.rows / len(exact))
        return noisy_counts(exact, self.ledger, purpose, source=self.source).astype(float)

    def _has_gaps(self, gone: float) -> bool:
        """Whether there is a code for missing, of which so many were counted."""
        return bool(gone >= FOUND * self._noise) if self.known.gaps is None else self.known.gaps

    def _words(self, words: pl.Series, listed: tuple[str, ...]) -> tuple[Coder, np.ndarray]:
        """All words are known. Others, which only a person's list of categories leaves room for, are rare."""
        tally = dict(words.value_counts().rows())
        rare = bool(self.known.categories)
        exact = [tally.pop(None, 0), *(tally.pop(word, 0) for word in listed)]
        gone, *counts, rest = self._counts([*exact, sum(tally.values())])
        missing = self._has_gaps(gone)
        own = np.maximum(counts, 1.0)
        seen = np.array([*[gone] * missing, *[rest] * rare, *own])
        return CategoryCoder(self.column, list(listed), own / own.sum(), missing, rare), seen

    def _categories(self, words: pl.Series) -> tuple[Coder, np.ndarray]:
        purpose = VALUES.format(self.column.name)
        found = discover(words.to_list(), self.ledger, purpose, source=self.source)
        gone = found.pop(None, 0)
        kept = {str(word): count for word, count in list(found.items())[:MOST_CATEGORIES]}
        if not kept:
            raise _nothing(self.column)
        rest = self.rows - gone - sum(kept.values())
        rare = rest > FOUND * self._noise * math.sqrt(len(kept) + 2)
        missing = gone > 0 if self.known.gaps is None else self.known.gaps
        seen = np.array([*[gone] * missing, *[rest] * rare, *kept.values()], dtype=float)
        shares = np.array(list(kept.values())) / sum(kept.values())
        return CategoryCoder(self.column, list(kept), shares, missing, rare), seen

    def _steps(self, values: pl.Series, listed: tuple[int, ...]) -> tuple[Coder, np.ndarray]:
        """A code for each whole number of a declared range."""
        at = numbers_of(values) - listed[0]
        gone, *counts = self._counts([values.null_count(), *np.bincount(at, minlength=len(listed)).tolist()])
        missing = self._has_gaps(gone)
        grid = every_step(range(listed[0], listed[-1] + 1))
        return NumberCoder(self.column, grid, missing), np.array([*[gone] * missing, *counts])

    def _number(self, values: pl.Series, bins: int) -> tuple[Coder, np.ndarray]:
        found = discover(values.to_list(), self.ledger, VALUES.format(self.column.name), source=self.source)
        gone = found.pop(None, 0)
        missing = gone > 0 if self.known.gaps is None else self.known.gaps
        spikes = {value: count for value, count in found.items() if count * 2 * bins > self.rows}
        atoms = np.array(sorted(spikes), dtype=np.float64 if values.dtype.is_float() else np.int64)
        heights = np.array([spikes[atom] for atom in atoms.tolist()], dtype=float)
        numbers = numbers_of(values)
        rest = numbers[np.isfinite(numbers) & ~np.isin(numbers, atoms)].astype(np.float64)
        left = self.rows - gone - heights.sum()
        shares = cuts(max(1, round(bins * left / self.rows))) if left > 0 else np.zeros(0)
        edges = self._quantiles(rest, shares) if left > FOUND * self._noise * math.sqrt(len(atoms) + 2) else shares[:0]
        if not len(edges) and not len(atoms):
            raise _nothing(self.column)
        grid = cells_between(self.column, atoms, edges)
        inside = np.interp(np.append(grid.starts, grid.ends[-1]), *known_at(grid.scale, edges, shares))
        at = np.searchsorted(grid.starts, grid.scale.ticks(atoms))
        seen = np.diff(inside) * max(left, 0)
        seen[at] = heights
        return NumberCoder(self.column, grid, missing), np.concatenate([[gone] * missing, seen])

    def _quantiles(self, rest: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Noisy quantiles of what is in no spike; none where no range stands out of the noise."""
        name, source = self.column.name, self.source
        bounds = self.known.bounds
        try:
            bounds = bounds or private_bounds(rest, self.ledger, BOUNDS.format(name), source=source)
        except GenwrightError as error:
            if error.code != "GW-0608":
                raise
            return shares[:0]
        return private_quantiles(rest, bounds, shares.tolist(), self.ledger, QUANTILES.format(name), source=source)


def _nothing(column: Column) -> GenwrightError:
    return GenwrightError(
        "GW-0612",
        f"No value of {column.name!r} stands out of the noise",
        "Declare its categories or bounds in schema.toml, raise --epsilon, or leave the column out.",
    )
