"""Texts are split by document with near duplicates together, and become windows of one stream of tokens."""

import numpy as np
import pytest
import torch

from genwright.codecs.text import BEGIN, TextCodec
from genwright.data import token_batches
from genwright.data.batches import batch_rows
from genwright.data.documents import Document, Message
from genwright.data.token_batches import TokenExamples
from genwright.errors import GenwrightError
from genwright.texts import TextSet
from writings import settings

CPU = torch.device("cpu")


def opened(data, **options):
    given = settings(**options)
    return TextSet.open(data, given), given


def words(seed, count=60):
    return " ".join(f"w{n}" for n in np.random.default_rng(seed).integers(0, 999, count))


def texts(dataset, *, held):
    return [document.text for document in dataset.documents(held=held)]


def held_streams(examples):
    """The documents of a stream, as lists of tokens."""
    return [part.tolist() for part in np.split(examples.tokens, examples.starts[1:])]


def test_documents_are_split_by_the_seed_and_none_is_lost():
    data = [words(n) for n in range(50)]
    dataset, _ = opened(data, holdout=0.2)
    train, held = texts(dataset, held=False), texts(dataset, held=True)
    assert len(held) == 10
    assert dataset.held.sum() == 10
    assert sorted(train + held) == sorted(data)
    assert texts(opened(data, holdout=0.2)[0], held=True) == held
    assert texts(opened(data, holdout=0.2, seed=1)[0], held=True) != held
    assert opened(data, test="other.txt")[0].held.sum() == 0
    assert dataset.name == "list"
    assert dataset.fingerprint() == opened(data, seed=3)[0].fingerprint() != opened(data[1:])[0].fingerprint()


def test_near_duplicates_are_on_one_side():
    data = [f"{words(n // 4)} end {n}" for n in range(200)]
    dataset, _ = opened(data)
    sides = {text.split()[0] + text.split()[1]: set() for text in data}
    for held in (False, True):
        for text in texts(dataset, held=held):
            sides[text.split()[0] + text.split()[1]].add(held)
    assert all(len(side) == 1 for side in sides.values())
    assert dataset.facts()["near_duplicates"] == 150
    assert any("150 documents nearly agree" in note for note in dataset.notes)
    dropped, _ = opened(data, near_duplicates="drop")
    assert len(dropped.held) == 50
    ignored, _ = opened(data, near_duplicates="ignore")
    assert ignored.facts()["near_duplicates"] == 0


def test_cleaning_is_visible_and_optional():
    data = ["same", "same", "x" * 100, "a", *(words(n) for n in range(20)), "write to a@b.org or +44 20 7946 0958"]
    dataset, _ = opened(data, shortest=2, longest=1000)
    assert dataset.facts()["removed"] == {"too short": 1, "exact duplicate": 1}
    assert dataset.facts()["personal"] == {"mail": 1, "phone": 1}
    assert any("1 document is left out: exact duplicate" in note for note in dataset.notes)
    assert any("1 mail addresses, 1 phone numbers: they are kept" in note for note in dataset.notes)
    assert len(opened(data, duplicates="keep")[0].held) == len(data)
    masked, _ = opened(data, personal="mask", holdout=0)
    assert texts(masked, held=False)[-1] == "write to [mail] or [phone]"
    assert opened(data, personal="ignore")[0].facts()["personal"] == {}
    with pytest.raises(GenwrightError, match="too long") as error:
        opened(data, longest=1, shortest=2)
    assert error.value.code == "GW-0175"


def test_one_document_is_cut_by_position():
    text = "".join(chr(97 + n % 26) for n in range(1000))
    dataset, given = opened([text], tokeniser="characters", context=8)
    assert texts(dataset, held=False) == [text[:900]]
    assert texts(dataset, held=True) == [text[900:]]
    assert dataset.held.tolist() == [False, True]
    assert "the last 10% of the document" in dataset.notes[-1]
    codec = dataset.fit_codec(given)
    train, validation = dataset.encode(codec, validation=0.1, seed=0)
    assert codec.decode(train.tokens).text == text[90:900]
    assert codec.decode(validation.tokens).text == text[:90]
    few, _ = opened(["one " * 50, "two " * 50])
    assert texts(few, held=True) == [("one " * 50)[180:], ("two " * 50)[180:]]
    assert "each of the 2 documents" in few.notes[-1]


def test_a_single_conversation_cannot_be_cut():
    talk = Document((Message("user", "q"), Message("assistant", "a")))
    dataset, given = opened([talk])
    assert dataset.held.tolist() == [False]
    assert "no hold-out" in dataset.notes[-1]
    train, validation = dataset.encode(dataset.fit_codec(given), validation=0.05, seed=0)
    assert (len(train), len(validation)) == (1, 0)


def test_training_and_validation_streams_hold_each_document_once():
    data = [words(n) for n in range(60)]
    dataset, given = opened(data, tokeniser="characters", context=16)
    codec = dataset.fit_codec(given)
    train, validation = dataset.encode(codec, validation=0.2, seed=0)
    found = [codec.decode(np.array(part)).text for stream in (train, validation) for part in held_streams(stream)]
    assert sorted(found) == sorted(texts(dataset, held=False))
    assert len(train.starts) == 43
    order = [data.index(codec.decode(np.array(part)).text) for part in held_streams(train)]
    assert order != sorted(order)
    same, _ = dataset.encode(codec, validation=0.2, seed=0)
    assert (same.tokens == train.tokens).all()


