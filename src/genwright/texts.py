"""A user's texts from end to end: read, cleaned, split by document with near duplicates together, coded for a model.

This is all that a run needs to know about texts. Read `data/texts.py` next for what can be opened, `codecs/text.py` for
tokens.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from genwright.codecs.text import TextCodec
from genwright.data.batches import held_by_content
from genwright.data.cleaning import Findings, cleaned, look_through
from genwright.data.documents import TEXT, USER, USUAL_ROLES, Document, Message, TextForm, TextSource
from genwright.data.duplicates import digest
from genwright.data.likeness import split_groups
from genwright.data.text_tables import names_texts
from genwright.data.texts import open_texts
from genwright.data.token_batches import Coded, DocumentWindows, Stream, TokenExamples
from genwright.errors import GenwrightError
from genwright.metrics import text_canaries
from genwright.progress import Advance, no_progress
from genwright.text_settings import TextSettings

OTHERS = 2000  # texts that canaries are compared with
_AT_ONCE = 256  # documents that are coded in one go


@dataclass(frozen=True)
class TextSet:
    """Documents that are read from the source as often as they are needed, and their split."""

    source: TextSource
    settings: TextSettings
    findings: Findings
    held: np.ndarray
    """(examples,) True for the hold-out. Where documents are cut, each gives an example to either side."""
    cut: float
    """The share that is cut off the end of every document for the hold-out; 0: the split is by document."""
    private: bool = False
    """Under a guarantee for documents: none decides anything about another."""
    planted: tuple[Document, ...] = ()
    """What an audit has put among the training documents: it is trained on, whatever else is kept back."""

    @classmethod
    def open(cls, data: Any, settings: Any, advance: Advance = no_progress) -> TextSet:
        """From a path, a list or a frame, as the settings `text`, `holdout`, `test` and `seed` say. GW-0175 when cleaning
        leaves nothing."""
        given = settings.text
        share = 0.0 if settings.test else settings.holdout
        if settings.epsilon:
            return cls._private(data, given, share, advance)
        source = read_as(data, given)
        findings = look_through(source, given, advance)
        count = len(findings.groups)
        held = split_groups(findings.groups, share, seed=settings.seed)
        if not share or held.any():
            return cls(source, given, findings, held, 0.0)
        cuttable = sum(len(_parts(document, share)) - 1 for document in cleaned(source, findings, given))
        if cuttable:
            many = f"each of the {count} documents" if count > 1 else "the document"
            source.note(f"The hold-out is the last {share:.0%} of {many}: there are too few to hold whole ones out.")
        else:
            source.note("There is no hold-out: the documents are too few, and they cannot be cut.")
        return cls(source, given, findings, np.arange(count + cuttable) >= count, share if cuttable else 0.0)

    @classmethod
    def _private(cls, data: Any, given: TextSettings, share: float, advance: Advance) -> TextSet:
        """How the texts lie in their files counts as public and is declared; conditions, whose values would have to be
        looked for, are left out; documents that are alike stay, and each one's own content decides on its side."""
        given = replace(given, near_duplicates="ignore", duplicates="keep", conditions="none")
        if given.personal == "count":
            given = replace(given, personal="ignore")
        source = read_as(data, given)
        undeclared = {
            "What parts the file into documents": (
                "--text.separator",
                source.form.kind == "file" and not given.separator,
            ),
            "The column of texts": ("--text.column", not (given.column or _names_itself(source.form))),
        }
        for what, (name, missing) in undeclared.items():
            if missing:
                raise GenwrightError(
                    "GW-0610", f"{what} is not declared, and guessing looks at private texts", f"Give {name}."
                )
        source.conditions = ()
        findings = look_through(source, given, advance)
        held = held_by_content(map(digest, cleaned(source, findings, given)), share)
        return cls(source, given, findings, held, 0.0, private=True)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def notes(self) -> list[str]:
        """Sentences on what was guessed, found and left out."""
        return self.source.notes

    @property
    def training_units(self) -> None:
        """Documents are the units of privacy."""

    @property
    def values(self) -> int:
        """Bytes of all documents."""
        return int(self.findings.sizes.sum())

    def planting(self, texts: Iterable[str]) -> TextSet:
        """With more training documents."""
        return replace(self, planted=(*self.planted, *map(Document.of, texts)))

    def fingerprint(self) -> str:
        """SHA-256 over all documents of the source in their order."""
        return self.findings.fingerprint

    def facts(self) -> dict[str, Any]:
        """What state.json keeps: form, sizes, what cleaning found."""
        form = {"form": asdict(self.source.form), "conditions": list(self.source.conditions)}
        if self.private:
            return form
        return {
            **form,
            "bytes": int(self.findings.sizes.sum()),
            "near_duplicates": int(len(self.findings.groups) - len(np.unique(self.findings.groups))),
            "removed": self.findings.removed,
            "personal": self.findings.personal,
            "cut": self.cut,
        }

    def write_findings(self, folder: Path) -> None:
        """Nothing: the notes say it all."""

    def documents(self, *, held: bool) -> Iterator[Document]:
        """The documents of the hold-out, or those to train on, in order; cleaned and masked as the settings say."""
        documents = cleaned(self.source, self.findings, self.settings)
        if self.private:
            documents = map(_with_usual_roles, documents)
        if self.cut:
            return _side(documents, self.cut, kept_out=held)
        return _where(documents, self.held == held)

    def fit_codec(self, settings: Any) -> TextCodec:
        """The codec of the training documents."""
        given, sizes = settings.text, self.findings.sizes
        size = (1 - self.cut) * sizes.sum() if self.cut else sizes[~self.held].sum()
        codec = TextCodec.fit(
            chain(self.documents(held=False), self.planted),
            tokeniser=given.tokeniser,
            vocabulary=given.vocabulary,
            context=given.context,
            conditions=self.source.conditions,
            size=max(int(size), 1),
            whole=given.learn == "all",
        )
        if example := next(self.documents(held=False), None):
            self.source.note(
                f"A document as the model sees it, with what is not learned in grey: {shown(codec, example)}"
            )
        if not codec.tokeniser.exact:
            self.source.note(f"The tokeniser of {given.tokeniser} does not give back every text letter for letter.")
        return codec

    def declared_codec(self) -> TextCodec:
        """The codec under a guarantee: nothing is learned from the documents but whether they are conversations, a form that
        counts as public."""
        given, first = self.settings, next(self.source.documents(), None)
        return TextCodec.declared(
            tokeniser=given.tokeniser,
            context=given.context,
            conversations=first is not None and not first.is_text,
            whole=given.learn == "all",
        )

    def encode(self, codec: TextCodec, *, validation: float, seed: int) -> tuple[TokenExamples, TokenExamples]:
        """Streams of the training documents, shuffled, and of a validation slice with that share of them.

        Where the documents are too few, the slice is the first part of each: the last one borders on the hold-out, and is most
        like it. The setting `free_share` of the training
        documents hide their conditions. GW-0195 when the loss would count no token.
        """
        groups = self.findings.groups if self.cut else self.findings.groups[~self.held]
        chosen = split_groups(groups, 0.0 if self.cut else validation, seed=seed + 1)
        if validation and not chosen.any():
            first, last = (
                _side(self.documents(held=False), validation, kept_out=side, front=True) for side in (False, True)
            )
        else:
            first, last = (_where(self.documents(held=False), chosen == side) for side in (False, True))
        planted = map(Document.of, canaries(self.settings, seed)[0] * self.settings.canary_copies)
        hidden = _hiding(chain(first, planted, self.planted), codec, self.settings.free_share, seed)
        training = _written(codec, _shuffled(_coded(codec, hidden), codec, seed), overlapping=not self.private)
        if self.private:
            training = DocumentWindows.of(training)
        if not training.counts.any():
            raise GenwrightError(
                "GW-0195",
                f"The training documents of {self.name!r} have no message that the loss counts",
                "Give texts, or conversations in which the assistant answers",
            )
        return training, _written(codec, _coded(codec, last), overlapping=False)


