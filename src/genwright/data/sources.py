"""Any table as a stream of polars frames: CSV, Parquet, JSON lines, a workbook, or a frame of pandas, polars or pyarrow.

Cells of text files arrive as text, just as they stand (leading zeros, "1.50", "?"); typed sources keep their types.
What the columns mean is found afterwards, in `schema.py`: read it next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from genwright.data.delimited import DelimitedText, Repairs
from genwright.data.dialect import find_dialect
from genwright.data.encodings import examine, raw_blocks, utf8_blocks
from genwright.data.frames import digest_frame, named, plain, read_frame
from genwright.data.jsonlines import JsonLines
from genwright.data.origin import Origin, distinct_names
from genwright.data.workbooks import SUFFIXES as WORKBOOK_SUFFIXES
from genwright.data.workbooks import read_workbook
from genwright.errors import GenwrightError, did_you_mean

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
PARQUET_SUFFIXES = (".parquet", ".pq")
JSON_SUFFIXES = (".jsonl", ".ndjson")
_SPREADSHEETS = (".xls", ".xlsb", ".ods")


@dataclass
class TableSource:
    """A table that can be read again and again, without ever being held whole."""

    name: str
    """The file's name without suffixes, or "frame"."""
    columns: list[str]
    origin: Origin
    notes: list[str] = field(default_factory=list)
    """Sentences on what was guessed or mended; the first complete reading may add some."""
    typed: bool = False
    """False: every cell is text."""
    _frames: Callable[[int], Iterator[pl.DataFrame]] = field(default=lambda rows: iter(()), repr=False)
    _digest: Callable[[], str] = field(default=lambda: "", repr=False)
    _height: int = 0
    """Rows, where they are known without reading."""
    _line: Callable[[int], int] | None = field(default=None, repr=False)
    """The line of a row, both counted as people do; None where there are no lines."""

    def batches(self, rows: int = 100_000) -> Iterator[pl.DataFrame]:
        """All rows in order, in frames of `rows` rows (the last may have fewer)."""
        held: list[pl.DataFrame] = []
        count = 0
        for frame in self._frames(rows):
            held.append(frame)
            count += frame.height
            while count >= rows:
                whole = pl.concat(held)
                yield whole[:rows]
                held, count = [whole[rows:]], count - rows
        if count:
            yield pl.concat(held)

    @cached_property
    def rows(self) -> int:
        """How many rows there are: for text only a whole reading tells."""
        return self._height or sum(frame.height for frame in self._frames(100_000))

    @cached_property
    def _fingerprint(self) -> str:
        return self._digest()

    def fingerprint(self) -> str:
        """SHA-256 over the content: a file's bytes (unpacked), a frame's names, types and values."""
        return self._fingerprint

    def place(self, row: int, start: int = 0) -> str:
        """Where a row stands, counted from 0 on from `start`: "line 7" of the file, or "row 6"."""
        row += start
        return f"line {self._line(row):,}" if self._line else f"row {row + 1:,}"

    def place_of(self, column: str, word: str) -> str:
        """Where the first row with that word is, for a sentence."""
        start = 0
        for frame in self.batches():
            found = (frame[column].cast(pl.String) == word).fill_null(False)
            if found.any():
                return self.place(start + int(found.arg_max() or 0))
            start += len(frame)
        return "no row"

    def note(self, sentence: str) -> None:
        """Add a note, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def open_table(source: Any, *, delimiter: str | None = None, encoding: str | None = None) -> TableSource:
    """Open a path or a frame for streaming. `delimiter` and `encoding` are for text files whose own are not found.

    Raises GW-0101 .. GW-0109 when there is no such file, when it is empty, or when it is not a table.
    """
    if not isinstance(source, str | Path):
        frame, origin, notes = read_frame(source)
        return TableSource(
            "frame", frame.columns, origin, notes, True, frame.iter_slices, lambda: digest_frame(frame), len(frame)
        )
    path = Path(source).expanduser()
    delimiter = "\t" if delimiter == "\\t" else delimiter  # as it comes from a command line
    if path.is_dir():
        raise GenwrightError("GW-0101", f"{path} is a folder, not a table", "Give a file: CSV, Parquet or JSON lines")
    if not path.exists():
        raise GenwrightError("GW-0101", f"{path} does not exist", _similar_file(path))
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in "\r\n\"'"):
        raise GenwrightError("GW-0109", f"{delimiter!r} cannot part cells", "Give one character, such as ',' or '\\t'")
    suffix, name = split_name(path)
    if suffix in PARQUET_SUFFIXES:
        return _open_parquet(path, name)
    if suffix in JSON_SUFFIXES:
        return _open_json_lines(path, name, encoding)
    if suffix in WORKBOOK_SUFFIXES:
        return _open_workbook(path, name)
    if suffix in TEXT_SUFFIXES or delimiter is not None:
        return _open_text(path, name, "\t" if suffix in (".tsv", ".tab") else None, delimiter, encoding)
    raise _unknown_suffix(path, suffix)


def split_name(path: Path) -> tuple[str, str]:
    """The suffix that tells the format (".csv" for "a.csv.gz") and the name without suffixes."""
    bare = Path(path.name.removesuffix(".gz") if path.name.lower().endswith(".gz") else path.name)
    return bare.suffix.lower(), bare.stem


def _unknown_suffix(path: Path, suffix: str) -> GenwrightError:
    known = ", ".join((*TEXT_SUFFIXES, *PARQUET_SUFFIXES, *JSON_SUFFIXES, *WORKBOOK_SUFFIXES))
    if suffix in _SPREADSHEETS:
        return GenwrightError("GW-0103", f"{path} is a spreadsheet", "Save it as .xlsx or CSV and give that")
    if suffix == ".json":
        fix = (
            "Write one object a line and call it .jsonl; pandas does: frame.to_json(path, orient='records', lines=True)"
        )
        return GenwrightError("GW-0103", f"{path} is one whole JSON value, not lines that can be read one by one", fix)
    return GenwrightError(
        "GW-0103",
        f"The suffix {suffix!r} of {path} does not tell which format it is",
        f"Rename it to one of {known} (text may also be .gz), or say how cells are parted: --delimiter ','",
    )


def _similar_file(path: Path) -> str:
    try:
        beside = [item.name for item in path.parent.iterdir() if item.is_file()][:1000]
    except OSError:
        return "Check the path"
    return did_you_mean(path.name, beside) if beside else "Check the path"


def _open_text(path: Path, name: str, usual: str | None, delimiter: str | None, encoding: str | None) -> TableSource:
    facts = examine(path, encoding)
    block = next(utf8_blocks(path, facts.encoding))
    head = block[: 1 << 18].decode(errors="ignore")
    if not head.strip():
        raise GenwrightError("GW-0102", f"{path} holds nothing but blanks", "Give a file with a header and rows")
    if delimiter is None and usual is not None and usual in head.split("\n", 1)[0]:
        delimiter = usual
    dialect = find_dialect(head, complete=len(head) < 1 << 18, delimiter=delimiter)
    given = list(dialect.names) if dialect.header else [f"column_{i + 1}" for i in range(dialect.width)]
    columns, renamed = distinct_names(given)
    origin = Origin(
        "csv",
        suffix=split_name(path)[0],
        encoding=facts.encoding,
        delimiter=dialect.written_delimiter,
        quote=dialect.quote,
        newline="\r\n" if dialect.newline == "\r\n" else "\n",
        header=dialect.header,
        quoted=tuple(columns[position] for position in dialect.quoted if position < len(columns)),
        quoted_header=dialect.quoted_header,
        names=renamed,
    )
    text = DelimitedText(path, facts.encoding, dialect, columns)
    source = TableSource(name, columns, origin, _digest=lambda: facts.sha256)
    source._frames = lambda rows: _text_frames(text, source)
    source._line = text.line_of
    _note_guesses(source, facts.guessed, dialect.header)
    for sentence in dialect.notes:
        source.note(sentence)
    next(source._frames(1))  # header only, or a torn first row: said now, not in the middle of a run
    return source


def _text_frames(text: DelimitedText, source: TableSource) -> Iterator[pl.DataFrame]:
    """The file's frames; what a whole reading had to mend becomes notes."""
    repairs, count = Repairs(), 0
    for frame in text.frames(repairs):
        count += frame.height
        yield frame
    if not count:
        what = f"{text.path} has a header but no rows" if source.origin.header else f"{text.path} has no rows"
        raise GenwrightError("GW-0102", what, "Give a file with at least one row")
    for sentence in repairs.sentences():
        source.note(sentence)


