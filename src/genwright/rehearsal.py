"""Made-up data in the place of private ones, for `train --epsilon --dry-run`: of the declared form, they go the way that the
real ones will go, so the time that they take tells nothing of anybody.

What nobody declared is assumed: so many examples as presets assume, so many categories, numbers around a mean. Read
`planning.py` next, which times them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from genwright.codecs.private_table import all_values
from genwright.config import Train
from genwright.contract import BEGIN
from genwright.data.batches import ExampleSet, split
from genwright.data.columns import Column
from genwright.data.declared import Declared
from genwright.data.sources import open_table
from genwright.data.token_batches import DocumentWindows, TokenExamples
from genwright.dataset import Codec, Dataset
from genwright.guarantee import Guard
from genwright.images import ImageSet
from genwright.privacy.accounting import Guarantee
from genwright.privacy.events import SampledGaussian
from genwright.privacy.ledger import Entry, PrivacyLedger
from genwright.tables import Table
from genwright.texts import TextSet
from genwright.training.private import TRAINING, Private

CATEGORIES = 10  # of a column of which none are declared
LIKE = 0.5  # correlation of each column with what all have in common
MOST_ROWS = 200_000
MOST_NUMBERS = 2**28  # pixels of all images, tokens of all texts
HELD = 0.1  # share held out where a file of test rows is given
MANY = 10_000  # steps that can be timed
NOTHING = Declared()


def made_up(dataset: Dataset, settings: Train, rows: int) -> Any:
    """As many training examples as are said, or as memory allows, of the form of the data: for tables and images a dataset,
    for texts their windows."""
    generator, most = np.random.default_rng(0), settings.training.batch_size
    if isinstance(dataset, Table):
        return _table(dataset, settings, min(rows, max(most, MOST_ROWS)), generator)
    if isinstance(dataset, ImageSet):
        shape = dataset.images.pixels.shape[1:]
        return _images(dataset, min(rows, max(most, MOST_NUMBERS // int(np.prod(shape)))), generator)
    assert isinstance(dataset, TextSet)
    codec = dataset.declared_codec()
    return _windows(codec, min(rows, max(most, MOST_NUMBERS // codec.context)), generator)


def coded(dataset: Dataset, made: Any, guard: Guard) -> tuple[Codec, ExampleSet]:
    """The codec and the coded examples of what was made up; the guard's plan, which is in memory only, is used up for it."""
    if isinstance(made, DocumentWindows):
        return guard.codec(dataset), made
    codec = guard.codec(made)
    return codec, made.encode(codec, validation=0.0, seed=0)[0]


def rehearsing(private: Private, examples: ExampleSet) -> Private:
    """The same steps on made-up examples, of which as many are in a step as planned, under a plan that does not end."""
    own = private.ledger
    ledger = PrivacyLedger(Guarantee(1000.0, 0.1), unit=own.unit, contributions=own.contributions)
    rate = min(private.batch_size * own.contributions / len(examples), 1.0)
    ledger.plan(Entry(TRAINING, "rehearsal", SampledGaussian(100.0, rate, MANY), private.clip_norm))
    return replace(private, ledger=ledger)


def _table(table: Table, settings: Train, rows: int, generator: np.random.Generator) -> Table:
    share = HELD if settings.test else settings.holdout
    total = round(rows / (1 - share))
    common = generator.normal(size=total)
    known = table.schema.declared
    columns = [
        _column(column, known.get(column.name, NOTHING), common, generator).alias(column.name)
        for column in table.schema.columns
    ]
    frame = table.schema.format(pl.DataFrame(columns))
    return Table(open_table(frame), table.schema, split(total, share, seed=0))


def _column(column: Column, known: Declared, common: np.ndarray, generator: np.random.Generator) -> pl.Series:
    """Values of its kind that go with what all columns have in common."""
    z = LIKE**0.5 * common + (1 - LIKE) ** 0.5 * generator.normal(size=len(common))
    if column.kind in ("constant", "missing"):
        return pl.Series([column.value if column.kind == "constant" else None], dtype=pl.String).new_from_index(
            0, len(z)
        )
    if column.kind == "identifier":
        return pl.Series(np.arange(len(z))).cast(column.dtype)
    ranks = (np.argsort(np.argsort(z)) + 0.5) / len(z)
    if column.is_number:
        return _numbers(column, known, z, ranks)
    words = all_values(column, known) or tuple(f"category {number}" for number in range(CATEGORIES))
    heights = 1 / np.arange(1, len(words) + 1)
    at = np.searchsorted(np.cumsum(heights / heights.sum()), ranks).clip(max=len(words) - 1)
    drawn = pl.Series(np.array(words)[at])
    return drawn == words[0] if column.kind == "boolean" else drawn


def _numbers(column: Column, known: Declared, z: np.ndarray, ranks: np.ndarray) -> pl.Series:
    if known.bounds:
        low, high = known.bounds
        values = low + (high - low) * ranks
    else:
        usual = {"date": (15_000.0, 2_000.0), "datetime": (1.5e15, 1e14)}  # days, microseconds
        mean, deviation = usual.get(column.kind, (50.0, 15.0))
        values = np.clip(mean + deviation * z, 0, 2 * mean)
        values = values * 1000 if column.kind == "datetime" and column.unit == "ns" else values
    if column.kind == "decimal":
        return pl.Series(values)
    whole = pl.Series(np.rint(values).astype(np.int64))
    return whole.cast(pl.Int32).cast(pl.Date) if column.kind == "date" else whole.cast(column.dtype)


def _images(dataset: ImageSet, count: int, generator: np.random.Generator) -> ImageSet:
    pixels = generator.integers(256, size=(count, *dataset.images.pixels.shape[1:]), dtype=np.uint8)
    labels = generator.integers(len(dataset.source.classes), size=count) if dataset.source.classes else None
    made = replace(dataset.images, pixels=pixels, labels=labels, groups=np.arange(count))
    return ImageSet(dataset.source, made, np.zeros(count, bool))


def _windows(codec: Any, count: int, generator: np.random.Generator) -> DocumentWindows:
    """Texts that fill a window each."""
    ids = generator.integers(BEGIN + 1, codec.spec.vocabulary, size=(count, codec.context + 1))
    ids[:, 0] = BEGIN
    documents = ((text, np.ones(len(text), bool)) for text in ids)
    return DocumentWindows.of(TokenExamples.written(documents, codec.context, dtype=codec.dtype))
