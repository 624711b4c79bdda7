"""Exact counts of the n-grams of every order, in sorted arrays. `ngram.py` makes probabilities of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Seen:
    """What one order has counted of tokens in their contexts, (n,) each."""

    count: np.ndarray
    """Of the token after the context."""
    total: np.ndarray
    """Of all tokens after it; 0 for a context that never occurred."""
    followers: np.ndarray
    """(n, 3) tokens that follow it once, twice, more often."""


@dataclass(frozen=True)
class Level:
    """The n-grams of one order: context node x base + last token, sorted; an n-gram's place is its node."""

    keys: np.ndarray
    counts: np.ndarray
    """Times it occurred; below the highest order, distinct tokens before it. 0 where it ends in a beginning."""
    starts: np.ndarray
    """(contexts + 1,) where the n-grams of each context begin."""
    followers: np.ndarray
    """(contexts, 3)"""
    totals: np.ndarray
    """(contexts,)"""
    base: int

    @classmethod
    def of(cls, keys: np.ndarray, counts: np.ndarray, contexts: int, base: int) -> Level:
        """The level of sorted keys and their counts, with sums over each of the contexts."""
        context = keys // base
        followers = [
            np.bincount(context[bucket], minlength=contexts) for bucket in (counts == 1, counts == 2, counts > 2)
        ]
        return cls(
            keys,
            counts,
            np.searchsorted(context, np.arange(contexts + 1)),
            np.stack(followers, axis=1),
            np.bincount(context, counts, minlength=contexts),
            base,
        )

    def find(self, context: np.ndarray, token: np.ndarray) -> np.ndarray:
        """(n,) nodes of n-grams; -1 for those that never occurred."""
        key = np.where(context < 0, -1, context * self.base + token)
        place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        return np.where(self.keys[place] == key, place, -1)

    def seen(self, context: np.ndarray, node: np.ndarray) -> Seen:
        """Of tokens, given the nodes of their contexts and of the n-grams that they end."""
        known = context >= 0
        return Seen(
            np.where(node >= 0, self.counts[node], 0),
            np.where(known, self.totals[context], 0),
            np.where(known[:, None], self.followers[context], 0),
        )

    def children(self, contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All n-grams of the contexts: (which context, its n-gram's node)."""
        size = self.starts[contexts + 1] - self.starts[contexts]
        row = np.repeat(np.arange(len(contexts)), size)
        within = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
        return row, self.starts[contexts][row] + within

    def sums(self, discounts: np.ndarray) -> np.ndarray:
        """(n-grams + 1,) running sum of discounted counts, from 0."""
        return np.concatenate([[0.0], np.cumsum(discounted(self.counts, discounts))])


def count(streams: Sequence[np.ndarray], vocabulary: int, order: int) -> list[Level]:
    """The levels of order 1 up to `order` of streams of tokens in [0, vocabulary)."""
    tokens, base = padded(streams, vocabulary, order), vocabulary + 1
    node = np.zeros(len(tokens), dtype=np.int64)
    keys, raw, ends, levels = [], [], [], []
    shorter: list[np.ndarray] = []  # for each order: the node of an n-gram without its first token
    for _ in range(order):
        found, first, longer, times = np.unique(
            np.roll(node, 1) * base + tokens, return_index=True, return_inverse=True, return_counts=True
        )
        shorter.append(node[first])
        node = longer
        keys.append(found)
        raw.append(times)
        ends.append(first)
    contexts = 1
    for k in range(order):
        counts = raw[k]
        if k + 1 < order:
            # What begins a text has nothing before it: there, as usual, occurrences are counted.
            begins = tokens[np.maximum(ends[k] - k, 0)] == vocabulary
            counts = np.where(begins, counts, np.bincount(shorter[k + 1], minlength=len(counts)))
        counts = np.where(keys[k] % base == vocabulary, 0, counts)
        levels.append(Level.of(keys[k], counts, contexts, base))
        contexts = len(keys[k])
    return levels


def padded(streams: Sequence[np.ndarray], vocabulary: int, order: int) -> np.ndarray:
    """All streams in a row, each after a beginning: as many tokens `vocabulary` as a context is long, one at least. Raises
    ValueError for other tokens than 0 to vocabulary - 1."""
    beginning = np.full(max(1, order - 1), vocabulary, dtype=np.int64)
    parts = [part for stream in streams for part in (beginning, np.asarray(stream, dtype=np.int64))]
    if any(len(part) and not 0 <= part.min() <= part.max() < vocabulary for part in parts[1::2]):
        raise ValueError(f"tokens are not all in [0, {vocabulary})")
    return np.concatenate(parts) if parts else beginning


def discounted(counts: np.ndarray, discounts: np.ndarray) -> np.ndarray:
    """Counts less the discounts of one, of two, of more; 0 stays 0."""
    return np.where(counts > 0, counts - discounts[np.minimum(counts, 3) - 1], 0.0)
