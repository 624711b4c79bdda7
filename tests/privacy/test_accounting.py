"""Epsilon of known releases against the closed form, dp-accounting's own accountants, and the corners that break them."""

import math
import resource
import time

import dp_accounting as reference
import numpy as np
import pytest
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from scipy.integrate import quad
from scipy.stats import norm

from genwright.errors import GenwrightError
from genwright.privacy.accounting import (
    ORDERS,
    Guarantee,
    calibrate,
    count_noise,
    default_delta,
    epsilon,
    keeps,
    renyi_epsilon,
    rho_of,
)
from genwright.privacy.events import (
    DiscreteGaussian,
    Gaussian,
    Laplace,
    Pure,
    SampledGaussian,
    ZeroConcentrated,
    event_from_json,
    event_to_json,
)
from processes import FORKS


def gaussian_delta(eps: float, noise: float) -> float:
    """Delta of one Gaussian release (Balle and Wang 2018, theorem 5)."""
    half = 1 / (2 * noise)
    return float(norm.cdf(half - eps * noise) - math.exp(eps) * norm.cdf(-half - eps * noise))


def sampled(noise, rate, steps):
    return reference.SelfComposedDpEvent(reference.PoissonSampledDpEvent(rate, reference.GaussianDpEvent(noise)), steps)


@pytest.mark.parametrize("noise", [0.3, 1.0, 5.0, 100.0])
def test_one_gaussian_release_costs_what_the_closed_form_says(noise):
    found = epsilon([Gaussian(noise)], 1e-6)
    assert gaussian_delta(found, noise) <= 1e-6 * (1 + 1e-6)
    assert gaussian_delta(found * 0.998, noise) > 1e-6


def test_the_published_golden_value():
    events = [SampledGaussian(1.0, 0.01, 1000)]
    assert epsilon(events, 1e-5) == pytest.approx(1.8282, rel=1e-3)
    assert renyi_epsilon(events, 1e-5) == pytest.approx(2.1014, rel=2e-3)


@pytest.mark.parametrize(("noise", "rate"), [(0.6, 0.05), (1.0, 0.01), (3.0, 0.2), (80.0, 0.01), (1.0, 1.0)])
def test_renyi_of_sampled_steps_is_the_accountants(noise, rate):
    orders = np.array([2.0, 3.0, 8.0, 32.0, 200.0])
    theirs = RdpAccountant(orders).compose(sampled(noise, rate, 1)).rdp
    assert SampledGaussian(noise, rate).renyi(orders) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(("noise", "rate", "order"), [(0.6, 0.05, 1.1), (0.6, 0.05, 3.7), (3.0, 0.2, 1.1)])
def test_renyi_between_whole_orders_is_the_integral(noise, rate, order):
    def moment(z):
        return norm.pdf(z, 0, noise) * (1 - rate + rate * math.exp((2 * z - 1) / (2 * noise**2))) ** order

    whole = sum(quad(moment, low, low + 1, epsabs=1e-14, epsrel=1e-10)[0] for low in range(-40, 50))
    assert SampledGaussian(noise, rate).renyi(np.array([order]))[0] == pytest.approx(
        math.log(whole) / (order - 1), rel=1e-8
    )


def test_renyi_of_tiny_losses_keeps_its_digits():
    event, orders = SampledGaussian(1000.0, 1e-5), np.array([2.0, 10.0])
    assert event.renyi(orders) == pytest.approx(orders / 2 * math.expm1(1e-6) * 1e-10, rel=1e-4)


def test_a_mixture_is_the_accountants():
    events = [Gaussian(20.0), Laplace(10.0), SampledGaussian(1.0, 0.01, 1000)]
    theirs = PLDAccountant().compose(reference.GaussianDpEvent(20.0)).compose(reference.LaplaceDpEvent(10.0))
    theirs = theirs.compose(sampled(1.0, 0.01, 1000)).get_epsilon(1e-5)
    assert epsilon(events, 1e-5) == pytest.approx(theirs, rel=2e-3)


@pytest.mark.parametrize("event", [Laplace(4.0), Pure(0.7)], ids=["laplace", "pure"])
def test_a_pure_guarantee_is_never_worse_than_adding_up(event):
    single = 1 / event.noise_multiplier if isinstance(event, Laplace) else event.epsilon
    assert epsilon([event], 1e-9) <= single * 1.001
    many = type(event)(single**-1 if isinstance(event, Laplace) else single, 40)
    assert epsilon([many], 1e-6) < 40 * single
    assert epsilon([many], 1e-6) <= renyi_epsilon([many], 1e-6)


def test_pure_renyi_bounds_laplace_and_both_meet_theirs():
    orders = np.array([1.01, 2.0, 16.0, 1e5])
    theirs = RdpAccountant(orders[1:3]).compose(reference.LaplaceDpEvent(2.0)).rdp
    assert Laplace(2.0).renyi(orders)[1:3] == pytest.approx(theirs, rel=1e-9)
    for loss in (1e-4, 0.5, 30.0):
        assert (Laplace(1 / loss).renyi(orders) <= Pure(loss).renyi(orders) * (1 + 1e-9)).all()
        assert (Pure(loss).renyi(orders) <= loss * (1 + 1e-9)).all()


