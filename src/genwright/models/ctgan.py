"""`ctgan`: a conditional Wasserstein GAN for coded rows, trained to meet rare values more often than they occur.

Xu et al., "Modeling tabular data using conditional GAN" (2019, arXiv 1907.00503): every row is drawn under one given value of
one category (section 4.3), and a critic sees rows in packs (Lin et al., "PacGAN", 2018). Departs from its mode-specific
normalisation (4.2): numbers are cells of the codec's grid, so that every column is a softmax; where in its cell a number
lies is drawn by the cell alone (`networks/slices.py`). The networks are in `networks/rows_adversarial.py`: read it next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genwright.contract import FREE, Batch, DataSpec, GenerativeModel, Phase, Span
from genwright.errors import GenwrightError
from genwright.networks.calibration import calibration_weights
from genwright.networks.parallel import generators, on_all_cores
from genwright.networks.rows_adversarial import RowCritic, RowGenerator
from genwright.networks.slices import draw_slices, slice_shares

CALIBRATION_ROWS = 20_000
ROWS_AT_ONCE, LOGITS_AT_ONCE = 4_096, 2**22  # what fits the cache of a core; wide tables are drawn in smaller pieces
SMALLEST = 1e-30  # above 0, so that Gumbel noise is finite


class CTGAN(GenerativeModel):
    """A `generator` from normal latent vectors and a condition, and a `critic` of packs of rows, told their conditions.

    In shapes, B is rows, C columns (the spans that refine no other), V the codes of all columns together, side by side.
    """

    phases: tuple[Phase, ...] = (
        Phase("critic", updates="critic", mixes_examples=True),
        Phase("generator", updates="generator", reads_data=False, mixes_examples=True),
    )
    frequency: Tensor
    starts: Tensor
    conditioned: Tensor
    calibration: Tensor
    slices: Tensor

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: int,
        depth: int,
        latent: int,
        packing: int,
        temperature: float,
        penalty_weight: float,
        critic_steps: int,
    ) -> None:
        super().__init__()
        critic, generator = self.phases
        self.phases = (dataclasses.replace(critic, repeats=critic_steps), generator)
        self.spec, self.latent, self.temperature, self.penalty_weight = spec, latent, temperature, penalty_weight
        self.leaders = [at for at, span in enumerate(spec.spans) if span.parent is None]
        columns = [spec.spans[at] for at in self.leaders]
        self.sizes = [span.size for span in columns]
        frequency = torch.tensor([share for span in columns for share in span.frequency])
        self.register_buffer("frequency", frequency, persistent=False)
        self.register_buffer("starts", torch.tensor([0, *self.sizes]).cumsum(0)[:-1], persistent=False)
        self.register_buffer("conditioned", _of_conditions(columns), persistent=False)
        self.register_buffer("calibration", torch.zeros(len(frequency)))
        self.register_buffer("slices", slice_shares(spec))
        self.generator = RowGenerator(frequency, width=width, depth=depth, latent=latent)
        self.critic = RowCritic(len(frequency), width=width, depth=depth, packing=packing)

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """condition: (B,) codes among V, latent: (B, latent), gumbel: (B, V); for the critic also real and made rows (B, V),
        both of those conditions, and mix: (B,) uniform in [0, 1]."""
        n, device = len(batch), batch.x.device
        drawn = {"latent": torch.randn(n, self.latent, device=device)}
        drawn["gumbel"] = -torch.rand(n, len(self.frequency), device=device).clamp_min(SMALLEST).log().neg().log()
        if phase.name == "generator":
            # Section 4.3: a column, all as likely, and one of its values, by the logarithm of how often it occurs.
            drawn["condition"] = self._conditions(torch.log1p(n * self.frequency), n)
            return batch.drawing(**drawn)
        codes = batch.x[:, self.leaders] + self.starts
        chosen, drawn["condition"] = self._by_condition(codes)
        drawn["real"] = drawn["gumbel"].new_zeros(drawn["gumbel"].shape).scatter_(1, codes[chosen], 1.0)
        logits = self.generator(drawn["latent"], drawn["condition"])
        drawn["made"] = self._rows(logits, drawn["gumbel"])
        return batch.drawing(**drawn, mix=torch.rand(n, device=device))

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """What the phase's player minimises, (B,) each: section 4.4, a row counts with its pack's score."""
        drawn, condition = batch.drawn, batch.drawn["condition"]
        if phase.name == "generator":
            logits = self.generator(drawn["latent"], condition)
            score = self._score(self._rows(logits, drawn["gumbel"]), condition)
            # Section 4.3: what was asked for must come.
            kept = self._log_probabilities(logits).gather(1, condition[:, None])[:, 0]
            return {"loss": -score, "condition": -kept.float()}
        loss = self._score(drawn["made"], condition) - self._score(drawn["real"], condition)
        return {"loss": loss, "penalty": self.penalty_weight * self._penalty(batch)}

    @torch.no_grad()
    def fit(self, batches: Iterable[Batch], ledger: Any) -> None:
        """Shares of slices in each cell; and weights on the codes that give sampled columns the marginals of the spec."""
        if any(span.parent is not None for span in self.spec.spans):
            self.slices = slice_shares(self.spec, (batch.x.cpu().numpy() for batch in batches)).to(self.slices.device)
        hidden = self._hidden(CALIBRATION_ROWS, torch.Generator(self.frequency.device).manual_seed(0))
        last = self.generator.logits
        columns = zip(*(values.split(self.sizes) for values in (last.weight, last.bias, self.frequency)), strict=True)
        self.calibration = torch.cat(
            [calibration_weights(F.linear(hidden, weight, bias), wanted) for weight, bias, wanted in columns]
        )

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n rows under conditions of the generator's own, drawn as often as they occur. GW-0403 under any from outside."""
        if condition is not None and bool((condition != FREE).any()):
            raise GenwrightError(
                "GW-0403", "ctgan cannot draw rows under conditions or impute", "Train a tabular-ar model instead."
            )
        at_once = max(1, min(ROWS_AT_ONCE, LOGITS_AT_ONCE // len(self.frequency)))
        sizes = [min(at_once, n - start) for start in range(0, n, at_once)]
        pieces = list(zip(sizes, generators(generator, len(sizes)), strict=True))
        return Batch(torch.cat(on_all_cores(lambda piece: self._drawn(*piece), pieces, self.frequency.device)))

    def _drawn(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, spans) codes."""
        logits = self.generator.logits(self._hidden(n, generator)) + self.calibration
        # The index of the largest log p + Gumbel noise is a draw from p; -log of an exponential is Gumbel.
        noisy = logits - torch.empty_like(logits).exponential_(generator=generator).log()
        x = torch.zeros(n, len(self.spec.spans), dtype=torch.int64, device=logits.device)
        x[:, self.leaders] = torch.stack([part.argmax(1) for part in noisy.split(self.sizes, 1)], 1)
        return draw_slices(self.spec, self.slices, x, torch.full_like(x, FREE), generator)

    def _hidden(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, width) of the generator, for rows whose conditions are drawn as often as they occur."""
        latent = torch.randn(n, self.latent, generator=generator, device=generator.device)
        return self.generator.hidden(latent, self._conditions(self.frequency, n, generator))

    def _conditions(self, weights: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n codes among V: each column that is conditioned on is as likely, its codes by their (V,) weights."""
        shares = torch.cat([part / part.sum() for part in weights.split(self.sizes)]) * self.conditioned
        return torch.multinomial(shares, n, replacement=True, generator=generator)

    def _by_condition(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """B of the (B, C) rows of a batch, and the code that each was chosen for: training by sampling, section 4.3.

        Departs: rows come from the batch, not the table, so the logarithm is that of counts in the batch.
        """
        counts = torch.bincount(codes.flatten(), minlength=len(self.frequency)).float()
        weight = (self.conditioned * torch.log1p(counts) / counts.clamp_min(1))[codes]
        reached = (weight / weight.sum(0).clamp_min(SMALLEST)).double().flatten().cumsum(0)
        point = torch.rand(len(codes), dtype=torch.float64, device=codes.device) * reached[-1]
        chosen = torch.searchsorted(reached, point, right=True).clamp_max(len(reached) - 1)
        return chosen // codes.shape[1], codes.flatten()[chosen]

    def _log_probabilities(self, logits: Tensor) -> Tensor:
        return torch.cat([F.log_softmax(part, 1) for part in logits.split(self.sizes, 1)], 1)

    def _rows(self, logits: Tensor, gumbel: Tensor) -> Tensor:
        """(B, V) drawn rows, 1 at the drawn code of each column, with the gradient of the Gumbel-softmax (Jang et al. 2017).

        Departs: straight-through, so that the critic cannot tell rows by values that no real row has.
        """
        rows = []
        for part in ((logits + gumbel) / self.temperature).split(self.sizes, 1):
            soft = F.softmax(part, 1)
            hard = F.one_hot(part.argmax(1), part.shape[1]).to(soft.dtype)
            rows.append(hard + (soft - soft.detach()))  # in this order the zeros are exact
        return torch.cat(rows, 1)

    def _score(self, rows: Tensor, condition: Tensor) -> Tensor:
        critic = self.critic
        return critic.of_rows(critic(critic.packed(rows), critic.packed(condition)), len(rows)).float()

    def _penalty(self, batch: Batch) -> Tensor:
        """(B,) how far the critic's slope is from 1 between a real and a generated pack: Gulrajani et al. 2017, equation 3."""
        real, made, mix, condition = (self.critic.packed(batch.drawn[k]) for k in ("real", "made", "mix", "condition"))
        share = mix[:, :1, None]
        between = share * real + (1 - share) * made
        slope = torch.func.grad(lambda rows: self.critic(rows, condition).float().sum())(between)
        norm = (slope.float().pow(2).sum((1, 2)) + 1e-12).sqrt()
        return self.critic.of_rows((norm - 1) ** 2, len(batch))


def _of_conditions(columns: Sequence[Span]) -> Tensor:
    """(V,) True for the codes that rows are drawn under: those of categories. Departs: of all columns where there are none."""
    categories = [1 < span.size == span.ordered_from for span in columns]
    chosen = [category or not any(categories) for category in categories]
    return torch.tensor([given for given, span in zip(chosen, columns, strict=True) for _ in span.frequency])
