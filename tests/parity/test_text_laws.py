"""Laws of the text scores: floor below noise and collapse, copies exposed, nothing crashes, same seed same numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from coded_texts import CONDITIONS, FRESH, FRESH_LABELS, HELD, HELD_LABELS, TRAIN, TRAIN_LABELS
from genwright.errors import GenwrightError
from genwright.metrics.text_distance import Embedding
from genwright.metrics.text_sets import Responses, Texts, pieces
from genwright.metrics.texts import TEXT_ORDER, score_texts
from genwright.metrics.values import metric


def score(made: list[str], **settings: Any) -> dict[str, Any]:
    return score_texts(Texts(TRAIN), Texts(HELD), Texts(made), effort="quick", **settings)


def values(scores: dict[str, Any], key: str = "value") -> dict[str, float]:
    return {name: entry[key] for name, entry in scores["metrics"].items()}


@pytest.fixture(scope="module")
def fresh() -> dict[str, Any]:
    return score(FRESH)


def test_layout_and_fresh_real_texts(fresh: dict[str, Any]) -> None:
    assert (fresh["kind"], fresh["format"]) == ("texts", 1)
    assert fresh["features"]["name"] in ("tfidf_svd_64", "minilm_l6_v2")  # which is installed
    assert fresh["sizes"] == {"train": 400, "holdout": 220, "synthetic": 200, "compared": 200, "searched": 400}
    assert list(fresh["metrics"]) == [name for name in TEXT_ORDER if name in fresh["metrics"]]
    for name, entry in fresh["metrics"].items():
        assert {"value", "floor", "copycat", "better", "unit"} <= set(entry)
        if name not in ("copied_16", "copied_32"):
            assert None not in (entry["value"], entry["floor"], entry["copycat"]), name
    found, floor = values(fresh), values(fresh, "floor")
    for name in ("frechet", "mauve", "pair_distance", "distinct_2", "ngram_entropy", "self_bleu", "predictability"):
        assert found[name] == pytest.approx(floor[name], rel=0.15), name
    assert abs(found["judge"] - 0.5) < 0.1
    assert fresh["baselines"]["ngram"]["bits_per_byte"] < fresh["baselines"]["xz"]["bits_per_byte"]
    json.dumps(fresh, allow_nan=False)


def test_copies_are_exposed() -> None:
    scores = score(TRAIN[:200])
    found, floor = values(scores), values(scores, "floor")
    assert found["copied_8"] == found["near_copies"] == found["exact_texts"] == 1
    assert found["judge"] < 0.5
    assert found["frechet"] < floor["frechet"]
    assert found["predictability"] < floor["predictability"]
    assert max(floor["copied_8"], floor["exact_texts"]) < 0.05
    assert found["longest_copy"] > 2 * floor["longest_copy"]
    sample, training, _ = scores["nearest"][0]
    assert sample == training
    assert scores["longest_copy"]["copied"] == TRAIN[training]


def test_a_copied_part_is_shown_in_its_context(fresh: dict[str, Any]) -> None:
    part = TRAIN[7][: len(TRAIN[7]) // 2 * 2]
    scores = score([*FRESH[:199], f"Something else! {part} And so on."])
    found = scores["longest_copy"]
    assert (found["sample"], found["training"]) == (199, 7)
    assert found["before"] + found["copied"] + found["after"] == f"Something else! {part} And so on."
    assert found["words"] > values(fresh)["longest_copy"]


def test_collapse_is_caught(fresh: dict[str, Any]) -> None:
    """One text that nobody has seen, over and over."""
    scores = score(FRESH[:1] * 200)
    found, floor = values(scores), values(scores, "floor")
    assert found["frechet"] > 3 * floor["frechet"]
    assert found["mauve"] < 0.1 < floor["mauve"]
    assert found["pair_distance"] > 1.2 * floor["pair_distance"]
    assert found["distinct_2"] < 0.2 * floor["distinct_2"]
    assert found["ngram_entropy"] < 0.8 * floor["ngram_entropy"]
    assert found["self_bleu"] == pytest.approx(100)
    assert found["unique_texts"] == 1 / 200
    assert found["judge"] > 0.9


def test_repetition_within_a_text_is_caught() -> None:
    scores = score([" ".join([text.split(".")[0] + "."] * 4) for text in FRESH])
    assert values(scores)["repetition"] > 0.6 > 10 * values(scores, "floor")["repetition"]


def test_noise_is_no_text() -> None:
    random = np.random.default_rng(0)
    scores = score(["".join(random.permutation(list(text))) for text in FRESH])
    found, floor = values(scores), values(scores, "floor")
    assert found["frechet"] > 2 * floor["frechet"]
    assert found["mauve"] < 0.2
    assert found["word_distance"] > 2 * floor["word_distance"]
    assert found["judge"] > 0.95
    assert found["predictability"] > 1.5 * floor["predictability"]
    assert found["copied_8"] == 0


def test_conditions_count() -> None:
    parts = (Texts(TRAIN, TRAIN_LABELS[:, None]), Texts(HELD, HELD_LABELS[:, None]))
    settings = {"conditions": {"theme": CONDITIONS}, "effort": "quick"}
    found = values(score_texts(*parts, Texts(FRESH, FRESH_LABELS[:, None]), **settings))
    assert min(found["conditions_kept"], found["condition_balance"]) > 0.95
    found = values(score_texts(*parts, Texts(FRESH, (FRESH_LABELS[:, None] + 1) % 3), **settings))
    assert found["conditions_kept"] < 0.05
    one = [text for text, label in zip(FRESH, FRESH_LABELS, strict=True) if label == 2]
    found = values(score_texts(*parts, Texts(one), **settings))
    assert found["condition_balance"] < 0.2
    assert "conditions_kept" not in found


def test_each_of_several_conditions_counts() -> None:
    coin = np.random.default_rng(0).integers(0, 2, len(TRAIN) + len(HELD) + len(FRESH))
    ends = np.cumsum([len(TRAIN), len(HELD)])
    second = np.split(coin, ends)
    second[0][::3] = -1  # not known of every text
    themes = (TRAIN_LABELS, HELD_LABELS, FRESH_LABELS)
    parts = [
        Texts(texts, np.stack(labels, axis=1))
        for texts, *labels in zip((TRAIN, HELD, FRESH), themes, second, strict=True)
    ]
    entry = score_texts(*parts, conditions={"theme": CONDITIONS, "coin": ("heads", "tails")}, effort="quick")["metrics"]
    kept = entry["conditions_kept"]
    assert kept["parts"]["theme"]["value"] > 0.95
    assert 0.35 < kept["parts"]["coin"]["value"] < 0.65  # nothing in a text tells it
    assert kept["value"] == pytest.approx(np.mean([part["value"] for part in kept["parts"].values()]), abs=1e-5)
    assert kept["notes"][0]["code"] == "by_condition"
    assert "coin" in kept["notes"][0]["each"]


def test_membership_is_not_asked_where_held_out_texts_are_of_another_kind() -> None:
    """As the end of a book: an attack would find the kind of text, not who was trained on."""
    other = [text.replace("e", "ø").replace("the", "þe") for text in HELD]
    scores = score_texts(Texts(TRAIN), Texts(other), Texts(FRESH), effort="quick")
    entry = scores["metrics"]["membership"]
    assert (entry["value"], entry["notes"][0]["code"]) == (None, "held_apart")
    assert score(FRESH)["metrics"]["membership"]["value"] is not None


def test_a_loss_stands_beside_that_of_the_ngram_model() -> None:
    nats = {"nats": 2.0, "nats_per_character": 0.5, "perplexity": 7.39, "bits_per_byte": 0.72}
    given = {name: metric(value, None, None, "lower", "") for name, value in nats.items()}
    scores = score(FRESH, likelihoods=given)
    found, ngram = scores["metrics"], scores["baselines"]["ngram"]
    assert found["bits_per_byte"]["floor"] == pytest.approx(ngram["bits_per_byte"], abs=1e-6)
    assert found["nats"]["floor"] == pytest.approx(4 * ngram["nats_per_character"], abs=1e-5)  # 4 characters a token
    assert found["perplexity"]["floor"] == pytest.approx(np.exp(found["nats"]["floor"]), rel=1e-5)


def test_answers_beside_other_answers_and_the_nearest() -> None:
    made = [text.replace("old", "new") for text in HELD]
    entries = score(FRESH, responses=Responses(made, HELD, TRAIN, HELD_LABELS[:, None]))["metrics"]
    for name in ("bleu", "chrf", "rouge_1", "rouge_2", "rouge_l", "token_f1"):
        entry = entries[name]
        assert entry["value"] > entry["copycat"] > entry["floor"] > 0, name
    assert entries["bleu"]["tokens"] == "13a"
    assert entries["exact_match"]["floor"] == 0
    entries = score(FRESH, responses=Responses(["明月几时有"], ["明月何时有"]))["metrics"]
    assert (entries["bleu"]["tokens"], entries["bleu"]["floor"], entries["bleu"]["copycat"]) == ("zh", None, None)
    assert entries["rouge_1"]["value"] == pytest.approx(0.8)


def test_a_book_is_cut_like_its_samples() -> None:
    """One training text and one held-out text, each longer than all samples together."""
    scores = score_texts(Texts([" ".join(TRAIN)]), Texts([" ".join(HELD)]), Texts(FRESH), effort="quick")
    found, floor, copycat = (values(scores, key) for key in ("value", "floor", "copycat"))
    assert scores["sizes"]["compared"] > 100
    assert {"cut_texts"} <= {note["code"] for note in scores["metrics"]["frechet"]["notes"]}
    assert copycat["copied_8"] == copycat["exact_texts"] == 1
    assert found["pair_distance"] == pytest.approx(floor["pair_distance"], rel=0.3)
    assert found["length"] == pytest.approx(floor["length"], rel=0.2)
    whole = "".join(pieces(Texts(["ab cd " * 300, "x" * 99]), 50, 100).texts)
    assert whole == "ab cd " * 300 + "x" * 99


def test_without_holdout_and_with_few_texts() -> None:
    scores = score_texts(Texts(TRAIN), None, Texts(FRESH), effort="quick")
    assert scores["baselines"] is None
    assert scores["metrics"]["copied_8"]["floor"] is None
    assert {"code": "floor_halves", "holdout": 0} in scores["metrics"]["frechet"]["notes"]
    for train, made in (
        (TRAIN[:2], FRESH[:2]),
        (TRAIN[:1], ["x"]),
        (TRAIN, ["", "", "a"]),
        (["a", ""], ["\x00", "🎉"]),
    ):
        for holdout in (None, Texts(HELD[:1]), Texts([])):
            found = score_texts(Texts(train), holdout, Texts(made), effort="quick")
            json.dumps(found, allow_nan=False)
            assert found["sizes"]["compared"] >= 1


def test_same_seed_same_numbers(fresh: dict[str, Any]) -> None:
    again = score(FRESH)
    assert {**again, "seconds": 0} == {**fresh, "seconds": 0}
    assert values(score(FRESH, seed=1)) != values(fresh)


def test_what_the_caller_brings() -> None:
    told: list[tuple[int, int, str]] = []
    chosen = Embedding(
        "lengths", "0" * 64, lambda texts: np.array([[len(t), t.count("e")] for t in texts], dtype=float)
    )
    own = {"bits_per_byte": metric(1.5, None, None, "lower", "bits per byte")}
    scores = score(FRESH, embed=chosen, likelihoods=own, progress=lambda *step: told.append(step))
    assert scores["features"]["name"] == "lengths"
    assert scores["metrics"]["bits_per_byte"] == own["bits_per_byte"]
    assert [step[0] for step in told] == list(range(7))


def test_bad_input() -> None:
    good = Texts(TRAIN)
    for code, train, holdout, made, settings in (
        ("GW-0506", good, None, good, {"effort": "wild"}),
        ("GW-0530", Texts([]), None, good, {}),
        ("GW-0530", good, None, Texts(["", " \n"]), {}),
        ("GW-0534", good, None, Texts(["a", None]), {}),
        ("GW-0534", good, Texts([b"a"]), good, {}),
        ("GW-0535", good, None, Texts(["a", "b"], np.zeros(3, int)), {}),
        ("GW-0531", good, None, good, {"responses": Responses(["a"], [])}),
    ):
        with pytest.raises(GenwrightError, match=code):
            score_texts(train, holdout, made, **{"effort": "quick", **settings})
