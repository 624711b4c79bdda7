"""A training under an (epsilon, delta) guarantee: what is planned, in which order, before anything is drawn.

The number of rows, if a training by steps needs it, and the columns' bounds, categories and quantiles are paid for by a
share; all that is left goes to the model. Two tables are neighbours when one has one row more, or with --unit all rows of one
unit, of which no more than --privacy.most_rows are used. Read `privacy/ledger.py` for how it is kept, `docs/privacy.md`
for what is promised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genwright.codecs.image import ImageCodec
from genwright.codecs.private_table import fit_private, plan_codec
from genwright.config import Train
from genwright.contract import GenerativeModel
from genwright.dataset import Codec, Dataset
from genwright.errors import GenwrightError
from genwright.images import ImageSet
from genwright.model_presets import Extent
from genwright.models import MODELS
from genwright.privacy.accounting import Guarantee, calibrate, default_delta
from genwright.privacy.events import Pure, SampledGaussian
from genwright.privacy.ledger import ANSWERS, Entry, PrivacyLedger
from genwright.privacy.noise import discrete_laplace
from genwright.run import build_model
from genwright.settings import model_name
from genwright.tables import Table
from genwright.texts import TextSet
from genwright.training.private import TRAINING, Private

USUAL_DELTA = 1e-6  # where the number of rows is private
THRESHOLDS = 0.1  # share of delta for the discovery of categories
SIZE, SIZE_SHARE = "number of rows, for the size of batches", 0.01
CLASSES_SHARE = 0.02  # of the budget, for how often each class of images occurs
LEDGER = "ledger.json"
RELEASED = ("codec.json", "checkpoints", ANSWERS)  # what a run has after it paid for something
# Examples worked on at once: a piece that fits the cache takes half the time, and a third of the memory.
FEW = {"grid": 64, "tokens": 32}
PRIVATE_MODEL = {"row": "mixture", "grid": "flow", "tokens": "gpt"}  # what to take for data of the kind
UNITS = {"row": "row", "grid": "image", "tokens": "document"}


def guarantee_of(settings: Train) -> Guarantee:
    """What --epsilon and --delta ask for. GW-0602 for a delta that is no number in (0, 1)."""
    if settings.delta == "auto":
        return Guarantee(
            settings.epsilon, default_delta(settings.privacy.rows) if settings.privacy.rows else USUAL_DELTA
        )
    try:
        return Guarantee(settings.epsilon, float(settings.delta))
    except ValueError:
        raise GenwrightError("GW-0602", f"delta cannot be {settings.delta!r}", "Give a number such as 1e-6.") from None


def check_allowed(settings: Train) -> None:
    """GW-0601, naming it, for what looks at private data for free, or what cannot be private yet."""
    name = model_name(settings)
    model = MODELS[name].load()
    refused = {
        "--time: to time steps is to look at private batches": settings.time,
        "--track: losses are private": settings.track != "none",
        "--start": settings.start,
        "--unit with images or texts, which are the units": MODELS[name].kind != "row" and settings.unit,
        "--model.quantiser ema, which follows codes without noise": getattr(settings.model, "quantiser", "") == "ema",
        f"The model {name}, which looks at rows without noise": not (model.phases or model.private),
        f"The model {name}, whose steps mix rows": _mixes(model),
    }
    _refuse(refused, PRIVATE_MODEL[MODELS[name].kind])


def _mixes(model: type[GenerativeModel] | GenerativeModel) -> bool:
    return any(phase.mixes_examples for phase in model.phases)


def _refuse(refused: Mapping[str, Any], other: str) -> None:
    for what, asked in refused.items():
        if asked:
            other_way = "Leave it out." if what.startswith("--") else f"Set it otherwise, or take --model {other}."
            raise GenwrightError("GW-0601", f"{what}: that cannot go with --epsilon", other_way)


def public_extent(settings: Train, found: Extent) -> Extent:
    """What presets may go by: the number of examples where it is public, else a usual one; and the size of an example."""
    if not settings.epsilon:
        return found
    examples = settings.privacy.rows or Extent.examples
    return Extent(examples, round(examples * found.each))


def anything_spent(folder: Path) -> bool:
    """Whether a run has released anything that its ledger must go on telling."""
    path = folder / LEDGER
    return path.exists() and any(entry.spent for entry in PrivacyLedger.open(path).entries)


@dataclass
class Guard:
    """The ledger of one run, and what is planned in it."""

    ledger: PrivacyLedger
    settings: Train

    @classmethod
    def open(cls, settings: Train, folder: Path | None) -> Guard:
        """The ledger in the folder (None: in memory), new or as it was left. GW-0605 if it is of another guarantee, GW-0606 if
        it is gone though something was released."""
        check_allowed(settings)
        wanted = guarantee_of(settings)
        single = UNITS[MODELS[model_name(settings)].kind]
        unit, most = (settings.unit, settings.privacy.most_rows) if settings.unit else (single, 1)
        path = folder / LEDGER if folder else None
        if folder and path and not path.exists() and any((folder / trace).exists() for trace in RELEASED):
            raise GenwrightError(
                "GW-0606",
                f"The privacy ledger {str(path)!r} is gone, and this run has released something",
                "Restore it from a copy. Without it nobody knows what was released: do not train on these data again.",
            )
        if path is None or not path.exists():
            return cls(PrivacyLedger(wanted, unit=unit, contributions=most, path=path), settings)
        ledger = PrivacyLedger.open(path)
        if (ledger.guarantee, ledger.unit, ledger.contributions) != (wanted, unit, most):
            raise GenwrightError("GW-0605", f"{str(path)!r} is of another guarantee", "Choose another --out.")
        return cls(ledger, settings)

    def plan(self, dataset: Dataset) -> None:
        """Plan, once, all that can be known before anything is drawn: the codec's releases, then the model's."""
        if not self.ledger.entries:
            with self.ledger.at_once():
                self._plan(dataset)

    def _plan(self, dataset: Dataset) -> None:
        guarantee, given = self.ledger.guarantee, self.settings.privacy
        model: type[GenerativeModel] | GenerativeModel = MODELS[model_name(self.settings)].load()
        if isinstance(dataset, ImageSet):  # whose settings may choose networks and phases that mix examples
            spec = ImageCodec.even(dataset.images.pixels.shape[1:], dataset.source.classes).spec
            model = build_model(model_name(self.settings), self.settings.model, spec)
            what = f"The model {model_name(self.settings)} as it is set, whose steps mix pictures"
            _refuse({what: _mixes(model)}, PRIVATE_MODEL["grid"])
        share = given.preparation
        if model.phases and not given.rows:
            event = Pure(SIZE_SHARE * guarantee.epsilon)
            self.ledger.plan(Entry(SIZE, "discrete Laplace noise", event, self.ledger.contributions))
            share -= SIZE_SHARE
        if isinstance(dataset, ImageSet):
            if dataset.source.classes:
                ImageCodec.plan_classes(self.ledger, self.ledger.rho(CLASSES_SHARE))
            if model.prepares:
                model.plan(self.ledger, 0, rho=self.ledger.rho(share))
            elif not model.phases:
                model.plan(self.ledger, 0)
            return
        if isinstance(dataset, TextSet):
            return
        assert isinstance(dataset, Table)
        plan_codec(
            self.ledger,
            dataset.schema,
            self.ledger.rho(share),
            THRESHOLDS * guarantee.delta,
            dataset.schema.declared,
            bins=given.bins,
            counted=bool(model.phases),
        )
        if not model.phases:
            kept = {f: getattr(self.settings.model, f) for f in vars(self.settings.model)}
            model.plan(self.ledger, len(dataset.schema.columns) - bool(self.settings.unit), **kept)

    def codec(self, dataset: Dataset) -> Codec:
        """The codec by the plan's releases."""
        if isinstance(dataset, ImageSet):
            return ImageCodec.fit(*dataset.part(held=False), dataset.source.classes, ledger=self.ledger)
        if isinstance(dataset, TextSet):
            return dataset.declared_codec()
        assert isinstance(dataset, Table)
        table, declared = dataset, dataset.schema.declared

        def batches() -> Iterator[pl.DataFrame]:
            return table.batches()

        return fit_private(batches, table.schema, self.ledger, bins=self.settings.privacy.bins, declared=declared)

    def steps(self, model: GenerativeModel, examples: int, units: np.ndarray | None = None) -> Private:
        """Plan the steps of a training, with the least noise that the rest of the budget allows.

        `units`: (examples,) number of each one's unit; GW-0601 without, where examples are not the units.
        """
        if self.settings.unit and units is None:
            raise GenwrightError("GW-0601", "Steps take rows, not units", "Leave out --unit, or take --model mixture.")
        given = self.settings.privacy
        if TRAINING not in {entry.purpose for entry in self.ledger.entries}:
            if units is not None and self.ledger.contributions == 1:
                examples = len(np.unique(units))  # windows, of which each document lends one
            self.plan_steps(model, given.rows or self._noisy_size(examples))
        size, block = self.settings.training.batch_size, self.settings.training.checkpoint_every
        few = given.micro_batch or FEW.get(MODELS[model_name(self.settings)].kind, 0)
        private = Private(self.ledger, given.clip_norm, size, given.draws, few, block=min(block, 50))
        return private if units is None else replace(private, units=units)

    def plan_steps(self, model: GenerativeModel, rows: int) -> None:
        """Plan the steps on so many rows, a number that is public or noisy."""
        given, steps, guarantee = self.settings.privacy, self.settings.steps, self.ledger.guarantee
        # A unit lends one of its rows: see Private.choose.
        rate = min(self.settings.training.batch_size * self.ledger.contributions / rows, 1.0)
        reading = [phase for phase in model.phases if phase.reads_data]
        releases = sum(len(range(0, steps, phase.interval)) * phase.repeats for phase in reading)
        # Basic composition with the size, which the rest depends on: all else must keep what is left of epsilon.
        spare = 0.0 if given.rows else SIZE_SHARE * guarantee.epsilon
        before = [entry for entry in self.ledger.entries if entry.purpose != SIZE]
        rest = Guarantee(guarantee.epsilon - spare, guarantee.delta - sum(entry.delta for entry in before))
        events = [entry.event for entry in before]
        noise = calibrate(lambda noise: [*events, SampledGaussian(noise, rate, releases)], rest)
        event = SampledGaussian(noise, rate, releases)
        self.ledger.plan(Entry(TRAINING, "noise on clipped gradients", event, given.clip_norm))

    def _noisy_size(self, rows: int) -> int:
        """The number of rows with noise of the geometric mechanism (Ghosh, Roughgarden, Sundararajan 2012)."""
        answers = self.ledger.answers
        before = answers.again(SIZE)
        if before is not None:
            return int(before)
        entry = self.ledger.spend(SIZE)
        assert isinstance(entry.event, Pure)
        parts = max(1, int(entry.event.epsilon * 2**20))  # rounded down: a little more noise
        found = max(1, rows + int(discrete_laplace(1, self.ledger.contributions * 2**20, parts)[0]))
        answers.keep(SIZE, found)
        return found

    def facts(self) -> dict[str, Any]:
        """What the card and the report say of the guarantee."""
        ledger = self.ledger
        return {
            "epsilon": ledger.guarantee.epsilon,
            "delta": ledger.guarantee.delta,
            "spent": round(ledger.epsilon_spent(), 4),
            "unit": ledger.unit,
        }
