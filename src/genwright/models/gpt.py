"""A decoder-only Transformer over tokens (Radford et al., "Language models are unsupervised multitask learners", 2019).

The network, with what ten years have added to it, is in `networks/sequence.py`, the counts that speak beside it in
`networks/counted.py`; here is its loss; its sampler is `networks/drawing.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from genwright.contract import BEGIN, Batch, DataSpec, GenerativeModel, Phase
from genwright.networks.adapters import adapt
from genwright.networks.counted import Beside, Follower
from genwright.networks.drawing import Drawing, mean_nats, stream
from genwright.networks.sequence import Decoder, Memory


class GPT(GenerativeModel):
    """The decoder `net`, and the counts of its training texts."""

    phases = (Phase("next", updates="net"),)
    refits = ("beside",)
    selects_by = "next"
    streams = True

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: int,
        depth: int,
        head: int,
        key_heads: int,
        mixing: int,
        counts: int,
        length: int,
        temperature: float,
        top_k: int,
        top_p: float,
        min_p: float,
        repetition: float,
        guidance: float,
        rank: int,
        alpha: float,
    ) -> None:
        super().__init__()
        self.context, self.length, self.last = spec.shape[0] - 1, length, spec.last
        self.drawing = Drawing(temperature, top_k, top_p, min_p, repetition=repetition, guidance=guidance)
        heads = max(1, width // head)
        width = heads * head
        groups = next(size for size in range(min(key_heads or heads, heads), 0, -1) if heads % size == 0)
        self.net = Decoder(spec.vocabulary, width, depth=depth, heads=heads, key_heads=groups, mixing=mixing)
        self.beside = Beside(spec.vocabulary, counts) if counts else None
        if rank:
            adapt(self.net, rank, alpha)

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """Nats of the counted tokens of each window, divided by the places of a window, (B,)."""
        nats, counted = self._nats(batch)
        return {"nats": (nats * counted).sum(1) / nats.shape[1]}

    def _nats(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B, T) what each token but the first costs, and whether the loss counts it."""
        nats = self.net.nats(self.net(batch.x[:, :-1]), batch.x[:, 1:])
        counted = torch.ones_like(nats, dtype=torch.bool) if batch.counts is None else batch.counts[:, 1:]
        return nats, counted

    def fit(self, batches: Iterable[Batch], ledger: Any) -> None:
        """Count n-grams; not under a guarantee, which they would break."""
        if self.beside and ledger is None:
            self.beside.fit(batches)

    @torch.no_grad()
    def tune(self, held: Iterable[Batch]) -> dict[str, float]:
        """What share the counts have."""
        return {"counts_share": round(self.beside.tune(self._nats, held), 4)} if self.beside else {}

    def nats(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """As in the contract, of network and counts together."""
        nats, counted = self._nats(batch)
        return nats if self.beside is None else self.beside.mixed_nats(nats, batch.x), counted

    def states(self, batch: Batch) -> Tensor:
        """As in the contract: what the last block gives."""
        return self.net(batch.x)

    @torch.no_grad()
    def measures(self, batches: Iterable[Batch], generator: torch.Generator) -> dict[str, float]:
        """Mean nats of a counted token."""
        return mean_nats(self.nats, batches)

    def stream(self, prompts: Tensor, *, generator: torch.Generator, **how: Any) -> Iterator[Tensor]:
        """What follows (B, P) prompts, token after token; `how` as in `networks.drawing.stream`, by the settings otherwise."""
        how = {"drawing": self.drawing, "length": self.length, "last": self.last, **how}
        return stream(lambda n: _Reader(self, n), self.context, prompts, generator=generator, **how)

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n texts that go on after the prompts in `condition` (n, P), to the last token or for `length`."""
        if condition is None:
            condition = torch.full((n, 1), BEGIN, device=self.net.embedding.weight.device)
        drawn = torch.stack(list(self.stream(condition, generator=generator)), dim=1)
        return Batch(torch.cat([condition, drawn], dim=1))


class _Reader:
    """n texts and what the decoder, and the counts, remember of them."""

    def __init__(self, model: GPT, n: int) -> None:
        self.net, self.memory = model.net, Memory(model.net, n, model.context)
        self.follower = Follower(model.beside) if model.beside else None

    @torch.inference_mode()
    def read(self, tokens: Tensor) -> Tensor:
        """As in `networks.drawing.Reader`."""
        logits = self.net.logits(self.net(tokens, self.memory)[:, -1])
        return logits if self.follower is None else self.follower.mixed(tokens, logits.float())

    @torch.inference_mode()
    def select(self, texts: Tensor) -> None:
        """As in `networks.drawing.Selective`."""
        self.memory.select(texts)
        if self.follower:
            self.follower.select(texts)
