"""Three-way margins, agreement of importances, subgroups: closed forms, brute force, scipy, and faults that must be found."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from genwright.metrics import importance, marginals, pairs, triples
from genwright.metrics.effort import EFFORTS
from genwright.metrics.subgroups import subgroup_metrics
from genwright.metrics.table import score
from genwright.metrics.values import Scene
from genwright.metrics.view import View, view_tables
from genwright.report import build_report
from genwright.report.verdict import grade
from genwright.report.words import say

NAN = float("nan")


def view(**columns: Any) -> View:
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    numbers = {name: values.astype(float) for name, values in arrays.items() if values.dtype.kind == "f"}
    codes = {name: values.astype(np.int32) for name, values in arrays.items() if values.dtype.kind == "i"}
    return View(len(next(iter(arrays.values()))), numbers, codes)


def test_three_columns_show_what_no_pair_shows() -> None:
    """c is a XOR b in training and independent in the other table: all pairs are exact, half of the rows are wrong."""
    a, b, free = (np.array(column) for column in zip(*itertools.product([0, 1], repeat=3), strict=True))
    real, other = view(a=a, b=b, c=a ^ b), view(a=a, b=b, c=free)
    generator = np.random.default_rng(0)
    assert pairs.trends(real, None, other, ["a", "b", "c"], 9, generator).synthetic == [0.0, 0.0, 0.0]
    assert triples.triple_errors(real, [other, real], [("a", "b", "c")]) == [[0.5], [0.0]]


@pytest.mark.parametrize("labels", [5, 1500])
def test_three_way_equals_counting_one_by_one(labels: int) -> None:
    """Bins of the training range, gaps as cells of their own; dense tables of counts as well as sparse ones."""
    generator = np.random.default_rng(0)

    def draw(rows: int, low: float) -> View:
        x = np.where(generator.random(rows) < 0.1, NAN, generator.uniform(low, 1, rows))
        return view(x=x, y=np.ones(rows), a=generator.integers(-1, labels, rows), b=generator.integers(-1, 3, rows))

    def cell(value: float) -> int:
        return -1 if np.isnan(value) else int(np.searchsorted(edges, value, side="right"))

    train, other = draw(300, 0.0), draw(200, -1.0)
    names = ["x", "y", "a", "b"]
    edges = pairs.bin_edges(train.numbers["x"])
    chosen = triples.choose_triples(names, 99, generator)
    assert chosen == list(itertools.combinations(names, 3))
    for triple, error in zip(chosen, triples.triple_errors(train, [other], chosen)[0], strict=True):
        shares = []
        for part in (train, other):
            cells = {"x": [cell(v) for v in part.numbers["x"]], "y": [0] * part.rows, **part.codes}
            count = Counter(zip(*(map(int, cells[name]) for name in triple), strict=True))
            shares.append({key: number / part.rows for key, number in count.items()})
        every = shares[0].keys() | shares[1].keys()
        assert error == pytest.approx(sum(abs(shares[0].get(key, 0) - shares[1].get(key, 0)) for key in every) / 2)


def test_sampled_triples_are_triples_of_the_table() -> None:
    chosen = triples.choose_triples(list("abcdef"), 15, np.random.default_rng(0))
    assert len(set(chosen)) == 15
    assert set(chosen) <= set(itertools.combinations("abcdef", 3))


def test_agreement_is_spearmans() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        real, other = generator.integers(0, 5, (2, 9)) / 4  # with many ties
        assert importance.agreement(real, other) == pytest.approx(spearmanr(real, other).statistic)
    flat, steep = np.zeros(4), np.arange(4.0)
    assert importance.agreement(flat, steep) is None, "nothing to agree on"
    assert importance.agreement(steep, flat) == 0.0, "says nothing of what matters"
    assert importance.agreement(steep[:2], steep[:2]) is None, "two ranks are a coin"


def people(rows: int, seed: int, *, weights: tuple[float, float, float] = (3, 1, 0)) -> pl.DataFrame:
    """Pay depends on three numbers by weights, and on the town, one of whose labels is rare."""
    draw = np.random.default_rng(seed)
    town = draw.choice(["Aix", "Bonn", "Cork", "Dijon"], rows, p=[0.6, 0.3, 0.09, 0.01])
    x = draw.normal(size=(rows, 3))
    pay = x @ np.array(weights) + (town == "Bonn") + 0.5 * draw.normal(size=rows)
    return pl.DataFrame({"town": town, "p": x[:, 0], "q": x[:, 1], "r": x[:, 2], "pay": pay})


KINDS = {"town": "category", **dict.fromkeys("pqr", "decimal"), "pay": "decimal"}


def scene(train: pl.DataFrame, holdout: pl.DataFrame, made: pl.DataFrame) -> Scene:
    return Scene(view_tables(train, holdout, made, KINDS), EFFORTS["quick"], 0)


def test_models_that_rely_on_other_columns_are_found() -> None:
    train, holdout = people(2000, 1), people(2000, 2)
    fresh = importance.importance_metric(scene(train, holdout, people(2000, 3)), "pay")
    swapped = importance.importance_metric(scene(train, holdout, people(2000, 3, weights=(0, 1, 3))), "pay")
    assert min(fresh["value"], fresh["floor"]) > 0.75
    assert grade("importance_agreement", fresh) == "good"
    assert swapped["value"] < 0.3
    assert swapped["floor"] == fresh["floor"]
    assert grade("importance_agreement", swapped) == "poor"
    silent = importance.importance_metric(scene(train, holdout, train.with_columns(pay=0.0)), "pay")
    assert silent["value"] == 0.0
    copied = importance.importance_metric(scene(train, holdout, train), "pay")
    assert copied["value"] == copied["copycat"] == 1.0


def test_subgroups_equal_the_shape_error_of_their_rows() -> None:
    draw = {"train": (900, 1), "holdout": (1500, 2), "synthetic": (1000, 3)}
    frames = {name: people(*given).with_columns(pl.col("p", "q", "r", "pay").round(1)) for name, given in draw.items()}
    worst = subgroup_metrics(scene(*frames.values()), None)[1]["worst"]
    found = {group["label"]: group for group in worst}
    assert set(found) == {"Aix", "Bonn"}, "100 rows of training table and hold-out are needed"
    for label, group in found.items():
        rows = {name: frame.filter(pl.col("town") == label).drop("town") for name, frame in frames.items()}
        views = {name: View(len(part), {c: part[c].to_numpy() for c in part.columns}) for name, part in rows.items()}
        assert group["rows"] == {name: len(part) for name, part in rows.items()}
        for end, table in (("value", "synthetic"), ("floor", "holdout")):
            errors = marginals.shape_errors(views["train"], views[table], ["p", "q", "r", "pay"])
            assert group[end] == pytest.approx(100 * np.mean(list(errors.values())), abs=0.2)


def test_who_is_served_worse_is_named_and_nobody_rare() -> None:
    train, holdout, made = (people(3000, seed) for seed in (1, 2, 3))
    broken = made.with_columns(p=pl.when(pl.col("town") == "Cork").then(pl.col("p") + 2).otherwise(pl.col("p")))
    scores = score(train, holdout, broken, KINDS, target="pay", effort="quick")
    worst, metric = scores["subgroups"]["worst"][0], scores["metrics"]["worst_subgroup"]
    assert (worst["column"], worst["label"]) == ("town", "Cork")
    assert worst["utility"]["value"] < worst["utility"]["floor"]
    assert metric["value"] > 3 * metric["floor"]
    assert grade("worst_subgroup", metric) == "poor"
    assert "Dijon" not in json.dumps(scores["subgroups"]) + json.dumps(scores["metrics"])
    page = build_report(scores, {})
    assert "town = Cork" in page
    assert say("importance_intro").en in page


def test_a_subgroup_that_is_lost_is_served_worst() -> None:
    train, holdout, made = (people(3000, seed) for seed in (1, 2, 3))
    lost = subgroup_metrics(scene(train, holdout, made.filter(pl.col("town") != "Cork")), None)[1]["worst"][0]
    assert (lost["label"], lost["value"], lost["rows"]["synthetic"]) == ("Cork", 100.0, 0)
    fresh = subgroup_metrics(scene(train, holdout, made), None)[0]["worst_subgroup"]
    assert grade("worst_subgroup", fresh) == "good"
