"""The table codec's laws: what is exact comes back exact, all else from its own cell; nothing of a person is kept."""

import datetime as dt
import json
import re
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from genwright.codecs.table import TableCodec
from genwright.contract import FREE, PRESENT
from genwright.data.schema import Schema
from genwright.data.sources import open_table
from genwright.data.writers import write_table
from genwright.errors import GenwrightError

ROWS = 2000


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def people(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    """A table with every kind of column; income has spikes at 0 and at its cap, and a heavy tail."""
    random = np.random.default_rng(seed)
    income = np.where(random.random(rows) < 0.3, 0, random.lognormal(10, 1, rows)).clip(0, 90_000).round(2)
    holes = random.random(rows) < 0.15
    frame = pl.DataFrame(
        {
            "id": [f"CUST-{n:05d}" for n in range(rows)],
            "age": random.integers(18, 90, rows),
            "income": income,
            "height": random.normal(170, 10, rows),
            "city": random.choice(["Ulm", "Bonn", "Köln", "Kiel"], rows, p=[0.5, 0.3, 0.15, 0.05]),
            "member": random.random(rows) < 0.4,
            "born": pl.Series(random.integers(-10_000, 12_000, rows)).cast(pl.Int32).cast(pl.Date),
            "seen": pl.Series(1_700_000_000_000_000 + random.integers(0, 10**9, rows) * 1000).cast(pl.Datetime("us")),
            "note": [f"called {random.choice(['him', 'her'])} at {n} and talked about tea" for n in range(rows)],
            "plan": ["basic"] * rows,
            "empty": pl.Series([None] * rows, dtype=pl.String),
        }
    )
    holed = pl.Series(holes)
    gaps = ["income", "city", "born", "note"]
    return frame.with_columns(pl.when(~holed).then(pl.col(name)).alias(name) for name in gaps)


def fit(frame: pl.DataFrame, **options: object) -> tuple[TableCodec, pl.DataFrame]:
    """A codec for a frame of any library's types, and the typed frame."""
    source = open_table(frame)
    schema = Schema.inspect(source)

    def batches() -> Iterator[pl.DataFrame]:
        return (schema.parse(batch) for batch in source.batches(700))

    return TableCodec.fit(batches, schema, **options), schema.parse(frame)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fitted() -> tuple[TableCodec, pl.DataFrame]:
    return fit(people())


def test_the_spec_describes_the_codes(fitted):
    codec, typed = fitted
    codes, spans = codec.encode(typed), codec.spec.spans
    assert codes.dtype == np.uint16
    assert codes.shape == (ROWS, len(spans)) == (ROWS, *codec.spec.shape)
    names = [span.column for span in spans]
    assert names == sorted(names, key=typed.columns.index)
    assert not {"id", "plan", "empty"} & set(names)
    for at, span in enumerate(spans):
        assert sum(span.frequency) == pytest.approx(1)
        inside = np.ones(ROWS, dtype=bool)
        if span.parent is not None:
            assert span.parent == at - 1
            assert spans[at - 1].column == span.column
            inside = np.array(spans[at - 1].refined)[codes[:, at - 1]]
            assert (codes[~inside, at] == 0).all()
        counts = np.bincount(codes[inside, at], minlength=span.size)
        np.testing.assert_allclose(counts / counts.sum(), span.frequency)
    by_name = {span.column: span for span in reversed(spans)}
    assert by_name["income"].missing
    assert not by_name["age"].missing
    assert by_name["income"].ordered_from == 1
    assert by_name["age"].ordered_from == 0
    assert by_name["city"].ordered_from == by_name["city"].size == 5
    assert by_name["note"].size == 2


def test_what_is_exact_comes_back_exact_and_all_else_from_its_cell(fitted):
    codec, typed = fitted
    codes = codec.encode(typed)
    back = codec.decode(codes, generator=generator())
    assert back.schema == typed.schema
    for name in typed.columns:
        assert back[name].is_null().equals(typed[name].is_null()), name
    for name in ("age", "city", "member", "plan", "empty"):
        assert back[name].equals(typed[name]), name
    np.testing.assert_array_equal(codec.encode(back), codes)
    for name in ("income", "height", "born", "seen"):
        assert back[name].min() >= typed[name].min()
        assert back[name].max() <= typed[name].max()


def test_spikes_stay_spikes_and_decimals_stay_few(fitted):
    codec, typed = fitted
    income = codec.decode(codec.encode(typed), generator=generator())["income"].drop_nulls()
    true = typed["income"].drop_nulls()
    for spike in (0.0, 90_000.0):
        assert (income == spike).sum() == (true == spike).sum()
    assert (income.round(2) == income).all()
    assert (
        codec.decode(codec.encode(typed), generator=generator())["seen"].dt.microsecond().to_numpy().sum() % 1000 == 0
    )


def test_codes_follow_the_order_of_the_values(fitted):
    codec, typed = fitted
    at = next(i for i, span in enumerate(codec.spec.spans) if span.column == "height")
    codes = codec.encode(typed)
    order = np.argsort(typed["height"].to_numpy())
    joint = codes[order, at].astype(int) * 1000 + codes[order, at + 1]
    assert (np.diff(joint) >= 0).all()


def test_fresh_values_are_new_and_different(fitted):
    codec, typed = fitted
    first = codec.decode(codec.encode(typed), generator=generator(1))
    second = codec.decode(codec.encode(typed), generator=generator(2), first_row=ROWS)
    ids = pl.concat([first["id"], second["id"]])
    assert ids[0] == "CUST-02000"
    assert ids.n_unique() == 2 * ROWS
    assert not ids.is_in(typed["id"].implode()).any()
    assert not first["note"].drop_nulls().is_in(typed["note"].drop_nulls().implode()).any()
    assert first["note"].drop_nulls().str.contains("talked about").mean() > 0.5


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([f"{n * 7919:08x}-beef-4000-8000-{n * 104729:012x}" for n in range(300)], r"[0-9a-f]{8}(-\w{4}){3}-[0-9a-f]{12}"),
        ([f"A{n * 7919 % 100000:05d}-{n % 10}" for n in range(300)], r"A\d{5}-\d"),
        ([f"+49 {n * 99991 % 10**9:09d}" for n in range(300)], r"\+49 \d{9}"),
        ([f"K{n:03d}" for n in range(0, 900, 3)], r"K\d{3,}"),
    ],
)  # fmt: skip
def test_identifiers_keep_their_form(values, form):
    codec, typed = fit(pl.DataFrame({"key": values, "n": range(len(values))}))
    assert codec.schema["key"].kind == "identifier"
    drawn = pl.concat(
        [codec.decode(codec.encode(typed), generator=generator(k), first_row=k * 300)["key"] for k in range(3)]
    )
    assert all(re.fullmatch(form, text) for text in drawn)
    assert drawn.n_unique() == 900
    assert not drawn.is_in(pl.Series(values).implode()).any()


