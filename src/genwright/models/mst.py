"""`mst`, the baseline of private tables: a tree of pairs of columns, chosen and counted with noise.

After McKenna, Miklau and Sheldon 2021 ("Winning the NIST contest", section 4): of the pairs that would join two parts of
the tree, the one that single columns predict worst. Departs: the noisy pairs are made to agree by proportional fitting to
the single columns' counts, after which the tree is their product, with no further optimisation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genwright.contract import FREE, Batch, DataSpec, GenerativeModel
from genwright.errors import GenwrightError
from genwright.networks.slices import draw_slices, slice_shares
from genwright.privacy.ledger import PrivacyLedger
from genwright.privacy.marginals import Marginals, plan_marginals, shares, workload_of
from genwright.privacy.noise import Source, system_source

ONES_SHARE, CHOICES_SHARE = 1 / 3, 1 / 3  # of the budget, the rest is for pairs; as in the paper
FITTINGS = 50
TINY = 1e-12


class MST(GenerativeModel):
    """Each column given one other; spans that refine another are drawn by its code alone."""

    private = True
    order: Tensor
    above: Tensor
    chances: Tensor
    rows: Tensor
    slices: Tensor

    def __init__(
        self,
        spec: DataSpec,
        *,
        ones_share: float = ONES_SHARE,  # of the model's privacy budget: counts of single columns
        choices_share: float = CHOICES_SHARE,  # choices of pairs
        workload: Sequence[str] = (),  # columns, one of which each pair of the tree has; none: any pairs
    ) -> None:
        super().__init__()
        self.spec, self.ones_share, self.choices_share = spec, ones_share, choices_share
        self.leaders = [at for at, span in enumerate(spec.spans) if span.parent is None]
        self.workload = workload_of(workload, [spec.spans[at].column for at in self.leaders])
        self.sizes = [spec.spans[at].size for at in self.leaders]
        columns = len(self.leaders)
        self.register_buffer("order", torch.arange(columns))
        self.register_buffer("above", torch.full((columns,), -1))  # the column that each depends on, -1 for none
        ones = [torch.tensor(spec.spans[at].frequency) for at in self.leaders]
        self.register_buffer("chances", torch.cat(ones))  # (codes of the one above, codes) of each column in turn, flat
        self.register_buffer("rows", torch.zeros(()))  # how many rows there are, by noisy counts
        self.register_buffer("slices", slice_shares(spec))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in torch, but the buffers take the sizes of what is loaded: they depend on the tree."""
        for name in dict(self.named_buffers()).keys() & state_dict.keys():
            setattr(self, name, torch.empty_like(state_dict[name]))
        return super().load_state_dict(state_dict, strict, assign)

    @staticmethod
    def plan(
        ledger: PrivacyLedger,
        columns: int,
        *,
        ones_share: float = ONES_SHARE,
        choices_share: float = CHOICES_SHARE,
        **_: Any,
    ) -> None:
        """Plan what `fit` will release of a table of so many columns: all that the plan has left; GW-0603 if nothing."""
        edges = columns - 1
        plan_marginals(ledger, columns, rounds=edges, choices=edges, ones_share=ones_share, choices_share=choices_share)

    def fit(self, batches: Iterable[Batch], ledger: PrivacyLedger | None, *, source: Source = system_source) -> None:
        """Choose the tree and count its pairs: with a ledger by the plan that `plan` made; without, exactly."""
        codes = torch.cat([batch.x.cpu() for batch in batches]).numpy().astype(np.int64)
        marginals = Marginals(
            codes[:, self.leaders], self.sizes, self._ordered_from(), ledger, workload=self.workload, source=source
        )
        if ledger is None:
            self.slices = slice_shares(self.spec, [codes])
        ones = [shares(column.counts) for column in marginals.columns]
        edges = _edges(marginals, ones)
        order, above = _walk(list(edges), len(ones))
        tables = []
        for column, parent in enumerate(above):
            if parent < 0:
                chances = ones[column][None]
            else:
                a, b = sorted((parent, column))
                joint = _joint(marginals, edges[a, b], ones)
                joint = joint if parent == a else joint.T
                chances = (joint / joint.sum(1, keepdims=True))[marginals.columns[parent].group]
            known = marginals.columns[column]
            tables.append((chances[:, known.group] * known.share).ravel())
        self.order, self.above = torch.tensor(order), torch.tensor(above)
        self.chances = torch.from_numpy(np.concatenate(tables)).float()
        self.rows = torch.tensor(marginals.rows)

    def _ordered_from(self) -> list[int]:
        return [self.spec.spans[at].ordered_from for at in self.leaders]

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n rows, down the tree. GW-0403 under conditions."""
        if condition is not None and bool((condition != FREE).any()):
            raise GenwrightError("GW-0403", "mst cannot draw rows under conditions or impute", "Train a mixture model.")
        parents = [1 if parent < 0 else self.sizes[parent] for parent in self.above.tolist()]
        lengths = [rows * size for rows, size in zip(parents, self.sizes, strict=True)]
        tables = [table.reshape(rows, -1) for table, rows in zip(self.chances.split(lengths), parents, strict=True)]
        drawn = torch.zeros(n, len(self.sizes), dtype=torch.int64)
        for column in self.order.tolist():
            parent = int(self.above[column])
            chances = tables[column][drawn[:, parent] * (parent >= 0)]
            if n:
                drawn[:, column] = torch.multinomial(chances, 1, generator=generator)[:, 0]
        x = torch.zeros(n, len(self.spec.spans), dtype=torch.int64)
        x[:, self.leaders] = drawn
        free = torch.full_like(x, FREE)
        return Batch(draw_slices(self.spec, self.slices, x, free, generator), condition)


def _edges(marginals: Marginals, ones: list[np.ndarray]) -> dict[tuple[int, int], tuple[int, int]]:
    """The pairs of columns of the tree and of which views: each joins two parts that were not joined so far."""
    single = np.concatenate([np.bincount(view.group, ones[view.column]) for view in marginals.views])
    expected = np.outer(single, single) * marginals.rows
    part = np.array([view.column for view in marginals.views])
    edges = {}
    for _ in range(len(ones) - 1):
        u, v = marginals.choose(expected, marginals.noise, marginals.pairs & (part[:, None] != part[None]))
        edges[marginals.views[u].column, marginals.views[v].column] = (u, v)
        part[part == part[v]] = part[u]
    return edges


def _joint(marginals: Marginals, edge: tuple[int, int], ones: list[np.ndarray]) -> np.ndarray:
    """The joint shares of two columns, measured by views of them: within a view's groups they are independent."""
    a, b = (marginals.views[at] for at in edge)
    rows, columns = ones[a.column], ones[b.column]
    apart = np.outer(np.bincount(a.group, rows), np.bincount(b.group, columns))
    ratio = shares(marginals.pair(*edge)[0]) / np.maximum(apart, TINY)
    return _fitted(ratio[a.group][:, b.group] * np.outer(rows, columns), rows, columns)


def _walk(edges: list[tuple[int, int]], columns: int) -> tuple[list[int], list[int]]:
    """The columns from the first one outwards, and the one before each (-1 for the first)."""
    order, above = [0], [-1] * columns
    for column in order:
        for edge in edges:
            if column in edge:
                other = edge[0] + edge[1] - column
                if other not in order:
                    above[other] = column
                    order.append(other)
    return order, above


def _fitted(joint: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The joint shares nearest to the given ones (in relative entropy) that have these sums (Deming and Stephan 1940)."""
    joint = joint + TINY
    for _ in range(FITTINGS):
        joint = joint * (columns / joint.sum(0))
        joint = joint * (rows / joint.sum(1))[:, None] + TINY**2
    return joint
