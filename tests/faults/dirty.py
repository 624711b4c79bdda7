"""Nuisances of real tables: columns of cells, whole files, frames, and what must be refused. Used by test_dirty_tables.py.

Each column says what it is and which of its words mean no value; each file and frame what is left of it, and which note tells
what was mended; what cannot be read, which error names the place.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import strategies as st

ROWS = 600
_AT = range(ROWS)
_DRAWN = np.random.default_rng(8)
NUMBERS = _DRAWN.integers(0, 2_000_000, ROWS).tolist()
AGES = _DRAWN.integers(18, 90, ROWS).tolist()
REALS = _DRAWN.normal(50, 20, ROWS).round(2).tolist()
DAYS = [dt.date(2020, 1, 1) + dt.timedelta(days=number % 900) for number in NUMBERS]
LONG_AGO = [dt.date(1969, 1, 1) + dt.timedelta(days=number % 18_000) for number in NUMBERS]
MOMENTS = [dt.datetime(2021, 3, 1) + dt.timedelta(seconds=number) for number in NUMBERS]
WORDS = ["red", "green", "blue", "grey"]


@dataclass(frozen=True)
class Cells:
    """A column of a text file."""

    kind: str
    cells: list[str]
    gone: tuple[str, ...] = ("",)
    """The words that stand for no value."""
    note: str = ""
    """Words of the note that tells what was guessed or mended."""


def gaps(cells: list[Any], *tokens: str, every: int = 9) -> list[str]:
    """The cells as text, one in `every` replaced by the tokens in turn."""
    return [tokens[at // every % len(tokens)] if at % every == 4 else str(cell) for at, cell in enumerate(cells)]


def turns(*words: str) -> list[str]:
    """The words, irregularly in turn."""
    return [words[number % len(words)] for number in NUMBERS]


def _comma(value: float) -> str:
    return f"{value:,.2f}".translate({ord(","): ".", ord("."): ","})


def _lakhs(number: int) -> str:
    """Grouped as in India: 78,58,258."""
    head, tail = divmod(number, 1000)
    pairs = f"{head:,d}".replace(",", "")
    parts = [pairs[max(0, at - 2) : at] for at in range(len(pairs), 0, -2)]
    return ",".join([*reversed(parts), f"{tail:03d}"]) if head else str(tail)


def _sentence(at: int) -> str:
    parts = [WORDS[(NUMBERS[at] >> shift) % 4] + ("s" if shift % 3 else "ish") for shift in range(0, 12, 2)]
    return " ".join(["Seen:", *parts, f"no {at * 7919 % 1000}"])


NUMBER_CELLS = {
    "decimal commas": Cells("decimal", gaps([_comma(x) for x in REALS], "")),
    "thousands marks": Cells("integer", [f"{number:,}" for number in NUMBERS]),
    "thousands in dots, decimal comma, euro": Cells("decimal", [_comma(n / 100) + " €" for n in NUMBERS]),
    "dollars": Cells(
        "decimal", gaps([f"${n / 100:,.2f}" if n % 5 else f"-${n / 100:,.2f}" for n in NUMBERS], "NA"), ("NA",)
    ),
    "yuan": Cells("decimal", [f"¥{number / 10:.1f}" for number in NUMBERS]),
    "percent signs": Cells("decimal", gaps([f"{x:.1f} %" for x in REALS], "n/a"), ("n/a",)),
    "negatives in parentheses": Cells(
        "decimal", [f"({abs(x):.2f})" if at % 3 else f"{abs(x):.2f}" for at, x in enumerate(REALS)]
    ),
    "a sign in parentheses": Cells("category", turns("(-5)", "(7)", "8")),
    "a minus at the end": Cells(
        "decimal", [f"{abs(x):.2f}-" if at % 3 else f"{abs(x):.2f}" for at, x in enumerate(REALS)]
    ),
    "bounds with a sign at the end": Cells("category", turns("18-", "21-", "65-")),
    "thousands as in India": Cells("integer", [_lakhs(number * 50) for number in NUMBERS]),
    "numbers and one word": Cells("category", [*map(str, AGES[:-1]), "oops"], (), "first 'oops' in line"),
    "numbers of few other currencies": Cells(
        "identifier",
        [f"{'£' if at % 40 == 7 else '$'}{number + at}" for at, number in enumerate(NUMBERS)],
        (),
        "are numbers",
    ),
    "a true minus sign": Cells("integer", [f"−{age}" if age % 2 else str(age) for age in AGES]),
    "apostrophes for thousands": Cells("integer", [f"{number:,}".replace(",", "'") for number in NUMBERS]),
    "blanks around numbers": Cells("integer", [f" {age}" for age in AGES]),
    "blanks inside numbers": Cells("integer", [f"{number:,}".replace(",", "\u00a0") for number in NUMBERS]),
    "units": Cells("decimal", [f"{abs(x):.1f} kg" for x in REALS]),
    "integers with gaps": Cells("integer", gaps(AGES, "")),
    "integers written as 3.0": Cells("decimal", gaps([f"{age}.0" for age in AGES], "")),
    "numbers with several words for missing": Cells(
        "integer", gaps(AGES, "NA", "null", "-"), ("NA", "null", "-"), "come back as the first"
    ),
    "a question mark for missing": Cells("integer", gaps(AGES, "?"), ("?",)),
    "-999 for missing": Cells("integer", gaps(AGES, "-999"), ("-999",), "-999"),
    "#DIV/0! of a spreadsheet": Cells("decimal", gaps(REALS, "#DIV/0!"), ("#DIV/0!",)),
    "NaN": Cells("decimal", gaps(REALS, "NaN"), ("NaN",)),
    "infinities": Cells("decimal", gaps(REALS, "inf", "-inf"), ()),
    "exponents": Cells("decimal", [f"{abs(x):.3e}" for x in REALS]),
    "near the largest float": Cells("decimal", [f"{x / 100:.2f}e308" for x in REALS]),
    "below the smallest normal float": Cells("decimal", [f"{abs(x):.2f}e-310" for x in REALS]),
    "17 digits": Cells("decimal", [repr(float(x) / 7) for x in REALS]),
    "the ends of 64 bits": Cells("integer", turns("9223372036854775807", "-9223372036854775808", "0")),
    "beyond 64 bits": Cells("category", turns("92233720368547758070", "92233720368547758071", "3")),
    "leading zeros": Cells("integer", [f"{number % 100_000:05d}" for number in NUMBERS]),
    "leading zeros of several widths": Cells("category", turns("007", "07", "7", "0070")),
    "digits of full width": Cells("category", turns("１２", "３", "４５")),
    "numbers and words": Cells("category", gaps([age % 5 for age in AGES], "many"), ()),
    "bounds": Cells("category", turns("<5", "5-10", ">10")),
    "several currencies": Cells("category", turns("$5", "€5", "£7")),
    "0 and 1": Cells("integer", turns("0", "1", "1")),
    "unix time": Cells("integer", [str(1_600_000_000 + number) for number in NUMBERS]),
}
WORD_CELLS = {
    "yes and no with gaps": Cells("boolean", gaps(turns("yes", "no"), "")),
    "TRUE and FALSE with None": Cells("boolean", gaps(turns("TRUE", "FALSE"), "None"), ("None",)),
    "yes, no and maybe": Cells("category", turns("yes", "no", "maybe")),
    "the same word in capitals": Cells("category", turns("Yes", "yes", "YES", "no")),
    "blanks after words": Cells("category", turns("a", "a ", " a", "b")),
    "a question mark among words": Cells("category", turns("private", "?", "public"), ()),
    "words with gaps of two sorts": Cells("category", gaps(turns(*WORDS), "", "N/A")),
    "all missing": Cells("missing", [""] * ROWS),
    "all NA": Cells("missing", ["NA"] * ROWS, ("NA",)),
    "constant": Cells("constant", ["same"] * ROWS),
    "constant with gaps": Cells("category", gaps(["same"] * ROWS, "")),
    "near-constant": Cells("category", ["rare" if at == 7 else "usual" for at in _AT]),
    "Chinese": Cells("category", turns("北京", "上海", "广州；深圳")),
    "emoji": Cells("category", turns("👍🏽", "👎", "🏳️‍🌈")),
    "right to left, and combining": Cells("category", turns("שלום", "مرحبا", "e\u0301", "é")),
    "formulas": Cells("category", turns("=1+1", "@SUM(A1)", "+cmd", "-x")),
    "markup": Cells("category", turns("<script>alert(1)</script>", "&amp;", "a\\nb")),
    "control letters": Cells("category", turns("a\x01b", "\x1b[31mred", "tab\there")),
    "quotes, commas and line ends": Cells("category", turns('say "hi"', "a, b", "two\nlines", "it's")),
    "lists": Cells("category", turns("[1, 2]", "[]", "['a', 'b']")),
    "objects": Cells("category", turns('{"a": 1}', '{"a": null}')),
    "a very long word": Cells("category", turns("x" * 1000, "y" * 3000)),
    "versions": Cells("category", turns("1.2.3", "10.0.1", "1.2")),
    "long free text": Cells("text", [" ".join([_sentence(at)] * 6) for at in _AT]),
    "free text with gaps": Cells("text", gaps([_sentence(at) for at in _AT], "")),
    "mail addresses": Cells(
        "identifier", [f"{WORDS[at % 4]}.{number}@example.org" for at, number in enumerate(NUMBERS)]
    ),
    "numbered rows": Cells("identifier", [str(at + 1) for at in _AT]),
    "keys": Cells("identifier", [f"CUST-{at * 7919 % 100_000:05d}" for at in _AT]),
    "uuids": Cells("identifier", [str(uuid.UUID(int=NUMBERS[at] << 64 | at, version=4)) for at in _AT]),
}
TIME_CELLS = {
    "dates with gaps": Cells("date", gaps([day.isoformat() for day in DAYS], "")),
    "dates before 1900": Cells("date", [day.replace(year=day.year - 300).isoformat() for day in DAYS if day.day < 29]),
    "dates after 2100": Cells("date", [day.replace(year=day.year + 300).isoformat() for day in DAYS if day.day < 29]),
    "years of two digits": Cells("date", [f"{day:%m/%d/%y}" for day in LONG_AGO], (), "have two digits"),
    "years of two digits, days first, slashes": Cells("date", [f"{day:%d/%m/%y}" for day in LONG_AGO]),
    "years of two digits first": Cells("date", [f"{day:%y-%m-%d}" for day in LONG_AGO]),
    "years of two digits last": Cells("date", [f"{day:%d-%m-%y}" for day in LONG_AGO if day.day > 3]),
    "years of two digits, months by name": Cells("date", [f"{day:%d-%b-%y}" for day in LONG_AGO]),
    "years of two digits, months by name, blanks": Cells("date", [f"{day:%d %b %y}" for day in LONG_AGO]),
    "years of two digits and times": Cells("datetime", [f"{m:%m/%d/%y %H:%M}" for m in MOMENTS], (), "have two digits"),
    "months of years": Cells("date", [f"{day:%b %Y}" for day in DAYS]),
    "dates of the year 0 and others": Cells("text", [f"000{day.year % 2}-{day:%m-%d}" for day in DAYS]),
    "dates and a few otherwise": Cells(
        "text", [f"{day:%d.%m.%Y}" if at % 50 == 7 else f"{day}" for at, day in enumerate(DAYS)], (), "are dates"
    ),
    "days first": Cells("date", [f"{day:%d/%m/%Y}" for day in DAYS]),
    "days or months first": Cells(
        "date", [f"{day:%m}/{day.day % 12 + 1:02d}/{day:%Y}" for day in DAYS], (), "could be swapped"
    ),
    "dates without zeros": Cells("date", [f"{day.day}.{day.month}.{day.year}" for day in DAYS]),
    "months by name": Cells("date", [f"{day:%d %b %Y}" for day in DAYS]),
    "Chinese dates": Cells("date", [f"{day.year}年{day.month}月{day.day}日" for day in DAYS]),
    "dates of zeros for missing": Cells("date", gaps(DAYS, "0000-00-00"), ("0000-00-00",)),
    "mixed date formats": Cells("category", [(f"{d:%Y-%m}-01" if d.month % 2 else f"01.{d:%m.%Y}") for d in DAYS]),
    "impossible dates": Cells("category", turns("2023-02-30", "2023-02-28", "2023-13-01")),
    "times with a zone": Cells("datetime", [f"{moment:%Y-%m-%dT%H:%M:%S}+02:00" for moment in MOMENTS]),
    "times with several zones": Cells(
        "datetime", [f"{m:%Y-%m-%d %H:%M:%S}+0{1 + m.minute % 2}:00" for m in MOMENTS], (), "come back in UTC"
    ),
    "times with fractions": Cells(
        "datetime", gaps([f"{m:%Y-%m-%d %H:%M:%S}.{m.second:03d}" for m in MOMENTS], "NaT"), ("NaT",)
    ),
    "times of the day": Cells("datetime", [f"{moment:%I:%M %p}" for moment in MOMENTS]),
    "durations": Cells("datetime", [f"{moment:%H:%M:%S}" for moment in MOMENTS]),
    "durations beyond a day": Cells("category", turns("36:15:00", "01:00:00", "120:30:00")),
    "years": Cells("integer", [str(day.year) for day in DAYS]),
}
_TWIN = turns(*WORDS)
TIED_CELLS = {
    "a column": Cells("category", _TWIN),
    "its double": Cells("category", _TWIN),
    "a number": Cells("integer", [str(age) for age in AGES]),
    "twice the number": Cells("integer", [str(2 * age) for age in AGES]),
}
LAST_CELLS = {  # with gaps; in the midst, they would change which rows the other columns draw
    "years of two digits, days first": Cells("date", gaps([f"{day:%d.%m.%y}" for day in LONG_AGO], "")),
    "more N/A than blanks among words": Cells("category", gaps(turns(*WORDS), "N/A", "N/A", "")),
    "NA among words": Cells(
        "category", gaps(turns("NO", "SE", "DK"), "NA"), ("NA",), "'NA' is taken for a missing value"
    ),
    "dates of the year 0 for missing": Cells("date", gaps(DAYS, "0000-01-01"), ("0000-01-01",)),
}
CELLS = NUMBER_CELLS | WORD_CELLS | TIME_CELLS | TIED_CELLS | LAST_CELLS


def write_cells(path: Path, columns: dict[str, Cells]) -> Path:
    """A CSV with these columns, as many rows as each has; shorter ones begin anew."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([column.cells[at % len(column.cells)] for column in columns.values()] for at in _AT)
    return path


