"""Kinds are found by looking, values are read and written as the user writes them, the schema file is safe to edit."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.data.schema import Schema
from genwright.data.sources import TableSource, open_table
from genwright.data.writers import to_user_frame
from genwright.errors import GenwrightError


def words(values: list[str], name: str = "x") -> TableSource:
    """A source of text cells, as from a CSV file."""
    frame = pl.DataFrame({name: values}, schema={name: pl.String})
    source = open_table(frame)
    source.typed = False
    return source


def inspect(values: list[str], name: str = "x") -> Schema:
    return Schema.inspect(words(values, name))


MANY = [str(n) for n in np.random.default_rng(0).integers(0, 10**6, 300)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("integer", ["1", "2", "-3", "2"]),
        ("integer", ["007", "012", "100"]),
        ("integer", ["1,234", "12", "1,234,567"]),
        ("integer", ["12 %", "3 %", "5 %"]),
        ("integer", [" 39", " 40", " 41"]),
        ("integer", ["9223372036854775807", "-9223372036854775808"]),
        ("decimal", ["1.50", "2.25"]),
        ("decimal", ["880.0", "3.0"]),
        ("decimal", ["3,14", "2,5"]),
        ("decimal", ["1.234,50 €", "3,00 €", "-12,75 €"]),
        ("decimal", ["$1,234.50", "-$3.25"]),
        ("decimal", ["(5.00)", "7.25"]),
        ("decimal", ["1e-9", "2.5e-10"]),
        ("decimal", ["inf", "1.5", "-inf"]),
        ("decimal", ["0.12345678901234", "3.5"]),
        ("boolean", ["yes", "no", "yes"]),
        ("boolean", ["T", "F", "", "T"]),
        ("boolean", ["是", "否"]),
        ("integer", ["0", "1", "1", "0"]),
        ("date", ["2024-01-05", "2024-12-31"]),
        ("date", ["31.12.2024", "1.1.2024"]),
        ("date", ["12/31/2024", "1/2/2024"]),
        ("date", ["20240105", "20231231"]),
        ("date", ["2024年1月5日", "2023年12月25日"]),
        ("datetime", ["2024-01-05 10:11:12", "2023-01-01 00:00:00"]),
        ("datetime", ["2024-01-05T10:11:12.123Z", "2024-01-06T10:11:12.500Z"]),
        ("datetime", ["2024-01-05 10:11:12.123456789", "2024-01-05 10:11:12.000000001"]),
        ("datetime", ["1/5/2024 3:04 PM", "11/15/2024 11:04 AM"]),
        ("datetime", ["Wed Jan 01 15:01:12 +0000 2014", "Thu Jan 02 15:01:12 +0000 2014"]),
        ("datetime", ["14:30", "09:15"]),
        ("category", ["a", "b", "a", "?", "b", "?"]),
        ("category", ["Yes", "yes", "no", "no"]),
        ("category", ["1", "two", "1", "two", "2024-01-01"]),
        ("category", ["1.2.3", "1.2.3", "10.0.1", "10.0.1"]),
        ("text", ["the cat sat", "a dog ran off", "birds fly"]),
        ("constant", ["x", "x"]),
        ("missing", ["", "", "NA"]),
        ("identifier", ["6F9619FF-8B86-D011-B42D-00CF4FC964FF", "7F9619FF-8B86-D011-B42D-00CF4FC964AA"]),
        ("identifier", [f"CUST-{n:05d}" for n in range(50)]),
        ("identifier", [str(n) for n in range(1, 100)]),
        ("integer", MANY),
    ],
)
def test_the_kind_is_found_and_every_value_comes_back_as_written(kind, values):
    schema = inspect(values)
    assert schema.columns[0].kind == kind
    frame = words(values).batches().__next__()
    written = schema.format(schema.parse(frame))["x"].to_list()
    assert written == ["" if kind == "missing" else value for value in values]
    assert Schema.from_toml(schema.to_toml()) == schema
    assert Schema.from_json(schema.to_json()) == schema


def test_an_id_in_the_name_tells_sparse_numbers_apart():
    values = sorted(set(MANY), key=int)
    assert inspect(values, "customer_id")["customer_id"].kind == "identifier"
    assert inspect(values, "population")["population"].kind == "integer"


def test_the_users_own_word_for_missing_is_kept():
    schema = inspect(["1", "?", "3", "?"])
    assert schema["x"].missing == ("?",)
    assert schema.parse(pl.DataFrame({"x": ["5", "?"]}))["x"].to_list() == [5, None]
    assert schema.format(pl.DataFrame({"x": [5, None]}))["x"].to_list() == ["5", "?"]
    assert inspect(["red", "n/a", "red", "blue", "blue"])["x"].missing == ("n/a",)


def test_typed_values_are_what_they_say():
    values = {"2024-01-05": dt.date(2024, 1, 5), "(1.234,50)": -1234.5, "5 kg": 5}
    for word, value in values.items():
        other = {"2024-01-05": "2023-02-03", "(1.234,50)": "2,25", "5 kg": "7 kg"}[word]
        schema = inspect([word, other])
        assert schema.parse(pl.DataFrame({"x": [word]}))["x"][0] == value
        assert schema.parse_value("x", word) == value


def test_ambiguous_dates_are_noted():
    assert "swapped" in inspect(["01/02/2024", "03/04/2024"]).notes[0]
    assert not inspect(["01/02/2024", "13/04/2024"]).notes


def test_what_comes_after_the_sample_counts_too():
    odd = {"n": ["?", "2.75"], "d": ["2024-01-01", ""], "w": ["NA", "x"], "id": ["3", "3"]}
    head = {"n": ["1.5", "2.5"] * 50, "d": ["2024-05-06", "2023-01-02"] * 50, "w": ["x", "y"] * 50}
    head["id"] = [str(n) for n in range(100)]
    frame = pl.DataFrame({name: head[name] + odd[name] for name in head})
    source = open_table(frame)
    source.typed = False
    schema = Schema.inspect(source, sample_rows=100)
    assert [column.kind for column in schema.columns] == ["decimal", "date", "category", "integer"]
    assert schema["n"].places == 2
    assert schema["n"].missing == ("?",)
    assert schema.format(schema.parse(frame)).equals(frame)
    late = words(["1"] * 100 + [f"word {n}" for n in range(3000)])
    assert Schema.inspect(late, sample_rows=100)["x"].kind in ("category", "text")


def pandas_frame(n: int = 60) -> pd.DataFrame:
    random = np.random.default_rng(0)
    days = pd.to_timedelta(random.integers(0, 365, n), unit="D")
    holes = random.random(n) < 0.2
    return pd.DataFrame(
        {
            "int8": random.integers(0, 9, n).astype("int8"),
            "Int64": pd.array([None if hole else 2**60 + 1 for hole in holes], dtype="Int64"),
            "bool": random.random(n) < 0.5,
            "boolean": pd.array([None if hole else True for hole in holes], dtype="boolean"),
            "object_bool": [None if hole else bool(k % 2) for k, hole in enumerate(holes)],
            "category": pd.Categorical(random.choice(["lo", "hi"], n), categories=["lo", "hi", "never"], ordered=True),
            "codes": pd.Categorical(random.choice([1, 5], n)),
            "object": random.choice(["x", "y", None], n),
            "string": pd.array(random.choice(["p", "q"], n), dtype="string"),
            "naive": pd.Timestamp("2024-01-01") + days,
            "berlin": (pd.Timestamp("2024-01-01", tz="UTC") + days).tz_convert("Europe/Berlin"),
            "delta": days,
            "float": np.where(holes, np.nan, random.normal(size=n)),
            "float32": random.normal(size=n).astype("float32"),
            "Float64": pd.array([None if hole else 0.5 for hole in holes], dtype="Float64"),
            "date": [dt.date(2024, 1, 1 + k % 28) for k in range(n)],
            "constant": 5,
            "nothing": [None] * n,
            "arrow": pd.array(random.integers(0, 9, n), dtype="int64[pyarrow]"),
        }
    )


def test_pandas_dtypes_and_values_survive():
    frame = pandas_frame()
    source = open_table(frame)
    schema = Schema.inspect(source)
    back = to_user_frame(schema.format(schema.parse(next(source.batches()))), source.origin)
    pd.testing.assert_frame_equal(back, frame)
    assert Schema.from_toml(schema.to_toml()) == schema


def test_polars_dtypes_survive():
    frame = pl.DataFrame(
        {
            "enum": pl.Series(["a", "b"] * 9, dtype=pl.Enum(["a", "b", "never"])),
            "categorical": pl.Series(["a", None] * 9, dtype=pl.Categorical),
            "time": [dt.time(1, 2), dt.time(3, 4, 5)] * 9,
            "duration": [dt.timedelta(1), None] * 9,
            "decimal": pl.Series(["1.50", "2.25"] * 9).str.to_decimal(scale=2),
            "utc": [dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 5, 1, tzinfo=dt.UTC)] * 9,
            "nan": [math.nan, 1.5] * 9,
            "int16": pl.Series([1, 2] * 9, dtype=pl.Int16),
            "words": ["1.50", "2.25"] * 9,
            "null": pl.Series([None] * 18, dtype=pl.Null),
            "one_day": [dt.date(2020, 1, 1)] * 18,
            "infinite": [math.inf, 1.0] * 9,
        }
    )
    schema = Schema.inspect(open_table(frame))
    back = schema.format(schema.parse(frame))
    assert back.schema == frame.schema
    assert back.equals(frame)


GOOD = inspect(["2024-01-05", "2024-12-31"]).to_toml()


@pytest.mark.parametrize(
    ("text", "code", "words_expected"),
    [
        (GOOD.replace('kind = "date"', 'kind = "dat"'), "GW-0111", "'date'"),
        (GOOD.replace('kind = "date"', 'kind = "datetim"'), "GW-0111", "'datetime'"),
        (GOOD.replace("format =", "formt ="), "GW-0111", "'format'"),
        (GOOD.replace('format = "%Y-%m-%d"', ""), "GW-0111", "%Y-%m-%d"),
        (GOOD.replace('"%Y-%m-%d"', "5"), "GW-0111", "text in quotes"),
        (GOOD.replace("[[column]]", "[[colum]]"), "GW-0111", "'column'"),
        (GOOD + GOOD.split("version = 1")[1], "GW-0110", "name"),
        (GOOD.replace("[[column]]", "[[column"), "GW-0110", "TOML"),
        ("", "GW-0110", "genwright data"),
        (GOOD + 'stored = "Int65"\n', "GW-0111", "stored"),
        (GOOD + 'missing = "NA"\n', "GW-0111", "list"),
        ('version = 1\n[[column]]\nname = "x"\nkind = "boolean"\n', "GW-0111", "true"),
        ('version = 1\n[[column]]\nname = "x"\nkind = "identifier"\nstyle = "uid"\n', "GW-0111", "'uuid'"),
    ],
)
def test_a_slip_in_the_schema_file_gets_the_right_word(text, code, words_expected):
    with pytest.raises(GenwrightError) as caught:
        Schema.from_toml(text)
    assert caught.value.code == code
    assert words_expected in str(caught.value)


def test_an_edited_kind_is_obeyed_or_refused_with_the_value():
    text = inspect(["1", "2", "2"]).to_toml()
    as_category = Schema.from_toml(text.replace('kind = "integer"', 'kind = "category"'))
    assert as_category.parse(pl.DataFrame({"x": ["1", "2"]}))["x"].to_list() == ["1", "2"]
    schema = Schema.from_toml(text)
    with pytest.raises(GenwrightError, match=r"GW-0113.*'x' is of kind integer, but 'abc' in row 2"):
        schema.parse(pl.DataFrame({"x": ["1", "abc"]}))
    with pytest.raises(GenwrightError, match="GW-0112"):
        schema.parse(pl.DataFrame({"y": ["1"]}))


def test_the_description_shows_no_value_of_texts_and_identifiers():
    frame = pl.DataFrame({"note": ["the cat", "a dog"], "key": ["AB-1234", "AB-9876"], "n": ["1", ""]})
    source = open_table(pl.concat([frame] * 1))
    source.typed = False
    rows = Schema.inspect(source).describe()
    assert [row["kind"] for row in rows] == ["text", "text", "integer"]
    assert rows[0]["values"] == rows[1]["values"] == ""
    assert (rows[2]["missing"], rows[2]["values"]) == ("50.0%", "1 to 1")
    assert "the cat" not in Schema.inspect(source).to_toml()


CELL = st.one_of(
    st.text(max_size=6),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
    st.dates().map(str),
    st.datetimes().map(str),
    st.sampled_from(
        ["", "NA", "?", "-", "yes", "no", "1,5", "1.234,5 €", "(3)", "$-1", "00012", " ", "inf", "1e5", "0x1F"]
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(CELL, min_size=1, max_size=20), st.booleans())
def test_any_dirty_column_ends_in_some_kind_and_loses_nothing(values, repeat):
    values = values * 3 if repeat else values
    schema = inspect(values)
    frame = pl.DataFrame({"x": values})
    typed = schema.parse(frame)
    assert typed.schema == {"x": schema.columns[0].dtype}
    again = schema.parse(schema.format(typed))
    assert again.equals(typed)
    assert Schema.from_toml(schema.to_toml()) == schema


def test_years_of_two_digits_are_those_of_posix():
    schema = inspect(["04/22/96", "01/02/00", "05/06/69", "12/31/68"])
    assert schema["x"].format == "%m/%d/%y"
    assert "69 to 99 are taken as 1969 to 1999" in schema.notes[0]
    words = pl.DataFrame({"x": ["04/22/96", "01/02/00", "05/06/69", "12/31/68", "04/22/1996"]})
    typed = schema.parse(words.head(4))
    assert [day.year for day in typed["x"]] == [1996, 2000, 1969, 2068]
    assert schema.format(typed).equals(words.head(4))
    with pytest.raises(GenwrightError, match="GW-0113"):
        schema.parse(words.tail(1))


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["22.04.96", "01.02.00"], "%d.%m.%y"),
        (["96-04-22", "00-12-31"], "%y-%m-%d"),
        (["22-Apr-96", "1-Feb-00"], "%-d-%b-%y"),
        (["22 Apr 96", "01 Feb 00"], "%d %b %y"),
        (["Jan 1957", "Feb 1960"], "%b %Y"),
        (["0096-04-22", "0100-12-31"], "%Y-%m-%d"),
        (["04/22/96 10:20", "12/31/00 11:00"], "%m/%d/%y %H:%M"),
    ],
)
def test_a_format_is_found_only_if_the_words_are_written_so(words, pattern):
    assert inspect(words * 2)["x"].format == pattern


@pytest.mark.parametrize(
    "words", [["10000-01-01", "2000-01-01"], ["0000-05-06", "0000-05-07"], ["04/22/96", "04/22/1996"]]
)
def test_what_no_format_fits_is_no_date(words):
    assert inspect(words * 3)["x"].kind == "category"


def test_words_for_missing_are_values_where_there_is_a_null():
    frame = pl.DataFrame({"x": ["NA", "None", "DE", None] * 9, "n": ["1", "2", "NA", None] * 9})
    schema = Schema.inspect(open_table(frame))
    assert schema["x"].missing == ("<null>",)
    assert schema.parse(frame)["x"].to_list() == frame["x"].to_list()
    assert schema.format(schema.parse(frame))["x"].equals(frame["x"])
    assert schema["n"].missing[0] == "<null>"
    assert any("'n' writes missing values as no value, 'NA'" in note for note in schema.notes)
    assert schema.format(schema.parse(frame))["n"].null_count() == 18


def test_an_empty_cell_of_a_text_is_missing_whatever_else_is():
    schema = inspect(["N/A", "N/A", "N/A", "a", "b", "", "a", "b"])
    assert schema["x"].missing == ("",)
    later = words(["N/A", "a", "b"] * 50 + [""])
    assert Schema.inspect(later, sample_rows=100)["x"].missing == ("",)


def test_what_makes_numbers_words_is_named_with_its_line(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f'{at},"two\nlines"' if at == 7 else f"{at},word" for at in range(900)]
    rows[800] = "oops,word"
    path.write_text("\n" + "n,w\n" + "\n".join([*rows[:400], "", *rows[400:]]) + "\n")
    for sample in (200_000, 300):  # found in the sample, or beyond it
        (note,) = Schema.inspect(open_table(path), sample_rows=sample).notes
        line = 1 + next(at for at, line in enumerate(path.read_text().split("\n")) if line.startswith("oops"))
        assert "'n' is treated as words, though nearly all of its values are numbers" in note
        assert f"'oops' in line {line}." in note
    assert not inspect(["1.2.3", "10.0.1", "1.2.4"] * 9).notes
    assert not inspect(["7", "many"] * 9).notes


def test_the_whole_sample_is_looked_at_for_what_may_mean_missing():
    source = words([str(at % 90) for at in range(30_000)] + ["-999"] * 9)
    assert "holds -999" in Schema.inspect(source).notes[0]


@pytest.mark.parametrize(("value", "name"), [(30.7, "n"), (dt.datetime(2024, 1, 5, 10), "d"), (5, "d"), ("x y", "n")])
def test_a_value_that_would_be_cut_is_none_of_the_column(value, name):
    frame = pl.DataFrame({"n": [1, 2, 3], "d": [dt.date(2024, 1, day) for day in (1, 2, 5)]})
    schema = Schema.inspect(open_table(frame))
    with pytest.raises(GenwrightError, match="GW-0113"):
        schema.parse_value(name, value)
    assert schema.parse_value("n", 30.0) == 30
    assert schema.parse_value("d", dt.datetime(2024, 1, 5)) == dt.date(2024, 1, 5)


@pytest.mark.parametrize(
    "values", [["78,58,258", "1,234", "12,34,567", "99"], ["1.50-", "22.00", "7.25-"], ["5,00,000.25", "9.50"]]
)
def test_numbers_of_other_habits_come_back_as_written(values):
    schema = inspect(values)
    assert schema.columns[0].is_number
    frame = pl.DataFrame({"x": values})
    assert schema.format(schema.parse(frame)).equals(frame)
    assert Schema.from_toml(schema.to_toml()) == schema
    plain = [float(value.rstrip("-").replace(",", "")) * (-1 if value.endswith("-") else 1) for value in values]
    assert schema.parse(frame)["x"].to_list() == plain


@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("us"), pl.Datetime("ms")])
def test_dates_that_python_has_none_for_are_missing_and_told(dtype, tmp_path):
    days = pl.Series("x", [-800_000, 1, 2, 3_000_000], dtype=pl.Int32).cast(pl.Date).cast(dtype)
    days.to_frame().write_parquet(tmp_path / "t.parquet")
    for source in (open_table(days.to_frame()), open_table(tmp_path / "t.parquet")):
        schema = Schema.inspect(source)
        assert schema.parse(next(source.batches()))["x"].is_null().to_list() == [True, False, False, True]
        assert "before the year 1 or after 9999" in source.notes[0]
