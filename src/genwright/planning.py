"""`train --dry-run`: what a training would do and cost; it leaves no file.

The data are read and coded, a few steps are timed, and for tables the fit, a few samples and a report on training rows in
the place of synthetic ones: only the steps, which take longest, are not all done. Under a guarantee the same is done with
made-up data: see `rehearsal.py`.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genwright import settings as settings_layer
from genwright.codecs.table import TableCodec
from genwright.config import Train
from genwright.contract import DataSpec, GenerativeModel
from genwright.data.batches import ExampleSet
from genwright.data.token_batches import DocumentWindows
from genwright.dataset import Dataset, extent_of
from genwright.errors import GenwrightError
from genwright.given import complete
from genwright.guarantee import Guard, public_extent
from genwright.memory import peak_bytes
from genwright.metrics.table import score
from genwright.modalities import new_run
from genwright.model_presets import Extent
from genwright.privacy.ledger import PrivacyLedger
from genwright.progress import Advance, Progress
from genwright.rehearsal import CATEGORIES, coded, made_up, rehearsing
from genwright.run import build_model
from genwright.tables import FRAME_ROWS, Table, read_like
from genwright.training.budget import Budget
from genwright.training.devices import choose_device, choose_precision, set_threads
from genwright.training.loop import Loop

FEW_ROWS = 4096
CHECKPOINT_COPIES = 5  # model, average, best and two moments of the optimiser


class Clock:
    """Seconds of each part of a run, those that were measured and those that follow from them."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.seconds = progress, dict[str, float]()

    @contextlib.contextmanager
    def timed(self, part: str, phase: str) -> Iterator[Advance]:
        started = time.monotonic()
        with self.progress.phase(phase) as advance:
            yield advance
        self.seconds[part] = self.seconds.get(part, 0.0) + time.monotonic() - started

    def __str__(self) -> str:
        parts = ", ".join(f"{value:.0f} s {part}" for part, value in self.seconds.items())
        return f"about {sum(self.seconds.values()):.0f} s: {parts}"


