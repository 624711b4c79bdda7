"""Rules as a TOML file for people, or the same as a mapping: read, and written again.

    [[order]]        columns = ["start", "end"]                       strict = true: start < end
    [[range]]        column = "age", min = 18, below = 120            min, max: the bound is allowed; above, below: not
    [[sum]]          total = "net", add = ["gross"], subtract = ["tax"]
    [[product]]      total = "amount", factors = ["price", "quantity"]
    [[combination]]  columns = ["city", "country"]                    allowed = [["Paris", "France"], ...]
    [[implication]]  if = "internet = No", then = "backup = No and films = No"
    [[unique]]       columns = ["customer", "line"]

What the rules mean is in `rules.py`, which of them contradict one another in `rules_clash.py`.
"""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from genwright.data.columns import Column
from genwright.data.condition_text import condition_of
from genwright.data.conditions import Test
from genwright.data.parsing import format_column, holds_words
from genwright.data.rules import Combination, Implication, Order, Product, Range, Rule, Sum, Unique
from genwright.data.schema import Schema
from genwright.errors import GenwrightError, did_you_mean

HEAD = """\
# Rules that hold in every row. Edit what is wrong and pass the file back with --rules; docs/rules.md has all kinds.
# A rule says nothing of a row where one of its values is missing.

version = 1
"""


def read_rules(given: str | Mapping[str, Any], schema: Schema) -> tuple[Rule, ...]:
    """The rules of a TOML text or of a mapping of the same form, for the columns of a schema.

    Raises GW-0120 for what is no such text, GW-0121 for an entry that is wrong, naming it, and what conditions raise.
    """
    data = _parsed(given) if isinstance(given, str) else given
    for key in data:
        if key != "version" and key not in _KINDS:
            raise GenwrightError("GW-0121", f"There is no kind of rules {key!r}", did_you_mean(key, _KINDS, shown=9))
    if data.get("version", 1) != 1:
        raise GenwrightError("GW-0120", "The rules are not of version 1", "Write version = 1")
    rules = []
    for kind, entries in data.items():
        if kind == "version":
            continue
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
            raise GenwrightError("GW-0121", f"{kind!r} is no list of rules", f"Write each under [[{kind}]]")
        for place, entry in enumerate(entries, start=1):
            rules.append(_KINDS[kind](_Entry(f"{kind} rule {place}", entry, schema)))
    return tuple(rules)


def rules_text(given: str) -> str:
    """The TOML text of rules that are given as it or as the path of a file; GW-0120 if that cannot be read."""
    if "\n" in given:
        return given
    try:
        return Path(given).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GenwrightError(
            "GW-0120", f"The rules {given!r} cannot be read ({error})", "`genwright data FILE --rules` writes some"
        ) from None


