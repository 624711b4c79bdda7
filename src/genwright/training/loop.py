"""The one loop: every model with gradients is trained, averaged, selected, checkpointed and resumed here.

A step is a pure function of (weights, optimiser state, seed, step number): random numbers are seeded anew at each step
and batches are indexed by step, so a resumed run continues to the same bits. Read `contract.py` for what a model gives.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genwright.config import TrainingSettings
from genwright.contract import Batch, GenerativeModel, Phase
from genwright.data.batches import batch_rows
from genwright.errors import GenwrightError
from genwright.training import checkpoints, gradients
from genwright.training.budget import Budget
from genwright.training.stop import Interrupted, Stop

SKIPS_BEFORE_ROLLBACK = 5
ROLLBACKS_BEFORE_DIAGNOSIS = 3
VALIDATION_ROWS = 8192  # enough for a likelihood to a few thousandths; more would slow every look


@dataclass
class Counters:
    """What the loop remembers besides tensors; saved with each checkpoint."""

    skipped: int = 0
    """Steps in a row whose loss or gradient was not finite."""
    rollbacks: int = 0
    rate_scale: float = 1.0
    best_loss: float = math.inf
    best_step: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """How a training went."""

    steps: int
    best_step: int
    best_loss: float
    seconds: float
    cut: bool
    """The wall clock ended it before its last step."""
    rollbacks: int


class Loop:
    """Trains `model` on coded rows; `run()` leaves the weights that ship in the model."""

    def __init__(
        self,
        model: GenerativeModel,
        rows: np.ndarray,
        validation: np.ndarray,
        settings: TrainingSettings,
        *,
        seed: int,
        precision: torch.dtype,
        folder: Path,
    ) -> None:
        self.model, self.rows, self.settings = model, rows, settings
        self.validation = validation[:VALIDATION_ROWS]
        self.seed, self.precision, self.folder = seed, precision, folder
        self.device = next(model.parameters()).device
        self.average = copy.deepcopy(model)
        self.optimizers = {
            name: _optimizer(getattr(model, name), settings) for name in dict.fromkeys(p.updates for p in model.phases)
        }
        self.best: dict[str, Tensor] = {}
        self.counters = Counters()
        self.step = 0

    def resume(self) -> list[str]:
        """Go back to the newest whole checkpoint, if there is one; returns warnings about damaged ones."""
        checkpoint, warnings = checkpoints.newest(self.folder)
        if checkpoint is not None:
            self._restore(checkpoint)
        return warnings

    def run(
        self, steps: int, *, budget: Budget, stop: Stop, report: Callable[[int, int, Mapping[str, float]], None]
    ) -> Outcome:
        """Train up to `steps` (fewer when the budget's clock says so). Raises Interrupted, saved, when asked to stop."""
        cut = False
        if self.step == 0:
            self._save()  # a place to fall back to
        with stop.deferred():
            while self.step < steps:
                started = time.monotonic()
                losses = self._one_step(steps)
                self.step += 1
                if losses is None:
                    self._skip()
                    continue
                self.counters.seconds += time.monotonic() - started
                steps = budget.plan(self.step, steps, time.monotonic() - started)
                cut = budget.exhausted() and self.step < steps
                last = cut or self.step == steps
                if self.step % self.settings.select_every == 0 or last:
                    self._select()
                report(self.step, steps, losses)
                if self.step % self.settings.checkpoint_every == 0 or last or stop.requested:
                    self._save()
                if stop.requested and not last:
                    raise Interrupted
                if cut:
                    break
        self._ship()
        counters = self.counters
        return Outcome(self.step, counters.best_step, counters.best_loss, counters.seconds, cut, counters.rollbacks)

    def _one_step(self, steps: int) -> dict[str, float] | None:
        """One round of all active phases; None if a loss or gradient was not finite (that phase moved nothing)."""
        torch.manual_seed(_mix(self.seed, self.step))
        rate = self._rate(steps)
        losses: dict[str, float] = {"rate": rate}
        repeat = 0
        for phase in self.model.phases:
            if not phase.active[0] <= self.step / steps < phase.active[1]:
                continue
            for _ in range(phase.repeats):
                batch = self._batch(phase, repeat)
                repeat += phase.reads_data
                with torch.no_grad():
                    batch = self.model.draw(phase, batch)
                terms = gradients.plain(self.model, phase, batch, self.precision)
                parameters = list(getattr(self.model, phase.updates).parameters())
                norm = nn.utils.clip_grad_norm_(parameters, self.settings.clip_norm or math.inf)
                values = torch.stack([*terms.values(), norm]).tolist()
                if not all(map(math.isfinite, values)):
                    return None
                optimizer = self.optimizers[phase.updates]
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.step()
                optimizer.zero_grad()
                losses |= {f"{phase.name}.{name}": value for name, value in zip(terms, values, strict=False)}
                with torch.no_grad():
                    self.model.observe(phase, batch)
        self._update_average()
        self.counters.skipped = 0
        return losses

    def _batch(self, phase: Phase, repeat: int) -> Batch:
        size = min(self.settings.batch_size, len(self.rows))
        if not phase.reads_data:
            return Batch(torch.zeros(size, *self.rows.shape[1:], dtype=torch.int64, device=self.device))
        reads = sum(p.repeats for p in self.model.phases if p.reads_data)
        chosen = batch_rows(len(self.rows), size, seed=self.seed, step=self.step * reads + repeat)
        return to_batch(self.rows[chosen], self.device)

    def _rate(self, steps: int) -> float:
        """Linear warm-up, then a cosine to `final_rate`; the warm-up does not depend on `steps`, which --time plans later."""
        settings = self.settings
        if self.step < settings.warmup_steps:
            share = (self.step + 1) / settings.warmup_steps
        else:
            done = (self.step - settings.warmup_steps) / max(steps - settings.warmup_steps, 1)
            share = settings.final_rate + (1 - settings.final_rate) * 0.5 * (1 + math.cos(math.pi * done))
        return settings.learning_rate * share * self.counters.rate_scale

    @torch.no_grad()
    def _update_average(self) -> None:
        """Exponential moving average of the weights; a shorter memory in the first steps, which are far from the rest."""
        decay = min(self.settings.ema_decay, (1 + self.step) / (10 + self.step)) if self.settings.ema_decay else 0.0
        averaged: list[Tensor] = list(self.average.parameters())
        current: list[Tensor] = list(self.model.parameters())
        torch._foreach_lerp_(averaged, current, 1 - decay)
        for target, source in zip(self.average.buffers(), self.model.buffers(), strict=True):
            target.copy_(source)

    def _select(self) -> None:
        """Remember the averaged weights if they do best on the validation slice so far (or if nothing can be said)."""
        loss = self.validate()
        if math.isfinite(loss) and loss <= self.counters.best_loss:
            self.counters.best_loss, self.counters.best_step = loss, self.step
            self.best = {name: value.clone() for name, value in self.average.state_dict().items()}

    @torch.no_grad()
    def validate(self) -> float:
        """Mean loss of the averaged weights on the validation slice, with the same draws each time; NaN without one."""
        phase = next((p for p in self.model.phases if p.name == self.model.selects_by), None)
        if phase is None or not len(self.validation):
            return math.nan
        torch.manual_seed(_mix(self.seed, -1))
        self.average.eval()
        total = 0.0
        for start in range(0, len(self.validation), 2048):
            batch = self.average.draw(phase, to_batch(self.validation[start : start + 2048], self.device))
            total += sum(float(term.sum()) for term in self.average.loss(phase, batch).values())
        return total / len(self.validation)

    def _ship(self) -> None:
        self.model.load_state_dict(self.best or self.average.state_dict())
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
        if checkpoint is None:
            raise GenwrightError(
                "GW-0402", f"The loss was not finite at step {failed_at}", "Use a lower learning rate."
            )
        self._restore(checkpoint)
        self.counters.rollbacks = before.rollbacks + 1
        self.counters.rate_scale = before.rate_scale / 2
        self.counters.seconds = before.seconds

    def _save(self) -> None:
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for owner, optimizer in self.optimizers.items():
            for index, moments in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{owner}.{index}.{key}": value for key, value in moments.items()}
        state: dict[str, Any] = dict(vars(self.counters))
        state["best_loss"] = state["best_loss"] if math.isfinite(state["best_loss"]) else None
        checkpoints.save(self.folder, checkpoints.Checkpoint(self.step, tensors, state), keep=3)

    def _restore(self, checkpoint: checkpoints.Checkpoint) -> None:
        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in checkpoint.tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self.average.load_state_dict(part("average."))
        self.best = {name: value.to(self.device) for name, value in part("best.").items()}
        for owner, optimizer in self.optimizers.items():
            entries: dict[int, dict[str, Tensor]] = {}
            for name, value in part(f"optimizer.{owner}.").items():
                index, key = name.split(".")
                entries.setdefault(int(index), {})[key] = value
            optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
        counters = dict(checkpoint.state)
        counters["best_loss"] = math.inf if counters["best_loss"] is None else counters["best_loss"]
        self.counters = Counters(**counters)
        self.step = checkpoint.step


def to_batch(rows: np.ndarray, device: torch.device) -> Batch:
    """Coded rows as the batch that a model sees: (B, spans) int64 on the device."""
    return Batch(torch.from_numpy(rows.astype(np.int64)).to(device, non_blocking=True))


def _optimizer(module: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    matrices = [p for p in module.parameters() if p.ndim >= 2]
    vectors = [p for p in module.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    betas = (settings.beta1, settings.beta2)
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=settings.learning_rate, betas=betas, fused=True)


def _mix(seed: int, step: int) -> int:
    """A well-spread 63-bit seed from the run's seed and a step, so that neighbouring steps do not share streams."""
    return int(np.random.SeedSequence([seed, step + 1]).generate_state(1, np.uint64)[0] >> 1)
