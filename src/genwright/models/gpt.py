"""A decoder-only Transformer over tokens (Radford et al., "Language models are unsupervised multitask learners", 2019).

The network, with what ten years have added to it, is in `networks/sequence.py`; here is its loss; its sampler is
`networks/drawing.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genwright.contract import BEGIN, Batch, DataSpec, GenerativeModel, Phase
from genwright.networks.adapters import adapt
from genwright.networks.drawing import Drawing, mean_nats, stream
from genwright.networks.sequence import Decoder, Memory


class GPT(GenerativeModel):
    """The decoder `net`."""

    phases = (Phase("next", updates="net"),)
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
        if rank:
            adapt(self.net, rank, alpha)

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """Nats of the counted tokens of each window, divided by the places of a window, (B,)."""
        nats, counted = self._nats(batch)
        return {"nats": (nats * counted).sum(1) / nats.shape[1]}

    def _nats(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B, T) what each token but the first costs, and whether the loss counts it."""
        logits = self.net.logits(self.net(batch.x[:, :-1])).float()
        nats = F.cross_entropy(logits.flatten(0, 1), batch.x[:, 1:].flatten(), reduction="none")
        counted = torch.ones_like(batch.x[:, 1:], dtype=torch.bool) if batch.counts is None else batch.counts[:, 1:]
        return nats.view(counted.shape), counted

    @torch.no_grad()
    def measures(self, batches: Iterable[Batch], generator: torch.Generator) -> dict[str, float]:
        """Mean nats of a counted token."""
        return mean_nats(self._nats, batches)

    def stream(self, prompts: Tensor, *, generator: torch.Generator, **how: Any) -> Iterator[Tensor]:
        """What follows (B, P) prompts, token after token; `how` as in `networks.drawing.stream`, by the settings otherwise."""
        how = {"drawing": self.drawing, "length": self.length, "last": self.last, **how}
        return stream(lambda n: _Reader(self.net, n, self.context), self.context, prompts, generator=generator, **how)

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n texts that go on after the prompts in `condition` (n, P), to the last token or for `length`."""
        if condition is None:
            condition = torch.full((n, 1), BEGIN, device=self.net.embedding.weight.device)
        drawn = torch.stack(list(self.stream(condition, generator=generator)), dim=1)
        return Batch(torch.cat([condition, drawn], dim=1))


class _Reader:
    """n texts and what the decoder remembers of them."""

    def __init__(self, net: Decoder, n: int, context: int) -> None:
        self.net, self.memory = net, Memory(net, n, context)

    @torch.inference_mode()
    def read(self, tokens: Tensor) -> Tensor:
        """As in `networks.drawing.Reader`."""
        return self.net.logits(self.net(tokens, self.memory)[:, -1])

    @torch.inference_mode()
    def select(self, texts: Tensor) -> None:
        """As in `networks.drawing.Selective`."""
        self.memory.select(texts)
