"""The two networks of `ctgan`: a generator of rows, and a critic of packs of them. Read `models/ctgan.py` next.

Rows are all columns' codes side by side, one-hot: V numbers. Conditions are one of these codes each.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.2  # slope below 0
RAREST = 1e-6  # a code that no training row has is this likely at first, so that its logit stays finite


class RowGenerator(nn.Module):
    """(B, latent) vectors and (B,) conditions to (B, V) logits, which start at the columns' own `frequency`, (V,).

    Departs from Xu et al. 2019, section 4.4: LayerNorm and sums instead of BatchNorm and concatenation, since statistics of
    a batch go badly with averaged weights.
    """

    def __init__(self, frequency: Tensor, *, width: int, depth: int, latent: int) -> None:
        super().__init__()
        self.latent = nn.Linear(latent, width)
        self.condition = nn.Embedding(len(frequency), width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.logits = nn.Linear(width, len(frequency))
        with torch.no_grad():
            self.logits.bias.copy_(frequency.clamp_min(RAREST).log())

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        return self.logits(self.hidden(latent, condition))

    def hidden(self, latent: Tensor, condition: Tensor) -> Tensor:
        """(B, width), from which each logit is linear."""
        hidden = self.latent(latent) + self.condition(condition)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            hidden = hidden + F.relu(layer(norm(hidden)))
        return hidden


class RowCritic(nn.Module):
    """One score for each pack of rows and their conditions (Lin et al. 2018, "PacGAN", section 3).

    Departs: each row has a layer of its own before the pack, which makes the rest as small as `width`.
    """

    def __init__(self, codes: int, *, width: int, depth: int, packing: int) -> None:
        super().__init__()
        self.packing = packing
        self.row = nn.Linear(codes, width)
        self.condition = nn.Embedding(codes, width)
        widths = [packing * width] + [width] * (depth - 1)
        self.layers = nn.ModuleList(nn.Linear(size, width) for size in widths)
        self.score = nn.Linear(width, 1)

    def forward(self, rows: Tensor, condition: Tensor) -> Tensor:
        """(packs, packing, V) and (packs, packing) to (packs,)."""
        hidden = F.leaky_relu(self.row(rows) + self.condition(condition), LEAK).flatten(1)
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden), LEAK)
        return self.score(hidden)[:, 0]

    def packed(self, values: Tensor) -> Tensor:
        """(B, ...) to (packs, packing, ...); the last pack is filled up with the first rows."""
        missing = -len(values) % self.packing
        if missing:
            values = torch.cat([values, values[torch.arange(missing, device=values.device) % len(values)]])
        return values.unflatten(0, (-1, self.packing))

    def of_rows(self, values: Tensor, rows: int) -> Tensor:
        """(packs,) to (rows,): what a pack has, for each of its rows."""
        return values.repeat_interleave(self.packing)[:rows]
