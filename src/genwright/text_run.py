"""TextRun: a run on texts - new texts, going on from a prompt, the text report. The rest of a run is in `run.py`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from genwright.codecs.text import TextCodec
from genwright.config import Train
from genwright.data.documents import ASSISTANT, TEXT, USER, Document, Message, TextForm
from genwright.data.text_writers import check_texts, record, suffix_of, write_texts
from genwright.errors import GenwrightError
from genwright.metrics.text_sets import Responses, Texts
from genwright.metrics.texts import score_texts
from genwright.progress import Advance, no_progress
from genwright.report import Report
from genwright.report.texts import write_text_report
from genwright.run import Run
from genwright.text_drawing import Writer
from genwright.text_measures import exposed, measured, states
from genwright.texts import TextSet, canaries
from genwright.training.devices import choose_device

FIRST = 100  # texts of samples/ after a training
DRAWN = {"quick": 200, "full": 2_000}  # samples that the report judges, at most
ANSWERED = {"quick": 40, "full": 300}  # held-out prompts that are answered for the report
ASKED = ("where", "prompt", "prompts", "stop", "regex", "schema")
READ = 20_000  # documents of each side that the report reads, at most


class TextRun(Run):
    """A run on texts."""

    codec_class = TextCodec
    examples_at_a_time = 32
    noun = "texts"

    @property
    def sample_words(self) -> frozenset[str]:
        """Conditions, what to go on from, rules, and the settings of the model's sampler."""
        own = (f.name for f in dataclasses.fields(self.settings.model) if f.metadata.get("at_sampling"))
        return frozenset({*ASKED, *own})

    @property
    def form(self) -> TextForm:
        """How the user's own texts were written."""
        given = self.state["data"]["form"]
        return TextForm(**{**given, "columns": tuple(given["columns"])})

    @property
    def suffix(self) -> str:
        """Of files like the user's own; "" for a folder."""
        return suffix_of(self.form)

    def open_dataset(self, data: Any, settings: Train) -> TextSet:
        """The texts, split; as they are, if they have been opened."""
        return data if isinstance(data, TextSet) else TextSet.open(data, settings)

    def sample(self, n: int = 10, *, seed: int = 0, advance: Advance = no_progress, **asked: Any) -> list[Any]:
        """n new texts; of a run on conversations or with conditions: dicts with the columns of the user's table.

        `asked`: `where` maps conditions to values (GW-0198 for unknown ones; others are drawn as often as they occur);
        `prompt`: what a text begins with, or what the user says to an assistant; `prompts`: a list of such, of which each gets
        one text; `stop`: strings before which a text ends; `regex` or `schema`: a regular expression, or a JSON schema
        as a dict, that each message obeys (GW-0176 .. GW-0179); and settings such as temperature=0.8, top_p=0.9.
        """
        made = self.documents(n, seed=seed, advance=advance, **asked)
        plain = all(document.is_text and not document.columns for document in made)
        return [document.text if plain else record(document, self.form) for document in made]

    def documents(self, n: int, *, seed: int = 0, advance: Advance = no_progress, **asked: Any) -> list[Document]:
        """As `sample`, but documents."""
        prompts = asked.pop("prompts", None) or [asked.pop("prompt", "")] * n
        if n < 1 or not prompts:
            raise GenwrightError("GW-0206", f"Cannot draw {n} texts", "Ask for one text or more.")
        where = asked.pop("where", None)
        writer = self.writer(begun=any(prompts), **asked)
        given = self._begun(prompts, where, seed)
        return writer.documents(given, seed=seed, one_message=any(prompts) or not self.codec.whole, advance=advance)

    def begun(self, prompt: str) -> list[Message]:
        """What a user asks, or a text that has begun, as messages to go on from."""
        return [Message(USER if self.codec.roles else TEXT, prompt)] if prompt or not self.codec.roles else []

    def pieces(self, messages: list[Message], *, seed: int = 0, **asked: Any) -> Iterator[str]:
        """What follows a conversation, or a text, as it is written; `asked` as for `sample`. The oldest messages are left out
        where all would fill the context."""
        drawn = self.codec.draw_conditions(1, np.random.default_rng([seed, 3]))[0]
        columns = drawn | self._fixed(asked.pop("where", None))
        while True:
            prompt = self.codec.prompt(Document(tuple(messages), columns))
            if len(prompt) <= self.codec.context // 2 or len(messages) < 2:
                return self.writer(begun=not self.codec.roles, **asked).pieces(prompt, seed=seed)
            messages = messages[1:]

    def writer(
        self,
        *,
        stop: Sequence[str] = (),
        regex: str = "",
        schema: Mapping[str, Any] | None = None,
        begun: bool = False,
        **sampler: Any,
    ) -> Writer:
        """What draws texts as they are asked for; `begun`: prompts hold the beginning of a plain text."""
        rule = None
        if regex or schema is not None:
            from genwright.constraints import Constraint

            rule = Constraint.regex(regex, self.codec) if regex else Constraint.json_schema(schema or {}, self.codec)
        model, device = self.model_with(**sampler), choose_device(self.settings.device)
        continued = begun and not self.codec.roles
        return Writer(model, self.codec, device, self.examples_at_a_time, rule, tuple(stop), continued)

    def _begun(self, prompts: Sequence[str], where: Mapping[str, Any] | None, seed: int) -> list[np.ndarray]:
        """Tokens that new texts begin with, one array for each prompt."""
        codec, fixed = self.codec, self._fixed(where)
        conditions = codec.draw_conditions(len(prompts), np.random.default_rng([seed, 3]))
        return [self._tokens(prompt, {**drawn, **fixed}) for prompt, drawn in zip(prompts, conditions, strict=True)]

    def _fixed(self, where: Mapping[str, Any] | None) -> dict[str, str]:
        """What is asked for; GW-0198 for what there is not."""
        fixed = {name: str(value) for name, value in (where or {}).items()}
        for name, value in fixed.items():
            self.codec.control(name, value)
        return fixed

    def _tokens(self, prompt: str, columns: Mapping[str, str]) -> np.ndarray:
        codec = self.codec
        if codec.roles and prompt:
            return codec.prompt(Document((Message(USER, prompt),), columns))
        if codec.roles and codec.whole:
            return codec.encode(Document((), columns))[0]
        return codec.prompt(Document((), columns) if codec.roles else Document.of(prompt, columns))

    def write_samples(self, path: Path, n: int, *, seed: int = 0, advance: Advance = no_progress, **asked: Any) -> Path:
        """n new texts in a file, by its suffix: .txt, .jsonl, .csv, .parquet; without one, a folder of text files."""
        check_texts(Path(path).expanduser(), spoken=bool(self.codec.roles))
        write_texts(path, self.documents(n, seed=seed, advance=advance, **asked), self.form)
        return path

    def first_samples(self, advance: Advance) -> Path:
        """Some texts, in samples/."""
        n = self.settings.rows or FIRST
        return self.write_samples(self.first_path, n, advance=advance)

    def report(
        self,
        *,
        data: Any = None,
        test: Any = None,
        effort: str = "full",
        language: str = "auto",
        seed: int = 0,
        out: str | Path | None = None,
        advance: Advance = no_progress,
    ) -> Report:
        """Judge new texts beside training and held-out ones (`test`: other real texts than the hold-out); writes
        report.json and report.html into the folder or `out`.

        The training texts are read again from where they were (give `data` when it was a list or frame); GW-0307 if changed.
        """
        dataset = self.open_dataset(self.training_data(data), self.settings)
        self.check_fingerprint(dataset)
        test = test or self.settings.test or None
        train = list(islice(dataset.documents(held=False), READ))
        holdout = list(islice(self._read(test) if test else dataset.documents(held=True), READ))
        answered = self._answers(holdout or train, ANSWERED[effort], seed)
        if self.codec.roles and not self.codec.whole:
            made = [document for _, document in answered]
        else:
            most = min(DRAWN[effort], max(len(train), FIRST))
            made = self.documents(
                most, seed=seed, advance=lambda done, total, pace: advance(done, total, f"sampling, {pace}")
            )
        sets = [Texts(self._judged(part), self._labels(part)) for part in (train, holdout, made)]
        parts = (self.model, self.codec, holdout)
        likelihoods = measured(*parts, seed=seed) | exposed(
            *parts[:2], *canaries(self.settings.text, self.settings.seed)
        )
        scores = score_texts(
            *sets,
            conditions=self.codec.values,
            states=states(self.model, self.codec),
            effort=effort,
            seed=seed,
            progress=advance,
            likelihoods=likelihoods,
            responses=self._responses(answered, train) if holdout else None,
        )
        shown = {"samples": sets[2].texts, "real": sets[1].texts, "training": sets[0].texts}
        folder = Path(out or self.folder)
        write_text_report(folder, scores, self.facts(), **shown, log=self.log(), language=language)
        return Report(scores, self.facts())

    def _read(self, data: Any) -> Iterator[Document]:
        whole = TextSet.open(data, replace(self.settings, data="", test="", holdout=0.0))
        return whole.documents(held=False)

    def _judged(self, documents: list[Document]) -> list[str]:
        """What the model learned to write: of conversations, perhaps the answers only."""
        if self.codec.whole or not self.codec.roles:
            return [document.text for document in documents]
        return [
            "\n".join(m.content for m in document.messages if m.role in (TEXT, ASSISTANT)) for document in documents
        ]

    def _labels(self, documents: list[Document]) -> np.ndarray | None:
        """(documents, conditions) which value each has, -1: none of the known ones; None without conditions."""
        places = {name: {value: at for at, value in enumerate(found)} for name, found in self.codec.values.items()}
        rows = [[known.get(d.columns.get(name, ""), -1) for name, known in places.items()] for d in documents]
        return np.array(rows, np.int64).reshape(len(documents), len(places)) if places else None

    def _answers(self, documents: list[Document], most: int, seed: int) -> list[tuple[Document, Document]]:
        """Conversations that end with an answer, each with what the model answers in its place."""
        codec = self.codec
        asked = [d for d in documents if len(d.messages) > 1 and d.messages[-1].role == ASSISTANT and codec.roles]
        chosen = sorted(np.random.default_rng([seed, 5]).permutation(len(asked))[:most].tolist())
        prompts = [codec.prompt(replace(asked[place], messages=asked[place].messages[:-1])) for place in chosen]
        fitting = [(asked[place], prompt) for place, prompt in zip(chosen, prompts, strict=True)]
        fitting = [(document, prompt) for document, prompt in fitting if len(prompt) < codec.context]
        made = self.writer().documents([prompt for _, prompt in fitting], seed=seed, one_message=True)
        return [
            (document, replace(answer, messages=answer.messages[-1:]))
            for (document, _), answer in zip(fitting, made, strict=True)
        ]

    def _responses(self, answered: list[tuple[Document, Document]], train: list[Document]) -> Responses | None:
        """The answers beside the real ones, for scores that compare the two; None without any."""
        if not answered:
            return None
        real = [document for document, _ in answered]
        return Responses(
            [answer.text for _, answer in answered],
            [document.messages[-1].content for document in real],
            [document.messages[-1].content for document in train if document.messages[-1].role == ASSISTANT],
            self._labels(real),
        )
