"""The loop under interruption and damage: exact resume, skipped and rolled-back steps, damaged checkpoints."""

import dataclasses
import hashlib
import math

import numpy as np
import pytest
import torch

import coded
from genwright.config import TrainingSettings
from genwright.contract import GenerativeModel, Phase
from genwright.errors import GenwrightError
from genwright.models import MODELS
from genwright.training import checkpoints
from genwright.training.budget import Budget
from genwright.training.loop import Loop
from genwright.training.stop import Interrupted, Stop

GRADIENT = [name for name, entry in MODELS.items() if entry.load().phases]
STEPS = 24
SETTINGS = TrainingSettings(batch_size=32, warmup_steps=5, select_every=4, checkpoint_every=6)


def loop(name, folder, *, settings=SETTINGS, model=None) -> Loop:
    kind = name or "tvae"
    return Loop(
        model or coded.build(name),
        coded.examples(kind, 300),
        coded.examples(kind, 50, seed=1),
        settings,
        seed=0,
        precision=torch.float32,
        folder=folder,
        judge=sharpness,
    )


def sharpness(model: GenerativeModel) -> float:
    """A score of samples for models that select by them: any number that the weights decide."""
    labels = torch.zeros(4, dtype=torch.int64)
    return float(model.sample(4, condition=labels, generator=torch.Generator().manual_seed(0)).x.std())


def run(instance: Loop, *, stop_at: int | None = None, steps: int = STEPS):
    stop = Stop()

    def report(step, steps, losses):
        stop.requested = step == stop_at

    return instance.run(steps, budget=Budget(None), stop=stop, report=report)


def digest(model: torch.nn.Module) -> str:
    parts = [name.encode() + value.numpy().tobytes() for name, value in sorted(model.state_dict().items())]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.parametrize("name", GRADIENT)
def test_interrupted_and_resumed_is_uninterrupted(name, tmp_path):
    whole = loop(name, tmp_path / "whole")
    run(whole)
    count = 10 if MODELS[name].kind == "row" else 2  # ten of each image model in the slow suite
    points = np.random.default_rng(0).choice(np.arange(1, STEPS), count, replace=False)
    for point in map(int, points):
        folder = tmp_path / f"at-{point}"
        with pytest.raises(Interrupted):
            run(loop(name, folder), stop_at=point)
        resumed = loop(name, folder)
        assert resumed.resume() == []
        assert resumed.step == point
        run(resumed)
        assert digest(resumed.model) == digest(whole.model)
        assert digest(resumed.average) == digest(whole.average)
        assert resumed.counters.best_step == whole.counters.best_step


@pytest.mark.parametrize(
    ("hold", "wanted"),
    [(0.0, [0.5, 1.0, 1.0, (3 + math.cos(math.pi / 4)) / 4, 0.75, (3 - math.cos(math.pi / 4)) / 4]),
     (0.5, [0.5, 1.0, 1.0, 1.0, 1.0, 0.75])],
)  # fmt: skip
def test_the_rate_rises_is_held_and_falls(hold, wanted, tmp_path):
    settings = dataclasses.replace(SETTINGS, learning_rate=1.0, warmup_steps=2, final_rate=0.5, hold=hold)
    instance = loop("tvae", tmp_path, settings=settings)
    (phase,) = instance.model.phases
    found = []
    for instance.step in (0, 1, 2, 4, 6, 8):
        found.append(instance._rate(phase, 10))
    assert found == pytest.approx(wanted)


def test_two_optimisers_resume_exactly(tmp_path):
    settings = dataclasses.replace(SETTINGS, optimizer="muon")
    whole = loop("gpt", tmp_path / "whole", settings=settings)
    run(whole)
    assert set(whole.optimizers) == {"net", "net-matrices"}
    with pytest.raises(Interrupted):
        run(loop("gpt", tmp_path / "part", settings=settings), stop_at=9)
    resumed = loop("gpt", tmp_path / "part", settings=settings)
    resumed.resume()
    run(resumed)
    assert digest(resumed.model) == digest(whole.model)


def test_stopped_again_and_again(tmp_path):
    whole, name = loop("tvae", tmp_path / "whole"), "tvae"
    run(whole)
    for point in (3, 4, 11, 17):
        part = loop(name, tmp_path / "parts")
        part.resume()
        with pytest.raises(Interrupted):
            run(part, stop_at=point)
    last = loop(name, tmp_path / "parts")
    last.resume()
    run(last)
    assert digest(last.model) == digest(whole.model)


