"""What the training rows say of declared rules: which combinations there are, and which rows break a rule.

Few such rows are slips, and training goes on without them; many mean that the rule is none (GW-0123). `tables.py` is the
file to read next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from genwright.data.rules import Combination, Keys, Rule, Unique, present
from genwright.errors import GenwrightError

MOST_BROKEN = 0.01  # share of training rows that may break a rule
MOST_COMBINATIONS = 50_000
_COUNT = "\0count"


@dataclass(frozen=True)
class Seen:
    """Rules with the combinations that were seen, and how the rows keep them."""

    rules: tuple[Rule, ...]
    broken: np.ndarray
    """(rows,) True where a row breaks one or more."""
    counts: dict[str, int]
    """How many rows break each rule."""


def look(rules: Sequence[Rule], frames: Iterable[pl.DataFrame], places: np.ndarray, name: str, rare_below: int) -> Seen:
    """Read all training rows once; `places` are their numbers in the table, from 0, for what is said of them.

    GW-0123 if more than 1 % of the rows break a rule, or if a combination has no values that `rare_below` rows share.
    """
    keys = {rule: Keys(rule) for rule in rules if isinstance(rule, Unique)}
    sought = [rule for rule in rules if isinstance(rule, Combination) and rule.allowed is None]
    tallies: dict[Rule, list[pl.DataFrame]] = {rule: [] for rule in sought}
    masks: dict[Rule, list[np.ndarray]] = {rule: [] for rule in rules}
    for frame in frames:
        for rule in rules:
            seen = isinstance(rule, Combination) and rule.seen
            broken = keys[rule].repeated(frame) if isinstance(rule, Unique) else rule.broken(frame)
            masks[rule].append(broken.to_numpy() & (not seen))
            if isinstance(rule, Unique):
                keys[rule].learn(frame)
        for rule in sought:
            tallies[rule].append(_counted(frame.select(rule.columns)))
    whole = {rule: np.concatenate(parts) for rule, parts in masks.items()}
    for rule, mask in whole.items():
        _check_share(rule, mask, places, name)
    found = {rule: _shared(rule, tallies[rule], rare_below) for rule in sought}
    filled = tuple(found[rule] if isinstance(rule, Combination) and rule in found else rule for rule in rules)
    counts = {str(rule): int(mask.sum()) for rule, mask in whole.items()}
    return Seen(filled, np.logical_or.reduce(list(whole.values())), counts)


def _check_share(rule: Rule, broken: np.ndarray, places: np.ndarray, name: str) -> None:
    count = int(broken.sum())
    if count > MOST_BROKEN * len(broken):
        first = int(places[np.flatnonzero(broken)[0]]) + 1
        raise GenwrightError(
            "GW-0123",
            f"{count:,} of {len(broken):,} training rows of {name!r} ({count / len(broken):.1%}) break the rule "
            f"{str(rule)!r}, the first in row {first:,}",
            f"Correct the rows or leave the rule out; up to {MOST_BROKEN:.0%} would be left out of training",
        )


def _counted(frame: pl.DataFrame) -> pl.DataFrame:
    """The distinct rows without missing values, and how often each is there."""
    return frame.filter(present(frame)).group_by(pl.all(), maintain_order=True).agg(pl.len().alias(_COUNT))


def _shared(rule: Combination, parts: list[pl.DataFrame], rare_below: int) -> Combination:
    """The rule with the combinations of at least so many rows: rarer ones could name a person."""
    counted = pl.concat(parts).group_by(rule.columns, maintain_order=True).agg(pl.col(_COUNT).sum())
    common = counted.filter(pl.col(_COUNT) >= rare_below).select(rule.columns)
    if not 0 < len(common) <= MOST_COMBINATIONS:
        what = f"{len(common):,} different values that {rare_below} rows or more share"
        raise GenwrightError(
            "GW-0123",
            f"The columns of {str(rule)!r} have {what}",
            f"From 1 to {MOST_COMBINATIONS:,} can be kept to: list the allowed ones, or leave the rule out",
        )
    return replace(rule, allowed=common, seen=True)
