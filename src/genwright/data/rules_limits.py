"""Between which numbers rules leave each column: ranges, handed on along orders, sums and products until nothing moves.

What is found is never too narrow: a column that is left without a number cannot be filled. `rules_clash.py` asks.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeGuard

from genwright.data.columns import Column
from genwright.data.conditions import ORDERINGS, Test
from genwright.data.rules import ROUNDING, Computed, Order, Range, Rule, Sum

_EPOCH = dt.datetime(1970, 1, 1)
_ROUNDS = 50  # bounds can creep for ever, as in a <= b and b = a - 1: what is found by then counts


@dataclass(frozen=True)
class Bound:
    """A number that a column cannot go beyond, or not even reach if `open`, and the rules that say so."""

    number: float
    open: bool
    rules: tuple[Rule, ...]


FREE = Bound(math.inf, False, ())
Tested = tuple[Test, Rule]
"""A test that holds, as a rule says; it is one of order, or of values."""


class Limits:
    """The bounds of all columns of which rules and tests speak."""

    def __init__(self, rules: Iterable[Rule], tests: Iterable[Tested] = ()) -> None:
        self._highs: dict[tuple[str, int], Bound] = {}
        """By column and sign: the upper bound of the column, and that of its negative, which is its lower one."""
        self._rules = list(rules)
        for name, sign, number, open_, rule in itertools.chain(_of_ranges(self._rules), _of_tests(tests)):
            self._lower((name, sign), Bound(sign * number, open_, (rule,)))

    def clash(self) -> tuple[str, Sequence[Rule]] | None:
        """A column without a number, and the rules that leave none; None where there is none."""
        for _ in range(_ROUNDS):
            found = [(self._of(name, -1), self._of(name, 1), name) for name, _ in self._highs]
            empty = [
                (len(high.rules), name, (*low.rules, *high.rules)) for low, high, name in found if _empty(low, high)
            ]
            if empty:
                return min(empty, key=lambda one: one[0])[1:]
            before = dict(self._highs)
            for rule in self._rules:
                self._hand_on(rule)
            if self._highs == before:
                return None
        return None

    def _of(self, name: str, sign: int) -> Bound:
        return self._highs.get((name, sign), FREE)

    def _lower(self, key: tuple[str, int], new: Bound) -> None:
        """Keep the tighter of two upper bounds."""
        old = self._highs.get(key, FREE)
        if (new.number, not new.open) < (old.number, not old.open):
            self._highs[key] = new

    def _hand_on(self, rule: Rule) -> None:
        if isinstance(rule, Order):
            for first, second in pairwise(rule.columns):
                for here, there, sign in ((second, first, 1), (first, second, -1)):
                    bound = self._of(here, sign)
                    if bound is not FREE:
                        self._lower((there, sign), Bound(bound.number, bound.open or rule.strict, (*bound.rules, rule)))
        elif isinstance(rule, Sum):
            signs = {rule.total.name: -1, **dict.fromkeys(rule.added, 1), **dict.fromkeys(rule.subtracted, -1)}
            for name, side in itertools.product(signs, (1, -1)):  # all of them, with their signs, come to nothing
                others = [self._of(other, -side * signs[name] * sign) for other, sign in signs.items() if other != name]
                self._computed((name, side), sum(other.number for other in others), others, rule)
        elif isinstance(rule, Computed):
            factors = [(self._of(name, -1), self._of(name, 1)) for name in rule.terms]
            ends = [
                _product(corner) for corner in itertools.product(*((-low.number, high.number) for low, high in factors))
            ]
            used = [bound for pair in factors for bound in pair]
            for side in (1, -1):
                self._computed((rule.total.name, side), max(side * end for end in ends), used, rule)

    def _computed(self, key: tuple[str, int], number: float, used: Sequence[Bound], rule: Computed) -> None:
        if math.isfinite(number):
            named = [other for bound in used for other in bound.rules]
            size = sum(abs(bound.number) for bound in used if math.isfinite(bound.number))
            slack = _half_step(rule.total, number) + (abs(number) + size) * max(ROUNDING, 1e-6)
            self._lower(key, Bound(number + slack, False, (*dict.fromkeys((*named, rule)),)))


def _empty(low: Bound, high: Bound) -> bool:
    gap = high.number + low.number
    return gap < 0 or (gap == 0 and (low.open or high.open))


def _product(corner: Iterable[float]) -> float:
    """Nothing times what has no bound is nothing."""
    numbers = list(corner)
    return 0.0 if 0 in numbers else math.prod(numbers)


def _of_ranges(rules: Iterable[Rule]) -> Iterator[tuple[str, int, float, bool, Rule]]:
    for rule in rules:
        if isinstance(rule, Range):
            if rule.low is not None:
                yield rule.column, -1, as_number(rule.low), rule.above, rule
            if rule.high is not None:
                yield rule.column, 1, as_number(rule.high), rule.below, rule


def _of_tests(tests: Iterable[Tested]) -> Iterator[tuple[str, int, float, bool, Rule]]:
    for test, rule in tests:
        if isinstance(test.values[0], str | bool):
            continue
        numbers = [as_number(value) for value in test.values]
        if test.how != "in":
            yield test.column, 1 if "<" in test.how else -1, numbers[0], "=" not in test.how, rule
        else:
            yield test.column, 1, max(numbers), False, rule
            yield test.column, -1, min(numbers), False, rule


def bounds(test: Any) -> TypeGuard[Test]:
    """Whether it is a test that bounds numbers: one of order, or of values."""
    return isinstance(test, Test) and (test.how in ORDERINGS or test.how == "in")


def as_number(value: Any) -> float:
    """Of a bound: dates in days, as sums count them, times in microseconds."""
    if isinstance(value, dt.datetime):
        return (value - _EPOCH) / dt.timedelta(microseconds=1)
    return (value - _EPOCH.date()).days if isinstance(value, dt.date) else value


def _half_step(total: Column, number: float) -> float:
    """How far rounding can take a total from what it is made of."""
    if total.kind != "decimal":
        return 0.5
    return 0.5 * 10.0**-total.places if total.places is not None else abs(number) * 10.0 ** (1 - min(total.digits, 16))
