"""How varied texts are: distinct n-grams, their entropy, self-BLEU, repetition within a text, different texts at all.

Numbers of words are made equal before they are compared, because distinct n-grams grow rarer the longer one writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from genwright.metrics.text_overlap import ORDERS, bleu_of_counts, bleu_tokens, ngrams
from genwright.metrics.text_words import Numbered, grams, unspaced

REPEATED = 4  # words of an n-gram that should not come twice in one text


def distinct(texts: Numbered, n: int) -> float | None:
    """Share of n-grams that differ from those before, in [0, 1] (Li et al. 2016, section 5.1); None without any."""
    keys = grams(texts, n)
    return len(np.unique(keys)) / len(keys) if len(keys) else None


def entropy(texts: Numbered, n: int) -> float | None:
    """Entropy in bits of the distribution of n-grams (Zhang et al. 2018, section 4.1); None without any."""
    counts = np.unique(grams(texts, n), return_counts=True)[1]
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum()) if len(counts) else None


def repetition(texts: Numbered) -> float | None:
    """Share of 4-grams that came before in the same text, mean over texts that have any (Welleck et al. 2020, section 6)."""
    whole = texts.whole(REPEATED)
    text = texts.text[whole]
    if not len(text):
        return None
    _, keys = np.unique(grams(texts, REPEATED), return_inverse=True)
    all_of = np.bincount(text, minlength=len(texts))
    different = np.bincount(np.unique(text * (keys.max() + 1) + keys) // (keys.max() + 1), minlength=len(texts))
    some = all_of > 0
    return float((1 - different[some] / all_of[some]).mean())


def unique(texts: Sequence[str]) -> float:
    """Share of texts that are not one that came before, spaces aside."""
    return len({" ".join(text.split()) for text in texts}) / len(texts)


def first_words(texts: Numbered, most: int) -> Numbered:
    """The texts, in their order, until there are so many words; the last one is cut."""
    starts = np.minimum(texts.starts, most)
    return Numbered(texts.ids[:most], starts[: np.searchsorted(starts, starts[-1]) + 1])


def self_bleu(texts: Sequence[str], *, chinese: bool | None = None) -> float | None:
    """Mean BLEU of each text against all others, in [0, 100], lower is more varied (Zhu et al. 2018): sacrebleu's score of a
    sentence with the others as its references. None of fewer than two texts."""
    if len(texts) < 2:
        return None
    chinese = unspaced(texts) if chinese is None else chinese
    cut = [bleu_tokens(text, chinese) for text in texts]
    lengths = np.array([len(tokens) for tokens in cut])
    counts = [[ngrams(tokens, n) for n in range(1, ORDERS + 1)] for tokens in cut]
    most = [_two_largest([own[n] for own in counts]) for n in range(ORDERS)]
    scores = []
    for k, own in enumerate(counts):
        correct = [
            sum(min(times, most[n][gram][1 if most[n][gram][2] == k else 0]) for gram, times in own[n].items())
            for n in range(ORDERS)
        ]
        total = np.array([grams.total() for grams in own])
        others = np.delete(lengths, k)
        nearest = others[np.lexsort([others, abs(others - lengths[k])])[0]]
        scores.append(bleu_of_counts(np.array(correct), total, lengths[k], nearest, short=True))
    return float(np.mean(scores))


def _two_largest(counts: Sequence[Counter[tuple[str, ...]]]) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """Of each n-gram: how often the text with most of it has it, how often the next one, and which text has most."""
    found: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for k, own in enumerate(counts):
        for gram, times in own.items():
            first, second, owner = found.get(gram, (0, 0, -1))
            if times > first:
                found[gram] = (times, first, k)
            elif times > second:
                found[gram] = (first, times, owner)
    return found
