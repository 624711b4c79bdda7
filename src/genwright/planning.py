"""`train --dry-run`: what a training would do and cost, from the real data and a few timed steps; it leaves no file."""

from __future__ import annotations

import dataclasses
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from genwright import settings as settings_layer
from genwright.errors import GenwrightError
from genwright.models import MODELS
from genwright.run import build_model
from genwright.tables import Table
from genwright.training.budget import Budget
from genwright.training.devices import choose_device, choose_precision, set_threads
from genwright.training.loop import Loop
from genwright.training.stop import Stop

TIMED_STEPS = 8
WARM_STEPS = 4
CHECKPOINT_COPIES = 5  # model, average, best and two moments of the optimiser


def plan(data: Any, given: Mapping[str, Any]) -> str:
    """Rows, columns, parameters, steps, seconds, memory and disk, as a text. GW-0404 if the disk cannot hold it."""
    settings = settings_layer.build({**given, "data": str(data)})
    started = time.monotonic()
    table = Table.open(data, settings)
    if table.training_rows == 0:
        raise GenwrightError("GW-0118", f"{table.source.name!r} has no rows to train on", "Give a table with rows.")
    settings = settings_layer.build({**given, "data": str(data)}, rows=table.training_rows)
    set_threads(settings.threads)
    device = choose_device(settings.device)
    codec = table.fit_codec(settings)
    rows, validation = table.encode(codec, validation=settings.training.validation, seed=settings.seed)
    preparation = time.monotonic() - started
    torch.manual_seed(settings.seed)
    model = build_model(settings, codec).to(device)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    name = settings_layer.model_name(settings)
    lines = [
        f"Data        {table.source.name}: {table.training_rows:,} rows to train on, {int(table.held.sum()):,} held out",
        f"Columns     {len(table.schema.columns)}, coded at {len(codec.spec.spans)} positions "
        f"with {sum(span.size for span in codec.spec.spans):,} codes",
        f"Model       {name}, {parameters:,} parameters, on {device}",
    ]
    limit = settings_layer.seconds(settings.time)
    if MODELS[name].load().phases and len(codec.spec.spans):
        each = _seconds_per_step(model, rows.matrix, validation, settings)
        wanted = settings.steps if limit is None else min(settings.steps, int(0.7 * (limit - preparation) / each))
        disk = 4 * parameters * CHECKPOINT_COPIES * 3
        free = shutil.disk_usage(Path(settings.out or ".").resolve().anchor).free
        if disk > free:
            raise GenwrightError(
                "GW-0404", f"Checkpoints need {disk / 1e9:.1f} GB, {free / 1e9:.1f} are free", "Free space."
            )
        lines += [
            f"Steps       {wanted:,} of {min(settings.training.batch_size, len(rows)):,} rows",
            f"Time        about {preparation + wanted * each:.0f} s: {preparation:.0f} s preparation, "
            f"{1000 * each:.0f} ms a step; samples and report come on top",
            f"Disk        about {disk / 1e6:.0f} MB for checkpoints",
        ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform != "darwin" else 1e9)
    lines += [f"Memory      {peak:.1f} GB so far at most", "Nothing was written. Leave out --dry-run to train."]
    return "\n".join(lines)


def _seconds_per_step(model: Any, rows: Any, validation: Any, settings: Any) -> float:
    """Seconds of one step, timed after a few that warm caches up; the checkpoints go to a temporary folder."""
    precision = choose_precision(settings.training.precision, next(model.parameters()).device)
    training = dataclasses.replace(settings.training, select_every=10**9, checkpoint_every=10**9)
    marks: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(model, rows, validation, training, seed=0, precision=precision, folder=Path(folder))
        loop.run(
            WARM_STEPS + TIMED_STEPS,
            budget=Budget(None),
            stop=Stop(),
            report=lambda step, steps, losses: marks.append(time.monotonic()),
        )
    return (marks[-2] - marks[WARM_STEPS - 1]) / (len(marks) - 1 - WARM_STEPS)
