"""Gaussians of the classes of images along principal components that they share: what images look like to second order.

The model `gaussian` draws from them; to a flow they tell the best velocity that is linear in the image, which its network
only has to correct. How they are fitted is in `image_moments.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from genwright.contract import Batch
from genwright.networks.image_moments import moments


class ImageGaussians(nn.Module):
    """Images of C classes, and of any class as class C: standard normal before `fit`, of zeros alone where nothing varies.

    `mean` (C + 1, size), of pixel values; `axes` (components, size), orthogonal and of length 1; `turn` (C + 1, components,
    components) and `variance` (C + 1, components): the directions within the axes, as columns, along which a class varies
    independently, and how much; `rest` (): the variance along any direction outside of the axes.
    """

    mean: Tensor
    axes: Tensor
    turn: Tensor
    variance: Tensor
    rest: Tensor

    def __init__(self, shape: tuple[int, ...], classes: int, components: int) -> None:
        super().__init__()
        self.shape, self.classes, size = shape, max(classes, 1), math.prod(shape)
        components = min(components, size)
        self.register_buffer("mean", torch.zeros(self.classes + 1, size))
        self.register_buffer("axes", torch.zeros(components, size))
        self.register_buffer("turn", torch.eye(components).repeat(self.classes + 1, 1, 1))
        self.register_buffer("variance", torch.ones(self.classes + 1, components))
        self.register_buffer("rest", torch.ones(()))

    @torch.no_grad()
    def fit(self, batches: Iterable[Batch], ledger: Any) -> None:
        """To images and their labels; with a ledger, by the plan of `plan_moments`."""
        found = moments(batches, self.classes, len(self.axes), ledger)
        k = len(found.axes)  # fewer than there is place for where images are few or noise hides the others
        self.mean.copy_(found.mean)
        self.rest.fill_(found.rest)
        self.axes.zero_()
        self.axes[:k] = found.axes
        self.turn.copy_(torch.eye(len(self.axes)))
        self.turn[:, :k, :k] = found.turn
        self.variance.fill_(found.rest)
        self.variance[:, :k] = found.variance

    def latents(self, n: int, generator: torch.Generator | None) -> Tensor:
        """(n, components) standard normal."""
        return torch.randn(n, len(self.axes), generator=generator, device=self.mean.device)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Images (B, *shape) of standard normal (B, components) and classes (B,): without what lies outside of the axes."""
        along = _times(self.turn[label], z * self.variance[label].sqrt())
        return (self.mean[label] + along @ self.axes).view(-1, *self.shape)

    def inverse(self, x: Tensor, label: Tensor) -> Tensor:
        """(B, components): what `forward` makes images of."""
        along = (x.flatten(1) - self.mean[label]) @ self.axes.T
        return _times(self.turn[label].mT, along) / self.variance[label].sqrt()

    def log_density(self, x: Tensor, label: Tensor) -> Tensor:
        """(B,) of images of classes (B,): normal along the axes, and outside of them with the variance that is left there.

        Axes of zeros, where there were fewer to find, have that variance too, and so count like those that are not there.
        """
        apart, size = (x.flatten(1) - self.mean[label]).double(), self.mean.shape[1]
        along = _times(self.turn[label].mT.double(), apart @ self.axes.T.double())
        variance, rest = self.variance[label].double(), self.rest.double()
        squares = (along.square() / variance).sum(1) + (apart.square().sum(1) - along.square().sum(1)) / rest
        spread = variance.log().sum(1) + (size - variance.shape[1]) * rest.log()
        return -0.5 * (squares + spread + size * math.log(2 * math.pi))

    def velocity(self, x: Tensor, time: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of image - noise, given x = (1 - time) noise + time image, were images Gaussian; of the shape of x. And
        the root of its mean square error, (B, 1, ...).

        Along a direction of variance v, x - t mean has variance t^2 v + (1 - t)^2, its covariance with the velocity is
        t v - (1 - t), and v / (t^2 v + (1 - t)^2) of the velocity's variance is left.
        """
        with torch.autocast(x.device.type, enabled=False):
            t = time.float()[:, None]
            variance, turn, mean = self.variance[label], self.turn[label], self.mean[label]

            def spread(v: Tensor) -> Tensor:
                return t**2 * v + (1 - t) ** 2

            outside = (t * self.rest - (1 - t)) / spread(self.rest)
            apart = x.float().flatten(1) - t * mean
            along = _times(turn.mT, apart @ self.axes.T)
            more = _times(turn, ((t * variance - (1 - t)) / spread(variance) - outside) * along) @ self.axes
            left = (variance / spread(variance)).sum(1, keepdim=True)
            left = left + (apart.shape[1] - len(self.axes)) * self.rest / spread(self.rest)
            error = (left / apart.shape[1]).sqrt()
            return (mean + outside * apart + more).view_as(x), error.view(-1, *[1] * (x.ndim - 1))


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """(B, k, k) by (B, k), each with its own."""
    return torch.bmm(matrices, vectors[:, :, None])[:, :, 0]
