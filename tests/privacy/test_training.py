"""Private trainings through the one loop: what is paid, what is seen, and what a crash costs."""

import dataclasses

import numpy as np
import pytest
import torch
from seeded import seeded

import coded
from genwright.config import TrainingSettings
from genwright.errors import GenwrightError
from genwright.privacy.accounting import Guarantee
from genwright.privacy.events import SampledGaussian
from genwright.privacy.ledger import Entry, PrivacyLedger
from genwright.training.budget import Budget
from genwright.training.loop import Loop
from genwright.training.private import TRAINING, Private
from genwright.training.stop import Interrupted, Stop

SETTINGS = TrainingSettings(batch_size=32, warmup_steps=2, select_every=2, checkpoint_every=4, clip_norm=0.0)
RATE, ROWS = 0.1, 300


def ledger(folder, releases, noise=2.0) -> PrivacyLedger:
    made = PrivacyLedger(Guarantee(50.0, 1e-5), path=folder / "ledger.json")
    made.plan(Entry(TRAINING, "noise on clipped gradients", SampledGaussian(noise, RATE, releases), 1.0))
    return made


def private_loop(name, folder, book, *, source=None, block=1) -> Loop:
    folder.mkdir(exist_ok=True)
    private = Private(book, 1.0, RATE * ROWS, block=block, source=source or seeded(0))
    model = coded.build(name)
    private.prepare(model, coded.spec_of(name), torch.float32, lambda text: None)
    examples, nothing = coded.examples(name, ROWS), coded.examples(name, 50, seed=1)
    return Loop(
        model,
        examples,
        nothing,
        SETTINGS,
        seed=0,
        precision=torch.float32,
        folder=folder / "checkpoints",
        private=private,
    )


def run(loop, steps, *, stop_at=None):
    stop, seen = Stop(), []

    def report(step, total, losses):
        seen.append(losses)
        stop.requested = step == stop_at

    return loop.run(steps, budget=Budget(None), stop=stop, report=report), seen


@pytest.mark.parametrize("name", ["tabular-ar", "tvae", "flow", "vae", "gpt"])
def test_a_private_training_pays_for_each_step_and_tells_no_loss(name, tmp_path):
    book = ledger(tmp_path, 6)
    outcome, seen = run(private_loop(name, tmp_path, book), 6)
    assert book.remaining(TRAINING) == 0
    assert outcome.steps == 6
    assert all(set(losses) == {"rate"} for losses in seen)
    assert outcome.best_loss == np.inf


def test_noise_and_clipping_are_those_of_the_plan(tmp_path):
    """Without an example in the batch the gradient is noise alone: its deviation, over many weights."""
    loop = private_loop("tvae", tmp_path, ledger(tmp_path, 50, noise=3.0))
    phase = loop.model.phases[0]
    empty = loop.model.draw(phase, loop.examples.batch(np.array([], np.int64), torch.device("cpu")))
    loop.private.set_gradients(phase, empty)
    noise = torch.cat([p.grad.flatten() for p in loop.private.engines[phase.name].parameters.values()])
    assert float(noise.std()) * RATE * ROWS == pytest.approx(3.0, rel=0.05)
    assert float(noise.mean()) == pytest.approx(0, abs=5 * 3.0 / (RATE * ROWS) / len(noise) ** 0.5)


def test_batches_are_poisson(tmp_path):
    loop = private_loop("tvae", tmp_path, ledger(tmp_path, 1))
    taken = [loop.private.choose(ROWS) for _ in range(400)]
    sizes = np.array([len(rows) for rows in taken])
    assert sizes.mean() == pytest.approx(RATE * ROWS, abs=1)
    assert sizes.var() == pytest.approx(ROWS * RATE * (1 - RATE), rel=0.25)
    counts = np.bincount(np.concatenate(taken), minlength=ROWS)
    assert counts.min() > 10
    assert all(len(set(rows)) == len(rows) for rows in taken)


def test_a_stopped_training_goes_on_and_never_spends_more_than_was_planned(tmp_path):
    book = ledger(tmp_path, 12)
    with pytest.raises(Interrupted):
        run(private_loop("tvae", tmp_path, book), 12, stop_at=5)
    again = PrivacyLedger.open(tmp_path / "ledger.json")
    assert again.remaining(TRAINING) == 7
    loop = private_loop("tvae", tmp_path, again)
    loop.resume()
    outcome, _ = run(loop, 12)
    assert outcome.steps == 12
    assert again.remaining(TRAINING) == 0


def test_steps_that_a_crash_lost_stay_paid(tmp_path):
    """Steps after the last checkpoint are released again, as new ones: the training ends earlier, within the plan."""

    class Crash(Exception):
        pass

    book = ledger(tmp_path, 12)
    loop = private_loop("tvae", tmp_path, book, block=3)
    moved, steps = loop._move, []

    def crash(phase, rate):
        steps.append(1)
        if len(steps) == 7:
            raise Crash
        moved(phase, rate)

    loop._move = crash
    with pytest.raises(Crash):
        run(loop, 12)
    again = PrivacyLedger.open(tmp_path / "ledger.json")
    assert again.remaining(TRAINING) == 12 - 9  # seven steps, paid in blocks of three
    resumed = private_loop("tvae", tmp_path, again)
    resumed.resume()
    assert resumed.step == 4
    outcome, _ = run(resumed, 12)
    assert outcome.steps == 4 + 3
    with pytest.raises(GenwrightError) as error:
        again.spend(TRAINING)
    assert error.value.code == "GW-0604"


def test_two_trainings_differ_though_the_seed_is_the_same(tmp_path):
    """Noise comes from the operating system."""
    from genwright.privacy.noise import system_source

    weights = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        loop = private_loop("tvae", tmp_path / name, ledger(tmp_path / name, 2), source=system_source)
        run(loop, 2)
        weights.append(torch.cat([p.flatten() for p in loop.model.parameters()]))
    assert not torch.equal(*weights)


def test_phases_that_mix_examples_are_refused(tmp_path):
    with pytest.raises(GenwrightError) as error:
        private_loop("dcgan", tmp_path, ledger(tmp_path, 2))
    assert error.value.code == "GW-0601"
    assert dataclasses.asdict(SETTINGS)["clip_norm"] == 0.0
