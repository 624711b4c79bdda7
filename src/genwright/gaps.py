"""A table with gaps: read by a run's codec, and written back in its own form with the gaps filled.

Columns that the run does not know, the order of all, and the index of a pandas frame stay as they are. `table_run.py` fills
the gaps: read it next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genwright.codecs.columns import CategoryCoder, Coder, NumberCoder
from genwright.codecs.table import TableCodec
from genwright.codecs.tally import numbers_of
from genwright.data.columns import TEXT
from genwright.data.kinds import is_blank, means_missing
from genwright.data.schema import Schema
from genwright.data.sources import TableSource, open_table
from genwright.data.writers import to_user_frame
from genwright.errors import GenwrightError

FAR = 10
"""Widths of the range that a column's codes reach: the tails of training, which they do not reach, may be long."""


@dataclass(frozen=True)
class Filled:
    """What became of the gaps."""

    paths: list[Path]
    rows: int
    cells: int
    """That had no value and have one now, in each table that was made."""
    left: int
    """Cells that still have none: their columns had no value in training either."""


@dataclass(frozen=True)
class Gappy:
    """A table, as it stands and as a run's codec types it."""

    given: Any
    """Path or frame."""
    source: TableSource
    raw: pl.DataFrame
    typed: pl.DataFrame
    """The columns that the run knows."""
    codec: TableCodec

    @classmethod
    def read(cls, table: Any, codec: TableCodec, names: list[str] | None = None, *, delimiter: str = "") -> Gappy:
        """The whole table; `names`: the columns of the run that it must have (all that it has, if None).

        Raises GW-0112 or GW-0117 for columns that are not as they must be, GW-0113 for values that are not, GW-0118 without
        rows.
        """
        source = open_table(table, delimiter=delimiter or None)
        schema = Schema(tuple(codec.schema[name] for name in names or source.columns))
        if lacking := [name for name in schema.names if name not in source.columns]:
            what = f"The table {source.name!r} lacks the columns {', '.join(map(repr, lacking[:5]))}"
            raise GenwrightError("GW-0117", what, "Give a table with the columns of the training data")
        raw = pl.concat(list(source.batches()))
        cells = raw.with_columns(
            _gaps_shown(coder, raw, source) for coder in codec.coders if coder.column.name in schema.names
        )
        return cls(table, source, raw, schema.parse(cells, place=source.place), codec)

    def with_made(self, made: pl.DataFrame) -> pl.DataFrame:
        """The table's columns in their order, those of `made` from there."""
        known = set(made.columns)
        return pl.DataFrame([made[name] if name in known else self.raw[name] for name in self.source.columns])

    def users(self, made: pl.DataFrame) -> Any:
        """The same as a frame of the user's own library, with its index."""
        frame = to_user_frame(self.with_made(made), self.source.origin)
        return frame.set_axis(self.given.index, axis=0) if self.source.origin.frame == "pandas" else frame

    def filled(self, rows: pl.DataFrame, paths: list[Path]) -> Filled:
        """What whole rows, made around these and written to the paths, fill."""
        gaps, left = (int(np.sum(frame.select(self.typed.columns).null_count().row(0))) for frame in (self.typed, rows))
        return Filled(paths, len(rows), gaps - left, left)

    def notes(self) -> Iterator[str]:
        """On values that no training row had. Words may be rare ones of training, which are not kept: up to twice their
        share there is nothing to tell."""
        rare = self.codec.rare_rows()
        for coder in self.codec.coders:
            name = coder.column.name
            if name not in self.typed.columns:
                continue
            strange, present = _strange(coder, self.typed[name]), len(self.typed) - self.typed[name].null_count()
            if len(strange) > 2 * present * rare.get(name, 0) / self.codec.rows + (name in rare):
                first = int(strange[0])
                yield (
                    f"In {name!r} the model does not know {len(strange):,} of {present:,} values, first "
                    f"{self.raw[name][first]!r} in {self.source.place(first)}: they stay."
                )


def silent(note: str) -> None:
    """What listens to no note."""


def check_other(path: Path, table: Any) -> None:
    """GW-0211 where a file would be written over the table that it is made from."""
    if isinstance(table, str | Path) and path.expanduser().resolve() == Path(table).expanduser().resolve():
        raise GenwrightError(
            "GW-0211", f"{path} is the table itself, which is never written over", "Choose another --out"
        )


def _gaps_shown(coder: Coder, raw: pl.DataFrame, source: TableSource) -> pl.Series:
    """The column's cells, null where a text means that there is no value: as usual, but for words that are values here."""
    column, cells = coder.column, raw[coder.column.name]
    if cells.dtype != pl.String or (source.typed and column.stored != TEXT):
        return cells
    values = coder.kept if isinstance(coder, CategoryCoder) else [column.value]
    gone = is_blank(cells) | (means_missing(cells) & ~cells.is_in(values))
    return pl.select(pl.when(~gone).then(cells).alias(column.name)).to_series()


def _strange(coder: Coder, values: pl.Series) -> np.ndarray:
    """Rows with words that have no code of their own, or with numbers so far outside that no long tail would explain it."""
    if isinstance(coder, CategoryCoder) and coder.column.kind == "category":
        return np.flatnonzero((values.is_not_null() & ~values.is_in(coder.kept)).to_numpy())
    if not isinstance(coder, NumberCoder):
        return np.array([], dtype=np.int64)
    rows, numbers = np.flatnonzero(values.is_not_null().to_numpy()), numbers_of(values).astype(np.float64)
    low, high = map(float, coder.grid.edge_values(whole=values.dtype != pl.Float64))
    reach = FAR * (high - low)
    return rows[(numbers < low - reach) | (numbers > high + reach)]
