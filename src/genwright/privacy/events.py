"""What one private release costs: each kind of noise as plain data that knows its Renyi curve and its privacy loss.

Two data sets are neighbours when one has one unit (a row, a person) more. A noise multiplier is the standard deviation
over the largest change that one unit can make; `told` says the noise in the mechanism's own terms. Read `accounting.py`
next for how releases add up.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genwright.errors import GenwrightError

Floats = NDArray[np.float64]
QUADRATURE_POINTS = 1 << 13  # orders that need more are left out: at such noise they never give the best bound


@dataclass(frozen=True)
class Gaussian:
    """Continuous Gaussian noise, `count` times."""

    noise_multiplier: float
    count: int = 1

    def __post_init__(self) -> None:
        _check(self)

    @property
    def told(self) -> str:
        """The noise of one release: with sensitivity, rate and count, all that its cost depends on."""
        return f"sigma {self.noise_multiplier:.5g} x sensitivity"

    def renyi(self, orders: Floats) -> Floats:
        """Renyi divergence of one release at each order > 1 (Mironov 2017, corollary 3)."""
        return orders / (2 * self.noise_multiplier**2)

    @property
    def spread(self) -> float:
        """About the standard deviation of the privacy loss of one release: what the grid is scaled to."""
        return 1 / self.noise_multiplier

    def loss(self, grid: float) -> Any:
        """Upper bound on the privacy loss distribution of all `count` releases, in steps of `grid`."""
        return _losses().from_gaussian_mechanism(
            self.noise_multiplier / math.sqrt(self.count), value_discretization_interval=grid
        )


@dataclass(frozen=True)
class SampledGaussian:
    """Gaussian noise on the sum over a Poisson sample: every unit is in it with `sampling_rate`; `count` steps."""

    noise_multiplier: float
    sampling_rate: float
    count: int = 1

    def __post_init__(self) -> None:
        _check(self)

    @property
    def told(self) -> str:
        """As for `Gaussian`."""
        return f"sigma {self.noise_multiplier:.5g} x sensitivity"

    def renyi(self, orders: Floats) -> Floats:
        """Renyi divergence of one step at each order > 1 (Mironov, Talwar and Zhang 2019, theorems 4 and 5).

        Departs: the moment is integrated numerically, its excess over 1 as a sum of terms that are never negative, so
        that it stays exact where the direct sum would drown in rounding (large noise, low rate).
        """
        if self.sampling_rate == 1:
            return Gaussian(self.noise_multiplier).renyi(orders)
        return np.array([self._log_moment(float(order)) / (order - 1) for order in orders])

    def _log_moment(self, order: float) -> float:
        """log E[(1 - q + q e^((2z - 1) / 2 s^2))^order] for z of N(0, s^2)."""
        noise, rate = self.noise_multiplier, self.sampling_rate
        step = noise / 8
        low, high = -13 * noise, order + 13 * noise  # the integrand is a mixture of bells at 0 ... order
        if (high - low) / step > QUADRATURE_POINTS:
            return math.inf
        z = np.arange(low, high, step)
        log_density = -0.5 * (z / noise) ** 2 - 0.5 * math.log(2 * math.pi) + math.log(step / noise)
        log_odds = (2 * z - 1) / (2 * noise**2)
        power = order * np.logaddexp(math.log1p(-rate), math.log(rate) + log_odds)
        terms = power + log_density
        largest = float(terms.max())
        if largest > 0:
            return largest + math.log(float(np.exp(terms - largest).sum()))
        # E[ratio] = 1, so E[ratio^a] - 1 = E[ratio^a - 1 - a (ratio - 1)], whose terms Bernoulli's inequality bounds by 0.
        excess = np.expm1(np.minimum(power, 30)) - order * rate * np.expm1(np.minimum(log_odds, 700))
        weighted = np.where(power < 30, np.exp(log_density) * np.maximum(excess, 0), np.exp(terms))
        return math.log1p(float(weighted.sum()))

    @property
    def spread(self) -> float:
        """As for `Gaussian`."""
        variance = min(self.noise_multiplier**-2, 600)
        return min(1 / self.noise_multiplier, self.sampling_rate * math.sqrt(math.expm1(variance)))

    def loss(self, grid: float) -> Any:
        """As for `Gaussian`."""
        step = _losses().from_gaussian_mechanism(
            self.noise_multiplier, sampling_prob=self.sampling_rate, value_discretization_interval=grid
        )
        return _composed(step, self.count)


@dataclass(frozen=True)
class DiscreteGaussian:
    """Discrete Gaussian noise on whole numbers that one unit changes by at most `sensitivity` (L2), `count` times.

    `noise` is the parameter sigma in units of the count. Where `sensitivity` is more than 1 the change may spread over
    cells in ways that only the Renyi bound covers, so that such releases have no privacy loss distribution here.
    """

    noise: float
    sensitivity: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        _check(self)

    @property
    def told(self) -> str:
        """As for `Gaussian`."""
        return f"sigma {self.noise:.5g}"

    def renyi(self, orders: Floats) -> Floats:
        """Renyi divergence of one release (Canonne, Kamath and Steinke 2020, theorem 4)."""
        return orders * self.sensitivity**2 / (2 * self.noise**2)

    @property
    def spread(self) -> float:
        """As for `Gaussian`."""
        return self.sensitivity / self.noise

    def loss(self, grid: float) -> Any | None:
        """As for `Gaussian`; None if the sensitivity is more than 1."""
        if self.sensitivity > 1:
            return None
        one = _losses().from_discrete_gaussian_mechanism(
            self.noise, value_discretization_interval=grid, use_connect_dots=True
        )
        return _composed(one, self.count)


@dataclass(frozen=True)
class Laplace:
    """Continuous Laplace noise, `count` times; the multiplier is its scale over the L1 sensitivity."""

    noise_multiplier: float
    count: int = 1

    def __post_init__(self) -> None:
        _check(self)

    @property
    def told(self) -> str:
        """As for `Gaussian`."""
        return f"scale {self.noise_multiplier:.5g} x sensitivity"

    def renyi(self, orders: Floats) -> Floats:
        """Renyi divergence of one release (Mironov 2017, proposition 6)."""
        loss = 1 / self.noise_multiplier
        up, down = orders / (2 * orders - 1), (orders - 1) / (2 * orders - 1)
        return _log_of_sum(up, (orders - 1) * loss, down, -orders * loss) / (orders - 1)

    @property
    def spread(self) -> float:
        """As for `Gaussian`."""
        return 1 / self.noise_multiplier

    def loss(self, grid: float) -> Any:
        """As for `Gaussian`."""
        one = _losses().from_laplace_mechanism(self.noise_multiplier, value_discretization_interval=grid)
        return _composed(one, self.count)


@dataclass(frozen=True)
class Pure:
    """Any mechanism that is epsilon-private with no delta, `count` times: discrete Laplace noise, whose scale is the
    sensitivity over epsilon."""

    epsilon: float
    count: int = 1

    def __post_init__(self) -> None:
        _check(self)

    @property
    def told(self) -> str:
        """As for `Gaussian`."""
        return f"epsilon {self.epsilon:.5g}"

    def renyi(self, orders: Floats) -> Floats:
        """Renyi divergence of randomised response, the worst such mechanism (Bun and Steinke 2016, section 3)."""
        true = 1 / (1 + math.exp(-self.epsilon))
        power = (orders - 1) * self.epsilon
        return _log_of_sum(true, power, 1 - true, -power) / (orders - 1)

    @property
    def spread(self) -> float:
        """As for `Gaussian`."""
        return self.epsilon

    def loss(self, grid: float) -> Any:
        """As for `Gaussian`. Discrete Laplace noise on a count of sensitivity 1 is randomised response exactly."""
        one = _losses().from_discrete_laplace_mechanism(self.epsilon, value_discretization_interval=grid)
        return _composed(one, self.count)


@dataclass(frozen=True)
class ZeroConcentrated:
    """Any mechanism that is rho-zCDP (Bun and Steinke 2016), `count` times; known to the Renyi bound only.

    The exponential mechanism with epsilon is one, of rho = epsilon^2 / 8 (Cesar and Rogers 2021, lemma 3.3).
    """

    rho: float
    count: int = 1

    def __post_init__(self) -> None:
        _check(self)

    @property
    def told(self) -> str:
        """As for `Gaussian`; and the epsilon of the exponential mechanism that costs so much."""
        return f"rho {self.rho:.5g} (epsilon {math.sqrt(8 * self.rho):.5g})"

    def renyi(self, orders: Floats) -> Floats:
        """Renyi divergence of one release: the definition of zCDP."""
        return orders * self.rho

    @property
    def spread(self) -> float:
        """As for `Gaussian`."""
        return math.sqrt(2 * self.rho)

    def loss(self, grid: float) -> None:
        """None: a zCDP bound names no distribution."""
        return None


Event = Gaussian | SampledGaussian | DiscreteGaussian | Laplace | Pure | ZeroConcentrated
EVENTS: dict[str, type[Event]] = {
    "gaussian": Gaussian,
    "sampled-gaussian": SampledGaussian,
    "discrete-gaussian": DiscreteGaussian,
    "laplace": Laplace,
    "pure": Pure,
    "zero-concentrated": ZeroConcentrated,
}


def event_to_json(event: Event) -> dict[str, Any]:
    """The event as plain data, its kind first."""
    kind = next(name for name, cls in EVENTS.items() if type(event) is cls)
    return {"kind": kind, **asdict(event)}


def event_from_json(value: dict[str, Any]) -> Event:
    """What `event_to_json` wrote; KeyError, TypeError or GenwrightError (GW-0602) if it is nothing of the sort."""
    return EVENTS[value["kind"]](**{name: part for name, part in value.items() if name != "kind"})


def _check(event: Event) -> None:
    """GW-0602 unless every number of the event is finite and positive, counts are whole and rates at most 1."""
    for field in fields(event):
        value = getattr(event, field.name)
        whole = field.name in ("count", "sensitivity")
        fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
        if not fits or (whole and not isinstance(value, int)) or (field.name == "sampling_rate" and value > 1):
            wanted = (
                "a whole number above 0" if whole else "above 0" + (", at most 1" * (field.name == "sampling_rate"))
            )
            raise GenwrightError(
                "GW-0602", f"{field.name} of {type(event).__name__} is {value!r}", f"It must be {wanted}."
            )


def _log_of_sum(weight: Any, power: Floats, other_weight: Any, other_power: Floats) -> Floats:
    """log(w e^p + v e^r) where w + v = 1: small values of p and r lose no digits, large ones do not overflow."""
    small = np.log1p(weight * np.expm1(np.minimum(power, 1)) + other_weight * np.expm1(np.minimum(other_power, 1)))
    large = np.logaddexp(np.log(weight) + power, np.log(np.maximum(other_weight, 1e-300)) + other_power)
    return np.where(power < 1, small, large)


def _composed(loss: Any, count: int) -> Any:
    """The privacy loss of `count` releases; many in two stages, for which dp-accounting cuts the tails three times closer."""
    inner = math.isqrt(count) if count > 1000 else 1
    outer, rest = divmod(count, inner)
    whole = loss.self_compose(inner, 1e-15 / outer).self_compose(outer)
    return whole.compose(loss.self_compose(rest)) if rest else whole


def _losses() -> Any:
    """dp-accounting's privacy loss distributions; GW-0607 without the package."""
    try:
        from dp_accounting.pld import privacy_loss_distribution
    except ImportError:
        raise GenwrightError(
            "GW-0607",
            "To account for privacy, dp-accounting must be installed",
            "Install it with: pip install 'genwright[privacy]'",
        ) from None
    return privacy_loss_distribution
