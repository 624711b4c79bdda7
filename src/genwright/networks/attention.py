"""Causal attention whose gradients are written by hand, for short windows on a processor.

torch's own kernel computes the probabilities twice, so that long windows need no memory for them; and what surrounds it,
norms, rotations, the parts put side by side and back, passes over memory thrice as often as is needed. Here both are one
function. `sequence.py` uses it: read it next.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

BLOCK = 64  # queries at once: with fewer, products are small; with more, more is computed that nobody may see
# Windows up to so many times the size of a head: the probabilities then need no more memory than a hidden layer.
SHORT = 16


def suits(parts: Tensor, heads: int) -> bool:
    """Whether `attended` can be used, and is the faster way, for (B, T, parts, size) of so many heads."""
    _, places, count, size = parts.shape
    exact = torch.is_grad_enabled() and not parts.is_cuda and parts.dtype.itemsize >= 4
    return exact and count == 3 * heads and places <= SHORT * size


def attended(parts: Tensor, turns: Tensor, mask: Tensor | None) -> Tensor:
    """(B, T, 3 heads, size) queries, keys and values -> (B, T, heads, size): queries and keys divided by their root mean
    square and turned (`sequence.rotation`), then attention to what the mask (B, 1, T, T) allows, None: to no later place."""
    return _Attended.apply(parts, turns, mask)[0]


class _Attended(torch.autograd.Function):
    """Vaswani et al. 2017, equation 1, block by block of queries; its gradients as in Dao et al. 2022, appendix B.2."""

    generate_vmap_rule = True

    @staticmethod
    def forward(parts: Tensor, turns: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
        b, places, count, size = parts.shape
        heads = count // 3
        known = parts[:, :, : 2 * heads].transpose(1, 2).clone(memory_format=torch.contiguous_format)
        squares = torch.linalg.vector_norm(known, dim=-1, keepdim=True).square()
        scale = (squares / size + torch.finfo(parts.dtype).eps).rsqrt()
        scale[:, :heads] *= size**-0.5
        _turn(known.mul_(scale), turns)
        queries, keys = (part.reshape(b * heads, places, size) for part in known.split(heads, dim=1))
        values = parts[:, :, 2 * heads :].transpose(1, 2).reshape(b * heads, places, size)
        found, kept = torch.empty_like(values), []
        hidden = None if mask is None else torch.zeros_like(mask, dtype=parts.dtype).masked_fill_(~mask, -torch.inf)
        later = parts.new_full((BLOCK, BLOCK), -torch.inf).triu(1)
        for start, end in _blocks(places):
            scores = torch.bmm(queries[:, start:end], keys[:, :end].mT)
            if hidden is None:
                scores[:, :, start:] += later[: end - start, : end - start]
            else:
                scores.view(b, heads, end - start, end).add_(hidden[:, :, start:end, :end])
            kept.append(scores.softmax(-1))
            found[:, start:end] = torch.bmm(kept[-1], values[:, :end])
        out = found.view(b, heads, places, size).transpose(1, 2).contiguous()
        return out, queries, keys, values, scale, *kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)  # no zeros for them
        ctx.save_for_backward(*output[1:], inputs[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: None) -> tuple[Tensor, None, None]:
        queries, keys, values, scale, *kept, turns = ctx.saved_tensors
        b, places, heads, size = gradient.shape
        gradient = gradient.transpose(1, 2).reshape(b * heads, places, size)
        known = gradient.new_zeros(2, b * heads, places, size)
        of_queries, of_keys = known
        of_values = torch.zeros_like(values)
        for (start, end), share in zip(_blocks(places), kept, strict=True):
            own = gradient[:, start:end]
            of_scores = torch.bmm(own, values[:, :end].mT)
            of_scores = torch._softmax_backward_data(of_scores, share, -1, share.dtype)
            of_queries[:, start:end] = torch.bmm(of_scores, keys[:, :end])
            of_keys[:, :end] += torch.bmm(of_scores.mT, queries[:, start:end])
            of_values[:, :end] += torch.bmm(share.mT, own)
        parts = gradient.new_empty(b, places, 3 * heads, size)
        for index, (of, normed, steep) in enumerate(((of_queries, queries, 1.0), (of_keys, keys, size))):
            along = torch.linalg.vecdot(of, normed)[..., None] / -steep
            across = torch.addcmul(of, normed, along).view(b, heads, places, size)
            _turn(across, turns.conj())
            span = slice(index * heads, (index + 1) * heads)
            parts[:, :, span] = across.mul_(scale[:, span]).transpose(1, 2)
        parts[:, :, 2 * heads :] = of_values.view(b, heads, places, size).transpose(1, 2)
        return parts, None, None


def _turn(x: Tensor, turns: Tensor) -> None:
    """(B, heads, T, size) in place, by (T, heads, size / 2)."""
    torch.view_as_complex(x.unflatten(-1, (-1, 2))).mul_(turns[:, 0])


def _blocks(places: int) -> list[tuple[int, int]]:
    return [(start, min(start + BLOCK, places)) for start in range(0, places, BLOCK)]
