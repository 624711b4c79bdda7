"""What is known of one column: its kind, how its values are written, and a summary for people.

A `Column` is all that parsing and formatting need (`number_text.py`, `date_text.py`); `kinds.py` finds one by looking at
the values, and `schema.py` holds them together: read it next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import polars as pl

from genwright.errors import GenwrightError

Kind = Literal[
    "integer", "decimal", "boolean", "category", "date", "datetime", "text", "identifier", "constant", "missing"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
TEXT = "text"
"""`stored` of a column that comes from a text file."""
NULL = "<null>"
"""In `missing`: the null of a typed source, as against a word such as "NA"."""


@dataclass(frozen=True)
class Summary:
    """What a person sees of a column; it is not part of the schema file but as a comment."""

    rows: int
    missing: int
    distinct: int
    values: str
    """Range or most frequent values; nothing of texts and identifiers."""


@dataclass(frozen=True)
class Column:
    """One column. Which fields count depends on the kind: `FIELDS` lists them."""

    name: str
    kind: Kind
    stored: str = TEXT
    """dtype in the source ("Int32", "Datetime[us, UTC]"), or "text" for cells of a text file."""
    missing: tuple[str, ...] = ()
    """The words that stand for no value, the one to write first."""
    prefix: str = ""
    suffix: str = ""
    """What surrounds each number: currency, percent, blanks."""
    minus: str = "before"
    """Where a negative number wears its sign: "before" the prefix, "after" it, at the "end": 5.00-, or "around": (5.00)."""
    decimal: str = "."
    thousands: str = ""
    grouped: int = 3
    """Digits between two marks of thousands, but for the last three: 2 in India, 78,58,258."""
    width: int = 0
    """Integers are filled up with leading zeros to this width."""
    places: int | None = None
    """Decimal places that values use; None: not limited, see `digits`."""
    digits: int = 17
    """Significant digits, where places are not limited."""
    shown: int = 0
    """Decimal places always written, zeros included: 2 for "1.50", 1 for "880.0"."""
    scientific: str = ""
    """The exponent as written, such as "e-09", when most numbers have one."""
    true: str = ""
    false: str = ""
    """The two words of a boolean."""
    format: str = ""
    """How a date is written, in strftime's letters."""
    unit: str = "us"
    """The finest step of a datetime that is kept: "us" or "ns"."""
    style: str = ""
    """Identifiers: "sequence" (integers), "uuid" or "pattern"."""
    value: str = ""
    """The one value of a constant, as text."""
    summary: Summary | None = field(default=None, compare=False, repr=False)

    @property
    def dtype(self) -> pl.DataType:
        """The polars dtype of the column once parsed."""
        if self.kind == "identifier":
            return pl.Int64() if self.style == "sequence" else pl.String()
        if self.kind == "datetime":
            return pl.Datetime("ns") if self.unit == "ns" else pl.Datetime("us")
        typed: dict[str, pl.DataType] = {
            "integer": pl.Int64(),
            "decimal": pl.Float64(),
            "boolean": pl.Boolean(),
            "date": pl.Date(),
        }
        return typed.get(self.kind, pl.String())

    @property
    def is_number(self) -> bool:
        """Whether the values lie on a line: numbers, dates and datetimes."""
        return self.kind in ("integer", "decimal", "date", "datetime")


_NUMBER_TEXT = ("prefix", "suffix", "minus", "thousands", "grouped")
FIELDS: dict[str, tuple[str, ...]] = {
    "integer": (*_NUMBER_TEXT, "width"),
    "decimal": (*_NUMBER_TEXT, "decimal", "places", "digits", "shown", "scientific"),
    "boolean": ("true", "false"),
    "category": (),
    "date": ("format",),
    "datetime": ("format", "unit"),
    "text": (),
    "identifier": ("style",),
    "constant": ("value",),
    "missing": (),
}

_SIMPLE: dict[str, Any] = {
    str(dtype): dtype
    for dtype in (
        pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.Int128(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64(),
        pl.Float32(), pl.Float64(), pl.Boolean(), pl.String(), pl.Date(), pl.Time(), pl.Categorical(), pl.Null(),
    )
}  # fmt: skip


def dtype_name(dtype: pl.DataType) -> str:
    """A dtype as a short text that `dtype_from_name` understands."""
    if isinstance(dtype, pl.Datetime):
        return f"Datetime[{dtype.time_unit}{', ' + dtype.time_zone if dtype.time_zone else ''}]"
    if isinstance(dtype, pl.Duration):
        return f"Duration[{dtype.time_unit}]"
    if isinstance(dtype, pl.Decimal):
        return f"Decimal[{dtype.precision}, {dtype.scale}]"
    if isinstance(dtype, pl.Enum):
        return "Enum[" + "\x1f".join(dtype.categories.to_list()) + "]"
    return "Categorical" if dtype == pl.Categorical else str(dtype)


def dtype_from_name(name: str) -> Any:
    """The polars dtype of that name; GW-0111 for a name that no source has."""
    if name in _SIMPLE:
        return _SIMPLE[name]
    if name == "Categorical":
        return pl.Categorical()
    head, _, rest = name.removesuffix("]").partition("[")
    parts = rest.split(", ")
    try:
        if head == "Datetime":
            return pl.Datetime(parts[0], parts[1] if len(parts) > 1 else None)  # type: ignore[arg-type]
        if head == "Duration":
            return pl.Duration(parts[0])  # type: ignore[arg-type]
        if head == "Decimal":
            return pl.Decimal(int(parts[0]), int(parts[1]))
        if head == "Enum":
            return pl.Enum(rest.split("\x1f"))
    except (ValueError, TypeError, IndexError, pl.exceptions.PolarsError):
        pass
    raise GenwrightError(
        "GW-0111", f"{name!r} is no type that a column can be stored as", 'Leave the line "stored" as it was'
    )
