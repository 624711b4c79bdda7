"""Delimited text as a stream of polars frames of text cells: every row arrives, or an error names its line.

Blocks of bytes are cut where a record ends (a line feed outside quotes), checked for the number of cells with numpy, and
parsed by polars. Where quotes are not placed as CSV wants them, Python's more patient `csv` module reads the rest.
Memory is flat: a few blocks. `sources.py` opens the file and hands the pieces over.
"""

from __future__ import annotations

import csv
import functools
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from genwright.data.dialect import Dialect
from genwright.data.encodings import utf8_blocks
from genwright.errors import GenwrightError

_LONGEST_RECORD = 1 << 26
_ROWS_BY_PYTHON = 20_000
_LINE_FEED, _CARRIAGE_RETURN = 10, 13


@dataclass
class Repairs:
    """What one reading had to mend: how many rows, and the lines of the first few."""

    short: list[int] = field(default_factory=list)
    long: list[int] = field(default_factory=list)
    blank: list[int] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """One sentence for each kind of repair."""
        told = (
            (self.short, "too few cells: the missing ones were left empty"),
            (self.long, "empty cells beyond the last column: they were cut off"),
            (self.blank, f"nothing in {'it' if len(self.blank) == 1 else 'them'}: skipped"),
        )
        return [f"{_count(lines)} {what}." for lines, what in told if lines]


def _count(lines: list[int]) -> str:
    shown = ", ".join(f"{line:,}" for line in lines[:3])
    if len(lines) == 1:
        return f"Line {shown} has"
    return f"{len(lines):,} lines ({shown}{', ...' if len(lines) > 3 else ''}) have"


