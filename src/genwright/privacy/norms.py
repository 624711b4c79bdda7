"""Norms and weighted sums of the gradients of single examples.

Three ways lead to the norms of what `uses.py` describes: keep the gradients ("stored"), make them for a few examples at a
time and forget them ("discarded"), or never make them ("gram": Goodfellow 2015, arXiv 1510.01799, and for many places Li et
al. 2022, arXiv 2110.05679, section 4). Which is fastest depends on the shapes, so each is timed once, on random numbers:
what is timed must not depend on data. Read `tape.py` next: it finds the uses.
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from genwright.privacy.uses import Convolution, Direct, Lookup, Use

CHUNK = 2**19  # numbers of gradients that are made and forgotten at once: they stay in the cache of a core
MADE = 2**21  # the same where each chunk costs a pass through a graph
LONG = 8  # a Gram matrix that costs so many times the gradients themselves is not even timed
TRIALS = 2


class Method(NamedTuple):
    """How the gradients of one parameter are reached."""

    norm: Literal["stored", "discarded", "gram"] = "stored"
    folded: bool = True
    """Convolutions fold the examples into groups; else they are products over unfolded places."""


class Lengths:
    """Squared lengths of vectors along the last axis, found once for the same memory: a weight and a bias have the same
    output gradients."""

    def __init__(self) -> None:
        self.known: dict[
            tuple[int, int, int], tuple[Tensor, Tensor]
        ] = {}  # with the vectors: their memory is not reused

    def squared(self, vectors: Tensor) -> Tensor:
        """(..., n) -> (...)."""
        if not vectors.is_contiguous():  # others may begin at the same place
            return torch.linalg.vector_norm(vectors, dim=-1).square()
        key = vectors.data_ptr(), vectors.numel(), vectors.shape[-1]
        if key not in self.known:
            self.known[key] = vectors, torch.linalg.vector_norm(vectors, dim=-1).square()
        return self.known[key][1].view(vectors.shape[:-1])


@dataclass(frozen=True)
class Gradients:
    """All uses of one parameter in a batch, each with its arranged output gradient, (B, ...)."""

    shape: torch.Size
    uses: tuple[tuple[Use, Tensor], ...]

    @property
    def examples(self) -> int:
        return len(self.uses[0][1])

    @property
    def numbers(self) -> int:
        """Of the gradients of all examples."""
        return self.examples * math.prod(self.shape)

    @property
    def direct(self) -> bool:
        """They are at hand, or almost."""
        return any(isinstance(use, Direct) for use, _ in self.uses)

    @property
    def signature(self) -> Hashable:
        """Alike for what takes the same time: shapes, with the number of examples to a factor of two."""
        settings = [tuple(v for k, v in vars(use).items() if k not in ("x", "arrange")) for use, _ in self.uses]
        kinds = [(type(use), g.shape[1:], g.dtype, g.device) for use, g in self.uses]
        return (self.shape, self.examples.bit_length(), *kinds, *settings)

    def each(self, folded: bool) -> Tensor:
        """(B, *shape) gradients of the examples."""
        first, *more = (use.each(g, self.shape, folded) for use, g in self.uses)
        for other in more:
            first = first + other
        return first

    def total(self, factors: Tensor) -> Tensor:
        """Their sum, each times its factor, (B,)."""
        totals = [use.total(g, self.shape, factors) for use, g in self.uses]
        return totals[0] if len(totals) == 1 else torch.stack(totals).sum(0)

    def norms(self, method: Method, lengths: Lengths) -> tuple[Tensor, Tensor | None]:
        """(B,) squared norms of the gradients, and the gradients themselves if they are stored."""
        if method.norm == "gram":
            return self._gram(lengths), None
        if method.norm == "stored":
            stored = self.each(method.folded)
            return (lengths.squared(stored) if stored.ndim == 2 else _squared(stored)), stored
        parts = chunks(self.examples, math.prod(self.shape))
        return torch.cat([_squared(self.part(rows).each(method.folded)) for rows in parts]), None

    def methods(self) -> list[Method]:
        """Those that can be used; one of them where there is no doubt."""
        if self.direct:
            return [Method()]
        convolutions = [use for use, _ in self.uses if isinstance(use, Convolution)]
        unfolds = all(use.unfolds for use in convolutions)
        foldings = [True, False] if convolutions and unfolds else [True]
        places = [_places(use, g) for use, g in self.uses]
        if len(places) == 1 and places[0] == 1 and not convolutions:
            return [Method("gram")]
        found = [Method(norm, folded) for norm in ("stored", "discarded") for folded in foldings]
        a, b = math.prod(self.shape[:1]), math.prod(self.shape[1:])
        if unfolds and sum(places) * (a + b) <= LONG * a * b:
            found.append(Method("gram"))
        return found

    def random(self) -> Gradients:
        """The same shapes, other numbers."""
        uses = []
        for use, g in self.uses:
            if isinstance(use, Lookup):
                use = replace(use, x=torch.randint_like(use.x, self.shape[0]))
            elif not isinstance(use, Direct):
                use = replace(use, x=torch.randn_like(use.x))
            uses.append((use, torch.randn_like(g)))
        return Gradients(self.shape, tuple(uses))

    def part(self, rows: slice) -> Gradients:
        """Of some of the examples."""
        uses = ((use if isinstance(use, Direct) else replace(use, x=use.x[rows]), g[rows]) for use, g in self.uses)
        return Gradients(self.shape, tuple(uses))

    def _gram(self, lengths: Lengths) -> Tensor:
        """Squared norms of sums of outer products: of all pairs, the products of inner products."""
        sides = [use.sides(g, self.shape) for use, g in self.uses]  # type: ignore[union-attr]
        if len(sides) == 1 and sides[0][0].ndim == 4 and sides[0][0].shape[2] == 1:  # one product: norms multiply
            left, right = (lengths.squared(side) for side in sides[0])
            return (left * right).view(len(left), -1).sum(1)
        found = torch.zeros((), dtype=sides[0][1].dtype, device=sides[0][1].device)
        rounding = torch.finfo(found.dtype).eps
        for i, (left, right) in enumerate(sides):
            for j, (other_left, other_right) in enumerate(sides[: i + 1]):
                inner = (_inner(left, other_left) * _inner(right, other_right)).flatten(1)
                # Where places cancel, rounding could make a norm too small and an example's part too large.
                square = inner.sum(1) + rounding * torch.linalg.vector_norm(inner, 1, dim=1)
                found = found + (square if i == j else 2 * square)
        return found


@dataclass(frozen=True)
class Made:
    """Uses of what was made of parameters: gradients are taken back to these, all of which are treated together."""

    roots: tuple[Tensor, ...]
    """What was made, with the graph that leads to the parameters."""
    gradients: tuple[Gradients, ...]
    """Of the roots."""
    parameters: tuple[Tensor, ...]
    own: Mapping[int, Gradients]
    """By the id of a parameter, its other uses."""

    def norms(self) -> Tensor:
        """(B,) squared norms, all parameters together."""
        size = sum(root.numel() for root in self.roots)
        return torch.cat([self._norms(rows) for rows in chunks(self.gradients[0].examples, size, most=MADE)])

    def total(self, factors: Tensor) -> list[Tensor]:
        """Of each parameter, the sum of the examples' gradients, each times its factor."""
        back = self._back([g.total(factors) for g in self.gradients], batched=False)
        pairs = zip(self.parameters, back, strict=True)
        return [g + self.own[id(p)].total(factors) if id(p) in self.own else g for p, g in pairs]

    def _norms(self, rows: slice) -> Tensor:
        back = self._back([g.part(rows).each(folded=True) for g in self.gradients], batched=True)
        found = []
        for parameter, gradient in zip(self.parameters, back, strict=True):
            own = self.own.get(id(parameter))
            found.append(_squared(gradient if own is None else gradient + own.part(rows).each(folded=True)))
        return torch.stack(found).sum(0)

    def _back(self, gradients: list[Tensor], *, batched: bool) -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            self.roots, self.parameters, gradients, retain_graph=True, is_grads_batched=batched, materialize_grads=True
        )


