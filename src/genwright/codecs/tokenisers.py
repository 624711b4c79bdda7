"""Text <-> numbers of pieces: characters, or byte-level pairs (BPE) by the `tokenizers` library; exact for any Unicode.

Neither knows special tokens: a text that looks like one is a text like any other. `text.py` puts its own before the
pieces: read it next.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from genwright.errors import GenwrightError

CHUNK = 1 << 14
"""A text is cut into parts of at most so many characters, so that a line of any length takes linear time."""
LEARNED_BYTES = 1 << 24  # of a corpus, that a tokeniser learns its pieces from
SMALLEST, LARGEST = 512, 16_384  # vocabularies of BPE that are chosen by the size of the data
_MOST_CHARACTERS = 60_000
_MOST_KNOWN = 1 << 19  # words whose pieces are remembered
_BYTES = 256
_SURROGATES = re.compile("[\ud800-\udfff]")
_MARKS = r"!-/:-@\[-`{-~\u00a1-\u00bf\u2010-\u205e\u3001-\u3030\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
# Words with the blank before them, digits in threes, marks, blanks: no piece reaches from one into the next. Each
# repetition is bounded, so that pairing within a word takes linear time, whatever the text.
_WORDS = re.compile(
    rf" ?[^\s\d{_MARKS}]{{1,32}}| ?\d{{1,3}}| ?[{_MARKS}]{{1,32}}|[\r\n]{{1,32}}|\s{{1,32}}(?!\S)|\s{{1,32}}"
)
_PROBE = " A  naïve\r\n\tcafe\u0301 \u0000 東京 🏳️‍🌈 <|endoftext|></s> Don't! "


class Tokeniser(Protocol):
    """Texts <-> arrays of piece numbers below `size`."""

    exact: bool
    """Whether decoding gives back every text."""

    size: int
    """Number of pieces."""

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        """(n,) int64 for each text."""

    def decode(self, pieces: np.ndarray) -> str:
        """The text; what is no text (bytes that make no character) becomes \ufffd."""

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""


class Characters:
    """One piece for each character that was seen; any other is spelled in its UTF-8 bytes, the first 256 pieces."""

    exact = True

    def __init__(self, alphabet: str) -> None:
        self.alphabet = alphabet
        self._spelling = [bytes([byte]) for byte in range(_BYTES)] + [letter.encode() for letter in alphabet]
        self.size = len(self._spelling)
        self._piece = np.zeros(0x110000, np.int64)  # 0: not seen
        self._piece[[ord(letter) for letter in alphabet]] = np.arange(_BYTES, self.size)

    @classmethod
    def learn(cls, texts: Iterable[str], vocabulary: int = 0) -> Characters:
        """All characters of the texts (0), or the most frequent, so that there are at most `vocabulary` pieces."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(_scalars(text))
        most = (vocabulary or _MOST_CHARACTERS) - _BYTES
        return cls("".join(sorted(letter for letter, _ in counts.most_common(max(most, 0)))))

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        return [self._encode(_scalars(text)) for text in texts]

    def _encode(self, text: str) -> np.ndarray:
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        pieces = self._piece[codes]
        unseen = np.flatnonzero(pieces == 0)
        if not len(unseen):
            return pieces
        parts, start = [], 0
        for place in unseen.tolist():
            parts += [pieces[start:place], np.frombuffer(text[place].encode(), np.uint8).astype(np.int64)]
            start = place + 1
        return np.concatenate([*parts, pieces[start:]])

    def decode(self, pieces: np.ndarray) -> str:
        return b"".join([self._spelling[piece] for piece in pieces.tolist()]).decode(errors="replace")

    def to_json(self) -> dict[str, Any]:
        return {"kind": "characters", "alphabet": self.alphabet}


