"""Principal components of the pixels and a Gaussian of each class in them: what any model of images must be better than.

Eigenfaces (Turk and Pentland 1991) to draw from: blurred shadows of the classes, learned in seconds without a network. In
`compare` it stands beside the others as the trivial baseline; under a guarantee it is hard to beat.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from genwright.contract import Batch, DataSpec, GenerativeModel
from genwright.networks.image_gaussians import ImageGaussians
from genwright.networks.image_moments import plan_moments


class Gaussian(GenerativeModel):
    """The Gaussians of `networks/image_gaussians.py`, without what they leave to the rest of the pixels."""

    decodes = encodes = private = True

    def __init__(self, spec: DataSpec, *, components: int) -> None:
        super().__init__()
        self.gaussians = ImageGaussians(spec.shape, spec.classes, components)

    @staticmethod
    def plan(ledger: Any, columns: int, **_: Any) -> None:
        """Plan the sums that `fit` looks at: all that the plan has left."""
        plan_moments(ledger)

    def fit(self, batches: Iterable[Batch], ledger: Any) -> None:
        """In one look at the images, or at as many of them as there is place for."""
        self.gaussians.fit(batches, ledger)

    def latents(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """(n, components) standard normal."""
        return self.gaussians.latents(n, generator)

    @torch.no_grad()
    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Batch:
        """Images in [-1, 1]."""
        return Batch(self.gaussians(z, self._labels(condition, z)).clamp(-1, 1), condition)

    @torch.no_grad()
    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """(B, components): coordinates, seen from the class's Gaussian."""
        return self.gaussians.inverse(x, self._labels(condition, x))

    @torch.no_grad()
    def familiarity(self, batch: Batch) -> Tensor:
        """The logarithm of the density."""
        return self.gaussians.log_density(batch.x, self._labels(batch.condition, batch.x))

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n images by one product."""
        return self.decode(self.latents(n, generator), condition=condition)

    def _labels(self, condition: Tensor | None, like: Tensor) -> Tensor:
        return torch.zeros(len(like), dtype=torch.int64, device=like.device) if condition is None else condition
