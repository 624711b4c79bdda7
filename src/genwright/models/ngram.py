"""The n-gram model: counts of what followed the last few tokens. The honest floor of every text model, learned in seconds.

The counting and its smoothing are in `networks/ngram.py`, how the counts are kept in `networks/counted.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genwright.contract import BEGIN, Batch, DataSpec, GenerativeModel
from genwright.networks.counted import Counts, documents


class NGram(GenerativeModel):
    """Interpolated counts."""

    def __init__(self, spec: DataSpec, *, order: int, length: int) -> None:
        super().__init__()
        self.last, self.length = spec.last, length
        self.counts = Counts(spec.vocabulary, order)

    def fit(self, batches: Iterable[Batch], ledger: Any) -> None:
        """Count all n-grams of all documents."""
        self.counts.fit(batches)

    def measures(self, batches: Iterable[Batch], generator: torch.Generator) -> dict[str, float]:
        """Mean nats of a counted token."""
        found = list(documents(batches))
        if not found:
            return {}
        counted = np.concatenate([counts for _, counts in found])
        nats = -self.counts.model.log_probabilities(*(tokens for tokens, _ in found))
        return {"nats": float(nats[counted].mean())} if counted.any() else {}

    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n texts that go on after the prompts in `condition` (n, P), to the last token or for `length`."""
        given = torch.full((n, 1), BEGIN) if condition is None else condition.cpu()
        seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
        drawn = self.counts.model.sample(self.length, np.random.default_rng(seed), list(given.numpy()))
        ended = np.cumsum(drawn == self.last, axis=1) - (drawn == self.last) > 0
        return Batch(torch.cat([given, torch.from_numpy(np.where(ended, BEGIN, drawn))], dim=1))
