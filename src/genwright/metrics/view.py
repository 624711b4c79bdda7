"""Three user tables -> one light view that every table metric reads: numbers as floats, categories as shared codes.

A `View` holds, for one table, the numbers (float64, NaN where missing; dates as days, datetimes as seconds since 1970) and
the category codes (int32, -1 where missing). Codes are shared by the three tables and ordered by how often a label occurs
in the training table, so "the first 20 codes" are the 20 commonest labels. Identifiers and texts keep out of it: they are
only compared for copies. Read `table.py` next: it calls all metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genwright.errors import GenwrightError

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

NUMBER_KINDS = ("integer", "decimal", "date", "datetime")
CATEGORY_KINDS = ("boolean", "category")
COPY_KINDS = ("identifier", "text")
EMPTY_KINDS = ("constant", "missing")
KINDS = (*NUMBER_KINDS, *CATEGORY_KINDS, *COPY_KINDS, *EMPTY_KINDS)
SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True)
class View:
    """One table: `rows` rows; a column is in `numbers` or in `codes`, never in both."""

    rows: int
    numbers: dict[str, Floats] = field(default_factory=dict)
    codes: dict[str, Codes] = field(default_factory=dict)

    def take(self, rows: NDArray[np.intp]) -> View:
        """The same columns, only these rows."""
        return View(
            len(rows),
            {name: values[rows] for name, values in self.numbers.items()},
            {name: codes[rows] for name, codes in self.codes.items()},
        )

    def sample(self, limit: int, generator: np.random.Generator) -> View:
        """At most `limit` rows, without replacement, in random order."""
        return self.take(generator.permutation(self.rows)[:limit])

    def missing(self, name: str) -> NDArray[np.bool_]:
        """(rows,) True where the column has no value."""
        return np.isnan(self.numbers[name]) if name in self.numbers else self.codes[name] < 0


@dataclass(frozen=True)
class Tables:
    """The three tables side by side. `modelled` lists, in table order, the columns that the distribution metrics use."""

    train: View
    holdout: View | None
    synthetic: View
    kinds: dict[str, str]
    labels: dict[str, list[str]]
    """Category label of every code, commonest in the training table first."""
    modelled: tuple[str, ...]
    frames: dict[str, pl.DataFrame | None]
    """The user's frames under "train", "holdout", "synthetic", for the columns that are only compared for copies."""

    def of_kind(self, kinds: tuple[str, ...]) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind in kinds]

    @property
    def views(self) -> dict[str, View]:
        """The tables that exist, by name."""
        views = {"train": self.train, "holdout": self.holdout, "synthetic": self.synthetic}
        return {name: view for name, view in views.items() if view is not None}


def view_tables(
    train: pl.DataFrame, holdout: pl.DataFrame | None, synthetic: pl.DataFrame, kinds: Mapping[str, str]
) -> Tables:
    """Check the three frames against each other and turn them into views. A hold-out without rows counts as absent.

    Errors: GW-0501 no rows, GW-0502 a column is lacking, GW-0503 an unknown kind, GW-0504 values not of the column's kind.
    """
    if holdout is not None and holdout.height == 0:
        holdout = None
    frames = {"train": train, "holdout": holdout, "synthetic": synthetic}
    given = {name: frame for name, frame in frames.items() if frame is not None}
    for name, frame in given.items():
        _check(name, frame, kinds)
    numbers: dict[str, dict[str, Floats]] = {name: {} for name in given}
    codes: dict[str, dict[str, Codes]] = {name: {} for name in given}
    labels: dict[str, list[str]] = {}
    for column, kind in kinds.items():
        series = {name: frame[column] for name, frame in given.items()}
        if kind in NUMBER_KINDS:
            for name, values in series.items():
                numbers[name][column] = _numbers(values, kind, name)
        elif kind not in COPY_KINDS:
            labels[column], shared = _codes(series)
            for name in given:
                codes[name][column] = shared[name]
    views = {name: View(frame.height, numbers[name], codes[name]) for name, frame in given.items()}
    modelled = tuple(name for name, kind in kinds.items() if _is_modelled(views["train"], name, kind))
    return Tables(views["train"], views.get("holdout"), views["synthetic"], dict(kinds), labels, modelled, dict(frames))


