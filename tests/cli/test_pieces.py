"""Many rows are drawn, decoded and written piece by piece: the same rows, identifiers never twice, files as of one piece."""

import re

import polars as pl
import pytest

import genwright
import people
from genwright.cli import main
from genwright.table_run import TableRun

PIECE = 100


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    frame = people.frame(600).with_columns(pl.format("P{}", pl.int_range(10_000, 10_600)).alias("key"))
    frame.write_parquet(folder / "people.parquet")
    small = {"steps": 20, "quiet": True, "report": False, "model.width": 32, "model.hidden": 16}
    return genwright.train(folder / "people.parquet", out=folder / "run", **small)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(TableRun, "examples_at_a_time", PIECE)


@pytest.mark.parametrize("where", [None, "sex = Female", "age >= 30"])
def test_pieces_are_the_rows_of_the_whole(where, run):
    pieces = list(run.pieces(250, where=where))
    assert len(pieces) >= 3
    assert pl.concat(pieces).equals(run.sample_typed(250, where=where))


def test_what_comes_first_does_not_depend_on_how_much_follows(run):
    assert run.sample_typed(250)[:PIECE].equals(run.sample_typed(PIECE))


def test_identifiers_differ_between_pieces(run):
    assert run.sample_typed(550)["key"].n_unique() == 550


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_file_of_many_pieces_holds_the_same_rows(suffix, run, tmp_path):
    run.write_samples(tmp_path / f"made{suffix}", 250)
    read = {".csv": pl.read_csv, ".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson}[suffix]
    wanted = run.codec.schema.format(run.sample_typed(250))
    assert (
        read(tmp_path / f"made{suffix}")
        .select(pl.all().cast(pl.String))
        .equals(wanted.select(pl.all().cast(pl.String)), null_equal=True)
    )


def test_a_dry_run_tells_all_parts_and_leaves_nothing(run, capsys, monkeypatch, tmp_path):
    data = run.settings.data
    monkeypatch.chdir(tmp_path)
    main(["train", data, "--steps", "40", "--model.width", "32", "--model.hidden", "16", "--dry-run", "--quiet"])
    shown = capsys.readouterr().out
    total, *parts = (float(number) for number in re.findall(r"(\d+) s\b", shown))
    assert re.search(
        r"preparation, \d+ s for 40 steps of \d+ ms, \d+ s fitting, \d+ s for samples, \d+ s for the", shown
    )
    assert total == pytest.approx(sum(parts), abs=3)
    assert 0.1 < float(re.search(r"Memory\s+about ([\d.]+) GB", shown)[1]) < 8
    assert not list(tmp_path.iterdir())


def test_the_card_tells_what_is_left_out_and_its_cost(run):
    card = (run.folder / "card.md").read_text()
    rare = run.codec.rare_rows()
    worst = max(rare, key=rare.get)
    assert f"{rare[worst]:,} of {run.codec.rows:,} rows in {worst!r}" in card
    assert "`--table.rare_below`" in card
