"""Texts that obey a regular expression or a JSON schema: which tokens may come next, so that every text ends as it must.

The library `llguidance` follows the grammar; here it learns which bytes each token stands for. `networks/drawing.py` asks
what is allowed before it draws.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper, regex_to_lark
from torch import Tensor

from genwright.codecs.text import TextCodec
from genwright.codecs.tokenisers import Characters, Subwords, Tokeniser
from genwright.contract import END
from genwright.errors import GenwrightError

_BLANK = "▁"  # how SentencePiece writes a space
_PROBE = "A  naïve\tcafe\n東京 🏳️ 7"
_PLACE = re.compile(r"(error: |at \d+\(\d+\): )(failed to compile JSON schema: )?")  # no place of the user's
_COMPACT = {"x-guidance": {"whitespace_flexible": False}}  # as json.dumps writes: no blanks without end


@dataclass(frozen=True)
class Constraint:
    """What texts have to be, for the tokens of one codec."""

    rule: str
    """A terminal of llguidance's grammars."""
    vocabulary: Vocabulary

    @classmethod
    def regex(cls, pattern: str, codec: TextCodec) -> Constraint:
        """Texts that match a regular expression from their first to their last character.

        Python's syntax without references and looking around; a digit is 0 to 9. GW-0176 when it cannot be used, GW-0178 for
        a tokeniser whose pieces are no bytes.
        """
        rule = f"/{regex_to_lark(pattern, 'd')}/"
        if reason := _refusal(rule):
            fix = "Write a regular expression without look-around and references to groups"
            raise GenwrightError("GW-0176", f"The regular expression {pattern!r} cannot be used: {reason}", fix)
        return cls(rule, Vocabulary.of(codec))

    @classmethod
    def json_schema(cls, schema: Mapping[str, Any], codec: TextCodec) -> Constraint:
        """Texts that are JSON of a schema, written as Python's json.dumps does, the keys in the order of the schema.

        GW-0177 when it is no schema or uses what is not supported, GW-0178 as for `regex`.
        """
        rule = f"%json {json.dumps({**schema, **_COMPACT})}"
        if reason := _refusal(rule):
            fix = "Give a JSON schema; leave out the keywords that are named"
            raise GenwrightError("GW-0177", f"The JSON schema cannot be used: {reason}", fix)
        return cls(rule, Vocabulary.of(codec))

    def start(self, n: int, *, continued: bool = False) -> Obeying:
        """n texts of which nothing is drawn yet; `continued`: their prompts hold the beginning of the message."""
        dropped = self.vocabulary.drops_blank and not continued
        matcher = LLMatcher(self.vocabulary.tokens, _grammar(self.rule, blank=dropped))
        return Obeying([matcher.deep_copy() for _ in range(n)], self.vocabulary)


class Obeying:
    """Texts that are being drawn: gives what `stream` calls `allowed`."""

    def __init__(self, matchers: list[LLMatcher], vocabulary: Vocabulary) -> None:
        self.matchers, self.size, self.last, self.seen = matchers, vocabulary.size, vocabulary.last, 0
        self.ended = np.zeros(len(matchers), bool)

    def __call__(self, tokens: Tensor) -> Tensor:
        """From the tokens drawn so far (n, t) to those that may come next, (n, vocabulary) bool. GW-0178 when the
        tokeniser has no pieces for what must come, GW-0177 when the grammar is too large to follow."""
        self._read(tokens)
        bits = np.zeros((len(self.matchers), (self.size + 31) // 32), np.int32)
        for row, matcher, ended in zip(bits, self.matchers, self.ended, strict=True):
            if ended:
                row[0] = 1 << self.last
            else:
                matcher.unsafe_compute_mask_ptr(row.ctypes.data, row.nbytes)
                _check(matcher, row)
        permitted = np.unpackbits(bits.view(np.uint8), axis=1, count=self.size, bitorder="little").astype(bool)
        return torch.from_numpy(permitted).to(tokens.device)

    def complete(self, tokens: Tensor) -> np.ndarray:
        """(n,) bool, which of the texts, all drawn tokens (n, t) being given, are what they have to be: one that ran out of
        `length` may not be."""
        self._read(tokens)
        accepting = [matcher.is_accepting() for matcher in self.matchers]
        return self.ended | np.array(accepting, bool)

    def _read(self, tokens: Tensor) -> None:
        """The matchers follow what was drawn since the last call."""
        for place, fresh in enumerate(tokens[:, self.seen :].tolist()):
            for token in fresh:
                if not self.ended[place]:
                    self.matchers[place].consume_token(token)
                    self.ended[place] = token == END
        self.seen = tokens.shape[1]


@dataclass(frozen=True)
class Vocabulary:
    """The bytes of a codec's tokens."""

    tokeniser: Tokeniser
    offset: int
    pieces: tuple[bytes, ...]
    """Of each piece of the tokeniser; nothing: it is never drawn."""
    last: int
    """The token that follows a text that has ended, as in the data's spec."""
    drops_blank: bool
    """Whether decoding drops the space that a message begins with: every message has one then."""

    @classmethod
    def of(cls, codec: TextCodec) -> Vocabulary:
        """GW-0178 for a tokeniser whose pieces are no bytes."""
        tokeniser = codec.tokeniser
        number = tokeniser.encode([_PROBE])[0]
        text = tokeniser.decode(number).encode()
        for pieces in _spellings(tokeniser):
            found = b"".join(pieces[piece] for piece in number.tolist())
            if found in (text, b" " + text):
                return cls(tokeniser, codec.offset, tuple(pieces), codec.spec.last, found != text)
        raise GenwrightError(
            "GW-0178",
            "The pieces of this tokeniser do not stand for bytes of text, so nothing can be said of what they spell",
            "Use characters, bpe, or a folder with a byte-level or SentencePiece tokeniser",
        )

    @property
    def size(self) -> int:
        """Number of tokens."""
        return self.offset + len(self.pieces)

    @cached_property
    def tokens(self) -> LLTokenizer:
        """As llguidance knows it. Special tokens have no bytes; END ends."""
        return LLTokenizer(TokenizerWrapper(_Spelled(self)))

    def spell(self, text: str) -> list[int]:
        """The tokens of a text: as the tokeniser has them, or if these say more than the text, the longest that fit."""
        usual = self.tokeniser.encode([text])[0].tolist()
        spelled = text.encode()
        if b"".join(self.pieces[piece] for piece in usual) == spelled:
            return [self.offset + piece for piece in usual]
        found, start = [], 0
        while start < len(spelled):
            ends = range(min(len(spelled), start + self._longest), start, -1)
            end = next((end for end in ends if spelled[start:end] in self._numbers), 0)
            if not end:
                return []
            found.append(self.offset + self._numbers[spelled[start:end]])
            start = end
        return found

    @cached_property
    def _numbers(self) -> dict[bytes, int]:
        return {piece: number for number, piece in enumerate(self.pieces) if piece}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.pieces))


