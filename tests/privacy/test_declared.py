"""What the owner declares of a table: it costs nothing, the codec equals it, and what is impossible is refused."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest
from seeded import seeded

import genwright
from genwright.cli import main
from genwright.codecs.private_table import BOUNDS, QUANTILES, ROWS, VALUES, fit_private, plan_codec
from genwright.codecs.table import TableCodec
from genwright.data.columns import Column
from genwright.data.declared import Declared
from genwright.data.schema import Schema
from genwright.data.sources import open_table
from genwright.errors import GenwrightError
from genwright.privacy.accounting import Guarantee
from genwright.privacy.ledger import PrivacyLedger

N = 1500
DECLARED = {
    "ward": 'categories = ["A", "B", "C"]\ngaps = false',
    "stage": "low = 1\nhigh = 4\ngaps = true",
    "smoker": "gaps = false",
    "cost": "low = 0.0\nhigh = 5000.0\ngaps = false",
    "born": 'low = "1920-01-01"\nhigh = 2020-12-31',
}
SMALL = {"epsilon": 3, "quiet": True, "report": False, "model": "mixture", "model.components": 20, "model.steps": 40}


def visits() -> pl.DataFrame:
    """Wards of which one is not declared, stages with gaps, one of them beyond the bounds, and a cost far beyond."""
    random = np.random.default_rng(0)
    ward = random.choice(["A", "B", "X"], N, p=[0.6, 0.3, 0.1])
    stage = [int(value) if value else None for value in random.integers(0, 5, N)]
    stage[3] = 9
    cost = random.lognormal(6, 0.5, N).round(2)
    cost[5] = 1e9
    born = pl.Series(random.integers(-18_000, 18_000, N)).cast(pl.Int32).cast(pl.Date)
    return pl.DataFrame({"ward": ward, "stage": stage, "smoker": random.random(N) < 0.3, "cost": cost, "born": born})


def schema_text(frame: pl.DataFrame, declared: dict[str, str]) -> str:
    """What `genwright data` would write for a typed frame, with lines added below the columns' names."""
    text = Schema.from_json(Schema.inspect(open_table(frame)).to_json()).to_toml()
    for name, lines in declared.items():
        text = text.replace(f'name = "{name}"\n', f'name = "{name}"\n{lines}\n')
    return text


def fitted(schema: Schema, frame: pl.DataFrame, *, counted=False, epsilon=2.0) -> tuple[TableCodec, PrivacyLedger]:
    ledger = PrivacyLedger(Guarantee(epsilon, 1e-6))
    plan_codec(ledger, schema, 0.9 * ledger.rho(1.0), 1e-7, schema.declared, counted=counted)
    typed = schema.parse(frame)
    return fit_private(lambda: iter([typed]), schema, ledger, declared=schema.declared, source=seeded()), ledger


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema.from_toml(schema_text(visits(), DECLARED))


@pytest.fixture(scope="module")
def codec(schema) -> TableCodec:
    return fitted(schema, visits())[0]


def purposes(ledger: PrivacyLedger) -> set[str]:
    return {entry.purpose for entry in ledger.entries}


def planned(schema: Schema) -> PrivacyLedger:
    ledger = PrivacyLedger(Guarantee(2.0, 1e-6))
    plan_codec(ledger, schema, 0.9 * ledger.rho(1.0), 1e-7, schema.declared)
    return ledger


def test_the_ledger_has_no_line_for_what_is_declared_and_less_noise_for_the_rest(schema):
    free, paid = planned(schema), planned(Schema(schema.columns))
    sought = {each.format(name) for each in (VALUES, QUANTILES) for name in ("cost", "born")}
    assert purposes(free) == {ROWS, *sought}
    every = {VALUES.format(name) for name in schema.names} | {BOUNDS.format(name) for name in ("stage", "cost", "born")}
    assert purposes(paid) == {ROWS, *sought, *every, QUANTILES.format("stage")}
    assert free.entry(ROWS).event.noise < paid.entry(ROWS).event.noise
    for ledger in (free, paid):  # the same guarantee: what the plan costs (zCDP), and its part of delta
        rho = sum(entry.event.count / (2 * entry.event.noise**2) for entry in ledger.entries)
        assert rho == pytest.approx(0.9 * ledger.rho(1.0))
        assert sum(entry.delta for entry in ledger.entries) == pytest.approx(1e-7)


def test_the_codec_equals_the_declaration(schema, codec):
    frame = schema.parse(visits())
    ward, stage, smoker, cost, _ = codec.coders
    assert (ward.kept, ward.rare, ward.missing) == (["A", "B", "C"], True, False)
    assert stage.grid.scale.values(stage.grid.starts, whole=True).tolist() == [1, 2, 3, 4]
    assert (stage.missing, smoker.missing, cost.missing) == (True, False, False)
    codes = codec.encode(frame)
    assert set(codes[(frame["ward"] == "X").to_numpy(), 0]) == {0}, "what is not declared is rare"
    made = codec.decode(codes, generator=np.random.default_rng(0))
    assert made["stage"].is_null().equals(frame["stage"].is_null())
    assert made["stage"][3] == 4, "what is beyond the bounds is at them"
    known = (frame["stage"] <= 4).fill_null(False)
    assert made.filter(known)["stage"].equals(frame.filter(known)["stage"])
    assert made["cost"].max() <= 5000
    assert date(1920, 1, 1) <= made["born"].min() <= made["born"].max() <= date(2020, 12, 31)
    assert codec.spec == TableCodec.from_json(json.loads(json.dumps(codec.to_json())), codec.arrays()).spec


