"""Drawing one token after another: the loop that every model shares that says how likely each next token is.

A model brings a `Reader`, which remembers what it has read; which of the likely tokens are drawn is a `Drawing`. Read
`models/gpt.py` next for a model that draws so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from genwright.contract import BEGIN, END, Batch
from genwright.networks.causal import categorical

FEW = 128  # tokens that mostly have all the probability `top_p`: sorting them all would take as long as the network


class Reader(Protocol):
    """Reads several texts side by side, a few tokens at a time, and remembers them."""

    def read(self, tokens: Tensor) -> Tensor:
        """(B, T) tokens that follow those read before -> (B, V) logits of the token that comes next."""


@runtime_checkable
class Selective(Protocol):
    """A reader that can forget texts; another goes on reading those that have ended."""

    def select(self, texts: Tensor) -> None:
        """Remember only these of the texts from now on, (n,) their places."""


@dataclass(frozen=True)
class Drawing:
    """Which tokens are drawn. The defaults draw as the model says."""

    temperature: float = 1.0
    """Above 0; below 1: likelier tokens."""
    top_k: int = 0
    """Only so many of the likeliest; 0: all."""
    top_p: float = 1.0
    """Only the likeliest that together have this probability (Holtzman et al. 2020)."""
    min_p: float = 0.0
    """Only those with this share of the likeliest one's probability (Nguyen et al. 2024)."""
    repetition: float = 1.0
    """Above 1: tokens that stand among the last `window` are less likely (Keskar et al. 2019); 1: nothing is done."""
    window: int = 64
    """Tokens, 0: all."""
    guidance: float = 1.0
    """Above 1: further away from what is likely whatever the conditions (Ho and Salimans 2022); 1: nothing is done."""


Readers = Callable[[int], Reader]
"""Gives a new reader of that many texts."""
Allowed = Callable[[Tensor], Tensor]
"""From the tokens drawn so far (B, t) to those that may come next, (B, V) bool, one or more in each row, also
where a text has ended."""


@torch.no_grad()
def stream(
    readers: Readers,
    context: int,
    prompts: Tensor,
    drawing: Drawing,
    *,
    length: int,
    generator: torch.Generator,
    last: int = END,
    opposite: Tensor | None = None,
    allowed: Allowed | None = None,
    keep: int = 0,
) -> Iterator[Tensor]:
    """Draw what follows (B, P) prompts: (B,) tokens, place after place, at most `length` times; BEGIN where a text has ended
    with the token `last`, and nothing more once all have. `opposite`: the prompts with their conditions left open, which
    guidance compares with.

    A reader reads `context` tokens. Where they are full, their later half is read again behind `keep` control tokens, those
    that follow the first token of the prompt: so do windows begin in training that lie within a document.
    """
    sides = [prompts] if opposite is None or drawing.guidance == 1 else [prompts, opposite]
    texts = _Texts(torch.stack(sides), length, readers, context, keep, last)
    start = prompts.shape[1]
    for end in range(start, start + length):
        logits = guided(*texts.read(end).float(), by=drawing.guidance)
        if drawing.repetition != 1:
            since = max(0, end - drawing.window) if drawing.window else 0
            logits = less_repeated(logits, texts.given[texts.held, since:end], drawing.repetition)
        if allowed is not None:
            logits = logits.masked_fill(~allowed(texts.given[:, start:end])[texts.held], float("-inf"))
        logits = likely(logits / drawing.temperature, drawing.top_k, drawing.top_p, drawing.min_p)
        yield texts.put(end, categorical(logits, generator))
        if not texts.remaining():
            return


