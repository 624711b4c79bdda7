"""Bad and odd picture files and collections, made by hand, and random mutations of good ones. Used by test_bad_images.py."""

import gzip
import io
import os
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pictures import digits_folder, draw, encoded, folder, idx, some, tarred, zipped

PICTURE = draw(7, 24, 24)
GOOD = {
    "png": encoded(PICTURE),
    "jpg": encoded(PICTURE, "JPEG"),
    "webp": encoded(PICTURE, "WEBP"),
    "gif": encoded(PICTURE, "GIF"),
    "tif": encoded(PICTURE, "TIFF"),
    "lzw.tif": encoded(PICTURE, "TIFF", compression="tiff_lzw"),
    "bmp": encoded(PICTURE, "BMP"),
}


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int, height: int, depth: int = 8, colour: int = 2, body: bytes = b"\0" * 64, extra: bytes = b""
) -> bytes:
    """A PNG whose header says anything."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    end = chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + end


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + GOOD["gif"][-200:]


def bmp(width: int, height: int, bits: int = 24) -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 200, 0, 0, 54, 40, width, height, 1, bits, 0, 0, 1, 1, 0, 0)
        + bytes(146)
    )


def tiff(width: int, height: int, *, next_directory: int = 0, strip: int = 8, samples: int = 3) -> bytes:
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 2),
        (273, 4, strip),
        (277, 3, samples),
    ]
    tags += [(278, 4, height), (279, 4, 100)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + struct.pack("<I", next_directory)


def webp(width: int, height: int) -> bytes:
    canvas = (
        b"VP8X"
        + struct.pack("<I", 10)
        + bytes(4)
        + struct.pack("<I", width - 1)[:3]
        + struct.pack("<I", height - 1)[:3]
    )
    body = b"WEBP" + canvas + GOOD["webp"][12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg(width: int, height: int) -> bytes:
    content = bytearray(GOOD["jpg"])
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def _with_exif(orientation: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(PICTURE, "JPEG", exif=exif)
    return content.replace(b"\x01\x12\x00\x03", b"\x01\x12\x00" + bytes([int(str(orientation))]))


def _animated(form: str) -> bytes:
    frames = [Image.fromarray(draw(seed, 24, 24)) for seed in range(4)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:])


def _see_through() -> bytes:
    return encoded(Image.fromarray(PICTURE).quantize(16), transparency=bytes(range(0, 256, 16)))


def _deep(top: int) -> bytes:
    return encoded(Image.fromarray((draw(3, 24, 24, 1)[:, :, 0].astype(np.uint16) * top // 255).astype(np.uint16)))


def _float(value: float) -> bytes:
    return encoded(Image.fromarray(np.full((24, 24), value, np.float32)), "TIFF")


BAD: dict[str, bytes] = {
    "empty": b"",
    "one zero byte": b"\0",
    "zeros": bytes(5000),
    "text": b"not a picture" * 50,
    "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "pdf": b"%PDF-1.4\n1 0 obj\n",
    "python program": b"import os\nos.abort()\n",
    "ppm": b"P6 4 4 255 " + bytes(48),
    "ico": b"\0\0\1\0\1\0\x10\x10" + bytes(60),
    "targa": bytes([0, 0, 2]) + bytes(9) + struct.pack("<HH", 4, 4) + bytes([24, 0]) + bytes(48),
    "png magic only": b"\x89PNG\r\n\x1a\n",
    "png without pixels": png(24, 24, body=b""),
    "png of no size": png(0, 24),
    "png of 2 gigapixels": png(50_000, 50_000),
    "png of largest size": png(2**31 - 1, 2**31 - 1),
    "png just too large": png(9000, 9000),
    "png one row": png(60_000, 1),
    "png of odd depth": png(24, 24, depth=7),
    "png of odd colour type": png(24, 24, colour=5),
    "png with a packed text bomb": png(24, 24, extra=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(20_000_000)))),
    "png with broken checksum": GOOD["png"][:40] + b"\xff" + GOOD["png"][41:],
    "jpeg of largest size": jpeg(65_500, 65_500),
    "jpeg start only": b"\xff\xd8\xff\xe0",
    "gif of largest size": gif(65_535, 65_535),
    "gif without frames": b"GIF89a" + struct.pack("<HHBBB", 24, 24, 0, 0, 0) + b";",
    "bmp of largest size": bmp(2**31 - 1, 2**31 - 1),
    "bmp too large": bmp(40_000, 40_000),
    "bmp of negative width": bmp(-24, 24),
    "bmp of 13 bits": bmp(24, 24, 13),
    "tiff of largest size": tiff(2**32 - 1, 2**32 - 1),
    "tiff too large": tiff(60_000, 60_000),
    "tiff with pixels beyond its end": tiff(24, 24, strip=10**9),
    "tiff of 9000 samples": tiff(24, 24, samples=9000),
    "tiff without directory": b"II*\0\xff\xff\xff\x7f",
    "webp of largest size": webp(16_384, 16_384),
    "webp start only": b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    "float that is not a number": _float(float("nan")),
    "float out of range": _float(1e30),
    "negative 32-bit": encoded(Image.fromarray(np.full((24, 24), -5, np.int32)), "TIFF"),
    "large 32-bit": encoded(Image.fromarray(np.full((24, 24), 10**6, np.int32)), "TIFF"),
    "heic": b"\0\0\0\x18ftypheic" + bytes(100),
    **{f"{form} cut in the middle": content[: len(content) // 2] for form, content in GOOD.items()},
    **{f"{form} cut in its header": content[:20] for form, content in GOOD.items()},
}
"""Files that are left out, with a reason."""

ODD: dict[str, bytes] = {
    "1 x 1": encoded(draw(1, 1, 1)),
    "1 x 300": encoded(draw(1, 300, 1)),
    "400 x 2": encoded(draw(1, 2, 400)),
    "16 bit": _deep(65535),
    "12 bit in 16": _deep(4095),
    "float": _float(0.5),
    "one bit": encoded(Image.fromarray(PICTURE[:, :, 0] > 99)),
    "cmyk jpeg with an Adobe mark": encoded(Image.fromarray(PICTURE).convert("CMYK"), "JPEG"),
    "cmyk tiff": encoded(Image.fromarray(PICTURE).convert("CMYK"), "TIFF"),
    "ycbcr tiff": encoded(Image.fromarray(PICTURE).convert("YCbCr"), "TIFF"),
    "palette with degrees of transparency": _see_through(),
    "grey with transparency": encoded(Image.fromarray(PICTURE).convert("LA")),
    "all transparent": encoded(np.zeros((24, 24, 4), np.uint8)),
    "animated gif": _animated("GIF"),
    "animated webp": _animated("WEBP"),
    "animated png": _animated("PNG"),
    "tiff of pages": _animated("TIFF"),
    "tiff whose directories go in a circle": encoded(PICTURE, "TIFF")[:-4] + struct.pack("<I", 8),
    "jpeg called png": GOOD["jpg"],
    "exif that is no orientation": _with_exif(9),
    "png with rubbish behind": GOOD["png"] + b"rubbish" * 99,
    "png with a comment of 100 KB": png(
        24, 24, body=(b"\0" + bytes(72)) * 24, extra=chunk(b"tEXt", b"k\0" + b"x" * 10**5)
    ),
    "progressive jpeg": encoded(PICTURE, "JPEG", progressive=True),
    "grey jpeg": encoded(PICTURE[:, :, :1], "JPEG"),
    "interlaced gif": encoded(PICTURE, "GIF", interlace=1),
    "bmp from the bottom": bmp(2, -2) + bytes(20),
}
"""Files that are pictures, however odd."""


def _bomb_zip(path: Path) -> Path:
    """3 GB of zeros in a few kilobytes, by its claims."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number in range(3):
            with archive.open(f"{number}.png", "w", force_zip64=True) as file:
                file.write(bytes(10_000_000))
    raw = bytearray(path.read_bytes())
    at = 0
    while (at := raw.find(b"PK\x01\x02", at)) >= 0:
        raw[at + 24 : at + 28] = struct.pack("<I", 1_000_000_000)  # claimed size
        at += 4
    path.write_bytes(raw)
    return path


