"""Coded examples on disk, and which of them a step sees.

`Rows` is a memory-mapped matrix in a nameless temporary file; `batch_rows` is a pure function of (seed, step), so a
resumed run sees the same batches without any saved iterator. Read `training/loop.py` next.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterable

import numpy as np


class Rows:
    """An append-once matrix of codes, (rows, spans) uint16, in a temporary file.

    The file has no name from the start (where the system allows it), so that it goes away with the process, however that
    ends: coded rows are real rows.
    """

    def __init__(self, blocks: Iterable[np.ndarray], width: int) -> None:
        rows = 0
        with tempfile.TemporaryFile(prefix="genwright-") as file:
            for block in blocks:
                file.write(np.ascontiguousarray(block, dtype=np.uint16).tobytes())
                rows += len(block)
            file.flush()
            shape = (rows, width)
            self.matrix: np.ndarray = (
                np.memmap(file, dtype=np.uint16, mode="r", shape=shape)
                if rows and width
                else np.empty(shape, np.uint16)
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
