"""From three sets of images to a report in a folder: for runs (`image_run.py`), and for files that anything made.

The numbers are in `metrics/images.py`, the page in `report/images.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genwright.config import Train
from genwright.errors import GenwrightError
from genwright.images import read_as
from genwright.metrics.image_sets import Labelled
from genwright.metrics.images import score_images
from genwright.metrics.values import Metric
from genwright.progress import Advance, no_progress
from genwright.report import Report
from genwright.report.images import Pictures, write_image_report

NEIGHBOURS = 30  # pairs in the panel of nearest training images
REBUILT = 30  # reconstructions on the page
GALLERY = 100


def judge_images(
    train: Labelled,
    holdout: Labelled,
    made: Labelled,
    folder: Path,
    facts: dict[str, Any],
    *,
    classes: tuple[str, ...] = (),
    effort: str = "full",
    language: str = "auto",
    seed: int = 0,
    advance: Advance = no_progress,
    likelihoods: Mapping[str, Metric] | None = None,
    rebuilt: tuple[np.ndarray, np.ndarray] | None = None,
    log: Sequence[Mapping[str, float]] = (),
    solver_steps: Mapping[int, float] | None = None,
) -> Report:
    """Score `made` beside training and held-out images; report.json and report.html go into the folder.

    `rebuilt`: held-out images and what the model makes of them; the rest as in `score_images` and `write_image_report`.
    """
    scores = score_images(
        train,
        holdout,
        made,
        classes=classes,
        effort=effort,
        seed=seed,
        progress=advance,
        likelihoods=likelihoods,
        reconstruction=rebuilt,
    )
    pairs = scores["nearest"][:NEIGHBOURS]
    pictures = Pictures(
        gallery=_gallery(made, len(classes)),
        real=_gallery(holdout, len(classes)) if len(holdout) else None,
        nearest=(made.pixels[[a for a, _, _ in pairs]], train.pixels[[b for _, b, _ in pairs]]),
        rebuilt=None if rebuilt is None else (rebuilt[0][:REBUILT], rebuilt[1][:REBUILT]),
    )
    write_image_report(folder, scores, facts, pictures=pictures, log=log, solver_steps=solver_steps, language=language)
    return Report(scores, facts)


def report_on_images(
    train: str, test: str, synthetic: str, folder: Path, *, effort: str, language: str, seed: int
) -> Report:
    """Judge any synthetic images (folder, archive, array file) beside those they were made from and held-out ones.

    All are read at the size and in the colours of the first set. GW-0211 for a set that is missing.
    """
    for flag, path in (("--train", train), ("--synth", synthetic)):
        if not path:
            raise GenwrightError(
                "GW-0211", f"{flag} is missing", "Give a run folder, or --train, --test and --synth files."
            )
    settings = Train(data=train)
    source = read_as(train, settings)
    loaded = source.load()
    first = Labelled(loaded.pixels, loaded.labels)
    height, width, channels = loaded.pixels.shape[1:]

    def beside(path: str) -> Labelled:
        other = read_as(path, settings, size=max(height, width), grey=channels == 1)
        images = other.load()
        return Labelled(images.pixels, images.labels if other.classes == source.classes else None)

    held = beside(test) if test else first.take(np.arange(0))
    facts = {"name": source.name, "model": Path(synthetic).name, "settings": {}}
    classes = source.classes if loaded.labels is not None else ()
    made = beside(synthetic)
    return judge_images(first, held, made, folder, facts, classes=classes, effort=effort, language=language, seed=seed)


def _gallery(shown: Labelled, classes: int) -> np.ndarray:
    """A hundred images, as many of each class, in their order."""
    if shown.labels is None or not classes:
        return shown.pixels[:GALLERY]
    each = max(1, GALLERY // classes)
    places = [np.flatnonzero(shown.labels == label)[:each] for label in range(classes)]
    return shown.pixels[np.concatenate(places)[:GALLERY]]
