"""Dirty tables: each trains, samples, saves and loads with its types and its missing rates, or is refused in one sentence."""

import datetime as dt
import importlib.util
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import genwright
from genwright.cli import main
from genwright.codecs.table import TableCodec
from genwright.data.columns import Column
from genwright.data.schema import Schema
from genwright.data.sources import open_table
from genwright.data.writers import write_table
from genwright.errors import GenwrightError
from genwright.report.build import _facts as report_facts
from genwright.tables import Table

sys.path.insert(0, str(Path(__file__).parent))
from dirty import (
    AGES,
    BAD_WORKBOOKS,
    CELLS,
    FILES,
    FRAMES,
    REFUSED,
    ROWS,
    TIED_CELLS,
    WORDS,
    WORKBOOKS,
    file,
    gaps,
    odd_files,
    pandas_frame,
    polars_frame,
    write_cells,
)

MANY = 20_000  # rows that tell a missing rate to a third of a point
READS_WORKBOOKS = importlib.util.find_spec("fastexcel") is not None
needs_fastexcel = pytest.mark.skipif(not READS_WORKBOOKS, reason="the extra 'excel' is not installed")


@pytest.fixture(autouse=True, scope="module")
def _quick_disk():
    """What is safe on a disk is tested elsewhere; here forty runs wait for none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


def trained(data, folder: Path, **more):
    """A quick run on the data, opened again from its folder."""
    model = {"model": "tabular-trees", "holdout": 0, "rows": 20} | more
    run = genwright.train(data, out=folder / "run", report=False, quiet=True, **model)
    again = genwright.open(folder / "run")
    assert same(again.sample(20), run.sample(20))
    return again


def same(one, other) -> bool:
    """Whether two frames of one library are equal, types included."""
    try:
        pd.testing.assert_frame_equal(one, other) if isinstance(one, pd.DataFrame) else None
        return isinstance(one, pd.DataFrame) or one.equals(other)
    except AssertionError:
        return False


def told(run, data) -> list[str]:
    """What is said of the data that the run was trained on."""
    return Table.open(data, run.settings).notes


def test_there_are_enough_nuisances():
    assert len(CELLS) + len(FILES) + len(FRAMES) + len(WORKBOOKS) + len(REFUSED) + len(BAD_WORKBOOKS) >= 120


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """All columns of `CELLS` in one file, trained on: the schema, a typed sample, its words, these read again, the notes."""
    folder = tmp_path_factory.mktemp("cells")
    path = write_cells(folder / "cells.csv", CELLS)
    run = trained(path, folder)
    typed, schema = run.sample_typed(1000), run.codec.schema
    words = schema.format(typed)
    return schema, typed, words, schema.parse(words), schema.notes


@pytest.mark.parametrize("name", CELLS)
def test_a_column_comes_back_as_what_it_is(name, cells):
    schema, typed, words, again, notes = cells
    column = schema[name]
    assert column.kind == CELLS[name].kind
    assert again[name].equals(typed[name], null_equal=True)
    assert not CELLS[name].note or any(name in note and CELLS[name].note in note for note in notes)
    if column.kind == "category":
        assert set(words[name]) <= set(CELLS[name].cells)


def test_missing_rates_are_kept(tmp_path):
    gone = {name: column for name, column in CELLS.items() if set(column.gone) & set(column.cells)}
    gone = {name: column for name, column in gone.items() if column.kind != "text"}  # slow to draw so many of
    run = trained(write_cells(tmp_path / "gone.csv", gone), tmp_path)
    words = run.codec.schema.format(run.sample_typed(MANY))
    for name, column in gone.items():
        wanted = np.mean([cell in column.gone for cell in column.cells])
        assert words[name].is_in(list(column.gone)).mean() == pytest.approx(wanted, abs=0.01), name


def test_what_hangs_together_stays_together(cells):
    typed = cells[1]
    first, double, number, twice = TIED_CELLS
    assert (typed[first] == typed[double]).mean() > 0.95
    assert (typed[twice] - 2 * typed[number]).abs().median() <= 4


def check_whole(whole, made, folder: Path) -> None:
    run = trained(made, folder)
    assert run.codec.rows == whole.rows
    sample = run.sample(60, seed=1)
    assert tuple(sample.columns) == whole.columns
    assert whole.note in "\n".join(told(run, made))
    if run.origin.format != "frame":
        back = open_table(run.write_samples(folder / f"back{run.suffix}", 60, seed=1))
        read = pl.concat(list(back.batches()))
        assert run.codec.schema.parse(read.rename(dict(zip(read.columns, run.codec.schema.names, strict=True)))).equals(
            run.sample_typed(60, seed=1), null_equal=True
        )


@pytest.mark.parametrize("name", FILES)
def test_a_file_trains_and_its_samples_are_read_back(name, tmp_path):
    check_whole(FILES[name], FILES[name].make(tmp_path), tmp_path)


@needs_fastexcel
@pytest.mark.parametrize("name", WORKBOOKS)
def test_a_workbook_is_read_as_its_csv_would_be(name, tmp_path):
    made = WORKBOOKS[name].make(tmp_path)
    check_whole(WORKBOOKS[name], made, tmp_path)
    kinds = [column.kind for column in Schema.inspect(open_table(made)).columns]
    assert kinds == ["integer", "category", "date", "datetime", "decimal", "boolean"]


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_trains(name, tmp_path):
    made = FRAMES[name].make(tmp_path)
    check_whole(FRAMES[name], made, tmp_path)


@pytest.mark.parametrize("frame", [polars_frame(), pandas_frame()], ids=["polars", "pandas"])
def test_every_dtype_comes_back_at_its_missing_rate(frame, tmp_path):
    sample = trained(frame, tmp_path).sample(MANY)
    check_dtypes(sample, frame)
    assert gaps_of(sample) == pytest.approx(gaps_of(frame), abs=0.01)


@pytest.mark.parametrize("name", ["one row", "two rows", "only words", "only numbers", "lines with too few cells"])
def test_the_default_model_takes_dirt_too(name, tmp_path):
    few = {"steps": 3, "model.width": 16, "model.hidden": 16}
    run = trained(FILES[name].make(tmp_path), tmp_path, model="tabular-ar", **few)
    assert run.sample(200).schema == run.codec.schema.parse(run.codec.schema.format(run.sample(200))).schema


@pytest.mark.slow
@pytest.mark.parametrize("frame", [polars_frame(), pandas_frame()], ids=["polars", "pandas"])
def test_the_default_model_gives_every_dtype_back(frame, tmp_path):
    few = {"steps": 3, "model.width": 16, "model.hidden": 16}
    check_dtypes(trained(frame, tmp_path, model="tabular-ar", **few).sample(200), frame)


def check_dtypes(sample, frame) -> None:
    assert list(sample.columns) == list(frame.columns)
    assert list(map(str, sample.dtypes)) == list(map(str, frame.dtypes))


def gaps_of(frame) -> list[float]:
    """The share of each column that is null or not a number."""
    if isinstance(frame, pd.DataFrame):
        return frame.isna().mean().tolist()
    whole = frame.with_columns(pl.selectors.float().fill_nan(None))
    return [column.null_count() / len(column) for column in whole.get_columns()]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence_with_its_place(name, tmp_path):
    check_refused(REFUSED[name], tmp_path)


@needs_fastexcel
@pytest.mark.parametrize("name", BAD_WORKBOOKS)
def test_a_bad_workbook_is_refused(name, tmp_path):
    check_refused(BAD_WORKBOOKS[name], tmp_path)


def test_a_workbook_without_its_reader_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(GenwrightError, match=r"GW-0116.*genwright\[excel\]"):
        open_table(WORKBOOKS["a workbook"].make(tmp_path))


def test_data_tells_what_it_mended(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["data", str(FILES["lines with too few cells"].make(tmp_path))])
    assert "Note: Line 7 has too few cells" in capsys.readouterr().out


@pytest.mark.slow
def test_three_hundred_thousand_keys(tmp_path):
    frame = pl.DataFrame(
        {"key": [f"user-{at * 7919 % 300_000:06d}" for at in range(300_000)], "word": ["a", "b"] * 150_000}
    )
    run = trained(frame, tmp_path)
    keys = run.sample(2000)["key"]
    assert keys.n_unique() == 2000
    assert not set(keys) & set(frame["key"])


@pytest.mark.slow
def test_five_thousand_words(tmp_path):
    words = [f"word {chr(97 + at % 5000 % 26)}{at % 5000}" for at in range(60_000)]
    run = trained(pl.DataFrame({"word": words, "age": [AGES[at % ROWS] for at in range(60_000)]}), tmp_path)
    assert run.codec.schema["word"].kind == "category"
    assert set(run.sample(MANY)["word"]) <= set(words)


@pytest.mark.slow
def test_two_thousand_columns(tmp_path):
    columns = {f"c{at}": gaps(AGES[at % 400 : at % 400 + 200], "") for at in range(2000)}
    frame = pl.DataFrame(columns)
    frame.write_csv(tmp_path / "wide.csv")
    run = trained(tmp_path / "wide.csv", tmp_path)
    sample = run.sample(2000)
    assert sample.columns == frame.columns
    rates = [column.null_count() / 2000 for column in sample.get_columns()]
    assert np.mean(rates) == pytest.approx(np.mean([column.eq("").mean() for column in frame.get_columns()]), abs=0.01)


@pytest.mark.parametrize("rare_below", [1, 5])
def test_rare_words_and_extreme_numbers_are_not_drawn(rare_below, tmp_path):
    tall = [*range(1, 5), *([100, 200, 300] * 100), *range(1001, 1005)]
    words = [*["rare"] * 4, *["usual", "common", "plain"] * 100, *["five"] * 4]
    real = [float(value) + at / 1000 for at, value in enumerate(tall)]
    day = [dt.date(2000, 1, 1) + dt.timedelta(days=value) for value in tall]
    frame = pl.DataFrame({"tall": tall, "word": words, "real": real, "day": day})
    run = trained(frame, tmp_path, **{"table.rare_below": rare_below})
    sample = run.sample(3000)
    assert ({"rare", "five"} <= set(sample["word"])) == (rare_below == 1)
    for name in ("tall", "real", "day"):
        outer = frame[name].sort()
        inside = sample[name].is_between(outer[4], outer[-5])
        assert inside.all() == (rare_below == 5), name


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_no_number_is_beyond_the_row_that_enough_others_reach(values, rare_below):
    column = Column("x", "integer")
    frame = pl.DataFrame({"x": values})
    codec = TableCodec.fit(lambda: iter([frame]), Schema((column,)), rare_below=rare_below)
    drawn = codec.decode(codec.encode(frame), generator=np.random.default_rng(0))["x"]
    rank = min(rare_below, (len(values) + 1) // 2)
    low, high = sorted(values)[rank - 1], sorted(values)[-rank]
    assert low <= drawn.min() <= drawn.max() <= high
    assert {low, high} <= set(drawn) or len(set(values)) > len(values) / 2  # else a grid of intervals


def check_refused(refusal, folder: Path) -> None:
    data = refusal.make(folder)
    with pytest.raises(GenwrightError) as caught:
        genwright.train(data, model="tabular-trees", out=folder / "run", quiet=True)
    assert caught.value.code == refusal.code
    assert refusal.words in caught.value.what
    check_sentence(caught.value)
    assert not (folder / "run").exists()


def test_repairs_stand_in_the_report_in_both_languages():
    taken = {"effort": "quick", "seed": 0, "target": None, "seconds": {}}
    notes = ["Line 7 has too few cells: the missing ones were left empty."]
    groups = dict(report_facts(taken, {"data": {"rows": 9, "notes": notes}}))
    listed = {title: lines for title, lines in groups.items() if title and "mended" in title.en}
    ((title, lines),) = listed.items()
    assert title.zh != title.en
    assert [text for _, text in lines] == notes
    assert all("notes" not in name.en for lines in groups.values() for name, _ in lines)


@given(odd_files())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_coded_or_refused(tmp_path, made):
    check_odd(tmp_path, *made)


@pytest.mark.slow
@given(odd_files())
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_ten_thousand_files_are_coded_or_refused(tmp_path, made):
    check_odd(tmp_path, *made)


def check_sentence(error: GenwrightError) -> None:
    assert str(error).isprintable()


def check_odd(folder: Path, name: str, content: bytes) -> None:
    """Read, coded, decoded, written and read again without an error of Python's; or refused in one sentence."""
    started = time.monotonic()
    path = file(content, name)(folder)
    try:
        source = open_table(path)
        schema = Schema.inspect(source)
    except GenwrightError as error:
        check_sentence(error)
        return
    typed = pl.concat([schema.parse(frame) for frame in source.batches()])
    codec = TableCodec.fit(lambda: iter([typed]), schema)
    assert codec.rows == len(typed) > 0
    again = TableCodec.from_json(codec.to_json(), codec.arrays())
    made = again.decode(codec.encode(typed), generator=np.random.default_rng(0))
    assert made.schema == typed.schema
    assert made.null_count().row(0) == typed.null_count().row(0)
    write_table(schema.format(made), folder / "made.csv", source.origin)
    assert time.monotonic() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000  # kilobytes


@pytest.mark.parametrize("error", [ValueError, GenwrightError("GW-0113", "Odd", "Mend it")])
def test_a_training_that_fails_as_it_reads_bars_no_second_one(error, tmp_path, monkeypatch):
    frame = pl.DataFrame({"age": AGES})
    with monkeypatch.context() as patch:
        patch.setattr(Schema, "inspect", classmethod(lambda *_, **__: (_ for _ in ()).throw(error)))
        with pytest.raises(error if isinstance(error, type) else GenwrightError):
            trained(frame, tmp_path)
    assert not (tmp_path / "run").exists()
    trained(frame, tmp_path)


def test_the_delimiter_can_be_said_for_training_and_its_test_file(tmp_path):
    for name in ("train.csv", "test.csv"):
        file("age:city\n" + "".join(f"{AGES[at]}:{WORDS[at % 4]}\n" for at in range(60)), name)(tmp_path)
    run = trained(tmp_path / "train.csv", tmp_path, test=str(tmp_path / "test.csv"), **{"table.delimiter": ":"})
    assert run.sample(5).columns == ["age", "city"]
    assert len(run.known(None, None, 0)[2]) == 60
