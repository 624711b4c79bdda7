"""Conditions on the columns of a table, such as age >= 30 and sex in (Female), and which rows fulfil them.

A missing value fulfils nothing but `is missing`, as in SQL, so negation can be pushed down to the single tests.
`condition_text.py` reads conditions, `codecs/allowed.py` turns them into codes: read them next.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

OPPOSITE = {"in": "not in", "<": ">=", "<=": ">", "missing": "present"}
OPPOSITE |= {there: here for here, there in OPPOSITE.items()}
ORDERINGS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
KEYWORDS = frozenset({"and", "or", "not", "in", "is", "between"})
WORD = r"[^\s()\"',=!<>][^\s()\",=!<>]*"
"""Pattern of a name or value that needs no quotes."""


@dataclass(frozen=True)
class Test:
    """What one column must fulfil; `how` is a key of OPPOSITE."""

    __test__ = False  # pytest: not a case of tests

    column: str
    how: str
    values: tuple[Any, ...] = ()
    dtype: Any = field(default=None, compare=False)
    """Of the column: what `values` are cast to."""
    position: int | None = field(default=None, compare=False)
    """Where in the text it begins, from 1; None if it was no text."""
    words: tuple[str, ...] = field(default=(), compare=False)
    """The values as the user's column writes them, where that is another text than the values' own."""

    @property
    def columns(self) -> frozenset[str]:
        """The columns that are looked at."""
        return frozenset({self.column})

    def tests(self) -> tuple[Test, ...]:
        """All tests in it."""
        return (self,)

    def holds(self, frame: pl.DataFrame) -> pl.Series:
        """Mask over the rows of a typed frame, without nulls."""
        values = frame[self.column]
        if self.how in ("missing", "present"):
            return values.is_null() if self.how == "missing" else values.is_not_null()
        wanted = pl.Series(self.values, dtype=self.dtype)
        held = values.is_in(wanted.implode()) if self.how.endswith("in") else ORDERINGS[self.how](values, wanted)
        return (~held if self.how == "not in" else held).fill_null(False)

    def negated(self) -> Test:
        """What holds where this does not and the value is not missing."""
        return replace(self, how=OPPOSITE[self.how])

    def __str__(self) -> str:
        name, values = _quoted(self.column, '"'), [_quoted(value, "'") for value in self.words or self.values]
        if self.how in ("missing", "present"):
            return f"{name} is {'not ' if self.how == 'present' else ''}missing"
        if self.how in ORDERINGS:
            return f"{name} {self.how} {values[0]}"
        if len(values) == 1:
            return f"{name} {'=' if self.how == 'in' else '!='} {values[0]}"
        return f"{name} {self.how} ({', '.join(values)})"


@dataclass(frozen=True)
class Group:
    """Several conditions of which all (`every`) or at least one must hold."""

    every: bool
    parts: tuple[Condition, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns that are looked at."""
        return frozenset().union(*(part.columns for part in self.parts))

    def tests(self) -> tuple[Test, ...]:
        """All tests in it."""
        return tuple(test for part in self.parts for test in part.tests())

    def holds(self, frame: pl.DataFrame) -> pl.Series:
        """Mask over the rows of a typed frame, without nulls."""
        first, *others = (part.holds(frame) for part in self.parts)
        for other in others:
            first = first & other if self.every else first | other
        return first

    def negated(self) -> Group:
        """What holds where this does not, by De Morgan's laws."""
        return Group(not self.every, tuple(part.negated() for part in self.parts))

    def __str__(self) -> str:
        shown = (f"({part})" if isinstance(part, Group) else str(part) for part in self.parts)
        return (" and " if self.every else " or ").join(shown)


Condition = Test | Group


def joined(parts: Iterable[Condition], *, every: bool = True) -> Condition:
    """One condition of one or more, without groups inside groups of their own sort."""
    flat: list[Condition] = []
    for part in parts:
        flat += part.parts if isinstance(part, Group) and part.every == every else [part]
    return flat[0] if len(flat) == 1 else Group(every, tuple(flat))


def _quoted(value: Any, quote: str) -> str:
    text = str(value)
    if re.fullmatch(WORD, text) and text.lower() not in KEYWORDS:
        return text
    return quote + text.replace(quote, 2 * quote) + quote
