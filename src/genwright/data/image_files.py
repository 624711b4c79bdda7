"""Which pictures a collection has and what class each is of: a folder, a zip or tar, a table of paths, one file.

`archives.py` opens archives, `decoding.py` makes pixels of what is found here. `images.py` is the way in.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from genwright.data.archives import GLANCE, Read, first_names, is_archive, members
from genwright.data.decoding import MOST_BYTES, SUFFIXES, BadImage
from genwright.data.sources import JSON_SUFFIXES, PARQUET_SUFFIXES, TEXT_SUFFIXES, open_table, split_name
from genwright.errors import GenwrightError

UNREAD_SUFFIXES = (".heic", ".heif", ".avif", ".jp2", ".svg", ".psd")
"""Pictures that cannot be read: said one by one, not passed over like a text file."""
LABEL_NAMES = ("label", "labels", "class", "category", "target")
SPLIT_NAMES = {"train", "training", "test", "testing", "val", "valid", "validation"}
_TABLE_SUFFIXES = (*TEXT_SUFFIXES, *PARQUET_SUFFIXES, *JSON_SUFFIXES)
TRAINING_NAMES = {"train", "training"}
STRAY_SHARE = 0.1  # of the pictures, that may lie beside class folders without the folders being no classes
_LISTED = 5  # stray pictures that a note names
_PATHS_SHARE = 0.9  # of a column's values that name pictures, for a column of paths


@dataclass(frozen=True)
class Entry:
    """One picture file: its name within the collection, the number of its class (-1: none), and its content."""

    name: str
    label: int
    read: Read
    held: bool = False
    """Whether a table says that it is not for training."""


@dataclass(frozen=True)
class Found:
    """What a collection holds."""

    entries: list[Entry]
    classes: tuple[str, ...]
    """In natural order; empty without labels."""
    notes: list[str]


def find_files(path: Path) -> Found:
    """The pictures of a collection, in natural order of their names (a table's in its own).

    The first level of folders that parts them gives the classes. GW-0150 for a folder that cannot be read, GW-0151 for a
    damaged archive, GW-0156 for a table without a column of paths.
    """
    notes: list[str] = []
    if path.is_dir():
        files: dict[str, Read] = {name: _file_reader(path / name) for name in _walk(path, notes)}
    elif is_archive(path):
        files = members(path, _is_picture)
    elif split_name(path)[0] in _TABLE_SUFFIXES:
        return _from_table(path)
    else:
        files = {path.name: _file_reader(path)}
    names = sorted(filter(_is_picture, files), key=natural)
    others = sum(not _is_hidden(name) for name in files) - len(names)
    if others:
        notes.append(f"{others:,} {'files are' if others > 1 else 'file is'} passed over: no pictures by their names.")
    labels, classes = _labels(names, notes)
    return Found([Entry(_clean(n), labels[n], files[n]) for n in names if n in labels], classes, notes)


def holds_images(path: Path) -> bool:
    """Whether this is a picture, a folder or archive with one among its first thousand files, or a table of paths."""
    try:
        if path.is_dir():
            return any(map(_is_picture, islice(_walk(path, []), GLANCE)))
        if is_archive(path):
            return any(map(_is_picture, first_names(path)))
        if split_name(path)[0] in _TABLE_SUFFIXES:
            return _names_pictures(path)
    except GenwrightError:  # whoever opens a damaged archive will be told so
        return is_archive(path)
    except OSError:
        return False
    return _is_picture(path.name)


def _walk(folder: Path, notes: list[str]) -> Iterator[str]:
    """Names of all files below, with slashes, in order. Links to folders are followed, but none in a circle."""
    seen: set[tuple[int, int]] = set()

    def unreadable(error: OSError) -> None:
        if Path(error.filename) == folder:
            reason = error.strerror or str(error)
            raise GenwrightError("GW-0150", f"{folder} cannot be read: {reason}", "Check your rights")
        notes.append(f"The folder {_clean(os.path.relpath(error.filename, folder))} cannot be read.")

    for place, folders, files in os.walk(folder, followlinks=True, onerror=unreadable):
        status = os.stat(place)
        here = (status.st_dev, status.st_ino)
        folders[:] = sorted(name for name in folders if not _is_hidden(name) and here not in seen)
        if here in seen:
            continue
        seen.add(here)
        below = Path(place).relative_to(folder)
        for name in sorted(files):
            yield (below / name).as_posix()


def _file_reader(path: Path) -> Read:
    def read() -> bytes:
        try:
            if not path.is_file():  # opening a pipe would wait for ever
                raise BadImage("there is no such file")
            with open(path, "rb") as file:
                return file.read(MOST_BYTES + 1)
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL, from a table
            raise BadImage(f"it cannot be read ({getattr(error, 'strerror', None) or error})") from None

    return read


def _failing(reason: str) -> Read:
    def read() -> bytes:
        raise BadImage(reason)

    return read


def _from_table(path: Path) -> Found:
    """Rows of a table: the column of paths is found by its values, the labels by name or as a column with few values."""
    source = open_table(path)
    columns: dict[str, list[str | None]] = {name: [] for name in source.columns}
    for frame in source.batches():
        for name, values in columns.items():
            values += [None if value is None else str(value) for value in frame[name].to_list()]
    place = _path_column(columns)
    if place is None:
        raise GenwrightError(
            "GW-0156", f"No column of {path} has the paths of pictures", "Give a table with paths such as photos/1.png"
        )
    paths = columns.pop(place)
    label = _label_column(columns)
    split = _split_column({name: values for name, values in columns.items() if name != label})
    given = columns[label] if label else [None] * len(paths)
    held = [bool(split) and (value or "").strip().lower() not in TRAINING_NAMES for value in columns.get(split, given)]
    classes = tuple(sorted({value for value in given if value}, key=natural))
    number = {value: at for at, value in enumerate(classes)}
    entries = []
    for row, (file, value, kept) in enumerate(zip(paths, given, held, strict=True), 1):
        read = _file_reader(path.parent / file) if file else _failing("its row has no path")
        if label and not value:
            read = _failing("its row has no label")
        entries.append(Entry(_clean(file or f"row {row}"), number.get(value or "", -1), read, kept))
    notes = [f"Paths are taken from the column {place!r}" + (f", labels from {label!r}." if label else "; no labels.")]
    if split:
        notes.append(f"The column {split!r} says which rows train; the others ({sum(held):,}) are the hold-out.")
    return Found(entries, classes, [*source.notes, *notes])


def _path_column(columns: dict[str, list[str | None]]) -> str | None:
    for name, values in columns.items():
        if values and sum(bool(v) and _is_picture(v or "") for v in values) >= _PATHS_SHARE * len(values):
            return name
    return None


def _label_column(columns: dict[str, list[str | None]]) -> str | None:
    named = [name for name in columns if name.strip().lower() in LABEL_NAMES]
    if named:
        return named[0]
    for name, values in columns.items():
        distinct = {value.lower() for value in values if value}
        if 1 < len(distinct) <= max(2, len(values) // 5) and not distinct <= SPLIT_NAMES:
            return name
    return None


def _split_column(columns: dict[str, list[str | None]]) -> str:
    """The column that says which rows are for training and which are not; "" without one."""
    for name, values in columns.items():
        distinct = {(value or "").strip().lower() for value in values}
        if distinct <= SPLIT_NAMES and distinct & TRAINING_NAMES and distinct - TRAINING_NAMES:
            return name
    return ""


def _names_pictures(path: Path) -> bool:
    """Whether the table's first rows name pictures that exist. Text is glanced at first, as most tables do not."""
    if split_name(path)[0] not in PARQUET_SUFFIXES and not path.name.lower().endswith(".gz"):
        with open(path, "rb") as file:
            head = file.read(1 << 16).replace(b"\0", b"").lower()
        if not any(suffix.encode() in head for suffix in SUFFIXES):
            return False
    frame = next(open_table(path).batches(GLANCE))
    columns = {name: [None if v is None else str(v) for v in frame[name].to_list()] for name in frame.columns}
    place = _path_column(columns)
    return place is not None and any(v and (path.parent / v).is_file() for v in columns[place][:20])


def _labels(names: list[str], notes: list[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """The class of each picture by its first folder below any that all share; -1, and no classes, where many pictures lie
    beside the folders. Few such are left out."""
    parts = {name: _parts(name) for name in names}
    while parts and all(len(part) > 2 for part in parts.values()) and len({part[0] for part in parts.values()}) == 1:
        parts = {name: part[1:] for name, part in parts.items()}
    folders = {part[0] for part in parts.values() if len(part) > 1}
    stray = [name for name, part in parts.items() if len(part) == 1]
    if len(folders) < 2 or len(stray) > max(1, STRAY_SHARE * len(names)):
        if stray and len(folders) > 1:
            many = "pictures lie beside the folders, so the folders are not taken as classes."
            notes.append(f"{len(stray):,} {many}")
        return dict.fromkeys(names, -1), ()
    if stray:
        shown = ", ".join(map(_clean, stray[:_LISTED])) + (", ..." if len(stray) > _LISTED else "")
        notes.append(f"{counted(len(stray), 'picture')} beside the class folders left out: {shown}.")
    if {folder.lower() for folder in folders} <= SPLIT_NAMES:
        notes.append(f"{' and '.join(sorted(folders))} are taken as classes; to train on one, give that folder alone.")
    ordered = sorted(folders, key=natural)
    number = {name: at for at, name in enumerate(ordered)}
    return {name: number[part[0]] for name, part in parts.items() if len(part) > 1}, tuple(map(_clean, ordered))


def counted(number: int, noun: str) -> str:
    """A number with its noun, which gets an s: "1 picture", "2,000 pictures"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _parts(name: str) -> tuple[str, ...]:
    """Without what leads upwards; archives made elsewhere may part folders by backslashes."""
    return tuple(part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", "//"))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini") for part in _parts(name))


def _is_picture(name: str) -> bool:
    return name.lower().endswith((*SUFFIXES, *UNREAD_SUFFIXES)) and not _is_hidden(name)


def natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts "10" behind "9", and texts with equal numbers ("01", "1") by their letters."""
    parts = re.split(r"([0-9]{1,18})", text)  # longer numbers would take long to read
    return [(0, int(part), "") if part.isascii() and part.isdecimal() else (1, 0, part) for part in parts], text


def _clean(name: str) -> str:
    """A name as it can be shown and written: what is no text in it, or would steer a terminal, as an escape."""
    odd = ("Cc", "Cs")  # control characters, and bytes that were not UTF-8
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in odd else c for c in name)