def test_a_flipped_bit_in_the_newest_checkpoint_falls_back_to_the_one_before(tmp_path):
    whole = loop("tvae", tmp_path / "whole")
    run(whole)
    with pytest.raises(Interrupted):
        run(loop("tvae", tmp_path / "run"), stop_at=15)
    newest = checkpoints.steps(tmp_path / "run")[-1] / "tensors.safetensors"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    resumed = loop("tvae", tmp_path / "run")
    (warning,) = resumed.resume()
    assert "step-00000015" in warning
    assert "damaged" in warning
    assert resumed.step == 12
    run(resumed)
    assert digest(resumed.model) == digest(whole.model)


def test_what_a_killed_save_leaves_is_ignored_and_swept(tmp_path):
    (tmp_path / ".step-00000099.tmp").mkdir(parents=True)
    (tmp_path / ".step-00000099.tmp" / "tensors.safetensors").write_bytes(b"torn")
    fresh = loop("tvae", tmp_path)
    assert fresh.resume() == []
    assert fresh.step == 0
    run(fresh, steps=3)
    assert not list(tmp_path.glob(".*.tmp"))


class Fragile(GenerativeModel):
    """Least squares whose loss is not finite while `breaks` says so."""

    phases = (Phase("fit", updates="net"),)
    selects_by = "fit"

    def __init__(self, breaks):
        super().__init__()
        self.net = torch.nn.Linear(6, 1)
        self.breaks, self.calls = breaks, 0

    def loss(self, phase, batch):
        loss = self.net(batch.x.float()).squeeze(1) ** 2
        if torch.is_grad_enabled():
            self.calls += 1
            if self.breaks(self.calls):
                loss = loss + math.nan
        return {"square": loss}

    def sample(self, n, *, condition=None, generator):
        raise NotImplementedError


def test_a_step_that_is_not_finite_moves_nothing_and_the_run_goes_on(tmp_path):
    model = Fragile(lambda call: call == 7)
    outcome = run(loop("", tmp_path, model=model))
    assert outcome.steps == STEPS
    assert outcome.rollbacks == 0
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_many_steps_that_are_not_finite_roll_back_at_a_lower_rate(tmp_path):
    model = Fragile(lambda call: 14 <= call < 19)
    instance = loop("", tmp_path, model=model)
    outcome = run(instance)
    assert outcome.rollbacks == 1
    assert instance.counters.rate_scale == 0.5
    assert outcome.steps == STEPS
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_loss_that_stays_not_finite_is_diagnosed_and_the_good_checkpoint_kept(tmp_path):
    instance = loop("", tmp_path, model=Fragile(lambda call: call > 13))
    with pytest.raises(GenwrightError) as caught:
        run(instance)
    assert caught.value.code == "GW-0402"
    assert "step 1" in str(caught.value)
    kept, _ = checkpoints.newest(tmp_path)
    assert kept.step == 12
    assert all(torch.isfinite(t).all() for t in kept.tensors.values())


def test_a_nan_in_weights_never_becomes_the_best(tmp_path):
    instance = loop("tvae", tmp_path)
    run(instance, steps=8)
    best = instance.counters.best_loss
    with torch.no_grad():
        next(iter(instance.average.parameters())).fill_(math.nan)
    instance._select(STEPS)
    assert instance.counters.best_loss == best


def test_time_becomes_steps_and_ends_the_run(tmp_path):
    budget = Budget(2.0)
    instance = loop("tvae", tmp_path)
    before = digest(instance.model)
    steps = budget.steps(10**6, instance.seconds_per_step(10**6))
    assert digest(instance.model) == before, "timing moved the weights"
    outcome = instance.run(steps, budget=budget, stop=Stop(), report=lambda *_: None)
    assert 0 < outcome.steps <= steps < 10**6
    assert budget.left() > -1.0


@pytest.mark.parametrize(("seconds", "asked", "kept"), [(100, 10, 40), (100, 45, 45), (100, 90, 50), (None, 90, 0)])
def test_time_for_the_report_is_kept_but_never_more_than_half(seconds, asked, kept):
    budget = Budget.of_run(seconds)
    budget.keep(asked)
    assert budget.reserve == kept