def _xml(value: Any, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime | dt.date):
        days = (dt.datetime.combine(value, dt.time()) if not isinstance(value, dt.datetime) else value) - dt.datetime(
            1899, 12, 30
        )
        return f'<c r="{place}" s="1"><v>{days.total_seconds() / 86400}</v></c>'
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value}</v></c>'
    if value.startswith("#"):
        return f'<c r="{place}" t="e"><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'


def workbook(path: Path, *sheets: list[list[Any]]) -> Path:
    """An Excel workbook with the sheets one, two, ...; dates are numbers of days with a format, as Excel keeps them."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    numbers = range(1, len(sheets) + 1)
    listed = "".join(f'<sheet name="sheet {n}" sheetId="{n}" r:id="r{n}"/>' for n in numbers)
    related = "".join(
        f'<Relationship Id="r{n}" Type="{office}/worksheet" Target="worksheets/{n}.xml"/>' for n in numbers
    )
    styles = '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs>'
    related += f'<Relationship Id="s" Type="{office}/styles" Target="styles.xml"/>'
    start = f'<Relationship Id="r" Type="{office}/officeDocument" Target="xl/workbook.xml"/>'
    usual = '<Default Extension="xml" ContentType="application/xml"/>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">{usual}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">{start}</Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">{related}</Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listed}</sheets></workbook>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}">{styles}</styleSheet>',
    }
    for number, sheet in zip(numbers, sheets, strict=True):
        rows = "".join(
            f'<row r="{at}">'
            + "".join(_xml(cell, f"{chr(65 + place)}{at}") for place, cell in enumerate(row))
            + "</row>"
            for at, row in enumerate(sheet, start=1)
        )
        parts[f"xl/worksheets/{number}.xml"] = f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return path


@dataclass(frozen=True)
class Whole:
    """A whole table: how it is made in a folder, and what must be left of it."""

    make: Callable[[Path], Any]
    """Gives a path or a frame."""
    rows: int
    columns: tuple[str, ...] = ("age", "city", "score")
    note: str = ""
    """Words of the note that tells what was guessed or mended."""


@dataclass(frozen=True)
class Refusal:
    """A table that cannot be read, and the one sentence that says so."""

    make: Callable[[Path], Any]
    code: str
    words: str
    """Words of the sentence: the place, where there is one."""


COUNT = 120
LINES = [f"{AGES[at]},{WORDS[NUMBERS[at] % 4]},{REALS[at]}" for at in range(COUNT)]
HEADER = "age,city,score"
PLAIN = "\n".join([HEADER, *LINES, ""])
CHINESE = (
    PLAIN.replace("age", "年龄")
    .replace("city", "城市")
    .replace("score", "分数")
    .replace("red", "北京")
    .replace("blue", "上海")
)
CHINESE_NAMES = ("年龄", "城市", "分数")


def file(content: str | bytes, name: str = "table.csv") -> Callable[[Path], Path]:
    """A maker of that file."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def _changed(at: int, line: str) -> str:
    """The plain table with another line at a line number (the header is line 1)."""
    lines = PLAIN.split("\n")
    lines[at - 1] = line
    return "\n".join(lines)


