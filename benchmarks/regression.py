"""Whether Genwright's rows of a bench have fallen behind those that were checked in, by more than noise. Used by `peers.py`
and `tables.py`.

A mean over seeds counts as worse when it moved the wrong way by more than `FLOORS` plus twice the standard error of the
difference, which the spread over the seeds tells; with one seed there is only the floor. The floors are a little more than
runs of one setting have differed by (EXPERIMENTS.md). Speed and memory depend on the machine: they are compared on one of the
same kind only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, variance
from typing import Any

OURS = "genwright"


@dataclass(frozen=True)
class Noise:
    """How a figure may differ from run to run."""

    better: str
    """"lower", "higher", or "nearer to .5"."""
    floor: float
    """In the figure's unit, or as a share of what was checked in."""
    share: bool = False
    machine: bool = False
    """Whether it depends on the machine."""


FLOORS = {
    "shape": Noise("lower", 0.15),
    "trend": Noise("lower", 0.25),
    "boosting_judge": Noise("nearer to .5", 0.015),
    "utility": Noise("higher", 0.008),
    "nearer_to_train": Noise("nearer to .5", 0.012),
    "rows_per_second": Noise("higher", 0.5, share=True, machine=True),
    "seconds": Noise("lower", 0.35, share=True, machine=True),
    "memory_mb": Noise("lower", 0.25, share=True, machine=True),
}


def regressions(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """A sentence for each figure that is worse beyond noise, and for each training that failed.

    Both are tables as the benches write them: {"machine", "results": [{"table", "peer", "seed", name: number}]}. A table
    that only one of them has is not compared.
    """
    found = []
    same = (
        new["machine"]["processor"] == old["machine"]["processor"]
        and new["machine"]["cores"] == old["machine"]["cores"]
    )
    for table in sorted({row["table"] for row in new["results"]} & {row["table"] for row in old["results"]}):
        failed = [row["failed"] for row in new["results"] if _is_ours(row, table) and "failed" in row]
        found += [f"{table}: {reason}" for reason in failed]
        for name, noise in FLOORS.items():
            after, before = (_losses(results["results"], table, name, noise) for results in (new, old))
            if not after or not before or (noise.machine and not same):
                continue
            moved = fmean(after) - fmean(before)
            floor = noise.floor * abs(fmean(before)) if noise.share else noise.floor
            allowed = floor + 2 * (_squared_error(after) + _squared_error(before)) ** 0.5
            if moved > allowed:
                found.append(f"{table}: {name} is worse by {moved:.4g}, of which {allowed:.4g} would be noise")
    return found


def keep(found: dict[str, Any], kept: Path) -> int:
    """Puts the table among the results, unless it has fallen behind the one that is there or lacks some of it; exit code."""
    before = json.loads(kept.read_text()) if kept.exists() else {"machine": found["machine"], "results": []}
    worse = regressions(found, before)
    for sentence in worse:
        print(f"Behind {kept.name}: {sentence}")
    if places(before) <= places(found):
        if not worse:
            kept.write_text(json.dumps(found, indent=1) + "\n")
    else:
        print(f"{kept.name} has more tables, generators or seeds, and is left as it is")
    return 1 if worse else 0


def places(found: dict[str, Any]) -> set[tuple[str, str, int]]:
    """What was measured: table, generator, seed."""
    return {(row["table"], row["peer"], row["seed"]) for row in found["results"]}


def _losses(rows: list[dict[str, Any]], table: str, name: str, noise: Noise) -> list[float]:
    """Our figure of each seed, turned so that less is better."""
    values = [row[name] for row in rows if _is_ours(row, table) and row.get(name) is not None]
    turned = {"lower": lambda x: x, "higher": lambda x: -x, "nearer to .5": lambda x: abs(x - 0.5)}[noise.better]
    return [turned(value) for value in values]


def _is_ours(row: dict[str, Any], table: str) -> bool:
    return row["table"] == table and row["peer"] == OURS


def _squared_error(values: list[float]) -> float:
    """The squared standard error of their mean; 0 where one value tells none."""
    return variance(values) / len(values) if len(values) > 1 else 0.0
