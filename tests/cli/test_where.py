"""Rows under conditions: every one holds, and the other columns are as in the real rows that fulfil the condition."""

import itertools

import numpy as np
import polars as pl
import pytest
import torch

import genwright
import people
from genwright.codecs.allowed import Allowed
from genwright.contract import FREE, DataSpec, Span
from genwright.data.condition_text import condition_of
from genwright.errors import GenwrightError
from genwright.models.tabular_ar import TabularAR, categorical, effective_number, resampled

CONDITIONS = [
    "age >= 30 and sex in (Female)",
    "age between 40 and 50 and income = '>50K' and hours-per-week > 45",
    "fnlwgt between 100000 and 100777 and workclass != Private",
    "age < 25 or education in (Bachelors, Masters) and sex = Male",
    "(age < 20 or age > 60) and not race = White",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    quick = {"steps": 200, "quiet": True, "report": False, "model.width": 64, "model.hidden": 32}
    return genwright.train(people.frame(5000), out=out, **quick)


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "trees"
    return genwright.train(people.frame(1000), out=out, model="tabular-trees", quiet=True, report=False)


@pytest.mark.parametrize("where", CONDITIONS)
def test_every_row_holds(where, run):
    rows = run.sample_typed(500, where=where)
    assert len(rows) == 500
    assert condition_of(where, run.codec.schema).holds(rows).all()
    assert rows.equals(run.sample_typed(500, where=where))
    assert not rows.equals(run.sample_typed(500, where=where, seed=1))


@pytest.mark.parametrize("where", [*CONDITIONS[:2], CONDITIONS[3], "age = 30"])
def test_models_that_cannot_keep_to_it_are_sifted_and_it_is_said(where, trees):
    notes = []
    rows = trees.sample_typed(200, where=where, advance=lambda *told: notes.append(told))
    assert len(rows) == 200
    assert condition_of(where, trees.codec.schema).holds(rows).all()
    done, total, note = notes[-1]
    assert (done, total) == (200, 200)
    assert "rows drawn fulfil the condition (" in note


def test_what_never_comes_is_given_up_and_its_rarest_part_named(trees, run):
    never = (
        "age > 20 and age <= 22 and (age > 21 or sex = Male) and (age > 22 or sex = Female) and (age > 22 or age < 22)"
    )
    with pytest.raises(GenwrightError, match=r"GW-0222.*None of 114,688 rows.*alone holds in .*tabular-ar"):
        trees.sample(10, where=f"{never} and (age > 60 or age > 21 and sex=Male)")
    with pytest.raises(GenwrightError, match=r"GW-0222.*'age > 90'. Its values lie from 17 to 90"):
        run.sample(10, where="sex=Male and age > 90")


def test_all_forms_ask_for_the_same(run):
    forms = [
        "age=30 and sex=Female",
        {"age": 30, "sex": "Female"},
        ["age=30", "sex = Female"],
        ("age=30 and sex=Female",),
    ]
    first, *others = (run.sample(60, where=form) for form in forms)
    assert set(first["age"]) == {30}
    assert set(first["sex"]) == {"Female"}
    for other in others:
        assert other.equals(first)
    assert set(run.sample(60, where={"age": [30, 31], "sex": "Female"})["age"]) == {30, 31}


@pytest.mark.parametrize(
    "where",
    ["age >= 60", "age < 25 and hours-per-week < 35 and sex = Female", "income = '>50K' and age between 30 and 45"],
)
def test_other_columns_are_as_in_the_real_rows_that_fulfil_it(where, run):
    real = run.codec.schema.parse(people.frame(20_000))
    wanted = real.filter(condition_of(where, run.codec.schema).holds(real))
    drawn, free = run.sample_typed(3000, where=where), run.sample_typed(3000)
    near, far = (np.mean([difference(rows[name], wanted[name]) for name in real.columns]) for rows in (drawn, free))
    assert near < 0.12
    assert near < 0.5 * far


def difference(one: pl.Series, other: pl.Series) -> float:
    """Total variation: of numbers over ten cells of equal weight."""
    if one.dtype.is_numeric():
        edges = np.unique(np.quantile(other, np.linspace(0, 1, 11)))
        first, second = (
            np.histogram(np.clip(part, edges[0], edges[-1]), edges)[0] / len(part) for part in (one, other)
        )
        return float(np.abs(first - second).sum() / 2)
    first, second = (dict(part.value_counts(normalize=True).iter_rows()) for part in (one, other))
    return sum(abs(first.get(word, 0) - second.get(word, 0)) for word in first | second) / 2


def test_multiple_imputation_gives_tables_that_differ_where_something_was_missing(run, tmp_path):
    gaps = pl.Series([at % 3 == 0 for at in range(200)])
    holes = people.frame(200).with_columns(age=pl.when(~gaps).then("age"), sex=pl.when(~gaps).then("sex"))
    tables = run.impute(holes, draws=3)
    assert len(tables) == 3
    assert tables[0].equals(run.impute(holes))
    assert not tables[0]["age"].equals(tables[1]["age"])
    for table in tables:
        assert table.null_count().sum_horizontal().item() == 0
        assert table.filter(~gaps).equals(holes.filter(~gaps))
    assert run.write_imputed(holes, tmp_path / "filled.csv.gz", draws=2).rows == 200
    assert {path.name for path in tmp_path.iterdir()} == {"filled-1.csv.gz", "filled-2.csv.gz"}


def test_rows_that_were_begun_are_completed(run, tmp_path):
    begun = people.frame(100).select("sex", "age").with_columns(sex=pl.when(pl.col("age") > 30).then("sex"))
    rows = run.complete(begun)
    assert rows.columns == people.frame(1).columns
    assert rows["age"].equals(begun["age"])
    assert rows["sex"].null_count() == 0
    assert rows.filter(begun["sex"].is_not_null())["sex"].equals(begun["sex"].drop_nulls())
    begun.write_csv(tmp_path / "begun.csv")
    assert run.write_completed(tmp_path / "begun.csv", tmp_path / "whole.csv") == 100
    with pytest.raises(GenwrightError, match=r"GW-0112.*'age'"):
        run.complete(begun.rename({"age": "aeg"}))


def test_known_structure_is_kept(tmp_path):
    """Two numbers that depend on one another and on a word; a bound cuts cells of the first."""
    random, n = np.random.default_rng(0), 4000
    group = random.integers(0, 2, n)
    x = np.round(random.gamma(3, 10, n) + 40 * group, 2)
    y = np.round(2 * x + 20 * group + random.normal(0, 5, n), 1)
    real = pl.DataFrame({"x": x, "y": y, "group": np.where(group, "high", "low")})
    run = genwright.train(real, out=tmp_path / "run", steps=250, quiet=True, report=False, **{"model.width": 64})
    for where, mask in [
        ("x between 41.5 and 47.25", (x >= 41.5) & (x <= 47.25)),
        ("x < 60 and y > 90", (x < 60) & (y > 90)),
        ("group = low and x > 50 and y < 140.5", (group == 0) & (x > 50) & (y < 140.5)),
    ]:
        drawn, wanted = run.sample_typed(2000, where=where), real.filter(pl.Series(mask))
        assert condition_of(where, run.codec.schema).holds(drawn).all()
        assert abs((drawn["group"] == "high").mean() - (wanted["group"] == "high").mean()) < 0.12
        for name in ("x", "y"):
            assert abs(drawn[name].mean() - wanted[name].mean()) < 0.2 * real[name].std() + 0.1 * wanted[name].std()


def toy() -> TabularAR:
    """An untrained network with strong dependence, over four columns: one of numbers that are refined."""
    spans = (
        Span("a", (0.5, 0.3, 0.2), 3),
        Span("b", (0.1, 0.4, 0.4, 0.1), 1, missing=True, refined=(False, True, True, False)),
        Span("b", (0.4, 0.3, 0.3), 0, parent=1),
        Span("c", (0.6, 0.4), 2),
        Span("d", (0.7, 0.3), 2),
    )
    torch.manual_seed(1)
    model = TabularAR(DataSpec("row", (len(spans),), spans=spans), width=16, hidden=16, depth=2, knots=4)
    with torch.no_grad():
        for name in ("code_vectors", "code_heads", "rank_vectors"):
            getattr(model.net, name).mul_(8)
    return model.eval()


def test_rows_together_are_nearer_to_the_chances_than_independent_ones():
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log().expand(1000, 4)
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        codes = torch.stack([categorical(logits, generator) for _ in range(40)])
        assert torch.allclose(codes.float().mean(0), torch.tensor(2.0), atol=0.8), "every row is drawn as it should be"
        for code, chance in enumerate((0.1, 0.2, 0.3, 0.4)):
            assert ((codes == code).sum(1) - 1000 * chance).abs().max() <= 1
        pairs = torch.corrcoef(codes[:2].float())[0, 1]
        assert abs(float(pairs)) < 0.12, "draws of two columns know nothing of each other"
    assert categorical(logits[:1], generator).shape == (1,)


def test_the_joint_distribution_is_exact():
    """Against all combinations, multiplied out: draws that ignored how well later columns can keep to it would fail."""
    model = toy()
    factors = {
        0: torch.tensor([1.0, 1.0, 0.0]),
        1: torch.tensor([0.0, 1.0, 0.5, 1.0]),
        2: torch.tensor([[1.0, 1, 1], [1, 1, 1], [2, 0, 1], [1, 1, 1]]),
        3: torch.tensor([0.0, 1.0]),
    }
    order = model._most_telling(factors)
    assert order == [3, 1, 2, 0]
    exact = joint(model, factors, order)
    drawn = model.sample_within(60_000, factors, generator=torch.Generator().manual_seed(0)).x
    counts = dict.fromkeys(exact, 0)
    for row in map(tuple, drawn[:, :4].tolist()):
        counts[row] += 1  # KeyError: a row that the factors forbid
    worst = sum(abs(counts[row] / len(drawn) - chance) for row, chance in exact.items()) / 2
    assert worst < 0.015
    unweighted = joint(model, factors, order, weighted=False)
    assert sum(abs(unweighted[row] - chance) for row, chance in exact.items()) / 2 > 0.03


@torch.no_grad()
def joint(model: TabularAR, factors, order, *, weighted: bool = True) -> dict[tuple[int, ...], float]:
    """The chance of each row of conditioned spans, by the chain of the network's conditionals times the factors."""
    tables, chances = model.net.tables(), {}
    for row in itertools.product(*(range(model.net.sizes[span]) for span in sorted(order))):
        codes = torch.tensor([[*row, FREE]])
        if not model.net.applies(2, codes) and row[2] > 0:
            continue
        context, chance = torch.zeros(1, model.net.context_bias.shape[1]), 1.0
        for span in order:
            if model.net.applies(span, codes):
                shares = torch.softmax(model.net.logits(span, context, tables)[0].double(), 0)
                factor = factors[span] if factors[span].ndim == 1 else factors[span][row[span - 1]]
                left = shares * factor
                chance *= float(left[row[span]] / (1 if weighted else left.sum()))
            context = context + model.net.vector(span, codes, tables)
        if chance > 0:
            chances[row] = chance
    total = sum(chances.values())
    return {row: chance / total for row, chance in chances.items()}


def test_resampling_takes_each_row_as_often_as_it_is_worth():
    weights = torch.tensor([0.5, 0.25, 0.25, 0.0], dtype=torch.float64)
    chosen = resampled(weights.log(), 400, torch.Generator().manual_seed(0))
    assert torch.bincount(chosen, minlength=4).tolist() == [200, 100, 100, 0]
    assert effective_number(weights.log()) == pytest.approx(1 / 0.375)


def test_factors_of_a_condition_fit_the_spec(run):
    spans = run.codec.spec.spans
    allowed = Allowed(run.codec, condition_of("fnlwgt > 123456 and age < 40", run.codec.schema))
    for span, factor in allowed.factors.items():
        own = spans[span]
        assert factor.shape == ((own.size,) if own.parent is None else (spans[own.parent].size, own.size))
