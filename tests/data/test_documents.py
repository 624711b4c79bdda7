"""Texts in many forms become the same documents; what was guessed is said."""

import gzip
import json

import pandas as pd
import polars as pl
import pytest

from genwright.data import text_files
from genwright.data.documents import Document, Message
from genwright.data.text_files import guess_separator, split_blocks
from genwright.data.texts import looks_like_texts, open_texts
from genwright.errors import GenwrightError
from pictures import folder, some, tarred, zipped

POEMS = "\n\n".join(f"《Title {n}》 someone\nfirst line {n}\nlast line.\nfin" for n in range(30)) + "\n"
PLAY = "\n\n".join(f"{'AB'[n % 2]} Citizen:\nSpeak, speak {n}." for n in range(30))


def texts(data, **options):
    return [document.text for document in open_texts(data, **options).documents()]


def test_a_plain_file_is_one_document_letter_for_letter(tmp_path):
    text = "\ufeff  Über\r\n\r\nalles \u2028 e\u0301 🏳️‍🌈\n\n"
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    assert texts(path) == [text.removeprefix("\ufeff")]
    (tmp_path / "a.md.gz").write_bytes(gzip.compress(text.encode()))
    assert texts(tmp_path / "a.md.gz") == [text.removeprefix("\ufeff")]
    assert open_texts(path).form.kind == "file"
    assert next(open_texts(path).documents()).name == "a.txt"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "gb18030"])
def test_encodings_are_found(tmp_path, encoding):
    text = "明月几时有？把酒问青天。不知天上宫阙，今夕是何年。a plain line\n" * 20
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert texts(tmp_path / "a.txt", separator="none") == [text]


def test_western_text_is_read_with_a_note(tmp_path):
    (tmp_path / "a.txt").write_bytes("Ein schöner Tag für naïve Gäste.\n".encode("latin-1") * 9)
    source = open_texts(tmp_path / "a.txt")
    assert "schöner" in next(source.documents()).text
    assert "a guess" in source.notes[0]


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        (POEMS, "blank line"),
        (PLAY, "none"),
        ("A long paragraph of prose.\nIt goes on.\n\n" * 40, "none"),
        ("# Heading\n\ntext\n\n" * 3, "none"),
        ("one\n<|endoftext|>\ntwo\n<|endoftext|>\nthree", "<|endoftext|>"),
        ("\n".join(f"name{n}" for n in range(50)), "line"),
        ("\n".join(f"This is the sentence with the number {n}." for n in range(50)), "line"),
        ("\n".join(f"hard wrapped lines of prose that go on{n} and end anywhere in the" for n in range(50)), "none"),
        ("one line", "none"),
        ("", "none"),
    ],
)
def test_the_separator_is_found_by_looking(tmp_path, text, separator):
    assert guess_separator(text) == separator
    if text:
        (tmp_path / "a.txt").write_text(text)
        source = open_texts(tmp_path / "a.txt")
        assert source.form.separator == separator
        assert bool(source.notes) == (separator != "none")
        assert len(list(source.documents())) == (
            1 if separator == "none" else {"blank line": 30, "line": 50}.get(separator, 3)
        )