def _json_lines(*odd: Any) -> str:
    rows = [{"age": AGES[at], "city": WORDS[at % 4], "score": REALS[at]} for at in range(COUNT)]
    return "".join(json.dumps(row) + "\n" for row in [*rows, *odd])


def _names(*names: str) -> Callable[[Path], Path]:
    """The plain table under other names."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(names)
    return file(buffer.getvalue() + "\n".join([*LINES, ""]))


def _sheet() -> list[list[Any]]:
    rows = [[AGES[at], WORDS[at % 4], DAYS[at], MOMENTS[at], REALS[at], at % 3 == 0] for at in range(COUNT)]
    rows[5][1] = rows[6][4] = None
    return [["age", "city", "day", "moment", "score", "yes"], *rows]


FILES = {
    "lines with too few cells": Whole(file(_changed(7, "31,red")), COUNT, note="Line 7 has too few cells"),
    "lines with empty cells too many": Whole(
        file(_changed(9, "31,red,2.5,,")), COUNT, note="Line 9 has empty cells beyond"
    ),
    "blank lines": Whole(file(_changed(4, "")), COUNT - 1, note="Line 4 has nothing in it"),
    "quotes in the middle of cells": Whole(file(_changed(5, '31,5" pipe,2.5')), COUNT),
    "no end of the last line": Whole(file(PLAIN[:-1]), COUNT),
    "line ends of Windows": Whole(file(PLAIN.replace("\n", "\r\n")), COUNT),
    "line ends of old Macs": Whole(file(PLAIN.replace("\n", "\r")), COUNT),
    "mixed line ends": Whole(file(PLAIN.replace("\n", "\r\n", 40)), COUNT),
    "a byte order mark": Whole(file(PLAIN.encode("utf-8-sig")), COUNT),
    "UTF-16": Whole(file(PLAIN.encode("utf-16")), COUNT),
    "UTF-16 without mark": Whole(file(PLAIN.encode("utf-16-le")), COUNT, note="a guess"),
    "GB18030": Whole(file(CHINESE.encode("gb18030")), COUNT, CHINESE_NAMES, "gb18030, a guess"),
    "Windows' own letters": Whole(file(PLAIN.replace("red", "café").encode("cp1252")), COUNT, note="cp1252, a guess"),
    "semicolons and decimal commas": Whole(file(PLAIN.replace(",", ";").replace(".", ",")), COUNT),
    "tabs": Whole(file(PLAIN.replace(",", "\t"), "table.txt"), COUNT),
    "bars": Whole(file(PLAIN.replace(",", "|")), COUNT),
    "a line that names the delimiter": Whole(
        file("sep=;\n" + PLAIN.replace(",", ";")), COUNT, note="names the delimiter"
    ),
    "a title": Whole(file("All that was sold\n\n" + PLAIN), COUNT, note="The first line is no part of the table"),
    "a title with commas": Whole(
        file("Sales,,\n" + PLAIN), COUNT, note="The first line is no part of the table, 'Sales,,'"
    ),
    "comments": Whole(
        file("# made by hand\r\n# in May\r\n" + PLAIN.replace("\n", "\r\n")), COUNT, note="'# made by hand'"
    ),
    "names behind a #": Whole(file("#" + PLAIN), COUNT, ("#age", "city", "score")),
    "colons between cells": Whole(file(PLAIN.replace(",", ":")), COUNT, ("age:city:score",), "--delimiter ':'"),
    "blanks between cells": Whole(file(PLAIN.replace(",", " ")), COUNT, ("age city score",), "--delimiter ' '"),
    "columns of fixed width": Whole(file(PLAIN.replace(",", "   ")), COUNT, ("age   city   score",), "of fixed width"),
    "gzip": Whole(file(gzip.compress(PLAIN.encode(), mtime=0), "table.csv.gz"), COUNT),
    "a comma after each line": Whole(
        file(PLAIN.replace("\n", ",\n")), COUNT, ("age", "city", "score", "column_4"), "A column without name"
    ),
    "names twice": Whole(_names("a", "a", "a_2"), COUNT, ("a", "a_3", "a_2"), "The column named 'a' is called 'a_3'"),
    "no names": Whole(_names("age", "", ""), COUNT, ("age", "column_2", "column_3"), "A column without name"),
    "odd names": Whole(_names("a, b", "two\nlines", "<script>é👍"), COUNT, ("a, b", "two\nlines", "<script>é👍")),
    "names with blanks and quotes": Whole(
        _names(" age ", 'say "x"', "__proto__"), COUNT, (" age ", 'say "x"', "__proto__")
    ),
    "names that are patterns": Whole(
        _names("*", "^a.*$", "a$"), COUNT, ("column_1", "column_2", "a$"), "The column named '*' is called 'column_1'"
    ),
    "a very long name": Whole(_names("n" * 3000, "..", "0"), COUNT, ("n" * 3000, "..", "0")),
    "no header": Whole(
        file("\n".join([*LINES, ""])), COUNT, ("column_1", "column_2", "column_3"), "first line looks like data"
    ),
    "one row": Whole(file(f"{HEADER}\n{LINES[0]}\n"), 1),
    "two rows": Whole(file("\n".join([HEADER, *LINES[:2], ""])), 2),
    "every row twice": Whole(file("\n".join([HEADER, *LINES[:60] * 2, ""])), COUNT),
    "one row again and again": Whole(file("\n".join([HEADER, *LINES[:1] * COUNT, ""])), COUNT),
    "only words": Whole(
        file("\n".join(["a,b", *(f"{x},{y}" for x, y in zip(turns(*WORDS), _TWIN, strict=True)), ""])), ROWS, ("a", "b")
    ),
    "only numbers": Whole(
        file("\n".join(["a,b", *(f"{x},{y}" for x, y in zip(AGES, REALS, strict=True)), ""])), ROWS, ("a", "b")
    ),
    "one column": Whole(file("\n".join(["word", *turns(*WORDS), ""])), ROWS, ("word",)),
    "objects that lack keys": Whole(file(_json_lines({"age": 3}), "table.jsonl"), COUNT + 1),
    "objects with mixed types": Whole(
        file(_json_lines({"age": "young"}), "table.jsonl"),
        COUNT + 1,
        note="Column 'age' holds integer and string values",
    ),
    "objects in objects": Whole(
        file(_json_lines({"city": {"name": "Ulm"}}, {"city": [1, 2]}), "table.jsonl"), COUNT + 2, note="nested"
    ),
    "halves of letters": Whole(file(_json_lines({"city": "\ud83d"}), "table.jsonl"), COUNT + 1, note="U+FFFD"),
}
WORKBOOKS = {
    "a workbook": Whole(lambda f: workbook(f / "t.xlsx", _sheet()), COUNT, tuple(_sheet()[0])),
    "a workbook of two sheets": Whole(
        lambda f: workbook(f / "t.xlsx", _sheet(), [["other"], [1]]),
        COUNT,
        tuple(_sheet()[0]),
        "Only the sheet 'sheet 1'",
    ),
}


def _stored(make: Callable[[Path], Any], changed: Callable[[bytes], bytes], name: str) -> Callable[[Path], Path]:
    """What `make` makes, its bytes changed, under a name."""
    return lambda folder: file(changed(make(folder).read_bytes()), name)(folder)


def _far_apart(folder: Path) -> Path:
    """Two cells at the opposite corners of the largest sheet: laid out, they are 17 billion."""
    path = workbook(folder / "t.xlsx", [["a"], ["b"]])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/1.xml"] = parts["xl/worksheets/1.xml"].replace(b'r="A2"', b'r="XFD1048576"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def _bomb(folder: Path) -> Path:
    """A workbook that claims to unpack to four gigabytes."""
    path = workbook(folder / "t.xlsx", [["a"], ["b" * 10_000]])
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = b"\xf0\xff\xff\xff"
    path.write_bytes(content)
    return path


REFUSED = {
    "an empty file": Refusal(file(""), "GW-0102", "is empty"),
    "blanks only": Refusal(file("\n \n\n"), "GW-0102", "blanks"),
    "a header only": Refusal(file("a,b\n"), "GW-0102", "a header but no rows"),
    "more cells than columns": Refusal(file(_changed(8, "31,red,2.5,4")), "GW-0105", "Line 8 of"),
    "more cells, behind a cell of two lines": Refusal(file(_changed(8, '31,"a\nb",1\n1,2,3,4')), "GW-0105", "Line 10 of"),
    "a quote that never closes": Refusal(file(_changed(8, '31,"red,2.5')), "GW-0106", "line 8 of"),
    "a byte that is no letter": Refusal(
        file(_changed(9, "31,?,2").encode("utf-8-sig").replace(b"?", b"\xff")), "GW-0104", "Line 9 of"
    ),
    "a NUL byte": Refusal(file(_changed(5, "3\0,red,2")), "GW-0107", "Line 5 of"),
    "a binary file": Refusal(file(bytes(range(32)) * 99), "GW-0103", "binary"),
    "half a gzip file": Refusal(file(gzip.compress(PLAIN.encode(), mtime=0)[:-9], "table.csv.gz"), "GW-0103", "gzip"),
    "a workbook called CSV": Refusal(
        _stored(lambda f: workbook(f / "t.xlsx", _sheet()), bytes, "table.csv"), "GW-0103", "Excel"
    ),
    "a Parquet file called CSV": Refusal(file(b"PAR1" + bytes(99)), "GW-0103", "Parquet"),
    "text called Parquet": Refusal(file(PLAIN, "table.parquet"), "GW-0103", "Parquet"),
    "JSON that is no lines": Refusal(file("[]", "table.json"), "GW-0103", "one whole JSON value"),
    "an old spreadsheet": Refusal(file(b"\xd0\xcf\x11\xe0", "table.xls"), "GW-0103", "spreadsheet"),
    "a line that is not JSON": Refusal(file(_json_lines() + '{"age": \n', "table.jsonl"), "GW-0108", f"Line {COUNT + 1} of"),
    "a line that is no object": Refusal(file(_json_lines([1, 2]), "table.jsonl"), "GW-0108", f"Line {COUNT + 1} of"),
    "objects without keys": Refusal(file("{}\n{}\n", "table.jsonl"), "GW-0102", "no JSON object"),
    "a frame without rows": Refusal(lambda f: pl.DataFrame({"a": []}), "GW-0102", "no rows"),
    "a frame without columns": Refusal(lambda f: pd.DataFrame(index=range(5)), "GW-0102", "no rows"),
    "names of several levels": Refusal(lambda f: pd.DataFrame({("a", "b"): [1, 2]}), "GW-0103", "several levels"),
    "no frame at all": Refusal(lambda f: {"a": [1, 2]}, "GW-0103", "not a table"),
}  # fmt: skip
BAD_WORKBOOKS = {
    "a torn workbook": Refusal(
        _stored(lambda f: workbook(f / "u.xlsx", _sheet()), lambda b: b[:900], "t.xlsx"), "GW-0103", "workbook"
    ),
    "text called a workbook": Refusal(file(PLAIN, "t.xlsx"), "GW-0103", "workbook"),
    "a workbook without rows": Refusal(lambda f: workbook(f / "t.xlsx", []), "GW-0102", "no rows"),
    "a zip bomb": Refusal(_bomb, "GW-0151", "unpack"),
    "cells far apart": Refusal(_far_apart, "GW-0103", "rectangle"),
}


def polars_frame() -> pl.DataFrame:
    """A column for each dtype that tables have, nulls in most."""
    at = pl.int_range(0, ROWS, eager=True)
    hole = at % 9 == 4
    whole, real = pl.Series(AGES), pl.Series(REALS)
    moments, days = pl.Series(MOMENTS, dtype=pl.Datetime("us")), pl.Series(DAYS)
    columns = {
        **{
            str(kind): (whole % 100).cast(kind)
            for kind in (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)
        },
        "Int64": whole.cast(pl.Int64),
        "beyond Int64": whole.cast(pl.UInt64) + (1 << 63),
        "Float32": real.cast(pl.Float32),
        "Decimal": real.cast(pl.Decimal(12, 2)),
        "Boolean": whole % 2 == 0,
        "words": pl.Series(turns(*WORDS)),
        "Categorical": pl.Series(turns(*WORDS), dtype=pl.Categorical),
        "Enum": pl.Series(turns(*WORDS), dtype=pl.Enum(["unused", *WORDS])),
        "Date": days,
        "milliseconds": moments.cast(pl.Datetime("ms")),
        "nanoseconds": moments.cast(pl.Datetime("ns")),
        "with a zone": moments.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Shanghai"),
        "Time": moments.dt.time(),
        "Duration": (moments - dt.datetime(2021, 3, 1)).cast(pl.Duration("ms")),
    }
    frame = pl.DataFrame({name: values.zip_with(~hole, values.clear(ROWS)) for name, values in columns.items()})
    empty = pl.Series([None] * ROWS)
    nothing = pl.DataFrame({"Null": empty, "null floats": empty.cast(pl.Float64)})
    floats = real.zip_with(~hole, pl.Series([float("nan")] * ROWS))
    return frame.hstack(nothing).with_columns(
        NaN=floats,
        constant=pl.lit(7, dtype=pl.Int16),
        infinite=real.zip_with(at % 7 > 0, pl.Series([float("inf")] * ROWS)),
        complete=whole,
    )


def pandas_frame() -> pd.DataFrame:
    """pandas' own ways of having no value, and labels that are no text."""
    hole = np.arange(ROWS) % 9 == 4
    frame = pd.DataFrame({
        "Int64": pd.array(AGES, dtype="Int64"),
        "boolean": pd.array([age % 2 == 0 for age in AGES], dtype="boolean"),
        "Float64": pd.array(REALS, dtype="Float64"),
        "string": pd.array(turns(*WORDS), dtype="string"),
        "object": np.array(turns(*WORDS), dtype=object),
        "integers as floats": np.array(AGES, dtype=float),
        "naive": pd.Series(MOMENTS),
        "zoned": pd.Series(MOMENTS).dt.tz_localize("Europe/Berlin", ambiguous=True),
        "category": pd.Categorical(turns(*WORDS), categories=[*WORDS, "unused"], ordered=True),
        "duration": pd.Series(MOMENTS) - pd.Timestamp(2021, 3, 1),
    })  # fmt: skip
    frame[hole] = None
    frame["int32"] = np.array(AGES, dtype=np.int32)
    frame[2024] = AGES
    return frame


