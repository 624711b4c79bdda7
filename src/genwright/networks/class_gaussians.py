"""A Gaussian for each class: latent vectors that are standard normal for whoever calls, moved to where a class really lies."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class ClassGaussians(nn.Module):
    """`mean` (classes, size) and `factor` (classes, size, size), a lower triangle times whose transpose is the covariance;
    the standard normal before `fit`."""

    mean: Tensor
    factor: Tensor

    def __init__(self, classes: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.zeros(classes, size))
        self.register_buffer("factor", torch.eye(size).repeat(classes, 1, 1))

    @torch.no_grad()
    def fit(self, seen: Iterable[tuple[Tensor, Tensor, Tensor | None]]) -> None:
        """To (labels (B,), means (B, size), variances (B, size) about them or None for points).

        `size` draws of the standard normal are counted in, so that a class of few examples is not drawn as copies.
        """
        count = torch.full_like(self.mean[:, 0], self.size, dtype=torch.float64)
        total = torch.zeros_like(self.mean, dtype=torch.float64)
        square = self.size * torch.eye(self.size).to(self.factor).double().repeat(len(self.mean), 1, 1)
        for label, mean, variance in seen:
            mean = mean.double()
            count.index_add_(0, label, torch.ones_like(label, dtype=torch.float64))
            total.index_add_(0, label, mean)
            for found in label.unique():  # a class at a time: outer products of all examples would fill the memory
                own = mean[label == found]
                square[found] += own.T @ own
                if variance is not None:
                    square[found] += variance[label == found].double().sum(0).diag()
        mean = total / count[:, None]
        covariance = square / count[:, None, None] - mean[:, :, None] * mean[:, None]
        self.mean.copy_(mean)
        self.factor.copy_(torch.linalg.cholesky(covariance))

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Standard normal (B, size) into the Gaussians of their labels (B,)."""
        return self.mean[label] + (self.factor[label] @ z[:, :, None])[:, :, 0]

    def inverse(self, z: Tensor, label: Tensor) -> Tensor:
        """What `forward` makes z of."""
        centred = (z - self.mean[label])[:, :, None]
        return torch.linalg.solve_triangular(self.factor[label], centred, upper=False)[:, :, 0]

    def log_density(self, z: Tensor, label: Tensor) -> Tensor:
        """(B,) nats, but for the constant -size/2 log(2 pi)."""
        volume = torch.log(torch.diagonal(self.factor, dim1=1, dim2=2)).sum(1)
        return -0.5 * self.inverse(z, label).pow(2).sum(1) - volume[label]
