"""One picture file's bytes -> pixels: uint8 of a stated size, whatever the mode. Hostile files end in a reason, not a crash.

Nothing is decoded before its header was read and found harmless. Colours are taken as sRGB: colour profiles are not
applied. `images.py` decides the size and calls this for each file; read it next.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

# The plugins are named so that Pillow, asked for WebP, does not import all of its others.
from PIL import GifImagePlugin, Image, ImageColor, JpegImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401
from PIL.ExifTags import Base

from genwright.data.ahead import ahead

Fit = Literal["crop", "pad", "stretch"]
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
SUFFIXES = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".dib")
MOST_PIXELS = 64_000_000  # of one picture
MOST_BYTES = 256_000_000  # of one file
MOST_UNEQUAL = 512  # the longer side, in shorter ones
RANGES = (255, 4095, 65535)  # highest values of 8, 12 and 16 bits
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BAND_ROWS = 256
_AT_ONCE_BYTES = 800_000_000  # that pictures being decoded may take together
_BYTES_PER_PIXEL = 10  # that decoding takes: RGBA, the ground it is laid on, and some more

Result = TypeVar("Result")


class BadImage(Exception):
    """Why a file is no picture that can be used, in a few words."""


@dataclass(frozen=True)
class Target:
    """What every picture becomes: `side` pixels square, one or three channels."""

    side: int
    grey: bool
    fit: Fit = "crop"
    background: tuple[int, int, int] = (255, 255, 255)
    white: int = RANGES[-1]
    """The value that is white in pictures of 16 bits: one of `RANGES`."""


@dataclass(frozen=True)
class Header:
    """What a picture says of itself before it is decoded."""

    width: int
    height: int
    deep: bool
    """It has more than 8 bits a pixel, so its range must be known; see `Target.white`."""
    weight: int
    """Bytes that decoding it may take."""


def colour(name: str) -> tuple[int, int, int]:
    """A colour by name or #rrggbb. ValueError if it is none."""
    red, green, blue = ImageColor.getrgb(name)[:3]
    return red, green, blue


def header(content: bytes) -> Header:
    """Size and kind of a picture; nothing is decoded. BadImage if it cannot be used."""
    image = _opened(content)
    weight = len(content) + _BYTES_PER_PIXEL * image.width * image.height
    return Header(image.width, image.height, image.mode in _DEEP, weight)


def brightest(content: bytes) -> int:
    """The highest value of a picture of 16 bits (`Header.deep`). BadImage if values need more than that."""
    image = _opened(content)
    return _guarded(lambda: max((int(band.max()) for band in _deep_bands(image)), default=0))


def decode(content: bytes, target: Target) -> np.ndarray:
    """(side, side, channels) uint8.

    Transparent pictures are laid on the background first. Pictures of the right size keep their pixels; others are
    resampled with Lanczos' filter, which averages when it reduces (JPEG of more than twice the size is reduced while it is
    decoded). `fit`: the middle square is kept, the background fills up, or sides are stretched. 16 bits are scaled so that
    `target.white` becomes 255; floating-point values must lie in 0 to 1. Of an animation the first picture is taken.
    BadImage for what is not a harmless, whole picture.
    """
    image = _opened(content)
    return _guarded(lambda: _pixels(image, target))


def resample(pixels: np.ndarray, target: Target) -> np.ndarray:
    """The same for pixels (height, width, 1 or 3) uint8 that are decoded already."""
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
    return _array(_sized(image, target), target)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Pillow's warnings (oversized, odd metadata) are not the user's. Not in threads: filters belong to the process."""
    with warnings.catch_warnings(), _silent_libtiff():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _silent_libtiff() -> Iterator[None]:
    """The library inside Pillow prints what is wrong with a TIFF to standard error; an exception tells it as well."""
    try:
        set_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    except (OSError, AttributeError):  # Pillow was built otherwise: a few lines of noise are all the harm
        yield
        return
    set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    before = set_handler(None)
    try:
        yield
    finally:
        set_handler(before)


def in_threads(call: Callable[[int], Result], weights: Sequence[int], threads: int) -> Iterator[Result]:
    """call(0), call(1), ... in order, computed in threads (Pillow decodes without holding the interpreter).

    `weights`: bytes that each call takes; calls wait for one another rather than take much memory together.
    """
    free, changed = _AT_ONCE_BYTES, threading.Condition()

    def held(place: int) -> Result:
        nonlocal free
        weight = min(weights[place], _AT_ONCE_BYTES)
        with changed:
            changed.wait_for(lambda: free >= weight)
            free -= weight
        try:
            return call(place)
        finally:
            with changed:
                free += weight
                changed.notify_all()

    return ahead(held, range(len(weights)), threads=threads, waiting=16 * threads)


def _opened(content: bytes) -> Image.Image:
    if not content:
        raise BadImage("the file is empty")
    if len(content) > MOST_BYTES:
        raise BadImage(f"the file is larger than {MOST_BYTES / 1e6:.0f} MB")
    image = _guarded(lambda: Image.open(io.BytesIO(content), formats=FORMATS))
    if image.width * image.height > MOST_PIXELS:
        raise BadImage(f"it claims {image.width:,} x {image.height:,} pixels; {MOST_PIXELS:,} in all is the most")
    if min(image.size) * MOST_UNEQUAL < max(image.size):
        raise BadImage(f"its sides, {image.width:,} x {image.height:,}, are too unequal")
    return image


def _guarded(call: Callable[[], Result]) -> Result:
    """The call's result, or BadImage with the reason."""
    try:
        return call()
    except BadImage:
        raise
    except Image.UnidentifiedImageError:
        raise BadImage("it is not a PNG, JPEG, WebP, GIF, TIFF or BMP picture") from None
    except Image.DecompressionBombError:
        raise BadImage(f"it claims more than {MOST_PIXELS:,} pixels") from None
    except MemoryError:
        raise BadImage("decoding it needs too much memory") from None
    except Exception as error:  # Pillow's decoders raise whatever a torn file makes of them
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise BadImage(f"it cannot be decoded ({reason})") from None


