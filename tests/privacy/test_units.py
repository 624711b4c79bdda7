"""Units of several rows: what one of them can change is never more than the noise is for, in every mechanism."""

import numpy as np
import polars as pl
import pytest
from seeded import seeded

import coded
import genwright
from genwright import settings as settings_layer
from genwright.codecs.private_table import ROWS, VALUES
from genwright.data.columns import Column
from genwright.data.units import naming, numbered
from genwright.errors import GenwrightError
from genwright.guarantee import SIZE, Guard
from genwright.privacy import marginals, mechanisms
from genwright.privacy.accounting import Guarantee
from genwright.privacy.events import Pure
from genwright.privacy.ledger import Entry, PrivacyLedger
from genwright.privacy.marginals import Marginals, plan_marginals
from genwright.privacy.mechanisms import counts_entry, discover, private_quantiles
from genwright.tables import Table
from genwright.training.private import TRAINING

MOST = 4
SMALL = {"model": "mixture", "model.components": 20, "model.steps": 30, "model.round_steps": 10}


def visits(patients: int = 400) -> pl.DataFrame:
    """Patients of 1 to 9 visits; one of 60, in whose every visit the ward is the same that no other patient was in."""
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(patients), random.integers(1, 10, patients))
    patient = random.permutation(np.concatenate([patient, np.full(60, patients)]))
    ward = np.where(patient == patients, "Z", random.choice(["A", "B", "C"], len(patient)))
    return pl.DataFrame(
        {"patient": [f"P-{n:04}" for n in patient], "ward": ward, "day": random.integers(0, 30, len(patient))}
    )


def settings(**given):
    return settings_layer.build({**SMALL, "epsilon": 3.0, "unit": "patient", "privacy.most_rows": MOST, **given})


def ledger(*entries: Entry, epsilon: float = 50.0) -> PrivacyLedger:
    made = PrivacyLedger(Guarantee(epsilon, 1e-5), unit="patient", contributions=MOST)
    made.plan(*entries)
    return made


def test_no_unit_has_more_rows_than_are_stated_and_none_fewer_than_it_could():
    names = visits()["patient"]
    units = numbered(names, MOST, seed=0)
    rows = pl.DataFrame({"name": names, "used": units >= 0}).group_by("name").agg(pl.len(), pl.col("used").sum())
    assert (rows["used"] == rows["len"].clip(upper_bound=MOST)).all()
    same = pl.DataFrame({"name": names, "unit": units}).filter(pl.col("unit") >= 0).unique()
    assert same["name"].is_unique().all()
    assert same["unit"].is_unique().all()


def test_a_unit_that_goes_leaves_the_others_their_rows():
    """Which rows are used must not depend on anybody else, or one unit would change what is seen of many."""
    names = visits()["patient"]
    for gone in ("P-0400", "P-0003"):
        rest = names != gone
        before, after = numbered(names, MOST, seed=0)[rest.to_numpy()], numbered(names.filter(rest), MOST, seed=0)
        assert np.array_equal(before < 0, after < 0)
    assert not np.array_equal(numbered(names, MOST, seed=0) < 0, numbered(names, MOST, seed=1) < 0)


def test_rows_are_chosen_evenly():
    names = pl.Series(["one"] * 20 + ["other"])
    used = np.mean([numbered(names, 5, seed=seed) >= 0 for seed in range(600)], axis=0)
    assert used[:20] == pytest.approx(np.full(20, 0.25), abs=0.09)
    assert used[20] == 1


def test_rows_without_a_name_are_one_unit():
    units = numbered(pl.Series([None] * 9 + ["a", "b"]), MOST, seed=0)
    assert (units[:9] >= 0).sum() == MOST
    assert len(set(units[units >= 0])) == 3


def neighbours() -> list[np.ndarray]:
    """Codes (rows, 2) with and without a unit whose rows are all alike: the most that one can change a count."""
    random = np.random.default_rng(1)
    rest = np.stack([random.integers(0, 4, 500), random.integers(0, 3, 500)], axis=1)
    return [np.concatenate([rest, np.full((MOST, 2), 1)]), rest]


def change(one, other) -> float:
    return float(
        np.sqrt(
            sum(((np.asarray(a, float) - np.asarray(b, float)) ** 2).sum() for a, b in zip(one, other, strict=True))
        )
    )


