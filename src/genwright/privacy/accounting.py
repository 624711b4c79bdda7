"""How much several releases reveal together: epsilon at a delta, and the noise that keeps it below a target.

Two bounds are computed, both upper bounds on the same releases, and the smaller is quoted: Renyi divergences, which know
every event, and privacy loss distributions (dp-accounting), which are tighter. Read `ledger.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genwright.errors import GenwrightError
from genwright.privacy.events import Event, SampledGaussian, ZeroConcentrated

# Tiny epsilons are best at orders in the thousands, large ones at orders just above 1.
ORDERS = 1 + np.geomspace(0.01, 1e5, 321)
GRID_POINTS = 1 << 20  # bounds memory and time; a coarser grid is still an upper bound
LEAST_DELTA = 1e-11  # below, the rounding errors of the convolutions are no longer small against delta
TOLERANCE = 1e-3  # of a calibrated noise
MOST_LOG_NOISE = 28.0


@dataclass(frozen=True)
class Guarantee:
    """(epsilon, delta)-differential privacy; epsilon > 0, 0 < delta < 1, else GW-0602."""

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and self.epsilon > 0 and 0 < self.delta < 1):
            raise GenwrightError(
                "GW-0602",
                f"A guarantee of epsilon {self.epsilon!r} and delta {self.delta!r} is none",
                "epsilon is above 0 (1 is strong, 10 weak), delta far below one over the number of units.",
            )


def epsilon(events: Sequence[Event], delta: float) -> float:
    """The smallest epsilon for which the releases together are known to be (epsilon, delta)-private."""
    if not events:
        return 0.0
    bound = renyi_epsilon(events, delta)
    loss = _loss(events, delta)
    return bound if loss is None else min(bound, loss.get_epsilon_for_delta(delta))


def renyi_epsilon(events: Sequence[Event], delta: float) -> float:
    """The same by Renyi divergences alone (conversion: Canonne, Kamath and Steinke 2020, proposition 12)."""
    divergence = np.sum([event.count * event.renyi(ORDERS) for event in events], axis=0)
    divergence = np.where(divergence >= 0, divergence, np.inf)  # whatever is not a number is no bound
    return max(0.0, float(np.min(divergence + np.log1p(-1 / ORDERS) - np.log(delta * ORDERS) / (ORDERS - 1))))


def keeps(events: Sequence[Event], guarantee: Guarantee) -> bool:
    """Whether the releases together are known to be within the guarantee."""
    enough = not events or renyi_epsilon(events, guarantee.delta) <= guarantee.epsilon
    return enough or epsilon(events, guarantee.delta) <= guarantee.epsilon


def calibrate(events_at: Callable[[float], Sequence[Event]], guarantee: Guarantee) -> float:
    """The smallest noise, to 0.1 %, at which all planned releases keep the guarantee.

    `events_at(noise)` gives all of them, the ones whose noise is already settled included; more noise must cost less.
    GW-0603 if no noise is enough, because the settled ones alone are too much.
    """

    from scipy.optimize import brentq  # half a second that only private runs pay for

    def excess(log_noise: float) -> float:
        ratio = epsilon(events_at(math.exp(log_noise)), guarantee.delta) / guarantee.epsilon
        return math.log(min(max(ratio, 1e-9), 1e9))

    try:
        high = math.log(_least(lambda noise: renyi_epsilon(events_at(noise), guarantee.delta) <= guarantee.epsilon))
    except GenwrightError:
        high = 0.0  # the settled releases are too much for the Renyi bound; the tighter one may still have room
    while excess(high) > 0:
        if high > MOST_LOG_NOISE:
            raise _nothing_left()
        high += 1
    low = high - 0.3  # the tighter bound rarely allows a quarter less noise
    while excess(low) <= 0:
        low -= 1
    found = brentq(excess, low, high, xtol=TOLERANCE / 2)
    while excess(found) > 0:
        found += TOLERANCE / 2
    return math.exp(found)


def rho_of(guarantee: Guarantee) -> float:
    """The largest rho for which rho-zCDP gives the guarantee."""
    return _least(lambda x: renyi_epsilon([ZeroConcentrated(x**-2)], guarantee.delta) <= guarantee.epsilon) ** -2


def count_noise(rho: float, *, sensitivity: int = 1, releases: int = 1) -> float:
    """Sigma of (discrete) Gaussian noise on counts so that `releases` of them cost rho together."""
    return sensitivity * math.sqrt(releases / (2 * rho))


def default_delta(units: float) -> float:
    """A delta for about this many units: a tenth of one over their number, which is rounded up to a power of ten.

    The exact number of units is private: give a number that is public, or a noisy one that the ledger has paid for.
    """
    return 10.0 ** -(math.ceil(math.log10(max(units, 1)) - 1e-9) + 1)


def _loss(events: Sequence[Event], delta: float) -> Any | None:
    """The privacy loss distribution of all the events; None where one has none or delta is too small for it."""
    if delta < LEAST_DELTA:
        return None
    grid = _grid(events)
    total = None
    for event in events:
        loss = event.loss(grid)
        if loss is None:
            return None
        total = loss if total is None else total.compose(loss)
    return total


def _grid(events: Sequence[Event]) -> float:
    """The step of the losses: fine against the spread of one release and of all, yet few enough steps.

    A step larger than the loss of one release adds a variance of up to step^2 / 6 each time, which over many releases
    makes a bound several times too large.
    """
    variance = sum(event.count * event.spread**2 for event in events)
    spread = math.sqrt(variance)
    one = spread / math.sqrt(sum(event.count for event in events))
    reach = 20 * spread + variance + max(_largest(event) for event in events)
    return max(min(one / 15, spread / 300), reach / GRID_POINTS)


def _largest(event: Event) -> float:
    """About the largest loss of one release that is not cut off; a rarely sampled unit loses far more than its spread."""
    if not isinstance(event, SampledGaussian):
        return 10 * event.spread + event.spread**2
    exponent = (10 + 0.5 / event.noise_multiplier) / event.noise_multiplier
    return float(
        np.logaddexp(math.log1p(-min(event.sampling_rate, 1 - 1e-9)), math.log(event.sampling_rate) + exponent)
    )


def _least(enough: Callable[[float], bool]) -> float:
    """The smallest positive number for which `enough` holds, to the tolerance, from above; GW-0603 if none is found."""
    high = 1.0
    while not enough(high):
        high *= 2
        if math.log(high) > MOST_LOG_NOISE:
            raise _nothing_left()
    low = high / 2
    while enough(low):
        high, low = low, low / 2
    while high > low * (1 + TOLERANCE):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _nothing_left() -> GenwrightError:
    return GenwrightError(
        "GW-0603",
        "What is already planned or spent leaves nothing for the rest: no amount of noise is enough",
        "Raise --epsilon or lower the share of the preparation.",
    )
