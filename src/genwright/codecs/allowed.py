"""A condition on a table as what each code may be: factors for the model, and values that keep to it when decoded.

A column that is asked about alone gets, for each of its codes, the share of the code's values that fulfil what is asked:
1 or 0, or between them where a bound cuts a slice of numbers. Rows whose codes are drawn with these factors, and
whose cut slices are decoded from the part that is left, are distributed as the model's rows that fulfil the condition.
What ties several columns together (age < 30 or sex = Female) is left to the whole rows: `rest`.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import polars as pl

from genwright.codecs.columns import CategoryCoder, Coder, NumberCoder
from genwright.codecs.pieces import Pieces
from genwright.codecs.table import TableCodec
from genwright.codecs.tally import numbers_of
from genwright.data.condition_text import placed
from genwright.data.conditions import ORDERINGS, Condition, Group, joined
from genwright.data.parsing import format_column
from genwright.errors import GenwrightError, did_you_mean

OTHER_WORD = "\0"  # stands for the words that share the code of rare ones; no file has it as a cell


class Allowed:
    """What a condition leaves of a table, once `check` found nothing odd in it; GW-0114 or GW-0222 if nothing."""

    def __init__(self, codec: TableCodec, condition: Condition) -> None:
        self.codec, self.condition = codec, condition
        parts = condition.parts if isinstance(condition, Group) and condition.every else (condition,)
        alone: dict[str, list[Condition]] = {}
        for part in parts:
            if len(part.columns) == 1:
                alone.setdefault(min(part.columns), []).append(part)
        rest = [part for part in parts if len(part.columns) > 1]
        self.rest = joined(rest) if rest else None
        """What must still be looked at in decoded rows; None: nothing."""
        self.factors: dict[int, np.ndarray] = {}
        """By span: a factor for each code, (size,), or (size of the parent, size) for a span that refines."""
        self._columns: list[tuple[slice, Coder, ColumnPart]] = []
        start = 0
        for coder in codec.coders:
            span = slice(start, start + len(coder.sizes()))
            start = span.stop
            if coder.column.name in alone:
                left = column_part(coder, joined(alone[coder.column.name]))
                self.factors |= dict(zip(range(span.start, span.stop), left.factors, strict=True))
                self._columns.append((span, coder, left))

    def accepts(self, codes: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """(n,) mask: which of a model's free rows (n, spans) stay, each with the chance that its factors say."""
        codes, chance = codes.astype(np.int64), np.ones(len(codes))
        for span, factor in self.factors.items():
            here = codes[:, span]
            chance *= factor[here] if factor.ndim == 1 else factor[codes[:, span - 1], here]
        return generator.random(len(codes)) < chance

    def decode(self, codes: np.ndarray, generator: np.random.Generator, first_row: int) -> pl.DataFrame:
        """The typed rows of (n, spans) codes that the factors allow, but for those that `rest` refuses; `first_row` as in
        `TableCodec.decode`."""
        codes = codes.astype(np.int64)
        frame = self.codec.decode(codes, generator=generator, first_row=first_row)
        parts = [
            left.settle(frame[coder.column.name], [codes[:, at] for at in range(span.start, span.stop)], generator)
            for span, coder, left in self._columns
        ]
        frame = frame.with_columns(parts)
        return frame.filter(self.rest.holds(frame)) if self.rest else frame


def given_values(condition: Condition) -> dict[str, Any] | None:
    """The one value (None: missing) of each column asked about, if the condition says just that; else None."""
    parts = condition.parts if isinstance(condition, Group) and condition.every else (condition,)
    given = {}
    for part in parts:
        if isinstance(part, Group) or part.column in given or part.how not in ("in", "missing") or len(part.values) > 1:
            return None
        given[part.column] = part.values[0] if part.values else None
    return given


