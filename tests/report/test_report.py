"""The report: it is honest (copies, broken tables and lacking numbers show), complete, safe to open, and small."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from page import check_page

from genwright.errors import GenwrightError
from genwright.metrics.table import ORDER, score
from genwright.report import Report, build_report, report_files
from genwright.report.verdict import grade, show, verdict
from genwright.report.words import TEXT, say
from genwright.report.words_metrics import METRICS

SAMPLES = Path(__file__).parents[2] / "src" / "genwright" / "data" / "samples"
FACTS = {
    "name": "people.csv",
    "model": "tabular-ar",
    "settings": {"steps": 100},
    "seconds": 1.5,
    "files": {"a": "0" * 64},
}
ALWAYS = set(ORDER) - {"importance_agreement", "copied_identifiers", "copied_texts"}


def people() -> tuple[pl.DataFrame, pl.DataFrame, dict[str, str]]:
    """Real census rows, 1,200 to train on and 1,200 held out, in 8 columns to be quick."""
    frame = pl.read_csv(SAMPLES / "adult_train.csv.gz").head(2400)
    frame = frame.select("age", "workclass", "fnlwgt", "education", "sex", "capital-gain", "hours-per-week", "income")
    kinds = {name: "category" if kind == pl.String else "integer" for name, kind in frame.schema.items()}
    return frame[:1200], frame[1200:], kinds


@pytest.fixture(scope="module")
def copycat() -> dict[str, Any]:
    train, holdout, kinds = people()
    return score(train, holdout, train, kinds, target="income")


@pytest.fixture(scope="module")
def shuffled() -> dict[str, Any]:
    train, holdout, kinds = people()
    made = train.select(pl.col(name).shuffle(seed=i) for i, name in enumerate(train.columns))
    return score(train, holdout, made, kinds, effort="quick")


def test_a_copy_is_called_a_copy(copycat: dict[str, Any]) -> None:
    metrics = copycat["metrics"]
    assert metrics["nearer_to_train"]["value"] > 0.97
    assert metrics["nearer_to_train"]["floor"] == pytest.approx(0.5, abs=0.06)
    assert metrics["exact_copies"]["value"] == 100
    assert metrics["exact_copies"]["floor"] < 1
    assert metrics["closest_distance"]["value"] == 0
    assert metrics["boosting_judge"]["value"] < 0.45
    assert metrics["shape"]["value"] == metrics["trend"]["value"] == 0
    for metric in metrics.values():
        assert metric["value"] == pytest.approx(metric["copycat"], abs=0.03)
    private = verdict(copycat)[3]
    assert (private.topic, private.grade) == ("private", "poor")


def test_shuffled_columns_are_found(shuffled: dict[str, Any]) -> None:
    metrics = shuffled["metrics"]
    assert metrics["shape"]["value"] == 0
    assert metrics["trend"]["value"] > 1.15 * metrics["trend"]["floor"]
    assert metrics["boosting_judge"]["value"] > 0.58
    assert grade("boosting_judge", metrics["boosting_judge"]) != "good"
    assert metrics["utility"]["value"] < 0.3
    assert grade("exact_copies", metrics["exact_copies"]) == "good"


def test_real_rows_pass() -> None:
    """Held-out rows handed in as synthetic, judged with other held-out rows: everything is good."""
    train, holdout, kinds = people()
    scores = score(train, holdout[:600], holdout[600:], kinds, target="income")
    grades = {name: grade(name, metric) for name, metric in scores["metrics"].items()}
    assert {name for name, found in grades.items() if found == "poor"} == set()
    assert [judgement.grade for judgement in verdict(scores)] == ["good"] * 4


@pytest.mark.parametrize("name", sorted(ALWAYS))
def test_every_metric_has_value_floor_copycat(name: str, copycat: dict[str, Any], shuffled: dict[str, Any]) -> None:
    for scores in (copycat, shuffled):
        metric = scores["metrics"][name]
        assert {"value", "floor", "copycat", "better", "unit"} <= set(metric)
        assert None not in (metric["value"], metric["floor"], metric["copycat"])


def test_page_is_complete_small_and_closed(copycat: dict[str, Any], shuffled: dict[str, Any]) -> None:
    for scores in (copycat, shuffled):
        html = build_report(scores, FACTS)
        page = check_page(html)
        plain = unescape(html)
        assert len(html.encode()) < 400_000
        for section in (
            "verdict",
            "summary",
            "columns",
            "pairs",
            "judges",
            "utility",
            "subgroups",
            "privacy",
            "made",
            "limits",
        ):
            assert section in page.ids
        for name in scores["metrics"]:
            assert say(f"{name}.meaning").en in plain
            assert say(f"{name}.meaning").zh in plain
        assert html.count('class="card"') == 8
        assert html.count('class="heat"') == 4
        assert "people.csv" in html


def test_page_says_which_columns_matter_and_who_is_served_worse(
    copycat: dict[str, Any], shuffled: dict[str, Any]
) -> None:
    named, unnamed = build_report(copycat, {}), build_report(shuffled, {})
    assert say("importance_intro").en in named
    assert say("no_importance").en in unnamed
    for scores, html in ((copycat, named), (shuffled, unnamed)):
        worst = scores["subgroups"]["worst"][0]
        assert f"{worst['column']} = {worst['label']}" in unescape(html)
    older = build_report({name: part for name, part in copycat.items() if name != "subgroups"}, {})
    assert "subgroups" not in check_page(older).ids


def test_language_argument(copycat: dict[str, Any]) -> None:
    assert '<html lang="zh-CN" data-language="zh">' in build_report(copycat, {}, language="zh")
    assert '<html lang="en" data-language="en">' in build_report(copycat, {}, language="en")
    assert "data-follow" in build_report(copycat, {}, language="auto").split("<head>")[0]


def test_words_are_whole() -> None:
    for key, words in TEXT.items():
        assert len(words) == 2
        assert all(words), key
        assert set(re.findall(r"{(\w+)", words[0])) == set(re.findall(r"{(\w+)", words[1])), key
    listed = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    for name in ORDER:
        assert f"`{name}`" in listed, name
        assert {f"{name}.name", f"{name}.meaning", f"{name}.definition"} <= set(METRICS)


def test_same_tables_same_numbers() -> None:
    train, holdout, kinds = people()
    tables = train[:200], holdout[:200], holdout[200:400]
    first, second = (score(*tables, kinds, target="income", effort="quick", seed=3) for _ in range(2))
    first.pop("seconds"), second.pop("seconds")
    assert first == second


def test_result_holds_no_row() -> None:
    """Values that a single row has (extremes, rare labels) appear nowhere."""
    rows = 300
    secret = {
        "pay": 987_654_321.75,
        "city": "Ultima Thule",
        "born": "1871-03-05",
        "note": "my secret text",
        "id": "K-000777",
    }

    def frame(seed: int, secrets: bool) -> pl.DataFrame:
        draw = np.random.default_rng(seed)
        data = {
            "pay": draw.normal(3000, 500, rows).round(2),
            "city": draw.choice(["Aix", "Bonn"], rows),
            "born": pl.Series(draw.integers(0, 9000, rows)).cast(pl.Int32).cast(pl.Date).cast(pl.String),
            "note": [f"text {i}" for i in draw.integers(0, 10**6, rows)],
            "id": [f"K-{i:06d}" for i in draw.integers(10**5, 10**6, rows)],
        }
        frame = pl.DataFrame(data)
        if secrets:
            frame = pl.concat([frame, pl.DataFrame(secret)])
        return frame.with_columns(pl.col("born").str.to_date())

    kinds = {"pay": "decimal", "city": "category", "born": "date", "note": "text", "id": "identifier"}
    scores = score(frame(1, True), frame(2, True), frame(3, True), kinds)
    everything = json.dumps(scores) + build_report(scores, {})
    for value in ("987654321", "987,654,321", "9.8765e+08", "Ultima", "1871", "secret", "K-0", "text 1"):
        assert value not in everything
    assert scores["metrics"]["copied_identifiers"]["value"] == pytest.approx(100 / 301, abs=1e-3)
    assert scores["metrics"]["copied_texts"]["copycat"] == 100


def test_without_a_holdout_it_says_so() -> None:
    train, _, kinds = people()
    scores = score(train[:300], None, train[:150], kinds, target="income")
    for name in ("nearer_to_train", "utility"):
        assert scores["metrics"][name]["value"] is None
        assert {"code": "no_holdout"} in scores["metrics"][name]["notes"]
    assert all(metric["floor"] is None for name, metric in scores["metrics"].items() if name != "missing")
    assert verdict(scores)[3].grade == "poor", "exact copies show without a hold-out"
    html = build_report(scores, {})
    assert say("limits_no_holdout").en in html
    assert say("limits_no_holdout").zh in html
    assert verdict(scores)[0].grade == "unknown"
    assert score(train[:90], train.clear(), train[:90], kinds, effort="quick")["sizes"]["holdout"] == 0


def test_a_thousand_columns() -> None:
    draw = np.random.default_rng(0)
    names = [f"sensor {i:04d} & <b>co</b>" for i in range(1000)]
    tables = [pl.DataFrame(draw.normal(size=(90, 1000)).round(3), schema=names) for _ in range(3)]
    scores = score(*tables, dict.fromkeys(names, "decimal"), effort="quick")
    assert scores["pairs"]["measured"] < scores["pairs"]["total"] == 499_500
    html = build_report(scores, FACTS)
    check_page(html)
    assert len(html.encode()) < 5e6
    assert html.count('class="card"') == 60
    assert "<b>co" not in html
    assert len(json.dumps(scores)) < 5e6


def test_user_errors() -> None:
    train, holdout, kinds = people()
    cases: list[tuple[str, Any]] = [
        ("GW-0501", lambda: score(train.clear(), holdout, train, kinds)),
        ("GW-0502", lambda: score(train, holdout, train.drop("age"), kinds)),
        ("GW-0503", lambda: score(train, holdout, train, {**kinds, "age": "vector"})),
        ("GW-0504", lambda: score(train, holdout, train.with_columns(age=pl.lit("old")), kinds)),
        ("GW-0505", lambda: score(train, holdout, train, kinds, target="incom")),
        ("GW-0506", lambda: score(train, holdout, train, kinds, effort="fast")),
        ("GW-0507", lambda: Report.load(SAMPLES)),
    ]
    for code, call in cases:
        with pytest.raises(GenwrightError) as caught:
            call()
        assert caught.value.code == code
    with pytest.raises(GenwrightError, match="income"):
        score(train, holdout, train, kinds, target="incom")


def test_report_object_and_files(tmp_path: Path, copycat: dict[str, Any]) -> None:
    train, holdout, kinds = people()
    report = report_files(
        train[:150], holdout[:150], holdout[150:300], kinds, "income", tmp_path / "out", "zh", effort="quick"
    )
    assert 'data-language="zh"' in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    again = Report.load(tmp_path / "out")
    assert again.scores == json.loads(json.dumps(report.scores))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]
    leak = Report(copycat, FACTS)
    assert leak["exact_copies"]["value"] == 100
    assert list(leak) == [name for name in ORDER if name in copycat["metrics"]]
    with pytest.raises(KeyError, match="shape"):
        leak["shap"]
    text = str(leak)
    assert "Training rows shine through" in text
    assert "照抄参照" in leak.text("zh")
    assert all(len(line) < 400 for line in text.splitlines())
    assert "<table" in leak._repr_html_()
    assert leak._repr_html_().count("<tr>") == len(leak) + 1


def test_show_never_hides_a_small_number() -> None:
    assert [show(v) for v in (None, 0.0, 0.001, 12.346)] == ["–", "0.00", "<0.01", "12.35"]


def test_importing_is_cheap() -> None:
    heavy = "('torch', 'sklearn', 'matplotlib', 'scipy', 'jinja2')"
    code = f"import sys, genwright.report, genwright.metrics.table; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
