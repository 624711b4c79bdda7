"""The models of noisy marginals: exact where nothing is hidden, exact under conditions, never past the plan."""

from itertools import product

import numpy as np
import pytest
import torch
from seeded import seeded

import coded
from genwright import settings as settings_layer
from genwright.contract import FREE, PRESENT, Batch, DataSpec, Span
from genwright.errors import GenwrightError
from genwright.given import complete
from genwright.models.mixture import Mixture
from genwright.models.mst import MST
from genwright.networks.products import Fitting, Products, Target
from genwright.networks.together import Together
from genwright.privacy.accounting import Guarantee
from genwright.privacy.ledger import PrivacyLedger
from genwright.privacy.marginals import PAIRS, Marginals

SMALL = {"components": 20, "round_steps": 20, "steps": 150}


def batches(n: int = 4000) -> list[Batch]:
    return [Batch(torch.from_numpy(coded.rows(n).astype(np.int64)))]


def fitted(name: str = "mixture", ledger: PrivacyLedger | None = None, **given):
    torch.manual_seed(0)
    model = Mixture(coded.spec(), **{**SMALL, **given}) if name == "mixture" else MST(coded.spec(), **given)
    model.fit(batches(), ledger, source=seeded())
    return model


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", ["mixture", "mst"])
def test_without_a_ledger_exact_marginals_come_back(name):
    x, real = fitted(name).sample(20_000, generator=generator()).x.numpy(), coded.rows(4000)
    for at, span in enumerate(coded.spec().spans):
        one, other = (np.bincount(part[:, at], minlength=span.size) / len(part) for part in (x, real))
        assert one == pytest.approx(other, abs=0.02)
    pair, wanted = (np.bincount(part[:, 0] * 2 + part[:, 5], minlength=6) / len(part) for part in (x, real))
    assert pair == pytest.approx(wanted, abs=0.03)
    sliced = x[x[:, 3] == 2, 4]
    assert np.bincount(sliced, minlength=4) / len(sliced) == pytest.approx([0.25] * 4, abs=0.06)


@pytest.mark.parametrize("name", ["mixture", "mst"])
def test_samples_are_codes_and_slices_only_where_cells_have_them(name):
    x = fitted(name).sample(300, generator=generator()).x
    spans = coded.spec().spans
    assert x.dtype == torch.int64
    assert all(0 <= int(x[:, at].min()) <= int(x[:, at].max()) < span.size for at, span in enumerate(spans))
    assert (x[x[:, 3] == 0, 4] == 0).all()


@pytest.mark.parametrize("name", ["mixture", "mst"])
def test_the_generator_decides_and_a_copy_draws_the_same(name):
    model = fitted(name)
    torch.manual_seed(9)
    other = Mixture(coded.spec(), **SMALL) if name == "mixture" else MST(coded.spec())
    other.load_state_dict({key: value.clone() for key, value in model.state_dict().items()})
    first, again, copied, another = (
        each.sample(50, generator=generator(seed)).x for each, seed in ((model, 0), (model, 0), (other, 0), (model, 1))
    )
    assert torch.equal(first, again)
    assert torch.equal(first, copied)
    assert not torch.equal(first, another)
    assert len(model.sample(0, generator=generator()).x) == 0


@pytest.mark.parametrize("name", ["mixture", "mst"])
@pytest.mark.parametrize("epsilon", [0.5, 4.0])
def test_a_private_fit_spends_its_plan_and_no_more(name, epsilon):
    ledger = PrivacyLedger(Guarantee(epsilon, 1e-6))
    (Mixture if name == "mixture" else MST).plan(ledger, 5)
    model = fitted(name, ledger)
    spent = {entry.purpose: (entry.spent, entry.event.count) for entry in ledger.entries}
    assert spent["counts of single columns"] == (5, 5)
    pairs = spent["counts of pairs of columns"]
    assert pairs[0] == pairs[1], "the remainder is spent too"
    assert 0.85 * epsilon < ledger.epsilon_spent() <= epsilon
    assert float(model.rows) != 4000
    assert float(model.rows) == pytest.approx(4000, rel=0.1)


