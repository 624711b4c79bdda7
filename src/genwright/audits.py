"""The audit of a run: train it again with planted rows, guess which ones it saw, and set what that proves beside the claim.

The statistics are in `privacy/audit.py`. An audit looks at the data outside of any guarantee; nothing of it is part of a
release.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from genwright import settings as settings_layer
from genwright import trainer
from genwright.codecs.table import TableCodec
from genwright.data.batches import Examples
from genwright.errors import GenwrightError
from genwright.folder import write_json, write_text
from genwright.guarantee import guarantee_of
from genwright.privacy.accounting import default_delta
from genwright.privacy.audit import Evidence, by_canaries
from genwright.progress import Progress
from genwright.run import Run
from genwright.tables import Table

FORMAT = 1
CONFIDENCE = 0.95
DRAWS = 16  # of a model's own randomness (orders, dropout, noise), over which a loss is averaged
DRAWN_ROWS = 100_000  # synthetic rows whose counts stand in for a likelihood
ROWS_AT_ONCE = 16_384
LOSS, COUNTS = "the model's loss", "how much more often synthetic rows have the same pairs of values"
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
    """Train once more, by the run's settings and plan, on its rows and about half of the canaries; guess which half.

    Canaries are rows of codes drawn evenly, each in by a fair coin. Writes audit.json into the run's folder; the training's
    own folder is temporary. `data`: as for `Run.training_data`. GW-0307 if the data are gone or changed, GW-0308 for a run
    that is not finished, GW-0615 for one that is not on a table with something to learn.
    """
    if run.noun != "rows" or not run.codec.spec.spans:
        raise GenwrightError("GW-0615", f"{str(run.folder)!r} has no rows to audit", "Audit a run on a table.")
    progress = Progress(quiet=quiet)
    generator = np.random.default_rng([seed, 29])
    with progress.phase("Planting"):
        planted = made_up(run.codec, canaries, generator)
        included = generator.random(canaries) < 0.5
        table = run.open_dataset(run.training_data(data), run.settings)
        assert isinstance(table, Table)
        run.check_fingerprint(table)
        rows = pl.concat([*table.batches(), planted.filter(pl.Series(included))])
    with tempfile.TemporaryDirectory(prefix="genwright-audit-") as folder:
        again = trained_again(run, rows, Path(folder), quiet=quiet)
        with progress.phase("Guessing"):
            scores, attack = _scores(run, again, planted)
    if run.settings.epsilon:
        guarantee = guarantee_of(run.settings)
        claimed, delta = guarantee.epsilon, guarantee.delta
    else:
        claimed, delta = None, default_delta(len(rows))
    evidence = by_canaries(scores, included, delta, CONFIDENCE)
    most = by_canaries(included, included, delta, CONFIDENCE).epsilon
    found = Audit(attack, canaries, int(included.sum()), evidence, most, claimed, delta, seed)
    write_json(run.folder / "audit.json", found.to_json())
    return found


def made_up(codec: TableCodec, n: int, generator: np.random.Generator) -> pl.DataFrame:
    """n typed rows of values that the codec knows, in combinations that hardly any real row has: every code as likely."""
    codes = np.stack([generator.integers(span.size, size=n) for span in codec.spec.spans], axis=1)
    for at, span in enumerate(codec.spec.spans):
        if span.parent is not None:
            codes[:, at] *= np.array(codec.spec.spans[span.parent].refined)[codes[:, span.parent]]
    return codec.decode(codes, generator=generator)


def trained_again(run: Run, rows: pl.DataFrame, folder: Path, *, quiet: bool, **other: Any) -> Run:
    """A run by the same settings, but for the `other`, on other rows, all of which are trained on."""
    schema = folder / "schema.toml"
    write_text(schema, run.codec.schema.to_toml())
    given = settings_layer.from_file(run.folder / "run.toml")
    own = {"schema": str(schema), "out": str(folder / "run"), "test": "", "holdout": 0.0, "time": "", "track": "none"}
    return trainer.start(
        run.codec.schema.format(rows), {**given, **own, **other, "rows": 1, "report": False}, quiet=quiet
    )


def _scores(run: Run, again: Run, planted: pl.DataFrame) -> tuple[np.ndarray, str]:
    """(n,) how likely each planted row is to have been trained on, and by what.

    Counts are compared with those of the run, which saw none of the rows. Losses are not: those of rows that are like no
    other say little, and to subtract them only adds their noise.
    """
    if again.model.phases:
        return -losses(again, planted), LOSS
    before, after = (pair_counts(each, planted) for each in (run, again))
    return (np.log1p(after) - np.log1p(before)).sum(axis=1), COUNTS


def losses(run: Run, rows: pl.DataFrame) -> np.ndarray:
    """(n,) the loss of each row in the first phase that reads data, averaged over draws."""
    model, examples = run.model, Examples(run.codec.encode(rows))
    phase = next(phase for phase in model.phases if phase.reads_data)
    device = next(model.parameters()).device
    total = np.zeros(len(rows))
    torch.manual_seed(0)  # two runs get the same draws
    with torch.no_grad():
        for _ in range(DRAWS):
            parts = [torch.stack([*model.loss(phase, model.draw(phase, b)).values()]) for b in examples.once(device)]
            total += torch.cat(parts, dim=1).sum(0).double().cpu().numpy() / DRAWS
    return total


def pair_counts(run: Run, rows: pl.DataFrame) -> np.ndarray:
    """(n, pairs) how many of many synthetic rows agree with each row in each two columns, and in each column alone."""
    spans = run.codec.spec.spans
    leaders = [at for at, span in enumerate(spans) if span.parent is None]
    wanted = run.codec.encode(rows).astype(np.int64)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat(
        [run.model.sample(ROWS_AT_ONCE, generator=generator).x.cpu() for _ in range(0, DRAWN_ROWS, ROWS_AT_ONCE)]
    ).numpy()
    counts = []
    for place, u in enumerate(leaders):
        for v in leaders[: place + 1]:
            one, all_drawn = (codes[:, u] * spans[v].size + codes[:, v] for codes in (wanted, drawn))
            all_drawn = np.sort(all_drawn)
            counts.append(np.searchsorted(all_drawn, one, side="right") - np.searchsorted(all_drawn, one))
    return np.stack(counts, axis=1)
