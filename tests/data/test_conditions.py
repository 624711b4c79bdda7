"""Conditions: what can be written, what it means, what is said of a wrong one, and what it leaves of every column."""

import datetime as dt
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from genwright.codecs.allowed import Allowed, check, given_values
from genwright.codecs.table import TableCodec
from genwright.data.condition_text import condition_of
from genwright.data.schema import Schema
from genwright.data.sources import open_table
from genwright.errors import GenwrightError

ROWS = 4000


def frame() -> pl.DataFrame:
    """A table with every kind of column that can be asked about."""
    random = np.random.default_rng(0)
    spend = np.round(random.gamma(2, 40, ROWS), 2)
    spend[random.random(ROWS) < 0.3] = 0.0
    word = random.choice(["Female", "Male", "other"], ROWS, p=[0.5, 0.45, 0.05])
    town = np.where(np.arange(ROWS) < 4, ["a", "b", "c", "d"] * (ROWS // 4), random.choice(["York", "San Jose"], ROWS))
    missing = random.random(ROWS) < 0.2
    return pl.DataFrame(
        {
            "age": random.integers(17, 91, ROWS),
            "full name": [f"person {at} {at * 7919}" for at in range(ROWS)],
            "sex": pl.Series(word).set(pl.Series(missing), None),
            "spend": spend,
            "height": random.normal(170, 10, ROWS),
            "born": [dt.date(1930, 1, 1) + dt.timedelta(int(days)) for days in random.integers(0, 25_000, ROWS)],
            "member": random.random(ROWS) < 0.3,
            "town": town,
            "grade": pl.Series(random.integers(0, 100_000, ROWS)).set(pl.Series(random.random(ROWS) < 0.1), None),
        }
    )


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema.inspect(open_table(frame()))


@pytest.fixture(scope="module")
def codec(schema) -> TableCodec:
    return TableCodec.fit(lambda: iter([schema.parse(frame())]), schema)


@pytest.mark.parametrize(
    ("where", "means"),
    [
        ("age>=30", pl.col("age") >= 30),
        ("age = 30", pl.col("age") == 30),
        ("age==30 OR age!=31", (pl.col("age") == 30) | (pl.col("age") != 31)),
        ("sex in (Female, Male)", pl.col("sex").is_in(["Female", "Male"])),
        ("sex not in (Female)", (pl.col("sex") != "Female").fill_null(False)),
        ("sex != Female", (pl.col("sex") != "Female").fill_null(False)),
        ("sex is missing", pl.col("sex").is_null()),
        ("sex is not missing and age < 20", pl.col("sex").is_not_null() & (pl.col("age") < 20)),
        ("age between 20 and 30 and sex=Male", pl.col("age").is_between(20, 30) & (pl.col("sex") == "Male")),
        ("age not between 20 and 30", ~pl.col("age").is_between(20, 30)),
        ("not (age < 40 or sex = 'Male')", (pl.col("age") >= 40) & (pl.col("sex") != "Male")),
        ("not not age < 40", pl.col("age") < 40),
        ("age<20 or age>80 and sex=Male", (pl.col("age") < 20) | ((pl.col("age") > 80) & (pl.col("sex") == "Male"))),
        ("(age<20 or age>80) and sex=Male", ((pl.col("age") < 20) | (pl.col("age") > 80)) & (pl.col("sex") == "Male")),
        ('"full name" is not missing', pl.col("full name").is_not_null()),
        ("town = San Jose", pl.col("town") == "San Jose"),
        ("born >= 1960-02-29", pl.col("born") >= dt.date(1960, 2, 29)),
        ("member = true", pl.col("member")),
        ({"age": [30, 31], "sex": "Male"}, pl.col("age").is_in([30, 31]) & (pl.col("sex") == "Male")),
        ({"sex": ("Female", None)}, (pl.col("sex") == "Female") | pl.col("sex").is_null()),
        ({"sex": None}, pl.col("sex").is_null()),
        (["age=30", "sex=Female"], (pl.col("age") == 30) & (pl.col("sex") == "Female")),
        (["town=San Jose"], pl.col("town") == "San Jose"),
    ],
)
def test_a_condition_means_what_it_says(where, means, schema):
    rows = schema.parse(frame())
    condition = condition_of(where, schema)
    assert condition.holds(rows).equals(rows.select(means.fill_null(False)).to_series(), check_names=False)
    assert condition.holds(rows).sum() > 0
    assert condition_of(str(condition), schema) == condition  # what errors show can be written again


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [("sign=<=50K", "sign", "<=50K"), ("sign=>50K", "sign", ">50K"), ("sign=Trinidad and Tobago", "sign", None),
     ("sign=", "sign", "")],
)  # fmt: skip
def test_column_equals_anything_is_still_understood(text, column, value):
    words = ["<=50K", ">50K", "Trinidad and Tobago"] * 20
    known = Schema.inspect(open_table(pl.DataFrame({"sign": words})))
    (test,) = condition_of(text, known).tests()
    assert (test.column, test.values) == (column, (text.partition("=")[2] if value is None else value,))


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", "GW-0220", "position 1, a column is expected, not its end"),
        ("aeg = 3", "GW-0112", r"'aeg' \(position 1 of .*Did you mean 'age'"),
        ("age > 3 and sxe = Male", "GW-0112", r"'sxe' \(position 13 of .*Did you mean 'sex'"),
        ("age >= old", "GW-0113", r"'old' is not a value of 'age' \(position 8 "),
        ("age >= ", "GW-0220", "position 8, a value is expected, not its end"),
        ("age in 30", "GW-0220", r"position 8, \( is expected, not '30'"),
        ("(age < 30", "GW-0220", r"position 10, \) is expected"),
        ("age < 30)", "GW-0220", "position 9, and, or, or the end is expected"),
        ("age < 30 and", "GW-0220", "position 13, a column is expected"),
        ("age not 30", "GW-0220", "position 9, in or between is expected"),
        ("age is 3", "GW-0220", "position 8, missing is expected"),
        ("age ! 3", "GW-0220", "position 5, there is '!'"),
        ("town = 'San", "GW-0220", "position 8, there is a quote that is never closed"),
        ("born < NA", "GW-0220", "neither less nor more"),
    ],
)
def test_a_wrong_text_is_told_where_it_is_wrong(text, code, said, schema):
    with pytest.raises(GenwrightError, match=said) as caught:
        condition_of(text, schema)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("age < 30 and sex in (Male, Femal)", "GW-0114", r"'Femal' \(position 14 .*Did you mean 'Female'"),
        ("sex < Male", "GW-0221", "'sex' is category"),
        ("age = 200", "GW-0114", "from 17 to 90"),
        ("age > 90", "GW-0222", "'age > 90'. Its values lie from 17 to 90"),
        ("age > 50 and age < 40 and sex=Male", "GW-0222", "'age > 50 and age < 40'"),
        ("age is missing and sex=Male", "GW-0114", "'age' is never missing"),
        ("sex not in (Male, Female, other)", "GW-0222", "Choose from 'Female'"),
        ("full name = 'person 1'", "GW-0114", "made afresh"),
        ("full name is missing", "GW-0114", "never missing"),
        ("spend = 3.001", "GW-0222", "'spend = 3.001'"),
    ],
)
def test_what_no_row_can_have_is_named(text, code, said, codec):
    with pytest.raises(GenwrightError, match=said) as caught:
        allowed_by(codec, text)
    assert caught.value.code == code


