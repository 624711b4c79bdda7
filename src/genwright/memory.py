"""The most memory that this process has held at once, what a training needs of a machine; and what is free."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
from pathlib import Path


def forget_peak() -> None:
    """Start again from what is held now; where the system cannot (it is not Linux), the peak stays the process's own.

    Unreachable objects that Python has not collected yet count: to look for them here would take a quarter of a second.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # what is free, but not given back, would count for whoever comes next
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """Resident memory at its peak since `forget_peak`, in bytes; memory of a GPU is not counted."""
    if held := _numbers(Path("/proc/self/status")).get("VmHWM:"):
        return held * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def free_bytes(machine: Path = Path("/proc"), group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a process may still take, of the machine and of the container (`group`) that it is in, in bytes; None where the
    system does not say (it is not Linux)."""
    kilobytes = _numbers(machine / "meminfo").get("MemAvailable:")
    if kilobytes is None:
        return None
    free = kilobytes * 1024
    with contextlib.suppress(OSError, ValueError):  # "max": no limit
        limit, held = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        # Files that it has read lately count as held, but give way.
        free = min(free, limit - held + _numbers(group / "memory.stat").get("inactive_file", 0))
    return max(free, 0)


def _numbers(file: Path) -> dict[str, int]:
    """The lines "name number" of a file; none if there is no such file."""
    with contextlib.suppress(OSError):
        words = (line.split() for line in file.read_text().splitlines())
        return {word[0]: int(word[1]) for word in words if len(word) > 1 and word[1].isdigit()}
    return {}
