"""Documents that occur again, exactly or nearly: a digest and a MinHash signature for each, compared through bands.

Two documents are near duplicates when the sets of their 5-grams of words (of characters for Chinese and Japanese) have a
Jaccard similarity of .8 or more, as 120 minima estimate it (Broder 1997). Pairs worth comparing share one of 20 bands of
6 minima: 99.8 % of pairs at .8 do, and 28 % at .5, which the comparison then refuses. Signatures wait in a temporary file,
so memory is a few bytes a document. `../texts.py` feeds this.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Iterator

import numpy as np

from genwright.data.documents import Document

ALIKE = 0.8
GRAM = 5
BANDS, ROWS = 20, 6
SIZE = BANDS * ROWS
DIGEST = 16  # bytes
_BLOCK = 1 << 20  # characters of a document that are looked at in one go
_GRAMS = 512  # hashed in one go: what fits the cache
_ROUNDS = 20  # documents of a bucket that others are compared with
_COMPARED = 1 << 14  # pairs in one go
_random = np.random.default_rng(5)
_FACTOR = _random.integers(1 << 62, dtype=np.uint64, size=SIZE) * np.uint64(4) + np.uint64(1)
_TERM = _random.integers(1 << 62, dtype=np.uint64, size=SIZE) * np.uint64(4)
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_INSIDE, _WORD = 1, 2  # a character is part of a word, or one by itself
_WORDS = ((0x3041, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))  # kana, Chinese characters


class Duplicates:
    """Digests and signatures of a stream of documents."""

    def __init__(self, *, near: bool) -> None:
        self.near = near
        self._digests = bytearray()  # 16 bytes each: objects would take ten times as much
        self._waiting: list[str] = []
        self._characters = 0
        self._file = tempfile.TemporaryFile(prefix="genwright-")  # noqa: SIM115 - lives as long as this

    def __del__(self) -> None:
        self._file.close()

    def add(self, document: Document) -> None:
        """The next document."""
        self._digests += digest(document)
        if self.near:
            self._waiting.append(document.text)
            self._characters += len(self._waiting[-1])
            if self._characters >= _BLOCK:
                self._write()

    def _write(self) -> None:
        self._file.write(signatures(self._waiting).tobytes())
        self._waiting, self._characters = [], 0

    def exact(self) -> np.ndarray:
        """(N,) the place of the first document with the same messages and conditions."""
        digests = np.frombuffer(bytes(self._digests), np.dtype((np.void, DIGEST)))
        _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
        return first[inverse].astype(np.int64)

    def groups(self) -> tuple[np.ndarray, np.ndarray]:
        """(N,) the place of the first document of each one's group, and (N,) whether that one is nearly the same.

        Groups may chain: one that is near a near duplicate is in the group, though it may not be near the first.
        """
        leader = self.exact()
        copies = leader != np.arange(len(leader))
        if not self.near or not len(leader):
            return leader, copies
        self._write()
        self._file.flush()
        known = np.memmap(self._file, np.uint32, "r", shape=(len(leader), SIZE))
        for one, other in _alike(known, ~copies):
            for pair in zip(one.tolist(), other.tolist(), strict=True):
                early, late = sorted(_root(leader, place) for place in pair)
                leader[late] = early
        leader = np.array([_root(leader, place) for place in range(len(leader))], dtype=np.int64)
        for start in range(0, len(leader), _COMPARED):
            part = slice(start, start + _COMPARED)
            copies[part] = _similarity(known, leader[part], np.arange(len(leader))[part]) >= ALIKE
        copies[leader == np.arange(len(leader))] = False
        return leader, copies


def digest(document: Document) -> bytes:
    """16 bytes that tell the messages and conditions of one document from those of another."""
    content = repr((document.messages, sorted(document.columns.items())))
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=DIGEST).digest()


def signatures(texts: list[str]) -> np.ndarray:
    """(texts, 120) uint32: the least value of each of 120 hash functions over the 5-grams of each text.

    A text of fewer words is one gram; in a long one, grams across the ends of blocks of a million characters are not seen.
    """
    least = np.full((len(texts), SIZE), np.iinfo(np.uint64).max, np.uint64)
    blocks = [
        (place, text[start : start + _BLOCK])
        for place, text in enumerate(texts)
        for start in range(0, len(text), _BLOCK)
    ]
    while blocks:
        size = np.cumsum([len(text) for _, text in blocks])
        several = max(1, int(np.searchsorted(size, _BLOCK)))
        places = np.array([place for place, _ in blocks[:several]])
        grams, owners = _grams([text for _, text in blocks[:several]])
        for at in range(0, len(grams), _GRAMS):
            hashes = grams[at : at + _GRAMS, None] * _FACTOR
            hashes += _TERM
            owner = places[owners[at : at + _GRAMS]]
            firsts = np.flatnonzero(np.diff(owner, prepend=-1))
            owner = owner[firsts]
            least[owner] = np.minimum(least[owner], np.minimum.reduceat(hashes, firsts, axis=0))
        del blocks[:several]
    return (least >> np.uint64(32)).astype(np.uint32)


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """The Jaccard similarity that two signatures tell, +- .04."""
    return float((one == other).mean())


def _grams(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(grams,) uint64 hashes of each five words that follow one another in a text, and (grams,) the text's place."""
    lowered = [text.lower() for text in texts]
    words, places = _words("\0".join(lowered))
    owner = np.searchsorted(np.cumsum([len(text) + 1 for text in lowered]), places, side="right")
    end = np.cumsum(np.bincount(owner, minlength=len(texts)))[owner]
    total = np.zeros(len(words), np.uint64)
    for place in range(GRAM):
        at = np.arange(len(words)) + place
        total = total * _BASE + np.where(at < end, words[np.minimum(at, len(words) - 1)], np.uint64(0))
    whole = np.arange(len(words)) + GRAM <= end
    whole |= np.diff(owner, prepend=-1) > 0  # the first words of a text, however few
    return _mixed(total[whole]), owner[whole]


