"""The one loop: every model with gradients is trained, averaged, selected, checkpointed and resumed here.

A step is a pure function of (weights, optimiser state, seed, step number): random numbers are seeded anew at each step
and batches are indexed by step, so a resumed run continues to the same bits. Read `contract.py` for what a model gives.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genwright.config import TrainingSettings
from genwright.contract import SAMPLES, Batch, GenerativeModel, Phase
from genwright.data.batches import ExampleSet, batch_rows
from genwright.errors import GenwrightError
from genwright.training import checkpoints, gradients
from genwright.training.budget import Budget
from genwright.training.devices import seed_draws
from genwright.training.optimizers import optimizers_of, owners
from genwright.training.private import Private
from genwright.training.ranks import ALONE, Ranks
from genwright.training.stop import Interrupted, Stop

SELECTION = "selection"  # in the log: the score by which a snapshot is picked, at each look; lower is better
SKIPS_BEFORE_ROLLBACK = 5
ROLLBACKS_BEFORE_DIAGNOSIS = 3
TIMED_AT = (0.1, 0.3, 0.5, 0.7, 0.9)
TIMED_STEPS = 4  # a lazy phase takes part in one of them


@dataclass
class Counters:
    """What the loop remembers besides tensors; saved with each checkpoint."""

    skipped: int = 0
    """Steps in a row whose loss or gradient was not finite."""
    rollbacks: int = 0
    rate_scale: float = 1.0
    best_loss: float = math.inf
    best_step: int = 0
    last_loss: float = math.inf
    """What the last look at the held-out slice found."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """How a training went."""

    steps: int
    best_step: int
    best_loss: float
    last_loss: float
    seconds: float
    cut: bool
    """The wall clock ended it before its last step."""
    rollbacks: int


class Loop:
    """Trains `model` on examples; `run()` leaves the weights that ship in the model.

    `judge` scores samples of the averaged model, lower is better, for models that select by SAMPLES; `watch(step, model)`
    sees the averaged model after each checkpoint (pictures of the progress). Neither may draw from the global generator.
    `private`: steps that read data stay within its plan; nothing is selected by a score, and losses are not told.
    `ranks`: the processes that train together; only the leader selects, saves and watches.
    """

    def __init__(
        self,
        model: GenerativeModel,
        examples: ExampleSet,
        validation: ExampleSet,
        settings: TrainingSettings,
        *,
        seed: int,
        precision: torch.dtype,
        folder: Path,
        judge: Callable[[GenerativeModel], float] | None = None,
        watch: Callable[[int, GenerativeModel], None] | None = None,
        private: Private | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.model, self.examples, self.validation, self.settings = model, examples, validation, settings
        self.seed, self.precision, self.folder = seed, precision, folder
        self.judge, self.watch, self.private, self.ranks = judge, watch, private, ranks
        self.device = next(model.parameters()).device
        self.average = _copied(model)
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        for name in dict.fromkeys(p.updates for p in model.phases):
            self.optimizers |= optimizers_of(name, getattr(model, name), settings)
        self.best: dict[str, Tensor] = {}
        self.counters = Counters()
        self.step = 0

    def resume(self) -> list[str]:
        """Go back to the newest whole checkpoint, if there is one; returns warnings about damaged ones."""
        checkpoint, warnings = checkpoints.newest(self.folder)
        checkpoint = self.ranks.same_checkpoint(checkpoint)
        if checkpoint is not None:
            self._restore(checkpoint)
        return warnings

    def seconds_per_step(self, steps: int) -> float:
        """Mean seconds of a step over a run of `steps`, timed on a copy at five places: its phases may cost differently. Under
        a guarantee the loop must be a rehearsal on made-up examples, and takes the steps itself."""
        trial = self
        if self.private is None:
            trial = Loop(
                _copied(self.model),
                self.examples,
                self.validation,
                self.settings,
                seed=self.seed,
                precision=self.precision,
                folder=self.folder,
                ranks=self.ranks,
            )
        alike = all(phase.active == (0.0, 1.0) and phase.interval == 1 for phase in self.model.phases)
        places = TIMED_AT[:1] if self.private and alike else TIMED_AT  # such steps are slow
        seconds = []
        for place in (places[0], *places):  # the first time for nothing: a few steps pass before all is warm
            trial.step = int(place * steps)
            trial._one_step(steps)  # not timed: allocation and caches
            started = time.monotonic()
            for _ in range(TIMED_STEPS):
                trial.step += 1
                trial._one_step(steps)
            seconds.append((time.monotonic() - started) / TIMED_STEPS)
        return sum(seconds[1:]) / len(places)

    def run(
        self, steps: int, *, budget: Budget, stop: Stop, report: Callable[[int, int, Mapping[str, float]], None]
    ) -> Outcome:
        """Train up to `steps`, or until the clock cuts. Raises Interrupted, saved, when asked to stop."""
        cut = False
        if self.step == 0:
            self._save()  # a place to fall back to
        with stop.deferred():
            while self.step < steps and self._may_go_on():
                started = time.monotonic()
                losses = self._one_step(steps)
                self.step += 1
                if losses is None:
                    self._skip()
                    continue
                self.counters.seconds += time.monotonic() - started
                (over,) = self.ranks.any(budget.exhausted())
                cut = over and self.step < steps
                last = cut or self.step == steps or not self._may_go_on()
                if not self.private and (last or self._looks()):
                    losses |= self._select(steps)
                report(self.step, steps, losses)
                (stopping,) = self.ranks.any(stop.requested)
                if self.step % self.settings.checkpoint_every == 0 or last or stopping:
                    self._save()
                    if self.watch and self.ranks.leads and not stopping:
                        self.watch(self.step, self.average)
                if stopping and not last:
                    raise Interrupted
                if cut:
                    break
        self._ship()
        counters = self.counters
        return Outcome(
            self.step,
            counters.best_step,
            counters.best_loss,
            counters.last_loss,
            counters.seconds,
            cut,
            counters.rollbacks,
        )

    def _one_step(self, steps: int) -> dict[str, float] | None:
        """One round of all active phases; None if a loss or gradient was not finite (that phase moved nothing)."""
        seed_draws(_mix(self.seed, self.step), self.device)
        losses: dict[str, float] = {"rate": 0.0}
        read = 0  # batches that the phases before have taken, also where they rest: each keeps its own
        for phase in self.model.phases:
            first = read
            read += phase.repeats * phase.reads_data
            if not self._takes_part(phase, steps):
                continue
            rate = self._rate(phase, steps)
            losses["rate"] = max(losses["rate"], rate)
            for repeat in range(phase.repeats):
                batch = self._batch(phase, first + repeat, self.step / steps)
                with torch.no_grad(), gradients.autocast(self.device, self.precision):
                    batch = self.model.draw(phase, batch)
                if self.private and phase.reads_data:
                    self.private.set_gradients(phase, batch)
                    self._move(phase, rate)
                    continue
                own, share = self.ranks.part(phase, batch)
                terms = gradients.plain(self.model, phase, own, self.precision)
                parameters = list(getattr(self.model, phase.updates).parameters())
                terms = self.ranks.average(parameters, terms, share)
                norm = nn.utils.clip_grad_norm_(parameters, self.settings.clip_norm or math.inf)
                values = torch.stack([*terms.values(), norm]).tolist()
                if not all(map(math.isfinite, values)):
                    return None
                self._move(phase, rate)
                losses |= {f"{phase.name}.{name}": value for name, value in zip(terms, values, strict=False)}
                with torch.no_grad(), gradients.autocast(self.device, self.precision):
                    self.model.observe(phase, batch)
        self._update_average()
        self.counters.skipped = 0
        return losses

    def _move(self, phase: Phase, rate: float) -> None:
        for optimizer in (self.optimizers[name] for name in owners(phase.updates) if name in self.optimizers):
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
            optimizer.step()
            optimizer.zero_grad()

    def _may_go_on(self) -> bool:
        """Whether the privacy plan, if there is one, has enough left for another step of all phases."""
        needed = sum(phase.repeats for phase in self.model.phases if phase.reads_data)
        return self.private is None or self.private.left >= needed

    def _looks(self) -> bool:
        every = self.settings.select_every
        return every > 0 and self.step % every == 0

    def _takes_part(self, phase: Phase, steps: int) -> bool:
        return phase.active[0] <= self.step / steps < phase.active[1] and self.step % phase.interval == 0

    def _batch(self, phase: Phase, place: int, progress: float) -> Batch:
        size = self.settings.batch_size
        if not self.private:  # under a guarantee the number of examples may not show
            size = min(size, len(self.examples))
        if not phase.reads_data:
            batch = self.examples.blank(size, self.device, seed=_mix(self.seed, self.step))
            return replace(batch, progress=progress)
        if self.private:
            batch = self.examples.batch(self.private.choose(len(self.examples)), self.device)
            return self.private.repeated(replace(batch, progress=progress))
        reads = sum(p.repeats for p in self.model.phases if p.reads_data)
        chosen = batch_rows(len(self.examples), size, seed=self.seed, step=self.step * reads + place)
        return replace(self.examples.batch(chosen, self.device), progress=progress)

    def _rate(self, phase: Phase, steps: int) -> float:
        """Linear warm-up, then a cosine to `final_rate`, or a straight line after `hold` of the steps in which the phase is
        active (Hägele et al. 2024, arXiv 2405.18392).

        The warm-up of the first steps does not depend on `steps`, which --time plans later.
        """
        settings = self.settings
        first, last = (math.ceil(share * steps) for share in phase.active)
        step = self.step - first
        if step < settings.warmup_steps:
            share = (step + 1) / settings.warmup_steps
        else:
            done = (step - settings.warmup_steps) / max(last - first - settings.warmup_steps, 1)
            falling = 0.5 * (1 + math.cos(math.pi * done))
            if settings.hold:
                falling = min(1.0, (1 - done) / (1 - settings.hold))
            share = settings.final_rate + (1 - settings.final_rate) * falling
        return settings.learning_rate * phase.rate * share * self.counters.rate_scale

    @torch.no_grad()
    def _update_average(self) -> None:
        """Exponential moving average of the weights; a shorter memory in the first steps, which are far from the rest."""
        decay = min(self.settings.ema_decay, (1 + self.step) / (10 + self.step)) if self.settings.ema_decay else 0.0
        averaged: list[Tensor] = [p for p in self.average.parameters() if p.requires_grad]
        current: list[Tensor] = [p for p in self.model.parameters() if p.requires_grad]
        torch._foreach_lerp_(averaged, current, 1 - decay)
        for target, source in zip(self.average.buffers(), self.model.buffers(), strict=True):
            target.copy_(source)

    def _select(self, steps: int) -> dict[str, float]:
        """Remember the averaged weights if they do best on the validation slice so far (or if nothing can be said); for the
        log, how well they do."""
        if not self.ranks.leads:
            return {}
        loss = self._judged() if self.model.selects_by == SAMPLES else self.validate(steps)
        if not math.isfinite(loss):
            return {}
        self.counters.last_loss = loss
        if loss <= self.counters.best_loss:
            self.counters.best_loss, self.counters.best_step = loss, self.step
            self.best = {name: value.clone() for name, value in _moving(self.average).items()}
        return {SELECTION: loss}

    def _judged(self) -> float:
        return self.judge(self.average.eval()) if self.judge else math.nan

    @torch.no_grad()
    def validate(self, steps: int) -> float:
        """Mean loss of the averaged weights on the validation slice, with the same draws each time; NaN without one."""
        phase = next((p for p in self.model.phases if p.name == self.model.selects_by), None)
        if phase is None or not len(self.validation) or (self.step - 1) / steps < phase.active[0]:
            return math.nan
        seed_draws(_mix(self.seed, -1), self.device)
        self.average.eval()
        total, count = 0.0, min(len(self.validation), self.validation.telling)
        size = self.validation.at_once
        for start in range(0, count, size):
            batch = self.validation.batch(slice(start, min(start + size, count)), self.device)
            batch = self.average.draw(phase, batch)
            total += sum(float(term.sum()) for term in self.average.loss(phase, batch).values())
        return total / count

    def _ship(self) -> None:
        self.model.load_state_dict({**self.model.state_dict(), **(self.best or _moving(self.average))})
        self.model.eval()

    def _skip(self) -> None:
        """After a step that was not finite: go on a few times, then roll back at half the rate, then give up and say why."""
        self.counters.skipped += 1
        if self.counters.skipped < SKIPS_BEFORE_ROLLBACK:
            return
        failed_at, before = self.step, self.counters
        if before.rollbacks == ROLLBACKS_BEFORE_DIAGNOSIS:
            raise GenwrightError(
                "GW-0402",
                f"The loss was not finite at step {failed_at}, also after {before.rollbacks} returns to a good state "
                f"with the learning rate down to {self.settings.learning_rate * before.rate_scale:.1e}",
                "Try --training.learning_rate smaller or --training.precision f32; the last good checkpoint is kept.",
            )
        good = failed_at - failed_at % self.settings.checkpoint_every
        checkpoint, _ = checkpoints.newest(self.folder, no_later_than=good)
        checkpoint = self.ranks.same_checkpoint(checkpoint)
        if checkpoint is None:
            raise GenwrightError(
                "GW-0402", f"The loss was not finite at step {failed_at}", "Use a lower learning rate."
            )
        self._restore(checkpoint)
        self.counters.rollbacks = before.rollbacks + 1
        self.counters.rate_scale = before.rate_scale / 2
        self.counters.seconds = before.seconds

    def _save(self) -> None:
        if not self.ranks.leads:
            return
        tensors = {f"model.{name}": value for name, value in _moving(self.model).items()}
        tensors |= {f"average.{name}": value for name, value in _moving(self.average).items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for owner, optimizer in self.optimizers.items():
            for index, moments in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{owner}.{index}.{key}": value for key, value in moments.items()}
        state: dict[str, Any] = dict(vars(self.counters))
        for name in ("best_loss", "last_loss"):  # JSON has no infinity
            state[name] = state[name] if math.isfinite(state[name]) else None
        checkpoints.save(self.folder, checkpoints.Checkpoint(self.step, tensors, state), keep=3)

    def _restore(self, checkpoint: checkpoints.Checkpoint) -> None:
        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in checkpoint.tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict({**self.model.state_dict(), **part("model.")})
        self.average.load_state_dict({**self.average.state_dict(), **part("average.")})
        self.best = {name: value.to(self.device) for name, value in part("best.").items()}
        for owner, optimizer in self.optimizers.items():
            entries: dict[int, dict[str, Tensor]] = {}
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            for name, value in part(f"optimizer.{owner}.").items():
                index, key = name.split(".")
                like = parameters[int(index)]
                if value.shape == like.shape:  # in memory as the parameter is: fused optimisers go by place
                    value = torch.empty_like(like, dtype=value.dtype).copy_(value)
                entries.setdefault(int(index), {})[key] = value
            optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
        counters = dict(checkpoint.state)
        for name in ("best_loss", "last_loss"):
            counters[name] = math.inf if counters[name] is None else counters[name]
        self.counters = Counters(**counters)
        self.step = checkpoint.step


def _copied(model: GenerativeModel) -> GenerativeModel:
    """A copy that shares what is frozen."""
    return copy.deepcopy(model, {id(p): p for p in model.parameters() if not p.requires_grad})


def _moving(model: GenerativeModel) -> dict[str, Tensor]:
    """The model's state without frozen parameters, which may be large: whoever builds the model brings them."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in frozen}


def _mix(seed: int, step: int) -> int:
    """A well-spread 63-bit seed from the run's seed and a step, so that neighbouring steps do not share streams."""
    return int(np.random.SeedSequence([seed, step + 1]).generate_state(1, np.uint64)[0] >> 1)
