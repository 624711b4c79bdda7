"""Reading and writing tables: what is in the file arrives, every row of it, and goes back as it was; faults are told."""

import csv
import errno
import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genwright.data import encodings, writers
from genwright.data.origin import Origin
from genwright.data.sources import TableSource, open_table
from genwright.data.writers import to_user_frame, write_frames, write_table
from genwright.errors import GenwrightError

CHINESE = "姓名,城市\n" + "".join(f"张{i},{'北京' if i % 2 else '上海'}\n" for i in range(40))
FRENCH = "nom;prix\n" + "".join(f"café{i};{i},50\n" for i in range(40))


def put(folder: Path, content: bytes | str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(source: TableSource) -> pl.DataFrame:
    return pl.concat(list(source.batches()))


@pytest.mark.parametrize(
    ("content", "encoding", "delimiter"),
    [
        (CHINESE.encode(), "utf-8", ","),
        (CHINESE.encode("gb18030"), "gb18030", ","),
        (CHINESE.encode("utf-8-sig"), "utf-8-sig", ","),
        (CHINESE.encode("utf-16"), "utf-16", ","),
        (FRENCH.encode("cp1252"), "cp1252", ";"),
        (FRENCH.replace("\n", "\r\n").encode("utf-16-le"), "utf-16-le", ";"),
        (b"a|b\n1|x\n2|y\n", "utf-8", "|"),
        (b"a\tb\n1\tx, y\n2\ty, z\n", "utf-8", "\t"),
        (b"a;b\n1,5;2\n3,25;4\n", "utf-8", ";"),
        (b"'a','b'\n'1','x, y'\n'2','y'\n", "utf-8", ","),
        (b'"a","b"\n1,"x"\n2,"y"\n', "utf-8", ","),
        (b"1,2.5\n3,4.5\n", "utf-8", ","),
        (b"country,2019,2020\nFR,1,2\nDE,3,4\n", "utf-8", ","),
        (b"x\n1\n\n3\n", "utf-8", ","),
        (b'a,b\n"multi\nline",1\n"say ""hi""",2\n', "utf-8", ","),
        (b"a,a,,a_2\n1,2,3,4\n5,6,7,8\n", "utf-8", ","),
    ],
)
def test_a_file_is_recognised_and_comes_back_byte_for_byte(tmp_path, content, encoding, delimiter):
    path = put(tmp_path, content)
    source = open_table(path)
    assert (source.origin.encoding, source.origin.delimiter) == (encoding, delimiter)
    write_table(read(source), tmp_path / "back.csv", source.origin)
    assert (tmp_path / "back.csv").read_bytes() == content


def test_cells_arrive_as_they_stand(tmp_path):
    source = open_table(put(tmp_path, "a,b,c\n007,1.50,?\n,NA, x \n"))
    assert read(source).rows() == [("007", "1.50", "?"), ("", "NA", " x ")]


def test_a_guessed_encoding_is_noted_and_can_be_given(tmp_path):
    path = put(tmp_path, FRENCH.encode("cp1252"))
    assert any("cp1252" in note for note in open_table(path).notes)
    assert not open_table(path, encoding="latin-1").notes


def test_a_file_without_header_gets_names_and_is_written_without(tmp_path):
    source = open_table(put(tmp_path, "1,2\n3,4\n"))
    assert source.columns == ["column_1", "column_2"]
    assert "first line looks like data" in source.notes[0]


@pytest.mark.parametrize(
    ("content", "name", "code", "words"),
    [
        ("", "a.csv", "GW-0102", "is empty"),
        ("\n \n", "a.csv", "GW-0102", "blanks"),
        ("a,b\n", "a.csv", "GW-0102", "no rows"),
        (bytes(range(32)) * 50, "a.csv", "GW-0103", "binary"),
        (b"PK\x03\x04....", "a.csv", "GW-0103", "Excel"),
        ("a,b\n1,2\n", "a.ods", "GW-0103", "spreadsheet"),
        ("a,b\n1,2\n", "a.foo", "GW-0103", "suffix '.foo'"),
        ("junk", "a.parquet", "GW-0103", "Parquet"),
        (gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "a.csv.gz", "GW-0103", "gzip"),
        ("a,b\n1,2\n3,4,5\n", "a.csv", "GW-0105", "Line 3 "),
        ('a,b\n"x\ny",2\n3,4,5\n', "a.csv", "GW-0105", "Line 4 "),
        ('a,b\n1,2\n1,"x\n3,4\n', "a.csv", "GW-0106", "line 3 "),
        (b"a,b\n1,2\n3,\x00\n" + b"5,6\n" * 99, "a.csv", "GW-0107", "Line 3 "),
        ('{"a": 1}\n{"a": \n', "a.jsonl", "GW-0108", "Line 2 "),
        ("[1, 2]\n", "a.jsonl", "GW-0108", "object"),
        ("null\n", "a.jsonl", "GW-0108", "object"),
        ("{}\n", "a.jsonl", "GW-0102", "no JSON object"),
    ],
)
def test_a_faulty_file_ends_in_one_clear_sentence(tmp_path, content, name, code, words):
    path = put(tmp_path, content, name)
    with pytest.raises(GenwrightError) as caught:
        read(open_table(path))
    assert caught.value.code == code
    assert words in caught.value.what


def test_what_is_not_there_or_no_table_is_told(tmp_path):
    put(tmp_path, "a\n1\n", "patients.csv")
    with pytest.raises(GenwrightError, match=r"GW-0101.*patients\.csv"):
        open_table(tmp_path / "patient.csv")
    for wrong, code in ((tmp_path, "GW-0101"), (5, "GW-0103"), (pl.LazyFrame({"a": [1]}), "GW-0103")):
        with pytest.raises(GenwrightError, match=code):
            open_table(wrong)
    with pytest.raises(GenwrightError, match="GW-0102"):
        open_table(pl.DataFrame({"a": []}))
    with pytest.raises(GenwrightError, match="GW-0104"):
        open_table(tmp_path / "patients.csv", encoding="utf-99")
    with pytest.raises(GenwrightError, match="GW-0109"):
        open_table(tmp_path / "patients.csv", delimiter="::")


def test_untidy_rows_are_mended_and_noted_with_their_lines(tmp_path):
    source = open_table(put(tmp_path, "a,b,c\n1,2,3\n4,5\n\n6,7,8,,\n9,10,11\n"))
    assert read(source).rows() == [("1", "2", "3"), ("4", "5", ""), ("6", "7", "8"), ("9", "10", "11")]
    assert [note for note in source.notes if "Line 3 has too few" in note]
    assert [note for note in source.notes if "Line 4 has nothing" in note]
    assert [note for note in source.notes if "Line 5 has empty cells beyond" in note]
    before = list(source.notes)
    read(source)
    assert source.notes == before


def test_quotes_inside_cells_are_letters(tmp_path):
    source = open_table(put(tmp_path, 'size,n\n5" pipe,1\n"6"" pipe",2\nplain,3\n'))
    assert read(source)["size"].to_list() == ['5" pipe', '6" pipe', "plain"]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff\r"), max_size=8)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(2, 4).flatmap(lambda width: st.lists(st.tuples(*[CELL] * width), min_size=1, max_size=12)),
    block=st.sampled_from([1, 7, 64, 1 << 22]),
)
def test_any_csv_of_pythons_own_writer_is_read_alike_in_blocks_of_any_size(tmp_path, rows, block):
    text = io.StringIO()
    header = [f"name{position}" for position in range(len(rows[0]))]
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    path = put(tmp_path, text.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encodings, "BLOCK_BYTES", 1 << 22)
        source = open_table(path, delimiter=",")
        patch.setattr(encodings, "BLOCK_BYTES", block)
        if source.origin.header and source.origin.quote == '"':
            assert read(source).rows() == rows


