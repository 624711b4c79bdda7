"""Every model keeps the contract; a new model is tested by its line in the table."""

import dataclasses

import pytest
import torch

import coded
from genwright.config import TrainingSettings
from genwright.contract import FREE, PRESENT, Batch
from genwright.errors import GenwrightError
from genwright.models import MODELS

SMALL = {"width": 16, "latent": 4, "depth": 1, "leaf_rows": 5, "hidden": 16, "knots": 4}
GRADIENT = [name for name, entry in MODELS.items() if entry.load().phases]


def build(name: str, seed: int = 0):
    entry = MODELS[name]
    settings = entry.settings()
    small = {key: value for key, value in SMALL.items() if key in {f.name for f in dataclasses.fields(settings)}}
    torch.manual_seed(seed)
    return entry.load()(coded.spec(), **dataclasses.asdict(dataclasses.replace(settings, **small)))


def batch(n: int = 32, seed: int = 0) -> Batch:
    return Batch(torch.from_numpy(coded.rows(n, seed).astype("int64")))


def fitted(name: str):
    model = build(name).eval()
    model.fit([batch(300)], None)
    return model


@pytest.mark.parametrize("name", GRADIENT)
def test_loss_terms_are_one_number_an_example(name):
    model = build(name)
    for phase in model.phases:
        torch.manual_seed(1)
        terms = model.loss(phase, model.draw(phase, batch()))
        assert terms
        for term in terms.values():
            assert term.shape == (32,)
            assert torch.isfinite(term).all()


@pytest.mark.parametrize("name", GRADIENT)
def test_loss_draws_no_randomness(name):
    model = build(name)
    for phase in model.phases:
        drawn = model.draw(phase, batch())
        state = torch.random.get_rng_state()
        first, second = model.loss(phase, drawn), model.loss(phase, drawn)
        assert torch.equal(torch.random.get_rng_state(), state)
        for term in first:
            assert torch.equal(first[term], second[term])


@pytest.mark.parametrize("name", GRADIENT)
def test_one_example_moves_no_other_loss(name):
    model = build(name).double()
    for phase in model.phases:
        if phase.mixes_examples:
            continue
        drawn = model.draw(phase, batch())
        drawn = dataclasses.replace(
            drawn, drawn={k: v.double() if v.is_floating_point() else v for k, v in drawn.drawn.items()}
        )
        x = drawn.x.clone()
        x[3] = torch.tensor([2, 0, 3, 0, 0, 1])
        before = model.loss(phase, drawn)
        after = model.loss(phase, dataclasses.replace(drawn, x=x))
        others = torch.arange(len(x)) != 3
        for term in before:
            assert torch.allclose(before[term][others], after[term][others], atol=1e-12)


@pytest.mark.parametrize("name", GRADIENT)
def test_the_loss_moves_only_what_the_phase_updates(name):
    model = build(name)
    for phase in model.phases:
        model.zero_grad()
        sum(t.mean() for t in model.loss(phase, model.draw(phase, batch())).values()).backward()
        own = {id(parameter) for parameter in getattr(model, phase.updates).parameters()}
        outside = [p for p in model.parameters() if id(p) not in own and p.requires_grad]
        inside = [p for p in model.parameters() if id(p) in own]
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in inside)
        assert set(map(id, outside)) | own == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("name", MODELS)
def test_samples_are_codes_within_their_spans(name):
    x = fitted(name).sample(200, generator=torch.Generator().manual_seed(0)).x
    assert x.shape == (200, 6)
    assert x.dtype == torch.int64
    for index, span in enumerate(coded.spec().spans):
        assert x[:, index].min() >= 0
        assert x[:, index].max() < span.size
    refined = torch.tensor(coded.spec().spans[3].refined)[x[:, 3]]
    assert (x[~refined, 4] == 0).all(), "a slice where there is nothing to refine"


@pytest.mark.parametrize("name", MODELS)
def test_the_generator_decides_the_sample(name):
    model = fitted(name)
    draws = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed + 100)  # must not matter
        draws.append(model.sample(64, generator=torch.Generator().manual_seed(seed)).x)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("name", MODELS)
def test_saved_and_loaded_it_samples_the_same(name):
    model, other = fitted(name), build(name, seed=5).eval()
    other.load_state_dict({key: value.clone() for key, value in model.state_dict().items()})
    for condition in (None,):
        a = model.sample(64, condition=condition, generator=torch.Generator().manual_seed(0)).x
        b = other.sample(64, condition=condition, generator=torch.Generator().manual_seed(0)).x
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", MODELS)
def test_conditions_are_kept_or_refused(name):
    model = fitted(name)
    condition = torch.full((50, 6), FREE)
    condition[:, 5] = 1
    condition[:25, 0] = 2
    condition[25:, 3], condition[25:, 4] = 2, 3
    if name != "tabular-ar":
        with pytest.raises(GenwrightError, match="GW-0403"):
            model.sample(50, condition=condition, generator=torch.Generator().manual_seed(0))
        return
    x = model.sample(50, condition=condition, generator=torch.Generator().manual_seed(0)).x
    given = condition >= 0
    assert torch.equal(x[given], condition[given])


def test_present_positions_are_never_missing():
    condition = torch.full((400, 6), FREE)
    condition[:, 2] = PRESENT
    model = fitted("tabular-ar")
    assert (model.sample(400, condition=condition, generator=torch.Generator().manual_seed(0)).x[:, 2] > 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_settings_are_the_arguments(name):
    import inspect

    entry = MODELS[name]
    arguments = inspect.signature(entry.load().__init__).parameters
    names = {n for n, p in arguments.items() if p.kind is p.KEYWORD_ONLY}
    assert names == {f.name for f in dataclasses.fields(entry.settings)}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("preset", ["quick", "good", "best"])
@pytest.mark.parametrize("rows", [1, 1000, 10**7])
def test_presets_are_complete_settings(name, preset, rows):
    from genwright import settings

    built = settings.build({"model": name, "preset": preset}, rows=rows)
    assert (built.steps > 0) == (name in GRADIENT)
    assert isinstance(built.training, TrainingSettings)
