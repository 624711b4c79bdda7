"""How the orders of an n-gram model are mixed, and the discounts that make held-back tokens likeliest. See `ngram.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genwright.networks.ngram_counts import Seen, discounted

START = np.array([0.6, 1.0, 1.4, 1.0])
"""Discounts of counts of one, of two, of more; strength."""
BOUNDS = [(0.01, 0.99), (0.01, 1.99), (0.01, 2.99), (-7.0, 12.0)]  # of the strength, the logarithm
ROUNDS = 60


def mixed(seen: Sequence[Seen], discounts: np.ndarray, vocabulary: int) -> np.ndarray:
    """(orders + 1, n) probabilities of tokens by each order, from order 0 up: the formula of `ngram.py`."""
    out = [np.full(len(seen[0].count), 1 / vocabulary)]
    for part, d in zip(seen, discounts, strict=True):
        out.append((discounted(part.count, d) + (d[3] + part.followers @ d[:3]) * out[-1]) / (d[3] + part.total))
    return np.stack(out)


def tune(seen: Sequence[Seen], vocabulary: int) -> np.ndarray:
    """(orders, 4) discounts under which the tokens are likeliest, by L-BFGS with exact gradients."""
    from scipy.optimize import minimize

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        d = _strengths(x.reshape(-1, 4))
        p = mixed(seen, d, vocabulary)
        slope = np.empty_like(d)
        upstream = -1 / p[-1] / p.shape[1]  # d loss / d p_k, from the highest order down
        for k in range(len(seen) - 1, -1, -1):
            part, below = seen[k], p[k]
            upstream = upstream / (d[k, 3] + part.total)
            for j in range(3):
                own = np.minimum(part.count, 3) == j + 1
                slope[k, j] = (upstream * (part.followers[:, j] * below - own)).sum()
            slope[k, 3] = (upstream * (below - p[k + 1])).sum() * d[k, 3]
            upstream = upstream * (d[k, 3] + part.followers @ d[k, :3])
        return float(-np.log(p[-1]).mean()), slope.ravel()

    start = np.tile([*START[:3], np.log(START[3])], len(seen))
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=BOUNDS * len(seen), options={"maxiter": ROUNDS}
    ).x  # fmt: skip
    return _strengths(found.reshape(-1, 4))


def _strengths(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x[:, :3], np.exp(x[:, 3:])], axis=1)
