"""SDV's synthesizers as the bench asks for them (`protocol.py`), by their documentation, with their own defaults.

They are under the Business Source Licence: here they are run to be measured, in an environment of their own, and no more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from sdv.metadata import Metadata
from sdv.single_table import CTGANSynthesizer, GaussianCopulaSynthesizer, TVAESynthesizer

sys.path.insert(0, str(Path(__file__).parent))
from protocol import serve

BY_EPOCHS = {"ctgan": CTGANSynthesizer, "tvae": TVAESynthesizer}


def fit(path: str, method: str, epochs: float, seed: int) -> Callable[[int], pd.DataFrame]:
    """The copula knows no epochs."""
    torch.manual_seed(seed)
    tables = {"table": read(path)}
    metadata = Metadata.detect_from_dataframes(tables)
    if method == "gaussian-copula":
        model = GaussianCopulaSynthesizer(metadata)
    else:
        effort = {"epochs": round(epochs)} if epochs else {}
        model = BY_EPOCHS[method](metadata, **effort)
    model.fit(tables)
    return lambda rows: model.sample(num_rows=rows)["table"]


def read(path: str) -> pd.DataFrame:
    """As the documentation of pandas reads a file."""
    return pd.read_json(path, lines=True) if path.endswith(".jsonl") else pd.read_csv(path)


if __name__ == "__main__":
    serve(fit, ("sdv", "ctgan", "torch"))
