"""Each table model learns: on real census rows it beats independent columns by a margin that a broken model cannot reach."""

import functools

import polars as pl
import pytest

import genwright
import people
from genwright.metrics.effort import EFFORTS
from genwright.metrics.fidelity_scores import fidelity
from genwright.metrics.values import Scene
from genwright.metrics.view import view_tables

ROWS = 4000
COLUMNS = ("age", "education", "marital-status", "relationship", "sex", "hours-per-week", "income")
# Trend error as a share of that of independent columns.
WANTED = {"tabular-ar": 0.3, "tabular-trees": 0.3, "tvae": 0.6, "ctgan": 0.75, "tabular-flow": 0.5}
SETTINGS = {
    "tabular-ar": {"model.width": 64, "model.hidden": 64, "steps": 150},
    "tabular-trees": {},
    "tvae": {"steps": 500, "model.width": 128},
    "ctgan": {"steps": 300, "model.width": 64, "training.learning_rate": 1e-2},
    "tabular-flow": {"steps": 300, "model.width": 128, "model.solver_steps": 8},
}


def frame() -> pl.DataFrame:
    return people.frame(ROWS).select(COLUMNS)


def errors(synthetic: pl.DataFrame, kinds: dict[str, str]) -> tuple[float, float]:
    """(shape, trend) error in % against the training rows."""
    scene = Scene(view_tables(frame(), None, synthetic, kinds), EFFORTS["quick"], 0)
    metrics, _, _ = fidelity(scene)
    return metrics["shape"]["value"], metrics["trend"]["value"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of each model, trained when it is first asked for."""

    @functools.cache
    def of(name):
        folder = tmp_path_factory.mktemp(name) / "run"
        given = {"model": name, "out": folder, "holdout": 0.0, "report": False, "rows": 10, "quiet": True}
        return genwright.train(frame(), **given, **SETTINGS[name])

    return of


@pytest.mark.parametrize("name", SETTINGS)
def test_it_beats_independent_columns(name, trained):
    real, run = frame(), trained(name)
    kinds = {column.name: column.kind for column in run.codec.schema.columns}
    shuffled = real.select(pl.col(column).shuffle(seed=index) for index, column in enumerate(real.columns))
    _, independent = errors(shuffled, kinds)
    shape, trend = errors(run.sample_typed(ROWS), kinds)
    assert trend < WANTED[name] * independent
    assert shape < 6.0


def test_conditions_move_the_other_columns(trained):
    """Sampled under a condition, the others follow the real conditional, not the marginal."""
    real, run = frame(), trained("tabular-ar")
    wanted = real.group_by("marital-status").agg((pl.col("sex") == "Female").mean().alias("share"))
    share = dict(wanted.iter_rows())
    for status in ("Married-civ-spouse", "Never-married", "Divorced"):
        sample = run.sample_typed(1500, where={"marital-status": status})
        assert abs((sample["sex"] == "Female").mean() - share[status]) < 0.1


def test_missing_values_come_back_at_their_rate_and_where_they_belong(tmp_path):
    """Occupation is missing exactly where the work class is: jointly, not only as often."""
    real = people.frame(ROWS).select(*COLUMNS, "workclass", "occupation")
    real = real.with_columns(pl.when(pl.col(name) != "?").then(pl.col(name)) for name in ("workclass", "occupation"))
    run = genwright.train(
        real, out=tmp_path / "run", holdout=0.0, report=False, rows=10, quiet=True, **SETTINGS["tabular-ar"]
    )
    sample = run.sample_typed(ROWS)
    for name in ("workclass", "occupation"):
        assert abs(sample[name].is_null().mean() - real[name].is_null().mean()) < 0.015
    together = (sample["workclass"].is_null() & sample["occupation"].is_null()).sum()
    assert together > 0.8 * sample["workclass"].is_null().sum()