def write_rules(rules: Iterable[Rule], schema: Schema, notes: Mapping[Rule, str] | None = None) -> str:
    """The file's text; a note becomes a comment above its rule."""
    parts = [HEAD]
    for rule in rules:
        kind, values = _written(rule, schema)
        note = [f"# {notes[rule]}"] if notes and rule in notes else []
        lines = [*note, f"[[{kind}]]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GenwrightError("GW-0120", f"The rules are not valid TOML: {error}", "Mend that line") from None


@dataclass(frozen=True)
class _Entry:
    """One rule as it was written, and how its parts are read."""

    name: str
    values: Mapping[str, Any]
    schema: Schema

    def known(self, *keys: str) -> None:
        for key in self.values:
            if key not in keys:
                raise self.wrong(f"has an unknown entry {key!r}", did_you_mean(key, keys))

    def wrong(self, what: str, fix: str) -> GenwrightError:
        return GenwrightError("GW-0121", f"The {self.name} {what}", fix)

    def column(self, key: str, kinds: tuple[str, ...] = ()) -> Column:
        """The column that the entry names, of one of the kinds."""
        name = self.values.get(key)
        if not isinstance(name, str):
            raise self.wrong(f"names no column as {key!r}", f'Add {key} = "COLUMN"')
        return self._checked(name, kinds)

    def columns(self, key: str, kinds: tuple[str, ...] = (), least: int = 1) -> tuple[str, ...]:
        """The different columns that the entry lists."""
        names = self.values.get(key, [])
        right = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
        if not right or len(names) < least or len(set(names)) < len(names):
            fix = f'Write {key} = ["COLUMN", ...] with at least {least}, each once'
            raise self.wrong(f"has no list of columns {key!r}", fix)
        return tuple(self._checked(name, kinds).name for name in names)

    def _checked(self, name: str, kinds: tuple[str, ...]) -> Column:
        try:
            column = self.schema[name]
        except GenwrightError as error:
            raise GenwrightError(error.code, f"{error.what}, which the {self.name} names", error.fix) from None
        if kinds and column.kind not in kinds:
            raise self.wrong(f"cannot take {name!r}, which is {column.kind}", f"Name a column of {', '.join(kinds)}")
        return column

    def value(self, column: str, given: Any) -> Any:
        """A value as the column's type."""
        found = condition_of({column: given}, self.schema)
        if not isinstance(found, Test) or found.how != "in":
            raise self.wrong(f"has {given!r} for {column!r}, which means a missing value", "Give a value")
        return found.values[0]

    def condition(self, key: str) -> Any:
        text = self.values.get(key)
        if not isinstance(text, str):
            raise self.wrong(f"lacks {key!r}", f'Add {key} = "COLUMN = VALUE"')
        return condition_of(text, self.schema)


NUMBERS = ("integer", "decimal")
ORDERED = (*NUMBERS, "date", "datetime")


def _order(entry: _Entry) -> Rule:
    entry.known("columns", "strict")
    names = entry.columns("columns", ORDERED, least=2)
    kinds = {"number" if entry.schema[name].kind in NUMBERS else entry.schema[name].kind for name in names}
    if len(kinds) > 1:
        raise entry.wrong(f"compares {' with '.join(sorted(kinds))}", "Name columns of one kind")
    return Order(names, bool(entry.values.get("strict", False)))


def _range(entry: _Entry) -> Rule:
    entry.known("column", "min", "max", "above", "below")
    name, given = entry.column("column", ORDERED).name, entry.values
    if not (given.keys() - {"column"}) or {"min", "above"} <= given.keys() or {"max", "below"} <= given.keys():
        raise entry.wrong("needs one bound or two", "Give min or above, max or below")
    low, high = (
        next((entry.value(name, given[key]) for key in keys if key in given), None)
        for keys in (("min", "above"), ("max", "below"))
    )
    return Range(name, low, high, "above" in given, "below" in given)


def _sum(entry: _Entry) -> Rule:
    entry.known("total", "add", "subtract")
    kinds = (*NUMBERS, "date")
    subtracted = entry.columns("subtract", kinds, least=0)
    return Sum(entry.column("total", kinds), entry.columns("add", kinds), subtracted)


def _product(entry: _Entry) -> Rule:
    entry.known("total", "factors")
    return Product(entry.column("total", NUMBERS), entry.columns("factors", NUMBERS, least=2))


def _combination(entry: _Entry) -> Rule:
    entry.known("columns", "allowed", "seen")
    names, rows = entry.columns("columns", least=2), entry.values.get("allowed")
    if rows is None:
        return Combination(names)
    if not isinstance(rows, list | tuple) or not rows or not all(len(row) == len(names) for row in rows):
        raise entry.wrong("has no list of combinations", f"Give one or more, each of {len(names)} values")
    columns = [
        pl.Series(name, [entry.value(name, row[at]) for row in rows], dtype=entry.schema[name].dtype)
        for at, name in enumerate(names)
    ]
    return Combination(names, pl.DataFrame(columns).unique(maintain_order=True), bool(entry.values.get("seen")))


def _implication(entry: _Entry) -> Rule:
    entry.known("if", "then")
    return Implication(entry.condition("if"), entry.condition("then"))


def _unique(entry: _Entry) -> Rule:
    entry.known("columns")
    return Unique(entry.columns("columns"))


_KINDS: dict[str, Callable[[_Entry], Rule]] = {
    "order": _order,
    "range": _range,
    "sum": _sum,
    "product": _product,
    "combination": _combination,
    "implication": _implication,
    "unique": _unique,
}


def _written(rule: Rule, schema: Schema) -> tuple[str, dict[str, Any]]:
    """The rule's kind and its entries."""
    if isinstance(rule, Order):
        return "order", {"columns": rule.columns, "strict": rule.strict}
    if isinstance(rule, Range):
        bounds = {"above" if rule.above else "min": rule.low, "below" if rule.below else "max": rule.high}
        column = schema[rule.column]
        return "range", {
            "column": rule.column,
            **{key: _word(column, bound) for key, bound in bounds.items() if bound is not None},
        }
    if isinstance(rule, Sum):
        return "sum", {"total": rule.total.name, "add": rule.added, "subtract": rule.subtracted}
    if isinstance(rule, Product):
        return "product", {"total": rule.total.name, "factors": rule.terms}
    if isinstance(rule, Implication):
        return "implication", {"if": str(rule.condition), "then": str(rule.consequence)}
    if isinstance(rule, Unique):
        return "unique", {"columns": rule.columns}
    values: dict[str, Any] = {"columns": rule.columns}
    if rule.allowed is not None:
        rows = [[_word(schema[name], row[name]) for name in rule.columns] for row in rule.allowed.to_dicts()]
        values |= {"seen": rule.seen, "allowed": rows}
    return "combination", values


def _word(column: Column, value: Any) -> Any:
    """A value as TOML has it and as it is read again: dates as the column writes them."""
    if isinstance(value, dt.date | dt.datetime):
        return format_column(column, pl.Series([value]))[0] if holds_words(column) else value.isoformat()
    return value


def _toml(value: Any) -> str:
    """A value as TOML; JSON's strings and lists are TOML's, but for one control letter."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
