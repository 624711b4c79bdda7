"""`genwright audit`: what it finds in a run that learns by heart, what it says and what it leaves."""

import json
import types

import numpy as np
import pytest

import genwright
import people
from genwright import audits
from genwright.cli import main
from genwright.data.batches import Examples
from genwright.errors import GenwrightError
from genwright.privacy.audit import Evidence

SMALL = {"model.width": 32, "model.hidden": 16, "model.dropout": 0, "steps": 60, "training.batch_size": 64}
COLUMNS = ["age", "education-num", "sex", "income"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A model that learns its few rows by heart."""
    folder = tmp_path_factory.mktemp("audited")
    path = folder / "people.csv"
    people.frame(200).select("age", "education", "occupation", "sex", "hours-per-week").write_csv(path)
    small = {**SMALL, "training.validation": 0, "training.weight_decay": 0}
    return genwright.train(path, out=folder / "run", quiet=True, report=False, **small)


def test_a_run_that_learns_by_heart_is_found_out(run, capsys):
    before = {path.name for path in run.folder.iterdir()}
    main(["audit", str(run.folder), "--canaries", "100"])
    shown = capsys.readouterr().out
    found = json.loads((run.folder / "audit.json").read_text())
    assert {path.name for path in run.folder.iterdir()} == before | {"audit.json"}
    assert found["evidence"]["epsilon"] > 0.5
    assert found["claimed"] is None
    assert found["broken"] is False
    assert found["most"] >= found["evidence"]["epsilon"]
    assert f"at least {found['evidence']['epsilon']:.2f} with 95% confidence" in shown
    assert "no part of a release" in shown
    assert "No guarantee is claimed" in shown


def test_canaries_are_of_values_that_the_codec_knows(run):
    rows = audits.made_up(run.codec, 500, np.random.default_rng(0))
    assert np.array_equal(
        run.codec.encode(run.codec.schema.parse(run.codec.schema.format(rows))), run.codec.encode(rows)
    )
    shares = np.bincount(run.codec.encode(rows)[:, 1].astype(int)) / 500
    assert shares.max() < 3 * shares.mean()


def test_a_private_run_is_not_refuted_and_its_release_has_no_audit(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(audits, "DRAWN_ROWS", 20_000)
    given = {"epsilon": 3, "model": "mst"}
    people.frame(2000).select(COLUMNS).write_parquet(tmp_path / "people.parquet")
    run = genwright.train(tmp_path / "people.parquet", out=tmp_path / "run", quiet=True, report=False, **given)
    before = (run.folder / "ledger.json").read_text()
    main(["audit", str(run.folder), "--canaries", "200", "--data", str(tmp_path / "people.parquet")])
    assert "Claimed: epsilon 3.00 at delta 1e-06" in capsys.readouterr().out
    found = json.loads((run.folder / "audit.json").read_text())
    assert found["attack"] == audits.COUNTS
    assert found["evidence"]["epsilon"] < 3
    assert (run.folder / "ledger.json").read_text() == before, "the ledger of the run itself is not touched"
    main(["export", str(run.folder), "--release", "--out", str(tmp_path / "release")])
    assert not (tmp_path / "release" / "audit.json").exists()


def test_a_broken_claim_ends_with_status_1(run, capsys, monkeypatch):
    found = audits.Audit(audits.LOSS, 1000, 503, Evidence(4.1, 200, 199), 4.6, 3.0, 1e-6, 0)
    monkeypatch.setattr(audits, "audit", lambda *given, **more: found)
    with pytest.raises(SystemExit) as caught:
        main(["audit", str(run.folder)])
    assert caught.value.code == 1
    assert "THE CLAIM IS BROKEN" in capsys.readouterr().out


def test_only_tables_that_are_still_there_can_be_audited(run, tmp_path):
    with pytest.raises(GenwrightError) as error:
        audits.audit(types.SimpleNamespace(noun="images", folder=tmp_path))
    assert error.value.code == "GW-0615"
    with pytest.raises(GenwrightError) as error:
        audits.audit(run, data=people.csv(tmp_path, 200), quiet=True)
    assert error.value.code == "GW-0307"


def test_losses_are_the_same_when_asked_again(run):
    rows = audits.made_up(run.codec, 30, np.random.default_rng(0))
    assert np.array_equal(audits.losses(run, rows), audits.losses(run, rows))
    assert len(Examples(run.codec.encode(rows))) == 30
