"""What images are compared by: features of a fixed network, the same for every model and every run.

`digits`: a small classifier of handwritten digits that ships with the package. `general`: a network trained on photographs,
if its optional package is installed. `pixels`: needs nothing; random convolutions of a fixed seed, known to order generators
where trained features mean little (Naeem et al. 2020, section 4), and coarse pixels. `auto` takes digits for grey pictures
that look like digits, else general, else pixels. Numbers are comparable only when both name the same features.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.errors import GenwrightError, did_you_mean
from genwright.metrics import digits_features, general_features, inception_features

FEATURES = ("auto", "digits", "general", "pixels")
SURE = 0.9  # median probability of the likeliest digit, and share of labels met, from which on pictures count as digits
LOOKED_AT = 500
PIXELS = "random_cnn_v1"
SIDE, COARSE = 64, 4
BATCH = 32


@dataclass(frozen=True)
class Features:
    """A named map from pictures to vectors."""

    name: str
    sha256: str
    """Of the weights."""
    call: Callable[[np.ndarray], np.ndarray]
    """(N, height, width, channels) uint8 -> (N, d) float64."""
    slow: bool = False
    """About 100 pictures a second and core, not thousands."""
    weak: bool = False
    """Untrained: sees less than features that have learned."""


def choose(
    real: np.ndarray, *, features: str = "auto", labels: np.ndarray | None = None, classes: tuple[str, ...] = ()
) -> Features:
    """The features to compare with real pictures (N, H, W, C) by; `features` is a word of `FEATURES`.

    Labels, if given, must agree with digits for `auto` to take digits. GW-0524 for other words; GW-0522, GW-0523 for
    "general" without its weights.
    """
    if features not in FEATURES:
        raise GenwrightError("GW-0524", f"There are no features {features!r}", did_you_mean(features, FEATURES))
    if features == "digits" or (features == "auto" and look_like_digits(real, labels, classes)):
        return digits()
    if features == "general" or (features == "auto" and general_features.general_weights() is not None):
        return general()
    return random()


def look_like_digits(real: np.ndarray, labels: np.ndarray | None = None, classes: tuple[str, ...] = ()) -> bool:
    """Grey, and the digits net is sure of most of a few of them; where there are labels, they are digits and it agrees."""
    if real.shape[3] != 1 or not len(real):
        return False
    places = np.linspace(0, len(real) - 1, min(len(real), LOOKED_AT)).astype(int)
    probabilities = digit_probabilities(real[places])
    if float(np.median(probabilities.max(axis=1))) <= SURE:
        return False
    if labels is None or not classes:
        return True
    if not all(name.isascii() and name.isdigit() and int(name) < 10 for name in classes):
        return False
    named = np.array([int(name) for name in classes])[labels[places]]
    return bool((named == probabilities.argmax(axis=1)).mean() > SURE)


def digits() -> Features:
    """`digits_cnn_v1`: 128 features of the shipped classifier."""
    net, digest = digits_features.digits_net()
    return Features(
        digits_features.NAME, digest, lambda pixels: _run(net.features, pixels, digits_features.digits_pixels)
    )


def general() -> Features:
    """`efficientnet_lite0`: 1,280 features of the network trained on ImageNet. GW-0522, GW-0523."""
    net = general_features.general_net()
    return Features(
        general_features.NAME,
        general_features.SHA256,
        lambda pixels: _run(net.features, pixels, general_features.general_pixels),
        slow=True,
    )


def inception(weights: str) -> Features:
    """`inception_2015_12_05`: the 2,048 features of a FID, by weights in a file. No word of `FEATURES` means them: they are
    for `fid.py` alone. GW-0525."""
    net, digest = inception_features.inception_net(weights)
    return Features(
        inception_features.NAME,
        digest,
        lambda pixels: _run(net, pixels, inception_features.inception_pixels),
        slow=True,
    )


def random() -> Features:
    """`random_cnn_v1`: features of the random network, and coarse pixels."""
    net, digest = _random_net()
    return Features(PIXELS, digest, lambda pixels: _run(net, pixels, _as_colour), weak=True)


def digit_probabilities(pixels: np.ndarray) -> np.ndarray:
    """(N, height, width, C) -> (N, 10) probabilities by the shipped classifier."""
    net, _ = digits_features.digits_net()
    return _run(lambda x: net(x).softmax(1), pixels, digits_features.digits_pixels)


class RandomNet(nn.Module):
    """Four strided convolutions with weights from a fixed seed; beside them 4 x 4 coarse pixels, the part that principal
    components of pixels would play, but the same for all data."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(20240607)
        layers = []
        for inputs, outputs in itertools.pairwise((3, 16, 24, 32, 48)):
            layer = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
            random = torch.randn(layer.weight.shape, generator=generator)
            layer.weight = nn.Parameter(random * (2 / (9 * inputs)) ** 0.5)
            layer.bias = nn.Parameter(0.1 * torch.randn(outputs, generator=generator))
            layers.append(layer)
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 64, 64) in [-1, 1] -> (B, 288): of each layer's channels the mean over places and the logarithm of the
        deviation, which tells noise and blur on flat parts; coarse pixels."""
        found = [F.adaptive_avg_pool2d(x, COARSE).flatten(1) / 2]
        for layer in self.layers:
            x = F.relu(layer(x))
            found += [x.mean(dim=(2, 3)), torch.log(0.05 + x.std(dim=(2, 3))) / 2]
        return torch.cat(found, dim=1)


@functools.cache
def _random_net() -> tuple[RandomNet, str]:
    net = RandomNet().eval()
    return net, hashlib.sha256(b"".join(v.numpy().tobytes() for v in net.state_dict().values())).hexdigest()


@torch.no_grad()
def _run(call: Callable[[Tensor], Tensor], pixels: np.ndarray, prepare: Callable[[Tensor], Tensor]) -> np.ndarray:
    parts = []
    for start in range(0, len(pixels), BATCH):
        x = torch.tensor(pixels[start : start + BATCH].transpose(0, 3, 1, 2)).float() / 255.0
        parts.append(call(prepare(x)).double().numpy())
    return np.concatenate(parts)


def _as_colour(x: Tensor) -> Tensor:
    """Three channels in [-1, 1], 64 x 64."""
    size = (SIDE, SIDE)
    x = x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear", antialias=True)
    return (2 * x - 1).expand(-1, 3, -1, -1)