def shown(codec: TextCodec, document: Document, most: int = 300) -> str:
    """The beginning of a document as a model sees it, for a terminal: what the loss does not count is grey."""
    parts, left = [], most
    for part, counted in codec.render(document):
        kept = repr(part[:left])[1:-1]
        parts.append(kept if counted else f"\x1b[90m{kept}\x1b[0m")
        left -= len(part)
        if left <= 0:
            return "".join([*parts, " ..."])
    return "".join(parts)


def canaries(given: TextSettings, seed: int) -> tuple[list[str], list[str]]:
    """The texts that are planted among the training texts, and others of their like that are not, to compare with."""
    made = text_canaries.make(given.canaries + OTHERS, seed=seed) if given.canaries else []
    return made[: given.canaries], made[given.canaries :]


def read_as(data: Any, given: TextSettings) -> TextSource:
    """Texts read as the settings say."""
    return open_texts(data, column=given.column, conditions=given.conditions, separator=given.separator)


def _with_usual_roles(document: Document) -> Document:
    """What an unusual role says is taken for the user's: a list of roles would have to be looked for."""
    known = {TEXT, *USUAL_ROLES}
    turns = (message if message.role in known else replace(message, role=USER) for message in document.messages)
    return replace(document, messages=tuple(turns), columns={})