def _note_guesses(source: TableSource, guessed: bool, header: bool) -> None:
    origin = source.origin
    if guessed:
        source.note(f"The text was read as {origin.encoding}, a guess: give an encoding if letters look wrong.")
    if not header:
        source.note("The first line looks like data, so the columns are called column_1, column_2, ...")
    for new, old in origin.names.items():
        source.note(f"The column named {old!r} is called {new!r} here." if old else f"A column without name: {new!r}.")


def _open_json_lines(path: Path, name: str, encoding: str | None) -> TableSource:
    facts = examine(path, encoding)
    lines = JsonLines(path, facts.encoding)
    columns, renamed = distinct_names(list(lines.dtypes))

    def frames(rows: int) -> Iterator[pl.DataFrame]:
        for frame in lines.frames(min(rows, 50_000)):
            yield frame.rename(dict(zip(lines.dtypes, columns, strict=True)))

    origin = Origin("jsonl", suffix=split_name(path)[0], encoding=facts.encoding, names=renamed)
    source = TableSource(name, columns, origin, lines.notes, True, frames, lambda: facts.sha256)
    _note_guesses(source, facts.guessed, True)
    return source


def _open_workbook(path: Path, name: str) -> TableSource:
    """Its samples are CSV: what is read is what saving the sheet as CSV gives."""
    cells, notes = read_workbook(path)
    columns, renamed = distinct_names(list(cells.row(0)))
    body = cells[1:].rename(dict(zip(cells.columns, columns, strict=True)))
    origin = Origin("csv", suffix=".csv", names=renamed)
    source = TableSource(name, columns, origin, notes, False, body.iter_slices, lambda: _digest_file(path))
    _note_guesses(source, False, True)
    return source


