"""The Frechet Inception distance, for users who have its weights: the only metric that bears the name.

The network is in `inception_features.py`; which pictures are compared is as for all distances: see `image_sets.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from genwright.metrics.image_distances import frechet
from genwright.metrics.image_features import inception
from genwright.metrics.image_sets import EFFORTS, PLENTY, Compared, Labelled
from genwright.metrics.inception_features import SHA256_BEGINS
from genwright.metrics.values import Metric, metric

AT_ONCE = 256  # pictures between two reports of progress: they take half a minute on a laptop


def fid(
    train: Labelled,
    holdout: Labelled | None,
    synthetic: Labelled,
    weights: str,
    *,
    effort: str = "full",
    seed: int = 0,
    progress: Callable[..., None] | None = None,
) -> Metric:
    """Heusel et al. 2017, equation 6, between training and synthetic pictures, with floor and copycat, by the Inception
    weights in a file. Published ones take 50,000 samples: with fewer, as n tells, it is larger. GW-0525."""
    features, seen = inception(weights), 0

    def call(pixels: np.ndarray) -> np.ndarray:
        nonlocal seen
        found = []
        for start in range(0, len(pixels), AT_ONCE):
            found.append(features.call(pixels[start : start + AT_ONCE]))
            seen += len(found[-1])
            if progress:
                progress(seen, None, "Inception features")
        return np.concatenate(found)

    few = replace(EFFORTS[effort], searched=0)  # no copies are looked for
    random = np.random.default_rng([seed, 11])
    sets = Compared(train, holdout, synthetic, few, replace(features, call=call), random)
    n, width = sets.n, sets.reference.shape[1]
    notes: list[dict[str, Any]] = [
        {"code": "measured_on", "name": features.name, "sha256": features.sha256[:12], "n": n}
    ]
    if not features.sha256.startswith(SHA256_BEGINS):
        notes.append({"code": "other_weights", "usual": SHA256_BEGINS})
    notes += [{"code": "few_images", "n": n}] if n < PLENTY else []
    notes += [{"code": "few_for_features", "n": n, "width": width}] if n <= width else []
    value, floor, copycat = (None if x is None else frechet(sets.reference, x) for x in sets.vectors)
    return metric(value, floor, copycat, "lower", "", notes=[*notes, *sets.floor_notes], n=n)
