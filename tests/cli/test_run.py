"""Train, sample, condition, impute, judge, compare: the verbs on a small real table, in Python."""

import json
import re
import socket

import pandas as pd
import polars as pl
import pytest

import genwright
import people
from genwright.comparison import _best
from genwright.errors import GenwrightError

QUICK = {"steps": 30, "quiet": True, "model.width": 16}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return genwright.train(people.csv(folder), out=folder / "run", target="income", **QUICK)


def test_the_public_names_are_these():
    assert genwright.__all__ == ["GenwrightError", "Report", "Run", "compare", "models", "open", "train"]
    for name in genwright.__all__:
        assert getattr(genwright, name) is not None
    with pytest.raises(AttributeError, match="trian"):
        _ = genwright.trian


def test_a_finished_run_holds_what_the_page_says(run):
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        "run.toml", "schema.toml", "state.json", "codec.json", "codec.safetensors", "weights.safetensors", "checkpoints",
        "log.jsonl", "samples", "report.json", "report.html", "card.md", "lock",
    }  # fmt: skip
    assert run.state["status"] == "finished"
    card = (run.folder / "card.md").read_text(encoding="utf-8")
    assert run.state["files"]["weights.safetensors"] in card
    assert "no differential-privacy guarantee" in card


def test_samples_have_the_users_columns_order_types_and_words(run):
    sample, real = run.sample(300), people.frame()
    assert isinstance(sample, pl.DataFrame)
    assert sample.columns == real.columns
    written = pl.read_csv(run.write_samples(run.folder / "samples" / "again.csv", 300))
    assert written.dtypes == real.dtypes
    for name in ("workclass", "education", "income"):
        assert set(written[name]) <= set(real[name])
    assert written["age"].min() >= real["age"].min()


def test_same_seed_same_rows(run):
    assert run.sample(50, seed=3).equals(run.sample(50, seed=3))
    assert not run.sample(50, seed=3).equals(run.sample(50, seed=4))
    assert genwright.open(run.folder).sample(50, seed=3).equals(run.sample(50, seed=3))


def test_conditions_hold_in_every_row(run):
    sample = run.sample(80, where={"age": 30, "sex": "Female"})
    assert set(sample["age"].cast(pl.String)) == {"30"}
    assert set(sample["sex"]) == {"Female"}
    assert sample["education"].n_unique() > 1


@pytest.mark.parametrize(
    ("where", "hint"), [({"aeg": 30}, "age"), ({"sex": "Femal"}, "Female"), ({"age": "old"}, "age")]
)
def test_wrong_conditions_get_the_nearest_right_one(run, where, hint):
    with pytest.raises(GenwrightError, match=hint):
        run.sample(5, where=where)


def test_impute_fills_every_gap_and_changes_nothing_else(run):
    holes = people.frame(200).with_columns(
        pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("age", "income")
    )
    filled = run.impute(holes)
    assert filled.null_count().sum_horizontal().item() == 0
    for name in holes.columns:
        known = holes[name].is_not_null()
        assert filled.filter(known)[name].equals(holes.filter(known)[name])


def test_every_metric_stands_beside_its_floor_and_copycat(run):
    report = json.loads((run.folder / "report.json").read_text(encoding="utf-8"))
    assert report["format"] == 1
    for name, metric in report["metrics"].items():
        assert {"value", "floor", "copycat", "better", "unit"} <= set(metric), name
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert len(page) < 5e6


def test_run_and_report_show_themselves(run):
    assert "tabular-ar" in run._repr_html_()
    report = run.report(effort="quick")
    assert "shape" in str(report)
    assert "<table" in report._repr_html_()
    assert str(run.folder) in repr(run)


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_the_same_kind_of_frame_comes_back(kind, tmp_path):
    frame = people.frame(300).select("age", "sex", "hours-per-week", "income")
    given = {"pandas": frame.to_pandas(), "polars": frame, "arrow": frame.to_arrow()}[kind]
    if kind == "pandas":
        given["age"] = given["age"].astype("Int64")
        given.loc[3, "age"] = pd.NA
        given["sex"] = given["sex"].astype("category")
    run = genwright.train(given, out=tmp_path / "run", report=False, **QUICK)
    sample = run.sample(100)
    assert type(sample) is type(given)
    if kind == "pandas":
        assert (sample.dtypes.astype(str) == given.dtypes.astype(str)).all()
        assert list(sample.columns) == list(given.columns)
    else:
        assert sample.schema == given.schema
    assert type(run.impute(given)) is type(given)


def test_a_frame_run_can_be_judged_again_with_the_frame(tmp_path):
    frame = people.frame(300).select("age", "sex", "income")
    genwright.train(frame, out=tmp_path / "run", **QUICK)
    again = genwright.open(tmp_path / "run")
    with pytest.raises(GenwrightError, match="GW-0307"):
        again.report(effort="quick")
    again.report(data=frame, effort="quick")
    with pytest.raises(GenwrightError, match="GW-0307"):
        again.report(data=frame.head(200), effort="quick")


