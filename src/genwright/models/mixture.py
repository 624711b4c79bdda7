"""`mixture`, the private default for tables: a mixture of products, fitted to the noisy counts that tell most.

The loop is AIM's (McKenna et al. 2022, "AIM: an adaptive and iterative mechanism for differentially private synthetic
data", algorithm 2): measure the pair of columns that the model gets most wrong, fit, again, with less noise once the noise
hides what is wrong. Departs: the model is a mixture, which needs no junction tree and can be conditioned exactly; several
pairs are chosen between two fits; where a target of few values is named, all is counted together with it
(`networks/together.py`). The counts are in `privacy/marginals.py`, the mixture in `networks/products.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genwright.contract import FREE, PRESENT, Batch, DataSpec, GenerativeModel
from genwright.errors import GenwrightError
from genwright.networks.products import Fitting, Products, Target
from genwright.networks.slices import draw_slices, slice_shares, within
from genwright.networks.together import Together
from genwright.privacy.ledger import PrivacyLedger
from genwright.privacy.marginals import MEAN_ERROR, Marginals, plan_marginals, shares, workload_of
from genwright.privacy.noise import Source, system_source

ROUNDS = 5.0
ONES_SHARE, CHOICES_SHARE = 0.3, 0.1  # of the model's budget, the rest is for pairs; the latter is AIM's
STAR = 3  # releases of each pair with a target of many values
ROWS_AT_ONCE = 65_536
RATE = 0.05  # learning rate


class Mixture(GenerativeModel):
    """A mixture of products of columns; spans that refine another are drawn by its code alone."""

    private = True
    restricts = True
    weights: Tensor
    tables: Tensor
    rows: Tensor
    slices: Tensor

    def __init__(
        self,
        spec: DataSpec,
        *,
        components: int = 200,
        rounds: float = ROUNDS,  # measured pairs for each column
        ones_share: float = ONES_SHARE,  # of the model's privacy budget: counts of single columns
        choices_share: float = CHOICES_SHARE,  # choices of pairs
        workload: Sequence[str] = (),  # columns, one of which each counted pair has; none: all pairs
        round_steps: int = 30,  # of the fit between choices of pairs
        steps: int = 300,  # of the last fit
        target: str = "",  # column that all others are counted together with, or at least in pairs
    ) -> None:
        super().__init__()
        self.spec, self.components = spec, components
        self.rounds, self.ones_share, self.choices_share = rounds, ones_share, choices_share
        self.round_steps, self.steps = round_steps, steps
        self.target = target
        self.leaders = [at for at, span in enumerate(spec.spans) if span.parent is None]
        self.sizes = [spec.spans[at].size for at in self.leaders]
        self.ordered_from = [spec.spans[at].ordered_from for at in self.leaders]
        self.names = [spec.spans[at].column for at in self.leaders]
        self.workload = workload_of(workload, self.names)
        frequency = torch.cat([torch.tensor(spec.spans[at].frequency) for at in self.leaders])
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("tables", frequency.expand(components, -1).clone())
        self.register_buffer("rows", torch.zeros(()))  # how many rows there are, by noisy counts
        self.register_buffer("slices", slice_shares(spec))

    @staticmethod
    def plan(
        ledger: PrivacyLedger,
        columns: int,
        *,
        rounds: float = ROUNDS,
        ones_share: float = ONES_SHARE,
        choices_share: float = CHOICES_SHARE,
        **_: Any,
    ) -> None:
        """Plan what `fit` will release of a table of so many columns: all that the plan has left; GW-0603 if nothing."""
        releases = max(1, round(rounds * columns)) if columns > 1 else 0
        plan_marginals(
            ledger, columns, rounds=releases, choices=releases, ones_share=ones_share, choices_share=choices_share
        )

    def fit(self, batches: Iterable[Batch], ledger: PrivacyLedger | None, *, source: Source = system_source) -> None:
        """Measure and fit. With a ledger, by the plan that `plan` made; without, by exact counts of all pairs."""
        codes = torch.cat([batch.x.cpu() for batch in batches]).numpy().astype(np.int64)
        together = self._together()
        sizes, ordered_from = together.counted_sizes(self.ordered_from)
        joined = together.joined(codes[:, self.leaders])
        workload = together.workload(self.workload)
        marginals = Marginals(joined, sizes, ordered_from, ledger, workload=workload, source=source)
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        target = _target(marginals)
        fitting = Fitting(target, together.open(marginals.columns, self.components), generator)
        if ledger is None:
            self.slices = slice_shares(self.spec, [codes])
            for u, v in np.argwhere(np.triu(marginals.pairs)):
                _measure(marginals, target, u, v, 1)
        else:
            star = [] if together.classes > 1 else self._star(marginals)
            self._adapt(marginals, target, fitting, star)
        fitting.run(self.steps, RATE, decay=True)
        products = fitting.products()
        self.weights, self.tables = products.weights, together.apart(products.tables, marginals.columns)
        self.rows = torch.tensor(marginals.rows)

    def _together(self) -> Together:
        """With the target, if it is a class of few values."""
        centre = self.names.index(self.target) if self.target in self.names else None
        return Together.of(self.sizes, centre, self.components)

    def _adapt(self, marginals: Marginals, target: Target, fitting: Fitting, star: list[tuple[int, int]]) -> None:
        """The pairs of the star, then rounds of choosing, measuring and fitting until the plan is used up."""
        at_once = max(1, len(marginals.columns) // 3)
        column = np.array([view.column for view in marginals.views])
        releases = 1
        for u, v in star:
            if marginals.left:
                _measure(marginals, target, u, v, min(STAR, marginals.left))
        fitting.run(self.round_steps, RATE)
        while marginals.left:
            before = _expected(fitting, marginals)
            allowed = marginals.pairs
            noise = marginals.noise / releases**0.5
            chosen: list[tuple[slice, slice]] = []
            while marginals.left and len(chosen) < at_once and allowed.any():
                u, v = marginals.choose(before, noise, allowed)
                for a, b in ((u, v), (v, u)):  # no other view of the same columns
                    allowed[np.ix_(column == column[a], column == column[b])] = False
                last = marginals.left < 2 * releases  # the remainder is spent, not left
                _measure(marginals, target, u, v, marginals.left if last else releases)
                chosen.append(marginals.block(u, v))
            fitting.run(self.round_steps, RATE)
            after = _expected(fitting, marginals)
            moved = sum(np.abs(after[here] - before[here]).sum() for here in chosen)
            if moved <= MEAN_ERROR * noise * sum(before[here].size for here in chosen):
                releases *= 2

    def _star(self, marginals: Marginals) -> list[tuple[int, int]]:
        """The finest views of the target and of each other column, of the pairs that may be counted."""
        column = np.array([view.column for view in marginals.views])
        if self.target not in self.names:
            return []
        views = [int(np.argmax(column == at)) for at in range(len(self.names))]
        centre = views[self.names.index(self.target)]
        return [(min(view, centre), max(view, centre)) for view in views if marginals.pairs[view, centre]]

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n rows, (n, T); under conditions on any positions the components are weighed by Bayes' rule."""
        spans = self.spec.spans
        given = torch.full((n, len(spans)), FREE) if condition is None else condition.cpu()
        complete = torch.tensor([not spans[at].missing for at in self.leaders])
        wanted = given[:, self.leaders]
        wanted = torch.where((wanted == PRESENT) & complete, FREE, wanted)
        products = Products(self.weights, self.tables, self.sizes)
        return Batch(self._drawn(products, self.slices, given, wanted, generator), condition)

    @torch.no_grad()
    def sample_within(self, n: int, factors: Mapping[int, Tensor], *, generator: torch.Generator) -> Batch:
        """n rows of the mixture times factors of the codes, exactly."""
        slices, left = within(self.spec, self.slices, factors)
        kept = {at: factors[at].float() * left.get(at, 1.0) for at in self.leaders if at in factors}
        products = Products(self.weights, self.tables, self.sizes).within([kept.get(at) for at in self.leaders])
        if not float(products.weights.sum()) > 0:
            raise _never()
        given = torch.full((n, len(self.spec.spans)), FREE)
        return Batch(self._drawn(products, slices, given, given[:, self.leaders], generator))

    def _drawn(
        self, products: Products, slices: Tensor, given: Tensor, wanted: Tensor, generator: torch.Generator
    ) -> Tensor:
        """(n, T) rows: columns from the products where they are not `wanted`, slices where they are not `given`."""
        drawn = [products.draw(part, generator) for part in wanted.split(ROWS_AT_ONCE)] if len(wanted) else [wanted]
        x = torch.zeros_like(given)
        x[:, self.leaders] = torch.cat(drawn)
        return draw_slices(self.spec, slices, x, given, generator)