def test_batches_have_the_rows_asked_for(tmp_path):
    source = open_table(put(tmp_path, "a,b\n" + "".join(f"{i},x\n" for i in range(1000))))
    assert [batch.height for batch in source.batches(300)] == [300, 300, 300, 100]
    assert read(source)["a"].to_list() == [str(i) for i in range(1000)]


def test_the_fingerprint_is_of_the_content(tmp_path):
    text = "a,b\n1,x\n2,y\n"
    plain, packed = put(tmp_path, text), put(tmp_path, gzip.compress(text.encode(), mtime=0), "other.csv.gz")
    changed = put(tmp_path, text.replace("2", "3"), "changed.csv")
    assert open_table(plain).fingerprint() == open_table(packed).fingerprint() != open_table(changed).fingerprint()
    values = {"n": [1, 2, None], "s": ["x", None, "yz"]}
    polars = open_table(pl.DataFrame(values)).fingerprint()
    chunked = pl.concat([pl.DataFrame(values)[:1], pl.DataFrame(values)[1:]], rechunk=False)
    assert polars == open_table(chunked).fingerprint() == open_table(pa.table(values)).fingerprint()
    assert polars != open_table(pl.DataFrame(values | {"s": ["x", "", "yz"]})).fingerprint()
    pandas = pd.DataFrame({"n": pd.array([1, 2, None], dtype="Int64"), "s": ["x", None, "yz"]})
    assert open_table(pandas).fingerprint() == polars


