"""What a kind of data brings to training: a user's data, opened, split and coded. `tables.py` and `images.py` are such.

A `Codec` turns user data into tensors and back; a `Dataset` is one opened set of data with its split into training
examples and a hold-out. Read `stages.py` next: it drives both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from genwright.config import Train
from genwright.contract import DataSpec
from genwright.data.batches import ExampleSet
from genwright.errors import GenwrightError
from genwright.model_presets import Extent


class Codec(Protocol):
    """User data <-> tensors; JSON and arrays are all of it."""

    @property
    def spec(self) -> DataSpec:
        """What the tensors are."""

    def to_json(self) -> dict[str, Any]:
        """What is not in `arrays`, as JSON values."""

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, ready for safetensors."""


class Dataset(Protocol):
    """Data that were opened and split."""

    @property
    def held(self) -> np.ndarray:
        """(examples,) True for those of the hold-out, which training never sees."""

    @property
    def name(self) -> str:
        """As the user calls it: the file's or folder's name."""

    @property
    def notes(self) -> list[str]:
        """Sentences on what was guessed, mended or left out."""

    @property
    def values(self) -> int:
        """Values of all examples: cells of a table, numbers of images, bytes of texts."""

    @property
    def training_units(self) -> np.ndarray | None:
        """(training examples,) the number of each one's unit of privacy; None: examples are the units."""

    def fingerprint(self) -> str:
        """SHA-256 over the content."""

    def facts(self) -> dict[str, Any]:
        """What state.json keeps besides name, fingerprint and sizes."""

    def write_findings(self, folder: Path) -> None:
        """Files that show a person what was found in the data, such as schema.toml; they hold no record."""

    def fit_codec(self, settings: Train) -> Codec:
        """The codec of the training examples."""

    def encode(self, codec: Any, *, validation: float, seed: int) -> tuple[ExampleSet, ExampleSet]:
        """Training examples, and a validation slice with that share of them."""


def extent_of(dataset: Dataset) -> Extent:
    """How much there is to train on. GW-0118 if there is nothing."""
    examples = int(len(dataset.held) - dataset.held.sum())
    if examples == 0:
        raise GenwrightError("GW-0118", f"{dataset.name!r} has nothing to train on", "Give data with more examples.")
    return Extent(examples, dataset.values * examples // len(dataset.held))
