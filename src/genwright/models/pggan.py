"""Progressive growing of GANs: training starts at 4 x 4 pixels and doubles, each new level faded in.

Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation" (2018). The level follows from the
share of the run that is done (`Batch.progress`), so the one loop trains all levels. Images are padded to a power of two.
Departs: without the drift of scores (appendix A.1), which only the paper's loss, `wasserstein`, wants.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.contract import Batch, DataSpec, Phase
from genwright.models.gan import GAN

START = 4
LEAK = 0.2
Stage = tuple[int, float]
"""A level, 0 the coarsest, and how far it is faded in, 1: wholly."""


class PGGAN(GAN):
    """A `generator` and a `critic` with a way in and out at every level; loss and penalty are settings as of any GAN."""

    done: Tensor

    def __init__(
        self,
        spec: DataSpec,
        *,
        loss: str,
        penalty: str,
        penalty_weight: float,
        penalty_end: float,
        penalty_interval: int,
        critic_steps: int,
        width: int,
        latent: int,
        augment: float,
        truncation: float,
        fade: float,
    ) -> None:
        self.fade = fade
        self.levels = max(1, math.ceil(math.log2(max(spec.shape[1:]) / START)) + 1)
        super().__init__(
            spec,
            network="growing",
            loss=loss,
            penalty=penalty,
            penalty_weight=penalty_weight,
            penalty_end=penalty_end,
            penalty_interval=penalty_interval,
            critic_steps=critic_steps,
            width=width,
            latent=latent,
            augment=augment,
            truncation=truncation,
        )
        self.register_buffer("done", torch.tensor(0.0, dtype=torch.float64))  # share of the run, for samples on the way

    def _networks(self, network: str, width: int) -> tuple[nn.Module, nn.Module]:
        widths = [width * min(2 ** (self.levels - 1 - level), 8) for level in range(self.levels)]
        channels, classes = self.spec.shape[0], max(self.spec.classes, 1)
        return Generator(widths, channels, self.latent_size, classes), Critic(widths, channels, classes)

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """As any GAN, at the level that the batch's share of the run has come to."""
        self._grow(batch.progress)
        return super().draw(phase, batch)

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """As any GAN, of images as the level sees them."""
        stage = self._grow(batch.progress)
        return super().loss(phase, replace(batch, x=self._at_level(batch.x, *stage)) if phase.reads_data else batch)

    def familiarity(self, batch: Batch) -> Tensor:
        """The critic's score at the last level."""
        return super().familiarity(replace(batch, x=self._at_level(batch.x, *self._grow(1.0))))

    def _penalty(self, batch: Batch, label: Tensor) -> Tensor:
        """As any GAN's, whose weight grows with the numbers of an image: those of the level."""
        found = super()._penalty(batch, label)
        level, _ = self.stage(batch.progress)
        return found * (0.5 if self.penalty == "one-centred" else 0.25) ** (self.levels - 1 - level)

    def observe(self, phase: Phase, batch: Batch) -> None:
        """Remember the share of the run, so that a copy of the model knows its level."""
        self.done.fill_(batch.progress)

    @torch.no_grad()
    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Batch:
        """Images of latent vectors, which are first shrunk by `truncation`."""
        self._grow(float(self.done))
        x = super().decode(z, condition=condition).x
        size = START * 2 ** (self.levels - 1)
        x = F.interpolate(x, size=(size, size), mode="nearest")
        return Batch(x[:, :, : self.spec.shape[1], : self.spec.shape[2]], condition)

    def _grow(self, progress: float) -> Stage:
        stage = self.stage(progress)
        self.generator.stage = self.critic.stage = stage  # type: ignore[assignment]
        return stage

    def stage(self, progress: float) -> Stage:
        """(level, how far it is faded in): each level has an equal share of the run, but the last one two."""
        place = progress * (self.levels + 1)
        level = min(int(place), self.levels - 1)
        fade = 1.0 if level == 0 or not self.fade else min(1.0, (place - level) / self.fade)
        return level, fade

    def _at_level(self, x: Tensor, level: int, fade: float) -> Tensor:
        """Real images as the level sees them: padded to a square, averaged down, faded like the generated ones."""
        size = START * 2 ** (self.levels - 1)
        x = F.pad(x, (0, size - x.shape[3], 0, size - x.shape[2]), mode="replicate") if min(x.shape[2:]) < size else x
        x = F.avg_pool2d(x, 2 ** (self.levels - 1 - level))
        if fade < 1.0:
            x = fade * x + (1 - fade) * F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="nearest")
        return x


