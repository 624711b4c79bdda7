"""A user's images from end to end: read, split with their near-copies together, coded for a model.

This is all that a run needs to know about images. Read `data/images.py` next for how files become pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genwright.codecs.image import ImageCodec
from genwright.config import ImageSettings, Train
from genwright.data.batches import Examples, held_by_content, split
from genwright.data.image_writers import check_images
from genwright.data.images import NAMED, Images, ImageSource, open_images
from genwright.data.likeness import split_groups
from genwright.metrics.general_features import general_net
from genwright.metrics.inception_features import inception_net
from genwright.progress import Advance, no_progress


@dataclass(frozen=True)
class ImageSet:
    """Images in memory, and their split into training images and a hold-out that training never sees."""

    source: ImageSource
    images: Images
    held: np.ndarray
    """(images,) True for images of the hold-out; an image and its near-copies are on one side. Under a guarantee each
    image's own content decides, so that none moves another."""
    planted: int = 0
    """How many of the last ones an audit has put there: they are trained on, whatever else is kept back."""

    @classmethod
    def open(cls, data: Any, settings: Train, advance: Advance = no_progress) -> ImageSet:
        """From a path or an array, as the settings say."""
        measures(settings.images)
        source = read_as(data, settings)
        images = source.load(advance)
        if settings.rows:  # before hours of training, not after them
            check_images("samples.png", settings.rows, *images.pixels.shape[1:3])
        share = 0.0 if settings.test else settings.holdout
        if images.held is not None:  # near-copies go where the collection's own hold-out has them
            return cls(source, images, np.isin(images.groups, images.groups[images.held]))
        if settings.epsilon:
            contents = (picture.tobytes() for picture in images.pixels)
            return cls(source, images, held_by_content(contents, share))
        return cls(source, images, split_groups(images.groups, share, seed=settings.seed))

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def notes(self) -> list[str]:
        """Sentences on what was guessed, and on files that were left out, each of the first hundred."""
        return [*self.source.notes, *self.images.left_out()]

    @property
    def training_units(self) -> None:
        """Images are the units of privacy."""

    @property
    def values(self) -> int:
        """Numbers of all images."""
        return self.images.pixels.size

    def planting(self, pixels: np.ndarray, labels: np.ndarray | None) -> ImageSet:
        """With more training images, (n, height, width, channels), each like no other, and their labels."""
        known, n = self.images, len(pixels)
        images = replace(
            known,
            pixels=np.concatenate([known.pixels, pixels]),
            labels=None if labels is None or known.labels is None else np.concatenate([known.labels, labels]),
            names=[*known.names, *[""] * n],
            held=None,  # `held` of the set has it
            groups=np.append(known.groups, np.arange(len(known.groups), len(known.groups) + n)),
        )
        return replace(self, images=images, held=np.append(self.held, np.zeros(n, bool)), planted=self.planted + n)

    def fingerprint(self) -> str:
        """SHA-256 over the content of all files."""
        return self.source.fingerprint()

    def facts(self) -> dict[str, Any]:
        """What state.json keeps: classes, and the files that were left out (the first hundred), unless they are private."""
        skipped = [] if self.source.declared else self.images.skipped
        return {
            "shape": list(self.images.pixels.shape[1:]),
            "classes": list(self.source.classes),
            "left_out": len(skipped),
            "skipped": [list(pair) for pair in skipped[:NAMED]],
            "near_copies": int(len(self.images.groups) - len(np.unique(self.images.groups))),
        }

    def write_findings(self, folder: Path) -> None:
        """Nothing: pixels need no schema."""

    def fit_codec(self, settings: Train) -> ImageCodec:
        """The codec of the training images."""
        return ImageCodec.fit(*self.part(held=False), self.source.classes)

    def encode(self, codec: ImageCodec, *, validation: float, seed: int) -> tuple[Examples, Examples]:
        """Training images and a validation slice with that share of them."""
        pixels, labels = self.part(held=False)
        coded = codec.encode(pixels)
        chosen = np.zeros(len(coded), bool)
        chosen[: len(coded) - self.planted] = split(len(coded) - self.planted, validation, seed=seed + 1)
        sides = (~chosen, chosen)
        shares = codec.spec.class_shares
        first, second = (Examples(coded[side], None if labels is None else labels[side], shares) for side in sides)
        return first, second

    def part(self, *, held: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Pixels (n, height, width, channels) and labels of the hold-out or of the training images."""
        side = self.held == held
        labels = self.images.labels
        return self.images.pixels[side], None if labels is None else labels[side]


def read_as(data: Any, settings: Train, *, size: int = 0, grey: bool = False) -> ImageSource:
    """Images read as the settings say; `size` and `grey` are what training found, for a second set."""
    given = settings.images
    return open_images(
        data,
        size=given.size or size,
        grey=given.grey or grey,
        fit=given.fit,
        background=given.background,
        declared=bool(settings.epsilon),
    )


def measures(settled: ImageSettings, features: str = "", inception: str = "") -> tuple[str, str]:
    """The features and the file of Inception weights that a report measures by: those given, else as settled. What is missing
    for them is said here, before hours of work. GW-0522, GW-0523, GW-0525."""
    features, inception = features or settled.features, inception or settled.inception
    if features == "general":
        general_net()
    if inception:
        inception_net(inception)
    return features, inception


class Beside(NamedTuple):
    """A second set of images, read as the first was."""

    pixels: np.ndarray
    labels: np.ndarray | None
    """Numbers of the first set's classes; None where one of another name is among them."""
    paths: list[str]
    notes: list[str]


def read_beside(
    data: Any, settings: Train, shape: tuple[int, ...], classes: tuple[str, ...], *, fewest: int = 2
) -> Beside:
    """A second set of images, or a list of paths of such, for a first one of `shape` (height, width, channels) and with
    `classes`; each has `fewest` images, or GW-0153."""
    height, width, channels = shape
    parts = list[Beside]()
    for each in data if isinstance(data, list) else [data]:
        source = read_as(each, settings, size=max(height, width), grey=channels == 1)
        images = source.load(fewest=fewest)
        labels = None
        if images.labels is not None and set(source.classes) <= set(classes):
            labels = np.array([classes.index(name) for name in source.classes])[images.labels]
        paths = [_path(each, name) for name in images.names]
        pixels = images.pixels.repeat(channels // images.pixels.shape[3], axis=3)  # grey ones beside coloured
        parts.append(Beside(pixels, labels, paths, [*source.notes, *images.left_out()]))
    known = [part.labels for part in parts if part.labels is not None]
    return Beside(
        np.concatenate([part.pixels for part in parts]),
        np.concatenate(known) if len(known) == len(parts) else None,
        [path for part in parts for path in part.paths],
        [note for part in parts for note in part.notes],
    )


def _path(data: Any, name: str) -> str:
    """Of one of the images in a file or folder; of an array's, its number."""
    if not isinstance(data, str | Path):
        return name
    return str(data) if Path(data).name == name else str(Path(data) / name)
