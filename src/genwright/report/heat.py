"""Maps of all pairs of columns as inline SVG: squares whose side says how much, readable without any colour.

A square's area grows with the number. A negative relation has a pale bar across its square. Each cell carries its numbers
as a tooltip; the page repeats them as a table.
"""

from __future__ import annotations

import math
from html import escape

from genwright.report.figures import shorten

SIDE = 460.0
LABEL = 96.0
LABEL_LENGTH = 16

Matrix = list[list[float | None]]


def heat_map(columns: list[str], matrix: Matrix, top: float, title: str, unit: str) -> str:
    """A square map; `top` is the number that fills a cell. Cells without a number stay empty, the diagonal too."""
    size = (SIDE - LABEL) / max(1, len(columns))
    font = min(11.0, max(4.5, size * 0.8))
    fits = int((LABEL - 6) / (font * 0.56))
    parts = [_grid(len(columns), size)]
    for index, name in enumerate(columns):
        middle = LABEL + (index + 0.5) * size + font * 0.35  # the baseline of a line of text centred on the row
        text = escape(shorten(name, min(LABEL_LENGTH + 4, fits)))
        parts.append(f'<text font-size="{font:.1f}" x="{LABEL - 5}" y="{middle:.1f}" text-anchor="end">{text}</text>')
        turned = f'transform="translate({middle:.1f} {LABEL - 5}) rotate(-90)"'
        parts.append(f'<text font-size="{font:.1f}" {turned}>{text}</text>')
    for row, values in enumerate(matrix):
        for column, value in enumerate(values):
            if value is not None and row != column:
                label = f"{columns[row]} × {columns[column]}: {value:g}{unit}" if row > column else ""
                parts.append(_cell(row, column, size, value / top if top else 0.0, label))
    return (
        f'<svg class="heat" viewBox="0 0 {SIDE:.0f} {SIDE:.0f}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


def _grid(count: int, size: float) -> str:
    end = LABEL + count * size
    lines = [
        f"M{LABEL} {LABEL + i * size:.1f}H{end:.1f}M{LABEL + i * size:.1f} {LABEL}V{end:.1f}" for i in range(count + 1)
    ]
    return f'<path class="grid" d="{"".join(lines)}"/>'


def _cell(row: int, column: int, size: float, share: float, label: str) -> str:
    """A square of area `share` of the cell, at least a dot where the number is not zero."""
    side = (size - 1) * math.sqrt(min(1.0, abs(share)))
    if side < 0.4:
        return ""
    x, y = LABEL + (column + 0.5) * size - side / 2, LABEL + (row + 0.5) * size - side / 2
    tip = f"<title>{escape(label)}</title>" if label else ""
    kind = "minus" if share < 0 else "plus"
    square = f'<path class="{kind}" d="M{x:.1f} {y:.1f}h{side:.1f}v{side:.1f}h{-side:.1f}z">{tip}</path>'
    if share >= 0:
        return square
    start, length = x + side * 0.22, side * 0.56
    bar = f'<path class="bar" d="M{start:.1f} {y + side / 2:.1f}h{length:.1f}" stroke-width="{side * 0.2:.1f}"/>'
    return square + bar
