"""mostlyai-engine's TabularARGN as the bench asks for it (`protocol.py`), by its documentation, with its own defaults.

METHOD is "any-order", its default, or "fixed-order", which cannot be given conditions and is the better for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from mostlyai.engine import TabularARGN

sys.path.insert(0, str(Path(__file__).parent))
from protocol import serve


def fit(path: str, method: str, epochs: float, seed: int) -> Callable[[int], pd.DataFrame]:
    """It ends before those epochs when its held-out loss no longer falls."""
    effort = {"max_epochs": epochs} if epochs else {}
    model = TabularARGN(enable_flexible_generation=method == "any-order", random_state=seed, **effort)
    model.fit(read(path))
    return lambda rows: model.sample(n_samples=rows)


def read(path: str) -> pd.DataFrame:
    """As its documentation reads a file."""
    return pd.read_json(path, lines=True) if path.endswith(".jsonl") else pd.read_csv(path)


if __name__ == "__main__":
    serve(fit, ("mostlyai-engine", "torch"))
