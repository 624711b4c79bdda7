"""How parameters are used: from what went in and the gradient of what came out to gradients of the parameter.

The gradient of a weight is, for each example, a sum of outer products of inputs and output gradients over places (tokens,
pixels). Each kind of use gives it for each example (`each`), summed over all (`total`), or as the two `sides` of the
products. Read `norms.py` next.

In shapes, B is examples, S weights side by side, T places, noise draws included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Arrange = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Direct:
    """What comes out is already the gradient of each example: biases, and parameters that were given to each."""

    arrange: Arrange = lambda gradient: gradient
    """The gradient of what came out to (B, ...), here and in all other uses."""

    def each(self, gradient: Tensor, shape: torch.Size, folded: bool) -> Tensor:
        """(B, *shape) gradients of a parameter of that shape, from the arranged gradient of what came out; `folded` is for
        convolutions: with the examples folded into groups, else as products over unfolded places."""
        return gradient.reshape(len(gradient), *shape)

    def total(self, gradient: Tensor, shape: torch.Size, factors: Tensor) -> Tensor:
        """The sum of the gradients of all examples, each times its factor, (B,)."""
        return (factors @ gradient.flatten(1)).reshape(shape)


@dataclass(frozen=True)
class Product:
    """Inputs times weights: linear layers, products of matrices."""

    arrange: Arrange
    x: Tensor
    """(B, S, T, inputs); output gradients are (B, S, T, outputs)."""
    flipped: bool
    """The weight is (outputs, inputs), not (inputs, outputs)."""

    def sides(self, gradient: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """(B, S, T, a) and (B, S, T, b): the gradient of each example is the sum over T of outer products, (S, a, b)."""
        return (gradient, self.x) if self.flipped else (self.x, gradient)

    def each(self, gradient: Tensor, shape: torch.Size, folded: bool) -> Tensor:
        return _outer(*self.sides(gradient, shape), shape)

    def total(self, gradient: Tensor, shape: torch.Size, factors: Tensor) -> Tensor:
        sides = list(self.sides(gradient, shape))
        narrow = sides[0].shape[-1] > sides[1].shape[-1]  # the right one: less is multiplied
        sides[narrow] = _scaled(sides[narrow], factors)
        left, right = sides
        if left.shape[1] == 1:
            return (left.flatten(0, 2).T @ right.flatten(0, 2)).view(shape)
        left, right = (side.transpose(0, 1).flatten(1, 2) for side in (left, right))
        return (left.mT @ right).view(shape)


@dataclass(frozen=True)
class Lookup:
    """Rows of a table: inputs are one-hot vectors, kept as the place of the one."""

    arrange: Arrange
    x: Tensor
    """(B, T) int64; output gradients are (B, 1, T, width)."""

    def sides(self, gradient: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """As for a product, but for the left one (B, T) places of ones."""
        return self.x, gradient

    def each(self, gradient: Tensor, shape: torch.Size, folded: bool) -> Tensor:
        first = torch.arange(0, len(self.x) * shape[0], shape[0], device=self.x.device)
        made = gradient.new_zeros(len(self.x) * shape[0], shape[1])
        return made.index_add_(0, (self.x + first[:, None]).flatten(), gradient.flatten(0, 2)).view(-1, *shape)

    def total(self, gradient: Tensor, shape: torch.Size, factors: Tensor) -> Tensor:
        return gradient.new_zeros(shape).index_add_(0, self.x.flatten(), _scaled(gradient, factors).flatten(0, 2))


@dataclass(frozen=True)
class Convolution:
    """A convolution over one or two axes, or a transposed one."""

    arrange: Arrange
    x: Tensor
    """(B, draws, channels, ...); output gradients likewise."""
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    transposed: bool = False
    output_padding: tuple[int, ...] = (0, 0)

    @property
    def unfolds(self) -> bool:
        return self.x.ndim == 5 and self.groups == 1

    def sides(self, gradient: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """As for a product: what kernels multiply, and what they lie over, at each of their places."""
        flat, spread = (self.x, gradient) if self.transposed else (gradient, self.x)
        down, right = self.padding
        spread = F.pad(spread.flatten(0, 1), (right, right, down, down)).permute(0, 2, 3, 1).contiguous()
        each, row, column, _ = spread.stride()
        moves = [size * step for size, step in zip((row, column) * 2, (*self.stride, *self.dilation), strict=True)]
        # Channels last, a row of the kernel is one piece of memory: a quarter of the time that F.unfold takes.
        seen = spread.as_strided((len(spread), *flat.shape[3:], *shape[2:], spread.shape[3]), (each, *moves, 1))
        rows = (len(flat), 1, -1)
        return flat.flatten(3).mT.reshape(*rows, flat.shape[2]), seen.reshape(*rows, seen[0, 0, 0].numel())

    def each(self, gradient: Tensor, shape: torch.Size, folded: bool) -> Tensor:
        if not folded:
            channels_last = torch.Size((shape[0], *shape[2:], shape[1]))
            return _outer(*self.sides(gradient, shape), channels_last).movedim(-1, 2)
        rows = len(self.x) * self.x.shape[1]
        x, g = (t.reshape(1, -1, *t.shape[3:]) for t in (self.x, gradient))
        made = self._backward(g, x, (rows * shape[0], *shape[1:]), rows * self.groups)
        made = made.view(*self.x.shape[:2], *shape)
        return made.sum(1) if self.x.shape[1] > 1 else made[:, 0]

    def total(self, gradient: Tensor, shape: torch.Size, factors: Tensor) -> Tensor:
        return self._backward(_scaled(gradient, factors).flatten(0, 1), self.x.flatten(0, 1), shape, self.groups)

    def _backward(self, g: Tensor, x: Tensor, shape: Sequence[int], groups: int) -> Tensor:
        weight = x.new_empty(1).expand(*shape)  # only its shape counts
        settings = (self.stride, self.padding, self.dilation, self.transposed, self.output_padding, groups)
        return torch.ops.aten.convolution_backward(g, x, weight, None, *settings, [False, True, False])[1]


Use = Direct | Product | Lookup | Convolution


def _outer(left: Tensor, right: Tensor, shape: torch.Size) -> Tensor:
    return (left.mT @ right).reshape(len(left), *shape)


def _scaled(t: Tensor, factors: Tensor) -> Tensor:
    """(B, ...), each example times its factor."""
    return t * factors.view(-1, *[1] * (t.ndim - 1))
