"""The report on pictures: whole, closed, in two languages, honest about what it shows; and `Report` works for it."""

from __future__ import annotations

import base64
import io
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page import check_page
from PIL import Image

from digits import Labelled, parts
from genwright.metrics.images import IMAGE_ORDER, score_images
from genwright.metrics.values import metric
from genwright.report import Report
from genwright.report.images import Pictures, build_image_report, write_image_report
from genwright.report.verdict import grade, verdict
from genwright.report.words import TEXT, say, say_of

FACTS = {"name": "digits", "model": "flow", "settings": {"steps": 100}, "files": {"a": "0" * 64}}
LOG = [{"step": step, "loss": 1 / step, "time": 1.0} for step in range(1, 40)]
IMAGE = re.compile(
    r'<img class="pictures" src="data:image/png;base64,([^"]+)" width="(\d+)" height="(\d+)" alt="[^"]+">'
)


@pytest.fixture(scope="module")
def real() -> tuple[Labelled, Labelled, Labelled]:
    return tuple(part.take(np.arange(200)) for part in parts())  # type: ignore[return-value]


@pytest.fixture(scope="module")
def scores(real: tuple[Labelled, Labelled, Labelled]) -> dict[str, Any]:
    train, holdout, other = real
    own = {"bits_per_dimension": metric(1.5, None, None, "lower", "bits")}
    return score_images(
        Labelled(train.pixels), Labelled(holdout.pixels), Labelled(other.pixels), effort="quick", likelihoods=own,
        reconstruction=(holdout.pixels[:50], holdout.pixels[:50]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def copied(real: tuple[Labelled, Labelled, Labelled]) -> dict[str, Any]:
    train, holdout, _ = real
    return score_images(Labelled(train.pixels), Labelled(holdout.pixels), Labelled(train.pixels[::-1]), effort="quick")


@pytest.fixture(scope="module")
def pictures(real: tuple[Labelled, Labelled, Labelled]) -> Pictures:
    train, holdout, other = (part.pixels for part in real)
    return Pictures(other[:100], holdout[:100], (other[:20], train[:20]), (holdout[:20], holdout[:20]))


def closed(html: str) -> str:
    """The page without its embedded pictures, checked: nothing is loaded from anywhere."""
    plain = IMAGE.sub("", html)
    check_page(plain)
    return unescape(plain)


def test_page_with_everything(scores: dict[str, Any], pictures: Pictures, tmp_path: Path) -> None:
    path = write_image_report(
        tmp_path, scores, FACTS, pictures=pictures, log=LOG, solver_steps={4: 31.5, 10: 22.25}, language="zh"
    )
    html = path.read_text(encoding="utf-8")
    plain = closed(html)
    assert '<html lang="zh-CN" data-language="zh">' in html
    for name in scores["metrics"]:
        for words in (say_of("images", f"{name}.meaning"), say_of("images", f"{name}.definition")):
            assert words.en in plain
            assert words.zh in plain
    for part in ("gallery", "summary", "nearest", "rebuilt", "steps", "progress", "made", "limits"):
        assert f'id="{part}"' in html
    assert say("pictures.private").en in plain
    assert scores["features"]["sha256"] in plain
    assert "fd_digits_cnn_v1" in plain
    assert "31.5" in plain
    assert 'class="curve"' in html
    shown = [(Image.open(io.BytesIO(base64.b64decode(data))), int(width)) for data, width, _ in IMAGE.findall(html)]
    assert len(shown) == 4
    for image, width in shown:
        assert width % image.width == 0
        assert width >= 400


def test_page_without_pictures(scores: dict[str, Any]) -> None:
    """What `Report` makes of report.json alone."""
    html = build_image_report(scores, {})
    closed(html)
    assert "<img" not in html
    assert 'id="nearest"' not in html
    some = build_image_report(scores, {}, pictures=Pictures(gallery=np.zeros((3, 8, 8, 3), np.uint8)))
    assert say("pictures.no_training").en in unescape(some)
    assert say("pictures.private").en not in unescape(some)


def test_only_the_panel_of_neighbours_shows_training_pictures(scores: dict[str, Any], pictures: Pictures) -> None:
    """Everything else is there without them, pixel for pixel."""
    without = Pictures(pictures.gallery, pictures.real, None, pictures.rebuilt)
    whole, less = (IMAGE.findall(build_image_report(scores, {}, pictures=p)) for p in (pictures, without))
    assert len(whole) == len(less) + 1
    assert set(less) < set(whole)


def test_classes_lie_at_the_same_places_in_both_galleries(
    real: tuple[Labelled, Labelled, Labelled], tmp_path: Path
) -> None:
    """Fewer pictures of a class than places for it leave places white, and move nothing."""
    from genwright.image_report import judge_images

    train, holdout, other = real
    few = holdout.take(np.flatnonzero((holdout.labels != 3) | (np.arange(len(holdout)) < 30)))
    judge_images(train, few, other, tmp_path, FACTS, classes=tuple(f"digit {n}" for n in range(10)), effort="quick")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    shown = [Image.open(io.BytesIO(base64.b64decode(data))) for data, _, _ in IMAGE.findall(html)[:2]]
    assert shown[0].size == shown[1].size == (10 * 30 - 2, 10 * 30 - 2)
    for image, source in zip(shown, (other, few), strict=True):
        cells = (
            np.pad(np.asarray(image), ((0, 2), (0, 2)))[..., None].reshape(10, 30, 10, 30, 1).transpose(0, 2, 1, 3, 4)
        )
        for label, row in enumerate(cells[:, :, :28, :28]):
            mine = source.pixels[source.labels == label][:10]
            assert np.array_equal(row[: len(mine)], mine)
            assert (row[len(mine) :] == 255).all()
    assert "10 of each class" in html
    assert "digit 0, digit 1" in html


def test_verdicts(scores: dict[str, Any], copied: dict[str, Any]) -> None:
    assert {j.topic: j.grade for j in verdict(scores)} == {
        "like": "good", "varied": "good", "teach": "unknown", "own": "good",
    }  # fmt: skip
    own = verdict(copied)[3]
    assert (own.topic, own.grade) == ("own", "poor")
    assert "100.0 %" in own.words.en
    html = unescape(build_image_report(copied, {}))
    assert own.words.en in html
    assert own.words.zh in html


def test_grades_of_numbers_that_stand_alone(scores: dict[str, Any]) -> None:
    """A likelihood has no floor: it is shown, and not called unmeasured."""
    assert grade("bits_per_dimension", scores["metrics"]["bits_per_dimension"]) == "ungraded"
    assert grade("reconstruction_psnr", scores["metrics"]["reconstruction_psnr"]) == "ungraded"
    assert grade("near_copies", metric(None, None, None, "lower", "share")) == "unknown"
    assert grade("exact_pictures", metric(0.5, None, 1.0, "lower", "share")) == "poor"


def test_report_works_for_pictures(scores: dict[str, Any], tmp_path: Path) -> None:
    report = Report(scores, FACTS)
    path = report.write(tmp_path)
    closed(path.read_text(encoding="utf-8"))
    again = Report.load(tmp_path)
    assert again.scores == json.loads(json.dumps(scores))
    assert again["coverage"]["value"] == scores["metrics"]["coverage"]["value"]
    assert list(again) == [name for name in IMAGE_ORDER if name in scores["metrics"]]
    for language, word in (("en", "Coverage"), ("zh", "覆盖率")):
        assert word in again.text(language)
    assert "Fréchet distance" in again._repr_html_()
    assert "coverage" in repr(again)


def test_words_are_there_for_every_metric_and_note() -> None:
    for name in IMAGE_ORDER:
        assert {f"{name}.name", f"{name}.meaning", f"{name}.definition"} <= set(TEXT)
    for number in (2, 3, 4, 5, "no_holdout"):
        assert f"pictures.limits_{number}" in TEXT


def test_no_holdout_is_said(real: tuple[Labelled, Labelled, Labelled]) -> None:
    train, _, other = real
    found = score_images(Labelled(train.pixels), None, Labelled(other.pixels), effort="quick")
    html = closed(build_image_report(found, {}))
    assert say("pictures.limits_no_holdout").en in html
    assert say("own.unknown").en in html
    assert found["sizes"]["holdout"] == 0
