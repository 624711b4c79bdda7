"""Plain text files as documents: one file, perhaps parted by what stands between its documents; a folder; an archive.

Encodings are found by `encodings.py`, archives are opened by `archives.py`. Read `texts.py` next: it is the way in.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from genwright.data.archives import GLANCE, Read, first_names, is_archive, members
from genwright.data.decoding import MOST_BYTES, BadImage
from genwright.data.documents import Document, TextForm, TextSource
from genwright.data.encodings import examine, raw_blocks, utf8_blocks
from genwright.data.image_files import SPLIT_NAMES, _clean, _is_hidden, _parts, _walk, natural
from genwright.data.sources import split_name
from genwright.errors import GenwrightError

SUFFIXES = (".txt", ".md", ".text", ".markdown")
PART_CHARACTERS = 1 << 22
"""A longer document is taken in parts of at most so many characters, so that memory stays flat."""
FOLDER = "folder"  # the condition that class folders become
LISTED = 5  # bad files that a note names
_ENDS = ("<|endoftext|>", "</s>", "<eos>", "%")  # lines that stand between documents where they occur
_LEAST_LINES = 20  # of a file, before its lines are taken for documents
_FIX = "Give text: .txt or .md, a folder of them, JSON lines, CSV or Parquet"
_Blocks = Callable[[], Iterator[str]]


def is_text(name: str) -> bool:
    """By its name; ".gz" behind it is allowed, and hidden files are none."""
    return split_name(Path(name))[0] in SUFFIXES and not _is_hidden(name)


def from_file(path: Path, separator: str) -> TextSource:
    """One file: one document, or several by the separator ("": by looking). GW-0170 when it holds no text."""
    notes: list[str] = []
    blocks = _text_blocks(path, notes)
    if not any(block.strip() for block in blocks()):
        raise GenwrightError("GW-0170", f"{path} holds no text", _FIX)
    chosen = separator or guess_separator(next(blocks()))
    suffix, name = split_name(path)
    source = TextSource(name, TextForm("file", suffix, chosen), notes=notes)
    if not separator and chosen != "none":
        parted = {"blank line": "at blank lines", "line": "at line ends"}.get(chosen, f"at lines {chosen!r}")
        source.note(f"{path.name} is parted into documents {parted}; with the separator 'none' it is one.")
    source._documents = partial(_parted, source, blocks, chosen, path.name, {})
    return source


def from_folder(path: Path, separator: str) -> TextSource:
    """A folder or archive: each text file is a document, or several by the separator, in natural order of their names.

    Folders of the first level that has several become the condition "folder". Files that hold no text are left out and
    listed in the notes. GW-0171 when there is none.
    """
    notes: list[str] = []
    files = _find(path, notes)
    if not files:
        raise GenwrightError("GW-0171", f"There are no text files in {path}", _FIX)
    names = list(files)
    source = TextSource(
        path.name.split(".")[0] or path.resolve().name, TextForm("folder", separator=separator or "none")
    )
    source.notes = notes
    folders = _folders(names)
    if set(folders) - {""}:
        source.conditions = (FOLDER,)
    if {folder.lower() for folder in folders} <= SPLIT_NAMES:
        source.note("The folders become a condition; to train on one of them, give that folder alone.")

    def documents() -> Iterator[Document]:
        found, bad = 0, []
        for (name, file), folder in zip(files.items(), folders, strict=True):
            mended: list[str] = []
            try:
                blocks = _text_blocks(file, mended)
                for document in _parted(source, blocks, separator or "none", _clean(name), {FOLDER: folder}):
                    found += 1
                    yield document
            except GenwrightError as error:
                bad.append(error.what)
            for sentence in mended:
                source.note(sentence)
        if bad:
            more = f"; and {len(bad) - LISTED:,} more" if len(bad) > LISTED else ""
            source.note(f"Left out: {'; '.join(bad[:LISTED])}{more}.")
        if not found:
            raise GenwrightError("GW-0171", f"No text file in {path} holds any text", _FIX)

    source._documents = documents
    return source


def holds_texts(path: Path) -> bool:
    """Whether a folder or archive has a text among its first thousand files."""
    if is_archive(path):
        return any(map(is_text, first_names(path)))
    return any(map(is_text, islice(_walk(path, []), GLANCE)))


def guess_separator(head: str) -> str:
    """What parts the documents of a file that starts with `head`: a line such as <|endoftext|>, blank lines, or line ends.

    Blank lines part paragraphs as well; they are taken only where what they part has headings: first lines that begin
    with the same mark and seldom recur (poems, recipes, articles; not a play, whose speakers recur). Line ends are taken
    where nearly every line is a sentence or a name, and no line is blank.
    """
    lines = [line.rstrip() for line in head.splitlines()]
    for end in _ENDS:
        if lines.count(end) > 1:
            return end
    blocks = [block.strip().splitlines() for block in re.split(r"\n\s*\n", head) if block.strip()]
    firsts = [block[0].strip() for block in blocks]
    marks = [first[0] for first in firsts if not first[0].isalnum() and first[0] not in "\"'“”‘’([-*"]
    if len(blocks) > 2:
        usual = max(map(marks.count, set(marks)), default=0)
        deep = sum(len(block) > 1 for block in blocks)
        alike = usual >= 0.9 * len(blocks) and deep >= 0.9 * len(blocks)
        return "blank line" if alike and len(set(firsts)) >= 0.5 * len(firsts) else "none"
    filled = [line for line in lines if line.strip()]
    if len(filled) < max(_LEAST_LINES, 0.99 * len(lines)):
        return "none"
    whole = sum(line[-1] in ".!?。！？…\"'”’" for line in filled)
    short = sum(len(line.split()) <= 3 and len(line) <= 40 for line in filled)
    return "line" if max(whole, short) >= 0.9 * len(filled) else "none"


def split_blocks(blocks: Iterable[str], separator: str) -> Iterator[str]:
    """Documents of a text that comes in blocks, none longer than PART_CHARACTERS, none blank.

    With the separator "none" the documents joined are the text; else line ends around a document are not part of it.
    """
    pattern = _pattern(separator)
    carried = ""
    for block in blocks:
        carried += block
        if pattern is not None:
            end = carried.rfind("\n") + 1  # the last line may be only half of a separator
            *whole, rest = pattern.split(carried[:end])
            yield from _trimmed(whole)
            carried = rest + carried[end:]
        while len(carried) > PART_CHARACTERS:
            part, carried = _first_part(carried)
            yield part
    yield from _trimmed(pattern.split(carried)) if pattern else (carried,) if carried else ()


def _trimmed(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        rest = text.strip("\r\n")
        while len(rest) > PART_CHARACTERS:
            part, rest = _first_part(rest)
            yield part
        if rest.strip():
            yield rest


def _first_part(text: str) -> tuple[str, str]:
    """At the last line end that leaves at least half a part, else in mid-line."""
    end = text.rfind("\n", PART_CHARACTERS // 2, PART_CHARACTERS) + 1 or PART_CHARACTERS
    return text[:end], text[end:]


def _pattern(separator: str) -> re.Pattern[str] | None:
    if separator == "none":
        return None
    if separator == "line":
        return re.compile(r"\r?\n")
    if separator == "blank line":
        return re.compile(r"\n(?:[ \t]*\r?\n)+")
    return re.compile(rf"^[ \t]*{re.escape(separator)}[ \t]*(?:\r?\n|\Z)", re.MULTILINE)


def _parted(
    source: TextSource, blocks: _Blocks, separator: str, name: str, columns: dict[str, str]
) -> Iterator[Document]:
    columns = {column: value for column, value in columns.items() if value}
    for number, text in enumerate(split_blocks(blocks(), separator), 1):
        if number == 2 and separator == "none":
            source.note(f"{name} is long: it is taken in parts of {PART_CHARACTERS:,} characters.")
        yield Document.of(text, columns, name if number == 1 else f"{name} ({number})")


def _text_blocks(path: Path, notes: list[str]) -> _Blocks:
    """How to read a file as blocks of text; says in notes what was guessed. GW-0170 when it is none."""
    try:
        facts = examine(path, None)
    except GenwrightError as error:
        if error.code in ("GW-0102", "GW-0103"):  # the sentences there speak of tables
            raise GenwrightError("GW-0170", error.what, _FIX) from None
        raise
    encoding, errors = facts.encoding, "strict"
    if facts.guessed and not encoding.startswith("utf-16"):
        if _is_damaged_utf8(path):
            encoding, errors = "utf-8", "replace"
            notes.append(f"{path.name} is UTF-8 with bytes that are not: each of them became \ufffd.")
        else:
            notes.append(f"{path.name} was read as {encoding}, a guess: save it as UTF-8 if letters look wrong.")

    def blocks() -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")(errors)
        for block in utf8_blocks(path, encoding):
            yield decoder.decode(block)
        yield decoder.decode(b"", final=True)

    return blocks


def _is_damaged_utf8(path: Path) -> bool:
    """Whether of the characters beyond ASCII ten are valid UTF-8 for each byte that is not."""
    text = next(raw_blocks(path)).decode("utf-8", errors="replace")
    bad = text.count("\ufffd")
    return sum(not letter.isascii() for letter in text) - bad > 10 * bad


def _find(path: Path, notes: list[str]) -> dict[str, Path]:
    """The texts of a folder or archive by name, in natural order; says how many other files there are."""
    readers: dict[str, Callable[[], Any]]
    if path.is_dir():
        there = (name for name in _walk(path, notes) if (path / name).is_file())  # opening a pipe would wait for ever
        readers = {name: partial(open, path / name, "rb") for name in there}
    else:
        readers = {name: partial(_unpacked, _clean(name), read) for name, read in members(path, is_text).items()}
    # `encodings` opens a path and shows its name: a member can do as much.
    files = {name: cast(Path, _Member(_clean(name), reader)) for name, reader in readers.items()}
    names = sorted(filter(is_text, files), key=natural)
    if names and (others := sum(not _is_hidden(name) for name in files) - len(names)):
        notes.append(f"{others:,} {'files are' if others > 1 else 'file is'} passed over: no texts by their names.")
    return {name: files[name] for name in names}


class _Member:
    """A file of a folder or archive, as far as reading it goes."""

    def __init__(self, name: str, reader: Callable[[], IO[bytes]]) -> None:
        self.name, self._reader = name, reader

    def __str__(self) -> str:
        return self.name

    def open(self, mode: str) -> IO[bytes]:
        """Its bytes."""
        return self._reader()


def _unpacked(name: str, read: Read) -> IO[bytes]:
    """The bytes of a member of an archive. GW-0170 when the archive does not give them."""
    try:
        content = read()
    except BadImage as error:
        raise GenwrightError("GW-0170", f"{name} cannot be read: {error}", "Pack the archive again") from None
    if len(content) > MOST_BYTES:
        raise GenwrightError("GW-0170", f"{name} is larger than {MOST_BYTES / 1e6:.0f} MB", "Unpack the archive")
    return io.BytesIO(content)


def _folders(names: list[str]) -> list[str]:
    """The folder of each file on the first level that has several, "" for files beside them; all "" without such a level."""
    parts = [_parts(name) for name in names]
    while all(len(part) > 1 for part in parts) and len({part[0] for part in parts}) == 1:
        parts = [part[1:] for part in parts]
    folders = [_clean(part[0]) if len(part) > 1 else "" for part in parts]
    return folders if len(set(folders) - {""}) > 1 else [""] * len(names)
