"""Whether samples are as varied as real pictures: over classes, over clusters, among themselves."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans

from genwright.metrics.image_distances import nearest
from genwright.metrics.image_quality import ms_ssim
from genwright.metrics.threads import in_threads

CLUSTERS = 20
PAIRS = 500


def label_entropy(counts: np.ndarray) -> float:
    """Entropy in nats of the shares of classes or clusters; log(number) at most."""
    shares = counts[counts > 0] / max(1, counts.sum())
    return float(-(shares * np.log(shares)).sum())


def uniformity(counts: np.ndarray) -> float:
    """`label_entropy` as a part of the largest possible: 1 for equal shares, 0 when one has all."""
    return label_entropy(counts) / float(np.log(len(counts))) if len(counts) > 1 else 1.0


def clusters(real: np.ndarray, *, seed: int) -> np.ndarray:
    """(20, d) centres of the real features, by k-means; fewer where there are fewer different vectors."""
    count = min(CLUSTERS, len(np.unique(real, axis=0)))
    fit = KMeans(count, n_init=1, random_state=seed).fit
    return in_threads(lambda x: fit(x).cluster_centers_, [real])[0]


def cluster_uniformity(centres: np.ndarray, features: np.ndarray) -> float:
    """Uniformity over the clusters of the nearest centres."""
    return uniformity(np.bincount(nearest(features, centres)[0], minlength=len(centres)))


def vendi(features: np.ndarray) -> float:
    """Vendi score: the exponential of the entropy of the eigenvalues of the cosine similarities, divided by n; an effective
    number of different examples, from 1 (Friedman and Dieng 2023, definition 3.1)."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    values = np.linalg.eigvalsh(unit.T @ unit / len(unit))  # the same non-zero eigenvalues as of the n x n matrix
    values = values[values > 1e-12]
    if not len(values):
        return 1.0  # all features are 0: pictures that the network sees nothing in are all alike
    values = values / values.sum()
    return float(np.exp(-(values * np.log(values)).sum()))


def likeness_within(pixels: np.ndarray, labels: np.ndarray | None, *, seed: int) -> float | None:
    """Mean MS-SSIM of random pairs of one class (Odena et al. 2017, section 4.2): near 1 when a class has collapsed. Without
    labels, pairs of any two pictures; None where no class has two."""
    random = np.random.default_rng(seed)
    labels = np.zeros(len(pixels), dtype=np.int64) if labels is None else labels
    places = {label: np.flatnonzero(labels == label) for label in np.unique(labels)}
    first, second = [], []
    for at in random.integers(len(pixels), size=PAIRS):
        other = random.choice(places[labels[at]])
        if other != at:
            first.append(at)
            second.append(other)
    return float(ms_ssim(pixels[first], pixels[second]).mean()) if first else None
