"""Grades and the verdict: what the numbers mean for somebody who has to decide, always against floor and copycat.

A grade is "good", "fair", "poor", or "unknown" where a number is lacking (never "good" by accident). The limits are ours
and are stated at each rule; they compare with the floor, and with the copycat for privacy. `build.py` puts them on the page.
"""

from __future__ import annotations

from typing import Any

from genwright.report.attacks import ATTACKS, attack_warning, grade_attack
from genwright.report.grades import UNITS, Judgement, at_most, glue, show, show_metric, worst
from genwright.report.verdict_images import grade_image, verdict_images
from genwright.report.verdict_texts import grade_text, verdict_texts
from genwright.report.words import join, say
from genwright.report.words_images import IMAGES

NOISE = {
    "shape": 0.5, "trend": 1.0, "three_way": 2.0, "worst_subgroup": 2.0, "missing": 0.5, "spikes": 0.5, "exact_copies": 0.1,
    "copied_identifiers": 0.1, "copied_texts": 0.1,
}  # fmt: skip
"""Errors in percent below which nobody cares: a floor is read as at least this much."""


def grade(name: str, metric: dict[str, Any], kind: str | None = None) -> str:
    """How one metric of `scores["metrics"]` does; `kind` is `scores["kind"]`, which tables have not."""
    if kind == "texts":
        return grade_text(name, metric)
    value, floor = metric["value"], metric["floor"]
    if value is None:
        return "unknown"
    if f"{name}.name" in IMAGES:
        return grade_image(name, metric)
    if name == "utility":
        return _kept(_share_of_skill(metric))
    if name == "logistic_judge":  # at most .03 / .10 below the best
        return at_most((floor if floor is not None else 1.0) - value, 0.03, 0.10)
    if name == "boosting_judge":  # within .05 / .15 of guessing
        return at_most(abs(value - 0.5), 0.05, 0.15)
    if name == "nearer_to_train":  # at most .03 / .10 above what unseen rows score
        return at_most(value - max(0.5, floor or 0.5), 0.03, 0.10)
    if name in ATTACKS:
        return grade_attack(name, metric)
    if name in ("closest_distance", "closest_ratio"):  # at least .8 / .5 of the floor
        return "unknown" if floor is None else at_most(1 - value / floor if floor > 0 else 0.0, 0.2, 0.5)
    if name == "importance_agreement":  # at most .10 / .30 below what a model of fresh real rows scores
        return "unknown" if floor is None else at_most(floor - value, 0.10, 0.30)
    if floor is None and name in ("shape", "trend", "three_way", "missing", "spikes", "worst_subgroup"):
        return "unknown"  # how much of an error is chance, only the floor can tell
    # Errors: at most 1.5 / 3 times the floor. Copies count without a floor too: better warned than not.
    reference = max(floor or 0.0, NOISE[name])
    return at_most(value / reference, 1.5, 3.0)


def _share_of_skill(metric: dict[str, Any]) -> float | None:
    """Skill above guessing with synthetic rows, as a share of that with training rows; None if there is none to keep."""
    guess = 0.5 if metric["unit"] == "AUC" else 0.0
    real = metric["floor"] - guess
    return (metric["value"] - guess) / real if real >= 0.02 else None


def _kept(share: float | None) -> str:
    """At least 97 % / 90 % of the skill is kept."""
    return "unknown" if share is None else at_most(1 - share, 0.03, 0.10)


def verdict(scores: dict[str, Any]) -> list[Judgement]:
    """Four statements: how close, can a judge tell, how useful, how private; see also `verdict_images`, `verdict_texts`."""
    metrics = scores["metrics"]
    if scores.get("kind") == "images":
        return verdict_images(metrics)
    if scores.get("kind") == "texts":
        return verdict_texts(scores)
    return [_close(metrics), _judge(metrics), _useful(metrics), _private(metrics)]


def _close(metrics: dict[str, Any]) -> Judgement:
    shape, trend = metrics["shape"], metrics["trend"]
    found = worst(grade("shape", shape), grade("trend", trend))
    if shape["value"] is None:
        return Judgement("close", "unknown", say("close.unknown"))
    numbers = say(
        "close.numbers",
        shape=show_metric(shape, "value"), shape_floor=show_metric(shape, "floor"),
        trend=show_metric(trend, "value"), trend_floor=show_metric(trend, "floor"),
    )  # fmt: skip
    return Judgement("close", found, glue(say(f"close.{found}" if found != "unknown" else "close.no_floor"), numbers))


def _judge(metrics: dict[str, Any]) -> Judgement:
    judge = metrics["boosting_judge"]
    found = grade("boosting_judge", judge)
    if found == "unknown":
        return Judgement("judge", found, say("judge.unknown"))
    numbers = say(
        "judge.numbers",
        value=show(judge["value"], 3), floor=show(judge["floor"], 3), copycat=show(judge["copycat"], 3),
    )  # fmt: skip
    key = "copies" if judge["value"] < 0.5 and found != "good" else found
    return Judgement("judge", found, glue(say(f"judge.{key}"), numbers))


def _useful(metrics: dict[str, Any]) -> Judgement:
    utility = metrics["utility"]
    found = grade("utility", utility)
    if found == "unknown":
        return Judgement("useful", found, say("useful.unknown"))
    if utility["target"] is None:
        numbers = say("useful.every", percent=show(100 * utility["value"], 1))
    else:
        value, floor = show(utility["value"], 3), show(utility["floor"], 3)
        numbers = say("useful.target", unit=UNITS[utility["unit"]], value=value, floor=floor, target=utility["target"])
    return Judgement("useful", found, glue(say(f"useful.{found}"), numbers))


def _private(metrics: dict[str, Any]) -> Judgement:
    """The worst of share, copies, closest ratio, identifiers, texts and attacks: privacy is lost at the weakest point."""
    names = (
        "nearer_to_train",
        "closest_distance",
        "closest_ratio",
        "exact_copies",
        "copied_identifiers",
        "copied_texts",
        *ATTACKS,
    )
    present = {name: metrics[name] for name in names if name in metrics}
    found = worst(*(grade(name, metric) for name, metric in present.items()))
    share, copies = metrics["nearer_to_train"], metrics["exact_copies"]
    extra = [
        say(f"private.{word}", share=show(metrics[name]["value"]))
        for name, word in (("copied_identifiers", "identifiers"), ("copied_texts", "texts"))
        if name in metrics and grade(name, metrics[name]) in ("fair", "poor")
    ]
    extra += attack_warning({name: metric for name, metric in present.items() if name in ATTACKS})
    if share["value"] is None:
        found = found if found in ("fair", "poor") else "unknown"
        words = say("private.unknown")
        if found != "unknown":
            words = glue(say(f"private.{found}"), say("private.copies", copies=show(copies["value"])))
        return Judgement("private", found, join(words, *extra))
    numbers = say(
        "private.numbers", value=show(100 * share["value"], 1), copycat=show(_times(share["copycat"]), 1),
        copies=show(copies["value"]), copies_floor=show(copies["floor"]),
    )  # fmt: skip
    return Judgement("private", found, join(glue(say(f"private.{found}"), numbers), *extra))


def _times(value: float | None) -> float | None:
    return None if value is None else 100 * value
