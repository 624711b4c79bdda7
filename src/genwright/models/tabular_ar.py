"""`tabular-ar`, the default model for tables: a row is drawn one position at a time, in any order.

Half of the training rows are read in the order of the table, the others in a random order (Uria et al. 2014, arXiv
1310.1757), so that the common case is learned best and yet any columns can be given and the rest drawn. What is not
plain maximum likelihood is here: the orders, the calibration of the marginals and the sampler; the network is in
`networks/row.py`, which is the file to read next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from genwright.contract import FREE, PRESENT, Batch, DataSpec, GenerativeModel, Phase
from genwright.networks.calibration import calibration_weights
from genwright.networks.parallel import generators, on_all_cores
from genwright.networks.row import RowNetwork, Tables

CALIBRATION_ROWS, CALIBRATION_CODES = 20_000, 2**24  # of wide rows fewer, for memory
ROWS_AT_ONCE = 4_096  # rows whose activations fit the cache of a core; sampling is bound by memory beyond
MOST_PROPOSALS = 16  # for each row that is drawn within factors


class TabularAR(GenerativeModel):
    """Autoregressive network over coded rows, with smooth treatment of numbers and conditioning on any columns."""

    phases = (Phase("likelihood", updates="net"),)
    selects_by = "likelihood"
    restricts = True
    leader: Tensor
    frequency: Tensor
    calibration: Tensor

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: int = 256,  # size of the vector that collects what is known of a row
        hidden: int = 64,  # units of each layer of a column's own network
        depth: int = 2,  # layers of a column's own network
        knots: int = 64,  # resolution of the features that are smooth in the rank of a number
        dropout: float = 0.2,  # share of first-layer units switched off in training
        table_order: float = 0.5,  # share of training rows read in the order of the table, not in a random one
    ) -> None:
        super().__init__()
        self.net = RowNetwork(spec.spans, width=width, hidden=hidden, depth=depth, knots=knots)
        self.missing = [span.missing for span in spec.spans]
        self.hidden, self.dropout, self.table_order = hidden, dropout, table_order
        leaders = [t if span.parent is None else span.parent for t, span in enumerate(spec.spans)]
        self.register_buffer("leader", torch.tensor(leaders), persistent=False)
        self.register_buffer("frequency", torch.cat([torch.tensor(s.frequency) for s in spec.spans]), persistent=False)
        self.register_buffer("calibration", torch.zeros(len(self.frequency)))

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """Adds `rank` (B, T), the place of each span in the row's order, and `keep` (B, hidden), the factors of dropout."""
        rows, spans = batch.x.shape
        random = torch.rand(rows, spans, device=batch.x.device)[:, self.leader]
        table = torch.arange(spans, device=batch.x.device)[self.leader].to(random.dtype)
        reads_table = torch.rand(rows, 1, device=batch.x.device) < self.table_order
        place = torch.where(reads_table, table, random)
        # A refining span shares its parent's place, and ties go by position: it comes directly after its parent.
        rank = place.argsort(dim=1, stable=True).argsort(1)
        keep = torch.rand(rows, self.hidden, device=batch.x.device) >= self.dropout
        return batch.drawing(rank=rank, keep=keep / (1 - self.dropout))

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """Negative log-likelihood of each row under its order, in nats."""
        return {"nll": -self.net.log_likelihood(batch.x, batch.drawn["rank"], batch.drawn["keep"])}

    @torch.no_grad()
    def fit(self, batches: Iterable[Batch], ledger: Any) -> None:
        """Weights on the codes that give sampled columns the marginals of the spec; reads no data, costs no privacy.

        One round of iterative proportional fitting (Deming and Stephan 1940) along the table order: each column is
        set right given own samples of the columns before it, so the errors of early columns do not add up.
        """
        self.calibration.zero_()
        generator = torch.Generator(self.calibration.device).manual_seed(0)
        rows = min(CALIBRATION_ROWS, max(CALIBRATION_CODES // len(self.leader), 2_000))
        free = torch.full((rows, len(self.leader)), FREE, device=self.calibration.device)
        self._complete(free, self.net.tables(), generator, calibrate=True)

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n rows of codes, (n, T). Given codes are kept: they come first in the order, the rest follows the table's.

        The calibration holds for whole rows in the order of the table only, so conditions switch it off.
        """
        tables, device = self.net.tables(), self.calibration.device
        if condition is not None:
            return Batch(self._completed(condition.to(device), tables, generator), condition)
        sizes = [min(ROWS_AT_ONCE, n - start) for start in range(0, n, ROWS_AT_ONCE)]
        pieces = list(zip(sizes, generators(generator, len(sizes)), strict=True))
        return Batch(torch.cat(on_all_cores(lambda piece: self._free(piece[0], tables, piece[1]), pieces, device)))

    @torch.no_grad()
    def sample_within(self, n: int, factors: Mapping[int, Tensor], *, generator: torch.Generator) -> Batch:
        """n rows of the model's distribution times factors of the codes; the calibration is off, as under any condition.

        The spans with factors are drawn first, each within its factors. Such a draw does not know how well the later ones
        can keep to theirs, so the proposals are not yet right: each is worth the product of what the factors left of its
        conditionals. n of them are chosen by that worth (sampling importance resampling, Rubin 1988): exact for one
        column, and for several up to an error that falls with the number of proposals. All other spans follow, row by row.
        """
        tables, device = self.net.tables(), self.calibration.device
        wanted = {span: factors[span].to(device, torch.float32).log() for span in self._most_telling(factors)}
        least = max(n, ROWS_AT_ONCE)
        proposed, worth = [], torch.zeros(0, dtype=torch.float64, device=device)
        while len(worth) < least or (effective_number(worth) < least / 2 and len(worth) < MOST_PROPOSALS * least):
            codes, log_worth = self._propose(wanted, tables, generator)
            proposed.append(codes)
            worth = torch.cat([worth, log_worth])
        rows = torch.cat(proposed)[resampled(worth, n, generator)]
        return Batch(self._completed(rows, tables, generator))

    def _most_telling(self, factors: Mapping[int, Tensor]) -> list[int]:
        """The spans with factors in drawing order, those first that leave least: what is worth more and less then comes
        late and differs little."""
        left = {}
        for span in factors.keys() - set(self.net.refining):
            left[span] = float(self.frequency[self.net.codes_of(span)].cpu() @ factors[span].float().cpu())
        return sorted(factors, key=lambda span: (left[int(self.leader[span])], span))

    def _propose(
        self, wanted: Mapping[int, Tensor], tables: Tables, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Rows (B, T), FREE but where there are factors (`wanted`: their logarithms, in drawing order), and the logarithms
        (B,) of what the factors left of all conditionals."""
        codes = torch.full((ROWS_AT_ONCE, len(self.leader)), FREE, device=self.calibration.device)
        context = torch.zeros(ROWS_AT_ONCE, self.net.context_bias.shape[1], device=codes.device)
        worth = torch.zeros(ROWS_AT_ONCE, dtype=torch.float64, device=codes.device)
        for span, factor in wanted.items():
            applies = self.net.applies(span, codes)
            logits = self.net.logits(span, context, tables)
            left = logits + (factor if factor.ndim == 1 else factor[codes[:, span - 1]])
            worth += torch.where(applies, left.logsumexp(-1) - logits.logsumexp(-1), 0.0)
            codes[:, span] = torch.where(applies, categorical(left, generator), 0)
            context += self.net.vector(span, codes, tables)
        return codes, worth

    def _free(self, n: int, tables: Tables, generator: torch.Generator) -> Tensor:
        """n rows of which nothing is given, calibrated: as `_complete`, but rows that agree so far share a context. At first
        there are few, so that little is computed."""
        codes = torch.zeros(n, len(self.leader), dtype=torch.int64, device=self.calibration.device)
        context = torch.zeros(1, self.net.context_bias.shape[1], device=codes.device)
        group = torch.zeros_like(codes[:, 0])  # the context of each row
        for span in range(codes.shape[1]):
            applies = self.net.applies(span, codes)
            alone = len(context) == n
            chosen = applies if alone and not applies.all() else slice(None)
            logits = self.net.logits(span, context[chosen], tables).add_(self.calibration[self.net.codes_of(span)])
            drawn = categorical(logits if alone else logits[group], generator)
            if alone:
                codes[chosen, span] = drawn
                context[chosen] += self.net.vector(span, codes[chosen], tables)
                continue
            codes[:, span] = torch.where(applies, drawn, 0)
            group = group * self.net.sizes[span] + codes[:, span]
            found, inverse = group.unique(return_inverse=True)
            own = torch.arange(n, device=codes.device)
            first = own if 2 * len(found) > n else torch.zeros_like(found).scatter_(0, inverse, own)
            before = group[first] // self.net.sizes[span]
            context = context[before] + self.net.vector(span, codes[first], tables) * applies[first, None]
            group = own if first is own else inverse
        return codes

    def _completed(self, rows: Tensor, tables: Tables, generator: torch.Generator) -> Tensor:
        """`_complete` of many rows, in pieces."""
        parts = rows.split(ROWS_AT_ONCE)
        pieces = list(zip(parts, generators(generator, len(parts)), strict=True))

        def complete(piece: tuple[Tensor, torch.Generator]) -> Tensor:
            return self._complete(piece[0], tables, piece[1])

        return torch.cat(on_all_cores(complete, pieces, rows.device))

    def _complete(
        self,
        rows: Tensor,
        tables: Tables,
        generator: torch.Generator,
        *,
        calibrate: bool = False,
    ) -> Tensor:
        """Draws every code of (B, T) rows that is not given, whatever is given in each row."""
        given = rows >= 0
        given[:, self.net.refining] &= given[:, self.net.parent_of_refining]  # a slice of an unknown cell says nothing
        codes = rows.where(given, 0)
        context = torch.zeros(len(rows), self.net.context_bias.shape[1], device=rows.device)
        for span in given.any(0).nonzero()[:, 0].tolist():
            context += self.net.vector(span, codes, tables) * given[:, span, None]
        # A given cell is refined before all else: in training no other span sees a cell without its slice.
        urgent = [t for t in self.net.refining if (given[:, self.leader[t]] & ~given[:, t]).any()]
        for position, span in enumerate([*urgent, *range(rows.shape[1])]):
            needed = ~given[:, span] & self.net.applies(span, codes)
            if position < len(urgent):
                needed &= given[:, self.leader[span]]
            if not needed.any():
                continue
            chosen = slice(None) if needed.all() else needed  # a slice, unlike a mask, copies nothing
            logits = self.net.logits(span, context[chosen], tables)
            here = self.net.codes_of(span)
            if calibrate:
                self.calibration[here] = calibration_weights(logits, self.frequency[here])
                logits += self.calibration[here]
            if self.missing[span]:
                logits[rows[chosen, span] == PRESENT, 0] = -torch.inf
            codes[chosen, span] = categorical(logits, generator)
            context[chosen] += self.net.vector(span, codes[chosen], tables)
            given[:, span] |= needed
        return codes


def categorical(logits: Tensor, generator: torch.Generator) -> Tensor:
    """One code for each row of (B, V) logits, by inverting the distribution function.

    The B uniform numbers are a Latin hypercube sample (McKay, Beckman and Conover 1979): one of each B-th of 0 to 1, in random
    order. Each row is drawn as before, but all together are nearer to the distribution than if they knew nothing of
    each other: shares of the codes hardly depend on the seed.
    """
    cumulative, rows, device = torch.softmax(logits, -1).cumsum(-1), len(logits), generator.device
    strata = torch.randperm(rows, generator=generator, device=device)
    uniform = ((strata + torch.rand(rows, generator=generator, device=device)) / rows).to(logits.device)[:, None]
    code = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return code[:, 0].clamp_max(logits.shape[1] - 1)


def effective_number(log_weights: Tensor) -> float:
    """How many equal weights are worth as much as these (Kong 1992): 1 .. their number."""
    shares = torch.softmax(log_weights, 0)
    return float(1 / shares.square().sum())


def resampled(log_weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n indices, each as often as its weight says but for less than one (systematic resampling), in random order."""
    reached = torch.softmax(log_weights, 0).cumsum(0)
    start = torch.rand(1, generator=generator, device=generator.device).to(reached)
    points = (torch.arange(n, device=reached.device) + start) / n * reached[-1]
    chosen = torch.searchsorted(reached, points, right=True).clamp_max(len(reached) - 1)
    return chosen[torch.randperm(n, generator=generator, device=generator.device).to(chosen.device)]