class _Texts:
    """Texts side by side, and the reader of those that go on: when half of them have ended, they are dropped from it."""

    def __init__(self, prompts: Tensor, length: int, readers: Readers, context: int, keep: int, last: int) -> None:
        """(S, B, P) prompts: S sides of B texts."""
        self.tokens = F.pad(prompts, (0, length), value=BEGIN)
        self.readers, self.context, self.keep, self.last = readers, context, min(keep, context // 2), last
        self.held = torch.arange(prompts.shape[1], device=prompts.device)
        self.going = torch.ones_like(self.held, dtype=torch.bool)
        self.reader: Reader | None = None
        self.first = 0  # the place where they begin, but for those that are kept

    @property
    def given(self) -> Tensor:
        """(B, P + length) the texts of the first side, BEGIN where nothing is drawn yet."""
        return self.tokens[0]

    def read(self, end: int) -> Tensor:
        """(S, held, V) logits of the tokens at place `end`."""
        if end - self.first + (self.keep if self.first else 0) > self.context:
            self.reader, self.first = None, end - max(1, (self.context - self.keep) // 2)
        unread = self.tokens[:, self.held, end - 1 : end]
        if self.reader is None:
            self.held = self.going.nonzero()[:, 0]
            unread = self.tokens[:, self.held, self.first : end]
            if self.first:
                unread = torch.cat([self.tokens[:, self.held, 1 : 1 + self.keep], unread], dim=2)
            self.reader = self.readers(unread[..., 0].numel())
        return self.reader.read(unread.flatten(0, 1)).unflatten(0, (len(self.tokens), -1))

    def put(self, end: int, drawn: Tensor) -> Tensor:
        """Write (held,) tokens to place `end` of the texts that go on; what stands there now in each, (B,)."""
        self.tokens[:, self.held, end] = torch.where(self.going[self.held], drawn, BEGIN)
        self.going &= self.given[:, end] != self.last
        return self.given[:, end].clone()

    def remaining(self) -> int:
        """The number of texts that have not ended."""
        number = int(self.going.sum())
        if 0 < 2 * number <= len(self.held) and isinstance(self.reader, Selective):
            kept = self.going[self.held].nonzero()[:, 0]
            sides = torch.arange(len(self.tokens), device=kept.device)[:, None]
            self.reader.select((kept + len(self.held) * sides).flatten())
            self.held = self.held[kept]
        return number


def mean_nats(cost: Callable[[Batch], tuple[Tensor, Tensor]], batches: Iterable[Batch]) -> dict[str, float]:
    """Mean nats of a counted token; `cost` gives (B, T) what tokens cost and which count. Nothing where none does."""
    total, number = 0.0, 0
    for batch in batches:
        nats, counted = cost(batch)
        total, number = total + float((nats * counted).sum()), number + int(counted.sum())
    return {"nats": total / number} if number else {}


def guided(given: Tensor, free: Tensor | None = None, *, by: float) -> Tensor:
    """(B, V) logits under the conditions, moved away from those without (Ho and Salimans 2022, equation 6, on
    log-probabilities); as they are where there are no others."""
    if free is None:
        return given
    free = free.log_softmax(-1)
    return free + by * (given.log_softmax(-1) - free)


def less_repeated(logits: Tensor, before: Tensor, penalty: float) -> Tensor:
    """(B, V) logits, those of the tokens in `before` (B, t) divided by the penalty, or multiplied where they are negative
    (Keskar et al. 2019, section 4.1). BEGIN and END stay as they are: a text may always end."""
    found = logits.gather(1, before)
    lowered = logits.scatter(1, before, torch.where(found > 0, found / penalty, found * penalty))
    lowered[:, [BEGIN, END]] = logits[:, [BEGIN, END]]
    return lowered


def likely(logits: Tensor, top_k: int, top_p: float, min_p: float) -> Tensor:
    """(B, V) logits with the unlikely ones at minus infinity: beyond the `top_k` likeliest (0: none is), beyond the
    likeliest that together have the probability `top_p` (Holtzman et al. 2020), below the share `min_p` of the likeliest
    one's probability (Nguyen et al. 2024). The likeliest always stays."""
    if top_k and top_k < logits.shape[1]:
        least = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if top_p < 1:
        share = logits.softmax(-1)
        ordered, places = share.topk(min(FEW, share.shape[1]))
        if float(ordered.sum(-1).min()) < top_p:
            ordered, places = share.sort(dim=-1, descending=True)
        kept = ordered.cumsum(-1) - ordered < top_p
        kept[:, 0] = True
        logits = logits.masked_fill(~torch.zeros_like(share, dtype=torch.bool).scatter(1, places, kept), float("-inf"))
    if min_p > 0:
        share = logits.softmax(-1)
        logits = logits.masked_fill(share < min_p * share.amax(-1, keepdim=True), float("-inf"))
    return logits