@pytest.mark.parametrize("model", ["tabular-trees", "tvae"])
def test_the_other_models_take_the_same_road(model, tmp_path):
    run = genwright.train(people.frame(300), model=model, out=tmp_path / "run", steps=20, quiet=True, report=False)
    assert len(run.sample(70)) == 70
    assert genwright.open(tmp_path / "run").sample(20).equals(run.sample(20))
    assert set(run.sample(5, where={"age": 30})["age"].to_list()) == {30}


def test_same_seed_same_weights(tmp_path):
    path = people.csv(tmp_path, 300)
    hashes = [
        genwright.train(path, out=tmp_path / name, seed=seed, report=False, **QUICK).state["files"]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert hashes[0] == hashes[1]
    assert hashes[0]["weights.safetensors"] != hashes[2]["weights.safetensors"]


def test_run_toml_repeats_the_run(run, tmp_path):
    from genwright import settings, trainer

    given = settings.from_file(run.folder / "run.toml") | {"out": str(tmp_path / "again"), "report": False}
    again = trainer.start(given.pop("data"), given, quiet=True)
    assert again.state["files"] == run.state["files"]


@pytest.mark.parametrize(
    ("cells", "better", "best"),
    [
        (("-0.2", "0.1", "0", "1"), "lower", [1]),
        (("-0.2", "0.1", "0", "1"), "higher", [2]),
        (("0.4", "0.6", "0", "1"), "nearer to .5", [1, 2]),
        (("0.3", "-", "0.2", "0"), "nearer to the floor", [1]),
        (("0.3", "0.1", "-", "0"), "nearer to the floor", []),
        (("3", "4", "0", "1"), "", []),
    ],
)
def test_the_best_of_a_row_is_what_its_metric_calls_better(cells, better, best):
    assert _best(cells, better) == best


def test_comparison_puts_runs_side_by_side(tmp_path):
    path = people.csv(tmp_path, 300)
    table = genwright.compare(
        path,
        models=["tabular-trees", "tvae"],
        time="10s",
        target="income",
        out=tmp_path / "c",
        quiet=True,
        holdout=0.2,
        **{"table.rare_below": 3},
    )
    given = [genwright.open(tmp_path / "c" / name).settings for name in ("tabular-trees", "tvae")]
    assert all((each.holdout, each.table.rare_below) == (0.2, 3) for each in given)
    assert table.columns == ("metric", "tabular-trees", "tvae", "floor", "copycat", "better")
    assert "shape" in str(table)
    page = (tmp_path / "c" / "comparison.html").read_text()
    assert table.page == tmp_path / "c" / "comparison.html"
    assert 'href="tabular-trees/report.html"' in page
    shape = next(row for row in table.rows if row[0].startswith("shape"))
    bold = re.search(r"shape \(%\)</th>(.*)</tr>", page)[1].split("</td>")
    assert ["best" in cell for cell in bold[:2]] == [
        float(shape[1]) <= float(shape[2]),
        float(shape[2]) <= float(shape[1]),
    ]
    assert not any("best" in cell for cell in bold[2:]), "floor and copycat do not compete"
    seconds, memory = (next(row for row in table.rows if row[0] == name) for name in ("seconds, total", "memory, MB"))
    assert all(float(cell) > 0 for cell in seconds[1:3])
    assert all(100 < float(cell) < 8000 for cell in memory[1:3])
    again = genwright.compare(tmp_path / "c" / "tabular-trees", tmp_path / "c" / "tvae")
    assert again.rows == table.rows
    with pytest.raises(GenwrightError, match="GW-0205"):
        genwright.compare(path, models=["tvea"])
    with pytest.raises(GenwrightError, match=r"GW-0213.*holdout"):
        genwright.compare(tmp_path / "c" / "tvae", holdout=0.2)


def test_what_is_none_is_not_given(tmp_path):
    run = genwright.train(people.frame(100), out=tmp_path / "run", rules=None, test=None, epsilon=None, **QUICK)
    assert run.settings.rules == run.settings.test == ""


def test_runs_of_different_data_are_not_compared(run, tmp_path):
    other = genwright.train(people.frame(100), model="tabular-trees", out=tmp_path / "o", quiet=True, report=False)
    with pytest.raises(GenwrightError, match="GW-0213"):
        genwright.compare(run, other)


def test_nothing_opens_a_connection(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    genwright.train(people.frame(200), out=tmp_path / "run", **QUICK).sample(5)


def test_a_time_limit_is_kept(tmp_path):
    import time

    started = time.monotonic()
    run = genwright.train(
        people.csv(tmp_path, 600), out=tmp_path / "run", time="8s", preset="best", report=False, quiet=True
    )
    assert time.monotonic() - started < 10
    assert run.settings.steps == run.state["outcome"]["steps"] or run.state["outcome"]["cut"]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"target": "incme"}, "GW-0112"),
        ({"device": "cuda:77"}, "GW-0401"),
        ({"bach": 3}, "GW-0202"),
        ({"schema": "nowhere.toml"}, "GW-0203"),
    ],
)
def test_wrong_settings_are_said_before_training(settings, code, tmp_path):
    with pytest.raises(GenwrightError, match=code):
        genwright.train(people.frame(50), out=tmp_path / "run", quiet=True, **settings)
    assert list(tmp_path.iterdir()) == []
