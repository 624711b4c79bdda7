"""Embedding and head of a vocabulary that is another model's but for our special tokens, which stand before its pieces.

So everybody else counts tokens as the codec does. `foreign.py` puts them into networks.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Table(nn.Module):
    """Vectors of tokens: `special` ones first, then those of the pieces; multiplied by `scale` when looked up."""

    def __init__(self, special: Tensor, pieces: Tensor, scale: float) -> None:
        super().__init__()
        self.special, self.pieces, self.scale = nn.Parameter(special), nn.Parameter(pieces), scale

    def forward(self, tokens: Tensor) -> Tensor:
        offset = len(self.special)
        own = F.embedding(tokens.clamp(max=offset - 1), self.special)
        others = F.embedding((tokens - offset).clamp(min=0), self.pieces)
        return self.scale * torch.where((tokens < offset)[..., None], own, others)


class Head(nn.Module):
    """(..., width) -> (..., tokens) logits by a table: the embedding's, or one of its own."""

    def __init__(self, table: Table, *, own: bool, bias: Tensor | None) -> None:
        super().__init__()
        if own:
            self.table = table
        self._found = (table,)  # in a tuple it is no part of this module: shared weights are saved once
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, h: Tensor) -> Tensor:
        (table,) = self._found
        logits = torch.cat([F.linear(h, table.special), F.linear(h, table.pieces)], dim=-1)
        return logits if self.bias is None else logits + self.bias


def rows(weight: Tensor, offset: int, pieces: int, own: Mapping[int, int | None]) -> tuple[Tensor, Tensor]:
    """Rows of special tokens and of pieces: what the model calls the same in `own`, else the mean of all, each moved a
    little so that they differ. Of more rows than there are pieces, the rest goes; pieces without a row get a new one."""
    mean, spread = weight.mean(0), weight.std(0)
    fresh = mean + 0.1 * spread * torch.randn(offset + max(0, pieces - len(weight)), weight.shape[1])
    special = fresh[:offset]
    for token, row in own.items():
        if row is not None and 0 <= row < len(weight):
            special[token] = weight[row]
    return special.clone(), torch.cat([weight[:pieces], fresh[offset:]])
