"""The models, in one literal table. To add one: a file here, its settings in `model_settings.py`, a line below.

Importing this module imports no torch; `load` does. The contract tests run over the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genwright.model_settings import (
    DCGANSettings,
    FlowSettings,
    PGGANSettings,
    PixelARSettings,
    R3GANSettings,
    TabularARSettings,
    TabularTreesSettings,
    TVAESettings,
    VAESettings,
    VQVAESettings,
    WGANGPSettings,
)

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
    """(preset, training examples) -> settings by dotted name, `steps` among them for models with gradients."""


def _tabular_ar() -> type[GenerativeModel]:
    from genwright.models.tabular_ar import TabularAR

    return TabularAR


def _tabular_trees() -> type[GenerativeModel]:
    from genwright.models.tabular_trees import TabularTrees

    return TabularTrees


def _tvae() -> type[GenerativeModel]:
    from genwright.models.tvae import TVAE

    return TVAE


def _flow() -> type[GenerativeModel]:
    from genwright.models.flow import Flow

    return Flow


def _gan() -> type[GenerativeModel]:
    from genwright.models.gan import GAN

    return GAN


def _pggan() -> type[GenerativeModel]:
    from genwright.models.pggan import PGGAN

    return PGGAN


def _vae() -> type[GenerativeModel]:
    from genwright.models.vae import VAE

    return VAE


def _vqvae() -> type[GenerativeModel]:
    from genwright.models.vqvae import VQVAE

    return VQVAE


def _pixel_ar() -> type[GenerativeModel]:
    from genwright.models.pixel_ar import PixelAR

    return PixelAR


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


def _image_steps(preset: str, images: int, quick: int) -> int:
    """Steps for a preset; small sets see each image a few hundred times at most."""
    return max(200, min(quick * {"quick": 1, "good": 6, "best": 30}[preset], images * 400 // 64))


def _flow_presets(preset: str, images: int) -> dict[str, object]:
    values: dict[str, object] = {
        "steps": _image_steps(preset, images, 2000),
        "training.batch_size": 64,
        "training.learning_rate": 1e-3,
        "training.warmup_steps": 100,
        "training.clip_norm": 1.0,
        "training.ema_decay": {"quick": 0.998, "good": 0.999, "best": 0.9995}[preset],
    }
    if preset != "quick":
        values |= {"model.width": {"good": 96, "best": 128}[preset], "model.depth": 2, "model.solver_steps": 20}
    return values


def _gan_presets(steps: int, rate: float, beta1: float) -> Callable[[str, int], dict[str, object]]:
    def presets(preset: str, images: int) -> dict[str, object]:
        values: dict[str, object] = {
            "steps": _image_steps(preset, images, steps),
            "training.batch_size": 64,
            "training.learning_rate": rate,
            "training.final_rate": 0.1,
            "training.weight_decay": 0.0,
            "training.beta1": beta1,
            "training.beta2": 0.99,
            "training.clip_norm": 0.0,
            "training.ema_decay": {"quick": 0.998, "good": 0.999, "best": 0.9995}[preset],
            "training.select_every": 250,
        }
        if images < 5000:
            values["model.augment"] = 0.5
        return values

    return presets


def _pggan_presets(preset: str, images: int) -> dict[str, object]:
    values = _gan_presets(3000, 1e-3, 0.0)(preset, images)
    values.pop("model.augment", None)
    if preset != "quick":
        values |= {"model.width": {"good": 32, "best": 64}[preset]}
    return values


def _autoencoder_presets(steps: int, rate: float, batch_size: int) -> Callable[[str, int], dict[str, object]]:
    def presets(preset: str, images: int) -> dict[str, object]:
        return {
            "steps": _image_steps(preset, images, steps),
            "training.batch_size": batch_size,
            "training.learning_rate": rate,
            "training.warmup_steps": 100,
            "training.clip_norm": 0.0,
            "training.ema_decay": {"quick": 0.998, "good": 0.999, "best": 0.9995}[preset],
            "training.select_every": 250,
        }

    return presets


MODELS: dict[str, ModelEntry] = {
    "tabular-ar": ModelEntry(TabularARSettings, "row", _tabular_ar, _tabular_ar_presets),
    "tabular-trees": ModelEntry(TabularTreesSettings, "row", _tabular_trees, _tabular_trees_presets),
    "tvae": ModelEntry(TVAESettings, "row", _tvae, _tvae_presets),
    "flow": ModelEntry(FlowSettings, "grid", _flow, _flow_presets),
    "r3gan": ModelEntry(R3GANSettings, "grid", _gan, _gan_presets(2000, 3e-4, 0.0)),
    "dcgan": ModelEntry(DCGANSettings, "grid", _gan, _gan_presets(6000, 2e-4, 0.5)),
    "wgan-gp": ModelEntry(WGANGPSettings, "grid", _gan, _gan_presets(1500, 3e-4, 0.0)),
    "vae": ModelEntry(VAESettings, "grid", _vae, _autoencoder_presets(4000, 4e-3, 64)),
    "vqvae": ModelEntry(VQVAESettings, "grid", _vqvae, _autoencoder_presets(4000, 3e-3, 64)),
    "pixel-ar": ModelEntry(PixelARSettings, "grid", _pixel_ar, _autoencoder_presets(2000, 4e-3, 32)),
    "pggan": ModelEntry(PGGANSettings, "grid", _pggan, _pggan_presets),
}
