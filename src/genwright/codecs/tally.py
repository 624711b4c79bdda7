"""Counting a table in one pass with bounded memory: a seeded sample of its rows, value counts, extremes.

`table.py` feeds it batches of typed rows; the coders in `columns.py` are built from what it kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from genwright.codecs.identifiers import hash_texts
from genwright.data.columns import Column

_MOST_WORDS = 1_000_000


class RowSample:
    """A simple random sample of at most `most` rows from a stream: each row draws a number, the smallest stay."""

    def __init__(self, names: list[str], most: int, seed: int) -> None:
        self.names, self.most = names, most
        self._generator = np.random.default_rng(seed)
        self._frames: list[pl.DataFrame] = []
        self._numbers: list[np.ndarray] = []
        self._held, self._limit = 0, 1.0

    def add(self, batch: pl.DataFrame) -> None:
        """Let the rows of a batch take part."""
        if not self.names:
            return
        numbers = self._generator.random(batch.height)
        frame = batch.select(self.names)
        if self._limit < 1.0:
            kept = np.flatnonzero(numbers < self._limit)
            frame, numbers = frame[kept], numbers[kept]
        self._frames.append(frame)
        self._numbers.append(numbers)
        self._held += frame.height
        if self._held > 2 * self.most:
            self._shrink()

    def rows(self) -> pl.DataFrame:
        """The sample."""
        if self._held > self.most:
            self._shrink()
        return pl.concat(self._frames) if self._frames else pl.DataFrame()

    def _shrink(self) -> None:
        numbers = np.concatenate(self._numbers)
        order = np.argpartition(numbers, self.most)
        self._limit = float(numbers[order[self.most]])
        kept = np.sort(order[: self.most])
        self._frames = [pl.concat(self._frames)[kept]]
        self._numbers = [numbers[kept]]
        self._held = self.most


class NumberTally:
    """Extremes of a numeric column and, while there are few, all its distinct values."""

    def __init__(self, most_values: int) -> None:
        self.most_values = most_values
        self.distinct: np.ndarray | None = np.array([])
        self.missing = 0
        self.low: Any = None
        self.high: Any = None

    def add(self, values: pl.Series) -> None:
        """Count a batch."""
        self.missing += values.null_count()
        present = numbers_of(values)
        if not len(present):
            return
        low, high = present.min(), present.max()
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
        if self.distinct is not None:
            fresh = values.drop_nulls().unique()
            values_seen = [part for part in (self.distinct, numbers_of(fresh)) if len(part)]
            self.distinct = np.unique(np.concatenate(values_seen))
            if len(self.distinct) > self.most_values:
                self.distinct = None

    def points(self, sample: pl.Series, rare_below: int) -> tuple[np.ndarray, np.ndarray]:
        """Distinct values in rising order with their counts in the sample, those it lacks counted once; without the
        tails beyond the `rare_below`-th row from either end."""
        values, counts = np.unique(numbers_of(sample), return_counts=True)
        known = self.distinct if self.distinct is not None else np.array([self.low, self.high])
        unseen = np.setdiff1d(known, values)
        order = np.argsort(np.concatenate([values, unseen]), kind="stable")
        values = np.concatenate([values, unseen])[order]
        return _without_tails(values, np.concatenate([counts, np.ones(len(unseen), dtype=np.int64)])[order], rare_below)


def _without_tails(values: np.ndarray, counts: np.ndarray, rare_below: int) -> tuple[np.ndarray, np.ndarray]:
    """The values from the `rare_below`-th smallest row to the `rare_below`-th largest, the middle of them where there are
    fewer rows: an extreme is then never one person's. Rows beyond count at the ends: that is where they are coded."""
    rank = min(rare_below, (int(counts.sum()) + 1) // 2)
    low = int(np.searchsorted(np.cumsum(counts), rank))
    high = len(values) - 1 - int(np.searchsorted(np.cumsum(counts[::-1]), rank))
    inner = counts[low : high + 1].copy()
    inner[0] += counts[:low].sum()
    inner[-1] += counts[high + 1 :].sum()
    return values[low : high + 1], inner


class WordTally:
    """How often each word occurs. Beyond a million different words those seen once so far are dropped."""

    def __init__(self) -> None:
        self.missing = 0
        self._counts: pl.DataFrame | None = None

    def add(self, values: pl.Series) -> None:
        """Count a batch."""
        self.missing += values.null_count()
        counts = values.drop_nulls().cast(pl.String).alias("word").value_counts(name="rows")
        if self._counts is not None:
            counts = pl.concat([self._counts, counts]).group_by("word").agg(pl.col("rows").sum())
        self._counts = counts.filter(pl.col("rows") > 1) if counts.height > _MOST_WORDS else counts

    def ranked(self) -> tuple[list[str], list[int]]:
        """Words and counts, most frequent first, ties in the order of the alphabet."""
        if self._counts is None:
            return [], []
        ranked = self._counts.sort(["rows", "word"], descending=[True, False])
        return ranked["word"].to_list(), ranked["rows"].to_list()


def numbers_of(values: pl.Series) -> np.ndarray:
    """The present values of a numeric or temporal column as int64 or float64."""
    present = values.drop_nulls()
    if present.dtype.is_temporal():
        present = present.to_physical()
    return present.cast(pl.Float64 if present.dtype.is_float() else pl.Int64).to_numpy()


class FreshTally:
    """Of identifiers and texts: how many are missing, the range of the numbers in them, and salted hashes."""

    def __init__(self, column: Column, salt: bytes) -> None:
        self.column, self.salt = column, salt
        self.missing = 0
        self.hashes: list[np.ndarray] = []
        self.low, self.high = 0, 0

    def add(self, values: pl.Series) -> None:
        """Count a batch."""
        self.missing += values.null_count()
        present = values.drop_nulls()
        if self.column.style in ("sequence", "pattern") and len(present):
            last = r"(\d{1,18})\D*$"
            numbers = present if present.dtype == pl.Int64 else present.str.extract(last).cast(pl.Int64, strict=False)
            self.low = min(self.low, int(numbers.min() or 0))  # type: ignore[arg-type]
            self.high = max(self.high, int(numbers.max() or 0))  # type: ignore[arg-type]
        if present.dtype == pl.String and self.column.style != "uuid":
            self.hashes.append(hash_texts(present.to_list(), self.salt))