def _words(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Hashes, (words,) uint64, of runs of letters and digits and of each Chinese character or kana, and where they start."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = _kinds()[codes]
    change = np.diff((kinds == _INSIDE).view(np.int8), prepend=0, append=0)
    alone = np.flatnonzero(kinds == _WORD)
    starts = np.concatenate([np.flatnonzero(change == 1), alone])
    ends = np.concatenate([np.flatnonzero(change == -1), alone + 1])
    order = np.argsort(starts)
    starts, ends = starts[order], ends[order]
    # A polynomial in each word's codes: the difference of two running sums over the text, divided by the base's power at
    # the word's start. All is modulo 2 ** 64, where the odd base has an inverse.
    sums = np.concatenate(
        [[np.uint64(0)], np.cumsum((codes.astype(np.uint64) + np.uint64(1)) * _powers(_BASE, len(codes)))]
    )
    return _mixed((sums[ends] - sums[starts]) * _powers(_INVERSE, len(codes) + 1)[starts]), starts


@functools.cache
def _kinds() -> np.ndarray:
    """(0x110000,) uint8 what each character is."""
    kinds = np.fromiter(map(str.isalnum, map(chr, range(0x110000))), np.uint8, 0x110000)
    for first, last in _WORDS:
        kinds[first : last + 1] = _WORD
    return kinds


def _powers(base: np.uint64, count: int) -> np.ndarray:
    """(count,) base ** 0, 1, 2 ... modulo 2 ** 64."""
    factors = np.full(count, base)
    factors[:1] = 1
    return np.cumprod(factors)


def _mixed(x: np.ndarray) -> np.ndarray:
    """Spreads each bit over all (the finaliser of SplitMix64; Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _alike(signatures: np.ndarray, wanted: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Near duplicates among the wanted documents as pairs, for each band in turn.

    In each bucket (documents that agree in a band) all are compared with the first; what is not near it goes on to a next
    round with a first of its own, so that a bucket of any size takes linear time.
    """
    for band in range(BANDS):
        rows = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS]).astype(np.uint64)
        keys = _mixed(rows @ _powers(_BASE, ROWS))
        left = np.flatnonzero(wanted)
        left = left[np.argsort(keys[left], kind="stable")]
        for _ in range(_ROUNDS):
            new = np.diff(keys[left], prepend=~keys[left[:1]]) != 0
            first = left[new][np.cumsum(new) - 1]
            one, other = first[~new], left[~new]
            if not len(other):
                break
            parts = range(0, len(other), _COMPARED)
            near = [_similarity(signatures, one[at : at + _COMPARED], other[at : at + _COMPARED]) for at in parts]
            found = np.concatenate(near) >= ALIKE
            yield one[found], other[found]
            left = other[~found]


def _similarity(signatures: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (signatures[one] == signatures[other]).mean(axis=1)


def _root(leader: np.ndarray, place: int) -> int:
    while leader[place] != place:
        leader[place] = leader[leader[place]]
        place = int(leader[place])
    return place
