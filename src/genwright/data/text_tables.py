"""Rows of a table as documents: which column holds the text or the conversation, and which are conditions.

`sources.py` reads the table itself; `texts.py` is the way in: read it next.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from genwright.data.documents import ASSISTANT, ROLES, SYSTEM, TEXT, USER, Document, Message, TextForm, TextSource
from genwright.data.image_files import SPLIT_NAMES
from genwright.data.sources import TableSource
from genwright.errors import GenwrightError, did_you_mean

TEXTS = ("text", "content", "document", "body", "article", "message", "story", "poem", "review")
PROMPTS = ("prompt", "instruction", "question", "query", "user", "input")
RESPONSES = ("response", "completion", "answer", "output", "reply", "assistant")
CONVERSATIONS = ("messages", "conversations", "conversation", "turns", "dialogue")
MOST_VALUES = 256  # of a condition
ROWS = 1000  # held at once
_SPEAKERS, _WORDS = ("role", "from", "speaker"), ("content", "value", "text")
_Row = Mapping[str, str | None]


def from_table(table: TableSource, column: str, chosen: str, kind: str) -> TextSource:
    """Documents of a table's rows; the column of texts is the one named, or found by name and look.

    `chosen` names the conditions, parted by commas; "none": no column; "": those with few values. GW-0172 when there is no
    column of that name, GW-0173 when none holds text.
    """
    head = next(table.batches(ROWS))
    given = _checked(table.name, head.columns, column, chosen)
    columns, read = _reading(head, column)
    if not columns:
        raise GenwrightError(
            "GW-0173", f"No column of {table.name!r} holds text (there are {', '.join(head.columns[:8])})", "Name one"
        )
    others = [name for name in given or head.columns if name not in columns]
    conditions = tuple(others) if given else () if chosen else _conditions(table, others)
    source = TextSource(table.name, TextForm(kind, table.origin.suffix or "", columns=columns), conditions)
    nested = f"Column {columns[0]!r} holds"  # said of a column of messages, which is read as what it is
    source.notes = [note for note in table.notes if not note.startswith(nested)]
    names = " and ".join(repr(name) for name in columns)
    source.note(
        f"Texts are taken from {names}" + (f", conditions from {', '.join(conditions)}." if conditions else ".")
    )

    def documents() -> Iterator[Document]:
        bad = number = 0
        for frame in table.batches(ROWS):
            for row in frame.select([*columns, *conditions]).cast(pl.String).iter_rows(named=True):
                number += 1
                if messages := read(row):
                    known = {name: value for name in conditions if (value := row[name])}
                    yield Document(messages, known, f"row {number}")
                else:
                    bad += 1
        if bad:
            source.note(f"{bad:,} of {number:,} rows hold no text and are left out.")

    source._documents = documents
    return source


def _checked(table: str, known: list[str], column: str, chosen: str) -> list[str]:
    """The conditions that are named. GW-0172 when there is no such column."""
    given = [] if chosen == "none" else [name for part in chosen.split(",") if (name := part.strip())]
    for name in [column, *given] if column else given:
        if name not in known:
            raise GenwrightError("GW-0172", f"{table!r} has no column {name!r}", did_you_mean(name, known))
    return list(dict.fromkeys(given))


def names_texts(names: list[str]) -> bool:
    """Whether the names of columns tell that a table is a collection of texts."""
    known = {name.lower() for name in names}
    pairs = known & set(PROMPTS) and known & set(RESPONSES)
    return bool(known & {TEXTS[0], *CONVERSATIONS} or pairs)


def _reading(head: pl.DataFrame, column: str) -> tuple[tuple[str, ...], Callable[[_Row], tuple[Message, ...]]]:
    """The columns that hold what was written, and how a row of them becomes messages (none: the row holds no text)."""
    texts = head.select(pl.selectors.string() if not column else pl.col(column).cast(pl.String))
    nested = [name for name in texts.columns if _holds_conversations(texts[name])]
    if nested:
        return (nested[0],), lambda row: conversation(row[nested[0]] or "")
    if column:
        return (column,), lambda row: _message(TEXT, row[column])
    by_name = {name.lower(): name for name in reversed(texts.columns)}
    prompts, responses, systems = (
        [by_name[word] for word in words if word in by_name] for words in (PROMPTS, RESPONSES, ("system",))
    )
    if prompts and responses:
        return (*systems, *prompts, responses[0]), lambda row: _pair(row, systems, prompts, responses[0])
    found = next((by_name[word] for word in TEXTS if word in by_name), "") or _longest(texts)
    return ((found,), lambda row: _message(TEXT, row[found])) if found else ((), lambda row: ())


def _holds_conversations(column: pl.Series) -> bool:
    """By what some of its first values are; by its name where all of them are lists, as of conversations without messages."""
    found = [value for value in column.head(20) if value]
    lists = column.name.lower() in CONVERSATIONS and all(value.startswith("[") for value in found)
    return bool(found) and (lists or any(map(conversation, found)))


def _longest(texts: pl.DataFrame) -> str:
    """The column with the longest values of those that are not all numbers, or "" without one."""
    words = [name for name in texts.columns if texts[name].drop_nulls().cast(pl.Float64, strict=False).is_null().any()]
    lengths = {name: texts[name].str.len_chars().mean() or 0.0 for name in words}
    return max(lengths, key=lambda name: float(str(lengths[name])), default="")


def _message(role: str, content: str | None) -> tuple[Message, ...]:
    return (Message(role, content),) if content and content.strip() else ()


def _pair(row: _Row, systems: list[str], prompts: list[str], response: str) -> tuple[Message, ...]:
    """A prompt, perhaps in two columns (an instruction and its input), and its response; nothing when one is missing."""
    asked = "\n\n".join(value for name in prompts if (value := row[name]) and value.strip())
    question, answer = _message(USER, asked), _message(ASSISTANT, row[response])
    rules = _message(SYSTEM, row[systems[0]]) if systems else ()
    return (*rules, *question, *answer) if question and answer else ()


def conversation(value: str) -> tuple[Message, ...]:
    """Messages of a JSON list of {"role", "content"}, {"from", "value"} or [role, content]; none if it is not that."""
    if not value.startswith("["):
        return ()
    try:
        return tuple(_turn(item) for item in json.loads(value))
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return ()


def _turn(item: Any) -> Message:
    if isinstance(item, dict):
        role = next((item[name] for name in _SPEAKERS if name in item), None)
        content = next((item[name] for name in _WORDS if name in item), None)
    else:
        role, content = item
    if isinstance(content, list):  # parts, of which only text can be read
        content = "".join(part["text"] for part in content if part.get("type") == "text")
    if not isinstance(role, str) or not isinstance(content, str):
        raise TypeError
    return Message(ROLES.get(role.lower(), role.lower()), content)


def _conditions(table: TableSource, names: list[str]) -> tuple[str, ...]:
    """Columns that have two or more values, and at least five rows for each."""
    values: dict[str, set[str]] = {name: set() for name in names}
    rows = 0
    for frame in table.batches(ROWS):
        rows += frame.height
        for name in list(values):
            values[name] |= set(frame[name].drop_nulls().cast(pl.String).unique().to_list()) - {""}
            if len(values[name]) > MOST_VALUES:
                del values[name]
    most = max(2, rows // 5)
    return tuple(
        name
        for name, found in values.items()
        if 2 <= len(found) <= most and not {value.lower() for value in found} <= SPLIT_NAMES
    )
