"""What picks the snapshot of a model by its samples, and what there is to say of them at the end of the training.

Losses of a GAN tell neither: they are moves of a game. `image_judge.py` judges images; `stages.py` asks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from genwright.contract import SAMPLES, GenerativeModel

if TYPE_CHECKING:
    from genwright.training.loop import Outcome

FEWEST_HELD = 50  # examples that samples are judged beside; instead of fewer, training examples are taken
COLLAPSE = 3.0  # times the best distance of samples, at which a training is said to have collapsed
VARIED = 0.2  # variety of samples, as a share of that of real examples, below which they are nearly alike
WON = 0.02  # loss of the critic, where it cannot fall below 0, at which it tells all generated examples from real ones
LAST = 10  # the critic is asked over the last of so many parts of the training


class SampleJudge(Protocol):
    """Compares samples of a model with real examples, with the same noise each time."""

    def __call__(self, model: GenerativeModel) -> float:
        """How far they are; lower is better."""

    def variety(self, model: GenerativeModel) -> float:
        """How much samples of one class differ among themselves, real ones: 1; NaN where no class has two real ones."""


def held_back(model: GenerativeModel, share: float, examples: int) -> float:
    """The share of training examples that is kept to choose a snapshot by: none for a model that chooses none, or whose
    samples would be judged beside too few of them."""
    few = model.selects_by == SAMPLES and share * examples < FEWEST_HELD
    return 0.0 if few or not model.selects_by else share


def notes(outcome: Outcome, variety: float, critic: Sequence[float]) -> list[str]:
    """Sentences on a finished training whose samples pick the snapshot: what went wrong, if anything did.

    `variety`: of the snapshot that ships. `critic`: the logged losses of the critic, if 0 is their least value, else none.
    """
    found = []
    if not outcome.best_step:
        found.append(
            "no snapshot was selected, as samples could not be compared with real data: the last one ships, good or bad."
        )
    elif outcome.last_loss > COLLAPSE * outcome.best_loss:
        found.append(
            f"samples were best at step {outcome.best_step:,} and {outcome.last_loss / outcome.best_loss:.0f} times farther "
            "from real data at the end (one player won, or kinds of samples were lost). The best snapshot ships; a lower "
            "--training.learning_rate or a larger --model.penalty_weight may train longer."
        )
    if not math.isnan(variety) and variety < VARIED:
        found.append(
            f"samples are nearly alike, within a class where there are classes: they vary {100 * variety:.0f} % as much as "
            "real ones. The generator has collapsed, or has not begun to learn; a larger --model.penalty_weight or another "
            "model (flow) may help."
        )
    if won(critic):
        found.append(
            "the critic won: at the end it tells all generated examples from real ones, so the generator learns no more. "
            "A larger --model.penalty_weight, --model.augment .5 or a smaller --training.learning_rate keeps the game open."
        )
    return found


def won(critic: Sequence[float]) -> bool:
    """Whether a critic's loss, 0 at least, was next to nothing all through the last part of the training."""
    last = critic[-max(1, len(critic) // LAST) :]
    return bool(last) and max(last) < WON
