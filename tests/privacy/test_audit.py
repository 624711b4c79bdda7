"""Audits of each mechanism and of the private gradient: claims hold in every run, planted faults are caught."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from seeded import seeded
from torch import nn

import genwright
from genwright.contract import DataSpec, GenerativeModel, Phase
from genwright.privacy import mechanisms
from genwright.privacy.accounting import Guarantee, epsilon
from genwright.privacy.audit import by_canaries, by_runs
from genwright.privacy.clipping import Clipped, Engine
from genwright.privacy.events import DiscreteGaussian, Gaussian, Pure, SampledGaussian, ZeroConcentrated
from genwright.privacy.ledger import Entry, PrivacyLedger
from genwright.training import private
from genwright.training.private import TRAINING, Private

DELTA = 1e-3
RUNS = 20
SURE = 1 - 0.05 / RUNS  # of each bound, so that all of them together hold with 95 %


# The mechanisms: each cell, or each call, is a run with or without one unit.


def ledger_of(entry: Entry) -> PrivacyLedger:
    ledger = PrivacyLedger(Guarantee(1e5, 0.5))
    ledger.plan(entry)
    return ledger


def of(event, delta: float = 0.0) -> Entry:
    return Entry("it", "noise", event, 1, delta)


def cells(answer, event, seed, runs=3000):
    """The bound from that many runs without and as many with one unit, all in one answer: each cell has its own noise."""
    units = np.repeat([0, 1], runs)
    noisy = answer(units, ledger_of(of(event)), "it", source=seeded(seed))
    return by_runs(noisy[:runs], noisy[runs:], DELTA, SURE)


WIDE = {
    "discrete gaussian": (mechanisms.noisy_counts, DiscreteGaussian(1.0)),
    "discrete laplace": (mechanisms.noisy_counts, Pure(1.0)),
    "vector": (mechanisms.noisy_vector, Gaussian(1.0)),
}


@pytest.mark.parametrize("name", WIDE)
def test_noise_on_counts_and_vectors_keeps_its_claim(name):
    answer, event = WIDE[name]
    claim = epsilon([event], DELTA)
    bounds = [cells(answer, event, seed) for seed in range(RUNS)]
    assert max(bounds) < claim
    assert np.mean(bounds) > 0.3 * claim


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("left", [0.0, 0.5], ids=["noise forgotten", "sensitivity halved"])
def test_planted_faults_in_counts_and_vectors_are_caught(name, left, monkeypatch):
    answer, event = WIDE[name]
    noise, gaussian = mechanisms._noise, mechanisms.gaussian

    def less(entry, size, source):
        event = entry.event
        if isinstance(event, Pure):
            weaker = replace(event, epsilon=event.epsilon / left) if left else event
        else:
            weaker = replace(event, noise=event.noise * left) if left else event
        return noise(replace(entry, event=weaker), size, source) * bool(left)

    monkeypatch.setattr(mechanisms, "_noise", less)
    monkeypatch.setattr(mechanisms, "gaussian", lambda size, source: left * gaussian(size, source))
    assert cells(answer, event, 0, runs=20_000) > epsilon([event], DELTA)


CALLS = 100  # with as many scores the bound can reach 2: the claims are below
SOME = Pure(1.0)


def _count(rows, ledger, source):
    return mechanisms.private_count(50 + rows, ledger, "it", source=source)


def _missing(rows, ledger, source):
    return mechanisms.missing_rate(np.arange(40 + rows) >= 20, ledger, "it", source=source)


def _bounds(rows, ledger, source):
    """Whether the second range of values stands out of the noise."""
    limit = mechanisms.deviation(ledger.entry("it")) * np.sqrt(2 * np.log(169 / mechanisms.SURE))
    values = np.repeat([1.0, 1000.0], [100, int(limit) + rows])
    return mechanisms.private_bounds(values, ledger, "it", source=source)[1]


def _quantiles(rows, ledger, source):
    values = np.repeat([0.1, 0.9], [10, 10 + rows])
    return mechanisms.private_quantiles(values, (0.0, 1.0), [0.5], ledger, "it", source=source)[0]


def _discover(rows, ledger, source):
    limit = mechanisms.threshold(ledger.entry("it"))
    return mechanisms.discover(["it"] * (limit + rows), ledger, "it", source=source).get("it", 0)


def _select(rows, ledger, source):
    return mechanisms.select(np.array([1.0 - rows, rows]), 1.0, ledger, "it", source=source)


NARROW = {
    "number of rows": (_count, SOME, 0.0),
    "missing rate": (_missing, SOME, 0.0),
    "bounds": (_bounds, SOME, 0.0),
    "quantiles": (_quantiles, Pure(0.5), 0.0),
    "discovery": (_discover, DiscreteGaussian(2.0), DELTA / 2),
    "selection": (_select, ZeroConcentrated(1 / 8), 0.0),
}


class Called:
    """One of these mechanisms, called again and again without and with one unit."""

    def __init__(self, name, monkeypatch):
        monkeypatch.setattr(mechanisms, "LEVELS", 2)  # twelve halvings cost as many thousand draws a call
        self.answer, self.event, self.delta = NARROW[name]
        self.releases = 2 if name == "quantiles" else 1  # of one call
        self.claim = epsilon([replace(self.event, count=self.releases)], DELTA - self.delta)

    def bound(self, source):
        entry = of(replace(self.event, count=2 * CALLS * self.releases), self.delta)
        ledger = ledger_of(entry)
        return by_runs(*([self.answer(rows, ledger, source) for _ in range(CALLS)] for rows in (0, 1)), DELTA, SURE)


@pytest.mark.parametrize("name", NARROW)
def test_what_is_made_of_noisy_counts_keeps_its_claim(name, monkeypatch):
    called, draw, left = Called(name, monkeypatch), mechanisms._noise, np.zeros(0, dtype=np.int64)

    def in_advance(entry, size, source):
        """The mechanism's own noise, drawn for many calls at once: to draw little costs as much as to draw much."""
        nonlocal left
        if len(left) < size:
            left = draw(entry, 50_000, source)
        taken, left = left[:size], left[size:]
        return taken

    monkeypatch.setattr(mechanisms, "_noise", in_advance)
    source = seeded()
    assert max(called.bound(source) for _ in range(RUNS)) < called.claim


