"""Private trainings that are killed: whatever the moment, the ledger tells of every step whose noise was drawn."""

import os
from pathlib import Path

import numpy as np
import pytest

import people
import processes
from genwright.privacy.ledger import PrivacyLedger
from genwright.training.private import TRAINING

COLUMNS = ["age", "education-num", "sex", "income"]
WORDS = [
    "train", "people.parquet", "--out", "run", "--model", "tvae", "--epsilon", 8, "--steps", 300, "--model.width", 16,
    "--training.checkpoint_every", 20, "--training.batch_size", 16, "--privacy.rows", 400, "--no-report", "--rows", 20,
]  # fmt: skip


class Witnessed(processes.Command):
    """A command that writes a mark for each step, just before its noise is drawn."""

    def __init__(self, *words: object, cwd: Path) -> None:
        self.cwd, self.files = cwd, [cwd / name for name in ("stdout", "stderr")]
        given = ([str(word) for word in words], cwd, self.files, {})
        self.process = processes.FORKS.Process(target=_witnessed, args=given)
        self.process.start()
        self.pid = self.process.pid


def _witnessed(words, cwd, files, environment):
    from genwright.training import private

    drawn, step = private.gaussian, private.Private.set_gradients
    file, first = os.open(cwd / "draws", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), False

    def set_gradients(self, phase, batch):
        nonlocal first
        first = True
        step(self, phase, batch)

    def gaussian(size, source):
        nonlocal first
        if first:
            os.write(file, b".")
        first = False
        return drawn(size, source)

    private.gaussian, private.Private.set_gradients = gaussian, set_gradients
    processes._run(words, cwd, files, environment)


def drawn(place: Path) -> int:
    """Steps whose noise was drawn."""
    return (place / "draws").stat().st_size if (place / "draws").exists() else 0


def kills_during_steps(folder: Path, kills: int, seed: int) -> int:
    """Kill so often, resume, begin anew what has ended; how many kills met a step that had begun since the one before."""
    random, met, number, during, known = np.random.default_rng(seed), 0, 0, 0, 0
    while met < kills:
        place = folder / f"{number}"
        if not place.exists():
            place.mkdir()
            people.frame(400).select(COLUMNS).write_parquet(place / "people.parquet")
        resumed = (place / "run" / "run.toml").exists()
        command = Witnessed(*(["train", "--resume", "run"] if resumed else WORDS), cwd=place)
        if random.random() < 0.7:  # the others are killed as they read, code and resume
            while drawn(place) <= known and command.poll(0.01) is None:
                pass
        ended = command.poll(random.uniform(0.0, 1.0))
        if ended is None:
            command.kill()
            met += 1
        else:
            assert ended == 0, command.said()
            number += 1
        steps = drawn(place)
        during += ended is None and steps > known
        known = steps if ended is None else 0
        if steps:
            ledger = PrivacyLedger.open(place / "run" / "ledger.json")
            assert ledger.entry(TRAINING).spent >= steps, "noise was drawn that nobody paid for"
            assert ledger.epsilon_spent() <= 8
    return during


@pytest.mark.slow
def test_fifty_kills(tmp_path):
    assert kills_during_steps(tmp_path, 50, seed=1) > 20
