"""Rules that categories and keys seem to keep, looked for in a sample of rows: combinations, implications, unique keys.

As with numbers, what chance would give is no rule: with one column shuffled many rows must break it. Proved on all rows in
`rules_found.py`: read it next.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import polars as pl

from genwright.data.conditions import Test, joined
from genwright.data.rules import Combination, Implication, Unique
from genwright.data.rules_of_numbers import LEAST_ROWS, LEAST_SURPRISE, MOST_COLUMNS, NEARLY, without_shortcuts
from genwright.data.schema import Schema

MOST_WORDS = 1_000  # different values of a column that takes part in a combination
_LOOK_ROWS = 500


class Coded(NamedTuple):
    """A column as numbers 0, 1, ... of its distinct values; -1 where missing."""

    codes: np.ndarray
    values: list[object]


def coded_columns(sample: pl.DataFrame, schema: Schema) -> dict[str, Coded]:
    """The columns of few different values."""
    found = {}
    for column in schema.columns:
        if column.kind in ("category", "boolean", "integer"):
            values = sample[column.name].drop_nulls().unique(maintain_order=True)
            if 2 <= len(values) <= MOST_WORDS:
                places = dict(zip(values.to_list(), range(len(values)), strict=True))
                codes = sample[column.name].replace_strict(places, default=None, return_dtype=pl.Int64).fill_null(-1)
                found[column.name] = Coded(codes.to_numpy(), values.to_list())
    return dict(itertools.islice(found.items(), MOST_COLUMNS))


def find_combinations(columns: dict[str, Coded], generator: np.random.Generator) -> list[Combination]:
    """Pairs of columns of which one determines the other; those that follow from others are left out."""
    edges = []
    for first, second in itertools.permutations(columns, 2):
        one, other = columns[first].codes, columns[second].codes
        if odd_rows(one[:_LOOK_ROWS], other[:_LOOK_ROWS]) or odd_rows(one, other):
            continue
        both = (one >= 0) & (other >= 0)
        mixed = generator.permutation(other[both])
        if both.sum() >= LEAST_ROWS and odd_rows(one[both], mixed) >= LEAST_SURPRISE:
            edges.append((first, second))
    places = {name: place for place, name in enumerate(columns)}
    pairs = dict.fromkeys(
        tuple(sorted(pair, key=places.__getitem__)) if pair[::-1] in edges else pair
        for pair in without_shortcuts(edges)
    )
    return [Combination(pair) for pair in pairs]


def odd_rows(one: np.ndarray, other: np.ndarray) -> int:
    """How many rows have not the value of the other column that most rows with their value of the first have."""
    table = _table(one, other)
    return int(table.sum() - table.max(axis=1, initial=0).sum())


def find_implications(columns: dict[str, Coded], schema: Schema, determined: set[tuple[str, str]]) -> list[Implication]:
    """One value of a category that means one value of others: all that always do together, each nearly so alone."""
    words = [name for name in columns if schema[name].kind in ("category", "boolean")]
    certain: dict[tuple[str, object], list[tuple[str, object]]] = {}
    nearly: list[Implication] = []
    for first, second in itertools.permutations(words, 2):
        if (first, second) in determined:
            continue
        one, other = columns[first], columns[second]
        table = _table(one.codes, other.codes)
        rows, usual = table.sum(axis=1), table.argmax(axis=1)
        kept = table.max(axis=1)
        chance = rows * (1 - table.sum(axis=0)[usual] / max(table.sum(), 1))
        for code in np.flatnonzero((rows >= LEAST_ROWS) & (rows - kept <= NEARLY * rows)):
            if chance[code] < max(LEAST_SURPRISE, 10 * (rows - kept)[code]):
                continue
            cause, effect = (first, one.values[code]), (second, other.values[usual[code]])
            if kept[code] == rows[code]:
                certain.setdefault(cause, []).append(effect)
            else:
                nearly.append(Implication(_is(schema, cause), _is(schema, effect)))
    return [*_shortest(certain, schema), *nearly]


def find_keys(
    sample: pl.DataFrame, columns: dict[str, Coded], schema: Schema, generator: np.random.Generator
) -> list[Unique]:
    """Identifiers, and pairs of columns of recurring values that never recur together."""
    single = [column.name for column in schema.columns if column.kind == "identifier"]
    found = [Unique((name,)) for name in single]
    wide = [name for name in _recurring(sample, schema) if name not in single][:MOST_COLUMNS]
    for first, second in itertools.combinations(wide, 2):
        rows = sample.select(first, second).drop_nulls()
        if len(rows) < LEAST_ROWS or rows.head(_LOOK_ROWS).is_duplicated().any() or rows.is_duplicated().any():
            continue
        mixed = rows.with_columns(rows[second].gather(generator.permutation(len(rows))))
        if len(rows) - mixed.n_unique() >= LEAST_SURPRISE:
            found.append(Unique((first, second)))
    return found


def _recurring(sample: pl.DataFrame, schema: Schema) -> list[str]:
    kinds = ("category", "integer", "date", "datetime")
    return [c.name for c in schema.columns if c.kind in kinds and 1 < sample[c.name].n_unique() < len(sample)]


def _shortest(certain: dict[tuple[str, object], list[tuple[str, object]]], schema: Schema) -> list[Implication]:
    """The implications without what follows from the ones before them."""
    said: dict[tuple[str, object], list[tuple[str, object]]] = {}
    for cause, effects in certain.items():
        for effect in effects:
            if effect not in _following(cause, said):
                said.setdefault(cause, []).append(effect)
    return [Implication(_is(schema, cause), joined(_is(schema, e) for e in effects)) for cause, effects in said.items()]


def _following(
    cause: tuple[str, object], said: dict[tuple[str, object], list[tuple[str, object]]]
) -> set[tuple[str, object]]:
    reached, waiting = set[tuple[str, object]](), [cause]
    while waiting:
        new = [effect for effect in said.get(waiting.pop(), []) if effect not in reached]
        reached |= set(new)
        waiting += new
    return reached


def _is(schema: Schema, fact: tuple[str, object]) -> Test:
    return Test(fact[0], "in", (fact[1],), schema[fact[0]].dtype)


def _table(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How often each two codes occur together, rows without one of them left out."""
    both = (one >= 0) & (other >= 0)
    width = int(other.max(initial=0)) + 1
    height = int(one.max(initial=0)) + 1
    return np.bincount(one[both] * width + other[both], minlength=height * width).reshape(height, width)