def _open_parquet(path: Path, name: str) -> TableSource:
    try:
        lazy = pl.scan_parquet(path, glob=False)
        columns, renamed = distinct_names(lazy.collect_schema().names())
        height = lazy.select(pl.len()).collect().item()
        notes: list[str] = []
        plain(named(lazy.head(1).collect(), columns), notes)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise GenwrightError("GW-0103", f"{path} cannot be read as Parquet: {error}", "Write it again") from None
    if not height or not columns:
        raise GenwrightError("GW-0102", f"{path} has no rows", "Give a file with at least one row")

    def frames(rows: int) -> Iterator[pl.DataFrame]:
        for start in range(0, height, rows):
            try:
                frame = lazy.slice(start, rows).collect()
            except (pl.exceptions.PolarsError, OSError) as error:
                raise GenwrightError("GW-0103", f"{path} is damaged: {error}", "Write it again") from None
            told: list[str] = []
            yield plain(named(frame, columns), told)
            for sentence in told:
                source.note(sentence)

    origin = Origin("parquet", suffix=split_name(path)[0], names=renamed)
    source = TableSource(name, columns, origin, notes, True, frames, lambda: _digest_file(path), height)
    _note_guesses(source, False, True)
    return source


def _digest_file(path: Path) -> str:
    digest = hashlib.sha256()
    for block in raw_blocks(path):
        digest.update(block)
    return digest.hexdigest()
