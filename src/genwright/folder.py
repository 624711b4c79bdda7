"""Files that survive: atomic writes, checksums, and the lock that keeps two trainings out of one folder.

Everything a run leaves is written here. Read `run.py` next for what the files are.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genwright.errors import GenwrightError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; on success it is flushed to disk and takes the place of `path`.

    Whatever happens, `path` holds either the old or the new content, whole. A full disk or a read-only folder is a
    GenwrightError (GW-0301).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a value as readable JSON, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of a run; GW-0302 if it is missing or damaged."""
    try:
        # There are folders with Infinity in them, which is no JSON.
        return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except (OSError, ValueError, RecursionError) as error:
        raise GenwrightError(
            "GW-0302", f"{str(path)!r} cannot be read ({error})", "Restore the run folder from a copy, or train again."
        ) from None


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut (where the system allows it)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def disk_error(error: OSError, path: Path) -> GenwrightError:
    """What a failed write means for the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return GenwrightError(
            "GW-0301",
            f"The disk is full: {str(path)!r} could not be written",
            "Free some space and go on with --resume; what was saved before is whole.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return GenwrightError("GW-0301", f"{str(path)!r} may not be written", "Choose another folder with --out.")
    return GenwrightError(
        "GW-0301", f"{str(path)!r} could not be written ({error.strerror or error})", "Check the folder and try again."
    )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; GW-0303, naming the holder, if another has it.

    The lock is the operating system's (flock), so that it goes away with its holder, however that ends.
    """
    import fcntl

    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise disk_error(error, path) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 1000).decode("utf-8", "replace").strip() or "another process"
            raise GenwrightError(
                "GW-0303", f"{str(folder)!r} is in use by {holder}", "Wait for it, stop it, or choose another --out."
            ) from None
        os.ftruncate(handle, 0)
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()} since {started}\n".encode())
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def next_free(parent: Path, name: str) -> Path:
    """parent/name-1, -2, ...: the first that does not exist."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"