def _never() -> GenwrightError:
    return GenwrightError("GW-0222", "The model never draws a row that fulfils the condition", "Ask for less.")


def _target(marginals: Marginals) -> Target:
    """The counts of single columns as shares, and which of their groups each view puts together."""
    sizes = [len(column.counts) for column in marginals.columns]
    starts = np.cumsum([0, *sizes])
    views = np.zeros((starts[-1], marginals.starts[-1]))
    for view, first in zip(marginals.views, marginals.starts, strict=False):
        views[starts[view.column] + np.arange(len(view.group)), first + view.group] = 1
    ones = np.concatenate([shares(column.counts) for column in marginals.columns])
    noise = np.concatenate([column.noise for column in marginals.columns])
    return Target(_tensor(ones), _tensor(np.maximum(noise, 1.0) / marginals.rows), sizes, _tensor(views))


def _measure(marginals: Marginals, target: Target, u: int, v: int, releases: int) -> None:
    counts, noise = marginals.pair(u, v, releases)
    target.add(marginals.block(u, v), _tensor(counts / marginals.rows), max(noise, 1.0) / marginals.rows)


def _expected(fitting: Fitting, marginals: Marginals) -> np.ndarray:
    """Counts of all pairs by the mixture as it stands."""
    return fitting.products().pairs(fitting.target.views).double().numpy() * marginals.rows


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).float()