FRAMES = {
    "mixed objects": Whole(
        lambda f: pd.DataFrame({"x": [AGES[at] if at % 2 else "many" for at in _AT]}),
        ROWS, ("x",), "mixes types (integer, text)",
    ),
    "objects of one odd type": Whole(
        lambda f: pd.DataFrame({"x": [dt.time(age % 24) for age in AGES]}), ROWS, ("x",), "holds time values"
    ),
    "dates that Python has none for": Whole(
        lambda f: pl.DataFrame({"x": pl.Series([*range(1, ROWS), 9_000_000], dtype=pl.Int32).cast(pl.Date)}),
        ROWS, ("x",), "after 9999 count as missing",
    ),
    "lists in cells": Whole(lambda f: pl.DataFrame({"x": [[age % 3, 1] for age in AGES]}), ROWS, ("x",), "List(Int64)"),
    "structs in cells": Whole(lambda f: pl.DataFrame({"x": [{"a": age % 3} for age in AGES]}), ROWS, ("x",), "Struct"),
    "bytes in cells": Whole(lambda f: pl.DataFrame({"x": [bytes([age % 3]) for age in AGES]}), ROWS, ("x",), "Binary"),
    "an index with labels": Whole(
        lambda f: pd.DataFrame({"x": AGES}, index=[f"r{at}" for at in _AT]), ROWS, ("x",), "index is left out"
    ),
    "names that are patterns in polars": Whole(
        lambda f: pl.DataFrame({"*": AGES, "^x$": AGES, "column_1": AGES}), ROWS, ("*", "^x$", "column_1"),
        "Column '*' is called 'column_1_2'"
    ),
    "names that are patterns in pandas": Whole(
        lambda f: pd.DataFrame({"*": AGES, "^x$": AGES}), ROWS, ("*", "^x$"), "Column '*' is called 'column_1'"
    ),
    "labels twice": Whole(
        lambda f: pd.DataFrame(np.array([AGES, AGES]).T, columns=["x", "x"]), ROWS, ("x", "x"), "Column 'x' is called 'x_2'"
    ),
}  # fmt: skip


