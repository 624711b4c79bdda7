"""Finds every use of a module's parameters while a loss is computed, so that one backward pass serves all examples.

A torch-function mode sees each call of a torch function. Where one combines a parameter with data in a way that it knows,
it computes the same with a detached parameter and keeps what `norms.py` needs. It never guesses: what it does not know
raises `UnknownUse`, and what escapes it (a function of autograd's own) still carries a gradient to the parameter, which is
found at the end. What is made of parameters and constants alone (masked kernels, slices of a table) becomes a *root* of
its own, and the gradients of the examples are taken back through what made it. Read `layers.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.overrides import TorchFunctionMode

from genwright.privacy.norms import Gradients, Made
from genwright.privacy.uses import Direct, Use

GRADIENTS_INSIDE = {"requires_grad_", "grad", "backward", "checkpoint"}
FILLED = {"zeros", "ones", "full"}
BROADCASTING = {
    *("add", "radd", "sub", "rsub", "mul", "rmul", "div", "rdiv", "truediv", "true_divide"),
    *("where", "addcmul", "lerp"),
}


class UnknownUse(Exception):
    """A parameter is used in a way for which the tape has no gradients of single examples."""


class Tape(TorchFunctionMode):
    """Records the uses of `parameters` in a loss over `examples` examples of `draws` rows each."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        constants: Iterable[Tensor],
        examples: int,
        draws: int,
        known: Mapping[str, Callable[..., Tensor]],
    ) -> None:
        """`constants`: other tensors of the model; `known`: the functions of `layers.py`."""
        super().__init__()
        self.parameters, self.known = list(parameters), known
        self.examples, self.draws = examples, draws
        self.roots: dict[int, Tensor] = {id(p): p for p in self.parameters}
        self.constants: dict[int, Tensor] = {id(c): c for c in constants}
        self.outputs: list[Any] = []
        self.uses: list[list[tuple[Tensor, Use]]] = []

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        name = func.__name__
        if name in GRADIENTS_INSIDE:
            raise UnknownUse(f"the loss takes gradients itself ({name})")
        rooted = from_data = False
        for tensor in _tensors((*args, *kwargs.values())):
            if id(tensor) in self.roots:
                rooted = True
            elif id(tensor) not in self.constants:
                from_data = True
        if not from_data:
            made = func(*args, **kwargs)
            return made if name in FILLED and self._labels(made) else self._known(made, rooted)
        if not rooted or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        if name in self.known:
            try:
                return self.known[name](self, *args, **kwargs)
            except TypeError as error:
                raise UnknownUse(f"a parameter is used by {name} in an unusual way: {error}") from None
        name = name[2:-2] if name.startswith("__") else name
        if name in BROADCASTING:
            return self._broadcast(func, args, kwargs)
        raise UnknownUse(f"a parameter is used by {name}")

    def _labels(self, made: Tensor) -> bool:
        """Whether these are the labels of data that have none: a whole number for each row, always the same."""
        return made.dtype == torch.int64 and made.shape == (self.rows,)

    def _known(self, made: Any, rooted: bool) -> Any:
        """What is made of parameters and constants alone is one of them."""
        for tensor in _tensors((made,)):
            (self.roots if rooted and tensor.requires_grad else self.constants)[id(tensor)] = tensor
        return made

    def _broadcast(self, func: Any, args: tuple, kwargs: dict) -> Tensor:
        """The same with each root copied for each example: autograd then gives its gradients one by one."""
        shape = torch.broadcast_shapes(*(t.shape for t in _tensors((*args, *kwargs.values()))))
        if shape[:1] != (self.rows,):
            raise UnknownUse(f"{func.__name__}: the first axis is not that of examples")
        swap = {
            id(root): self.given(root, len(shape))
            for root in _tensors((*args, *kwargs.values()))
            if id(root) in self.roots
        }
        return func(*(swap.get(id(a), a) for a in args), **{k: swap.get(id(v), v) for k, v in kwargs.items()})

    @property
    def rows(self) -> int:
        return self.examples * self.draws

    def given(self, root: Tensor, axes: int) -> Tensor:
        """(rows, ...) of `axes` axes: a root for each row."""
        if root.ndim == axes and root.shape[0] != 1:
            raise UnknownUse("a parameter lies along the axis of examples")
        shape = root.shape[1:] if root.ndim == axes else root.shape
        leaf = root.detach().expand(self.examples, *[1] * (axes - 1 - len(shape)), *shape).requires_grad_()
        self.record(leaf, (root, Direct()))
        return leaf if self.draws == 1 else leaf.repeat_interleave(self.draws, 0)

    def each(self, scale: Tensor, axes: int) -> Tensor:
        """As `given`, also of constants."""
        if id(scale) in self.roots:
            return self.given(scale, axes)
        return scale.expand(self.rows, *[1] * (axes - 1 - scale.ndim), *scale.shape)

    def by_rows(self, t: Tensor) -> Tensor:
        """(rows, ..., n) -> (B, 1, T, n)"""
        return t.reshape(self.examples, 1, -1, t.shape[-1])

    def side_by_side(self, t: Tensor) -> Tensor:
        """(S, rows, n) -> (B, S, draws, n)"""
        return t.unflatten(1, (self.examples, self.draws)).transpose(0, 1)

    def record(self, out: Tensor, *uses: tuple[Tensor | None, Use]) -> Tensor:
        """Remember that `out` came of these uses; of roots, not of constants or None."""
        if not out.requires_grad:
            out.requires_grad_()
        self.outputs.append(get_gradient_edge(out))
        self.uses.append([(root, use) for root, use in uses if id(root) in self.roots])  # type: ignore[misc]
        return out

    def check(self, x: Tensor, axis: int = 0) -> Tensor:
        """x, if it is data whose examples lie along the axis."""
        if id(x) in self.roots or x.ndim <= axis or x.shape[axis] != self.rows:
            raise UnknownUse("a parameter is used with other than a row for each example")
        return x

    def gradients(self, objective: Tensor) -> tuple[dict[int, Gradients], Made | None]:
        """Of an objective that is a sum over examples: by the id of a parameter, its uses with their output gradients; and
        those of what was made of parameters, with these parameters' own."""
        targets = [*self.outputs, *self.parameters]
        found = torch.autograd.grad(objective, targets, allow_unused=True)
        if any(g is not None for g in found[len(self.outputs) :]):
            raise UnknownUse("a parameter is used where it cannot be seen")
        uses: dict[int, list[tuple[Use, Tensor]]] = {}
        for gradient, recorded in zip(found, self.uses, strict=False):
            if gradient is not None:
                for root, use in recorded:
                    uses.setdefault(id(root), []).append((use, use.arrange(gradient.to(root.dtype))))
        gradients = {key: Gradients(self.roots[key].shape, tuple(pairs)) for key, pairs in uses.items()}
        made = {key: g for key, g in gradients.items() if not self.roots[key].is_leaf}
        if not made:
            return gradients, None
        roots = [self.roots[key] for key in made]
        zeros = [torch.zeros_like(root) for root in roots]
        back = torch.autograd.grad(roots, self.parameters, zeros, retain_graph=True, allow_unused=True)
        reached = [p for p, g in zip(self.parameters, back, strict=True) if g is not None]
        own = {id(p): gradients[id(p)] for p in reached if id(p) in gradients}
        rest = {key: g for key, g in gradients.items() if key not in own and key not in made}
        return rest, Made(tuple(roots), tuple(made.values()), tuple(reached), own)


def _tensors(values: Iterable[Any]) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)
