"""Coded rows as points under Gaussian noise: what a noisy point says of each code, and a network that joins what all say.

The noise of one position tells nothing of the others', so Bayes' rule parts what is known of the code c of position i:

    log p(c | x) = log p(x_i | c) + log p(c | x of all other positions) + a constant.

The first term is known exactly, however sharp it is; only the second is learned, as a correction of the code's frequency.
The network sees each position as a *belief*, the distribution over its codes by their frequencies and its own noisy point:
that is all that the point says, and the time besides (as in Bayesian flow networks, Graves et al. 2023, arXiv 2308.07037).
Before training the corrections are 0: columns are independent, and their marginals right. A given code is a belief without
doubt. Read `models/tabular_flow.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genwright.contract import Span

RAREST = 1e-6  # share of a code that no training row has, so that its logarithm is finite
NUMBER_SCALE = 1.0  # deviation of the points of a number's codes
CATEGORY_SCALE = 2.0  # distance from 0 of the point of a code without order


class CodePoints(nn.Module):
    """A point for each code. Each code without order has an axis of its own; the ordered codes of a span share one, on which
    they lie at the normal scores of their ranks.

    In shapes, B is rows, T spans, V the codes of all spans together, D the axes of all spans together.
    """

    offset: Tensor
    span: Tensor
    axis: Tensor
    place: Tensor
    log_frequency: Tensor
    missing: Tensor

    def __init__(self, spans: Sequence[Span]) -> None:
        super().__init__()
        self.sizes = [span.size for span in spans]
        self.dimensions = 0
        axes, places = [], []
        for span in spans:
            ordered = span.ordered_from < span.size
            axes.append(self.dimensions + torch.arange(span.size).clamp_max(span.ordered_from))
            places.append(torch.full((span.ordered_from,), CATEGORY_SCALE))
            places.append(_scores(span) if ordered else torch.empty(0))
            self.dimensions += span.ordered_from + ordered
        frequency = torch.tensor([share for span in spans for share in span.frequency])
        sizes = torch.tensor(self.sizes)
        self.register_buffer("offset", sizes.cumsum(0) - sizes, persistent=False)
        self.register_buffer("span", torch.arange(len(spans)).repeat_interleave(sizes), persistent=False)
        missing = torch.tensor([span.missing and span.size > 1 for span in spans])  # else it is always missing
        self.register_buffer("missing", self.offset[missing], persistent=False)
        self.register_buffer("axis", torch.cat(axes), persistent=False)
        self.register_buffer("place", torch.cat(places), persistent=False)
        self.register_buffer("log_frequency", frequency.clamp_min(RAREST).log(), persistent=False)

    def of(self, codes: Tensor) -> Tensor:
        """The points (B, D) of (B, T) codes."""
        at = codes + self.offset
        return self.place.new_zeros(len(codes), self.dimensions).scatter(1, self.axis[at], self.place[at])

    def excluded(self, codes: Tensor, known: Tensor, present: Tensor) -> Tensor:
        """(B, V) True for codes that rows cannot have: all but theirs where (B, T) codes are `known`, and the code that says
        missing where they are `present`."""
        excluded = known[:, self.span].scatter_(1, codes + self.offset, torch.zeros_like(known))
        excluded[:, self.missing] |= present[:, self.span[self.missing]]
        return excluded

    def log_belief(self, x: Tensor, time: Tensor, excluded: Tensor) -> Tensor:
        """(B, V) logarithms, up to a constant for each span, of the frequency of each code times the density of
        x = time * point + (1 - time) * noise, (B, D), under it; minus infinity where (B, V) `excluded`.

        time: (B,) in [0, 1).
        """
        t = time[:, None]
        ahead = t * self.place
        # The squared distance from x to the point of a code, less that from x to 0, needs the code's own axis alone.
        log_density = ahead * (x[:, self.axis] - ahead / 2) / (1 - t) ** 2
        return (self.log_frequency + log_density).masked_fill(excluded, -torch.inf)

    def chances(self, logits: Tensor) -> Tensor:
        """(B, V): softmax of (B, V) logits over the codes of each span."""
        return torch.cat([part.softmax(-1) for part in logits.split(self.sizes, -1)], -1)

    def mean(self, chances: Tensor) -> Tensor:
        """The mean point (B, D) under (B, V) chances of the codes."""
        return chances.new_zeros(len(chances), self.dimensions).index_add_(1, self.axis, chances * self.place)

    def drawn(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """(B, T) codes drawn by (B, V) logits."""
        # The index of the largest log p + Gumbel noise is a draw from p; -log of an exponential is Gumbel.
        noisy = logits - torch.empty_like(logits).exponential_(generator=generator).log()
        return torch.stack([part.argmax(-1) for part in noisy.split(self.sizes, -1)], 1)


class BeliefNetwork(nn.Module):
    """From (B, V) beliefs to (B, V) corrections of their logarithms: a perceptron of residual blocks with norms in front,
    which starts at 0."""

    def __init__(self, codes: int, *, width: int, depth: int) -> None:
        super().__init__()
        self.enter = nn.Linear(codes, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, codes)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, beliefs: Tensor, keep: Tensor | None = None) -> Tensor:
        """`keep`: (B, width) factors of the dropout before the last layer."""
        h = self.enter(beliefs)
        for block in self.blocks:
            h = h + block(h)
        h = self.norm(h)
        return self.leave(h if keep is None else h * keep)


def _scores(span: Span) -> Tensor:
    """Normal scores of the middle ranks of the ordered codes, scaled to mean 0 and deviation NUMBER_SCALE."""
    frequency = torch.tensor(span.frequency[span.ordered_from :], dtype=torch.float64).clamp_min(RAREST)
    share = frequency / frequency.sum()
    score = torch.special.ndtri(share.cumsum(0) - share / 2)
    score = score - (share * score).sum()
    return (NUMBER_SCALE * score / (share * score**2).sum().sqrt().clamp_min(RAREST)).float()
