"""Columns that are counted together with a class, so that what two of them say of it together is counted too.

With a class column of C values named, a column of n codes becomes one of C n codes: each code once for each class, class
after class. Counts of one such column are those of a pair with the class, counts of two are those of a triple, and each
component of the mixture belongs to one class. Without one all is as if there were a single class. Every row is in one
class, so this changes nothing of what a row can change. `models/mixture.py` uses it: read it next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from genwright.privacy.marginals import Codes

MOST_CLASSES = 4  # with more, each has too few rows to be told from the noise


@dataclass(frozen=True)
class Together:
    """Which column is the class; `sizes`: codes of all columns, the class among them."""

    sizes: Sequence[int]
    centre: int | None
    """The place of the class among the columns; None: there is none."""

    @classmethod
    def of(cls, sizes: Sequence[int], target: int | None, components: int) -> Together:
        """With the target as the class, if it has few values, each can have a component, and there are pairs besides."""
        fits = target is not None and len(sizes) > 2 and 1 < sizes[target] <= min(MOST_CLASSES, components)
        return cls(sizes, target if fits else None)

    @property
    def classes(self) -> int:
        return 1 if self.centre is None else self.sizes[self.centre]

    @property
    def counted(self) -> list[int]:
        """The columns that are counted: all but the class."""
        return [at for at in range(len(self.sizes)) if at != self.centre]

    def counted_sizes(self, ordered_from: Sequence[int]) -> tuple[list[int], list[int]]:
        """Of the counted columns: how many codes they have then, and from which on these follow the order of the values."""
        sizes = [self.classes * self.sizes[at] for at in self.counted]
        own = [(ordered_from[at], self.sizes[at]) for at in self.counted]
        return sizes, [start if start < one else size for (start, one), size in zip(own, sizes, strict=True)]

    def joined(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """(rows, counted) codes of the counted columns together with the class, of (rows, columns) codes."""
        if self.centre is None:
            return codes
        return codes[:, self.counted] + codes[:, [self.centre]] * np.array(self.sizes)[self.counted]

    def workload(self, named: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(counted,) the same of the counted columns, of (columns,) named ones: the class is in all that is counted, so where
        it is named, all are."""
        return named[self.counted] | (self.centre is not None and bool(named[self.centre]))

    def class_of(self, components: int) -> Tensor:
        """(K,) the class of each component; each class has about as many."""
        return torch.arange(components) * self.classes // components

    def open(self, columns: Sequence[Codes], components: int) -> Tensor:
        """(K, D) whether a component can have a group of codes: one that holds a code of its class."""
        parts = []
        for at, column in zip(self.counted, columns, strict=True):
            part = torch.zeros(self.classes, len(column.counts), dtype=torch.bool)
            for number in range(self.classes):
                part[number, column.group[self._here(at, number)]] = True
            parts.append(part)
        return torch.cat(parts, 1)[self.class_of(components)]

    def apart(self, tables: Tensor, columns: Sequence[Codes]) -> Tensor:
        """(K, codes of all columns) chances, of (K, D) chances of groups: each code of a group gets its share."""
        owner = self.class_of(len(tables))
        whole = [F.one_hot(owner, self.classes).float() for _ in self.sizes]
        parts = tables.split([len(column.counts) for column in columns], 1)
        for at, part, column in zip(self.counted, parts, columns, strict=True):
            whole[at] = torch.zeros(len(tables), self.sizes[at])
            for number in range(self.classes):
                here = self._here(at, number)
                group, share = column.group[here], column.share[here]
                share = share / np.maximum(np.bincount(group, share)[group], np.finfo(float).tiny)
                own = owner == number
                whole[at][own] = part[own][:, group] * torch.from_numpy(share).float()
            whole[at] /= whole[at].sum(1, keepdim=True)
        return torch.cat(whole, 1)

    def _here(self, column: int, number: int) -> slice:
        """The codes of a column in one class."""
        return slice(number * self.sizes[column], (number + 1) * self.sizes[column])
