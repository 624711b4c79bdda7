"""Any collection of texts as a stream of documents: files, folders, archives, tables, frames, lists.

Read `documents.py` for what a document is, `duplicates.py` and `personal.py` for what is looked for in them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from genwright.data.archives import is_archive
from genwright.data.documents import Document, TextForm, TextSource
from genwright.data.encodings import raw_blocks
from genwright.data.image_files import holds_images
from genwright.data.sources import JSON_SUFFIXES, PARQUET_SUFFIXES, open_table, split_name
from genwright.data.text_files import from_file, from_folder, holds_texts, is_text
from genwright.data.text_tables import from_table, names_texts
from genwright.errors import GenwrightError

_TABLES = {".csv": "csv", ".tsv": "csv", ".tab": "csv"}
_TABLES |= dict.fromkeys(PARQUET_SUFFIXES, "parquet") | dict.fromkeys(JSON_SUFFIXES, "jsonl")


def open_texts(data: Any, *, column: str = "", conditions: str = "", separator: str = "") -> TextSource:
    """Open a text file, a folder or archive of them, JSON lines, CSV, Parquet, a frame, or a list of texts or documents.

    `column`: of a table, the column of texts; else found by name ("text", prompt and response, messages), else the one
    with the longest values. `conditions`: of a table, names parted by commas, or "none"; else the columns with few values.
    `separator`: what parts a file into documents: "blank line", "line", "none", or a line that
    stands between them; else found by looking. Nothing is held in memory. Raises GW-0170 .. GW-0174, and what
    `sources.open_table` raises.
    """
    if isinstance(data, list | tuple):
        return _from_list(data)
    if not isinstance(data, str | Path):
        return from_table(open_table(data), column, conditions, "frame")
    path = Path(data).expanduser()
    try:
        there = path.is_dir() or path.is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        what = f"{str(data)[:200]!r} is no file or folder"
        raise GenwrightError("GW-0174", what, "Check the path; a text itself is given in a list")
    if path.is_dir() or is_archive(path):
        return _conditioned(from_folder(path, separator), conditions)
    if kind := _TABLES.get(split_name(path)[0]):
        return from_table(open_table(path), column, conditions, kind)
    return _conditioned(from_file(path, separator), conditions)


def _conditioned(source: TextSource, conditions: str) -> TextSource:
    """With the conditions that are named, of those that files and folders have. GW-0172 for others."""
    if conditions == "none":
        source.conditions = ()
    for name in filter(None, (each.strip() for each in conditions.split(",") if conditions != "none")):
        if name not in source.conditions:
            has = f"only {', '.join(source.conditions)}" if source.conditions else "none"
            what = f"{source.name!r} has no condition {name!r}: texts in files have {has}"
            raise GenwrightError("GW-0172", what, "Leave out --text.conditions, or give a table")
    return source


def looks_like_texts(data: Any) -> bool:
    """Whether data of which nothing is said are texts: a list of str, .txt or .md (but no table in such a file), a folder
    or archive of them without pictures, a table whose columns have the names of texts or messages. Cheap, and never an
    error."""
    if isinstance(data, list | tuple):
        return bool(data) and all(isinstance(item, str | Document) for item in data[:100])
    if not isinstance(data, str | Path):
        return False
    path = Path(data).expanduser()
    try:
        if path.is_dir() or (is_archive(path) and path.is_file()):
            return holds_texts(path) and not holds_images(path)
        if not path.is_file():
            return False
        kind = _TABLES.get(split_name(path)[0])
        if kind:
            return names_texts(_columns(path, kind))
        return is_text(path.name) and not _is_table(path)
    except (
        GenwrightError,
        OSError,
        ValueError,
        RecursionError,
        csv.Error,
        pl.exceptions.PolarsError,
    ):  # whoever opens it will be told
        return False


def _from_list(data: Sequence[Any]) -> TextSource:
    documents = [Document.of(item) if isinstance(item, str) else item for item in data]
    for place, item in enumerate(documents):
        if not isinstance(item, Document):
            raise GenwrightError(
                "GW-0174", f"Item {place} is a {type(item).__name__}, not a text", "Give a list of str"
            )
    if not any(document.text.strip() for document in documents):
        raise GenwrightError("GW-0170", "The list holds no text", "Give at least one text")
    conditions = tuple(dict.fromkeys(name for document in documents for name in document.columns))
    return TextSource("list", TextForm("list"), conditions, _documents=lambda: iter(documents))


def _columns(path: Path, kind: str) -> list[str]:
    """The names of a table's columns, by its schema or its first line."""
    if kind == "parquet":
        return list(pl.read_parquet_schema(path))
    line = next(raw_blocks(path), b"").split(b"\n", 1)[0].decode("utf-8-sig", errors="ignore")
    if kind == "csv":
        return next(csv.reader([line.strip()], delimiter=max("\t;|,", key=line.count)), [])
    found = json.loads(line)
    return list(found) if isinstance(found, dict) else []


def _is_table(path: Path) -> bool:
    """Whether the first lines hold the same number of tabs, semicolons or bars, or of two commas or more."""
    head = next(raw_blocks(path), b"")[: 1 << 16].decode("utf-8", errors="ignore")
    lines = [line for line in head.splitlines()[:20] if line.strip()]
    counts = {mark: {line.count(mark) for line in lines} for mark in "\t;|,"}
    least = {mark: min(found) for mark, found in counts.items() if len(found) == 1}
    return len(lines) > 2 and any(count >= (2 if mark == "," else 1) for mark, count in least.items())