def _is_modelled(train: View, name: str, kind: str) -> bool:
    """Numbers and categories are; so is a constant that is sometimes missing, because that is a yes or no."""
    return kind in NUMBER_KINDS + CATEGORY_KINDS or (kind == "constant" and bool(train.missing(name).any()))


TABLE_WORDS = {"train": "training", "holdout": "hold-out", "synthetic": "synthetic"}


def _check(table: str, frame: pl.DataFrame, kinds: Mapping[str, str]) -> None:
    word = TABLE_WORDS[table]
    if frame.height == 0:
        raise GenwrightError("GW-0501", f"The {word} table has no rows.", "Give a table with at least one row.")
    lacking = [name for name in kinds if name not in frame.columns]
    if lacking:
        raise GenwrightError(
            "GW-0502",
            f"The {word} table has no column {lacking[0]!r}"
            + (f" (and {len(lacking) - 1} more)." if lacking[1:] else "."),
            f"Give tables with the same columns; this one has: {', '.join(frame.columns[:12])}.",
        )
    unknown = [(name, kind) for name, kind in kinds.items() if kind not in KINDS]
    if unknown:
        raise GenwrightError(
            "GW-0503",
            f"Column {unknown[0][0]!r} has the unknown kind {unknown[0][1]!r}.",
            f"Use one of: {', '.join(KINDS)}.",
        )


def _numbers(values: pl.Series, kind: str, table: str) -> Floats:
    """Float64 with NaN for missing; infinities count as missing because no distance to them is finite."""
    try:
        if kind == "date":
            days = values if values.dtype == pl.Date else _moments(values).cast(pl.Date)
            numbers = days.to_physical().cast(pl.Float64)
        elif kind == "datetime":
            moments = values if values.dtype == pl.Datetime else _moments(values)
            numbers = moments.dt.epoch("us").cast(pl.Float64) / 1e6
        else:
            numbers = values.cast(pl.Float64)
    except pl.exceptions.PolarsError as error:
        raise GenwrightError(
            "GW-0504",
            f"Column {values.name!r} of the {TABLE_WORDS[table]} table should hold values of kind {kind}, but some are not.",
            "Clean these values, or declare the column a category in the schema.",
        ) from error
    out = numbers.fill_null(float("nan")).to_numpy().astype(np.float64)
    out[np.isinf(out)] = np.nan
    return out + 0.0  # -0.0 becomes 0.0: they are the same value


def _moments(values: pl.Series) -> pl.Series:
    return values.str.to_datetime() if values.dtype == pl.String else values.cast(pl.Datetime)


def _codes(series: dict[str, pl.Series]) -> tuple[list[str], dict[str, Codes]]:
    """Labels, commonest in the training table first (ties by name), and each table's codes, -1 for missing."""
    words = {name: _words(values) for name, values in series.items()}
    seen = dict(words["train"].drop_nulls().value_counts(name="count").rows())
    everywhere = pl.concat(list(words.values())).drop_nulls().unique().to_list()
    labels = sorted(everywhere, key=lambda label: (-seen.get(label, 0), label))
    if not labels:
        return [], {name: np.full(len(values), -1, dtype=np.int32) for name, values in words.items()}
    order = pl.Enum(labels)
    shared = {
        name: values.cast(order).to_physical().cast(pl.Int32).fill_null(-1).to_numpy() for name, values in words.items()
    }
    return labels, shared


def _words(values: pl.Series) -> pl.Series:
    """Text of each value. Whole floats read as integers, so that a code column is the same as Int64 and as Float64."""
    if values.dtype.is_float():
        return values.fill_nan(None).cast(pl.String).str.strip_suffix(".0")
    return values.cast(pl.String)
