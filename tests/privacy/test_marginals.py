"""Marginals: exact without a ledger; with one, planned together, paid before they are drawn, and not a release more."""

import functools
import json

import numpy as np
import pytest
from seeded import seeded

from genwright.errors import GenwrightError
from genwright.privacy.accounting import Guarantee
from genwright.privacy.ledger import PrivacyLedger
from genwright.privacy.marginals import CHOICES, ONES, PAIRS, Codes, Marginals, grouped, plan_marginals, shares
from genwright.privacy.mechanisms import deviation

SIZES, ORDERED = [4, 30, 2], [4, 0, 2]


def rows(n: int = 5000) -> np.ndarray:
    """A category, a number that rises with it, and a label that follows the category."""
    random = np.random.default_rng(0)
    colour = random.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])
    number = np.clip(random.normal(6 * colour + 4, 3, n), 0, 29).astype(np.int64)
    return np.stack([colour, number, (random.random(n) < 0.2 + 0.6 * (colour == 0)).astype(np.int64)], axis=1)


@functools.cache
def plan(epsilon: float) -> str:
    ledger = PrivacyLedger(Guarantee(epsilon, 1e-6))
    plan_marginals(ledger, 3, rounds=9, choices=9, ones_share=0.3, choices_share=0.1)
    return json.dumps(ledger.to_json())


def planned(epsilon: float = 2.0) -> PrivacyLedger:
    return PrivacyLedger.from_json(json.loads(plan(epsilon)))


def test_without_a_ledger_the_counts_are_exact():
    table = rows()
    marginals = Marginals(table, SIZES, ORDERED, None)
    assert marginals.rows == len(table)
    for at, column in enumerate(marginals.columns):
        assert np.array_equal(column.counts[column.group], np.bincount(table[:, at], minlength=SIZES[at]))
    counts, noise = marginals.pair(0, 1)
    assert noise == 0
    assert np.array_equal(counts, np.histogram2d(table[:, 0], table[:, 1], bins=[range(5), range(31)])[0])


def test_the_plan_uses_the_guarantee_up_and_no_more():
    ledger = planned()
    assert 0.99 * 2.0 < ledger.epsilon_planned() <= 2.0
    assert {entry.purpose: entry.event.count for entry in ledger.entries} == {ONES: 3, CHOICES: 9, PAIRS: 9}


def test_the_noise_is_what_the_ledger_says():
    errors, table = [], rows()
    for seed in range(20):
        marginals = Marginals(table, SIZES, ORDERED, planned(), source=seeded(seed))
        counts, noise = marginals.pair(0, len(marginals.views) - 1, 4)
        assert noise == pytest.approx(marginals.noise / 2)
        errors.append((counts - np.histogram2d(table[:, 0], table[:, 2], bins=[range(5), range(3)])[0]) / noise)
    assert np.std(errors) == pytest.approx(1, abs=0.15)
    assert abs(np.mean(errors)) < 0.3


def test_every_answer_is_paid_before_it_is_drawn():
    ledger, calls = planned(), []

    def watched(n: int) -> np.ndarray:
        calls.append({entry.purpose: entry.spent for entry in ledger.entries})
        return seeded()(n)

    marginals = Marginals(rows(), SIZES, ORDERED, ledger, source=watched)
    assert calls[0] == {ONES: 1, CHOICES: 0, PAIRS: 0}
    calls.clear()
    marginals.choose(np.zeros_like(marginals._exact), marginals.noise, marginals.pairs)
    assert calls[0] == {ONES: 3, CHOICES: 1, PAIRS: 0}
    calls.clear()
    marginals.pair(0, 1, 5)
    assert calls[0] == {ONES: 3, CHOICES: 1, PAIRS: 5}
    with pytest.raises(GenwrightError, match="GW-0604"):
        marginals.pair(0, 1, 5)
    assert marginals.left == 4


def test_without_a_plan_nothing_is_counted():
    with pytest.raises(GenwrightError, match="GW-0604"):
        Marginals(rows(), SIZES, ORDERED, PrivacyLedger(Guarantee(1, 1e-6)))


def test_the_worst_pair_is_chosen():
    table = rows(50_000)
    marginals = Marginals(table, SIZES, ORDERED, planned(8.0), source=seeded())
    right = marginals._exact.astype(float)
    wrong = right.copy()
    last = len(marginals.views) - 1
    wrong[marginals.block(0, last)] += 2000.0
    assert marginals.choose(wrong, marginals.noise, marginals.pairs) == (0, last)


def test_neighbours_join_until_they_can_be_counted():
    assert grouped(np.array([9.0, 1, 1, 1, 9, 1]), 0, 3).tolist() == [0, 1, 1, 1, 2, 3]
    assert grouped(np.array([1.0, 9, 2, 9]), 4, 3).tolist() == [0, 1, 0, 2]
    assert grouped(np.array([1.0, 9, 2, 2, 9]), 2, 3).tolist() == [0, 1, 2, 2, 3]


def test_groups_keep_what_stands_out_of_the_noise_and_no_more():
    known = Codes.of(np.array([900.0, 14, -6, 8, 2]), 10.0, 5)
    assert known.group.tolist() == [1, 0, 0, 0, 0]
    assert known.share[1:] == pytest.approx(0.25)  # such differences are noise
    assert known.counts.tolist() == [18, 900]
    assert known.noise == pytest.approx([20, 10])
    assert deviation(planned().entry(ONES)) > 0


def test_shares_are_the_nearest_distribution():
    assert shares(np.array([6.0, 3, 1])) == pytest.approx([0.6, 0.3, 0.1])
    assert shares(np.array([11.0, 1, -2])) == pytest.approx([1.0, 0.0, 0.0], abs=0.06)
    assert shares(np.array([[5.0, 5], [-1, -1]])).sum() == pytest.approx(1)


def test_a_column_alone_needs_no_pairs():
    ledger = PrivacyLedger(Guarantee(1, 1e-6))
    plan_marginals(ledger, 1, rounds=0, choices=0, ones_share=0.99, choices_share=0.0)
    marginals = Marginals(rows()[:, :1], SIZES[:1], ORDERED[:1], ledger, source=seeded())
    assert marginals.left == 0
    assert marginals.rows == pytest.approx(5000, abs=200)
