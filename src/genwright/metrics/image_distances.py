"""How far two sets of feature vectors are apart: Frechet distance, KID, and precision, recall, density, coverage.

Plain functions of (N, d) float64 matrices, real ones first. The scale depends on the features: see `image_features.py`.
Matrices of distances are made in blocks of rows, about 64 MB each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 5
CELLS = 1 << 23  # of a block of a matrix
KID_BLOCK = 500  # examples of each set in one of the blocks that KID's error is estimated from
SAME = 500  # roundings of the squared lengths, below which a squared distance is one: the vectors are equal


def frechet(real: np.ndarray, made: np.ndarray) -> float:
    """Squared Frechet distance of normal distributions fitted to both (Heusel et al. 2017, equation 6). Biased upwards by
    few examples: compare numbers of equal n only. Covariances may be singular; n >= 2."""
    difference = real.mean(0) - made.mean(0)
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, made))
    # tr sqrt(A B) = tr sqrt(sqrt(A) B sqrt(A)), which is symmetric: real eigenvalues, whatever the ranks
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0.0)).sum()
    return float(max(0.0, difference @ difference + np.trace(first) + np.trace(second) - 2.0 * shared))


def kid(real: np.ndarray, made: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy under the kernel (x.y / d + 1)^3 (Binkowski et al. 2018, section 4); around
    0, also below, for equal distributions."""
    n, m = len(real), len(made)
    within = (_kernel_sum(real, real) - _kernel_diagonal(real)) / (n * (n - 1))
    within += (_kernel_sum(made, made) - _kernel_diagonal(made)) / (m * (m - 1))
    return float(within - 2.0 * _kernel_sum(real, made) / (n * m))


def kid_error(real: np.ndarray, made: np.ndarray, *, seed: int) -> float | None:
    """Standard error of `kid`, from its values on disjoint random blocks; None where there are fewer than three of at least
    20 examples. Larger than the truth where much of it is shared between blocks: it errs on the safe side."""
    size = min(KID_BLOCK, len(real) // 5, len(made) // 5)
    if size < 20:
        return None
    random = np.random.default_rng([seed, 17])
    first, second = (x[random.permutation(len(x))] for x in (real, made))
    count = min(len(first), len(second)) // size
    parts = [kid(first[at * size : (at + 1) * size], second[at * size : (at + 1) * size]) for at in range(count)]
    return float(np.std(parts, ddof=1) / np.sqrt(count))


def kernel_spread(real: np.ndarray) -> float:
    """Mean squared distance of examples from their mean under the kernel of `kid`: what a KID is a large or small part of."""
    n = len(real)
    diagonal = _kernel_diagonal(real)
    return float(diagonal / n - (_kernel_sum(real, real) - diagonal) / (n * (n - 1)))


@dataclass(frozen=True)
class Manifolds:
    """Shares: made examples near real ones, real near made, and the two that outliers sway less."""

    precision: float
    recall: float
    density: float
    """May exceed 1."""
    coverage: float


def manifolds(
    real: np.ndarray, made: np.ndarray, neighbours: int = NEIGHBOURS, *, real_reach: np.ndarray | None = None
) -> Manifolds:
    """Precision and recall of Kynkaanniemi et al. 2019, equations 1 and 2; density and coverage of Naeem et al. 2020,
    equations 3 and 5; balls reach to the 5th neighbour within the own set and are closed, as equation 1 has them.
    `real_reach`: `reach(real, neighbours)`, where it is known already."""
    neighbours = min(neighbours, len(real) - 1, len(made) - 1)
    if real_reach is None:
        real_reach = reach(real, neighbours)
    made_reach = reach(made, neighbours)
    inside_real = np.zeros(len(made))
    recalled, closest = np.zeros(len(real), bool), np.full(len(real), np.inf)
    for part in _blocks(len(made), len(real)):
        distance = distances(real, made[part])
        inside_real[part] = (distance <= real_reach[:, None]).sum(0)
        recalled |= (distance <= made_reach[None, part]).any(1)
        closest = np.minimum(closest, distance.min(1))
    return Manifolds(
        float((inside_real > 0).mean()),
        float(recalled.mean()),
        float(inside_real.mean() / neighbours),
        float((closest <= real_reach).mean()),
    )


def reach(x: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """(n,) distance of each vector to its k-th neighbour, itself not counted; k is cut to n - 1."""
    place = min(neighbours, len(x) - 1)
    parts = [np.partition(distances(x[part], x), place, axis=1)[:, place] for part in _blocks(len(x), len(x))]
    return np.concatenate(parts)


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n, m) Euclidean distances; exactly 0 for equal vectors."""
    lengths = (first**2).sum(1)[:, None] + (second**2).sum(1)[None, :]
    squared = lengths - 2.0 * (first @ second.T)
    squared[squared < SAME * np.finfo(squared.dtype).eps * lengths] = 0.0
    return np.sqrt(squared)


def nearest(
    asked: np.ndarray, among: np.ndarray, *, groups: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """For each asked vector the index of the nearest one among others, and its distance, exactly 0 for equal vectors.
    `groups`: numbers of the asked and of the others; those of the own group do not count. float32 vectors are searched, and
    answered, in float32."""
    lengths = (among**2).sum(1)
    places = np.empty(len(asked), dtype=np.int64)
    for part in _blocks(len(asked), len(among)):
        block = (-2 * asked[part]) @ among.T
        block += lengths
        if groups is not None:
            block[groups[0][part][:, None] == groups[1][None]] = np.inf
        places[part] = block.argmin(1)
    reached = np.empty(len(asked), dtype=asked.dtype)
    for part in _blocks(len(asked), asked.shape[1]):
        reached[part] = np.sqrt(((asked[part] - among[places[part]]) ** 2).sum(1))
    return places, reached


def _blocks(rows: int, columns: int) -> list[slice]:
    """Parts of the rows of a matrix with so many columns."""
    size = max(1, CELLS // max(1, columns))
    return [slice(start, start + size) for start in range(0, rows, size)]


def _kernel_sum(first: np.ndarray, second: np.ndarray) -> float:
    width = first.shape[1]
    total = 0.0
    for part in _blocks(len(first), len(second)):
        block = (first[part] / width) @ second.T
        block += 1.0
        total += float((block * block * block).sum())  # ** 3 would be ten times as slow
    return total


def _kernel_diagonal(x: np.ndarray) -> float:
    return float((((x**2).sum(1) / x.shape[1] + 1.0) ** 3).sum())
