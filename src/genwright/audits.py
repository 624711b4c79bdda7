"""The audit of a run: train it again with planted examples, guess which it saw, and set what that proves beside the claim.

What is planted, and what is guessed by, is in `planted.py`; the statistics are in `privacy/audit.py`. An audit looks at the
data outside of any guarantee; nothing of it is part of a release.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genwright.folder import write_json
from genwright.guarantee import guarantee_of
from genwright.planted import PLANTED
from genwright.privacy.accounting import default_delta
from genwright.privacy.audit import Evidence, by_canaries
from genwright.progress import Progress
from genwright.run import Run

FORMAT = 1
CONFIDENCE = 0.95
OUTSIDE = (
    "The audit looked at the data outside of any guarantee. It is for the owner of the data and no part of a release."
)


@dataclass(frozen=True)
class Audit:
    """What an audit found."""

    attack: str
    """What was looked at to guess."""
    canaries: int
    included: int
    """How many of the canaries were trained on."""
    evidence: Evidence
    most: float
    """The bound that guesses without a fault would have given."""
    claimed: float | None
    """epsilon of the run's guarantee; None without one."""
    delta: float
    seed: int

    @property
    def broken(self) -> bool:
        """Whether the bound is above the claim."""
        return self.claimed is not None and self.evidence.epsilon > self.claimed

    def __str__(self) -> str:
        known = f"{self.canaries:,} canaries, {self.included:,} of them trained on"
        bound = f"at least {self.evidence.epsilon:.2f} with {CONFIDENCE:.0%} confidence"
        if self.claimed is None:
            verdict = f"No guarantee is claimed; epsilon at delta {self.delta:g} is {bound}."
        else:
            end = "THE CLAIM IS BROKEN: release nothing of this run" if self.broken else "nothing contradicts the claim"
            verdict = f"Claimed: epsilon {self.claimed:.2f} at delta {self.delta:g}. Found: {bound}; {end}."
        return "\n".join(
            [
                f"{known}, guessed by {self.attack}: {self.evidence.right:,} of {self.evidence.guesses:,} guesses were right.",
                verdict,
                f"Without a wrong guess it would have been {self.most:.2f}: more canaries can show more.",
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what audit.json holds."""
        given = {"format": FORMAT, **asdict(self), "confidence": CONFIDENCE, "broken": self.broken}
        return {**given, "note": OUTSIDE}


def audit(run: Run, *, canaries: int = 1000, data: Any = None, seed: int = 0, quiet: bool = False) -> Audit:
    """Train once more, by the run's settings and plan, on its examples and about half of the canaries; guess which half.

    Canaries are made up, of what the data are made of, and each is in by a fair coin. Writes audit.json into the run's
    folder; the training's own folder is temporary. `data`: as for `Run.training_data`. GW-0307 if the data are gone or
    changed, GW-0308 for a run that is not finished, GW-0615 for one that has nothing to make canaries of.
    """
    progress = Progress(quiet=quiet)
    generator = np.random.default_rng([seed, 29])
    _ = run.codec  # raises GW-0308 where there is none
    with progress.phase("Planting"):
        dataset = run.open_dataset(run.training_data(data), run.settings)
        run.check_fingerprint(dataset)
        planted = PLANTED[run.noun](run, dataset, canaries, generator)
        included = generator.random(canaries) < 0.5
    with tempfile.TemporaryDirectory(prefix="genwright-audit-") as folder:
        again = planted.train(included, Path(folder), quiet=quiet)
        with progress.phase("Guessing"):
            scores, attack = planted.scores(again)
    if run.settings.epsilon:
        guarantee = guarantee_of(run.settings)
        claimed, delta = guarantee.epsilon, guarantee.delta
    else:
        claimed, delta = None, default_delta(planted.size)
    evidence = by_canaries(scores, included, delta, CONFIDENCE)
    most = by_canaries(included, included, delta, CONFIDENCE).epsilon
    found = Audit(attack, canaries, int(included.sum()), evidence, most, claimed, delta, seed)
    write_json(run.folder / "audit.json", found.to_json())
    return found
