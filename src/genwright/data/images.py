"""Any collection of pictures as one array: a folder, an archive, an array file, a table of paths, an array in memory.

Opening is cheap for files; `load` looks through all of them, then decodes them. `image_files.py` finds the files,
`decoding.py` makes pixels of each one, `likeness.py` finds near-copies. Read `image_files.py` next.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np

from genwright.data.array_files import Arrays, array_file, check_arrays, passed_over, read_array_file
from genwright.data.decoding import (
    RANGES,
    BadImage,
    Fit,
    Header,
    Target,
    brightest,
    colour,
    decode,
    header,
    in_threads,
    quiet,
    resample,
)
from genwright.data.image_files import Entry, counted, find_files, holds_images
from genwright.data.likeness import in_two_classes, near_copies
from genwright.errors import GenwrightError, did_you_mean
from genwright.memory import free_bytes
from genwright.progress import Advance, no_progress

MOST_BAD = 0.05  # share of files that may be bad
LISTED = 5  # bad files that an error names
NAMED = 100  # bad files that notes name
COPIES = 4  # of all pixels that are held at once at the most, while they are split and coded
AT_ONCE = 256  # pictures between two reports of progress
CHOSEN_SIDES = (16, 32, 64)  # when no side is given
MOST_THREADS = 8
_Loaded = tuple[np.ndarray, np.ndarray | None, list[str], list[tuple[str, str]], np.ndarray | None]
"""Pixels, labels, names, skipped, held: as in `Images`."""
_SMALLEST_SIDE, _LARGEST_SIDE = 8, 512


@dataclass(frozen=True)
class Images:
    """Pictures as they are trained on."""

    pixels: np.ndarray
    """(N, height, width, channels) uint8, one or three channels."""
    labels: np.ndarray | None
    """(N,) int64 numbers of classes."""
    names: list[str]
    groups: np.ndarray
    """(N,) pictures that are the same, or nearly, share a number."""
    skipped: list[tuple[str, str]]
    """Files that are left out, with the reason."""
    held: np.ndarray | None = None
    """(N,) True where the collection itself says that a picture is not for training; None where it says nothing."""

    def left_out(self) -> list[str]:
        """A sentence on each of the first hundred files that are left out, and one on how many more there are."""
        sentences = [f"{name} is left out: {reason}" for name, reason in self.skipped[:NAMED]]
        more = len(self.skipped) - NAMED
        return [*sentences, f"{counted(more, 'more file')} left out."] if more > 0 else sentences


@dataclass(frozen=True)
class _Scan:
    """What one look through all files told; nothing was decoded."""

    fingerprint: str
    headers: list[Header | None]
    """One for each entry; None for bad ones."""
    skipped: list[tuple[str, str]]


@dataclass
class ImageSource:
    """A collection that was found and not yet decoded."""

    name: str
    """The file's or folder's name without suffixes, or "array"."""
    classes: tuple[str, ...]
    """Names of the classes, in natural order; empty where there are no labels."""
    notes: list[str]
    """Sentences on what was guessed or passed over; loading may add some."""
    size: int
    grey: bool
    fit: Fit
    background: tuple[int, int, int]
    entries: list[Entry] = field(default_factory=list, repr=False)
    arrays: Arrays | None = field(default=None, repr=False)
    declared: bool = False
    """Whether nothing may follow from all pictures together: neither size nor colours, and no picture has near-copies."""
    _scanned: _Scan | None = field(default=None, repr=False)

    def fingerprint(self) -> str:
        """SHA-256 over names, classes and contents of all files, or over the arrays."""
        return _digest_arrays(self.arrays) if self.arrays else self._scan(no_progress).fingerprint

    def load(self, advance: Advance = no_progress, *, fewest: int = 2) -> Images:
        """Decode everything; advance(done, total) as it goes.

        Bad files are left out and listed; GW-0152 when they are more than 5 %, GW-0153 when less than `fewest` pictures are
        left, GW-0159 when they do not fit into memory.
        """
        pixels, labels, names, skipped, held = self._from_arrays() if self.arrays else self._from_files(advance)
        if len(pixels) < fewest:
            usable = counted(len(pixels), "usable picture")
            raise GenwrightError("GW-0153", f"{self.name!r} has {usable}", f"Give at least {fewest}")
        if pixels.shape[3] == 3 and not self.declared and not _has_colour(pixels):
            pixels = pixels[:, :, :, :1]
        pixels = np.ascontiguousarray(pixels)
        groups = np.arange(len(pixels)) if self.declared else near_copies(pixels)
        if labels is not None and len(pairs := in_two_classes(pixels, groups, labels)):
            first, other = (f"{names[at]} ({self.classes[labels[at]]})" for at in pairs[0])
            self._say(
                f"{counted(len(pairs), 'picture')} in more than one class, first {first} and {other}: labels disagree."
            )
        return Images(pixels, labels, names, groups, skipped, held)

    def _scan(self, advance: Advance) -> _Scan:
        """Read each file once: the fingerprint, what headers say, and which files are bad already."""
        if self._scanned is None:
            digest = hashlib.sha256(repr(self.classes).encode())
            headers: list[Header | None] = []
            skipped = []
            with quiet():
                for number, entry in enumerate(self.entries, 1):
                    found = None
                    try:
                        content = entry.read()
                        told = (entry.name, entry.label, len(content))
                        digest.update(repr((*told, "held") if entry.held else told).encode())
                        digest.update(content)
                        found = header(content)
                    except BadImage as error:
                        skipped.append((entry.name, str(error)))
                    headers.append(found)
                    if number % AT_ONCE == 0:
                        advance(number, 2 * len(self.entries))
            self._scanned = _Scan(digest.hexdigest(), headers, skipped)
        return self._scanned

    def _from_files(self, advance: Advance) -> _Loaded:
        scan = self._scan(advance)
        skipped = list(scan.skipped)
        self._refuse_bad(skipped)
        good = [(entry, found) for entry, found in zip(self.entries, scan.headers, strict=True) if found]
        with quiet():
            white = self._white([entry for entry, found in good if found.deep])
            sizes = [(found.width, found.height) for _, found in good]
            target = self._target(sizes, white)
            self._say_sizes(sizes, target)
            shape = (target.side, target.side, 1 if target.grey else 3)
            self._refuse_too_many(len(good), shape)
            pixels = np.empty((len(good), *shape), np.uint8)
            kept: list[Entry] = []
            weights = [found.weight for _, found in good]
            results = in_threads(lambda at: _decoded(good[at][0], target), weights, _threads())
            for number, ((entry, _), result) in enumerate(zip(good, results, strict=True), 1):
                if isinstance(result, str):
                    skipped.append((entry.name, result))
                else:
                    pixels[len(kept)] = result
                    kept.append(entry)
                if number % AT_ONCE == 0 or number == len(good):
                    advance(len(self.entries) + number, len(self.entries) + len(good))
        self._refuse_bad(skipped)
        labels = np.array([entry.label for entry in kept], dtype=np.int64) if self.classes else None
        held = np.array([entry.held for entry in kept]) if any(entry.held for entry in kept) else None
        return pixels[: len(kept)], labels, [entry.name for entry in kept], skipped, held

    def _from_arrays(self) -> _Loaded:
        assert self.arrays is not None
        pixels, labels, _ = self.arrays
        count, height, width, channels = pixels.shape
        target = self._target([(width, height)], RANGES[-1])
        names = [f"{place + 1:06}" for place in range(count)]
        if (height, width) == (target.side, target.side) and (channels == 1 or not target.grey):
            return pixels, labels, names, [], None
        if channels == 1 and len(set(target.background)) == 1:
            target = Target(target.side, True, target.fit, target.background)
        self._say_sizes([(width, height)] * count, target)
        self._refuse_too_many(count, (target.side, target.side, channels))
        return np.stack([resample(image, target) for image in pixels]), labels, names, [], None

    def _target(self, sizes: list[tuple[int, int]], white: int) -> Target:
        """The size that was asked for, or the one that suits; a picture that nearly has it gets a thin frame."""
        side, fit = self.size, self.fit
        if not side and self.declared and not self.arrays:
            raise GenwrightError(
                "GW-0610",
                "The size of the pictures is not declared, and finding one would look at private pictures without noise",
                "Give --images.size, and --images.grey for pictures without colours.",
            )
        if not side and len(set(sizes)) == 1 and sizes[0][0] == sizes[0][1] <= CHOSEN_SIDES[-1]:
            own = sizes[0][0]
            side, fit = max(_SMALLEST_SIDE, own + -own % 4), "pad"
        elif not side:
            middle = float(np.median([min(size) for size in sizes])) if sizes else 0.0
            side = max((side for side in CHOSEN_SIDES if side <= middle), default=CHOSEN_SIDES[0])
        return Target(side, self.grey, fit, self.background, white)

    def _say_sizes(self, sizes: list[tuple[int, int]], target: Target) -> None:
        """A note on pictures that are made larger, smaller or square; none on private ones, as it would count them."""
        others = sum(size != (target.side, target.side) for size in sizes)
        if others and not self.declared:
            how = f"made {target.side} x {target.side} pixels (--images.fit {target.fit})"
            self._say(f"{others:,} of {counted(len(sizes), 'picture')} had another size: {how}.")

    def _say(self, note: str) -> None:
        if note not in self.notes:  # the same pictures may be loaded twice
            self.notes.append(note)

    def _white(self, deep: list[Entry]) -> int:
        """The range of all pictures of 16 bits together: cameras and scanners often fill 12 of them, and a range for each
        picture would make dark ones bright."""
        if not deep or self.declared:
            return RANGES[-1]
        highest = 0
        for entry in deep:
            try:
                highest = max(highest, brightest(entry.read()))
            except BadImage:
                continue  # decoding will say so again, and list it
        white = next(top for top in RANGES if highest <= top)
        bits = f"{counted(len(deep), 'picture')} of 16 bits a pixel"
        self._say(f"{bits}: values reach {highest:,}, so {white:,} is taken as white.")
        return white

    def _refuse_too_many(self, count: int, shape: tuple[int, int, int]) -> None:
        """GW-0159 before a system that has run out of memory ends the process without a word."""
        needed, free = COPIES * count * math.prod(shape), free_bytes()
        if free is not None and needed > free:
            raise GenwrightError(
                "GW-0159",
                f"{counted(count, 'picture')} of {shape[1]} x {shape[0]} pixels need {needed / 1e9:.1f} GB of memory, and "
                f"{free / 1e9:.1f} GB are free",
                "Give a smaller --images.size, --images.grey, or fewer pictures",
            )

    def _refuse_bad(self, skipped: list[tuple[str, str]]) -> None:
        if len(skipped) <= MOST_BAD * len(self.entries):
            return
        shown = "; ".join(f"{name}: {reason}" for name, reason in skipped[:LISTED])
        more = f"; and {len(skipped) - LISTED:,} more" if len(skipped) > LISTED else ""
        raise GenwrightError(
            "GW-0152",
            f"{len(skipped):,} of {counted(len(self.entries), 'picture')} in {self.name!r} cannot be used ({shown}{more})",
            "Remove or mend them; up to 5 % are left out by themselves",
        )


def open_images(
    source: Any,
    *,
    size: int = 0,
    grey: bool = False,
    fit: str = "crop",
    background: str = "white",
    declared: bool = False,
) -> ImageSource:
    """Open a folder (one sub-folder a class, or flat), a zip or tar, an npz or idx file, a table with a column of paths, an
    array (N, height, width[, channels]) uint8, or a pair of such an array and its labels.

    `size`: side of the square that every picture becomes, a multiple of 4 from 8 to 512; 0: the pictures' own if all are
    equal squares of at most 64 (with a frame up to a multiple of 4), else 64, 32 or 16, the largest that is not above the
    median short side. `grey`: drop colours; all-grey pictures have one channel anyway. `fit`: what happens to pictures
    that are not square: "crop" to the middle, "pad" with the background, or "stretch". `background`: colour under
    transparent pixels and in frames, by name or #rrggbb. `declared`: as in ImageSource.
    Raises GW-0150, GW-0151, GW-0154, GW-0155, GW-0156.
    """
    if size and (size % 4 or not _SMALLEST_SIDE <= size <= _LARGEST_SIDE):
        raise GenwrightError("GW-0154", f"Images cannot have a side of {size}", "Give a multiple of 4 from 8 to 512")
    if fit not in get_args(Fit):
        raise GenwrightError("GW-0154", f"Images cannot be made square by {fit!r}", did_you_mean(fit, get_args(Fit)))
    try:
        ground = colour(background)
    except ValueError:
        raise GenwrightError("GW-0154", f"{background!r} is no colour", "Name one, such as white, or #rrggbb") from None
    options: dict[str, Any] = {
        "size": size, "grey": grey, "fit": fit, "background": ground, "declared": declared,
    }  # fmt: skip
    if not isinstance(source, str | Path):
        pixels, labels = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
        arrays = check_arrays(pixels, labels, name="array")
        return ImageSource("array", arrays[2], [], arrays=arrays, **options)
    path = _existing(source)
    name = path.name.split(".")[0] if path.is_file() and path.name.split(".")[0] else path.resolve().name
    if file := array_file(path):
        arrays = read_array_file(file)
        notes = [f"Of the folder, the pictures in {file.name} are taken."] if file != path else []
        return ImageSource(name, arrays[2], [*notes, *passed_over(file)], arrays=arrays, **options)
    found = find_files(path)
    if not found.entries:
        inside = " ".join(found.notes)
        raise GenwrightError(
            "GW-0150", f"There are no pictures in {path}. {inside}", "Give PNG, JPEG, WebP, GIF, TIFF or BMP"
        )
    return ImageSource(name, found.classes, found.notes, entries=found.entries, **options)


def looks_like_images(source: Any) -> bool:
    """Whether data of which nothing is said are pictures: an array, a folder or archive with pictures, an array file, or a
    table whose rows name pictures that exist. Cheap, and never an error."""
    if isinstance(source, tuple | np.ndarray):
        return True
    if not isinstance(source, str | Path):
        return False
    path = Path(source).expanduser()
    try:
        return path.exists() and (array_file(path) is not None or holds_images(path))
    except OSError:
        return False


def _existing(source: str | Path) -> Path:
    """The path of a file or folder. GW-0150 when it is neither."""
    path = Path(source).expanduser()
    try:
        if path.is_dir() or path.is_file():
            return path
        reason = "is neither a file nor a folder" if path.exists() else "does not exist"
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
    raise GenwrightError("GW-0150", f"{str(path)!r} {reason}", "Check the path and your rights")


def _decoded(entry: Entry, target: Target) -> np.ndarray | str:
    try:
        return decode(entry.read(), target)
    except BadImage as error:
        return str(error)


def _threads() -> int:
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors, MOST_THREADS)


def _has_colour(pixels: np.ndarray) -> bool:
    parts = (pixels[start : start + 1024] for start in range(0, len(pixels), 1024))
    return any(bool((part[..., :1] != part[..., 1:]).any()) for part in parts)


def _digest_arrays(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for array in arrays[:2]:
        if array is not None:
            digest.update(repr((array.shape, str(array.dtype))).encode())
            digest.update(np.ascontiguousarray(array).data)
    digest.update(repr(arrays[2]).encode())
    return digest.hexdigest()
