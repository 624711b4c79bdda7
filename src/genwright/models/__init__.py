"""The models, in one literal table. To add one: a file here, its settings in `model_settings.py`, a line below.

Importing this module imports no torch; `load` does. The contract tests run over the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


Settings = Mapping[str, object]
Presets = Callable[[str, int, bool], dict[str, object]]
NO_SETTINGS: Settings = {}
FEW_IMAGES = 5000  # below, a critic learns the training images by heart


@dataclass(frozen=True)
class ModelEntry:
    """What the command line and the run need to know of a model before torch is imported."""

    settings: type
    """Frozen dataclass whose fields are the model's keyword arguments."""
    kind: str
    """The DataSpec kind that it models."""
    load: Callable[[], type[GenerativeModel]]
    presets: Presets
    """(preset, training examples, whether a time limit is given) -> settings by dotted name; models with gradients have
    `steps` among them."""


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


def _tabular_ar_presets(preset: str, rows: int, timed: bool) -> dict[str, object]:
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


def _tabular_trees_presets(preset: str, rows: int, timed: bool) -> dict[str, object]:
    return {"model.leaf_rows": {"quick": 20, "good": 20, "best": 50}[preset]}


def _tvae_presets(preset: str, rows: int, timed: bool) -> dict[str, object]:
    epochs = {"quick": 60, "good": 150, "best": 300}[preset]
    batch_size = _batch_size(rows)
    steps = max(1000, round(epochs * rows / batch_size))
    return {"steps": steps, "training.batch_size": batch_size, "training.learning_rate": 3e-3}


def _image_steps(preset: str, images: int, timed: bool, *, seen: int, batch_size: int) -> int:
    """Steps that see `seen` images when quick. Small sets see each image a few hundred times at most; under a time limit
    the clock says how long a training is, not the preset."""
    most = seen * {"quick": 1, "good": 6, "best": 30}["best" if timed else preset]
    return max(200, min(most, images * 400) // batch_size)


def _image_presets(
    seen: int,
    batch_size: int,
    rate: float,
    *,
    good: Settings = NO_SETTINGS,
    best: Settings = NO_SETTINGS,
    few: Settings = NO_SETTINGS,
    usual: Settings = NO_SETTINGS,
) -> Presets:
    """Of models of images: `seen` images when quick; what is other as a rule (`usual`), for `good`, for `best` and for sets
    of `few` images."""

    def presets(preset: str, images: int, timed: bool) -> dict[str, object]:
        values: dict[str, object] = {
            "steps": _image_steps(preset, images, timed, seen=seen, batch_size=batch_size),
            "training.batch_size": batch_size,
            "training.learning_rate": rate,
            "training.warmup_steps": 100,
            "training.clip_norm": 0.0,
            "training.ema_decay": {"quick": 0.998, "good": 0.999, "best": 0.9995}[preset],
            "training.select_every": 250,
        }
        return {
            **values,
            **usual,
            **{"quick": NO_SETTINGS, "good": good, "best": best}[preset],
            **(few if images < FEW_IMAGES else NO_SETTINGS),
        }

    return presets


ADVERSARIAL: Settings = {
    "training.warmup_steps": 30,
    "training.final_rate": 0.1,
    "training.weight_decay": 0.0,
    "training.beta1": 0.0,
    "training.beta2": 0.99,
}
AUGMENTED: Settings = {"model.augment": 0.5}
FLOW_LARGER: Settings = {"model.depth": 2, "model.solver_steps": 20}

MODELS: dict[str, ModelEntry] = {
    "tabular-ar": ModelEntry(TabularARSettings, "row", _tabular_ar, _tabular_ar_presets),
    "tabular-trees": ModelEntry(TabularTreesSettings, "row", _tabular_trees, _tabular_trees_presets),
    "tvae": ModelEntry(TVAESettings, "row", _tvae, _tvae_presets),
    "flow": ModelEntry(
        FlowSettings,
        "grid",
        _flow,
        _image_presets(
            96_000,
            16,
            2e-3,
            good={"model.width": 96, **FLOW_LARGER},
            best={"model.width": 128, **FLOW_LARGER},
            usual={"training.clip_norm": 1.0},
        ),
    ),
    "r3gan": ModelEntry(
        R3GANSettings, "grid", _gan, _image_presets(128_000, 64, 3e-4, few=AUGMENTED, usual=ADVERSARIAL)
    ),
    "dcgan": ModelEntry(
        DCGANSettings,
        "grid",
        _gan,
        _image_presets(384_000, 64, 2e-4, few=AUGMENTED, usual={**ADVERSARIAL, "training.beta1": 0.5}),
    ),
    "wgan-gp": ModelEntry(
        WGANGPSettings, "grid", _gan, _image_presets(96_000, 64, 3e-4, few=AUGMENTED, usual=ADVERSARIAL)
    ),
    "vae": ModelEntry(VAESettings, "grid", _vae, _image_presets(256_000, 64, 4e-3)),
    "vqvae": ModelEntry(VQVAESettings, "grid", _vqvae, _image_presets(256_000, 64, 3e-3)),
    "pixel-ar": ModelEntry(PixelARSettings, "grid", _pixel_ar, _image_presets(64_000, 32, 4e-3)),
    "pggan": ModelEntry(
        PGGANSettings,
        "grid",
        _pggan,
        _image_presets(192_000, 64, 1e-3, good={"model.width": 32}, best={"model.width": 64}, usual=ADVERSARIAL),
    ),
}
