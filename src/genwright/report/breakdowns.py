"""What the report breaks down beside its figures: pairs of columns, skills, importances, subgroups. `build.py` calls it.

The layout of the scores is that of `metrics/table.py`.
"""

from __future__ import annotations

from typing import Any

from genwright.report import heat
from genwright.report.grades import show
from genwright.report.words import say

LISTED = 10


def pairs(scores: dict[str, Any]) -> dict[str, Any] | None:
    """The four maps and their numbers; None where there is no pair."""
    found = scores["pairs"]
    if not found["measured"]:
        return None
    names = found["columns"]
    errors = [
        v for matrix in (found["error"], found["floor"]) if matrix for row in matrix for v in row if v is not None
    ]
    top = max(errors, default=0.0)
    top = max(1.0, top)
    maps = [("relation_train", found["relation"]["train"]), ("relation_synthetic", found["relation"]["synthetic"])]
    drawn = [
        (key, heat.heat_map(names, matrix, 1.0, " / ".join(say(key)), ""), say("scale_relation"))
        for key, matrix in maps
    ]
    for key, matrix in (("error_synthetic", found["error"]), ("error_floor", found["floor"])):
        if matrix:
            drawn.append(
                (key, heat.heat_map(names, matrix, top, " / ".join(say(key)), " %"), say("scale_error", top=show(top)))
            )
    rows = [
        {
            "columns": (names[i], names[j]),
            "error": found["error"][i][j],
            "floor": found["floor"][i][j] if found["floor"] else None,
            "relation": {table: matrix[i][j] for table, matrix in found["relation"].items()},
        }
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if found["error"][i][j] is not None
    ]
    return {
        "maps": drawn,
        "rows": rows,
        "worst": found["worst"][:LISTED],
        "shown": len(names),
        "total": sum("histogram" in column for column in scores["columns"].values()),
    }


def skills(scores: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """How well each column is predicted, where no target was named."""
    return [(name, column["utility"]) for name, column in scores["columns"].items() if "utility" in column]


def importances(scores: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The columns that matter most to either model."""
    columns = scores["metrics"].get("importance_agreement", {}).get("columns", {})
    return sorted(columns.items(), key=lambda entry: -max(entry[1].values()))[:LISTED]


def subgroups(scores: dict[str, Any]) -> dict[str, Any] | None:
    """The subgroups served worst; None in reports of older versions."""
    found = scores.get("subgroups")
    if found is None:
        return None
    listed = found["worst"][:LISTED]
    words = "subgroups_intro" if listed else "no_subgroups_text"
    intro = say(words, measured=f"{found['measured']:,}", least=found["least_rows"])
    return {"intro": intro, "listed": listed, "has_utility": any("utility" in group for group in listed)}
