"""Conditions as people write them: `age >= 30 and sex in (Female) and income is missing`.

    condition := tests joined by `and` and `or` (`and` binds first), `not`, and parentheses
    test      := COLUMN = VALUE, also == != < <= > >=  |  COLUMN [not] in (VALUE, ...)
               | COLUMN [not] between VALUE and VALUE  |  COLUMN is [not] missing

Values are read by their column's kind. What the text becomes is in `conditions.py`: read it next.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

import polars as pl

from genwright.data.columns import TEXT, Column
from genwright.data.conditions import KEYWORDS, ORDERINGS, WORD, Condition, Test, joined
from genwright.data.parsing import format_column, holds_words
from genwright.data.schema import Schema
from genwright.errors import GenwrightError

Where = str | Mapping[str, Any] | Sequence[str]
"""A text, columns with a value or a list of values each, or texts that must all hold."""
FORM = "Write it as age>=30 and sex in (Female), with 'quotes' around odd words."


def condition_of(where: Where, schema: Schema) -> Condition:
    """The condition that is asked for. A text that is none but COLUMN=ANYTHING asks for just that; None is missing.

    Raises GW-0220, with the position, for a text that cannot be read, GW-0112 for an unknown column, GW-0113 for what is
    no value of a column.
    """
    parts: list[Condition]
    if isinstance(where, Mapping):
        parts = [_equals(schema, name, values) for name, values in where.items()]
    else:
        texts = [where] if isinstance(where, str) else list(where) if isinstance(where, Iterable) else [None]
        if not all(isinstance(text, str) for text in texts):
            raise GenwrightError("GW-0220", f"{where!r} is no condition", FORM)
        parts = [_parsed(text, schema) for text in texts if text is not None]
    if not parts:
        raise GenwrightError("GW-0220", "The condition is empty", FORM)
    return joined(parts)


def _parsed(text: str, schema: Schema) -> Condition:
    try:
        return _Parser(text, schema).condition()
    except GenwrightError as error:
        name, equals, value = (part.strip() for part in text.partition("="))
        if error.code == "GW-0220" and equals and name in schema.names and value[:1] not in ("'", '"'):
            return _equals(schema, name, value)
        raise


def _equals(schema: Schema, name: str, given: Any, position: int | None = None) -> Condition:
    """The column has the value, or one of them; words that mean missing ask for that."""
    if isinstance(given, Mapping):
        raise GenwrightError(
            "GW-0220", f"{given!r} is no value of {name!r}", "Give a value, a list of values, or None."
        )
    values = list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [given]
    typed = [_typed(schema, name, value) for value in values]
    if not typed:
        raise GenwrightError("GW-0220", f"The condition gives no value for {name!r}", "Give one or more.")
    known = tuple(value for value in typed if value is not None)
    missing = [Test(name, "missing", (), None, position)] if len(known) < len(typed) else []
    found = [_test(schema[name], "in", known, position)] if known else []
    return joined([*found, *missing], every=False)


def _test(column: Column, how: str, values: tuple[Any, ...], position: int | None) -> Test:
    words: tuple[str, ...] = ()
    if column.kind in ("boolean", "date", "datetime") and holds_words(column):
        words = tuple(format_column(column, pl.Series(values, dtype=column.dtype)).cast(pl.String))
    return Test(column.name, how, values, column.dtype, position, words)


def _typed(schema: Schema, name: str, value: Any) -> Any:
    """The value by its column's kind; dates in their usual form too, and booleans where the training table held no words."""
    column = schema[name]
    times = column.kind in ("date", "datetime")
    if isinstance(value, str) and times:
        with contextlib.suppress(GenwrightError):  # as the column writes them comes first
            return schema.parse_value(name, value)
    if isinstance(value, str) and (times or column.stored != TEXT):
        usual: dict[str, Callable[[str], Any]] = {
            "date": dt.date.fromisoformat,
            "datetime": dt.datetime.fromisoformat,
            "boolean": _TRUTH.__getitem__,
        }
        with contextlib.suppress(ValueError, KeyError):
            value = usual.get(column.kind, str)(value.lower() if column.kind == "boolean" else value)
    return schema.parse_value(name, value)


class _Token(NamedTuple):
    text: str
    kind: str
    """quoted, sign, word or end."""
    start: int
    end: int


_TRUTH = {"true": True, "false": False}
_AFTER_NAME = frozenset({"is", "not", "in", "between", "=", "==", "!=", *ORDERINGS})
_TOKEN = re.compile(rf"(?P<quoted>\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*')|(?P<sign><=|>=|!=|==|[=<>(),])|(?P<word>{WORD})")


