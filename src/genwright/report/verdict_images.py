"""Grades and the verdict for pictures; `verdict.py` has those for tables, and the words are in `words_images.py`."""

from __future__ import annotations

from typing import Any

from genwright.report.attacks import attack_warning, grade_attack
from genwright.report.grades import Judgement, at_most, glue, show, worst
from genwright.report.words import join, say

EXACT = 0.001  # share of exact copies that nobody minds: two pictures of a blank page are equal too
HARD = 0.05  # accuracy above guessing that a classifier of real pictures must reach, for what samples teach to mean something
DOUBTS = {"weak_features", "few_for_features"}  # notes


def grade_image(name: str, metric: dict[str, Any]) -> str:
    """How one metric of pictures does; "ungraded" where it has a value and nothing to hold it against."""
    found = _graded(name, metric)
    return "ungraded" if found == "unknown" and metric["value"] is not None else found


def _graded(name: str, metric: dict[str, Any]) -> str:
    """Against the floor; limits are ours. Copies that are exact count without a floor too: better warned than not."""
    value, floor = metric["value"], metric["floor"]
    if name == "membership":
        return grade_attack(name, metric)
    if name == "exact_pictures" and value is not None:  # up to .001 / .01 above real pictures
        return at_most(value - (floor or 0.0), EXACT, 0.01)
    if value is None or floor is None:
        return "unknown"
    if name in ("frechet", "kid"):  # above the floor by .02 / .12, or .01 / .05, of the spread of real pictures
        limits = (0.02, 0.12) if name == "frechet" else (0.01, 0.05)
        return at_most((value - floor) / max(metric["spread"], 1e-12), *limits)
    if name in ("precision", "recall", "density") and _doubtful(metric):
        return "unknown"
    if name in ("precision", "recall", "coverage", "class_kept", "authentic"):  # .9 / .6 of the floor
        return at_most(1.0 - value / floor if floor > 0 else 0.0, 0.1, 0.4)
    if name == "density":
        return at_most(abs(1.0 - value / floor) if floor > 0 else 0.0, 0.1, 0.4)
    if name == "classifier":
        return _taught(value, floor, metric.get("guess", 0.0))
    if name in ("class_balance", "cluster_balance"):
        return at_most(abs(floor - value), 0.03, 0.15)
    if name in ("vendi", "within_class"):
        return at_most(abs(1.0 - value / floor) if floor > 0 else 0.0, 0.15, 0.5)
    if metric.get("least_excess", 1.0) <= 0:  # above the floor by chance, if at all
        return "good"
    if name in ("near_copies", "near_pixels", "recoloured_copies"):  # up to .02 / .1 above fresh real pictures
        return at_most(value - floor, 0.02, 0.1)
    if name == "nearer_pictures":  # at most .05 / .15 above half, or above what fresh real pictures score
        return at_most(value - max(0.5, floor), 0.05, 0.15)
    return "unknown"


def _doubtful(metric: dict[str, Any]) -> bool:
    """Whether pictures of anything may lie among the real ones: of few pictures, and to untrained features, some lie so far
    out that their balls hold noise too. Only coverage asks every single real picture, so noise fails it."""
    return any(note["code"] in DOUBTS for note in metric.get("notes", []))


def _taught(value: float, floor: float, guess: float) -> str:
    """At most .02 / .1 below the floor, and at least .9 / .6 of what the floor is above guessing."""
    real, lost = floor - guess, floor - value
    return "unknown" if real < HARD else worst(at_most(lost, 0.02, 0.1), at_most(lost / real, 0.1, 0.4))


def verdict_images(metrics: dict[str, Any]) -> list[Judgement]:
    """Four statements: do they look real, is everything there, can a classifier learn, are they copies."""
    return [_like(metrics), _varied(metrics), _teach(metrics), _own(metrics)]


def _like(metrics: dict[str, Any]) -> Judgement:
    metric = metrics["frechet"]
    found = worst(*(_graded(name, metrics[name]) for name in ("frechet", "kid")))
    if found == "unknown":
        return Judgement("like", found, say("like.unknown"))
    over = 100 * max(0.0, metric["value"] - metric["floor"]) / max(metric["spread"], 1e-12)
    numbers = say(
        "like.numbers",
        value=show(metric["value"], 3),
        floor=show(metric["floor"], 3),
        over=show(over, 1),
        n=metric["n"],
    )
    return Judgement("like", found, glue(say(f"like.{found}"), numbers))


def _varied(metrics: dict[str, Any]) -> Judgement:
    names = ("recall", "coverage", "class_balance", "cluster_balance")
    found = worst(*(_graded(name, metrics[name]) for name in names if name in metrics))
    if found == "unknown":
        return Judgement("varied", found, say("varied.unknown"))
    parts = {
        f"{name}{end}": show(metrics[name][key])
        for name in names[:2]
        for end, key in (("", "value"), ("_floor", "floor"))
    }
    return Judgement("varied", found, glue(say(f"varied.{found}"), say("varied.numbers", **parts)))


def _teach(metrics: dict[str, Any]) -> Judgement:
    if "classifier" not in metrics:
        return Judgement("teach", "unknown", say("teach.unknown"))
    metric = metrics["classifier"]
    found = _graded("classifier", metric)
    if found == "unknown":
        return Judgement("teach", found, say("teach.hard", floor=show(metric["floor"], 3)))
    numbers = say("teach.numbers", value=show(metric["value"], 3), floor=show(metric["floor"], 3))
    return Judgement("teach", found, glue(say(f"teach.{found}"), numbers))


def _own(metrics: dict[str, Any]) -> Judgement:
    """The worst of all: privacy is lost at the weakest point."""
    names = ("near_copies", "near_pixels", "nearer_pictures", "recoloured_copies", "exact_pictures", "membership")
    found = worst(*(_graded(name, metrics[name]) for name in names if name in metrics))
    near, exact = metrics["near_copies"], metrics["exact_pictures"]
    if near["value"] is None or near["floor"] is None:
        if found == "poor":
            return Judgement(
                "own", "poor", glue(say("own.poor"), say("own.exact", exact=show(100 * exact["value"], 1)))
            )
        few = _note(near, "few_to_learn")
        return Judgement("own", "unknown", say("own.few", **few) if few else say("own.unknown"))
    shares = {
        f"{word}{end}": show(None if metrics[name][key] is None else 100 * metrics[name][key], 1)
        for word, name in (("near", "near_copies"), ("alike", "recoloured_copies"), ("exact", "exact_pictures"))
        for end, key in (("", "value"), ("_floor", "floor"))
    }
    attacks = attack_warning({name: metrics[name] for name in ("membership",) if name in metrics})
    learned = _note(near, "stand_ins")
    how = [say("note.stand_ins", **learned)] if learned else []
    copied = worst(*(_graded(name, metrics[name]) for name in names if name in metrics and name != "membership"))
    known = copied == "good" and found in ("fair", "poor")  # what is at fault then is the attack alone
    statement = say("own.known" if known else f"own.{found}")
    return Judgement("own", found, join(glue(statement, say("own.numbers", **shares)), *how, *attacks))


def _note(metric: dict[str, Any], code: str) -> dict[str, Any]:
    """What the note of a code tells; nothing without one."""
    for note in metric.get("notes", []):
        if note["code"] == code:
            return {key: value for key, value in note.items() if key != "code"}
    return {}
