"""Exact copies: whole rows, identifiers and texts of the training table that turn up in the synthetic one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genwright.metrics.view import Tables

Hashes = NDArray[np.uint64]


def row_hashes(tables: Tables, name: str) -> Hashes:
    """(rows,) 64-bit hash of each row of one table, over all columns but identifiers (a made one is always new)."""
    view = tables.views[name]
    frame = tables.frames[name]
    assert frame is not None
    columns = [pl.Series(f"n{i}", values).fill_nan(None) for i, values in enumerate(view.numbers.values())]
    columns += [pl.Series(f"c{i}", codes) for i, codes in enumerate(view.codes.values())]
    columns += [frame[text].cast(pl.String).alias(f"t{i}") for i, text in enumerate(tables.of_kind(("text",)))]
    if not columns:
        return np.arange(view.rows, dtype=np.uint64)
    return pl.DataFrame(columns).hash_rows(seed=0).to_numpy()


def copied_share(hashes: Hashes, source: Hashes) -> float:
    """Share of the rows in `hashes` that equal a row in `source`."""
    return float(np.isin(hashes, source).mean())


def copied_values(tables: Tables, columns: Sequence[str], name: str) -> float | None:
    """Share of one table's present values in these columns that occur in the training table's column; None: no values."""
    found = total = 0
    train, frame = tables.frames["train"], tables.frames[name]
    assert train is not None
    assert frame is not None
    for column in columns:
        values = frame[column].drop_nulls().cast(pl.String)
        found += int(values.is_in(train[column].drop_nulls().cast(pl.String).unique().implode()).sum())
        total += len(values)
    return found / total if total else None


def missing_rate(tables: Tables, column: str, name: str) -> float:
    """Share of missing values of a text or identifier column."""
    frame = tables.frames[name]
    assert frame is not None
    return frame[column].null_count() / frame.height
