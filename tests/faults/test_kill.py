"""Signals and kills on real processes: what was trained is kept, and resuming ends at the same bytes."""

import dataclasses
import json
import os
import signal
import time

import numpy as np
import pytest

import coded
import coded_texts
import genwright
import people
from genwright.models import MODELS
from processes import Command

STEPS = 120
SETTINGS = ["--model.width", "16", "--steps", STEPS, "--training.checkpoint_every", "20", "--no-report", "--rows", "50"]


def start(folder, *words):
    return Command("train", *words, cwd=folder)


def hashes(folder):
    return json.loads((folder / "state.json").read_text())["files"]


def place(model, folder):
    """Data for the model in the folder; returns their name."""
    if MODELS[model].kind == "row":
        return people.csv(folder, 400).name
    if MODELS[model].kind == "tokens":
        (folder / "letters.txt").write_text("\n\n".join(coded_texts.TRAIN))
        return "letters.txt"
    pixels, labels = coded.pictures(100)
    np.savez(folder / "bars.npz", images=np.pad(pixels[:, 0], ((0, 0), (0, 0), (2, 2))), labels=labels)
    return "bars.npz"


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: its folder, its duration and the hashes that every other run must end with."""
    folder = tmp_path_factory.mktemp("whole")
    people.csv(folder, 400)
    started = time.monotonic()
    process = start(folder, "people.csv", "--out", "run", *SETTINGS)
    assert process.wait(120) == 0, process.said()
    return folder, time.monotonic() - started, hashes(folder / "run")


def test_killed_at_random_moments_and_resumed_it_ends_at_the_same_bytes(whole, tmp_path):
    _, duration, wanted = whole
    people.csv(tmp_path, 400)
    moments = np.random.default_rng(0).uniform(0.1, 1.0, 4) * duration
    words = ["people.csv", "--out", "run", *SETTINGS]
    for moment in moments:
        process = start(tmp_path, *words)
        if process.poll(moment) is None:
            process.kill()
        if (tmp_path / "run" / "run.toml").exists():
            words = ["--resume", "run"]
    process = start(tmp_path, *words)
    assert process.wait(120) == 0, process.said()
    assert hashes(tmp_path / "run") == wanted
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps)), "a step was logged twice"


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_ten_random_kills_of_every_model(model, tmp_path):
    data = place(model, tmp_path)
    settings = ["--model", model, "--no-report", "--rows", "50"]
    entry = MODELS[model]
    small = {"width": 16, "steps": 60, "components": 20, "length": 12} if entry.kind != "grid" else {"width": 16}
    own = {field.name for field in dataclasses.fields(entry.settings)}
    settings += [word for name in small.keys() & own for word in (f"--model.{name}", small[name])]
    if entry.load().phases:
        settings += ["--steps", 200 if entry.kind == "row" else 40, "--training.checkpoint_every", 10]
    if model == "pretrained":
        import folders  # skips where the extra is missing

        settings += ["--model.folder", folders.make(tmp_path / "model"), "--text.context", 32]
    started = time.monotonic()
    assert start(tmp_path, data, "--out", "whole", *settings).wait(120) == 0
    duration, wanted = time.monotonic() - started, hashes(tmp_path / "whole")
    for number, moment in enumerate(np.random.default_rng(1).uniform(0.3, 1.0, 10) * duration):
        out = f"run-{number}"
        process = start(tmp_path, data, "--out", out, *settings)
        if process.poll(moment) is None:
            process.kill()
        words = ["--resume", out] if (tmp_path / out / "run.toml").exists() else [data, "--out", out, *settings]
        again = start(tmp_path, *words)
        assert again.wait(120) == 0, again.said()
        assert hashes(tmp_path / out) == wanted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_saves_and_exits_with_75(whole, number, tmp_path):
    _, _, wanted = whole
    people.csv(tmp_path, 400)
    process = start(tmp_path, "people.csv", "--out", "run", *SETTINGS)
    wait_for(lambda: list((tmp_path / "run" / "checkpoints").glob("step-*")))
    process.send(number)
    assert process.wait(60) == 75
    assert "--resume" in process.said()
    again = start(tmp_path, "--resume", "run")
    assert again.wait(120) == 0, again.said()
    assert hashes(tmp_path / "run") == wanted


def test_a_signal_before_training_exits_with_75_too(tmp_path):
    people.csv(tmp_path, 400)
    process = start(tmp_path, "people.csv", "--out", "run", *SETTINGS)
    wait_for(lambda: (tmp_path / "run" / "run.toml").exists())
    process.send(signal.SIGINT)
    assert process.wait(60) == 75
    again = start(tmp_path, "--resume", "run")
    assert again.wait(120) == 0, again.said()


def test_a_second_training_in_the_folder_is_refused_and_names_the_holder(tmp_path):
    people.csv(tmp_path, 400)
    long = [word if word != STEPS else 100_000 for word in SETTINGS]
    first = start(tmp_path, "people.csv", "--out", "run", *long)
    try:
        wait_for(lambda: list((tmp_path / "run" / "checkpoints").glob("step-*")))
        for words in (["--resume", "run"], ["people.csv", "--out", "run"]):
            second = start(tmp_path, *words)
            assert second.wait(60) == 2
            message = second.said()
            assert "GW-03" in message
            if words[0] == "--resume":
                assert f"process {first.pid}" in message
    finally:
        first.kill()
    assert os.stat(tmp_path / "run" / "lock").st_size > 0  # the holder is dead, its lock is gone
    third = start(tmp_path, "--resume", "run")
    wait_for(lambda: f"process {third.pid} ".encode() in (tmp_path / "run" / "lock").read_bytes())
    time.sleep(0.5)
    third.send(signal.SIGTERM)
    assert third.wait(60) in (75, 143)


def test_changed_data_are_refused_on_resume(tmp_path):
    path = people.csv(tmp_path, 400)
    process = start(tmp_path, "people.csv", "--out", "run", *SETTINGS)
    wait_for(lambda: list((tmp_path / "run" / "checkpoints").glob("step-*")))
    process.send(signal.SIGTERM)
    process.wait(60)
    path.write_text(path.read_text().replace("Bachelors", "Masters", 1))
    again = start(tmp_path, "--resume", "run")
    assert again.wait(60) == 2
    assert "GW-0307" in again.said()
    path.unlink()
    gone = start(tmp_path, "--resume", "run")
    assert gone.wait(60) == 2
    assert "people.csv" in gone.said()


def test_a_finished_run_goes_on_longer(tmp_path):
    frame = people.frame(200)
    run = genwright.train(frame, out=tmp_path / "run", steps=30, report=False, quiet=True, **{"model.width": 16})
    before = run.state["files"]
    assert genwright.train(resume=tmp_path / "run", data=frame, quiet=True).state["files"] == before
    longer = genwright.train(resume=tmp_path / "run", data=frame, steps="+20", quiet=True)
    assert longer.state["outcome"]["steps"] == 50
    assert longer.settings.steps == 50
