"""The n-gram model: probabilities that sum to one, Kneser-Ney by hand, samples that follow them, bits on real texts."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from genwright.networks.ngram import NGram
from genwright.networks.ngram_counts import count
from genwright.networks.ngram_discounts import START


def streams(n: int, seed: int, vocabulary: int = 7) -> list[np.ndarray]:
    """Texts of different lengths, one empty, in which each token leans on the one before."""
    random = np.random.default_rng(seed)
    steps = (random.choice([1, 2, 3], p=(0.6, 0.3, 0.1), size=random.integers(5, 40)) for _ in range(n))
    return [np.empty(0, int), *(np.cumsum(step) % vocabulary for step in steps)]


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_probabilities_sum_to_one_and_agree(order: int) -> None:
    model = NGram.fit(streams(60, 0), 9, order)  # tokens 7 and 8 never occur
    text = np.concatenate([streams(1, 5)[1], [8, 0, 1]])
    each = model.next_probabilities([text[:at] for at in range(len(text))])
    assert each.sum(1) == pytest.approx(np.ones(len(text)), abs=1e-12)
    assert each.min() > 0
    assert model.log_probabilities(text) == pytest.approx(np.log(each[np.arange(len(text)), text]))
    several = model.log_probabilities(text, text[:4])
    assert several == pytest.approx(np.concatenate([model.log_probabilities(text), model.log_probabilities(text[:4])]))


def test_kneser_ney_by_hand() -> None:
    """Order 2 on "a b a c": p(b | a) with counts of tokens below, of pairs above."""
    model = NGram(count([np.array([0, 1, 0, 2])], 3, 2), np.array([START, START]), 3)
    one, strength = START[0], START[3]
    follows = {0: 2, 1: 1, 2: 1}  # a follows the beginning and b; b follows a; c follows a
    start_count = {k: (1 if k in (1, 2) else 2) for k in follows}
    taken = one * 2 + START[1] * 1
    kept = {k: n - (one if start_count[k] == 1 else START[1]) for k, n in follows.items()}
    lower = {k: (kept[k] + (strength + taken) / 3) / (strength + 4) for k in follows}
    expected = (1 - one + (strength + 2 * one) * lower[1]) / (strength + 2)
    assert model.next_probabilities([np.array([0])])[0, 1] == pytest.approx(expected)


def test_samples_follow_the_probabilities() -> None:
    model = NGram.fit(streams(60, 0), 9, 4)
    prompt = np.array([1, 2, 4])
    drawn = model.sample(2, np.random.default_rng(0), [prompt] * 40_000)
    wanted = model.next_probabilities([prompt])[0]
    assert np.bincount(drawn[:, 0], minlength=9) / 40_000 == pytest.approx(wanted, abs=0.01)
    second = wanted @ model.next_probabilities([np.append(prompt, k) for k in range(9)])
    assert np.bincount(drawn[:, 1], minlength=9) / 40_000 == pytest.approx(second, abs=0.01)
    mixed = [np.empty(0, int), prompt]
    again = [model.sample(20, np.random.default_rng(3), mixed) for _ in range(2)]
    assert (again[0] == again[1]).all()
    assert again[0].shape == (2, 20)
    assert 0 <= again[0].min() <= again[0].max() < 9


def test_kept_in_a_file_and_fitted_again() -> None:
    text, model = streams(1, 9)[1], NGram.fit(streams(40, 2), 7, 5)
    for other in (NGram.from_arrays(model.arrays()), NGram.fit(streams(40, 2), 7, 5)):
        assert (other.log_probabilities(text) == model.log_probabilities(text)).all()


def test_next_to_nothing() -> None:
    for few in ([], [np.empty(0, int)], [np.array([2])]):
        model = NGram.fit(few, 4, 3)
        assert model.next_probabilities([[], [0, 1]]).sum(1) == pytest.approx([1, 1])
        assert model.sample(3, np.random.default_rng(0), [[]]).shape == (1, 3)
        assert model.log_probabilities(np.empty(0, int)).shape == (0,)
    assert NGram.fit([], 4, 3).next_probabilities([[]])[0] == pytest.approx(np.full(4, 0.25))
    for wrong in ([4], [-1]):
        with pytest.raises(ValueError, match="not all in"):
            NGram.fit([np.array(wrong)], 4, 2)


def nats(text: str, order: int) -> float:
    """Per character of the last tenth, of a model of the rest."""
    known, ids = np.unique(np.array(list(text)), return_inverse=True)
    end = int(0.9 * len(ids))
    return -float(NGram.fit([ids[:end]], len(known), order).log_probabilities(ids[end:]).mean())


def test_real_texts(large_data: Path) -> None:
    """A Witten-Bell model of order 6 reaches 1.698 on the first; the best one of order 3, 4.674 on the second."""
    assert nats((large_data / "text" / "tinyshakespeare.txt").read_text(encoding="utf-8"), 6) < 1.52
    song = gzip.decompress((large_data / "text" / "song_ci_9000.txt.gz").read_bytes()).decode("utf-8")
    assert nats(song, 4) < 4.45
