"""Images <-> tensors: uint8 pixels with the channels first, class names as numbers. `data/images.py` reads the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from genwright.contract import DataSpec
from genwright.errors import GenwrightError, did_you_mean
from genwright.privacy.ledger import PrivacyLedger
from genwright.privacy.mechanisms import counts_entry, noisy_counts

FORMAT = 1
CLASSES = "how often each class occurs"


@dataclass(frozen=True)
class ImageCodec:
    """All that is known of the images: their shape, and how often each class occurs. It holds no image."""

    height: int
    width: int
    channels: int
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    """Training images of each class; of all images where there are no classes."""

    @classmethod
    def fit(
        cls,
        pixels: np.ndarray,
        labels: np.ndarray | None,
        classes: tuple[str, ...],
        *,
        ledger: PrivacyLedger | None = None,
    ) -> ImageCodec:
        """From (N, height, width, channels) uint8 pixels. With a ledger, counts are noisy, by what `plan_classes` planned;
        each class then counts once at least."""
        counts = np.array([len(pixels)]) if labels is None else np.bincount(labels, minlength=len(classes))
        if ledger is not None:
            counts = np.ones(1, int) if labels is None else np.maximum(noisy_counts(counts, ledger, CLASSES), 1)
        return replace(cls.even(pixels.shape[1:], classes), counts=tuple(counts.tolist()))

    @classmethod
    def even(cls, shape: tuple[int, ...], classes: tuple[str, ...]) -> ImageCodec:
        """Of images (height, width, channels), all classes alike: what is known before any is counted."""
        height, width, channels = shape
        return cls(height, width, channels, classes, (1,) * max(1, len(classes)))

    @staticmethod
    def plan_classes(ledger: PrivacyLedger, rho: float) -> None:
        """Plan the one release of `fit`, of classes whose names are public; it costs rho (zCDP)."""
        ledger.plan(counts_entry(CLASSES, rho))

    @property
    def spec(self) -> DataSpec:
        """A grid of (channels, height, width)."""
        shares = tuple(count / sum(self.counts) for count in self.counts) if self.classes else ()
        return DataSpec(kind="grid", shape=(self.channels, self.height, self.width), class_shares=shares)

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """(N, height, width, channels) -> (N, channels, height, width)."""
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))

    def decode(self, x: np.ndarray) -> np.ndarray:
        """(N, channels, height, width) in [-1, 1] -> (N, height, width, channels) uint8, by the nearest level."""
        levels = np.rint((np.clip(np.nan_to_num(x), -1.0, 1.0) + 1.0) * 127.5)
        return np.ascontiguousarray(levels.astype(np.uint8).transpose(0, 2, 3, 1))

    def label(self, name: str) -> int:
        """The number of a class. GW-0181 if there is none of that name."""
        if not self.classes:
            raise GenwrightError("GW-0181", f"There is no class {name!r}: the images had no labels", "Leave it out.")
        if str(name) not in self.classes:
            raise GenwrightError("GW-0181", f"There is no class {name!r}", did_you_mean(str(name), self.classes))
        return self.classes.index(str(name))

    def labels(self, n: int, generator: np.random.Generator) -> np.ndarray | None:
        """(n,) labels in the training images' proportions, whole parts first and the rest at random; None without."""
        if not self.classes:
            return None
        wanted = np.array(self.counts) / sum(self.counts) * n
        sure = np.repeat(np.arange(len(self.classes)), wanted.astype(int))
        rest = wanted - wanted.astype(int)
        if n > len(sure):
            sure = np.concatenate([sure, generator.choice(len(rest), n - len(sure), p=rest / rest.sum())])
        return generator.permutation(sure.astype(np.int64))

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {"format": FORMAT, **{name: getattr(self, name) for name in self.__dataclass_fields__}}

    def arrays(self) -> dict[str, np.ndarray]:
        """Nothing: JSON holds it all."""
        return {}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ImageCodec:
        """Back from `to_json`; GW-0304 when it is damaged, GW-0306 when a later Genwright wrote it."""
        if isinstance(data, Mapping) and isinstance(data.get("format"), int) and data["format"] > FORMAT:
            raise GenwrightError("GW-0306", "The codec was written by a later Genwright", "Update Genwright")
        try:
            height, width, channels = (int(data[name]) for name in ("height", "width", "channels"))
            classes, counts = tuple(map(str, data["classes"])), tuple(map(int, data["counts"]))
            if (
                not all(0 < side <= 4096 for side in (height, width, channels))
                or sum(counts) < 1
                or len(counts) != max(1, len(classes))
            ):
                raise ValueError("sizes do not fit")
            return cls(height, width, channels, classes, counts)
        except (KeyError, TypeError, ValueError):
            raise GenwrightError("GW-0304", "The codec in the run folder is damaged", "Train again") from None
