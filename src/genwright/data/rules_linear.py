"""Orders, sums and ranges that no row of numbers keeps, although no column is left without a number: gross <= net beside
gross = net + tax and 1 <= tax. A linear programme tells. `rules_clash.py` asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from genwright.data.columns import Column
from genwright.data.rules import Order, Range, Rule, Sum
from genwright.data.rules_limits import as_number
from genwright.data.schema import Schema

_LARGEST = 1e9  # beyond, the solver's tolerance is no longer small beside a step
_SURE = 1e-6  # of the largest bound: what rules must be short of by more than this
Row = tuple[dict[str, float], float]
"""Weights of columns, and the number that their sum is at most."""


def linear_clash(rules: Sequence[Rule], schema: Schema) -> list[Rule] | None:
    """Rules of which each is needed for the contradiction; None where there is none."""
    left = {rule: rows for rule in rules if (rows := list(_rows(rule, schema)))}
    if not _hopeless(left):
        return None
    for rule in list(left):
        without = {other: rows for other, rows in left.items() if other is not rule}
        left = without if _hopeless(without) else left
    return list(left)


def _hopeless(rows_of: Mapping[Rule, Sequence[Row]]) -> bool:
    """Whether all rows would have to be relaxed for numbers to keep them."""
    from scipy.optimize import linprog

    rows = [row for rows in rows_of.values() for row in rows]
    places = {name: at for at, name in enumerate(dict.fromkeys(name for weights, _ in rows for name in weights))}
    if not rows:
        return False
    matrix = np.zeros((len(rows), len(places) + 1))
    matrix[:, -1] = -1.0  # by how much each is relaxed, which is to be the least
    for at, (weights, _) in enumerate(rows):
        matrix[at, [places[name] for name in weights]] = list(weights.values())
    most = np.array([bound for _, bound in rows])
    cost = np.zeros(len(places) + 1)
    cost[-1] = 1.0
    found = linprog(cost, A_ub=matrix, b_ub=most, bounds=[(None, None)] * len(places) + [(0, None)], method="highs")
    return bool(found.success) and found.fun > _SURE * max(1.0, float(np.abs(most).max()))


def _rows(rule: Rule, schema: Schema) -> Iterator[Row]:
    """The rule as inequalities; nothing where it is of another kind, or of numbers that are not on a known grid."""
    if isinstance(rule, Order):
        for first, second in pairwise(rule.columns):
            steps = _step(schema[first]), _step(schema[second])
            if min(steps) >= 0:
                yield {first: 1.0, second: -1.0}, -min(steps) if rule.strict else 0.0
    elif isinstance(rule, Range):
        step = _step(schema[rule.column])
        for bound, side, strict in ((rule.high, 1.0, rule.below), (rule.low, -1.0, rule.above)):
            if bound is not None and step >= 0 and abs(number := as_number(bound)) <= _LARGEST:
                yield {rule.column: side}, side * number - (_next(side * number, step) if strict else 0.0)
    elif isinstance(rule, Sum):
        total, terms = _step(rule.total), [_step(schema[name]) for name in rule.terms]
        if total > 0 and min(terms) >= 0:
            exact = min(terms) >= total
            signs = {rule.total.name: -1.0, **dict.fromkeys(rule.added, 1.0), **dict.fromkeys(rule.subtracted, -1.0)}
            for side in (1.0, -1.0):
                yield {name: side * sign for name, sign in signs.items()}, 0.0 if exact else total / 2


def _step(column: Column) -> float:
    """What values are multiples of, dates in days; 0 where only digits are limited, -1 where it is no number of this size."""
    if column.kind in ("integer", "date"):
        return 1.0
    if column.kind != "decimal" or column.stored == "Float32":
        return -1.0
    return 0.0 if column.places is None else 10.0**-column.places


def _next(number: float, step: float) -> float:
    """How far below a number the next smaller multiple of a step is."""
    return number - (math.ceil(number / step - 1e-9) - 1) * step if step else 0.0
