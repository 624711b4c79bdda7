"""Texts under a guarantee for documents: nothing is learned for free, and no document decides anything about another."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import coded_texts
import genwright
from genwright.config import Train
from genwright.contract import BEGIN
from genwright.data.documents import ASSISTANT, SYSTEM, USER, Document, Message
from genwright.data.token_batches import DocumentWindows, TokenExamples
from genwright.errors import GenwrightError
from genwright.guarantee import SIZE
from genwright.privacy.events import SampledGaussian
from genwright.privacy.ledger import PrivacyLedger
from genwright.release import release
from genwright.texts import TextSet
from genwright.training.private import TRAINING

SMALL = {
    "model": "gpt", "epsilon": 8.0, "model.width": 16, "model.depth": 1, "model.head": 8, "model.length": 24, "rows": 6,
    "text.context": 32, "steps": 4, "training.batch_size": 16, "report": False, "quiet": True,
}  # fmt: skip
PLAIN = {"epsilon": 1.0, "quiet": True}
CPU = torch.device("cpu")
NOISE = 7


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a file of lines, half of them longer than the context; the noise of their number is known."""
    folder = tmp_path_factory.mktemp("private")
    texts = [text if n % 2 else text[:20] for n, text in enumerate(coded_texts.TRAIN)]
    (folder / "letters.txt").write_text("\n".join(texts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genwright.guarantee.discrete_laplace", lambda *_: np.array([NOISE]))
        return genwright.train(folder / "letters.txt", out=folder / "run", **SMALL, **{"text.separator": "line"})


def test_documents_are_paid_for_and_nothing_is_learned_but_by_steps(run):
    ledger = PrivacyLedger.open(run.folder / "ledger.json")
    assert {entry.purpose for entry in ledger.entries} == {SIZE, TRAINING}
    assert ledger.unit == "document"
    assert 0 < ledger.epsilon_spent() <= 8.0
    event = ledger.entry(TRAINING).event
    assert isinstance(event, SampledGaussian)
    assert 16 / event.sampling_rate == pytest.approx(run.state["data"]["training_rows"] + NOISE), "by documents"
    assert 320 < run.state["data"]["training_rows"] < 380, "of 400, without those held out; they have 2,300 windows"
    assert run.codec.tokeniser.size == 256, "bytes, whatever there was"
    assert run.model.beside is None, "no n-grams"
    assert len(run.sample(3)) == 3


def test_what_is_released_opens_and_tells_no_number_of_documents(run, tmp_path):
    release(run, tmp_path / "out")
    assert genwright.open(tmp_path / "out").sample(3, seed=1) == run.sample(3, seed=1)
    kept = json.loads((tmp_path / "out" / "state.json").read_text())["data"]
    assert set(kept) == {"name", "form", "conditions"}


def test_no_document_moves_another_to_the_hold_out():
    settings, texts = Train(epsilon=1.0), [*coded_texts.TRAIN, coded_texts.TRAIN[5]]
    whole = TextSet.open(texts, settings).held
    assert 20 < whole.sum() < 60
    for gone in (0, 5, 100, 400):
        rest = np.arange(401) != gone
        assert np.array_equal(
            TextSet.open([t for t, r in zip(texts, rest, strict=True) if r], settings).held, whole[rest]
        )


def test_a_window_holds_one_document_and_a_document_all_its_windows():
    """Every counted token is in some window, and none of another document's tokens is in any."""
    random = np.random.default_rng(0)
    lengths = [1, 5, 16, 17, 18, 40, 100]
    coded = []
    for number, length in enumerate(lengths):
        tokens = np.array([BEGIN, *random.integers(10 * (number + 1), 10 * (number + 2), length)])
        coded.append((tokens, np.arange(length + 1) > 0))
    whole = TokenExamples.written(coded, 16, dtype=np.uint16, overlapping=False)
    windows = DocumentWindows.of(whole)
    batch = windows.batch(slice(None), CPU)
    assert batch.x.shape == (len(windows), 17)
    for number, (tokens, _) in enumerate(coded):
        own = windows.units == number
        seen = batch.x[own]
        assert set(seen[seen != BEGIN].tolist()) <= set(tokens.tolist())
        assert set(tokens[1:].tolist()) <= set(seen[batch.counts[own]].tolist())
        assert own.sum() == 1 + max(0, -(-(len(tokens) - 17) // 8))
    assert not batch.counts[batch.x == BEGIN].any()
    assert windows.batch(np.array([], np.int64), CPU).x.shape == (0, 17), "a Poisson batch may be empty"


def test_a_document_that_comes_changes_no_window_of_the_others():
    coded = [(np.array([BEGIN, 5, 6, 7]), np.array([False, True, True, True])) for _ in range(4)]
    extra = (np.array([BEGIN, *range(20, 60)]), np.arange(41) > 0)
    few = DocumentWindows.of(TokenExamples.written(coded, 8, dtype=np.uint16, overlapping=False))
    more = DocumentWindows.of(
        TokenExamples.written([*coded[:2], extra, *coded[2:]], 8, dtype=np.uint16, overlapping=False)
    )
    others = more.batch(np.flatnonzero(more.units != 2), CPU)
    assert torch.equal(others.x, few.batch(slice(None), CPU).x)
    assert torch.equal(others.counts, few.batch(slice(None), CPU).counts)


def test_conversations_have_the_usual_roles_only():
    talk = Document((Message(SYSTEM, "Be kind."), Message("customer", "Hello?"), Message(ASSISTANT, "Hello.")))
    made = TextSet.open([talk] * 30, Train(epsilon=1.0))
    codec = replace(made, settings=replace(made.settings, tokeniser="bytes")).declared_codec()
    assert set(codec.roles) == {SYSTEM, USER, ASSISTANT}
    assert {m.role for d in made.documents(held=False) for m in d.messages} <= {SYSTEM, USER, ASSISTANT}


@pytest.mark.parametrize(
    ("data", "given", "code", "reason"),
    [
        ("letters.txt", {}, "GW-0610", "separator"),
        ("letters.csv", {}, "GW-0610", "text.column"),
        ("letters.txt", {"text.separator": "line", "text.tokeniser": "bpe"}, "GW-0610", "tokeniser"),
        ("letters.txt", {"text.separator": "line", "model": "ngram"}, "GW-0601", "ngram"),
        ("letters.txt", {"text.separator": "line", "unit": "author"}, "GW-0202", "unit"),
    ],
)
def test_what_would_be_looked_for_is_refused_by_name(data, given, code, reason, tmp_path):
    (tmp_path / "letters.txt").write_text("\n".join(coded_texts.TRAIN[:50]))
    rows = [f'"{text}",{n}' for n, text in enumerate(coded_texts.TRAIN[:50])]
    (tmp_path / "letters.csv").write_text("letter,number\n" + "\n".join(rows))
    with pytest.raises(GenwrightError, match=reason) as error:
        genwright.train(
            tmp_path / data, out=tmp_path / "run", **(SMALL | given if "model" not in given else PLAIN | given)
        )
    assert error.value.code == code
    assert not (tmp_path / "run").exists()
