"""Table metrics: closed forms, numbers of SDMetrics (see derive_sdmetrics.py), brute-force neighbours, laws."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from derive_sdmetrics import KINDS, tables
from scipy.stats import norm

from genwright.metrics import auc, closest, judges, marginals, nearest, pairs, utility
from genwright.metrics.copies import copied_share, row_hashes
from genwright.metrics.threads import in_threads
from genwright.metrics.view import View, view_tables

GOLDEN_SHAPE = {
    "age": 0.015166666666666662, "income": 0.09166666666666667, "job": 0.011666666666666603,
    "city": 0.14200000000000002, "member": 0.006333333333333302,
}  # fmt: skip
GOLDEN_TREND = {
    "age/income": 0.07864742468561103, "age/job": 0.044333333333333336, "age/city": 0.1835,
    "age/member": 0.04833333333333334, "income/job": 0.12816666666666665, "income/city": 0.1731666666666667,
    "income/member": 0.08266666666666667, "job/city": 0.16049999999999998, "job/member": 0.019000000000000017,
    "city/member": 0.16383333333333328,
}  # fmt: skip
GOLDEN_LOGISTIC = 0.7958510881247789


def numbers(**columns: list[float]) -> View:
    return View(len(next(iter(columns.values()))), {name: np.array(v, dtype=float) for name, v in columns.items()})


def codes(**columns: list[int]) -> View:
    return View(
        len(next(iter(columns.values()))), {}, {name: np.array(v, dtype=np.int32) for name, v in columns.items()}
    )


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """One call as the report makes it: in a thread of its own, on one core (see metrics/threads.py)."""
    return in_threads(lambda _: function(*arguments), [0])[0]


@pytest.fixture(scope="module")
def golden() -> tuple[View, View]:
    real, made = tables()
    seen = view_tables(real, None, made, KINDS)
    return seen.train, seen.synthetic


def test_shape_equals_sdmetrics(golden: tuple[View, View]) -> None:
    assert marginals.shape_errors(*golden, list(KINDS)) == pytest.approx(GOLDEN_SHAPE, abs=1e-12)


def test_trend_equals_sdmetrics(golden: tuple[View, View]) -> None:
    found = pairs.trends(golden[0], None, golden[1], list(KINDS), 100, np.random.default_rng(0))
    assert found.total == len(found.pairs) == 10
    assert dict(zip(map("/".join, found.pairs), found.synthetic, strict=True)) == pytest.approx(GOLDEN_TREND, abs=1e-9)


def test_logistic_judge_agrees_with_sdmetrics(golden: tuple[View, View]) -> None:
    area = alone(judges.logistic_auc, golden[0].take(np.arange(2000)), golden[1], list(KINDS), 0)
    assert area is not None
    value, (low, high) = judges.c2st(area)
    assert value == pytest.approx(GOLDEN_LOGISTIC, abs=0.02)  # their folds are random: standard deviation .008
    assert low < value < high


def test_shape_closed_forms() -> None:
    nan = float("nan")
    real = numbers(x=[1, 2, 3, 4])
    assert marginals.shape_errors(real, numbers(x=[3, 4, 5, 6]), ["x"]) == {"x": 0.5}
    assert marginals.shape_errors(real, numbers(x=[1, 2, 3, nan]), ["x"]) == {"x": 0.25}
    assert marginals.shape_errors(numbers(x=[nan, nan]), numbers(x=[nan]), ["x"]) == {"x": 0.0}
    assert marginals.shape_errors(numbers(x=[nan, nan]), numbers(x=[1.0]), ["x"]) == {"x": 1.0}
    assert marginals.shape_errors(codes(c=[0, 0, 1, 1]), codes(c=[0, 0, 0, 2]), ["c"]) == {"c": 0.5}
    assert marginals.shape_errors(codes(c=[0, 0, -1, -1]), codes(c=[0, 0, 0, -1]), ["c"]) == {"c": 0.25}


def test_missing_and_spike_rates() -> None:
    nan = float("nan")
    real, made = numbers(x=[0.0] * 60 + list(range(1, 41))), numbers(x=[0.0] * 40 + [nan] * 20 + list(range(1, 41)))
    assert marginals.missing_errors(real, made, ["x"]) == pytest.approx({"x": 0.2})
    assert marginals.spike_errors(real, made, ["x"])["x"] == pytest.approx(0.6 - 40 / 80)
    heap = numbers(x=[99.0] * 30 + [0.5 * i for i in range(170)])
    smooth = numbers(x=[0.5 * i for i in range(200)])
    assert marginals.spike_errors(smooth, heap, ["x"])["x"] == pytest.approx(0.15 - 1 / 200)
    assert marginals.spike_errors(smooth, smooth, ["x"]) == {}


def test_trend_closed_forms() -> None:
    up, down = numbers(x=[1, 2, 3], y=[1, 2, 3]), numbers(x=[1, 2, 3], y=[3, 2, 1])
    generator = np.random.default_rng(0)
    assert pairs.trends(up, up, down, ["x", "y"], 9, generator).synthetic == pytest.approx([1.0])
    assert pairs.trends(up, up, down, ["x", "y"], 9, generator).holdout == pytest.approx([0.0])
    constant = numbers(x=[1e9, 1e9, 1e9], y=[1, 2, 3])
    assert pairs.trends(up, None, constant, ["x", "y"], 9, generator).synthetic == pytest.approx([0.5])
    gaps = numbers(x=[1, 2, 3, float("nan")], y=[1, 2, 3, 4])
    assert pairs.trends(gaps, None, up, ["x", "y"], 9, generator).synthetic == pytest.approx([0.25])


def test_sampled_pairs_are_pairs_of_the_table() -> None:
    chosen = pairs.choose_pairs(list("abcdef"), 4, np.random.default_rng(0))
    assert len(set(chosen)) == 4
    assert set(chosen) <= set(itertools.combinations("abcdef", 2))


def test_sparse_joint_tables_give_the_same_distance() -> None:
    generator = np.random.default_rng(0)
    both = [(generator.integers(0, 1500, 400), generator.integers(0, 1500, 400)) for _ in range(2)]
    sparse = pairs.joint_tables([(a.astype(np.int64), b.astype(np.int64)) for a, b in both])
    dense = [np.bincount(a * 1500 + b, minlength=1500 * 1500) for a, b in both]
    assert sparse[0].shape[1] == 1
    assert marginals.total_variation(sparse[0].ravel(), sparse[1].ravel()) == pytest.approx(
        marginals.total_variation(*dense)
    )


def test_cramers_v() -> None:
    assert pairs.cramers_v(np.diag([50, 50])) == pytest.approx(1.0, abs=0.01)
    assert pairs.cramers_v(np.full((3, 3), 20)) == 0.0
    assert pairs.cramers_v(np.array([[7]])) == 0.0


def test_auc_and_its_interval() -> None:
    positive = np.array([True, True, False, False])
    assert auc.auc(positive, np.array([0.9, 0.4, 0.5, 0.1])).value == 0.75
    assert auc.auc(positive, np.array([0.5, 0.5, 0.5, 0.5])).value == 0.5
    generator = np.random.default_rng(0)
    # Two normals one standard deviation apart: AUC = Phi(1 / sqrt 2). 95 % of intervals must hold it.
    truth, hits = norm.cdf(1 / np.sqrt(2)), 0
    for _ in range(200):
        labels = generator.random(300) < 0.4
        estimate = auc.auc(labels, generator.normal(size=300) + labels)
        low, high = estimate.interval()
        hits += low < truth < high
    assert 180 <= hits <= 199


def test_macro_auc_leaves_out_absent_classes() -> None:
    labels = np.array([0, 0, 1, 1])
    scores = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.3, 0.7, 0.0], [0.1, 0.9, 0.0]])
    assert auc.macro_auc(labels, scores).value == 1.0
    with pytest.raises(ValueError, match="two classes"):
        auc.macro_auc(np.zeros(4, dtype=int), scores)


def test_r_squared_interval_shrinks_with_rows() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=40_000)
    y = x + generator.normal(size=40_000)
    few, many = auc.r_squared(y[:400], x[:400]), auc.r_squared(y, x)
    assert many.value == pytest.approx(0.5, abs=0.02)
    assert few.error / many.error == pytest.approx(10, rel=0.25)


def test_neighbours_equal_brute_force() -> None:
    generator = np.random.default_rng(0)
    rows = 5000
    x = np.round(generator.gamma(1, 1, rows), 2)
    x[generator.random(rows) < 0.1] = np.nan
    view = View(
        rows,
        {"x": x, "y": generator.integers(0, 30, rows).astype(float), "z": np.zeros(rows)},
        {"a": generator.integers(-1, 4, rows, dtype=np.int32), "b": (generator.pareto(1, rows) * 3).astype(np.int32)},
    )
    reference, asked = view.take(np.arange(4000)), view.take(np.arange(4000, rows))
    coded = [nearest.encode(part, reference, ["x", "y", "z", "a", "b"], ["x"]) for part in (reference, asked)]
    fast, slow = nearest.Index(coded[0]).neighbours(coded[1]), nearest._compare(coded[1], coded[0])
    np.testing.assert_array_equal(fast.first, slow.first)
    np.testing.assert_array_equal(fast.second, slow.second)
    np.testing.assert_array_equal(fast.ties, slow.ties)
    # The distance itself, straight from its definition.
    span = np.nanmax(reference.numbers["x"]) - np.nanmin(reference.numbers["x"])
    a, b = reference.numbers["x"], asked.numbers["x"][:1]
    gap = np.where(
        np.isnan(a) & np.isnan(b), 0, np.where(np.isnan(a) | np.isnan(b), 1, np.minimum(1, np.abs(a - b) / span))
    )
    wide = np.ptp(reference.numbers["y"])
    gap = gap + np.abs(reference.numbers["y"] - asked.numbers["y"][0]) / wide
    gap = gap + sum(reference.codes[name] != asked.codes[name][0] for name in "ab")
    assert slow.first[0] == pytest.approx(gap.min(), abs=1e-6)


def points(values: np.ndarray) -> nearest.Encoded:
    view = numbers(x=list(values))
    return nearest.encode(view, numbers(x=[0.0, 1.0]), ["x"], [])


@pytest.mark.parametrize(("train_rows", "holdout_rows"), [(2000, 2000), (4000, 500)])
@pytest.mark.parametrize("digits", [12, 2])
def test_share_nearer_to_train_is_half_for_fresh_rows_and_one_for_copies(
    train_rows: int, holdout_rows: int, digits: int
) -> None:
    """Whatever the sizes, and with ties (two digits: many equal rows) as without."""
    generator = np.random.default_rng(0)

    def draw(rows: int) -> np.ndarray:
        return np.round(generator.random(rows), digits)

    train, holdout = draw(train_rows), draw(holdout_rows)
    references = closest.References(points(train), points(holdout), generator)
    fresh = references.closeness(points(draw(8000)))
    assert fresh.nearer_to_train == pytest.approx(0.5, abs=0.035)
    if digits > 2:
        copies = references.closeness(points(train[:1000]))
        assert copies.nearer_to_train > 0.99
        assert copies.distance == 0
        assert copies.ratio == 0
        floor = closest.holdout_floor(points(train), points(holdout), 10_000, generator)
        assert floor is not None
        assert floor.nearer_to_train == pytest.approx(0.5, abs=0.05)


def test_balanced_share_and_wilson() -> None:
    assert closest.balanced(0.9, 9) == pytest.approx(0.5)
    assert closest.balanced(0.6, 1) == pytest.approx(0.6)
    assert closest.balanced(1.0, 9) == 1.0
    low, high = closest.wilson(0.5, 100)
    assert (low, high) == (pytest.approx(0.4038, abs=1e-3), pytest.approx(0.5962, abs=1e-3))
    assert closest.wilson(1.0, 10)[1] == pytest.approx(1.0)


def test_exact_copies_see_whole_rows_texts_and_gaps() -> None:
    kinds = {"x": "decimal", "c": "category", "t": "text", "id": "identifier"}
    train = pl.DataFrame({"x": [1.0, None, 3.0], "c": ["a", "b", None], "t": ["p", "q", "r"], "id": ["1", "2", "3"]})
    made = pl.DataFrame(
        {"x": [1, None, 3, 3], "c": ["a", "b", None, "a"], "t": ["p", "q", "x", "r"], "id": list("9876")}
    )
    seen = view_tables(train, None, made, kinds)
    assert copied_share(row_hashes(seen, "synthetic"), row_hashes(seen, "train")) == 0.5


def test_judges_find_what_is_there() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=600)
    real = View(600, {"x": x, "y": x + 0.1 * generator.normal(size=600)})
    broken = View(600, {"x": x, "y": generator.permutation(real.numbers["y"])})
    found = alone(judges.boosting_auc, real, broken, ["x", "y"], 0)
    assert found is not None
    assert found.value > 0.9
    assert alone(judges.boosting_auc, real.take(np.arange(50)), broken, ["x", "y"], 0) is None
    copied = alone(judges.boosting_auc, real, real, ["x", "y"], 0)
    assert copied is not None
    assert copied.value < 0.45  # twins on both sides mislead a judge


def test_utility_tasks() -> None:
    generator = np.random.default_rng(0)
    rows = 400
    x = generator.normal(size=rows)
    view = View(
        rows,
        {"x": x, "y": 2 * x, "flag": (x > 0).astype(float)},
        {"c": np.digitize(x, [-1, 1]).astype(np.int32), "same": np.zeros(rows, dtype=np.int32)},
    )
    names = ["x", "y", "flag", "c", "same"]
    for target, unit in (("y", "R2"), ("flag", "AUC"), ("c", "AUC")):
        task = utility.task_for(view, target)
        result = alone(utility.predict, task, view, view, names, 0, utility.FAST)
        assert task.unit == unit
        assert result is not None
        assert result.estimate().value > 0.95
    assert alone(utility.predict, utility.task_for(view, "same"), view, view, names, 0, utility.FAST) is None
    # Rows in which the target never varies teach nothing: that is guessing, not success.
    frozen = View(rows, view.numbers, {**view.codes, "c": np.zeros(rows, dtype=np.int32)})
    guess = alone(utility.predict, utility.task_for(view, "c"), frozen, view, names, 0, utility.FAST)
    assert guess is not None
    assert guess.estimate().value == 0.5