def check(codec: TableCodec, condition: Condition) -> None:
    """GW-0114 for a value that its column never has, GW-0221 for an order where there is none."""
    coders = {coder.column.name: coder for coder in codec.coders}
    for test in condition.tests():
        coder = coders[test.column]
        if test.how in ORDERINGS and not isinstance(coder, NumberCoder):
            what = f"{str(test)!r} asks for an order, but {test.column!r} is {coder.column.kind}"
            raise placed(GenwrightError("GW-0221", what, "Use =, != or in"), test.position)
        if isinstance(coder, NumberCoder) and (test.how != "in" or len(test.values) > 1):
            continue  # a bound, an exception or a list may be a number that the column has not; one number may not
        for value in test.values:
            try:
                coder.condition(value)
            except GenwrightError as error:
                raise placed(error, test.position) from None


class ColumnPart(Protocol):
    """What a condition leaves of one column."""

    factors: list[np.ndarray]
    """One for each span of the column."""

    def settle(self, values: pl.Series, codes: list[np.ndarray], generator: np.random.Generator) -> pl.Series:
        """The decoded values, those that break the condition drawn again from what is left of their code."""


def column_part(coder: Coder, condition: Condition) -> ColumnPart:
    """GW-0222 if nothing is left of the column."""
    if isinstance(coder, NumberCoder):
        return NumbersLeft(coder, condition)
    if isinstance(coder, CategoryCoder):
        return WordsLeft(coder, condition)
    return PresenceLeft(coder, condition)


class PresenceLeft:
    """Of a column that is made afresh, or is the same in all rows: at most whether there is a value."""

    def __init__(self, coder: Coder, condition: Condition) -> None:
        present = [np.ones(1, dtype=np.int64)][: len(coder.sizes())]
        value = coder.decode(present, 1, np.random.default_rng(0), 0)
        left = held(condition, value.clear(1).append(value) if coder.missing else value)
        if not left.any():
            raise impossible(coder, condition, "The column is otherwise in all rows")
        self.factors = [left.astype(float)][: len(coder.sizes())]

    def settle(self, values: pl.Series, codes: list[np.ndarray], generator: np.random.Generator) -> pl.Series:
        """As they are: the code says all."""
        return values


class WordsLeft:
    """Of categories and booleans: some words. The code of rare ones stays where any word that is not kept would do."""

    def __init__(self, coder: CategoryCoder, condition: Condition) -> None:
        self.condition = condition
        boolean = coder.column.kind == "boolean"
        self.words = pl.Series(coder.column.name, [word == "true" for word in coder.kept] if boolean else coder.kept)
        special = [None] * coder.missing + [OTHER_WORD] * coder.rare
        left = held(condition, pl.Series(coder.column.name, special, dtype=coder.column.dtype).append(self.words))
        self.shares = coder.shares * left[len(special) :]
        if coder.rare:
            left[int(coder.missing)] &= self.shares.any()
        if not left.any():
            raise impossible(coder, condition, did_you_mean("", coder.kept))
        self.factors = [left.astype(float)][: len(coder.sizes())]

    def settle(self, values: pl.Series, codes: list[np.ndarray], generator: np.random.Generator) -> pl.Series:
        """Rare codes become words again: only those that are left."""
        wrong = np.flatnonzero(~held(self.condition, values))
        if not len(wrong):
            return values
        chosen = generator.choice(len(self.shares), size=len(wrong), p=self.shares / self.shares.sum())
        return values.scatter(wrong, self.words.gather(chosen))


