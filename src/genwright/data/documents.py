"""What a document is: a text, or a conversation, with the conditions under which it was written.

`texts.py` opens any collection of them, with `text_files.py` for plain files and `text_tables.py` for rows. Read
`texts.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

TEXT, USER, ASSISTANT, SYSTEM = "text", "user", "assistant", "system"
ROLES = {
    **dict.fromkeys(("human", "customer", "client", "prompter", "question"), USER),
    **dict.fromkeys(("gpt", "bot", "chatbot", "model", "agent", "ai", "answer"), ASSISTANT),
}
"""What others call the roles; any other name stays as it is."""
USUAL_ROLES = (USER, ASSISTANT, SYSTEM)
"""Of conversations."""


@dataclass(frozen=True)
class Message:
    """One turn: who speaks ("text" where nobody does), and what is said."""

    role: str
    content: str


@dataclass(frozen=True)
class Document:
    """A text (one message of role "text") or a conversation; the unit that is never mixed with another."""

    messages: tuple[Message, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    """Conditions, such as topic or product; a condition that is not known is not in it."""
    name: str = ""
    """The file it comes from, where it has one."""

    @classmethod
    def of(cls, text: str, columns: Mapping[str, str] | None = None, name: str = "") -> Document:
        """A plain text."""
        return cls((Message(TEXT, text),), columns or {}, name)

    @property
    def text(self) -> str:
        """What was written, without roles; the messages of a conversation are parted by a line end."""
        return "\n".join(message.content for message in self.messages)

    @property
    def bytes(self) -> int:
        """Length of all messages in UTF-8."""
        return sum(len(message.content.encode("utf-8", "replace")) for message in self.messages)

    @property
    def is_text(self) -> bool:
        """Whether it is a plain text, not a conversation."""
        return len(self.messages) == 1 and self.messages[0].role == TEXT


@dataclass(frozen=True)
class TextForm:
    """How a collection is written, so that its like can be written."""

    kind: str
    """"file", "folder", "csv", "parquet", "jsonl", "frame" or "list"."""
    suffix: str = ".txt"
    separator: str = "none"
    """Of a file: "none", "line", "blank line", or the line between documents."""
    columns: tuple[str, ...] = ()
    """Of a table: the text column, the columns of prompt and response, or the column of messages."""


@dataclass
class TextSource:
    """A collection of documents that can be read again and again, without ever being held whole."""

    name: str
    """The file's or folder's name without suffixes, or "list" or "frame"."""
    form: TextForm
    conditions: tuple[str, ...] = ()
    """Names of the columns that documents may have."""
    notes: list[str] = field(default_factory=list)
    """Sentences on what was guessed, mended or left out; the first complete reading may add some."""
    _documents: Callable[[], Iterator[Document]] = field(default=lambda: iter(()), repr=False)

    def documents(self) -> Iterator[Document]:
        """All documents in order."""
        return self._documents()

    def note(self, sentence: str) -> None:
        """Add a note, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)
