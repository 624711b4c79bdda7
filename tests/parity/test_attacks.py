"""Attacks on synthetic tables: copies are exposed, fresh rows leave every attack at chance, intervals keep their promise."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import beta, norm

from genwright.metrics.attacks import ATTACKS, attack_metrics, play
from genwright.metrics.effort import EFFORTS
from genwright.metrics.lookalikes import halves, lookalikes, right, tolerances
from genwright.metrics.membership import Game, among_rows, caught, membership
from genwright.metrics.nearest import Encoded
from genwright.metrics.risks import rate, risk
from genwright.metrics.singling_out import Condition, People, Reader, singling_out
from genwright.metrics.table import ORDER
from genwright.metrics.values import Scene
from genwright.metrics.view import view_tables
from genwright.report.attacks import attack_sentences, attack_warning, grade_attack
from genwright.report.words_metrics import METRICS

MISSING = np.float32(1e9)
KINDS = {"age": "integer", "pay": "decimal", "job": "category", "city": "category", "member": "boolean"}


def coded(rows: int, generator: np.random.Generator) -> Encoded:
    """Rows of two normals that go together, a skewed number with gaps, and two labels, one of them with a long tail."""
    x = generator.normal(size=(3, rows))
    x[1] += x[0]
    numbers = np.clip((np.stack([x[0], x[1], np.round(np.exp(x[2]), 1)]) + 6) / 16, 0, 1).astype(np.float32)
    numbers[2, generator.random(rows) < 0.1] = MISSING
    labels = np.stack([np.minimum(generator.pareto(1, rows) * 2, 40), generator.integers(-1, 3, rows)])
    return Encoded(numbers, labels.astype(np.int32), (False, False, True))


def people(rows: int, seed: int) -> pl.DataFrame:
    """Rows with gaps in a number and in a category."""
    draw = np.random.default_rng(seed)
    age = draw.integers(18, 90, rows)
    pay = np.round(20 * age + draw.gamma(2, 500, rows), 2)
    frame = pl.DataFrame(
        {
            "age": age,
            "pay": pay,
            "job": draw.choice(["cook", "clerk", "guard", "nurse", "pilot"], rows, p=[0.4, 0.3, 0.2, 0.07, 0.03]),
            "city": [f"c{i}" for i in np.minimum(draw.pareto(1, rows) * 2, 30).astype(int)],
            "member": draw.random(rows) < 0.3,
        }
    )
    gaps = draw.random((2, rows)) < 0.1
    return frame.with_columns(
        pay=pl.when(pl.Series(gaps[0])).then(None).otherwise(pl.col("pay")),
        job=pl.when(pl.Series(gaps[1])).then(None).otherwise(pl.col("job")),
    )


def noisy(frame: pl.DataFrame, share: float, other: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Each cell is replaced, with this chance, by the one of another table."""
    draw = np.random.default_rng(seed)
    swap = {name: pl.Series(draw.random(frame.height) < share) for name in frame.columns}
    return frame.select(pl.when(swap[n]).then(other[n]).otherwise(pl.col(n)).alias(n) for n in frame.columns)


def attacked(
    train: pl.DataFrame, holdout: pl.DataFrame | None, made: pl.DataFrame, kinds: dict[str, str] = KINDS, seed: int = 0
) -> dict[str, Any]:
    seen = view_tables(train, holdout, made, kinds)
    return attack_metrics(Scene(seen, EFFORTS["quick"], seed))


@pytest.fixture(scope="module")
def three() -> dict[str, dict[str, Any]]:
    """The copycat, rows of which 3 cells in 10 are new, and fresh rows."""
    train, holdout, fresh = people(500, 1), people(500, 2), people(500, 3)
    made = {"copy": train, "noisy": noisy(train, 0.3, fresh, 4), "fresh": fresh}
    return {name: attacked(train, holdout, table) for name, table in made.items()}


