"""Private answers: near the truth where there are many units, silent about single ones, and drawn as they are paid."""

import numpy as np
import pytest
from seeded import seeded

from genwright.errors import GenwrightError
from genwright.privacy.accounting import Guarantee
from genwright.privacy.events import DiscreteGaussian, Gaussian, Pure, ZeroConcentrated
from genwright.privacy.ledger import Entry, PrivacyLedger
from genwright.privacy.mechanisms import (
    LEVELS,
    counts_entry,
    discover,
    missing_rate,
    noisy_counts,
    noisy_vector,
    private_bounds,
    private_count,
    private_quantiles,
    select,
    threshold,
)


def ledger_of(*entries: Entry) -> PrivacyLedger:
    ledger = PrivacyLedger(Guarantee(1e4, 0.5))
    ledger.plan(*entries)
    return ledger


def of(event, sensitivity: float = 1, delta: float = 0.0) -> Entry:
    return Entry("it", "noise", event, sensitivity, delta)


@pytest.mark.parametrize("event", [DiscreteGaussian(6.0), Pure(0.25)], ids=["gaussian", "laplace"])
def test_counts_get_the_noise_that_was_paid_for(event):
    exact = np.full((200, 100), 1000)
    error = noisy_counts(exact, ledger_of(of(event)), "it", source=seeded()) - exact
    wanted = 6.0 if isinstance(event, DiscreteGaussian) else np.sqrt(2) / 0.25
    assert error.std() == pytest.approx(wanted, rel=0.03)
    assert abs(error.mean()) < 4 * wanted / np.sqrt(error.size)


def test_row_count_and_missing_rate():
    assert abs(private_count(1000, ledger_of(of(DiscreteGaussian(5.0))), "it", source=seeded()) - 1000) < 25
    assert private_count(0, ledger_of(of(DiscreteGaussian(5.0))), "it", source=seeded(1)) >= 0
    missing = np.arange(4000) % 4 == 0
    assert missing_rate(missing, ledger_of(of(DiscreteGaussian(5.0))), "it", source=seeded()) == pytest.approx(
        0.25, abs=0.01
    )
    assert 0 <= missing_rate(missing[:0], ledger_of(of(DiscreteGaussian(5.0))), "it", source=seeded()) <= 1


def test_vectors_get_noise_on_a_grid():
    vector = np.linspace(-1, 1, 20_000)
    noisy = noisy_vector(vector, ledger_of(of(Gaussian(2.0), sensitivity=3.0)), "it", source=seeded())
    assert (noisy - vector).std() == pytest.approx(6.0, rel=0.03)
    assert np.array_equal(noisy, np.rint(noisy * 2**18) / 2**18)


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [(np.linspace(17, 90, 5000), 16, 128), (np.linspace(-70, -5, 5000), -128, -4),
     (np.r_[np.full(99, -3.0), np.linspace(9, 900, 5000)], -4, 1024),
     (np.r_[np.zeros(3000), np.full(3000, 1e-3)], 0, 2**-9), (np.r_[np.full(4000, 5.0), 1e9, np.nan, np.inf], 4, 8)],
)  # fmt: skip
def test_bounds_hold_nearly_all_values_and_tell_of_no_single_one(values, low, high):
    found = private_bounds(values, ledger_of(of(DiscreteGaussian(4.0))), "it", source=seeded())
    assert found[0] == pytest.approx(low)
    assert found[1] == pytest.approx(high)


def test_too_few_values_for_bounds_are_an_error():
    with pytest.raises(GenwrightError, match="GW-0608"):
        private_bounds(np.ones(3), ledger_of(of(DiscreteGaussian(4.0))), "it", source=seeded())


def test_quantiles_are_near_the_true_ones_and_ordered():
    values = np.random.default_rng(0).gamma(2.0, 3.0, 20_000)
    shares = np.linspace(0, 1, 21)
    ledger = ledger_of(of(DiscreteGaussian(10.0, 1, LEVELS)))
    found = private_quantiles(values, (0.0, 64.0), shares, ledger, "it", source=seeded())
    assert (np.diff(found) >= 0).all()
    ranks = np.searchsorted(np.sort(values), found[1:-1]) / values.size
    assert np.abs(ranks - shares[1:-1]).max() < 0.01
    assert ledger.remaining("it") == 0


def test_quantiles_of_nothing_lie_evenly():
    ledger = ledger_of(of(DiscreteGaussian(1e4, 1, LEVELS)))
    found = private_quantiles(
        np.array([np.nan]), (0.0, 10.0), [0.0, 0.5, 1.0], ledger, "it", source=lambda n: seeded()(n)
    )
    assert (found >= 0).all()
    assert (found <= 10).all()
    with pytest.raises(GenwrightError, match="GW-0602"):
        private_quantiles(np.ones(3), (1.0, 1.0), [0.5], ledger, "it")


def test_common_values_are_discovered_with_noisy_counts():
    values = ["clerk"] * 500 + ["nurse"] * 300 + ["spy"]
    found = discover(values, ledger_of(counts_entry("it", 0.02, delta=1e-6)), "it", source=seeded())
    assert list(found) == ["clerk", "nurse"]
    assert abs(found["clerk"] - 500) < 30


