"""New identifiers in the form of the old: sequences go on, universal ones are random, patterns are filled anew.

What is kept of the training values is a maximum, or the pattern and a bitmap of salted hashes that tells "possibly used
before" (one hash in sixteen does by chance, so a hit proves nothing). The value at row r of a sample is a function of r,
so that values never repeat however a sample is cut into pieces.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from genwright.data.kinds import skeletons

_MOST_TRIES = 64
_MOST_COMBINATIONS = 1 << 60
_CLASSES = (
    "0123456789",
    "0123456789abcdef",
    "0123456789ABCDEF",
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
)
_ANY = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class UsedValues:
    """A bitmap that tells whether a text was possibly seen in training, without holding any."""

    def __init__(self, salt: bytes, bits: np.ndarray) -> None:
        self.salt, self.bits = salt, bits

    @classmethod
    def of(cls, hashes: list[np.ndarray], salt: bytes) -> UsedValues:
        """From the hashes of all training values (`hash_texts` with the same salt)."""
        every = np.concatenate(hashes) if hashes else np.array([], dtype=np.uint64)
        size = max(16 * len(every), 1024)
        bits = np.zeros(size, dtype=np.uint8)
        bits[every % np.uint64(size)] = 1
        return cls(salt, np.packbits(bits))

    def contain(self, texts: list[str]) -> np.ndarray:
        """Mask: True for all training values, and for one in sixteen of all others."""
        at = hash_texts(texts, self.salt) % np.uint64(len(self.bits) * 8)
        return (self.bits[(at // 8).astype(np.int64)] >> (7 - at % 8).astype(np.uint8)) & 1 == 1


def hash_texts(texts: list[str], salt: bytes) -> np.ndarray:
    """(n,) uint64 salted hashes."""
    digest = b"".join(hashlib.blake2b(text.encode(), digest_size=8, key=salt).digest() for text in texts)
    return np.frombuffer(digest, dtype="<u8")


class Sequence:
    """Numbers that continue after the training maximum in the training step, maybe within a text: CUST-00412."""

    def __init__(self, last: int, step: int, prefix: str = "", suffix: str = "", width: int = 0) -> None:
        self.last, self.step = last, step
        self.prefix, self.suffix, self.width = prefix, suffix, width

    @classmethod
    def of(cls, sample: np.ndarray, low: int, high: int) -> Sequence:
        """After `high`; before `low` where 64 bits leave no room above."""
        step = _step(sample)
        return cls(high, step) if high < (1 << 62) else cls(low, -step)

    @classmethod
    def within(cls, sample: pl.Series, high: int) -> Sequence | None:
        """The sequence that counts within texts of one prefix and suffix; None where there is none, or with gaps wider
        than its steps: such numbers are no count."""
        parts = sample.str.extract_groups(r"^(?<prefix>.*?)(?<number>\d{1,18})(?<suffix>\D*)$").struct.unnest()
        if parts["number"].null_count() or parts["prefix"].n_unique() > 1 or parts["suffix"].n_unique() > 1:
            return None
        numbers = parts["number"].cast(pl.Int64).to_numpy()
        step = _step(numbers)
        if (numbers.max() - numbers.min()) // step > 2 * len(numbers):
            return None
        padded = bool(parts["number"].str.starts_with("0").any())
        width = int(parts["number"].str.len_chars().min() or 0) if padded else 0  # type: ignore[arg-type]
        return cls(high, step, parts["prefix"][0], parts["suffix"][0], width)

    def draw(self, rows: int, generator: np.random.Generator, first_row: int) -> pl.Series:
        numbers = pl.Series(self.last + self.step * np.arange(first_row + 1, first_row + rows + 1, dtype=np.int64))
        if not (self.prefix or self.suffix or self.width):
            return numbers
        return self.prefix + numbers.cast(pl.String).str.zfill(self.width) + self.suffix

    def to_json(self) -> dict[str, Any]:
        kept = {"last": self.last, "step": self.step, "prefix": self.prefix, "suffix": self.suffix}
        return {"style": "sequence", **kept, "width": self.width}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}


def _step(numbers: np.ndarray) -> int:
    """The largest step that leads from each number to all others."""
    steps = np.diff(np.unique(numbers)).astype(np.uint64)
    return max(int(np.gcd.reduce(steps)) if len(steps) else 1, 1)


class Universal:
    """Random UUIDs of version 4, written as the training values are."""

    def __init__(self, dashes: bool, capitals: bool, braces: bool) -> None:
        self.dashes, self.capitals, self.braces = dashes, capitals, braces

    @classmethod
    def of(cls, example: str) -> Universal:
        """Written like the example."""
        return cls("-" in example, example != example.lower(), example.startswith("{"))

    def draw(self, rows: int, generator: np.random.Generator, first_row: int) -> pl.Series:
        octets = generator.integers(0, 256, size=(rows, 16), dtype=np.uint8)
        octets[:, 6] = octets[:, 6] & 0x0F | 0x40  # version 4
        octets[:, 8] = octets[:, 8] & 0x3F | 0x80  # variant of RFC 9562
        digits = np.frombuffer(octets.tobytes().hex().encode(), dtype=np.uint8).reshape(rows, 32)
        if self.dashes:
            digits = np.insert(digits, [8, 12, 16, 20], ord("-"), axis=1)
        texts = pl.Series(_texts(digits.astype(np.uint32)), dtype=pl.String)
        texts = texts.str.to_uppercase() if self.capitals else texts
        return "{" + texts + "}" if self.braces else texts

    def to_json(self) -> dict[str, Any]:
        return {"style": "uuid", "dashes": self.dashes, "capitals": self.capitals, "braces": self.braces}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}


class Pattern:
    """Texts of a few shapes; at each place of a shape stands a fixed character or one of a class."""

    def __init__(self, shapes: list[list[str]], shares: np.ndarray, used: UsedValues) -> None:
        self.shapes, self.shares, self.used = shapes, shares, used

    @classmethod
    def of(cls, sample: pl.Series, hashes: list[np.ndarray], salt: bytes, rare_below: int) -> Pattern:
        """Shapes seen in at least `rare_below` rows; a place is fixed where all rows of the shape agree."""
        frame = pl.DataFrame({"text": sample, "shape": skeletons(sample)})
        groups = (
            frame.group_by("shape")
            .agg(pl.len().alias("rows"), pl.col("text"))
            .sort(["rows", "shape"], descending=[True, False])
        )
        kept = groups.filter(pl.col("rows") >= rare_below)
        shapes = [_places(texts.to_list()) for texts in kept["text"]]
        rows = kept["rows"].to_list()
        if not shapes:  # nothing that several rows share: the length of the commonest shape is all that is kept
            shapes, rows = [[_ANY] * max(len(groups["shape"][0]), 8)], [1]
        return cls(shapes, np.array(rows) / sum(rows), UsedValues.of(hashes, salt))

    def draw(self, rows: int, generator: np.random.Generator, first_row: int) -> pl.Series:
        """Distinct texts, none of them seen in training."""
        which = generator.choice(len(self.shapes), size=rows, p=self.shares)
        result = np.empty(rows, dtype=object)
        for number, shape in enumerate(self.shapes):
            at = np.flatnonzero(which == number)
            if len(at):
                result[at] = self._fill(shape, at + first_row, generator)
        return pl.Series(result.tolist(), dtype=pl.String)

    def _fill(self, shape: list[str], rows: np.ndarray, generator: np.random.Generator) -> list[str]:
        """The shape filled for each row: the first of its candidates that was not used, else one made longer."""
        counted, combinations = _counted(shape)
        tries = self._tries(shape, counted, combinations, generator)
        stride = max(combinations // tries, 1)
        texts = np.empty(len(rows), dtype=object)
        open_rows = np.flatnonzero(rows < stride)
        for attempt in range(tries if len(open_rows) else 0):
            index = rows[open_rows].astype(np.uint64) + np.uint64(attempt * stride)
            candidates = _spell(shape, counted, self._scatter(index, combinations), generator)
            fresh = ~self.used.contain(candidates)
            texts[open_rows[fresh]] = np.array(candidates, dtype=object)[fresh]
            open_rows = open_rows[~fresh]
            if not len(open_rows):
                break
        left = np.flatnonzero(texts == None)  # noqa: E711 - elementwise
        if len(left):
            base = _spell(shape, counted, np.zeros(len(left), dtype=np.uint64), generator)
            texts[left] = [f"{text}-{row}" for text, row in zip(base, rows[left], strict=True)]
        return texts.tolist()

    def _tries(self, shape: list[str], counted: list[int], combinations: int, generator: np.random.Generator) -> int:
        """How many candidates a row needs until one of them is almost surely new; few, so that many rows fit in."""
        probes = np.linspace(0, combinations - 1, 500).astype(np.uint64)
        taken = float(self.used.contain(_spell(shape, counted, probes, generator)).mean())
        return (
            int(np.clip(np.ceil(np.log(1e-4) / np.log(max(taken, 0.01))), 2, _MOST_TRIES)) if taken < 1 else _MOST_TRIES
        )

    def _scatter(self, index: np.ndarray, combinations: int) -> np.ndarray:
        """A permutation of 0 .. combinations - 1, so that neighbouring rows do not look like neighbours."""
        step = int(combinations * 0.6180339887) | 1
        while np.gcd(step, combinations) != 1:
            step += 2
        shift = int.from_bytes(self.used.salt, "little")
        exact = (index.astype(object) * step + shift) % combinations  # beyond 64 bits on the way
        return exact.astype(np.uint64)

    def to_json(self) -> dict[str, Any]:
        return {"style": "pattern", "shapes": self.shapes, "salt": self.used.salt.hex()}

    def arrays(self) -> dict[str, np.ndarray]:
        return {"shares": self.shares, "used": self.used.bits}


def identifier_source(data: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Sequence | Universal | Pattern:
    """A source of identifiers from its JSON and arrays."""
    if data["style"] == "sequence":
        return Sequence(int(data["last"]), int(data["step"]), data["prefix"], data["suffix"], int(data["width"]))
    if data["style"] == "uuid":
        return Universal(bool(data["dashes"]), bool(data["capitals"]), bool(data["braces"]))
    shapes = [[str(place) for place in shape] for shape in data["shapes"]]
    used = UsedValues(bytes.fromhex(data["salt"]), arrays["used"])
    return Pattern(shapes, arrays["shares"], used)


def _places(texts: list[str]) -> list[str]:
    """For each place the characters that may stand there: the one that always does, or a class that holds all."""
    places = []
    for letters in zip(*texts, strict=True):
        seen = set(letters)
        fitting = (known for known in (*_CLASSES, _ANY) if seen <= set(known) and 3 * len(seen) > len(known))
        places.append(next(fitting, "") if len(seen) > 1 else "")
        places[-1] = places[-1] or "".join(sorted(seen))
    return places


def _counted(shape: list[str]) -> tuple[list[int], int]:
    """The places that number the combinations, from the last, and how many those are; places beyond are random."""
    counted, combinations = [], 1
    for place in range(len(shape) - 1, -1, -1):
        size = len(shape[place])
        if size > 1 and combinations * size < _MOST_COMBINATIONS:
            counted.append(place)
            combinations *= size
    return counted, combinations


def _spell(shape: list[str], counted: list[int], index: np.ndarray, generator: np.random.Generator) -> list[str]:
    letters = np.empty((len(index), len(shape)), dtype=np.uint32)
    index = index.copy()
    for place in counted:
        options = np.array([ord(letter) for letter in shape[place]], dtype=np.uint32)
        letters[:, place] = options[(index % np.uint64(len(options))).astype(np.int64)]
        index //= np.uint64(len(options))
    for place in range(len(shape)):
        if place not in counted:
            options = np.array([ord(letter) for letter in shape[place]], dtype=np.uint32)
            letters[:, place] = options[generator.integers(0, len(options), len(letters))]
    return _texts(letters)


def _texts(letters: np.ndarray) -> list[str]:
    """(n, length) code points as n texts."""
    if not letters.size:
        return [""] * len(letters)
    return np.ascontiguousarray(letters).view(f"<U{letters.shape[1]}").ravel().tolist()
