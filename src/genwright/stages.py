"""What a training does, one stage after another: reads, codes, trains, calibrates, samples, judges; each is safe to stop.

The order of the files tells how far a run is: run.toml from the first second, checkpoints while it trains, weights and
codec when it is trained, samples and report when it is finished. Read `training/loop.py` next.
"""

from __future__ import annotations

import contextlib
import dataclasses
import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch

from genwright import __version__, card
from genwright import settings as settings_layer
from genwright.config import Train
from genwright.contract import SAMPLES, GenerativeModel
from genwright.data.batches import ExampleSet
from genwright.data.token_batches import DocumentWindows
from genwright.dataset import Codec, Dataset, extent_of
from genwright.errors import GenwrightError
from genwright.folder import sha256, write_json, write_text
from genwright.given import first_run
from genwright.guarantee import Guard, public_extent
from genwright.log_file import Log
from genwright.memory import forget_peak, peak_bytes
from genwright.networks.adapters import start_from
from genwright.progress import Progress
from genwright.run import FORMAT, Run, build_model
from genwright.selection import SampleJudge, held_back, notes
from genwright.tracking import check_installed, following, open_tracker
from genwright.training import checkpoints
from genwright.training.budget import Budget
from genwright.training.checkpoints import load_tensors
from genwright.training.devices import choose_device, choose_precision, set_threads
from genwright.training.loop import SELECTION, Loop, Outcome
from genwright.training.private import Private
from genwright.training.ranks import Ranks
from genwright.training.stop import Stop

CODEC_FILES = ("codec.json", "codec.safetensors")


