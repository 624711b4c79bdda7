"""The report on texts: whole, closed, in two languages; hostile texts are shown and not obeyed."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page import Page, check_page

from genwright.metrics.text_distance import Embedding
from genwright.metrics.text_sets import Responses, Texts
from genwright.metrics.texts import TEXT_ORDER, score_texts
from genwright.metrics.values import metric
from genwright.report import Report
from genwright.report.texts import GROUPS, build_text_report, write_text_report
from genwright.report.verdict_texts import LIMITS, grade_text, verdict_texts
from genwright.report.words import TEXT, Words, say_of

FACTS = {"name": "letters", "model": "gpt", "settings": {"steps": 100}}
LOG = [{"step": step, "loss": 1 / step, "time": 1.0} for step in range(1, 40)]
HOSTILE = (
    "</blockquote></mark></main><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} {0} & &lt; \x00\x1b"
)
WORDS = [f"{a}{b}" for a in ("ta", "ro", "mi", "su", "len") for b in ("ka", "do", "ri", "ven", "po", "lus")]
NOTES = (
    "no_held_texts", "floor_halves", "cut_texts", "few_texts", "measured_on", "few_for_features", "few_judged",
    "searched_part", "floor_other_answers", "one_answer", "floor_ngram", "by_condition", "held_apart",
)  # fmt: skip


def written(n: int, seed: int) -> list[str]:
    """Texts of 20 to 40 words, the first ones of the list more often than the last."""
    random = np.random.default_rng(seed)
    share = 1 / np.arange(1, len(WORDS) + 1)
    share /= share.sum()
    return [" ".join(random.choice(WORDS, random.integers(20, 40), p=share)) for _ in range(n)]


TRAIN, HELD, FRESH = written(240, 1), written(240, 2), written(60, 3)
STATES = Embedding(
    "own_states", "0" * 64, lambda texts: np.array([[len(text), text.count("k")] for text in texts], float)
)
LIKELIHOODS = {
    name: metric(1.5, None, None, "lower", "nats", flagged=2, n=5)
    for name in ("nats", "nats_per_character", "perplexity", "bits_per_byte", "exposure")
}


def scored(made: list[str], held: list[str] | None = HELD, **more: Any) -> dict[str, Any]:
    return score_texts(Texts(TRAIN), None if held is None else Texts(held), Texts(made), effort="quick", **more)


@pytest.fixture(scope="module")
def whole() -> tuple[dict[str, Any], list[str]]:
    """All metrics there are, of samples some of which copy and one of which is hostile."""
    made = [HOSTILE + " " + TRAIN[7], *FRESH, TRAIN[3], f"tado {TRAIN[5][20:]} <b>rika</b>"]
    labels = [Texts(part, np.arange(len(part))[:, None] % (2, 3)) for part in (TRAIN, HELD, made)]
    answers = Responses(made=FRESH[:30], references=HELD[:30], train=TRAIN)
    return score_texts(
        *labels, conditions={"of": ("a", "b"), "in": ("x", "y", "z")}, effort="quick", states=STATES,
        likelihoods=LIKELIHOODS, responses=answers,
    ), made  # fmt: skip


@pytest.fixture(scope="module")
def page(whole: tuple[dict[str, Any], list[str]], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    scores, made = whole
    folder = tmp_path_factory.mktemp("page")
    path = write_text_report(folder, scores, FACTS, samples=made, real=HELD, training=TRAIN, log=LOG, language="zh")
    return path.read_text(encoding="utf-8"), folder


def test_page_has_every_metric_in_both_languages(whole: tuple[dict[str, Any], list[str]], page: tuple[str, Path]):
    html = page[0]
    check_page(html)
    assert set(whole[0]["metrics"]) == set(TEXT_ORDER)
    plain = unescape(html)
    for name in TEXT_ORDER:
        for part in ("name", "meaning", "definition"):
            assert f"texts.{name}.{part}" in TEXT
            assert all(words in plain for words in say_of("texts", f"{name}.{part}"))
    for part in ("samples", "summary", "copies", "baselines", "progress", "made", "limits"):
        assert f'id="{part}"' in html
    assert '<html lang="zh-CN" data-language="zh">' in html
    assert "picture" not in "".join(TEXT[key][0] for key in TEXT if key.startswith("texts."))
    for judgement in verdict_texts(whole[0]):
        assert judgement.words.en in plain
        assert judgement.words.zh in plain
    assert "Of 5 planted texts 2 are remembered" in plain


def test_hostile_text_is_shown_and_not_obeyed(whole: tuple[dict[str, Any], list[str]], page: tuple[str, Path]):
    html = page[0]
    shown = Page(html)
    assert shown.tags.count("script") == 1  # the page's own
    assert "img" not in shown.tags
    assert "b" not in shown.tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "{{ 7 * 7 }} {0} &amp; &amp;lt; \ufffd\ufffd" in html
    assert not {"\x00", "\x1b"} & set(html)


def test_copies_stand_in_their_context(whole: tuple[dict[str, Any], list[str]], page: tuple[str, Path]):
    scores, made = whole
    assert [pair[:2] for pair in scores["nearest"][:3]] == sorted(
        ([0, 7], [61, 3], [62, 5]), key=lambda pair: -len((TRAIN[pair[1]] if pair[0] < 62 else made[62]).split())
    )
    html = page[0]
    for text in (TRAIN[7], TRAIN[3]):
        assert f"<mark>{text}</mark>" in html
    assert "</mark> &lt;b&gt;rika" in html
    assert TRAIN[100] not in html


def test_report_json_is_whole(whole: tuple[dict[str, Any], list[str]], page: tuple[str, Path]):
    data = json.loads((page[1] / "report.json").read_text(encoding="utf-8"))
    assert data.pop("facts") == FACTS
    assert data == json.loads(json.dumps(whole[0]))


def test_half_a_character_breaks_nothing(tmp_path: Path):
    """Lists of strings may hold what UTF-8 can not."""
    made = [f"\ud800 {TRAIN[0]}", *FRESH[:20]]
    scores = scored(made)
    path = write_text_report(tmp_path, scores, {}, samples=made, real=HELD, training=TRAIN)
    check_page(path.read_text(encoding="utf-8"))
    kept = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert kept["longest_copy"] == scores["longest_copy"]
    assert "\ud800" in kept["longest_copy"]["before"]


def test_page_of_the_numbers_alone(whole: tuple[dict[str, Any], list[str]]):
    """What can be made of report.json without the texts: the longest copy, and the numbers of the others."""
    html = build_text_report(whole[0], {})
    check_page(html)
    assert 'id="samples"' not in html
    assert html.count("<mark>") == 1


def test_no_holdout_is_said():
    html = build_text_report(scored(FRESH, None), {}, samples=FRESH, training=TRAIN)
    check_page(html)
    plain = unescape(html)
    for key in ("limits_no_holdout", "own.unknown", "predicts.unknown", "no_copies"):
        assert TEXT[f"texts.{key}"][1] in plain
    assert 'id="baselines"' not in html


def test_verdicts():
    honest = {j.topic: j.grade for j in verdict_texts(scored(FRESH, likelihoods=LIKELIHOODS))}
    assert honest["texts.own"] == "good"
    assert honest["texts.like"] in ("good", "fair")
    copies = {j.topic: j.grade for j in verdict_texts(scored(TRAIN[:60]))}
    assert copies["texts.own"] == "poor"
    assert copies["texts.predicts"] == "unknown"
    dull = {j.topic: j.grade for j in verdict_texts(scored(["taka taka taka taka taka"] * 60))}
    assert dull["texts.like"] == dull["texts.varied"] == "poor"
    assert {j.topic: j.grade for j in verdict_texts(scored(TRAIN[:60], None))}["texts.own"] == "poor"


@pytest.mark.parametrize(("own", "found"), [(1.0, "good"), (2.5, "fair"), (3.5, "poor")])
def test_the_model_stands_beside_its_baselines(own: float, found: str):
    scores = scored(FRESH[:20], likelihoods={"bits_per_byte": metric(own, None, None, "lower", "bits")})
    for name, cost in (("ngram", 2.0), ("xz", 3.0)):
        scores["baselines"][name]["bits_per_byte"] = cost
    judgement = next(j for j in verdict_texts(scores) if j.topic == "texts.predicts")
    assert judgement.grade == found
    html = build_text_report(scores, {})
    table = html[html.index('id="baselines"') :]
    assert (table.index(TEXT["texts.this_model"][0]) < table.index("n-gram model of")) == (found == "good")


def test_grades():
    for name in LIMITS:
        assert grade_text(name, metric(None, None, None, "lower", "")) == "unknown"
        if name != "exposure":
            same = metric(0.5, 0.5, 0.5, "lower", "", spread=1.0)
            assert grade_text(name, same) == "good"
    assert grade_text("bits_per_byte", metric(2.0, None, None, "lower", "bits")) == "ungraded"
    assert grade_text("rouge_l", metric(0.5, 0.2, 0.6, "higher", "F1")) == "ungraded"
    assert grade_text("rouge_l", metric(0.2, 0.2, 0.6, "higher", "F1")) == "poor"
    for value, found in ((0.0, "ungraded"), (0.5, "poor")):  # without a floor never good by accident
        assert grade_text("exact_texts", metric(value, None, 1.0, "lower", "share")) == found
    assert [grade_text("exposure", metric(v, None, None, "lower", "bits")) for v in (1, 5, 9)] == [
        "good",
        "fair",
        "poor",
    ]


def test_every_metric_is_in_one_group_and_every_note_has_words():
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(TEXT_ORDER)
    assert all(f"texts.note.{code}" in TEXT for code in NOTES)
    assert say_of(None, "title") == Words(*TEXT["title"])
    assert say_of("images", "frechet.name") == Words(*TEXT["frechet.name"])


def test_report_works_for_texts(whole: tuple[dict[str, Any], list[str]], tmp_path: Path):
    report = Report(whole[0], FACTS)
    check_page(report.write(tmp_path).read_text(encoding="utf-8"))
    again = Report.load(tmp_path)
    assert again.scores == json.loads(json.dumps(whole[0]))
    for language, place in (("en", 0), ("zh", 1)):
        assert TEXT["texts.near_copies.name"][place] in again.text(language)
    assert TEXT["texts.frechet.meaning"][0] in again._repr_html_()
