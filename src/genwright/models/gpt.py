"""A decoder-only Transformer over tokens (Radford et al., "Language models are unsupervised multitask learners", 2019).

The network, with what ten years have added to it, is in `networks/sequence.py`; here are its loss and its sampler.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from genwright.contract import BEGIN, END, Batch, DataSpec, GenerativeModel, Phase
from genwright.networks.causal import categorical
from genwright.networks.sequence import Decoder, Memory


class GPT(GenerativeModel):
    """The decoder `net`."""

    phases = (Phase("next", updates="net"),)
    selects_by = "next"

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: int,
        depth: int,
        head: int,
        key_heads: int,
        length: int,
        temperature: float,
        top_k: int,
        top_p: float,
        min_p: float,
    ) -> None:
        super().__init__()
        self.context, self.length = spec.shape[0] - 1, length
        self.temperature, self.top_k, self.top_p, self.min_p = temperature, top_k, top_p, min_p
        heads = max(1, width // head)
        width = heads * head
        groups = next(size for size in range(min(key_heads or heads, heads), 0, -1) if heads % size == 0)
        self.net = Decoder(spec.vocabulary, width, depth=depth, heads=heads, key_heads=groups)

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
        total, number = 0.0, 0
        for batch in batches:
            nats, counted = self._nats(batch)
            total, number = total + float((nats * counted).sum()), number + int(counted.sum())
        return {"nats": total / number} if number else {}

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n texts that go on after the prompts in `condition` (n, P), to END or for `length` tokens.

        Where the context is full, its later half is read again and drawing goes on from there.
        """
        device = self.net.embedding.weight.device
        tokens = torch.full((n, 1), BEGIN, device=device) if condition is None else condition
        tokens = tokens[:, : self.context]  # a longer prompt leaves no place to draw at
        going = torch.ones(n, dtype=torch.bool, device=device)
        memory, unread = Memory(self.net, n, self.context), tokens
        for _ in range(self.length):
            if memory.length + unread.shape[1] > self.context:
                memory, unread = Memory(self.net, n, self.context), tokens[:, -max(1, self.context // 2) :]
            logits = self.net.logits(self.net(unread, memory)[:, -1]).float()
            drawn = categorical(likely(logits / self.temperature, self.top_k, self.top_p, self.min_p), generator)
            drawn = torch.where(going, drawn, BEGIN)
            tokens = torch.cat([tokens, drawn[:, None]], dim=1)
            unread = drawn[:, None]
            going &= drawn != END
            if not bool(going.any()):
                break
        return Batch(tokens)


def likely(logits: Tensor, top_k: int, top_p: float, min_p: float) -> Tensor:
    """(B, V) logits with the unlikely ones at minus infinity: beyond the `top_k` likeliest (0: none is), beyond the
    likeliest that together have the probability `top_p` (Holtzman et al. 2020), below the share `min_p` of the likeliest
    one's probability (Nguyen et al. 2024). The likeliest always stays."""
    if top_k and top_k < logits.shape[1]:
        least = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if top_p < 1:
        ordered, places = logits.softmax(-1).sort(dim=-1, descending=True)
        beyond = ordered.cumsum(-1) - ordered >= top_p
        beyond[:, 0] = False
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(1, places, beyond), float("-inf"))
    if min_p > 0:
        share = logits.softmax(-1)
        logits = logits.masked_fill(share < min_p * share.amax(-1, keepdim=True), float("-inf"))
    return logits
