"""`genwright audit`: what it finds in a run that learns by heart, what it says and what it leaves."""

import json

import numpy as np
import pytest

import coded_texts
import genwright
import people
import pictures
from genwright import audits, planted
from genwright.cli import main
from genwright.data.batches import Examples
from genwright.errors import GenwrightError
from genwright.privacy.accounting import Guarantee
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
    rows = planted.made_up(run.codec, 500, np.random.default_rng(0))
    assert np.array_equal(
        run.codec.encode(run.codec.schema.parse(run.codec.schema.format(rows))), run.codec.encode(rows)
    )
    shares = np.bincount(run.codec.encode(rows)[:, 1].astype(int)) / 500
    assert shares.max() < 3 * shares.mean()


def test_a_private_run_is_not_refuted_and_its_release_has_no_audit(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(planted, "DRAWN_ROWS", 20_000)
    given = {"epsilon": 3, "model": "mst"}
    people.frame(2000).select(COLUMNS).write_parquet(tmp_path / "people.parquet")
    run = genwright.train(tmp_path / "people.parquet", out=tmp_path / "run", quiet=True, report=False, **given)
    before = (run.folder / "ledger.json").read_text()
    main(["audit", str(run.folder), "--canaries", "200", "--data", str(tmp_path / "people.parquet")])
    assert "Claimed: epsilon 3.00 at delta 1e-06" in capsys.readouterr().out
    found = json.loads((run.folder / "audit.json").read_text())
    assert found["attack"] == planted.COUNTS
    assert found["evidence"]["epsilon"] < 3
    assert (run.folder / "ledger.json").read_text() == before, "the ledger of the run itself is not touched"
    main(["export", str(run.folder), "--release", "--out", str(tmp_path / "release")])
    assert not (tmp_path / "release" / "audit.json").exists()


def test_a_broken_claim_ends_with_status_1(run, capsys, monkeypatch):
    found = audits.Audit(planted.LOSS, 1000, 503, Evidence(4.1, 200, 199), 4.6, 3.0, 1e-6, 0)
    monkeypatch.setattr(audits, "audit", lambda *given, **more: found)
    with pytest.raises(SystemExit) as caught:
        main(["audit", str(run.folder)])
    assert caught.value.code == 1
    assert "THE CLAIM IS BROKEN" in capsys.readouterr().out


def images(n=60):
    return np.stack([pictures.draw(seed, 8, 8, 1) for seed in range(n)]), np.arange(n) % 3


TEXTS = {"text.context": 32, "text.tokeniser": "bytes", "model.length": 12, "rows": 1}
TINY_GPT = {"model.width": 32, "model.depth": 1, "model.head": 8, "training.batch_size": 32, **TEXTS}
TINY_PIXELS = {"model.width": 16, "model.hidden": 16, "model.depth": 1, "model.levels": 16, "training.batch_size": 64}
OTHERS = {  # data, settings of an ordinary run, and of a private one
    "gaussian": (images, {}, {}),
    "pixel-ar": (images, {"steps": 150, **TINY_PIXELS}, {"steps": 4, **TINY_PIXELS}),
    "ngram": (lambda: coded_texts.TRAIN[:60], {"model.length": 12, "rows": 1}, None),
    "gpt": (lambda: coded_texts.TRAIN[:60], {"steps": 150, "model.counts": 0, **TINY_GPT}, {"steps": 4, **TINY_GPT}),
}


@pytest.mark.parametrize("model", OTHERS)
def test_images_and_texts_that_are_learned_by_heart_are_found_out(model, tmp_path):
    data, ordinary, _ = OTHERS[model]
    run = genwright.train(data(), model=model, out=tmp_path / "run", quiet=True, report=False, **ordinary)
    found = audits.audit(run, canaries=100, quiet=True)
    assert found.evidence.epsilon > 1
    assert found.most >= found.evidence.epsilon
    assert json.loads((run.folder / "audit.json").read_text())["attack"] == found.attack


@pytest.mark.parametrize("model", [model for model, (_, _, private) in OTHERS.items() if private is not None])
def test_private_images_and_texts_keep_their_claim(model, tmp_path):
    data, _, private = OTHERS[model]
    given = {"epsilon": 1.0, **private}
    run = genwright.train(data(), model=model, out=tmp_path / "run", quiet=True, report=False, **given)
    before = (run.folder / "ledger.json").read_text()
    found = audits.audit(run, canaries=100, quiet=True)
    assert found.claimed == 1.0
    assert found.most > 1.0, "a leak would have been seen"
    assert not found.broken
    assert (run.folder / "ledger.json").read_text() == before


def test_a_claim_that_is_a_hundredth_of_what_was_spent_is_broken(tmp_path, monkeypatch):
    run = genwright.train(images(), model="gaussian", out=tmp_path / "run", quiet=True, report=False, epsilon=100.0)
    assert not audits.audit(run, canaries=200, quiet=True).broken
    monkeypatch.setattr(audits, "guarantee_of", lambda settings: Guarantee(1.0, 1e-6))
    assert audits.audit(run, canaries=200, quiet=True).broken


@pytest.mark.parametrize("model", ["gaussian", "ngram"])
def test_what_was_trained_on_must_still_be_there(model, tmp_path):
    data, ordinary, _ = OTHERS[model]
    run = genwright.train(data(), model=model, out=tmp_path / "run", quiet=True, report=False, **ordinary)
    other = images(61) if model == "gaussian" else coded_texts.TRAIN[:61]
    with pytest.raises(GenwrightError) as error:
        audits.audit(run, data=other, quiet=True)
    assert error.value.code == "GW-0307"
    assert not (run.folder / "audit.json").exists()


def test_a_table_that_has_changed_is_not_audited(run, tmp_path):
    with pytest.raises(GenwrightError) as error:
        audits.audit(run, data=people.csv(tmp_path, 200), quiet=True)
    assert error.value.code == "GW-0307"


def test_losses_are_the_same_when_asked_again(run):
    rows = planted.made_up(run.codec, 30, np.random.default_rng(0))
    examples = Examples(run.codec.encode(rows))
    first = planted.losses(run.model, examples)
    assert np.array_equal(planted.losses(run.model, examples), first)
    assert first.shape == (30,)
