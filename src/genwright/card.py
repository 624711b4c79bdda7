"""card.md: what a run is, in a page that a person reads before using its samples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genwright.data.image_files import counted

_FLOOR_OF_COSTS = "The floor of nats, perplexity and bits per byte is what held-out texts cost an n-gram model."

if TYPE_CHECKING:
    from genwright.run import Run


def text(run: Run) -> str:
    """The card as Markdown: data, model, metrics beside floor and copycat, privacy, versions, seed, hash of weights."""
    facts = run.facts()
    data, outcome, settings = facts["data"], facts.get("outcome", {}), facts["settings"]
    test = settings.get("test")
    held = f"judged by {Path(test).name}" if test else f"{data['holdout_rows']:,} held out"
    lines = [
        f"# Synthetic data generator: {data['name']}",
        "",
        f"- **Data**: {data['training_rows']:,} training {run.noun}, {held}, {_shape(data)};"
        f" SHA-256 {data['fingerprint'][:16]}",
        f"- **Model**: {facts['model']}, {outcome.get('parameters', 0):,} parameters"
        + (f", {outcome['steps']:,} steps" if "steps" in outcome else "")
        + (f", best at {outcome['best_step']:,}" if outcome.get("best_step") else "")
        + (f", {outcome['precision']}" if "precision" in outcome else ""),
        f"- **Made with**: seed {settings['seed']}, preset {settings['preset']}, "
        + ", ".join(f"{name} {value}" for name, value in facts["versions"].items()),
        f"- **Weights**: SHA-256 {facts['files']['weights.safetensors']}",
        _privacy(facts.get("privacy")),
        *([f"- **Left out**: {left_out}"] if (left_out := run.never_drawn()) else []),
        "- **Licence**: the samples follow the licence and the rules of the training data.",
    ]
    if outcome.get("cut"):
        lines.append("- **Note**: the time limit ended the training before its planned steps.")
    if outcome.get("rollbacks"):
        lines.append(
            f"- **Note**: the loss was not finite {outcome['rollbacks']} times; training fell back and went on."
        )
    path = run.folder / "report.json"
    if path.exists():
        metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"]
        lines += ["", "| metric | value | floor | copycat | better |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {name} | {_number(m['value'])} | {_number(m['floor'])} | {_number(m['copycat'])} | {m['better']} |"
            for name, m in metrics.items()
        ]
        lines += [
            "",
            "Floor: real held-out data scored the same way. Copycat: training data handed back as if synthetic.",
        ]
        lines += [_FLOOR_OF_COSTS] if "nats_per_character" in metrics else []
    lines += _files_left_out(data)
    return "\n".join(lines) + "\n"


def released(run: Run) -> str:
    """The card of a release: nothing that was read past the ledger."""
    facts = run.facts()
    outcome, files = facts["outcome"], facts["files"]
    versions = ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
    lines = [
        "# Synthetic data generator",
        "",
        f"- **Data**: {_shape(facts['data'])}",
        f"- **Model**: {facts['model']}, {outcome.get('parameters', 0):,} parameters",
        _privacy(facts["privacy"]),
        f"- **Made with**: {versions}",
        f"- **Weights**: SHA-256 {files['weights.safetensors']}",
        "- **Licence**: the samples follow the licence and the rules of the training data.",
    ]
    return "\n".join(lines) + "\n"


def _privacy(given: Mapping[str, Any] | None) -> str:
    if not given:
        return "- **Privacy**: no differential-privacy guarantee; see the distances and copies in report.html."
    return (
        f"- **Privacy**: epsilon {given['epsilon']:g} at delta {given['delta']:g} (spent {given['spent']:g}), unit: one "
        f"{given['unit']}, added or removed; every use of the data is in ledger.json. A report looks at real data and stands "
        "outside the guarantee, as do numbers of rows: `genwright export RUN --release` leaves both out."
    )


def _shape(data: Mapping[str, Any]) -> str:
    if "columns" in data:
        return f"{data['columns']} columns"
    if "form" in data and "bytes" not in data:
        return "texts"
    if "bytes" in data:
        conditions = f", conditions {', '.join(data['conditions'])}" if data["conditions"] else ""
        removed = sum(data["removed"].values())
        left_out = f", {removed:,} left out" if removed else ""
        return f"{data['bytes']:,} bytes{conditions}{left_out}"
    height, width, channels = data["shape"]
    left_out = f", {counted(_left_out(data), 'file')} left out" if data.get("skipped") else ""
    return f"{width} x {height} pixels in {counted(channels, 'channel')}, {len(data['classes'])} classes{left_out}"


def _left_out(data: Mapping[str, Any]) -> int:
    return data.get("left_out", len(data["skipped"]))  # older runs list all


def _files_left_out(data: Mapping[str, Any]) -> list[str]:
    """Bad files by name, with the reason."""
    skipped = data.get("skipped") or []
    if not skipped:
        return []
    lines = ["", "Files left out:", "", *(f"- {name}: {reason}" for name, reason in skipped)]
    more = _left_out(data) - len(skipped)
    return [*lines, f"- and {more:,} more"] if more else lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
