"""Numbers that stand for no value, such as -999: told to the user, never taken for missing unasked. `schema.py` asks."""

from __future__ import annotations

import polars as pl

from genwright.data.columns import Column
from genwright.data.parsing import format_column, parse_column

_USUAL = (-1, *(sign * (10**size - 1) for size in range(2, 7) for sign in (-1, 1)))
_FEWEST_ROWS = 5


def find_sentinel(column: Column, values: pl.Series) -> str | None:
    """-1, or two to six nines, as the column writes it: where at least five rows have it, at one end of the values, and
    it is farther from the next value than all others are from one another; else None."""
    if column.kind not in ("integer", "decimal"):
        return None
    present = parse_column(column, values)[0].drop_nulls()
    usual = pl.Series(_USUAL).cast(present.dtype)
    counts = (
        present.filter(present.is_in(usual.implode())).value_counts(name="rows").filter(pl.col("rows") >= _FEWEST_ROWS)
    )
    for value in counts[column.name]:
        rest = present.filter(present != value)
        if rest.n_unique() < 3 or not rest.cast(pl.Float64).is_finite().all():
            continue
        low, high = float(rest.min()), float(rest.max())  # type: ignore[arg-type]
        if max(low - value, value - high) > high - low:
            return str(format_column(column, pl.Series([value], dtype=present.dtype))[0])
    return None
