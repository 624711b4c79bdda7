"""Torch functions that combine parameters with data, as the tape computes and records them.

Each does what the function of its name does, with the same arguments after the tape; arguments that it has no place for, or
parameters where it expects data, raise. Read `clipping.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genwright.privacy.tape import Tape, UnknownUse
from genwright.privacy.uses import Arrange, Convolution, Direct, Lookup, Product


def _linear(tape: Tape, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    out = F.linear(tape.check(input), _plain(tape, weight), _plain_bias(tape, bias))
    return _product(tape, input, weight, bias, tape.by_rows, out, flipped=True)


def _matmul(tape: Tape, x: Tensor, weight: Tensor) -> Tensor:
    if weight.ndim == 3:
        out = torch.bmm(tape.check(x, axis=1), _plain(tape, weight))
        return _product(tape, x, weight, None, tape.side_by_side, out)
    return _product(tape, x, weight, None, tape.by_rows, tape.check(x) @ _plain(tape, weight))


def _addmm(tape: Tape, bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    out = torch.addmm(_plain(tape, bias), tape.check(x), _plain(tape, weight))
    return _product(tape, x, weight, bias, tape.by_rows, out)


def _baddbmm(tape: Tape, bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    if id(weight) not in tape.roots:
        return torch.baddbmm(tape.given(bias, 3), tape.check(x), weight)
    out = torch.baddbmm(_plain(tape, bias), tape.check(x, axis=1), _plain(tape, weight))
    return _product(tape, x, weight, bias, tape.side_by_side, out)


def _einsum(tape: Tape, equation: str, x: Tensor, weight: Tensor) -> Tensor:
    """As in "...dh,dhv->...dv": matrices side by side."""
    inputs, out = equation.replace(" ", "").split("->")
    left, right = inputs.split(",")
    if len(right) != 3 or left[-2:] != right[:2] or out != left[:-1] + right[2]:
        raise UnknownUse(f"a parameter is used by einsum {equation}")

    def arrange(t: Tensor) -> Tensor:
        return t.reshape(tape.examples, -1, *t.shape[-2:]).transpose(1, 2)

    return _product(tape, x, weight, None, arrange, torch.einsum(equation, tape.check(x), _plain(tape, weight)))


def _product(
    tape: Tape, x: Tensor, weight: Tensor, bias: Tensor | None, arrange: Arrange, out: Tensor, *, flipped: bool = False
) -> Tensor:
    if bias is not None and (bias.ndim > weight.ndim or bias.shape[-1:] != out.shape[-1:]):
        raise UnknownUse("a bias has other than one number for each output")
    with torch.no_grad():
        product = Product(arrange, arrange(x.to(weight.dtype)), flipped)
    return tape.record(out, (weight, product), (bias, Direct(lambda g: _over_places(arrange(g)))))


def _over_places(gradient: Tensor) -> Tensor:
    return gradient.sum(2) if gradient.shape[2] > 1 else gradient[:, :, 0]


def _embedding(
    tape: Tape,
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    if padding_idx is not None or max_norm is not None or scale_grad_by_freq or weight.ndim != 2:
        raise UnknownUse("an embedding with padding or norms")
    index = tape.check(input)
    return tape.record(
        F.embedding(index, _plain(tape, weight)), (weight, Lookup(tape.by_rows, index.reshape(tape.examples, -1)))
    )


def _getitem(tape: Tape, weight: Tensor, index: Any) -> Tensor:
    if not isinstance(index, Tensor) or index.dtype != torch.int64:
        raise UnknownUse("a parameter is indexed by other than whole numbers")
    return _embedding(tape, index, weight)


def _layer_norm(
    tape: Tape, input: Tensor, normalized_shape: Any, weight: Tensor, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    normal = F.layer_norm(tape.check(input), normalized_shape, eps=eps)
    scaled = normal * tape.each(weight, normal.ndim)
    return scaled if bias is None else scaled + tape.each(bias, normal.ndim)


def _rms_norm(tape: Tape, input: Tensor, normalized_shape: Any, weight: Tensor, eps: float | None = None) -> Tensor:
    normal = F.rms_norm(tape.check(input), normalized_shape, eps=eps)
    return normal * tape.each(weight, normal.ndim)


def _group_norm(tape: Tape, input: Tensor, num_groups: int, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """All examples as one with more channels: its gradient for each channel is that of each example."""
    rows, channels, *sides = tape.check(input).shape
    weight, bias = (tape.each(t, 2).reshape(-1) for t in (weight, bias))
    wide = input.reshape(1, rows * channels, *sides)
    return F.group_norm(wide, rows * num_groups, weight, bias, eps).view(rows, channels, *sides)


def _convolution(tape: Tape, func: Any, x: Tensor, weight: Tensor, bias: Tensor | None, **settings: Any) -> Tensor:
    axes = weight.ndim - 2
    transposed = settings.pop("transposed", False)
    if isinstance(settings["padding"], str) or x.ndim != weight.ndim:
        raise UnknownUse("a convolution with padding by name, or without examples")
    groups = settings.pop("groups")
    wide = {name: (value,) * axes if isinstance(value, int) else tuple(value) for name, value in settings.items()}
    out = func(tape.check(x), _plain(tape, weight), _plain_bias(tape, bias), groups=groups, **wide)
    rows = (tape.examples, tape.draws)
    wide.setdefault("output_padding", (0,) * axes)

    def arrange(t: Tensor) -> Tensor:
        return t.unflatten(0, rows)

    with torch.no_grad():
        use = Convolution(arrange, arrange(x.to(weight.dtype)), groups=groups, transposed=transposed, **wide)
    return tape.record(out, (weight, use), (bias, Direct(lambda g: arrange(g.flatten(2).sum(2)).sum(1))))


def _conv(
    func: Any,
    tape: Tape,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    return _convolution(
        tape, func, input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def _conv_transpose(
    func: Any,
    tape: Tape,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    spread = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    return _convolution(tape, func, input, weight, bias, groups=groups, transposed=True, **spread)


def _plain(tape: Tape, weight: Tensor) -> Tensor:
    """A weight without the way back to it; one that depends on data is none."""
    if id(weight) not in tape.roots and id(weight) not in tape.constants:
        raise UnknownUse("a layer has weights that depend on data")
    return weight.detach()


def _plain_bias(tape: Tape, bias: Tensor | None) -> Tensor | None:
    return None if bias is None else _plain(tape, bias)


KNOWN: dict[str, Callable[..., Tensor]] = {
    "linear": _linear,
    "matmul": _matmul,
    "mm": _matmul,
    "bmm": _matmul,
    "addmm": _addmm,
    "baddbmm": _baddbmm,
    "einsum": _einsum,
    "embedding": _embedding,
    "__getitem__": _getitem,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "conv1d": partial(_conv, torch.conv1d),
    "conv2d": partial(_conv, torch.conv2d),
    "conv_transpose1d": partial(_conv_transpose, torch.conv_transpose1d),
    "conv_transpose2d": partial(_conv_transpose, torch.conv_transpose2d),
}
