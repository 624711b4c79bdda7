"""Tables with gaps: all of them are filled, and nothing else of the table changes."""

import random
import re

import pandas as pd
import polars as pl
import pytest

import genwright
from genwright.cli import main
from genwright.errors import GenwrightError
from genwright.gaps import Filled

ROWS = 300
_DRAWN = random.Random(0)
WHOLE = pl.DataFrame(
    {
        "age": [_DRAWN.randint(18, 80) for _ in range(ROWS)],
        "sex": _DRAWN.choices(["f", "m"], k=ROWS),
        "region": _DRAWN.choices(["north", "south", "east"], k=ROWS),
        "day": [f"{_DRAWN.randint(1, 28):02d}.01.2020" for _ in range(ROWS)],
        "note": _DRAWN.choices(["N/A", "a", "b", ""], [9, 4, 4, 3], k=ROWS),
    }
)


def holes(**more) -> pl.DataFrame:
    """The table with a fifth of its words gone, some by words for it, its columns in another order, and one more."""
    at = pl.int_range(pl.len())
    gone = [
        pl.when(at % 5 == 0).then(pl.lit("")).when(at % 5 == 1).then(pl.lit(" NULL")).otherwise(name).alias(name)
        for name in ("sex", "region")
    ]
    return (
        WHOLE.with_columns(*gone, id=at + 7000).with_columns(**more).select("id", "region", "note", "sex", "age", "day")
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gaps")
    WHOLE.write_csv(folder / "whole.csv")
    few = {"steps": 5, "model.width": 16, "model.hidden": 16}
    return genwright.train(folder / "whole.csv", out=folder / "run", quiet=True, report=False, **few)


def read(path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False).fill_null("")


def test_cells_of_complete_columns_are_filled_and_all_else_stays(run, tmp_path, capsys):
    holes().write_csv(tmp_path / "holes.csv")
    main(["impute", str(run.folder), str(tmp_path / "holes.csv"), "--out", str(tmp_path / "filled.csv")])
    given, made = read(tmp_path / "holes.csv"), read(tmp_path / "filled.csv")
    gaps = {name: given[name].is_in(["", " NULL"]) for name in given.columns}
    assert made.columns == given.columns
    assert set(made["sex"]) == {"f", "m"}
    assert set(made["region"]) == {"north", "south", "east"}
    assert set(made["note"]) == {"N/A", "a", "b"}  # a value beside '', which is none
    for name in given.columns:
        assert made.filter(~gaps[name])[name].equals(given.filter(~gaps[name])[name])
    number = sum(int(mask.sum()) for mask in gaps.values())
    assert f"300 rows in {tmp_path / 'filled.csv'}: {number} gaps filled, none is left" in capsys.readouterr().out


def test_gaps_that_nothing_can_fill_are_counted(tmp_path):
    frame = WHOLE.select("age", "sex", nothing=pl.lit(""))
    frame.write_csv(tmp_path / "t.csv")
    model = {"model": "tabular-ar", "steps": 2, "model.width": 16, "model.hidden": 16}
    run = genwright.train(tmp_path / "t.csv", out=tmp_path / "run", quiet=True, report=False, **model)
    made = run.write_imputed(tmp_path / "t.csv", tmp_path / "made.csv")
    assert made == Filled([tmp_path / "made.csv"], ROWS, 0, ROWS)


def test_rows_begun_with_empty_cells_are_completed(run, tmp_path):
    holes().select("sex", "age").write_csv(tmp_path / "begun.csv")
    assert set(run.complete(tmp_path / "begun.csv")["sex"]) == {"f", "m"}


def test_a_pandas_frame_keeps_its_index_its_order_and_its_other_columns(run):
    frame = holes().to_pandas().replace({"sex": {"": None}}).set_index(pd.Index([f"r{at}" for at in range(ROWS)]))
    made = run.impute(frame)
    assert made.index.equals(frame.index)
    assert list(made.columns) == list(frame.columns)
    assert made["id"].equals(frame["id"])
    assert set(made["sex"]) == {"f", "m"}


def test_what_the_model_does_not_know_is_told_and_stays(run, tmp_path, capsys):
    at = pl.int_range(pl.len())
    strange = holes(region=pl.when(at == 3).then(pl.lit("west")).otherwise("region"))
    with pytest.warns(UserWarning, match=r"In 'region' the model does not know 1 of 180 values, first 'west' in row 4"):
        assert run.impute(strange)["region"][3] == "west"
    strange.write_csv(tmp_path / "strange.csv")
    notes = []
    run.write_imputed(tmp_path / "strange.csv", tmp_path / "made.csv", say=notes.append)
    assert [note for note in notes if "'west' in line 5" in note] == notes
    with pytest.warns(UserWarning, match="In 'age' the model does not know 1 of 300"):
        run.impute(WHOLE.with_columns(age=pl.when(at == 3).then(70_000).otherwise("age")))


def test_the_table_itself_is_never_written_over(run, tmp_path):
    path = tmp_path / "holes.csv"
    holes().write_csv(path)
    before = path.read_bytes()
    (tmp_path / "again").mkdir()
    for call in (run.write_imputed, run.write_completed):
        with pytest.raises(GenwrightError, match=r"GW-0211.*never written over"):
            call(path, tmp_path / "again" / ".." / "holes.csv")
    path.rename(tmp_path / "made-2.csv")
    with pytest.raises(GenwrightError, match="GW-0211"):
        run.write_imputed(tmp_path / "made-2.csv", tmp_path / "made.csv", draws=3)
    assert (tmp_path / "made-2.csv").read_bytes() == before


def test_a_value_of_the_wrong_kind_is_named_with_its_line(run, tmp_path):
    lines = [*holes().write_csv().split("\n")]
    lines[9] = lines[9].replace(f",{WHOLE['age'][8]},", ",old,")
    (tmp_path / "odd.csv").write_text("\n".join(lines))
    with pytest.raises(GenwrightError, match=r"GW-0113: Column 'age' is of kind integer, but 'old' in line 10 is none"):
        run.impute(tmp_path / "odd.csv")


def test_a_condition_beside_begun_rows_is_refused(run, tmp_path, capsys):
    holes().select("sex").write_csv(tmp_path / "like.csv")
    with pytest.raises(SystemExit):
        main(["sample", str(run.folder), "--like", str(tmp_path / "like.csv"), "--where", "age>60"])
    assert re.search("GW-0211.*--where and --like", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"where": ""}, "GW-0220"),
        ({"where": {}}, "GW-0220"),
        ({"where": []}, "GW-0220"),
        ({"where": 3}, "GW-0220"),
        ({"where": [3]}, "GW-0220"),
        ({"where": {"age": {1: 2}}}, "GW-0220"),
        ({"where": {"age": 30.7}}, "GW-0113: 30.7 is not a value of 'age'. Give an integer"),
        ({"where": {"day": 5}}, "GW-0113"),
        ({"n": 2.5}, "GW-0206"),
        ({"n": "9"}, "GW-0206"),
    ],
)
def test_what_asks_for_nothing_or_for_no_rows_is_refused_in_one_sentence(asked, code, run):
    with pytest.raises(GenwrightError, match=code):
        run.sample(**{"n": 3} | asked)


def test_values_may_come_in_anything_that_lists_them_and_dates_in_two_forms(run):
    asked = [[30, 31], range(30, 32), pl.Series([30, 31]), pd.Series([30, 31]), (30.0, 31)]
    first, *others = (run.sample(20, where={"age": values}) for values in asked)
    assert set(first["age"]) <= {30, 31}
    assert all(other.equals(first) for other in others)
    assert run.sample(20, where="day >= 2020-01-20").equals(run.sample(20, where="day >= 20.01.2020"))
