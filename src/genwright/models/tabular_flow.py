"""A flow from noise to coded rows: all columns at once, in some tens of network calls.

Variational flow matching (Eijkelboom et al. 2024, "Variational flow matching for graph generation", arXiv 2406.04843): each
code is a point, a row goes from Gaussian noise to its points on a straight line, and a network learns by cross-entropy which
codes the line may lead to; the mean of their points gives the velocity. Departs: the network does not see the noisy row but
what it says of each code, and it only corrects that (`networks/beliefs.py`: read it next); numbers, cells of a grid, are
points on a line; codes are drawn at the end, not rounded to.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from genwright.contract import FREE, PRESENT, Batch, DataSpec, GenerativeModel, Phase
from genwright.networks.beliefs import BeliefNetwork, CodePoints
from genwright.networks.parallel import generators, on_all_cores
from genwright.networks.slices import informative
from genwright.networks.solvers import even, heun

LAST_TIME = 0.98  # where codes are drawn: what is still open then are neighbours among the cells of a number
CODES_AT_ONCE = 2**20  # of all rows that a core draws at once, so that their beliefs take some megabytes


class TabularFlow(GenerativeModel):
    """Rows drawn by the flow; values that are given take part as beliefs without doubt."""

    phases = (Phase("posterior", updates="net"),)
    selects_by = "posterior"
    leader: Tensor

    def __init__(
        self, spec: DataSpec, *, width: int, depth: int, dropout: float, given: float, solver_steps: int
    ) -> None:
        super().__init__()
        self.spec, self.given, self.solver_steps = spec, given, solver_steps
        self.width, self.dropout = width, dropout
        self.points = CodePoints(spec.spans)
        self.net = BeliefNetwork(sum(self.points.sizes), width=width, depth=depth)
        leaders = [at if span.parent is None else span.parent for at, span in enumerate(spec.spans)]
        self.register_buffer("leader", torch.tensor(leaders), persistent=False)

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """codes: (B, T), x with random slices where a slice says nothing; noise: (B, D), standard normal; time: (B,),
        uniform up to LAST_TIME; excluded: (B, V), as if some columns were given and others said not to be missing;
        keep: (B, width), the factors of dropout on the network's last layer, 1 outside training."""
        (rows, spans), device = batch.x.shape, batch.x.device
        informs = informative(self.spec, batch.x)
        slices = (torch.rand(rows, spans, device=device) * torch.tensor(self.points.sizes, device=device)).long()
        # Of the share `given` of all rows some columns are known: of some rows few, of others nearly all.
        rate = torch.rand(rows, 1, device=device) * (torch.rand(rows, 1, device=device) < self.given)
        known, present = ((torch.rand(rows, spans, device=device) < rate)[:, self.leader] for _ in range(2))
        dropout = self.dropout if self.training else 0.0
        keep = torch.rand(rows, self.width, device=device) >= dropout
        return batch.drawing(
            codes=torch.where(informs, batch.x, slices),
            noise=torch.randn(rows, self.points.dimensions, device=device),
            time=LAST_TIME * torch.rand(rows, device=device),
            keep=keep / (1 - dropout),
            excluded=self.points.excluded(batch.x, known & informs, present & (batch.x > 0)),
        )

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the codes given the noisy row, in nats, (B,): Eijkelboom et al., section 4 (CatFlow)."""
        codes, time, t = batch.drawn["codes"], batch.drawn["time"], batch.drawn["time"][:, None]
        x = t * self.points.of(codes) + (1 - t) * batch.drawn["noise"]
        logits = self._logits(x, time, batch.drawn["excluded"], batch.drawn["keep"])
        total = torch.zeros_like(time)
        for at, part in enumerate(logits.split(self.points.sizes, -1)):
            total = total + F.cross_entropy(part, codes[:, at], reduction="none")
        return {"posterior": total}

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n rows; given codes are kept, and the others drawn as in training rows around known columns."""
        device = self.leader.device
        if condition is None:
            condition = torch.full((n, len(self.leader)), FREE)
        parts = condition.to(device).split(max(CODES_AT_ONCE // sum(self.points.sizes), 64))
        pieces = list(zip(parts, generators(generator, len(parts)), strict=True))
        return Batch(torch.cat(on_all_cores(lambda piece: self._complete(*piece), pieces, device)), condition)

    def _complete(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draws every code of (B, T) rows that is not given."""
        known = (rows >= 0) & (rows[:, self.leader] >= 0)  # a slice of an unknown cell says nothing
        codes = rows.where(known, 0)
        known &= informative(self.spec, codes)
        excluded = self.points.excluded(codes, known, rows == PRESENT)

        def velocity(x: Tensor, share: Tensor) -> Tensor:
            time = LAST_TIME * share
            mean = self.points.mean(self.points.chances(self._logits(x, time, excluded)))
            return LAST_TIME * (mean - x) / (1 - time)[:, None]

        x = torch.randn(len(rows), self.points.dimensions, generator=generator, device=rows.device)
        x = heun(velocity, x, even(self.solver_steps))
        logits = self._logits(x, torch.full_like(x[:, 0], LAST_TIME), excluded)
        codes = codes.where(known, self.points.drawn(logits, generator))
        return codes * informative(self.spec, codes)

    def _logits(self, x: Tensor, time: Tensor, excluded: Tensor, keep: Tensor | None = None) -> Tensor:
        """(B, V) logarithms of the posterior of every code, up to a constant for each span."""
        belief = self.points.log_belief(x, time, excluded)
        return belief + self.net(self.points.chances(belief), keep)
