"""The laws of the ledger: planned first, paid before drawn, never exceeded, and never too little after a crash."""

import functools
import json
import re

import numpy as np
import pytest
from seeded import seeded

from genwright.errors import GenwrightError
from genwright.privacy.accounting import Guarantee, epsilon
from genwright.privacy.events import DiscreteGaussian, Gaussian, Laplace, Pure, SampledGaussian, ZeroConcentrated
from genwright.privacy.ledger import Entry, PrivacyLedger
from genwright.privacy.mechanisms import counts_entry, discover, noisy_counts

TARGET = Guarantee(2.0, 1e-6)


def training(noise: float, steps: int = 100) -> Entry:
    return Entry("training", "clipped gradients", SampledGaussian(noise, 0.02, steps), sensitivity=1.0)


@functools.cache
def the_plan() -> str:
    ledger = PrivacyLedger(TARGET)
    ledger.plan(counts_entry("row count", ledger.rho(0.05)), counts_entry("ages", ledger.rho(0.05), releases=3))
    ledger.plan_rest(training)
    return json.dumps(ledger.to_json())


def planned(path=None) -> PrivacyLedger:
    """A ledger with a whole plan, of which nothing is spent, in a file if one is named."""
    if path is not None:
        path.write_text(the_plan())
    return PrivacyLedger.from_json(json.loads(the_plan()), path=path)


def test_the_rest_of_the_plan_uses_the_guarantee_up_and_no_more():
    ledger = planned()
    assert TARGET.epsilon * 0.99 < ledger.epsilon_planned() <= TARGET.epsilon
    assert ledger.epsilon_spent() == 0
    with pytest.raises(GenwrightError, match="GW-0603"):
        ledger.plan(Entry("more", "noise", Gaussian(5.0), 1.0))
    assert [entry.purpose for entry in ledger.entries] == ["row count", "ages", "training"]


def test_nothing_is_spent_past_the_plan(tmp_path):
    ledger = planned(tmp_path / "ledger.json")
    ledger.spend("ages", 3)
    before = (tmp_path / "ledger.json").read_text()
    for purpose, count in (("ages", 1), ("training", 101), ("training", 0), ("salaries", 1)):
        with pytest.raises(GenwrightError, match="GW-0604"):
            ledger.spend(purpose, count)
    assert (tmp_path / "ledger.json").read_text() == before
    with pytest.raises(GenwrightError, match="GW-0604"):
        ledger.plan(counts_entry("ages", 1e-6))


def test_spent_epsilon_grows_to_the_planned_and_is_that_of_the_paid_events():
    ledger, seen = planned(), []
    ledger.spend("row count")
    for _ in range(4):
        ledger.spend("training", 25)
        seen.append(ledger.epsilon_spent())
    assert seen == sorted(seen)
    ledger.spend("ages", 3)
    assert seen[-1] < ledger.epsilon_spent() == ledger.epsilon_planned() <= TARGET.epsilon


def test_a_crash_inside_a_mechanism_is_reported_as_a_release(tmp_path):
    path = tmp_path / "ledger.json"
    ledger = planned(path)

    def broken(n):
        assert PrivacyLedger.open(path).entry("row count").spent == 1, "paid only after the noise was drawn"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        noisy_counts(np.array([5]), ledger, "row count", source=broken)
    again = PrivacyLedger.open(path)
    assert again.remaining("row count") == 0
    with pytest.raises(GenwrightError, match="GW-0604"):
        noisy_counts(np.array([5]), again, "row count")


def test_a_payment_that_cannot_be_written_releases_nothing(tmp_path, monkeypatch):
    ledger = planned(tmp_path / "ledger.json")

    def full(*_):
        raise GenwrightError("GW-0301", "The disk is full", "Free some space.")

    monkeypatch.setattr("genwright.privacy.ledger.write_json", full)
    with pytest.raises(GenwrightError, match="GW-0301"):
        noisy_counts(np.array([5]), ledger, "row count", source=lambda n: pytest.fail("noise was drawn"))


def test_steps_are_paid_in_blocks_and_a_resumed_run_pays_again(tmp_path):
    path = tmp_path / "ledger.json"
    ledger = planned(path)
    for _ in range(15):
        ledger.spend("training", block=10)
    assert PrivacyLedger.open(path).entry("training").spent == 20
    again = PrivacyLedger.open(path)  # killed at step 15, back at a checkpoint of step 12
    taken = 0
    while again.remaining("training"):
        again.spend("training", block=10)
        taken += 1
    assert taken == 80
    assert again.entry("training").spent == 100
    assert again.epsilon_spent() <= TARGET.epsilon


def test_a_new_ledger_never_takes_the_place_of_an_old_one(tmp_path):
    planned(tmp_path / "ledger.json")
    with pytest.raises(GenwrightError, match="GW-0605"):
        PrivacyLedger(TARGET, path=tmp_path / "ledger.json")


