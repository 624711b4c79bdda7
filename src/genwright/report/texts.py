"""The report page on texts: `build.py` has what it shares with tables, `texts.html.j2` is the page.

Texts are hostile until escaped: whatever they hold, the page shows it and does not obey it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genwright.folder import write_text
from genwright.metrics.text_copies import TrainingTexts, shown
from genwright.report.attacks import attack_sentences
from genwright.report.build import frame, grouped, template, write_scores
from genwright.report.curves import loss_curves
from genwright.report.words import Words, say

GROUPS = {
    "quality": (
        "frechet", "mauve", "frechet_states", "mauve_states", "word_distance", "pair_distance", "judge", "predictability",
        "length", "nats", "nats_per_character", "perplexity", "bits_per_byte",
    ),
    "diversity": (
        "distinct_1", "distinct_2", "distinct_3", "ngram_entropy", "self_bleu", "repetition", "unique_texts",
        "condition_balance",
    ),
    "use": ("conditions_kept", "bleu", "chrf", "rouge_1", "rouge_2", "rouge_l", "exact_match", "token_f1"),
    "privacy": (
        "copied_8", "copied_16", "copied_32", "near_copies", "longest_copy", "exact_texts", "membership", "exposure",
    ),
}  # fmt: skip
SAMPLES = 6
CHARACTERS = 800  # of a text or a copy that are shown
COPIES = 10  # beside the longest
# What a browser would drop or replace; lines and tabs stay.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def write_text_report(
    folder: str | Path,
    scores: dict[str, Any],
    facts: dict[str, Any],
    *,
    samples: Sequence[str] = (),
    real: Sequence[str] = (),
    training: Sequence[str] = (),
    log: Sequence[Mapping[str, float]] = (),
    language: str = "auto",
) -> Path:
    """Write report.json and the self-contained report.html into `folder`, each whole or not at all; returns the path of the
    page. Arguments as `build_text_report`. GW-0301 if the folder can not be written."""
    folder = Path(folder)
    write_scores(folder, scores, facts)
    page = build_text_report(scores, facts, samples=samples, real=real, training=training, log=log, language=language)
    write_text(folder / "report.html", page)
    return folder / "report.html"


def build_text_report(
    scores: dict[str, Any],
    facts: dict[str, Any],
    *,
    samples: Sequence[str] = (),
    real: Sequence[str] = (),
    training: Sequence[str] = (),
    log: Sequence[Mapping[str, float]] = (),
    language: str = "auto",
) -> str:
    """The page as a string. `scores` is what `metrics.texts.score_texts` returns, `facts` as in `build.py`. `samples` and
    `training`: the texts that were scored, whole and in their order, for the copies; of `training` nothing is shown that no
    sample has. `real`: held-out texts to lay beside the first samples. `log`: rows of log.jsonl, for the curves."""
    losses, features, baselines = loss_curves(log), scores["features"], scores["baselines"]
    sections = [
        ("samples", "texts.samples", samples),
        ("summary", "summary", True),
        ("copies", "texts.copies", True),
        ("baselines", "texts.baselines", baselines),
        ("progress", "texts.progress", losses),
    ]
    page: str = template("texts.html.j2").render(
        **frame(scores, facts, language, title="texts.title", sizes="texts.sizes"),
        sections=[(key, words) for key, words, content in sections if content],
        samples=[excerpt(text) for text in samples[:SAMPLES]],
        real=[excerpt(text) for text in real[:SAMPLES]],
        groups=grouped(scores, GROUPS),
        attacks=attack_sentences(scores["metrics"]),
        features=say("texts.features", name=features["name"], sha256=features["sha256"], n=f"{features['n']:,}"),
        longest=_passage(scores["longest_copy"]) if scores["longest_copy"] else None,
        copies=_copies(scores["nearest"][1 : COPIES + 1], samples, training),
        baselines=_baselines(scores),
        held_bytes=f"{baselines['bytes']:,}" if baselines else "",
        losses=losses,
    )
    return page


def excerpt(text: str, *, most: int = CHARACTERS) -> str:
    """The beginning of a text as a page can show it: an ellipsis where it was cut, a sign for what cannot be seen."""
    kept = text[:most] + ("…" if len(text) > most else "")
    return UNSEEN.sub("\ufffd", kept.replace("\r\n", "\n").replace("\r", "\n"))


def _passage(copy: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in its context, layout of `text_copies.shown`, ready for the page."""
    around = {key: excerpt(copy[key]) for key in ("before", "copied", "after")}
    return {**around, **{key: f"{copy[key]:,}" for key in ("sample", "training", "words")}}


def _copies(nearest: list[list[int]], samples: Sequence[str], training: Sequence[str]) -> list[dict[str, Any]]:
    """One for each pair: the numbers, and the copy in its context where the texts are at hand."""
    if not nearest or not samples or not training:
        return [dict(zip(("sample", "training", "words"), map("{:,}".format, row), strict=True)) for row in nearest]
    asked, copied = [pair[0] for pair in nearest], sorted({pair[1] for pair in nearest})
    spans = TrainingTexts([training[k] for k in copied]).copied([samples[k] for k in asked])[0].spans
    return [
        _passage(shown(s, samples[asked[s.text]]) | {"sample": asked[s.text], "training": copied[s.training]})
        for s in spans
    ]


def _baselines(scores: dict[str, Any]) -> list[tuple[Words, float | None, float | None]]:
    """(name, bits per byte, nats per character), cheapest first."""
    found, metrics = scores["baselines"], scores["metrics"]
    if not found:
        return []
    own = [metrics.get(name, {}).get("value") for name in ("bits_per_byte", "nats_per_character")]
    ngram = found["ngram"]
    name = say("texts.ngram", order=ngram["order"], characters=f"{ngram['fitted_characters']:,}")
    lines = [(say("texts.this_model"), own[0], own[1])] if own[0] is not None else []
    lines.append((name, ngram["bits_per_byte"], ngram["nats_per_character"]))
    lines += [(say(f"texts.{packer}"), found[packer]["bits_per_byte"], None) for packer in ("xz", "zlib")]
    return sorted(lines, key=lambda line: line[1])
