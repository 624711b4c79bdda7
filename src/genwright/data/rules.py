"""Rules that hold in every row of a table: what each kind says, and which rows break it.

A rule says nothing of a row where one of its values is missing; only an implication can ask for a value to be missing.
`rules_file.py` reads rules from TOML, `rules_kept.py` makes rows keep them: read them next.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import polars as pl

from genwright.data.columns import Column
from genwright.data.conditions import Condition, Group, Test

MARK = "\0"
"""Of a helping column in a join; no column of a table is called so."""
ROUNDING = 1e-9
"""Relative error of sums and products of floating-point numbers that is no breach."""


@dataclass(frozen=True)
class Order:
    """Each value is at most the next one, or below it where `strict`."""

    columns: tuple[str, ...]
    strict: bool = False

    def broken(self, frame: pl.DataFrame) -> pl.Series:
        """Mask over the rows; values on both sides of a missing one are compared too."""
        above = operator.ge if self.strict else operator.gt
        pairs = itertools.combinations(self.columns, 2)
        return _any(above(frame[first], frame[second]) for first, second in pairs)

    def __str__(self) -> str:
        return (" < " if self.strict else " <= ").join(self.columns)


@dataclass(frozen=True)
class Range:
    """The value lies between two bounds; None: there is no such bound."""

    column: str
    low: Any = None
    high: Any = None
    above: bool = False
    """The lower bound itself is not allowed."""
    below: bool = False
    """The upper bound itself is not allowed."""

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def broken(self, frame: pl.DataFrame) -> pl.Series:
        """Mask over the rows."""
        values, parts = frame[self.column], []
        for bound, outside in (
            (self.low, operator.le if self.above else operator.lt),
            (self.high, operator.ge if self.below else operator.gt),
        ):
            if bound is not None:
                parts.append(outside(values, pl.Series([bound], dtype=values.dtype)))
        return _any(parts)

    def __str__(self) -> str:
        left = "" if self.low is None else f"{self.low} {'<' if self.above else '<='} "
        return f"{left}{self.column}" + ("" if self.high is None else f" {'<' if self.below else '<='} {self.high}")


@dataclass(frozen=True)
class Sum:
    """The total is the sum of some columns less others, in the total's precision. Dates count in days."""

    total: Column
    added: tuple[str, ...]
    subtracted: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """What the total is made of."""
        return self.added + self.subtracted

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.terms, self.total.name)

    def exact(self, frame: pl.DataFrame) -> pl.Series:
        """What the total must be, before it is rounded; null where a term is missing."""
        values = [numbers(frame, name) for name in self.added] + [-numbers(frame, name) for name in self.subtracted]
        return reduce(operator.add, values)

    def solved(self, frame: pl.DataFrame, term: str) -> pl.Series:
        """What a term must be for the total to be what it is."""
        short = numbers(frame, self.total.name) - self.exact(frame)
        return numbers(frame, term) + (short if term in self.added else -short)

    def broken(self, frame: pl.DataFrame) -> pl.Series:
        """Mask over the rows: the total is off by more than half a step of its precision."""
        size = reduce(operator.add, (numbers(frame, name).abs() for name in self.terms))
        return _differs(self.total, frame, self.exact(frame), size)

    def __str__(self) -> str:
        made = " + ".join(self.added) + "".join(f" - {name}" for name in self.subtracted)
        return f"{self.total.name} = {made}"


@dataclass(frozen=True)
class Product:
    """The total is the product of some columns, in the total's precision."""

    total: Column
    terms: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.terms, self.total.name)

    def exact(self, frame: pl.DataFrame) -> pl.Series:
        """What the total must be, before it is rounded; null where a factor is missing."""
        return reduce(operator.mul, (numbers(frame, name) for name in self.terms))

    def solved(self, frame: pl.DataFrame, term: str) -> pl.Series:
        """What a factor must be for the total to be what it is; not finite where another factor is 0."""
        others = reduce(operator.mul, (numbers(frame, name) for name in self.terms if name != term))
        return numbers(frame, self.total.name) / others

    def broken(self, frame: pl.DataFrame) -> pl.Series:
        """Mask over the rows: the total is off by more than half a step of its precision."""
        exact = self.exact(frame)
        return _differs(self.total, frame, exact, exact.abs())

    def __str__(self) -> str:
        return f"{self.total.name} = {' * '.join(self.terms)}"


