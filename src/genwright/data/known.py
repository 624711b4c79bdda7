"""Data sets by name (`genwright data get`): small ones that ship, and well-known ones from where the user says, each checked.

The network is used only when an address was given. `array_files.py` reads what is brought; read it next.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

from genwright.errors import GenwrightError
from genwright.folder import replacing

KNOWN: dict[str, dict[str, str]] = {
    # LeCun, Cortes and Burges: 60,000 and 10,000 handwritten digits
    "mnist": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
}
"""Data set -> file -> MD5 of its content unpacked: mirrors pack the same content into different bytes."""
SHIPPED: dict[str, tuple[str, str]] = {
    "adult": ("adult_*.csv.gz", "CC BY 4.0"),
    "digits": ("digits/*", "usually given as CC BY-SA 3.0"),
    "emoji": ("emoji.zip", "pictures Apache-2.0, categories MIT"),
}
"""Data set -> its files in samples/, and its licence; samples/README.md says more."""
SAMPLES = Path(__file__).with_name("samples")
MOST_BYTES = 100_000_000  # of a file, packed or not
TIMEOUT_SECONDS = 30.0


def get(name: str, source: str | Path, out: str | Path) -> Path:
    """Bring a data set's files from a folder or an http(s) address into the folder `out`, which is returned.

    Files may be plain or .gz, and stay as they are. Nothing is written before all of them have proved right. Raises GW-0160
    for a data set that cannot be brought, GW-0161 when a file is not there, GW-0162 when it is not what it should be,
    GW-0163 when the address does not answer, GW-0301 when `out` cannot be written.
    """
    if name not in KNOWN:
        ships = "It ships with Genwright: leave out where it is"
        raise _unknown(name) if name not in SHIPPED else GenwrightError("GW-0160", f"{name} is not brought", ships)
    out = Path(out).expanduser()
    found = {}
    for file, md5 in KNOWN[name].items():
        content = _content(str(source), file)
        packed = content[:2] == b"\x1f\x8b"
        if _md5(content, packed) != md5:
            raise GenwrightError(
                "GW-0162",
                f"{file} from {source} is not the file of {name} (the MD5 of its content should be {md5})",
                "It is damaged or another one: take it from another place",
            )
        found[file + (".gz" if packed else "")] = content
    for file, content in found.items():
        with replacing(out / file) as temporary:
            temporary.write_bytes(content)
    return out


def unpack(name: str, out: str | Path = "", *, replace: bool = False) -> tuple[Path, str]:
    """Write a data set that ships: one file to the path `out`, more into a folder (empty: of its own name, in the working
    directory); returns where it is, and its licence. Raises GW-0160 for a data set that does not ship, GW-0310 rather than
    replace a file, GW-0301 when `out` cannot be written."""
    if name not in SHIPPED:
        raise (
            _unknown(name)
            if name not in KNOWN
            else GenwrightError("GW-0160", f"{name} does not ship with Genwright", "Say where it is: --from DIR|URL")
        )
    pattern, licence = SHIPPED[name]
    files = sorted(SAMPLES.glob(pattern))
    out = Path(out or (files[0].name if len(files) == 1 else name)).expanduser()
    copies = {out if len(files) == 1 else out / file.name: file for file in files}
    for path in copies:
        if path.exists() and not replace:
            raise GenwrightError("GW-0310", f"{str(path)!r} exists", "Choose another --out, or replace it with --force")
    for path, file in copies.items():
        with replacing(path) as temporary:
            temporary.write_bytes(file.read_bytes())
    return out, licence


def _unknown(name: str) -> GenwrightError:
    known = f"{', '.join(SHIPPED)} ship with Genwright; {', '.join(KNOWN)} can be brought with --from DIR|URL"
    return GenwrightError("GW-0160", f"There is no known data set {name!r}", known)


def _content(source: str, file: str) -> bytes:
    """A file's bytes from a folder or address, under any of the names it goes by."""
    remote = source.lower().startswith(("http://", "https://"))
    names = list(_names(file))
    for name in names:
        content = _download(f"{source.rstrip('/')}/{name}") if remote else _read(Path(source).expanduser() / name)
        if content is not None:
            return content
    raise GenwrightError(
        "GW-0161", f"None of {', '.join(names)} is at {source}", "Give the folder or address that has the files"
    )


def _names(file: str) -> Iterator[str]:
    for name in (file, file.replace("-idx", ".idx")):  # the second is how some mirrors spell it
        yield f"{name}.gz"
        yield name


def _read(path: Path) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise GenwrightError(
            "GW-0161", f"{path} cannot be read: {error.strerror or error}", "Check the path and your rights"
        ) from None


def _download(address: str) -> bytes | None:
    """The body, or None where the server has no such file."""
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:
            return answer.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (403, 404, 410):  # stores such as S3 say 403 for what is not there
            return None
        reason = f"HTTP {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: an address that is none
        reason = str(getattr(error, "reason", None) or error or type(error).__name__)
    raise GenwrightError("GW-0163", f"{address} could not be fetched ({reason})", "Check the address and the network")


def _md5(content: bytes, packed: bool) -> str:
    """MD5 of the content, unpacked; empty for what is too large or no whole gzip file."""
    if packed:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content = unpacker.decompress(content, MOST_BYTES + 1)
        except zlib.error:
            return ""
        if not unpacker.eof:  # cut off, even if only behind the content: no reader would take it
            return ""
    if len(content) > MOST_BYTES:
        return ""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
