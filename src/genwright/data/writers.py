"""A frame as a file in the form of the user's own (or another, by suffix), and as the kind of frame that was given.

Files appear whole or not at all: they are written beside their place and then moved there. What form that is stands in
an `Origin`: see `origin.py`.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import gzip
import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import narwhals as nw
import numpy as np
import polars as pl

from genwright.data.origin import Origin
from genwright.data.sources import JSON_SUFFIXES, PARQUET_SUFFIXES, TEXT_SUFFIXES, split_name
from genwright.errors import GenwrightError
from genwright.folder import replacing

_CHUNK_ROWS, _PART_ROWS = 200_000, 500_000


def write_table(frame: pl.DataFrame, path: str | Path, origin: Origin) -> None:
    """Write a frame (as `Schema.format` gives it) to .csv, .tsv, .txt, .parquet or .jsonl, text also as .gz."""
    write_frames([frame], path, origin)


def write_frames(frames: Iterable[pl.DataFrame], path: str | Path, origin: Origin) -> None:
    """Write frames of the same columns one below the other; at no time are many of them in memory.

    Delimiter, quoting, line ends, encoding and column names are the user's own. An existing file is replaced at the
    end, in one step. Raises GW-0115 for a suffix that tells no format, GW-0301 when the file cannot be written.
    """
    path = Path(path).expanduser()
    suffix, packed = check_suffix(path, origin)
    with replacing(path) as temporary, temporary.open("wb") as file:
        if suffix in PARQUET_SUFFIXES:
            _write_parquet((_under_own_names(frame, origin) for frame in frames), file, path.parent)
        elif suffix in JSON_SUFFIXES:
            _write_stream(file, packed, _json_texts(frames, origin), "utf-8")
        else:
            texts = _text_texts(frames, origin, suffix)
            _write_stream(file, packed, *_encodable(texts, origin.encoding if origin.format == "csv" else "utf-8"))


def check_suffix(path: Path, origin: Origin) -> tuple[str, bool]:
    """The suffix that tells the format to write, and whether it is packed. GW-0115 for one that tells none: to be asked
    before rows are drawn that could not be written."""
    suffix, packed = split_name(path)[0], path.name.lower().endswith(".gz")
    own = origin.suffix if origin.format == "csv" else ".csv"  # text may have come with any suffix
    if suffix not in (*TEXT_SUFFIXES, *PARQUET_SUFFIXES, *JSON_SUFFIXES, own) or (
        packed and suffix in PARQUET_SUFFIXES
    ):
        raise GenwrightError(
            "GW-0115", f"The suffix of {path} tells no format to write", "Name it .csv, .tsv, .parquet or .jsonl"
        )
    return suffix, packed


def to_user_frame(frame: pl.DataFrame, origin: Origin) -> Any:
    """The frame as what the user gave: pandas or pyarrow with its own dtypes; polars for polars and for files."""
    if origin.frame == "pandas":
        return _to_pandas(frame, origin)
    if origin.frame == "pyarrow":
        return _to_pyarrow(frame, origin)
    return frame if origin.format != "frame" else _under_own_names(frame, origin)


def _write_stream(file: IO[bytes], packed: bool, texts: Iterator[str], encoding: str) -> None:
    encoder = codecs.getincrementalencoder(encoding)()  # writes a byte order mark once, where the encoding has one
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0)) if packed else file
        for text in texts:
            target.write(encoder.encode(text))


def _write_parquet(frames: Iterable[pl.DataFrame], file: IO[bytes], beside: Path) -> None:
    """A few large frames at a time, as files of their own beside the place, which are then joined."""
    with tempfile.TemporaryDirectory(dir=beside, prefix=".parts-") as folder:
        parts = list[Path]()
        for frame in _large(frames):
            parts.append(Path(folder) / f"{len(parts)}.parquet")
            with _disk_errors():
                frame.write_parquet(parts[-1])
        if len(parts) == 1:
            with parts[0].open("rb") as whole:
                shutil.copyfileobj(whole, file)
        else:
            with _disk_errors():
                pl.scan_parquet(parts, glob=False).sink_parquet(file, row_group_size=_CHUNK_ROWS)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """What polars says of a full disk, as what Python says of one."""
    try:
        yield
    except pl.exceptions.ComputeError as error:
        full = f"os error {errno.ENOSPC}" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error


def _large(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows in frames of at least _PART_ROWS rows, the last of what is left."""
    held, count = list[pl.DataFrame](), 0
    for frame in frames:
        held.append(frame)
        count += len(frame)
        if count >= _PART_ROWS:
            yield pl.concat(held)
            held, count = [], 0
    if held:
        yield pl.concat(held)


def _encodable(texts: Iterator[str], encoding: str) -> tuple[Iterator[str], str]:
    """The texts and the encoding for them: UTF-8 if the user's lacks a letter that a changed schema or model brought in."""
    if encoding.startswith("utf"):
        return texts, encoding
    spool = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115  # read on below
    for text in texts:
        spool.write(text)
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            encoding = "utf-8"
    spool.seek(0)

    def again() -> Iterator[str]:
        with spool:
            while text := spool.read(1 << 20):
                yield text

    return again(), encoding