@dataclass(frozen=True)
class Combination:
    """The values of some columns occur together only as listed."""

    columns: tuple[str, ...]
    allowed: pl.DataFrame | None = field(default=None, compare=False)
    """Distinct rows of typed values; None until the training rows have been looked at."""
    seen: bool = False
    """They are those of the training rows, but for combinations of few rows; so no training row breaks the rule."""

    def broken(self, frame: pl.DataFrame) -> pl.Series:
        """Mask over the rows."""
        if self.allowed is None:
            return pl.repeat(False, len(frame), eager=True)
        own = frame.select(self.columns)
        known = self.allowed.with_columns(pl.lit(True).alias(MARK))
        found = own.join(known, on=list(self.columns), how="left", maintain_order="left")[MARK]
        return found.is_null() & present(own)

    def __str__(self) -> str:
        listed = "seen in training" if self.seen or self.allowed is None else "listed"
        return f"({', '.join(self.columns)}) as {listed}"


@dataclass(frozen=True)
class Implication:
    """Where the condition holds, the consequence does."""

    condition: Condition
    consequence: Condition

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(sorted(self.condition.columns | self.consequence.columns))

    @property
    def made(self) -> tuple[Test, ...]:
        """The consequence as the one value, or the absence of one, that each column must have; empty if it is not so."""
        parts = parts_of(self.consequence)
        one = all(isinstance(part, Test) and (part.how == "missing" or fixes(part)) for part in parts)
        return tuple(test for part in parts for test in part.tests()) if one else ()

    def broken(self, frame: pl.DataFrame) -> pl.Series:
        """Mask over the rows."""
        return self.condition.holds(frame) & self.consequence.negated().holds(frame)

    def __str__(self) -> str:
        return f"if {self.condition} then {self.consequence}"


@dataclass(frozen=True)
class Unique:
    """No two rows have the same values in these columns."""

    columns: tuple[str, ...]

    def broken(self, frame: pl.DataFrame) -> pl.Series:
        """Mask over the rows: all but the first of those with the same values."""
        first = frame.select(pl.struct(self.columns).is_first_distinct()).to_series()
        return ~first & present(frame.select(self.columns))

    def __str__(self) -> str:
        return f"unique ({', '.join(self.columns)})"


Computed = Sum | Product
Rule = Order | Range | Sum | Product | Combination | Implication | Unique


class Keys:
    """The keys of all rows so far under a `Unique` rule, by a hash of 64 bits: keys that differ in it differ."""

    def __init__(self, rule: Unique) -> None:
        self.rule = rule
        self._known: set[int] = set()

    def repeated(self, frame: pl.DataFrame) -> pl.Series:
        """Mask over the rows: those with the key of a row before, in the frame or among the known."""
        keys = frame.select(self.rule.columns)
        hashes = keys.hash_rows()
        old = pl.Series([key in self._known for key in hashes.to_list()], dtype=pl.Boolean)
        return (old | ~hashes.is_first_distinct()) & present(keys)

    def learn(self, frame: pl.DataFrame) -> None:
        """Add the keys of a frame to the known."""
        keys = frame.select(self.rule.columns)
        self._known.update(keys.filter(present(keys)).hash_rows().to_list())


def present(frame: pl.DataFrame) -> pl.Series:
    """Mask over the rows: no value is missing."""
    return frame.select(pl.all_horizontal(pl.all().is_not_null())).to_series()


def parts_of(condition: Condition) -> tuple[Condition, ...]:
    """What must all hold for the condition to hold."""
    return condition.parts if isinstance(condition, Group) and condition.every else (condition,)


def fixes(part: Condition) -> bool:
    """Whether it asks for one value of one column."""
    return isinstance(part, Test) and part.how == "in" and len(part.values) == 1


def numbers(frame: pl.DataFrame, name: str) -> pl.Series:
    """A column as Float64; dates as days since 1970."""
    return frame[name].to_physical().cast(pl.Float64)


def typed(column: Column, exact: pl.Series) -> pl.Series:
    """Float64 numbers as values of a column, in its precision; null where they are not finite or too large."""
    exact = pl.select(pl.when(exact.is_finite()).then(exact)).to_series()
    if column.kind == "decimal":
        if column.places is not None:
            exact = exact.round(column.places)
        elif column.digits < 16:
            exact = exact.round_sig_figs(column.digits)
        return exact.alias(column.name)
    whole = exact.round().cast(pl.Int32 if column.kind == "date" else pl.Int64, strict=False)
    return whole.cast(column.dtype).alias(column.name)


def _differs(total: Column, frame: pl.DataFrame, exact: pl.Series, size: pl.Series) -> pl.Series:
    """Where the total is not `exact`, rounded; `size` is the size of the numbers that it was computed from."""
    slack = size * (1e-6 if total.stored == "Float32" else ROUNDING)
    if total.kind != "decimal":
        slack = slack + 0.5
    elif total.places is not None:
        slack = slack + 0.5 * 10.0**-total.places
    elif total.digits < 16:
        slack = slack + exact.abs() * 10.0 ** (1 - total.digits)
    return ((numbers(frame, total.name) - exact).abs() > slack).fill_null(False)


def _any(masks: Iterable[pl.Series]) -> pl.Series:
    return reduce(operator.or_, (mask.fill_null(False) for mask in masks))