class DelimitedText:
    """One delimited file; iterate `frames()` as often as needed."""

    def __init__(self, path: Path, encoding: str, dialect: Dialect, columns: list[str]) -> None:
        self.path, self.encoding, self.dialect, self.columns = path, encoding, dialect, columns
        self._delimiter, self._quote = ord(dialect.delimiter), ord(dialect.quote)

    def frames(self, repairs: Repairs) -> Iterator[pl.DataFrame]:
        """Frames of text cells, a few MB each; what had to be mended is added to `repairs`."""
        blocks = _with_last(self._blocks())
        carried, line, header = b"", 1 + self.dialect.preamble.count("\n"), self.dialect.header
        for block, last in blocks:
            data = carried + block
            if last and data and not data.endswith(b"\n"):
                data += b"\n"
            layout = _Layout.of(data, self._delimiter, self._quote)
            if layout is None:
                yield from self._frames_by_python(_lines(data, (rest for rest, _ in blocks)), line, header, repairs)
                return
            end = int(layout.ends[-1]) + 1 if len(layout.ends) else 0
            carried = data[end:]
            if carried and (last or len(carried) > _LONGEST_RECORD):
                raise self._unclosed(line + data.count(b"\n", 0, end))
            if end:
                frame, header = self._parse(data[:end], layout, line, header, repairs)
                if frame is not None:
                    yield frame
            line += data.count(b"\n", 0, end)

    def line_of(self, row: int) -> int:
        """The line on which a row begins; rows from 0, lines from 1. Reads the file up to there."""
        repairs, left, inside = Repairs(), row, 0
        for frame in self.frames(repairs):
            before = frame.head(left)
            inside += int(before.select(pl.sum_horizontal(pl.all().str.count_matches("\n").sum())).item())
            left -= len(before)
            if len(before) < len(frame):
                break
        line = self._first_line + row + inside
        for blank in sorted(repairs.blank):
            line += blank <= line
        return line

    @functools.cached_property
    def _first_line(self) -> int:
        """The line of the first row, if no line between the header and it is blank."""
        head = next(self._blocks(), b"")
        line = 1 + self.dialect.preamble.count("\n")
        if not self.dialect.header:
            return line
        blank = len(head) - len(head.lstrip(b"\r\n"))
        return line + head.count(b"\n", 0, blank) + 1 + sum(name.count("\n") for name in self.dialect.names)

    def _blocks(self) -> Iterator[bytes]:
        blocks = utf8_blocks(self.path, self.encoding)
        if self.dialect.newline == "\r":
            blocks = (block.replace(b"\r", b"\n") for block in blocks)
        first = next(blocks, b"")
        return itertools.chain([first.removeprefix(self.dialect.preamble.encode())], blocks)

    def _parse(
        self, data: bytes, layout: _Layout, line: int, header: bool, repairs: Repairs
    ) -> tuple[pl.DataFrame | None, bool]:
        """The frame in whole records, and whether the header is still to come."""
        starts = np.concatenate([[0], layout.ends[:-1] + 1])
        text = np.frombuffer(data, dtype=np.uint8)
        lengths = layout.ends - starts
        blank = (lengths == 0) | ((lengths == 1) & (text[starts] == _CARRIAGE_RETURN))
        if header:
            filled = np.flatnonzero(~blank)
            if not len(filled):
                return None, True
            skipped = int(filled[0]) + 1
            line += data.count(b"\n", 0, int(layout.ends[skipped - 1]) + 1)
            data = data[layout.ends[skipped - 1] + 1 :]
            offset = layout.ends[skipped - 1] + 1
            layout = _Layout(layout.ends[skipped:] - offset, layout.cells[skipped:])
            starts, blank = starts[skipped:] - offset, blank[skipped:]
        wrong = (layout.cells != len(self.columns)) | (blank & (len(self.columns) > 1))
        rows = len(layout.ends)
        if wrong.any():
            data, dropped = self._mended(data, layout, starts, blank, np.flatnonzero(wrong), line, repairs)
            rows -= dropped
        if not rows:
            return None, False
        frame = self._by_polars(data)
        if frame is None or frame.height != rows:
            parts = list(self._frames_by_python(_lines(data, iter(())), line, False, Repairs()))
            frame = pl.concat(parts)
        return frame, False

    def _by_polars(self, data: bytes) -> pl.DataFrame | None:
        try:
            frame = pl.read_csv(
                io.BytesIO(data),
                has_header=False,
                separator=self.dialect.delimiter,
                quote_char=self.dialect.quote,
                schema=dict.fromkeys(self.columns, pl.String),
            )
        except pl.exceptions.PolarsError:
            return None
        return frame.with_columns(pl.all().fill_null(""))

    def _mended(
        self,
        data: bytes,
        layout: _Layout,
        starts: np.ndarray,
        blank: np.ndarray,
        wrong: np.ndarray,
        line: int,
        repairs: Repairs,
    ) -> tuple[bytes, int]:
        """The records with short rows filled up, empty extra cells cut and blank lines left out (and how many those
        are); GW-0105 where a row has more filled cells than there are columns."""
        pieces, done, dropped = [], 0, 0
        for index in wrong:
            start, end = int(starts[index]), int(layout.ends[index])
            line += data.count(b"\n", done, start)
            pieces.append(data[done:start])
            record = data[start:end].removesuffix(b"\r")
            done = end + 1
            if blank[index]:
                dropped += 1
                repairs.blank.append(line)
            else:
                pieces.append(self._mend(record, int(layout.cells[index]), line, repairs) + b"\n")
            line += data.count(b"\n", start, done)
        pieces.append(data[done:])
        return b"".join(pieces), dropped

    def _mend(self, record: bytes, cells: int, line: int, repairs: Repairs) -> bytes:
        missing = len(self.columns) - cells
        if missing > 0:
            repairs.short.append(line)
            return record + self.dialect.delimiter.encode() * missing
        if record.endswith(self.dialect.delimiter.encode() * -missing):
            repairs.long.append(line)
            return record[:missing]
        raise self._too_long(line, cells)

    def _frames_by_python(
        self, lines: Iterator[str], line: int, header: bool, repairs: Repairs
    ) -> Iterator[pl.DataFrame]:
        """The same by Python's csv module, which allows quotes in the middle of a cell."""
        reader = csv.reader(lines, delimiter=self.dialect.delimiter, quotechar=self.dialect.quote)
        rows: list[list[str]] = []
        width, first = len(self.columns), line
        try:
            for row in reader:
                at, line = line, first + reader.line_num
                if not row and (width > 1 or header):
                    repairs.blank.append(at)
                elif header:
                    header = False
                else:
                    rows.append(row if len(row) == width else self._mend_cells(row, at, repairs))
                if len(rows) == _ROWS_BY_PYTHON:
                    yield self._frame(rows)
                    rows = []
        except csv.Error as error:
            what = f"The record on line {line:,} of {self.path} cannot be taken apart: {error}"
            raise GenwrightError("GW-0106", what, "Mend its quotes") from None
        if rows:
            yield self._frame(rows)

    def _mend_cells(self, row: list[str], line: int, repairs: Repairs) -> list[str]:
        width = len(self.columns)
        if len(row) < width:
            if row:
                repairs.short.append(line)
            return row + [""] * (width - len(row))
        if any(row[width:]):
            raise self._too_long(line, len(row))
        repairs.long.append(line)
        return row[:width]

    def _frame(self, rows: list[list[str]]) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=dict.fromkeys(self.columns, pl.String), orient="row")

    def _too_long(self, line: int, cells: int) -> GenwrightError:
        return GenwrightError(
            "GW-0105",
            f"Line {line:,} of {self.path} has {cells} cells, but there are {len(self.columns)} columns",
            "Mend the line (often a cell that holds the delimiter needs quotes), or give the delimiter: --delimiter",
        )

    def _unclosed(self, line: int) -> GenwrightError:
        return GenwrightError(
            "GW-0106",
            f"A quote that opens in the record on line {line:,} of {self.path} is never closed",
            "Close or remove it",
        )


