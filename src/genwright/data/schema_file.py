"""The schema as a TOML file for people: commented, in the table's order, forgiving to edit, exact about mistakes.

`schema.py` is the public side.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from genwright.data.columns import FIELDS, KINDS, TEXT, Column, dtype_from_name
from genwright.data.declared import KEYS, Declared, lines_of, read_declared
from genwright.errors import GenwrightError, did_you_mean

_HEAD = """\
# What Genwright found in the table. Edit what is wrong and pass the file back with --schema.
#
# kind: integer, decimal, boolean, category, date, datetime, text (free text: new sentences are made),
#       identifier (new ones are made, none is copied), constant, missing (no values at all).
# missing: the words that mean "no value"; the first is the one written.
# A line that is not there has its default. Comments tell what was seen.
#
# For --epsilon, add to a column what you know without looking at these data; it then costs nothing (docs/privacy.md):
#   low = 0 and high = 120; categories = ["yes", "no"]; gaps = false (values are never missing) or gaps = true.

version = 1
"""
_FIXES = {
    "date": ("format", 'format = "%Y-%m-%d"'),
    "datetime": ("format", 'format = "%Y-%m-%d %H:%M:%S"'),
    "boolean": ("true", 'true = "yes" and false = "no"'),
}


def write_toml(columns: Iterable[Column], notes: Iterable[str], declared: Mapping[str, Declared]) -> str:
    """The file's text."""
    parts = [_HEAD, *(f"# Note: {note}\n" for note in notes)]
    for column in columns:
        lines = ["", "[[column]]", f"name = {_toml(column.name)}", f"kind = {_toml(column.kind)}{_comment(column)}"]
        default = Column(column.name, column.kind)
        for key in ("missing", *FIELDS[column.kind], "stored"):
            value = getattr(column, key)
            if value is not None and value != getattr(default, key):
                lines.append(f"{key} = {_toml(list(value) if isinstance(value, tuple) else value)}")
        known = lines_of(column, declared[column.name]) if column.name in declared else {}
        lines += [f"{key} = {_toml(value)}" for key, value in known.items()]
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


def read_toml(text: str) -> tuple[list[Column], dict[str, Declared]]:
    """The columns of the file and what it declares of some, by name.

    GW-0110 when it is no schema file, GW-0111 when an entry in it is wrong.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GenwrightError("GW-0110", f"The schema file is not valid TOML: {error}", "Mend that line") from None
    for key in data:
        if key not in ("version", "column"):
            raise GenwrightError(
                "GW-0111", f"The schema file has an unknown entry {key!r}", did_you_mean(key, ["version", "column"])
            )
    entries = data.get("column")
    if data.get("version") != 1 or not isinstance(entries, list) or not entries:
        raise GenwrightError(
            "GW-0110", "The schema file has no [[column]] entries of version 1", "Write one with `genwright data FILE`"
        )
    columns = [_read_column(entry, position) for position, entry in enumerate(entries, start=1)]
    known = [(column.name, read_declared(column, entry)) for column, entry in zip(columns, entries, strict=True)]
    return columns, {name: declared for name, declared in known if declared}


def _read_column(entry: dict[str, Any], position: int) -> Column:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise GenwrightError("GW-0111", f"Column entry {position} of the schema has no name", 'Add name = "..."')
    known = [item.name for item in fields(Column) if item.name != "summary"] + list(KEYS)
    for key in entry:
        if key not in known:
            raise GenwrightError("GW-0111", f"Column {name!r} has an unknown entry {key!r}", did_you_mean(key, known))
    kind = entry.get("kind")
    if kind not in KINDS:
        raise GenwrightError(
            "GW-0111", f"Column {name!r} has the unknown kind {kind!r}", did_you_mean(kind, KINDS, shown=10)
        )
    used = {key: entry[key] for key in ("missing", "stored", *FIELDS[kind]) if key in entry}
    for key, value in used.items():
        _check_type(name, key, value)
    if isinstance(used.get("missing"), list):
        used["missing"] = tuple(used["missing"])
    column = Column(name, kind, **used)
    if column.stored != TEXT:
        dtype_from_name(column.stored)
    if kind in _FIXES and column.stored in (TEXT, "String") and not getattr(column, _FIXES[kind][0]):
        what, fix = _FIXES[kind]
        raise GenwrightError("GW-0111", f"Column {name!r} is a {kind} without {what!r}", f"Add {fix}")
    return column


def _check_type(name: str, key: str, value: Any) -> None:
    wanted: dict[str, tuple[type, str]] = {
        "missing": (list, 'a list of words, such as ["NA"]'),
        "width": (int, "a whole number"),
        "grouped": (int, "a whole number"),
        "places": (int, "a whole number"),
        "digits": (int, "a whole number"),
        "shown": (int, "a whole number"),
    }
    kind, example = wanted.get(key, (str, "text in quotes"))
    right = isinstance(value, kind) and not isinstance(value, bool)
    if kind is list:
        right = right and all(isinstance(word, str) for word in value)
    if kind is int:
        right = right and 0 <= value <= 308
    choices = {
        "minus": ("before", "after", "end", "around"),
        "unit": ("us", "ns"),
        "style": ("sequence", "uuid", "pattern"),
    }
    if key in choices and value not in choices[key]:
        raise GenwrightError("GW-0111", f"{key} of column {name!r} is {value!r}", did_you_mean(value, choices[key]))
    if not right:
        raise GenwrightError("GW-0111", f"{key} of column {name!r} is {value!r}", f"Give {example}")


def _comment(column: Column) -> str:
    summary = column.summary
    if summary is None:
        return ""
    parts = [f"{summary.distinct:,} distinct"]
    if summary.missing:
        parts.append(f"{summary.missing / max(summary.rows, 1):.2%} missing")
    if summary.values:
        shown = "".join(letter if letter.isprintable() else " " for letter in summary.values)
        parts.append(shown if len(shown) <= 80 else shown[:77] + "...")
    return "  # " + ", ".join(parts)


def _toml(value: Any) -> str:
    """A value as TOML; JSON's strings are TOML's, but for one control letter."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
