"""The n-gram model: counts of what followed the last few tokens. The honest floor of every text model, learned in seconds.

The counting and its smoothing are in `networks/ngram.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genwright.contract import BEGIN, Batch, DataSpec, GenerativeModel
from genwright.networks.ngram import NGram as Counts

KEPT = "kept_"  # begins the names of the buffers


class NGram(GenerativeModel):
    """Interpolated counts, kept as buffers so that they are saved as weights are."""

    def __init__(self, spec: DataSpec, *, order: int, length: int) -> None:
        super().__init__()
        self.vocabulary, self.last, self.order, self.length = spec.vocabulary, spec.last, order, length
        self._keep(Counts.fit([np.zeros(1, np.int64)], self.vocabulary, order))

    def _keep(self, counts: Counts) -> None:
        for name, array in counts.arrays().items():
            self.register_buffer(KEPT + name, torch.from_numpy(array))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in torch, but the buffers take the sizes of what is loaded: they depend on the data."""
        for name in dict(self.named_buffers()).keys() & state_dict.keys():
            setattr(self, name, torch.empty_like(state_dict[name]))
        return super().load_state_dict(state_dict, strict, assign)

    @property
    def counts(self) -> Counts:
        """The model as it counts."""
        return Counts.from_arrays(
            {name.removeprefix(KEPT): buffer.cpu().numpy() for name, buffer in self.named_buffers()}
        )

    def fit(self, batches: Iterable[Batch], ledger: Any) -> None:
        """Count all n-grams of all documents."""
        streams = [document for document, _ in _documents(batches)]
        self._keep(Counts.fit(streams, self.vocabulary, self.order))

    def measures(self, batches: Iterable[Batch], generator: torch.Generator) -> dict[str, float]:
        """Mean nats of a counted token."""
        documents = list(_documents(batches))
        if not documents:
            return {}
        counted = np.concatenate([counts for _, counts in documents])
        nats = -self.counts.log_probabilities(*(tokens for tokens, _ in documents))
        return {"nats": float(nats[counted].mean())} if counted.any() else {}

    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n texts that go on after the prompts in `condition` (n, P), to the last token or for `length`."""
        given = torch.full((n, 1), BEGIN) if condition is None else condition.cpu()
        seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
        drawn = self.counts.sample(self.length, np.random.default_rng(seed), list(given.numpy()))
        ended = np.cumsum(drawn == self.last, axis=1) - (drawn == self.last) > 0
        return Batch(torch.cat([given, torch.from_numpy(np.where(ended, BEGIN, drawn))], dim=1))


def _documents(batches: Iterable[Batch]) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Windows that follow each other, each repeating the last token of the one before, as documents and what counts."""
    tokens, counts = [], []
    for batch in batches:
        x = batch.x.cpu().numpy()
        counted = np.ones(x.shape, bool) if batch.counts is None else batch.counts.cpu().numpy()
        tokens += [x[:, :-1].ravel()]
        counts += [counted[:, :-1].ravel()]
    if not tokens:
        return
    stream, counting = np.concatenate([*tokens, x[-1, -1:]]), np.concatenate([*counts, counted[-1, -1:]])
    starts = np.flatnonzero(stream == BEGIN)
    ends = np.append(starts[1:], len(stream))
    if not len(starts) or starts[0]:
        starts, ends = np.insert(starts, 0, 0), np.insert(ends, 0, starts[0] if len(starts) else len(stream))
    for start, end in zip(starts, ends, strict=True):
        if counting[start:end].any():  # else it fills up the last window
            yield stream[start:end], counting[start:end]
