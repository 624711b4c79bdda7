"""Grades and the verdict for texts; `verdict.py` has those for tables, and the words are in `words_texts.py`.

Copies that cannot be chance count without a floor too: better warned than not. All limits are ours.
"""

from __future__ import annotations

from typing import Any

from genwright.report.attacks import attack_warning, grade_attack
from genwright.report.grades import Judgement, at_most, glue, show, show_metric, worst
from genwright.report.words import Words, join, say

LIMITS = {
    "frechet": (0.02, 0.12), "mauve": (0.1, 0.4), "word_distance": (0.1, 0.3), "pair_distance": (0.1, 0.3),
    "judge": (0.05, 0.2), "predictability": (0.1, 0.3), "length": (0.15, 0.5), "distinct_1": (0.1, 0.3),
    "distinct_2": (0.1, 0.3), "distinct_3": (0.1, 0.3), "ngram_entropy": (0.3, 1.0), "self_bleu": (3.0, 10.0),
    "repetition": (0.02, 0.1), "unique_texts": (0.02, 0.1), "condition_balance": (0.03, 0.15),
    "conditions_kept": (0.1, 0.4), "copied_8": (0.01, 0.05), "copied_16": (0.01, 0.05), "copied_32": (0.01, 0.05),
    "near_copies": (0.01, 0.05), "longest_copy": (1.5, 3.0), "exact_texts": (0.001, 0.01), "exposure": (3.32, 6.64),
}  # fmt: skip
"""How far off is good, and fair."""
LIKENESS = ("frechet", "mauve", "word_distance", "pair_distance", "judge", "predictability")
VARIETY = (
    "distinct_1", "distinct_2", "distinct_3", "ngram_entropy", "self_bleu", "repetition", "unique_texts",
    "condition_balance",
)  # fmt: skip
ANSWERS = ("bleu", "chrf", "rouge_1", "rouge_2", "rouge_l", "token_f1")
COSTS = ("nats", "nats_per_character", "perplexity", "bits_per_byte")
NO_CHANCE = ("copied_32", "near_copies", "exact_texts", "longest_copy")  # copies that count without a floor
SHORT_COPY = 16  # words of a copy that nobody minds: set phrases are as long


def grade_text(name: str, metric: dict[str, Any]) -> str:
    """How one metric of texts does; "ungraded" where it has a value and nothing to hold it against."""
    found = _graded(name, metric)
    return "ungraded" if found == "unknown" and metric["value"] is not None else found


def _graded(name: str, metric: dict[str, Any]) -> str:
    value, floor = metric["value"], metric["floor"]
    if value is None:
        return "unknown"
    if name in ANSWERS:  # the floor is what any answer would score; how high a good one comes, nobody knows
        return "poor" if floor is not None and value <= floor else "unknown"
    if name in COSTS:  # the floor is the n-gram model's
        return "poor" if floor is not None and value >= floor else "unknown"
    if name == "membership":
        return grade_attack(name, metric)
    if name == "exposure":
        return at_most(value, *LIMITS[name])
    if floor is None:
        found = at_most(_off(name, metric, 0.0), *LIMITS[name]) if name in NO_CHANCE else "unknown"
        return found if found in ("fair", "poor") else "unknown"
    return at_most(_off(name, metric, floor), *LIMITS[name]) if name in LIMITS else "unknown"


def _off(name: str, metric: dict[str, Any], floor: float) -> float:
    """How far the value is from the floor, on the bad side where there is one."""
    value = metric["value"]
    if name == "frechet":  # as a part of the spread of real texts
        return (value - floor) / max(metric["spread"], 1e-12)
    if name in ("mauve", "conditions_kept"):  # as a part of the floor
        return 1.0 - value / floor if floor > 0 else 0.0
    if name in ("word_distance", "pair_distance"):  # as a part of what is left up to 1
        return (value - floor) / max(1.0 - floor, 1e-12)
    if name == "judge":
        return abs(value - 0.5) - abs(floor - 0.5)
    if name == "longest_copy":  # times the floor
        return value / max(floor, SHORT_COPY)
    if name in ("predictability", "length", "distinct_1", "distinct_2", "distinct_3"):  # as a part of the floor
        return abs(value / floor - 1.0) if floor > 0 else 0.0
    if name in ("ngram_entropy", "self_bleu", "condition_balance"):
        return abs(value - floor)
    return floor - value if name == "unique_texts" else value - floor


def verdict_texts(scores: dict[str, Any]) -> list[Judgement]:
    """Do they read like real ones, are they varied, has the model learned, are they copies; and, where something was asked
    for, do they do it."""
    metrics = scores["metrics"]
    asked = [_asked(metrics)] if "conditions_kept" in metrics or "rouge_l" in metrics else []
    return [_like(metrics), _varied(metrics), *asked, _predicts(metrics, scores["baselines"]), _own(metrics)]


