"""Small collections: copies are told from fresh pictures, noise from pictures, and a large class is no achievement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from digits import digits, noisy
from genwright.metrics.image_copies import TrainingPictures
from genwright.metrics.image_sets import EFFORTS, ImageEffort, Labelled
from genwright.metrics.images import score_images
from genwright.report.verdict import grade, verdict

SIZES = {60: (54, 6), 300: (270, 30)}  # of a collection: training and held-out pictures, as --holdout .1 splits it


def parts(size: int, place: int) -> tuple[Labelled, Labelled, Labelled]:
    """Training, held-out and fresh pictures of a small collection, one of several."""
    train = SIZES[size][0]
    whole = Labelled(np.roll(digits().pixels, 173 * place, axis=0))
    ends = ((0, train), (train, size), (size, size + train))
    return tuple(whole.take(np.arange(a, b)) for a, b in ends)  # type: ignore[return-value]


def own(scores: dict[str, Any]) -> tuple[str, str]:
    judgement = next(each for each in verdict(scores) if each.topic == "own")
    return judgement.grade, judgement.words.en


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("place", range(3))
def test_few_pictures_tell_copies_from_fresh_ones(size: int, place: int) -> None:
    train, holdout, fresh = parts(size, place)
    scores = score_images(train, holdout, fresh, effort="quick")
    found, words = own(scores)
    assert found == "good"
    assert f"Only {len(holdout)} pictures are held out" in words
    for name in ("near_copies", "near_pixels", "recoloured_copies"):
        metric = scores["metrics"][name]
        assert metric["copycat"] == 1
        assert metric["floor"] < 0.1
        (note,) = (note for note in metric["notes"] if note["code"] == "stand_ins")
        assert note["holdout"] == len(holdout)
        assert len(train) - 2 <= note["training"] <= len(train), "a few are near-copies of others"
    assert own(score_images(train, holdout, train, effort="quick"))[0] == "poor"


@pytest.mark.parametrize("size", list(SIZES))
def test_few_faint_or_noisy_copies_are_copies_too(size: int) -> None:
    train, holdout, _ = parts(size, 0)
    for made in ((train.pixels * 0.9).astype(np.uint8), noisy(train.pixels, 0.02)):
        scores = score_images(train, holdout, Labelled(made), effort="quick")
        assert scores["metrics"]["exact_pictures"]["value"] == 0
        assert own(scores)[0] == "poor"


def test_near_copies_among_training_pictures_do_not_stand_in() -> None:
    """Every picture twice, once a little fainter: beside its twin each would be near, and nothing else."""
    pixels = digits().pixels[:100]
    twice = np.concatenate([pixels, (pixels * 0.95).astype(np.uint8)])

    def stand_ins(x: np.ndarray) -> dict[str, np.ndarray]:
        return TrainingPictures(x, x.reshape(len(x), -1).astype(np.float64), everything=x).stand_ins()

    once, twins = stand_ins(pixels), stand_ins(twice)
    assert len(twins["distance"]) == len(once["distance"]) <= 100
    assert twins["distance"].min() > 0.5 * once["distance"].min()
    assert not twins["alike"].any()
    assert not len(stand_ins(np.repeat(pixels[:1], 30, axis=0))["distance"])


def test_too_few_pictures_are_said_to_be_too_few() -> None:
    few = digits().pixels[:30]
    scores = score_images(Labelled(few[:12]), Labelled(few[12:15]), Labelled(few[15:]), effort="quick")
    found, words = own(scores)
    assert found == "unknown"
    assert "3 held-out ones" in words
    assert "12 training pictures" in words


def test_what_noise_passes_is_not_graded() -> None:
    """In colour, of 40 pictures, on untrained features: most noise lies within some ball, and nothing but coverage sees it."""
    whole = np.repeat(digits().pixels, 3, axis=3)
    train, holdout = Labelled(whole[:360]), Labelled(whole[360:400])
    noise = np.random.default_rng(0).integers(0, 256, (180, 28, 28, 3)).astype(np.uint8)
    scores = score_images(train, holdout, Labelled(noise), effort="quick", features="pixels")
    for name in ("precision", "density", "recall", "coverage"):
        codes = {note["code"] for note in scores["metrics"][name]["notes"]}
        assert codes >= {"weak_features", "few_for_features"}, name
        assert grade(name, scores["metrics"][name], "images") == ("poor" if name == "coverage" else "ungraded")
    assert {each.topic: each.grade for each in verdict(scores)}["varied"] == "poor"


def test_a_large_class_is_no_achievement(monkeypatch: pytest.MonkeyPatch) -> None:
    """One class has seven tenths of the pictures; noise of all classes teaches to name it, and that is worth nothing."""
    monkeypatch.setitem(EFFORTS, "quick", ImageEffort(300, 600, 150))
    whole, random = digits(), np.random.default_rng(0)
    places = np.concatenate(
        [np.flatnonzero(whole.labels == label)[:n] for label, n in ((0, 170), (1, 40), (2, 35))]  # type: ignore[arg-type]
    )
    real = whole.take(random.permutation(places))
    train, holdout = real.take(np.arange(160)), real.take(np.arange(160, 245))
    noise = random.integers(0, 256, (80, 28, 28, 1)).astype(np.uint8)
    made = Labelled(noise, train.labels[:80])  # type: ignore[index]
    scores = score_images(train, holdout, made, classes=("0", "1", "2"), effort="quick")
    metric = scores["metrics"]["classifier"]
    assert metric["guess"] == pytest.approx(1 / 3)
    assert metric["value"] < 0.6
    assert metric["floor"] > 0.9
    assert {each.topic: each.grade for each in verdict(scores)}["teach"] == "poor"
    hopeless = {**metric, "value": 0.34, "floor": 0.35}
    assert grade("classifier", hopeless, "images") == "ungraded"