def test_counts_of_marginals_change_by_what_is_planned_and_no_less(monkeypatch):
    """Rows of one unit may fall into one cell: a release changes by m, not by its root."""
    told: list = []

    def exact(counts, ledger, purpose, *, releases=1, source=None):
        told.append((ledger.entry(purpose), np.array(counts)))
        return np.array(counts)

    monkeypatch.setattr(marginals, "noisy_counts", exact)
    releases = []
    for codes in neighbours():
        book = PrivacyLedger(Guarantee(5.0, 1e-6), unit="patient", contributions=MOST)
        plan_marginals(book, 2, rounds=2, choices=2, ones_share=0.3, choices_share=0.1)
        told.clear()
        counts = Marginals(codes, [4, 3], [4, 3], book)
        counts.pair(0, 1)
        releases.append(list(told))
    assert len(releases[0]) == 3, "two columns and a pair"
    for (entry, one), (_, other) in zip(*releases, strict=True):
        assert change([one], [other]) == entry.event.sensitivity == entry.sensitivity == MOST


def test_scores_of_choices_change_by_no_more_than_they_say(monkeypatch):
    told: list = []

    def watch(scores, sensitivity, *rest, **more):
        told.append((np.array(scores), sensitivity))
        return 0

    monkeypatch.setattr(marginals, "select", watch)
    for codes in neighbours():
        book = PrivacyLedger(Guarantee(5.0, 1e-6), unit="patient", contributions=MOST)
        plan_marginals(book, 2, rounds=2, choices=2, ones_share=0.3, choices_share=0.1)
        counts = Marginals(codes, [4, 3], [4, 3], book, source=seeded())
        pair = np.zeros_like(counts._exact, dtype=float)
        counts.choose(pair, 0.0, counts.pairs & (np.arange(len(counts.views))[:, None] < 2))
    (one, sensitivity), (other, _) = told
    assert sensitivity == MOST
    assert np.abs(one[0] - other[0]).max() == MOST, "all rows of the unit are in one cell"


def test_counts_of_categories_and_halves_change_by_no_more_than_is_planned(monkeypatch):
    entry = counts_entry("it", 1e-3, sensitivity=MOST, delta=1e-6)
    halves = counts_entry("halves", 1e-3, sensitivity=MOST, releases=mechanisms.LEVELS)
    trees: list = []
    descend = mechanisms._descend
    monkeypatch.setattr(mechanisms, "discrete_gaussian", lambda size, *_: np.zeros(size, dtype=np.int64))
    monkeypatch.setattr(mechanisms, "_descend", lambda tree, *rest: trees.append(tree) or descend(tree, *rest))
    values = [7] * 800 + [3] * 700
    unit = [7] * MOST
    found = [discover(each, ledger(entry), "it") for each in (values + unit, values)]
    assert found[0][7] - found[1][7] == MOST == entry.event.sensitivity
    for each in (values + unit, values):
        private_quantiles(np.array(each, dtype=float), (0, 10), [0.5], ledger(halves), "halves")
    for level, (one, other) in enumerate(zip(*trees, strict=True)):
        assert change([one], [other]) == MOST, level


def test_a_value_that_one_unit_alone_has_stays_below_the_threshold():
    entry = counts_entry("it", 0.5, sensitivity=MOST, delta=1e-6)
    limit = mechanisms.threshold(entry)
    assert limit >= MOST + 4 * entry.event.noise
    told = [
        discover(["of one"] * MOST + ["of many"] * 500, ledger(entry), "it", source=seeded(seed)) for seed in range(200)
    ]
    assert not any("of one" in found for found in told)
    assert all("of many" in found for found in told)


def test_a_plan_for_single_rows_is_refused():
    with pytest.raises(GenwrightError, match="GW-0609"):
        discover(["a"], ledger(counts_entry("it", 0.5, delta=1e-6)), "it")
    with pytest.raises(GenwrightError, match="GW-0602"):
        PrivacyLedger(Guarantee(1, 1e-6), unit="row", contributions=MOST)


def test_the_ledger_says_the_unit_and_each_noise_is_for_all_its_rows(tmp_path):
    frame = visits()
    table, single = Table.open(frame, settings()), Table.open(frame.drop("patient"), settings(unit=""))
    guard, plain = Guard.open(settings(), tmp_path), Guard.open(settings(unit=""), None)
    guard.plan(table)
    plain.plan(single)
    told = PrivacyLedger.open(tmp_path / "ledger.json")
    assert (told.unit, told.contributions) == ("patient", MOST)
    assert guard.facts()["unit"] == "patient"
    assert {entry.sensitivity for entry in told.entries} == {MOST}
    assert told.entry(ROWS).event.noise == pytest.approx(MOST * plain.ledger.entry(ROWS).event.noise)
    assert VALUES.format("patient") not in {entry.purpose for entry in told.entries}
    assert told.epsilon_planned() <= 3
    for other in ({"unit": "ward"}, {"privacy.most_rows": 2}):
        with pytest.raises(GenwrightError, match="GW-0605"):
            Guard.open(settings(**other), tmp_path)


