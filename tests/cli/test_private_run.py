"""Trainings of tables under a guarantee, from the command to the release, as a hospital would work."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import genwright
import people
from genwright import guarantee
from genwright.cli import main
from genwright.codecs.private_table import fit_private
from genwright.errors import GenwrightError
from genwright.models.mixture import Mixture
from genwright.planning import plan
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


def test_a_workload_is_a_setting_and_must_name_columns(tmp_path, capsys):
    table().write_parquet(tmp_path / "people.parquet")
    words = ["train", str(tmp_path / "people.parquet"), "--epsilon", "3", "--model", "mst", "--quiet", "--no_report"]
    named = ["--model.workload", "income", "--model.workload", "sex", "--model.ones_share", "0.5"]
    main([*words, *named, "--out", str(tmp_path / "run")])
    settings = genwright.open(tmp_path / "run").settings.model
    assert (settings.workload, settings.ones_share) == (("income", "sex"), 0.5)
    main(["info", str(tmp_path / "run")])
    assert "income" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*words, "--model.workload", "incme", "--out", str(tmp_path / "other")])
    assert "Did you mean 'income'?" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


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
        ({"training.validation": 0.1}, "GW-0601"),
        ({"training.validation": 0.05, "model": "tabular-ar"}, "GW-0601"),
        ({"training.select_every": "10", "model": "tabular-ar"}, "GW-0601"),
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


@pytest.mark.parametrize("words", [["--training.validation", "0.1"], ["--training.select_every=10", "--dry-run"]])
def test_the_choice_of_a_snapshot_is_refused_on_the_command_line(words, tmp_path, capsys):
    table(100).write_parquet(tmp_path / "people.parquet")
    with pytest.raises(SystemExit):
        main(["train", str(tmp_path / "people.parquet"), "--epsilon", "3", "--out", str(tmp_path / "run"), *words])
    said = capsys.readouterr().err
    assert "GW-0601" in said
    assert words[0].partition("=")[0] in said


def test_from_the_environment_it_is_refused_too_and_its_run_file_repeats_a_run(tmp_path, monkeypatch):
    given = {"epsilon": 30, "model": "mst", "report": False, "quiet": True}  # all columns stand out of so little noise
    first = genwright.train(table(300), out=tmp_path / "first", **given)
    assert (first.settings.training.validation, first.settings.training.select_every) == (0, 0), "as it was"
    table(300).write_parquet(tmp_path / "people.parquet")
    words = ["train", str(tmp_path / "people.parquet"), "--config", str(first.folder / "run.toml"), "--dry-run"]
    main([*words, "--quiet"])
    monkeypatch.setenv("GENWRIGHT_TRAINING_VALIDATION", "0.2")
    with pytest.raises(GenwrightError, match=r"GW-0601.*training\.validation"):
        genwright.train(table(300), out=tmp_path / "second", **given)


def test_models_are_not_compared_under_a_guarantee_but_runs_are(run, tmp_path, capsys):
    path = str(run.folder.parent / "people.parquet")
    with pytest.raises(GenwrightError, match="one time budget") as error:
        genwright.compare(path, models=["mixture", "mst"], epsilon=3, out=tmp_path / "c")
    assert error.value.code == "GW-0601"
    for words in (["--models", "mixture,mst", "--epsilon", "3"], ["--epsilon=3"]):
        with pytest.raises(SystemExit):
            main(["compare", path, *words])
        said = capsys.readouterr().err
        assert "GW-0601" in said
        assert "add up" in said
    other = genwright.train(path, out=tmp_path / "mst", epsilon=1, model="mst", target="income", quiet=True)
    plain = genwright.train(path, out=tmp_path / "plain", model="tabular-trees", target="income", quiet=True)
    main(["compare", *(str(each.folder) for each in (run, other, plain))])
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if line.startswith("epsilon spent")).split()
    spent = [ledger_of(each.folder).epsilon_spent() for each in (run, other)]
    assert [float(cell) for cell in row[2:4]] == pytest.approx(spent, rel=1e-3)
    assert row[4:] == ["-", "-", "-", "lower"]
    assert "add up" in shown
    assert "outside of any guarantee" in shown
    assert "do not share one hold-out" in shown, "a private run's hold-out goes by content, an ordinary one's by seed"
    alike = genwright.compare(run, other)
    assert "hold-out" not in alike.note
    assert "epsilon" not in str(genwright.compare(plain, plain)), "no row that says nothing"


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
    assert re.search(r"Time +about \d+ s: .* fitting, .* with made-up data", shown)
    assert [path.name for path in tmp_path.iterdir()] == ["people.parquet"]


def test_a_dry_run_looks_at_no_value_and_not_at_the_number_of_rows(monkeypatch):
    seen = []

    def watched(batches, *given, **more):
        seen.append(pl.concat(batches()))
        return fit_private(batches, *given, **more)

    monkeypatch.setattr(guarantee, "fit_private", watched)
    shown = [plan(table(rows), {"epsilon": 1, "model": "mst", "report": False}) for rows in (200, 1500)]
    assert all(not {"Male", "Female"} & set(frame["sex"]) for frame in seen)
    assert len({len(frame) for frame in seen}) == 1
    kept = [[line for line in text.splitlines() if not line.startswith(("Time", "Memory"))] for text in shown]
    assert kept[0] == kept[1]


def test_a_dry_run_tells_the_noise_of_the_steps_exactly_where_the_number_of_rows_is_public(tmp_path):
    given = {"epsilon": 2, "model": "tabular-ar", "model.width": 16, "model.hidden": 8, "steps": 6, "report": False}
    declared = {**given, "privacy.rows": 400, "training.batch_size": 64}
    shown = plan(table(400), declared)
    run = genwright.train(table(400), out=tmp_path / "run", quiet=True, **declared)
    event = ledger_of(run.folder).entry("training").event
    assert f"training: noise on clipped gradients, {event.count} times, {event.told}" in shown
    assert f"with chance {event.sampling_rate:.4g}" in shown
    assert "for 6 steps of" in shown
    assert "usual number" not in shown
    assert "usual number" in plan(table(400), {**given, "training.batch_size": 64})


def test_a_dry_run_says_so_where_the_noise_drowns_made_up_data_too():
    shown = plan(table(200), {"epsilon": 0.01, "model": "mst", "report": False})
    assert "Time        not known" in shown
    assert "Planned     epsilon 0.01" in shown


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
