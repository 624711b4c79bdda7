"""A small model of free text: words follow the two before them, as they did in at least three training rows.

It gives text of the right look, length and vocabulary, not meaning. Words of fewer rows are never kept: at their place
stands their shape, filled with fresh digits or with an invented word. `columns.py` uses it for text columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from genwright.codecs.identifiers import UsedValues

_ASIAN = r"\p{Han}\p{Hiragana}\p{Katakana}"
_TOKEN = rf"\s*[{_ASIAN}]|\s*[\p{{L}}\p{{M}}--[{_ASIAN}]]+|\s*\d+|\s*[^\p{{L}}\p{{M}}\d\s]|\s+"
_DIGIT, _SMALL, _FIRST_CAPITAL, _CAPITALS = "\ue000", "\ue001", "\ue002", "\ue003"  # private use: in no real text
_HOLES = re.compile(f"{_DIGIT}+|[{_SMALL}{_FIRST_CAPITAL}{_CAPITALS}]")
_START = 0
_ROUNDS = 5
_MOST_TOKENS = 300
_INVENTED = 2000


class Chain:
    """Which symbol follows two others: counts by the last two, by the last one, and overall; the first that knows."""

    def __init__(self, size: int, tables: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
        """`tables`: for each number of symbols looked back at (2, 1, 0) sorted keys, what followed, cumulated counts."""
        self.size, self.tables = size, tables

    @classmethod
    def of(cls, rows: np.ndarray, symbols: np.ndarray, size: int, rare_below: int) -> Chain:
        """From symbols 1 .. size - 1 in order and the row of each; what fewer than `rare_below` rows have is left out."""
        same = np.zeros(len(rows), dtype=bool)
        same[1:] = rows[1:] == rows[:-1]
        before = np.where(same, np.roll(symbols, 1), _START)
        earlier = np.where(same, np.roll(before, 1), _START)
        tables = []
        for key in (earlier.astype(np.int64) * size + before, before.astype(np.int64), np.zeros(len(rows), np.int64)):
            frame = pl.DataFrame({"key": key, "next": symbols, "row": rows})
            counts = frame.group_by("key", "next").agg(pl.len().alias("count"), pl.col("row").n_unique().alias("rows"))
            kept = counts.filter(pl.col("rows") >= rare_below).sort("key", "next")
            if not kept.height and not key.any():
                kept = counts.sort("count", "next", descending=[True, False]).head(1)  # there must be something
            count = kept["count"].to_numpy().astype(np.int64)
            tables.append((kept["key"].to_numpy(), kept["next"].to_numpy().astype(np.int64), np.cumsum(count)))
        return cls(size, tables)

    def follow(self, earlier: np.ndarray, before: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """The next symbol after each pair."""
        result = np.zeros(len(before), dtype=np.int64)
        left = np.arange(len(before))
        share = generator.random(len(before))
        for (keys, following, totals), key in zip(
            self.tables, (earlier * self.size + before, before, np.zeros_like(before)), strict=True
        ):
            begin = np.searchsorted(keys, key[left], side="left")
            finish = np.searchsorted(keys, key[left], side="right")
            known = finish > begin
            at, begin, finish = left[known], begin[known], finish[known]
            base = np.where(begin > 0, totals[begin - 1], 0)
            wanted = base + share[at] * (totals[finish - 1] - base)
            result[at] = following[np.searchsorted(totals, wanted, side="right").clip(begin, finish - 1)]
            left = left[~known]
        return result

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The tables, named `name`.2.keys and so on."""
        parts = ("keys", "following", "totals")
        return {
            f"{name}.{back}.{part}": array
            for back, table in zip((2, 1, 0), self.tables, strict=True)
            for part, array in zip(parts, table, strict=True)
        }

    @classmethod
    def from_arrays(cls, size: int, arrays: Mapping[str, np.ndarray], name: str) -> Chain:
        """Back from `arrays`; ValueError when a table does not fit."""
        tables = []
        for back in (2, 1, 0):
            keys, following, totals = (arrays[f"{name}.{back}.{part}"] for part in ("keys", "following", "totals"))
            if not len(keys) == len(following) == len(totals) or (len(following) and following.max() >= size):
                raise ValueError("a text model is damaged")
            tables.append((keys, following, totals))
        return cls(size, tables)