def _names_itself(form: TextForm) -> bool:
    """Whether no column had to be found by looking."""
    return not form.columns or names_texts(list(form.columns))


def _parts(document: Document, share: float) -> Sequence[Document]:
    """A text in two, the last with that share of its characters; a conversation, or a single character, whole."""
    content = document.messages[0].content
    place = round((1 - share) * len(content))
    if not document.is_text or not 0 < place < len(content):
        return (document,)
    return tuple(replace(document, messages=(Message(TEXT, part),)) for part in (content[:place], content[place:]))


def _side(documents: Iterable[Document], share: float, *, kept_out: bool, front: bool = False) -> Iterator[Document]:
    """Of each document the share at its end (or front) that is kept out, or the rest; one that cannot be cut is rest."""
    for document in documents:
        parts = _parts(document, 1 - share if front else share)
        if len(parts) == 1:
            yield from () if kept_out else parts
        else:
            yield parts[kept_out != front]


def _where(documents: Iterable[Document], wanted: np.ndarray) -> Iterator[Document]:
    return (document for document, want in zip(documents, wanted, strict=True) if want)


def _hiding(documents: Iterable[Document], codec: TextCodec, share: float, seed: int) -> Iterator[Document]:
    """The documents, each of their conditions hidden with that probability: so a model learns texts without conditions
    as well, which classifier-free guidance compares with (Ho & Salimans 2022, section 3.2)."""
    generator = np.random.default_rng([seed, 2])
    for document in documents:
        hidden = generator.random(codec.prefix) < share
        shown = {name for name, hide in zip(codec.values, hidden, strict=True) if not hide}
        yield replace(document, columns={name: value for name, value in document.columns.items() if name in shown})


def _coded(codec: TextCodec, documents: Iterable[Document]) -> Iterator[Coded]:
    documents = iter(documents)
    while several := list(islice(documents, _AT_ONCE)):
        yield from codec.encode_all(several)


def _shuffled(documents: Iterable[Coded], codec: TextCodec, seed: int) -> Iterator[Coded]:
    """Coded documents in an order by the seed, by way of a temporary file."""
    tokens, counts, ends = Stream(codec.dtype), Stream(bool), array("q", [0])
    for ids, counted in documents:
        tokens.write(ids)
        counts.write(counted)
        ends.append(tokens.length)
    coded, counting = tokens.array(), counts.array()
    for place in np.random.default_rng([seed, 3]).permutation(len(ends) - 1):
        yield coded[ends[place] : ends[place + 1]], counting[ends[place] : ends[place + 1]]


def _written(codec: TextCodec, documents: Iterable[Coded], *, overlapping: bool) -> TokenExamples:
    return TokenExamples.written(
        documents, codec.context, dtype=codec.dtype, prefix=codec.prefix, overlapping=overlapping
    )
