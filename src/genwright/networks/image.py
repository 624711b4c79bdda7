"""Backbones for images: the U-Net that denoises, with time and label folded into every block.

Layouts as everywhere: (B, channels, height, width). Nothing here mixes examples: norms are over groups of channels.
The networks of the GANs are in `adversarial.py`, encoders and decoders in `autoencoder.py`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.networks import attention

FREQUENCIES = 32


class UNet(nn.Module):
    """Residual U-Net (Ronneberger et al. 2015; blocks with scale and shift as in Dhariwal and Nichol 2021, appendix A).

    `levels` resolutions, width * min(2^level, 4) channels each; one attention layer at the coarsest. Squares of `patch`
    pixels become channels first, so that the network works on 1 / patch of each side; sides are padded to fit.
    Departs: what was kept on the way down is added, not joined, which saves a third of the time.
    """

    def __init__(self, channels: int, width: int, *, levels: int, depth: int, patch: int, classes: int) -> None:
        super().__init__()
        self.patch, self.multiple = patch, patch * 2 ** (levels - 1)
        widths = [width * min(2**level, 4) for level in range(levels)]
        embedding = 2 * width
        self.time = nn.Sequential(nn.Linear(2 * FREQUENCIES, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.label = nn.Embedding(classes + 1, embedding)  # the last one: no label
        self.enter = nn.Conv2d(channels * patch**2, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, size in enumerate(widths):
            before = widths[max(level - 1, 0)]
            blocks = [ResidualBlock(before if i == 0 else size, size, embedding) for i in range(depth)]
            self.down.append(nn.ModuleList(blocks))
        self.middle = ResidualBlock(widths[-1], widths[-1], embedding)
        self.attention = Attention(widths[-1])
        self.narrow = nn.ModuleList()
        for level in reversed(range(levels)):
            size, above = widths[level], widths[min(level + 1, levels - 1)]
            self.narrow.append(nn.Identity() if above == size else nn.Conv2d(above, size, 1))
            self.up.append(nn.ModuleList([ResidualBlock(size, size, embedding) for _ in range(depth)]))
        self.norm = nn.GroupNorm(groups(width), width)
        self.leave = nn.Conv2d(width, channels * patch**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        """x (B, channels, height, width), time (B,) in [0, 1], label (B,) in [0, classes]; returns the shape of x."""
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple))
        context = F.silu(self.time(frequencies(time)) + self.label(label))
        h = self.enter(F.pixel_unshuffle(x, self.patch))
        kept = []
        for level, blocks in enumerate(self.down):
            h = F.avg_pool2d(h, 2) if level else h
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, context)
            kept.append(h)
        h = self.attention(self.middle(h, context))
        for level, (blocks, narrow) in enumerate(zip(self.up, self.narrow, strict=True)):
            h = F.interpolate(narrow(h), scale_factor=2.0, mode="nearest") if level else h
            h = h + kept.pop()
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, context)
        return F.pixel_shuffle(self.leave(F.silu(self.norm(h))), self.patch)[:, :, :height, :width]


class ResidualBlock(nn.Module):
    """Two convolutions; the context scales and shifts what lies between. Starts as the identity (or a projection)."""

    def __init__(self, channels: int, out: int, context: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups(channels), channels), nn.GroupNorm(groups(out), out)
        self.conv1, self.conv2 = nn.Conv2d(channels, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.context = nn.Linear(context, 2 * out)
        self.skip = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        scale, shift = self.context(context)[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(self.conv1(F.silu(self.norm1(x)))) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


class Attention(nn.Module):
    """Self-attention over all places, added to its input; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // 64)
        self.norm = nn.GroupNorm(groups(channels), channels)
        self.enter, self.leave = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        b, channels, height, width = x.shape
        queries, keys, values = self.enter(self.norm(x)).reshape(b, 3, self.heads, -1, height * width).mT.unbind(1)
        h = attention.kernel(queries, keys, values)
        return x + self.leave(h.mT.reshape(b, channels, height, width))


def groups(channels: int) -> int:
    """Number of groups of a norm: about 16 channels each, and a divisor."""
    return math.gcd(channels, max(1, channels // 16))


def frequencies(time: Tensor) -> Tensor:
    """(B,) times in [0, 1] as (B, 64) cosines and sines (Vaswani et al. 2017, section 3.5), finest period 1/160."""
    rates = torch.exp(torch.linspace(0.0, math.log(1000.0), FREQUENCIES, device=time.device, dtype=time.dtype))
    angles = time[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)
