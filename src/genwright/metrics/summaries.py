"""What the report draws of each column: histograms of the three tables on one grid, with nothing of a single row in them.

Edges are round numbers inside the 0.5 % and 99.5 % quantiles of the training table and the outer bins are open, so no
extreme value shows. A value or label is named only if at least 3 training rows have it. Shares are rounded.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.view import SECONDS_PER_DAY, Tables

NAMED_ROWS = 3
BARS = 8
BINS = 24
FEW_VALUES = 24
OTHER = "(other)"
NEW = "(new)"
Floats = NDArray[np.float64]


def histogram(tables: Tables, name: str) -> dict[str, Any]:
    """Shares of the present values: {"labels"} for categories and few-valued numbers, {"edges"} for other numbers.

    `edges` has one entry less than there are bins: the first bin is everything below the first edge, the last one
    everything from the last edge on. Dates have `edge_labels` in ISO form beside the edges.
    """
    if name in tables.train.codes:
        return _labels(tables, name)
    values = {table: _present(view.numbers[name]) for table, view in tables.views.items()}
    unique, count = np.unique(values["train"], return_counts=True)
    if 0 < len(unique) <= FEW_VALUES and tables.kinds[name] in ("integer", "decimal"):
        return _values(values, unique[count >= NAMED_ROWS])
    kind = tables.kinds[name]
    edges = nice_edges(values["train"], kind)
    shares = {table: _shares(np.searchsorted(edges, v, side="right"), len(edges) + 1) for table, v in values.items()}
    return {"edges": edges.tolist(), "edge_labels": [edge_label(edge, kind) for edge in edges.tolist()], **shares}


def _present(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _shares(codes: NDArray[np.intp], size: int) -> list[float]:
    count = np.bincount(codes, minlength=size)
    return [round(float(share), 5) for share in count / max(1, count.sum())]


def _values(values: dict[str, Floats], named: Floats) -> dict[str, Any]:
    """A number with few values: one bar for each value, in order."""
    out: dict[str, Any] = {"labels": [*(f"{value:g}" for value in named.tolist()), OTHER], "ordered": True}
    for table, present in values.items():
        at = np.minimum(np.searchsorted(named, present), max(0, len(named) - 1))
        known = named[at] == present if len(named) else np.zeros(len(present), dtype=bool)
        out[table] = _shares(np.where(known, at, len(named)), len(named) + 1)
    return _without_empty_tail(out)


def _labels(tables: Tables, name: str) -> dict[str, Any]:
    """Commonest labels first; rare ones as "(other)", labels that the training table does not have as "(new)"."""
    codes = {table: view.codes[name][view.codes[name] >= 0] for table, view in tables.views.items()}
    seen = np.bincount(codes["train"], minlength=len(tables.labels[name]))
    named = min(BARS, int((seen >= NAMED_ROWS).sum()))  # codes are ordered by how often they occur in training
    out: dict[str, Any] = {"labels": [*tables.labels[name][:named], OTHER, NEW], "ordered": False}
    for table, present in codes.items():
        place = np.where(seen[present] == 0, named + 1, np.minimum(present, named))
        out[table] = _shares(place, named + 2)
    return _without_empty_tail(out)


def _without_empty_tail(out: dict[str, Any]) -> dict[str, Any]:
    """Leave out "(other)" and "(new)" where no table has any."""
    tables = [table for table in ("train", "holdout", "synthetic") if table in out]
    keep = [
        index
        for index, label in enumerate(out["labels"])
        if label not in (OTHER, NEW) or index < len(out["labels"]) - 2 or any(out[table][index] > 0 for table in tables)
    ]
    for key in ("labels", *tables):
        out[key] = [out[key][index] for index in keep]
    return out


def nice_edges(values: Floats, kind: str) -> Floats:
    """Round edges, about BINS of them, inside the middle 99 % of the values; at least one edge unless there are none."""
    if values.size == 0:
        return np.empty(0)
    low, high = np.quantile(values, [0.005, 0.995])
    unit = SECONDS_PER_DAY if kind == "datetime" and high - low > 3 * SECONDS_PER_DAY else 1.0
    step = nice_step((high - low) / BINS / unit) * unit
    if kind in ("integer", "date"):
        step = max(1.0, round(step))
    first, last = math.ceil(low / step), math.floor(high / step)
    edges = np.round(np.arange(first, max(first, last) + 1) * step, 12)
    # An edge with nothing below it would only draw an empty bin.
    return edges[1:] if len(edges) > 1 and values.min() >= edges[0] else edges


def nice_step(step: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten, at least as large as `step`."""
    if not step > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * (1 - 1e-9)) * power


def edge_label(edge: float, kind: str) -> str:
    """An edge as the user writes it: ISO dates, thousands separated, no trailing zeros."""
    if kind in ("date", "datetime"):
        try:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                seconds=edge * (SECONDS_PER_DAY if kind == "date" else 1)
            )
        except OverflowError:
            return f"{edge:g}"
        whole_day = edge % SECONDS_PER_DAY == 0 or kind == "date"
        return moment.strftime("%Y-%m-%d" if whole_day else "%Y-%m-%d %H:%M")
    return f"{edge:,.0f}" if edge == round(edge) and abs(edge) < 1e15 else f"{edge:.6g}"


def moments(tables: Tables, name: str) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of a number column in each table, to 4 digits; tables of fewer than 3 values give none."""
    out = {}
    for table, view in tables.views.items():
        present = _present(view.numbers[name])
        if present.size >= NAMED_ROWS:
            out[table] = {"mean": float(f"{present.mean():.4g}"), "deviation": float(f"{present.std():.4g}")}
    return out
