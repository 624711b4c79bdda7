"""Trackers are fed what log.jsonl holds, each step once, also over a kill and a resumption."""

import json
import shutil
import sys
import types

import numpy as np
import pytest

import coded
import genwright
from genwright import tracking
from genwright.data.image_writers import write_grid
from genwright.errors import GenwrightError


def data():
    pixels, labels = coded.pictures(60)
    return np.pad(pixels, ((0, 0), (0, 0), (0, 0), (2, 2))).transpose(0, 2, 3, 1), labels


def train(out, **settings):
    given = {"model.width": 8, "model.latent": 4, "training.checkpoint_every": 20, **settings}
    return genwright.train(data(), model="r3gan", steps=45, out=out, quiet=True, report=False, **given)


def log(run):
    return [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]


def events(folder):
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = reading.EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    return found.Reload()


def test_tensorboard_has_what_the_log_has(tmp_path):
    pytest.importorskip("tensorboard")
    run = train(tmp_path / "run", track="tensorboard")
    entries, found = log(run), events(run.folder)
    assert [entry["step"] for entry in entries] == [20, 40, 45]
    assert set(found.Tags()["scalars"]) == set().union(*entries) - {"step", "time"}
    for name in ("rate", "critic.loss", "generator.loss"):
        seen = [(event.step, event.value) for event in found.Scalars(name)]
        assert seen == [(entry["step"], pytest.approx(entry[name], abs=1e-5)) for entry in entries]
    pictures = sorted((run.folder / "samples" / "steps").glob("*.png"))
    assert [event.step for event in found.Images("samples")] == [int(path.stem) for path in pictures]


def test_a_step_that_comes_again_is_shown_once(tmp_path):
    pytest.importorskip("tensorboard")
    picture = tmp_path / "grid.png"
    write_grid(picture, np.zeros((4, 8, 8, 1), np.uint8), columns=2, metadata={})
    first = tracking.open_tracker("tensorboard", tmp_path, step=0, facts={})
    for step in (20, 40, 60):
        first.scalars(step, {"loss": 1.0})
        first.image(step, picture)
    first.close()
    again = tracking.open_tracker("tensorboard", tmp_path, step=40, facts={})
    again.scalars(60, {"loss": 2.0})
    again.close()
    found = events(tmp_path)
    assert [(event.step, event.value) for event in found.Scalars("loss")] == [(20, 1.0), (40, 1.0), (60, 2.0)]
    assert [event.step for event in found.Images("samples")] == [20, 40]


@pytest.fixture
def wandb(monkeypatch):
    """A stand-in that remembers what it was told."""
    told = types.SimpleNamespace(inits=[], logs=[], finished=0)

    class Running:
        def log(self, values, step):
            told.logs.append((step, values))

        def finish(self):
            told.finished += 1

    def init(**words):
        told.inits.append(words)
        return Running()

    package = types.ModuleType("wandb")
    package.init, package.Settings, package.Image = init, lambda **words: words, lambda path: path
    monkeypatch.setitem(sys.modules, "wandb", package)
    monkeypatch.setattr(tracking, "find_spec", lambda name: object())
    monkeypatch.setenv("WANDB_MODE", "")  # so that what is set while a test runs is taken back
    monkeypatch.delenv("WANDB_MODE")
    return told


def test_wandb_is_offline_in_the_run_folder(tmp_path, wandb, monkeypatch):
    run = train(tmp_path / "run", track="wandb")
    (given,) = wandb.inits
    assert given["dir"] == run.folder
    assert given["config"]["model.width"] == 8
    assert tracking.os.environ["WANDB_MODE"] == "offline"
    assert wandb.finished == 1
    losses = [(step, values) for step, values in wandb.logs if "samples" not in values]
    assert [step for step, _ in losses] == [20, 40, 45]
    assert set(losses[0][1]) == set(log(run)[0]) - {"step", "time"}
    monkeypatch.setenv("WANDB_MODE", "online")
    tracking.open_tracker("wandb", run.folder, step=0, facts={})
    assert tracking.os.environ["WANDB_MODE"] == "online"
    assert wandb.inits[0]["id"] == wandb.inits[1]["id"]


def test_wandb_is_told_each_step_once(tmp_path, wandb):
    run = train(tmp_path / "run", track="wandb")
    told = list(wandb.logs)
    shutil.rmtree(run.folder / "checkpoints" / "step-00000045")  # as if killed after step 45 was logged
    run.update_state(status="started")
    genwright.train(data(), resume=run.folder, quiet=True)
    assert [entry["step"] for entry in log(run)] == [20, 40, 45]
    assert [step for step, values in wandb.logs if "samples" not in values] == [20, 40, 45]
    assert wandb.logs[: len(told)] == told


@pytest.mark.parametrize("track", ["tensorboard", "wandb"])
def test_a_missing_package_is_said_before_anything_is_done(tmp_path, monkeypatch, track):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(GenwrightError, match=rf"GW-0407.*{track}.*pip install 'genwright\[track\]'"):
        train(tmp_path / "run", track=track)
    assert not (tmp_path / "run").exists()
