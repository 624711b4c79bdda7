"""A causal language model that others have trained, tuned further on the user's texts: all of it, or low-rank adapters.

Its network is `networks/foreign.py`'s, of the `transformers` library (extra `hub`); the adapters are `networks/adapters.py`'s
(Hu et al., "LoRA: Low-rank adaptation of large language models", 2021).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.contract import BEGIN, Batch, DataSpec, GenerativeModel, Phase
from genwright.errors import GenwrightError
from genwright.networks import foreign
from genwright.networks.drawing import Drawing, mean_nats, stream

ARCHITECTURE = "architecture"
ALL_WEIGHTS_RATE = 0.1  # share of the learning rate that suits adapters


class Pretrained(GenerativeModel):
    """The network `net`, read from `folder`, or built from what is loaded: a finished run needs the folder no more.

    `rank` of the adapters, 0: all weights move. What the network is lies in the buffer `architecture` as UTF-8 of JSON.
    """

    phases = (Phase("next", updates="net"),)
    selects_by = "next"
    streams = True
    architecture: Tensor

    def __init__(
        self,
        spec: DataSpec,
        *,
        folder: str,
        rank: int,
        alpha: float,
        length: int,
        temperature: float,
        top_k: int,
        top_p: float,
        min_p: float,
        repetition: float,
        guidance: float,
    ) -> None:
        """What is wrong with the folder (see `foreign.read`) is raised once parameters are asked for: a finished run may open
        where its folder is gone or another."""
        super().__init__()
        if not rank:  # weights that know much already want smaller steps than adapters that begin as nothing
            self.phases = (replace(self.phases[0], rate=ALL_WEIGHTS_RATE),)
        self.context, self.length, self.last = spec.shape[0] - 1, length, spec.last
        self.rank, self.alpha = rank, alpha
        self.drawing = Drawing(temperature, top_k, top_p, min_p, repetition, guidance=guidance)
        self.register_buffer(ARCHITECTURE, torch.empty(0, dtype=torch.uint8))
        self.net = nn.Module()
        self.trouble: GenwrightError | None = None
        try:
            self._become(*foreign.read(folder, spec.vocabulary, self.context))
        except GenwrightError as error:
            self.trouble = error

    def _become(self, net: nn.Module, architecture: foreign.Architecture) -> None:
        if self.rank:
            foreign.freeze(net, self.rank, self.alpha)
        text = json.dumps(architecture, sort_keys=True).encode()
        self.trouble = None
        self.net, self.architecture = net, torch.tensor(list(text), dtype=torch.uint8)

    def named_parameters(self, *args: Any, **settings: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """As in torch; raises what kept the folder from being read, as long as nothing else was loaded."""
        if self.trouble:
            raise self.trouble
        return super().named_parameters(*args, **settings)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in torch, but the network becomes the one whose weights are loaded. RuntimeError when they do not fit."""
        loaded = state_dict.get(ARCHITECTURE)
        if loaded is not None and not torch.equal(loaded.cpu(), self.architecture.cpu()):
            try:
                architecture = json.loads(bytes(loaded.tolist()))
                self._become(foreign.build(architecture), architecture)
            except ValueError as error:
                raise RuntimeError(f"the architecture is damaged: {error}") from None
        return super().load_state_dict(state_dict, strict, assign)

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """Nats of the counted tokens of each window, divided by the places of a window, (B,)."""
        nats, counted = self.nats(batch)
        return {"nats": (nats * counted).mean(1)}

    def nats(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """As in the contract."""
        given, wanted = batch.x[:, :-1], batch.x[:, 1:]
        places, mask = foreign.packed(given)
        logits = self.net(input_ids=given, position_ids=places, attention_mask=mask, use_cache=False).logits
        nats = F.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), reduction="none").view(wanted.shape)
        return nats, torch.ones_like(wanted, dtype=torch.bool) if batch.counts is None else batch.counts[:, 1:]

    def states(self, batch: Batch) -> Tensor:
        """As in the contract: what the last layer gives."""
        places, mask = foreign.packed(batch.x)
        found = self.net(
            input_ids=batch.x, position_ids=places, attention_mask=mask, use_cache=False, output_hidden_states=True
        )
        return found.hidden_states[-1]

    @torch.no_grad()
    def measures(self, batches: Iterable[Batch], generator: torch.Generator) -> dict[str, float]:
        """Mean nats of a counted token."""
        return mean_nats(self.nats, batches)

    def stream(self, prompts: Tensor, *, generator: torch.Generator, **how: Any) -> Iterator[Tensor]:
        """What follows (B, P) prompts, token after token; `how` as in `networks.drawing.stream`, by the settings otherwise."""
        how = {"drawing": self.drawing, "length": self.length, "last": self.last, **how}
        return stream(lambda n: foreign.ForeignReader(self.net), self.context, prompts, generator=generator, **how)

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n texts that go on after the prompts in `condition` (n, P), to the last token or for `length`."""
        if condition is None:
            condition = torch.full((n, 1), BEGIN, device=self.architecture.device)
        drawn = torch.stack(list(self.stream(condition, generator=generator)), dim=1)
        return Batch(torch.cat([condition, drawn], dim=1))