class _Spelled:
    """A vocabulary as llguidance asks for one."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.eos_token_id, self.bos_token_id = END, None
        self.tokens = [b""] * vocabulary.offset + list(vocabulary.pieces)
        self.spell = vocabulary.spell

    def __call__(self, text: str) -> list[int]:
        return self.spell(text)


def _spellings(tokeniser: Tokeniser) -> list[list[bytes]]:
    """What the bytes of each piece may be; the right one is found by trying."""
    if isinstance(tokeniser, Characters):
        return [[bytes([byte]) for byte in range(256)] + [letter.encode() for letter in tokeniser.alphabet]]
    assert isinstance(tokeniser, Subwords)
    from tokenizers import Tokenizer

    library = Tokenizer.from_str(tokeniser.definition)
    names: list[str] = [""] * tokeniser.size
    for name, number in library.get_vocab(with_added_tokens=True).items():
        names[number] = name
    added = library.get_added_tokens_decoder()
    spellings = []
    for spelled in (_byte_level, _sentence_piece):
        pieces = [spelled(name) for name in names]
        for number, token in added.items():
            pieces[number] = b"" if token.special else token.content.encode()
        spellings.append(pieces)
    return spellings


def _byte_level(name: str) -> bytes:
    """Bytes that are written as letters (Radford et al. 2019); nothing if there are other letters."""
    return bytes(_BYTES.get(letter, 0) for letter in name) if all(letter in _BYTES for letter in name) else b""


def _sentence_piece(name: str) -> bytes:
    """A text with marked spaces, or <0x41> for a byte (Kudo and Richardson 2018)."""
    if len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
        return bytes([int(name[3:5], 16)])
    return name.replace(_BLANK, " ").encode()


def _letters() -> dict[str, int]:
    """Letter -> byte: those that can be printed are themselves, the others follow from letter 256 on."""
    printed = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in set(printed)]
    return {chr(byte): byte for byte in printed} | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTES = _letters()


def _grammar(rule: str, *, blank: bool = False) -> str:
    """A text of the rule, behind a space that decoding drops."""
    before = '" " ' if blank else ""
    return LLMatcher.grammar_from_lark(f"start: {before}body\nbody: {rule}")


def _refusal(rule: str) -> str:
    """Why the rule cannot be used, in one line; empty: it can."""
    wrong, messages = LLMatcher.validate_grammar_with_warnings(_grammar(rule))
    lines = [line.strip() for line in "\n".join(messages).splitlines()] or [""]
    said = next((line for line in lines if line.startswith("error: ")), lines[0])
    return _PLACE.sub("", said)[:200] if wrong else ""


def _check(matcher: LLMatcher, row: np.ndarray) -> None:
    """Something may come, or an error."""
    if matcher.is_error():
        reason = " ".join(matcher.get_error().split())[:200]
        raise GenwrightError("GW-0177", f"The constraint cannot be followed: {reason}", "Make it simpler")
    if not row.any():
        raise GenwrightError(
            "GW-0178", "The tokeniser has no piece for what the constraint wants next", "Use the tokeniser bpe"
        )
