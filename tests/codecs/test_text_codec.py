"""Documents survive the way to tokens and back, whatever is in them; what the loss counts is marked."""

import gzip
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from genwright.codecs import tokenisers
from genwright.codecs.text import BEGIN, END, TextCodec
from genwright.codecs.tokenisers import chunks, evenly
from genwright.data.documents import Document, Message
from genwright.errors import GenwrightError

SPEECH = "It was a bright cold day in April, and the clocks were striking thirteen. 明月几时有，把酒问青天。\n" * 20
ODD = (
    "\r\n\0\t <|endoftext|></s>[MASK] e\u0301 naïve 🏳️‍🌈👩🏽‍🚀 \U0010ffff\ufeff\u200b\u2028 ﬁ İ ß  \n\n\n  x"
    + "x" * 999
    + " " * 999
    + "é" * 999
    + "\n" * 99
    + "नमस्ते दुनिया สวัสดีชาวโลก שלום مرحبا"
)
TALK = Document((Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Hello!")), {"topic": "b"})


def pretrained(folder, *, exact=True):
    tokeniser = Tokenizer(models.BPE())
    tokeniser.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokeniser.decoder = decoders.ByteLevel()
    if not exact:
        tokeniser.normalizer = normalizers.Lowercase()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokeniser.train_from_iterator([SPEECH], trainer)
    tokeniser.add_special_tokens(["[MASK]"])
    tokeniser.enable_truncation(7)
    folder.mkdir(exist_ok=True)
    tokeniser.save(str(folder / "tokenizer.json"))
    return f"folder:{folder}"


@pytest.fixture(scope="module", params=["bpe", "characters", "folder"])
def codec(request, tmp_path_factory):
    kind = pretrained(tmp_path_factory.mktemp("model")) if request.param == "folder" else request.param
    return TextCodec.fit([Document.of(SPEECH)], tokeniser=kind)


def again(codec):
    return TextCodec.from_json(json.loads(json.dumps(codec.to_json())), codec.arrays())


def test_odd_text_comes_back_letter_for_letter(codec):
    for text in (ODD, SPEECH, "", " ", "\n", "\0", ODD[::-1], "a" * 40_000 + "\r\n" + " b" * 40_000):
        ids, counts = codec.encode(Document.of(text))
        assert ids[0] == BEGIN
        assert ids[-1] == END
        assert (ids[1:-1] >= codec.offset).all()
        assert ids.max() < codec.spec.vocabulary
        assert counts.tolist() == [False] + [True] * (len(ids) - 1)
        assert codec.decode(ids) == again(codec).decode(ids) == Document.of(text)
        assert (again(codec).encode(Document.of(text))[0] == ids).all()


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_comes_back(codec, text):
    assert codec.decode(codec.encode(Document.of(text))[0]).text == text


def test_a_lone_surrogate_is_no_character(codec):
    assert codec.decode(codec.encode(Document.of("a\ud800b"))[0]).text == "a\ufffdb"


@pytest.mark.parametrize("kind", ["bpe", "characters"])
@pytest.mark.parametrize("file", ["tinyshakespeare.txt", "song_ci_9000.txt.gz"])
def test_a_million_bytes_of_real_text_come_back(large_data, kind, file):
    content = (large_data / "text" / file).read_bytes()
    text = (gzip.decompress(content) if file.endswith("gz") else content)[: 1 << 20].decode(errors="ignore")
    text = f"{text[:300_000]}{ODD}{text[300_000:]}"
    codec = TextCodec.fit([Document.of(text[:200_000])], tokeniser=kind)
    ids, _ = codec.encode(Document.of(text))
    assert codec.decode(ids).text == text
    assert codec.spec.vocabulary <= 1 << 16
    assert ids.dtype == np.uint16


def test_pairs_are_learned_and_characters_are_all_known():
    documents = [Document.of(SPEECH)]
    pairs, characters = (TextCodec.fit(documents, tokeniser=kind) for kind in ("bpe", "characters"))
    assert pairs.spec.vocabulary <= 2 + tokenisers.SMALLEST
    assert len(pairs.encode(documents[0])[0]) < len(SPEECH) / 3
    assert len(characters.encode(documents[0])[0]) == len(SPEECH) + 2
    assert TextCodec.fit(documents, tokeniser="bpe", vocabulary=300).tokeniser.size == 300
    few = TextCodec.fit(documents, tokeniser="characters", vocabulary=260)
    assert set(few.tokeniser.alphabet) == {letter for letter, _ in Counter(SPEECH).most_common(4)}
    assert few.decode(few.encode(documents[0])[0]) == documents[0]


def test_what_a_conversation_counts_is_what_the_assistant_says(codec):
    talk = TextCodec.fit([TALK, Document(TALK.messages, {"topic": "a"})], tokeniser="characters", conditions=["topic"])
    ids, counts = talk.encode(TALK)
    assert talk.decode(ids) == TALK
    shown = talk.render(TALK)
    assert shown[:3] == [("⟨begin⟩", False), ("⟨topic: b⟩", False), ("⟨system⟩", False)]
    assert [piece for piece, counted in shown if counted] == ["Hello!", "⟨end⟩"]
    assert counts.sum() == len("Hello!") + 1
    assert talk.decode(ids[counts]).text == "Hello!"
    with pytest.raises(GenwrightError, match="Did you mean 'assistant'") as error:
        talk.encode(Document((Message("assistent", "x"),)))
    assert error.value.code == "GW-0199"
    with pytest.raises(GenwrightError, match="no conversations"):
        codec.encode(TALK)


def test_several_documents_are_coded_as_each_by_itself(codec):
    documents = [Document.of(text) for text in ("one", "", ODD, "two")]
    for document, (ids, counts) in zip(documents, codec.encode_all(documents), strict=True):
        assert (ids == codec.encode(document)[0]).all()
        assert (counts == codec.encode(document)[1]).all()


def test_prompts_stop_where_the_model_goes_on(codec):
    assert codec.decode(codec.prompt(Document.of("It was"))) == Document.of("It was")
    assert END not in codec.prompt(Document.of("It was"))
    assert codec.prompt(Document(())).tolist() == [BEGIN]
    talk = TextCodec.fit([TALK], tokeniser="characters")
    asked = Document(TALK.messages[:2])
    assert talk.decode(talk.prompt(asked)).messages == (*asked.messages, Message("assistant", ""))
    begun = Document(TALK.messages)
    assert talk.decode(talk.prompt(begun)).messages == begun.messages
    assert (talk.prompt(begun)[: len(talk.prompt(asked))] == talk.prompt(asked)).all()


def test_conditions_are_control_tokens_that_can_be_left_open():
    texts = [Document.of("x", {"topic": topic, "stars": stars}) for topic in "ab" for stars in ("9", "10")]
    codec = TextCodec.fit(
        [*texts, Document.of("y", {"topic": "a"})], tokeniser="characters", conditions=["topic", "stars"]
    )
    assert codec.values == {"topic": ("a", "b"), "stars": ("9", "10")}
    ids, counts = codec.encode(texts[1])
    assert ids[1:3].tolist() == [codec.control("topic", "a"), codec.control("stars", "10")]
    assert not counts[:3].any()
    assert codec.decode(codec.without_conditions(ids)) == Document.of("x")
    assert (codec.without_conditions(ids)[3:] == ids[3:]).all()
    open_ids, _ = codec.encode(Document.of("x", {"topic": "never seen"}))
    assert (open_ids == codec.without_conditions(ids)).all()
    drawn = codec.draw_conditions(2000, np.random.default_rng(0))
    assert abs(sum(found == {"topic": "a"} for found in drawn) / 2000 - 0.2) < 0.05
    assert again(codec).draw_conditions(50, np.random.default_rng(1)) == codec.draw_conditions(
        50, np.random.default_rng(1)
    )
    for condition, value, near in (("topik", "a", "'topic'"), ("topic", "c", "'a'")):
        with pytest.raises(GenwrightError, match=near) as error:
            codec.control(condition, value)
        assert error.value.code == "GW-0198"


def test_generated_tokens_always_decode(codec):
    generator = np.random.default_rng(0)
    for _ in range(20):
        codec.decode(generator.integers(0, codec.spec.vocabulary, 50))
    assert codec.decode(np.array([], int)).messages == ()
    two = np.concatenate([codec.encode(Document.of(text))[0] for text in ("one", "two")])
    assert codec.decode(two) == Document.of("one")


def test_a_tokeniser_that_changes_letters_says_so(tmp_path):
    assert TextCodec.fit([Document.of("a")], tokeniser=pretrained(tmp_path / "a")).tokeniser.exact
    assert not TextCodec.fit([Document.of("a")], tokeniser=pretrained(tmp_path / "b", exact=False)).tokeniser.exact


def test_a_tokeniser_learns_from_all_parts_of_a_large_corpus(monkeypatch):
    monkeypatch.setattr(tokenisers, "LEARNED_BYTES", 10_000)
    texts = [chr(97 + place // 10) * 1000 for place in range(200)]
    taken = "".join(evenly(texts, 200_000))
    assert 9_000 <= len(taken) <= 10_000
    assert len(set(taken)) >= 9


def test_chunks_are_the_text():
    for text in (SPEECH * 50, "x" * 100_000, "", "\n" * 40_000, " x" * 50_000):
        assert "".join(chunks(text)) == text
        assert all(0 < len(chunk) <= tokenisers.CHUNK for chunk in chunks(text))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"tokeniser": "words"}, "GW-0196"),
        ({"tokeniser": "bpe", "vocabulary": 10}, "GW-0196"),
        ({"tokeniser": "folder:/nowhere"}, "GW-0197"),
    ],
)
def test_what_cannot_be_is_said(options, code):
    with pytest.raises(GenwrightError) as error:
        TextCodec.fit([Document.of("a")], **options)
    assert error.value.code == code


def test_there_must_be_something_to_learn(tmp_path):
    with pytest.raises(GenwrightError, match="user") as error:
        TextCodec.fit([Document((Message("user", "hi"),))], tokeniser="characters")
    assert error.value.code == "GW-0195"
    (tmp_path / "tokenizer.json").write_text('{"model": 1}')
    with pytest.raises(GenwrightError, match="cannot be read"):
        TextCodec.fit([Document.of("a")], tokeniser=f"folder:{tmp_path}")


def test_a_damaged_codec_is_refused(codec):
    good = codec.to_json()
    damaged = [
        {},
        [],
        {**good, "context": 0},
        {**good, "tokeniser": {}},
        {**good, "tokeniser": {"kind": "bpe", "definition": "{"}},
    ]
    damaged += [
        {**good, "values": 3},
        {**good, "combinations": [[[5], 1]]},
        {name: good[name] for name in list(good)[:2]},
    ]
    for data in damaged:
        with pytest.raises(GenwrightError) as error:
            TextCodec.from_json(data, {})
        assert error.value.code == "GW-0304"
    with pytest.raises(GenwrightError) as error:
        TextCodec.from_json({**good, "format": 99}, {})
    assert error.value.code == "GW-0306"
