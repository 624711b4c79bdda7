"""Rows that keep rules: what other columns determine is computed, and what then breaks a rule is found, to be drawn again.

Sums, products, the determined part of combinations and the values that implications ask for are made from the row's other
values, in the column's own type and precision; a missing value stays missing. All is judged by the values as they will be
written. What was given (a condition, a cell of the user's) is never touched; a term is solved for instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from genwright.data.columns import Column
from genwright.data.parsing import format_column, holds_words, parse_column
from genwright.data.rules import (
    MARK,
    Combination,
    Computed,
    Implication,
    Keys,
    Product,
    Rule,
    Sum,
    Unique,
    present,
    typed,
)
from genwright.data.rules_clash import making_order
from genwright.data.schema import Schema

Given = Mapping[str, pl.Series]
"""By column: mask of the cells that were given. Columns that are not in it were drawn."""


@dataclass(frozen=True)
class Lookup:
    """The part of a combination that its other columns determine."""

    sources: list[str]
    table: pl.DataFrame
    """Of all columns; no two rows have the same sources."""


class RuleKeeper:
    """Makes drawn rows keep rules, chunk by chunk; it remembers the keys of the rows that it has let pass."""

    def __init__(self, rules: Sequence[Rule], schema: Schema) -> None:
        self.rules, self.schema = rules, schema
        self.keys = [Keys(rule) for rule in rules if isinstance(rule, Unique)]
        names = {name for rule in rules for name in rule.columns}
        self._changing = [column for column in schema.columns if column.name in names and _changes(column)]
        self._computed = making_order(rule for rule in rules if isinstance(rule, Sum | Product))
        self._made = {rule.total.name for rule in self._computed}
        self._assigning = [
            rule for rule in rules if isinstance(rule, Implication) and self._made.isdisjoint(rule.columns)
        ]
        self._lookups = [
            found
            for rule in rules
            if isinstance(rule, Combination) and rule.allowed is not None and (found := lookup(rule))
        ]

    def settled(self, frame: pl.DataFrame, given: Given | None = None) -> pl.DataFrame:
        """The rows as they will be written, with all that other columns determine put right."""
        given = given or {}
        frame = self._as_written(frame)
        for _ in self._assigning:  # one may make another's condition hold; as many rounds as a chain can be long
            before = frame
            for rule in self._assigning:
                frame = _assigned(rule, frame, given)
            if frame is before:
                break
        for step in self._lookups:
            frame = self._looked_up(step, frame, given)
        for computed in self._computed:
            frame = self._solved(computed, self._computed_total(computed, frame, given), given)
        return frame

    def breaches(self, frame: pl.DataFrame) -> dict[str, pl.Series]:
        """By rule: mask over the rows that break it, among them those with a key that was had before."""
        single = {str(rule): rule.broken(frame) for rule in self.rules if not isinstance(rule, Unique)}
        return single | {str(keys.rule): keys.repeated(frame) for keys in self.keys}

    def accepts(self, frame: pl.DataFrame, also: pl.Series) -> pl.Series:
        """Mask over the rows: those that break no rule and are in the mask `also`. Their keys are remembered."""
        fine = also
        for broken in self.breaches(frame).values():
            fine = fine & ~broken
        for keys in self.keys:
            keys.learn(frame.filter(fine))
        return fine

    def _as_written(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(_written(column, frame[column.name]) for column in self._changing)

    def _looked_up(self, step: Lookup, frame: pl.DataFrame, given: Given) -> pl.DataFrame:
        found = frame.select(step.sources).join(
            step.table.with_columns(pl.lit(True).alias(MARK)), on=step.sources, how="left", maintain_order="left"
        )
        known = found[MARK].fill_null(False)
        changed = []
        for name in step.table.columns:
            if name not in step.sources and name not in self._made:
                now = frame[name]
                changed.append(now.zip_with(~(known & now.is_not_null() & _drawn(name, now, given)), found[name]))
        return frame.with_columns(changed)

    def _computed_total(self, rule: Computed, frame: pl.DataFrame, given: Given) -> pl.DataFrame:
        now, new = frame[rule.total.name], _written(rule.total, typed(rule.total, rule.exact(frame)))
        return frame.with_columns(
            now.zip_with(~(now.is_not_null() & new.is_not_null() & _drawn(now.name, now, given)), new)
        )

    def _solved(self, rule: Computed, frame: pl.DataFrame, given: Given) -> pl.DataFrame:
        """Where the total is given, the finest of the terms that are not makes it right."""
        if rule.total.name not in given:
            return frame
        open_ = given[rule.total.name] & present(frame.select(rule.columns)) & rule.broken(frame)
        terms = [self.schema[name] for name in rule.terms if name not in self._made]
        for term in sorted(terms, key=_fineness, reverse=True):
            here = open_ & _drawn(term.name, open_, given)
            if here.any():
                value = _written(term, typed(term, rule.solved(frame, term.name)))
                frame = frame.with_columns(frame[term.name].zip_with(~(here & value.is_not_null()), value))
            open_ &= ~here
        return frame


def lookup(rule: Combination) -> Lookup | None:
    """What determines the other columns of a combination: the first column that does alone, else all but one."""
    table = rule.allowed
    if table is None:
        return None
    names = list(rule.columns)
    alone = [[name] for name in names]
    for sources in [*alone, *([other for other in names if other != name] for name in reversed(names))]:
        if len(sources) < len(names) and table.select(sources).n_unique() == len(table):
            return Lookup(sources, table)
    return None


def _assigned(rule: Implication, frame: pl.DataFrame, given: Given) -> pl.DataFrame:
    """The values that the rule asks for, where its condition holds."""
    holds = rule.condition.holds(frame) if rule.made else None
    if holds is None or not holds.any():
        return frame
    changed = []
    for test in rule.made:
        now = frame[test.column]
        here = holds & _drawn(test.column, now, given) & now.is_not_null()
        value = pl.Series(test.column, [test.values[0] if test.values else None], dtype=now.dtype)
        value = value.new_from_index(0, len(frame))
        if (here & now.ne_missing(value)).any():
            changed.append(now.zip_with(~here, value))
    return frame.with_columns(changed) if changed else frame


def _drawn(name: str, like: pl.Series, given: Given) -> pl.Series:
    return ~given[name] if name in given else pl.repeat(True, len(like), eager=True)


def _written(column: Column, values: pl.Series) -> pl.Series:
    """The values as they are read again once they were written."""
    return parse_column(column, format_column(column, values))[0] if _changes(column) else values


def _changes(column: Column) -> bool:
    """Whether writing may change a value: a number loses digits, a date its century, a time its fractions."""
    if column.kind == "decimal":
        return column.stored != "Float64" and (column.places is None or not holds_words(column))
    if column.kind == "date":
        return "%y" in column.format
    return column.kind == "datetime"


def _fineness(column: Column) -> float:
    if column.kind != "decimal":
        return 0.0
    return float("inf") if column.places is None else column.places
