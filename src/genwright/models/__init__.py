"""The models, in one literal table. To add one: a file here, its settings in `config.py`, a line below.

Importing this module imports no torch; `load` does. The contract tests run over the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genwright.config import TabularARSettings, TabularTreesSettings, TVAESettings

if TYPE_CHECKING:
    from genwright.contract import GenerativeModel


@dataclass(frozen=True)
class ModelEntry:
    """What the command line and the run need to know of a model before torch is imported."""

    settings: type
    """Frozen dataclass whose fields are the model's keyword arguments."""
    kind: str
    """The DataSpec kind that it models."""
    load: Callable[[], type[GenerativeModel]]
    presets: Callable[[str, int], dict[str, object]]
    """(preset, training rows) -> settings by dotted name, `steps` among them for models with gradients."""


def _tabular_ar() -> type[GenerativeModel]:
    from genwright.models.tabular_ar import TabularAR

    return TabularAR


def _tabular_trees() -> type[GenerativeModel]:
    from genwright.models.tabular_trees import TabularTrees

    return TabularTrees


def _tvae() -> type[GenerativeModel]:
    from genwright.models.tvae import TVAE

    return TVAE


def _batch_size(rows: int) -> int:
    return 512 if rows >= 8000 else 256 if rows >= 2000 else 128


def _tabular_ar_presets(preset: str, rows: int) -> dict[str, object]:
    batch_size = _batch_size(rows)
    epochs, most = {"quick": (17, 650), "good": (27, 1300), "best": (54, 2600)}[preset]
    steps = min(max(round(epochs * rows / batch_size), 150), most)
    values: dict[str, object] = {
        "steps": steps,
        "training.batch_size": batch_size,
        "training.learning_rate": 4e-3 if preset == "best" else 6e-3,
        "training.select_every": 50 if steps > 200 else 15,
    }
    if preset != "quick":
        values |= {"model.width": 512, "model.hidden": 128, "model.dropout": 0.35}
    return values


def _tabular_trees_presets(preset: str, rows: int) -> dict[str, object]:
    return {"model.leaf_rows": {"quick": 20, "good": 20, "best": 50}[preset]}


def _tvae_presets(preset: str, rows: int) -> dict[str, object]:
    epochs = {"quick": 60, "good": 150, "best": 300}[preset]
    batch_size = _batch_size(rows)
    steps = max(1000, round(epochs * rows / batch_size))
    return {"steps": steps, "training.batch_size": batch_size, "training.learning_rate": 3e-3}


MODELS: dict[str, ModelEntry] = {
    "tabular-ar": ModelEntry(TabularARSettings, "row", _tabular_ar, _tabular_ar_presets),
    "tabular-trees": ModelEntry(TabularTreesSettings, "row", _tabular_trees, _tabular_trees_presets),
    "tvae": ModelEntry(TVAESettings, "row", _tvae, _tvae_presets),
}
