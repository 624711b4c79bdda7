"""Rules that a table seems to keep: proposed from a sample of its rows, proved on all of them.

Ranges are not proposed: drawn numbers stay inside the range of the training rows, and that is no rule. `rules_file.py` writes
what is found; `rules_of_numbers.py` and `rules_of_words.py` propose: read them next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from genwright.data.rules import Combination, Implication, Keys, Rule, Unique, present
from genwright.data.rules_of_numbers import NEARLY, find_orders, find_products, find_sums
from genwright.data.rules_of_words import coded_columns, find_combinations, find_implications, find_keys
from genwright.data.schema import Schema
from genwright.data.sources import TableSource

SAMPLE_ROWS = 20_000
_COUNT, _MOST = "\0count", "\0most"


@dataclass(frozen=True)
class Found:
    """A rule and its evidence."""

    rule: Rule
    rows: int
    """Rows of which the rule says something: with all its values, or where its condition holds."""
    kept: int
    """How many of them keep it."""


def find_rules(source: TableSource, schema: Schema) -> list[Found]:
    """Rules that all rows of a table keep, and after them those that at least 99 % do; the last column of a pair, sum or
    product is taken as the one that is made of the others."""
    generator = np.random.default_rng(0)
    sample = _sample(source, schema, generator)
    computed = [*find_sums(sample, schema, generator)]
    made = {rule.total.name for rule in computed}
    products = [rule for rule in find_products(sample, schema, generator) if rule.total.name not in made]
    columns = coded_columns(sample, schema)
    combinations = find_combinations(columns, generator)
    determined = {pair for rule in combinations for pair in (rule.columns, rule.columns[::-1])}
    proposed: list[Rule] = [
        *computed,
        *products,
        *find_orders(sample, schema, [*computed, *products], generator),
        *combinations,
        *find_implications(columns, schema, {(pair[0], pair[1]) for pair in determined}),
        *find_keys(sample, columns, schema, generator),
    ]
    found = [item for item in _evidence(proposed, source, schema) if item.rows - item.kept <= NEARLY * item.rows]
    return sorted(found, key=lambda item: item.kept < item.rows)


def _sample(source: TableSource, schema: Schema, generator: np.random.Generator) -> pl.DataFrame:
    """Rows of the table's beginning, ten times as many as are kept of them."""
    parts: list[pl.DataFrame] = []
    for frame in source.batches():
        parts.append(schema.parse(frame))
        if sum(map(len, parts)) >= 10 * SAMPLE_ROWS:
            break
    rows = pl.concat(parts)
    if len(rows) <= SAMPLE_ROWS:
        return rows
    return rows[np.sort(generator.choice(len(rows), SAMPLE_ROWS, replace=False))]


def _evidence(rules: Sequence[Rule], source: TableSource, schema: Schema) -> list[Found]:
    """How many rows of the whole table each rule says something of, and how many keep it."""
    keys = {rule: Keys(rule) for rule in rules if isinstance(rule, Unique)}
    rows, broken = dict.fromkeys(rules, 0), dict.fromkeys(rules, 0)
    pairs: dict[Rule, list[pl.DataFrame]] = {rule: [] for rule in rules if isinstance(rule, Combination)}
    for batch in source.batches():
        frame = schema.parse(batch)
        for rule in rules:
            here = rule.condition.holds(frame) if isinstance(rule, Implication) else present(frame.select(rule.columns))
            rows[rule] += int(here.sum())
            if isinstance(rule, Combination):
                own = frame.filter(here).select(rule.columns)
                pairs[rule].append(own.group_by(rule.columns).agg(pl.len().alias(_COUNT)))
            elif isinstance(rule, Unique):
                broken[rule] += int(keys[rule].repeated(frame).sum())
                keys[rule].learn(frame)
            else:
                broken[rule] += int(rule.broken(frame).sum())
    for rule, parts in pairs.items():
        broken[rule] = rows[rule] - _usual(rule.columns[0], pl.concat(parts), rule.columns)
    return [Found(rule, rows[rule], rows[rule] - broken[rule]) for rule in rules]


def _usual(first: str, counts: pl.DataFrame, columns: Sequence[str]) -> int:
    """Rows with the value of the second column that most rows with their value of the first have."""
    whole = counts.group_by(columns).agg(pl.col(_COUNT).sum())
    return int(whole.group_by(first).agg(pl.col(_COUNT).max().alias(_MOST))[_MOST].sum())
