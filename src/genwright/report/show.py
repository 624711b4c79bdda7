"""`Report`: scores in the hand. Prints itself in a terminal, shows itself in a notebook, gives any number by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from genwright.errors import GenwrightError, did_you_mean
from genwright.report.build import build_report, write_report
from genwright.report.grades import show_metric
from genwright.report.images import build_image_report, write_image_report
from genwright.report.texts import build_text_report, write_text_report
from genwright.report.verdict import grade, verdict
from genwright.report.words import LANGUAGES, Words, say, say_of

SIGNS = {"good": "●", "fair": "◐", "poor": "○", "unknown": "–", "ungraded": "·"}


class Report(Mapping[str, dict[str, Any]]):
    """What `score`, `score_images` or `score_texts` of `metrics` found, and how the rows, pictures or texts were made.

    report["shape"]["value"], ["floor"], ["copycat"]; `report.scores` has everything (layout: `metrics/table.py`).
    """

    def __init__(self, scores: dict[str, Any], facts: dict[str, Any] | None = None) -> None:
        self.scores = scores
        self.facts = facts or {}
        self.kind: str | None = scores.get("kind")

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """From a report.json or the folder that holds one. GW-0507 if there is none, or it is of another format."""
        path = Path(path)
        path = path / "report.json" if path.is_dir() else path
        try:
            scores = json.loads(path.read_text(encoding="utf-8"))
            assert scores["format"] == 1
        except (OSError, ValueError, KeyError, TypeError, AssertionError):
            what = f"{str(path)!r} is not a report that can be read"
            raise GenwrightError("GW-0507", what, "Make it again with `genwright report`.") from None
        return cls(scores, scores.pop("facts", {}))

    def __getitem__(self, name: str) -> dict[str, Any]:
        """One metric: {"value", "floor", "copycat", "better", "unit", ...}."""
        if name not in self.scores["metrics"]:
            raise KeyError(f"no metric {name!r}; {did_you_mean(name, self.scores['metrics'])}")
        return self.scores["metrics"][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scores["metrics"])

    def __len__(self) -> int:
        return len(self.scores["metrics"])

    def to_html(self, language: str = "auto") -> str:
        """The whole page. Of pictures and texts: the numbers, as the report keeps no samples; the run's own page has them."""
        if self.kind == "images":
            return build_image_report(self.scores, self.facts, language=language)
        if self.kind == "texts":
            return build_text_report(self.scores, self.facts, language=language)
        return build_report(self.scores, self.facts, language=language)

    def write(self, folder: str | Path, language: str = "auto") -> Path:
        """Write report.json and report.html, which is `to_html()`; returns the path of the page."""
        if self.kind == "images":
            return write_image_report(folder, self.scores, self.facts, language=language)
        if self.kind == "texts":
            return write_text_report(folder, self.scores, self.facts, language=language)
        return write_report(folder, self.scores, self.facts, language=language)

    def text(self, language: str = "en") -> str:
        """A table for terminals, the verdict below it."""
        speak = _speaker(language)
        head = tuple(speak(say(key)) for key in ("metric", "value", "floor", "copycat"))
        rows = [head, *(self._row(name, speak) for name in self)]
        wide = [max(_width(row[place]) for row in rows) for place in range(4)]
        marks = ["", *(f"  {sign} {speak(say(found))}" for sign, found in self._signs())]
        lines = [_line(row, wide) + mark for row, mark in zip(rows, marks, strict=True)]
        lines.insert(1, "-" * (sum(wide) + 6))
        words = [f"{SIGNS[j.grade]} {speak(say(f'{j.topic}.title'))}: {speak(j.words)}" for j in verdict(self.scores)]
        return "\n".join([*lines, "", *words])

    def _row(self, name: str, speak: Any) -> tuple[str, ...]:
        metric = self[name]
        return (
            speak(say_of(self.kind, f"{name}.name")),
            *(show_metric(metric, key) for key in ("value", "floor", "copycat")),
        )

    def _signs(self) -> Iterator[tuple[str, str]]:
        for name in self:
            found = grade(name, self[name], self.kind)
            yield SIGNS[found], found

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {show_metric(self[name], 'value')}" for name in self)
        return f"<genwright.Report: {shown}>"

    def _repr_html_(self) -> str:
        cells = ("value", "floor", "copycat")
        head = f'<th style="text-align:left">{say("metric").en}</th>'
        head += "".join(f'<th style="text-align:right">{say(key).en}</th>' for key in cells)
        body = "".join(
            f'<tr><th style="text-align:left">{escape(say_of(self.kind, f"{name}.name").en)}</th>'
            + "".join(f'<td style="text-align:right">{show_metric(self[name], key)}</td>' for key in cells)
            + f'<td style="text-align:left">{sign} {say(found).en}</td>'
            + f'<td style="text-align:left">{escape(say_of(self.kind, f"{name}.meaning").en)}</td></tr>'
            for name, (sign, found) in zip(self, self._signs(), strict=True)
        )
        words = "".join(f"<p>{SIGNS[j.grade]} {escape(j.words.en)}</p>" for j in verdict(self.scores))
        return f"{words}<table><thead><tr>{head}<th></th><th></th></tr></thead><tbody>{body}</tbody></table>"


def _speaker(language: str) -> Any:
    place = LANGUAGES.index(language) if language in LANGUAGES else 0

    def speak(words: Words) -> str:
        return words[place]

    return speak


def _width(text: str) -> int:
    """Columns in a terminal: Chinese characters take two."""
    return sum(2 if "\u2e80" <= letter <= "\uffef" else 1 for letter in text)


def _pad(text: str, width: int, right: bool = False) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _line(cells: tuple[str, ...], wide: list[int]) -> str:
    numbers = (_pad(cell, width, right=True) for cell, width in zip(cells[1:], wide[1:], strict=True))
    return "  ".join([_pad(cells[0], wide[0]), *numbers])
