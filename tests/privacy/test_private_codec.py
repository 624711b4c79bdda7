"""The private codec: what it tells was declared or paid for, no rare value leaves it, and it is an ordinary codec then."""

import json

import numpy as np
import polars as pl
import pytest
from seeded import seeded

from genwright.codecs.private_table import (
    BOUNDS,
    QUANTILES,
    ROWS,
    VALUES,
    Declared,
    cells_between,
    fit_private,
    plan_codec,
    require_declared,
    schema_of_types,
)
from genwright.codecs.table import TableCodec
from genwright.data.columns import Column
from genwright.data.schema import Schema
from genwright.errors import GenwrightError
from genwright.privacy.accounting import Guarantee
from genwright.privacy.ledger import PrivacyLedger

N = 6000


def people() -> pl.DataFrame:
    """Ages, incomes with a spike at 0 and one giant, cities of which one is a single person's, and a flag."""
    random = np.random.default_rng(0)
    income = np.where(random.random(N) < 0.3, 0.0, random.lognormal(10, 0.5, N)).round(2)
    income[17] = 98_765_432.1
    city = random.choice(["Ulm", "Bonn", "Kiel"], N, p=[0.6, 0.3, 0.1]).astype(object)
    city[17] = "Hamlet of one"
    frame = pl.DataFrame(
        {"age": random.integers(18, 90, N), "income": income, "city": city.tolist(), "member": random.random(N) < 0.4}
    )
    frame = frame.with_columns(pl.Series("born", random.integers(-10_000, 12_000, N)).cast(pl.Int32).cast(pl.Date))
    gaps = pl.Series(random.random(N) < 0.2)
    return frame.with_columns(pl.when(~gaps).then(pl.col("income")).alias("income"))


def fitted(
    frame: pl.DataFrame, epsilon: float = 2.0, declared=None, bins: int = 16
) -> tuple[TableCodec, PrivacyLedger]:
    schema = schema_of_types(dict(frame.schema))
    ledger = PrivacyLedger(Guarantee(epsilon, 1e-6))
    plan_codec(ledger, schema, 0.9 * ledger.rho(1.0), 1e-7, declared or {})
    return fit_private(lambda: iter([frame]), schema, ledger, bins=bins, declared=declared, source=seeded()), ledger


def test_all_that_is_planned_is_spent_and_nothing_else():
    _, ledger = fitted(people())
    purposes = {entry.purpose for entry in ledger.entries}
    numbers = {each.format(name) for each in (VALUES, BOUNDS, QUANTILES) for name in ("age", "income", "born")}
    assert purposes == {ROWS, *numbers, VALUES.format("city"), VALUES.format("member")}
    assert all(entry.spent == entry.event.count for entry in ledger.entries if "age" not in entry.purpose)
    assert ledger.epsilon_spent() <= 2.0
    assert sum(entry.delta for entry in ledger.entries) == pytest.approx(1e-7)


def test_nothing_is_drawn_without_a_plan_or_before_it_is_paid():
    frame = people()
    schema = schema_of_types(dict(frame.schema))
    with pytest.raises(GenwrightError, match="GW-0604"):
        fit_private(lambda: iter([frame]), schema, PrivacyLedger(Guarantee(1, 1e-6)))
    ledger, unpaid = PrivacyLedger(Guarantee(2, 1e-6)), []
    plan_codec(ledger, schema, ledger.rho(0.9), 1e-7, {})

    def watched(n: int) -> np.ndarray:
        unpaid.append(not any(entry.spent for entry in ledger.entries))
        return seeded()(n)

    fit_private(lambda: iter([frame]), schema, ledger, source=watched)
    assert not any(unpaid)


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_no_rare_value_leaves_the_codec(epsilon):
    frame = people()
    codec, _ = fitted(frame, epsilon)
    saved = json.dumps(codec.to_json()) + str({k: v.tolist() for k, v in codec.arrays().items()})
    assert "Hamlet" not in saved
    assert "9876543" not in saved
    assert max(codec.coders[1].grid.ends) < 1e9
    made = codec.decode(codec.encode(frame), generator=np.random.default_rng(0))
    assert set(made["city"].unique()) <= {"Ulm", "Bonn", "Kiel"}
    assert made["income"].max() < 5_000_000


