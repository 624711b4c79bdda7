"""Numbers as people write them: "1.234,50 €", "007", "(5.00)", "1e-9"; found, read, and written the same way again.

Everything works on whole polars columns. `kinds.py` asks `find_number` whether a column is numeric: read it next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from genwright.data.columns import Column

_PLAIN = r"^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:inf(?:inity)?))$"
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_DRESSED = (
    r"^(?<around>\(?)(?<sign>[+\-−]?)(?<prefix>\s*(?:\p{L}{0,3}\p{Sc}|\p{L}{2,3}\.?\s)?\s*)(?<inner>[+\-−]?)"
    r"(?<body>(?:\d[\d.,'’\s_]*\d|\d\.?|\.\d+)" + _EXPONENT + r")"
    r"(?<suffix>\s*(?:[%‰‱\p{Sc}°]\p{L}?|\p{L}{1,4}[²³]?|\p{L}{1,3}/\p{L}{1,3})?\s*)(?<tail>[\-−]?)(?<end>\)?)$"
)
_BODY = r"^(?:\d*[.,]?\d+" + _EXPONENT + r"|\d{1,3}(?:[,.'’\s]\d{2,3})+(?:[.,]\d+)?)$"
_GROUPS = {
    ",": r"^\d{1,3}(?:,\d{3})+(?:\.\d+)?$|^\d{1,2}(?:,\d{2})*,\d{3}(?:\.\d+)?$",
    ".": r"^\d{1,3}(?:\.\d{3})+(?:,\d+)?$",
    "'": r"^\d{1,3}(?:'\d{3})+(?:\.\d+)?$",
    "’": r"^\d{1,3}(?:’\d{3})+(?:\.\d+)?$",
}
_BLANKS = (" ", "\u00a0", "\u202f")
_SAFE = 2.0**53


def find_number(values: pl.Series, *, comma: bool) -> dict[str, Any] | None:
    """How the distinct, present texts are written as numbers (fields of `Column`, kind included), or None if they are
    not all numbers. `comma`: the file parts cells by semicolons, so "1,234" is more likely a decimal comma."""
    if values.str.contains(_PLAIN).all():
        return _describe(values)
    parts = values.str.extract_groups(_DRESSED).struct.unnest()
    if parts["body"].null_count():
        return None
    dress = _find_dress(parts)
    marks = _find_marks(parts["body"], comma) if dress is not None else None
    if dress is None or marks is None:
        return None
    signed = parts.select(pl.concat_str("sign", "inner", "tail", "body")).to_series()
    plain = _undress(signed, str(marks["decimal"]), str(marks["thousands"]))
    if not plain.str.contains(_PLAIN).all():
        return None
    found = _describe(plain)
    return found and dress | marks | found


def numbers_among(values: pl.Series) -> Iterator[pl.Series]:
    """For each way in which some of the distinct texts are written as numbers: mask over those that are."""
    parts = values.str.extract_groups(_DRESSED).struct.unnest()
    worn = pl.concat_str(pl.col("prefix").str.strip_chars(), pl.lit("\0"), pl.col("suffix").str.strip_chars())
    dress = parts.select(pl.when(pl.col("body").str.contains(_BODY)).then(worn)).to_series()
    zeros = values.str.contains(r"^\D*0\d")
    for one in dress.drop_nulls().value_counts(sort=True, name="rows")[:, 0]:
        here = (dress == one).fill_null(False)
        for mask in (here, here & ~zeros):  # one "007" among other numbers is no reason to see none
            if mask.any() and find_number(values.filter(mask), comma=False):
                yield mask
                break


def parse_number(column: Column, texts: pl.Series) -> pl.Series:
    """Int64 or Float64 values; null where a text is not written as the column says."""
    dtype = pl.Float64 if column.kind == "decimal" else pl.Int64
    bare = texts
    if not (column.prefix or column.suffix or column.thousands) and column.decimal == ".":
        values = texts.cast(dtype, strict=False)
        if values.null_count() == texts.null_count():  # nothing in it but bare numbers: no need to undress them
            return values.fill_nan(None) if dtype == pl.Float64 else values
    if column.minus in ("around", "end"):
        bare = bare.str.replace(r"^\((.*)\)$" if column.minus == "around" else r"^(.*)[-−]$", "-${1}")
    if column.prefix:
        bare = bare.str.replace(column.prefix, "", literal=True)
    if column.suffix:
        bare = bare.str.strip_suffix(column.suffix)
    plain = _undress(bare, column.decimal, column.thousands)
    values = plain.cast(dtype, strict=False)
    return values.fill_nan(None) if dtype == pl.Float64 else values


def format_number(column: Column, values: pl.Series) -> pl.Series:
    """The values as the user writes them; null stays null."""
    frame = pl.DataFrame({"value": values})
    negative = pl.col("value") < 0
    if column.kind == "integer":
        body = pl.col("value").cast(pl.String).str.strip_prefix("-").str.zfill(column.width or 1)
        text = _grouped(body, column)
    elif column.places is not None and _fits(values, column.places):
        text = _fixed(column)
        negative = negative & ((pl.col("value").abs() * 10**column.places).round() > 0)
    else:
        frame = pl.DataFrame({"value": values, "text": _free(column, values.abs())})
        text = pl.col("text").str.replace(".", column.decimal, literal=True)
    prefix, suffix = pl.lit(column.prefix), pl.lit(column.suffix)
    if column.minus == "after":
        minus = pl.concat_str(prefix, pl.lit("-"), text, suffix)
    elif column.minus == "end":
        minus = pl.concat_str(prefix, text, suffix, pl.lit("-"))
    elif column.minus == "around":
        minus = pl.concat_str(pl.lit("("), prefix, text, suffix, pl.lit(")"))
    else:
        minus = pl.concat_str(pl.lit("-"), prefix, text, suffix)
    dressed = pl.when(negative).then(minus).otherwise(pl.concat_str(prefix, text, suffix))
    return frame.select(dressed.alias(values.name)).to_series()


def _undress(texts: pl.Series, decimal: str, thousands: str) -> pl.Series:
    bare = texts.str.strip_chars().str.replace("−", "-", literal=True)
    if thousands:
        bare = bare.str.replace_all(thousands, "", literal=True)
    return bare if decimal == "." else bare.str.replace(decimal, ".", literal=True)


def _find_dress(parts: pl.DataFrame) -> dict[str, Any] | None:
    """Prefix, suffix and place of the sign, the same for all values (but for blanks, which may vary)."""
    dress: dict[str, Any] = {}
    for side in ("prefix", "suffix"):
        kinds = parts[side].unique()
        if len(kinds) > 1:
            kinds = kinds.str.strip_chars().unique()
        if len(kinds) > 1:
            return None
        dress[side] = kinds[0]
    around = (parts["around"] == "(") & (parts["end"] == ")")
    tail = parts["tail"] != ""
    if ((parts["around"] == "(") ^ (parts["end"] == ")")).any() or around.all():
        return None
    signed = (parts["sign"] != "") | (parts["inner"] != "")
    if (around & (signed | tail)).any() or (tail.any() and (signed.any() or around.any() or tail.all())):
        return None  # two signs, as in (-5.00), or what may be no sign: "18-" for under 18
    if around.any():
        dress["minus"] = "around"
    elif tail.any():
        dress["minus"] = "end"
    elif (parts["inner"] != "").any():
        if (parts["sign"] != "").any():
            return None
        if dress["prefix"]:
            dress["minus"] = "after"
    return dress


def _find_marks(bodies: pl.Series, comma: bool) -> dict[str, Any] | None:
    """Which characters part thousands and decimals. One that always stands before three digits parts thousands,
    unless the file's other habits or a leading zero speak for decimals."""
    blank = next((mark for mark in _BLANKS if bodies.str.contains(mark, literal=True).any()), "")
    if blank:
        apart = bodies.filter(bodies.str.contains(blank, literal=True))
        if not apart.str.contains(rf"^\d{{1,3}}(?:{blank}\d{{3}})+(?:[.,]\d+)?$").all():
            return None
        bodies = bodies.str.replace_all(blank, "", literal=True)
    if bodies.str.contains(_PLAIN).all():
        return {"decimal": ".", "thousands": blank}
    as_decimal = bodies.str.contains(r"^(?:\d+,?\d*|,\d+)" + _EXPONENT + "$").all()
    if blank:
        return {"decimal": ",", "thousands": blank} if as_decimal else None
    for mark, pattern in _GROUPS.items():
        marked = bodies.filter(bodies.str.contains(mark, literal=True))
        grouped = len(marked) > 0 and marked.str.contains(pattern).all()
        rest = bodies.filter(~bodies.str.contains(mark, literal=True))
        small = rest.str.contains(r"^\d{1,3}(?:[.,]\d*)?$").all()
        leading_zero = marked.str.contains(r"^0").any()
        if grouped and small and not leading_zero and not (mark == "," and as_decimal and comma):
            pairs = mark == "," and marked.str.contains(r"^\d{1,2},\d{2},").any()
            if pairs and marked.str.contains(r"^\d{3},|\d,\d{3},").any():
                return None
            return {"decimal": "," if mark == "." else ".", "thousands": mark, "grouped": 2 if pairs else 3}
    return {"decimal": ",", "thousands": ""} if as_decimal else None