def test_identifiers_keep_their_missing_rate():
    values = [None if n % 5 == 0 else f"X-{n * 7919 % 10**6:06d}" for n in range(500)]
    codec, typed = fit(pl.DataFrame({"key": values}))
    assert codec.spec.spans[0].frequency == pytest.approx((0.2, 0.8))
    assert codec.decode(codec.encode(typed), generator=generator())["key"].null_count() == 100


def test_what_rare_words_cost_is_told():
    words = ["a"] * 90 + ["b"] * 5 + ["c"] * 4 + ["d"]
    codec, typed = fit(pl.DataFrame({"c": words, "e": ["x", "y"] * 50}))
    assert codec.rare_rows() == {"c": 5}
    drawn = codec.decode(codec.encode(typed), generator=generator())["c"]
    distance = sum(abs((drawn == word).mean() - (typed["c"] == word).mean()) for word in "abcd") / 2
    assert distance >= codec.rare_rows()["c"] / 100 - 1e-9


def test_rare_categories_share_a_code_and_are_never_written():
    words = ["red"] * 50 + ["blue"] * 30 + ["Ada Lovelace", "Alan Turing"]
    codec, typed = fit(pl.DataFrame({"c": words}))
    assert [span.size for span in codec.spec.spans] == [3]
    back = codec.decode(codec.encode(typed), generator=generator())["c"]
    assert set(back) == {"red", "blue"}
    assert back[:80].to_list() == words[:80]
    content = json.dumps(codec.to_json())
    assert "Ada" not in content
    all_rare, typed = fit(pl.DataFrame({"c": ["a", "a", "b", "b", "c"]}))
    assert set(all_rare.decode(all_rare.encode(typed), generator=generator())["c"]) == {"a", "b"}


