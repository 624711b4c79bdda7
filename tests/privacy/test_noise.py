"""The samplers draw from the distributions that they name, cell by cell."""

import numpy as np
import pytest
from scipy.stats import chisquare, kstest
from seeded import seeded

from genwright.errors import GenwrightError
from genwright.privacy.noise import (
    LARGEST,
    _below,
    discrete_gaussian,
    discrete_laplace,
    gaussian,
    system_source,
    uniform,
)

DRAWS = 60_000


def fits(drawn, weight, reach):
    """Chi-square's p-value of whole numbers against weights of -reach ... reach; rarer cells are put together."""
    x = np.arange(-reach, reach + 1)
    expected = weight(x) / weight(x).sum() * drawn.size
    counts = np.bincount(np.clip(drawn, -reach, reach) + reach, minlength=x.size)
    often = expected >= 10
    return chisquare(
        np.append(counts[often], counts[~often].sum()), np.append(expected[often], expected[~often].sum())
    ).pvalue


@pytest.mark.parametrize("noise", [0.3, 0.75, 1.0, 2.5, 30.0])
def test_the_discrete_gaussian_is_one(noise):
    drawn = discrete_gaussian(DRAWS, noise, seeded(1))
    assert fits(drawn, lambda x: np.exp(-0.5 * (x / noise) ** 2), int(9 * noise) + 3) > 1e-3


@pytest.mark.parametrize("noise", [700.0, 1e5, float(LARGEST)])
def test_large_discrete_noise_is_as_wide_as_asked(noise):
    drawn = discrete_gaussian(DRAWS, noise, seeded(2))
    assert kstest(drawn / noise, "norm").pvalue > 1e-3
    assert drawn.std() == pytest.approx(noise, rel=4 / np.sqrt(2 * DRAWS))


def test_it_is_never_narrower_than_asked():
    for noise in (0.1, 0.3, 1.7, 12.34, 5e5):
        scale = int(noise) + 1
        parts = min(1024, LARGEST // scale + 1)
        squared = np.ceil(noise**2 * parts / scale)
        assert noise**2 * (1 - 1e-12) <= scale * squared / parts <= noise**2 * (1.002 if noise >= 1 else 1.15)


@pytest.mark.parametrize(("scale", "parts"), [(1, 1), (5, 1), (3, 2), (1024, 1500)])
def test_the_discrete_laplace_is_one(scale, parts):
    drawn = discrete_laplace(DRAWS, scale, parts, seeded(3))
    assert fits(drawn, lambda x: np.exp(-np.abs(x) * parts / scale), 40 * scale // parts + 5) > 1e-3


def test_uniform_whole_numbers_favour_none():
    bound = np.full(30_000, 2**62 + 2**61)  # two thirds of the range: a remainder alone would favour the first third
    assert (_below(bound, seeded(4)) < 2**61).mean() == pytest.approx(1 / 3, abs=0.01)
    assert set(_below(np.full(100, 3), seeded(5))) == {0, 1, 2}


def test_continuous_noise_is_standard_normal():
    assert kstest(gaussian(DRAWS + 1, seeded(6)), "norm").pvalue > 1e-3
    drawn = uniform(DRAWS, seeded(7))
    assert drawn.min() > 0
    assert drawn.max() <= 1


def test_the_systems_words_do_not_repeat():
    assert system_source(4).dtype == np.uint64
    assert len(set(system_source(1000)) | set(system_source(1000))) == 2000
    assert not np.array_equal(discrete_gaussian(50, 100.0), discrete_gaussian(50, 100.0))


def test_noise_that_cannot_be_drawn_is_refused():
    for noise in (0.0, 2.0 * LARGEST):
        with pytest.raises(GenwrightError, match="GW-0602"):
            discrete_gaussian(1, noise)