def _pixels(image: Image.Image, target: Target) -> np.ndarray:
    if image.format in ("JPEG", "MPO"):
        image.draft(None, (2 * target.side, 2 * target.side))
    image.load()
    turn = _TURNED.get(_orientation(image))
    image = _sized(_flat(image, target), target)
    return _array(image.transpose(turn) if turn is not None else image, target)


def _array(image: Image.Image, target: Target) -> np.ndarray:
    pixels = np.asarray(image.convert("L" if target.grey else "RGB"))
    return pixels[:, :, None] if target.grey else pixels


def _orientation(image: Image.Image) -> int:
    """1 to 8, as EXIF says. Broken EXIF does not make a bad picture: it is taken as upright."""
    try:
        return int(image.getexif().get(Base.Orientation, 1))
    except Exception:
        return 1


def _flat(image: Image.Image, target: Target) -> Image.Image:
    """Any mode as L or RGB, transparency laid on the background."""
    if image.mode in _DEEP or image.mode == "F":
        return _eight_bits(image, target.white)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        ground = Image.new("RGB", image.size, target.background)
        for top, band in _bands(image):
            upon = band.convert("RGBA")
            ground.paste(upon, (0, top), mask=upon.getchannel("A"))
        return ground
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _eight_bits(image: Image.Image, white: int) -> Image.Image:
    parts = []
    for band in _float_bands(image) if image.mode == "F" else _deep_bands(image):
        scaled = band * np.float32(255.0 if image.mode == "F" else 255.0 / white)
        parts.append(np.rint(scaled.clip(0.0, 255.0)).astype(np.uint8))
    return Image.fromarray(np.concatenate(parts))


def _deep_bands(image: Image.Image) -> Iterator[np.ndarray]:
    """Rows in bands. BadImage outside 0 to 65535."""
    for _, part in _bands(image):
        band = np.asarray(part)
        if band.min() < 0 or band.max() > RANGES[-1]:
            raise BadImage("it holds values that do not fit into 16 bits")
        yield band


def _float_bands(image: Image.Image) -> Iterator[np.ndarray]:
    """Rows in bands. BadImage outside 0 to 1."""
    for _, part in _bands(image):
        band = np.asarray(part)
        if not (band.min() >= 0.0 and band.max() <= 1.0):  # false for NaN too
            raise BadImage("its floating-point values do not lie in 0 to 1")
        yield band


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """(first row, rows): a large picture must not be held whole in wide numbers."""
    for top in range(0, image.height, _BAND_ROWS):
        yield top, image.crop((0, top, image.width, min(top + _BAND_ROWS, image.height)))


def _sized(image: Image.Image, target: Target) -> Image.Image:
    """The picture as a square; nothing is resampled that need not be."""
    side, (width, height) = target.side, image.size
    if target.fit == "pad":
        scale, room = side / max(width, height), side - max(width, height)
        if not 0 <= room < 4:  # a thin frame is better than a resampled picture
            image = _resized(image, (max(1, round(width * scale)), max(1, round(height * scale))))
        framed = Image.new("RGB", (side, side), target.background)
        framed.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return framed
    short = min(width, height)
    left, top = (width - short) // 2, (height - short) // 2
    box = (0, 0, width, height) if target.fit == "stretch" else (left, top, left + short, top + short)
    if (box[2] - box[0], box[3] - box[1]) == (side, side):
        return image.crop(box)
    return _resized(image, (side, side), box)


def _resized(image: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int] | None = None) -> Image.Image:
    """With `reducing_gap`, whole blocks of pixels are averaged before the filter: as good, and much faster."""
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
