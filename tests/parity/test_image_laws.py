"""Laws of the image scores, on real digits: floor below noise and collapse, copies exposed, nothing crashes, same seed same
numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from digits import CLASSES, blurred, noisy, parts
from genwright.errors import GenwrightError
from genwright.metrics import image_features
from genwright.metrics.image_distances import frechet, kid
from genwright.metrics.image_sets import EFFORTS, ImageEffort, Labelled, samples_needed
from genwright.metrics.images import IMAGE_ORDER, score_images
from genwright.metrics.values import metric
from genwright.report.verdict import verdict

Score = Callable[..., dict[str, Any]]
LABEL_METRICS = {"class_balance", "class_kept", "classifier"}


@pytest.fixture(scope="module")
def real() -> tuple[Labelled, Labelled, Labelled]:
    return parts()


@pytest.fixture(scope="module")
def score(real: tuple[Labelled, Labelled, Labelled]) -> Score:
    """Scores of pixels, without labels."""
    train, holdout, _ = real

    def call(pixels: np.ndarray, **settings: Any) -> dict[str, Any]:
        return score_images(Labelled(train.pixels), Labelled(holdout.pixels), Labelled(pixels), **settings)

    return call


@pytest.fixture(scope="module")
def fresh(score: Score, real: tuple[Labelled, Labelled, Labelled]) -> dict[str, Any]:
    return score(real[2].pixels)


def values(scores: dict[str, Any], key: str = "value") -> dict[str, float]:
    return {name: entry[key] for name, entry in scores["metrics"].items()}


def grades(scores: dict[str, Any]) -> dict[str, str]:
    return {judgement.topic: judgement.grade for judgement in verdict(scores)}


def test_fresh_real_pictures_are_good(fresh: dict[str, Any]) -> None:
    assert grades(fresh) == {"like": "good", "varied": "good", "teach": "unknown", "own": "good"}
    assert set(fresh["metrics"]) <= set(IMAGE_ORDER) - LABEL_METRICS
    assert (fresh["kind"], fresh["format"], fresh["features"]["name"]) == ("images", 1, "digits_cnn_v1")
    assert fresh["sizes"] == {"train": 900, "holdout": 450, "synthetic": 447, "compared": 447, "searched": 900}
    for name, entry in fresh["metrics"].items():
        assert {"value", "floor", "copycat", "better", "unit"} <= set(entry)
        assert None not in (entry["value"], entry["floor"], entry["copycat"]), name
    codes = {note["code"] for note in fresh["metrics"]["frechet"]["notes"]}
    assert codes == {"measured_on", "few_images"}


@pytest.mark.parametrize("name", ["digits", "pixels"])
def test_distances_grow_with_noise_and_blur(name: str, real: tuple[Labelled, Labelled, Labelled]) -> None:
    features = image_features.choose(real[0].pixels, features=name)
    train, other = (features.call(part.pixels[:300]) for part in (real[0], real[2]))
    for change, sizes in ((noisy, (0.1, 0.2, 0.4)), (blurred, (3, 5, 7))):
        made = [features.call(change(real[2].pixels[:300], size)) for size in sizes]
        far = [frechet(train, other), *(frechet(train, x) for x in made)]
        gap = [kid(train, other), *(kid(train, x) for x in made)]
        assert far == sorted(far), change
        assert gap == sorted(gap), change


def test_copies_are_exposed(score: Score, real: tuple[Labelled, Labelled, Labelled]) -> None:
    scores = score(real[0].pixels[:447])
    found, floor = values(scores), values(scores, "floor")
    assert found["frechet"] < 1.1 * floor["frechet"]
    assert found["coverage"] > 0.95 * floor["coverage"]
    assert found["near_copies"] == found["near_pixels"] == found["exact_pictures"] == found["nearer_pictures"] == 1
    assert found["authentic"] == 0
    assert max(floor["near_copies"], floor["near_pixels"], floor["exact_pictures"]) < 0.05
    assert grades(scores)["own"] == "poor"
    assert [pair[2] for pair in scores["nearest"][:5]] == [0] * 5
    assert all(sample == train for sample, train, _ in scores["nearest_pixels"][:100])


def test_faint_copies_are_exposed(score: Score, real: tuple[Labelled, Labelled, Labelled]) -> None:
    """Training pictures with a little less contrast: no pixel is equal, each is a copy."""
    scores = score((real[0].pixels[:447] * 0.9).astype(np.uint8))
    found = values(scores)
    assert found["exact_pictures"] == 0
    assert min(found["near_copies"], found["near_pixels"]) > 0.5
    assert found["recoloured_copies"] > 0.9
    assert grades(scores)["own"] == "poor"


def test_collapse_is_caught(score: Score, real: tuple[Labelled, Labelled, Labelled]) -> None:
    """Ten pictures that nobody has seen, over and over: each looks real, and most are missing."""
    scores = score(np.repeat(real[2].pixels[:10], 44, axis=0))
    found, floor = values(scores), values(scores, "floor")
    assert found["precision"] > 0.7
    assert found["recall"] < 0.1 * floor["recall"]
    assert found["coverage"] < 0.2
    assert found["vendi"] < 0.8 * floor["vendi"]
    assert found["within_class"] > floor["within_class"] + 0.05
    assert found["cluster_balance"] < floor["cluster_balance"] - 0.1
    assert found["frechet"] > 10 * floor["frechet"]
    assert grades(scores)["varied"] == "poor"


@pytest.mark.parametrize("value", [0, 200])
def test_one_flat_picture(value: int, score: Score) -> None:
    scores = score(np.full((60, 28, 28, 1), value, np.uint8))
    found, floor = values(scores), values(scores, "floor")
    assert found["frechet"] > 10 * floor["frechet"]
    assert found["vendi"] == pytest.approx(1, abs=1e-3)
    assert (grades(scores)["like"], grades(scores)["varied"]) == ("poor", "poor")


def test_noise_is_no_digit(score: Score) -> None:
    scores = score(np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1)).astype(np.uint8))
    assert grades(scores) == {"like": "poor", "varied": "poor", "teach": "unknown", "own": "good"}
    assert values(scores)["coverage"] < 0.1


def test_labels_count(real: tuple[Labelled, Labelled, Labelled], monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier learns as much from fresh real pictures as from training ones, and nothing from wrong labels."""
    train, holdout, other = (part.take(np.arange(300)) for part in real)
    monkeypatch.setitem(EFFORTS, "quick", ImageEffort(300, 600, 150))
    right = score_images(train, holdout, other, classes=CLASSES, effort="quick")
    assert set(right["metrics"]) >= LABEL_METRICS
    assert grades(right)["teach"] == "good"
    found = values(right)
    assert min(found["classifier"], found["class_kept"], found["class_balance"]) > 0.9
    wrong = Labelled(other.pixels, np.roll(other.labels, 1))  # of a random order: right by chance only
    found = values(score_images(train, holdout, wrong, classes=CLASSES, effort="quick"))
    assert max(found["classifier"], found["class_kept"]) < 0.3
    one = other.take(np.flatnonzero(other.labels == 3))
    found = values(score_images(train, holdout, Labelled(one.pixels), classes=CLASSES, effort="quick"))
    assert found["class_balance"] < 0.4
    assert not {"classifier", "class_kept"} & set(found)