@pytest.mark.parametrize("name", ATTACKS)
def test_copies_are_exposed_and_noise_ranks_between(name: str, three: dict[str, dict[str, Any]]) -> None:
    copy, noise, fresh = (three[table][name]["value"] for table in ("copy", "noisy", "fresh"))
    assert copy > 0.93
    assert copy == pytest.approx(three["copy"][name]["copycat"], abs=0.03)
    assert fresh + 0.05 < noise < copy - 0.05
    chance = 0.5 if name == "membership" else 0.0
    low, high = three["fresh"][name]["interval"]
    assert low < chance < high
    for table in three.values():
        assert table[name]["floor"] == pytest.approx(chance, abs=0.08)
        assert table[name]["copycat"] > 0.93
    assert [grade_attack(name, three[table][name]) for table in ("copy", "fresh")] == ["poor", "good"]


def test_parts_tell_the_same_story(three: dict[str, dict[str, Any]]) -> None:
    parts = {table: found["membership"]["parts"] | found["singling_out"]["parts"] for table, found in three.items()}
    for name in ("caught", "distance", "caught_by_distance", "one_column"):
        assert parts["copy"][name]["value"] > 0.8
        low, high = parts["fresh"][name]["interval"]
        assert low <= {"distance": 0.5, "one_column": 0.0}.get(name, 0.01) <= high
        assert parts["fresh"][name]["floor"] < 0.6
    columns = {table: found["attribute_inference"]["columns"] for table, found in three.items()}
    assert set(columns["copy"]) == set(KINDS)
    assert all(column["value"] > 0.9 for column in columns["copy"].values())
    # Three rows in ten are members, so guessing "no" is right most of the time: naive is far from 0, the risk is not.
    assert columns["fresh"]["member"]["rates"]["naive"] > 0.5
    assert columns["fresh"]["member"]["interval"][0] < 0 < columns["fresh"]["member"]["interval"][1]


def test_attacks_that_can_not_work_are_called_useless() -> None:
    """Columns drawn independently of one another: from other columns nothing can be read."""
    draw = np.random.default_rng(0)
    tables = [pl.DataFrame(draw.random((300, 4)), schema=list("abcd")) for _ in range(3)]
    found = attacked(*tables, dict.fromkeys("abcd", "decimal"))
    assert {"code": "attack_useless"} in found["attribute_inference"]["notes"]
    copied = attacked(tables[0], tables[1], tables[0], dict.fromkeys("abcd", "decimal"))
    assert "notes" not in copied["attribute_inference"]


def test_shuffled_columns_give_away_single_values_only() -> None:
    train, holdout = people(500, 1), people(500, 2)
    made = train.select(pl.col(name).shuffle(seed=i) for i, name in enumerate(train.columns))
    found = attacked(train, holdout, made)
    assert found["singling_out"]["parts"]["one_column"]["value"] > 0.9
    assert found["linkability"]["value"] < 0.05
    assert found["membership"]["value"] < 0.65
    assert grade_attack("singling_out", found["singling_out"]) in ("fair", "poor")
    assert attack_warning({"singling_out": found["singling_out"]})


def test_same_seed_same_numbers_and_plain_data(three: dict[str, dict[str, Any]]) -> None:
    train, holdout, fresh = people(500, 1), people(500, 2), people(500, 3)
    again = attacked(train, holdout, fresh)
    assert again == three["fresh"] == json.loads(json.dumps(again))
    assert attacked(train, holdout, fresh, seed=1) != again
    assert list(again) == list(ATTACKS) == list(ORDER[-len(ATTACKS) :])
    assert {f"{name}.{part}" for name in ATTACKS for part in ("name", "meaning", "definition")} <= set(METRICS)


def test_sentences(three: dict[str, dict[str, Any]]) -> None:
    for table, found in three.items():
        sentences = attack_sentences(found)
        assert len(sentences) == 8
        assert all("{" not in words.en + words.zh for words in sentences)
        attacks = found["attribute_inference"]["rates"]["attacks"]
        assert any(f"Attribute inference: of {attacks:,} attacks" in words.en for words in sentences)
        assert any(f"on {found['membership']['targets']:,} training" in words.en for words in sentences)
        assert bool(attack_warning(found)) == (table != "fresh")
    assert "属性推断" in attack_warning(three["copy"])[0].zh
    assert any("member" in words.zh for words in attack_sentences(three["copy"]))