def _describe(plain: pl.Series) -> dict[str, Any] | None:
    """Kind and precision of numbers in plain notation; None where leading zeros or size would be lost."""
    bare = plain.str.strip_chars_start("+-")
    zeros = bare.str.contains(r"^0\d")
    if bare.str.contains(r"^\d+$").all():
        if plain.cast(pl.Int64, strict=False).null_count():
            return None
        lengths = bare.str.len_chars()
        width = int(lengths.filter(zeros).max() or 0)  # type: ignore[arg-type]
        if width and ((lengths.filter(zeros) != width).any() or (lengths < width).any()):
            return None
        return {"kind": "integer", "width": width}
    if zeros.any() or plain.cast(pl.Float64, strict=False).null_count():
        return None
    finite = bare.filter(bare.str.contains(r"^[\d.]"))
    exponents = finite.str.extract(r"([eE][+-]?\d+)$")
    mantissas = finite.str.replace(_EXPONENT + "$", "")
    places = mantissas.str.extract(r"\.(\d*)$").fill_null("")
    shown = int(places.str.len_chars().min() or 0)  # type: ignore[arg-type]
    used = int(places.str.strip_chars_end("0").str.len_chars().max() or 0)  # type: ignore[arg-type]
    digits = mantissas.str.replace(".", "", literal=True).str.strip_chars_start("0").str.len_chars()
    significant = min(max(int(digits.max() or 1), 1), 17)  # type: ignore[arg-type]
    if exponents.null_count() == len(exponents) and used <= 12:
        return {"kind": "decimal", "places": used, "shown": shown}
    usual = exponents.null_count() < len(exponents) / 2
    sample = exponents.drop_nulls()[0] if usual else ""
    return {"kind": "decimal", "digits": significant, "shown": shown, "scientific": sample}