class Subwords:
    """Pieces of a tokeniser of the `tokenizers` library: byte-level BPE that was learned here, or one from a folder.

    What was learned here cuts texts into words itself, and remembers their pieces: several times as fast as the library.
    """

    def __init__(self, definition: str, *, learned: bool) -> None:
        """From the library's JSON; `learned`: here."""
        from tokenizers import Tokenizer

        self.definition, self.learned = definition, learned
        self._tokeniser = Tokenizer.from_str(definition)
        self._tokeniser.no_truncation()
        self._tokeniser.no_padding()
        self._tokeniser.encode_special_tokens = True  # a text that looks like a special token is a text
        self.size = max(self._tokeniser.get_vocab(with_added_tokens=True).values()) + 1
        self._known: dict[str, list[int]] = {}
        self.exact = self.decode(self.encode([_PROBE])[0]) == _PROBE

    @classmethod
    def learn(cls, texts: Iterable[str], vocabulary: int) -> Subwords:
        """Byte-level BPE (Sennrich et al. 2016; on bytes: Radford et al. 2019) with at most `vocabulary` pieces, 256 or more.

        Pairs that occur once are not merged.
        """
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        tokeniser = Tokenizer(models.BPE())
        tokeniser.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokeniser.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=max(vocabulary, _BYTES),
            min_frequency=2,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        tokeniser.train_from_iterator((_WORDS.findall(_scalars(text)) for text in texts), trainer)
        return cls(tokeniser.to_str(), learned=True)

    @classmethod
    def from_folder(cls, folder: str | Path) -> Subwords:
        """The tokeniser of a pretrained model. GW-0197 when the folder has no tokenizer.json that can be read."""
        path = Path(folder).expanduser() / "tokenizer.json"
        try:
            return cls(path.read_text(encoding="utf-8"), learned=False)
        except Exception as error:  # the library raises plain Exception
            reason = "there is none" if not path.is_file() else " ".join(str(error).split())[:100]
            raise GenwrightError(
                "GW-0197", f"The tokeniser {path} cannot be read: {reason}", "Give a folder with a tokenizer.json"
            ) from None

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        return [np.concatenate([np.empty(0, np.int64), *map(self._encode, chunks(_scalars(text)))]) for text in texts]

    def _encode(self, text: str) -> np.ndarray:
        if not self.learned:
            return np.array(self._tokeniser.encode(text, add_special_tokens=False).ids, np.int64)
        words = _WORDS.findall(text)
        if fresh := list(set(words).difference(self._known)):
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
                fresh = list(set(words))
            coded = self._tokeniser.encode_batch_fast(fresh, add_special_tokens=False)
            self._known.update(zip(fresh, (pieces.ids for pieces in coded), strict=True))
        return np.fromiter(chain.from_iterable(map(self._known.__getitem__, words)), np.int64)

    def decode(self, pieces: np.ndarray) -> str:
        return self._tokeniser.decode(pieces.tolist(), skip_special_tokens=False)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "bpe" if self.learned else "folder", "definition": self.definition}


def learn(texts: Iterable[str], kind: str, vocabulary: int, size: int) -> Tokeniser:
    """The tokeniser that a setting names: "bpe", "characters", "bytes" or "folder:PATH"; GW-0196 for another word.

    `vocabulary`: most pieces; 0: for BPE one for every 400 of the corpus's `size` in bytes, a power of two from 512 to
    16,384.
    """
    if kind.startswith("folder:"):
        return Subwords.from_folder(kind.removeprefix("folder:"))
    if kind == "bytes":
        return Characters("")
    if kind not in ("bpe", "characters"):
        raise GenwrightError(
            "GW-0196", f"There is no tokeniser {kind!r}", "Choose bpe, characters, bytes or folder:PATH"
        )
    if vocabulary and vocabulary < _BYTES:
        raise GenwrightError("GW-0196", f"{vocabulary} pieces are too few", f"Give {_BYTES} or more: one for each byte")
    if kind == "characters":
        return Characters.learn(texts, vocabulary)
    fitting = 2 ** round(np.log2(max(size, 1) / 400))
    return Subwords.learn(texts, vocabulary or int(np.clip(fitting, SMALLEST, LARGEST)))


def from_json(data: Mapping[str, Any]) -> Tokeniser:
    """Back from `to_json`; ValueError when it is damaged."""
    try:
        if data["kind"] == "characters":
            return Characters(data["alphabet"])
        return Subwords(data["definition"], learned=data["kind"] == "bpe")
    except Exception as error:  # the library raises plain Exception
        raise ValueError(str(error)) from None


def evenly(texts: Iterable[str], size: int) -> Iterator[str]:
    """Parts spread evenly over texts of so many bytes in all, LEARNED_BYTES of them at most."""
    share = min(1.0, LEARNED_BYTES / max(size, 1))
    seen = taken = 0
    for text in texts:
        for chunk in chunks(_scalars(text)):
            seen += (length := len(chunk.encode()))
            if taken + length <= share * seen:
                taken += length
                yield chunk


def chunks(text: str) -> Iterator[str]:
    """A text in parts of at most CHUNK characters, cut behind a line end or before a blank where it can be."""
    start = 0
    while len(text) - start > CHUNK:
        middle, end = start + CHUNK // 2, start + CHUNK
        end = max(text.rfind("\n", middle, end) + 1, text.rfind(" ", middle, end)) or end
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def _scalars(text: str) -> str:
    """Without lone surrogates, which are no characters and have no UTF-8."""
    return _SURROGATES.sub("\ufffd", text)
