"""Attention on a processor: torch's kernel as it is fastest, and causal attention whose gradients are written by hand.

For short windows torch's kernel has drawbacks: it computes the probabilities twice, so that long ones need no memory for
them; and what surrounds it, norms, rotations, the parts put side by side and back, passes over memory thrice as often as is
needed. In `attended` both are one function. `sequence.py` uses it: read it next.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genwright.networks.by_hand import is_faster
from genwright.networks.rms_norm import scale_of

BLOCK = 64  # queries at once: with fewer, products are small; with more, more is computed that nobody may see
# Windows up to so many times the size of a head: the probabilities then need no more memory than a hidden layer.
SHORT = 16


def suits(parts: Tensor, heads: int) -> bool:
    """Whether `attended` can be used, and is the faster way, for (B, T, parts, size) of so many heads."""
    _, places, count, size = parts.shape
    return is_faster(parts) and count == 3 * heads and places <= SHORT * size


def attended(parts: Tensor, turns: Tensor, mask: Tensor | None) -> Tensor:
    """(B, T, 3 heads, size) queries, keys and values -> (B, T, heads, size): queries and keys divided by their root mean
    square and turned (`sequence.rotation`), then attention; the mask (B, 1, T, T) is added to scores, and without one no
    later place is seen."""
    fine = parts.to(torch.promote_types(parts.dtype, torch.float32))  # as fast here, and there are no complex halves
    with torch.autocast("cpu", enabled=False):
        return _Attended.apply(fine, turns, mask).to(parts.dtype)


def kernel(queries: Tensor, keys: Tensor, values: Tensor, *, causal: bool = False) -> Tensor:
    """Attention by torch's own kernel, (B, heads, T, size) each. On a processor in float32: for some hundred places its
    bfloat16 takes up to four times as long."""
    if not queries.is_cpu or queries.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(queries, keys, values, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        fine = F.scaled_dot_product_attention(queries.float(), keys.float(), values.float(), is_causal=causal)
    return fine.to(queries.dtype)


class _Attended(torch.autograd.Function):
    """Vaswani et al. 2017, equation 1, block by block of queries; its gradients as in Dao et al. 2022, appendix B.2.

    Head by head, so that products read the parts where they lie. What they give is copied to where it belongs: written there
    at once, it would be one small product after another, which several threads cannot share.
    """

    @staticmethod
    def forward(ctx: Any, parts: Tensor, turns: Tensor, mask: Tensor | None) -> Tensor:
        b, places, count, size = parts.shape
        heads = count // 3
        asked = parts[:, :, : 2 * heads]
        scale = scale_of(asked)
        known = torch.view_as_real(_pairs(asked) * turns).flatten(-2).mul_(scale)
        hidden = parts.new_full((1, places, places), -torch.inf).triu(1) if mask is None else mask[:, 0].to(parts.dtype)
        out, kept = parts.new_empty(b, places, heads, size), []
        for head in range(heads):
            queries, keys, values = _of_head(head, known, parts)
            for start, end in _blocks(places):
                seen = keys[:, :end].mT
                scores = torch.baddbmm(hidden[:, start:end, :end], queries[:, start:end], seen, alpha=size**-0.5)
                kept.append(scores.softmax(-1))
                out[:, start:end, head] = torch.bmm(kept[-1], values[:, :end])
        ctx.save_for_backward(parts, turns, known, scale, *kept)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        parts, turns, known, scale, *kept = ctx.saved_tensors
        places, heads, size = gradient.shape[1:]
        of_parts = gradient.new_empty(parts.shape)
        for head in reversed(range(heads)):
            queries, keys, values = _of_head(head, known, parts)
            of_queries, of_keys, of_values = (of_parts[:, :, part * heads + head] for part in range(3))
            for start, end in reversed(_blocks(places)):
                own, share = gradient[:, start:end, head], kept.pop()
                of_scores = torch.bmm(own, values[:, :end].mT)
                of_scores = torch._softmax_backward_data(of_scores, share, -1, share.dtype)
                of_queries[:, start:end] = torch.bmm(of_scores, keys[:, :end])
                for to, left, right in ((of_keys, of_scores, queries[:, start:end]), (of_values, share, own)):
                    if end == places:  # the first block in this order reaches all places
                        to.copy_(torch.bmm(left.mT, right))
                    else:
                        to[:, :end] += torch.bmm(left.mT, right)
        of_known = of_parts[:, :, : 2 * heads]
        along = torch.linalg.vecdot(of_known, known)[..., None] / -size
        of_known.addcmul_(known, along)
        _pairs(of_known).mul_(turns.conj())
        of_known.mul_(scale * size**-0.5)
        return of_parts, None, None


def _of_head(head: int, known: Tensor, parts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys (B, T, size) of what is (B, T, 2 heads, size), and values of what is (B, T, 3 heads, size)."""
    heads = known.shape[2] // 2
    return known[:, :, head], known[:, :, heads + head], parts[:, :, 2 * heads + head]


def _pairs(x: Tensor) -> Tensor:
    """(..., size) -> (..., size / 2) neighbours as complex numbers, in the same memory."""
    return torch.view_as_complex(x.unflatten(-1, (-1, 2)))


def _blocks(places: int) -> list[tuple[int, int]]:
    return [(start, min(start + BLOCK, places)) for start in range(0, places, BLOCK)]
