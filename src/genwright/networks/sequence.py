"""Backbones for sequences: a decoder that sees the tokens before, with a memory for drawing one token after another.

Nothing mixes examples, nor documents of one window: tokens attend to their own document's only, and see no others before
them (`mixing.py`). `models/gpt.py` trains it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.contract import BEGIN
from genwright.networks import attention, head, hidden
from genwright.networks.by_hand import is_faster, may_replace, product
from genwright.networks.mixing import Outside, mixed, mixed_after, outside_of
from genwright.networks.rms_norm import normalised

PERIODS = 10_000.0
# So many stay in the cache of a processor; with 16,384 pieces the head takes 1.2 times as long when all are made at once.
LOGITS = 2**21


class Decoder(nn.Module):
    """A Transformer that reads from left to right.

    Radford et al. 2019 with what followed: RMS norms without weights before each part (Zhang and Sennrich 2019), rotary
    positions (Su et al. 2021), normalised queries and keys (Henry et al. 2020), several query heads to a key head
    (Ainslie et al. 2023), squared ReLU (So et al. 2021), one table for embedding and head (Press and Wolf 2017), places
    just before that are added (Allen-Zhu 2025).
    """

    def __init__(self, vocabulary: int, width: int, *, depth: int, heads: int, key_heads: int, mixing: int = 0) -> None:
        """`width` is a multiple of `heads` with an even quotient, `heads` one of `key_heads`; `mixing`: how many of the
        places just before each block mixes in."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.mixing = mixing
        self.blocks = nn.ModuleList([Block(width, heads, key_heads, mixing) for _ in range(depth)])

    def forward(self, tokens: Tensor, memory: Memory | None = None) -> Tensor:
        """(B, T) tokens -> (B, T, width), at each place what is known there; a memory holds the places before, and keeps
        these. Without one, windows may hold several documents."""
        before = 0 if memory is None else memory.length
        # Embeddings have the size that fits the head; the blocks want numbers of size one.
        h = normalised(self.embedding(tokens))
        turns = self.turns(tokens.shape[1]) if memory is None else memory.turns[before : before + tokens.shape[1]]
        document = _documents(tokens) if memory is None else None
        mask = _earlier(before, tokens) if document is None else _own_document(document)
        outside = None if document is None else outside_of(document, self.mixing)
        for index, block in enumerate(self.blocks):
            h = block(h, turns, mask, outside, None if memory is None else memory.of(index))
        if memory is not None:
            memory.length += tokens.shape[1]
        return normalised(h)

    def turns(self, places: int) -> Tensor:
        """As `rotation`, from the first place on."""
        block = self.blocks[0]
        return rotation(places, block.heads + block.key_heads, block.size, self.embedding.weight)  # type: ignore[operator, arg-type]

    def logits(self, h: Tensor) -> Tensor:
        """(..., width) -> (..., vocabulary) unnormalised log-probabilities of the next token."""
        return F.linear(h, self.embedding.weight)

    def nats(self, h: Tensor, tokens: Tensor) -> Tensor:
        """What the (B, T) tokens cost after (B, T, width): minus the logarithms of their probabilities."""
        if may_replace(h):
            return head.nats(h, self.embedding.weight, tokens)
        texts, places = tokens.shape
        at_once = places if h.is_cuda else max(1, LOGITS // (texts * len(self.embedding.weight)))
        pieces = zip(h.split(at_once, dim=1), tokens.split(at_once, dim=1), strict=True)
        costs = [
            F.cross_entropy(self.logits(x).float().flatten(0, 1), y.flatten(), reduction="none").view(y.shape)
            for x, y in pieces
        ]
        return torch.cat(costs, dim=1)


class Block(nn.Module):
    """The places just before, attention, then a hidden layer of four times the width; each is added to its input and starts
    as nothing."""

    def __init__(self, width: int, heads: int, key_heads: int, mixing: int) -> None:
        super().__init__()
        self.heads, self.key_heads, self.size = heads, key_heads, width // heads
        self.parts = nn.Linear(width, (heads + 2 * key_heads) * self.size, bias=False)
        self.leave = nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.down.weight)
        self.mixing = nn.Parameter(torch.zeros(mixing, width)) if mixing else None

    def forward(
        self, x: Tensor, turns: Tensor, mask: Tensor | None, outside: Outside | None, past: Past | None
    ) -> Tensor:
        b, length, width = x.shape
        if self.mixing is not None:
            x = mixed(x, self.mixing, outside) if past is None else mixed_after(past.recent, x, self.mixing)
        by_hand = past is None and may_replace(x, self.parts, self.leave, self.up, self.down)
        h = normalised(x)
        parts = (product(h, self.parts.weight) if by_hand else self.parts(h)).view(b, length, -1, self.size)
        if past is None and attention.suits(parts, self.heads):
            h = attention.attended(parts, turns, mask)
        else:
            h = self._attended(parts, turns, mask, past)
        h = h.reshape(b, length, width)
        if by_hand:
            return hidden.added(x + product(h, self.leave.weight), self.up.weight, self.down.weight)
        x = x + self.leave(h)
        return x + self.down(squared_relu(self.up(normalised(x))))

    def _attended(self, parts: Tensor, turns: Tensor, mask: Tensor | None, past: Past | None) -> Tensor:
        """`attention.attended` for any parts, after what is past."""
        length = parts.shape[1]
        turned, values = parts.split([self.heads + self.key_heads, self.key_heads], dim=2)
        queries, keys = rotated(normalised(turned), turns).split([self.heads, self.key_heads], dim=2)
        queries, keys, values = (part.transpose(1, 2) for part in (queries, keys, values))
        if past is not None:
            end = past.length + length
            past.keys[:, :, past.length : end], past.values[:, :, past.length : end] = keys, values
            keys, values = past.keys[:, :, :end], past.values[:, :, :end]
        found = F.scaled_dot_product_attention(
            queries,
            keys.to(queries.dtype),
            values.to(queries.dtype),
            attn_mask=None if mask is None else mask.to(queries.dtype),
            is_causal=mask is None and length > 1,
            enable_gqa=self.heads != self.key_heads,
        )
        return found.transpose(1, 2)