@pytest.mark.parametrize(("rows", "delta"), [(1, 0.05), (3, 0.05)])
def test_values_of_one_unit_are_told_as_rarely_as_delta_says(rows, delta):
    trials, told = 2000, 0
    ledger = ledger_of(of(DiscreteGaussian(4.0, rows, trials), delta=delta))
    source = seeded()
    for _ in range(trials // 10):
        # The worst that one unit can do: as many new values as it has rows; ten such units at once, to save time.
        found = discover([f"{unit} {row}" for unit in range(10) for row in range(rows)], ledger, "it", source=source)
        told += len({value.split()[0] for value in found})
    limit = delta * trials + 4 * np.sqrt(delta * trials)
    assert told <= limit


@pytest.mark.parametrize("delta", [0.01, 1e-6, 1e-10])
def test_the_threshold_is_the_lowest_that_delta_allows(delta):
    x = np.arange(-400, 401)
    weight = np.exp(-0.5 * (x / 8.0) ** 2)

    def told(limit):
        return weight[x > limit - 2].sum() / weight.sum() * 2

    lowest = threshold(of(DiscreteGaussian(8.0, 2), delta=delta))
    assert told(lowest) <= delta < told(lowest - 1)


def test_selection_prefers_high_scores_by_the_exponential_law():
    ledger = ledger_of(of(ZeroConcentrated(1 / 8, 4000)))
    scores, source = np.array([0.0, 2.0, -np.inf]), seeded()
    chosen = np.array([select(scores, 1.0, ledger, "it", source=source) for _ in range(4000)])
    odds = np.e / (1 + np.e)  # epsilon 1, sensitivity 1: e^(epsilon score / 2)
    assert (chosen == 1).mean() == pytest.approx(odds, abs=4 * np.sqrt(odds * (1 - odds) / 4000))
    assert not (chosen == 2).any()


def test_a_plan_with_other_noise_is_refused_before_it_is_paid():
    ledger = ledger_of(of(Gaussian(50.0)))
    for refused in (
        lambda: noisy_counts(np.array([1]), ledger, "it"),
        lambda: private_bounds(np.ones(9), ledger, "it"),
        lambda: private_quantiles(np.ones(9), (0, 1), [0.5], ledger, "it"),
        lambda: discover(["a"], ledger, "it"),
        lambda: select(np.ones(2), 1.0, ledger, "it"),
        lambda: noisy_vector(np.ones(2), ledger_of(of(Pure(1.0))), "it"),
        lambda: noisy_counts(np.array([1.5]), ledger_of(of(Pure(1.0))), "it"),
    ):
        with pytest.raises(GenwrightError, match="GW-0609"):
            refused()
    assert ledger.remaining("it") == 1


def test_values_of_units_with_several_rows_need_noise_for_all_of_them():
    ledger = PrivacyLedger(Guarantee(1e4, 0.5), unit="patient", contributions=3)
    ledger.plan(of(DiscreteGaussian(50.0, 2, LEVELS), delta=0.1))
    for refused in (
        lambda: private_bounds(np.ones(9), ledger, "it"),
        lambda: private_quantiles(np.ones(9), (0, 1), [0.5], ledger, "it"),
        lambda: missing_rate(np.ones(9, dtype=bool), ledger, "it"),
        lambda: discover(["a"], ledger, "it"),
    ):
        with pytest.raises(GenwrightError, match=r"GW-0609.*3 are used"):
            refused()
    assert ledger.remaining("it") == LEVELS


def test_a_later_process_gets_the_answers_of_an_earlier_one_unpaid(tmp_path):
    """Of every kind, exactly, in their order; what was not answered yet is paid for."""
    values = np.random.default_rng(0).normal(40, 10, 2000)
    scores = np.array([0.0, 50.0, 3.0])
    asked = {
        "counts": (
            lambda book: noisy_counts(np.array([[5, 7], [9, 1]]), book, "counts"),
            DiscreteGaussian(3.0, count=2),
        ),
        "missing": (lambda book: missing_rate(values > 45, book, "missing"), DiscreteGaussian(3.0)),
        "vector": (lambda book: noisy_vector(values[:9].reshape(3, 3), book, "vector"), Gaussian(2.0)),
        "bounds": (lambda book: private_bounds(values, book, "bounds"), DiscreteGaussian(3.0)),
        "quantiles": (
            lambda book: private_quantiles(values, (0, 100), [0.1, 0.5], book, "quantiles"),
            DiscreteGaussian(3.0, count=LEVELS),
        ),
        "labels": (lambda book: discover(["a"] * 90 + ["b"] * 70, book, "labels"), DiscreteGaussian(3.0)),
        "choice": (lambda book: select(scores, 1.0, book, "choice"), ZeroConcentrated(0.1)),
    }
    book = PrivacyLedger(Guarantee(1e4, 0.5), path=tmp_path / "ledger.json")
    book.plan(
        *(Entry(name, "noise", event, 1, 1e-3 if name == "labels" else 0.0) for name, (_, event) in asked.items())
    )
    before = {name: ask(book) for name, (ask, _) in asked.items()}
    with (tmp_path / "answers.jsonl").open("a") as file:
        file.write('["counts", {"arr')  # killed as it wrote the next
    later = PrivacyLedger.open(tmp_path / "ledger.json")
    assert later.remaining("counts") == 2, "one is to be given again, one was never asked for"
    for name, (ask, _) in asked.items():
        again = ask(later)
        assert type(again) is type(before[name])
        assert np.array_equal(again, before[name]) if not isinstance(again, dict) else again == before[name]
    assert [entry.spent for entry in later.entries] == [entry.spent for entry in book.entries]
    asked["counts"][0](later)
    assert later.entry("counts").spent == 2
    assert PrivacyLedger.open(tmp_path / "ledger.json").answers.waiting("counts") == 2
    with pytest.raises(GenwrightError, match="GW-0604"):
        asked["counts"][0](later)
