"""A mixture of products of columns: marginals by one matrix product, fitted to measured ones, and Bayes' rule exactly.

Each of K components draws every column by itself; what ties the columns together is which component drew the row. With
enough components any table can be told so. `models/mixture.py` says which marginals are measured: read it next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genwright.contract import PRESENT

TINY = 1e-12  # the smallest chance of a code: what is given may be what was never measured
SPREAD = 0.5  # deviation of the first logits around the columns' own shares
PRIOR = 1.5  # deviation of the logits from the columns' own shares: keeps the noise from being fitted
CLOSED = 40.0  # how much lower the logits of what a component cannot have start: as good as never, and still finite


@dataclass(frozen=True)
class Products:
    """K components over columns of the given sizes; D is the number of all their codes."""

    weights: Tensor
    """(K,) share of each component."""
    tables: Tensor
    """(K, D) chance of each code in each component, summing to 1 over each column."""
    sizes: Sequence[int]

    def pairs(self, views: Tensor) -> Tensor:
        """(V, V) chance of each two groups of codes; without meaning within one column. `views`: (D, V), 1 if in the group."""
        tables = self.tables @ views
        return (tables * self.weights[:, None]).T @ tables

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Complete (B, columns) codes where they are FREE or PRESENT (any code but 0), given the others."""
        seed = int(torch.randint(2**31, (), generator=generator))
        places = torch.quasirandom.SobolEngine(len(self.sizes) + 1, scramble=True, seed=seed).draw(len(rows))
        picked = _at(self.posterior(rows), places[:, 0])
        drawn = rows.clone()
        for at, table in enumerate(self.tables.split(list(self.sizes), 1)):
            chances = table[picked]
            chances[rows[:, at] == PRESENT, 0] = 0
            drawn[:, at] = torch.where(rows[:, at] < 0, _at(chances, places[:, at + 1]), rows[:, at])
        return drawn

    def within(self, factors: Sequence[Tensor | None]) -> Products:
        """The distribution times factors of the codes of some columns, each (codes,): components weigh what theirs left."""
        weights, tables = self.weights, []
        for table, factor in zip(self.tables.split(list(self.sizes), 1), factors, strict=True):
            if factor is not None:
                table = table * factor
                left = table.sum(1, keepdim=True)
                weights, table = weights * left[:, 0], table / left.clamp_min(TINY)
            tables.append(table)
        return Products(weights / weights.sum().clamp_min(TINY), torch.cat(tables, 1), self.sizes)

    def posterior(self, rows: Tensor) -> Tensor:
        """(B, K) chance of each component given what is known of each row: Bayes' rule."""
        evidence = self.weights.log().expand(len(rows), -1).clone()
        for at, table in enumerate(self.tables.split(list(self.sizes), 1)):
            logs = table.clamp_min(TINY).log().T
            known, present = rows[:, at] >= 0, rows[:, at] == PRESENT
            evidence[known] += logs[rows[known, at]]
            evidence[present] += table[:, 1:].sum(1).clamp_min(TINY).log()
        return torch.softmax(evidence, 1)


def _at(chances: Tensor, places: Tensor) -> Tensor:
    """(B,) the codes at places in [0, 1) of the (B, codes) chances laid side by side."""
    rising = chances.cumsum(1)
    codes = torch.searchsorted(rising, places[:, None] * rising[:, -1:], right=True)
    return codes[:, 0].clamp_max(chances.shape[1] - 1)


class Target:
    """Measured shares of codes, and of pairs of groups of codes, each with the deviation of its noise."""

    def __init__(self, ones: Tensor, deviations: Tensor, sizes: Sequence[int], views: Tensor) -> None:
        """`ones`: (D,) shares; `deviations`: (D,) of their noise, above 0; `views`: (D, V), 1 if a code is in a group."""
        self.ones, self.precision = ones, deviations**-2
        self.sizes, self.views = list(sizes), views
        self._code, self._group = views.nonzero(as_tuple=True)
        self.pairs = torch.zeros(views.shape[1], views.shape[1])
        self.weights = torch.zeros_like(self.pairs)

    def grouped(self, tables: Tensor) -> Tensor:
        """(K, V) sums over the codes of each group, of (K, D): tables @ views, without its many zeros."""
        return _added(tables, self._code, self._group, self.views.shape[1])

    def spread(self, values: Tensor) -> Tensor:
        """(K, D) sums over the groups of each code, of (K, V): values @ views.T."""
        return _added(values, self._group, self._code, self.views.shape[0])

    def add(self, block: tuple[slice, slice], shares: Tensor, deviation: float) -> None:
        """One measured pair; measured again, it counts as the mean that the deviations call for."""
        mirrored = (block[1], block[0])
        old, new = self.weights[block], deviation**-2
        mean = (self.pairs[block] * old + shares * new) / (old + new)
        for place, values in ((block, mean), (mirrored, mean.T)):
            self.pairs[place] = values
            self.weights[place] += new


def _added(values: Tensor, of: Tensor, into: Tensor, size: int) -> Tensor:
    """(K, size) with column of[i] of (K, ...) values added to column into[i], for each i."""
    return values.new_zeros(size, len(values)).index_add_(0, into, values.T[of]).T


class Fitting:
    """Adam on the logits of the components, towards the likeliest mixture under the noise of a target and a prior."""

    def __init__(self, target: Target, allowed: Tensor, generator: torch.Generator) -> None:
        """`allowed`: (K, D) which codes each of the K components can have."""
        self.target = target
        components = len(allowed)
        self._start = target.ones.clamp_min(1e-4).log() - CLOSED * ~allowed
        self._logits = self._start + SPREAD * torch.randn(self._start.shape, generator=generator)
        self._shares = torch.zeros(components)
        self._moving = [self._logits.requires_grad_(), self._shares.requires_grad_()]
        self._optimiser = torch.optim.Adam(self._moving, betas=(0.9, 0.99))

    def run(self, steps: int, rate: float, *, decay: bool = False) -> None:
        """Take steps at a learning rate, which falls to nearly 0 if it shall `decay`."""
        for step in range(steps):
            for group in self._optimiser.param_groups:
                group["lr"] = rate * (1 - step / steps) if decay else rate
            self._optimiser.zero_grad()
            self._surrogate().backward()
            self._optimiser.step()

    @torch.no_grad()
    def products(self) -> Products:
        """The mixture as it stands."""
        return Products(*self._chances(), self.target.sizes)

    def _chances(self) -> tuple[Tensor, Tensor]:
        tables = torch.cat([part.softmax(1) for part in self._logits.split(self.target.sizes, 1)], 1)
        return self._shares.softmax(0), tables

    def _surrogate(self) -> Tensor:
        """Has the gradient of the log-likelihood and log-prior, negated, at the price of two products of (K, V) and (V, V).

        With R the weighted errors of all pairs, the gradient of their squares is R on both sides of each component; the
        product with R is taken once, outside of what is differentiated, and serves tables and weights.
        """
        weights, tables = self._chances()
        target = self.target
        with torch.no_grad():
            viewed = target.grouped(tables)
            errors = (viewed * weights[:, None]).T @ viewed - target.pairs
            pulled = target.spread(viewed @ (errors * target.weights))
        pairs = (weights.detach()[:, None] * tables * pulled).sum() + (
            weights * (tables.detach() * pulled).sum(1)
        ).sum() / 2
        ones = ((weights @ tables - target.ones) ** 2 * target.precision).sum() / 2
        return pairs + ones + self._prior()

    def _prior(self) -> Tensor:
        return ((self._logits - self._start) ** 2).sum() / (2 * PRIOR**2)
