"""Lower bounds on epsilon: they reach what is true and do not pass it. Whom they catch is in `test_audit.py`."""

import itertools

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from genwright.privacy.audit import PRECISE, by_canaries, by_guesses, by_runs, chance

DELTA = 1e-3
RUNS = 20
SURE = 1 - 0.05 / RUNS  # of each bound, so that all of them together hold with 95 %


def gaussian_epsilon(shift: float, delta: float) -> float:
    """The epsilon of N(0, 1) against N(shift, 1) in closed form (Balle and Wang 2018, theorem 8)."""

    def excess(e):
        return norm.cdf(shift / 2 - e / shift) - np.exp(e) * norm.cdf(-shift / 2 - e / shift) - delta

    return brentq(excess, 0, 100)


@pytest.mark.parametrize("true", [0.5, 2.0, 4.0])
def test_of_randomised_response_the_bound_rises_to_its_epsilon(true):
    sizes = [10**power for power in range(2, 7)]
    bounds = [by_guesses(int(n / (1 + np.exp(-true))), n, n, 0.0) for n in sizes]
    assert all(a < b for a, b in itertools.pairwise(bounds))
    assert 0.98 * true < bounds[-1] < true


@pytest.mark.parametrize("guesses", [1, 10, 300])
def test_of_guesses_that_are_all_right_the_bound_is_known(guesses):
    likely = 0.05 ** (1 / guesses)
    wanted = max(np.log(likely / (1 - likely)), 0)
    assert by_guesses(guesses, guesses, guesses, 0.0) == pytest.approx(wanted, abs=2 * PRECISE)
    assert by_guesses(guesses, guesses, 1000, 1e-4) < wanted or not wanted


def test_delta_may_give_away_as_many_as_it_says_and_the_claim_still_stands():
    """Each canary is given away with chance delta, else answered by randomised response of epsilon 1."""
    random, m, delta, likely = np.random.default_rng(0), 200, 0.1, 1 / (1 + np.exp(-1))
    right = (random.random((400, m)) < np.where(random.random((400, m)) < delta, 1.0, likely)).sum(1)
    refuted = np.mean([chance(int(r), m, m, 1.0, delta) < 0.05 for r in right])
    careless = np.mean([chance(int(r), m, m, 1.0, 0.0) < 0.05 for r in right])
    assert refuted <= 0.05
    assert careless > 0.15, "without delta the same guesses would refute the claim too often"


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
def test_of_gaussian_noise_the_bound_is_near_its_epsilon_and_never_above(shift):
    true, several, one = gaussian_epsilon(shift, DELTA), [], []
    for seed in range(RUNS):
        random = np.random.default_rng(seed)
        noise = random.normal(size=10_000)
        several.append(by_runs(noise[::2], noise[1::2] + shift, DELTA, SURE))
        included = random.random(2000) < 0.5
        one.append(by_canaries(noise[:2000] + shift * included, included, 1e-5, SURE).epsilon)
    assert max(several) < true
    assert max(one) < gaussian_epsilon(shift, 1e-5)
    assert np.mean(several) > 0.3 * true
    assert np.mean(one) > 0.15 * gaussian_epsilon(shift, DELTA)


def test_what_was_not_said_is_evidence_too():
    """A low score occurs only without the unit; a high one is hardly likelier with it than without."""
    random = np.random.default_rng(0)
    assert by_runs(random.random(2000) < 0.5, np.ones(2000), 0.0) > 4


def test_scores_that_know_nothing_prove_nothing():
    bounds = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        bounds.append(
            (by_runs(*random.normal(size=(2, 400)), 0.0), by_canaries(*random.integers(2, size=(2, 400)), 0.0))
        )
    assert np.mean([several > 0 for several, _ in bounds]) <= 0.05
    assert np.mean([one.epsilon > 0 for _, one in bounds]) <= 0.05