class Past(NamedTuple):
    """What a block remembers of the places read so far."""

    keys: Tensor
    """(B, key heads, places, size) with room for those to come, as in the values."""
    values: Tensor
    recent: Tensor
    """(B, mixing, width) of the last places what is mixed in; zeros before the first."""
    length: int


class Memory:
    """Keys, values and last places of what was read so far, of each block: room for `places` of them."""

    def __init__(self, decoder: Decoder, batch: int, places: int) -> None:
        self.length, self.turns = 0, decoder.turns(places)
        self.kept: list[tuple[Tensor, Tensor, Tensor]] = []
        weight = decoder.embedding.weight
        for block in decoder.blocks:
            shape = (batch, block.key_heads, places, block.size)
            keys, values = (weight.new_empty(shape) for _ in range(2))  # type: ignore[arg-type]
            self.kept.append((keys, values, weight.new_zeros(batch, decoder.mixing, weight.shape[1])))

    def of(self, index: int) -> Past:
        """What the block of that index remembers."""
        return Past(*self.kept[index], self.length)

    def select(self, texts: Tensor) -> None:
        """Remember only these of the texts, (n,) their places."""
        self.kept = [(keys[texts], values[texts], recent[texts]) for keys, values, recent in self.kept]


def squared_relu(x: Tensor) -> Tensor:
    """The square of what is above zero (So et al. 2021)."""
    return _SquaredReLU.apply(x) if is_faster(x) else F.relu(x).square()


class _SquaredReLU(torch.autograd.Function):
    """The gradient needs no more than the root."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        root = F.relu(x)
        ctx.save_for_backward(root)
        return root.square()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        return torch.addcmul(gradient.new_zeros(()), gradient, root, value=2)


def rotation(places: int, heads: int, size: int, like: Tensor) -> Tensor:
    """(places, heads, size / 2) complex numbers of size one, by which each pair turns at each place (Su et al. 2021,
    equation 15), the same for all heads."""
    rates = PERIODS ** (-torch.arange(0, size, 2, device=like.device, dtype=torch.float32) / size)
    angles = torch.arange(places, device=like.device, dtype=torch.float32)[:, None] * rates
    turns = torch.polar(torch.ones_like(angles), angles)
    return turns[:, None].repeat(1, heads, 1)  # memory of the same form as what is multiplied is faster


def rotated(x: Tensor, turns: Tensor) -> Tensor:
    """(B, T, heads, size) with each pair of neighbours turned by its place."""
    # As complex numbers: one pass over memory instead of eight. There are none of half precision.
    fine = x.to(torch.promote_types(x.dtype, torch.float32))
    pairs = torch.view_as_complex(fine.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)


def _documents(tokens: Tensor) -> Tensor | None:
    """(B, T) the number of the document that each token belongs to; None where each window is one document's."""
    begins = tokens == BEGIN
    return begins.cumsum(1) if bool(begins[:, 1:].any()) else None


def _own_document(document: Tensor) -> Tensor:
    """(B, 1, T, T) what is added to scores: nothing for the earlier places of the same document."""
    later = torch.full((document.shape[1],) * 2, -torch.inf, device=document.device).triu(1)
    return later.where(document[:, :, None] == document[:, None, :], -torch.inf)[:, None]


def _earlier(before: int, tokens: Tensor) -> Tensor | None:
    """(T, before + T) the same for several tokens that follow a memory; None where causality needs no mask of its own."""
    length = tokens.shape[1]
    if not before or length == 1:
        return None
    return torch.full((length, before + length), -torch.inf, device=tokens.device).triu(before + 1)
