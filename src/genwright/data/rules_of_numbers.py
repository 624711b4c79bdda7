"""Rules that numbers and dates seem to keep, looked for in a sample of rows: sums, products, orders.

A rule counts only if it says something: with the values of its last column shuffled, so that they have nothing to do with the
others, many rows would break it. So independent columns propose nothing. `rules_found.py` proves the proposals on all rows.
"""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl

from genwright.data.columns import Column
from genwright.data.rules import Computed, Order, Product, Rule, Sum, numbers
from genwright.data.schema import Schema

MOST_COLUMNS = 80  # of one kind that are looked at; pairs grow with the square
LEAST_ROWS = 50  # in which all values are there
LEAST_SURPRISE = 20  # rows that would break a rule by chance
NEARLY = 0.01  # share of rows that may break what is proposed
MOST_FACTORS = 40
_FIT_ROWS, _LOOK_ROWS = 5_000, 64


def tells(rule: Rule, sample: pl.DataFrame, generator: np.random.Generator) -> bool:
    """Whether the rule (nearly) holds in the sample, and would not if its last column were any other's rows."""
    rows = sample.select(rule.columns).drop_nulls()
    if len(rows) < LEAST_ROWS:
        return False
    broken = int(rule.broken(rows).sum())
    mixed = rows.with_columns(rows[rule.columns[-1]].gather(generator.permutation(len(rows))))
    return broken <= NEARLY * len(rows) and int(rule.broken(mixed).sum()) >= max(LEAST_SURPRISE, 10 * broken)


def find_sums(sample: pl.DataFrame, schema: Schema, generator: np.random.Generator) -> list[Sum]:
    """Columns that are sums and differences of columns before them, by least squares: coefficients of 1 and -1."""
    names = _of_kind(schema, ("integer", "decimal", "date"))
    names = [name for name in names if sample[name].null_count() < len(sample) / 2]
    rows = sample.select(names).drop_nulls().head(_FIT_ROWS) if names else sample.clear()
    if len(rows) < LEAST_ROWS + 3 * len(names):
        return []
    found: list[Sum] = []
    free: list[str] = []
    for name in names:
        values = _matrix(rows, [*free, name])
        with np.errstate(all="ignore"):
            scale = np.maximum(np.abs(values[:, :-1]).max(axis=0, initial=1.0), 1e-9)
            weights = np.linalg.lstsq(values[:, :-1] / scale, values[:, -1], rcond=None)[0] / scale
        near = np.rint(weights)
        if (np.abs(weights - near) < 0.05).all() and (np.abs(near) <= 1).all() and (near == 1).any():
            terms = [[free[at] for at in np.flatnonzero(near == sign)] for sign in (1, -1)]
            rule = Sum(schema[name], tuple(terms[0]), tuple(terms[1]))
            used = (rows.select(pl.col(rule.terms).cast(pl.Float64) != 0).sum() >= LEAST_SURPRISE).row(0)
            if all(used) and tells(rule, sample, generator):
                found.append(rule)
                continue
        free.append(name)
    return found


def find_products(sample: pl.DataFrame, schema: Schema, generator: np.random.Generator) -> list[Product]:
    """Columns that are the product of two others, in their precision."""
    names = _of_kind(schema, ("integer", "decimal"))[:MOST_FACTORS]
    if len(names) < 3:
        return []
    few = _matrix(sample.sample(min(_LOOK_ROWS, len(sample)), seed=0), names).T
    pairs = list(itertools.combinations(range(len(names)), 2))
    products = np.array([few[first] * few[second] for first, second in pairs])
    found = []
    for at, name in enumerate(names):
        step = _step(schema[name])
        with np.errstate(invalid="ignore"):
            fits = ~(np.abs(products - few[at]) > 0.51 * step + 1e-6 * np.abs(few[at]))
        for pair in np.flatnonzero(fits.mean(axis=1) > 0.95):
            factors = tuple(names[place] for place in pairs[pair])
            rule = Product(schema[name], factors)
            if name not in factors and _each_matters(rule, sample) and tells(rule, sample, generator):
                found.append(rule)
                break
    return found


def find_orders(
    sample: pl.DataFrame, schema: Schema, computed: list[Computed], generator: np.random.Generator
) -> list[Order]:
    """Pairs of columns of which one is never above the other; those that follow from others are left out."""
    related = {frozenset(pair) for rule in computed for pair in itertools.combinations(rule.columns, 2)}
    found: dict[tuple[str, str], Order] = {}
    for kinds in (("integer", "decimal"), ("date",), ("datetime",)):
        names = _of_kind(schema, kinds)
        for first, second in itertools.permutations(names, 2):
            pair = (first, second)
            above = (sample[first].head(_LOOK_ROWS) > sample[second].head(_LOOK_ROWS)).sum()
            if frozenset(pair) in related or above > 0.1 * _LOOK_ROWS:
                continue
            for strict in (True, False):
                rule = Order(pair, strict)
                if tells(rule, sample, generator) and (not strict or _ties(sample, pair, generator)):
                    found[pair] = rule
                    break
    return [found[pair] for pair in without_shortcuts(list(found))]


def without_shortcuts(edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges of a graph without those between whose ends another way leads."""
    kept = list(edges)
    for edge in edges:
        others = [other for other in kept if other != edge]
        reached, waiting = set[str](), [edge[0]]
        while waiting:
            node = waiting.pop()
            new = {there for here, there in others if here == node} - reached
            reached |= new
            waiting += new
        if edge[1] in reached:
            kept = others
    return kept


def _ties(sample: pl.DataFrame, pair: tuple[str, str], generator: np.random.Generator) -> bool:
    """Whether equal values would be met by chance, so that their absence says something."""
    rows = sample.select(pair).drop_nulls()
    mixed = rows[pair[1]].gather(generator.permutation(len(rows)))
    return int((rows[pair[0]] == mixed).sum()) >= LEAST_SURPRISE


def _each_matters(rule: Product, sample: pl.DataFrame) -> bool:
    """Whether the total is more than just one of the factors."""
    rows = sample.select(rule.columns).drop_nulls()
    total = numbers(rows, rule.total.name)
    return all(int((total != numbers(rows, name)).sum()) >= LEAST_SURPRISE for name in rule.terms)


def _of_kind(schema: Schema, kinds: tuple[str, ...]) -> list[str]:
    return [column.name for column in schema.columns if column.kind in kinds][:MOST_COLUMNS]


def _step(column: Column) -> float:
    """The smallest difference of two values; 0 where there is none such."""
    if column.kind == "integer":
        return 1.0
    return 0.0 if column.places is None else 10.0**-column.places


def _matrix(frame: pl.DataFrame, names: list[str]) -> np.ndarray:
    return np.column_stack([numbers(frame, name).to_numpy() for name in names])
