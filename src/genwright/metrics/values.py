"""The form of one metric in the result, and what a stage of scoring needs to know. `table.py` explains the layout."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from genwright.metrics.effort import Effort
from genwright.metrics.view import Tables, View

Metric = dict[str, Any]
Better = Literal["lower", "higher", "nearer to .5", "nearer to the floor"]


@dataclass(frozen=True)
class Scene:
    """What every stage gets: the tables, how much may be read, the seed."""

    tables: Tables
    effort: Effort
    seed: int

    def generator(self, stage: int) -> np.random.Generator:
        """Each stage draws from its own stream, so that leaving one out changes no other."""
        return np.random.default_rng([self.seed, stage])

    def sample(self, view: View, rows: float, generator: np.random.Generator) -> View:
        """At most `rows` rows (all of them: in their order)."""
        return view if view.rows <= rows else view.sample(max(1, int(rows)), generator)


def metric(
    value: float | None, floor: float | None, copycat: float | None, better: Better, unit: str, *,
    interval: tuple[float, float] | None = None, notes: Iterable[dict[str, Any]] = (), **more: Any,
) -> Metric:  # fmt: skip
    """One entry of "metrics"; keys without content are left out."""
    out: Metric = {
        "value": rounded(value), "floor": rounded(floor), "copycat": rounded(copycat), "better": better, "unit": unit,
    }  # fmt: skip
    if interval is not None:
        out["interval"] = [rounded(end) for end in interval]
    if found := list(notes):
        out["notes"] = found
    return {**out, **{key: rounded(v) if isinstance(v, float) else v for key, v in more.items()}}


def rounded(value: float | None) -> float | None:
    """Six digits behind the point; None for what is not a number."""
    return None if value is None or not math.isfinite(value) else round(float(value), 6)


def mean(values: Iterable[float]) -> float | None:
    """The mean; None of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else None


NO_HOLDOUT = {"code": "no_holdout"}