def test_a_separator_can_be_given(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\r\nb\r\n\r\n \r\nc\r\n===\r\nd")
    assert texts(path, separator="none") == ["a\r\nb\r\n\r\n \r\nc\r\n===\r\nd"]
    assert texts(path, separator="line") == ["a", "b", "c", "===", "d"]
    assert texts(path, separator="blank line") == ["a\r\nb", "c\r\n===\r\nd"]
    assert texts(path, separator="===") == ["a\r\nb\r\n\r\n \r\nc", "d"]
    assert [document.name for document in open_texts(path, separator="===").documents()] == ["a.txt", "a.txt (2)"]


@pytest.mark.parametrize("separator", ["none", "line", "blank line", "---"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_blocks_of_any_size_give_the_same_documents(separator, size):
    text = "one\ntwo\n\n\nthree\n---\nfour --- x\n\n---\n\nfive\r\n\r\nsix"
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(split_blocks(blocks, separator)) == list(split_blocks([text], separator))


def test_long_documents_are_taken_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "PART_CHARACTERS", 100)
    text = "".join(f"line number {n}\n" for n in range(100)) + "x" * 450
    (tmp_path / "a.txt").write_text(text)
    for separator in ("none", "blank line"):
        source = open_texts(tmp_path / "a.txt", separator=separator)
        parts = [document.text for document in source.documents()]
        assert "".join(parts) == text
        assert max(map(len, parts)) <= 100
    source = open_texts(tmp_path / "a.txt", separator="none")
    list(source.documents())
    assert "in parts" in source.notes[0]


@pytest.mark.parametrize(
    "pack",
    [folder, lambda p, f: zipped(p.with_suffix(".zip"), f), lambda p, f: tarred(p.with_suffix(".tgz"), f, "w:gz")],
)
def test_a_folder_or_archive_of_texts(tmp_path, pack):
    files = {"all/sport/10.txt": b"ten", "all/sport/9.txt": b"nine", "all/art/1.md": b"# one", "all/x.csv": b"a,b"}
    files |= {"all/.hidden.txt": b"no", "all/art/deep/2.txt.gz": gzip.compress(b"two")}
    source = open_texts(
        pack(tmp_path / "mine", {name: content for name, content in files.items() if name != "all/x.csv"})
    )
    found = {document.text: document.columns["folder"] for document in source.documents()}
    assert found == {"# one": "art", "two": "art", "nine": "sport", "ten": "sport"}
    assert list(found) == ["# one", "two", "nine", "ten"]
    assert (source.conditions, source.form.kind, source.name) == (("folder",), "folder", "mine")
    flat = open_texts(pack(tmp_path / "flat", {"a.txt": b"a", "b/c.txt": b"c", "d.pdf": b"x"}))
    assert [dict(document.columns) for document in flat.documents()] == [{}, {}]
    assert flat.conditions == ()
    assert "1 file is passed over" in flat.notes[0]


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


CHAT = (Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Hello!"))


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": m.role, "content": m.content} for m in CHAT]},
        {"messages": [{"role": m.role, "content": [{"type": "text", "text": m.content}]} for m in CHAT]},
        {
            "conversations": [
                {"from": f, "value": m.content} for f, m in zip(("system", "human", "gpt"), CHAT, strict=True)
            ]
        },
        {"turns": [[f, m.content] for f, m in zip(("system", "customer", "agent"), CHAT, strict=True)]},
        {"system": "Be kind.", "prompt": "Hi", "response": "Hello!"},
        {"Question": "Hi", "System": "Be kind.", "Answer": "Hello!", "id": 3},
    ],
)
def test_conversations_in_their_usual_forms(tmp_path, row):
    path = lines(tmp_path / "a.jsonl", [row] * 3)
    assert looks_like_texts(path)
    found = list(open_texts(path).documents())
    assert [document.messages for document in found] == [CHAT] * 3
    if "messages" in row:
        pl.DataFrame([row] * 3).write_parquet(tmp_path / "a.parquet")
        assert [d.messages for d in open_texts(tmp_path / "a.parquet").documents()] == [CHAT] * 3


def test_an_instruction_with_its_input(tmp_path):
    rows = [
        {"instruction": "Add.", "input": "1 2", "output": "3"},
        {"instruction": "Joke!", "input": "", "output": "Ha"},
    ]
    found = list(open_texts(lines(tmp_path / "a.jsonl", rows)).documents())
    assert [document.messages[0].content for document in found] == ["Add.\n\n1 2", "Joke!"]


ROWS = [
    {"id": n, "text": f"The text number {n}", "topic": "ab"[n % 2], "stars": n % 5, "note": None} for n in range(40)
]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "polars", "pandas"])
def test_tables_with_a_text_column(tmp_path, form):
    frame = pl.DataFrame(ROWS)
    data = tmp_path / f"a.{form}"
    if form == "csv":
        frame.write_csv(data)
    elif form == "parquet":
        frame.write_parquet(data)
    elif form == "jsonl":
        lines(data, ROWS)
    else:
        data = frame if form == "polars" else pd.DataFrame(ROWS)
    source = open_texts(data)
    found = list(source.documents())
    assert found[3] == Document.of("The text number 3", {"topic": "b", "stars": "3"}, "row 4")
    assert len(found) == 40
    assert source.conditions == ("topic", "stars")
    assert any("'text'" in note for note in source.notes)
    assert looks_like_texts(data) == (form not in ("polars", "pandas")), (
        "frames are tables unless a model says otherwise"
    )
    assert open_texts(data, conditions="topic").conditions == ("topic",)
    assert open_texts(data, conditions="none").conditions == ()