def test_values_stay_in_their_cells_and_spikes_and_gaps_come_back():
    frame = people()
    codec, _ = fitted(frame)
    made = codec.decode(codec.encode(frame), generator=np.random.default_rng(0))
    assert made.schema == frame.schema
    assert made["income"].is_null().equals(frame["income"].is_null())
    zero = frame["income"] == 0
    assert (made.filter(zero.fill_null(False))["income"] == 0).all()
    assert np.abs(made["age"].to_numpy() - frame["age"].to_numpy()).mean() < 3
    assert np.corrcoef(made["born"].to_physical(), frame["born"].to_physical())[0, 1] > 0.98
    middle = frame["income"].rank() < N * 0.75
    for name, chosen in (("income", middle.fill_null(False)),):
        one, other = (each.filter(chosen)[name].drop_nulls().mean() for each in (made, frame))
        assert one == pytest.approx(other, rel=0.1)


def test_the_counts_are_noisy_and_near_and_fit_the_codes():
    frame = people()
    codec, _ = fitted(frame)
    assert codec.rows == pytest.approx(N, abs=200)
    codes = codec.encode(frame)
    for at, (counts, span) in enumerate(zip(codec.counts, codec.spec.spans, strict=True)):
        real = np.bincount(codes[:, at], minlength=span.size)
        assert len(counts) == span.size
        assert np.abs(counts / counts.sum() - real / N).sum() / 2 < 0.15
        assert sum(span.frequency) == pytest.approx(1)


def test_it_is_saved_and_loaded_as_any_codec():
    frame = people()
    codec, _ = fitted(frame)
    again = TableCodec.from_json(json.loads(json.dumps(codec.to_json())), codec.arrays())
    assert np.array_equal(again.encode(frame), codec.encode(frame))
    assert again.spec == codec.spec


def test_what_is_declared_costs_less_and_needs_no_threshold():
    frame = people()
    declared = {"age": Declared(bounds=(0, 120)), "city": Declared(categories=("Ulm", "Bonn", "Kiel", "Rome"))}
    codec, ledger = fitted(frame, declared=declared)
    assert BOUNDS.format("age") not in {entry.purpose for entry in ledger.entries}
    assert ledger.entry(VALUES.format("city")).delta == 0
    assert set(codec.coders[2].kept) == {"Ulm", "Bonn", "Kiel", "Rome"}
    assert ledger.entry(VALUES.format("member")).delta == 0


def test_neighbours_differ_by_no_more_than_the_noise_allows():
    """The row that makes the difference is planted: with enough noise the codec says the same of both tables."""
    frame = people()
    with_it, without = (fitted(each, 0.5)[0] for each in (frame, frame.filter(pl.Series(np.arange(N) != 17))))
    assert with_it.coders[2].kept == without.coders[2].kept
    assert with_it.coders[1].grid.ends[-1] == pytest.approx(without.coders[1].grid.ends[-1], rel=0.5)


def test_what_cannot_be_private_is_refused():
    with pytest.raises(GenwrightError, match="GW-0610"):
        require_declared(None)
    with pytest.raises(GenwrightError, match="GW-0610"):
        schema_of_types({"it": pl.Duration("us")})
    ledger = PrivacyLedger(Guarantee(1, 1e-6))
    with pytest.raises(GenwrightError, match="GW-0611"):
        plan_codec(ledger, Schema((Column("note", "text"),)), 1e-3, 1e-7, {})
    with pytest.raises(GenwrightError, match="GW-0612"):
        fitted(pl.DataFrame({"word": [f"w{n}" for n in range(200)]}))


def test_people_with_several_rows_get_more_noise():
    schema = schema_of_types(dict(people().schema))
    one, many = PrivacyLedger(Guarantee(1, 1e-6)), PrivacyLedger(Guarantee(1, 1e-6), unit="person", contributions=5)
    for ledger in (one, many):
        plan_codec(ledger, schema, one.rho(0.5), 1e-7, {})
    assert many.entry(ROWS).event.noise == pytest.approx(5 * one.entry(ROWS).event.noise)


def test_no_interval_holds_an_atom():
    column = Column("it", "integer")
    grid = cells_between(column, np.array([3, 10, 30]), np.array([0.0, 5.0, 12.0, 20.0]))
    assert list(zip(grid.scale.values(grid.starts, whole=True), grid.scale.values(grid.ends, whole=True), strict=True)) == [
        (0, 2), (3, 3), (4, 4), (5, 9), (10, 10), (11, 11), (12, 20), (30, 30)
    ]  # fmt: skip
    only = cells_between(column, np.array([7, 9]), np.zeros(0))
    assert only.scale.values(only.starts, whole=True).tolist() == [7, 9]
    real = cells_between(Column("it", "decimal"), np.array([0.5]), np.array([0.0, 1.0]))
    assert real.cells == 3
    assert (real.starts[1:] > real.ends[:-1]).all()
