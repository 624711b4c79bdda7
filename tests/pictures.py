"""Pictures for tests: drawn from a seed, and packed in each form that people have them in."""

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def draw(seed: int, height: int = 16, width: int = 16, channels: int = 3) -> np.ndarray:
    """(height, width, channels) uint8: a blob and a bar on a tinted ground, different for each seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    centre, radius, tilt = random.uniform(0.2, 0.8, 2), random.uniform(0.1, 0.3), random.uniform(-2, 2)
    blob = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    bar = np.abs(y + tilt * (x - 0.5) - random.uniform(0.2, 0.8)) < 0.08
    colours = random.integers(0, 256, (3, channels))
    picture = np.broadcast_to(colours[0], (height, width, channels)).copy()
    picture[bar], picture[blob] = colours[1], colours[2]
    return picture.astype(np.uint8)


def encoded(pixels: Any, form: str = "PNG", **options: Any) -> bytes:
    """An array, or a Pillow image, as a file's content."""
    if isinstance(pixels, np.ndarray):
        pixels = Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    out = io.BytesIO()
    pixels.save(out, form, **options)
    return out.getvalue()


def folder(place: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


def some(count: int, **options: Any) -> dict[str, bytes]:
    """Different PNGs by name."""
    return {f"{number:03}.png": encoded(draw(number, **options)) for number in range(count)}


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def idx(array: np.ndarray) -> bytes:
    """LeCun's format."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def digits_folder(place: Path, count: int = 30, packed: bool = True) -> tuple[Path, np.ndarray, np.ndarray]:
    """(folder with images and labels as idx files, images (N, 28, 28), labels (N,))."""
    pixels = np.stack([draw(number, 28, 28, 1)[:, :, 0] for number in range(count)])
    labels = np.arange(count) % 10
    for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
        content = gzip.compress(idx(array)) if packed else idx(array)
        folder(place, {f"train-{kind}-ubyte" + (".gz" if packed else ""): content})
    return place, pixels, labels
