"""Whether texts copy the training texts: shares of copied n-grams, the longest copied span, texts that are equal.

Everything here is exact but for marks of 64 bits, and the longest span is compared word by word. The training texts are
walked once for each length 8, 16, 32, ... until nothing of that length is copied. Words are those of `text_words.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genwright.metrics.text_words import ODD, Numbered, number, spans

LENGTHS = (8, 16, 32)  # words of the n-grams whose shares are given
MOSTLY = 0.5  # of a text's 8-grams: more of them copied, and it is a near-copy
PLACES = 50  # where a span begins in the training texts; more are not followed
LISTED = 20  # texts whose longest copy is looked for
AROUND = 200  # characters of context


@dataclass(frozen=True)
class Span:
    """Words of a text that are also in a training text."""

    text: int
    start: int
    """Of the text's words."""
    training: int
    training_start: int
    words: int


@dataclass
class Copied:
    """What texts have in common with the training texts."""

    shares: dict[int, float | None] = field(default_factory=dict)
    """By length: share of n-grams that occur in a training text; None without n-grams."""
    near: float = 0.0
    """Share of texts more than half of whose 8-grams are copied."""
    spans: list[Span] = field(default_factory=list)
    """The longest copies, of 8 words at least, of the texts that copy most in one piece; longest first."""

    @property
    def longest(self) -> int:
        """Words of the longest copy; 0 for less than 8."""
        return self.spans[0].words if self.spans else 0


@dataclass(frozen=True)
class Hits:
    """Copied n-grams of one length."""

    at: np.ndarray
    """(n,) the words where they begin."""
    low: np.ndarray
    """(n,) the part of `places` that holds where they begin in the training texts, from here ..."""
    high: np.ndarray
    """... to before here."""
    places: np.ndarray


