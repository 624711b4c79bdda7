"""Encoder and decoder for `vae` and `vqvae`, images to a small grid of features and back; and what makes codes of features.

Layouts as everywhere: (B, channels, height, width). Norms are over groups of channels, so no example sees another.
Sides that do not halve evenly are rounded up on the way down and cut on the way up. Read `models/vae.py` next.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.networks.image import groups

MEMORY = 0.99  # of a codebook, as a share that a step keeps
RARE = 0.1  # a code that has less than this share of its even portion starts anew
WIDEST = 4  # the coarse levels have at most so many times the channels of the finest


def halvings(sides: tuple[int, ...], *, longest: int) -> int:
    """How often sides are halved: until the longer one is at most `longest`, and twice at least."""
    times = 2
    while max(sides) > longest * 2**times:
        times += 1
    return times


def coarse(sides: tuple[int, ...], times: int) -> tuple[int, int]:
    """(height, width) of the grid after so many halvings."""
    height, width = (-(-side // 2**times) for side in sides)
    return height, width


def widths(width: int, times: int) -> list[int]:
    """Channels after each halving: doubled from the second on, up to WIDEST times."""
    return [width * min(2**level, WIDEST) for level in range(times)]


class Encoder(nn.Module):
    """Strided convolutions, each followed by `depth` residual blocks; the grid has `widths(width, times)[-1]` channels."""

    def __init__(self, channels: int, width: int, *, times: int, depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size in widths(width, times):
            layers.append(nn.Conv2d(channels, size, 4, stride=2, padding=1))
            layers += [Residual(size) for _ in range(depth)]
            channels = size
        self.layers = nn.Sequential(*layers, nn.GroupNorm(groups(channels), channels), nn.SiLU())
        self.multiple = 2**times

    def forward(self, x: Tensor) -> Tensor:
        right, below = -x.shape[3] % self.multiple, -x.shape[2] % self.multiple
        return self.layers(F.pad(x, (0, right, 0, below), mode="replicate") if right or below else x)


class Decoder(nn.Module):
    """The encoder's mirror image: residual blocks and transposed convolutions up to (B, channels, *sides)."""

    def __init__(self, channels: int, sides: tuple[int, int], width: int, *, times: int, depth: int) -> None:
        super().__init__()
        sizes = widths(width, times)
        layers: list[nn.Module] = []
        for size, after in zip(sizes[::-1], [*sizes[-2::-1], channels], strict=True):
            layers += [Residual(size) for _ in range(depth)]
            layers += [nn.GroupNorm(groups(size), size), nn.SiLU(), nn.ConvTranspose2d(size, after, 4, 2, 1)]
        self.layers = nn.Sequential(*layers)
        self.sides = sides

    def forward(self, h: Tensor) -> Tensor:
        return self.layers(h)[:, :, : self.sides[0], : self.sides[1]]


class Residual(nn.Module):
    """x plus two convolutions of it; starts as the identity (He et al. 2016, "Identity mappings", figure 1b)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups(channels), channels), nn.GroupNorm(groups(channels), channels)
        self.conv1, self.conv2 = (
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


class FiniteScalars(nn.Module):
    """Codes without a codebook: each of a few dimensions is rounded to one of its levels.

    Mentzer et al., "Finite scalar quantization: VQ-VAE made simple" (2023), section 3.1 and appendix A; gradients pass the
    rounding unchanged. The last axis of vectors are the dimensions, in [-1, 1] after rounding.
    """

    levels: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.size, self.dimensions = math.prod(levels), len(levels)
        self.register_buffer("levels", torch.tensor(levels), persistent=False)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(..., dimensions) -> the rounded vectors and their codes (...)."""
        half, even = (self.levels - 1) / 2 * (1 - 1e-3), (self.levels % 2 == 0) / 2
        bounded = torch.tanh(z + torch.atanh(even / half)) * half - even  # an even number of levels: shifted by a half
        rounded = bounded + (bounded.round() - bounded).detach()
        return rounded / (self.levels // 2), self._code(rounded.detach().round().long())

    def vectors(self, codes: Tensor) -> Tensor:
        """The rounded vectors of codes."""
        digits = codes[..., None] // self._places() % self.levels
        return digits / (self.levels // 2) - 1.0

    def _code(self, rounded: Tensor) -> Tensor:
        return ((rounded + self.levels // 2) * self._places()).sum(-1)

    def _places(self) -> Tensor:
        """What one step of each dimension adds to the code."""
        return F.pad(self.levels.cumprod(0)[:-1], (1, 0), value=1)


class Codebook(nn.Module):
    """`size` vectors that follow the mean of what is mapped to them: van den Oord et al. 2017, appendix A.1.

    They start at vectors of the first batch, and a code that almost nothing is mapped to starts anew at one of the
    current batch (Dhariwal et al., "Jukebox", 2020, section 3.3).
    """

    vector: Tensor
    total: Tensor
    count: Tensor

    def __init__(self, size: int, dimensions: int) -> None:
        super().__init__()
        self.size, self.dimensions = size, dimensions
        self.register_buffer("vector", torch.randn(size, dimensions))
        self.register_buffer("total", torch.zeros(size, dimensions))
        self.register_buffer("count", torch.zeros(size))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(..., dimensions) -> the nearest vectors, with gradients as if they were z, and their codes (...)."""
        with torch.autocast(z.device.type, enabled=False):  # in bf16 near codes could not be told apart
            codes = (self.vector.pow(2).sum(1) - 2 * z.detach() @ self.vector.T).argmin(-1)
        return z + (self.vector[codes] - z).detach(), codes

    def vectors(self, codes: Tensor) -> Tensor:
        """The vectors of codes."""
        return self.vector[codes]

    def follow(self, z: Tensor) -> None:
        """Move towards (n, dimensions) vectors of a batch; draws from the global generator."""
        codes = self(z)[1]
        count = torch.bincount(codes, minlength=self.size).to(z.dtype)
        self.count.lerp_(count, 1 - MEMORY)  # equations 6 to 8
        self.total.lerp_(torch.zeros_like(self.total).index_add_(0, codes, z), 1 - MEMORY)
        portion = len(z) / self.size
        unused = self.count < RARE * portion
        anew = z[torch.randint(len(z), (self.size,), device=z.device)]
        self.count.copy_(torch.where(unused, portion, self.count))
        self.total.copy_(torch.where(unused[:, None], portion * anew, self.total))
        self.vector.copy_(self.total / self.count[:, None])
