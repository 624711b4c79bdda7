"""A chain of decision trees over the columns: fits in seconds, needs no gradient, memorises more than a network.

Each coded position is drawn from the training codes in the leaf that the positions before it lead to (the CART
synthesiser of Reiter, "Using CART to generate partially synthetic public use microdata", J. Official Statistics 21,
2005). On the way down a draw ends in an inner node with a chance that shrinks with the node's size, which smooths small
leaves. The chance is the same for all rows that come by, so that shares of codes stay what they were, also after
thousands of columns.
It is the baseline that a network has to beat and the example of a model that learns in `fit`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genwright.contract import FREE, Batch, DataSpec, GenerativeModel
from genwright.errors import GenwrightError


class TabularTrees(GenerativeModel):
    """One tree for each span, in the order of the table."""

    first_node: Tensor
    donors_of: Tensor
    donors: Tensor

    def __init__(self, spec: DataSpec, *, leaf_rows: int, smoothing: float) -> None:
        super().__init__()
        self.spec, self.leaf_rows, self.smoothing = spec, leaf_rows, smoothing
        empty = torch.empty(0, dtype=torch.int64)
        self.register_buffer("first_node", torch.zeros(len(spec.spans) + 1, dtype=torch.int64))
        self.register_buffer("feature", empty.clone())  # span that a node looks at, -1 in a leaf
        self.register_buffer("threshold", empty.clone())  # code <= threshold goes left
        self.register_buffer("branches", empty.reshape(0, 2).clone())  # left, right
        self.register_buffer("donors_of", empty.reshape(0, 2).clone())  # range of a node's rows in `donors`
        self.register_buffer("donors", empty.to(torch.int32).reshape(len(spec.spans), 0).clone())

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in torch, but the buffers take the sizes of what is loaded: they depend on the data."""
        for name in dict(self.named_buffers()).keys() & state_dict.keys():
            setattr(self, name, torch.empty_like(state_dict[name]))
        return super().load_state_dict(state_dict, strict, assign)

    def fit(self, batches: Iterable[Batch], ledger: Any) -> None:
        """Grow one tree for each span on all rows. Rows in a leaf: at least `leaf_rows`."""
        codes = torch.cat([batch.x.cpu() for batch in batches]).numpy()
        trees = [self._grow(codes, index) for index in range(codes.shape[1])]
        sizes = [0, *(len(tree["feature"]) for tree in trees)]
        self.first_node = torch.from_numpy(np.cumsum(sizes))
        for name in ("feature", "threshold", "branches", "donors_of"):
            setattr(self, name, torch.from_numpy(np.concatenate([tree[name] for tree in trees])))
        self.donors = torch.from_numpy(np.stack([tree["donors"] for tree in trees]).astype(np.int32))

    def _grow(self, codes: np.ndarray, index: int) -> dict[str, np.ndarray]:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        span, wanted = self.spec.spans[index], codes[:, index]
        seen = codes[:, :index] if index else np.zeros((len(codes), 1), np.int64)
        ordered = span.ordered_from < span.size
        kind = DecisionTreeRegressor if ordered else DecisionTreeClassifier
        tree = kind(min_samples_leaf=self.leaf_rows, random_state=0).fit(seen.astype(np.float32), wanted)
        leaf = tree.apply(seen.astype(np.float32))
        grown = tree.tree_
        left, right = grown.children_left, grown.children_right
        order = np.lexsort((wanted, leaf))  # by value within a leaf: nothing tells which row a donor came from
        ends = np.searchsorted(leaf[order], np.arange(grown.node_count), side="right")
        inner = np.flatnonzero(left >= 0)
        start, end = np.searchsorted(leaf[order], np.arange(grown.node_count), side="left"), ends.copy()
        for node in inner[::-1]:  # nodes are numbered depth first: a node's rows are its children's, side by side
            start[node], end[node] = start[left[node]], end[right[node]]
        return {
            "feature": np.where(left < 0, -1, grown.feature).astype(np.int64),
            "threshold": np.floor(grown.threshold).astype(np.int64),
            "branches": np.stack([left, right], 1).astype(np.int64),
            "donors_of": np.stack([start, end], 1).astype(np.int64),
            "donors": wanted[order],
        }

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n rows, column after column. GW-0403 under conditions: a chain can only follow its own order."""
        if condition is not None and bool((condition != FREE).any()):
            raise GenwrightError(
                "GW-0403",
                "tabular-trees cannot draw rows under conditions or impute",
                "Train a tabular-ar model instead.",
            )
        x = torch.zeros(n, len(self.spec.spans), dtype=torch.int64)
        for index, span in enumerate(self.spec.spans):
            node = self._node(x, index, generator)
            start, end = self.donors_of[self.first_node[index] + node].unbind(1)
            chosen = start + (torch.rand(n, generator=generator, dtype=torch.float64) * (end - start)).long()
            x[:, index] = self.donors[index][chosen].long()
            if span.parent is not None:
                refined = torch.tensor(self.spec.spans[span.parent].refined)
                x[:, index] *= refined[x[:, span.parent]]
        return Batch(x)

    def _tree(self, index: int, name: str) -> Tensor:
        return getattr(self, name)[self.first_node[index] : self.first_node[index + 1]]

    def _node(self, x: Tensor, index: int, generator: torch.Generator) -> Tensor:
        """The node that each row draws from, as a number within the tree: (n,)."""
        feature, threshold = self._tree(index, "feature"), self._tree(index, "threshold")
        branches, ends = self._tree(index, "branches"), self._ends(index)
        node = torch.zeros(len(x), dtype=torch.int64)
        moving = torch.arange(len(x))
        while len(moving):
            chance = ends[node[moving]]
            moving = moving[torch.rand(len(moving), generator=generator, dtype=torch.float64) >= chance]
            here = node[moving]
            right = x[moving, feature[here]] > threshold[here]
            node[moving] = branches[here, right.long()]
        return node

    def _ends(self, index: int) -> Tensor:
        """The chance that a draw ends in each node, (nodes,): 1 in leaves; above, as if it climbed from halves of the node,
        and from their halves, each time with chance smoothing / (smoothing + rows)."""
        start, end = self._tree(index, "donors_of").double().unbind(1)
        chance, part = torch.ones_like(start), (end - start) / 2
        while (large := part >= self.leaf_rows).any():
            chance = torch.where(large, chance * self.smoothing / (self.smoothing + part), chance)
            part = part / 2
        return torch.where(self._tree(index, "feature") < 0, 1.0, chance)
