"""Shadows of a run: trainings by its settings on random halves of its rows, for the attack of `metrics/shadows.py`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genwright.metrics.shadows import Shadow
from genwright.planted import rows_again
from genwright.progress import Advance, no_progress
from genwright.table_run import TableRun
from genwright.tables import FRAME_ROWS

STAGE = 31


def shadows_of(
    run: TableRun, count: int, *, data: Any = None, test: Any = None, seed: int = 0, advance: Advance = no_progress
) -> list[Shadow]:
    """Train `count` of them, one after another, each on half of the training and of the held-out rows and with a seed of its
    own; for `run.report`, whose `data`, `test` and `seed` must be these."""
    _, *known = run.known(data, test, seed)
    found = []
    for index in range(count):
        advance(index, count)
        generator = np.random.default_rng([seed, STAGE, index])
        masks = [generator.random(len(rows)) < 0.5 for rows in known]
        rows = pl.concat([part.filter(pl.Series(mask)) for part, mask in zip(known, masks, strict=True)])
        with tempfile.TemporaryDirectory(prefix="genwright-shadow-") as folder:
            shadow = rows_again(run, rows, Path(folder), quiet=True, seed=int(generator.integers(2**31)))
            assert isinstance(shadow, TableRun)
            found.append(Shadow(shadow.sample_typed(min(len(known[0]), FRAME_ROWS), seed=seed), *masks))
    advance(count, count)
    return found
