"""Rows of many columns in `tabular-ar`: running sums along the order say what the mask of pairs says, also to the tape."""

import pytest
import torch

import coded
from genwright.model_presets import Extent
from genwright.models import MODELS
from genwright.networks import row
from genwright.privacy.clipping import Engine

NAME = "tabular-ar"


@pytest.fixture
def drawn():
    model = coded.build(NAME).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    batch = model.draw(model.phases[0], coded.batch(NAME, 20))
    batch.drawn["keep"] = batch.drawn["keep"].double()
    return model, batch


def losses(model, batch):
    model.zero_grad()
    loss = model.loss(model.phases[0], batch)["nll"]
    loss.sum().backward()
    return loss.detach(), {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def test_running_sums_and_pairs_agree(drawn, monkeypatch):
    loss, gradients = losses(*drawn)
    monkeypatch.setattr(row, "MOST_PAIRED", 0)
    other, others = losses(*drawn)
    assert torch.allclose(loss, other, rtol=1e-12)
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, others[name], rtol=1e-9, atol=1e-12), name


def test_a_later_span_says_nothing_to_an_earlier_one(drawn, monkeypatch):
    monkeypatch.setattr(row, "MOST_PAIRED", 0)
    model, batch = drawn
    rank, table = batch.drawn["rank"], model.net.tables().vectors
    before = model.net._contexts(batch.x, rank, table)
    last = rank.argmax(1, keepdim=True)
    sizes = torch.tensor(model.net.sizes)[last]
    changed = batch.x.scatter(1, last, (batch.x.gather(1, last) + 1) % sizes)
    after = model.net._contexts(changed, rank, table)
    earlier = rank < rank.max(1, keepdim=True).values
    assert torch.allclose(before[earlier], after[earlier], atol=1e-12)
    first = torch.arange(len(rank)), rank.argmin(1)
    assert torch.allclose(before[first], model.net.context_bias[first[1]], atol=1e-12)


def test_running_sums_of_halves_stay_near(drawn, monkeypatch):
    monkeypatch.setattr(row, "MOST_PAIRED", 0)
    model, batch = drawn
    model.float()
    batch.drawn["keep"] = batch.drawn["keep"].float()
    exact = losses(model, batch)[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(losses(model, batch)[0], exact, rtol=0.02)


def test_private_norms_are_exact_on_wide_rows(monkeypatch):
    monkeypatch.setattr(row, "MOST_PAIRED", 0)
    model = coded.build(NAME)
    engine = Engine(model, model.phases[0])
    engine.check(coded.spec_of(NAME))  # against a loop over single examples
    assert engine.way == "tape", engine.reason


def test_batches_shrink_with_columns_and_only_then():
    def batch_size(columns):
        entry, extent = MODELS[NAME], Extent(10_000, 10_000 * columns)
        return entry.presets("quick", extent, False)["training.batch_size"]

    assert [batch_size(columns) for columns in (3, 100, 128, 256, 2000, 10_000)] == [512, 512, 512, 256, 32, 32]
