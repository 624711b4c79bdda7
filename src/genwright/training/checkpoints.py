"""Checkpoints: all that the loop needs to go on, saved whole or not at all, checked when read.

A checkpoint is a folder `step-00000500` with safetensors, a JSON state and a manifest of SHA-256 sums; it is written
under another name and renamed, so a torn one never carries the real name. Read `loop.py` next.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from genwright.errors import GenwrightError
from genwright.folder import disk_error, read_json, replacing, sha256, sync_folder, write_json


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name and a JSON-able state, as of after `step` steps."""

    step: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


def save(folder: Path, checkpoint: Checkpoint, *, keep: int = 2) -> Path:
    """Write atomically under `folder`, then remove all but the newest `keep`. A full disk leaves the old ones whole."""
    target = folder / f"step-{checkpoint.step:08d}"
    temporary = folder / f".{target.name}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        temporary.mkdir()
        save_tensors(temporary / "tensors.safetensors", checkpoint.tensors)
        write_json(temporary / "state.json", {"step": checkpoint.step, **checkpoint.state})
        names = ("tensors.safetensors", "state.json")
        write_json(temporary / "manifest.json", {name: sha256(temporary / name) for name in names})
        if target.exists():  # the same step again (a resumed run stopped at once): same content
            shutil.rmtree(target)
        os.replace(temporary, target)
        sync_folder(folder)
    except OSError as error:
        raise disk_error(error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in steps(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def newest(folder: Path, *, no_later_than: int | None = None) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint (None: there is none) and a sentence for each damaged one that was passed over."""
    warnings: list[str] = []
    for path in reversed(steps(folder)):
        if no_later_than is not None and int(path.name.removeprefix("step-")) > no_later_than:
            continue
        try:
            return load(path), warnings
        except GenwrightError as error:
            warnings.append(f"{error.what}; going back to the one before")
    return None, warnings


def load(path: Path) -> Checkpoint:
    """Read one checkpoint; GW-0304 names the file if a sum does not agree."""
    manifest = read_json(path / "manifest.json")
    for name in ("tensors.safetensors", "state.json"):
        if not (path / name).is_file() or sha256(path / name) != manifest.get(name):
            raise GenwrightError("GW-0304", f"Checkpoint file {str(path / name)!r} is damaged", "Resume from another.")
    state = read_json(path / "state.json")
    return Checkpoint(state.pop("step"), load_tensors(path / "tensors.safetensors"), state)


def steps(folder: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def sweep(folder: Path) -> None:
    """Remove what a killed save left behind."""
    for rest in folder.glob(".step-*.tmp"):
        shutil.rmtree(rest, ignore_errors=True)


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write safetensors from any device and flush them; OSError (full disk ...) passes through as such."""
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    except SafetensorError as error:  # it wraps the system's error in a text
        full = any(word in str(error) for word in ("No space left", "os error 28", "os error 27", "os error 122"))
        raise OSError(28 if full else 5, str(error)) from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write one safetensors file atomically."""
    with replacing(path) as temporary:
        save_tensors(temporary, tensors)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors; GW-0304 if the file is not one."""
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise GenwrightError(
            "GW-0304",
            f"{str(path)!r} is not a whole safetensors file ({error})",
            "Restore it from a copy, or train again.",
        ) from None