def test_steps_are_planned_for_units():
    """A unit is taken at most `rate` often, so that about the planned number of examples is in a step."""
    given = settings(**{"steps": 10, "privacy.rows": 4000, "training.batch_size": 100})
    guard = Guard(ledger(epsilon=3.0), given)
    model = coded.build("tabular-ar")
    with pytest.raises(GenwrightError, match="GW-0601"):
        guard.steps(model, 4000)
    made = guard.steps(model, 4000, np.repeat(np.arange(1000), MOST))
    event = guard.ledger.entry(TRAINING).event
    assert event.sampling_rate == pytest.approx(100 * MOST / 4000)
    assert np.mean([len(made.choose(4000)) for _ in range(50)]) == pytest.approx(100, rel=0.15)
    guard.ledger = PrivacyLedger(Guarantee(3.0, 1e-5), unit="patient", contributions=MOST)
    guard.ledger.plan(Entry(SIZE, "discrete Laplace noise", Pure(1.0), MOST))
    sizes = []
    for _ in range(300):
        guard.ledger._entries[SIZE] = Entry(SIZE, "discrete Laplace noise", Pure(1.0), MOST)
        guard.ledger._prepaid.clear()
        sizes.append(guard._noisy_size(10_000))
    assert np.std(sizes) == pytest.approx(MOST * 2**0.5, rel=0.25)


def test_new_names_have_room():
    kinds = {"integer": "UInt8", "category": "Enum[a\x1fb]", "text": "text"}
    named = [naming(Column("it", kind, stored)) for kind, stored in kinds.items()]
    assert [column.stored for column in named] == ["Int64", "String", "text"]
    assert [column.dtype for column in named] == [pl.Int64(), pl.String(), pl.String()]
    own = Column("it", "identifier", style="uuid")
    assert naming(own) is own


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"epsilon": 0.0}, "GW-0616"),
        ({"unit": "weight"}, "GW-0616"),
        ({"unit": "patiend"}, "GW-0112"),
        ({"privacy.most_rows": 0}, "GW-0201"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, given, code):
    frame = visits(50).with_columns(pl.lit(1.5).alias("weight"))
    chosen = {"epsilon": 3.0, "unit": "patient", "model": "mixture", "quiet": True, **given}
    with pytest.raises(GenwrightError) as error:
        genwright.train(frame, out=tmp_path / "run", **chosen)
    assert error.value.code == code
    assert not (tmp_path / "run").exists()


def test_a_run_that_protects_people(tmp_path):
    """No ward that one patient alone was in comes out, however often; patients are new ones, one for each row."""
    frame = visits()
    given = {**SMALL, "epsilon": 3.0, "unit": "patient", "privacy.most_rows": MOST, "quiet": True, "report": False}
    run = genwright.train(frame, out=tmp_path / "run", **given)
    table = run.open_dataset(frame, run.settings)
    used = [pl.concat(table.batches(held=held)) for held in (False, True)]
    assert not set(used[0]["patient"]) & set(used[1]["patient"]), "a patient is on one side"
    assert used[0].group_by("patient").len()["len"].max() == MOST
    assert table.training_rows == len(used[0])
    made = run.sample(300)
    assert made.columns == frame.columns
    assert made["patient"].to_list() == [str(n) for n in range(1, 301)]
    assert set(made["ward"]) <= {"A", "B", "C"}
    assert "P-0" not in (run.folder / "codec.json").read_text()
    assert "unit: one patient" in (run.folder / "card.md").read_text()
    assert run.sample(20, where="ward='A'")["ward"].unique().to_list() == ["A"]


def test_steps_of_a_run_take_units(tmp_path):
    frame, small = visits(), {"steps": 3, "training.batch_size": 20, "model.width": 16, "model.hidden": 8}
    given = {"model": "tabular-ar", "epsilon": 5.0, "unit": "patient", "privacy.most_rows": MOST, "rows": 10, **small}
    run = genwright.train(frame, out=tmp_path / "run", report=False, quiet=True, **given)
    table = run.open_dataset(frame, run.settings)
    assert len(table.training_units) == table.training_rows
    assert np.bincount(table.training_units[table.training_units >= 0]).max() == MOST
    assert '"unit": "patient"' in (run.folder / "ledger.json").read_text()
    assert len(run.sample(5)) == 5
