"""Coded examples on disk, and which of them a step sees.

`Rows` is a memory-mapped matrix in a temporary folder that goes away with the process; `batch_rows` is a pure function
of (seed, step), so a resumed run sees the same batches without any saved iterator. Read `training/loop.py` next.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np


class Rows:
    """An append-once matrix of codes, (rows, spans) uint16 or float32, in a temporary file that is removed with it."""

    def __init__(self, blocks: Iterable[np.ndarray], width: int, dtype: type = np.uint16) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="genwright-")
        path = Path(self._folder.name) / "rows"
        rows = 0
        with open(path, "wb") as file:
            for block in blocks:
                file.write(np.ascontiguousarray(block, dtype=dtype).tobytes())
                rows += len(block)
        self.matrix: np.ndarray = (
            np.memmap(path, dtype=dtype, mode="r", shape=(rows, width))
            if rows and width
            else np.empty((rows, width), dtype=dtype)
        )

    def __len__(self) -> int:
        return len(self.matrix)


def batch_rows(rows: int, batch_size: int, *, seed: int, step: int) -> np.ndarray:
    """Indices of the examples of a step: passes over a fresh permutation each epoch, every row once a pass.

    Returns min(batch_size, rows) indices below `rows`; a batch may reach over the end of a pass into the next.
    """
    size = min(batch_size, rows)
    start = step * size
    indices = np.arange(start, start + size)
    epochs = indices // rows
    return np.concatenate(
        [_permutation(rows, seed, int(epoch))[indices[epochs == epoch] % rows] for epoch in np.unique(epochs)]
    )


@functools.lru_cache(maxsize=2)
def _permutation(rows: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(rows)


def split(rows: int, share: float, *, seed: int) -> np.ndarray:
    """A mask of (rows,) with round(share * rows) True, at random by the seed; never all of them, and none if share is 0."""
    chosen = np.zeros(rows, dtype=bool)
    count = min(round(share * rows), max(rows - 1, 0))
    chosen[np.random.default_rng([seed, rows]).permutation(rows)[:count]] = True
    return chosen
