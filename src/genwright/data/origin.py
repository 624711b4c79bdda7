"""What a table was before it was read: format, dialect, dtypes; enough to write another one just like it.

`sources.py` fills it in, `writers.py` follows it. It holds no value of the table but the category lists that a pandas
or polars categorical dtype declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from genwright.errors import GenwrightError


@dataclass(frozen=True)
class Origin:
    """The form of a table. Text settings hold for format "csv", `frame` and `dtypes` for format "frame"."""

    format: str
    """"csv" (any delimited text), "parquet", "jsonl" or "frame"."""
    suffix: str = ""
    """The file's, without .gz."""
    frame: str = ""
    """Which library the frame came from: "pandas", "polars" or "pyarrow"."""
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    newline: str = "\n"
    header: bool = True
    quoted: tuple[str, ...] = ()
    """Columns whose cells are quoted even where nothing asks for it."""
    quoted_header: bool = False
    names: Mapping[str, Any] = field(default_factory=dict)
    """Column -> its name in the user's table, where that differs (duplicates, empty names, pandas' integer labels)."""
    dtypes: Mapping[str, str] = field(default_factory=dict)
    """Column -> dtype as the frame's own library calls it, for pandas."""
    categories: Mapping[str, Any] = field(default_factory=dict)
    """Column -> {"values": [...], "ordered": bool}, for pandas categoricals."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"quoted": list(self.quoted)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Origin:
        """Back from `to_json`; GW-0304 when the values are not an origin's."""
        known = {item.name for item in fields(cls)}
        if not isinstance(data, Mapping) or "format" not in data or not set(data) <= known:
            raise GenwrightError("GW-0304", "The description of where the table came from is damaged", "Train again")
        return cls(**{**data, "quoted": tuple(data.get("quoted", ()))})

    def user_name(self, column: str) -> Any:
        """The name that the column has in the user's table."""
        return self.names.get(column, column)


def distinct_names(names: list[Any]) -> tuple[list[str], dict[str, Any]]:
    """Usable names (text, not empty, all different, no patterns of polars) and what those that had to change were."""
    result: list[str] = []
    taken = {name for name in names if isinstance(name, str) and name}
    seen: set[str] = set()
    for position, name in enumerate(names, start=1):
        plain = name if isinstance(name, str) and name else f"column_{position}" if name in ("", None) else str(name)
        if plain == "*" or plain[0] + plain[-1] == "^$":  # polars would take it for all columns, or those that match
            plain = f"column_{position}"
        fresh, copy = plain, 1
        while fresh in seen or (fresh != name and fresh in taken):
            copy += 1
            fresh = f"{plain}_{copy}"
        seen.add(fresh)
        result.append(fresh)
    return result, {new: old for new, old in zip(result, names, strict=True) if new != old}