@pytest.mark.parametrize("name", ["mixture", "mst"])
def test_a_private_fit_is_near_the_truth_where_there_are_many_rows(name):
    ledger = PrivacyLedger(Guarantee(4.0, 1e-6))
    (Mixture if name == "mixture" else MST).plan(ledger, 5)
    x, real = fitted(name, ledger).sample(20_000, generator=generator()).x.numpy(), coded.rows(4000)
    for a, b in ((0, 5), (0, 3), (2, 5)):
        sizes = coded.spec().spans[a].size, coded.spec().spans[b].size
        one, other = (
            np.bincount(part[:, a] * sizes[1] + part[:, b], minlength=sizes[0] * sizes[1]) for part in (x, real)
        )
        assert np.abs(one / len(x) - other / len(real)).sum() / 2 < 0.08


def test_pairs_with_a_target_of_many_values_are_measured_first():
    ledger = PrivacyLedger(Guarantee(4.0, 1e-6))
    Mixture.plan(ledger, 5, rounds=1.0)
    fitted("mixture", ledger, target="income")
    choices = next(entry for entry in ledger.entries if "choices" in entry.purpose)
    assert choices.spent < choices.event.count


MODELS = {"mixture": Mixture, "mst": MST}
NAMES = [span.column for span in coded.spec().spans if span.parent is None]


def private(name: str, monkeypatch, **given) -> tuple[torch.nn.Module, PrivacyLedger, set[tuple[str, str]]]:
    """A fitted model, its ledger, and which pairs of columns were counted for it."""
    seen, pair = set(), Marginals.pair

    def watched(self: Marginals, u: int, v: int, releases: int = 1):
        seen.add(tuple(NAMES[self.views[at].column] for at in (u, v)))
        return pair(self, u, v, releases)

    monkeypatch.setattr(Marginals, "pair", watched)
    ledger = PrivacyLedger(Guarantee(2.0, 1e-6))
    MODELS[name].plan(ledger, len(NAMES), **given)
    return fitted(name, ledger, **given), ledger, seen


@pytest.mark.parametrize("name", ["mixture", "mst"])
def test_only_pairs_of_the_workload_are_counted_and_the_ledger_is_the_same(name, monkeypatch):
    _, usual, everything = private(name, monkeypatch)
    model, ledger, seen = private(name, monkeypatch, workload=(NAMES[2],))
    assert seen
    assert all(NAMES[2] in pair for pair in seen)
    assert not all(NAMES[2] in pair for pair in everything)
    assert [entry.event for entry in ledger.entries] == [entry.event for entry in usual.entries]
    assert ledger.entry(PAIRS).spent == ledger.entry(PAIRS).event.count, "the others' part goes to the workload"
    assert len(model.sample(20, generator=generator()).x) == 20


@pytest.mark.parametrize("name", ["mixture", "mst"])
def test_a_workload_of_all_columns_is_none_and_one_of_no_column_is_refused(name, monkeypatch):
    usual, *_ = private(name, monkeypatch)
    named, *_ = private(name, monkeypatch, workload=tuple(NAMES))
    for key, value in usual.state_dict().items():
        assert torch.equal(value, named.state_dict()[key]), key
    with pytest.raises(GenwrightError, match="unknown") as error:
        MODELS[name](coded.spec(), workload=("unknown",))
    assert error.value.code == "GW-0112"


def test_pairs_with_the_target_come_first_only_where_they_are_in_the_workload(monkeypatch):
    other = next(name for name in NAMES if name != "income")
    *_, seen = private("mixture", monkeypatch, target="income", workload=(other,), rounds=1.0)
    assert all(other in pair for pair in seen)


@pytest.mark.parametrize("name", ["mixture", "mst"])
def test_the_shares_divide_the_budget_and_change_nothing_of_its_sum(name, monkeypatch):
    def costs(ledger: PrivacyLedger) -> list[float]:
        return [entry.event.count * float(entry.event.renyi(np.array([2.0]))[0]) / 2 for entry in ledger.entries]

    for ones, choices in ((0.5, 0.2), (0.2, 0.4)):
        _, ledger, _ = private(name, monkeypatch, ones_share=ones, choices_share=choices)
        single, chosen, pairs = costs(ledger)
        assert single / (single + chosen + pairs) == pytest.approx(ones, rel=0.1)
        assert chosen / (single + chosen + pairs) == pytest.approx(choices, rel=0.1)
        assert 0.98 * 2 < ledger.epsilon_planned() <= 2
    with pytest.raises(GenwrightError, match="ones_share") as error:
        private(name, monkeypatch, ones_share=0.6, choices_share=0.4)
    assert error.value.code == "GW-0603"


