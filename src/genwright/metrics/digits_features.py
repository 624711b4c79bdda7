"""Features of handwritten digits: a small classifier whose weights ship with the package, `digits_cnn_v1`.

Trained by `benchmarks/digits_features.py` on the 60,000 training images of MNIST; its scores are in EXPERIMENTS.md. A
Frechet distance on it is called `fd_digits_cnn_v1`: it says nothing about the scale of an Inception FID.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn

NAME = "digits_cnn_v1"
WEIGHTS = Path(__file__).with_name("weights") / f"{NAME}.safetensors"
SIDE = 28


class DigitsNet(nn.Module):
    """Three convolutions, a layer of 128 features, ten classes; 28 x 28 pixels in [0, 1], the strokes bright."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 5, padding=2), nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.dense, self.head = nn.Linear(64 * 9, 128), nn.Linear(128, 10)

    def features(self, x: Tensor) -> Tensor:
        """(B, 1, 28, 28) -> (B, 128), not negative."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.max_pool2d(F.relu(self.conv3(x)), 2)
        return F.relu(self.dense(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 28, 28) -> (B, 10) logits of the digits 0 to 9."""
        return self.head(self.features(x))


@functools.cache
def digits_net() -> tuple[DigitsNet, str]:
    """The trained net, and the SHA-256 of its weight file."""
    content = WEIGHTS.read_bytes()
    net = DigitsNet()
    net.load_state_dict(load(content))
    return net.eval(), hashlib.sha256(content).hexdigest()


def digits_pixels(x: Tensor) -> Tensor:
    """(B, C, H, W) in [0, 1] -> (B, 1, 28, 28): the channels' mean, resized with averaging."""
    x = x.mean(dim=1, keepdim=True)
    return x if x.shape[2:] == (SIDE, SIDE) else F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