def test_what_training_never_saw_gets_the_nearest_code():
    codec, _ = fit(pl.DataFrame({"n": [1, 2, 3, 10] * 20, "c": ["a", "a", "a", "b"] * 20}))
    codes = codec.encode(pl.DataFrame({"n": [7, -5, 99, None], "c": ["zebra", None, "b", "a"]}))
    back = codec.decode(codes, generator=generator())
    assert back["n"].to_list() == [10, 1, 10, 1]
    assert back["c"].to_list() == ["a", "a", "b", "a"]


def test_a_condition_is_exact(fitted):
    codec, _ = fitted
    where = {
        "age": 30,
        "income": 12345.67,
        "city": "Köln",
        "member": True,
        "born": dt.date(1980, 2, 3),
        "plan": "basic",
    }
    condition = codec.encode_condition(where, 5)
    assert condition.shape == (5, len(codec.spec.spans))
    given_spans = {span.column for at, span in enumerate(codec.spec.spans) if condition[0, at] != FREE}
    assert given_spans == set(where) - {"plan"}
    rows = codec.decode(np.where(condition == FREE, 0, condition), generator=generator(), where=where)
    for name, value in where.items():
        assert rows[name].to_list() == [value] * 5
    assert codec.encode_condition({"age": "30"}, 1)[0].tolist() == codec.encode_condition({"age": 30}, 1)[0].tolist()
    assert codec.encode_condition({"city": None}, 1).max() == 0


@pytest.mark.parametrize(
    ("where", "code", "words"),
    [
        ({"agee": 30}, "GW-0112", "'age'"),
        ({"city": "Koeln"}, "GW-0114", "'Köln'"),
        ({"age": 17}, "GW-0114", "18 to 89"),
        ({"age": "old"}, "GW-0113", "integer"),
        ({"income": -1.0}, "GW-0114", "90000"),
        ({"age": None}, "GW-0114", "never missing"),
        ({"id": "CUST-00001"}, "GW-0114", "made afresh"),
        ({"plan": "gold"}, "GW-0114", "'basic'"),
        ({"born": dt.date(1800, 1, 1)}, "GW-0114", "range"),
    ],
)
def test_an_impossible_condition_gets_the_nearest_possible(fitted, where, code, words):
    with pytest.raises(GenwrightError) as caught:
        fitted[0].encode_condition(where, 1)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_a_gap_between_listed_values_names_the_neighbours():
    codec, _ = fit(pl.DataFrame({"n": [1, 2, 3, 10] * 20}))
    with pytest.raises(GenwrightError, match="Nearest are 2, 3, 10"):
        codec.encode_condition({"n": 7}, 1)


def test_partial_rows_leave_free_what_is_missing(fitted):
    codec, typed = fitted
    partial = codec.encode_partial(typed.drop("age"))
    codes = codec.encode(typed).astype(np.int64)
    for at, span in enumerate(codec.spec.spans):
        gone = typed[span.column].is_null().to_numpy()
        if span.column == "age":
            assert (partial[:, at] == FREE).all()
        else:
            assert (partial[gone, at] == (FREE if span.parent is not None else PRESENT)).all()
            assert (partial[~gone, at] == codes[~gone, at]).all()


def test_a_saved_codec_is_the_same_codec_and_holds_no_row(fitted):
    codec, typed = fitted
    text, arrays = json.dumps(codec.to_json(), ensure_ascii=False), save(codec.arrays())
    loaded = TableCodec.from_json(json.loads(text), load(arrays))
    assert loaded.spec == codec.spec
    codes = codec.encode(typed)
    np.testing.assert_array_equal(loaded.encode(typed), codes)
    assert loaded.decode(codes, generator=generator(3)).equals(codec.decode(codes, generator=generator(3)))
    content = text.encode() + arrays
    assert not any(text.encode() in content for text in [*typed["note"].drop_nulls(), *typed["id"]])


def test_a_damaged_codec_is_refused(fitted):
    codec, _ = fitted
    data, arrays = json.loads(json.dumps(codec.to_json())), codec.arrays()
    for change in ({"format": 99}, {"columns": []}, {"schema": None}, {"rows": "many"}):
        with pytest.raises(GenwrightError, match="GW-030"):
            TableCodec.from_json({**data, **change}, arrays)
    for name in arrays:
        with pytest.raises(GenwrightError, match="GW-0304"):
            TableCodec.from_json(data, {key: array for key, array in arrays.items() if key != name})


def test_fitting_again_gives_the_same_codec(fitted):
    again, _ = fit(people())
    assert again.to_json() == fitted[0].to_json()
    assert all(np.array_equal(array, fitted[0].arrays()[name]) for name, array in again.arrays().items())


