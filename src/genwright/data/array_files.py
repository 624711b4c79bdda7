"""Pictures in arrays: npz files, the idx files that the handwritten digits come in (plain or .gz), arrays in memory.

Nothing is unpickled; what a file claims is checked before memory is taken. `images.py` is the way in.
"""

from __future__ import annotations

import gzip
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from genwright.data.archives import refuse_bomb
from genwright.data.decoding import MOST_UNEQUAL
from genwright.data.image_files import natural
from genwright.errors import GenwrightError

IMAGE_KEYS = ("images", "x_train", "train_images", "x", "X", "data", "arr_0")
LABEL_KEYS = ("labels", "y_train", "train_labels", "y", "Y", "label", "arr_1")
CLASSES_KEY = "classes"
_WHOLE_BELOW = 2**24  # floating-point labels that may be whole numbers: up to here float32 tells one from the next
_DEFLATE_RATIO = 1032  # that gzip can reach at most
_IDX_KINDS = ("-idx3-ubyte", "-idx4-ubyte", ".idx3-ubyte", ".idx4-ubyte")

Arrays = tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]
"""Pixels (N, height, width, 1 or 3) uint8, labels (N,) int64 or None, names of the classes."""


def is_array_file(path: Path) -> bool:
    """Whether a path is an npz or idx file, or a folder with the digits' idx files."""
    return array_file(path) is not None


def array_file(path: Path) -> Path | None:
    """The npz or idx file that a path means: itself, or in a folder of idx files the first, training before others. Also a
    bare array (.npy), to be refused as such."""
    if path.is_dir():
        try:
            found = [file for file in path.iterdir() if _is_idx(file.name)]
        except OSError:  # said by whoever walks through it
            return None
        return min(found, key=lambda file: ("train" not in file.name, file.name), default=None)
    return path if path.name.lower().endswith((".npz", ".npy")) or _is_idx(path.name) else None


def read_array_file(path: Path) -> Arrays:
    """The pictures of an `array_file`. GW-0155 when they are not usable pictures, or damaged."""
    if path.name.lower().endswith(".npy"):
        raise _wrong(
            str(path), "a .npy file is not read", "Save them as .npz: numpy.savez(path, images=..., labels=...)"
        )
    pixels, labels, classes = _idx(path) if _is_idx(path.name) else _npz(path)
    return check_arrays(pixels, labels, classes, name=str(path))


def passed_over(path: Path) -> list[str]:
    """A note on the arrays of an npz file that `read_array_file` does not read, such as x_test; none without such."""
    if not path.name.lower().endswith(".npz"):
        return []
    with np.load(path, allow_pickle=False) as content:
        taken = _keys(content.files)
        others = [name for name in content.files if name not in (*taken, CLASSES_KEY)]
    if not others:
        return []
    used, unused = (", ".join(map(repr, part)) for part in (filter(None, taken), others[:10]))
    return [f"Of {path.name}, {used} are read; passed over: {unused}."]


def check_arrays(pixels: Any, labels: Any, classes: Any = None, *, name: str) -> Arrays:
    """Pictures (N, height, width[, 1 or 3]) uint8 in the form that all others have; labels are numbers or texts, (N,) or
    (N, 1), and `classes` the names of numbers 0 to C - 1. GW-0155 when they are anything else."""
    pixels = np.asarray(pixels)
    pixels = pixels[..., None] if pixels.ndim == 3 else pixels
    if pixels.ndim != 4 or pixels.shape[3] not in (1, 3) or pixels.dtype != np.uint8 or 0 in pixels.shape:
        what = f"its images are {pixels.dtype} of shape {pixels.shape}"
        raise _wrong(name, what, "Give (N, height, width) or (N, height, width, 3) of uint8, 0 to 255")
    if max(pixels.shape[1:3]) > MOST_UNEQUAL * min(pixels.shape[1:3]):
        raise _wrong(name, f"its images have {pixels.shape[2]} x {pixels.shape[1]} pixels", "Give less unequal sides")
    if labels is None:
        return pixels, None, ()
    labels = np.asarray(labels)
    if labels.dtype.kind == "f" and bool((np.abs(labels) < _WHOLE_BELOW).all() and (labels == np.rint(labels)).all()):
        labels = labels.astype(np.int64)
    if labels.shape not in ((len(pixels),), (len(pixels), 1)) or labels.dtype.kind not in "iuUSb":
        what = f"its labels are {labels.dtype} of shape {labels.shape}"
        raise _wrong(name, what, f"Give one whole number or text for each of the {len(pixels):,} images")
    values, numbers = np.unique(labels.ravel(), return_inverse=True)
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]
    if classes is not None:
        classes = tuple(map(str, np.asarray(classes).ravel()))
        numbered = labels.dtype.kind in "iu" and values[0] >= 0 and values[-1] < len(classes)
        if not numbered or len(set(classes)) < len(classes):
            raise _wrong(name, f"its labels do not number its {len(classes)} classes", "Number them from 0")
        return pixels, labels.ravel().astype(np.int64), classes
    order = sorted(range(len(texts)), key=lambda at: natural(texts[at]))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return pixels, place[numbers], tuple(texts[at] for at in order)


