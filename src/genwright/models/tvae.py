"""A variational autoencoder on coded rows: all columns at once from a normal latent vector.

Kingma and Welling, "Auto-Encoding Variational Bayes" (2014), with categorical likelihoods: every coded position, cells of
numbers included, is a softmax. Departs from TVAE (Xu et al., "Modeling tabular data using conditional GAN", 2019) in
that numbers are cells and slices of the codec's grid instead of Gaussian modes, so one likelihood serves all columns.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.contract import FREE, Batch, DataSpec, GenerativeModel, Phase
from genwright.errors import GenwrightError
from genwright.networks.slices import informative


class TVAE(GenerativeModel):
    """Encoder and decoder are perceptrons; the decoder's last layer gives the logits of all spans side by side."""

    phases = (Phase("bound", updates="net"),)
    selects_by = "bound"
    starts: Tensor

    def __init__(
        self, spec: DataSpec, *, width: int, depth: int, latent: int, divergence_weight: float, warmup: float
    ) -> None:
        super().__init__()
        self.spec, self.latent, self.divergence_weight, self.warmup = spec, latent, divergence_weight, warmup
        sizes = [span.size for span in spec.spans]
        self.sizes = sizes
        starts = torch.tensor([0, *sizes]).cumsum(0)[:-1]
        self.register_buffer("starts", starts, persistent=False)
        self.net = nn.ModuleDict(
            {
                "inputs": nn.Embedding(sum(sizes), width),
                "encoder": _perceptron([width] * depth, 2 * latent, active_input=True),
                "decoder": _perceptron([latent] + [width] * depth, sum(sizes)),
            }
        )
        frequency = torch.tensor([share for span in spec.spans for share in span.frequency])
        with torch.no_grad():  # start from the marginals
            self.net["decoder"][-1].bias.copy_(frequency.clamp_min(1e-6).log())  # type: ignore[index]

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """noise: (B, latent), standard normal."""
        return batch.drawing(noise=torch.randn(len(batch), self.latent, device=batch.x.device))

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """The negative evidence lower bound in nats (Kingma and Welling, equation 10), its two terms of shape (B,).

        The divergence grows to its weight over the first `warmup` share of the run (Sonderby et al. 2016), or some seeds learn
        to ignore the latent vector before it says anything.
        """
        mean, log_variance = self.net["encoder"](self.net["inputs"](batch.x + self.starts).sum(1)).chunk(2, dim=-1)
        z = mean + torch.exp(0.5 * log_variance) * batch.drawn["noise"]
        logits = self.net["decoder"](z).split(self.sizes, dim=-1)
        informs = informative(self.spec, batch.x)
        reconstruction = torch.zeros(len(batch), device=batch.x.device)
        for index, part in enumerate(logits):
            nll = F.cross_entropy(part.float(), batch.x[:, index], reduction="none")
            reconstruction = reconstruction + nll * informs[:, index]
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1)
        weight = self.divergence_weight * (min(1.0, batch.progress / self.warmup) if self.warmup else 1.0)
        return {"reconstruction": reconstruction, "divergence": weight * divergence}

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n rows from the prior. GW-0403 under conditions: the latent vector of a given value is not known."""
        if condition is not None and bool((condition != FREE).any()):
            raise GenwrightError(
                "GW-0403", "tvae cannot draw rows under conditions or impute", "Train a tabular-ar model instead."
            )
        device = self.starts.device
        z = torch.randn(n, self.latent, generator=generator, device=device)
        logits = self.net["decoder"](z).split(self.sizes, dim=-1)
        # The index of the largest log p + Gumbel noise is a draw from p; -log of an exponential is Gumbel.
        noise = (torch.empty_like(part).exponential_(generator=generator).log() for part in logits)
        x = torch.stack([(part - gumbel).argmax(-1) for part, gumbel in zip(logits, noise, strict=True)], dim=1)
        return Batch(x * informative(self.spec, x))


def _perceptron(widths: list[int], outputs: int, *, active_input: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ReLU()] if active_input else []
    for width_in, width_out in itertools.pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))