@pytest.mark.parametrize(
    ("columns", "numbers"),
    [
        (("job", "city", "member"), ATTACKS),
        (("age", "pay"), ATTACKS),
        (("pay",), ("membership", "singling_out")),
        (("member",), ("membership",)),
    ],
    ids=["all categories", "all numbers", "one column", "one column of two labels"],
)
def test_odd_columns(columns: tuple[str, ...], numbers: tuple[str, ...]) -> None:
    tables = [people(200, seed).select(columns) for seed in (1, 2, 3)]
    found = attacked(*tables, {name: KINDS[name] for name in columns})
    for name, metric in found.items():
        if name in numbers and metric["value"] is not None:
            low, high = metric["interval"]
            assert low <= (0.5 if name == "membership" else 0.0) <= high
        else:
            assert metric["notes"][-1]["code"] in ("one_column", "few_conditions", "nothing_left"), name
            assert grade_attack(name, metric) == "unknown"
    attack_sentences(found)


def test_what_is_lacking_is_said() -> None:
    cases: dict[str, dict[str, Any]] = {
        "no_holdout": attacked(people(60, 1), None, people(60, 2)),
        "few_attacked": attacked(people(60, 1), people(10, 2), people(60, 3)),
        "no_columns": attacked(*(people(60, i).select(t=pl.lit("x")) for i in range(3)), {"t": "text"}),
    }
    for code, found in cases.items():
        assert set(found) == set(ATTACKS)
        for name, metric in found.items():
            assert metric["value"] is metric["floor"] is metric["copycat"] is None
            assert [note["code"] for note in metric["notes"]] == [code]
            assert grade_attack(name, metric) == "unknown"
        assert attack_sentences(found) == attack_warning(found) == []


def test_an_attack_that_always_works_leaves_no_risk() -> None:
    same = [pl.DataFrame({"a": [1] * 60, "b": ["x"] * 30 + ["y"] * 30}) for _ in range(3)]
    found = attacked(*same, {"a": "integer", "b": "boolean"})
    assert found["linkability"]["value"] is None
    assert {"code": "nothing_left"} in found["linkability"]["notes"]


def test_risk_closed_forms() -> None:
    found = risk(rate(0.75, 100), rate(0.5, 100))
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert found.low < 0.5 < found.high
    assert risk(rate(0.5, 100), rate(1.0, 100)) is None
    sure = risk(rate(1.0, 100), rate(0.2, 100))
    assert sure is not None
    assert sure.value == sure.high == pytest.approx(1.0)
    assert 0.93 < sure.low < 0.97
    worse = risk(rate(0.1, 50), rate(0.15, 50))
    assert worse is not None
    assert worse.low < worse.value < 0 < worse.high
    assert rate(0.2, 100, scale=9).value == 1.0


@pytest.mark.parametrize(("ours", "theirs"), [(0.02, 0.01), (0.3, 0.3), (0.9, 0.6), (1.0, 0.5)])
def test_risk_intervals_cover(ours: float, theirs: float) -> None:
    generator = np.random.default_rng(0)
    truth = (ours - theirs) / (1 - theirs)
    hits = 0
    for attack, control in zip(generator.binomial(200, ours, 500), generator.binomial(200, theirs, 500), strict=True):
        found = risk(rate(attack / 200, 200), rate(control / 200, 200))
        assert found is not None
        hits += found.low <= truth <= found.high + 1e-12
    assert hits >= 465  # 475 expected of 95 %; fewer than 465 has a chance of 2 in 100


