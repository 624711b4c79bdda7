"""Coded examples, and which of them a step sees.

`Examples` are codes or pixels, very many codes in a nameless temporary file; `batch_rows` is a pure function of
(seed, step), so a resumed run sees the same batches without any saved iterator. Read `training/loop.py` next.
"""

from __future__ import annotations

import functools
import hashlib
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from genwright.contract import Batch

FIT_ROWS, FIT_IMAGES = 8192, 512  # in one batch of `once`
AT_ONCE = 2**17  # codes or pixel values that are looked at together without gradient
IN_MEMORY = 2**30  # bytes of coded rows


class ExampleSet(Protocol):
    """Coded examples of any kind, as the loop reads them."""

    def __len__(self) -> int: ...

    @property
    def size(self) -> int:
        """Numbers in all examples; 0: there is nothing to learn."""

    @property
    def at_once(self) -> int:
        """Examples that are looked at together without gradient: bounds memory."""

    @property
    def telling(self) -> int:
        """Examples whose mean loss is that of all to a few thousandths: more would slow every look."""

    def batch(self, chosen: np.ndarray | slice, device: torch.device) -> Batch:
        """The chosen examples on the device, as `contract.Batch` says."""

    def once(self, device: torch.device) -> Iterator[Batch]:
        """Everything once, in order, in large batches."""

    def blank(self, size: int, device: torch.device, *, seed: int) -> Batch:
        """A batch of nothing, for phases that read no data."""


@dataclass(frozen=True)
class Examples:
    """N coded examples and, where there are classes, their labels; `batch` makes them what a model sees."""

    x: np.ndarray
    """(N, spans) uint8 or uint16 codes of rows, or (N, channels, height, width) uint8 pixels."""
    labels: np.ndarray | None = None
    """(N,) class labels."""
    shares: tuple[float, ...] = ()
    """How often each class occurs, as it may be told: under a guarantee by noisy counts."""

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, chosen: np.ndarray | slice, device: torch.device) -> Batch:
        """The chosen examples on the device, as `contract.Batch` says: codes as int64, pixels as float32 in [-1, 1]."""
        labels = None
        if self.labels is not None:
            labels = torch.from_numpy(self.labels[chosen].astype(np.int64)).to(device, non_blocking=True)
        if self.x.ndim > 2:
            pixels = torch.tensor(self.x[chosen]).to(device, non_blocking=True)
            return Batch(pixels.float().div_(127.5).sub_(1.0), labels)
        return Batch(torch.from_numpy(self.x[chosen].astype(np.int64)).to(device, non_blocking=True), labels)

    @property
    def size(self) -> int:
        return self.x.size

    @property
    def at_once(self) -> int:
        if self.x.ndim > 2:
            return images_at_once(self.x.shape[1:])
        return min(2048, max(AT_ONCE // max(self.x.shape[1], 1), 32))

    @property
    def telling(self) -> int:
        return 8192

    def once(self, device: torch.device) -> Iterator[Batch]:
        size = FIT_ROWS if self.x.ndim == 2 else FIT_IMAGES
        for start in range(0, len(self), size):
            yield self.batch(slice(start, start + size), device)

    def blank(self, size: int, device: torch.device, *, seed: int) -> Batch:
        """A batch of nothing, for phases that read no data, not even labels: zeros, and labels drawn by the shares."""
        x = torch.zeros(size, *self.x.shape[1:], dtype=torch.float32 if self.x.ndim > 2 else torch.int64, device=device)
        if not self.shares:
            return Batch(x)
        labels = np.random.default_rng(seed).choice(len(self.shares), size, p=self.shares)
        return Batch(x, torch.from_numpy(labels).to(device))


def images_at_once(shape: Sequence[int]) -> int:
    """How many images of a shape are looked at together without gradient: models keep thousands of bytes for each number."""
    return min(256, max(AT_ONCE // math.prod(shape), 4))


def gathered(blocks: Iterable[np.ndarray], rows: int, width: int, *, most_code: int) -> np.ndarray:
    """Blocks of codes up to `most_code`, (n, width) each and `rows` in all, as one matrix of uint8 or uint16.

    Up to IN_MEMORY bytes it is in memory, as steps read rows from all over it; beyond, memory-mapped from a temporary file.
    The file has no name from the start (where the system allows it), so that it goes away with the process, however that
    ends: coded rows are real rows.
    """
    dtype = np.dtype(np.uint8 if most_code < 256 else np.uint16)
    if rows * width * dtype.itemsize <= IN_MEMORY:
        matrix, start = np.empty((rows, width), dtype), 0
        for block in blocks:
            matrix[start : start + len(block)] = block
            start += len(block)
        return matrix
    with tempfile.TemporaryFile(prefix="genwright-") as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype=dtype).tobytes())
        file.flush()
        return np.memmap(file, dtype=dtype, mode="r", shape=(rows, width))


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
    return np.random.default_rng([seed, epoch]).permutation(_numbers(rows))


def _numbers(rows: int) -> np.ndarray:
    """0, 1, ... in as few bytes as hold them: there may be tens of millions."""
    return np.arange(rows, dtype=np.int32 if rows < 2**31 else np.int64)


def held_by_content(contents: Iterable[bytes], share: float) -> np.ndarray:
    """(n,) True for about `share` of so many contents: each alone decides on its side, so that none moves another."""
    marks = [int.from_bytes(hashlib.blake2b(content, digest_size=6).digest(), "big") for content in contents]
    return np.array(marks, dtype=np.int64) < share * 2**48


def split(rows: int, share: float, *, seed: int) -> np.ndarray:
    """A mask of (rows,) with round(share * rows) True, at random by the seed; never all of them, and none if share is 0."""
    chosen = np.zeros(rows, dtype=bool)
    count = min(round(share * rows), max(rows - 1, 0))
    chosen[np.random.default_rng([seed, rows]).permutation(_numbers(rows))[:count]] = True
    return chosen
