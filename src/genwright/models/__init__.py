"""The models, in one literal table. To add one: a file here, its settings in `model_settings.py`, its presets in
`model_presets.py`, a line below.

Importing this module imports no torch; `load` does. The contract tests run over the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genwright import model_presets as presets
from genwright.model_presets import Presets, Settings
from genwright.model_settings import (
    CTGANSettings,
    DCGANSettings,
    FlowSettings,
    GaussianSettings,
    GPTSettings,
    MixtureSettings,
    MSTSettings,
    NGramSettings,
    PGGANSettings,
    PixelARSettings,
    PretrainedSettings,
    R3GANSettings,
    TabularARSettings,
    TabularFlowSettings,
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
    presets: Presets
    """(preset, what there is to train on, whether a time limit is given) -> settings by dotted name; models with gradients
    have `steps` among them."""
    follow: Callable[[Settings], Settings] = dict
    """Given settings by dotted name -> these and what follows from them."""


def _tabular_ar() -> type[GenerativeModel]:
    from genwright.models.tabular_ar import TabularAR

    return TabularAR


def _tabular_trees() -> type[GenerativeModel]:
    from genwright.models.tabular_trees import TabularTrees

    return TabularTrees


def _tvae() -> type[GenerativeModel]:
    from genwright.models.tvae import TVAE

    return TVAE


def _ctgan() -> type[GenerativeModel]:
    from genwright.models.ctgan import CTGAN

    return CTGAN


def _tabular_flow() -> type[GenerativeModel]:
    from genwright.models.tabular_flow import TabularFlow

    return TabularFlow


def _mixture() -> type[GenerativeModel]:
    from genwright.models.mixture import Mixture

    return Mixture


def _mst() -> type[GenerativeModel]:
    from genwright.models.mst import MST

    return MST


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


def _gaussian() -> type[GenerativeModel]:
    from genwright.models.gaussian import Gaussian

    return Gaussian


def _gpt() -> type[GenerativeModel]:
    from genwright.models.gpt import GPT

    return GPT


def _pretrained() -> type[GenerativeModel]:
    from genwright.models.pretrained import Pretrained

    return Pretrained


def _ngram() -> type[GenerativeModel]:
    from genwright.models.ngram import NGram

    return NGram


MODELS: dict[str, ModelEntry] = {
    "tabular-ar": ModelEntry(TabularARSettings, "row", _tabular_ar, presets.tabular_ar),
    "tabular-trees": ModelEntry(TabularTreesSettings, "row", _tabular_trees, presets.tabular_trees),
    "tvae": ModelEntry(TVAESettings, "row", _tvae, presets.tvae),
    "ctgan": ModelEntry(CTGANSettings, "row", _ctgan, presets.ctgan),
    "tabular-flow": ModelEntry(TabularFlowSettings, "row", _tabular_flow, presets.tabular_flow),
    "mixture": ModelEntry(MixtureSettings, "row", _mixture, presets.mixture, presets.mixture_follow),
    "mst": ModelEntry(MSTSettings, "row", _mst, presets.none),
    "flow": ModelEntry(FlowSettings, "grid", _flow, presets.flow, presets.private_flow),
    "r3gan": ModelEntry(R3GANSettings, "grid", _gan, presets.r3gan, presets.private_images),
    "dcgan": ModelEntry(DCGANSettings, "grid", _gan, presets.dcgan),
    "wgan-gp": ModelEntry(WGANGPSettings, "grid", _gan, presets.wgan_gp, presets.private_wgan),
    "vae": ModelEntry(VAESettings, "grid", _vae, presets.vae, presets.private_images),
    "vqvae": ModelEntry(VQVAESettings, "grid", _vqvae, presets.vqvae, presets.private_images),
    "pixel-ar": ModelEntry(PixelARSettings, "grid", _pixel_ar, presets.pixel_ar, presets.private_images),
    "pggan": ModelEntry(PGGANSettings, "grid", _pggan, presets.pggan),
    "gaussian": ModelEntry(GaussianSettings, "grid", _gaussian, presets.none),
    "gpt": ModelEntry(GPTSettings, "tokens", _gpt, presets.gpt, presets.private_texts),
    "pretrained": ModelEntry(PretrainedSettings, "tokens", _pretrained, presets.pretrained, presets.pretrained_follow),
    "ngram": ModelEntry(NGramSettings, "tokens", _ngram, presets.ngram),
}
