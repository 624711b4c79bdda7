"""Principal components of the pixels and a Gaussian of each class in them: what any model of images must be better than.

Eigenfaces (Turk and Pentland 1991) to draw from: blurred shadows of the classes, learned in seconds without a network. In
`compare` it stands beside the others as the trivial baseline.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from genwright.contract import Batch, DataSpec, GenerativeModel
from genwright.networks.class_gaussians import ClassGaussians

MOST = 2**26  # pixel values that are kept for the components: 85,000 small digits, 5,400 of 64 x 64 in colour


class Gaussian(GenerativeModel):
    """Components as `axes` (components, pixel values), scaled so that the images' coordinates have variance 1."""

    decodes = encodes = True
    mean: Tensor
    axes: Tensor

    def __init__(self, spec: DataSpec, *, components: int) -> None:
        super().__init__()
        self.shape, size = spec.shape, math.prod(spec.shape)
        components = min(components, size)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("axes", torch.zeros(components, size))
        self.gaussians = ClassGaussians(max(spec.classes, 1), components)

    @torch.no_grad()
    def fit(self, batches: Iterable[Batch], ledger: Any) -> None:
        """By singular value decomposition of all images or, where they are too many, of every second, fourth, ... one."""
        kept: list[Tensor] = []
        labels: list[Tensor] = []
        size, apart, at = len(self.mean), 1, 0
        for batch in batches:
            chosen = torch.arange(-at % apart, len(batch), apart)
            kept.append(batch.x[chosen].flatten(1))
            labels.append(self._labels(batch.condition, batch.x)[chosen])
            at += len(batch)
            while sum(map(len, kept)) * size > MOST:
                x, label = torch.cat(kept), torch.cat(labels)
                kept, labels, apart = [x[::2]], [label[::2]], 2 * apart
        x, label = torch.cat(kept), torch.cat(labels)
        self.mean.copy_(x.mean(0))
        centred = x - self.mean
        found = min(len(self.axes), *centred.shape)
        _, values, axes = torch.svd_lowrank(centred, q=found, niter=4)
        self.axes.zero_()
        self.axes[:found] = (values / math.sqrt(len(x)) * axes).T
        self.gaussians.fit([(label, self._coordinates(x), None)])

    def latents(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """(n, components) standard normal."""
        return torch.randn(n, len(self.axes), generator=generator, device=self.mean.device)

    @torch.no_grad()
    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Batch:
        """Images in [-1, 1]."""
        x = self.mean + self.gaussians(z, self._labels(condition, z)) @ self.axes
        return Batch(x.clamp(-1, 1).view(-1, *self.shape), condition)

    @torch.no_grad()
    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """(B, components): coordinates, seen from the class's Gaussian."""
        return self.gaussians.inverse(self._coordinates(x.flatten(1)), self._labels(condition, x))

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n images by one product."""
        return self.decode(self.latents(n, generator), condition=condition)

    def _coordinates(self, x: Tensor) -> Tensor:
        """(B, components) of images (B, pixel values): the axes are orthogonal, but not of length 1."""
        lengths = self.axes.pow(2).sum(1)
        return (x - self.mean) @ self.axes.T / lengths.clamp_min(torch.finfo(lengths.dtype).tiny)

    def _labels(self, condition: Tensor | None, like: Tensor) -> Tensor:
        return torch.zeros(len(like), dtype=torch.int64, device=like.device) if condition is None else condition
