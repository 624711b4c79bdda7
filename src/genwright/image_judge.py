"""Judges samples of a model beside real images while it trains; `selection.py` says what for.

Reports have scores of their own: `metrics/images.py`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from genwright.codecs.image import ImageCodec
from genwright.contract import GenerativeModel
from genwright.data.batches import Examples
from genwright.metrics.image_distances import frechet
from genwright.metrics.image_features import choose

JUDGED = 1024  # samples, and real images at most

Sample = Callable[[GenerativeModel, int, Tensor | None, torch.Generator], Tensor]


class ImageJudge:
    """A `selection.SampleJudge`, on the features that the report will use, but for slow ones: it is asked often."""

    def __init__(
        self, codec: ImageCodec, real: Examples, sample: Sample, *, at_once: int, device: torch.device
    ) -> None:
        self.codec, self.sample, self.at_once, self.device = codec, sample, at_once, device
        random = np.random.default_rng(0)
        chosen = np.sort(random.permutation(len(real))[:JUDGED])  # examples may lie in the order of their classes
        pixels = np.ascontiguousarray(real.x[chosen].transpose(0, 2, 3, 1))
        self.features = choose(pixels, features="auto" if codec.channels == 1 else "pixels")
        self.reference = self.features.call(pixels)
        self.real_labels = None if real.labels is None else real.labels[chosen]
        self.labels = codec.labels(JUDGED, np.random.default_rng(0))

    def __call__(self, model: GenerativeModel) -> float:
        """The Frechet distance of samples from the real images."""
        return frechet(self.reference, self._made(model))

    def variety(self, model: GenerativeModel) -> float:
        """Variance of features within classes, summed over features: of samples, divided by that of real images."""
        made, real = (
            _within(x, labels) for x, labels in ((self._made(model), self.labels), (self.reference, self.real_labels))
        )
        shared = [label for label in made if label in real]
        spread = sum(real[label] for label in shared)
        return sum(made[label] for label in shared) / spread if spread > 0 else float("nan")

    def _made(self, model: GenerativeModel) -> np.ndarray:
        parts = []
        generator = torch.Generator(self.device).manual_seed(0)
        for start in range(0, JUDGED, self.at_once):
            size, condition = min(self.at_once, JUDGED - start), None
            if self.labels is not None:
                condition = torch.from_numpy(self.labels[start : start + size]).to(self.device)
            parts.append(self.codec.decode(self.sample(model, size, condition, generator).numpy()))
        return self.features.call(np.concatenate(parts))


def _within(x: np.ndarray, labels: np.ndarray | None) -> dict[int, float]:
    """The summed variance of (n, d) features in each class that has two examples at least."""
    labels = np.zeros(len(x), dtype=np.int64) if labels is None else labels
    parts = {int(label): x[labels == label] for label in np.unique(labels)}
    return {label: float(part.var(axis=0, ddof=1).sum()) for label, part in parts.items() if len(part) > 1}
