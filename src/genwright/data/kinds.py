"""The kind of a column, found by looking at its values and nothing else (but for "id" in a name, as a tie-breaker).

The order of questions: is there anything at all, one value, a boolean, a number, a date, an identifier, a category; what
is left is text. Every column ends in some kind. `schema.py` asks for each column in turn: read it next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from genwright.data.columns import NULL, TEXT, Column, Kind, dtype_name
from genwright.data.date_text import find_date
from genwright.data.number_text import find_number

MISSING_WORDS = ("", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "(null)", "none", "nil", "nat", "\\n")
"""Read as no value in every column of a text file (in any case of letters, blanks around them ignored)."""
PLACEHOLDERS = ("?", "-", "--", "---", ".", "..", "*", "unknown", "missing", "n.a.", "n.d.", "x", "#value!", "#div/0!",
                "0000-00-00", "0000-00-00 00:00:00", "0000-01-01", "0000-01-01 00:00:00")  # fmt: skip
"""Read as no value only in a column that is numbers or dates otherwise; in all others they are values."""
_BOOLEANS = (
    ("yes", "no"), ("y", "n"), ("true", "false"), ("t", "f"), ("on", "off"), ("ja", "nein"), ("j", "n"), ("oui", "non"),
    ("si", "no"), ("sí", "no"), ("是", "否"), ("wahr", "falsch"), ("vrai", "faux"), ("да", "нет"),
)  # fmt: skip
_IDENTIFYING = re.compile(
    r"(?i:(?:^|[_\s.\-])(?:id|ids|uuid|guid|key|no\.?|nr\.?|index|idx|rowid|row)$)|[a-z]I[Dd]$|^#$"
)
_UUID = r"^\{?[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\}?$"
_FEW = 20
_REPEATED = 3


@dataclass(frozen=True)
class Setting:
    """What is known beyond the values themselves."""

    comma_decimals: bool = False
    """Cells are parted by semicolons, as where the comma is the decimal mark."""
    all_different: bool = True
    """No value has been seen twice outside the sample."""


def find_column(values: pl.Series, *, text: bool, setting: Setting) -> Column:
    """The column that these values (of a sample of rows) make. `text`: they are cells of a text file."""
    name, stored = values.name, TEXT if text else dtype_name(values.dtype)
    if values.dtype in (pl.String, pl.Categorical) or isinstance(values.dtype, pl.Enum):
        words = values if values.dtype == pl.String else values.cast(pl.String)
        return _from_words(words, Column(name, "missing", stored), values.dtype == pl.String, setting)
    return _from_typed(values, Column(name, "missing", stored), setting)


def means_missing(words: pl.Series) -> pl.Series:
    """Mask over words: those that usually stand for no value."""
    return words.str.strip_chars().str.to_lowercase().is_in(MISSING_WORDS)


def is_blank(words: pl.Series) -> pl.Series:
    """Mask over words: those without a letter."""
    return words.str.strip_chars() == ""


def _having(column: Column, kind: Kind, **fields: Any) -> Column:
    """The column with a kind and its fields."""
    known = {key: getattr(column, key) for key in ("name", "stored", "missing")} | fields
    return Column(kind=kind, **known)


def _from_words(values: pl.Series, column: Column, free: bool, setting: Setting) -> Column:
    """`free`: the words may stand for numbers or dates; those of a categorical dtype may not."""
    counts = values.alias("word").value_counts(sort=True, name="rows")
    counts = counts.sort(["rows", "word"], descending=[True, False], nulls_last=True)
    words, rows = counts["word"], counts["rows"]
    gone = words.is_null() | means_missing(words)
    pair = _find_boolean(words.filter(~gone)) if free else None
    found = _find_written(words.filter(~gone), setting) if free and not pair else None
    if column.stored != TEXT and not (pair or found):  # words among words are values where a null can say "no value"
        gone = words.is_null() if words.null_count() else is_blank(words)
    tokens = (NULL,) * words.null_count() + tuple(words.filter(gone).drop_nulls())
    present = words.filter(~gone)
    if present.is_empty():
        return _having(column, "missing", missing=tokens)
    if len(present) == 1 and not tokens:
        return _having(column, "constant", value=present[0])
    if pair:
        return _having(column, "boolean", missing=tokens, **pair)
    if found:
        holders = tuple(found.pop("holders"))
        kind: Kind = found.pop("kind")
        column = _having(column, kind, missing=tokens + holders, **found)
        if column.kind == "integer" and len(rows) and int(rows.filter(~gone).max()) == 1:  # type: ignore[arg-type]
            integers = present.filter(~present.is_in(holders)).str.replace_all(r"\D", "")
            plain = not (column.prefix or column.suffix or column.thousands or holders)
            if plain and setting.all_different and _is_sequence(column.name, integers.cast(pl.Int64, strict=False)):
                style = "pattern" if column.width else "sequence"
                return _having(column, "identifier", style=style)
        return column
    different = setting.all_different and int(rows.filter(~gone).max()) == 1  # type: ignore[arg-type]
    if shape := _identifier_style(present, different):
        return _having(column, "identifier", missing=tokens, style=shape)
    if _is_text(present, rows.filter(~gone)):
        return _having(column, "text", missing=tokens)
    # Only one word can be written back for a missing category: the others stay what they are, values; not so blanks.
    return _having(column, "category", missing=tuple(token for token in tokens if not token.strip()) or tokens[:1])


def _from_typed(values: pl.Series, column: Column, setting: Setting) -> Column:
    dtype = values.dtype
    nulls: tuple[str, ...] = (NULL,) if values.null_count() else ()
    if dtype in (pl.Float32, pl.Float64):
        nulls += ("NaN",) if values.is_nan().any() else ()
        values = values.fill_nan(None)
    present = values.drop_nulls()
    column = _having(column, "missing", missing=nulls)
    if present.is_empty():
        return column
    if present.n_unique() == 1 and not nulls and not dtype.is_temporal():
        return _having(column, "constant", value=str(present.cast(pl.String)[0]))
    if dtype == pl.Boolean:
        return _having(column, "boolean", true="true", false="false")
    if dtype == pl.Date:
        return _having(column, "date")
    if dtype == pl.Time or isinstance(dtype, pl.Datetime):
        fine = getattr(dtype, "time_unit", "ns") == "ns" and bool((present.to_physical() % 1000 != 0).any())
        return _having(column, "datetime", unit="ns" if fine else "us")
    if isinstance(dtype, pl.Duration):
        return _having(column, "integer")
    if dtype.is_integer():
        if present.max() >= 2**63 or present.min() < -(2**63):  # type: ignore[operator]
            return _having(column, "decimal", places=0)  # beyond 64 bits with sign: as floats, the last digits inexact
        whole = present.cast(pl.Int64)
        if setting.all_different and whole.n_unique() == len(whole) and _is_sequence(column.name, whole):
            return _having(column, "identifier", style="sequence")
        return _having(column, "integer")
    if isinstance(dtype, pl.Decimal):
        return _having(column, "decimal", places=dtype.scale)
    return _having(column, "decimal", **float_precision(present))


def float_precision(present: pl.Series) -> dict[str, Any]:
    """The places after the decimal point that floats use: the fewest that give every value back, if any do."""
    exact = present.to_numpy()
    values = exact.astype(np.float64)
    finite = np.isfinite(values)
    for places in range(11):
        if np.array_equal(np.round(values[finite], places).astype(exact.dtype), exact[finite]):
            return {"places": places}
    return {"places": None, "digits": 9 if exact.dtype == np.float32 else 17}


def _find_boolean(present: pl.Series) -> dict[str, str] | None:
    if len(present) != 2:
        return None
    lowered = {word.strip().lower(): word for word in present}
    for true, false in _BOOLEANS:
        if set(lowered) == {true, false}:
            return {"true": lowered[true], "false": lowered[false]}
    return None


def _find_written(present: pl.Series, setting: Setting) -> dict[str, Any] | None:
    """Numbers or dates, if all words are that once the placeholders are set aside (and there are any others)."""
    held = present.str.strip_chars().str.to_lowercase().is_in(PLACEHOLDERS)
    rest = present.filter(~held)
    if rest.is_empty() or (held.any() and len(rest) < 2):
        return None
    found = None
    if rest.head(20).str.contains(r"^[\d\-/.:T\s]*\d[^,]*$").all() or rest.head(20).str.contains(r"\d.*\d.*\d").all():
        found = find_date(rest)
    found = found or find_number(rest, comma=setting.comma_decimals)
    return None if found is None else found | {"holders": present.filter(held).to_list()}


def _is_sequence(name: str, values: pl.Series) -> bool:
    """Whether integers, all different, number the rows: dense, or called an id."""
    if values.null_count() or len(values) < 2:
        return False
    low, high = int(values.min()), int(values.max())  # type: ignore[arg-type]
    if low < 0:
        return False
    if _IDENTIFYING.search(name):
        return True
    return len(values) >= 50 and high - low < 1.1 * len(values) + 1 and (low <= 1 or len(values) >= 1000)


def _identifier_style(present: pl.Series, different: bool) -> str | None:
    """A universal identifier, or a pattern of digits and letters that never repeats; None for other words."""
    if present.str.contains(_UUID).all():
        return "uuid" if different or len(present) > _FEW else None
    if not different or len(present) < _REPEATED:
        return None
    measures = pl.DataFrame({"word": present}).select(
        length=pl.col("word").str.len_chars().max(),
        fewest=pl.col("word").str.count_matches(r"\d").min(),
        share=(pl.col("word").str.count_matches(r"\d") / pl.col("word").str.len_chars()).mean(),
        blanks=pl.col("word").str.count_matches(r"\s").max(),
    )
    length, fewest, share, blanks = measures.row(0)
    if length > 64 or fewest < 2 or share < 0.25 or blanks > 4:
        return None
    alike = skeletons(present).value_counts(name="rows")["rows"]
    return "pattern" if alike.filter(alike >= _REPEATED).sum() >= 0.9 * len(present) else None


def skeletons(words: pl.Series) -> pl.Series:
    """The shape of each word: x for a letter or digit, all else as it stands ("xxxx-xxxxx" for "CUST-00412")."""
    return words.str.replace_all(r"[\p{L}\d]", "x")


def _is_text(present: pl.Series, rows: pl.Series) -> bool:
    """Free text: most rows hold words that hardly anyone else has; a short list of words is never text."""
    total = int(rows.sum())
    if len(present) == total and total > 1:
        return True
    if len(present) <= _FEW:
        return False
    return int(rows.filter(rows >= _REPEATED).sum()) < 0.5 * total