def test_few_and_missing_pictures(real: tuple[Labelled, Labelled, Labelled]) -> None:
    """Two pictures of each; no hold-out; a small one, where the floor is made of training halves."""
    train, holdout, other = (Labelled(part.pixels) for part in real)
    two = np.arange(2)
    tiny = score_images(train.take(two), holdout.take(two), other.take(two))
    assert tiny["sizes"]["compared"] == 2
    assert tiny["metrics"]["near_copies"]["value"] is None
    none = score_images(train, None, other)
    codes = [note["code"] for note in none["metrics"]["near_copies"]["notes"]]
    assert codes == ["no_held_pictures"]
    assert none["metrics"]["frechet"]["floor"] is not None
    assert none["metrics"]["exact_pictures"]["value"] == 0
    small = score_images(train, holdout.take(np.arange(100)), other)
    assert {"code": "floor_halves", "holdout": 100} in small["metrics"]["frechet"]["notes"]
    assert small["sizes"]["compared"] == 447
    assert small["metrics"]["frechet"]["floor"] == pytest.approx(none["metrics"]["frechet"]["floor"], rel=0.5)
    assert samples_needed(900, 100, "full") == 450
    assert samples_needed(60_000, 10_000, "quick") == 2_000


def test_same_seed_same_numbers(score: Score, fresh: dict[str, Any], real: tuple[Labelled, Labelled, Labelled]) -> None:
    few = real[2].pixels[:100]
    first, second = (score(few, effort="quick", seed=3) for _ in range(2))
    for scores in (first, second):
        scores.pop("seconds")
    assert first == second
    assert first["metrics"]["frechet"] != fresh["metrics"]["frechet"]


def test_what_the_model_measures_and_rebuilds(real: tuple[Labelled, Labelled, Labelled]) -> None:
    train, holdout, other = (part.take(np.arange(120)) for part in real)
    own = {"nats": metric(90.0, None, None, "lower", "nats")}
    rebuilt = (holdout.pixels, blurred(holdout.pixels, 3))
    scores = score_images(train, holdout, other, likelihoods=own, reconstruction=rebuilt)
    assert scores["metrics"]["nats"] == own["nats"]
    for name in ("reconstruction_psnr", "reconstruction_ssim", "reconstruction_ms_ssim"):
        entry = scores["metrics"][name]
        assert entry["value"] > entry["copycat"], "a blurred picture is nearer to itself than any other one is"
    assert list(scores["metrics"]) == sorted(scores["metrics"], key=IMAGE_ORDER.index)


def test_mistakes_are_said(real: tuple[Labelled, Labelled, Labelled]) -> None:
    train, holdout, other = real
    with pytest.raises(GenwrightError, match="GW-0506"):
        score_images(train, holdout, other, effort="half")
    with pytest.raises(GenwrightError, match="GW-0520: The synthetic pictures are 14 x 28 with 1 channel"):
        score_images(train, holdout, Labelled(other.pixels[:, :, :14]))
    with pytest.raises(GenwrightError, match="GW-0520: The held-out pictures are 28 x 28 with 3 channels"):
        score_images(train, Labelled(np.repeat(holdout.pixels, 3, axis=3)), other)
    with pytest.raises(GenwrightError, match="GW-0521: There are 1 synthetic pictures"):
        score_images(train, holdout, other.take(np.arange(1)))