class Equalised(nn.Module):
    """A convolution (or linear layer, side 1) whose weights are scaled at run time (section 4.1)."""

    def __init__(self, channels: int, out: int, side: int, gain: float = 2**0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, channels, side, side))
        self.bias = nn.Parameter(torch.zeros(out))
        self.scale, self.padding = gain * (channels * side * side) ** -0.5, side // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class Generator(nn.Module):
    """Two convolutions a level, each followed by a leaky ReLU and pixel norm (section 4.2)."""

    stage: Stage = (0, 1.0)

    def __init__(self, widths: list[int], channels: int, latent: int, classes: int) -> None:
        super().__init__()
        self.label = nn.Embedding(classes, latent)
        self.enter = Equalised(2 * latent, widths[0] * START * START, 1, gain=2**0.5 / 4)
        self.first = Equalised(widths[0], widths[0], 3)
        self.levels = nn.ModuleList(
            nn.ModuleList([Equalised(a, b, 3), Equalised(b, b, 3)]) for a, b in pairwise(widths)
        )
        self.leave = nn.ModuleList(Equalised(size, channels, 1, gain=1.0) for size in widths)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        level, fade = self.stage
        h = torch.cat([_pixel_norm(z), _pixel_norm(self.label(label))], dim=1)[:, :, None, None]
        h = _active(self.enter(h).flatten(1).unflatten(1, (-1, START, START)))
        h = _active(self.first(h))
        before = h
        for convolutions in self.levels[:level]:
            before = h
            h = F.interpolate(h, scale_factor=2.0, mode="nearest")
            for convolution in convolutions:  # type: ignore[attr-defined]
                h = _active(convolution(h))
        x = self.leave[level](h)
        if fade < 1.0:
            x = fade * x + (1 - fade) * F.interpolate(self.leave[level - 1](before), scale_factor=2.0, mode="nearest")
        return x


class Critic(nn.Module):
    """The generator's mirror image; the deviation over the batch joins the coarsest level (section 3)."""

    stage: Stage = (0, 1.0)

    def __init__(self, widths: list[int], channels: int, classes: int) -> None:
        super().__init__()
        self.enter = nn.ModuleList(Equalised(channels, size, 1) for size in widths)
        self.levels = nn.ModuleList(
            nn.ModuleList([Equalised(b, b, 3), Equalised(b, a, 3)]) for a, b in pairwise(widths)
        )
        self.last = Equalised(widths[0] + 1, widths[0], 3)
        self.dense = Equalised(widths[0] * START * START, widths[0], 1)
        self.score = Equalised(widths[0], 1, 1, gain=1.0)
        self.label = nn.Embedding(classes, widths[0])

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        level, fade = self.stage
        h = F.leaky_relu(self.enter[level](x), LEAK)
        for place in range(level, 0, -1):
            for convolution in self.levels[place - 1]:  # type: ignore[attr-defined]
                h = F.leaky_relu(convolution(h), LEAK)
            h = F.avg_pool2d(h, 2)
            if place == level and fade < 1.0:
                old = F.leaky_relu(self.enter[level - 1](F.avg_pool2d(x, 2)), LEAK)
                h = fade * h + (1 - fade) * old
        deviation = (h.float().var(dim=0, unbiased=False) + 1e-8).sqrt().mean().expand(len(h), 1, *h.shape[2:])
        h = F.leaky_relu(self.last(torch.cat([h, deviation.to(h.dtype)], dim=1)), LEAK).flatten(1)[:, :, None, None]
        h = F.leaky_relu(self.dense(h), LEAK)
        return self.score(h).flatten() + (h.flatten(1) * self.label(label)).sum(1) * h.shape[1] ** -0.5


def _active(h: Tensor) -> Tensor:
    return _pixel_norm(F.leaky_relu(h, LEAK))


def _pixel_norm(h: Tensor) -> Tensor:
    """Each place's vector scaled to unit mean square (section 4.2)."""
    fine = h.float()
    return (fine * (fine.pow(2).mean(dim=1, keepdim=True) + 1e-8).rsqrt()).to(h.dtype)
