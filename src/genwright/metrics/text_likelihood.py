"""What held-out texts cost models that nobody had to train: compressors and an n-gram model, in bits per byte.

The baselines that every loss stands beside. Bits per byte compare whatever the tokens: the cost of a text, of its end too,
over its bytes of UTF-8. All see the training texts first: zlib as its dictionary, xz as what comes before, the n-gram model as
what it counts (characters, `networks/ngram.py`).
"""

from __future__ import annotations

import lzma
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genwright.networks.ngram import NGram

ZLIB_WINDOW = 32_000  # bytes of its dictionary
UNICODE = math.log(0x110000)  # nats that tell which character an unknown one is
END = b"\n"


@dataclass(frozen=True)
class Cost:
    """What texts cost a model."""

    nats: np.ndarray
    """(texts,)"""
    characters: int
    size: int
    """Bytes."""

    @property
    def bits_per_byte(self) -> float:
        return float(self.nats.sum()) / math.log(2) / max(1, self.size)

    @property
    def nats_per_character(self) -> float:
        return float(self.nats.sum()) / max(1, self.characters)


class CharacterModel:
    """An n-gram model of the characters of texts, fitted to as many of them as `most` allows."""

    def __init__(self, texts: Sequence[str], *, order: int, most: int) -> None:
        """Texts are read in their order; the one that passes `most` characters is cut."""
        codes, left = [], most
        for text in texts:
            codes.append(_codes(text[:left]))
            left -= len(codes[-1])
            if left <= 0:
                break
        self.characters = sum(map(len, codes))
        self.known = np.unique(np.concatenate(codes))
        self.order = order
        # Two tokens more: the end of a text, and a character that was not seen.
        self.model = NGram.fit([self._ids(code) for code in codes], len(self.known) + 2, order)

    def cost(self, texts: Sequence[str]) -> Cost:
        """Of texts, of their ends too; of an unknown character also that which tells it from all of Unicode."""
        streams = [self._ids(_codes(text)) for text in texts]
        ids = np.concatenate(streams)
        nats = np.where(ids == len(self.known) + 1, UNICODE, 0) - self.model.log_probabilities(*streams)
        begins = np.cumsum([0, *map(len, streams)])[:-1]
        return Cost(np.add.reduceat(nats, begins), sum(map(len, texts)), sum(len(_bytes(text)) for text in texts))

    def _ids(self, codes: np.ndarray) -> np.ndarray:
        place = np.minimum(np.searchsorted(self.known, codes), len(self.known) - 1)
        ids = np.where(self.known[place] == codes, place, len(self.known) + 1)
        return np.append(ids, len(self.known))


def xz_bits(train: Sequence[str], texts: Sequence[str], *, most: int) -> float:
    """Bits per byte of texts after the last `most` bytes of training texts, by LZMA at its best."""
    before, after = _joined(train)[-most:], _joined(texts)
    size = 1 << max(12, (len(before) + len(after)).bit_length())
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": min(size, 1 << 30)}]

    def packed(data: bytes) -> int:
        return len(lzma.compress(data, format=lzma.FORMAT_RAW, filters=filters))

    return 8 * (packed(before + after) - packed(before)) / max(1, len(after) - len(texts))


def zlib_bits(train: Sequence[str], texts: Sequence[str]) -> float:
    """Bits per byte of texts by deflate at its best, with the end of the training texts as its dictionary."""
    before, after = _joined(train)[-ZLIB_WINDOW:], _joined(texts)
    packer = zlib.compressobj(9, wbits=-15, memLevel=9, zdict=before)
    return 8 * len(packer.compress(after) + packer.flush()) / max(1, len(after) - len(texts))


def _joined(texts: Sequence[str]) -> bytes:
    """All texts, each with an end, as a model that writes texts has to end them."""
    return b"".join(_bytes(text) + END for text in texts)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
