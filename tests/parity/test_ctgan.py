"""The parts of `ctgan` against what its papers say: training by sampling, the penalty on packs, the Gumbel-softmax."""

import pytest
import torch

import coded
from genwright.contract import Batch

ROWS = 400
CRITIC, GENERATOR = range(2)


@pytest.fixture(scope="module")
def model():
    return coded.build("ctgan")


def drawn(model, phase: int, rows: int = ROWS) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(model.draw(model.phases[phase], coded.batch("ctgan", rows)).drawn)


def by_column(model, values: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return values.split(model.sizes, -1)


def test_real_rows_are_of_the_batch_and_have_what_they_were_chosen_for(model):
    given = drawn(model, CRITIC)
    assert (given["real"].gather(1, given["condition"][:, None]) == 1).all()
    rows = {tuple(row) for row in coded.batch("ctgan", ROWS).x[:, model.leaders].tolist()}
    for column in by_column(model, given["real"]):
        assert (column.sum(1) == 1).all()
    assert {
        tuple(row) for row in torch.stack([c.argmax(1) for c in by_column(model, given["real"])], 1).tolist()
    } <= rows


@pytest.mark.parametrize("phase", [CRITIC, GENERATOR])
def test_conditions_take_categories_evenly_and_values_by_the_logarithm_of_their_frequency(model, phase):
    """Xu et al. 2019, section 4.3; 200 batches, shares to within four deviations."""
    counts = torch.zeros(len(model.frequency))
    torch.manual_seed(1)
    batch = coded.batch("ctgan", ROWS)
    for _ in range(200):
        found = model.draw(model.phases[phase], batch).drawn["condition"]
        counts += torch.bincount(found, minlength=len(counts))
    occur = torch.bincount((batch.x[:, model.leaders] + model.starts).flatten(), minlength=len(counts)).float()
    occur = occur if phase == CRITIC else ROWS * model.frequency
    categories = [model.spec.spans[at].column in ("colour", "label") for at in model.leaders]
    parts = zip(by_column(model, torch.log1p(occur)), categories, strict=True)
    wanted = torch.cat([part / part.sum() / 2 if category else 0 * part for part, category in parts])
    deviation = (wanted * (1 - wanted) / counts.sum()).sqrt()
    assert ((counts / counts.sum() - wanted).abs() <= 4 * deviation).all()


@pytest.mark.parametrize("rows", [30, 32, 4], ids=["whole packs", "a pack filled up", "less than a pack"])
def test_the_penalty_is_that_of_the_slope_over_whole_packs(model, rows):
    """Gulrajani et al. 2017, equation 3, by plain autograd on one pack at a time."""
    given, critic = drawn(model, CRITIC, rows), model.critic
    term = model.loss(model.phases[CRITIC], Batch(coded.batch("ctgan", rows).x, drawn=given))["penalty"]
    assert term.shape == (rows,)
    for first in range(0, rows, critic.packing):
        places = torch.arange(first, first + critic.packing)
        places = places.where(places < rows, (places - rows) % rows)  # a pack is filled up with the first rows
        share = given["mix"][first]
        between = (share * given["real"] + (1 - share) * given["made"])[None, places].requires_grad_()
        (slope,) = torch.autograd.grad(critic(between, given["condition"][None, places]).sum(), between)
        wanted = model.penalty_weight * (slope.norm() - 1) ** 2
        found = term[first : first + critic.packing]
        torch.testing.assert_close(found, wanted.expand(len(found)))


def test_rows_are_one_hot_with_the_gradient_of_the_gumbel_softmax(model):
    torch.manual_seed(2)
    logits, weight = torch.randn(2, 6, len(model.frequency))
    gumbel = torch.randn_like(logits)
    logits.requires_grad_()
    rows = model._rows(logits, gumbel)
    for column in by_column(model, rows):
        assert torch.equal(column, torch.nn.functional.one_hot(column.argmax(1), column.shape[1]).float())
    (found,) = torch.autograd.grad((rows * weight).sum(), logits)
    soft = torch.cat([torch.softmax((part) / model.temperature, 1) for part in by_column(model, logits + gumbel)], 1)
    (wanted,) = torch.autograd.grad((soft * weight).sum(), logits)
    torch.testing.assert_close(found, wanted)


def test_calibrated_columns_have_the_shares_of_the_training_rows():
    """Whatever the networks say: here they are untrained, and pushed off the marginals."""
    model = coded.build("ctgan", seed=3).eval()
    with torch.no_grad():
        model.generator.logits.bias.add_(0.7 * torch.randn(len(model.frequency)))
    model.fit([coded.batch("ctgan", ROWS)], None)
    x = model.sample(40_000, generator=torch.Generator().manual_seed(0)).x
    for at, wanted in zip(model.leaders, by_column(model, model.frequency), strict=True):
        found = torch.bincount(x[:, at], minlength=len(wanted)) / len(x)
        assert (found - wanted).abs().max() < 0.015
