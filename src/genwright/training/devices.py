"""Where and how to compute: device, number format, threads. All explicit, none changed behind the user's back."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

import torch

from genwright.errors import GenwrightError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def choose_device(name: str) -> torch.device:
    """The named device, or for "auto" the first GPU and else the CPU. GW-0401 if it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise GenwrightError(
            "GW-0401", f"Device {name!r} cannot be used ({reason})", "Use --device cpu or auto."
        ) from None
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """float32 or bfloat16; "auto" takes bfloat16 only where the processor multiplies it in hardware (it is slower else)."""
    if name == "auto":
        fast = torch.cuda.is_bf16_supported(including_emulation=False) if device.type == "cuda" else _cpu_has_bf16()
        return torch.bfloat16 if fast else torch.float32
    return {"f32": torch.float32, "bf16": torch.bfloat16}[name]


def set_threads(threads: int) -> int:
    """Use this many threads, 0 for one per processor of this process; returns the number."""
    threads = threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    _keep_freed_memory()
    return threads


def seed_draws(seed: int, device: torch.device) -> None:
    """Seed what draws on the device come from."""
    if device.type == "cpu":
        # torch.manual_seed writes down the whole stack for every kind of device that is not here: up to 0.8 ms.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def _keep_freed_memory() -> None:
    """Ask glibc not to give large freed blocks back to the system, which would zero them again for every tensor.

    Training on Adult took 16.9 s instead of 18.6 with it (one run each; EXPERIMENTS.md). Other allocators are left alone.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
            libc.mallopt(M_TRIM_THRESHOLD, 1 << 30)


def _cpu_has_bf16() -> bool:
    """By tiles (AMX) or by vectors (AVX-512), which train images 1.3 to 2 times as fast (EXPERIMENTS.md)."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
        return not {"amx_bf16", "avx512_bf16"}.isdisjoint(flags)
    except OSError:
        return False