def test_the_longest_column_is_taken_where_no_name_tells(tmp_path):
    rows = "".join(f"{n},{'ab'[n % 2]},a longer opinion on {n}\n" for n in range(30))
    (tmp_path / "a.csv").write_text("no,kind,opinion\n" + rows)
    assert texts(tmp_path / "a.csv")[2] == "a longer opinion on 2"
    assert texts(tmp_path / "a.csv", column="kind")[:2] == ["a", "b"]


def test_rows_without_text_are_left_out_and_counted(tmp_path):
    source = open_texts(lines(tmp_path / "a.jsonl", [{"text": "a"}, {"text": None}, {"text": " "}]))
    assert len(list(source.documents())) == 1
    assert "2 of 3 rows hold no text and are left out." in source.notes


def test_lists():
    assert texts(["a", "b"]) == ["a", "b"]
    given = Document((Message("user", "q"), Message("assistant", "a")), {"topic": "x"})
    source = open_texts([given])
    assert list(source.documents()) == [given]
    assert source.conditions == ("topic",)


def test_what_looks_like_texts(tmp_path):
    folder(
        tmp_path, {"t/a.txt": b"x", "p/a.txt": b"x", "n/a.csv": b"a,b\n1,2\n", "a.txt": b"Some prose, and more.\nYes."}
    )
    folder(tmp_path / "p", some(2))
    pl.DataFrame({"prompt": ["a"], "response": ["b"]}).write_parquet(tmp_path / "pairs.parquet")
    (tmp_path / "poems.csv").write_text("\ufefftopic;text\nrain;It rains.\n")
    (tmp_path / "words.csv").write_text("context,age\nx,1\n")
    (tmp_path / "table.txt").write_text("name\tage\nann\t3\nbob\t4\n")
    (tmp_path / "comma.txt").write_text("a,b,c\n1,2,3\n4,5,6\n")
    lines(tmp_path / "rows.jsonl", [{"age": 3, "city": "Ulm"}])
    lines(tmp_path / "chat.jsonl", [{"messages": []}])
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "empty.jsonl").write_text("")
    yes = ["t", "a.txt", "chat.jsonl", "pairs.parquet", "poems.csv", "empty.txt"]
    no = [
        "p",
        "n",
        "n/a.csv",
        "words.csv",
        "empty.jsonl",
        "table.txt",
        "comma.txt",
        "rows.jsonl",
        "gone",
        "gone.txt",
        "a\0b",
    ]
    assert [name for name in yes if not looks_like_texts(tmp_path / name)] == []
    assert [name for name in no if looks_like_texts(tmp_path / name)] == []
    assert looks_like_texts(["a"])
    assert not looks_like_texts([])
    assert not looks_like_texts([1])
    assert not looks_like_texts(pl.DataFrame({"text": ["a"]}))


def test_a_wrong_column_is_answered_with_the_right_one(tmp_path):
    path = lines(tmp_path / "a.jsonl", ROWS)
    for options in ({"column": "txt"}, {"conditions": "topic,txt"}):
        with pytest.raises(GenwrightError, match="Did you mean 'text'") as error:
            open_texts(path, **options)
        assert error.value.code == "GW-0172"


def test_the_large_real_texts(large_data):
    assert len(texts(large_data / "text" / "song_ci_9000.txt.gz")) == 9000
    assert [len(text) for text in texts(large_data / "text" / "tinyshakespeare.txt")] == [1_115_394]
    orders = list(open_texts(large_data / "dialogue" / "taskmaster4_coffee.jsonl.gz").documents())
    assert len(orders) == 2910
    assert {message.role for order in orders for message in order.messages} == {"user", "assistant"}
    source = open_texts(large_data / "dialogue" / "banking77_train.csv.gz")
    assert source.conditions == ("category",)
    assert len({document.columns["category"] for document in source.documents()}) == 77


def test_conditions_that_files_do_not_have_are_refused(tmp_path):
    folder(tmp_path, {"t/sad/a.txt": b"Rain.", "t/glad/a.txt": b"Sun."})
    assert open_texts(tmp_path / "t").conditions == ("folder",)
    assert open_texts(tmp_path / "t", conditions="folder").conditions == ("folder",)
    assert open_texts(tmp_path / "t", conditions="none").conditions == ()
    for path in ("t", "t/sad/a.txt"):
        with pytest.raises(GenwrightError, match=r"GW-0172.*'mood'"):
            open_texts(tmp_path / path, conditions="mood")
