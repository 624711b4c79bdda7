"""Rules of a table: read, found contradictory, kept by any rows, and found in the tables that keep them."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import orders
import people
from genwright.data.rules import Combination, Keys, Unique
from genwright.data.rules_clash import check_rules
from genwright.data.rules_file import read_rules, rules_text, write_rules
from genwright.data.rules_found import find_rules
from genwright.data.rules_kept import RuleKeeper, lookup
from genwright.data.rules_seen import look
from genwright.data.schema import Schema
from genwright.data.sources import open_table
from genwright.errors import GenwrightError


def schema_of(frame: pl.DataFrame, *, text: bool = False) -> Schema:
    source = open_table(frame)
    source.typed = not text
    return Schema.inspect(source)


def seen(rules, frame: pl.DataFrame, rare_below: int = 1):
    return look(rules, [frame], np.arange(len(frame)), "made", rare_below)


REAL = orders.frame(600)
SCHEMA = schema_of(REAL)
KEPT = seen(read_rules(orders.RULES, SCHEMA), REAL).rules


def shuffled(seed: int, rows: int, missing: float) -> pl.DataFrame:
    """Rows whose columns have nothing to do with one another, with missing values everywhere."""
    random = np.random.default_rng(seed)
    columns = []
    for values in REAL.get_columns():
        drawn = values.gather(random.integers(0, len(values), rows))
        columns.append(pl.select(pl.when(pl.Series(random.random(rows) >= missing)).then(drawn)).to_series())
    return pl.DataFrame([column.alias(name) for column, name in zip(columns, REAL.columns, strict=True)])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 7, 400]), st.sampled_from([0.0, 0.3, 1.0]))
def test_whatever_is_drawn_what_passes_keeps_all_rules_as_it_is_written(seed, rows, missing):
    drawn, keeper = shuffled(seed, rows, missing), RuleKeeper(KEPT, SCHEMA)
    settled = keeper.settled(drawn)
    assert settled.schema == drawn.schema
    for name in drawn.columns:
        assert settled[name].is_null().equals(drawn[name].is_null())
    passed = settled.filter(keeper.accepts(settled, pl.repeat(True, rows, eager=True)))
    written = SCHEMA.parse(SCHEMA.format(passed))
    assert written.equals(passed)
    for rule in KEPT:
        assert not rule.broken(written).any(), str(rule)
    independent_check(written)


def independent_check(rows: pl.DataFrame) -> None:
    """The same rules, said once more in plain polars."""
    pairs = {(f"city {number}", f"land {number // 4}") for number in range(12)}
    cents = 0.00501
    fine = rows.select(
        (pl.col("start") <= pl.col("ship")).fill_null(True).all().alias("a"),
        (pl.col("start") <= pl.col("paid")).fill_null(True).all().alias("b"),
        (pl.col("ship") <= pl.col("paid")).fill_null(True).all().alias("c"),
        ((pl.col("price") * pl.col("quantity") - pl.col("amount")).abs() < cents).fill_null(True).all().alias("d"),
        ((pl.col("amount") + pl.col("tax") - pl.col("discount") - pl.col("total")).abs() < cents)
        .fill_null(True)
        .all()
        .alias("e"),
        ((pl.col("internet") != "No") | (pl.col("films") == "No internet")).fill_null(True).all().alias("f"),
        (pl.col("number").drop_nulls().is_duplicated().any()).not_().alias("g"),
    )
    assert all(fine.row(0)), fine
    assert {row for row in rows.select("city", "country").iter_rows() if None not in row} <= pairs


def test_what_is_determined_is_made_and_only_the_rest_is_refused():
    """Sums, products, the determined column and implied values never cost a row."""
    keeper = RuleKeeper([rule for rule in KEPT if str(rule).startswith(("total", "amount", "(city", "if"))], SCHEMA)
    settled = keeper.settled(shuffled(0, 500, 0.1))
    assert not any(mask.any() for mask in keeper.breaches(settled).values())


@pytest.mark.parametrize("name", ["total", "amount", "start", "country", "films", "number"])
def test_each_kind_notices_a_breach(name):
    others = {"total": 1.0, "amount": 1e6, "start": dt.date(2100, 1, 1), "country": "land 9", "films": "yes"}
    value = others.get(name, int(REAL["number"][1]))
    at = int((REAL["internet"] == "No").arg_true()[-1])
    bent = REAL.with_columns(pl.when(pl.int_range(pl.len()) == at).then(pl.lit(value)).otherwise(name).alias(name))
    broken = [mask for mask in RuleKeeper(KEPT, SCHEMA).breaches(bent).values() if mask.any()]
    assert broken
    assert all(mask.arg_true().to_list() == [at] for mask in broken)
    assert not any(mask.any() for mask in RuleKeeper(KEPT, SCHEMA).breaches(REAL).values())


def test_a_given_total_is_kept_and_a_term_solved_for():
    keeper, rows = RuleKeeper(KEPT, SCHEMA), shuffled(3, 300, 0.0)
    mask = {"total": pl.repeat(True, 300, eager=True), "tax": pl.repeat(True, 300, eager=True)}
    settled = keeper.settled(rows, mask)
    assert settled["total"].equals(rows["total"])
    assert settled["tax"].equals(rows["tax"])
    assert not next(rule for rule in KEPT if str(rule).startswith("total")).broken(settled).any()


def test_precision_and_times_are_those_that_are_written():
    """Three significant digits and times without seconds: order and sum hold of what a reader of the file sees."""
    texts = pl.DataFrame(
        {
            "a": ["1.5e-9", "2.25e-3", "1.0e5"] * 40,
            "b": ["2.5e-9", "3.25e-3", "2.0e5"] * 40,
            "from": ["2020-01-01 10:00", "2021-05-03 11:30", "2021-11-09 23:59"] * 40,
            "until": ["2020-01-01 10:01", "2021-05-03 12:30", "2021-11-10 00:00"] * 40,
            "s": ["4.0e-9", "5.5e-3", "3.0e5"] * 40,
        }
    )
    schema = schema_of(texts, text=True)
    typed = schema.parse(texts)
    rules = read_rules(
        {
            "order": [{"columns": ["a", "b"], "strict": True}, {"columns": ["from", "until"], "strict": True}],
            "sum": [{"total": "s", "add": ["a", "b"]}],
        },
        schema,
    )
    random = np.random.default_rng(0)
    drawn = typed.with_columns(
        a=typed["a"] * random.uniform(0.9, 1.7, 120), **{"from": typed["from"].dt.offset_by("59s")}
    )
    keeper = RuleKeeper(rules, schema)
    settled = keeper.settled(drawn)
    passed = settled.filter(keeper.accepts(settled, pl.repeat(True, 120, eager=True)))
    read = schema.parse(schema.format(passed))
    assert 0 < len(passed) < 120
    assert read.equals(passed)
    assert (read["a"] < read["b"]).all()
    assert (read["from"] < read["until"]).all()


def test_keys_are_remembered_between_pieces():
    keys = Keys(Unique(("a", "b")))
    first = pl.DataFrame({"a": [1, 1, None, None], "b": ["x", "x", "x", "x"]})
    assert keys.repeated(first).to_list() == [False, True, False, False]
    keys.learn(first)
    assert keys.repeated(pl.DataFrame({"a": [1, 2], "b": ["x", "x"]})).to_list() == [True, False]


def test_a_combination_is_determined_by_its_first_column_that_can():
    table = pl.DataFrame({"city": ["a", "b", "c"], "country": ["x", "x", "y"]})
    assert lookup(Combination(("country", "city"), table)).sources == ["city"]
    both = pl.DataFrame({"a": [1, 1, 2], "b": [1, 2, 1], "c": [5, 6, 6]})
    assert lookup(Combination(("a", "b", "c"), both)).sources == ["a", "b"]
    assert lookup(Combination(("a", "b"), both.select("a", "b"))) is None


CONTRADICTIONS = [
    ({"order": [{"columns": ["a", "b"], "strict": True}, {"columns": ["b", "a"]}]}, "circle"),
    ({"order": [{"columns": ["a", "b", "c"]}, {"columns": ["c", "a"]}]}, "circle"),
    ({"range": [{"column": "a", "min": 3, "max": 2}]}, "no value of 'a'"),
    ({"range": [{"column": "a", "min": 3, "below": 3}]}, "no value of 'a'"),
    ({"range": [{"column": "a", "min": 3}, {"column": "a", "max": 2}]}, "no value of 'a'"),
    (
        {
            "range": [{"column": "a", "min": 3}, {"column": "c", "max": 3}],
            "order": [{"columns": ["a", "c"], "strict": True}],
        },
        "no value of 'c'",
    ),
    ({"sum": [{"total": "a", "add": ["b"]}, {"total": "a", "add": ["c"]}]}, "both make 'a'"),
    ({"sum": [{"total": "a", "add": ["b"], "subtract": ["c"]}, {"total": "b", "add": ["a"]}]}, "from itself"),
    ({"sum": [{"total": "a", "add": ["a", "b"]}]}, "from itself"),
    ({"implication": [{"if": "w = x", "then": "v = p"}, {"if": "w = x", "then": "v = q"}]}, "two values of 'v'"),
    (
        {
            "implication": [
                {"if": "w = x", "then": "v = p"},
                {"if": "v = p", "then": "a = 1"},
                {"if": "w in (x, y)", "then": "a = 2"},
            ]
        },
        "two values of 'a'",
    ),
    ({"implication": [{"if": "w = x", "then": "w = y"}]}, "contradicts itself"),
    ({"implication": [{"if": "w = x", "then": "a = 9"}], "range": [{"column": "a", "max": 5}]}, "other values of 'a'"),
    ({"implication": [{"if": "w = x", "then": "v is missing"}, {"if": "w = x", "then": "v = q"}]}, "two values of 'v'"),
]
SMALL = pl.DataFrame(
    {"a": [1, 2, 9] * 20, "b": [2, 4, 7] * 20, "c": [5, 6, 7] * 20, "w": ["x", "y", "y"] * 20}
).with_columns(v=pl.Series(["p", "q", None] * 20), d=pl.Series([dt.date(2024, 1, day) for day in (1, 2, 3)] * 20))
SMALL_SCHEMA = schema_of(SMALL)


@pytest.mark.parametrize(("rules", "words"), CONTRADICTIONS)
def test_contradictions_are_named(rules, words):
    with pytest.raises(GenwrightError, match="GW-0122") as caught:
        check_rules(read_rules(rules, SMALL_SCHEMA), SMALL_SCHEMA)
    assert words in str(caught.value)


def test_what_only_looks_contradictory_is_taken():
    rules = {
        "order": [{"columns": ["a", "b"]}, {"columns": ["a", "c"]}, {"columns": ["b", "c"]}],
        "range": [{"column": "a", "min": 3}, {"column": "b", "max": 3}],
        "sum": [{"total": "c", "add": ["a", "b"]}],
        "implication": [
            {"if": "w = x", "then": "v = p"},
            {"if": "v = p", "then": "w = x"},
            {"if": "w = y", "then": "v = q"},
            {"if": "w = x and a > 5", "then": "v = q"},
        ],
    }
    check_rules(read_rules(rules, SMALL_SCHEMA), SMALL_SCHEMA)


@pytest.mark.parametrize(
    ("rules", "code", "words"),
    [
        ("[[order]\n", "GW-0120", "TOML"),
        ("version = 2\n", "GW-0120", "version"),
        ("[[ordr]]\ncolumns = ['a', 'b']\n", "GW-0121", "'order'"),
        ("[[order]]\ncolumns = ['a']\n", "GW-0121", "at least 2"),
        ("[[order]]\ncolumns = ['a', 'd']\n", "GW-0121", "date with number"),
        ("[[order]]\ncolumns = ['a', 'w']\n", "GW-0121", "'w', which is category"),
        ("[[order]]\ncolumns = ['a', 'e']\n", "GW-0112", "order rule 1"),
        ("[[range]]\ncolumn = 'a'\n", "GW-0121", "bound"),
        ("[[range]]\ncolumn = 'a'\nmin = 'three'\n", "GW-0113", "three"),
        ("[[range]]\ncolumn = 'a'\nminimum = 3\n", "GW-0121", "'min'"),
        ("[[product]]\ntotal = 'a'\nfactors = ['b']\n", "GW-0121", "at least 2"),
        ("[[combination]]\ncolumns = ['w', 'v']\nallowed = [['x']]\n", "GW-0121", "2 values"),
        ("[[implication]]\nif = 'w = x'\n", "GW-0121", "'then'"),
        ("[[implication]]\nif = 'w <'\nthen = 'v = p'\n", "GW-0220", "position"),
        ("[unique]\ncolumns = ['a']\n", "GW-0121", "[[unique]]"),
    ],
)
def test_a_slip_in_the_rules_gets_the_right_word(rules, code, words):
    with pytest.raises(GenwrightError) as caught:
        read_rules(rules, schema_of(SMALL))
    assert caught.value.code == code
    assert words in str(caught.value)


def test_rules_are_written_as_they_are_read(tmp_path):
    bounds = {
        "range": [{"column": "d", "min": "2024-01-01", "below": dt.date(2024, 2, 1)}, {"column": "a", "above": 0}],
        "combination": [{"columns": ["w", "a"], "allowed": [["x", 1], ["y", 2], ["y", 9]]}],
        "implication": [{"if": "w = x or a in (1, 2)", "then": "not v = q"}],
    }
    for rules, schema in ((KEPT, SCHEMA), (read_rules(bounds, schema_of(SMALL)), schema_of(SMALL))):
        path = tmp_path / "rules.toml"
        path.write_text(write_rules(rules, schema))
        again = read_rules(rules_text(str(path)), schema)
        assert again == rules
        for one, other in zip(rules, again, strict=True):
            if isinstance(one, Combination):
                assert other.allowed.equals(one.allowed)
    with pytest.raises(GenwrightError, match="GW-0120"):
        rules_text(str(tmp_path / "none.toml"))


def test_the_example_of_the_docs_is_one():
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    columns = {"customer": [1, 1, 2], "line": [1, 2, 1]} | {
        name: ["No", "a", "No"] for name in ("internet", "backup", "films")
    }
    changed = REAL.drop("internet", "backup", "films").head(3)
    schema = schema_of(changed.with_columns(pl.Series(name, values) for name, values in columns.items()))
    rules = read_rules(example, schema)
    assert len({type(rule) for rule in rules}) == 7
    check_rules(rules, schema)


def test_training_rows_that_break_rules_are_left_out_or_refused():
    rules = read_rules(orders.RULES, SCHEMA)
    bent = REAL.with_columns(total=pl.when(pl.int_range(pl.len()) == 41).then(1.0).otherwise("total"))
    found = seen(rules, bent)
    assert np.flatnonzero(found.broken).tolist() == [41]
    assert found.counts["total = amount + tax - discount"] == 1
    bent = REAL.with_columns(total=pl.when(pl.int_range(pl.len()) >= 41).then(1.0).otherwise("total"))
    with pytest.raises(GenwrightError, match=r"GW-0123: 559 of 600 training rows.*first in row 42"):
        seen(rules, bent)


def test_combinations_of_few_rows_are_not_kept():
    """A pair that two people have could name them; it breaks no rule, but it is not drawn either."""
    frame = pl.DataFrame({"w": ["x"] * 10 + ["y"] * 8 + ["x", "x"], "v": ["p"] * 10 + ["q"] * 10})
    found = seen([Combination(("w", "v"))], frame, rare_below=3)
    assert not found.broken.any()
    assert sorted(found.rules[0].allowed.rows()) == [("x", "p"), ("y", "q")]
    with pytest.raises(GenwrightError, match="GW-0123"):
        seen([Combination(("w", "v"))], frame.unique(), rare_below=3)


def test_the_rules_of_a_made_table_are_found():
    table = orders.frame(3000)
    found = {str(item.rule): item for item in find_rules(open_table(table), schema_of(table))}
    expected = {
        "total = amount + tax - discount",
        "amount = price * quantity",
        "start <= ship",
        "ship <= paid",
        "(city, country) as seen in training",
        "if internet = No then backup = 'No internet' and films = 'No internet'",
        "if backup = 'No internet' then internet = No",
        "if films = 'No internet' then internet = No",
        "unique (number)",
    }
    assert set(found) == expected
    assert all(item.kept == item.rows for item in found.values())
    assert found["ship <= paid"].rows == 2700


def test_the_rules_of_the_census_are_found_and_nearly_kept_ones_told_apart():
    source = open_table(str(people.SAMPLES / "adult_train.csv.gz"))
    found = {str(item.rule): item for item in find_rules(source, Schema.inspect(source))}
    pairs = found["(education, education-num) as seen in training"]
    assert pairs.kept == pairs.rows == 32_561
    husbands = found["if relationship = Husband then sex = Male"]
    assert (husbands.rows, husbands.kept) == (13_193, 13_192)


@pytest.mark.parametrize("seed", range(5))
def test_columns_that_have_nothing_to_do_with_one_another_propose_nothing(seed):
    random, rows = np.random.default_rng(seed), 1500
    frame = pl.DataFrame(
        {f"whole {k}": random.integers(0, 10 ** (k + 1), rows) for k in range(4)}
        | {f"money {k}": np.round(random.gamma(2, 20, rows), 2) for k in range(3)}
        | {
            f"words {k}": random.choice(list("abcdef")[: k + 2], rows, p=random.dirichlet(np.ones(k + 2)))
            for k in range(4)
        }
        | {f"day {k}": pl.Series(random.integers(18_000, 20_000, rows), dtype=pl.Int32).cast(pl.Date) for k in range(2)}
    )
    assert find_rules(open_table(frame), schema_of(frame)) == []


BOUND = [
    (
        {
            "sum": [{"total": "a", "add": ["b"]}],
            "range": [{"column": "a", "min": 1000}, {"column": "b", "max": 50}],
        },
        "'1000 <= a' and 'a = b' and 'b <= 50'",
    ),
    (
        {
            "sum": [{"total": "a", "add": ["b"], "subtract": ["c"]}],
            "range": [{"column": "a", "max": 5}, {"column": "b", "min": 10}, {"column": "c", "max": 2}],
        },
        "'10 <= b' and 'c <= 2' and 'a = b - c' and 'a <= 5'",
    ),
    (
        {
            "product": [{"total": "a", "factors": ["b", "c"]}],
            "range": [{"column": "b", "min": 0}, {"column": "c", "min": 0}, {"column": "a", "below": -1}],
        },
        "no value of 'a'",
    ),
    (
        {"implication": [{"if": "w = x", "then": "a >= 100"}], "range": [{"column": "a", "max": 90}]},
        "no value of 'a' where w = x",
    ),
    (
        {
            "implication": [{"if": "w = x", "then": "a >= 100"}],
            "order": [{"columns": ["a", "b"]}],
            "range": [{"column": "b", "max": 90}],
        },
        "'if w = x then a >= 100' and 'a <= b' and 'b <= 90'",
    ),
    ({"implication": [{"if": "a > 60", "then": "b < 60"}], "order": [{"columns": ["a", "b"]}]}, "no value of 'b'"),
    (
        {"implication": [{"if": "w = x", "then": "d > 2024-02-01"}], "range": [{"column": "d", "max": "2024-01-05"}]},
        "no value of 'd'",
    ),
]


LINEAR = [
    (
        {
            "order": [{"columns": ["b", "c"]}, {"columns": ["a", "b"]}],
            "sum": [{"total": "b", "add": ["a", "c"]}],
            "range": [{"column": "a", "min": 1}, {"column": "c", "max": 50}],
        },
        "'b <= c' and 'b = a + c' and '1 <= a' contradict",
    ),
    (
        {"order": [{"columns": ["b", "c"], "strict": True}], "sum": [{"total": "b", "add": ["c"]}]},
        "'b < c' and 'b = c' contradict",
    ),
    (
        {
            "order": [{"columns": ["b", "c"]}],
            "sum": [{"total": "b", "add": ["a", "c"]}],
            "range": [{"column": "a", "above": 0}],
        },
        "no values of 'b', 'c', 'a' in one row",
    ),
]


@pytest.mark.parametrize(("rules", "words"), LINEAR)
def test_orders_and_sums_without_a_row_are_named_but_for_what_has_nothing_to_do_with_it(rules, words):
    with pytest.raises(GenwrightError, match="GW-0122") as caught:
        check_rules(read_rules(rules, SMALL_SCHEMA), SMALL_SCHEMA)
    assert words in str(caught.value)


@pytest.mark.parametrize(("rules", "words"), BOUND)
def test_contradictory_bounds_are_named(rules, words):
    with pytest.raises(GenwrightError, match="GW-0122") as caught:
        check_rules(read_rules(rules, SMALL_SCHEMA), SMALL_SCHEMA)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "rules",
    [
        {"implication": [{"if": "a > 60", "then": "b <= 3"}], "range": [{"column": "a", "max": 50}]},
        {
            "implication": [{"if": "w = x", "then": "a is missing"}, {"if": "w = x", "then": "b >= 100"}],
            "order": [{"columns": ["b", "a"]}],
            "range": [{"column": "a", "max": 90}],
        },
    ],
    ids=["the condition never holds", "nothing is said of what is missing"],
)
def test_bounds_that_never_meet_are_taken(rules):
    check_rules(read_rules(rules, SMALL_SCHEMA), SMALL_SCHEMA)


NUMBER = st.integers(-20, 20)


@settings(max_examples=300, deadline=None)
@given(NUMBER, NUMBER, NUMBER, st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans(), st.booleans())
def test_rules_that_one_row_keeps_are_never_called_contradictory(b, c, d, below, above, product, subtracted, cents):
    """a is made of b and c, all bounded by where a row is, and more follows from what it has."""
    a = b * c if product else b - c if subtracted else b + c
    row = {
        name: value / 100 if cents and not product else value for name, value in zip("abcd", (a, b, c, d), strict=True)
    }
    a, b, c, d = row.values()
    frame = pl.DataFrame({name: [value, value + 1, value + 2] * 9 for name, value in row.items()})
    factors = {"product": [{"total": "a", "factors": ["b", "c"]}]}
    terms = {
        "sum": [{"total": "a", "add": ["b"], "subtract": ["c"]} if subtracted else {"total": "a", "add": ["b", "c"]}]
    }
    rules = {
        **(factors if product else terms),
        "range": [{"column": name, "min": value - below, "max": value + above} for name, value in row.items()],
        "order": [{"columns": sorted(row, key=lambda name: row[name]), "strict": len(set(row.values())) == len(row)}],
        "implication": [
            {"if": f"a >= {a}", "then": f"b <= {b} and d >= {d - 1}"},
            {"if": f"b = {b}", "then": f"c = {c}"},
        ],
    }
    schema = schema_of(frame)
    check_rules(read_rules(rules, schema), schema)


def test_rules_are_told_in_the_words_of_the_table():
    frame = pl.DataFrame({"internet": ["Yes", "No"] * 9, "day": ["05.01.2024", "17.01.2024"] * 9})
    schema = schema_of(frame, text=True)
    (rule,) = read_rules({"implication": [{"if": "internet = No", "then": "day >= 2024-01-17"}]}, schema)
    assert str(rule) == "if internet = No then day >= 17.01.2024"
    assert read_rules(write_rules([rule], schema), schema) == (rule,)