def either_or(target: str, ledger: PrivacyLedger | None) -> tuple[Mixture, np.ndarray]:
    """A class that two columns tell together and neither of them alone, and how often it is what they say."""
    names = ("one", "other", "class")
    spec = DataSpec("row", (3,), spans=tuple(Span(name, (0.5, 0.5), ordered_from=2) for name in names))
    x = np.random.default_rng(0).integers(0, 2, (4000, 3))
    x[:, 2] = x[:, 0] ^ x[:, 1]
    torch.manual_seed(0)
    model = Mixture(spec, **SMALL, target=target)
    if ledger:
        Mixture.plan(ledger, 3, target=target)
    model.fit([Batch(torch.from_numpy(x))], ledger, source=seeded())
    made = model.sample(4000, generator=generator()).x.numpy()
    return model, (made[:, 0] ^ made[:, 1]) == made[:, 2]


@pytest.mark.parametrize("private", [False, True])
def test_what_two_columns_say_of_the_target_together_is_learned_where_it_is_named(private):
    for target, least, most in (("class", 0.9, 1.0), ("", 0.4, 0.6)):
        ledger = PrivacyLedger(Guarantee(4.0, 1e-6)) if private else None
        model, agrees = either_or(target, ledger)
        assert least <= agrees.mean() <= most, target
        assert ledger is None or ledger.epsilon_spent() <= 4
    given = torch.tensor([[0, FREE, 1]]).expand(500, -1)
    model, _ = either_or("class", None)
    assert (model.sample(500, condition=given, generator=generator()).x[:, 1] == 1).float().mean() > 0.9


