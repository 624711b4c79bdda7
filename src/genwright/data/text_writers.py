"""Documents as a file or folder in the form of the user's own, or in another, by suffix. `texts.py` reads them back.

Files appear whole or not at all: they are written beside their place and then moved there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from genwright.data.documents import ASSISTANT, SYSTEM, Document, TextForm
from genwright.data.origin import Origin
from genwright.data.sources import JSON_SUFFIXES, PARQUET_SUFFIXES, split_name
from genwright.data.text_files import FOLDER
from genwright.data.writers import write_table
from genwright.errors import GenwrightError
from genwright.folder import write_text

_PLAIN = (".txt", ".md", ".text")
_TABLES = (".csv", ".tsv", *PARQUET_SUFFIXES)
_SEPARATORS = {"line": "\n", "none": "\n\n", "blank line": "\n\n"}


def suffix_of(form: TextForm) -> str:
    """The suffix of a file that holds documents as the user's own did; "" for a folder."""
    if form.kind == "folder":
        return ""
    return {"csv": ".csv", "parquet": ".parquet", "file": ".txt"}.get(form.kind, ".jsonl")


def record(document: Document, form: TextForm) -> dict[str, Any]:
    """A document as a row of the user's table: text, prompt and response, or messages; then its conditions."""
    names = form.columns
    if document.is_text:
        return {names[0] if names else "text": document.text, **document.columns}
    if len(names) < 2:
        turns = [{"role": message.role, "content": message.content} for message in document.messages]
        return {names[0] if names else "messages": turns, **document.columns}
    said: dict[str, list[str]] = {}
    for message in document.messages:
        said.setdefault(message.role, []).append(message.content)
    systems, answers = said.pop(SYSTEM, []), said.pop(ASSISTANT, [])
    asked = [content for contents in said.values() for content in contents]
    row = dict.fromkeys(names, "")
    row[names[-1]] = "\n".join(answers)
    first = names[bool(systems) and len(names) > 2]  # a table with rules for the assistant has them in front
    row[first] = "\n".join(asked)
    return ({**row, names[0]: "\n".join(systems)} if systems and len(names) > 2 else row) | dict(document.columns)


def write_texts(path: Path, documents: Sequence[Document], form: TextForm) -> None:
    """Write .txt or .md (parted as the user's own file, else by blank lines), .jsonl, .csv, .tsv, .parquet; for a path without
    suffix a folder of numbered files, in folders as the user's own were.

    GW-0115 for another suffix or for conversations in a plain file, GW-0301 when it cannot be written.
    """
    path = Path(path).expanduser()
    suffix = check_texts(path, spoken=not all(document.is_text for document in documents))
    if not suffix:
        digits = len(str(len(documents)))
        for number, document in enumerate(documents, 1):
            name = f"{number:0{digits}}{form.suffix or '.txt'}"
            write_text(path / document.columns.get(FOLDER, "") / name, document.text)
    elif suffix in _PLAIN:
        separator = _SEPARATORS.get(form.separator, f"\n{form.separator}\n")
        write_text(path, separator.join(document.text.strip("\n") for document in documents) + "\n")
    elif suffix in JSON_SUFFIXES:
        rows = (json.dumps(record(document, form), ensure_ascii=False) for document in documents)
        write_text(path, "".join(row + "\n" for row in rows))
    else:
        write_table(_frame(documents, form), path, Origin("parquet" if suffix in PARQUET_SUFFIXES else "csv"))


def check_texts(path: Path, *, spoken: bool) -> str:
    """The suffix that tells the form to write, "" for a folder; GW-0115 for one that tells none, or that would lose who
    speaks where documents are conversations: to be asked before texts are drawn that could not be written."""
    suffix = split_name(path)[0]
    if suffix and suffix not in (*_PLAIN, *JSON_SUFFIXES, *_TABLES):
        raise GenwrightError(
            "GW-0115", f"The suffix of {path} tells no format to write", "Name it .txt, .jsonl, .csv or .parquet"
        )
    if spoken and (not suffix or suffix in _PLAIN):
        raise GenwrightError("GW-0115", f"{path} would lose who speaks in conversations", "Name it .jsonl")
    return suffix


def _frame(documents: Sequence[Document], form: TextForm) -> pl.DataFrame:
    rows = [record(document, form) for document in documents]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame(
        {name: [_cell(row.get(name)) for row in rows] for name in names}, dict.fromkeys(names, pl.String)
    )


def _cell(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
