"""Steps on units of several examples: one clipped gradient of each that is taken, all examples equally likely."""

import numpy as np
import pytest
import torch
from seeded import seeded

import coded
from genwright.privacy.accounting import Guarantee
from genwright.privacy.clipping import _rows
from genwright.privacy.events import SampledGaussian
from genwright.privacy.ledger import Entry, PrivacyLedger
from genwright.training.private import TRAINING, Private

MOST = 4
RATE = 0.2


def private(units: np.ndarray, draws: int = 1, rate: float = RATE) -> Private:
    book = PrivacyLedger(Guarantee(50.0, 1e-5), unit="patient", contributions=MOST)
    book.plan(Entry(TRAINING, "noise on clipped gradients", SampledGaussian(2.0, rate, 20), 1.0))
    return Private(book, 1.0, 20.0, draws, source=seeded(), units=units)


def test_a_step_takes_units_and_of_each_one_example():
    units = np.repeat(np.arange(60), np.random.default_rng(0).integers(1, MOST + 1, 60))
    order = np.random.default_rng(1).permutation(len(units))
    units = units[order]
    made = private(units)
    steps = [made.choose(len(units)) for _ in range(3000)]
    assert all(len(set(units[chosen])) == len(chosen) for chosen in steps)
    seen = np.bincount(np.concatenate(steps), minlength=len(units)) / len(steps)
    assert seen == pytest.approx(np.full(len(units), RATE / MOST), abs=0.02), "all examples are as likely"
    taken = np.bincount(units[np.concatenate(steps)]) / len(steps)
    assert taken.max() < RATE + 0.03, "no unit more often than planned"


def test_draws_are_examples_of_the_same_unit():
    units = np.repeat(np.arange(30), MOST)
    made = private(units, draws=3)
    chosen = made.choose(len(units)).reshape(-1, 3)
    assert len(chosen)
    assert all(len(set(units[row])) == 1 for row in chosen)
    batch = coded.examples("tabular-ar", 120).batch(chosen.ravel(), torch.device("cpu"))
    assert made.repeated(batch) is batch


def test_a_unit_with_too_many_examples_is_taken_no_more_often():
    units = np.array([0] * 50 + [1])
    made = private(units)
    steps = [made.choose(51) for _ in range(2000)]
    assert np.mean([(units[chosen] == 0).any() for chosen in steps]) == pytest.approx(RATE, abs=0.03)


@pytest.mark.parametrize("draws", [1, 2])
def test_a_unit_changes_the_gradient_by_no_more_than_the_clip_norm(draws):
    """One step with all units, and the same step without one of them."""
    units = np.repeat(np.arange(8), MOST)
    model, examples = coded.build("tabular-ar"), coded.examples("tabular-ar", len(units))
    made = private(units, draws=draws, rate=1.0)
    made.prepare(model, coded.spec_of("tabular-ar"), torch.float32, lambda text: None)
    phase = model.phases[0]
    batch = examples.batch(made.choose(len(units)), torch.device("cpu"))
    torch.manual_seed(0)
    batch = model.draw(phase, made.repeated(batch))
    engine = made.engines[phase.name]
    clip = 0.1
    whole = engine.clipped_gradient(batch, clip)
    without = engine.clipped_gradient(_rows(batch, slice(draws, None)), clip)
    assert float(whole.norms.min()) > clip, "the bound is reached"
    difference = torch.cat([(whole.total[name] - without.total[name]).flatten() for name in whole.total])
    assert float(difference.norm()) == pytest.approx(clip, rel=1e-4)
