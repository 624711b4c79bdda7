"""What the report says of attacks: their grades, a warning for the verdict, and the numbers that the privacy section lists.

An attack counts only where chance is ruled out: its grade goes by the lower end of the 95 % interval. The layout of the
numbers is that of `metrics/attacks.py`; `words_metrics.py` has the sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from genwright.report.grades import at_most, show, worst
from genwright.report.words import Words, say

ATTACKS = ("membership", "singling_out", "linkability", "attribute_inference")
SHARES = ("caught", "caught_by_distance", "caught_by_shadows")  # shown in percent
LISTED_COLUMNS = 8


def grade_attack(name: str, metric: Mapping[str, Any]) -> str:
    """Proven to be at most .02 / .10 above guessing, for an AUC or a risk.

    Rare values of one column that are those of one person make it "fair" at most: a value alone may be harmless.
    """
    found = _grade(metric, 0.5 if name == "membership" else 0.0)
    if shadows := metric.get("parts", {}).get("shadows"):
        found = worst(found, _grade(shadows, 0.5))
    return worst(found, "fair") if name == "singling_out" and _by_one_column(metric) else found


def _by_one_column(metric: Mapping[str, Any]) -> bool:
    return "parts" in metric and _grade(metric["parts"]["one_column"], 0.0) in ("fair", "poor")


def _grade(numbers: Mapping[str, Any], chance: float) -> str:
    return "unknown" if numbers["value"] is None else at_most(numbers["interval"][0] - chance, 0.02, 0.10)


def attack_warning(metrics: Mapping[str, Any]) -> list[Words]:
    """One sentence that names the attacks that succeed; none if none does."""
    names = [_title(name, metric) for name, metric in metrics.items() if grade_attack(name, metric) in ("fair", "poor")]
    if not names:
        return []
    english, chinese = ", ".join(name.en for name in names), "、".join(name.zh for name in names)
    return [Words(say("private.attacks", names=english).en, say("private.attacks", names=chinese).zh)]


def _title(name: str, metric: Mapping[str, Any]) -> Words:
    several = name != "singling_out" or _grade(metric, 0.0) in ("fair", "poor")
    return say(f"{name}.name") if several else say("attack.rare_values")


def attack_sentences(metrics: Mapping[str, Any]) -> list[Words]:
    """The further attacks, how often each succeeds, and the columns that are given away; none in reports of older versions."""
    out = []
    for name in (name for name in ATTACKS if name in metrics):
        metric = metrics[name]
        if "rates" in metric:
            out.append(_rates(say(f"{name}.name"), metric["rates"]))
        out += _parts(metric.get("parts", {}), targets=f"{metric.get('targets') or 0:,}")
        out += _columns(metric.get("columns", {}))
    return out


def _rates(name: Words, rates: Mapping[str, Any]) -> Words:
    shown = {key: show(100 * rates[key], 1) for key in ("attack", "control", "naive")}
    english, chinese = (say("attack.rates", name=word, attacks=f"{rates['attacks']:,}", **shown) for word in name)
    return Words(english.en, chinese.zh)


def _parts(parts: Mapping[str, Any], **more: str) -> Iterator[Words]:
    for name, part in parts.items():
        if part["value"] is not None:
            times, digits = (100, 1) if name in SHARES else (1, 3)
            low, high = part["interval"]
            ends = {
                "value": part["value"],
                "low": low,
                "high": high,
                "floor": part["floor"],
                "copycat": part["copycat"],
            }
            shown = {key: show(None if end is None else times * end, digits) for key, end in ends.items()}
            counts = {key: f"{part[key]:,}" for key in ("targets", "shadows") if key in part}
            yield say(f"attack.{name}", **shown, **(more | counts))


def _columns(columns: Mapping[str, Any]) -> list[Words]:
    known = {name: part for name, part in columns.items() if part["value"] is not None}
    if not known:
        return []
    proven = sorted((n for n in known if known[n]["interval"][0] > 0), key=lambda n: -known[n]["interval"][0])
    if not proven:
        return [say("attack.no_columns", of=f"{len(known):,}")]
    listed = [f"{name} {show(known[name]['value'])}" for name in proven[:LISTED_COLUMNS]]
    listed += ["…"] if len(proven) > LISTED_COLUMNS else []
    return [say("attack.columns", of=f"{len(known):,}", columns=", ".join(listed))]
