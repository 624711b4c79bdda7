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
from genwright.images import measures, read_as, read_beside
from genwright.metrics.fid import fid
from genwright.metrics.image_sets import Labelled
from genwright.metrics.images import IMAGE_ORDER, score_images
from genwright.metrics.values import Metric
from genwright.progress import Advance, no_progress
from genwright.report import Report
from genwright.report.images import Pictures, write_image_report

NEIGHBOURS = 30  # pairs in the panel of nearest training images
REBUILT = 30  # reconstructions on the page
GALLERY = 100
PLACES = (100, 50, 30, 20, 10, 5, 2, 1)  # of a class in the gallery: rows of ten, or parts of one


def judge_images(
    train: Labelled,
    holdout: Labelled,
    made: Labelled,
    folder: Path,
    facts: dict[str, Any],
    *,
    classes: tuple[str, ...] = (),
    features: str = "auto",
    inception: str = "",
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

    `inception`: a file of the weights by which a FID is measured, or "". `rebuilt`: held-out images and what the model makes
    of them; the rest as in `score_images` and `write_image_report`.
    """
    scores = score_images(
        train,
        holdout,
        made,
        classes=classes,
        features=features,
        effort=effort,
        seed=seed,
        progress=advance,
        likelihoods=likelihoods,
        reconstruction=rebuilt,
    )
    if inception:
        found = fid(train, holdout, made, inception, effort=effort, seed=seed, progress=advance)
        metrics = {**scores["metrics"], "fid": found}
        scores["metrics"] = {name: metrics[name] for name in sorted(metrics, key=IMAGE_ORDER.index)}
    pairs = scores["nearest"][:NEIGHBOURS]
    pictures = Pictures(
        gallery=_gallery(made, len(classes)),
        real=_gallery(holdout, len(classes)) if len(holdout) else None,
        classes=classes[:GALLERY] if made.labels is not None else (),
        nearest=(made.pixels[[a for a, _, _ in pairs]], train.pixels[[b for _, b, _ in pairs]]),
        rebuilt=None if rebuilt is None else (rebuilt[0][:REBUILT], rebuilt[1][:REBUILT]),
    )
    write_image_report(folder, scores, facts, pictures=pictures, log=log, solver_steps=solver_steps, language=language)
    return Report(scores, facts)


def report_on_images(
    train: str,
    test: str,
    synthetic: str,
    folder: Path,
    *,
    features: str = "",
    inception: str = "",
    effort: str,
    language: str,
    seed: int,
) -> Report:
    """Judge any synthetic images (folder, archive, array file) beside those they were made from and held-out ones.

    All are read at the size and in the colours of the first set; what that changed is among the report's notes. Where the
    first set says itself what is not for training, that is the hold-out, unless there is another. GW-0211 for a set that is
    missing.
    """
    for flag, path in (("--train", train), ("--synth", synthetic)):
        if not path:
            raise GenwrightError(
                "GW-0211", f"{flag} is missing", "Give a run folder, or --train, --test and --synth files."
            )
    settings = Train(data=train)
    features, inception = measures(settings.images, features, inception)
    source = read_as(train, settings)
    loaded = source.load()
    shape, classes = loaded.pixels.shape[1:], source.classes if loaded.labels is not None else ()
    notes = {"--train": [*source.notes, *loaded.left_out()]}

    def beside(flag: str, path: str) -> Labelled:
        other = read_beside(path, settings, shape, classes)
        notes[flag] = other.notes
        return Labelled(other.pixels, other.labels)

    everything = Labelled(loaded.pixels, loaded.labels)
    held = np.zeros(len(everything), bool) if loaded.held is None else loaded.held
    first = everything.take(np.flatnonzero(~held))
    holdout = beside("--test", test) if test else everything.take(np.flatnonzero(held))
    made = beside("--synth", synthetic)
    facts = {
        "name": source.name,
        "model": Path(synthetic).name,
        "settings": {"train": train, "test": test, "synth": synthetic},
        "data": {"shape": list(shape), "notes": [f"{flag}: {each}" for flag, many in notes.items() for each in many]},
    }
    how: dict[str, Any] = {"features": features, "inception": inception, "effort": effort, "language": language}
    return judge_images(first, holdout, made, folder, facts, classes=classes, seed=seed, **how)


def _gallery(shown: Labelled, classes: int) -> np.ndarray:
    """A hundred images at most; where there are classes as many places for each, in their order, white ones for what a class
    lacks: so that the classes of two galleries lie at the same places."""
    if shown.labels is None or not classes:
        return shown.pixels[:GALLERY]
    classes = min(classes, GALLERY)
    each = next(size for size in PLACES if size * classes <= GALLERY)
    cells = np.full((classes, each, *shown.pixels.shape[1:]), 255, np.uint8)
    for label in range(classes):
        found = shown.pixels[np.flatnonzero(shown.labels == label)[:each]]
        cells[label, : len(found)] = found
    return cells.reshape(-1, *shown.pixels.shape[1:])
