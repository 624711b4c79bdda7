"""Which pictures are compared with which: reference, floor and copycat, as many of each as of samples, with features.

*Reference* of all distances: random training pictures. *Floor*: held-out pictures in the place of the samples; where too few
were held out for a distance to mean anything, one half of the training pictures against the other. *Copycat*: training
pictures drawn at random, as a model that has learned them by heart would. `images.py` scores them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from genwright.errors import GenwrightError
from genwright.metrics.image_features import Features

ENOUGH = 1_000  # held-out pictures from which on they are the floor of distances, or half of the training pictures
SLOW_PART = 5  # with slow features a fifth of the training pictures is searched
PLENTY = 10_000
NO_HELD_PICTURES = {"code": "no_held_pictures"}


@dataclass(frozen=True)
class ImageEffort:
    """How many pictures are read."""

    compared: int
    """Of each set, for distances."""
    searched: int
    """Training pictures, for copies."""
    classifier_steps: int


EFFORTS = {"quick": ImageEffort(2_000, 20_000, 600), "full": ImageEffort(10_000, 100_000, 2_000)}


@dataclass(frozen=True)
class Labelled:
    """Pictures (N, height, width, channels) uint8 and their labels (N,), if any."""

    pixels: np.ndarray
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, places: np.ndarray) -> Labelled:
        return Labelled(self.pixels[places], None if self.labels is None else self.labels[places])


def samples_needed(train: int, holdout: int, effort: str) -> int:
    """How many samples a report of so many real pictures compares."""
    real = min(train, holdout) if _is_floor(train, holdout) else max(2, train // 2)
    return min(EFFORTS[effort].compared, real)


def _is_floor(train: int, holdout: int) -> bool:
    return holdout >= 2 and holdout >= min(ENOUGH, train // 2)


def check_images(train: Labelled, holdout: Labelled | None, synthetic: Labelled) -> None:
    """GW-0520 for sets of different sizes or colours, GW-0521 for fewer than two pictures."""
    for name, few in (("training", train), ("synthetic", synthetic)):
        if len(few) < 2:
            raise GenwrightError("GW-0521", f"There are {len(few)} {name} pictures", "A report needs two at least.")
    for name, part in (("held-out", holdout), ("synthetic", synthetic)):
        if part is not None and len(part) and part.pixels.shape[1:] != train.pixels.shape[1:]:
            raise GenwrightError(
                "GW-0520",
                f"The {name} pictures are {_size(part)}, the training pictures {_size(train)}",
                "Give pictures of one size and colour.",
            )


def _size(part: Labelled) -> str:
    height, width, channels = part.pixels.shape[1:]
    return f"{width} x {height} with {channels} channel{'s' * (channels > 1)}"


class Compared:
    """n pictures of each set, and their features (n, d)."""

    def __init__(
        self, train: Labelled, holdout: Labelled | None, synthetic: Labelled, limit: ImageEffort,
        features: Features, random: np.random.Generator,
    ) -> None:  # fmt: skip
        self.all_train, self.all_holdout, self.features = train, holdout, features
        held = 0 if holdout is None else len(holdout)
        self.held_floor = _is_floor(len(train), held)
        halves = not self.held_floor and min(len(train) // 2, len(synthetic)) >= 2
        real = min(len(train), held) if self.held_floor else len(train) // (2 if halves else 1)
        self.n = n = min(limit.compared, len(synthetic), real)
        searched = max(limit.searched // (SLOW_PART if features.slow else 1), 2 * n)
        self.searched = random.permutation(len(train))[:searched]
        self.train = train.take(self.searched)
        self.train_features = features.call(self.train.pixels)
        self.reference = self.train_features[:n]
        self.made_places = np.sort(random.permutation(len(synthetic))[:n])
        self.made = synthetic.take(self.made_places)
        self.made_features = features.call(self.made.pixels)
        copied = random.permutation(len(self.train))[:n]
        self.copycat, self.copycat_features = self.train.take(copied), self.train_features[copied]
        self.fresh: Labelled | None = None
        self.fresh_features: np.ndarray | None = None
        if holdout is not None and held >= 2:
            self.fresh = holdout.take(np.sort(random.permutation(held)[: limit.compared]))
            self.fresh_features = features.call(self.fresh.pixels)
        self.floor: Labelled | None = None
        self.floor_features: np.ndarray | None = None
        if self.held_floor and self.fresh is not None and self.fresh_features is not None:
            order = random.permutation(len(self.fresh))[:n]
            self.floor, self.floor_features = self.fresh.take(order), self.fresh_features[order]
        elif halves:
            self.floor = self.train.take(np.arange(n, 2 * n))
            self.floor_features = self.train_features[n : 2 * n]

    @property
    def vectors(self) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """(n, d) features of samples, floor, copycat."""
        return self.made_features, self.floor_features, self.copycat_features

    @property
    def pictures(self) -> tuple[Labelled, Labelled | None, Labelled]:
        """Samples, floor, copycat."""
        return self.made, self.floor, self.copycat

    @property
    def floor_notes(self) -> list[dict[str, Any]]:
        """Where the floor comes from, if not from held-out pictures."""
        if self.held_floor:
            return []
        held = 0 if self.all_holdout is None else len(self.all_holdout)
        return [{"code": "floor_halves", "holdout": held}] if self.floor is not None else [NO_HELD_PICTURES]

    @property
    def copy_notes(self) -> list[dict[str, Any]]:
        """What limits the search for copies."""
        part = {"code": "searched_part", "searched": len(self.train), "of": len(self.all_train)}
        notes = [part] if len(self.train) < len(self.all_train) else []
        return notes if self.fresh is not None else [*notes, NO_HELD_PICTURES]