_LETTERS = st.characters(exclude_categories=["Cs"])
_DATE_FORMS = (
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d-%m-%y",
    "%y-%m-%d",
    "%d-%b-%y",
    "%d %b %y",
    "%m/%d/%y %H:%M",
    "%b %Y",
)
_CELL_KINDS = (
    st.integers(-(10**20), 10**20).map(str),
    st.integers(0, 3).map(str),
    st.floats().map(repr),
    st.decimals(-(10**9), 10**9, places=2).map(lambda number: f"${number:,}"),
    st.dates().map(str),
    st.datetimes().map(str),
    st.timedeltas().map(str),
    *(st.dates().map(lambda day, form=form: f"{day:{form}}") for form in _DATE_FORMS),
    st.sampled_from(["yes", "no"]),
    st.sampled_from(WORDS),
    st.text(_LETTERS, max_size=12),
    st.uuids().map(str),
)
_ODD_CELLS = st.sampled_from(
    [
        "",
        "NA",
        "?",
        "-999",
        " 1",
        "1,5",
        "1.5.",
        "0x1F",
        "١٢",
        "1e999",
        "12:61",
        "0000-00-00",
        "0000-01-01",
        "01/02/00",
        '"',
        "=",
        "\x1b",
    ]
)


@st.composite
def odd_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """The name and the bytes of a small text file: columns of kinds and of odd cells among them, in any dialect and
    encoding; in every second one some bytes are then replaced or cut out."""
    width, height = draw(st.integers(1, 4)), draw(st.integers(0, 6))
    kinds = [draw(st.sampled_from(_CELL_KINDS)) for _ in range(width)]
    columns = [draw(st.lists(kind | kind | _ODD_CELLS, min_size=height, max_size=height)) for kind in kinds]
    text = io.StringIO(newline="")
    writer = csv.writer(
        text, delimiter=draw(st.sampled_from(",;\t|")), lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"]))
    )
    writer.writerow(draw(st.lists(st.text(_LETTERS, max_size=5), min_size=width, max_size=width)))
    writer.writerows([*zip(*columns, strict=True)] * draw(st.integers(1, 12)))
    content = bytearray(
        text.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-16", "gb18030", "utf-8-sig"])))
    )
    if draw(st.booleans()):
        for place in draw(st.lists(st.integers(0, max(len(content) - 1, 0)), max_size=4)):
            content[place : place + 1] = draw(st.sampled_from([b"", b"\0", b'"', b",", b"\n", b"\xff", b"\xe4\xb8"]))
    return draw(st.sampled_from(["t.csv", "t.csv", "t.txt", "t.tsv", "t.jsonl"])), bytes(content)
