"""Fourth stage of scoring: distances to the closest record, exact copies, copied identifiers and texts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from genwright.metrics.closest import Closeness, References, holdout_floor
from genwright.metrics.copies import copied_share, copied_values, row_hashes
from genwright.metrics.nearest import Encoded, encode
from genwright.metrics.values import NO_HOLDOUT, Metric, Scene, metric
from genwright.metrics.view import View

DISTANCE_STAGE = 6


def privacy_metrics(scene: Scene) -> dict[str, Metric]:
    """`nearer_to_train`, `closest_distance`, `closest_ratio`, `exact_copies`; `copied_identifiers` and `copied_texts`
    where the table has such columns."""
    return {**_distances(scene), **_copies(scene)}


def _distances(scene: Scene) -> dict[str, Metric]:
    tables = scene.tables
    if not tables.modelled:
        empty = [{"code": "no_columns"}]
        return {
            "nearer_to_train": metric(None, None, None, "nearer to .5", "share", notes=empty),
            "closest_distance": metric(None, None, None, "nearer to the floor", "distance", notes=empty),
            "closest_ratio": metric(None, None, None, "nearer to the floor", "ratio", notes=empty),
        }
    generator = scene.generator(DISTANCE_STAGE)
    coded, notes = _encoded(scene, generator)
    train, holdout = coded["train"], coded.get("holdout")
    asked = coded["synthetic"]
    references = References(train, holdout, generator)
    made = references.closeness(asked)
    # The copycat's and the floor's answers need less precision than the table's own: a quarter of its rows each.
    few = max(1_000, asked.rows // 4)
    copycat = references.closeness(train.take(generator.permutation(train.rows)[:few]))
    floor = holdout_floor(train, holdout, few, generator) if holdout is not None else None
    notes += [] if holdout is not None else [NO_HOLDOUT]
    return _three(made, floor, copycat, notes, {"rows": asked.rows})


def _three(
    made: Closeness, floor: Closeness | None, copycat: Closeness, notes: list[dict[str, Any]], more: dict[str, Any]
) -> dict[str, Metric]:
    def of(part: Closeness | None, name: str) -> float | None:
        return None if part is None else getattr(part, name)

    share = metric(
        made.nearer_to_train, of(floor, "nearer_to_train"), copycat.nearer_to_train, "nearer to .5", "share",
        interval=made.interval, notes=notes, equal_size=made.equal_size, **more,
    )  # fmt: skip
    rest = [note for note in notes if note != NO_HOLDOUT or floor is None]
    return {
        "nearer_to_train": share,
        "closest_distance": metric(
            made.distance,
            of(floor, "distance"),
            copycat.distance,
            "nearer to the floor",
            "distance",
            notes=rest,
            **more,
        ),
        "closest_ratio": metric(
            made.ratio, of(floor, "ratio"), copycat.ratio, "nearer to the floor", "ratio", notes=rest, **more
        ),
    }


def _encoded(scene: Scene, generator: np.random.Generator) -> tuple[dict[str, Encoded], list[dict[str, Any]]]:
    """The tables as distances read them, cut so that rows asked x rows compared x columns stays within the effort."""
    tables, names = scene.tables, list(scene.tables.modelled)
    work = scene.effort.distance_work / len(names)
    compared = tables.train.rows + (tables.holdout.rows if tables.holdout is not None else 0)
    # Asking fewer rows only widens the interval; cutting the compared rows hides copies, so it comes last.
    keep = min(1.0, work / 2_000 / compared)
    asked = int(max(2_000, work / max(1.0, compared * keep)))
    views: dict[str, View] = {
        name: scene.sample(view, asked if name == "synthetic" else math.ceil(view.rows * keep), generator)
        for name, view in tables.views.items()
    }
    gaps = [name for name in names if any(view.missing(name).any() for view in tables.views.values())]
    notes: list[dict[str, Any]] = []
    if views["synthetic"].rows < tables.synthetic.rows:
        notes.append({"code": "distance_rows", "rows": views["synthetic"].rows})
    if keep < 1:
        notes.append({"code": "distance_references", "rows": views["train"].rows})
    return {name: encode(view, tables.train, names, gaps) for name, view in views.items()}, notes


def _copies(scene: Scene) -> dict[str, Metric]:
    tables = scene.tables
    hashes = {name: row_hashes(tables, name) for name in tables.views}
    holdout = hashes.get("holdout")
    notes = [] if holdout is not None else [NO_HOLDOUT]
    metrics = {
        "exact_copies": metric(
            100 * copied_share(hashes["synthetic"], hashes["train"]),
            100 * copied_share(holdout, hashes["train"]) if holdout is not None else None,
            100.0, "lower", "%", notes=notes,
            of_holdout=100 * copied_share(hashes["synthetic"], holdout) if holdout is not None else None,
        )
    }  # fmt: skip
    for name, kind in (("copied_identifiers", "identifier"), ("copied_texts", "text")):
        columns = tables.of_kind((kind,))
        if columns:
            shares = {table: copied_values(tables, columns, table) for table in tables.views}
            made, floor, copycat = (
                None if shares.get(t) is None else 100 * (shares[t] or 0.0) for t in ("synthetic", "holdout", "train")
            )
            metrics[name] = metric(made, floor, copycat, "lower", "%", notes=notes, columns=len(columns))
    return metrics