class Stages:
    """One pass through the stages of a run; each looks at what is there already."""

    def __init__(self, run: Run, given: dict[str, Any], progress: Progress, stop: Stop, ranks: Ranks) -> None:
        self.run, self.given, self.progress, self.stop, self.ranks = run, given, progress, stop, ranks
        self.settings: Train = settings_layer.build(given)
        self.seconds: dict[str, float] = {}
        self.said: set[str] = set()
        self.guard: Guard | None = None

    def go(self) -> Run:
        check_installed(self.settings.track)
        forget_peak()
        limit = settings_layer.seconds(self.settings.time)
        budget = Budget.of_run(limit)
        self.progress.say(f"Run folder: {self.run.folder}")
        dataset = self._prepare()
        self.ranks.check_same({"data": dataset.fingerprint()})
        if self.settings.epsilon:
            if self.ranks.number > 1:
                what = "The noise of a private training is drawn in one process"
                raise GenwrightError("GW-0408", what, "Start genwright without torchrun")
            self.guard = Guard.open(self.settings, self.run.folder)
        if self.run.state["status"] != "trained":
            self._train(dataset, budget)
        if self.ranks.leads:
            self._finish(budget)
        return self.run

    def _prepare(self) -> Dataset:
        started = time.monotonic()
        with self.progress.phase("Reading"):
            dataset = self.run.open_dataset(self.run.training_data(), self.settings)
            extent = extent_of(dataset)
            self.run.check_fingerprint(dataset)
        self.settings = settings_layer.build(self.given, public_extent(self.settings, extent))
        write_text(self.run.folder / "run.toml", settings_layer.to_toml(self.settings))
        self.run.__dict__.pop("settings", None)
        dataset.write_findings(self.run.folder)
        self._say_notes(dataset)
        self.run.update_state(
            format=FORMAT,
            status=self.run.state["status"],
            data={
                "name": dataset.name,
                "fingerprint": dataset.fingerprint(),
                "rows": len(dataset.held),
                "training_rows": extent.examples,
                "holdout_rows": int(dataset.held.sum()),
                "notes": [] if self.settings.epsilon else dataset.notes,  # they may quote values
                **dataset.facts(),
            },
            versions=_versions(),
        )
        self.seconds["reading"] = time.monotonic() - started
        return dataset

    def _say_notes(self, dataset: Dataset) -> None:
        for note in dataset.notes:
            if note not in self.said:
                self.progress.say(f"Note: {note}")
        self.said = set(dataset.notes)

    def _train(self, dataset: Dataset, budget: Budget) -> None:
        settings, started = self.settings, time.monotonic()
        threads = set_threads(self.ranks.threads(settings.threads))
        device = self.ranks.device(choose_device(settings.device))
        name = settings_layer.model_name(settings)
        with self.progress.phase("Coding"):
            first = first_run(settings.start) if settings.start else None
            codec = first.codec if first else self._codec(dataset)
            self._say_notes(dataset)
            torch.manual_seed(settings.seed)
            model = build_model(name, settings.model, codec.spec)
            if first:
                start_from(model, load_tensors(first.folder / "weights.safetensors"), str(first.folder))
            model.to(device)
            share = 0.0
            if not self.guard:
                share = held_back(model, settings.training.validation, extent_of(dataset).examples)
            examples, validation = dataset.encode(codec, validation=share, seed=settings.seed)
        self.seconds["coding"] = time.monotonic() - started
        if model.prepares and not first and examples.size:
            self._begin(model, examples, device)
        outcome = None
        if model.phases and examples.size:
            outcome = self._loop(dataset, model, codec, examples, validation, budget)
        if not self.ranks.leads:
            return
        started = time.monotonic()
        with self.progress.phase("Fitting"):
            torch.manual_seed(settings.seed)
            model.eval().fit(examples.once(device), self.guard.ledger if self.guard else None)
            tuned = model.tune(validation.once(device)) if validation.size else {}
        self.seconds["fitting"] = time.monotonic() - started
        self._save(codec, model, outcome, threads, device, tuned)

    def _codec(self, dataset: Dataset) -> Codec:
        """The codec; under a guarantee, kept at once, as what was paid for it would be lost."""
        if self.guard is None:
            return dataset.fit_codec(self.settings)
        folder = self.run.folder
        if self.run.state.get("files"):
            return self.run.codec
        self.guard.plan(dataset)
        codec = self.guard.codec(dataset)
        self._write_codec(codec)
        self.run.update_state(files={name: sha256(folder / name) for name in CODEC_FILES})
        return codec

    def _begin(self, model: GenerativeModel, examples: ExampleSet, device: torch.device) -> None:
        """What comes before the first step, kept at once: under a guarantee it is paid for."""
        path, started = self.run.folder / "checkpoints" / "prepared.safetensors", time.monotonic()
        if not path.exists():
            with self.progress.phase("Preparing"):
                torch.manual_seed(self.settings.seed)
                model.prepare(examples.once(device), self.guard.ledger if self.guard else None)
            path.parent.mkdir(exist_ok=True)
            checkpoints.write_tensors(path, dict(model.named_buffers()))
        model.load_state_dict(load_tensors(path), strict=False)
        self.seconds["preparing"] = time.monotonic() - started

    def _private(
        self, dataset: Dataset, model: GenerativeModel, codec: Codec, examples: ExampleSet, precision: torch.dtype
    ) -> Private | None:
        if self.guard is None:
            return None
        units = examples.units if isinstance(examples, DocumentWindows) else dataset.training_units
        private = self.guard.steps(model, len(examples), units)
        private.prepare(model, codec.spec, precision, self.progress.say)
        return private

    def _write_codec(self, codec: Codec) -> None:
        write_json(self.run.folder / "codec.json", codec.to_json())
        arrays = {name: torch.tensor(array) for name, array in codec.arrays().items()}
        checkpoints.write_tensors(self.run.folder / "codec.safetensors", arrays)

    def _loop(
        self,
        dataset: Dataset,
        model: GenerativeModel,
        codec: Codec,
        examples: ExampleSet,
        validation: ExampleSet,
        budget: Budget,
    ) -> Outcome:
        settings, folder = self.settings, self.run.folder
        precision = choose_precision(settings.training.precision, next(model.parameters()).device)
        judge = self._judge(model, codec, examples, validation)
        loop = Loop(
            model,
            examples,
            validation,
            settings.training,
            seed=settings.seed,
            precision=precision,
            folder=folder / "checkpoints",
            judge=judge,
            watch=self.run.watcher(codec),
            private=self._private(dataset, model, codec, examples, precision),
            ranks=self.ranks,
        )
        for warning in loop.resume():
            self.progress.say(f"Warning: {warning}.")
        if loop.step:
            self.progress.say(f"Going on from step {loop.step}.")
        elif budget.seconds is not None:  # a resumed run keeps the steps that were planned
            budget.keep(self.run.seconds_of_report(codec, model))
            steps = self.ranks.same_number(budget.steps(settings.steps, loop.seconds_per_step(settings.steps)))
            self.settings = settings = dataclasses.replace(settings, steps=steps)
            write_text(folder / "run.toml", settings_layer.to_toml(settings))
        track = settings.track if self.ranks.leads else "none"
        tracker = open_tracker(track, folder, step=loop.step, facts=settings_layer.flatten(settings))
        loop.watch = following(loop.watch, folder, tracker)
        log = Log(folder / "log.jsonl", tracker, keep_until=loop.step)
        with contextlib.closing(tracker), self.progress.phase("Training", settings.steps) as advance:

            def report(step: int, steps: int, losses: Mapping[str, float]) -> None:
                total = sum(value for name, value in losses.items() if name not in ("rate", SELECTION))
                log.write(step, losses, last=step == steps)
                advance(step, steps, f"loss {total:.3f}")

            outcome = loop.run(settings.steps, budget=budget, stop=self.stop, report=report)
        self.seconds["training"] = outcome.seconds
        if self._selects_by_samples(model):
            variety = judge.variety(model) if judge else float("nan")
            for note in notes(outcome, variety, self._critic_losses()):
                self.progress.say(f"Note: {note}")
        return outcome

    def _selects_by_samples(self, model: GenerativeModel) -> bool:
        """Whether samples are looked at; under a guarantee they are not, as that would be another look at the data."""
        return model.selects_by == SAMPLES and not self.guard and self.ranks.leads

    def _judge(
        self, model: GenerativeModel, codec: Codec, examples: ExampleSet, validation: ExampleSet
    ) -> SampleJudge | None:
        """By what was kept out of training, else by training examples: a generator never sees them."""
        if not self._selects_by_samples(model):
            return None
        if not len(validation):
            self.progress.say(
                f"Note: {len(examples):,} training {self.run.noun} are too few to keep some back: samples are compared with "
                "training ones to choose the snapshot that ships."
            )
        return self.run.judge(codec, validation if len(validation) else examples)

    def _critic_losses(self) -> list[float]:
        """As logged; none for a loss that has no least value."""
        if getattr(self.settings.model, "loss", "") == "wasserstein":
            return []
        return [row["critic.loss"] for row in self.run.log() if "critic.loss" in row]

    def _save(
        self,
        codec: Codec,
        model: GenerativeModel,
        outcome: Outcome | None,
        threads: int,
        device: torch.device,
        tuned: Mapping[str, float],
    ) -> None:
        folder = self.run.folder
        self._write_codec(codec)
        checkpoints.write_tensors(folder / "weights.safetensors", model.state_dict())
        names = (*CODEC_FILES, "weights.safetensors")
        if self.guard:
            self.guard.ledger.settle()
            self.run.update_state(privacy=self.guard.facts())
        parameters = sum(parameter.numel() for parameter in model.parameters())
        facts: dict[str, Any] = {"parameters": parameters, "threads": threads, "device": str(device), **tuned}
        if outcome:
            precision = choose_precision(self.settings.training.precision, device)
            facts |= {"precision": str(precision).removeprefix("torch."), **dataclasses.asdict(outcome)}
            if not outcome.best_step:  # nothing was selected by held-out examples
                for name in ("best_step", "best_loss", "last_loss"):
                    del facts[name]
        self.run.update_state(
            status="trained",
            outcome=facts,
            seconds={name: round(value, 2) for name, value in self.seconds.items()},
            files={name: sha256(folder / name) for name in names},
        )
        if self.guard:
            self.guard.ledger.answers.forget()
        for name in ("codec", "model"):
            self.run.__dict__.pop(name, None)

    def _finish(self, budget: Budget) -> None:
        settings, run = self.settings, self.run
        state = run.state
        started = time.monotonic()
        with self.progress.phase("Sampling") as advance:
            run.first_samples(advance)
        self.seconds["sampling"] = time.monotonic() - started
        started = time.monotonic()
        if settings.report and budget.left() > 0:
            with self.progress.phase("Judging") as advance:
                run.report(effort="quick", advance=advance)
        self.seconds["judging"] = time.monotonic() - started
        seconds = {**state["seconds"], **{name: round(value, 2) for name, value in self.seconds.items()}}
        seconds["total"] = round(time.monotonic() - budget.started, 2)
        run.update_state(status="finished", seconds=seconds, memory_mb=round(peak_bytes() / 1e6))
        write_text(run.folder / "card.md", card.text(run))


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("torch", "numpy", "polars")}
    return {"genwright": __version__, "python": platform.python_version(), **packages, "machine": platform.machine()}
