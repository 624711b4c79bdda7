"""Rows of one person, who is the unit of privacy: numbered, and no more of them used than the noise is for.

The choice of a unit's rows depends on its own rows alone, so that when a unit comes or goes the others keep theirs.
`privacy/ledger.py` says what the unit is: read it next.
"""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genwright.data.columns import Column
from genwright.errors import GenwrightError


def numbered(names: pl.Series, most: int, *, seed: int) -> NDArray[np.int64]:
    """(rows,) a number for each unit, from 0; -1 for the rows of a unit beyond `most`, which are chosen by the seed.

    `names`: of each row's unit, as text; rows without a name count as one unit's.
    """
    frame = pl.DataFrame({"name": names.cast(pl.String)}).with_row_index("row")
    frame = frame.with_columns(
        pl.col("name").rank("dense").fill_null(0).cast(pl.Int64).alias("unit"),
        pl.int_range(pl.len()).over("name").alias("number"),
    )
    many = frame.filter(pl.len().over("unit") > most)
    many = many.with_columns(
        pl.Series("mark", [_mark(seed, *of) for of in many.select("name", "number").iter_rows()], pl.UInt64)
    )
    beyond = many.filter(pl.col("mark").rank("ordinal").over("unit") > most)["row"].to_numpy()
    units = frame["unit"].to_numpy().copy()
    units -= units.min(initial=1)
    units[beyond] = -1
    return units


def _mark(seed: int, name: str | None, number: int) -> int:
    """A number as good as drawn, for the row of this number among the unit's rows."""
    words = f"{seed}\x1f{number}\x1f{'' if name is None else name}"
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big")


def naming(column: Column) -> Column:
    """The column that names the units, read as an identifier: it is not imitated. GW-0616 for one that names nobody."""
    if column.kind == "identifier":
        return column
    if column.kind not in ("integer", "category", "text"):
        raise GenwrightError(
            "GW-0616",
            f"{column.name!r} is {column.kind}, so it cannot name units of privacy",
            "Give --unit a column of numbers or words that name people.",
        )
    style = "sequence" if column.kind == "integer" else "pattern"
    roomy = {"Enum": "String", "Int": "Int64", "UInt": "Int64"}  # new names are others, and there may be more of them
    stored = next((wide for narrow, wide in roomy.items() if column.stored.startswith(narrow)), column.stored)
    return Column(column.name, "identifier", stored, column.missing, style=style)
