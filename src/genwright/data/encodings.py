"""Bytes of a text file as UTF-8 blocks: compression and encoding found by looking, binary files refused.

A file is looked through once when it is opened (`examine`), which gives its encoding and its fingerprint in one go;
after that `utf8_blocks` streams it. `delimited.py` cuts the blocks into rows: read it next.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genwright.errors import GenwrightError

BLOCK_BYTES = 1 << 22
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FORMATS = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive", "Save it as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save it as CSV"),
    (b"PAR1", "a Parquet file", "Give it the suffix .parquet"),
    (b"SQLite format 3", "a SQLite database", "Export the table that you want as CSV"),
    (b"%PDF", "a PDF document", "Export the table in it as CSV"),
    (b"\x89PNG", "a picture", "Give a table: CSV, Parquet or JSON lines"),
)


@dataclass(frozen=True)
class TextFacts:
    """What one look through a text file told."""

    encoding: str
    sha256: str
    guessed: bool
    """The encoding is a best guess: nothing in the file proves it."""


def raw_blocks(path: Path) -> Iterator[bytes]:
    """The file's bytes, unpacked when they are gzip (told by content, not by suffix), in blocks of 4 MiB."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if packed else file
            while block := stream.read(BLOCK_BYTES):
                yield block
    except FileNotFoundError:
        raise GenwrightError("GW-0101", f"{path} does not exist", "Check the path") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise GenwrightError(
            "GW-0103", f"{path} is not a whole gzip file ({error})", "Copy or download it again"
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise GenwrightError("GW-0101", f"{path} cannot be read: {reason}", "Check the path and your rights") from None


def examine(path: Path, encoding: str | None) -> TextFacts:
    """Look through the whole file once: encoding (kept when given), SHA-256, and a refusal of what is not text."""
    digest, head, size = hashlib.sha256(), b"", 0
    utf8 = codecs.getincrementaldecoder("utf-8")()
    valid = True
    first_nul: int | None = None
    for block in raw_blocks(path):
        if size == 0:
            head = block
        digest.update(block)
        if valid:
            try:
                utf8.decode(block)
            except UnicodeDecodeError:
                valid = False
        if first_nul is None and (at := block.find(0)) >= 0:
            first_nul = size + at
        size += len(block)
    try:
        utf8.decode(b"", final=True)
    except UnicodeDecodeError:
        valid = False
    _refuse_other_formats(path, head, size)
    found, guessed = (_named(path, encoding), False) if encoding else _recognise(path, head, valid)
    if first_nul is not None and not found.startswith(("utf-16", "utf-32")):
        _refuse_nul(path, head, first_nul)
    return TextFacts(found, digest.hexdigest(), guessed)


def utf8_blocks(path: Path, encoding: str) -> Iterator[bytes]:
    """The file as UTF-8 without byte order mark, transcoded on the way where it is something else."""
    if encoding in ("utf-8", "utf-8-sig"):
        for number, block in enumerate(raw_blocks(path)):
            yield block.removeprefix(codecs.BOM_UTF8) if number == 0 else block
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in raw_blocks(path):
            yield decoder.decode(block).encode()
        if rest := decoder.decode(b"", final=True):
            yield rest.encode()
    except UnicodeError as error:
        raise GenwrightError(
            "GW-0104", f"{path} is not {encoding} text: {error}", "Give another encoding, such as encoding='utf-8'"
        ) from None


def _recognise(path: Path, head: bytes, valid_utf8: bool) -> tuple[str, bool]:
    """Encoding and whether it is a guess. Marks and valid UTF-8 are proof; the rest is told by its byte patterns."""
    for mark, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            if mark == codecs.BOM_UTF8 and not valid_utf8:
                what = f"Line {_first_bad_line(path):,} of {path} is not UTF-8, as its first bytes say"
                raise GenwrightError("GW-0104", what, "Save it as UTF-8 again, or give its encoding")
            return name, False
    pairs = np.frombuffer(head[: len(head) // 2 * 2], dtype=np.uint8).reshape(-1, 2)
    zeros = (pairs == 0).mean(axis=0) if len(pairs) else np.zeros(2)
    if zeros[1] > 0.3 and zeros[0] < 0.1:
        return "utf-16-le", True
    if zeros[0] > 0.3 and zeros[1] < 0.1:
        return "utf-16-be", True
    if valid_utf8:
        return "utf-8", False
    return ("gb18030", True) if _looks_chinese(path) else ("cp1252" if _decodes(path, "cp1252") else "latin-1", True)


def _first_bad_line(path: Path) -> int:
    """Where the text stops being UTF-8."""
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    try:
        for block in raw_blocks(path):
            line += decoder.decode(block).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(b"\n")
    return line


def _looks_chinese(path: Path) -> bool:
    """Valid GB18030 whose characters are the everyday ones of GB2312: Western text seldom gives those by accident."""
    if not _decodes(path, "gb18030"):
        return False
    text = next(raw_blocks(path)).decode("gb18030", errors="ignore")
    foreign = "".join(letter for letter in text[:1_000_000] if letter > "\x7f")
    return len(foreign.encode("gb2312", errors="ignore")) / 2 >= 0.8 * max(len(foreign), 1)


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in raw_blocks(path):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _named(path: Path, encoding: str) -> str:
    """The usual name of an encoding that the user gave, once it has proved to fit the file."""
    try:
        "".encode(encoding)  # not every codec is one for text
        usual = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise GenwrightError(
            "GW-0104", f"Python knows no text encoding {encoding!r} (for {path})", "Try 'utf-8', 'gb18030' or 'cp1252'"
        ) from None
    if not _decodes(path, usual):
        raise GenwrightError("GW-0104", f"{path} is not {encoding} text", "Leave the encoding out, or give another one")
    return usual


def _refuse_other_formats(path: Path, head: bytes, size: int) -> None:
    if size == 0:
        raise GenwrightError("GW-0102", f"{path} is empty", "Give a file with a header and at least one row")
    for magic, what, fix in _OTHER_FORMATS:
        if head.startswith(magic):
            raise GenwrightError("GW-0103", f"{path} is {what}, not text", fix)


def _refuse_nul(path: Path, head: bytes, first: int) -> None:
    """NUL never stands in text: many mean a binary file, a few mean damage, and the line says where."""
    sample = np.frombuffer(head[:65536], dtype=np.uint8)
    control = ((sample > 0) & (sample < 9)) | ((sample > 13) & (sample < 32))
    if control.mean() > 0.01 or (sample == 0).mean() > 0.3:
        raise GenwrightError("GW-0103", f"{path} is a binary file, not text", "Give CSV, Parquet or JSON lines")
    seen, line = 0, 1
    for block in raw_blocks(path):
        line += block[: max(first - seen, 0)].count(b"\n")
        seen += len(block)
        if seen > first:
            break
    raise GenwrightError(
        "GW-0107", f"Line {line} of {path} holds a NUL byte: the file is damaged", "Export it again, or remove the byte"
    )
