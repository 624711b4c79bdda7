"""The network behind `tabular-ar`: what is known of a coded row in, a distribution over every other position out.

One pass gives the conditional of every span (position) given any set of others, as in MADE (Germain et al. 2015, arXiv
1502.03509): each known span adds a vector to the contexts of the spans that come later, and each span has a small
network of its own from its context to its logits. Numbers are coded as cells, but are never treated as mere categories:
both the vectors and the heads are sums of a free part and a part that is smooth in the rank of the value, and a refining
span moves the vector of its parent to the exact place inside the cell. Read `models/tabular_ar.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.contract import Span

RAREST = 1e-6  # a code that no training row has is this likely before training, so that its logit stays finite
MOST_PAIRED = 128  # spans up to which a mask of pairs is faster than running sums
MOST_EXTREME_RANK = 2e-4  # ranks are kept this far from 0 and 1, or their normal scores would be infinite


class Tables(NamedTuple):
    """Weights for each code of each span, the free part and the part smooth in rank together; V codes in all."""

    vectors: Tensor
    """(V, width): what a known code adds to the contexts of later spans."""
    heads: Tensor
    """(V, hidden): the weights of the code's logit."""


class RowNetwork(nn.Module):
    """Conditionals of every span of a coded row, given any others.

    In shapes, B is rows, T spans, V the codes of all spans together; `rank[b, t]` is the place of span t in the order of
    row b: when it is predicted, the spans of lower ranks are known.
    """

    offset: Tensor
    lowest_rank: Tensor
    rank_share: Tensor
    refined: Tensor
    initial_logit: Tensor
    ordered_codes: Tensor
    ordered_features: Tensor

    def __init__(self, spans: Sequence[Span], *, width: int, hidden: int, depth: int, knots: int) -> None:
        super().__init__()
        self.sizes = [span.size for span in spans]
        self.parents = [span.parent for span in spans]
        self.coarse = [t for t, span in enumerate(spans) if span.parent is None]
        self.refining = [t for t, span in enumerate(spans) if span.parent is not None]
        self.parent_of_refining = [parent for parent in self.parents if parent is not None]
        self.ordered = [t for t in self.coarse if spans[t].ordered_from < spans[t].size]
        self.slot_of_ordered = {t: slot for slot, t in enumerate(self.ordered)}
        self.knots = knots
        features = knots + 2
        self._register_geometry(spans)

        codes, count = sum(self.sizes), len(spans)
        self.code_vectors = nn.Parameter(torch.randn(codes, width) * 0.02)
        self.rank_vectors = nn.Parameter(torch.randn(len(self.ordered), features, width) * 0.5 / math.sqrt(features))
        self.context_bias = nn.Parameter(torch.randn(count, width) * 0.1)
        inputs = [width] + [hidden] * (depth - 1)
        self.weights = nn.ParameterList(torch.randn(count, size, hidden) * math.sqrt(2 / size) for size in inputs)
        self.biases = nn.ParameterList(torch.zeros(count, 1, hidden) for _ in inputs)
        self.code_heads = nn.Parameter(torch.randn(codes, hidden) * 0.02)
        self.rank_heads = nn.Parameter(torch.randn(len(self.ordered), features, hidden) * 0.04 / math.sqrt(features))
        self.code_bias = nn.Parameter(torch.zeros(codes))

    def _register_geometry(self, spans: Sequence[Span]) -> None:
        """Where each code lies in the ranks of its column, and how its logit starts: all known from the spec."""
        lowest, share, refined, start = [], [], [], []
        for span in spans:
            frequency = torch.tensor(span.frequency, dtype=torch.float64)
            start.append(frequency.clamp_min(RAREST).log())
            frequency[: span.ordered_from] = 0  # a missing value has no place among the ranks
            frequency = frequency / frequency.sum().clamp_min(RAREST)
            lowest.append(frequency.cumsum(0) - frequency)
            share.append(frequency)
            refined.append(torch.tensor(span.refined or (False,) * span.size))
        offsets = torch.tensor([0, *self.sizes]).cumsum(0)
        self.register_buffer("offset", offsets[:-1], persistent=False)
        self.register_buffer("lowest_rank", torch.cat(lowest).float(), persistent=False)
        self.register_buffer("rank_share", torch.cat(share).float(), persistent=False)
        self.register_buffer("refined", torch.cat(refined), persistent=False)
        self.register_buffer("initial_logit", torch.cat(start).float(), persistent=False)
        with_rank = [torch.arange(spans[t].ordered_from, spans[t].size) + offsets[t] for t in self.ordered]
        self.codes_with_rank = [len(codes) for codes in with_rank]
        codes = torch.cat([torch.zeros(0, dtype=torch.long), *with_rank])
        self.register_buffer("ordered_codes", codes, persistent=False)
        middle = self.features(self.lowest_rank + self.rank_share / 2)
        self.register_buffer("ordered_features", middle[codes], persistent=False)

    def features(self, rank: Tensor) -> Tensor:
        """A rank in 0 .. 1 as a piecewise linear thermometer, then itself and its normal score: (..., knots + 2).

        The thermometer is the encoding of Gorishniy et al. 2022 (arXiv 2203.05556), laid over ranks.
        """
        filled = (rank[..., None] * self.knots - torch.arange(self.knots, device=rank.device)).clamp(0, 1) - 0.5
        score = torch.special.ndtri(rank.clamp(MOST_EXTREME_RANK, 1 - MOST_EXTREME_RANK))
        return torch.cat([filled, torch.stack([2 * rank - 1, score / 2], -1)], -1)

    def tables(self) -> Tables:
        """The weights for each code; no rows take part, so this costs little beside a batch."""
        return Tables(
            self._smoothed(self.code_vectors, self.rank_vectors), self._smoothed(self.code_heads, self.rank_heads)
        )

    def _smoothed(self, free: Tensor, by_rank: Tensor) -> Tensor:
        if not self.ordered:
            return free
        features = self.ordered_features.split(self.codes_with_rank)
        smooth = [feature @ weight for feature, weight in zip(features, by_rank.unbind(), strict=True)]
        return free.index_add(0, self.ordered_codes, torch.cat(smooth).to(free.dtype))

    def log_likelihood(self, codes: Tensor, rank: Tensor, keep: Tensor) -> Tensor:
        """Log-likelihood of each row in nats, (B,). `keep`: (B, hidden) factors of the dropout on the first layer."""
        tables = self.tables()
        hidden = F.relu(self._contexts(codes, rank, tables.vectors).transpose(0, 1))
        first, *later = zip(self.biases, self.weights, strict=True)
        hidden = F.relu(torch.baddbmm(first[0], hidden, first[1])) * keep
        for bias, weight in later:
            hidden = hidden + F.relu(torch.baddbmm(bias, hidden, weight))
        bias = self.initial_logit + self.code_bias
        total = torch.zeros_like(hidden[0, :, 0])
        spans = zip(hidden.unbind(), tables.heads.split(self.sizes), bias.split(self.sizes), strict=True)
        for span, (state, head, offset) in enumerate(spans):
            surprise = F.cross_entropy(torch.addmm(offset, state, head.T), codes[:, span], reduction="none")
            total = total - surprise * self.applies(span, codes)
        return total

    def _contexts(self, codes: Tensor, rank: Tensor, table: Tensor) -> Tensor:
        """(B, T, width): for each span the vectors of all spans that come earlier, added up. With many spans by running
        sums along the order, whose work and memory grow with T and not with its square."""
        vectors = F.embedding((codes + self.offset)[:, self.coarse], table)
        if len(self.sizes) > MOST_PAIRED:
            added = vectors.new_zeros(*codes.shape, vectors.shape[2]).index_copy(1, self._at(self.coarse), vectors)
            if self.refining:
                added = added.index_copy(1, self._at(self.refining), self._moves(codes).to(added.dtype))
            order, places = (index[..., None].expand_as(added) for index in (rank.argsort(1), rank))
            added = added.gather(1, order)
            return (added.cumsum(1) - added).gather(1, places) + self.context_bias
        known = (rank[:, None, :] < rank[:, :, None]).to(vectors.dtype)
        context = torch.baddbmm(self.context_bias[None], known[:, :, self.coarse], vectors)
        if self.refining:
            context = torch.baddbmm(context, known[:, :, self.refining], self._moves(codes))
        return context

    def _at(self, spans: list[int]) -> Tensor:
        return torch.tensor(spans, device=self.offset.device)

    def _moves(self, codes: Tensor) -> Tensor:
        """What the refining spans add: the way from the middle of the parent's cell to the exact place, (B, R, width)."""
        slots = [self.slot_of_ordered[t] for t in self.parent_of_refining]
        moves = self._displacement(codes, self.parent_of_refining, self.refining)
        return torch.bmm(moves.transpose(0, 1), self.rank_vectors[slots]).transpose(0, 1)

    def _displacement(self, codes: Tensor, parents: list[int], refining: list[int]) -> Tensor:
        cell = codes[:, parents] + self.offset[parents]
        slices = torch.tensor([self.sizes[t] for t in refining], device=codes.device)
        within = (codes[:, refining] + 0.5) / slices
        lowest, share = self.lowest_rank[cell], self.rank_share[cell]
        moved = self.features(lowest + share * within) - self.features(lowest + share / 2)
        return moved * self.refined[cell][..., None]

    def applies(self, span: int, codes: Tensor) -> Tensor:
        """Whether the span carries information, (B,): not where it would refine a cell that is a single value."""
        parent = self.parents[span]
        if parent is None:
            return torch.ones_like(codes[:, span], dtype=torch.bool)
        return self.refined[codes[:, parent] + self.offset[parent]]

    def logits(self, span: int, context: Tensor, tables: Tables) -> Tensor:
        """Logits of one span for rows whose known spans added up to `context` (B, width): (B, size of the span)."""
        first, *later = zip(self.biases, self.weights, strict=True)
        hidden = (context + self.context_bias[span]).relu_()  # in place: sampling is bound by memory
        hidden = torch.addmm(first[0][span], hidden, first[1][span]).relu_()
        for bias, weight in later:
            hidden = torch.addmm(bias[span], hidden, weight[span]).relu_().add_(hidden)
        here = self.codes_of(span)
        return torch.addmm((self.initial_logit + self.code_bias)[here], hidden, tables.heads[here].T)

    def vector(self, span: int, codes: Tensor, tables: Tables) -> Tensor:
        """What knowing one span adds to the context of the others: (B, width)."""
        parent = self.parents[span]
        if parent is None:
            return F.embedding(codes[:, span] + self.offset[span], tables.vectors)
        move = self._displacement(codes, [parent], [span])[:, 0]
        return move @ self.rank_vectors[self.slot_of_ordered[parent]]

    def codes_of(self, span: int) -> slice:
        """Where the codes of a span lie in a vector over all V codes."""
        start = sum(self.sizes[:span])
        return slice(start, start + self.sizes[span])