def test_discrete_noise_costs_no_more_than_its_proven_bound():
    for noise in (0.4, 1.0, 10.0):
        discrete = epsilon([DiscreteGaussian(noise, 1, 5)], 1e-6)
        assert discrete <= renyi_epsilon([ZeroConcentrated(5 / (2 * noise**2))], 1e-6)
    assert discrete == pytest.approx(epsilon([Gaussian(10.0, 5)], 1e-6), rel=0.01)
    spread = [DiscreteGaussian(20.0, 4, 1)]  # several rows of one unit: the proven bound only
    assert epsilon(spread, 1e-6) == renyi_epsilon([ZeroConcentrated(16 / 800)], 1e-6)


def test_zero_concentrated_events_mix_by_renyi():
    selections = [ZeroConcentrated(0.1**2 / 8, 50)]
    assert epsilon(selections, 1e-5) == pytest.approx(1.478, rel=5e-3)
    mixed = [*selections, SampledGaussian(1.0, 0.01, 1000)]
    assert epsilon(mixed, 1e-5) == renyi_epsilon(mixed, 1e-5) > epsilon(mixed[1:], 1e-5)


def test_epsilon_grows_with_steps_and_rate_and_falls_with_noise():
    def of(noise=2.0, rate=0.02, steps=300):
        return epsilon([SampledGaussian(noise, rate, steps)], 1e-6)

    assert of(steps=100) < of() < of(steps=900)
    assert of(rate=0.01) < of() < of(rate=0.05) < of(rate=1.0)
    assert of(noise=4.0) < of() < of(noise=1.0)
    assert epsilon([SampledGaussian(2.0, 0.02, 300)], 1e-4) < of()
    assert epsilon([], 1e-6) == 0


def calibrated(target, steps):
    """The noise, and what it cost: seconds, and kB with all libraries."""
    started = time.process_time()
    noise = calibrate(lambda x: [SampledGaussian(x, 0.01, steps)], Guarantee(target, 1e-5))
    return noise, time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(
    ("target", "steps", "low", "high"),
    [(0.01, 100_000, 765, 780), (0.01, 1000, 76, 78), (10, 1000, 0.545, 0.550), (100, 100, 0.17, 0.18)],
)  # fmt: skip
def test_calibration_is_tight_fast_and_never_exceeds(target, steps, low, high):
    with FORKS.Pool(1) as alone:  # what other tests have used is not its
        noise, seconds, memory = alone.apply(calibrated, (target, steps))
    assert seconds < 15
    assert memory < 2**20
    assert low < noise < high
    assert epsilon([SampledGaussian(noise, 0.01, steps)], 1e-5) <= target
    assert not keeps([SampledGaussian(noise / 1.01, 0.01, steps)], Guarantee(target, 1e-5))


def test_calibration_leaves_room_for_what_is_settled():
    settled, guarantee = [DiscreteGaussian(30.0, 1, 12), Pure(0.1)], Guarantee(1.0, 1e-6)
    noise = calibrate(lambda x: [*settled, Gaussian(x, 50)], guarantee)
    assert epsilon([*settled, Gaussian(noise, 50)], 1e-6) <= 1.0
    assert not keeps([*settled, Gaussian(noise / 1.01, 50)], guarantee)
    with pytest.raises(GenwrightError, match="GW-0603"):
        calibrate(lambda x: [Gaussian(0.5), Gaussian(x)], guarantee)


@pytest.mark.parametrize("target", [0.01, 1.0, 100.0])
def test_rho_is_the_largest_that_keeps_the_guarantee(target):
    rho = rho_of(Guarantee(target, 1e-9))
    assert target * 0.995 < renyi_epsilon([ZeroConcentrated(rho)], 1e-9) <= target
    noise = count_noise(rho, sensitivity=3, releases=7)
    assert renyi_epsilon([DiscreteGaussian(noise, 3, 7)], 1e-9) <= target * (1 + 1e-9)
    assert ORDERS[0] < 1.02


def test_the_default_delta_follows_the_order_of_magnitude_only():
    assert default_delta(48_842) == default_delta(60_000) == pytest.approx(1e-6)
    assert default_delta(1000) == pytest.approx(1e-4)


def test_a_delta_too_small_for_convolutions_is_left_to_renyi():
    events = [SampledGaussian(1.0, 0.01, 100)]
    assert epsilon(events, 1e-13) == renyi_epsilon(events, 1e-13)


@pytest.mark.parametrize(
    "event",
    [Gaussian(1.5, 2), SampledGaussian(1.0, 0.1, 5), DiscreteGaussian(3.0, 2, 4), Laplace(2.0), Pure(0.5),
     ZeroConcentrated(0.1)],
)  # fmt: skip
def test_events_survive_json(event):
    assert event_from_json(event_to_json(event)) == event


@pytest.mark.parametrize(
    ("cls", "values"),
    [(Gaussian, (0.0,)), (Gaussian, (math.nan,)), (Gaussian, (1.0, 0)), (SampledGaussian, (1.0, 1.5)),
     (DiscreteGaussian, (1.0, 0.5)), (Pure, (-1.0,)), (Guarantee, (1.0, 0.0)), (Guarantee, (0.0, 0.1))],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(cls, values):
    with pytest.raises(GenwrightError, match="GW-0602"):
        cls(*values)
