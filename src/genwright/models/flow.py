"""Flow matching: a network learns the velocity that carries noise to images along straight lines.

Lipman et al., "Flow Matching for Generative Modeling" (2023); Liu et al., "Flow Straight and Fast" (2023). Times are drawn
as a logistic-normal (Esser et al. 2024, equation 19), labels are dropped now and then for classifier-free guidance (Ho and
Salimans 2022), which may begin late (Kynkäänniemi et al. 2024, "Applying guidance in a limited interval"), noise and images
of a batch may be paired by optimal transport (Tong et al. 2024, section 3.2).

The network does not begin with nothing: it corrects the velocity that would be the best if each class of images were a
Gaussian, which is known in closed form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from genwright.contract import Batch, DataSpec, GenerativeModel, Phase
from genwright.networks.image import UNet
from genwright.networks.image_gaussians import ImageGaussians
from genwright.networks.image_moments import plan_moments
from genwright.networks.solvers import Field, adaptive, euler, growing, heun

SOLVERS = {"heun": heun, "euler": euler, "adaptive": adaptive}
FINEST = 16  # cells along the longer side that the network works on, at most, when `patch` is found by itself


class Flow(GenerativeModel):
    """The velocity network `net`, on grids of any size."""

    phases: tuple[Phase, ...] = (Phase("velocity", updates="net"),)
    decodes = encodes = inverts = private = True

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: int,
        levels: int,
        depth: int,
        patch: int,
        coupling: str,
        components: int,
        class_drop: float,
        guidance: float,
        guidance_from: float,
        solver: str,
        solver_steps: int,
    ) -> None:
        super().__init__()
        self.spec, self.coupling, self.class_drop = spec, coupling, class_drop
        self.guidance, self.guidance_from = guidance, guidance_from
        self.solver, self.solver_steps = solver, solver_steps
        if coupling == "ot":
            self.phases = (Phase("velocity", updates="net", mixes_examples=True),)
        channels, *sides = spec.shape
        self.prepares = components > 0
        self.gaussians = ImageGaussians(spec.shape, spec.classes, components) if self.prepares else None
        while not patch or (patch < 8 and max(sides) > FINEST * patch and patch * 2 <= min(sides)):
            patch = max(2 * patch, 1)
        self.net = UNet(channels, width, levels=levels, depth=depth, patch=patch, classes=spec.classes)

    @staticmethod
    def plan(ledger: Any, columns: int, *, rho: float | None = None, **_: Any) -> None:
        """Plan the sums that `prepare` looks at."""
        plan_moments(ledger, rho)

    def prepare(self, batches: Iterable[Batch], ledger: Any) -> None:
        """Fit the Gaussians."""
        assert self.gaussians is not None
        self.gaussians.fit(batches, ledger)

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """noise: of the shape of x, standard normal; time: (B,) in (0, 1); label: (B,), `classes` where it is dropped, less
        and less often: what samples are drawn by is learned last."""
        n, device = len(batch), batch.x.device
        noise = torch.randn_like(batch.x)
        if self.coupling == "ot":
            noise = noise[_pairing(batch.x, noise)]
        label = self._labels(batch.condition, n, device)
        dropped = torch.rand(n, device=device) < self.class_drop * (1 - batch.progress)
        label = torch.where(dropped, self.spec.classes, label)
        return batch.drawing(noise=noise, time=torch.randn(n, device=device).sigmoid(), label=label)

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of the velocity, (B,): Lipman et al., equation 23 with the smallest width 0."""
        noise, time = batch.drawn["noise"], batch.drawn["time"]
        t = time[:, None, None, None]
        velocity = self._velocity((1 - t) * noise + t * batch.x, time, batch.drawn["label"])
        return {"velocity": (velocity - (batch.x - noise)).float().pow(2).flatten(1).mean(1)}

    def _velocity(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        """The network's part is on the scale of what the Gaussians cannot tell, about 1 at all times."""
        if self.gaussians is None:
            return self.net(x, time, label)
        base, error = self.gaussians.velocity(x, time, label)
        return base + error * self.net(x, time, label)

    def latents(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Noise of the shape of n images."""
        return torch.randn(n, *self.spec.shape, generator=generator, device=self.net.leave.weight.device)

    @torch.no_grad()
    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Batch:
        """Noise carried to images along the velocity."""
        return Batch(
            SOLVERS[self.solver](self._field(condition, z), z, growing(self.solver_steps)).clamp_(-1, 1), condition
        )

    @torch.no_grad()
    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Images carried back to their noise: the same equation from time 1 to time 0."""
        return SOLVERS[self.solver](self._field(condition, x), x, growing(self.solver_steps)[::-1])

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n images from noise; pushed towards their labels if guidance is not 1."""
        return self.decode(self.latents(n, generator), condition=condition)

    def _field(self, condition: Tensor | None, like: Tensor) -> Field:
        label = self._labels(condition, len(like), like.device)
        nothing = torch.full_like(label, self.spec.classes)

        def velocity(x: Tensor, time: Tensor) -> Tensor:
            towards = self._velocity(x, time, label)
            if self.guidance == 1 or not self.spec.classes:
                return towards
            # Before, what an image will be is still open, and pushing would make images alike. A graph is for all times.
            before = time < self.guidance_from
            if not torch.compiler.is_exporting() and bool(before.all()):
                return towards
            away = self._velocity(x, time, nothing)
            pushed = torch.where(before, 1.0, self.guidance)[:, None, None, None]
            return away + pushed * (towards - away)  # Ho and Salimans, equation 6, with 1 + w = guidance

        return velocity

    def _labels(self, condition: Tensor | None, n: int, device: torch.device) -> Tensor:
        return torch.zeros(n, dtype=torch.int64, device=device) if condition is None else condition


def _pairing(x: Tensor, noise: Tensor) -> Tensor:
    """For each image the index of its noise, so that the sum of squared distances in the batch is least."""
    from scipy.optimize import linear_sum_assignment

    cost = torch.cdist(x.flatten(1).float(), noise.flatten(1).float()).pow(2)
    return torch.from_numpy(linear_sum_assignment(cost.cpu().numpy())[1]).to(x.device)