def test_caught_covers_and_says_something() -> None:
    generator = np.random.default_rng(0)
    for shift in (0.0, 2.0):
        truth = norm.sf(norm.isf(0.01) - shift)
        found = [caught(generator.normal(shift, 1, 800), generator.normal(0, 1, 800), generator) for _ in range(150)]
        assert sum(f.low <= truth <= f.high for f in found) >= 143
        assert np.mean([f.value for f in found]) == pytest.approx(truth, rel=0.15)
        assert np.mean([f.high - f.low for f in found]) < 0.03 + truth
    perfect = caught(np.ones(100), np.zeros(100), generator)
    assert perfect.value == perfect.high == 1
    few = caught(np.ones(50), np.zeros(50), generator)
    assert few.low == 0, "no other is known to lie above the threshold of 1 in 100: members above all prove nothing"
    tied = caught(np.zeros(5000), np.zeros(5000), generator)
    assert tied.low < 0.01 < tied.high
    assert caught(np.zeros(10), np.ones(1000), generator).high == pytest.approx(beta.ppf(1 - 0.0125, 1, 10))


def test_density_sees_what_crowds_hide() -> None:
    """A model that copies with noise: in the crowd everybody has near neighbours, so distance alone calls them members."""
    generator = np.random.default_rng(0)

    def points(rows: int) -> Encoded:
        spread = np.where(generator.random(rows) < 0.5, 0.002, 0.25)
        x = np.clip(0.5 + generator.normal(size=(3, rows)) * spread, 0, 1)
        return Encoded(x.astype(np.float32), np.empty((0, rows), np.int32), (False,) * 3)

    train, others, reference = points(600), points(600), points(600)
    away = (train.numbers - 0.5).std(0) * generator.normal(size=train.numbers.shape) * 0.6
    made = Encoded((train.numbers + away).astype(np.float32), train.labels, train.may_miss)
    found = membership(train, others, made, reference, generator, among_rows)
    assert found.density.area.value > found.distance.area.value + 0.03
    assert found.density.area.interval()[0] > 0.52


def test_fresh_rows_leave_every_attack_at_chance() -> None:
    """In repeated draws, with a hold-out a quarter as large: 95 % intervals must hold chance, and no attack may lean."""
    hits: dict[str, list[bool]] = {}
    lean: dict[str, list[float]] = {}
    for seed in range(40):
        generator = np.random.default_rng(seed)
        game = Game(coded(480, generator), coded(120, generator), coded(300, generator))
        outcome = play(game, 120, generator)
        assert outcome.membership is not None
        for name in ("one_column", "several_columns", "linkability", "inference"):
            found = getattr(outcome, name).risk
            hits.setdefault(name, []).append(found.low <= 0 <= found.high)
            lean.setdefault(name, []).append(found.value)
        for name in ("distance", "density"):
            area = getattr(outcome.membership, name).area
            low, high = area.interval()
            hits.setdefault(name, []).append(low <= 0.5 <= high)
            lean.setdefault(name, []).append(area.value - 0.5)
    for name in hits:
        assert sum(hits[name]) >= 34, name  # at 95 %, fewer than 34 of 40 has a chance of 3 in 1,000
        error = np.std(lean[name]) / np.sqrt(40)
        assert abs(np.mean(lean[name])) < 3.5 * error + 0.01, name


def test_conditions_isolate_what_they_say() -> None:
    generator = np.random.default_rng(0)
    rows = coded(300, generator)
    reader = Reader(rows, generator)
    found = [condition for row in range(100) if (condition := reader.isolating(row)) is not None]
    assert len(found) > 50
    for condition in found:
        fulfilled = [
            row
            for row in range(300)
            if all(
                low <= reader.matrix[column, row] <= high
                for column, low, high in zip(condition.columns, condition.low, condition.high, strict=True)
            )
        ]
        assert fulfilled == list(condition.rows(reader.matrix))
        assert len(fulfilled) == 1
    for condition in reader.rare(200):
        ends = np.isin([condition.low[0], condition.high[0]], [-2e6, 2e6]).any()
        assert len(condition.rows(reader.matrix)) == 1 or ends


