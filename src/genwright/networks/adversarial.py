"""Generators and critics for images: the tutorial's (DCGAN) and residual ones without norms (R3GAN).

A generator maps (B, latent) vectors and (B,) labels to (B, channels, height, width); a critic maps images and labels to
(B,) scores, with the label's part as a projection (Miyato and Koyama 2018). Augmentations of what critics see are in
`augmentation.py`; the growing pair of PGGAN is in its model's file.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.2


def halvings(sides: tuple[int, ...]) -> int:
    """How often the longer side is halved until it is at most 8; once at least."""
    count = 1
    while max(sides) > 8 * 2**count:
        count += 1
    return count


def start(sides: tuple[int, ...], times: int) -> tuple[int, int]:
    """The coarsest grid, which `times` doublings make at least as large as the image."""
    height, width = (-(-side // 2**times) for side in sides)
    return height, width


class TutorialGenerator(nn.Module):
    """Transposed convolutions with BatchNorm and a tanh (Radford et al. 2016, section 3), labels joined to the latent."""

    def __init__(self, shape: tuple[int, ...], *, width: int, latent: int, classes: int) -> None:
        super().__init__()
        channels, *sides = shape
        times = halvings(tuple(sides))
        self.sides, self.first = tuple(sides), start(tuple(sides), times)
        self.label = nn.Embedding(max(classes, 1), latent)
        widths = [width * 2 ** min(times - 1 - i, 3) for i in range(times)]
        self.enter = nn.Linear(2 * latent, widths[0] * self.first[0] * self.first[1])
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for size, after in pairwise(widths):
            layers += [nn.ConvTranspose2d(size, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1))
        self.apply(_tutorial_start)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        h = self.enter(torch.cat([z, self.label(label)], dim=1)).unflatten(1, (-1, *self.first))
        return self.layers(h).tanh()[:, :, : self.sides[0], : self.sides[1]]


class TutorialCritic(nn.Module):
    """Strided convolutions with BatchNorm but for the first (Radford et al. 2016, section 3), or without any norm."""

    def __init__(self, shape: tuple[int, ...], *, width: int, classes: int, norm: bool = True) -> None:
        super().__init__()
        channels, *sides = shape
        times = halvings(tuple(sides))
        first = start(tuple(sides), times)
        widths = [width * 2 ** min(i, 3) for i in range(times)]
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1), nn.LeakyReLU(LEAK)]
        for size, after in pairwise(widths):
            layers.append(nn.Conv2d(size, after, 4, 2, 1, bias=not norm))
            # Critics only train: no running statistics, which a penalty of the gradient could not keep either.
            layers += [nn.BatchNorm2d(after, track_running_stats=False)] if norm else []
            layers.append(nn.LeakyReLU(LEAK))
        self.multiple = 2**times
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = Head(widths[-1] * first[0] * first[1], classes)
        self.apply(_tutorial_start)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.head(self.layers(pad_to(x, self.multiple)), label)


class ResidualGenerator(nn.Module):
    """Residual blocks from the coarsest grid up, no norms, the last doubling by pixel shuffle; a linear output.

    After R3GAN (Huang et al. 2024, section 4). Departs: plain 3 x 3 convolutions for grouped bottlenecks, which are slow
    on processors; full resolution is reached without a layer there, which quarters the cost.
    """

    def __init__(self, shape: tuple[int, ...], *, width: int, latent: int, classes: int) -> None:
        super().__init__()
        channels, *sides = shape
        times = halvings(tuple(sides))
        self.sides, self.first = tuple(sides), start(tuple(sides), times)
        widths = [width * 2 ** min(times - 1 - i, 2) for i in range(times)]
        self.label = nn.Embedding(max(classes, 1), latent)
        self.enter = nn.Linear(2 * latent, widths[0] * self.first[0] * self.first[1])
        self.blocks = nn.ModuleList()
        for before, size in zip([widths[0], *widths], widths, strict=False):
            self.blocks.append(nn.Sequential(_resized(before, size), Block(size)))
        self.leave = nn.Conv2d(widths[-1], 4 * channels, 3, padding=1)
        with (
            torch.no_grad()
        ):  # the four pixels of a square begin alike (Aitken et al. 2017), or samples come out dithered
            self.leave.weight.copy_(self.leave.weight[::4].repeat_interleave(4, dim=0))

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        h = self.enter(torch.cat([z, self.label(label)], dim=1)).unflatten(1, (-1, *self.first))
        for place, level in enumerate(self.blocks):
            resized, block = level.children()
            h = resized(h)  # before it grows: the same numbers for a quarter of the work
            h = block(F.interpolate(h, scale_factor=2.0, mode="bilinear") if place else h)
        x = F.pixel_shuffle(self.leave(F.leaky_relu(h, LEAK)), 2)
        return x[:, :, : self.sides[0], : self.sides[1]]


class ResidualCritic(nn.Module):
    """The generator's mirror image: squares of 2 x 2 pixels become channels, residual blocks down to the coarsest grid."""

    def __init__(self, shape: tuple[int, ...], *, width: int, classes: int) -> None:
        super().__init__()
        channels, *sides = shape
        times = halvings(tuple(sides))
        first = start(tuple(sides), times)
        widths = [width * 2 ** min(i, 2) for i in range(times)]
        self.multiple = 2**times
        self.enter = nn.Conv2d(4 * channels, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for size, after in zip(widths, [*widths[1:], widths[-1]], strict=True):
            self.blocks.append(nn.Sequential(Block(size), _resized(size, after)))
        self.head = Head(widths[-1] * first[0] * first[1], classes)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        h = self.enter(F.pixel_unshuffle(pad_to(x, self.multiple), 2))
        for place, level in enumerate(self.blocks, start=1):
            block, resized = level.children()
            h = block(h)
            h = resized(F.avg_pool2d(h, 2) if place < len(self.blocks) else h)
        return self.head(F.leaky_relu(h, LEAK).flatten(1), label)


class Block(nn.Module):
    """x + conv(act(conv(act(x)))), the second convolution zero at first (Zhang et al. 2019, "Fixup")."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, a=LEAK)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.leaky_relu(self.conv1(F.leaky_relu(x, LEAK)), LEAK))


class Head(nn.Module):
    """A linear score plus the features' product with the label's vector."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.score = nn.Linear(features, 1)
        self.label = nn.Embedding(max(classes, 1), features)
        nn.init.normal_(self.label.weight, std=features**-0.5)

    def forward(self, features: Tensor, label: Tensor) -> Tensor:
        return self.score(features).squeeze(1) + (features * self.label(label)).sum(1)


def pad_to(x: Tensor, multiple: int) -> Tensor:
    """Sides padded at their ends with the border's pixels to a multiple."""
    right, below = -x.shape[3] % multiple, -x.shape[2] % multiple
    return F.pad(x, (0, right, 0, below), mode="replicate") if right or below else x


def _resized(channels: int, out: int) -> nn.Module:
    return nn.Identity() if channels == out else nn.Conv2d(channels, out, 1, bias=False)


def _tutorial_start(module: nn.Module) -> None:
    """Weights from N(0, .02), as the paper has them; those that double a side in pairs, or samples come out chequered (Odena
    et al. 2016): the four pixels that one becomes begin alike."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.ConvTranspose2d):
        with torch.no_grad():
            half = module.weight[..., :2, :2]
            half = torch.cat([half, half.flip(-2)], dim=-2)
            module.weight.copy_(torch.cat([half, half.flip(-1)], dim=-1))
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, mean=1.0, std=0.02)