def test_json_lines_keep_their_types(tmp_path):
    lines = '{"i": 1, "f": 2.5, "b": true, "s": "x"}\n{"i": 2, "late": "new", "mixed": 1}\n{"mixed": "a"}\n'
    source = open_table(put(tmp_path, lines, "a.jsonl"))
    frame = read(source)
    assert frame.schema == {
        "i": pl.Int64, "f": pl.Float64, "b": pl.Boolean, "s": pl.String, "late": pl.String, "mixed": pl.String
    }  # fmt: skip
    assert frame["mixed"].to_list() == [None, "1", "a"]
    assert any("mixed" in note for note in source.notes)


def test_parquet_streams_and_returns(tmp_path):
    frame = pl.DataFrame({"n": np.arange(1000), "s": ["a", None] * 500})
    frame.write_parquet(tmp_path / "a.parquet")
    source = open_table(tmp_path / "a.parquet")
    assert [batch.height for batch in source.batches(400)] == [400, 400, 200]
    write_table(read(source), tmp_path / "b.parquet", source.origin)
    assert pl.read_parquet(tmp_path / "b.parquet").equals(frame)


def test_every_frame_comes_back_as_its_own_kind():
    values = {"n": [1, 2, 3], "s": ["x", None, "z"]}
    for frame in (pd.DataFrame(values), pl.DataFrame(values), pa.table(values)):
        source = open_table(frame)
        back = to_user_frame(read(source), source.origin)
        assert type(back) is type(frame)
        assert Origin.from_json(source.origin.to_json()) == source.origin
    assert back.schema == pa.table(values).schema


def test_names_of_a_pandas_frame_are_restored():
    frame = pd.DataFrame([[1, 2, 3], [4, 5, 6]], columns=["a", "a", 7])
    source = open_table(frame)
    assert source.columns == ["a", "a_2", "7"]
    assert list(to_user_frame(read(source), source.origin).columns) == ["a", "a", 7]


def test_files_appear_whole_or_not_at_all(tmp_path):
    origin = Origin("csv")
    write_table(pl.DataFrame({"a": ["1"]}), tmp_path / "out.csv.gz", origin)
    assert gzip.decompress((tmp_path / "out.csv.gz").read_bytes()) == b"a\n1\n"
    with pytest.raises(GenwrightError, match="GW-0301"):
        write_table(pl.DataFrame({"a": [1]}), tmp_path / "out.csv.gz" / "below a file.csv", origin)
    with pytest.raises(GenwrightError, match="GW-0115"):
        write_table(pl.DataFrame({"a": [1]}), tmp_path / "out.docx", origin)
    (tmp_path / "kept.csv").mkdir()
    with pytest.raises(GenwrightError, match="GW-0301"):
        write_table(pl.DataFrame({"a": [1]}), tmp_path / "kept.csv", origin)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["kept.csv", "out.csv.gz"]


def test_a_letter_that_the_encoding_lacks_turns_the_file_to_utf8(tmp_path):
    write_table(pl.DataFrame({"a": ["北京"]}), tmp_path / "out.csv", Origin("csv", encoding="cp1252"))
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "a\n北京\n"