@pytest.mark.parametrize("name", NARROW)
def test_noise_that_is_forgotten_there_is_caught(name, monkeypatch):
    monkeypatch.setattr(mechanisms, "_noise", lambda entry, size, source: np.zeros(size, dtype=np.int64))
    monkeypatch.setattr(mechanisms, "uniform", lambda size, source: np.full(size, 0.5))
    called = Called(name, monkeypatch)
    assert called.bound(seeded()) > called.claim


# The private gradient: one unit, one coordinate. Who sees every noisy gradient sees more than who gets the model.

CANARIES, STEPS, RATE, NOISE, CLIP = 1000, 20, 0.1, 1.0, 0.5
STEP = SampledGaussian(NOISE, RATE)


class Linear(GenerativeModel):
    """Its gradient is the sum of the examples."""

    phases = (Phase("sum", updates="net"),)

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(CANARIES, 1, bias=False)

    def loss(self, phase, batch):
        return {"sum": self.net(batch.x)[:, 0]}

    def sample(self, n, *, condition=None, generator):
        raise NotImplementedError


def gradients(seed, steps=STEPS):
    """(steps, canaries) noisy gradients, each canary's own coordinate of each step, and (canaries,) which were in."""
    included = np.random.default_rng(seed).random(CANARIES) < 0.5
    examples = torch.eye(CANARIES)[torch.from_numpy(included)] * 10
    entry = Entry(TRAINING, "noise on clipped gradients", replace(STEP, count=steps), CLIP)
    given = Private(ledger_of(entry), CLIP, RATE * len(examples), source=seeded(seed))
    model = Linear()
    (phase,) = model.phases
    given.prepare(model, DataSpec("grid", (CANARIES,)), torch.float32, lambda text: None)
    seen = []
    for _ in range(steps):
        chosen = given.choose(len(examples))
        given.set_gradients(phase, genwright.contract.Batch(examples[chosen]))
        seen.append(model.net.weight.grad[0].numpy().copy())
    return np.array(seen), included


def bound_of_steps(seen, included):
    """Each coordinate of each step is a run of that step with or without one unit."""
    return by_runs(seen[:, ~included].ravel(), seen[:, included].ravel(), DELTA, SURE)


def test_a_private_gradient_keeps_its_claim():
    single, together = [], []
    for seed in range(RUNS):
        seen, included = gradients(seed)
        single.append(bound_of_steps(seen, included))
        together.append(by_canaries(seen.sum(0), included, 1e-5, SURE).epsilon)
    assert max(single) < epsilon([STEP], DELTA)
    assert np.mean(single) > 0
    assert max(together) < epsilon([replace(STEP, count=STEPS)], 1e-5)


clipped = Engine.clipped_gradient


def _no_noise(monkeypatch):
    monkeypatch.setattr(private, "gaussian", lambda size, source: np.zeros(size))


def _half_the_sensitivity(monkeypatch):
    monkeypatch.setattr(Engine, "clipped_gradient", lambda self, batch, clip: clipped(self, batch, 2 * clip))


def _not_poisson(monkeypatch):
    monkeypatch.setattr(Private, "choose", lambda self, examples: np.arange(examples))


def _clipped_after_averaging(monkeypatch):
    def late(self, batch, clip):
        total = clipped(self, batch, 1e9).total["weight"]
        mean = total / len(batch)
        return Clipped({"weight": mean * min(1, clip / float(mean.norm())) * RATE * CANARIES / 2}, torch.zeros(0))

    monkeypatch.setattr(Engine, "clipped_gradient", late)


@pytest.mark.parametrize("fault", [_no_noise, _half_the_sensitivity, _not_poisson, _clipped_after_averaging])
def test_planted_faults_in_the_private_gradient_are_caught(fault, monkeypatch):
    fault(monkeypatch)
    assert bound_of_steps(*gradients(0, steps=60)) > epsilon([STEP], DELTA)