class NumbersLeft:
    """Of numbers, dates and times: pieces of the grid's slices."""

    def __init__(self, coder: NumberCoder, condition: Condition) -> None:
        self.coder, self.condition, self.grid = coder, condition, coder.grid
        self.whole = coder.column.dtype != pl.Float64
        self.pieces = Pieces.of(self.grid, *self._stretches(), digits=coder.column.digits)
        shares, first, sizes = self.pieces.shares, self.grid.first[:-1], self.grid.slices
        cells = np.add.reduceat(shares, first) / sizes
        within = np.minimum(np.arange(sizes.max()), sizes[:, None] - 1)
        slices = shares[first[:, None] + within] / np.where(cells > 0, cells, 1.0)[:, None]
        if coder.missing:
            gone = held(condition, self._typed(self.grid.starts[:1]).clear(1))
            cells, slices = np.append(gone, cells), np.vstack([np.ones_like(slices[:1]), slices])
        if not cells.any():
            low, high = format_column(coder.column, self._typed(np.array([self.grid.starts[0], self.grid.ends[-1]])))
            raise impossible(coder, condition, f"Its values lie from {low} to {high}")
        self.factors = [cells, slices][: len(coder.sizes())]

    def settle(self, values: pl.Series, codes: list[np.ndarray], generator: np.random.Generator) -> pl.Series:
        """Numbers of cut slices are drawn from their pieces, and so are those that rounding took out of a piece."""
        zeros = np.zeros(len(values), dtype=np.int64)
        cell = np.maximum((codes[0] if codes else zeros) - int(self.coder.missing), 0)
        at = self.grid.first[cell] + np.minimum(codes[1] if len(codes) > 1 else zeros, self.grid.slices[cell] - 1)
        present, broken = values.is_not_null().to_numpy(), ~held(self.condition, values)
        again = np.flatnonzero(present & (self.pieces.cut[at] | broken))
        drawn = self._typed(self.pieces.draw(at[again], generator))
        if self.grid.scale.places is None:
            rounded = drawn.round_sig_figs(self.coder.column.digits)
            drawn = rounded.zip_with(pl.Series(held(self.condition, rounded)), drawn)
        return values.scatter(again, drawn)

    def _stretches(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last ticks of the stretches, as long as can be, that fulfil the condition within the grid's range."""
        grid, (low, high) = self.grid, (self.grid.starts[0], self.grid.ends[-1])
        tests = [test for test in self.condition.tests() if test.values]
        asked = [value for test in tests for value in numbers_of(pl.Series(test.values, dtype=test.dtype))]
        edges = {edge for value in asked for edge in self._edges(value) if low < edge <= high}
        firsts = np.array([low, *sorted(edges)], dtype=grid.starts.dtype)
        before = firsts[1:] - 1 if grid.scale.places is not None else _neighbour(firsts[1:], -np.inf)
        lasts = np.append(before, high)
        fulfil = held(self.condition, self._typed(firsts))  # within a stretch that no edge parts, all numbers are alike
        begins = fulfil & ~np.append(False, fulfil[:-1])
        finishes = fulfil & ~np.append(fulfil[1:], False)
        return firsts[begins], lasts[finishes]

    def _edges(self, value: Any) -> tuple[Any, Any]:
        """The first tick from a number on, and the first one above it."""
        if self.grid.scale.places is None:
            return value, _neighbour(value, np.inf)
        near = self.grid.scale.ticks(np.array([value])) + np.arange(-1, 3)
        numbers = self.grid.scale.values(near, whole=self.whole)
        return near[0] + int((numbers < value).sum()), near[0] + int((numbers <= value).sum())

    def _typed(self, ticks: np.ndarray) -> pl.Series:
        values = pl.Series(self.coder.column.name, self.grid.scale.values(ticks, whole=self.whole))
        return (values.cast(pl.Int32) if self.coder.column.kind == "date" else values).cast(self.coder.column.dtype)


def _neighbour(numbers: Any, towards: float) -> Any:
    with np.errstate(over="ignore"):  # the neighbour of the largest number is infinite
        return np.nextafter(numbers, towards)


def held(condition: Condition, values: pl.Series) -> np.ndarray:
    """Which values of a column fulfil a condition on it alone."""
    return condition.holds(values.to_frame()).to_numpy()


def impossible(coder: Coder, condition: Condition, fix: str) -> GenwrightError:
    """What no row can fulfil: GW-0222, or GW-0114 with the nearest values if one is asked for that the column never has."""
    first, *others = condition.tests()
    if not others and len(first.values) < 2:
        try:
            coder.condition(first.values[0] if first.values else None)
        except GenwrightError as error:
            return placed(error, first.position)
    return GenwrightError("GW-0222", f"No row can fulfil the condition {str(condition)!r}", fix)
