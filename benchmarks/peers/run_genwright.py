"""Genwright as the bench asks for it (`protocol.py`); METHOD is the name of a model."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sklearn.ensemble  # noqa: F401  slow to import, so once for all cases; polars must not be there when processes fork
import torch  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent))
from protocol import serve

import genwright


def fit(path: str, method: str, epochs: float, seed: int) -> Callable[[int], Any]:
    """The whole of `genwright train` but for the report, which is the judge's work here."""
    effort = {"steps": 20} if epochs else {}
    folder = Path(tempfile.mkdtemp(prefix="bench-")) / "run"
    usual = {"holdout": 0, "rows": 1, "report": False, "quiet": True, "seed": seed}
    usual["threads"] = int(os.environ.get("OMP_NUM_THREADS", 0))
    run = genwright.train(path, model=method, out=folder, **usual, **effort)
    return lambda rows: run.codec.schema.format(run.sample_typed(rows, seed=seed))


if __name__ == "__main__":
    serve(fit, ("genwright", "torch"), lambda frame, path: frame.write_csv(path))
