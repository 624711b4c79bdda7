"""Drawings of the report as inline SVG: columns of three tables on one grid, and where a number lies on its scale.

Nothing depends on colour alone: training rows are pale blocks, hold-out rows are rings, synthetic rows are dark lines or
thin bars. Colours are CSS variables of the page, so that the drawings follow light, dark and print. `heat.py` has the maps.
"""

from __future__ import annotations

from html import escape
from typing import Any

WIDTH, HEIGHT = 300, 150
BASE = 128.0
TOP = 8.0
LEFT, RIGHT = 4.0, 296.0
LABEL_LENGTH = 17
LEAST_SPAN = {"%": 1.0, "AUC": 0.1, "R2": 0.1, "score": 0.1, "share": 0.1, "ratio": 0.1}


def column_figure(histogram: dict[str, Any], title: str) -> str:
    """One column's distribution; the layout is that of `metrics/summaries.py`. `title` is read by screen readers."""
    if not histogram["train"]:
        return ""
    if "labels" in histogram and not histogram.get("ordered"):
        return _bars(histogram, title)
    return _steps(histogram, title)


def _steps(histogram: dict[str, Any], title: str) -> str:
    """Blocks (training), rings (hold-out) and a stepped line (synthetic) over ordered bins."""
    bins = len(histogram["train"])
    tables = [histogram[name] for name in ("train", "holdout", "synthetic") if name in histogram]
    scale = (BASE - TOP) / max(0.001, max(max(shares) for shares in tables))
    wide = (RIGHT - LEFT) / bins
    gap = min(1.5, wide * 0.12)
    blocks, rings, line = [], [], [f"M{LEFT:.1f} {BASE:.1f}"]
    for index in range(bins):
        x = LEFT + index * wide
        height = histogram["train"][index] * scale
        blocks.append(f"M{x + gap / 2:.1f} {BASE:.1f}v{-height:.1f}h{wide - gap:.1f}v{height:.1f}z")
        if "holdout" in histogram:
            y = BASE - histogram["holdout"][index] * scale
            rings.append(f'<circle cx="{x + wide / 2:.1f}" cy="{y:.1f}" r="{min(2.6, wide * 0.34):.1f}"/>')
        top = BASE - histogram["synthetic"][index] * scale
        line.append(f"V{top:.1f}H{x + wide:.1f}")
    line.append(f"V{BASE:.1f}")
    return _svg(
        HEIGHT,
        title,
        f'<path class="t" d="{"".join(blocks)}"/><path class="axis" d="M{LEFT} {BASE}H{RIGHT}"/>'
        f'<path class="s" d="{"".join(line)}"/><g class="h">{"".join(rings)}</g>{_ticks(histogram, bins, wide)}',
    )


def _ticks(histogram: dict[str, Any], bins: int, wide: float) -> str:
    """Labels under the axis: of edges between bins, or of the bins themselves; as many as fit."""
    between = "edge_labels" in histogram
    labels = histogram["edge_labels"] if between else histogram["labels"]
    if not labels:
        return ""
    longest = max(len(label) for label in labels)
    every = max(1, -(-len(labels) * (longest * 6 + 10) // int(RIGHT - LEFT)))
    out = []
    for index in range(0, len(labels), every):
        x = LEFT + (index + (1 if between else 0.5)) * wide
        half = len(labels[index]) * 2.9
        x = min(max(x, LEFT + half), RIGHT - half)
        out.append(f'<text x="{x:.1f}" y="{BASE + 14}" text-anchor="middle">{escape(labels[index])}</text>')
    return "".join(out)


def _bars(histogram: dict[str, Any], title: str) -> str:
    """A block (training), a thin bar inside it (synthetic) and a ring (hold-out) for each label."""
    labels = histogram["labels"]
    row, left = min(24.0, max(14.0, (HEIGHT - 6) / len(labels))), 112.0
    block, bar = row * 0.76, row * 0.26
    tables = [histogram[name] for name in ("train", "holdout", "synthetic") if name in histogram]
    scale = (RIGHT - left - 4) / max(0.001, max(max(shares) for shares in tables))
    out = []
    for index, label in enumerate(labels):
        y = 4 + index * row
        middle = y + block / 2
        real, made = histogram["train"][index] * scale, histogram["synthetic"][index] * scale
        name = escape(shorten(label, LABEL_LENGTH))
        out.append(
            f'<text x="{left - 6}" y="{middle + 3.6:.1f}" text-anchor="end">{name}</text>'
            f'<path class="t" d="M{left} {y:.1f}h{real:.1f}v{block:.1f}h{-real:.1f}z"/>'
            f'<path class="b" d="M{left} {middle - bar / 2:.1f}h{made:.1f}v{bar:.1f}h{-made:.1f}z"/>'
        )
        if "holdout" in histogram:
            x = left + histogram["holdout"][index] * scale
            out.append(f'<circle class="h" cx="{x:.1f}" cy="{middle:.1f}" r="2.6"/>')
    height = 6 + len(labels) * row
    out.append(f'<path class="axis" d="M{left} 2V{height - 2:.1f}"/>')
    return _svg(height, title, "".join(out))


def _svg(height: float, title: str, content: str) -> str:
    return (
        f'<svg class="fig" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{content}</svg>"
    )


def shorten(text: str, length: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def gauge(metric: dict[str, Any]) -> str:
    """Where value (dot), interval (bar), floor (diamond), copycat (cross) and the best possible (dotted line) lie.

    The scale runs from the least to the largest of them, left to right, and never magnifies differences that do not
    matter; empty where there is no value. Screen readers skip it: the numbers are in the same line of the table.
    """
    if metric["value"] is None:
        return ""
    best = _best(metric)
    ends = metric.get("interval") or [metric["value"]]
    points = [p for p in (metric["value"], metric["floor"], metric["copycat"], best, *ends) if p is not None]
    low, high = min(points), max(points)
    spread = max(high - low, LEAST_SPAN.get(metric["unit"], 0.0)) or 1.0
    middle = (low + high) / 2

    def at(point: float) -> float:
        return 65 + 112 * (point - middle) / spread

    parts = ['<path class="axis" d="M5 12H125"/>']
    if best is not None:
        parts.append(f'<path class="best" d="M{at(best):.1f} 2V22"/>')
    if metric["copycat"] is not None:
        x = at(metric["copycat"])
        parts.append(f'<path class="cross" d="M{x - 4:.1f} 8l8 8m0 -8l-8 8"/>')
    if metric["floor"] is not None:
        x = at(metric["floor"])
        parts.append(f'<path class="diamond" d="M{x:.1f} 6l6 6l-6 6l-6 -6z"/>')
    if len(ends) == 2:
        parts.append(f'<path class="whisker" d="M{at(ends[0]):.1f} 12H{at(ends[1]):.1f}"/>')
    parts.append(f'<circle class="dot" cx="{at(metric["value"]):.1f}" cy="12" r="4"/>')
    return f'<svg class="gauge" viewBox="0 0 130 24" aria-hidden="true">{"".join(parts)}</svg>'


def _best(metric: dict[str, Any]) -> float | None:
    """The best value that can be had; None where that is the floor itself."""
    if metric["better"] == "lower":
        return 0.0
    if metric["better"] == "nearer to .5":
        return 0.5
    return 1.0 if metric["better"] == "higher" and metric["unit"] in ("score", "ratio") else None
