"""Score a synthetic table: every number beside its floor and its copycat, as plain data that JSON can hold.

The *floor* puts real hold-out rows in the place of the synthetic ones: what perfect rows would score. The *copycat* puts
the training rows themselves there: what leaking looks like. Layout of the result (format 1):

    {"format": 1, "effort", "seed", "target", "sizes": {"train", "holdout", "synthetic", "columns"},
     "metrics": {name: {"value", "floor", "copycat", "better", "unit", "interval"?, "notes"?, ...}},
     "columns": {name: {"kind", "missing_rate", "shape"?, "missing"?, "spikes"?, "utility"?, "histogram"?, "moments"?}},
     "pairs": {"measured", "total", "columns", "error", "floor", "relation", "worst"},
     "subgroups": {"measured", "least_rows", "worst": [{"column", "label", "rows", "value", "floor", "utility"?}]},
     "seconds": {stage: seconds}}

`better` is "lower", "higher", "nearer to .5" or "nearer to the floor"; a number that can not be had is None, and `notes`,
a list of {"code", ...}, says why. No language in here: `report/words.py` has the sentences. No real row either: see
`summaries.py`. Read on with the stages: `fidelity_scores.py`, `learned_scores.py`, `subgroups.py`, `privacy_scores.py`,
`attacks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from genwright.errors import GenwrightError, did_you_mean
from genwright.metrics.attacks import ATTACKS, attack_metrics
from genwright.metrics.clock import Clock
from genwright.metrics.effort import EFFORTS
from genwright.metrics.fidelity_scores import fidelity
from genwright.metrics.learned_scores import judge_metrics, utility_metrics
from genwright.metrics.privacy_scores import privacy_metrics
from genwright.metrics.shadows import Shadow
from genwright.metrics.subgroups import subgroup_metrics
from genwright.metrics.values import Scene
from genwright.metrics.view import Tables, view_tables

FORMAT = 1
ORDER = (
    "shape", "trend", "three_way", "missing", "spikes", "logistic_judge", "boosting_judge", "utility",
    "importance_agreement", "worst_subgroup",
    "nearer_to_train", "closest_distance", "closest_ratio", "exact_copies", "copied_identifiers", "copied_texts",
    *ATTACKS,
)  # fmt: skip
STAGES = ("reading", "fidelity", "judges", "utility", "subgroups", "privacy", "attacks")


def score(
    train: pl.DataFrame, holdout: pl.DataFrame | None, synthetic: pl.DataFrame, kinds: Mapping[str, str], *,
    target: str | None = None, effort: str = "full", seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None, shadows: Sequence[Shadow] = (),
) -> dict[str, Any]:  # fmt: skip
    """All metrics of a synthetic table against the training table, with floors from the hold-out, as the layout above.

    `kinds` names the kind of every column that counts (see `view.KINDS`); further columns are ignored. `holdout` may be
    None or empty: numbers that need it are then None. `target` names the column to be predicted; without one every column
    is. `effort`, "quick" or "full", bounds the rows read (see `effort.py`). `progress(done, total, stage)` is called before
    each stage and at the end. With `shadows`, membership is asked of them too. But for "seconds", the result depends on the
    tables and the seed alone.

    Errors: GW-0501 to GW-0506.
    """
    if effort not in EFFORTS:
        raise GenwrightError("GW-0506", f"There is no effort {effort!r}", did_you_mean(effort, EFFORTS))
    clock = Clock(STAGES, progress)
    clock.start("reading")
    tables = view_tables(train, holdout, synthetic, kinds)
    _check_target(target, tables)
    scene = Scene(tables, EFFORTS[effort], seed)
    clock.start("fidelity")
    metrics, columns, pairs = fidelity(scene)
    clock.start("judges")
    metrics |= judge_metrics(scene)
    clock.start("utility")
    found, predictions = utility_metrics(scene, target, columns)
    metrics |= found
    clock.start("subgroups")
    found, subgroups = subgroup_metrics(scene, predictions)
    metrics |= found
    clock.start("privacy")
    metrics |= privacy_metrics(scene)
    clock.start("attacks")
    metrics |= attack_metrics(scene, shadows)
    sizes = {name: tables.views[name].rows if name in tables.views else 0 for name in ("train", "holdout", "synthetic")}
    return {
        "format": FORMAT,
        "effort": effort,
        "seed": seed,
        "target": target,
        "sizes": {**sizes, "columns": len(kinds)},
        "metrics": {name: metrics[name] for name in ORDER if name in metrics},
        "columns": columns,
        "pairs": pairs,
        "subgroups": subgroups,
        "seconds": clock.stop(),
    }


def _check_target(target: str | None, tables: Tables) -> None:
    if target is not None and target not in tables.modelled:
        what = f"has the kind {tables.kinds[target]}, which" if target in tables.kinds else "is not in the table, so it"
        raise GenwrightError(
            "GW-0505",
            f"The target {target!r} {what} can not be predicted",
            f"Name a column that holds numbers or categories. {did_you_mean(target, tables.modelled)}",
        )