class TrainingTexts:
    """The training texts that copies are looked for in."""

    def __init__(self, texts: Sequence[str], parts: Sequence[str] = ()) -> None:
        """`parts`: pieces of training texts, which are exact copies too where they come back."""
        self.vocabulary: dict[str, int] = {}
        self.words = number(texts, self.vocabulary)
        self.text = self.words.text
        self.plain = {plain(text) for text in (*texts, *parts)}

    def exact(self, texts: Sequence[str]) -> float:
        """Share of texts that are a whole training text, spaces aside; empty ones copy nobody."""
        return sum(bool(found := plain(text)) and found in self.plain for text in texts) / len(texts)

    def copied(self, *sets: Sequence[str]) -> list[Copied]:
        """What each of the sets of texts has in common with the training texts."""
        asked = [number(texts, self.vocabulary) for texts in sets]
        out, hits = [Copied() for _ in sets], [dict[int, Hits]() for _ in sets]
        drawn = np.random.default_rng(5).integers(2**63, size=len(self.vocabulary), dtype=np.int64).astype(np.uint64)
        own, marks = drawn[self.words.ids], [drawn[texts.ids] for texts in asked]
        length, factor = 1, np.array([ODD])
        while length < LENGTHS[-1] or any(length in found for found in hits):
            own, marks = _doubled(own, length, factor), [_doubled(mark, length, factor) for mark in marks]
            length, factor = 2 * length, factor * factor
            if length < LENGTHS[0]:
                continue
            at = [np.flatnonzero(texts.whole(length)) for texts in asked]
            places = self._places(own, length, np.concatenate([m[a] for m, a in zip(marks, at, strict=True)]))
            for k, texts in enumerate(asked):
                low, high = (np.searchsorted(own[places], marks[k][at[k]], side=side) for side in ("left", "right"))
                hit = high > low
                _note(out[k], length, texts.text[at[k]], hit, len(texts))
                if hit.any():
                    hits[k][length] = Hits(at[k][hit], low[hit], high[hit], places)
        for copied, texts, found in zip(out, asked, hits, strict=True):
            copied.spans = self._longest(texts, found)
        return out

    def _places(self, own: np.ndarray, length: int, asked: np.ndarray) -> np.ndarray:
        """Where in the training texts n-grams with one of the marks begin, sorted by mark."""
        whole = np.flatnonzero(self.words.whole(length))
        wanted = np.unique(asked)
        if not len(wanted):
            return wanted.astype(np.int64)
        at = np.minimum(np.searchsorted(wanted, own[whole]), len(wanted) - 1)
        places = whole[wanted[at] == own[whole]]
        return places[np.argsort(own[places], kind="stable")]

    def _longest(self, texts: Numbered, hits: Mapping[int, Hits]) -> list[Span]:
        """The longest copies of the texts that copy most: all whose longest n-gram is of one length, until they are enough."""
        found: dict[int, Span] = {}
        for length in sorted(hits, reverse=True):
            longer = set(found)
            for at, place in zip(*self._begins(texts, hits[length]), strict=True):
                span = self._extended(texts, int(at), int(place))
                if span.text not in longer and (span.text not in found or span.words > found[span.text].words):
                    found[span.text] = span
            if len(found) >= LISTED:
                break
        return sorted(found.values(), key=lambda span: (-span.words, span.text))[:LISTED]

    def _begins(self, texts: Numbered, hits: Hits) -> tuple[np.ndarray, np.ndarray]:
        """(words of the texts, words of the training texts) where n-grams are equal and the words before are not."""
        size = np.minimum(hits.high - hits.low, PLACES)
        at = np.repeat(hits.at, size)
        place = hits.places[np.arange(len(at)) + np.repeat(hits.low - np.cumsum(size) + size, size)]
        first = (at == texts.starts[texts.text[at]]) | (place == self.words.starts[self.text[place]])
        begins = first | (texts.ids[at - 1] != self.words.ids[place - 1])
        return at[begins], place[begins]

    def _extended(self, texts: Numbered, at: int, place: int) -> Span:
        """What is copied from one word on, of the text and of the training text."""
        text, training = (int(np.searchsorted(x.starts, k, "right")) - 1 for x, k in ((texts, at), (self.words, place)))
        ours = texts.ids[at : texts.starts[text + 1]]
        theirs = self.words.ids[place : self.words.starts[training + 1]]
        most = min(len(ours), len(theirs))
        other = np.flatnonzero(ours[:most] != theirs[:most])
        words = int(other[0]) if len(other) else most
        return Span(text, at - int(texts.starts[text]), training, place - int(self.words.starts[training]), words)


def shown(span: Span, text: str) -> dict[str, Any]:
    """The copy in its context: "before", "copied", "after" of the text, and where it is from. "training" is the number of
    the training text, "words" the length; no more of the training text is shown than the copy."""
    found = spans(text)
    begin, end = found[span.start][0], found[span.start + span.words - 1][1]
    return {
        "sample": span.text,
        "training": span.training,
        "training_word": span.training_start,
        "words": span.words,
        "before": text[max(0, begin - AROUND) : begin],
        "copied": text[begin:end],
        "after": text[end : end + AROUND],
    }


def plain(text: str) -> str:
    """The text with single spaces."""
    return " ".join(text.split())


def _note(found: Copied, length: int, text: np.ndarray, hit: np.ndarray, texts: int) -> None:
    """Writes down the share of copied n-grams, and of texts that consist of them."""
    if length in LENGTHS:
        found.shares[length] = float(hit.mean()) if len(hit) else None
    if length == LENGTHS[0]:
        copied, everything = (np.bincount(part, minlength=texts) for part in (text[hit], text))
        found.near = float((copied > MOSTLY * everything).mean())


def _doubled(marks: np.ndarray, length: int, factor: np.ndarray) -> np.ndarray:
    """Marks of n-grams twice as long: a polynomial in `factor` of the marks of their words."""
    return marks * factor + np.roll(marks, -length)
