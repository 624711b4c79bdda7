"""The most memory that this process has held at once: what a training needs of a machine."""

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
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
