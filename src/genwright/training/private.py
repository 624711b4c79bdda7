"""Steps under a guarantee (Abadi et al. 2016): Poisson batches, clipped gradients, noise that is paid for before it is drawn.

The loop asks for a batch, then for its gradient. How examples are clipped is in `privacy/clipping.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from genwright.contract import Batch, DataSpec, GenerativeModel, Phase
from genwright.privacy.clipping import Engine, repeated
from genwright.privacy.events import SampledGaussian
from genwright.privacy.ledger import PrivacyLedger
from genwright.privacy.noise import Source, gaussian, system_source, uniform

TRAINING = "training"  # the purpose in the ledger


@dataclass
class Private:
    """What the steps of a training need to stay within a ledger's plan, which has an entry for `TRAINING`."""

    ledger: PrivacyLedger
    clip_norm: float
    batch_size: float
    """Examples of a step as planned: what sums are divided by, since the true number is private."""
    draws: int = 1
    """Times that each example goes through the loss in a step, averaged before clipping; with units, each with a row of its
    own."""
    micro_batch: int = 0
    """Examples that are worked on at once; 0: all of a step."""
    block: int = 1
    """Steps that are paid for in one write."""
    units: np.ndarray | None = None
    """(examples,) number of each one's unit, where a unit can have several; None: examples are the units."""
    source: Source = system_source
    engines: dict[str, Engine] = field(default_factory=dict)

    def prepare(
        self, model: GenerativeModel, spec: DataSpec, precision: torch.dtype, say: Callable[[str], None]
    ) -> None:
        """Choose how each phase's examples are clipped, on random examples. GW-0601 for a phase that mixes examples."""
        for phase in model.phases:
            if not phase.reads_data:
                continue
            engine = Engine(model, phase, draws=self.draws, micro_batch=self.micro_batch or None, precision=precision)
            engine.check(spec)
            self.engines[phase.name] = engine
            reason = f" ({engine.reason})" if engine.reason else ""
            say(f"Gradients of single examples in phase {phase.name}: by {engine.way}{reason}.")

    @property
    def left(self) -> int:
        """Releases that the plan still has."""
        return self.ledger.remaining(TRAINING)

    def choose(self, examples: int) -> np.ndarray:
        """Numbers of the examples of a step, each taken or not by itself; there may be none.

        Of units with several, each unit is taken or not by itself and lends one (or `draws`) of its own, drawn evenly: it
        is one clipped gradient, whatever it has. Its chance, at most the planned rate, grows with the number of its
        examples, so that all examples are equally likely to be seen.
        """
        event = self.ledger.entry(TRAINING).event
        assert isinstance(event, SampledGaussian)
        if self.units is None:
            return np.flatnonzero(uniform(examples, self.source) < event.sampling_rate)
        order, counts = np.argsort(self.units, kind="stable"), np.unique(self.units, return_counts=True)[1]
        chance = event.sampling_rate * np.minimum(counts / self.ledger.contributions, 1)
        taken = np.repeat(np.flatnonzero(uniform(len(counts), self.source) < chance), self.draws)
        place = np.ceil(uniform(len(taken), self.source) * counts[taken]).astype(np.int64) - 1
        return order[(np.cumsum(counts) - counts)[taken] + place]

    def repeated(self, batch: Batch) -> Batch:
        """The batch as the model draws for it."""
        return repeated(batch, self.draws) if self.draws > 1 and self.units is None else batch

    def set_gradients(self, phase: Phase, batch: Batch) -> None:
        """Set `.grad` on the parameters that the phase moves. GW-0604, and nothing is set, once the plan is used up."""
        entry = self.ledger.spend(TRAINING, block=self.block)
        assert isinstance(entry.event, SampledGaussian)
        engine = self.engines[phase.name]
        total = engine.clipped_gradient(batch, self.clip_norm).total
        numbers = sum(parameter.numel() for parameter in engine.parameters.values())
        noise = torch.from_numpy(gaussian(numbers, self.source))
        set_noisy(engine.parameters, total, entry.event.noise_multiplier * self.clip_norm * noise, self.batch_size)


def set_noisy(parameters: Mapping[str, nn.Parameter], total: Mapping[str, Tensor], noise: Tensor, size: float) -> None:
    """Set `.grad` to the totals with noise, (numbers of all,), divided by `size`: in one piece, which takes few calls."""
    flat = torch.cat([total[name].flatten() for name in parameters])
    flat.add_(noise.to(flat)).div_(size)
    for parameter, own in zip(parameters.values(), flat.split([p.numel() for p in parameters.values()]), strict=True):
        parameter.grad = own.view_as(parameter)