class TextModel:
    """Texts drawn token by token; never one that stood in the training data."""

    def __init__(
        self,
        tokens: list[str],
        chain: Chain,
        letters: list[str],
        spelling: Chain,
        lengths: np.ndarray,
        used: UsedValues,
    ) -> None:
        self.tokens, self.chain, self.lengths, self.used = tokens, chain, lengths, used
        self.letters, self.spelling = letters, spelling

    @classmethod
    def of(cls, texts: pl.Series, used: UsedValues, rare_below: int) -> TextModel:
        """From a sample of the present texts."""
        split = texts.str.extract_all(_TOKEN)
        frame = pl.DataFrame({"row": np.arange(len(texts)), "token": split}).explode("token").drop_nulls()
        spread = frame.group_by("token").agg(pl.col("row").n_unique().alias("rows"))
        common = spread.filter(pl.col("rows") >= rare_below)["token"]
        frame = frame.with_columns(_masked(pl.col("token"), pl.col("token").is_in(common.implode())))
        lengths = np.quantile(split.list.len().to_numpy(), np.linspace(0, 1, 65)) if len(texts) else np.ones(65)
        tokens, chain = _chain(frame, rare_below)
        words = spread["token"].str.strip_chars()
        words = words.filter(words.str.contains(rf"^[\p{{L}}--[{_ASIAN}]]{{2,}}$")).str.to_lowercase().unique().sort()
        spelled = pl.DataFrame({"row": np.arange(len(words)), "token": words.str.split("")}).explode("token")
        letters, spelling = _chain(spelled.filter(pl.col("token") != "").drop_nulls(), rare_below)
        return cls(tokens, chain, letters, spelling, lengths, used)

    def draw(self, rows: int, generator: np.random.Generator, first_row: int) -> pl.Series:
        texts = np.array(self._compose(rows, generator), dtype=object)
        for _ in range(_ROUNDS):
            again = np.flatnonzero(self.used.contain(texts.tolist()))
            if not len(again):
                break
            texts[again] = self._compose(len(again), generator)
        for at in np.flatnonzero(self.used.contain(texts.tolist())):
            extra = self._invent(_ROUNDS * 8, generator)
            candidates = [f"{texts[at]} {word}".strip() for word in extra]
            texts[at] = candidates[int(np.argmin(self.used.contain(candidates)))]
        return pl.Series(texts.tolist(), dtype=pl.String)

    def _compose(self, rows: int, generator: np.random.Generator) -> list[str]:
        spots = generator.random(rows) * (len(self.lengths) - 1)
        lengths = np.interp(spots, np.arange(len(self.lengths)), self.lengths)
        symbols = _walk(self.chain, np.clip(np.round(lengths), 1, _MOST_TOKENS).astype(np.int64), generator)
        texts = _joined(symbols, self.tokens)
        holed = [at for at, text in enumerate(texts) if _HOLES.search(text)]
        words = self._invent(min(_INVENTED, 20 * len(holed)), generator) if holed else []
        for at in holed:
            texts[at] = _HOLES.sub(lambda hole: _filling(hole.group(), words, generator), texts[at])
        return [text.strip() for text in texts]

    def _invent(self, number: int, generator: np.random.Generator) -> list[str]:
        """Words that nobody wrote, spelled as the training's words are."""
        lengths = np.clip(generator.poisson(5.0, number), 2, 14)
        if not self.letters:
            return [
                "".join(generator.choice(list("aeiou" if i % 2 else "bdklmnrst")) for i in range(n)) for n in lengths
            ]
        return _joined(_walk(self.spelling, lengths, generator), self.letters)

    def to_json(self) -> dict[str, Any]:
        return {"style": "words", "tokens": self.tokens, "letters": self.letters, "salt": self.used.salt.hex()}

    def arrays(self) -> dict[str, np.ndarray]:
        chains = self.chain.arrays("chain") | self.spelling.arrays("spelling")
        return {"lengths": self.lengths, "used": self.used.bits, **chains}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TextModel:
        """Back from `to_json` and `arrays`."""
        tokens, letters = [str(token) for token in data["tokens"]], [str(letter) for letter in data["letters"]]
        chain = Chain.from_arrays(len(tokens) + 1, arrays, "chain")
        spelling = Chain.from_arrays(len(letters) + 1, arrays, "spelling")
        used = UsedValues(bytes.fromhex(data["salt"]), arrays["used"])
        return cls(tokens, chain, letters, spelling, arrays["lengths"], used)


def _masked(token: pl.Expr, common: pl.Expr) -> pl.Expr:
    """Tokens with the rare ones replaced by holes of their shape."""
    lead = pl.when(token.str.contains(r"^\s")).then(pl.lit(" ")).otherwise(pl.lit(""))
    bare = token.str.strip_chars()
    word = (
        pl.when(bare.str.contains(r"^\d"))
        .then(bare.str.replace_all(r"\d", _DIGIT))
        .when(bare.str.contains(r"^\p{Lu}\p{Lu}"))
        .then(pl.lit(_CAPITALS))
        .when(bare.str.contains(r"^\p{Lu}"))
        .then(pl.lit(_FIRST_CAPITAL))
        .when(bare.str.contains(r"^\p{L}"))
        .then(pl.lit(_SMALL))
        .otherwise(pl.lit(""))
    )
    return pl.when(common).then(token).otherwise(pl.concat_str(lead, word)).alias("token")


def _chain(frame: pl.DataFrame, rare_below: int) -> tuple[list[str], Chain]:
    """The tokens used (symbol 1 is the first) and the chain over them."""
    tokens = frame["token"].unique().sort().to_list()
    numbers = {token: number for number, token in enumerate(tokens, start=1)}
    symbols = np.array([numbers[token] for token in frame["token"].to_list()], dtype=np.int64)
    chain = Chain.of(frame["row"].cast(pl.Int64).to_numpy(), symbols, len(tokens) + 1, rare_below)
    return tokens, chain


def _walk(chain: Chain, lengths: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
    """For each row the symbols of a walk of its length."""
    rows = len(lengths)
    symbols = np.zeros((rows, int(lengths.max()) if rows else 0), dtype=np.int64)
    for step in range(symbols.shape[1]):
        active = np.flatnonzero(lengths > step)
        before = symbols[active, step - 1] if step else np.zeros(len(active), dtype=np.int64)
        earlier = symbols[active, step - 2] if step > 1 else np.zeros(len(active), dtype=np.int64)
        symbols[active, step] = chain.follow(earlier, before, generator)
    return [row[:length] for row, length in zip(symbols, lengths, strict=True)]


def _joined(symbols: list[np.ndarray], tokens: list[str]) -> list[str]:
    known = ["", *tokens]
    return ["".join([known[symbol] for symbol in row.tolist()]) for row in symbols]


def _filling(hole: str, words: list[str], generator: np.random.Generator) -> str:
    if hole[0] == _DIGIT:
        return "".join(str(digit) for digit in generator.integers(0, 10, len(hole)))
    word = words[int(generator.integers(len(words)))]
    if hole == _SMALL:
        return word
    return word.upper() if hole == _CAPITALS else word.capitalize()
