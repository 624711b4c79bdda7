"""How much each model trains on how much data, by preset: quick, good, best; and what follows from what was given.

A preset is a function (preset, extent, whether a time limit is given) -> settings by dotted name; those of models with
gradients have `steps` among them. Importing this imports no torch. The table in `models/__init__.py` says whose is whose; what
the settings mean is in `model_settings.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from genwright.errors import GenwrightError

Settings = Mapping[str, object]
NO_SETTINGS: Settings = {}
FEW_COLUMNS = 10  # tables with more are gone through less often
MANY_COLUMNS = 500
MOST_CELLS = 2**16  # rows x columns of a batch: what a step holds in memory grows with them
FEW_COMPONENTS = 100  # of a mixture at an epsilon below 1
FEW_IMAGES = 5000  # below, a critic learns the training images by heart
MANY_IMAGES = 20_000
LARGE_IMAGE = 32 * 32 * 3  # numbers; beyond, quick networks of GANs are narrower, so that a step costs as much
ADVERSARIAL: Settings = {
    "training.warmup_steps": 30,
    "training.final_rate": 0.1,
    "training.weight_decay": 0.0,
    "training.beta1": 0.0,
    "training.beta2": 0.99,
}
AUGMENTED: Settings = {"model.augment": 0.5}
FLOW_LARGER: Settings = {"model.depth": 2, "model.solver_steps": 20}


@dataclass(frozen=True)
class Extent:
    """How much there is to train on: presets go by it."""

    examples: int = 10_000
    values: int = 100_000
    """Of all examples together: cells of a table, numbers of images, bytes of texts."""

    @property
    def each(self) -> float:
        """Values of one example, on average."""
        return self.values / max(self.examples, 1)


Presets = Callable[[str, Extent, bool], dict[str, object]]


def _batch_size(rows: int) -> int:
    return 512 if rows >= 8000 else 256 if rows >= 2000 else 128


def tabular_ar(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
    batch_size = min(_batch_size(extent.examples), max(int(MOST_CELLS / max(extent.each, 1)), 32))
    passes, most = {"quick": (17.0, 650), "good": (27.0, 1300), "best": (54.0, 2600)}[preset]
    # A pass over a wide row teaches more, what is common to rows and what is of this one alone: it is seen less often.
    passes *= min(max(1 - 0.08 * (extent.each - FEW_COLUMNS), 0.6), 1.0)
    steps = min(max(round(passes * extent.examples / batch_size), 150), most)
    values: dict[str, object] = {
        "steps": steps,
        "training.batch_size": batch_size,
        "training.learning_rate": 4e-3 if preset == "best" else 6e-3,
        "training.select_every": 50 if steps > 200 else 15,
    }
    if preset != "quick":
        values |= {"model.width": 512, "model.hidden": 128, "model.dropout": 0.35}
    if extent.each > MANY_COLUMNS:  # each has a network of its own: small ones, or there would be 100 million weights
        values |= (
            {"model.width": 128, "model.hidden": 32} if preset == "quick" else {"model.width": 256, "model.hidden": 64}
        )
    return values


def tabular_trees(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
    return {"model.leaf_rows": {"quick": 20, "good": 20, "best": 50}[preset]}


def mixture(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
    return {"model.components": {"quick": 200, "good": 300, "best": 600}[preset]}


def none(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
    return {}


def mixture_follow(given: Settings) -> Settings:
    """What the table is for is measured first; where little can be measured, many products would follow the noise."""
    small = {"model.components": FEW_COMPONENTS} if 0 < float(str(given.get("epsilon") or 0)) < 1 else {}
    return {"model.target": given.get("target", ""), **small, **given}


def tvae(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
    epochs = {"quick": 60, "good": 150, "best": 300}[preset]
    batch_size = _batch_size(extent.examples)
    steps = max(1000, round(epochs * extent.examples / batch_size))
    return {"steps": steps, "training.batch_size": batch_size, "training.learning_rate": 3e-3}


def ctgan(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
    return {
        **ADVERSARIAL,
        "steps": {"quick": 2000, "good": 6000, "best": 15_000}["best" if timed else preset],
        "training.batch_size": min(_batch_size(extent.examples), 256),
        "training.learning_rate": 6e-3,
        "training.final_rate": 0.0,
        "training.clip_norm": 0.0,
    }


def tabular_flow(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
    epochs = {"quick": 40, "good": 60, "best": 80}["best" if timed else preset]  # more overfit
    batch_size = _batch_size(extent.examples)
    return {
        "steps": max(1000, round(epochs * extent.examples / batch_size)),
        "training.batch_size": batch_size,
        "training.learning_rate": 2e-3,
    }


def _image_steps(preset: str, images: int, timed: bool, *, seen: int, batch_size: int) -> int:
    """Steps that see `seen` images when quick. Small sets see each image a few hundred times at most; under a time limit
    the clock says how long a training is, not the preset."""
    most = seen * {"quick": 1, "good": 6, "best": 30}["best" if timed else preset]
    return max(200, min(most, images * 400) // batch_size)


def _images(
    seen: int,
    batch_size: int,
    rate: float,
    *,
    good: Settings = NO_SETTINGS,
    best: Settings = NO_SETTINGS,
    few: Settings = NO_SETTINGS,
    usual: Settings = NO_SETTINGS,
    large: Settings = NO_SETTINGS,
    width: int = 0,
    most: int = 0,
) -> Presets:
    """Of models of images: `seen` images when quick; what is other as a rule (`usual`), for `good`, for `best` and for sets
    of `few` images, and when quick for `large` ones. `width`: channels when quick, if those of large images are to be fewer.
    `most`: numbers of all images of a step, if there may be fewer large ones, down to four."""

    def presets(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
        images = extent.examples
        size = min(batch_size, max(4, int(most / max(extent.each, 1)))) if most else batch_size
        values: dict[str, Any] = {
            "training.batch_size": size,
            "training.learning_rate": rate,
            "training.warmup_steps": 100,
            "training.clip_norm": 0.0,
            "training.ema_decay": {"quick": 0.998, "good": 0.999, "best": 0.9995}[preset],
            "training.select_every": 250,
        }
        values |= {
            **usual,
            **{"quick": NO_SETTINGS, "good": good, "best": best}[preset],
            **(few if images < FEW_IMAGES else NO_SETTINGS),
            **({"model.width": _narrowed(width, extent.each)} if width and preset == "quick" else NO_SETTINGS),
            **(large if preset == "quick" and extent.each > LARGE_IMAGE else NO_SETTINGS),
        }
        return {
            "steps": _image_steps(preset, images, timed, seen=seen, batch_size=values["training.batch_size"]),
            **values,
        }

    return presets


def _narrowed(width: int, numbers: float) -> int:
    """Channels for images of so many numbers: eights, 16 at least."""
    return max(16, min(width, round(width * (LARGE_IMAGE / max(numbers, 1)) ** 0.5 / 8) * 8))


_flow = _images(
    96_000,
    16,
    2e-3,
    good={"model.width": 96, **FLOW_LARGER},
    best={"model.width": 128, **FLOW_LARGER},
    usual={"training.clip_norm": 1.0},
)


def flow(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
    """Of many images the Gaussians of classes are known well enough to start from; then it is enough to push late."""
    late = {"model.components": 64, "model.guidance": 1.3, "model.guidance_from": 0.4}
    start = late if extent.examples >= MANY_IMAGES else {}
    return {**_flow(preset, extent, timed), **start}


_gan = partial(_images, few=AUGMENTED, usual=ADVERSARIAL, width=48)
r3gan = _gan(
    128_000,
    16,
    3e-4,
    large={"training.batch_size": 32, "training.learning_rate": 6e-4},  # 16 do not show all that there is
)
dcgan = _gan(192_000, 16, 2e-4, usual={**ADVERSARIAL, "training.beta1": 0.5})
wgan_gp = _gan(
    128_000,
    16,
    3e-4,
    large={"model.critic_steps": 1, "training.beta1": 0.5},  # or the generator takes too few steps
)
pggan = _images(
    96_000,
    16,
    4e-3,
    good={"model.width": 32},
    best={"model.width": 64},
    few=AUGMENTED,
    usual={**ADVERSARIAL, "training.hold": 0.7},  # the last levels are the largest, and begin late
    large={"model.penalty_weight": 0.1},  # its steps are few: they must be large
)
vae = _images(256_000, 64, 4e-3)
vqvae = _images(256_000, 64, 3e-3)
pixel_ar = _images(64_000, 32, 4e-3, most=2**15)  # each number has a softmax: all of a step are in memory


def gpt(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
    larger: dict[str, dict[str, object]] = {
        "quick": {
            "text.context": 128,
            "training.learning_rate": 3e-3,
            "training.weight_decay": 0.05,
            "training.hold": 0.4,
            "training.ema_decay": 0.0,  # the rate falls to 0 in a line: that averages enough
        },
        "good": {"model.width": 256, "model.depth": 6},
        "best": {"model.width": 512, "model.depth": 8, "text.context": 512},
    }
    return {
        "steps": {"quick": 800, "good": 3000, "best": 12_000}["best" if timed else preset],
        "training.batch_size": 16,
        "training.optimizer": "muon",
        "training.learning_rate": 4e-3 if preset == "good" else 2e-3,
        "training.matrix_rate": 0.03 if preset == "good" else 0.02,
        "training.warmup_steps": 30,
        "training.weight_decay": 0.01,
        "training.clip_norm": 1.0,
        "training.beta2": 0.95,
        "training.ema_decay": 0.995,
        "training.select_every": 100,
        **larger[preset],
    }


def _private_follow(**values: object) -> Callable[[Settings], Settings]:
    """Under a guarantee: few steps of many examples, as all of a step share one noise; and what else is different then."""
    private = {"training.batch_size": 512, "training.ema_decay": 0.99, "steps": 1000, **values}
    return lambda given: {**private, **given} if float(str(given.get("epsilon") or 0)) else given


private_images = _private_follow()
private_wgan = _private_follow(**{"model.network": "residual"})  # the tutorial's generator mixes a batch
# Few weights, as each gets noise, that start from what three sums tell; what noise has blurred is told apart if it is pushed.
private_flow = _private_follow(
    **{
        "steps": 500,
        "training.batch_size": 1024,
        "training.learning_rate": 4e-3,
        "training.warmup_steps": 30,
        "model.width": 32,
        "model.components": 64,
        "model.guidance": 1.4,
        "model.guidance_from": 0.0,
        "privacy.preparation": 0.3,
    }
)
private_texts = _private_follow(**{"text.tokeniser": "bytes", "model.counts": 0, "training.optimizer": "adamw"})


def pretrained(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
    return {
        "steps": {"quick": 100, "good": 500, "best": 3000}["best" if timed else preset],
        "training.batch_size": 8,
        "training.learning_rate": 1e-3,
        "training.warmup_steps": 10,
        "training.weight_decay": 0.0,
        "training.clip_norm": 1.0,
        "training.ema_decay": 0.9,
        "training.select_every": 20,
        "text.context": 128 if preset == "quick" else 256,
    }


def pretrained_follow(given: Settings) -> Settings:
    """With the folder, downloaded where that was asked for, and its tokeniser."""
    from genwright.networks.foreign import local_folder

    if not given.get("model.folder"):
        fix = "Give --model.folder, with config.json, the weights and the tokeniser in it."
        raise GenwrightError("GW-0202", "The model pretrained starts from a folder, and none is named", fix)
    path = local_folder(str(given["model.folder"])).absolute()
    given = _private_follow(**{"training.batch_size": 256, "steps": 200})(given)
    return {"text.tokeniser": f"folder:{path}", "text.learn": "answers", **given, "model.folder": str(path)}


def ngram(preset: str, extent: Extent, timed: bool) -> dict[str, object]:
    return {"model.order": {"quick": 6, "good": 7, "best": 8}[preset]}
