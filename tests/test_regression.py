"""The bench fails when our own figures fall behind the checked-in ones by more than noise, and only then."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from regression import regressions


def table(processor="one", **columns):
    """Results of our own, a value for each seed."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    results = [{"table": "adult", "peer": "genwright", "seed": seed} | row for seed, row in enumerate(rows)]
    return {"machine": {"processor": processor, "cores": 2}, "results": results}


def test_the_same_table_is_no_regression():
    same = table(shape=[0.4, 0.5, 0.45], utility=[0.92, 0.92, 0.93], rows_per_second=[9e4, 8e4, 7e4])
    assert regressions(same, same) == []


@pytest.mark.parametrize(
    ("name", "before", "worse", "better"),
    [
        ("shape", 0.4, 0.9, 0.1),
        ("trend", 1.2, 1.9, 0.5),
        ("boosting_judge", 0.51, 0.56, 0.5),
        ("boosting_judge", 0.49, 0.44, 0.5),
        ("utility", 0.92, 0.90, 0.95),
        ("nearer_to_train", 0.515, 0.545, 0.5),
        ("rows_per_second", 9e4, 3e4, 3e5),
        ("seconds", 40, 60, 20),
        ("memory_mb", 600, 900, 300),
    ],
)
def test_what_is_worse_is_named_and_what_is_better_is_not(name, before, worse, better):
    old = table(**{name: [before] * 3})
    (sentence,) = regressions(table(**{name: [worse] * 3}), old)
    assert name in sentence
    assert "adult" in sentence
    assert regressions(table(**{name: [better] * 3}), old) == []


def test_what_the_seeds_differ_by_is_noise():
    """A step that quiet seeds would show is within what restless seeds differ by."""
    quiet, restless = [1.2, 1.2, 1.2], [0.7, 1.2, 1.7]
    step = 0.5
    assert regressions(table(trend=[x + step for x in quiet]), table(trend=quiet))
    assert regressions(table(trend=[x + step for x in restless]), table(trend=restless)) == []


def test_more_seeds_find_a_smaller_step():
    restless, step = [0.7, 1.2, 1.7], 0.5
    many = restless * 8
    assert regressions(table(trend=[x + step for x in many]), table(trend=many))


def test_one_seed_is_compared_by_the_floor():
    assert regressions(table(shape=[0.7]), table(shape=[0.4]))
    assert regressions(table(shape=[0.5]), table(shape=[0.4])) == []


def test_another_machine_compares_quality_only():
    old = table(shape=[0.4], rows_per_second=[9e4])
    assert regressions(table(shape=[0.4], rows_per_second=[1e4], processor="another"), old) == []
    assert len(regressions(table(shape=[1.4], rows_per_second=[1e4], processor="another"), old)) == 1


def test_peers_and_tables_that_only_one_has_are_left_out():
    old = table(shape=[0.4])
    new = table(shape=[0.4])
    new["results"] += [
        {"table": "adult", "peer": "sdv-ctgan", "seed": 0, "shape": 9.0},
        {"table": "magic", "peer": "genwright", "seed": 0, "shape": 9.0},
    ]
    old["results"].append({"table": "adult", "peer": "sdv-ctgan", "seed": 0, "shape": 1.0})
    assert regressions(new, old) == []


def test_a_table_on_which_ours_failed_now_is_a_regression():
    (sentence,) = regressions(table(failed=["MemoryError"]), table(shape=[0.4], trend=[1.2]))
    assert "MemoryError" in sentence
