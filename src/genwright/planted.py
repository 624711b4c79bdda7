"""What an audit plants among the examples of each kind of data, how it trains with it, and what it guesses by.

`audits.py` decides which of it goes in, and says what the guesses prove.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch

from genwright import settings as settings_layer
from genwright import trainer
from genwright.codecs.table import TableCodec
from genwright.contract import GenerativeModel
from genwright.data.batches import Examples, split
from genwright.errors import GenwrightError
from genwright.folder import write_text
from genwright.images import ImageSet
from genwright.metrics.image_sets import Labelled
from genwright.run import Run
from genwright.tables import Table
from genwright.text_measures import costs
from genwright.texts import TextSet
from genwright.training.devices import choose_device

DRAWS = 16  # of a model's own randomness (orders, dropout, noise), over which a loss is averaged
DRAWN_ROWS = 100_000  # synthetic rows whose counts stand in for a likelihood
ROWS_AT_ONCE = 16_384
READ = 1_000  # training texts whose letters the planted ones are made of
LETTERS = 64  # of a planted text, at most
FEWEST_LETTERS = 10
LOSS, COUNTS = "the model's loss", "how much more often synthetic rows have the same pairs of values"
DENSITY, CRITIC, NATS = "the model's density", "its critic's score", "what they cost the model"


class Planted(Protocol):
    """n examples that no model could know but by training on them."""

    size: int
    """Examples to train on, with all of the planted ones."""

    def train(self, included: np.ndarray, folder: Path, *, quiet: bool) -> Run:
        """The run once more, by its settings and plan, with those planted ones that are `included`, (n,): none of them is in
        the hold-out or in a slice that a snapshot is chosen by."""

    def scores(self, again: Run) -> tuple[np.ndarray, str]:
        """(n,) how likely each is to have been trained on, and what that is told by."""


class PlantedRows:
    """Rows of values that the codec knows, in combinations that hardly any real row has: every code as likely."""

    def __init__(self, run: Run, table: Table, n: int, generator: np.random.Generator) -> None:
        if not run.codec.spec.spans:
            raise GenwrightError("GW-0615", f"{str(run.folder)!r} has no columns to learn", "Audit another run.")
        self.run, self.table, self.size = run, table, table.training_rows + n
        self.rows = made_up(run.codec, n, generator)

    def train(self, included: np.ndarray, folder: Path, *, quiet: bool) -> Run:
        real, few, settings = pl.concat(self.table.batches()), self.rows.filter(pl.Series(included)), self.run.settings
        if settings.unit:
            few = few.with_columns(strangers(real[settings.unit], len(few)))
        kept = split(len(real) + len(few), settings.training.validation, seed=settings.seed + 1)
        order = np.argsort(~kept, kind="stable")  # the places of the slice come first: real rows go there
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return rows_again(self.run, pl.concat([real, few])[place], folder, quiet=quiet)

    def scores(self, again: Run) -> tuple[np.ndarray, str]:
        """Counts are compared with those of the run, which saw none of the rows. Losses are not: those of rows that are like
        no other say little, and to subtract them only adds their noise."""
        if again.model.phases:
            return -losses(again.model, Examples(again.codec.encode(self.rows))), LOSS
        before, after = (pair_counts(each, self.rows) for each in (self.run, again))
        return (np.log1p(after) - np.log1p(before)).sum(axis=1), COUNTS


class PlantedImages:
    """Images of noise, of classes that occur, each as likely."""

    def __init__(self, run: Run, images: ImageSet, n: int, generator: np.random.Generator) -> None:
        pixels, labels = images.part(held=False)
        self.run, self.images, self.size = run, images, len(pixels) + n
        noise = generator.integers(256, size=(n, *pixels.shape[1:]), dtype=np.uint8)
        self.made = Labelled(noise, None if labels is None else generator.choice(np.unique(labels), n))

    def train(self, included: np.ndarray, folder: Path, *, quiet: bool) -> Run:
        few = self.made.take(np.flatnonzero(included))
        return trained_again(self.run, self.images.planting(few.pixels, few.labels), folder, quiet=quiet)

    def scores(self, again: Run) -> tuple[np.ndarray, str]:
        examples = Examples(again.codec.encode(self.made.pixels), self.made.labels)
        device = choose_device(again.settings.device)
        known = [found for b in examples.once(device) if (found := again.model.familiarity(b)) is not None]
        if not known:
            return -losses(again.model, examples), LOSS
        return torch.cat(known).double().cpu().numpy(), CRITIC if again.model.phases else DENSITY


class PlantedTexts:
    """Texts of letters that the training texts have, each as likely, and not longer than a model sees at once."""

    def __init__(self, run: Run, texts: TextSet, n: int, generator: np.random.Generator) -> None:
        first = itertools.islice(texts.documents(held=False), READ)
        known = sorted({sign for document in first for sign in document.text if sign.isalnum()})
        if len(known) < FEWEST_LETTERS:
            what = f"The texts of {str(run.folder)!r} have fewer than {FEWEST_LETTERS} letters to make others of"
            raise GenwrightError("GW-0615", what, "Audit another run.")
        length = min(LETTERS, run.codec.context // 2)
        self.run, self.texts = run, texts
        self.made = ["".join(generator.choice(known, length)) for _ in range(n)]
        self.size = int((~texts.held).sum()) + n

    def train(self, included: np.ndarray, folder: Path, *, quiet: bool) -> Run:
        few = tuple(itertools.compress(self.made, included))
        return trained_again(self.run, self.texts.planting(few), folder, quiet=quiet)

    def scores(self, again: Run) -> tuple[np.ndarray, str]:
        return -costs(again.model, again.codec, self.made), NATS


PLANTED: dict[str, Callable[..., Planted]] = {"rows": PlantedRows, "images": PlantedImages, "texts": PlantedTexts}
"""By `Run.noun`: what there is of (run, its dataset, how many, generator)."""


def made_up(codec: TableCodec, n: int, generator: np.random.Generator) -> pl.DataFrame:
    """n typed rows of values that the codec knows: every code as likely."""
    codes = np.stack([generator.integers(span.size, size=n) for span in codec.spec.spans], axis=1)
    for at, span in enumerate(codec.spec.spans):
        if span.parent is not None:
            codes[:, at] *= np.array(codec.spec.spans[span.parent].refined)[codes[:, span.parent]]
    return codec.decode(codes, generator=generator)


def strangers(names: pl.Series, n: int) -> pl.Series:
    """(n,) different names of units, numbers or words, that are not among the names."""
    last: Any = names.max()
    new = [last + place if names.dtype.is_numeric() else f"{last} {place}" for place in range(1, n + 1)]
    return pl.Series(names.name, new, names.dtype)


def rows_again(run: Run, rows: pl.DataFrame, folder: Path, *, quiet: bool, **other: Any) -> Run:
    """A run by the same settings, but for the `other`, on other rows, all of which are trained on."""
    schema = folder / "schema.toml"
    write_text(schema, run.codec.schema.to_toml())
    own = {"schema": str(schema), "test": "", "holdout": 0.0}
    return trained_again(run, run.codec.schema.format(rows), folder, quiet=quiet, **own, **other)


def trained_again(run: Run, data: Any, folder: Path, *, quiet: bool, **other: Any) -> Run:
    """A run by the same settings, but for the `other`, on other data, which may be opened already."""
    given = settings_layer.from_file(run.folder / "run.toml")
    own = {"out": str(folder / "run"), "time": "", "track": "none", "rows": 1, "report": False}
    return trainer.start(data, {**given, **own, **other}, quiet=quiet)


def losses(model: GenerativeModel, examples: Examples) -> np.ndarray:
    """(n,) the loss of each example in the first phase that reads data, averaged over draws."""
    phase = next(phase for phase in model.phases if phase.reads_data)
    device = next(model.parameters()).device
    total = np.zeros(len(examples))
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
