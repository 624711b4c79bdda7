"""A table codec that is fitted privately: every bound, quantile, spike and category was declared, or a mechanism paid for it.

Kinds of columns are never guessed from values: they are declared in schema.toml, or the source's own types say them. What
is fitted is an ordinary `TableCodec`: see `table.py`. The plan of its releases comes first, then the model's
(`privacy/marginals.py`), and only then is anything drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from genwright.codecs.columns import MOST_CATEGORIES, CategoryCoder, Coder, NumberCoder
from genwright.codecs.fresh import FixedCoder
from genwright.codecs.grid import Grid, Scale
from genwright.codecs.table import TableCodec
from genwright.codecs.tally import numbers_of
from genwright.data.columns import NULL, Column, dtype_name
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
TAILS = (1e-3, 4e-3)  # the outermost cells end and begin at these shares of the rows
EXACT = 2.0**53
FOUND = 3.0  # deviations of the noise above which there are rows at all


@dataclass(frozen=True)
class Declared:
    """What the user knows of a column's values without looking at the data; it costs nothing."""

    bounds: tuple[float, float] | None = None
    """Numbers and dates (days or microseconds since 1970): the range; what is outside counts at its edge."""
    categories: tuple[str, ...] = ()
    """All categories; others are read as rare."""


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


def plan_codec(ledger: PrivacyLedger, schema: Schema, rho: float, delta: float, declared: Declarations) -> None:
    """Plan all releases of `fit_private`: they cost rho (zCDP), and `delta` for the thresholds of all columns together.

    GW-0611 for a column of text or identifiers, whose values cannot be made without looking at them. GW-0603 if it is
    too much.
    """
    wanted = [(template, column) for column in schema.columns for template in _needs(column, _of(declared, column))]
    total = ROWS_WEIGHT + sum(WEIGHTS[template] for template, _ in wanted)
    sought = {column.name for template, column in wanted if not _listed(column, _of(declared, column))}
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


def _needs(column: Column, known: Declared) -> list[str]:
    """Which releases a column needs."""
    if column.kind in ("constant", "missing"):
        return []
    if column.kind in ("text", "identifier"):
        raise GenwrightError(
            "GW-0611",
            f"{column.name!r} is {column.kind}: its values cannot be imitated under a privacy guarantee",
            "Leave the column out of the table, or declare it as category in schema.toml.",
        )
    if column.is_number:
        return [VALUES, QUANTILES] if known.bounds else [VALUES, BOUNDS, QUANTILES]
    return [VALUES]