def _lying_zip(path: Path) -> Path:
    """A member that unpacks to more than it claims."""
    zipped(path, some(20) | {"x.png": GOOD["bmp"]})
    raw = bytearray(path.read_bytes())
    at = raw.rfind(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", 10)
    path.write_bytes(raw)
    return path


def _encrypted_zip(path: Path) -> Path:
    zipped(path, some(3))
    raw = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = 0
        while (at := raw.find(magic, at)) >= 0:
            raw[at + offset] |= 1
            at += 4
    path.write_bytes(raw)
    return path


def _special_tar(path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in some(3).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for number, (kind, target) in enumerate(
            [
                (tarfile.SYMTYPE, "/etc/passwd"),
                (tarfile.LNKTYPE, "000.png"),
                (tarfile.CHRTYPE, ""),
                (tarfile.FIFOTYPE, ""),
            ]
        ):
            member = tarfile.TarInfo(f"special{number}.png")
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return path


def _header_bomb_tar(path: Path) -> Path:
    """A tar.gz whose first header says that a name of 3 GB follows; zeros do."""
    head = tarfile.TarInfo("././@LongLink")
    head.type, head.size = tarfile.GNUTYPE_LONGNAME, 3_000_000_000
    with gzip.open(path, "wb", 9) as file:
        file.write(head.tobuf(tarfile.GNU_FORMAT))
        file.write(bytes(30_000_000))
    return path


def _backward_tar(path: Path) -> Path:
    """A member of negative size, at which tarfile would go round for ever."""
    tarred(path, some(3))
    raw = bytearray(path.read_bytes())
    raw[124:136] = b"\xff" * 10 + b"\xfa\x00"
    raw[148:156] = b" " * 8
    raw[148:156] = f"{sum(raw[:512]):06o}\0 ".encode()
    path.write_bytes(raw)
    return path


def _npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def _objects_npz(path: Path) -> Path:
    return _npz(path, images=np.array([os.getcwd, None, {}], dtype=object))


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _loop(place: Path) -> Path:
    folder(place / "f", some(3))
    (place / "f" / "again").symlink_to(place / "f")
    (place / "f" / "self.png").symlink_to(place / "f" / "self.png")
    (place / "f" / "gone.png").symlink_to(place / "nowhere.png")
    return place / "f"


def _pipe(place: Path) -> Path:
    folder(place, some(20))
    os.mkfifo(place / "pipe.png")
    return place


def _bare_pipe(place: Path) -> Path:
    os.mkfifo(place / "pipe")
    return place / "pipe"


def _named(place: Path, name: str) -> Path:
    return folder(place, some(20) | {name: encoded(draw(77))})


def _bytes_name(place: Path) -> Path:
    folder(place, some(3))
    with open(os.fsencode(place) + b"/caf\xe9\xff.png", "wb") as file:
        file.write(encoded(draw(5)))
    return place


X = np.zeros((5, 8, 8, 3), np.uint8)
COLLECTIONS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no such path": (lambda p: p / "gone", "GW-0150"),
    "a path with a NUL": (lambda p: p / "a\0b", "GW-0150"),
    "a path too long": (lambda p: p / ("x" * 5000), "GW-0150"),
    "a pipe": (_bare_pipe, "GW-0150"),
    "an empty folder": (lambda p: p, "GW-0150"),
    "a folder of text": (lambda p: folder(p, {"a.txt": b"x", "b.json": b"{}"}), "GW-0150"),
    "a folder of empty folders": (lambda p: folder(p, {"a/b/.keep": b"", "c/.keep": b""}), "GW-0150"),
    "one picture": (lambda p: _write(p / "a.png", GOOD["png"]), "GW-0153"),
    "a folder of one picture": (lambda p: folder(p, some(1)), "GW-0153"),
    "a folder of bad ones": (lambda p: folder(p, {f"{n}.png": b"x" for n in range(30)}), "GW-0152"),
    "a folder of HEIC": (lambda p: folder(p, {f"{n}.heic": BAD["heic"] for n in range(3)}), "GW-0152"),
    "links in circles": (_loop, "GW-0152"),
    "a pipe among pictures": (_pipe, ""),
    "a name in Chinese": (lambda p: _named(p, "图片 一.png"), ""),
    "a name of emoji": (lambda p: _named(p, "🦊🎉.png"), ""),
    "a name as long as can be": (lambda p: _named(p, "x" * 251 + ".png"), ""),
    "a name of digits only": (lambda p: _named(p, "9" * 250 + ".png"), ""),
    "a name with a line end": (lambda p: _named(p, "a\nb\x1b[31m.png"), ""),
    "a name that is no text": (_bytes_name, ""),
    "a folder as a picture": (lambda p: folder(p, some(3) | {"x.png/inner.txt": b""}), ""),
    "a zip bomb": (lambda p: _bomb_zip(p / "a.zip"), "GW-0151"),
    "a zip whose member lies": (lambda p: _lying_zip(p / "a.zip"), ""),
    "an encrypted zip": (lambda p: _encrypted_zip(p / "a.zip"), "GW-0152"),
    "a zip of names that lead outside": (
        lambda p: zipped(p / "a.zip", {f"../../{n}.png": encoded(draw(n)) for n in range(3)}),
        "",
    ),
    "a zip of absolute names": (
        lambda p: zipped(p / "a.zip", {f"/etc/{n}.png": encoded(draw(n)) for n in range(3)}),
        "",
    ),
    "a zip in a zip": (lambda p: zipped(p / "a.zip", {"b.zip": zipped(p / "b.zip", some(3)).read_bytes()}), "GW-0150"),
    "an empty zip": (lambda p: zipped(p / "a.zip", {}), "GW-0150"),
    "a zip cut in the middle": (
        lambda p: _write(p / "b.zip", zipped(p / "a.zip", some(9)).read_bytes()[:900]),
        "GW-0151",
    ),
    "text called zip": (lambda p: _write(p / "a.zip", b"text"), "GW-0151"),
    "a zip packed by LZMA": (lambda p: zipped(p / "a.zip", some(3), zipfile.ZIP_LZMA), ""),
    "a tar with links and devices": (lambda p: _special_tar(p / "a.tar"), ""),
    "a tar of names that lead outside": (lambda p: tarred(p / "a.tar", {f"../{k}": v for k, v in some(3).items()}), ""),
    "a tar cut in the middle": (
        lambda p: _write(p / "b.tar", tarred(p / "a.tar", some(9)).read_bytes()[:4000]),
        "GW-0151",
    ),
    "a tar.gz cut in the middle": (
        lambda p: _write(p / "b.tgz", tarred(p / "a.tgz", some(9), "w:gz").read_bytes()[:900]),
        "GW-0151",
    ),
    "a tar whose header is damaged": (
        lambda p: _write(p / "b.tar", tarred(p / "a.tar", some(9)).read_bytes().replace(b"004.png", b"\xff04.png")),
        "GW-0151",
    ),
    "a tar.gz bomb in a header": (lambda p: _header_bomb_tar(p / "a.tgz"), "GW-0151"),
    "a tar that leads backwards": (lambda p: _backward_tar(p / "a.tar"), "GW-0151"),
    "text called tar": (lambda p: _write(p / "a.tar", b"text" * 300), "GW-0151"),
    "an empty tar.xz": (lambda p: tarred(p / "a.txz", {}, "w:xz"), "GW-0150"),
    "npz of objects": (lambda p: _objects_npz(p / "a.npz"), "GW-0155"),
    "npz of floats": (lambda p: _npz(p / "a.npz", images=X.astype(np.float32)), "GW-0155"),
    "npz of NaN": (lambda p: _npz(p / "a.npz", images=np.full((5, 8, 8), np.nan)), "GW-0155"),
    "npz of one image": (lambda p: _npz(p / "a.npz", images=X[0, :, :, 0]), "GW-0155"),
    "npz with channels first": (lambda p: _npz(p / "a.npz", images=X.transpose(0, 3, 1, 2)), "GW-0155"),
    "npz of nothing": (lambda p: _npz(p / "a.npz", images=X[:0]), "GW-0155"),
    "npz with fewer labels": (lambda p: _npz(p / "a.npz", images=X, labels=np.arange(4)), "GW-0155"),
    "npz with labels that are no classes": (
        lambda p: _npz(p / "a.npz", images=X, labels=np.full(5, np.nan)),
        "GW-0155",
    ),
    "npz of other names": (lambda p: _npz(p / "a.npz", a=X, b=X), "GW-0155"),
    "npz of lines": (lambda p: _npz(p / "a.npz", images=np.zeros((5, 1, 9999), np.uint8)), "GW-0155"),
    "text called npz": (lambda p: _write(p / "a.npz", b"text"), "GW-0155"),
    "npz cut in the middle": (lambda p: _write(p / "b.npz", _npz(p / "a.npz", images=X).read_bytes()[:300]), "GW-0155"),
    "npz whose header is no array's": (
        lambda p: zipped(p / "a.npz", {"images.npy": b"\x93NUMPY\x01\0\x40\0{'descr': __import__('os')" + b" " * 60}),
        "GW-0155",
    ),
    "idx that claims more": (lambda p: _write(p / "x.idx3-ubyte", idx(X[..., 0])[:-9]), "GW-0155"),
    "idx that holds more": (lambda p: _write(p / "x.idx3-ubyte", idx(X[..., 0]) + b"x"), "GW-0155"),
    "idx that claims everything": (
        lambda p: _write(p / "x.idx3-ubyte", struct.pack(">4I", 0x803, *[2**32 - 1] * 3) + bytes(99)),
        "GW-0155",
    ),
    "idx.gz that claims everything": (
        lambda p: _write(p / "x.idx3-ubyte.gz", gzip.compress(struct.pack(">4I", 0x803, *[2**32 - 1] * 3))),
        "GW-0155",
    ),
    "idx of floats": (lambda p: _write(p / "x.idx3-ubyte", b"\0\0\x0d\x03" + bytes(99)), "GW-0155"),
    "idx of labels as images": (lambda p: _write(p / "x.idx3-ubyte", idx(np.arange(9))), "GW-0155"),
    "idx cut in its header": (lambda p: _write(p / "x.idx3-ubyte", b"\0\0\x08\x03\0\0"), "GW-0155"),
    "idx.gz cut in the middle": (
        lambda p: _write(p / "x.idx3-ubyte.gz", gzip.compress(random.Random(0).randbytes(9999))[:500]),
        "GW-0155",
    ),
    "idx with labels of another length": (
        lambda p: _write(digits_folder(p)[0] / "train-labels-idx1-ubyte.gz", gzip.compress(idx(np.arange(3)))).parent,
        "GW-0155",
    ),
    "a table of pictures that are gone": (lambda p: _write(p / "a.csv", b"file\na.png\nb.png\nc.png\n"), "GW-0152"),
    "a table without paths": (lambda p: _write(p / "a.csv", b"a,b\n1,2\n3,4\n"), "GW-0156"),
    "a table of addresses": (lambda p: _write(p / "a.csv", b"u\nhttp://x.org/a.png\nhttp://x.org/b.png\n"), "GW-0152"),
    "an empty table": (lambda p: _write(p / "a.csv", b""), "GW-0102"),
    "a program": (lambda p: _write(p / "a.py", b"print(1)"), "GW-0150"),
}
"""Collection -> (how to make it in a folder, the code of the refusal; empty: it loads)."""


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A copy with a few random faults."""
    raw = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at, length = chance.randrange(len(raw) + 1), chance.choice((1, 2, 4, 30))
        kind = chance.randrange(6)
        if kind == 0:
            raw[at : at + length] = chance.randbytes(length)
        elif kind == 1:
            raw[at : at + length] = b"\xff" * length
        elif kind == 2:
            raw[at : at + length] = b"\0" * length
        elif kind == 3:
            del raw[at : at + length]
        elif kind == 4:
            raw[at:at] = raw[at : at + 50]
        elif len(raw) > 1:
            del raw[chance.randrange(1, len(raw)) :]
        raw = raw or bytearray(1)
    return bytes(raw)
