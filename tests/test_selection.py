"""What picks the snapshot of a GAN: samples are judged rightly, and what went wrong is said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import coded
from digits import CLASSES, digits
from genwright.codecs.image import ImageCodec
from genwright.data.batches import Examples
from genwright.image_judge import ImageJudge
from genwright.selection import FEWEST_HELD, held_back, notes, won
from genwright.training.loop import Outcome


def judge(pixels: np.ndarray) -> ImageJudge:
    """Beside 400 digits, in the order of their classes; what it takes for samples is of `pixels`, of the class asked for."""
    whole = digits()
    real, made = whole.take(np.argsort(whole.labels[:400], kind="stable")), whole.take(np.arange(800, 1797))
    codec = ImageCodec.fit(real.pixels, real.labels, CLASSES)
    source = {label: pixels[made.labels == label] for label in range(10)}

    def sample(model: Any, n: int, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        picked = [source[int(label)][place % len(source[int(label)])] for place, label in enumerate(condition)]
        return torch.tensor(np.stack(picked)).permute(0, 3, 1, 2).float() / 127.5 - 1

    examples = Examples(codec.encode(real.pixels), real.labels)
    return ImageJudge(codec, examples, sample, at_once=256, device=torch.device("cpu"))


def test_variety_is_that_within_classes() -> None:
    whole = digits().take(np.arange(800, 1797))
    one_each = np.stack([whole.pixels[np.flatnonzero(whole.labels == label)[0]] for label in range(10)])
    fresh, collapsed = judge(whole.pixels), judge(one_each[whole.labels])
    assert fresh.variety(None) == pytest.approx(1, abs=0.2)  # type: ignore[arg-type]
    assert collapsed.variety(None) < 0.01, "ten different pictures, but one for each class"  # type: ignore[arg-type]
    assert fresh(None) < 0.1 * collapsed(None)  # type: ignore[arg-type]


def test_fewer_than_a_judge_needs_are_not_kept_back() -> None:
    gan, flow, vae = (coded.build(name) for name in ("r3gan", "flow", "vae"))
    assert held_back(gan, 0.05, 20 * FEWEST_HELD) == 0.05
    assert held_back(gan, 0.05, 20 * FEWEST_HELD - 1) == 0
    assert held_back(vae, 0.05, 100) == 0.05, "its loss is a mean, which few tell"
    assert held_back(flow, 0.05, 5000) == 0, "nothing is chosen"


def outcome(best_step: int = 60, best: float = 1.0, last: float = 1.1) -> Outcome:
    return Outcome(100, best_step, best, last, 1.0, False, 0)


def test_what_went_wrong_is_said() -> None:
    well = [0.5] * 40
    assert notes(outcome(), 0.9, well) == []
    assert notes(outcome(), math.nan, []) == []
    (fell,) = notes(outcome(last=5.0), 0.9, well)
    assert "best at step 60 and 5 times farther" in fell
    (alike,) = notes(outcome(), 0.03, well)
    assert "nearly alike" in alike
    assert "3 %" in alike
    (lost,) = notes(outcome(), 0.9, [0.5] * 30 + [0.001] * 10)
    assert "the critic won" in lost
    (nothing,) = notes(outcome(best_step=0, best=math.inf, last=math.inf), math.nan, well)
    assert "no snapshot was selected" in nothing


def test_a_critic_that_wins_for_a_moment_has_not_won() -> None:
    assert won([0.6, 0.4, 0.01])
    assert not won([])
    assert not won([0.01] * 19 + [0.3])
    assert not won([0.01] * 30 + [0.3, 0.01])
