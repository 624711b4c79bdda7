"""Documents as one long stream of tokens on disk, and windows of it as what a model sees.

The stream lies in nameless temporary files, as codes of rows do, so memory stays flat. Read `batches.py` for which windows a
step sees.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from genwright.contract import BEGIN, Batch

MOST_WINDOWS = 4_000_000
AT_ONCE = 4096  # tokens: each may take a few hundred kilobytes, for the probabilities of all that may follow
TELLING = 1 << 17  # tokens
Coded = tuple[np.ndarray, np.ndarray]
"""Tokens of a document, and whether the loss counts each."""


@dataclass(frozen=True)
class TokenExamples:
    """Windows of context + 1 tokens, each `stride` tokens after the one before; they may start within a document.

    Such a window begins with the document's control tokens, which no begin token precedes: a model learns what conditions
    mean for the later parts of long documents as well.
    """

    tokens: np.ndarray
    """(total,) uint16 or uint32."""
    counts: np.ndarray
    """(total,) bool, whether the loss counts each."""
    starts: np.ndarray
    """(documents,) places of the begin tokens."""
    context: int
    stride: int
    prefix: int
    """Control tokens behind each begin token."""

    @classmethod
    def written(
        cls, documents: Iterable[Coded], context: int, *, dtype: Any, prefix: int = 0, overlapping: bool = True
    ) -> TokenExamples:
        """From coded documents in their order. Windows that overlap start at every token (of many, at about 4 million);
        others count each token once."""
        tokens, counts, starts = Stream(dtype), Stream(bool), array("q")
        for ids, counted in documents:
            starts.append(tokens.length)
            tokens.write(ids)
            counts.write(counted)
        if starts:
            over = max(tokens.length - 1, 1)
            short = max(context - over, 0) if overlapping else -over % context
            tokens.write(np.full(short, BEGIN))
            counts.write(np.zeros(short, bool))
        stride = max(1, tokens.length // MOST_WINDOWS) if overlapping else context
        return cls(tokens.array(), counts.array(), np.array(starts, np.int64), context, stride, prefix)

    def __len__(self) -> int:
        return max(0, (len(self.tokens) - self.context - 1) // self.stride + 1)

    def batch(self, chosen: np.ndarray | slice, device: torch.device) -> Batch:
        """The chosen windows on the device: x (B, context + 1) int64, counts likewise bool."""
        if isinstance(chosen, slice):
            chosen = np.arange(*chosen.indices(len(self)))
        places = self._places(np.asarray(chosen, np.int64) * self.stride)
        x = torch.from_numpy(self.tokens[places].astype(np.int64)).to(device, non_blocking=True)
        return Batch(x, counts=torch.from_numpy(self.counts[places]).to(device, non_blocking=True))

    @property
    def size(self) -> int:
        return self.tokens.size if len(self) else 0

    @property
    def at_once(self) -> int:
        return max(1, AT_ONCE // self.context)

    @property
    def telling(self) -> int:
        return max(16, TELLING // self.context)

    def once(self, device: torch.device) -> Iterator[Batch]:
        """Every token once, in order, but for an end shorter than a window."""
        apart = replace(self, stride=self.context)
        for start in range(0, len(apart), apart.at_once):
            yield apart.batch(slice(start, start + apart.at_once), device)

    def blank(self, size: int, device: torch.device, *, seed: int) -> Batch:
        """A batch of nothing, for phases that read no data."""
        x = torch.zeros(size, self.context + 1, dtype=torch.int64, device=device)
        return Batch(x, counts=torch.zeros_like(x, dtype=torch.bool))

    def _places(self, first: np.ndarray) -> np.ndarray:
        """(B, context + 1) places in the stream of the windows that start at `first`."""
        if not self.prefix:
            return first[:, None] + np.arange(self.context + 1)
        begin = self.starts[np.searchsorted(self.starts, first, side="right") - 1]
        first = np.where(first <= begin + self.prefix, begin, first)
        places = first[:, None] + np.arange(self.context + 1)
        later = first > begin
        shown = min(self.prefix, self.context)
        places[later, shown:] = places[later, : self.context + 1 - shown]
        places[later, :shown] = begin[later, None] + 1 + np.arange(shown)
        return places


@dataclass(frozen=True)
class DocumentWindows(TokenExamples):
    """Windows that lie in one document each: what is behind its end is BEGIN and does not count. So a document that comes
    or goes changes its own windows only, as a guarantee for documents needs it."""

    firsts: np.ndarray
    """(windows,) where they begin: at the document's beginning, and half a context after the one before."""
    ends: np.ndarray
    """(documents,)"""
    units: np.ndarray
    """(windows,) number of the document."""

    @classmethod
    def of(cls, examples: TokenExamples) -> DocumentWindows:
        """The documents of a stream, which has no control tokens (`prefix` 0)."""
        padding = np.cumprod(examples.tokens[: -examples.context - 1 : -1] == BEGIN).sum()
        ends = np.append(examples.starts[1:], len(examples.tokens) - padding)
        half = max(1, examples.context // 2)
        lengths = np.maximum(ends - examples.starts - 1 - examples.context, 0)
        number = 1 + -(-lengths // half)
        units = np.repeat(np.arange(len(number)), number)
        within = np.arange(len(units)) - np.repeat(np.cumsum(number) - number, number)
        firsts = examples.starts[units] + within * half
        return cls(**{name: getattr(examples, name) for name in vars(examples)}, firsts=firsts, ends=ends, units=units)

    def __len__(self) -> int:
        return len(self.firsts)

    def batch(self, chosen: np.ndarray | slice, device: torch.device) -> Batch:
        """As of any windows."""
        chosen = np.arange(*chosen.indices(len(self))) if isinstance(chosen, slice) else np.asarray(chosen, np.int64)
        places = self.firsts[chosen][:, None] + np.arange(self.context + 1)
        inside = places < self.ends[self.units[chosen]][:, None]
        places = np.minimum(places, len(self.tokens) - 1)
        x = torch.from_numpy(np.where(inside, self.tokens[places].astype(np.int64), BEGIN))
        counts = torch.from_numpy(self.counts[places] & inside)
        return Batch(x.to(device, non_blocking=True), counts=counts.to(device, non_blocking=True))


class Stream:
    """Values of one type in a temporary file without a name: it goes away with the process, however that ends."""

    def __init__(self, dtype: Any) -> None:
        self.dtype, self.length = np.dtype(dtype), 0
        self._file = tempfile.TemporaryFile(prefix="genwright-")  # noqa: SIM115 - the mapped array outlives it

    def write(self, values: np.ndarray) -> None:
        """Append values."""
        self._file.write(np.ascontiguousarray(values, dtype=self.dtype).data)
        self.length += len(values)

    def array(self) -> np.ndarray:
        """All values, mapped; nothing can be written after it."""
        with self._file:
            self._file.flush()
            if not self.length:
                return np.empty(0, self.dtype)
            return np.memmap(self._file, self.dtype, "r", shape=(self.length,))
