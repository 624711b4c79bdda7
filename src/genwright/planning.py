"""`train --dry-run`: what a training would do and cost, from the real data and a few timed steps; it leaves no file."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from genwright import settings as settings_layer
from genwright.config import Train
from genwright.contract import DataSpec
from genwright.dataset import extent_of
from genwright.errors import GenwrightError
from genwright.given import complete
from genwright.guarantee import Guard
from genwright.modalities import new_run
from genwright.models import MODELS
from genwright.run import build_model
from genwright.training.devices import choose_device, choose_precision, set_threads
from genwright.training.loop import Loop

CHECKPOINT_COPIES = 5  # model, average, best and two moments of the optimiser


def plan(data: Any, given: Mapping[str, Any]) -> str:
    """Rows, columns, parameters, steps, seconds, memory and disk, as a text. GW-0404 if the disk cannot hold it."""
    given = complete(data, given)
    settings = settings_layer.build(given)
    started = time.monotonic()
    name = settings_layer.model_name(settings)
    dataset = new_run(Path(), name).open_dataset(data, settings)
    extent = extent_of(dataset)
    settings = settings_layer.build(given, extent)
    if settings.epsilon:
        return _private_plan(settings, dataset)
    set_threads(settings.threads)
    device = choose_device(settings.device)
    codec = dataset.fit_codec(settings)
    examples, validation = dataset.encode(codec, validation=settings.training.validation, seed=settings.seed)
    preparation = time.monotonic() - started
    torch.manual_seed(settings.seed)
    model = build_model(name, settings.model, codec.spec).to(device)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    lines = [
        f"Data        {dataset.name}: {extent.examples:,} examples to train on, {int(dataset.held.sum()):,} held out",
        f"Coded as    {_coding(codec.spec)}",
        f"Model       {name}, {parameters:,} parameters, on {device}",
    ]
    limit = settings_layer.seconds(settings.time)
    if model.phases and examples.size:
        precision = choose_precision(settings.training.precision, device)
        loop = Loop(
            model, examples, validation, settings.training, seed=0, precision=precision, folder=Path(settings.out)
        )
        each = loop.seconds_per_step(settings.steps)
        wanted = settings.steps if limit is None else min(settings.steps, int(0.7 * (limit - preparation) / each))
        disk = 4 * parameters * CHECKPOINT_COPIES * 3
        free = shutil.disk_usage(Path(settings.out or ".").resolve().anchor).free
        if disk > free:
            raise GenwrightError(
                "GW-0404", f"Checkpoints need {disk / 1e9:.1f} GB, {free / 1e9:.1f} are free", "Free space."
            )
        lines += [
            f"Steps       {wanted:,} of {min(settings.training.batch_size, len(examples)):,} examples",
            f"Time        about {preparation + wanted * each:.0f} s: {preparation:.0f} s preparation, "
            f"{1000 * each:.0f} ms a step; samples and report come on top",
            f"Disk        about {disk / 1e6:.0f} MB for checkpoints",
        ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform != "darwin" else 1e9)
    lines += [f"Memory      {peak:.1f} GB so far at most", "Nothing was written. Leave out --dry-run to train."]
    return "\n".join(lines)


def _private_plan(settings: Train, dataset: Any) -> str:
    """What a training under a guarantee would release; nothing is drawn, and no row but their kinds is looked at."""
    guard = Guard.open(settings, None)
    guard.plan(dataset)
    ledger, name = guard.ledger, settings_layer.model_name(settings)
    lines = [
        f"Guarantee   epsilon {ledger.guarantee.epsilon:g} at delta {ledger.guarantee.delta:g}, unit: one {ledger.unit}"
    ]
    for row in ledger.table():
        noise = "" if row["noise"] is None else f", noise {row['noise']:.4g}"
        lines.append(f"  {row['purpose']}: {row['mechanism']}, {row['planned']} times{noise}")
    if MODELS[name].load().phases:
        lines.append(f"  training: {settings.steps:,} steps, with the least noise that the rest of the budget allows")
    lines += [
        f"Planned     epsilon {ledger.epsilon_planned():.4f}",
        "Nothing was written. Leave out --dry-run to train.",
    ]
    return "\n".join(lines)


def _coding(spec: DataSpec) -> str:
    if spec.kind == "grid":
        channels, height, width = spec.shape
        classes = f", {spec.classes} classes" if spec.classes else ""
        return f"images of {width} x {height} pixels, {channels} channels{classes}"
    if spec.kind == "tokens":
        return f"windows of {spec.shape[0] - 1} tokens of {spec.vocabulary:,}"
    return f"rows of {len(spec.spans)} positions with {sum(span.size for span in spec.spans):,} codes"