def allowed_by(codec: TableCodec, text: str) -> Allowed:
    condition = condition_of(text, codec.schema)
    check(codec, condition)
    return Allowed(codec, condition)


@pytest.mark.parametrize(
    "text",
    [
        "age >= 30 and sex in (Female, Male)",
        "spend > 12.345 and spend <= 200",
        "spend < 0.5 or spend between 40 and 40.5",
        "height > 171.5",
        "height not between 160 and 181.25 and height < 190",
        "born between 1950-05-05 and 1950-09-01 or born > 1990-01-01",
        "grade > 99000 or grade is missing",
        "grade != 500 and grade < 700",
        "town != York",
        "sex is missing or sex != Male",
        "member = true and full name is not missing",
    ],
)
def test_what_is_left_of_the_codes_is_what_a_sieve_would_leave(text, codec):
    """The codes kept by the factors and decoded within the condition are distributed as all rows, decoded and sifted."""
    condition = condition_of(text, codec.schema)
    allowed = Allowed(codec, condition)
    codes = np.tile(codec.encode(codec.schema.parse(frame())), (10, 1))
    sifted = codec.decode(codes, generator=np.random.default_rng(1))
    sifted = sifted.filter(condition.holds(sifted))
    kept = allowed.decode(codes[allowed.accepts(codes, np.random.default_rng(2))], np.random.default_rng(3), 0)
    assert condition.holds(kept).all()
    assert abs(len(kept) - len(sifted)) < 5 * np.sqrt(len(sifted)) + 0.01 * len(sifted)
    for name in condition.columns - {"full name"}:
        assert distance(kept[name], sifted[name]) < 1.95 * np.sqrt(2 / min(len(kept), len(sifted)))


def distance(one: pl.Series, other: pl.Series) -> float:
    """The largest difference of the two distribution functions (Kolmogorov and Smirnov), missing values lowest."""
    both = pl.concat([one, other]).rank("dense").fill_null(0).to_numpy()
    edges = np.arange(both.max() + 2)
    first, second = (np.histogram(part, edges)[0].cumsum() / len(part) for part in np.split(both, [len(one)]))
    return float(np.abs(first - second).max())


def test_one_value_for_each_column_is_told_from_other_conditions(schema):
    assert given_values(condition_of("age=30 and sex is missing", schema)) == {"age": 30, "sex": None}
    for text in ("age>30", "age in (30, 31)", "age=30 or sex=Male", "age=30 and age=31", "sex is not missing"):
        assert given_values(condition_of(text, schema)) is None


def test_a_number_without_a_smallest_step_can_be_asked_for(codec):
    value = float(frame()["height"][7])
    condition = condition_of({"height": [value, 171.25]}, codec.schema)
    allowed = Allowed(codec, condition)
    cells, slices = allowed.factors.values()
    where = np.argwhere(cells[:, None] * slices > 0)
    assert len(where) in (1, 2)
    codes = np.repeat(codec.encode(codec.schema.parse(frame().head(1))), 500, axis=0).astype(np.int64)
    first = min(allowed.factors)
    codes[:, first : first + 2] = where[np.arange(500) % len(where)]
    assert set(allowed.decode(codes, np.random.default_rng(0), 0)["height"]) == {value, 171.25}


def test_factors_fall_with_the_condition(codec):
    """Of a cut cell the factor is the share of its slices that is left, and the slices' factors share it out."""
    bounds = [condition_of(f"spend <= {bound}", codec.schema) for bound in (20, 40, 60, 80, 500)]
    factors = [list(Allowed(codec, bound).factors.values()) for bound in bounds]
    for (less, _), (more, _) in pairwise(factors):
        assert (less <= more + 1e-12).all()
        assert less.sum() < more.sum()
    for cells, slices in factors:
        cut = (cells > 0) & (cells < 1)
        assert cut.sum() <= 1
        assert np.allclose((cells[:, None] * slices)[cells == 1], 1)