def halves(frame: pl.DataFrame) -> list[pl.DataFrame]:
    return [frame[: len(frame) // 2], frame[len(frame) // 2 :]]


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.tsv", "out.jsonl", "out.parquet"])
def test_many_frames_are_written_as_one_would_be(name, tmp_path, monkeypatch):
    frame = pl.DataFrame({"a": range(1000), "b": [None, "x,y", '"z"', "北京"] * 250, "c": [0.5, None] * 500})
    origin = Origin("csv", quoted=("b",))
    write_table(frame, tmp_path / "whole" / name, origin)
    monkeypatch.setattr(writers, "_PART_ROWS", 300)  # so that a Parquet file is joined from parts
    write_frames(halves(frame), tmp_path / "parts" / name, origin)
    if name.endswith(".parquet"):
        assert pl.read_parquet(tmp_path / "parts" / name).equals(frame)
    else:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [item.name for item in (tmp_path / "parts").iterdir()] == [name]


def test_a_letter_in_a_late_frame_turns_the_whole_file_to_utf8(tmp_path):
    frames = halves(pl.DataFrame({"a": ["é", "北京"]}))
    write_frames(frames, tmp_path / "out.csv", Origin("csv", encoding="cp1252"))
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "a\né\n北京\n"
    write_frames(halves(pl.DataFrame({"a": ["é", "ü"]})), tmp_path / "own.csv", Origin("csv", encoding="cp1252"))
    assert (tmp_path / "own.csv").read_text(encoding="cp1252") == "a\né\nü\n"


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_nothing_is_left_when_a_late_frame_fails(name, tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "_PART_ROWS", 1)
    (tmp_path / name).write_text("before")

    def frames():
        yield pl.DataFrame({"a": [1]})
        raise GenwrightError("GW-0222", "Nothing fulfils it", "Ask for less")

    with pytest.raises(GenwrightError, match="GW-0222"):
        write_frames(frames(), tmp_path / name, Origin("csv"))
    assert (tmp_path / name).read_text() == "before"
    assert [item.name for item in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_for_parquet_too():
    with pytest.raises(OSError, match="space") as error, writers._disk_errors():
        pl.DataFrame({"a": range(100_000)}).write_parquet("/dev/full")
    assert error.value.errno == errno.ENOSPC


def test_a_row_is_told_by_its_line(tmp_path):
    text = '# made by hand\n\n"two\nnames",b\n1,2\n\n"3\n4",5\n6,7\n\n\n8,9\n'
    (tmp_path / "t.csv").write_text(text)
    source = open_table(tmp_path / "t.csv")
    assert source.rows == 4
    assert [source.place(row) for row in range(4)] == ["line 5", "line 7", "line 9", "line 12"]
    frame = pl.concat(list(source.batches()))
    frame.write_parquet(tmp_path / "t.parquet")
    assert open_table(tmp_path / "t.parquet").place(3) == "row 4"


@pytest.mark.parametrize(
    ("top", "skipped"),
    [
        ("Sold in May\n", 1),
        ("Sold in May,,\n", 1),
        ("Sold\n\nin May\n", 3),
        ("# a, b, c\n# d\n", 2),
        ("#,x,y\n", 0),
        ("", 0),
    ],
)
def test_only_what_is_surely_no_header_is_skipped(tmp_path, top, skipped):
    rows = "".join(f"{at},x{at % 3},{at * 2.5}\n" for at in range(30))
    (tmp_path / "t.csv").write_text(top + ("n,word,size\n" if skipped or not top else "") + rows)
    source = open_table(tmp_path / "t.csv")
    assert len(source.columns) == 3
    assert source.rows == 30
    assert source.place(0) == f"line {skipped + 2}"
    assert [note for note in source.notes if "no part of the table" in note] == source.notes[: min(skipped, 1)]


def test_cells_parted_by_an_odd_sign_are_found_when_it_is_given(tmp_path):
    (tmp_path / "t.csv").write_text("a:b\n" + "1:x\n2:y\n" * 9)
    assert "--delimiter ':'" in open_table(tmp_path / "t.csv").notes[0]
    assert open_table(tmp_path / "t.csv", delimiter=":").columns == ["a", "b"]
    (tmp_path / "t.csv").write_text("a\tb\n1\tx\n")
    assert open_table(tmp_path / "t.csv", delimiter="\\t").columns == ["a", "b"]
    for column in ("time\n" + "12:30\n13:40\n" * 9, "#1\n#2\n#3\n", "name\n" + "anna b\nclara d\n" * 9):
        (tmp_path / "t.csv").write_text(column)
        assert not open_table(tmp_path / "t.csv").notes