def _fits(values: pl.Series, places: int) -> bool:
    """Whether every value, in units of its last place, is an integer that a float holds exactly."""
    largest = values.abs().max()
    return largest is None or float(largest) * 10.0**places < _SAFE  # type: ignore[arg-type]


def _fixed(column: Column) -> pl.Expr:
    """Absolute values with the column's places, by integer arithmetic: no digit can come out wrong."""
    places = column.places or 0
    scaled = (pl.col("value").abs() * 10**places).round().cast(pl.Int64)
    whole = _grouped((scaled // 10**places).cast(pl.String), column)
    if places == 0 and column.shown == 0:
        return whole
    fraction = (scaled % 10**places).cast(pl.String).str.zfill(places) if places else pl.lit("")
    if places > column.shown:
        kept = fraction.str.slice(column.shown).str.strip_chars_end("0")
        fraction = pl.concat_str(fraction.str.slice(0, column.shown), kept)
    elif places < column.shown:
        fraction = pl.concat_str(fraction, pl.lit("0" * (column.shown - places)))
    mark = pl.when(fraction.str.len_chars() > 0).then(pl.lit(column.decimal)).otherwise(pl.lit(""))
    return pl.concat_str(whole, mark, fraction)


def _grouped(digits: pl.Expr, column: Column) -> pl.Expr:
    mark = column.thousands
    if not mark:
        return digits
    last, others = digits.str.tail(3), digits.str.head(-3).str.reverse()
    others = others.str.replace_all(rf"(\d{{{column.grouped}}})", "${1}" + mark).str.reverse().str.strip_prefix(mark)
    return pl.when(others == "").then(last).otherwise(pl.concat_str(others, pl.lit(mark), last))


def _free(column: Column, values: pl.Series) -> pl.Series:
    """Absolute values with limited significant digits, or more places than integers can carry."""
    return pl.Series([None if value is None else _write(column, value) for value in values.to_list()], dtype=pl.String)


def _write(column: Column, value: float) -> str:
    if value == float("inf"):
        return "inf"
    if column.places is not None:
        text = f"{value:.{max(column.places, column.shown)}f}"
        return _trimmed(text, column.shown)
    if column.scientific:
        mantissa, exponent = f"{value:.{max(column.digits - 1, column.shown)}e}".split("e")
        shape = column.scientific
        sign = exponent[0] if exponent[0] == "-" else "+" if "+" in shape or "-" in shape else ""
        digits = exponent[1:].lstrip("0").rjust(2 if len(shape.lstrip("eE+-")) > 1 else 1, "0")
        return _trimmed(mantissa, column.shown) + shape[0] + sign + digits
    text = repr(float(f"{value:.{column.digits - 1}e}"))
    return text.removesuffix(".0") if column.shown == 0 else text


def _trimmed(text: str, shown: int) -> str:
    """Without the zeros that end the fraction beyond `shown` places."""
    whole, mark, fraction = text.partition(".")
    fraction = fraction[:shown] + fraction[shown:].rstrip("0")
    return whole + mark + fraction if fraction else whole
