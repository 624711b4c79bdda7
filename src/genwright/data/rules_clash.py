"""Rules that cannot hold together, named before anything is trained.

Found are: orders that run in a circle, columns that bounds leave no number (`rules_limits.py` hands them on), orders, sums and
ranges that no row keeps (`rules_linear.py`), columns made twice or from themselves, implications that lead to two values of
one column or to one that it cannot have. Read `rules_kept.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

from genwright.data.conditions import Test
from genwright.data.rules import Computed, Implication, Order, Product, Range, Rule, Sum, parts_of
from genwright.data.rules_limits import Limits, Tested, bounds
from genwright.data.rules_linear import linear_clash
from genwright.data.schema import Schema
from genwright.errors import GenwrightError

Facts = dict[str, tuple[frozenset[Any], Rule]]
"""What a chain of implications has found: a column's possible values (None: missing), and the rule that said so."""


def check_rules(rules: Sequence[Rule], schema: Schema) -> None:
    """GW-0122, naming the rules, for the first contradiction that is found."""
    _check_computed(rules)
    _check_orders([rule for rule in rules if isinstance(rule, Order)])
    if clash := Limits(rules).clash():
        raise _clash(f"leave no value of {clash[0]!r}", clash[1])
    if linear := linear_clash(rules, schema):
        names = ", ".join(repr(name) for name in dict.fromkeys(name for rule in linear for name in rule.columns))
        raise _clash(f"leave no values of {names} in one row", linear)
    for rule in rules:
        if isinstance(rule, Implication):
            _follow(rule, rules)


def making_order(rules: Iterable[Computed]) -> list[Computed]:
    """Sums and products, each after those that make its terms. GW-0122 where a column is made from itself."""
    by_total = {rule.total.name: rule for rule in rules}
    sorter = TopologicalSorter({name: rule.terms for name, rule in by_total.items()})
    try:
        return [by_total[name] for name in sorter.static_order() if name in by_total]
    except CycleError as error:
        circle = dict.fromkeys(name for name in error.args[1] if name in by_total)
        raise _clash("make a column from itself", [by_total[name] for name in circle]) from None


def _clash(what: str, rules: Iterable[Rule], fix: str = "Leave one out, or correct it") -> GenwrightError:
    named = list(dict.fromkeys(f"{str(rule)!r}" for rule in rules))
    if len(named) == 1:
        return GenwrightError("GW-0122", f"The rule {named[0]} contradicts itself: it would {what}", fix)
    return GenwrightError("GW-0122", f"The rules {' and '.join(named)} contradict one another: they {what}", fix)


def _check_computed(rules: Iterable[Rule]) -> None:
    made: dict[str, Computed] = {}
    for rule in rules:
        if not isinstance(rule, Sum | Product):
            continue
        name = rule.total.name
        if name in made:
            raise _clash(f"both make {name!r}", [made[name], rule])
        if len(set(rule.terms)) < len(rule.terms):
            raise _clash("take a column twice", [rule])
        made[name] = rule
    making_order(made.values())


def _check_orders(orders: Sequence[Order]) -> None:
    steps = [(first, second, rule) for rule in orders for first, second in pairwise(rule.columns)]
    earlier: dict[str, set[str]] = {}
    for first, second, _ in steps:
        earlier.setdefault(second, set()).add(first)
    try:
        TopologicalSorter(earlier).prepare()
    except CycleError as error:
        circle = set(pairwise(error.args[1]))
        rules = [rule for first, second, rule in steps if (first, second) in circle]
        raise _clash(
            "order columns in a circle", rules, "Say that two columns are equal by a sum of one term"
        ) from None


def _follow(start: Implication, rules: Sequence[Rule]) -> None:
    """All that follows where a condition holds, to the end; two values of one column are a contradiction, and so is one
    that its other rules do not allow. A condition that compares numbers is followed by its own consequence only."""
    facts: Facts = {}
    tests: list[Tested] = [(part, start) for part in parts_of(start.condition) if bounds(part)]
    if not all(isinstance(part, Test) for part in parts_of(start.condition)) or Limits(rules, tests).clash():
        return  # it never holds: that breaks no rule
    plain = _learn(facts, parts_of(start.condition), start)
    waiting = [rule for rule in rules if isinstance(rule, Implication) and (plain or rule is start)]
    following = [start]
    while following:
        for rule in following:
            waiting.remove(rule)
            _learn(facts, parts_of(rule.consequence), rule)
            tests += [(part, rule) for part in parts_of(rule.consequence) if bounds(part)]
        following = [rule for rule in waiting if _implied(rule, facts)]
    for bound in rules:
        if isinstance(bound, Range) and bound.column in facts:
            possible, source = facts[bound.column]
            if None not in possible and all(_outside(bound, value) for value in possible):
                raise _clash(f"ask for other values of {bound.column!r}", [source, bound])
    gone = {name for name, (possible, _) in facts.items() if possible == {None}}  # of what is missing rules say nothing
    left = [rule for rule in rules if gone.isdisjoint(rule.columns)]
    if clash := Limits(left, [(test, rule) for test, rule in tests if test.column not in gone]).clash():
        raise _clash(f"leave no value of {clash[0]!r} where {start.condition}", [*clash[1], start])


def _learn(facts: Facts, parts: Iterable[Any], rule: Implication) -> bool:
    """Add what tests for values say; whether there were only such."""
    only = True
    for part in parts:
        if not isinstance(part, Test) or part.how not in ("in", "missing"):
            only = False
            continue
        values = frozenset(part.values or (None,))
        known, source = facts.get(part.column, (values, rule))
        if not known & values:
            raise _clash(f"ask for two values of {part.column!r} in one row", [source, rule])
        facts[part.column] = (known & values, source if known <= values else rule)
    return only


def _implied(rule: Implication, facts: Facts) -> bool:
    """Whether the facts make the rule's condition hold."""
    for part in parts_of(rule.condition):
        if not isinstance(part, Test) or part.how not in ("in", "missing") or part.column not in facts:
            return False
        if not facts[part.column][0] <= frozenset(part.values or (None,)):
            return False
    return True


def _outside(rule: Range, value: Any) -> bool:
    low = rule.low is not None and (value < rule.low or (rule.above and value == rule.low))
    return low or (rule.high is not None and (value > rule.high or (rule.below and value == rule.high)))