def test_the_control_is_as_large_as_the_training_table() -> None:
    """One column 0 .. 99, hold-out rows 100 .. 124: of conditions on single values, the control's rate is scaled up."""

    def line(values: np.ndarray) -> Encoded:
        return Encoded(values[None].astype(np.float32), np.empty((0, len(values)), np.int32), (False,))

    crowd = People(line(np.arange(100)), line(np.arange(100, 125)), np.random.default_rng(0))

    def exactly(value: float) -> Condition:
        return Condition(np.array([0]), np.array([value], np.float32), np.array([value], np.float32))

    attack, control = crowd.singled_out([exactly(v) for v in range(200)])
    assert attack.value == pytest.approx(100 / 200)
    assert control.value == pytest.approx(4 * 25 / 200)
    # Many conditions that isolate the same row are one observation.
    wide = crowd.singled_out([exactly(7)] * 50 + [exactly(500)] * 50)[0]
    many = crowd.singled_out([exactly(v) for v in range(50)] + [exactly(500)] * 50)[0]
    assert wide.value == many.value == 0.5
    assert wide.high - wide.low > 3 * (many.high - many.low)
    assert singling_out(crowd, line(np.zeros(50)), 100, np.random.default_rng(0), several=False) is None


def test_lookalikes_equal_their_definition() -> None:
    generator = np.random.default_rng(0)
    targets, rows = coded(40, generator), coded(150, generator)
    side = halves(rows)
    assert sorted(side.tolist()) == [0, 0, 0, 1, 1]
    found = lookalikes(targets, rows, side)
    gaps = np.empty((5, 40, 150))
    for column in range(3):
        a, b = (part.numbers[column].astype(float) for part in (targets, rows))
        gaps[column] = np.minimum(1, np.abs(a[:, None] - b))
    for column in range(2):
        gaps[3 + column] = targets.labels[column][:, None] != rows.labels[column]
    for target in range(40):
        near = [gaps[side == half, target].sum(0) for half in (0, 1)]
        sets = [set(np.flatnonzero(distance <= distance.min() + 1e-6)) for distance in near]
        assert found.linked[target] == bool(sets[0] & sets[1])
        for column in range(5):
            rest = np.delete(gaps[:, target], column, axis=0).sum(0)
            assert rest[found.twins[column, target]] == pytest.approx(rest.min(), abs=1e-5)
    hits = right(targets, rows, found.twins, tolerances(rows))
    present = rows.numbers[0]
    span = np.quantile(present, 0.95) - np.quantile(present, 0.05)
    close = np.abs(targets.numbers[0] - present[found.twins[0]]) <= 0.05 * span
    np.testing.assert_array_equal(hits[0], close)
    gone = targets.numbers[2] == MISSING
    np.testing.assert_array_equal(hits[2][gone], rows.numbers[2][found.twins[2]][gone] == MISSING)
    np.testing.assert_array_equal(hits[4], targets.labels[1] == rows.labels[1][found.twins[4]])


def test_large_tables_say_what_was_cut() -> None:
    """Rows are only cut where there can not be fewer targets; the copycat then shows how little could be seen."""
    train, holdout, fresh = people(2000, 1), people(600, 2), people(2000, 3)
    tables = view_tables(train, holdout, fresh, KINDS)
    effort = replace(EFFORTS["quick"], distance_work=2.5e7)
    found = attack_metrics(Scene(tables, effort, 0))
    assert {"code": "attack_rows", "rows": 500} in found["linkability"]["notes"]
    assert 0.1 < found["linkability"]["copycat"] < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("effort", "seconds"), [("quick", 6), ("full", 60)])
def test_time_on_adult(effort: str, seconds: float, large_data: Path) -> None:
    """Processor seconds: half of that on two cores."""
    train, test = (pl.read_csv(large_data / "table" / f"adult_{part}.csv.gz") for part in ("train", "test"))
    kinds = {name: "category" if kind == pl.String else "integer" for name, kind in train.schema.items()}
    tables = view_tables(train, test, train.sample(train.height, with_replacement=True, seed=0), kinds)
    start = time.process_time()
    found = attack_metrics(Scene(tables, EFFORTS[effort], 0))
    assert time.process_time() - start < seconds
    assert all(metric["copycat"] > 0.95 for metric in found.values())
