"""Pictures as files: a grid, a folder or zip of PNGs, an array file, a film. Files appear whole or not at all.

Everything is lossless but the film. `images.py` reads all the other forms back; read it next.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from genwright.errors import GenwrightError
from genwright.folder import disk_error, replacing, sync_folder

GAP = 2  # pixels between the pictures of a grid
MOST_SIDE = 32_768  # pixels of a grid: what lies above, few programs open
FILM_MILLISECONDS = 8000
LAST_MILLISECONDS = 1500  # the last picture of a film stands still for a while before it begins again


def write_images(
    path: str | Path,
    pixels: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    classes: Sequence[str] = (),
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write pictures (N, height, width, 1 or 3) uint8 in the form that the path's suffix tells.

    .png: one grid, ordered by class. .zip, no suffix, or a slash at the end: a PNG each, 000001.png and on, in a folder for
    each class where there are `labels` (N,). .npz: `images`, and with labels `labels` and the names of the `classes`.
    `metadata` goes into each PNG as text. A file is replaced; a folder with files in it is not (GW-0310). GW-0157 for
    another suffix, GW-0158 for a grid too large, GW-0301 when the disk refuses.
    """
    form = check_images(path, len(pixels), *pixels.shape[1:3])
    path = Path(path).expanduser()
    if form == "":
        _write_folder(path, _files(pixels, labels, classes, metadata))
    elif form == ".png":
        ordered = pixels if labels is None else pixels[np.argsort(labels, kind="stable")]
        write_grid(path, ordered, metadata=metadata)
    elif form == ".zip":
        _write_zip(path, _files(pixels, labels, classes, metadata))
    else:
        arrays = {"images": pixels}
        if labels is not None:
            arrays |= {"labels": np.asarray(labels, dtype=np.int64), "classes": np.array(classes, dtype=np.str_)}
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)


def check_images(path: str | Path, count: int, height: int, width: int) -> str:
    """The suffix of the form that `write_images` would write so many pictures in, "" for a folder; raises what it would raise
    for the path, so that nobody waits for pictures that cannot be written."""
    given, path = str(path), Path(path).expanduser()
    suffix = path.suffix.lower()
    if given.endswith(("/", os.sep)) or not suffix or path.is_dir():
        _check_folder(path)
        return ""
    if suffix not in (".png", ".zip", ".npz"):
        raise GenwrightError(
            "GW-0157",
            f"The suffix of {given!r} tells no form of pictures to write",
            "Name it .png for a grid, .zip or .npz, or without suffix for a folder",
        )
    if suffix == ".png":
        _check_grid(count, _columns(count), height, width)
    return suffix


def check_strips(path: Path, rows: int, columns: int, height: int, width: int) -> None:
    """GW-0157 for a path that is no place for rows of pictures (.png) or a film of them (.gif); GW-0158 for a grid too
    large."""
    if path.suffix.lower() not in (".png", ".gif"):
        raise GenwrightError(
            "GW-0157", f"{str(path)!r} is no name for pictures in rows", "Name it .png, or .gif for a film"
        )
    if path.suffix.lower() == ".png":
        _check_grid(rows * columns, columns, height, width)


def write_grid(
    path: str | Path, pixels: np.ndarray, *, columns: int = 0, metadata: Mapping[str, str] | None = None
) -> None:
    """Write all pictures side by side as one PNG; see `grid`. GW-0158 when it would be larger than programs open."""
    columns = columns or _columns(len(pixels))
    _check_grid(len(pixels), columns, *pixels.shape[1:3])
    with replacing(Path(path).expanduser()) as temporary:
        temporary.write_bytes(png(grid(pixels, columns=columns), metadata))


