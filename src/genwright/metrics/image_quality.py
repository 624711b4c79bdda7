"""How alike two pictures are, pixel by pixel: PSNR, SSIM, MS-SSIM. They mean something for a picture and its reconstruction
or copy, and nothing for a sample and some real picture.

All take (N, height, width, channels) uint8 twice and give (N,) float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

PEAK = 255.0
SIDE, SIGMA = 11, 1.5  # of the window: Wang et al. 2004, section III.C
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, section 3.2
CELLS = 1 << 21  # pixel values that are compared at a time


def psnr(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in decibels: 10 log10(255^2 / mean squared error); infinite for equal pictures."""
    error = ((first.astype(np.float64) - second.astype(np.float64)) ** 2).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(PEAK**2 / error)


def ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Structural similarity in [-1, 1] (Wang et al. 2004, equation 13), mean over the places where the window fits whole,
    and over channels. Pictures smaller than the window get the largest odd window that fits."""
    return _by_batches(lambda x, y: _similarity(x, y)[0].mean(1), first, second)


def ms_ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Multi-scale SSIM in [0, 1] (Wang et al. 2003, equation 7), mean over channels. Departs: where five scales do not fit
    (a side below 176), as many as leave the window its room, the weights scaled to the same sum; negative terms count as 0."""
    return _by_batches(_multiscale, first, second)


def scales_of(height: int, width: int) -> int:
    """How many of the five scales `ms_ssim` takes: each halves the sides, and 11 pixels must be left."""
    return max(1, min(len(SCALES), int(np.log2(max(1.0, min(height, width) / SIDE))) + 1))


def _by_batches(call: Callable[[Tensor, Tensor], Tensor], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`call` on float64 pictures (B, channels, height, width), a bounded number at a time."""
    size = max(1, CELLS // max(1, int(np.prod(first.shape[1:]))))
    out = [np.empty(0)]
    with torch.no_grad():
        for at in range(0, len(first), size):
            x, y = (torch.tensor(part[at : at + size].transpose(0, 3, 1, 2)).double() for part in (first, second))
            out.append(call(x, y).numpy())
    return np.concatenate(out)


def _multiscale(x: Tensor, y: Tensor) -> Tensor:
    scales = scales_of(*x.shape[2:])
    weights = np.array(SCALES[:scales]) * (sum(SCALES) / sum(SCALES[:scales]))
    out = torch.ones(x.shape[:2], dtype=torch.float64)
    for scale, weight in enumerate(weights.tolist()):
        if scale:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        whole, contrast = _similarity(x, y)
        out = out * (whole if scale == scales - 1 else contrast).clamp_min(0.0) ** weight
    return out.mean(1)


def _similarity(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(SSIM, its contrast and structure part), (B, channels) each."""
    side = min(SIDE, *(n - 1 + n % 2 for n in x.shape[2:]))
    places = torch.arange(side, dtype=torch.float64) - side // 2
    line = torch.exp(-(places**2) / (2 * SIGMA**2))
    line = line / line.sum()

    def blurred(image: Tensor) -> Tensor:
        channels = image.shape[1]
        image = F.conv2d(image, line.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
        return F.conv2d(image, line.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)

    mean_x, mean_y = blurred(x), blurred(y)
    variance_x, variance_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    contrast = (2 * covariance + C2) / (variance_x + variance_y + C2)
    whole = contrast * (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return whole.mean(dim=(2, 3)), contrast.mean(dim=(2, 3))
