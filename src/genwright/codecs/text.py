"""Documents <-> streams of tokens: conditions as control tokens in front, roles, and which tokens the loss counts.

A document is: begin, one control token for each condition, then its messages, each as the token of its role (none for a
plain text), its pieces, and end. The numbers below `offset` are these; pieces of the tokeniser follow, so that no text can
be taken for one of them. `tokenisers.py` makes the pieces; `texts.py` of the package drives this codec.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from genwright.codecs import tokenisers
from genwright.codecs.tokenisers import Tokeniser
from genwright.contract import BEGIN, END, DataSpec
from genwright.data.documents import ASSISTANT, TEXT, USUAL_ROLES, Document, Message
from genwright.data.image_files import natural
from genwright.errors import GenwrightError, did_you_mean

FORMAT = 1
MOST_COMBINATIONS = 4096  # of conditions that are remembered with their counts
COUNTED = (TEXT, ASSISTANT)
"""Roles whose messages the loss counts, each with its end token."""


@dataclass(frozen=True)
class TextCodec:
    """All that is known of the texts: pieces, roles, conditions and how often these occur together. It holds no text."""

    tokeniser: Tokeniser
    context: int
    """Tokens that a model looks back over."""
    roles: tuple[str, ...] = ()
    """Of conversations; empty where all documents are plain texts."""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Condition -> its values, in natural order."""
    combinations: tuple[tuple[tuple[int, ...], int], ...] = ()
    """Places of values that occur together (-1: not known), and how often they do."""
    whole: bool = False
    """Of conversations: the loss counts every message, so that whole ones can be drawn; else those of COUNTED."""

    @classmethod
    def fit(
        cls,
        documents: Iterable[Document],
        *,
        tokeniser: str = "bpe",
        vocabulary: int = 0,
        context: int = 256,
        conditions: Sequence[str] = (),
        size: int = 0,
        whole: bool = False,
    ) -> TextCodec:
        """Learn from documents, in one pass. `tokeniser`: "bpe", "characters", "bytes" or "folder:PATH"; `vocabulary`: most
        pieces, 0: by the size; `conditions`: columns that become control tokens; `size` of all documents in bytes of UTF-8,
        where the caller knows it (else they are held in memory); `whole`: the loss counts all roles. GW-0195 when no message
        is counted.
        """
        if not size:
            documents = list(documents)
            size = sum(document.bytes for document in documents)
        tally = _Tally(tuple(conditions))
        texts = tally.watching(documents)
        pieces = tokenisers.learn(tokenisers.evenly(texts, size), tokeniser, vocabulary, size)
        for _ in texts:
            pass  # a ready tokeniser does not read them
        if not (tally.counted or (whole and tally.roles)):
            known = ", ".join(sorted(tally.roles)) or "no message"
            raise GenwrightError(
                "GW-0195",
                f"There is nothing to learn: the loss counts texts and the messages of the assistant (there is {known})",
                "Call the role whose messages shall be learned 'assistant'",
            )
        roles = tuple(sorted(tally.roles - {TEXT}))
        return cls(pieces, context, roles, *tally.conditions(), whole and bool(roles))

    @classmethod
    def declared(cls, *, tokeniser: str, context: int, conversations: bool, whole: bool) -> TextCodec:
        """The codec that needs no look at any document: bytes or a ready tokeniser, the usual roles, no conditions. GW-0610
        for a tokeniser that would be learned."""
        if tokeniser != "bytes" and not tokeniser.startswith("folder:"):
            raise GenwrightError(
                "GW-0610",
                f"The tokeniser {tokeniser!r} would learn its pieces from private texts without noise",
                "Take --text.tokeniser bytes, or folder:PATH of one that is ready.",
            )
        roles = tuple(sorted(USUAL_ROLES)) if conversations else ()
        return cls(tokenisers.learn((), tokeniser, 0, 0), context, roles, whole=whole and conversations)

    @property
    def spec(self) -> DataSpec:
        """Windows of context + 1 tokens."""
        last = BEGIN if self.whole else END
        return DataSpec("tokens", (self.context + 1,), vocabulary=self.offset + self.tokeniser.size, last=last)

    @cached_property
    def dtype(self) -> type[np.unsignedinteger]:
        """uint16 where the vocabulary allows it, else uint32."""
        return np.uint16 if self.spec.vocabulary <= 1 << 16 else np.uint32

    @property
    def offset(self) -> int:
        """The number of special tokens: a piece of the tokeniser is the token that many above it."""
        return len(self._names)

    @property
    def prefix(self) -> int:
        """The number of control tokens that follow the begin of every document."""
        return len(self.values)

    def encode(self, document: Document) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of a document, and (same length) bool whether the loss counts each. GW-0199 for a role never seen."""
        return self.encode_all([document])[0]

    def encode_all(self, documents: Sequence[Document]) -> list[tuple[np.ndarray, np.ndarray]]:
        """As `encode`, faster."""
        contents = [message.content for document in documents for message in document.messages]
        coded = iter(self.tokeniser.encode(contents))
        return [self._joined(document, coded) for document in documents]

    def decode(self, ids: np.ndarray) -> Document:
        """The document that the tokens are; a last message may lack its end. What follows another begin is not read."""
        columns: dict[str, str] = {}
        messages: list[Message] = []
        role, start = "", -1  # start: the first piece of a message that is being read
        body = np.asarray(ids, np.int64)
        body = body[1:] if len(body) and body[0] == BEGIN else body
        for place in [*np.flatnonzero(body < self.offset).tolist(), len(body)]:
            token = int(body[place]) if place < len(body) else BEGIN
            content = body[start + 1 : place]
            start = place
            if token == END or role or len(content):
                messages.append(Message(role or TEXT, self.tokeniser.decode(content - self.offset)))
            if token == BEGIN:
                break
            kind, name, value = self._names[token]
            role = name if kind == "role" else ""
            if kind == "value":
                columns[name] = value
        return Document(tuple(messages), columns)

    def prompt(self, document: Document) -> np.ndarray:
        """Tokens to go on from: of a text, all but its end; of a conversation, with the assistant's turn to come.

        The last message of the assistant is taken as begun. GW-0199 for a role never seen.
        """
        tokens, _ = self.encode(document)
        if not document.messages:
            return tokens if not self.roles else np.append(tokens, self.role(ASSISTANT)).astype(self.dtype)
        if document.messages[-1].role in COUNTED:
            return tokens[:-1]
        return np.append(tokens, self.role(ASSISTANT)).astype(self.dtype)

    def without_conditions(self, ids: np.ndarray) -> np.ndarray:
        """The same tokens with every condition left open: the other half of classifier-free guidance."""
        return np.where(ids < self.offset, self._free[np.minimum(ids, self.offset - 1)], ids).astype(ids.dtype)

    def control(self, condition: str, value: str) -> int:
        """The token of a condition's value. GW-0198 when there is none."""
        if condition not in self.values:
            fix = did_you_mean(condition, self.values) if self.values else "The texts had no conditions"
            raise GenwrightError("GW-0198", f"There is no condition {condition!r}", fix)
        if str(value) not in self.values[condition]:
            fix = did_you_mean(value, self.values[condition])
            raise GenwrightError("GW-0198", f"{condition!r} is never {str(value)!r} in the training texts", fix)
        return self._token["value", condition, str(value)]

    def role(self, role: str) -> int:
        """The token that begins a message of that role. GW-0199 for a role never seen."""
        if ("role", role, "") not in self._token:
            fix = did_you_mean(role, self.roles) if self.roles else "The training texts are no conversations"
            raise GenwrightError("GW-0199", f"No training text has the role {role!r}", fix)
        return self._token["role", role, ""]

    def draw_conditions(self, n: int, generator: np.random.Generator) -> list[dict[str, str]]:
        """n sets of conditions, together as often as they occur in the training texts."""
        if not self.combinations:
            return [{} for _ in range(n)]
        counts = np.array([count for _, count in self.combinations], float)
        chosen = generator.choice(len(counts), n, p=counts / counts.sum())
        named = [
            {name: self.values[name][place] for name, place in zip(self.values, places, strict=True) if place >= 0}
            for places, _ in self.combinations
        ]
        return [dict(named[place]) for place in chosen]

    def render(self, document: Document) -> list[tuple[str, bool]]:
        """The document as a model sees it, in pieces to show, each with whether the loss counts it."""
        shown = [("⟨begin⟩", False)]
        shown += [(f"⟨{name}: {document.columns.get(name, 'any')}⟩", False) for name in self.values]
        for message in document.messages:
            counted = self.whole or message.role in COUNTED
            if message.role != TEXT:
                shown.append((f"⟨{message.role}⟩", self.whole))
            shown += [(message.content, counted), ("⟨end⟩", counted)]
        return shown

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "format": FORMAT,
            "tokeniser": self.tokeniser.to_json(),
            "context": self.context,
            "roles": list(self.roles),
            "values": [[name, list(values)] for name, values in self.values.items()],
            "combinations": [[list(places), count] for places, count in self.combinations],
            "whole": self.whole,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Nothing: JSON holds it all."""
        return {}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TextCodec:
        """Back from `to_json`; GW-0304 when it is damaged, GW-0306 when a later Genwright wrote it."""
        if isinstance(data, Mapping) and isinstance(data.get("format"), int) and data["format"] > FORMAT:
            raise GenwrightError("GW-0306", "The codec was written by a later Genwright", "Update Genwright")
        try:
            values = {str(name): tuple(map(str, found)) for name, found in data["values"]}
            combinations = tuple((tuple(map(int, places)), int(count)) for places, count in data["combinations"])
            context = int(data["context"])
            fitting = all(
                count > 0
                and len(places) == len(values)
                and all(-1 <= place < len(found) for place, found in zip(places, values.values(), strict=True))
                for places, count in combinations
            )
            if not fitting or context < 1:
                raise ValueError("sizes do not fit")
            pieces = tokenisers.from_json(data["tokeniser"])
            return cls(pieces, context, tuple(map(str, data["roles"])), values, combinations, bool(data["whole"]))
        except (KeyError, TypeError, ValueError):
            raise GenwrightError("GW-0304", "The codec in the run folder is damaged", "Train again") from None

    @cached_property
    def _names(self) -> list[tuple[str, str, str]]:
        """What each special token is: kind, name, value."""
        names = [("begin", "", ""), ("end", "", ""), *(("role", role, "") for role in self.roles)]
        for name, values in self.values.items():
            names += [("free", name, ""), *(("value", name, value) for value in values)]
        return names

    @cached_property
    def _token(self) -> dict[tuple[str, str, str], int]:
        return {name: token for token, name in enumerate(self._names)}

    @cached_property
    def _free(self) -> np.ndarray:
        """(offset,) each special token, or for the value of a condition the token that leaves it open."""
        return np.array(
            [self._token["free", name, ""] if kind == "value" else self._token[kind, name, value]
             for kind, name, value in self._names]
        )  # fmt: skip

    def _joined(self, document: Document, coded: Iterator[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The document's tokens; its messages' pieces are the next ones."""
        controls = [
            self._token.get(("value", name, document.columns.get(name, "")), self._token["free", name, ""])
            for name in self.values
        ]
        parts: list[Any] = [[BEGIN, *controls]]
        counts = [np.array([self.whole, *(False for _ in controls)])]  # a begin says that the document before has ended
        for message in document.messages:
            if message.role != TEXT:
                parts.append([self.role(message.role)])
                counts.append(np.array([self.whole]))
            pieces = next(coded)
            parts += [pieces + self.offset, [END]]
            counts.append(np.full(len(pieces) + 1, self.whole or message.role in COUNTED))
        return np.concatenate(parts).astype(self.dtype), np.concatenate(counts)


class _Tally:
    """Roles and conditions of documents, counted while a tokeniser reads their texts."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.roles: set[str] = set()
        self.counted = False
        self.together: Counter[tuple[str, ...]] = Counter()

    def watching(self, documents: Iterable[Document]) -> Iterator[str]:
        """The texts of the documents' messages."""
        for document in documents:
            self.together[tuple(document.columns.get(name, "") for name in self.names)] += 1
            for message in document.messages:
                self.roles.add(message.role)
                self.counted |= message.role in COUNTED
                yield message.content

    def conditions(self) -> tuple[dict[str, tuple[str, ...]], tuple[tuple[tuple[int, ...], int], ...]]:
        """Values of each condition, and the combinations that are most frequent, by their places."""
        values = {
            name: tuple(sorted({found[at] for found in self.together} - {""}, key=natural))
            for at, name in enumerate(self.names)
        }
        place = {name: {value: at for at, value in enumerate(found)} for name, found in values.items()}
        combinations = tuple(
            (tuple(place[name].get(value, -1) for name, value in zip(self.names, found, strict=True)), count)
            for found, count in self.together.most_common(MOST_COMBINATIONS)
        )
        return values, combinations if self.names else ()
