"""Bad and odd texts: each is read, left out with a reason, or refused in one sentence; none hangs or fills memory."""

import gzip
import json
import os
import random
import time

import numpy as np
import pytest

import genwright
from genwright.data.texts import looks_like_texts, open_texts
from genwright.errors import GenwrightError
from genwright.texts import TextSet
from pictures import draw, encoded, folder, tarred, zipped
from writings import settings

GOOD = {f"good{n}.txt": f"A good text, the {n}th of its kind.".encode() for n in range(5)}
BAD = {
    "empty": b"",
    "blank": b" \r\n\t\n",
    "binary": random.Random(0).randbytes(5000),
    "a picture": encoded(draw(0)),
    "a zip": b"PK\x03\x04" + bytes(100),
    "a NUL": b"some text\0and more of it\n" * 10,
    "half a gzip": gzip.compress(b"text" * 1000)[:20],
    "PDF": b"%PDF-1.7 text",
    "blank gzip": gzip.compress(b""),
}
ODD = {
    "invalid bytes": ("Grüße, " * 50).encode() + b"\xff\xfe\x80" + "schöne Tage".encode(),
    "latin-1": "Grüße an Jörg\n".encode("latin-1") * 5,
    "only marks": "\u0301\u0300".encode(),
    "one letter": b"a",
    "CR line ends": b"one\rtwo\r",
    "terminal codes": b"\x1b[31mred\x1b[0m text that is otherwise plain and long enough" * 3,
    "BOM": b"\xef\xbb\xbftext",
    "UTF-16": "text in sixteen bits".encode("utf-16"),
}


def check(error):
    text = str(error)
    assert error.code.startswith("GW-01"), text
    assert text.isprintable(), text
    assert 20 < len(text) < 400, text


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_by_itself_and_left_out_of_a_folder(tmp_path, case):
    path = tmp_path / "bad.txt"
    path.write_bytes(BAD[case])
    with pytest.raises(GenwrightError) as error:
        TextSet.open(path, settings())
    check(error.value)
    for place in (
        folder(tmp_path / "f", GOOD | {"bad.txt": BAD[case]}),
        zipped(tmp_path / "f.zip", GOOD | {"bad.txt": BAD[case]}),
    ):
        dataset = TextSet.open(place, settings(holdout=0))
        assert len(dataset.held) == 5
        assert any("left out" in note.lower() for note in dataset.notes), dataset.notes
        assert all(note.isprintable() for note in dataset.notes)


@pytest.mark.parametrize("case", ODD)
def test_an_odd_file_is_read(tmp_path, case):
    path = tmp_path / "odd.txt"
    path.write_bytes(ODD[case])
    dataset = TextSet.open(path, settings())
    codec = dataset.fit_codec(settings(tokeniser="characters"))
    training, _ = dataset.encode(codec, validation=0.05, seed=0)
    assert len(training) >= 1
    if case == "invalid bytes":
        text = next(open_texts(path).documents()).text
        assert text.count("\ufffd") == 3
        assert "Grüße" in text
        assert "not" in dataset.notes[0]


COLLECTIONS = {
    "nothing there": (lambda p: p / "gone.txt", "GW-0174"),
    "a long text": (lambda p: "It was a dark night. " * 500, "GW-0174"),
    "a name with NUL": (lambda p: "a\0b", "GW-0174"),
    "an empty folder": (lambda p: p, "GW-0171"),
    "a folder without texts": (lambda p: folder(p / "f", {"a.bin": b"x", "b.png": encoded(draw(0))}), "GW-0171"),
    "a folder of bad texts": (lambda p: folder(p / "f", {"a.txt": b"", "b.txt": b"\0\1\2" * 99}), "GW-0171"),
    "a folder of blank texts": (lambda p: folder(p / "f", {"a.txt": b" ", "b.txt": b"\n"}), "GW-0175"),
    "no zip": (lambda p: folder(p, {"a.zip": b"x" * 99}) / "a.zip", "GW-0151"),
    "half a tar": (lambda p: _cut(tarred(p / "a.tar", GOOD, "w")), "GW-0151"),
    "an empty list": (lambda p: [], "GW-0170"),
    "blank strings": (lambda p: ["", " "], "GW-0170"),
    "numbers": (lambda p: [1, 2], "GW-0174"),
    "broken JSON": (lambda p: folder(p, {"a.jsonl": b'{"text": "a"}\n{"text": '}) / "a.jsonl", "GW-0108"),
    "JSON of numbers": (lambda p: folder(p, {"a.jsonl": b'{"a": 1}\n{"a": 2}\n'}) / "a.jsonl", "GW-0173"),
    "a table of numbers": (lambda p: folder(p, {"a.csv": b"a,b\n1,2\n3,4\n5,6\n"}) / "a.csv", "GW-0173"),
    "no messages": (lambda p: folder(p, {"a.jsonl": b'{"messages": []}\n' * 3}) / "a.jsonl", "GW-0175"),
    "JSON without text": (lambda p: folder(p, {"a.jsonl": b'{"text": ""}\n{"text": null}\n'}) / "a.jsonl", "GW-0175"),
    "deep JSON": (lambda p: folder(p, {"a.jsonl": b'{"messages": ' + b"[" * 99_999 + b"}"}) / "a.jsonl", "GW-0108"),
    "an unreadable parquet": (lambda p: folder(p, {"a.parquet": b"PAR1xxxx"}) / "a.parquet", "GW-0103"),
}


