"""train(): data in, finished Run out - prepare, train, calibrate, sample, judge, each step safe to interrupt and resume.

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
from pathlib import Path
from typing import Any

import torch

from genwright import __version__, card
from genwright import settings as settings_layer
from genwright.config import Train
from genwright.contract import SAMPLES, GenerativeModel
from genwright.data.batches import ExampleSet
from genwright.dataset import Codec, Dataset, extent_of
from genwright.errors import GenwrightError
from genwright.folder import locked, next_free, sha256, write_json, write_text
from genwright.given import complete, first_run
from genwright.guarantee import LEDGER, Guard, anything_spent
from genwright.log_file import Log
from genwright.modalities import new_run, open_run
from genwright.models import MODELS
from genwright.networks.adapters import start_from
from genwright.progress import Progress
from genwright.run import FORMAT, Run, build_model
from genwright.tables import RULES, Table
from genwright.tracking import check_installed, following, open_tracker
from genwright.training import checkpoints
from genwright.training.budget import Budget
from genwright.training.checkpoints import load_tensors
from genwright.training.devices import choose_device, choose_precision, set_threads
from genwright.training.loop import Loop, Outcome
from genwright.training.private import Private
from genwright.training.stop import Stop

CODEC_FILES = ("codec.json", "codec.safetensors")
COLLAPSE = 3.0  # times the best distance of samples, at which a training is said to have collapsed


def train(data: Any = None, *, resume: str | Path | None = None, quiet: bool = False, **settings: Any) -> Run:
    """Train a model on a table or on images and return the finished run.

    `data` is a path (CSV, Parquet, JSON lines; a folder or archive of images), a pandas, polars or Arrow frame, an array of
    images, (N, height, width, channels) uint8, or a pair of such an array and its labels. Settings are those of
    `genwright train --help`, with dots for nested ones: train(frame, model="tvae", time="3m", **{"model.width": 128}).
    `resume` continues a stopped run to the same bytes; with `steps="+500"` a finished one goes on longer.
    """
    if resume is not None:
        return resume_run(resume, data=data, steps=settings.get("steps"), quiet=quiet)
    if data is None:
        raise GenwrightError("GW-0207", "There is nothing to train on", "Give a file or a frame, or resume=FOLDER.")
    return start(data, settings, quiet=quiet)


def start(data: Any, given: Mapping[str, Any], *, quiet: bool = False) -> Run:
    """A new run from settings by dotted name (over the environment's)."""
    given = complete(data, given)
    settings = settings_layer.build(given)
    stem = Path(given["data"].strip("<>")).name.split(".")[0].replace(" ", "-") or "run"
    folder = Path(settings.out) if settings.out else next_free(Path("runs"), stem)
    if (folder / "run.toml").exists():
        raise GenwrightError(
            "GW-0309", f"{str(folder)!r} already holds a run", f"Choose another --out, or go on with --resume {folder}."
        )
    given["out"] = str(folder)
    stop = Stop()
    with stop.listening(), locked(folder):  # from the first file on: a stopped run can always go on
        write_text(folder / "run.toml", settings_layer.given_to_toml(given))
        run = new_run(folder, settings_layer.model_name(settings))
        run.data = None if isinstance(data, str | Path) else data
        try:
            return _Training(run, given, Progress(quiet=quiet), stop).go()
        except GenwrightError:
            if (
                run.state["status"] == "started"
                and not (folder / "checkpoints").exists()
                and not anything_spent(folder)
            ):
                _forget(folder)
            raise


def resume_run(folder: str | Path, *, data: Any = None, steps: Any = None, quiet: bool = False) -> Run:
    """Go on with a stopped run, or with `steps` as "+500" longer than a finished one."""
    run = open_run(folder)
    run.data = data
    stop = Stop()
    with stop.listening(), locked(run.folder):
        given = settings_layer.from_file(run.folder / "run.toml")
        more = _more_steps(run, given, steps)
        if run.state["status"] == "finished" and not more:
            Progress(quiet=quiet).say(f"{run.folder} is finished: nothing to resume (--steps +500 would go on longer).")
            return run
        if more:
            given["steps"] = more
            write_text(run.folder / "run.toml", settings_layer.given_to_toml(given))
            run.update_state(status="started")
        return _Training(run, given, Progress(quiet=quiet), stop).go()


def _forget(folder: Path) -> None:
    """Take back what a training that could not begin has written: a mistake in its words leaves no run behind."""
    for name in ("run.toml", "schema.toml", RULES, "state.json", "log.jsonl", LEDGER, "lock"):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty: somebody else's files
        folder.rmdir()


def _more_steps(run: Run, given: Mapping[str, Any], steps: Any) -> int | None:
    if steps is None:
        return None
    text = str(steps)
    if not text.startswith("+") or not text[1:].isdigit() or int(text[1:]) == 0:
        raise GenwrightError("GW-0208", f"Cannot resume to {text!r} steps", "Say how many more, as --steps +500.")
    if not MODELS[str(given.get("model.name", settings_layer.DEFAULT_MODEL))].load().phases:
        raise GenwrightError("GW-0208", "This model has no steps to add", "Leave out --steps.")
    planned = run.settings.steps
    return (run.state.get("outcome", {}).get("steps") or planned) + int(text[1:])


class _Training:
    """One pass through the stages of a run; each looks at what is there already."""

    def __init__(self, run: Run, given: dict[str, Any], progress: Progress, stop: Stop) -> None:
        self.run, self.given, self.progress, self.stop = run, given, progress, stop
        self.settings: Train = settings_layer.build(given)
        self.seconds: dict[str, float] = {}
        self.said: set[str] = set()
        self.guard: Guard | None = None

    def go(self) -> Run:
        check_installed(self.settings.track)
        limit = settings_layer.seconds(self.settings.time)
        budget = Budget(limit, reserve=_reserve(limit))
        self.progress.say(f"Run folder: {self.run.folder}")
        dataset = self._prepare()
        if self.settings.epsilon:
            self.guard = Guard.open(self.settings, self.run.folder)
        if self.run.state["status"] != "trained":
            self._train(dataset, budget)
        self._finish(budget)
        return self.run

    def _prepare(self) -> Dataset:
        started = time.monotonic()
        with self.progress.phase("Reading"):
            dataset = self.run.open_dataset(self.run.training_data(), self.settings)
            extent = extent_of(dataset)
            self.run.check_fingerprint(dataset)
        self.settings = settings_layer.build(self.given, extent)
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
        threads = set_threads(settings.threads)
        device = choose_device(settings.device)
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
            share = settings.training.validation if model.selects_by and not self.guard else 0.0
            examples, validation = dataset.encode(codec, validation=share, seed=settings.seed)
        self.seconds["coding"] = time.monotonic() - started
        outcome = None
        if model.phases and examples.size:
            outcome = self._loop(dataset, model, codec, examples, validation, budget)
        started = time.monotonic()
        with self.progress.phase("Fitting"):
            torch.manual_seed(settings.seed)
            model.eval().fit(examples.once(device), self.guard.ledger if self.guard else None)
        self.seconds["fitting"] = time.monotonic() - started
        self._save(codec, model, outcome, threads, device)

    def _codec(self, dataset: Dataset) -> Codec:
        """The codec; under a guarantee, kept at once, as what was paid for it would be lost."""
        if self.guard is None:
            return dataset.fit_codec(self.settings)
        assert isinstance(dataset, Table)
        folder = self.run.folder
        if self.run.state.get("files"):
            return self.run.codec
        self.guard.plan(dataset)
        codec = self.guard.codec(dataset)
        self._write_codec(codec)
        self.run.update_state(files={name: sha256(folder / name) for name in CODEC_FILES})
        return codec

    def _private(
        self, dataset: Dataset, model: GenerativeModel, codec: Codec, examples: int, precision: torch.dtype
    ) -> Private | None:
        if self.guard is None:
            return None
        assert isinstance(dataset, Table)  # all that a guarantee is given for
        private = self.guard.steps(model, examples, dataset.training_units)
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
        loop = Loop(
            model,
            examples,
            validation,
            settings.training,
            seed=settings.seed,
            precision=precision,
            folder=folder / "checkpoints",
            judge=self.run.judge(codec, validation),
            watch=self.run.watcher(codec),
            private=self._private(dataset, model, codec, len(examples), precision),
        )
        for warning in loop.resume():
            self.progress.say(f"Warning: {warning}.")
        if loop.step:
            self.progress.say(f"Going on from step {loop.step}.")
        elif budget.seconds is not None:  # a resumed run keeps the steps that were planned
            steps = budget.steps(settings.steps, loop.seconds_per_step(settings.steps))
            self.settings = settings = dataclasses.replace(settings, steps=steps)
            write_text(folder / "run.toml", settings_layer.to_toml(settings))
        tracker = open_tracker(settings.track, folder, step=loop.step, facts=settings_layer.flatten(settings))
        loop.watch = following(loop.watch, folder, tracker)
        log = Log(folder / "log.jsonl", tracker, keep_until=loop.step)
        with contextlib.closing(tracker), self.progress.phase("Training", settings.steps) as advance:

            def report(step: int, steps: int, losses: Mapping[str, float]) -> None:
                total = sum(value for name, value in losses.items() if name != "rate")
                log.write(step, losses, last=step == steps)
                advance(step, steps, f"loss {total:.3f}")

            outcome = loop.run(settings.steps, budget=budget, stop=self.stop, report=report)
        self.seconds["training"] = outcome.seconds
        if collapsed(model, outcome):
            self.progress.say(
                f"Note: samples were best at step {outcome.best_step:,} and {outcome.last_loss / outcome.best_loss:.0f} "
                "times farther from real data at the end (one player won, or kinds of samples were lost). The best "
                "snapshot ships; a lower --training.learning_rate or a larger --model.penalty_weight may train longer."
            )
        return outcome

    def _save(
        self, codec: Codec, model: GenerativeModel, outcome: Outcome | None, threads: int, device: torch.device
    ) -> None:
        folder = self.run.folder
        self._write_codec(codec)
        checkpoints.write_tensors(folder / "weights.safetensors", model.state_dict())
        names = (*CODEC_FILES, "weights.safetensors")
        if self.guard:
            self.guard.ledger.settle()
            self.run.update_state(privacy=self.guard.facts())
        parameters = sum(parameter.numel() for parameter in model.parameters())
        facts: dict[str, Any] = {"parameters": parameters, "threads": threads, "device": str(device)}
        if outcome:
            facts |= dataclasses.asdict(outcome)
        self.run.update_state(
            status="trained",
            outcome=facts,
            seconds={name: round(value, 2) for name, value in self.seconds.items()},
            files={name: sha256(folder / name) for name in names},
        )
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
        run.update_state(status="finished", seconds=seconds)
        write_text(run.folder / "card.md", card.text(run))


def collapsed(model: GenerativeModel, outcome: Outcome) -> bool:
    """Whether samples, where they select the snapshot, ended much farther from real data than the best ones were."""
    return model.selects_by == SAMPLES and outcome.last_loss > COLLAPSE * outcome.best_loss


def _reserve(limit: float | None) -> float:
    """Seconds of a time limit kept for calibration, sampling and the report."""
    return 0.0 if limit is None else min(20.0, 0.4 * limit)


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("torch", "numpy", "polars")}
    return {"genwright": __version__, "python": platform.python_version(), **packages, "machine": platform.machine()}