@dataclass(frozen=True)
class _Layout:
    """Where records end in a block (offsets of their line feeds) and how many cells each has."""

    ends: np.ndarray
    cells: np.ndarray

    @classmethod
    def of(cls, data: bytes, delimiter: int, quote: int) -> _Layout | None:
        """The layout of complete records in data; None when quotes stand where CSV has none."""
        text = np.frombuffer(data, dtype=np.uint8)
        ends, between = text == _LINE_FEED, text == delimiter
        quotes = text == quote
        if quotes.any():
            inside = np.logical_xor.accumulate(quotes)
            if not _well_placed(text, np.flatnonzero(quotes), inside, delimiter, quote):
                return None
            outside = ~inside
            ends, between = ends & outside, between & outside
        ends = np.flatnonzero(ends)
        cells = np.diff(np.searchsorted(np.flatnonzero(between), ends), prepend=0) + 1
        return cls(ends, cells)


def _well_placed(text: np.ndarray, quotes: np.ndarray, inside: np.ndarray, delimiter: int, quote: int) -> bool:
    """Whether quotes open only at the start of a cell and close only at its end (or stand doubled within)."""
    opens = inside[quotes]
    opening, closing = quotes[opens], quotes[~opens]
    before = text[opening[opening > 0] - 1]
    after = text[closing[closing < len(text) - 1] + 1]
    starts_cell = (before == delimiter) | (before == _LINE_FEED) | (before == quote)
    ends_cell = (after == delimiter) | (after == _LINE_FEED) | (after == _CARRIAGE_RETURN) | (after == quote)
    return bool(starts_cell.all() and ends_cell.all())


def _with_last(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each block, and whether it is the last one."""
    held: bytes | None = None
    for block in blocks:
        if held is not None:
            yield held, False
        held = block
    if held is not None:
        yield held, True


def _lines(data: bytes, blocks: Iterator[bytes]) -> Iterator[str]:
    """Text lines, ends kept, of data and of all blocks after it; characters torn between blocks are made whole."""
    for block in blocks:
        data += block
        end = data.rfind(b"\n") + 1
        yield from io.StringIO(data[:end].decode(), newline="\n")
        data = data[end:]
    yield from io.StringIO(data.decode(), newline="\n")
