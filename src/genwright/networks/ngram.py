"""An interpolated n-gram model over integer tokens: the honest floor beside every loss on texts, and a model of its own.

Interpolated Kneser-Ney with three discounts an order (Chen and Goodman 1999, section 3.2), and beside them the strength of
a Pitman-Yor process (Teh 2006, equation 4), which makes Kneser-Ney and Witten-Bell two ends of one family. With c the count
of a token after a context, D(c) its discount, N_j the number of tokens that follow the context j times, s the strength:

    p_k(token) = (c - D(c) + (s + D_1 N_1 + D_2 N_2 + D_3 N_3+) p_k-1(token)) / (s + sum of c),  p_0 = 1 / vocabulary

Below the highest order a count is of distinct tokens before, as theirs. Departs: discounts and strengths are not the closed
form of counts of counts but the likeliest for a tenth of the tokens, with counts of the other nine (`ngram_discounts.py`).
Counts are exact: a node of order k is a pair (node of its first k - 1 tokens, last token), numbered by sorting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from genwright.networks.ngram_counts import Level, Seen, count, discounted, padded
from genwright.networks.ngram_discounts import START, mixed, tune

TUNED = 60_000  # tokens that the discounts are chosen for
FEWEST = 50  # tokens; fewer are no ground to choose discounts on


class NGram:
    """Probabilities of the next token after the last `order` - 1 of a stream. Read `fit` first."""

    def __init__(self, levels: Sequence[Level], discounts: np.ndarray, vocabulary: int) -> None:
        """Levels of order 1 up; discounts (order, 4): of counts of one, of two, of more, and the strength."""
        self.levels, self.discounts, self.vocabulary = tuple(levels), discounts, vocabulary
        self.order = len(self.levels)
        self.sums = [level.sums(d) for level, d in zip(self.levels, discounts, strict=True)]

    @classmethod
    def fit(cls, streams: Sequence[np.ndarray], vocabulary: int, order: int = 6) -> NGram:
        """Counts streams of tokens in [0, vocabulary), each a text from its beginning (nothing is counted across two).

        Memory: 40 to 70 bytes for every distinct n-gram of every order, and about as much for every token while counting.
        """
        kept, tried = _split([np.asarray(stream) for stream in streams])
        discounts = np.tile(START, (order, 1))
        if sum(map(len, tried)) >= FEWEST:
            known = count(kept, vocabulary, order)
            discounts = tune(cls(known, discounts, vocabulary)._seen(tried, TUNED), vocabulary)
        return cls(count(streams, vocabulary, order), discounts, vocabulary)

    def log_probabilities(self, *streams: np.ndarray) -> np.ndarray:
        """(n,) natural logarithm of the probability of each token, given those before it in its text; texts in a row."""
        return np.log(mixed(self._seen(streams), self.discounts, self.vocabulary)[-1])

    def next_probabilities(self, prompts: Sequence[np.ndarray]) -> np.ndarray:
        """(prompts, vocabulary) probabilities of the token after each prompt, the beginning of a text; rows sum to one."""
        return self.probabilities(self.after(prompts))

    def probabilities(self, nodes: Sequence[np.ndarray]) -> np.ndarray:
        """(texts, vocabulary) probabilities of the token after texts whose last tokens are at these nodes."""
        out = np.full((len(nodes[0]), self.vocabulary), 1 / self.vocabulary)
        for level, d, context in zip(self.levels, self.discounts, nodes, strict=True):
            rows = np.flatnonzero((context >= 0) & (level.totals[context] > 0))
            at = context[rows]
            out[rows] *= ((d[3] + level.followers[at] @ d[:3]) / (d[3] + level.totals[at]))[:, None]
            row, place = level.children(at)
            real = level.counts[place] > 0
            row, place = row[real], place[real]
            share = discounted(level.counts[place], d) / (d[3] + level.totals[at[row]])
            out[rows[row], level.keys[place] % (self.vocabulary + 1)] += share
        return out

    def sample(self, n_tokens: int, generator: np.random.Generator, prompts: Sequence[np.ndarray]) -> np.ndarray:
        """(prompts, n_tokens) tokens that go on after each prompt, all at once; an empty prompt begins a new text."""
        nodes = self.after(prompts)
        out = np.empty((len(prompts), n_tokens), dtype=np.int64)
        for step in range(n_tokens):
            out[:, step] = token = self._draw(nodes, generator)
            nodes = self.follow(nodes, token)
        return out

    def arrays(self) -> dict[str, np.ndarray]:
        """All that `from_arrays` needs, to be kept in a file."""
        found = {"discounts": self.discounts, "vocabulary": np.array([self.vocabulary])}
        for k, level in enumerate(self.levels, 1):
            found |= {f"keys_{k}": level.keys, f"counts_{k}": level.counts}
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> NGram:
        """The model of which these are the `arrays`."""
        vocabulary, levels = int(arrays["vocabulary"][0]), []
        contexts = 1
        for k in range(1, len(arrays["discounts"]) + 1):
            levels.append(Level.of(arrays[f"keys_{k}"], arrays[f"counts_{k}"], contexts, vocabulary + 1))
            contexts = len(levels[-1].keys)
        return cls(levels, arrays["discounts"], vocabulary)

    def _draw(self, nodes: Sequence[np.ndarray], generator: np.random.Generator) -> np.ndarray:
        """(n,) From the highest order down: a token that follows the context, or one of the order below."""
        n = len(nodes[0])
        token = generator.integers(self.vocabulary, size=n)
        open_rows = np.arange(n)
        for level, sums, d, context in zip(
            *(x[::-1] for x in (self.levels, self.sums, self.discounts, nodes)), strict=True
        ):
            at = context[open_rows]
            known = (at >= 0) & (level.totals[at] > 0)
            low, high = sums[level.starts[at]], sums[level.starts[at + 1]]
            point = low + generator.random(len(at)) * (d[3] + level.totals[at])
            hit = known & (point < high)
            # The first n-gram whose sum lies above the point: never one of weight zero, whatever the rounding.
            place = np.searchsorted(sums, point[hit], side="right") - 1
            token[open_rows[hit]] = level.keys[place] % (self.vocabulary + 1)
            open_rows = open_rows[~hit]
        return token

    def after(self, prompts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """For context lengths 0, 1, ...: (prompts,) the node of the last tokens of each prompt, -1 for one not seen."""
        width = self.order - 1
        last = np.full((len(prompts), width), self.vocabulary)
        for row, prompt in enumerate(prompts):
            end = np.asarray(prompt, dtype=np.int64)[max(0, len(prompt) - width) :]
            last[row, width - len(end) :] = end
        nodes = [np.zeros(len(prompts), dtype=np.int64)]
        for at in range(width):
            nodes = [
                nodes[0],
                *(level.find(node, last[:, at]) for level, node in zip(self.levels, nodes, strict=False)),
            ]
        return nodes

    def follow(self, nodes: Sequence[np.ndarray], token: np.ndarray) -> list[np.ndarray]:
        """The nodes once each text, (n,), goes on with its token."""
        return [nodes[0], *(level.find(node, token) for level, node in zip(self.levels, nodes[:-1], strict=False))]

    def _seen(self, streams: Sequence[np.ndarray], most: int | None = None) -> list[Seen]:
        """What each order has counted of the tokens of streams (of the first `most`)."""
        tokens = padded(streams, self.vocabulary, self.order)
        tokens = tokens if most is None else tokens[:most]
        real = tokens < self.vocabulary
        node, out = np.zeros(len(tokens), dtype=np.int64), []
        for level in self.levels:
            context = np.roll(node, 1)
            node = level.find(context, tokens)
            out.append(level.seen(context[real], node[real]))
        return out


def _split(streams: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Nine tenths and the rest: of the streams where they are many, else the end of each."""
    if len(streams) >= 20:
        return [s for k, s in enumerate(streams) if k % 10 != 9], list(streams[9::10])
    ends = [len(stream) - len(stream) // 10 for stream in streams]
    return [s[:end] for s, end in zip(streams, ends, strict=True)], [
        s[end:] for s, end in zip(streams, ends, strict=True)
    ]