def _cut(path):
    path.write_bytes(path.read_bytes()[:700])
    return path


@pytest.mark.parametrize("case", COLLECTIONS)
def test_a_collection_is_refused_in_a_sentence(tmp_path, case):
    make, code = COLLECTIONS[case]
    data = make(tmp_path)
    assert looks_like_texts(data) in (True, False)
    with pytest.raises(GenwrightError) as error:
        TextSet.open(data, settings())
    check(error.value)
    assert error.value.code == code


MALFORMED = [
    "[]",
    "[1]",
    '[{"role": "user"}]',
    '[{"role": 1, "content": "x"}]',
    '[["a"]]',
    "[[1, 2]]",
    '["ab"',
    "{}",
    "[null]",
]


def test_malformed_conversations_are_left_out_and_counted(tmp_path):
    good = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
    rows = [json.dumps(good), *(f'{{"messages": {json.dumps(text)}}}' for text in MALFORMED)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    source = open_texts(tmp_path / "a.jsonl")
    assert len(list(source.documents())) == 1
    assert f"{len(MALFORMED)} of {len(MALFORMED) + 1} rows" in source.notes[-1]


def test_names_of_files_cannot_steer_a_terminal(tmp_path):
    name = b"\x1b[31mred\xff.txt".decode(errors="surrogateescape")
    folder(tmp_path, GOOD)
    (tmp_path / name).write_bytes(b"")
    dataset = TextSet.open(tmp_path, settings(holdout=0))
    assert any("red" in note for note in dataset.notes)
    assert all(note.isprintable() for note in dataset.notes)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_a_folder_is_left_out(tmp_path):
    folder(tmp_path, GOOD)
    os.mkfifo(tmp_path / "pipe.txt")
    assert len(TextSet.open(tmp_path, settings(holdout=0)).held) == 5


@pytest.mark.parametrize("line", ["a", "word and ", "1", "明月", "a@b.c ", "<x"])
@pytest.mark.parametrize("tokeniser", ["bpe", "characters"])
def test_one_long_line_takes_linear_time(tmp_path, line, tokeniser):
    path = tmp_path / "long.txt"
    seconds = []
    for size in (300_000, 1_200_000):
        path.write_text(line * (size // len(line)))
        given = settings(tokeniser=tokeniser)
        started = time.process_time()
        dataset = TextSet.open(path, given)
        codec = dataset.fit_codec(given)
        training, _ = dataset.encode(codec, validation=0.05, seed=0)
        seconds.append(time.process_time() - started)
        assert training.batch(np.array([0]), device="cpu").counts.any()
    assert seconds[1] < 8 * seconds[0] + 1


@pytest.mark.slow
def test_a_line_of_50_mb_is_trained_on_and_reported(tmp_path):
    words = np.random.default_rng(0).choice(["rain", "snow", "wind", "the", "old", "café", "月"], 12_000_000)
    (tmp_path / "long.txt").write_bytes(" ".join(words).encode()[:50_000_000])
    run = genwright.train(tmp_path / "long.txt", out=tmp_path / "run", steps=5, quiet=True)
    assert run.state["memory_mb"] < 2000
    assert run.sample(1)[0]
    assert json.loads((run.folder / "report.json").read_text())["metrics"]["bits_per_byte"]["value"] > 0
