"""Generative adversarial networks: one file, with networks, losses and penalties as settings; `pggan.py` lets them grow.

Goodfellow et al. 2014; DCGAN (Radford et al. 2016); WGAN-GP (Gulrajani et al. 2017); R3GAN (Huang et al., "The GAN is dead;
long live the GAN!", 2024). The losses are in `LOSSES`; which belong together is in `model_settings.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.contract import SAMPLES, Batch, DataSpec, GenerativeModel, Phase
from genwright.networks import augmentation
from genwright.networks.adversarial import ResidualCritic, ResidualGenerator, TutorialCritic, TutorialGenerator

NETWORKS: dict[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    "residual": (ResidualGenerator, ResidualCritic),
    "dcgan": (TutorialGenerator, TutorialCritic),
}

# Of the critic's scores of real and generated images, (B,) each: (what the critic minimises, what the generator does).
Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
LOSSES: dict[str, Loss] = {
    # Goodfellow et al. 2014, section 3: the generator maximises log D(G(z)), the non-saturating form.
    "cross-entropy": lambda real, made: (F.softplus(-real) + F.softplus(made), F.softplus(-made)),
    # Mao et al. 2017, equation 9, with a = 0, b = c = 1.
    "least-squares": lambda real, made: (0.5 * ((real - 1) ** 2 + made**2), 0.5 * (made - 1) ** 2),
    # Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17.
    "hinge": lambda real, made: (F.relu(1 - real) + F.relu(1 + made), -made),
    # Arjovsky et al. 2017.
    "wasserstein": lambda real, made: (made - real, -made),
    # Jolicoeur-Martineau 2018; Huang et al. 2024, equation 2: each generated image against one real image of its class.
    "relativistic": lambda real, made: (F.softplus(made - real), F.softplus(real - made)),
}

SMALL = 28 * 28  # numbers of an image for which the weight of the penalty is what the setting says


class GAN(GenerativeModel):
    """A `generator` from normal latent vectors and a `critic`, both told the class."""

    phases: tuple[Phase, ...] = (Phase("critic", updates="critic"), Phase("generator", updates="generator"))
    selects_by = SAMPLES
    decodes = True

    def __init__(
        self,
        spec: DataSpec,
        *,
        network: str,
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
    ) -> None:
        super().__init__()
        self.spec, self.latent_size, self.truncation, self.augment = spec, latent, truncation, augment
        self.losses, self.penalty = LOSSES[loss], penalty
        self.penalty_weight, self.penalty_end, self.interval = penalty_weight, penalty_end, penalty_interval
        self.generator, self.critic = self._networks(network, width)
        # BatchNorm, if only in the generator, whose images of a batch hang on the labels of the others; or the deviation.
        mixes = network != "residual"
        phases = [Phase("critic", updates="critic", mixes_examples=mixes, repeats=critic_steps)]
        if penalty != "none" and penalty_interval > 1:
            phases.append(Phase("penalty", updates="critic", mixes_examples=mixes, interval=penalty_interval))
        paired = loss == "relativistic"
        phases.append(Phase("generator", updates="generator", reads_data=paired, mixes_examples=mixes))
        self.phases = tuple(phases)

    def _networks(self, network: str, width: int) -> tuple[nn.Module, nn.Module]:
        shape, classes = self.spec.shape, self.spec.classes
        generator, critic = NETWORKS[network]
        if network == "dcgan" and self.penalty == "one-centred":  # one for each image: Gulrajani et al. 2017, section 4
            critic = partial(TutorialCritic, norm=False)
        made = generator(shape, width=width, latent=self.latent_size, classes=classes)
        return made, critic(shape, width=width, classes=classes)

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """latent: (B, latent); where the critic learns also made: generated images, and mix: (B,) uniform in [0, 1]."""
        n, device = len(batch), batch.x.device
        z = self.latents(n)
        drawn = {"latent": z, "change": augmentation.draw(n, device), "change_made": augmentation.draw(n, device)}
        if phase.updates == "critic":
            drawn |= {"made": self.generator(z, self._labels(batch)).float(), "mix": torch.rand(n, device=device)}
        return batch.drawing(**drawn)

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """What the phase's player minimises, and the penalty, (B,) each."""
        label = self._labels(batch)
        if phase.name == "penalty":
            return {"penalty": self.interval * self._penalty(batch, label)}
        if phase.name == "generator":
            made = self.generator(batch.drawn["latent"], label)
            real = self._score(batch.x, batch.drawn["change"], label) if phase.reads_data else made.new_zeros(len(made))
            return {"loss": self.losses(real, self._score(made, batch.drawn["change_made"], label))[1].float()}
        real = self._score(batch.x, batch.drawn["change"], label)
        made = self._score(batch.drawn["made"], batch.drawn["change_made"], label)
        terms = {"loss": self.losses(real, made)[0].float()}
        if self.penalty != "none" and self.interval == 1:
            terms["penalty"] = self._penalty(batch, label)
        return terms

    def latents(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """(n, latent) standard normal."""
        device = next(self.parameters()).device
        return torch.randn(n, self.latent_size, generator=generator, device=device)

    @torch.no_grad()
    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Batch:
        """Images of latent vectors, which are first shrunk by `truncation`."""
        return Batch(self.generator(self.truncation * z, self._labels(Batch(z, condition))).clamp(-1, 1), condition)

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n images in one pass of the generator."""
        return self.decode(self.latents(n, generator), condition=condition)

    @torch.no_grad()
    def familiarity(self, batch: Batch) -> Tensor:
        """The critic's score."""
        return self.critic(batch.x, self._labels(batch)).float()

    def _score(self, x: Tensor, change: Tensor, label: Tensor) -> Tensor:
        return self.critic(augmentation.augment(x, change, self.augment) if self.augment else x, label)

    def _penalty(self, batch: Batch, label: Tensor) -> Tensor:
        """(B,) of the squared norms of the critic's gradient; its weight falls as a cosine to `penalty_end` of it."""
        made = batch.drawn["made"]
        fall = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * batch.progress)))
        weight = self.penalty_weight * (self.penalty_end + (1 - self.penalty_end) * float(fall))
        larger = math.prod(self.spec.shape) / SMALL
        if self.penalty == "one-centred":  # Gulrajani et al. 2017, equation 3
            # The distance that a critic of slope 1 can reach grows with the root of the numbers, and so does the weight, or
            # the slope would give way to it.
            weight *= larger**0.5
            mix = batch.drawn["mix"][:, None, None, None]
            squared = self._squared_gradient(mix * batch.x + (1 - mix) * made, batch.drawn["change"], label)
            return weight * ((squared + 1e-12).sqrt() - 1) ** 2
        # R1 and R2: Huang et al. 2024, equations 5 and 6. A change of a whole image is spread over its numbers: the more
        # there are, the shorter the gradient, so the weight grows with them (Karras et al. 2020, arXiv 2006.06676).
        weight *= larger
        real = self._squared_gradient(batch.x, batch.drawn["change"], label)
        return 0.5 * weight * (real + self._squared_gradient(made, batch.drawn["change_made"], label))

    def _squared_gradient(self, x: Tensor, change: Tensor, label: Tensor) -> Tensor:
        gradient = torch.func.grad(lambda images: self._score(images, change, label).float().sum())(x)
        return gradient.float().flatten(1).pow(2).sum(1)

    def _labels(self, batch: Batch) -> Tensor:
        if batch.condition is None:
            return torch.zeros(len(batch), dtype=torch.int64, device=batch.x.device)
        return batch.condition
