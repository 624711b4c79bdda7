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


def _steps(rows: int, batch_size: int, epochs: float, least: int) -> int:
    return max(least, round(epochs * rows / batch_size))


def _tabular_ar_presets(preset: str, rows: int) -> dict[str, object]:
    epochs = {"quick": 10, "good": 20, "best": 40}[preset]
    return {"training.learning_rate": 6e-3, "steps": _steps(rows, 512, epochs, 400)}


def _tabular_trees_presets(preset: str, rows: int) -> dict[str, object]:
    return {"model.leaf_rows": {"quick": 20, "good": 20, "best": 50}[preset]}


def _tvae_presets(preset: str, rows: int) -> dict[str, object]:
    epochs = {"quick": 60, "good": 150, "best": 300}[preset]
    return {"steps": _steps(rows, 512, epochs, 1000), "training.learning_rate": 1e-3}


MODELS: dict[str, ModelEntry] = {
    "tabular-ar": ModelEntry(TabularARSettings, "row", _tabular_ar, _tabular_ar_presets),
    "tabular-trees": ModelEntry(TabularTreesSettings, "row", _tabular_trees, _tabular_trees_presets),
    "tvae": ModelEntry(TVAESettings, "row", _tvae, _tvae_presets),
}