def chunks(examples: int, numbers: int, most: int = CHUNK) -> list[slice]:
    """Slices of so many examples that their gradients, each of so many numbers, are few enough to be held at once."""
    size = max(1, most // numbers)
    return [slice(start, start + size) for start in range(0, examples, size)]


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """(B, S, T, U) inner products of the vectors of two sides, (B, S, T, n) and (B, S, U, n), or places of ones."""
    if a.ndim == b.ndim == 2:
        return a[:, None, :, None] == b[:, None, None, :]
    if a.ndim == 2:
        return b.gather(3, a[:, None, None].expand(-1, b.shape[1], b.shape[2], -1)).mT
    if b.ndim == 2:
        return a.gather(3, b[:, None, None].expand(-1, a.shape[1], a.shape[2], -1))
    return a @ b.mT


def _places(use: Use, gradient: Tensor) -> int:
    """T."""
    if isinstance(use, Convolution):
        return math.prod((use.x if use.transposed else gradient).shape[3:]) * gradient.shape[1]
    return gradient.shape[2]


def _squared(gradients: Tensor) -> Tensor:
    return torch.linalg.vector_norm(_dense(gradients)[0], dim=1).square()


def _dense(stored: Tensor) -> tuple[Tensor, list[int]]:
    """(B, numbers) in the order of memory, and the axes in that order: so that nothing is copied."""
    if stored.ndim == 2:
        return stored, [1]
    order = sorted(range(1, stored.ndim), key=stored.stride, reverse=True)
    return stored.permute(0, *order).reshape(len(stored), -1), order


_fastest: dict[Hashable, Method] = {}


def fastest(gradients: Gradients) -> Method:
    """The method that takes least time on random numbers of these shapes, sums included; timed once in a process."""
    key = gradients.signature
    if key not in _fastest:
        methods = gradients.methods()
        if len(methods) > 1:
            with forked(gradients.uses[0][1].device):
                trial = gradients.random()
            methods.sort(key=partial(_seconds, trial))
        _fastest[key] = methods[0]
    return _fastest[key]


def forked(device: torch.device) -> AbstractContextManager[None]:
    """What is drawn within leaves the global generators as they were."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def _seconds(trial: Gradients, method: Method) -> float:
    def run() -> float:
        started = time.perf_counter()
        squared, stored = trial.norms(method, Lengths())
        weighted(trial, stored, squared)
        if squared.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - started

    return min(run() for _ in range(1 + TRIALS))


def weighted(gradients: Gradients, stored: Tensor | None, factors: Tensor) -> Tensor:
    """The sum over examples of their gradients, each times its factor: in the shape of the parameter."""
    if stored is None:
        return gradients.total(factors)
    if stored.ndim == 2:
        return factors @ stored
    flat, order = _dense(stored)
    total = (factors @ flat).view([stored.shape[axis] for axis in order])
    return total.permute([order.index(axis) for axis in range(1, stored.ndim)])
