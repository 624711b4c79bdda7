"""Real handwritten digits that come with scikit-learn, 1,797 of 8 x 8 pixels, in the form of MNIST. Used by image tests."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from genwright.metrics.image_sets import Labelled

CLASSES = tuple("0123456789")


def digits() -> Labelled:
    """All of them, 20 x 20 pixels in a frame of 4, in a random order that is always the same."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    small = torch.tensor(data.images[order]).float()[:, None] / 16
    large = F.pad(F.interpolate(small, (20, 20), mode="bicubic").clamp(0, 1), (4, 4, 4, 4))
    pixels = (255 * large).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return Labelled(pixels, data.target[order].astype(np.int64))


def parts() -> tuple[Labelled, Labelled, Labelled]:
    """900 to train on, 450 held out, 447 more that nobody has seen."""
    whole = digits()
    return tuple(whole.take(np.arange(a, b)) for a, b in ((0, 900), (900, 1350), (1350, 1797)))


def noisy(pixels: np.ndarray, size: float) -> np.ndarray:
    """With normal noise of `size` (1: the range of a pixel)."""
    noise = np.random.default_rng(1).normal(size=pixels.shape) * 255 * size
    return np.clip(pixels + noise, 0, 255).round().astype(np.uint8)


def blurred(pixels: np.ndarray, side: int) -> np.ndarray:
    """Each pixel the mean of side x side ones."""
    x = torch.tensor(pixels.transpose(0, 3, 1, 2)).float()
    x = F.avg_pool2d(F.pad(x, (side // 2,) * 4, mode="replicate"), side, 1)
    return x.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