def test_counting_together_changes_no_column_and_no_chance_of_a_column():
    codes, ordered = coded.rows(4000).astype(np.int64)[:, [0, 1, 2, 3, 5]], [3, 1, 1, 0, 2]
    together = Together.of([3, 1, 4, 6, 2], 4, 20)
    sizes, ordered_from = together.counted_sizes(ordered)
    assert (sizes, ordered_from) == ([6, 2, 8, 12], [6, 2, 1, 0])
    joined = together.joined(codes)
    for place, at in enumerate(together.counted):
        assert np.array_equal(joined[:, place] % together.sizes[at], codes[:, at])
        assert np.array_equal(joined[:, place] // together.sizes[at], codes[:, 4])
    columns = Marginals(joined, sizes, ordered_from, None).columns
    open_ = together.open(columns, 20)
    tables = torch.cat([part / part.sum(1, keepdim=True) for part in open_.float().split(sizes, 1)], 1)
    for at, part in enumerate(together.apart(tables, columns).split(together.sizes, 1)):
        assert part.sum(1).tolist() == pytest.approx([1.0] * 20)
        assert at < 4 or part.argmax(1).equal(together.class_of(20))
    assert [Together.of(*each, 20).classes for each in (([3, 4, 9], 2), ([3, 4, 2], None), ([3, 2], 1))] == [1, 1, 1]


def small_mixture() -> Products:
    random = torch.Generator().manual_seed(3)
    tables = [torch.rand(4, size, generator=random).add(0.05) for size in (2, 3, 4)]
    weights = torch.rand(4, generator=random).add(0.1)
    return Products(weights / weights.sum(), torch.cat([t / t.sum(1, keepdim=True) for t in tables], 1), [2, 3, 4])


def enumerated(products: Products) -> dict[tuple[int, ...], float]:
    parts = products.tables.split([2, 3, 4], 1)
    return {
        row: float((products.weights * parts[0][:, row[0]] * parts[1][:, row[1]] * parts[2][:, row[2]]).sum())
        for row in product(range(2), range(3), range(4))
    }


@pytest.mark.parametrize("given", [(FREE, FREE, FREE), (1, FREE, FREE), (FREE, 2, 3), (0, PRESENT, FREE)])
def test_conditions_are_exact(given):
    products, n = small_mixture(), 40_000
    allowed = {
        row: chance
        for row, chance in enumerated(products).items()
        if all(g in (FREE, v) or (g == PRESENT and v > 0) for g, v in zip(given, row, strict=True))
    }
    drawn = products.draw(torch.tensor(given).expand(n, -1), generator()).numpy()
    seen = {tuple(row): count / n for row, count in zip(*np.unique(drawn, axis=0, return_counts=True), strict=True)}
    assert set(seen) <= set(allowed)
    for row, chance in allowed.items():
        assert seen.get(row, 0) == pytest.approx(chance / sum(allowed.values()), abs=0.01)


def test_the_surrogate_has_the_gradient_of_the_loss():
    products = small_mixture()
    views = torch.cat([torch.eye(9), torch.eye(9)[:, :0]], 1)
    target = Target(torch.full((9,), 0.3), torch.full((9,), 0.1), [2, 3, 4], views)
    target.add((slice(0, 2), slice(5, 9)), torch.rand(2, 4, generator=generator()), 0.2)
    target.add((slice(2, 5), slice(5, 9)), torch.rand(3, 4, generator=generator(1)), 0.1)
    fitting = Fitting(target, torch.ones(4, 9, dtype=torch.bool), generator())
    fitting._surrogate().backward()
    found = [part.grad.clone() for part in fitting._moving]
    weights, tables = fitting._chances()
    pairs = (tables * weights[:, None]).T @ tables
    loss = ((pairs - target.pairs) ** 2 * target.weights).sum() / 4
    loss = loss + ((weights @ tables - target.ones) ** 2 * target.precision).sum() / 2 + fitting._prior()
    for wanted, grad in zip(torch.autograd.grad(loss, fitting._moving), found, strict=True):
        assert torch.allclose(wanted, grad, atol=1e-4)
    assert products.tables.shape == (4, 9)


def test_conditions_are_kept_and_present_values_are_not_missing():
    model = fitted()
    given = torch.full((200, 6), FREE)
    given[:, 5], given[:, 2] = 1, PRESENT
    given[:100, 3], given[:100, 4] = 2, 3
    x = model.sample(200, condition=given, generator=generator()).x
    assert torch.equal(x[given >= 0], given[given >= 0])
    assert (x[:, 2] > 0).all()


def test_the_tree_refuses_conditions():
    given = torch.full((2, 6), FREE)
    given[:, 0] = 1
    with pytest.raises(GenwrightError, match="GW-0403"):
        fitted("mst").sample(2, condition=given, generator=generator())


@pytest.mark.parametrize("model", [Mixture, MST])
def test_a_table_of_one_column(model):
    spec = DataSpec("row", (1,), spans=(Span("only", (0.5, 0.5), ordered_from=2),))
    ledger = PrivacyLedger(Guarantee(1.0, 1e-6))
    model.plan(ledger, 1)
    one = model(spec)
    one.fit([Batch(torch.arange(4000)[:, None] % 4 // 3)], ledger, source=seeded())
    assert one.sample(4000, generator=generator()).x.double().mean() == pytest.approx(0.25, abs=0.03)


def test_rows_within_factors_are_the_free_rows_that_these_leave():
    """Against many free rows, each kept as often as its factors say; on a category and on a number cut within a cell."""
    model = fitted()
    factors = {0: torch.tensor([0.0, 1.0, 1.0]), 3: torch.tensor([1.0, 0, 1, 0, 1, 0]), 4: torch.ones(6, 4)}
    factors[4][2] = torch.tensor([0.0, 0.0, 0.5, 1.0])
    x = model.sample_within(30_000, factors, generator=generator()).x
    free = model.sample(300_000, generator=generator(1)).x
    worth = factors[0][free[:, 0]] * factors[3][free[:, 3]]
    worth *= torch.where(free[:, 3] > 0, factors[4][free[:, 3], free[:, 4]], 1.0)
    keys = [x[:, 0] * 100 + x[:, 3] * 10 + x[:, 4], free[:, 0] * 100 + free[:, 3] * 10 + free[:, 4]]
    drawn = torch.bincount(keys[0], minlength=300) / len(x)
    wanted = torch.bincount(keys[1], weights=worth, minlength=300) / worth.sum()
    assert float((drawn - wanted).abs().sum()) / 2 < 0.02
    labels = [x[:, 5].double().mean(), (worth * free[:, 5]).sum() / worth.sum()]
    assert float(labels[0]) == pytest.approx(float(labels[1]), abs=0.02)
    with pytest.raises(GenwrightError) as error:
        model.sample_within(5, {0: torch.zeros(3)}, generator=generator())
    assert error.value.code == "GW-0222"


def test_fewer_products_where_little_is_measured():
    for epsilon, components in ((0.3, 100), (1, 200), (3, 200), (0, 200)):
        settings = settings_layer.build(dict(complete("x.csv", {"model": "mixture", "epsilon": epsilon})))
        assert settings.model.components == components
    given = complete("x.csv", {"model": "mixture", "epsilon": 0.3, "model.components": 150})
    assert settings_layer.build(dict(given)).model.components == 150
