"""Members of a zip or tar archive, read into memory and never written under their names: safe with hostile archives.

Claims are bounded before anything is unpacked, and what unpacks is bounded again. `image_files.py` picks the pictures.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from genwright.data.decoding import MOST_BYTES, BadImage
from genwright.errors import GenwrightError

Read = Callable[[], bytes]
"""Gives a file's content, or raises BadImage when it cannot be read."""
FREE_BYTES = 1_000_000_000  # that any archive may unpack to
MOST_RATIO = 100  # beyond that, times its own size: pictures are packed already
MOST_MEMBERS = 2_000_000
GLANCE = 1000  # members that are looked at to tell what an archive holds
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_UNPACKERS: tuple[tuple[bytes, Any], ...] = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))


def is_archive(path: Path) -> bool:
    """By its name."""
    return path.name.lower().endswith((".zip", *_TAR_SUFFIXES))


def first_names(path: Path) -> list[str]:
    """Names of an archive's first members. GW-0151 when it cannot be opened."""
    if path.name.lower().endswith(".zip"):
        with _zip(path) as archive:
            return archive.namelist()[:GLANCE]
    return [member.name for member, _ in islice(_tar_files(path), GLANCE)]


def members(path: Path, wanted: Callable[[str], bool]) -> dict[str, Read]:
    """Name -> how to read it, for all files of an archive in its order; those not `wanted` are not kept, and read as empty.

    GW-0151 when it cannot be opened, is damaged, or unpacks to far more than its size.
    """
    return _zip_members(path) if path.name.lower().endswith(".zip") else _tar_members(path, wanted)


def refuse_bomb(path: Path, claimed: int) -> None:
    """GW-0151 when a file would unpack to so much that it must be made to harm."""
    size = path.stat().st_size
    if claimed > FREE_BYTES and claimed > MOST_RATIO * size:
        raise _broken(path, f"it would unpack to {claimed / 1e9:,.1f} GB, more than {MOST_RATIO} times its size")


def _zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # zipfile raises whatever a torn directory makes of it: ValueError, struct.error ...
        raise _broken(path, _reason(error)) from None


def _zip_members(path: Path) -> dict[str, Read]:
    archive = _zip(path)
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MOST_MEMBERS:
        raise _broken(path, f"it has more than {MOST_MEMBERS:,} files")
    refuse_bomb(path, sum(info.file_size for info in infos))

    def reader(info: zipfile.ZipInfo) -> Read:
        def read() -> bytes:
            if info.flag_bits & 1:
                raise BadImage("it is encrypted")
            try:
                with archive.open(info) as file:
                    return file.read(MOST_BYTES + 1)
            except Exception as error:
                raise BadImage(f"it cannot be unpacked ({_reason(error)})") from None

        return read

    return {info.filename: reader(info) for info in infos}


def _tar_members(path: Path, wanted: Callable[[str], bool]) -> dict[str, Read]:
    spool = _Spool()
    found: dict[str, Read] = {}
    for member, stream in _tar_files(path):
        if member.isfile() and not member.issparse():
            size = min(member.size, MOST_BYTES + 1) if wanted(member.name) else 0
            try:
                found[member.name] = spool.keep(stream, member.offset_data, size)
            except GenwrightError:
                raise
            except Exception as error:
                raise _broken(path, _reason(error)) from None
    return found


class _Spool:
    """Members of a tar in a nameless temporary file: a packed tar can only be read from its front."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile(prefix="genwright-")  # noqa: SIM115 - lives as long as its readers

    def __del__(self) -> None:
        self.file.close()

    def keep(self, stream: Any, start: int, size: int) -> Read:
        """Copy a part of a stream; returns how to read it again."""
        place, missing = self.file.tell(), size
        stream.seek(start)
        while missing and (block := stream.read(min(missing, 1 << 20))):
            self.file.write(block)
            missing -= len(block)
        self.file.flush()

        def read() -> bytes:
            if missing:
                raise BadImage("the archive ends within it")
            return os.pread(self.file.fileno(), size, place)

        return read


def _tar_files(path: Path) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    """(member, the unpacked archive) one by one; GW-0151 as soon as something is not as it should be."""
    try:
        with open(path, "rb") as file:
            magic = file.read(6)
            file.seek(0)
            unpacked: Any = next((unpack(file) for start, unpack in _UNPACKERS if magic.startswith(start)), file)
            stream = _Bounded(unpacked, path)
            archive = tarfile.TarFile(fileobj=stream)  # type: ignore[arg-type]
            end = -1
            for number, member in enumerate(iter(archive.next, None)):
                if member.offset <= end or member.size < 0 or number > MOST_MEMBERS:  # tarfile would go round for ever
                    raise tarfile.ReadError("its members overlap, or are too many")
                end = member.offset
                archive.members = []  # type: ignore[attr-defined] # tarfile keeps all that it saw
                yield member, stream
            stream.seek(archive.offset)
            if stream.read(512).strip(b"\0"):  # tarfile takes a damaged header for the end
                raise tarfile.ReadError("it is damaged, or not a tar archive")
    except GenwrightError:
        raise
    except Exception as error:  # tarfile and its unpackers raise each their own
        raise _broken(path, _reason(error)) from None


class _Bounded:
    """A stream that unpacks only so much, in all and at once: tarfile itself would read a header of any size."""

    def __init__(self, stream: Any, path: Path) -> None:
        self.stream, self.path = stream, path

    def read(self, size: int) -> bytes:
        if size > MOST_BYTES or size < 0:
            raise tarfile.ReadError("it has a header of impossible size")
        refuse_bomb(self.path, self.stream.tell() + size)
        return self.stream.read(size)

    def seek(self, place: int) -> None:
        refuse_bomb(self.path, place)
        self.stream.seek(place)

    def tell(self) -> int:
        return self.stream.tell()


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__


def _broken(path: Path, reason: str) -> GenwrightError:
    return GenwrightError("GW-0151", f"The archive {path} cannot be opened: {reason}", "Pack it again")
