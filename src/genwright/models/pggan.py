"""Progressive growing of GANs: training starts at 4 x 4 pixels and doubles, each new level faded in.

Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation" (2018). The level follows from the
share of the run that is done (`Batch.progress`), so the one loop trains all levels. Images are padded to a power of two.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.contract import SAMPLES, Batch, DataSpec, GenerativeModel, Phase

START = 4
DRIFT = 1e-3  # appendix A.1: keeps the critic's scores near 0
LEAK = 0.2


class PGGAN(GenerativeModel):
    """A `generator` and a `critic` with a way in and out at every level; WGAN-GP loss, as in the paper."""

    phases = (
        Phase("critic", updates="critic", mixes_examples=True),  # the deviation over the batch is a feature
        Phase("generator", updates="generator", reads_data=False, mixes_examples=True),
    )
    selects_by = SAMPLES
    decodes = True
    done: Tensor

    def __init__(
        self, spec: DataSpec, *, width: int, latent: int, penalty: float, fade: float, truncation: float
    ) -> None:
        super().__init__()
        self.spec, self.latent_size = spec, latent
        self.penalty, self.fade, self.truncation = penalty, fade, truncation
        channels, *sides = spec.shape
        self.levels = max(1, math.ceil(math.log2(max(sides) / START)) + 1)
        widths = [width * min(2 ** (self.levels - 1 - level), 8) for level in range(self.levels)]
        self.generator = Generator(widths, channels, latent, max(spec.classes, 1))
        self.critic = Critic(widths, channels, max(spec.classes, 1))
        self.register_buffer("done", torch.tensor(0.0, dtype=torch.float64))  # share of the run, for samples on the way

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """latent: (B, latent); for the critic also made: generated images of the level, and mix: (B,) uniform."""
        z = self.latents(len(batch))
        if phase.name == "generator":
            return batch.drawing(latent=z)
        made = self.generator(z, self._labels(batch), *self.stage(batch.progress)).float()
        return batch.drawing(latent=z, made=made, mix=torch.rand(len(batch), device=z.device))

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """Wasserstein loss; for the critic with gradient penalty (Gulrajani et al. 2017, equation 3) and drift."""
        label, stage = self._labels(batch), self.stage(batch.progress)
        if phase.name == "generator":
            made = self.generator(batch.drawn["latent"], label, *stage)
            return {"loss": -self.critic(made, label, *stage).float()}
        x, made = self._at_level(batch.x, *stage), batch.drawn["made"]
        real = self.critic(x, label, *stage).float()
        mix = batch.drawn["mix"][:, None, None, None]
        between = mix * x + (1 - mix) * made
        gradient = torch.func.grad(lambda images: self.critic(images, label, *stage).float().sum())(between)
        norm = (gradient.float().flatten(1).pow(2).sum(1) + 1e-12).sqrt()
        return {
            "loss": self.critic(made, label, *stage).float() - real,
            "penalty": self.penalty * (norm - 1) ** 2,
            "drift": DRIFT * real**2,
        }

    def observe(self, phase: Phase, batch: Batch) -> None:
        """Remember the share of the run, so that a copy of the model knows its level."""
        self.done.fill_(batch.progress)

    def latents(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """(n, latent) standard normal."""
        return torch.randn(n, self.latent_size, generator=generator, device=self.done.device)

    @torch.no_grad()
    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Batch:
        """Images of latent vectors, which are first shrunk by `truncation`."""
        label = self._labels(Batch(z, condition))
        x = self.generator(self.truncation * z, label, *self.stage(float(self.done)))
        size = START * 2 ** (self.levels - 1)
        x = F.interpolate(x, size=(size, size), mode="nearest")
        return Batch(x[:, :, : self.spec.shape[1], : self.spec.shape[2]].clamp(-1, 1), condition)

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n images in one pass of the generator."""
        return self.decode(self.latents(n, generator), condition=condition)

    def stage(self, progress: float) -> tuple[int, float]:
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

    def _labels(self, batch: Batch) -> Tensor:
        if batch.condition is None:
            return torch.zeros(len(batch), dtype=torch.int64, device=batch.x.device)
        return batch.condition


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

    def __init__(self, widths: list[int], channels: int, latent: int, classes: int) -> None:
        super().__init__()
        self.label = nn.Embedding(classes, latent)
        self.enter = Equalised(2 * latent, widths[0] * START * START, 1, gain=2**0.5 / 4)
        self.first = Equalised(widths[0], widths[0], 3)
        self.levels = nn.ModuleList(
            nn.ModuleList([Equalised(a, b, 3), Equalised(b, b, 3)]) for a, b in pairwise(widths)
        )
        self.leave = nn.ModuleList(Equalised(size, channels, 1, gain=1.0) for size in widths)

    def forward(self, z: Tensor, label: Tensor, level: int, fade: float) -> Tensor:
        h = torch.cat([_pixel_norm(z), _pixel_norm(self.label(label))], dim=1)[:, :, None, None]
        h = _active(self.enter(h).view(len(z), -1, START, START))
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

    def forward(self, x: Tensor, label: Tensor, level: int, fade: float) -> Tensor:
        h = F.leaky_relu(self.enter[level](x), LEAK)
        for place in range(level, 0, -1):
            for convolution in self.levels[place - 1]:  # type: ignore[attr-defined]
                h = F.leaky_relu(convolution(h), LEAK)
            h = F.avg_pool2d(h, 2)
            if place == level and fade < 1.0:
                old = F.leaky_relu(self.enter[level - 1](F.avg_pool2d(x, 2)), LEAK)
                h = fade * h + (1 - fade) * old
        deviation = (h.var(dim=0, unbiased=False) + 1e-8).sqrt().mean().expand(len(h), 1, *h.shape[2:])
        h = F.leaky_relu(self.last(torch.cat([h, deviation], dim=1)), LEAK).flatten(1)[:, :, None, None]
        h = F.leaky_relu(self.dense(h), LEAK)
        return self.score(h).flatten() + (h.flatten(1) * self.label(label)).mean(1)


def _active(h: Tensor) -> Tensor:
    return _pixel_norm(F.leaky_relu(h, LEAK))


def _pixel_norm(h: Tensor) -> Tensor:
    """Each place's vector scaled to unit mean square (section 4.2)."""
    return h * (h.pow(2).mean(dim=1, keepdim=True) + 1e-8).rsqrt()
