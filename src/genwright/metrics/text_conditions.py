"""Whether generated texts are what they were asked to be, as classifiers of real texts see it: one for each condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genwright.metrics.image_diversity import uniformity
from genwright.metrics.text_distance import Weighted
from genwright.metrics.text_sets import Compared
from genwright.metrics.values import Better, Metric, mean, metric, rounded

ENDS = ("value", "floor", "copycat")
Parts = dict[str, list[float | None]]
"""Condition -> value, floor and copycat."""


def conditions_kept(sets: Compared, conditions: Mapping[str, Sequence[str]], weighted: Weighted) -> dict[str, Metric]:
    """How evenly the values of conditions come, and how often a text is what it was asked to be: the mean over the conditions,
    and each in "parts". A condition with fewer than two values among the training texts is passed over."""
    known = sets.known.labels
    if known is None or not conditions:
        return {}
    rows = weighted(sets.known.texts)
    judged = [None if part is None else (weighted(part.texts), part.labels) for part in sets.sets]
    even: Parts = {}
    kept: Parts = {}
    for place, (name, words) in enumerate(conditions.items()):
        if len(np.unique(known[known[:, place] >= 0, place])) < 2:
            continue
        model = _classifier(rows, known[:, place])
        even[name], kept[name] = [], []
        for part in judged:
            said = None if part is None else model.predict(part[0])
            even[name].append(None if said is None else uniformity(np.bincount(said, minlength=len(words))))
            asked = None if part is None or part[1] is None else part[1][:, place]
            kept[name].append(_agreement(said, asked))
    found = {"condition_balance": _metric(even, "nearer to the floor", sets)} if even else {}
    kept = {name: ends for name, ends in kept.items() if ends[0] is not None}
    return found | ({"conditions_kept": _metric(kept, "higher", sets)} if kept else {})


def _classifier(rows: Any, labels: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    labelled = np.flatnonzero(labels >= 0)
    return LogisticRegression(max_iter=200).fit(rows[labelled], labels[labelled])


def _agreement(said: np.ndarray | None, asked: np.ndarray | None) -> float | None:
    """The share of texts that are what they were asked to be; None where nothing was asked."""
    if said is None or asked is None or not (asked >= 0).any():
        return None
    return float((said == asked)[asked >= 0].mean())


def _metric(parts: Parts, better: Better, sets: Compared) -> Metric:
    means = [mean([end for end in ends if end is not None]) for ends in zip(*parts.values(), strict=True)]
    each = "; ".join(f"{name} {_shown(ends[0])} ({_shown(ends[1])})" for name, ends in parts.items())
    notes = [{"code": "by_condition", "each": each}] if len(parts) > 1 else []
    found = {name: dict(zip(ENDS, map(rounded, ends), strict=True)) for name, ends in parts.items()}
    value, floor, copycat = means
    return metric(value, floor, copycat, better, "share", notes=[*notes, *sets.notes], n=sets.n, parts=found)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
