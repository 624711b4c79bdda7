"""Building the coders of a table from one pass over its rows. `table.py` calls it; the coders are in `columns.py`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from genwright.codecs.columns import CategoryCoder, Coder, NumberCoder
from genwright.codecs.fresh import FixedCoder, FreshCoder, Source
from genwright.codecs.grid import build_grid
from genwright.codecs.identifiers import Pattern, Sequence, Universal, UsedValues
from genwright.codecs.tally import FreshTally, NumberTally, RowSample, WordTally, numbers_of
from genwright.codecs.words import TextModel
from genwright.data.ahead import cores
from genwright.data.columns import Column
from genwright.data.schema import Schema

_NUMBER_ROWS = 1_000_000
_WORD_ROWS = 200_000
_SALT_BYTES = 16

Tally = NumberTally | WordTally | FreshTally | None


def build_coders(
    batches: Iterator[pl.DataFrame],
    schema: Schema,
    bins: int,
    slices: int,
    most_values: int,
    rare_below: int,
    seed: int,
) -> tuple[list[Coder], int]:
    """A coder for each column, and the number of rows."""
    salt = np.random.default_rng([seed, 0x5A17]).bytes(_SALT_BYTES)
    tallies = [_tally(column, most_values, salt) for column in schema.columns]
    numbers = RowSample([column.name for column in schema.columns if column.is_number], _NUMBER_ROWS, seed)
    fresh = [column.name for column in schema.columns if column.kind in ("text", "identifier")]
    words = RowSample(fresh, _WORD_ROWS, seed)
    rows = 0
    with ThreadPoolExecutor(cores()) as pool:
        for batch in batches:
            rows += batch.height
            adding = [
                pool.submit(tally.add, batch[column.name])
                for column, tally in zip(schema.columns, tallies, strict=True)
                if tally is not None
            ]
            numbers.add(batch)
            words.add(batch)
            for done in adding:
                done.result()
    samples = {name: sample[name] for sample in (numbers.rows(), words.rows()) for name in sample.columns}
    coders: list[Coder] = []
    for column, tally in zip(schema.columns, tallies, strict=True):
        if tally is None or tally.missing == rows:
            coders.append(FixedCoder(column))
        elif isinstance(tally, NumberTally):
            values, counts = tally.points(samples[column.name], rare_below)
            places = column.places if column.dtype == pl.Float64 else 0
            grid = build_grid(values, counts, places=places, bins=bins, slices=slices, most_values=most_values)
            coders.append(NumberCoder(column, grid, tally.missing > 0))
        elif isinstance(tally, WordTally):
            coders.append(CategoryCoder.of(column, *tally.ranked(), tally.missing > 0, rare_below))
        else:
            present = samples[column.name].drop_nulls()
            coders.append(FreshCoder(column, _source(column, present, tally, rare_below), tally.missing > 0))
    return coders, rows


def _tally(column: Column, most_values: int, salt: bytes) -> Tally:
    if column.kind in ("constant", "missing"):
        return None
    if column.is_number:
        return NumberTally(most_values)
    if column.kind in ("text", "identifier"):
        return FreshTally(column, salt)
    return WordTally()


def _source(column: Column, present: pl.Series, tally: FreshTally, rare_below: int) -> Source:
    """Where a text or identifier column takes its new values from."""
    if column.kind == "text":
        return TextModel.of(present, UsedValues.of(tally.hashes, tally.salt), rare_below)
    if column.style == "sequence":
        return Sequence.of(numbers_of(present), tally.low, tally.high)
    if column.style == "uuid":
        return Universal.of(present[0])
    counted = Sequence.within(present, tally.high)
    return counted or Pattern.of(present, tally.hashes, tally.salt, rare_below)
