"""Membership inference on vectors: on images by the features that the report compares them on, on texts by their words.

As for tables (`attacks.py`) the attack runs three times: with the samples, with one half of the hold-out in their place
(floor: it must be at chance), and with the training examples handed back (copycat). `membership.py` has the attack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genwright.metrics import image_sets, text_sets
from genwright.metrics.attacks import membership_metric
from genwright.metrics.image_distances import nearest
from genwright.metrics.membership import FEWEST, Floats, Game, played
from genwright.metrics.text_distance import Weighted, judge
from genwright.metrics.values import Metric, metric

MOST_TARGETS = 3_000
DIRECTIONS = 256  # that TF-IDF rows are looked at along
BLOCK = 1_000  # texts seen at once
STAGE = 37
APART = 0.65  # AUC of a classifier between training and held-out texts, from which on they are of two kinds


@dataclass(frozen=True)
class Vectors:
    """(n, d) float32; distances between them are Euclidean."""

    x: NDArray[np.float32]

    @property
    def rows(self) -> int:
        return len(self.x)

    def take(self, rows: NDArray[np.intp]) -> Vectors:
        return Vectors(self.x[rows])


def of_images(sets: image_sets.Compared, seed: int) -> Metric:
    """Membership among training and held-out images, by features."""
    fresh = None if sets.fresh_features is None else _centred(sets.fresh_features, sets)
    made, train = (_centred(features, sets) for features in (sets.made_features, sets.train_features))
    return _metric(train, fresh, made, seed, image_sets.NO_HELD_PICTURES)


def _centred(features: np.ndarray, sets: image_sets.Compared) -> Vectors:
    return Vectors((features - sets.reference.mean(0)).astype(np.float32))


def of_texts(sets: text_sets.Compared, weighted: Weighted, seed: int) -> Metric:
    """Membership among training and held-out texts, by TF-IDF rows of their words and characters.

    They are seen along random directions, which keep distances (Johnson and Lindenstrauss 1984) and prefer no text: those in
    which training texts differ most would be nearer to training texts than to others.
    """
    ways = np.random.default_rng([seed, STAGE, 1]).normal(size=(len(weighted.weights.idf_), DIRECTIONS))
    ways = (ways / np.sqrt(DIRECTIONS)).astype(np.float32)

    def seen(part: text_sets.Texts) -> Vectors:
        blocks = (weighted(part.texts[at : at + BLOCK]) @ ways for at in range(0, len(part), BLOCK))
        return Vectors(np.concatenate([np.asarray(block, dtype=np.float32) for block in blocks]))

    fresh = None if sets.fresh is None else seen(sets.fresh)
    return _metric(seen(sets.known), fresh, seen(sets.made), seed, text_sets.NO_HELD_TEXTS)


def held_apart(sets: text_sets.Compared, weighted: Weighted, told: float | None, seed: int) -> float | None:
    """How well a classifier tells held-out texts from training texts (AUC), where that is so well that the two are not of one
    kind, as the end of a book is not of its beginning: an attack would find the kind, not who was trained on. Else None.

    `told`: what the judge of samples found of the floor, where that is of held-out texts.
    """
    if not sets.held_floor:
        few = sets.fresh.take(np.arange(min(len(sets.fresh), sets.n))) if sets.fresh is not None else None
        found = None if few is None else judge(weighted(sets.reference.texts), weighted(few.texts), seed=seed)
        told = None if found is None else found.value
    return told if told is not None and told > APART else None


def not_comparable(apart: float) -> Metric:
    """Membership that was not asked, and why."""
    notes = [{"code": "held_apart", "auc": f"{apart:.2f}"}]
    return metric(None, None, None, "nearer to .5", "AUC", notes=notes)


def _metric(train: Vectors, fresh: Vectors | None, made: Vectors, seed: int, none_held: dict[str, Any]) -> Metric:
    if fresh is None:
        return membership_metric(None, None, None, notes=[none_held])
    if min(train.rows, fresh.rows, made.rows) < 2 * FEWEST:
        return membership_metric(None, None, None, notes=[{"code": "few_attacked", "rows": 2 * FEWEST}])
    generator = np.random.default_rng([seed, STAGE])
    unseen, stand_in = (fresh.take(half) for half in np.array_split(generator.permutation(fresh.rows), 2))
    games = (Game(train, fresh, made), Game(train, unseen, stand_in), Game(train, fresh, train))
    value, floor, copycat = (played(game, MOST_TARGETS, among_vectors, generator) for game in games)
    return membership_metric(value, floor, copycat, notes=[])


def among_vectors(vectors: Vectors) -> Callable[[Vectors], Floats]:
    """The `Search` of vectors."""
    return lambda asked: nearest(asked.x, vectors.x)[1].astype(np.float64)
