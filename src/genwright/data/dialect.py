"""How a delimited text file is written: delimiter, quote, line end, header; found from its first lines.

Each is decided by asking which reading makes the lines agree with one another. `delimited.py` reads the file by the
result: read it next.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t", "|")
UNUSED = "\x1f"  # the delimiter of a file with one column, whose cells may hold any of the usual ones
_NUMBER = re.compile(r"[+-]?[$€£¥]?\s?\d[\d.,' ]*(?:[eE][+-]?\d+)?\s?%?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T].*)?")
_YEAR = re.compile(r"(1[89]|20|21)\d\d")
_NAMED_DELIMITER = re.compile(r"""sep=([^\s"'\w]|\t)\r?\n""", re.IGNORECASE)
_LINES = 200


@dataclass(frozen=True)
class Dialect:
    """The way the file is written; `names` are the header's cells, or empty when there is no header."""

    delimiter: str
    quote: str
    newline: str
    header: bool
    names: tuple[str, ...]
    width: int
    quoted: tuple[int, ...]
    """Positions of columns whose cells are all quoted, though nothing in them asks for it."""
    quoted_header: bool
    """The names are all quoted."""
    preamble: str = ""
    """What stands before the header: the line "sep=;" that Excel understands, comments and titles."""
    notes: tuple[str, ...] = ()
    """Sentences on what was skipped, or could be meant otherwise."""

    @property
    def written_delimiter(self) -> str:
        """What stands between cells on output; a file of one column never shows it."""
        return "," if self.delimiter == UNUSED else self.delimiter


def find_dialect(head: str, *, complete: bool, delimiter: str | None = None) -> Dialect:
    """The dialect of a file that starts with `head`; `complete` tells that head is the whole file."""
    newline = "\r\n" if "\r\n" in head else "\n" if "\n" in head else "\r" if "\r" in head else "\n"
    if newline == "\r":
        head = head.replace("\r", "\n")
    named = _NAMED_DELIMITER.match(head)
    if named:
        head, delimiter = head[named.end() :], delimiter or named[1]
    lines = head.split("\n")
    if not complete and len(lines) > 1:
        lines = lines[:-1]  # its end is missing
    quote = _find_quote("\n".join(lines[:_LINES]), delimiter)
    comments = next((at for at, line in enumerate(lines) if not line.startswith("#")), 0)
    chosen = delimiter or _find_delimiter("\n".join(lines[comments : comments + _LINES]), quote)
    notes = []
    if skipped := _lines_before_header(lines, comments, chosen, quote):
        shown = "line is" if skipped == 1 else f"{skipped} lines are"
        notes.append(
            f"The first {shown} no part of the table, {lines[0].strip()[:60]!r}: skipped, and not written back."
        )
    preamble = (named[0] if named else "") + "".join(line + "\n" for line in lines[:skipped])
    lines = [line.removesuffix("\r") for line in lines[skipped:]]
    text = "\n".join(lines[:_LINES])
    rows = _rows(text, chosen, quote)
    first = tuple(rows[0]) if rows else ()
    header = _has_header(rows)
    width = len(first) if header else Counter(len(row) for row in rows).most_common(1)[0][0]
    quoted = _always_quoted(lines[1:_LINES], chosen, quote)
    names = first if header else ()
    quoted_names = bool(names) and len(_always_quoted(lines[:1], chosen, quote)) == sum(map(bool, names))
    if named:
        notes.append(f"The first line names the delimiter, {chosen!r}: it is not written back.")
    if chosen == UNUSED and header and (parted := _parted_otherwise(lines[:_LINES])):
        notes.append(parted)
    return Dialect(chosen, quote, newline, header, names, width, quoted, quoted_names, preamble, tuple(notes))


def _rows(text: str, delimiter: str, quote: str) -> list[list[str]]:
    """Parsed rows, without blank lines."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote) if row]
    except csv.Error:  # a cell beyond the module's limit: the lines as they are, quotes read as letters
        rows = [line.split(delimiter) for line in text.split("\n") if line]
    if delimiter == UNUSED and not rows and text:
        rows = [[line] for line in text.split("\n")]
    return rows


def _find_quote(text: str, delimiter: str | None) -> str:
    """The character that stands around whole cells more often."""
    edge = re.escape(delimiter) if delimiter else r"[,;\t|]"
    counts = {
        quote: len(re.findall(rf"(?:^|{edge}){quote}[^{quote}\n]*{quote}(?={edge}|$)", text, re.MULTILINE))
        for quote in ('"', "'")
    }
    return "'" if counts["'"] > counts['"'] else '"'


def _find_delimiter(text: str, quote: str) -> str:
    """The delimiter that gives most lines the same number of cells, above one; UNUSED when none does."""
    best, best_score = UNUSED, (0.0, 0)
    for candidate in DELIMITERS:
        rows = _rows(text, candidate, quote)
        if not rows:
            continue
        widths = Counter(len(row) for row in rows)
        usual, lines = max(widths.items(), key=lambda item: (item[1], item[0]))
        first, share = len(rows[0]), lines / len(rows)
        if first > 1 and (usual == 1 or share < 0.6):
            usual, share = first, widths[first] / len(rows)  # a header of several names outweighs untidy rows
        score = (round(share, 1) - 0.5 * (first != usual), usual)
        if usual > 1 and score > best_score:
            best, best_score = candidate, score
    return best


def _lines_before_header(lines: list[str], comments: int, delimiter: str, quote: str) -> int:
    """How many lines at the top are comments (`comments` begin with #) or titles: of one cell, above a row that surely names
    the columns. Where there is one column, nothing is sure."""
    rows = _rows("\n".join(lines[comments : comments + _LINES]), delimiter, quote)
    width = Counter(len(row) for row in rows).most_common(1)[0][0] if rows else 1
    if width == 1:
        return 0
    if comments and len(_rows(lines[comments - 1], delimiter, quote)[0]) == width:
        comments -= 1  # the names of the columns, the first of them behind a #
        return comments
    skipped, left = comments, rows
    while len(left) > 2 and sum(map(bool, left[0])) == 1 and len(left[0]) in (1, width) and left[0] != left[1]:
        skipped = lines.index(next(line for line in lines[skipped:] if line.strip("\r")), skipped) + 1
        left = left[1:]
        if len(left[0]) == width and all(left[0]) and not any(map(_is_value, left[0])) and _votes(left) > 0:
            return skipped
    return comments


def _parted_otherwise(lines: list[str]) -> str:
    """A sentence where one column seems to be several; empty where nothing speaks for it."""
    lines = [line.strip() for line in lines if line.strip()]
    first = lines[0] if len(lines) > 2 else ""
    for mark in sorted(set(re.findall(r"[^\w\s\"']", first))):
        if all(line.count(mark) == first.count(mark) and mark in line[1:-1] for line in lines):
            return f"Every line has {mark!r}, so this may be more than one column: say so by --delimiter {mark!r}."
    cells = len(first.split())
    if cells > 1 and all(len(line.split()) == cells for line in lines):
        if any("  " in line for line in lines):
            return f"Every line has {cells} words, so this may be columns of fixed width, which are not read: save it as CSV."
        return f"Every line has {cells} words, so this may be more than one column: say so by --delimiter ' '."
    return ""


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: its cells differ in kind from those below, and do not recur there.

    Each column votes. Years as names ("2019", "2020") are allowed for; when nobody votes there is a header.
    """
    if len(rows) < 2:
        return not rows or not any(_is_value(cell) for cell in rows[0])
    filled = [cell for cell in rows[0] if cell]
    if len(filled) > 1 and sum(bool(_YEAR.fullmatch(cell)) for cell in filled) >= len(filled) - 2 > 0:
        return True
    return _votes(rows) >= 0


def _votes(rows: list[list[str]]) -> int:
    """Columns that speak for the first row as a header, less those against it."""
    first, body = rows[0], rows[1:]
    votes = 0
    for position, cell in enumerate(first):
        below = [row[position].strip() for row in body if len(row) > position and row[position].strip()]
        if not below:
            continue
        values = sum(_is_value(other) for other in below) / len(below)
        if values > 0.8:
            votes += -1 if _is_value(cell.strip()) else 1
        elif cell.strip() and below.count(cell.strip()) * 50 >= len(below):
            votes -= 1
    return votes


def _is_value(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell) or _DATE.fullmatch(cell))


def _always_quoted(lines: list[str], delimiter: str, quote: str) -> tuple[int, ...]:
    """Columns in which every filled cell wears quotes, in lines simple enough to split without a parser."""
    quoted: dict[int, bool] = {}
    for line in lines:
        cells = line.split(delimiter)
        if line.count(quote) != 2 * sum(cell[:1] == quote and cell[-1:] == quote and len(cell) > 1 for cell in cells):
            continue  # a delimiter or a quote inside quotes
        for position, cell in enumerate(cells):
            if cell:
                quoted[position] = quoted.get(position, True) and cell[:1] == quote
    return tuple(sorted(position for position, always in quoted.items() if always))
