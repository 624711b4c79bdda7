"""Words of texts in any script: what all text metrics count, but for the scores that come with a definition of their own.

A word is a run of letters and digits, a single sign, or, in scripts that set no spaces (Han, kana), a single character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
ONE = re.compile(f"[{UNSPACED}]")
WORD = re.compile(r"\w+|[^\w\s]")
LOOKED_AT = 100_000  # characters that tell the script
ODD = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio of 2^64: its powers are far from all small fractions


def words(text: str) -> list[str]:
    """The words, in order; none of an empty text."""
    return WORD.findall(ONE.sub(r" \g<0> ", text))


def spans(text: str) -> list[tuple[int, int]]:
    """(first character, one past the last) of each of the `words`."""
    found: list[tuple[int, int]] = []
    for match in WORD.finditer(text):
        begin = match.start()
        for single in ONE.finditer(text, *match.span()):
            found += [(begin, single.start())] if begin < single.start() else []
            found.append(single.span())
            begin = single.end()
        found += [(begin, match.end())] if begin < match.end() else []
    return found


def unspaced(texts: Sequence[str]) -> bool:
    """Whether most letters are of a script that sets no spaces: such texts are cut into characters."""
    sample = _sample(texts)
    return 2 * len(ONE.findall(sample)) > sum(map(str.isalpha, sample))


def ascii_letters(texts: Sequence[str]) -> bool:
    """Whether most letters are a to z."""
    letters = [letter for letter in _sample(texts) if letter.isalpha()]
    return 2 * sum(map(str.isascii, letters)) >= len(letters)


@dataclass(frozen=True)
class Numbered:
    """Words of texts as numbers, all texts in a row."""

    ids: np.ndarray
    """(words,) int32"""
    starts: np.ndarray
    """(texts + 1,) where the words of each text begin."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def text(self) -> np.ndarray:
        """(words,) the text that each word is of."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def whole(self, n: int) -> np.ndarray:
        """(words,) whether the n words from here on are of one text."""
        ends = np.repeat(self.starts[1:], np.diff(self.starts))
        return np.arange(len(self.ids)) + n <= ends


def number(texts: Sequence[str], vocabulary: dict[str, int]) -> Numbered:
    """Numbers words by `vocabulary`, which grows by those that it lacks."""
    parts = [
        np.fromiter((vocabulary.setdefault(word, len(vocabulary)) for word in words(text)), dtype=np.int32)
        for text in texts
    ]
    starts = np.cumsum([0, *map(len, parts)])
    return Numbered(np.concatenate([*parts, np.empty(0, np.int32)]), starts)


def grams(numbered: Numbered, n: int) -> np.ndarray:
    """(n-grams within texts,) uint64 marks, equal for equal n-grams (two others share one with a chance of 1 in 2^64)."""
    keys = np.zeros(len(numbered.ids), dtype=np.uint64)
    ids = numbered.ids.astype(np.uint64)
    for ahead in range(n):
        keys = keys * ODD + np.roll(ids, -ahead)
    return keys[numbered.whole(n)]


def _sample(texts: Sequence[str]) -> str:
    found, size = [], 0
    for text in texts:
        found.append(text[: LOOKED_AT - size])
        size += len(found[-1])
        if size >= LOOKED_AT:
            break
    return "".join(found)
