"""The first sheet of an Excel workbook as text cells, as saving it as CSV would give them; `sources.py` opens the file.

A workbook is a zip of XML made by anybody: how much it unpacks to, and how far its cells lie apart, is checked before the
package that reads it (fastexcel, of the extra "excel") lays them out in memory.
"""

from __future__ import annotations

import importlib
import re
import zipfile
from pathlib import Path

import polars as pl

from genwright.data.archives import refuse_bomb
from genwright.errors import GenwrightError

SUFFIXES = (".xlsx", ".xlsm")
MOST_CELLS = 30_000_000  # of the rectangle that a sheet fills; empty ones take memory as well
_CELL = re.compile(rb'<(?:\w+:)?c [^>]{0,99}?r="([A-Z]{1,3})(\d{1,7})"')
_LONGEST_TAG = 200
_MIDNIGHT = " 00:00:00"


def read_workbook(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """All cells of the first sheet, names of columns in the first row, "" where a cell is empty; and notes.

    Dates are written as 2024-12-31 (with the time, where a column has any), booleans as true and false. GW-0116 without
    the package, GW-0103 when it is no workbook or fills too large a rectangle, GW-0151 when it would unpack to too much,
    GW-0102 when the sheet has no rows.
    """
    try:
        fastexcel = importlib.import_module("fastexcel")
    except ImportError:
        raise GenwrightError(
            "GW-0116", f"{path} is an Excel workbook, and fastexcel is missing", "pip install 'genwright[excel]'"
        ) from None
    _check(path)
    try:
        book = fastexcel.read_excel(str(path))
        cells = pl.DataFrame(book.load_sheet(0, header_row=None, dtypes="string"))
    except Exception as error:  # the package raises errors of its own, IndexError where there is no sheet
        raise _unreadable(path, str(error).split("\n", 1)[0]) from None
    if cells.height < 2:
        raise GenwrightError("GW-0102", f"The first sheet of {path} has no rows", "Give names of columns, and rows")
    cells = cells.with_columns(pl.all().fill_null(""))
    body = pl.DataFrame([_without_midnight(column) for column in cells[1:].get_columns()])
    others = ", ".join(repr(name) for name in book.sheet_names[1:6])
    note = f"Only the sheet {book.sheet_names[0]!r} is read, not {others}." if others else ""
    return pl.concat([cells[:1], body]), [note] if note else []


def _without_midnight(column: pl.Series) -> pl.Series:
    """Workbooks know dates only as moments: where all are midnight, they are dates."""
    filled = column.filter(column != "")
    only_dates = len(filled) and filled.str.contains(rf"^\d{{4}}-\d\d-\d\d{_MIDNIGHT}$").all()
    return column.str.strip_suffix(_MIDNIGHT) if only_dates else column


def _check(path: Path) -> None:
    """Refuse what would fill memory. Reading every sheet to its end also proves the sizes that the zip claims."""
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_bomb(path, sum(member.file_size for member in archive.infolist()))
            for member in archive.infolist():
                if member.filename.startswith("xl/worksheets/") and _extent(archive, member) > MOST_CELLS:
                    raise _unreadable(path, f"a sheet fills a rectangle of more than {MOST_CELLS:,} cells")
    except GenwrightError:
        raise
    except Exception as error:  # zipfile raises whatever a torn directory makes of it
        raise _unreadable(path, " ".join(str(error).split())[:100]) from None


def _extent(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Rows times columns of the rectangle from the first cell to the farthest."""
    rows, columns, held = 0, 0, b""
    with archive.open(member) as sheet:
        while block := sheet.read(1 << 20):
            text = held + block
            for letters, row in set(_CELL.findall(text)):
                rows, columns = max(rows, int(row)), max(columns, _number(letters))
            held = text[-_LONGEST_TAG:]
    return rows * columns


def _number(letters: bytes) -> int:
    """1 for A, 27 for AA."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _unreadable(path: Path, reason: str) -> GenwrightError:
    return GenwrightError("GW-0103", f"{path} cannot be read as a workbook: {reason}", "Save the sheet as CSV")