def _npz(path: Path) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_bomb(path, sum(info.file_size for info in archive.infolist()))
        with np.load(path, allow_pickle=False) as content:
            keys = list(content.files)
            image_key, label_key = _keys(keys)
            if image_key is None:
                held = ", ".join(keys[:10]) or "nothing"
                raise _wrong(str(path), f"it holds {held}", "Name the arrays images and labels")
            names = content[CLASSES_KEY] if CLASSES_KEY in keys and label_key else None
            return content[image_key], content[label_key] if label_key else None, names
    except GenwrightError:
        raise
    except Exception as error:  # zipfile, zlib, and numpy's reader of headers each raise their own
        raise _damaged(path, error) from None


def _keys(names: list[str]) -> tuple[str | None, str | None]:
    """Which of an npz file's arrays are the images and the labels."""
    images = next((key for key in IMAGE_KEYS if key in names), names[0] if len(names) == 1 else None)
    return images, next((key for key in LABEL_KEYS if key in names), None)


def _is_idx(name: str) -> bool:
    return name.removesuffix(".gz").endswith((*_IDX_KINDS, ".idx")) and "labels" not in name


def _idx(images: Path) -> tuple[np.ndarray, np.ndarray | None, None]:
    """Images, and the labels in the file beside them that is named alike."""
    name = images.name.removesuffix(".gz")
    labels = None
    for kind in _IDX_KINDS:
        if name.endswith(f"images{kind}"):
            beside = name.removesuffix(f"images{kind}") + "labels" + kind[0] + "idx1-ubyte"
            found = [images.with_name(beside + packed) for packed in (".gz", "")]
            labels = next((_idx_array(file, (1,)) for file in found if file.is_file()), None)
    return _idx_array(images, (3, 4)), labels, None


def _idx_array(path: Path, axes: tuple[int, ...]) -> np.ndarray:
    """LeCun's format: two zero bytes, the type (8: uint8), the number of axes, their lengths big-endian, the values."""
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else open(path, "rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08" or head[3] not in axes:
                raise _wrong(str(path), "it does not begin like an idx file of bytes", "Give images as idx3-ubyte")
            sides = file.read(4 * head[3])
            shape = tuple(int(side) for side in np.frombuffer(sides[: len(sides) // 4 * 4], ">u4"))
            wanted = math.prod(shape)
            room = path.stat().st_size * (_DEFLATE_RATIO if packed else 1)
            refuse_bomb(path, min(wanted, room))
            content = file.read(min(wanted, room) + 1)  # a header may claim anything
    except GenwrightError:
        raise
    except Exception as error:  # gzip raises zlib.error, EOFError, OSError
        raise _damaged(path, error) from None
    if len(content) != wanted or len(shape) != head[3]:
        more = "more" if len(content) > wanted else f"{len(content):,}"
        raise _wrong(str(path), f"its header announces {wanted:,} values and it holds {more}", "Copy it again")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _damaged(path: Path, error: Exception) -> GenwrightError:
    reason = " ".join(str(error).split())[:100] or type(error).__name__
    if "allow_pickle" in reason:
        return _wrong(str(path), "it holds Python objects, which are not loaded", "Save plain arrays of numbers")
    return _wrong(str(path), f"it cannot be read ({reason})", "Copy or save it again")


def _wrong(name: str, what: str, fix: str) -> GenwrightError:
    return GenwrightError("GW-0155", f"The pictures in {name!r} cannot be used: {what}", fix)
