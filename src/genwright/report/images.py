"""The report page on pictures: `build.py` has what it shares with tables, `images.html.j2` is the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genwright.data.image_writers import grid, png
from genwright.folder import write_text
from genwright.report.attacks import attack_sentences
from genwright.report.build import frame, grouped, template, write_scores
from genwright.report.curves import loss_curves
from genwright.report.words import Words, say

GROUPS = {
    "quality": (
        "frechet", "fid", "kid", "precision", "density", "bits_per_dimension", "nats", "reconstruction_psnr",
        "reconstruction_ssim", "reconstruction_ms_ssim", "codebook_usage", "codebook_perplexity",
    ),
    "diversity": ("recall", "coverage", "class_balance", "cluster_balance", "vendi", "within_class"),
    "use": ("classifier", "class_kept"),
    "privacy": (
        "near_copies", "near_pixels", "authentic", "nearer_pictures", "recoloured_copies", "exact_pictures", "membership",
    ),
}  # fmt: skip
COLUMNS = 10
WIDE = 640  # pixels that a picture is shown at, at least


@dataclass(frozen=True)
class Pictures:
    """What the page shows, each (N, height, width, channels) uint8, any of them None."""

    gallery: np.ndarray | None = None
    """Samples, in the order of their classes."""
    real: np.ndarray | None = None
    """Held-out pictures to lay beside them, in the same order."""
    nearest: tuple[np.ndarray, np.ndarray] | None = None
    """Samples, and the training picture that each comes nearest to."""
    rebuilt: tuple[np.ndarray, np.ndarray] | None = None
    """Held-out pictures, and what is made of them."""
    classes: tuple[str, ...] = ()
    """Names, if gallery and real have equally many places for each, in rows of ten."""


def write_image_report(
    folder: str | Path,
    scores: dict[str, Any],
    facts: dict[str, Any],
    *,
    pictures: Pictures | None = None,
    log: Sequence[Mapping[str, float]] = (),
    solver_steps: Mapping[int, float] | None = None,
    language: str = "auto",
) -> Path:
    """Write report.json and the self-contained report.html into `folder`, each whole or not at all; returns the path of the
    page. Arguments as `build_image_report`. GW-0301 if the folder can not be written."""
    folder = Path(folder)
    write_scores(folder, scores, facts)
    page = build_image_report(scores, facts, pictures=pictures, log=log, solver_steps=solver_steps, language=language)
    write_text(folder / "report.html", page)
    return folder / "report.html"


def build_image_report(
    scores: dict[str, Any],
    facts: dict[str, Any],
    *,
    pictures: Pictures | None = None,
    log: Sequence[Mapping[str, float]] = (),
    solver_steps: Mapping[int, float] | None = None,
    language: str = "auto",
) -> str:
    """The page as a string. `scores` is what `metrics.images.score_images` returns, `facts` as in `build.py`. `log`: rows of
    log.jsonl, for the curves. `solver_steps`: the Frechet distance of samples by the number of steps of the sampler."""
    shown, features = pictures or Pictures(), scores["features"]
    parts = {
        "gallery": _shown(_gallery(shown.gallery, shown.classes)),
        "real": _shown(_gallery(shown.real, shown.classes)),
        "nearest": _shown(_above(shown.nearest)),
        "rebuilt": _shown(_above(shown.rebuilt)),
    }
    losses, steps = loss_curves(log), sorted((solver_steps or {}).items())
    sections = [
        ("gallery", "pictures.gallery", parts["gallery"]),
        ("summary", "summary", True),
        ("nearest", "pictures.nearest", parts["nearest"]),
        ("rebuilt", "pictures.rebuilt", parts["rebuilt"]),
        ("steps", "pictures.steps", steps),
        ("progress", "pictures.progress", losses),
    ]
    page: str = template("images.html.j2").render(
        **frame(scores, facts, language, title="pictures.title", sizes="pictures.sizes"),
        sections=[(key, words) for key, words, content in sections if content],
        groups=grouped(scores, GROUPS),
        attacks=attack_sentences(scores["metrics"]),
        features=say("pictures.features", name=features["name"], sha256=features["sha256"], n=f"{features['n']:,}"),
        classes=_classes(shown),
        privacy=say("pictures.private" if parts["nearest"] else "pictures.no_training"),
        distances=_distances(scores),
        losses=losses,
        steps=steps,
        **parts,
    )
    return page


def _distances(scores: dict[str, Any]) -> Words | None:
    """How near the nearest pair is, beside what fresh real pictures do."""
    limit = scores["metrics"]["near_copies"].get("limit")
    if limit is None or not scores["nearest"]:
        return None
    return say("pictures.distances", least=f"{scores['nearest'][0][2]:.3g}", limit=f"{limit:.3g}")


def _gallery(pictures: np.ndarray | None, classes: tuple[str, ...]) -> np.ndarray | None:
    return None if pictures is None else grid(pictures, columns=COLUMNS if classes else 0)


def _classes(shown: Pictures) -> Words | None:
    """Which classes the gallery shows, and how many pictures of each."""
    if shown.gallery is None or not shown.classes:
        return None
    each, names = len(shown.gallery) // len(shown.classes), shown.classes
    english, chinese = (say("pictures.classes", each=each, names=sign.join(names)) for sign in (", ", "、"))
    return Words(english.en, chinese.zh)


def _above(pair: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray | None:
    """Rows of ten: the first ones above the second ones."""
    if pair is None or not len(pair[0]):
        return None
    columns = min(COLUMNS, len(pair[0]))
    rows = [part[at : at + columns] for at in range(0, len(pair[0]) // columns * columns, columns) for part in pair]
    return grid(np.concatenate(rows), columns=columns)


def _shown(picture: np.ndarray | None) -> dict[str, Any] | None:
    """A PNG for the page; small ones are enlarged by whole factors, each pixel staying a square."""
    if picture is None:
        return None
    factor = max(1, round(WIDE / picture.shape[1]))
    return {
        "data": base64.b64encode(png(picture)).decode(),
        "width": factor * picture.shape[1],
        "height": factor * picture.shape[0],
    }