def test_a_ledger_is_refused():
    schema = Schema.inspect(open_table(pl.DataFrame({"a": [1, 2]})))
    with pytest.raises(GenwrightError, match="GW-0601"):
        TableCodec.fit(lambda: iter(()), schema, ledger=object())


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"a": [1], "b": ["x"], "c": [1.5], "d": [True], "e": [dt.date(2024, 1, 1)]}),
        pl.DataFrame({"id": range(300), "c": ["x"] * 300}),
        pl.DataFrame({"n": pl.Series([None] * 5, dtype=pl.Int64), "s": [None] * 5}),
        pl.DataFrame({"n": [2**63 - 1, -(2**63), 0, 5] * 30}),
        pl.DataFrame({"n": np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 2000)}),
        pl.DataFrame({"n": np.random.default_rng(0).integers(2**63 - 5000, 2**63 - 1, 2000)}),
        pl.DataFrame({"n": [float("inf"), 1.0, float("-inf"), -0.0] * 200}),
        pl.DataFrame({"n": [float("inf"), *np.random.default_rng(0).normal(size=500)]}),
        pl.DataFrame({"n": np.random.default_rng(0).normal(size=500) * 1e-300}),
        pl.DataFrame({"n": np.random.default_rng(0).standard_cauchy(500) * 1e300}),
        pl.DataFrame({"n": [1e-9, 2.5e-9, 3e-7] * 40}),
        pl.DataFrame({"b": [True, None, False, None]}),
        pl.DataFrame({"t": [dt.time(1, 2), dt.time(3, 4)] * 9, "d": [dt.timedelta(days=1), None] * 9}),
        pl.DataFrame({"s": ["a b", "", "c d e", "?"] + [f"word{n}" for n in range(40)]}),
        pl.DataFrame({"s": ["😀😀", "北京 上海", "é\n\t", "x" * 3000, "a"]}),
    ],
)
def test_odd_tables_go_round(frame):
    codec, typed = fit(frame)
    codes = codec.encode(typed)
    back = codec.decode(codes, generator=generator())
    assert back.schema == typed.schema
    assert codec.schema.format(back).schema == frame.schema
    assert [series.null_count() for series in back] == [series.null_count() for series in typed]
    data = json.loads(json.dumps(codec.to_json()))
    assert TableCodec.from_json(data, codec.arrays()).spec == codec.spec
    for name in typed.columns:
        if codec.schema[name].kind in ("integer", "decimal", "date", "datetime") and typed[name].count():
            assert back[name].min() >= typed[name].min()
            assert back[name].max() <= typed[name].max()


CELL = st.one_of(
    st.text(max_size=5),
    st.integers(-(2**65), 2**65).map(str),
    st.floats().map(str),
    st.dates().map(str),
    st.sampled_from(["", "NA", "?", "yes", "no", "1,5", "(3)", "AB-123", "AB-124", "00012", " "]),
)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[CELL] * width), min_size=1, max_size=15)))
def test_a_dirty_table_goes_all_the_way_round(rows):
    frame = pl.DataFrame(rows, schema=[f"c{at}" for at in range(len(rows[0]))], orient="row")
    source = open_table(frame)
    source.typed = False
    schema = Schema.inspect(source)
    codec = TableCodec.fit(lambda: iter([schema.parse(frame)]), schema)
    typed = schema.parse(frame)
    back = codec.decode(codec.encode(typed), generator=generator())
    assert back.schema == typed.schema
    assert [series.null_count() for series in back] == [series.null_count() for series in typed]
    assert schema.format(back).schema == frame.schema


def test_real_tables_go_round_with_their_rates(large_data, tmp_path):
    for name in ("insurance", "california_housing", "adult_test"):
        source = open_table(large_data / "table" / f"{name}.csv.gz")
        schema = Schema.inspect(source)
        codec = TableCodec.fit(lambda source=source, schema=schema: map(schema.parse, source.batches()), schema)
        raw = pl.concat(list(source.batches()))
        typed = schema.parse(raw)
        assert schema.format(typed).equals(raw)
        back = codec.decode(codec.encode(typed), generator=generator())
        for column in typed.columns:
            assert back[column].null_count() == typed[column].null_count()
        write_table(schema.format(back), tmp_path / "out.csv", source.origin)
        assert open_table(tmp_path / "out.csv").columns == raw.columns
