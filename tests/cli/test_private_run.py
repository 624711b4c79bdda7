"""Trainings of tables under a guarantee, from the command to the release, as a hospital would work."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import genwright
import people
from genwright.cli import main
from genwright.errors import GenwrightError
from genwright.models.mixture import Mixture
from genwright.privacy.ledger import PrivacyLedger
from genwright.release import release
from genwright.tables import split_by_content

COLUMNS = ["age", "education-num", "sex", "income"]
SMALL = {"epsilon": 3, "model": "mixture", "model.components": 20, "model.steps": 40, "quiet": True}


def table(rows=2000):
    return people.frame(rows).select(COLUMNS)


def ledger_of(folder) -> PrivacyLedger:
    return PrivacyLedger.open(Path(folder) / "ledger.json")


class Crash(Exception):
    """What ends a training in the middle."""


def crashed(folder, monkeypatch, place, function) -> None:
    """A training in `folder / "run"` that ended as it called a function of that place, which is whole again."""

    def crash(*given, **more):
        raise Crash

    table().write_parquet(folder / "people.parquet")
    with monkeypatch.context() as patched:
        patched.setattr(place, function, crash)
        with pytest.raises(Crash):
            genwright.train(folder / "people.parquet", out=folder / "run", **SMALL)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("private")
    table().write_parquet(folder / "people.parquet")
    given = {name: value for name, value in SMALL.items() if name != "model"}
    return genwright.train(folder / "people.parquet", out=folder / "run", target="income", **given)


def test_everything_is_paid_and_nothing_more(run):
    ledger = ledger_of(run.folder)
    assert run.facts()["model"] == "mixture", "the default under a guarantee"
    assert 0.8 * 3 < ledger.epsilon_spent() <= ledger.epsilon_planned() <= 3
    assert {entry.purpose for entry in ledger.entries} >= {
        "number of rows",
        "values of 'sex'",
        "counts of single columns",
    }
    assert "epsilon 3" in (run.folder / "card.md").read_text()
    assert not (run.folder / "log.jsonl").exists()
    assert "stands outside that guarantee" in (run.folder / "report.html").read_text()


def test_samples_are_of_the_same_form(run):
    made = run.sample(500)
    assert made.columns == COLUMNS
    assert made.dtypes == table().dtypes
    assert set(made["sex"]) <= {"Male", "Female"}
    shares = [frame["sex"].eq("Male").mean() for frame in (made, table())]
    assert shares[0] == pytest.approx(shares[1], abs=0.1)
    assert run.sample(50, seed=3).equals(genwright.open(run.folder).sample(50, seed=3))


def test_the_ledger_is_shown_and_computed_anew(run, capsys):
    main(["info", str(run.folder), "--privacy"])
    shown = capsys.readouterr().out
    assert "counts of pairs of columns" in shown
    assert f"Spent so far: epsilon {ledger_of(run.folder).epsilon_spent():.4f}" in shown


def test_a_release_samples_as_the_run_and_tells_nothing_else(run, tmp_path, capsys):
    out = tmp_path / "release"
    main(["export", str(run.folder), "--release", "--out", str(out)])
    assert genwright.open(out).sample(40, seed=2).equals(run.sample(40, seed=2))
    main(["info", str(out)])
    assert {path.name for path in out.iterdir()} == {
        "run.toml", "codec.json", "codec.safetensors", "weights.safetensors", "ledger.json", "state.json", "card.md",
    }  # fmt: skip
    words = "".join(
        (out / name).read_text() for name in ("run.toml", "state.json", "card.md", "ledger.json", "codec.json")
    )
    data = run.state["data"]
    assert str(run.folder.parent) not in words
    assert data["fingerprint"] not in words
    assert "training_rows" not in words
    plain = genwright.train(people.frame(50), out=tmp_path / "plain", steps=2, quiet=True, report=False)
    with pytest.raises(GenwrightError) as error:
        release(plain, tmp_path / "no")
    assert error.value.code == "GW-0614"


def test_a_private_training_by_steps(tmp_path):
    """A deep model: noise on clipped gradients, all of it in the ledger, nothing selected, no loss in the log."""
    given = {
        "epsilon": 3,
        "model": "tabular-ar",
        "model.width": 16,
        "model.hidden": 8,
        "steps": 6,
        "training.batch_size": 64,
    }
    run = genwright.train(table(400), out=tmp_path / "run", quiet=True, report=False, **given)
    ledger = ledger_of(run.folder)
    training = ledger.entry("training")
    assert training.spent == training.event.count == 6
    assert 0.9 * 3 < ledger.epsilon_spent() <= 3
    for line in (run.folder / "log.jsonl").read_text().splitlines():
        assert set(json.loads(line)) <= {"step", "time", "rate"}
    assert len(run.sample(10)) == 10
    before = (run.folder / "run.toml").read_text()
    with pytest.raises(GenwrightError, match="GW-0208"):
        genwright.train(resume=run.folder, steps="+5", quiet=True)
    assert (run.folder / "run.toml").read_text() == before


def test_what_a_crash_had_paid_stays_paid_and_the_codec_is_kept(tmp_path, monkeypatch):
    crashed(tmp_path, monkeypatch, Mixture, "fit")
    before = {entry.purpose: entry.spent for entry in ledger_of(tmp_path / "run").entries}
    assert before["number of rows"] == 1
    genwright.train(resume=tmp_path / "run", quiet=True)
    after = ledger_of(tmp_path / "run")
    assert all(after.entry(purpose).spent == spent for purpose, spent in before.items() if spent)
    assert after.epsilon_spent() <= 3


def test_what_was_answered_before_a_crash_is_answered_again(tmp_path, monkeypatch):
    """Stopped at each of its releases in turn, a training ends as one that was not: nothing is paid twice, nothing is lost."""
    from genwright.privacy import marginals

    noisy_counts = marginals.noisy_counts
    table().write_parquet(tmp_path / "people.parquet")
    asked, stop_at = 0, 1

    def counted(*given, **more):
        nonlocal asked, stop_at
        asked += 1
        if asked == stop_at:
            asked, stop_at = 0, stop_at + 2
            raise Crash
        return noisy_counts(*given, **more)

    monkeypatch.setattr(marginals, "noisy_counts", counted)
    resume, crashes, spent = {}, 0, 0.0
    while True:
        try:
            given = resume or {"data": tmp_path / "people.parquet", "out": tmp_path / "run", "report": False, **SMALL}
            run = genwright.train(**given)
            break
        except Crash:
            crashes, resume = crashes + 1, {"resume": tmp_path / "run", "quiet": True}
            assert ledger_of(tmp_path / "run").epsilon_spent() >= spent
            spent = ledger_of(tmp_path / "run").epsilon_spent()
    assert crashes > 4
    pairs = ledger_of(run.folder).entry(marginals.PAIRS)
    assert pairs.spent == pairs.event.count, "every release that was planned was used"
    assert not (run.folder / "answers.jsonl").exists()


def test_a_crash_between_payment_and_answer_ends_the_run_honestly(tmp_path, monkeypatch):
    from genwright.privacy import mechanisms

    crashed(tmp_path, monkeypatch, mechanisms, "_noise")
    with pytest.raises(GenwrightError) as error:
        genwright.train(resume=tmp_path / "run", quiet=True)
    assert error.value.code == "GW-0604"
    assert ledger_of(tmp_path / "run").epsilon_spent() > 0


def test_a_plan_that_broke_off_is_no_plan(tmp_path, monkeypatch):
    crashed(tmp_path, monkeypatch, Mixture, "plan")
    assert not (tmp_path / "run" / "ledger.json").exists()
    genwright.train(resume=tmp_path / "run", quiet=True, report=False)
    assert 2.9 < ledger_of(tmp_path / "run").epsilon_spent() <= 3


def test_a_run_whose_ledger_is_gone_does_not_go_on(tmp_path, monkeypatch):
    crashed(tmp_path, monkeypatch, Mixture, "fit")
    (tmp_path / "run" / "ledger.json").unlink()
    with pytest.raises(GenwrightError, match="gone") as error:
        genwright.train(resume=tmp_path / "run", quiet=True)
    assert error.value.code == "GW-0606"
    assert not (tmp_path / "run" / "ledger.json").exists()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"time": "10s"}, "GW-0601"),
        ({"track": "tensorboard"}, "GW-0601"),
        ({"model": "tabular-trees"}, "GW-0601"),
        ({"model": "ctgan"}, "GW-0601"),
        ({"delta": "much"}, "GW-0602"),
        ({"delta": "2"}, "GW-0602"),
    ],
)
def test_what_would_peek_is_refused_by_name(tmp_path, given, code):
    with pytest.raises(GenwrightError) as error:
        genwright.train(table(100), out=tmp_path / "run", quiet=True, **{"epsilon": 3, "model": "mixture", **given})
    assert error.value.code == code
    assert not (tmp_path / "run").exists()


def test_kinds_of_a_text_file_must_be_declared(tmp_path):
    path = tmp_path / "people.csv"
    table().write_csv(path)
    with pytest.raises(GenwrightError, match="schema") as error:
        genwright.train(path, out=tmp_path / "run", **SMALL)
    assert error.value.code == "GW-0610"
    main(["data", str(path), "--out", str(tmp_path / "schema.toml")])
    run = genwright.train(path, out=tmp_path / "run", schema=str(tmp_path / "schema.toml"), report=False, **SMALL)
    assert run.sample(5).columns == COLUMNS


def test_a_dry_run_shows_the_plan_and_spends_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(200).write_parquet("people.parquet")
    main(["train", "people.parquet", "--epsilon", "1", "--dry-run"])
    shown = capsys.readouterr().out
    assert "counts of pairs of columns" in shown
    assert "epsilon 1 at delta 1e-06" in shown
    assert [path.name for path in tmp_path.iterdir()] == ["people.parquet"]


def test_no_row_moves_another_to_the_hold_out():
    frame = table(300)
    held = split_by_content(frame, 0.2)
    assert 0.1 < held.mean() < 0.3
    more = pl.concat([frame[:100], table(400)[300:], frame[100:]])
    assert np.array_equal(np.delete(split_by_content(more, 0.2), slice(100, 200)), held)


def test_a_value_of_one_person_is_not_in_the_model(tmp_path):
    frame = table(1500).with_columns(
        pl.when(pl.int_range(1500) == 7).then(pl.lit("Unicorn")).otherwise("sex").alias("sex"),
        pl.when(pl.int_range(1500) == 9).then(98_765_432).otherwise("age").alias("age"),
    )
    run = genwright.train(frame, out=tmp_path / "run", report=False, **SMALL)
    words = (run.folder / "codec.json").read_text()
    assert "Unicorn" not in words
    made = run.sample(3000)
    assert "Unicorn" not in set(made["sex"])
    assert made["age"].max() < 10_000