class _Parser:
    """Recursive descent over one text, a method for each line of the grammar."""

    def __init__(self, text: str, schema: Schema) -> None:
        self.text, self.schema = text, schema
        self.tokens, self.at = self._tokens(), 0

    def _tokens(self) -> list[_Token]:
        tokens, place = [], 0
        while rest := self.text[place:].lstrip():
            place = len(self.text) - len(rest)
            match = _TOKEN.match(self.text, place)
            if not match:
                what = "a quote that is never closed" if rest[0] in "'\"" else repr(rest[0])
                self._refuse(f"there is {what}", place)
            tokens.append(_Token(match.group(), str(match.lastgroup), place, match.end()))
            place = match.end()
        return [*tokens, _Token("", "end", len(self.text), len(self.text))]

    def condition(self) -> Condition:
        found = self._or()
        if self._here.kind != "end":
            self._expected("and, or, or the end")
        return found

    def _or(self) -> Condition:
        parts = [self._and()]
        while self._take("or"):
            parts.append(self._and())
        return joined(parts, every=False)

    def _and(self) -> Condition:
        parts = [self._unit()]
        while self._take("and"):
            parts.append(self._unit())
        return joined(parts)

    def _unit(self) -> Condition:
        if self._take("not"):
            return self._unit().negated()
        if self._take("("):
            inside = self._or()
            self._demand(")")
            return inside
        return self._test()

    def _test(self) -> Condition:
        position, name = self._here.start + 1, self._words("a column")
        if self._here.text.lower() not in _AFTER_NAME:
            self._expected("a comparison, in, between or is")
        try:
            _ = self.schema[name]
        except GenwrightError as error:
            raise placed(error, position) from None
        if self._take("is"):
            absent = not self._take("not")
            self._demand("missing")
            return Test(name, "missing" if absent else "present", (), None, position)
        negative = self._take("not")
        if self._take("in"):
            found: Condition = self._listed(name, position)
        elif self._take("between"):
            low = self._compared(name, ">=", position)
            self._demand("and")
            found = joined([low, self._compared(name, "<=", position)])
        elif negative:
            self._expected("in or between")
        else:
            return self._compared(name, self._next().text, position)
        return found.negated() if negative else found

    def _listed(self, name: str, position: int) -> Condition:
        self._demand("(")
        parts = [self._compared(name, "=", position)]
        while self._take(","):
            parts.append(self._compared(name, "=", position))
        self._demand(")")
        tests = [test for part in parts for test in part.tests()]
        known = tuple(value for test in tests for value in test.values)
        missing = [test for test in tests if test.how == "missing"][:1]
        found = [_test(self.schema[name], "in", known, position)] if known else []
        return joined([*found, *missing], every=False)

    def _compared(self, name: str, sign: str, position: int) -> Condition:
        start = self._here.start
        word = self._words("a value")
        try:
            equal = _equals(self.schema, name, word, position)
        except GenwrightError as error:
            raise placed(error, start + 1) from None
        if sign not in ORDERINGS:
            return equal.negated() if sign == "!=" else equal
        if not isinstance(equal, Test) or equal.how != "in":
            self._refuse(f"{word!r} means a missing value, which is neither less nor more", start)
        return replace(equal, how=sign)

    def _words(self, what: str) -> str:
        """A quoted name or value, or unquoted words up to a sign or keyword, with the blanks between them."""
        first = self._here
        if first.kind == "quoted":
            quote = self._next().text[0]
            return first.text[1:-1].replace(2 * quote, quote)
        if first.kind != "word":
            self._expected(what)
        last = self._next()
        while self._here.kind == "word" and self._here.text.lower() not in KEYWORDS:
            last = self._next()
        return self.text[first.start : last.end]

    @property
    def _here(self) -> _Token:
        return self.tokens[self.at]

    def _next(self) -> _Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def _take(self, text: str) -> bool:
        found = self._here.kind != "quoted" and self._here.text.lower() == text
        self.at += found
        return found

    def _demand(self, text: str) -> None:
        if not self._take(text):
            self._expected(text)

    def _expected(self, what: str) -> NoReturn:
        found = repr(self._here.text) if self._here.text else "its end"
        self._refuse(f"{what} is expected, not {found}", self._here.start)

    def _refuse(self, what: str, place: int) -> NoReturn:
        raise GenwrightError("GW-0220", f"In the condition {self.text!r}, at position {place + 1}, {what}", FORM)


def placed(error: GenwrightError, position: int | None) -> GenwrightError:
    """The same error, saying where in the text; unchanged where there is no text."""
    if position is None:
        return error
    return GenwrightError(error.code, f"{error.what} (position {position} of the condition)", error.fix)
