"""Loss curves as inline SVG: one small chart for each term of the log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, MARGIN = 300, 120, 34
POINTS = 150  # at most; more are averaged
LEFT_OUT = ("step", "time", "rate")


def loss_curves(log: Sequence[Mapping[str, float]]) -> str:
    """The charts side by side; empty without a log."""
    names = [name for name in dict.fromkeys(key for row in log for key in row) if name not in LEFT_OUT]
    charts = []
    for name in names:
        points = [(row["step"], row[name]) for row in log if name in row and math.isfinite(row[name])]
        if len(points) > 1:
            charts.append(_chart(name, _thinned(points)))
    return f'<div class="maps">{"".join(charts)}</div>' if charts else ""


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    size = -(-len(points) // POINTS)
    parts = [points[at : at + size] for at in range(0, len(points), size)]
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]


def _chart(name: str, points: list[tuple[float, float]]) -> str:
    """Steps to the right, the loss upwards from its least to its largest value."""
    low, high = min(y for _, y in points), max(y for _, y in points)
    last = points[-1][0]
    span = (high - low) or 1.0
    line = " ".join(
        f"{MARGIN + x / last * (WIDTH - MARGIN - 6):.1f},{6 + (high - y) / span * (HEIGHT - 26):.1f}" for x, y in points
    )
    labels = (
        f'<text x="{MARGIN - 4}" y="12" text-anchor="end">{high:.3g}</text>'
        f'<text x="{MARGIN - 4}" y="{HEIGHT - 20}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{WIDTH - 6}" y="{HEIGHT - 4}" text-anchor="end">{last:,.0f}</text>'
    )
    return (
        f"<figure><figcaption>{escape(name)}</figcaption>"
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(name)}: {points[0][1]:.4g} to {points[-1][1]:.4g}">'
        f'<polyline points="{line}"/>{labels}</svg></figure>'
    )
