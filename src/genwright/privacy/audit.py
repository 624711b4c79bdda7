"""Lower bounds on epsilon from attacks: what an adversary who guessed so well proves of the method that was attacked.

A guarantee is an upper bound on what anybody could learn; an audit attacks and shows a lower one. Where the lower bound is
above the claim, the claim is false; where it is below, nothing is proved but that this attack did not break it.
`audits.py` attacks a whole run this way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, binom

Floats = NDArray[np.float64]
# Shares of the canaries that are said to be in, and out, the surest first; fixed before anything is seen.
PLANS = ((0.02, 0.02), (0.1, 0.1), (0.5, 0.5), (0.05, 0.0), (0.25, 0.0))
PRECISE = 1e-4  # of a bound found by halving
MOST = 64.0  # epsilon beyond which no bound is looked for


@dataclass(frozen=True)
class Evidence:
    """What guesses about canaries prove."""

    epsilon: float
    """No (epsilon, delta) below this explains so many right guesses; 0: any does."""
    guesses: int
    right: int
    """How many of the guesses were right."""


def by_runs(without: ArrayLike, with_unit: ArrayLike, delta: float, confidence: float = 0.95) -> float:
    """The epsilon that many independent runs prove: scores of outputs on data without and with one unit, higher for with.

    The threshold is chosen on every other score and judged on the rest, by exact intervals (Clopper and Pearson 1934) of
    both error rates (Jagielski, Ullman and Oprea 2020, "Auditing Differentially Private Machine Learning", section 3;
    Nasr et al. 2021, "Adversary Instantiation", section 3). `without`, `with_unit`: (N,), (M,), 2 or more of each.
    """
    absent, present = (np.asarray(scores, dtype=np.float64) for scores in (without, with_unit))
    thresholds = np.unique(np.concatenate([absent[::2], present[::2]]))
    hits, alarms = (_at_least(thresholds, scores[::2]) for scores in (present, absent))
    chosen = thresholds[np.argmax(_by_rates(hits, alarms, len(present[::2]), len(absent[::2]), delta, confidence))]
    hits, alarms = (_at_least(chosen[None], scores[1::2]) for scores in (present, absent))
    return float(_by_rates(hits, alarms, len(present[1::2]), len(absent[1::2]), delta, confidence)[0])


def _at_least(thresholds: Floats, scores: Floats) -> NDArray[np.int64]:
    """How many scores reach each threshold."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left")


def _by_rates(hits: Any, alarms: Any, present: int, absent: int, delta: float, confidence: float) -> Floats:
    """The epsilon of `hits` among `present` runs with the unit and false `alarms` among `absent` ones without it.

    The definition binds what was said ("with") as well as what was not; both bounds rest on the same two intervals, each
    of which fails with half of the chance that is left, so that both hold together.
    """
    fails = (1 - confidence) / 2
    true = np.where(hits > 0, beta.ppf(fails, np.maximum(hits, 1), present - hits + 1), 0.0)
    false = np.where(alarms < absent, beta.ppf(1 - fails, alarms + 1, np.maximum(absent - alarms, 1)), 1.0)
    said, unsaid = np.maximum(true - delta, 0) / false, np.maximum(1 - false - delta, 0) / (1 - true)
    return np.log(np.maximum(np.maximum(said, unsaid), 1.0))


def by_canaries(scores: ArrayLike, included: ArrayLike, delta: float, confidence: float = 0.95) -> Evidence:
    """What one run proves whose data held each of m canaries or not, by fair coins that nobody else has seen.

    `scores`: (m,) of the canaries, higher for what seems to be in; `included`: (m,) whether it was. The highest scores are
    said to be in, the lowest to be out, about the others nothing is said. How many of each is tried by `PLANS`, each with
    its part of the confidence.
    """
    inside = np.asarray(included, dtype=bool)[np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")]
    canaries, each = len(inside), 1 - (1 - confidence) / len(PLANS)
    found = []
    for plan in PLANS:
        said, denied = (int(share * canaries) for share in plan)
        right = int(inside[:said].sum() + (~inside[canaries - denied :]).sum())
        found.append(Evidence(by_guesses(right, said + denied, canaries, delta, each), said + denied, right))
    return max(found, key=lambda evidence: (evidence.epsilon, evidence.guesses))


def by_guesses(right: int, guesses: int, canaries: int, delta: float, confidence: float = 0.95) -> float:
    """The largest epsilon, to `PRECISE`, under which so many right guesses were too unlikely to believe in it."""
    return _last(lambda epsilon: chance(right, guesses, canaries, epsilon, delta) < 1 - confidence)


def chance(right: int, guesses: int, canaries: int, epsilon: float, delta: float) -> float:
    """Upper bound on the chance of `right` or more right guesses about any (epsilon, delta)-private method.

    Each canary was in or out by a fair coin; `guesses` of them were guessed, which ones may depend on the output (Steinke,
    Nasr and Jagielski 2023, "Privacy Auditing with One (1) Training Run", the theorem for approximate privacy).
    """
    likely = 1 / (1 + np.exp(-epsilon))  # a guess is right so often where the method is randomised response, the worst
    pure = float(binom.sf(right - 1, guesses, likely))
    if not right or not delta:
        return min(pure, 1.0)
    # delta buys at best so much: with its chance i of the guesses are right that were wrong, for the i that pays most.
    short = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), guesses, likely)) / np.arange(1, right + 1)
    return min(pure + 2 * canaries * delta * float(short.max()), 1.0)


def _last(refuted: Callable[[float], bool]) -> float:
    """The largest number for which `refuted` holds, from below; 0 if it holds for none."""
    if not refuted(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while high < MOST and refuted(high):
        low, high = high, 2 * high
    while high - low > PRECISE:
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
