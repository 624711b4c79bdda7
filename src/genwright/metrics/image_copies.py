"""Whether samples copy training pictures: by features, by pixels, by a perceptual fingerprint, exactly.

What counts as near is learned from fresh real pictures: a *near-copy* is as near to its nearest training picture as only one
in a hundred held-out pictures is. Where few are held out, training pictures stand in for them, each beside the others without
its near-copies: the split keeps those on one side, so a held-out picture has none among the training pictures either.
Distances are in float32 on centred vectors, which is far finer than these limits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from genwright.data.likeness import ALIKE, fingerprints, near_copies
from genwright.metrics.closest import balanced, wilson
from genwright.metrics.image_distances import nearest

NEAR = 0.01  # share of fresh real pictures that are as near to a training picture as a near-copy is
CELLS = 16  # pixels are compared as means of 16 x 16 cells: shifts of a pixel and grain count little
FINGERPRINTED = 2_000  # pictures whose fingerprints are compared with all training pictures
STAND_INS = 2_000  # training pictures that stand in for held-out ones, at most
BLOCK = 512


@dataclass(frozen=True)
class Neighbours:
    """What pictures have beside them in the training set, (n,) each."""

    place: np.ndarray
    """Index of the nearest training picture by features."""
    distance: np.ndarray
    pixel_place: np.ndarray
    """Index of the nearest training picture by pixels."""
    pixel_distance: np.ndarray
    """Root mean square difference of the cells, of 255."""
    authentic: np.ndarray
    """Farther from the nearest training picture than that one is from its own nearest (Alaa et al. 2022, section 2.3)."""
    exact: np.ndarray
    """Has the pixels of a training picture."""
    alike: np.ndarray
    """(at most 2,000,) Has the outlines of a training picture, whatever colour or scale: see `data/likeness.py`."""


class TrainingPictures:
    """The training pictures that copies are looked for among."""

    def __init__(self, pixels: np.ndarray, features: np.ndarray, *, everything: np.ndarray) -> None:
        """Pixels (N, H, W, C) uint8, features (N, d); exact copies are looked for among `everything`."""
        self.pixels, self.centre = pixels, features.mean(0)
        self.features = self._centred(features)
        self.cells = pixel_cells(pixels)
        self.marks = fingerprints(pixels)
        self.digests = {_digest(image) for image in everything}
        self.own = np.full(len(pixels), np.nan, dtype=np.float32)

    def neighbours(self, pixels: np.ndarray, features: np.ndarray) -> Neighbours:
        """What the pictures have beside them."""
        place, distance = nearest(self._centred(features), self.features)
        pixel_place, pixel_distance = nearest(pixel_cells(pixels), self.cells)
        return Neighbours(
            place,
            distance,
            pixel_place,
            pixel_distance / np.sqrt(self.cells.shape[1]),
            distance > self._own(place),
            np.array([_digest(image) in self.digests for image in pixels], dtype=bool),
            self._alike(fingerprints(pixels[:FINGERPRINTED])),
        )

    def stand_ins(self) -> dict[str, np.ndarray]:
        """What training pictures, one of each group of near-copies, have beside them in other groups: "distance",
        "pixel_distance" and "alike" as in `Neighbours`; empty arrays where there is one group only."""
        groups = near_copies(self.pixels)
        asked = np.unique(groups)[:STAND_INS]  # the first picture of each group; the pictures are in random order
        if len(asked) < 2:
            return dict.fromkeys(("distance", "pixel_distance", "alike"), np.empty(0))
        pair = (groups[asked], groups)
        pixel_distance = nearest(self.cells[asked], self.cells, groups=pair)[1]
        return {
            "distance": nearest(self.features[asked], self.features, groups=pair)[1],
            "pixel_distance": pixel_distance / np.sqrt(self.cells.shape[1]),
            "alike": self._alike(self.marks[asked], groups=pair),
        }

    def between(self, asked: np.ndarray, others: np.ndarray) -> np.ndarray:
        """(n,) distance to the nearest of other pictures, comparable with `Neighbours.distance`."""
        return nearest(self._centred(asked), self._centred(others))[1]

    def _centred(self, features: np.ndarray) -> np.ndarray:
        return (features - self.centre).astype(np.float32)

    def _own(self, places: np.ndarray) -> np.ndarray:
        """From training pictures to the nearest other one; kept, because many samples share their nearest."""
        asked = np.unique(places)
        missing = asked[np.isnan(self.own[asked])]
        each = (missing, np.arange(len(self.own)))
        self.own[missing] = nearest(self.features[missing], self.features, groups=each)[1]
        return self.own[places]

    def _alike(self, marks: np.ndarray, groups: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
        best = []
        for at in range(0, len(marks), BLOCK):
            cosines = marks[at : at + BLOCK] @ self.marks.T
            if groups is not None:
                cosines[groups[0][at : at + BLOCK, None] == groups[1][None]] = -1.0
            best.append(cosines.max(1))
        return np.concatenate(best) >= ALIKE


def near_limit(fresh: np.ndarray) -> float:
    """The distance that one in a hundred fresh real pictures has at most."""
    return float(np.quantile(fresh, NEAR))


def near_share(distance: np.ndarray, fresh: np.ndarray) -> float:
    """Share of distances that are at most `near_limit`."""
    return float((distance <= near_limit(fresh)).mean())


def near_floor(fresh: np.ndarray) -> float:
    """What `near_share` says of fresh pictures themselves: each half against the limit from the other."""
    return (near_share(fresh[::2], fresh[1::2]) + near_share(fresh[1::2], fresh[::2])) / 2


def nearer_share(to_train: np.ndarray, to_holdout: np.ndarray, times: float) -> float:
    """Share of pictures nearer to training than to held-out ones, as it would be if both were equally many: the odds are
    divided by the ratio of their numbers, `times`; .5 best, ties count half."""
    return balanced(float((to_train < to_holdout).mean() + 0.5 * (to_train == to_holdout).mean()), times)


def nearer_interval(share: float, n: int, times: float) -> tuple[float, float]:
    """The 95 % interval of a `nearer_share` of n pictures."""
    low, high = wilson(balanced(share, 1 / times), n)
    return balanced(low, times), balanced(high, times)


def pixel_cells(pixels: np.ndarray) -> np.ndarray:
    """(N, H, W, C) uint8 -> (N, 256 C) float32: means over 16 x 16 cells, 0 to 255."""
    parts = [
        F.adaptive_avg_pool2d(torch.tensor(pixels[at : at + BLOCK].transpose(0, 3, 1, 2)).float(), CELLS).flatten(1)
        for at in range(0, len(pixels), BLOCK)
    ]
    return torch.cat(parts).numpy()


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