def plan(data: Any, given: Mapping[str, Any], *, quiet: bool = True) -> str:
    """Rows, columns, parameters, steps, seconds, memory and disk, as a text. GW-0404 if the disk cannot hold it."""
    given = complete(data, given)
    settings = settings_layer.build(given)
    limit = settings_layer.seconds(settings.time)
    clock, budget = Clock(Progress(quiet=quiet)), Budget.of_run(limit)
    name = settings_layer.model_name(settings)
    with clock.timed("preparation", "Reading"):
        run = new_run(Path(), name)
        dataset = run.open_dataset(data, settings)
        extent = extent_of(dataset)
        settings = settings_layer.build(given, public_extent(settings, extent))
    set_threads(settings.threads)
    if settings.epsilon:
        return _private_plan(settings, dataset, Clock(clock.progress))
    device = choose_device(settings.device)
    with clock.timed("preparation", "Coding"):
        codec = dataset.fit_codec(settings)
        examples, validation = dataset.encode(codec, validation=settings.training.validation, seed=settings.seed)
    torch.manual_seed(settings.seed)
    model = build_model(name, settings.model, codec.spec).to(device)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if model.prepares:
        with clock.timed("preparation", "Preparing"):
            model.prepare(examples.once(device), None)
    lines = [
        f"Data        {dataset.name}: {extent.examples:,} examples to train on, {int(dataset.held.sum()):,} held out",
        f"Coded as    {_coding(codec.spec)}",
        f"Model       {name}, {parameters:,} parameters, on {device}",
    ]
    if model.phases and examples.size:
        precision = choose_precision(settings.training.precision, device)
        loop = Loop(
            model, examples, validation, settings.training, seed=0, precision=precision, folder=Path(settings.out)
        )
        with clock.progress.phase("Timing steps"):
            each = loop.seconds_per_step(settings.steps)
            if limit is not None:
                run.settings = settings  # there is no folder to read them from
                budget.keep(run.seconds_of_report(codec, model))
            steps = settings.steps if limit is None else budget.steps(settings.steps, each)
            started = time.monotonic()
            loop.validate(settings.steps)
            every = settings.training.select_every
            looks = ((steps // every if every else 0) + 1) * (time.monotonic() - started)
        clock.seconds[f"for {steps:,} steps of {1000 * each:.0f} ms"] = steps * each + looks
        disk = 4 * parameters * CHECKPOINT_COPIES * 3
        free = shutil.disk_usage(Path(settings.out or ".").resolve().anchor).free
        if disk > free:
            raise GenwrightError(
                "GW-0404", f"Checkpoints need {disk / 1e9:.1f} GB, {free / 1e9:.1f} are free", "Free space."
            )
        lines += [
            f"Steps       {steps:,} of {min(settings.training.batch_size, len(examples)):,} examples",
            f"Disk        about {disk / 1e6:.0f} MB for checkpoints",
        ]
    if isinstance(dataset, Table):
        assert isinstance(codec, TableCodec)
        _time_the_rest(dataset, codec, model.eval(), examples, None, settings, clock)
    on_top = "" if isinstance(dataset, Table) else "; samples and report come on top"
    lines += [
        f"Time        {clock}{on_top}",
        f"Memory      about {peak_bytes() / 1e9:.1f} GB at most",
        "Nothing was written. Leave out --dry-run to train.",
    ]
    return "\n".join(lines)


def _time_the_rest(
    table: Table,
    codec: TableCodec,
    model: GenerativeModel,
    examples: ExampleSet,
    ledger: PrivacyLedger | None,
    settings: Train,
    clock: Clock,
) -> None:
    """Does what follows the training of a table: the untrained model draws few rows, training rows are judged."""
    device = choose_device(settings.device)
    with clock.timed("fitting", "Fitting"):
        model.fit(examples.once(device), ledger)
    rows = settings.rows or min(codec.rows, FRAME_ROWS)
    few = min(rows, FEW_ROWS)
    with clock.timed("for samples", "Sampling"):
        drawn = model.sample(few, generator=torch.Generator(device).manual_seed(0))
        codec.decode(drawn.x.cpu().numpy(), generator=np.random.default_rng(0))
    clock.seconds["for samples"] *= rows / few
    if settings.report:
        with clock.timed("for the report", "Judging") as advance:
            kinds = {column.name: column.kind for column in codec.schema.columns}
            train, target = table.frame(), settings.target or None
            held = read_like(settings.test, codec.schema, what="test file") if settings.test else table.frame(held=True)
            made = train.sample(fraction=1.0, with_replacement=True, seed=0)
            score(train, held, made, kinds, target=target, effort="quick", seed=settings.seed, progress=advance)


def _private_plan(settings: Train, dataset: Dataset, clock: Clock) -> str:
    """What a training under a guarantee would release, and its time by a rehearsal on made-up data: nothing is drawn, and
    of the data no more than their form is looked at."""
    guard = Guard.open(settings, None)
    with clock.timed("planning", "Planning"):
        guard.plan(dataset)
    try:
        found = _rehearsed(guard, dataset, clock)
    except GenwrightError as error:
        if error.code != "GW-0612":
            raise
        found = [f"Time        not known, nor any noise of steps: with made-up data, {error.what}"]
    ledger, size = guard.ledger, settings.privacy.rows
    private = "" if size else ", a usual number: the real one is private (--privacy.rows, if it is public)"
    categories = f"; {CATEGORIES} categories where none are declared" if isinstance(dataset, Table) else ""
    lines = [
        f"Guarantee   epsilon {ledger.guarantee.epsilon:g} at delta {ledger.guarantee.delta:g}, unit: one {ledger.unit}",
        *(_release(row) for row in ledger.table()),
        f"Planned     epsilon {ledger.epsilon_planned():.4f}",
        f"Assumed     {size or Extent.examples:,} examples to train on{private}{categories}",
        *found,
        f"Memory      about {peak_bytes() / 1e9:.1f} GB at most",
        "Nothing was written. Leave out --dry-run to train.",
    ]
    return "\n".join(lines)


def _rehearsed(guard: Guard, dataset: Dataset, clock: Clock) -> list[str]:
    """Lines on model and time, after the steps are planned as well. GW-0612 where noise drowns a made-up column."""
    settings = guard.settings
    name, device = settings_layer.model_name(settings), choose_device(settings.device)
    rows = settings.privacy.rows or Extent.examples
    made = made_up(dataset, settings, rows)
    with clock.timed("preparation", "Coding"):
        codec, examples = coded(dataset, made, guard)
    torch.manual_seed(settings.seed)
    model = build_model(name, settings.model, codec.spec).to(device)
    if model.prepares:
        with clock.timed("preparation", "Preparing"):
            model.prepare(examples.once(device), guard.ledger)
    clock.seconds["preparation"] *= max(rows / len(examples), 1.0)
    if model.phases:
        with clock.timed("planning", "Planning"):
            guard.plan_steps(model, rows)
        _time_private_steps(guard, model, codec.spec, examples, clock)
    if isinstance(made, Table):
        assert isinstance(codec, TableCodec)
        _time_the_rest(made, codec, model.eval(), examples, guard.ledger, replace(settings, test=""), clock)
    else:
        with clock.timed("fitting", "Fitting"):
            model.eval().fit(examples.once(device), guard.ledger)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    on_top = "reading" if isinstance(made, Table) else "reading, samples and report"
    return [
        f"Model       {name}, {f'{parameters:,} parameters, ' if parameters else ''}on {device}",
        f"Time        {clock}, with made-up data; {on_top} on top",
    ]


def _release(row: Mapping[str, Any]) -> str:
    """A line of the plan; the rate of steps, and with it their noise, is of the assumed number of examples."""
    rate = "" if row["rate"] is None else f", each unit with chance {row['rate']:.4g}"
    return f"  {row['purpose']}: {row['mechanism']}, {row['planned']:,} times, {row['noise']}{rate}"


def _time_private_steps(
    guard: Guard, model: GenerativeModel, spec: DataSpec, examples: ExampleSet, clock: Clock
) -> None:
    settings = guard.settings
    units = np.arange(len(examples)) if settings.unit else None
    if isinstance(examples, DocumentWindows):
        units = examples.units
    precision = choose_precision(settings.training.precision, choose_device(settings.device))
    private = rehearsing(guard.steps(model, len(examples), units), examples)
    with clock.timed("planning", "Preparing"):
        private.prepare(model, spec, precision, lambda _: None)
    loop = Loop(
        model,
        examples,
        examples,
        settings.training,
        seed=0,
        precision=precision,
        folder=Path(settings.out),
        private=private,
    )
    with clock.progress.phase("Timing steps"):
        each = loop.seconds_per_step(settings.steps)
    clock.seconds[f"for {settings.steps:,} steps of {1000 * each:.0f} ms"] = settings.steps * each


def _coding(spec: DataSpec) -> str:
    if spec.kind == "grid":
        channels, height, width = spec.shape
        classes = f", {spec.classes} classes" if spec.classes else ""
        return f"images of {width} x {height} pixels, {channels} channels{classes}"
    if spec.kind == "tokens":
        return f"windows of {spec.shape[0] - 1} tokens of {spec.vocabulary:,}"
    return f"rows of {len(spec.spans)} positions with {sum(span.size for span in spec.spans):,} codes"