def _judgement(topic: str, found: str, *numbers: Words) -> Judgement:
    statement = say(f"texts.{topic}.{found}")
    return Judgement(
        f"texts.{topic}", found, statement if found == "unknown" else join(glue(statement, numbers[0]), *numbers[1:])
    )


def _worst(metrics: dict[str, Any], *names: str) -> str:
    return worst(*(_graded(name, metrics[name]) for name in names if name in metrics))


def _because(metrics: dict[str, Any], found: str, names: tuple[str, ...]) -> list[Words]:
    """What brought the statement down, by name: the numbers in the sentence may all be good."""
    if found not in ("fair", "poor"):
        return []
    at_fault = [name for name in names if name in metrics and _graded(name, metrics[name]) == found]
    numbers = [
        say("texts.off.one", **{key: show_metric(metrics[name], key) for key in ("value", "floor")})
        for name in at_fault
    ]
    listed = [glue(say(f"texts.{name}.name"), found) for name, found in zip(at_fault, numbers, strict=True)]
    return [
        glue(say("texts.off"), Words("; ".join(w.en for w in listed) + ".", "；".join(w.zh for w in listed) + "。"))
    ]


def _shown(metrics: dict[str, Any], names: dict[str, str], *, times: float = 1, digits: int = 3) -> dict[str, str]:
    """Value and floor of each metric, under the name that a sentence has for it."""
    return {
        f"{word}{end}": show(None if metrics[name][key] is None else times * metrics[name][key], digits)
        for word, name in names.items()
        for end, key in (("", "value"), ("_floor", "floor"))
    }


def _like(metrics: dict[str, Any]) -> Judgement:
    found = _worst(metrics, *LIKENESS)
    shown = _shown(metrics, {"mauve": "mauve", "judge": "judge"})
    numbers = say("texts.like.numbers", **shown, n=f"{metrics['mauve']['n']:,}")
    return _judgement("like", found, numbers, *_because(metrics, found, LIKENESS))


def _varied(metrics: dict[str, Any]) -> Judgement:
    found = _worst(metrics, *VARIETY)
    names = {"distinct": "distinct_2", "repetition": "repetition", "unique": "unique_texts"}
    numbers = say("texts.varied.numbers", **_shown(metrics, names))
    return _judgement("varied", found, numbers, *_because(metrics, found, VARIETY))


def _asked(metrics: dict[str, Any]) -> Judgement:
    """Of conditions where there are any, of answers otherwise, which are poor or not graded."""
    if "conditions_kept" in metrics:
        found = _worst(metrics, "conditions_kept", *ANSWERS)
        shown = _shown(metrics, {"kept": "conditions_kept"}, times=100, digits=1)
        return _judgement("asked", found, say("texts.asked.conditions", **shown))
    shown = _shown(metrics, {"rouge": "rouge_l"})
    found = _worst(metrics, *ANSWERS)
    found = "ungraded" if found == "unknown" and metrics["rouge_l"]["floor"] is not None else found
    return _judgement("asked", found, say("texts.asked.answers", **shown))


def _predicts(metrics: dict[str, Any], baselines: dict[str, Any] | None) -> Judgement:
    """Good below both baselines, fair below one."""
    own = metrics.get("bits_per_byte", {}).get("value")
    if own is None or baselines is None:
        return Judgement("texts.predicts", "unknown", say("texts.predicts.unknown"))
    costs = {name: baselines[name]["bits_per_byte"] for name in ("ngram", "xz")}
    found = ("poor", "fair", "good")[sum(own < cost for cost in costs.values())]
    shown = {name: show(cost, 3) for name, cost in costs.items()}
    return _judgement("predicts", found, say("texts.predicts.numbers", value=show(own, 3), **shown))


def _own(metrics: dict[str, Any]) -> Judgement:
    """The worst of all: privacy is lost at the weakest point."""
    copies = ("copied_8", "copied_16", "copied_32", "near_copies", "longest_copy", "exact_texts")
    copied, found = _worst(metrics, *copies), _worst(metrics, *copies, "membership", "exposure")
    lacking = metrics["longest_copy"]["floor"] is None
    shown = _shown(metrics, {"longest": "longest_copy"}, digits=0)
    shown |= _shown(metrics, {"copied": "copied_8", "exact": "exact_texts"}, times=100, digits=1)
    attacks = attack_warning({name: metrics[name] for name in ("membership",) if name in metrics})
    numbers = say("texts.own.numbers", **shown)
    planted = [_remembered(metrics["exposure"])] if "exposure" in metrics else []
    if copied == "good" and found in ("fair", "poor"):
        return Judgement("texts.own", found, join(glue(say("texts.own.known"), numbers), *planted, *attacks))
    return _judgement("own", "unknown" if lacking and found == "good" else found, numbers, *planted, *attacks)


def _remembered(exposure: dict[str, Any]) -> Words:
    bits = show(exposure["value"], 1)
    return say("texts.own.planted", bits=bits, flagged=f"{exposure['flagged']:,}", n=f"{exposure['n']:,}")
