"""A variational autoencoder on images: a latent vector from which a decoder makes the whole picture at once.

Kingma and Welling, "Auto-Encoding Variational Bayes" (2014), with labels given to both sides. After training the latent
vectors of each class are found to follow no standard normal, so a Gaussian is fitted to them (after Ghosh et al., "From
variational to deterministic autoencoders", 2020, section 4): latent vectors stay standard normal for whoever calls, and are
moved into the class's Gaussian by an affine map. The convolutions are in `networks/autoencoder.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.contract import Batch, DataSpec, GenerativeModel, Phase
from genwright.networks.autoencoder import Decoder, Encoder, coarse, halvings, widths
from genwright.networks.class_gaussians import ClassGaussians

COARSEST = 8  # longer side of the grid between convolutions and vectors, at most
HALF_LEVEL = 1 / 255  # half the distance of two pixel values in [-1, 1]
SMALLEST_LOG_SCALE = -7.0  # as Salimans et al. have it: a narrower logistic lies within one level


class VAE(GenerativeModel):
    """Encoder and decoder in `net`; `gaussians` holds that of each class, which `fit` finds."""

    phases = (Phase("bound", updates="net"),)
    selects_by = "bound"
    decodes = encodes = True

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: int,
        depth: int,
        latent: int,
        likelihood: str,
        warmup: float,
        free_bits: float,
        prior: str,
    ) -> None:
        super().__init__()
        self.shape = spec.shape
        by_colour = "bernoulli" if spec.shape[0] == 1 else "logistic"
        self.likelihood = by_colour if likelihood == "auto" else likelihood
        self.latent_size, self.prior = latent, prior
        self.warmup, self.free_bits = warmup, free_bits
        classes = max(spec.classes, 1)
        self.net = Networks(spec, width=width, depth=depth, latent=latent)
        self.gaussians = ClassGaussians(classes, latent)

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """noise: (B, latent), standard normal; pixels: the images as the likelihood has them, see `_pixels`."""
        noise = torch.randn(len(batch), self.latent_size, device=batch.x.device)
        return batch.drawing(noise=noise, pixels=self._pixels(batch.x))

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """The negative evidence lower bound in nats (Kingma and Welling, equation 3), its two terms of shape (B,).

        The divergence grows to its weight over the first `warmup` share of the run (Sonderby et al. 2016); each
        dimension costs `free_bits` nats at least (Kingma et al. 2016, equation 15). Departs: that floor holds for each
        example, not for the mean of a batch, so that examples do not mix.
        """
        label = self._labels(batch.condition, batch.x)
        mean, log_variance = self.net.posterior(batch.drawn["pixels"], label)
        z = mean + torch.exp(0.5 * log_variance) * batch.drawn["noise"]
        reconstruction = -self._log_likelihood(batch.drawn["pixels"], self.net.decoded(z, label))
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)
        weight = min(1.0, batch.progress / self.warmup) if self.warmup else 1.0
        return {"reconstruction": reconstruction, "divergence": weight * divergence.clamp_min(self.free_bits).sum(1)}

    @torch.no_grad()
    def fit(self, batches: Iterable[Batch], ledger: Any) -> None:
        """The Gaussian of each class of latent vectors. Under a guarantee the prior stays the standard normal."""
        if self.prior != "fitted" or ledger is not None:
            return

        def seen() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
            for batch in batches:
                label = self._labels(batch.condition, batch.x)
                mean, log_variance = self.net.posterior(self._pixels(batch.x), label)
                yield label, mean, log_variance.double().exp()

        self.gaussians.fit(seen())

    def latents(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """(n, latent) standard normal."""
        return torch.randn(n, self.latent_size, generator=generator, device=self.gaussians.mean.device)

    @torch.no_grad()
    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Batch:
        """The expected pixels. Departs: the likelihood's own noise, which no eye wants to see, is not drawn."""
        label = self._labels(condition, z)
        pixels = self.net.decoded(self.gaussians(z, label), label).float()
        mean = 2 * pixels.sigmoid() - 1 if self.likelihood == "bernoulli" else pixels.clamp(-1, 1)
        return Batch(mean, condition)

    @torch.no_grad()
    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """(B, latent): the posterior's mean, seen from the class's Gaussian."""
        label = self._labels(condition, x)
        return self.gaussians.inverse(self.net.posterior(x, label)[0].float(), label)

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n images in one pass of the decoder."""
        return self.decode(self.latents(n, generator), condition=condition)

    @torch.no_grad()
    def bound(
        self, x: Tensor, *, condition: Tensor | None = None, samples: int = 50, generator: torch.Generator
    ) -> Tensor:
        """(B,) nats, an upper bound on -log p(x | label): Burda et al., "Importance weighted autoencoders", equation 8.

        Of the pixels as levels, or (bernoulli) as bits drawn by their brightness. The prior is the one that is sampled.
        """
        label = self._labels(condition, x)
        pixels = self._pixels(x, generator)
        mean, log_variance = self.net.posterior(pixels, label)
        weights = []
        for _ in range(samples):
            noise = torch.randn(mean.shape, generator=generator, device=mean.device)
            z = mean + torch.exp(0.5 * log_variance) * noise
            log_prior = self.gaussians.log_density(z, label)
            log_posterior = -0.5 * (noise**2 + log_variance).sum(1)
            weights.append(self._log_likelihood(pixels, self.net.decoded(z, label)) + log_prior - log_posterior)
        return math.log(samples) - torch.logsumexp(torch.stack(weights), dim=0)

    def measures(self, batches: Iterable[Batch], generator: torch.Generator) -> dict[str, float]:
        """The importance-weighted bound with 50 samples: nats of a picture, and bits of a pixel value where it has levels."""
        bounds = [self.bound(batch.x, condition=batch.condition, generator=generator) for batch in batches]
        nats = float(torch.cat(bounds).mean())
        if self.likelihood == "bernoulli":
            return {"nats": nats}
        return {"nats": nats, "bits_per_dimension": nats / (math.prod(self.shape) * math.log(2))}

    def _log_likelihood(self, pixels: Tensor, decoded: Tensor) -> Tensor:
        """(B,) nats of pixels in [-1, 1] given what the decoder said."""
        if self.likelihood == "bernoulli":
            return -F.softplus(-pixels * decoded.float()).flatten(1).sum(1)
        return log_logistic(pixels, decoded.float(), self.net.log_scale[:, None, None]).flatten(1).sum(1)

    def _pixels(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """bernoulli: bits as -1 and 1, drawn by the brightness (Salakhutdinov and Murray 2008); logistic: x itself."""
        return 2 * torch.bernoulli((x + 1) / 2, generator=generator) - 1 if self.likelihood == "bernoulli" else x

    def _labels(self, condition: Tensor | None, like: Tensor) -> Tensor:
        return torch.zeros(len(like), dtype=torch.int64, device=like.device) if condition is None else condition


class Networks(nn.Module):
    """Images to the mean and log-variance of latent vectors, and latent vectors to what the likelihood wants."""

    def __init__(self, spec: DataSpec, *, width: int, depth: int, latent: int) -> None:
        super().__init__()
        channels, *sides = spec.shape
        classes, times = max(spec.classes, 1), halvings(tuple(sides), longest=COARSEST)
        self.grid = (widths(width, times)[-1], *coarse(tuple(sides), times))
        features, hidden = math.prod(self.grid), 16 * width
        self.encoder = Encoder(channels, width, times=times, depth=depth)
        self.narrow, self.narrow_label = nn.Linear(features, hidden), nn.Embedding(classes, hidden)
        self.leave = nn.Linear(hidden, 2 * latent)
        self.enter, self.widen_label = nn.Linear(latent, hidden), nn.Embedding(classes, hidden)
        self.widen = nn.Linear(hidden, features)
        self.decoder = Decoder(channels, (sides[0], sides[1]), width, times=times, depth=depth)
        self.log_scale = nn.Parameter(torch.full((channels,), -2.0))

    def posterior(self, x: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """(B, latent) means and log-variances."""
        h = self.narrow(self.encoder(x).flatten(1)) + self.narrow_label(label)
        mean, log_variance = self.leave(F.silu(h)).float().chunk(2, dim=1)
        return mean, log_variance

    def decoded(self, z: Tensor, label: Tensor) -> Tensor:
        """(B, channels, height, width): logits, or means in [-1, 1], of the pixels."""
        h = self.widen(F.silu(self.enter(z) + self.widen_label(label)))
        return self.decoder(h.view(-1, *self.grid))


def log_logistic(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log-probability of the level (of 256 in [-1, 1]) under a logistic: Salimans et al. 2017, equation 2.

    Written as log s(a) + log s(-b) + log(1 - exp(b - a)) with the sigmoid s, which is s(a) - s(b) without cancellation.
    """
    scale = log_scale.clamp_min(SMALLEST_LOG_SCALE).exp()
    above, below = (x - mean + HALF_LEVEL) / scale, (x - mean - HALF_LEVEL) / scale
    up_to, from_on = F.logsigmoid(above), F.logsigmoid(-below)
    inside = up_to + from_on + torch.log(-torch.expm1(-2 * HALF_LEVEL / scale))
    return torch.where(x < -1 + HALF_LEVEL, up_to, torch.where(x > 1 - HALF_LEVEL, from_on, inside))