def _listed(column: Column, known: Declared) -> tuple[str, ...]:
    """The categories that nobody has to look for."""
    if column.kind == "boolean":
        return ("true", "false")
    if column.stored.startswith("Enum[") and not known.categories:
        return tuple(column.stored.removeprefix("Enum[").removesuffix("]").split("\x1f"))
    return known.categories


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
        if self.column.is_number:
            return self._number(bins)
        return self._category()

    @property
    def _noise(self) -> float:
        return deviation(self.ledger.entry(VALUES.format(self.column.name)))

    def _category(self) -> tuple[Coder, np.ndarray]:
        purpose, words = VALUES.format(self.column.name), self.values.cast(pl.String)
        listed = _listed(self.column, self.known)
        found: dict[str | None, int]
        if listed:
            labels: list[str | None] = [None, *listed]
            tally = dict(words.value_counts().rows())
            counts = noisy_counts([tally.get(label, 0) for label in labels], self.ledger, purpose, source=self.source)
            found = {label: max(int(count), 1) for label, count in zip(labels, counts, strict=True)}
            if found[None] < FOUND * self._noise:
                found.pop(None)
        else:
            found = discover(words.to_list(), self.ledger, purpose, source=self.source)
        gone = found.pop(None, 0)
        kept = {str(word): count for word, count in list(found.items())[:MOST_CATEGORIES]}
        if not kept:
            raise _nothing(self.column)
        rest = 0 if listed else self.rows - gone - sum(kept.values())
        rare = rest > FOUND * self._noise * math.sqrt(len(kept) + 2)
        seen = np.array([*[gone] * (gone > 0), *[rest] * rare, *kept.values()], dtype=float)
        shares = np.array(list(kept.values())) / sum(kept.values())
        return CategoryCoder(self.column, list(kept), shares, gone > 0, rare), seen

    def _number(self, bins: int) -> tuple[Coder, np.ndarray]:
        purpose, values = VALUES.format(self.column.name), self.values.to_physical()
        found = discover(values.to_list(), self.ledger, purpose, source=self.source)
        gone = found.pop(None, 0)
        spikes = {value: count for value, count in found.items() if count * 2 * bins > self.rows}
        atoms = np.array(sorted(spikes), dtype=np.float64 if values.dtype.is_float() else np.int64)
        heights = np.array([spikes[atom] for atom in atoms.tolist()], dtype=float)
        numbers = numbers_of(self.values)
        rest = numbers[np.isfinite(numbers) & ~np.isin(numbers, atoms)].astype(np.float64)
        left = self.rows - gone - heights.sum()
        shares = _cuts(max(1, round(bins * left / self.rows))) if left > 0 else np.zeros(0)
        edges = self._quantiles(rest, shares) if left > FOUND * self._noise * math.sqrt(len(atoms) + 2) else shares[:0]
        if not len(edges) and not len(atoms):
            raise _nothing(self.column)
        grid = cells_between(self.column, atoms, edges)
        inside = np.interp(np.append(grid.starts, grid.ends[-1]), *_known(grid.scale, edges, shares))
        at = np.searchsorted(grid.starts, grid.scale.ticks(atoms))
        seen = np.diff(inside) * max(left, 0)
        seen[at] = heights
        return NumberCoder(self.column, grid, gone > 0), np.concatenate([[gone] * (gone > 0), seen])

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


def _cuts(bins: int) -> np.ndarray:
    """Shares of the rows at which cells begin and end: even ones, and narrower ones in both tails."""
    tails = [share for share in TAILS if share * bins < 1]
    return np.unique([*tails, *(np.arange(1, bins) / bins), *(1 - share for share in tails)])


def _known(scale: Scale, edges: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in ticks the distribution function of what is in no spike is known, and what it is there."""
    if not len(edges):
        return np.zeros(1), np.zeros(1)
    return scale.ticks(edges).astype(np.float64), np.concatenate([[0.0], shares[1:-1], [1.0]])


def cells_between(column: Column, atoms: np.ndarray, edges: np.ndarray) -> Grid:
    """A grid of atoms, and of intervals between rising edges that no atom stands in; each cell is one slice."""
    scale = _scale(column, np.concatenate([atoms, edges]))
    spikes, cuts = scale.ticks(atoms), np.unique(scale.ticks(edges))
    whole = scale.places is not None
    after = spikes + 1 if whole else np.nextafter(spikes, np.inf)
    if len(cuts):
        after = after[(after >= cuts[0]) & (after <= cuts[-1])]
    starts = np.unique(np.concatenate([cuts[: max(len(cuts) - 1, 1)], spikes, after[: len(after) * (len(cuts) > 0)]]))
    before = starts[1:] - 1 if whole else np.nextafter(starts[1:], -np.inf)
    last = cuts[-1] if len(cuts) else starts[-1]
    ends = np.minimum(np.append(before, max(last, starts[-1])), last)
    atom = np.isin(starts, spikes)
    ends = np.where(atom, starts, ends)
    kept = ends >= starts
    return Grid(scale, starts[kept], ends[kept], np.arange(int(kept.sum()) + 1))


def _scale(column: Column, values: np.ndarray) -> Scale:
    """The column's declared precision; its ticks begin at the lowest value that the codec knows."""
    places = 0 if column.dtype != pl.Float64 else column.places
    if places is None or np.abs(values).max() * 10.0**places >= EXACT:
        return Scale(None) if column.dtype == pl.Float64 else Scale(0, int(np.floor(values.min())))
    return Scale(places, int(np.floor(values.min() * 10.0**places)))


def _nothing(column: Column) -> GenwrightError:
    return GenwrightError(
        "GW-0612",
        f"No value of {column.name!r} stands out of the noise",
        "Declare its categories or bounds in schema.toml, raise --epsilon, or leave the column out.",
    )
