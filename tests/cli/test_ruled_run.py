"""A run with rules, from the file a person edits to rows that keep them, whatever is asked of the rows."""

import shutil

import polars as pl
import pytest

import genwright
import orders
from genwright.cli import main
from genwright.data.condition_text import condition_of
from genwright.data.rules_file import read_rules
from genwright.data.rules_kept import RuleKeeper
from genwright.errors import GenwrightError
from genwright.release import release

QUICK = {"steps": 60, "quiet": True, "model.width": 32, "model.hidden": 16}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Trained on a CSV of which two rows break a rule; the file of rules is gone afterwards."""
    folder = tmp_path_factory.mktemp("runs")
    orders.frame(900).with_columns(total=pl.when(pl.int_range(pl.len()) < 2).then(-1.0).otherwise("total")).write_csv(
        folder / "orders.csv"
    )
    (folder / "rules.toml").write_text(orders.RULES)
    run = genwright.train(
        folder / "orders.csv",
        rules=str(folder / "rules.toml"),
        out=folder / "run",
        holdout=0,
        report=False,
        rows=50,
        **QUICK,
    )
    (folder / "rules.toml").unlink()
    return run


def check(run, rows: pl.DataFrame) -> None:
    broken = {rule: mask for rule, mask in RuleKeeper(run.rules, run.codec.schema).breaches(rows).items() if mask.any()}
    assert not broken
    assert run.codec.schema.parse(run.codec.schema.format(rows)).equals(rows)


def test_every_row_keeps_all_rules_and_it_is_said_what_that_cost(run):
    notes = []
    rows = run.sample_typed(2000, advance=lambda *told: notes.append(told))
    check(run, rows)
    assert len(rows) == rows["number"].n_unique() == 2000
    assert 0.03 < rows["paid"].null_count() / 2000 < 0.3
    assert "rows drawn keep the rules (" in notes[-1][2]
    assert rows.equals(run.sample_typed(2000))
    assert rows.schema == orders.frame(1).with_columns(pl.col("quantity").cast(pl.Int64)).schema


def test_rows_that_break_rules_are_left_out_of_training_and_named(run):
    assert run.state["data"]["training_rows"] == run.codec.rows == 898
    table = run.open_dataset(run.training_data(), run.settings)
    assert any(
        "2 training rows are left out" in note and "'total = amount + tax - discount' (2)" in note
        for note in table.notes
    )


@pytest.mark.parametrize(
    "where",
    [
        "total > 50 and city in ('city 1', 'city 2')",
        "country = 'land 1' and internet = No",
        "quantity = 3 and paid is missing",
        "ship < 2023-01-01 or amount > 100",
    ],
)
def test_conditions_and_rules_hold_together(where, run):
    rows = run.sample_typed(150, where=where)
    check(run, rows)
    assert condition_of(where, run.codec.schema).holds(rows).all()


def test_a_total_that_is_given_stays_and_its_parts_make_it(run):
    total = float(run.sample_typed(1)["total"][0])
    rows = run.sample_typed(20, where={"total": total})
    check(run, rows)
    assert set(rows["total"]) == {total}


def test_gaps_are_filled_and_begun_rows_completed_within_the_rules(run, monkeypatch):
    real = orders.frame(60, seed=5).with_columns(number=pl.int_range(pl.len()) + 5000)
    begun = real.select("number", "start", "price", "city", "internet")
    whole = run.complete(begun)
    check(run, whole)
    assert whole.select(begun.columns).equals(begun.cast(whole.select(begun.columns).schema))
    gaps = real.with_columns(
        pl.when(pl.int_range(pl.len()) % 2 == 0).then(name).alias(name) for name in ("tax", "country", "films", "ship")
    )
    filled = run.impute(gaps)
    assert filled["country"].equals(real["country"])
    assert (filled["tax"] - real["tax"]).abs().max() < 0.006
    against = real.with_columns(ship=pl.col("start").dt.offset_by("-1d"), total=None).head(3)
    monkeypatch.setattr("genwright.row_drawing.GAP_ATTEMPTS", 10)
    with pytest.raises(GenwrightError, match=r"GW-0224: Row 1 .*'start <= ship <= paid'"):
        run.complete(against)


def test_what_hardly_ever_holds_is_given_up_by_name(run, tmp_path, monkeypatch):
    monkeypatch.setattr("genwright.row_drawing.PATIENCE_ROWS", 5_000)
    folder = tmp_path / "copy"
    shutil.copytree(run.folder, folder)
    never = genwright.open(folder)
    price = float(run.codec.coders[4].grid.edge_values(whole=False)[0])
    text = f"version = 1\n[[range]]\ncolumn = 'price'\nbelow = {price}\n"
    never.rules = read_rules(text, run.codec.schema)
    with pytest.raises(GenwrightError, match=r"GW-0223: Only 0 of .* keep the rules; 'price < .* holds in 0.00%"):
        never.sample(10)


def test_rules_that_were_changed_in_the_run_folder_are_noticed(run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(run.folder, folder)
    (folder / "rules.toml").write_text(orders.RULES)
    with pytest.raises(GenwrightError, match=r"GW-0304.*rules.toml"):
        genwright.open(folder).sample(1)


def test_a_run_goes_on_with_its_rules(run, tmp_path):
    """Though the file they came from is gone."""
    folder = tmp_path / "copy"
    shutil.copytree(run.folder, folder)
    longer = genwright.train(resume=folder, steps="+5", quiet=True)
    assert longer.rules == run.rules
    check(longer, longer.sample_typed(100))


def test_the_report_lists_rules_with_the_rows_that_break_them(tmp_path):
    table = orders.frame(300)
    run = genwright.train(table, model="tabular-trees", rules=orders.RULES, out=tmp_path / "run", quiet=True)
    report = genwright.Report.load(tmp_path / "run" / "report.json")
    shares = report.facts["rules"]
    assert set(shares) == {str(rule) for rule in run.rules}
    assert all(share == {"real": 0.0, "synthetic": 0.0} for share in shares.values())
    assert "total = amount + tax - discount" in (tmp_path / "run" / "report.html").read_text()


def test_rules_are_refused_before_anything_is_trained(tmp_path):
    table = orders.frame(200)
    for rules, words in [
        (
            "[[order]]\ncolumns = ['ship', 'start']\n",
            r"GW-0123.*of 180 training rows.*'ship <= start', the first in row",
        ),
        ("[[order]]\ncolumns = ['ship', 'start']\n[[order]]\ncolumns = ['start', 'ship']\n", "GW-0122.*circle"),
    ]:
        with pytest.raises(GenwrightError, match=words):
            genwright.train(table, rules=rules, out=tmp_path / "run", quiet=True)
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", [{"rules": orders.RULES}, {"unit": "sender"}])
def test_what_is_for_tables_is_not_ignored_with_other_data(tmp_path, given):
    with pytest.raises(GenwrightError, match=r"GW-0202.*is for tables"):
        genwright.train(["Dear Anna,", "Dear Tom,"], out=tmp_path / "run", quiet=True, **given)
    assert not (tmp_path / "run").exists()


def test_under_a_guarantee_rules_that_need_no_data_are_kept(tmp_path):
    table = orders.frame(2000).select("price", "quantity", "amount")
    schema = tmp_path / "schema.toml"
    schema.write_text(
        'version = 1\n[[column]]\nname = "price"\nkind = "decimal"\nplaces = 2\nstored = "Float64"\n'
        '[[column]]\nname = "quantity"\nkind = "integer"\nstored = "Int64"\n'
        '[[column]]\nname = "amount"\nkind = "decimal"\nplaces = 2\nstored = "Float64"\n'
    )
    given = {"epsilon": 5, "schema": str(schema), "quiet": True, "report": False, "rows": 10}
    seen = "[[combination]]\ncolumns = ['price', 'quantity']\n"
    with pytest.raises(GenwrightError, match=r"GW-0601.*combinations in private rows"):
        genwright.train(table, rules=seen, out=tmp_path / "run", **given)
    rules = {
        "product": [{"total": "amount", "factors": ["price", "quantity"]}],
        "range": [{"column": "amount", "min": 0}],
    }
    run = genwright.train(table, rules=rules, out=tmp_path / "run", **given)
    check(run, run.sample_typed(200))
    released = genwright.open(release(run, tmp_path / "out"))
    assert len(released.rules) == 2
    check(released, released.sample_typed(200, seed=1))
    assert "left_out" not in run.state["data"]


def test_rules_are_found_and_written_for_a_person_to_edit(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    orders.frame(1500).write_csv("orders.csv")
    main(["data", "orders.csv", "--rules"])
    said = capsys.readouterr().out
    assert "start <= ship" in said
    assert "--rules rules.toml" in said
    text = (tmp_path / "rules.toml").read_text()
    assert "# kept by all of 1,500 rows" in text
    with pytest.raises(SystemExit):
        main(["data", "orders.csv", "--rules"])
    assert "GW-0310" in capsys.readouterr().err