def test_a_spike_beyond_the_bounds_is_no_code():
    """A word for missing in numbers, such as 9999, occurs often enough to be told; the bounds rule it out."""
    frame = pl.DataFrame({"it": [9999] * 700 + list(range(800))})
    known = Schema((Column("it", "integer", "Int64"),), declared={"it": Declared(bounds=(0, 1000))})
    open_ = Schema(known.columns)
    assert max(fitted(open_, frame)[0].coders[0].grid.edge_values(whole=True)) == 9999
    assert max(fitted(known, frame)[0].coders[0].grid.edge_values(whole=True)) == 1000


def test_without_counts_no_row_shows_and_with_them_the_codes_are_as_frequent_as_they_are(schema, codec):
    """Models by steps start from how often codes are, so that for them the counts are paid for."""
    assert codec.counts[0].max() - codec.counts[0].min() <= 1
    frame = visits().select("ward", "stage")
    declared = {name: schema.declared[name] for name in frame.columns}
    own = Schema(tuple(schema[name] for name in frame.columns), declared=declared)
    counted, ledger = fitted(own, frame, counted=True)
    for at, name in enumerate(frame.columns):
        entry, size = ledger.entry(VALUES.format(name)), counted.spec.spans[at].size
        real = np.bincount(counted.encode(own.parse(frame))[:, at], minlength=size)
        assert np.abs(counted.counts[at] - real).max() < 6 * entry.event.noise < 100
        assert entry.delta == 0


def test_conditions_work_also_on_what_no_row_has(codec):
    assert codec.encode_condition({"ward": "C"}, 1)[0, 0] == 3
    assert codec.encode_condition({"stage": 3, "smoker": True}, 2).shape == (2, len(codec.spec.spans))
    for wrong in ({"ward": "X"}, {"stage": 9}, {"smoker": None}):
        with pytest.raises(GenwrightError, match="GW-0114"):
            codec.encode_condition(wrong, 1)


def test_a_schema_keeps_its_declarations_and_none_is_found_by_looking(schema):
    assert Schema.from_toml(schema.to_toml()).declared == schema.declared
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))).declared == schema.declared
    assert schema.declared["born"].bounds == (-18_263, 18_627)
    found = Schema.inspect(open_table(visits()))
    assert found.declared == {}
    assert "\nlow" not in found.to_toml()
    assert "gaps = false" in found.to_toml(), "a comment shows how"


@pytest.mark.parametrize(
    ("column", "lines", "said"),
    [
        ("cost", "low = 5\nhigh = 1", "low 5 and high 1"),
        ("cost", "low = 5", "only one"),
        ("cost", 'low = "a"\nhigh = 1', "Give a number"),
        ("stage", "low = 0.5\nhigh = 3", "whole number"),
        ("born", "low = 3\nhigh = 4", "Give a date"),
        ("ward", "low = 3\nhigh = 4", "no low"),
        ("stage", 'categories = ["1"]', "no categories"),
        ("ward", "categories = []", "list of words"),
        ("ward", 'categories = ["A", "A"]', "twice"),
        ("ward", 'categories = ["A", "<null>"]', "word for missing"),
        ("ward", 'gaps = "no"', "gaps = true or"),
    ],
)
def test_what_cannot_be_so_is_refused_in_a_sentence(column, lines, said):
    frame = visits().with_columns(pl.when(pl.int_range(N) != 8).then("ward").alias("ward"))
    with pytest.raises(GenwrightError, match=said) as error:
        Schema.from_toml(schema_text(frame, {column: lines}))
    assert error.value.code == "GW-0111"
    assert repr(column) in str(error.value)


def test_a_run_by_a_declaration(tmp_path, capsys):
    """From schema.toml to rows under a condition; the dry run names no line for what is declared."""
    frame = visits().select("ward", "stage", "smoker")
    frame.write_parquet(tmp_path / "visits.parquet")
    declared = {name: DECLARED[name] for name in ("ward", "stage")}
    (tmp_path / "schema.toml").write_text(schema_text(frame, declared))
    given = {**SMALL, "schema": str(tmp_path / "schema.toml")}
    words = [f"--{name}={value}" for name, value in given.items() if name in ("epsilon", "schema")]
    main(["train", str(tmp_path / "visits.parquet"), *words, "--dry-run"])
    shown = capsys.readouterr().out
    assert "values of 'smoker'" in shown
    assert not any(f"values of {name!r}" in shown for name in declared)
    run = genwright.train(tmp_path / "visits.parquet", out=tmp_path / "run", **given)
    assert set(run.sample(300)["ward"]) <= {"A", "B", "C"}
    assert set(run.sample(50, where="stage=2 and smoker=true")["stage"]) == {2}
    assert 'categories = ["A", "B", "C"]' in (run.folder / "schema.toml").read_text()