def _text_texts(frames: Iterable[pl.DataFrame], origin: Origin, suffix: str) -> Iterator[str]:
    """The file's text in pieces. Cells are quoted here and not by polars, which knows no habit of single columns."""
    delimiter = _delimiter(origin, suffix)
    for number, frame in enumerate(frames):
        if not number and (origin.header or origin.format != "csv"):
            names = [str(origin.user_name(name) or "") for name in frame.columns]
            header = pl.DataFrame({f"{at}": [name] for at, name in enumerate(names)})
            yield _lines(header, delimiter, origin, tuple(header.columns) if origin.quoted_header else ())
        for part in frame.iter_slices(_CHUNK_ROWS):
            yield _lines(part, delimiter, origin, origin.quoted)


def _lines(frame: pl.DataFrame, delimiter: str, origin: Origin, quoted: tuple[str, ...]) -> str:
    quote, cells = origin.quote, []
    for name in frame.columns:
        if isinstance(frame.schema[name], pl.Duration):  # as ISO 8601 writes it: PT36H15M
            text = pl.col(name).dt.to_string("iso").fill_null("")
        else:
            text = pl.col(name).cast(pl.String).fill_null("")
        dressed = quote + text.str.replace_all(quote, quote * 2, literal=True) + quote
        needed = text.str.contains_any([delimiter, quote, "\n", "\r"])
        if name in quoted:
            needed = needed | (text != "")
        cells.append(pl.when(needed).then(dressed).otherwise(text).alias(name))
    lines = frame.select(cells).write_csv(
        include_header=False, separator=delimiter, line_terminator=origin.newline, quote_style="never"
    )
    return lines or ""


def _delimiter(origin: Origin, suffix: str) -> str:
    if suffix in (".tsv", ".tab"):
        return "\t"
    if origin.format != "csv" or (origin.delimiter == "\t" and origin.suffix in (".tsv", ".tab")):
        return ","
    return origin.delimiter


def _json_texts(frames: Iterable[pl.DataFrame], origin: Origin) -> Iterator[str]:
    for frame in frames:
        for part in (
            _under_own_names(frame, origin).with_columns(pl.selectors.float().fill_nan(None)).iter_slices(_CHUNK_ROWS)
        ):
            buffer = io.BytesIO()
            part.write_ndjson(buffer)
            yield buffer.getvalue().decode()


def _under_own_names(frame: pl.DataFrame, origin: Origin) -> pl.DataFrame:
    """The frame with the names of the user's table, where they differ from each other."""
    names = {name: str(origin.user_name(name)) for name in frame.columns}
    return frame.rename(names) if origin.names and len(set(names.values())) == len(names) else frame


def _to_pandas(frame: pl.DataFrame, origin: Origin) -> Any:
    """Column by column through numpy, then to the dtype that each had; narwhals builds the frame, pandas casts."""
    arrays = {name: _array(frame[name], origin.dtypes.get(name, "")) for name in frame.columns}
    native = nw.from_dict(arrays, backend="pandas").to_native()
    for name in frame.columns:
        wanted = origin.dtypes.get(name, "")
        column = native[name]
        if wanted == "category":
            known = origin.categories[name]
            values = {str(value): value for value in known["values"]}
            column = column.map(values.get).astype("category")
            column = column.cat.set_categories(known["values"], ordered=known["ordered"])
        elif isinstance(frame[name].dtype, pl.Datetime) and frame[name].dtype.time_zone:  # type: ignore[attr-defined]
            column = column.dt.tz_localize("UTC").dt.tz_convert(frame[name].dtype.time_zone)  # type: ignore[attr-defined]
        if wanted and str(column.dtype) != wanted:
            with contextlib.suppress(TypeError, ValueError):  # missing values where the dtype has no room for them
                column = column.astype(wanted)
        native[name] = column
    return native.set_axis([origin.user_name(name) for name in frame.columns], axis=1)


def _array(values: pl.Series, wanted: str) -> np.ndarray:
    """A numpy array that pandas turns into the wanted dtype without losing anything."""
    dtype = values.dtype
    if isinstance(dtype, pl.Datetime):
        naive = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else values
        return naive.to_numpy()
    if isinstance(dtype, pl.Duration) or dtype.is_float():
        return values.to_numpy(writable=True)
    if (dtype.is_integer() or dtype == pl.Boolean) and not values.null_count() and wanted != "object":
        return values.to_numpy(writable=True)
    result = np.empty(len(values), dtype=object)
    result[:] = values.to_list()
    return result


def _to_pyarrow(frame: pl.DataFrame, origin: Origin) -> Any:
    table = nw.from_native(frame).to_arrow()
    for at, name in enumerate(frame.columns):
        column, wanted = table.column(at), origin.dtypes.get(name, "")
        if wanted and str(column.type) != wanted:
            with contextlib.suppress(TypeError, ValueError):  # a type without a short name stays as polars has it
                plain = column.cast("string" if wanted.startswith("dictionary") else wanted)
                column = plain.dictionary_encode() if wanted.startswith("dictionary") else plain
        table = table.set_column(at, name, column)
    return table.rename_columns([str(origin.user_name(name)) for name in frame.columns])