def grid(pixels: np.ndarray, *, columns: int = 0) -> np.ndarray:
    """Pictures (N, height, width, channels) uint8 as one, row by row: (H, W, channels) uint8, about square.

    Two white pixels lie between them; what is left of the last row is white too.
    """
    count, height, width, channels = pixels.shape
    columns = columns or _columns(count)
    rows = math.ceil(count / columns)
    cells = np.full((rows * columns, height + GAP, width + GAP, channels), 255, np.uint8)
    cells[:count, :height, :width] = pixels
    whole = cells.reshape(rows, columns, height + GAP, width + GAP, channels).transpose(0, 2, 1, 3, 4)
    return whole.reshape(rows * (height + GAP), columns * (width + GAP), channels)[:-GAP, :-GAP]


def film(frames: Sequence[np.ndarray], path: str | Path) -> None:
    """Write pictures (H, W, channels) uint8 of one shape as an endless GIF of about eight seconds.

    GIF and not WebP: every browser, mail program and slide shows it move. Grey is exact; of colours each picture keeps the
    256 that suit it best. GW-0157 for a suffix other than .gif.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() != ".gif":
        raise GenwrightError("GW-0157", f"{str(path)!r} is no name for a film", "Name it .gif")
    images = [_image(frame) for frame in frames]
    first, *others = [image if image.mode == "L" else image.quantize(256, dither=Image.Dither.NONE) for image in images]
    pause = min(500, max(40, FILM_MILLISECONDS // len(images)))
    pauses = [pause] * len(others) + [max(pause, LAST_MILLISECONDS)]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=pauses, loop=0, optimize=False)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def png(pixels: np.ndarray, metadata: Mapping[str, str] | None = None) -> bytes:
    """One picture (height, width, 1 or 3) uint8 as the content of a PNG file, with texts."""
    texts = PngInfo()
    for key, value in (metadata or {}).items():
        texts.add_itxt(key, value)
    buffer = io.BytesIO()
    _image(pixels).save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()


def read_png(path: Path) -> np.ndarray:
    """A PNG that was written here, as (height, width, channels) uint8."""
    with Image.open(path, formats=("PNG",)) as image:
        pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def thumbnail(path: Path, longest: int) -> bytes:
    """A PNG that was written here, shrunk where a side is longer, as the content of a PNG file."""
    with Image.open(path, formats=("PNG",)) as image:
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
    return buffer.getvalue()


def _check_grid(count: int, columns: int, height: int, width: int) -> None:
    """GW-0158 when a grid of so many pictures would be larger than programs open."""
    down, across = math.ceil(count / columns) * (height + GAP), columns * (width + GAP)
    if max(down, across) > MOST_SIDE:
        raise GenwrightError(
            "GW-0158",
            f"A grid of {count:,} pictures would have {across:,} x {down:,} pixels",
            "Ask for fewer, or write a folder, .zip or .npz",
        )


def _columns(count: int) -> int:
    """About as many as rows; ten where that leaves no hole, as classes often are ten."""
    return 10 if count % 10 == 0 and count >= 50 else max(1, math.ceil(math.sqrt(count)))


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))


def _files(
    pixels: np.ndarray, labels: np.ndarray | None, classes: Sequence[str], metadata: Mapping[str, str] | None
) -> Iterator[tuple[str, bytes]]:
    """(name, content) of a PNG for each picture."""
    folders = [f"{name}/" for name in _folder_names(classes)]
    for place, image in enumerate(pixels):
        folder = "" if labels is None else folders[labels[place]]
        yield f"{folder}{place + 1:06}.png", png(image, metadata)


def _folder_names(classes: Sequence[str]) -> list[str]:
    """Class names as folders may be called on any system, all different; a name from data could be anything."""
    names: list[str] = []
    for name in classes:
        bare = re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", name).strip(" .")[:60] or "_"
        while bare.lower() in {other.lower() for other in names}:
            bare += "_"
        names.append(bare)
    return names


def _check_folder(path: Path) -> None:
    """GW-0310 unless the path is free, or an empty folder."""
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise GenwrightError("GW-0310", f"{str(path)!r} exists and is not an empty folder", "Choose another name")
    except OSError as error:
        raise disk_error(error, path) from error


def _write_folder(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        for name, content in files:
            place = temporary / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary)


def _write_zip(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    """Stored, as PNG is packed already; with one date for all, so that equal pictures make equal files."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content)