def test_windows_start_everywhere_or_count_each_token_once():
    coded = [(np.array([0, *range(2, 2 + n), 1]), np.ones(n + 2, bool)) for n in (10, 3, 20)]
    train = TokenExamples.written(coded, 4, dtype=np.uint16)
    stream = np.concatenate([ids for ids, _ in coded])
    assert (train.tokens == stream).all()
    assert len(train) == len(stream) - 4
    batch = train.batch(slice(0, len(train)), CPU)
    assert batch.x.dtype == torch.int64
    assert batch.counts.dtype == torch.bool
    assert batch.x.tolist() == [stream[at : at + 5].tolist() for at in range(len(train))]
    once = TokenExamples.written(coded, 4, dtype=np.uint16, overlapping=False)
    targets = once.batch(slice(0, len(once)), CPU)
    assert targets.x[:, 1:].flatten().tolist()[: len(stream) - 1] == stream[1:].tolist()
    assert targets.counts[:, 1:].sum() == len(stream) - 1
    chosen = batch_rows(len(train), 8, seed=0, step=3)
    assert (train.batch(chosen, CPU).x == batch.x[chosen]).all()
    assert not train.blank(3, CPU, seed=0).counts.any()


def test_a_stream_shorter_than_a_window_is_filled_up():
    for overlapping in (True, False):
        short = TokenExamples.written(
            [(np.array([0, 5, 1]), np.array([False, True, True]))], 8, dtype=np.uint32, overlapping=overlapping
        )
        batch = short.batch(np.array([0]), CPU)
        assert batch.x.tolist() == [[0, 5, 1, 0, 0, 0, 0, 0, 0]]
        assert batch.counts.sum() == 2
        assert short.tokens.dtype == np.uint32
    assert len(TokenExamples.written([], 8, dtype=np.uint16)) == 0


def test_windows_are_never_more_than_a_permutation_can_hold(monkeypatch):
    monkeypatch.setattr(token_batches, "MOST_WINDOWS", 100)
    long = TokenExamples.written([(np.arange(1000) % 7, np.ones(1000, bool))], 9, dtype=np.uint16)
    assert long.stride == 10
    assert len(long) == 100
    assert long.batch(np.array([99]), CPU).x[0, 0] == 990 % 7


def test_a_window_within_a_document_starts_with_its_conditions():
    first, second = (np.array([0, c, d, *range(10, 22), 1]) for c, d in ((2, 5), (3, 6)))
    counts = np.arange(16) > 2
    windows = TokenExamples.written([(first, counts), (second, counts)], 5, dtype=np.uint16, prefix=2)
    batch = windows.batch(slice(0, len(windows)), CPU)
    for at in (0, 1, 2):  # in the control tokens: from the begin
        assert batch.x[at].tolist() == [0, 2, 5, 10, 11, 12]
    assert batch.x[3].tolist() == [2, 5, 10, 11, 12, 13]
    assert batch.x[14].tolist() == [2, 5, 21, 1, 0, 3]
    assert batch.x[20].tolist() == [3, 6, *second[4:8].tolist()]
    assert batch.counts[20].tolist() == [False, False, True, True, True, True]


def test_some_training_documents_hide_their_conditions():
    data = [Document.of(words(n), {"topic": "ab"[n % 2], "stars": str(n % 3)}) for n in range(300)]
    dataset, given = opened(data, tokeniser="characters", free_share=0.25)
    codec = dataset.fit_codec(given)
    assert list(codec.values) == ["topic", "stars"]
    train, validation = dataset.encode(codec, validation=0.1, seed=0)
    shown = [codec.decode(np.array(part)).columns for part in held_streams(train)]
    for name in codec.values:
        assert 0.6 < np.mean([name in columns for columns in shown]) < 0.9
    assert all(len(codec.decode(np.array(part)).columns) == 2 for part in held_streams(validation))
    assert train.prefix == 2
    assert BEGIN in train.tokens


def test_documents_in_other_languages_are_left_out():
    english = "The rain in the north falls quietly on the old houses and nobody minds it at all."
    german = "Der Regen im Norden fällt leise auf die alten Häuser, und niemand stört sich daran."
    chinese = "北方的雨静静地落在老房子上，没有人在意，大家都习惯了这样的天气。"
    for kept, wanted in (("en", [english]), ("de, zh", [german, chinese])):
        dataset, _ = opened([english, german, chinese], holdout=0, languages=kept)
        assert texts(dataset, held=False) == wanted
        assert any("another language" in note for note in dataset.notes)
    with pytest.raises(GenwrightError) as error:
        opened([english], languages="english")
    assert error.value.code == "GW-0180"


def test_halves_of_surrogate_pairs_in_json_lines_are_replaced(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "one \\ud83d half"}\n{"text": "a whole \\ud83d\\ude00 one"}\n')
    dataset, _ = opened(path, holdout=0)
    assert texts(dataset, held=False) == ["one \ufffd half", "a whole \U0001f600 one"]
    assert any("U+FFFD" in note for note in dataset.notes)


def test_no_counted_token_is_said():
    asked = Document((Message("user", "hi"),))
    dataset, given = opened([asked, Document((Message("user", "x"), Message("assistant", "y")))], holdout=0)
    codec = TextCodec.fit([Document((Message("user", "hi"), Message("assistant", "y")))], tokeniser="characters")
    assert len(dataset.encode(codec, validation=0, seed=0)[0]) == 1
    silent, given = opened([asked, Document((Message("user", "you"),))], holdout=0, learn="answers")
    with pytest.raises(GenwrightError, match="assistant") as error:
        silent.fit_codec(given)
    assert error.value.code == "GW-0195"
    with pytest.raises(GenwrightError) as error:
        silent.encode(codec, validation=0, seed=0)
    assert error.value.code == "GW-0195"
