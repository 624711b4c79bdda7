"""Backbones for models that draw one position after another: each output depends on earlier positions only.

`CausalConvolutions` is for grids (`models/pixel_ar.py`), `CausalTransformer` for short sequences of tokens
(`models/vqvae.py`). Both see all positions at once in training and one at a time in sampling, where what earlier positions
left behind is kept: `start` makes that memory, `step` uses and extends it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.networks import attention

ROWS, COLUMNS = 4, 7  # reach of a causal convolution: three rows above, and three columns to either side


class CausalConvolutions(nn.Module):
    """Residual blocks of causal depthwise convolutions over a grid that is read row by row.

    Maps (B, height, width, inputs) to (B, height, width, features): the output at a place depends on the label and the
    inputs at earlier places. One stack of wide kernels instead of the two of van den Oord et al. 2016 ("Conditional image
    generation with PixelCNN decoders"): k blocks see 3 (k + 1) columns to the right for each row up, all but a corner.
    """

    def __init__(self, inputs: int, sides: tuple[int, int], *, features: int, depth: int, classes: int) -> None:
        super().__init__()
        self.enter = CausalConvolution(inputs, features, sees_itself=False)
        self.place = nn.Parameter(torch.zeros(*sides, features))
        self.blocks = nn.ModuleList(CausalBlock(features, classes) for _ in range(depth))
        self.norm = nn.LayerNorm(features)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        h = self.enter(x) + self.place
        for block in self.blocks:
            h = h + block.inner(block.conv(h), label[:, None, None])  # type: ignore[operator]
        return self.norm(h)

    def start(self, n: int) -> list[GridMemory]:
        """For n grids: nothing is known yet of what the convolutions see."""
        height, width, features = self.place.shape
        margins = (n, height + ROWS - 1, width + COLUMNS - 1)
        channels = [self.enter.in_channels, *[features] * len(self.blocks)]
        new = self.place.new_zeros
        return [GridMemory(new(*margins, size), new(n, width, features)) for size in channels]

    def step(self, memory: list[GridMemory], row: int, column: int, label: Tensor) -> Tensor:
        """(B, features) at a place, when all places before it went through `step` and `remember`."""
        h = self.enter.at(memory[0], row, column) + self.place[row, column]
        for block, kept in zip(self.blocks, memory[1:], strict=True):
            kept.put(row, column, h)
            h = h + block.inner(block.conv.at(kept, row, column), label)  # type: ignore[operator, union-attr]
        return self.norm(h)

    def remember(self, memory: list[GridMemory], row: int, column: int, x: Tensor) -> None:
        """Put the inputs (B, inputs) of a place into memory."""
        memory[0].put(row, column, x)


@dataclass
class GridMemory:
    """What one convolution has seen of its inputs."""

    inputs: Tensor
    """(B, height, width, channels) with margins on all sides that a kernel reaches into."""
    above: Tensor
    """(B, width, features): what the rows above add to the outputs of the current row."""

    def put(self, row: int, column: int, x: Tensor) -> None:
        """Keep (B, channels) at a place."""
        self.inputs[:, row + ROWS - 1, column + COLUMNS // 2] = x


class CausalBlock(nn.Module):
    """What a block adds to its input: a convolution for each channel, a norm, and a perceptron at each place.

    Liu et al., "A ConvNet for the 2020s" (2022), figure 4; the label joins before the norm, and ReLU is in GELU's place.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.conv = CausalConvolution(features, features, groups=features)
        self.label = nn.Embedding(classes, features)
        self.norm = nn.LayerNorm(features)
        self.widen, self.narrow = nn.Linear(features, 2 * features), nn.Linear(2 * features, features)
        nn.init.normal_(self.label.weight, std=0.1)
        nn.init.zeros_(self.narrow.weight)

    def inner(self, h: Tensor, label: Tensor) -> Tensor:
        """h (..., features) after the convolution; label of the same leading axes, or 1 where they are alike."""
        return self.narrow(F.relu(self.widen(self.norm(h + self.label(label)))))


class CausalConvolution(nn.Conv2d):
    """A convolution over (B, height, width, channels) whose kernel ends at the place itself, or just before it."""

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, *, groups: int = 1, sees_itself: bool = True) -> None:
        super().__init__(inputs, outputs, (ROWS, COLUMNS), groups=groups)
        mask = torch.ones(ROWS, COLUMNS)
        mask[-1, COLUMNS // 2 + sees_itself :] = 0
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, COLUMNS // 2, COLUMNS // 2, ROWS - 1, 0)).permute(0, 3, 1, 2)
        return F.conv2d(x, self.weight * self.mask, self.bias, groups=self.groups).permute(0, 2, 3, 1)

    def at(self, memory: GridMemory, row: int, column: int) -> Tensor:
        """(B, outputs) for one place; at a row's first place the part of the rows above, for the row as a whole."""
        if column == 0:
            above = memory.inputs[:, row : row + ROWS - 1].permute(0, 3, 1, 2)
            memory.above[:] = F.conv2d(above, self.weight[:, :, :-1], self.bias, groups=self.groups)[:, :, 0].mT
        reach = COLUMNS // 2 + 1
        row_so_far = memory.inputs[:, row + ROWS - 1, column : column + reach]
        kernel = (self.weight * self.mask)[:, :, -1, :reach].permute(2, 1, 0)  # (reach, channels of a group, outputs)
        if self.groups == 1:
            return memory.above[:, column] + row_so_far.flatten(1) @ kernel.flatten(0, 1)
        return memory.above[:, column] + (row_so_far * kernel[:, 0]).sum(1)


class CausalTransformer(nn.Module):
    """Logits of each token of a sequence given the label and the tokens before it (blocks: Radford et al. 2019).

    A sequence starts with the label's own token; positions have learned vectors.
    """

    def __init__(self, vocabulary: int, length: int, *, width: int, depth: int, classes: int) -> None:
        super().__init__()
        self.token, self.label = nn.Embedding(vocabulary, width), nn.Embedding(classes, width)
        self.place = nn.Parameter(torch.randn(length, width) * 0.02)
        self.blocks = nn.ModuleList(TransformerBlock(width, depth) for _ in range(depth))
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, vocabulary)
        for embedding in (self.token, self.label):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, tokens: Tensor, label: Tensor) -> Tensor:
        """(B, T) tokens -> (B, T, vocabulary)."""
        h = torch.cat([self.label(label)[:, None], self.token(tokens[:, :-1])], dim=1) + self.place
        for block in self.blocks:
            h = block(h)
        return self.leave(self.norm(h))

    def start(self, n: int) -> list[Tensor]:
        """For n sequences: keys and values of each block, (2, n, heads, T, width of a head), none known yet."""
        length, width = self.place.shape
        heads = [block.heads for block in self.blocks]
        return [self.place.new_zeros(2, n, count, length, width // count) for count in heads]  # type: ignore

    def step(self, memory: list[Tensor], place: int, before: Tensor) -> Tensor:
        """(B, vocabulary) logits at a place; `before`: (B,) the token before it, at place 0 the label."""
        h = (self.token(before) if place else self.label(before)) + self.place[place]
        for block, kept in zip(self.blocks, memory, strict=True):
            h = block.step(h[:, None], kept, place)[:, 0]  # type: ignore[operator]
        return self.leave(self.norm(h))


class TransformerBlock(nn.Module):
    """Causal self-attention, then a perceptron, each after a norm and added to its input."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.heads = max(1, width // 32) if width % 32 == 0 else 1
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.enter, self.leave = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for module in (self.leave, self.narrow):  # Radford et al. 2019, section 2.3
            nn.init.normal_(module.weight, std=0.02 / (2 * depth) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        queries, keys, values = self._parts(x)
        return self._rest(x, attention.kernel(queries, keys, values, causal=True))

    def step(self, x: Tensor, memory: Tensor, place: int) -> Tensor:
        """x (B, 1, width) at a place, with the keys and values of the places before it in memory."""
        queries, memory[0, :, :, place : place + 1], memory[1, :, :, place : place + 1] = self._parts(x)
        keys, values = memory[:, :, :, : place + 1]
        return self._rest(x, attention.kernel(queries, keys, values))

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (B, heads, T, width of a head) each."""
        parts = self.enter(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return parts[0], parts[1], parts[2]

    def _rest(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + self.leave(attended.transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.widen(self.norm2(x))))


def categorical(logits: Tensor, generator: torch.Generator) -> Tensor:
    """One index for each row of (B, V) logits, by inverting the distribution function."""
    cumulative = torch.softmax(logits.float(), -1).cumsum(-1)
    uniform = torch.rand(len(logits), 1, generator=generator, device=generator.device).to(logits.device)
    index = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return index[:, 0].clamp_max(logits.shape[1] - 1)