def test_what_is_not_used_is_not_spent(tmp_path):
    ledger = planned(tmp_path / "ledger.json")
    for _ in range(12):
        ledger.spend("training", block=50)
    ledger.settle()
    assert PrivacyLedger.open(ledger.path).entry("training").spent == 12
    assert ledger.remaining("training") == 88


def test_thresholds_take_their_part_of_delta():
    ledger = PrivacyLedger(TARGET)
    ledger.plan(counts_entry("jobs", ledger.rho(0.1), delta=4e-7))
    ledger.plan_rest(training)
    events = [entry.event for entry in ledger.entries]
    assert ledger.epsilon_planned() == epsilon(events, 6e-7) > epsilon(events, 1e-6)
    discover(["a"] * 99, ledger, "jobs", source=seeded())
    assert ledger.epsilon_spent() == epsilon(events[:1], 6e-7)
    with pytest.raises(GenwrightError, match="GW-0603"):
        ledger.plan(counts_entry("towns", 1e-9, delta=6e-7))


def test_a_ledger_survives_its_file(tmp_path):
    ledger = planned(tmp_path / "ledger.json")
    ledger.spend("ages", 2)
    again = PrivacyLedger.open(tmp_path / "ledger.json")
    assert again.to_json() == ledger.to_json() == json.loads((tmp_path / "ledger.json").read_text())
    assert (again.guarantee, again.unit, again.entries) == (ledger.guarantee, ledger.unit, ledger.entries)
    row = again.table()[1]
    assert (row["purpose"], row["planned"], row["spent"], row["sensitivity"]) == ("ages", 3, 2, 1)
    assert 0 < row["epsilon alone"] < 2
    assert again.table()[0]["epsilon alone"] == 0


READ = {
    r"sigma (\S+) x sensitivity": lambda noise, row: (
        SampledGaussian(noise, row["rate"], row["planned"]) if row["rate"] else Gaussian(noise, row["planned"])
    ),
    r"sigma (\S+)": lambda noise, row: DiscreteGaussian(noise, int(row["sensitivity"]), row["planned"]),
    r"scale (\S+) x sensitivity": lambda scale, row: Laplace(scale, row["planned"]),
    r"epsilon (\S+)": lambda loss, row: Pure(loss, row["planned"]),
    r"rho \S+ \(epsilon (\S+)\)": lambda loss, row: ZeroConcentrated(loss**2 / 8, row["planned"]),
}


def test_an_auditor_can_compute_epsilon_from_the_table_alone():
    """Each mechanism's noise stands there in its own terms; with the parts of delta, nothing else is needed."""
    ledger = PrivacyLedger(Guarantee(20.0, 1e-5))
    events = (Gaussian(4.0, 2), SampledGaussian(1.1, 0.03, 50), DiscreteGaussian(9.0, 2, 3), Laplace(2.5, 2), Pure(0.3),
              ZeroConcentrated(0.01, 5))  # fmt: skip
    for number, event in enumerate(events):
        size = event.sensitivity if isinstance(event, DiscreteGaussian) else 3.0
        ledger.plan(Entry(f"release {number}", "some noise", event, size, delta=1e-6 * (number == 2)))
    rows, read = ledger.table(), []
    for row in rows:
        found = [(re.fullmatch(pattern, row["noise"]), made) for pattern, made in READ.items()]
        match, made = next((match, made) for match, made in found if match)
        read.append(made(float(match[1]), row))
    assert list(map(type, read)) == list(map(type, events))
    left = 1e-5 - sum(row["delta"] for row in rows)
    assert epsilon(read, left) == pytest.approx(ledger.epsilon_planned(), rel=1e-3)


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 2},
        {"adjacency": "replace"},
        {"epsilon": -1},
        {"contributions": 0},
        {"entries": [{"purpose": "x"}]},
        {"entries": [{"purpose": "x", "mechanism": "y", "event": {"kind": "magic"}, "sensitivity": 1}]},
        {"entries": [{**vars(training(1.0)), "event": {"kind": "gaussian", "noise_multiplier": 1.0}, "spent": 2}]},
    ],
)
def test_a_damaged_or_later_ledger_is_refused(damage):
    with pytest.raises(GenwrightError, match="GW-0606"):
        PrivacyLedger.from_json({**planned().to_json(), **damage})
    with pytest.raises(GenwrightError, match="GW-0606"):
        PrivacyLedger.from_json([])


def test_units_bound_their_rows():
    assert PrivacyLedger(TARGET, unit="patient_id", contributions=4).contributions == 4
    for unit, rows in (("row", 2), ("patient_id", 0)):
        with pytest.raises(GenwrightError, match="GW-0602"):
            PrivacyLedger(TARGET, unit=unit, contributions=rows)
    several = counts_entry("ages", 0.01, sensitivity=4)
    assert isinstance(several.event, DiscreteGaussian)
    assert several.event.noise == pytest.approx(4 * counts_entry("ages", 0.01).event.noise)
