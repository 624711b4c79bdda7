"""Differentiable augmentation of what a critic sees (Zhao et al., "Differentiable Augmentation", 2020): for small sets.

Real and generated images are changed alike, so the generator learns the unchanged ones. All randomness is in `draw`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NUMBERS = 8  # random numbers for one image


def draw(n: int, device: torch.device) -> Tensor:
    """(n, 8) uniform numbers: whether colour, shift and cut happen, and how."""
    return torch.rand(n, NUMBERS, device=device)


def augment(x: Tensor, drawn: Tensor, share: float) -> Tensor:
    """Brightness and contrast, a shift by up to an eighth of the sides, a square of half the sides set to 0; each for a
    `share` of the images (B, channels, height, width)."""
    colour, shift, cut = ((drawn[:, at] < share)[:, None, None, None] for at in range(3))
    bright, contrast = drawn[:, 3, None, None, None] - 0.5, drawn[:, 4, None, None, None] + 0.5
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = torch.where(colour, (x - mean) * contrast + mean + bright, x)
    x = torch.where(shift, _shifted(x, drawn[:, 5:7]), x)
    return torch.where(cut & _square(x, drawn[:, 6:8]), torch.zeros_like(x), x)


def _shifted(x: Tensor, where: Tensor) -> Tensor:
    """Each image moved by whole pixels; what comes in from outside is the border's colour."""
    height, width = x.shape[2:]
    down, right = ((2 * where[:, at] - 1) * side / 8 for at, side in ((0, height), (1, width)))
    theta = torch.zeros(len(x), 2, 3, device=x.device, dtype=x.dtype)
    theta[:, 0, 0] = theta[:, 1, 1] = 1.0
    theta[:, 0, 2], theta[:, 1, 2] = 2 * right.round() / width, 2 * down.round() / height
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="nearest", padding_mode="border", align_corners=False)


def _square(x: Tensor, where: Tensor) -> Tensor:
    """(B, 1, height, width): True within a square of half the sides around a random middle."""
    height, width = x.shape[2:]
    rows = torch.arange(height, device=x.device)[None, :] - where[:, :1] * height
    columns = torch.arange(width, device=x.device)[None, :] - where[:, 1:] * width
    return ((rows.abs() < height / 4)[:, :, None] & (columns.abs() < width / 4)[:, None, :])[:, None]
