"""New texts from a model of tokens: many side by side, or one as it is written. `text_run.py` says what they begin with.

What may come next is restricted on the way: pieces and the end within a message, roles between messages, and what a
constraint allows (`constraints.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from genwright.codecs.text import TextCodec
from genwright.contract import BEGIN, END, GenerativeModel
from genwright.data.documents import Document
from genwright.errors import GenwrightError
from genwright.progress import Advance, no_progress

if TYPE_CHECKING:
    from genwright.constraints import Constraint
    from genwright.networks.drawing import Allowed

LOOKS = 16  # tokens between two looks for stop strings


@dataclass(frozen=True)
class Writer:
    """A model and the codec of its tokens."""

    model: GenerativeModel
    codec: TextCodec
    device: torch.device
    at_a_time: int
    """Texts that are drawn side by side; fixes which random numbers each gets."""
    constraint: Constraint | None = None
    """What the message that is drawn has to be."""
    stop: tuple[str, ...] = ()
    """A text ends before the first of these."""
    continued: bool = False
    """Prompts hold the beginning of the message, which the constraint then goes on from."""

    def documents(
        self, prompts: Sequence[np.ndarray], *, seed: int, one_message: bool, advance: Advance = no_progress
    ) -> list[Document]:
        """What begins with each of the prompts, in their order. `one_message`: as soon as one message has ended.

        GW-0179 when a text with a constraint is not complete before its length ends.
        """
        by_length: dict[int, list[int]] = {}
        for place, prompt in enumerate(prompts):
            by_length.setdefault(len(prompt), []).append(place)
        made: dict[int, Document] = {}
        drawn, started = 0, time.monotonic()
        batches = [
            places[start : start + self.at_a_time]
            for _, places in sorted(by_length.items())
            for start in range(0, len(places), self.at_a_time)
        ]
        for index, places in enumerate(batches):
            given = torch.from_numpy(np.stack([prompts[place] for place in places]).astype(np.int64)).to(self.device)
            tokens = self._drawn(given, _generator(self.device, seed, index), one_message).cpu().numpy()
            made |= zip(places, map(self._document, tokens), strict=True)
            drawn += int((tokens[:, given.shape[1] :] != BEGIN).sum())
            advance(len(made), len(prompts), f"{drawn / (time.monotonic() - started):,.0f} tokens/s")
        return [made[place] for place in range(len(prompts))]

    def pieces(self, prompt: np.ndarray, *, seed: int) -> Iterator[str]:
        """The message that follows a prompt, as it is written."""
        given = torch.from_numpy(prompt.astype(np.int64))[None].to(self.device)
        if not self.model.streams:
            tokens = self._drawn(given, _generator(self.device, seed, 0), one_message=True)
            yield self._cut(self._text(tokens[0, given.shape[1] :]))
            return
        rule = self._rule(1)
        seen: list[Tensor] = []
        drawn: list[int] = []
        shown = ""
        for token in self._stream(given, _generator(self.device, seed, 0), True, rule):
            seen.append(token)
            if int(token) < self.codec.offset:
                break
            drawn.append(int(token))
            text = self._text(torch.tensor(drawn))
            cut = self._cut(text)
            if len(cut) < len(text):
                yield cut[len(shown) :]
                return
            ready = text.rstrip("\ufffd")[
                : -max(map(len, self.stop), default=0) or None
            ]  # a half character may be in it
            if len(ready) > len(shown):
                yield ready[len(shown) :]
                shown = ready
        yield self._text(torch.tensor(drawn))[len(shown) :]
        _check_complete(rule, torch.stack(seen, dim=1))

    def _rule(self, texts: int) -> Allowed | None:
        return self.constraint.start(texts, continued=self.continued) if self.constraint else None

    def _drawn(self, given: Tensor, generator: torch.Generator, one_message: bool) -> Tensor:
        """(B, P + t) prompts and what follows them."""
        if not self.model.streams:
            self._refuse_rules()
            return self.model.sample(len(given), condition=given, generator=generator).x
        rule = self._rule(len(given))
        drawn: list[Tensor] = []
        for token in self._stream(given, generator, one_message, rule):
            drawn.append(token)
            if self.stop and len(drawn) % LOOKS == 0 and self._all_stopped(torch.stack(drawn, 1)):
                break
        tokens = torch.stack(drawn, dim=1)
        _check_complete(rule, tokens)
        return torch.cat([given, tokens], dim=1)

    def _stream(
        self, given: Tensor, generator: torch.Generator, one_message: bool, rule: Allowed | None = None
    ) -> Iterator[Tensor]:
        free = torch.from_numpy(self.codec.without_conditions(given.cpu().numpy())).to(self.device)
        return self.model.stream(
            given,
            generator=generator,
            opposite=free if self.codec.prefix else None,
            allowed=rule or _Turns(self.codec, given),
            keep=self.codec.prefix,
            **({"last": END} if one_message else {}),
        )

    def _refuse_rules(self) -> None:
        if self.constraint:
            name = type(self.model).__name__
            raise GenwrightError("GW-0403", f"{name} draws whole texts: it cannot obey a rule", "Use another model.")

    def _document(self, tokens: np.ndarray) -> Document:
        found = self.codec.decode(tokens)
        if not found.messages:
            return Document.of("", found.columns)
        *before, end = found.messages
        return replace(found, messages=(*before, replace(end, content=self._cut(end.content))))

    def _text(self, tokens: Tensor) -> str:
        pieces = tokens[tokens >= self.codec.offset].cpu().numpy() - self.codec.offset
        return self.codec.tokeniser.decode(pieces)

    def _cut(self, text: str) -> str:
        """The text before the first stop string."""
        return text[: min((place for stop in self.stop if (place := text.find(stop)) >= 0), default=len(text))]

    def _all_stopped(self, drawn: Tensor) -> bool:
        return all(BEGIN in row or len(self._cut(text := self._text(row))) < len(text) for row in drawn)


class _Turns:
    """What may come next where nothing but the form of documents is asked for."""

    def __init__(self, codec: TextCodec, prompts: Tensor) -> None:
        size = codec.spec.vocabulary
        within, opening = torch.zeros(2, size, dtype=torch.bool, device=prompts.device)
        within[END] = True
        within[codec.offset :] = True
        for role in codec.roles:
            opening[codec.role(role)] = True
        between = opening.clone()
        between[BEGIN] = True  # the next document's: the conversation is over
        self.masks = torch.stack([within, opening, between])
        self.state = torch.zeros(size, dtype=torch.int64, device=prompts.device)
        if codec.roles:
            self.state[: codec.offset] = torch.where(opening[: codec.offset], 0, 1)
            self.state[END] = 2
        self.prompts = prompts

    def __call__(self, tokens: Tensor) -> Tensor:
        """As `networks.drawing.Allowed`."""
        last = tokens[:, -1] if tokens.shape[1] else self.prompts[:, -1]
        return self.masks[self.state[last]]


def _check_complete(rule: Any, tokens: Tensor) -> None:
    if rule and not (done := rule.complete(tokens)).all():
        raise GenwrightError(
            "GW-0179",
            f"{int((~done).sum())} of {len(done)} texts were not complete after {tokens.shape[1]} tokens",
            "Allow more tokens with --length, or a rule that allows shorter texts.",
        )


def _generator(device: torch.device, seed: int, index: int) -> torch.Generator:
    return torch.Generator(device).manual_seed(int(np.random.SeedSequence([seed, index]).generate_state(1)[0]))
