"""What a noisy point says of a code is Bayes' rule, and rows around given codes follow the conditional distribution."""

import pytest
import torch
from torch.distributions import Normal

import coded
from genwright.config import TrainingSettings
from genwright.contract import FREE, Batch
from genwright.models.tabular_flow import TabularFlow
from genwright.networks.beliefs import CodePoints
from genwright.training.optimizers import optimizers_of

ROWS = 40_000


def shares(codes: torch.Tensor, size: int) -> torch.Tensor:
    return torch.bincount(codes, minlength=size) / len(codes)


@pytest.mark.parametrize("time", [0.0, 0.3, 0.9])
def test_beliefs_are_the_posterior_of_each_position_alone(time):
    """Against the densities of all axes of all codes, written out."""
    spans = coded.spec().spans
    points = CodePoints(spans).double()
    torch.manual_seed(0)
    x = 2 * torch.randn(20, points.dimensions, dtype=torch.float64)
    none = torch.zeros(20, sum(points.sizes), dtype=torch.bool)
    found = points.chances(points.log_belief(x, torch.full((20,), time, dtype=torch.float64), none))
    for at, (span, part) in enumerate(zip(spans, found.split(points.sizes, 1), strict=True)):
        codes = torch.zeros(span.size, len(spans), dtype=torch.int64)
        codes[:, at] = torch.arange(span.size)
        density = Normal(time * points.of(codes), 1 - time).log_prob(x[:, None]).sum(-1)
        expected = torch.softmax(torch.tensor(span.frequency).log() + density, 1)
        assert torch.allclose(part, expected, atol=1e-6)


def test_before_training_columns_have_their_marginals():
    model = coded.build("tabular-flow").eval()
    model.solver_steps = 20
    x = model.sample(20_000, generator=torch.Generator().manual_seed(0)).x
    for at, span in enumerate(coded.spec().spans):
        if span.parent is None:
            assert torch.allclose(shares(x[:, at], span.size), torch.tensor(span.frequency), atol=0.015)


@pytest.fixture(scope="module")
def trained() -> TabularFlow:
    """On rows whose labels and incomes depend on their colours."""
    torch.manual_seed(0)
    model = TabularFlow(coded.spec(), width=32, depth=1, dropout=0.0, given=0.5, solver_steps=10)
    (optimizer,) = optimizers_of("net", model.net, TrainingSettings()).values()
    rows = coded.batch("tabular-flow", ROWS).x
    for step in range(400):
        batch = model.draw(model.phases[0], Batch(rows[torch.randint(len(rows), (256,))]))
        model.loss(model.phases[0], batch)["posterior"].mean().backward()
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 5e-3 * (1 - step / 400)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@pytest.mark.parametrize(("given", "asked"), [(0, 5), (5, 0), (0, 3)])
def test_rows_around_a_given_code_follow_the_real_conditional(trained, given, asked):
    real, spans = coded.batch("tabular-flow", ROWS).x, coded.spec().spans
    for code in range(spans[given].size):
        condition = torch.full((4000, len(spans)), FREE)
        condition[:, given] = code
        found = trained.sample(4000, condition=condition, generator=torch.Generator().manual_seed(0)).x[:, asked]
        expected = shares(real[real[:, given] == code, asked], spans[asked].size)
        independent = shares(real[:, asked], spans[asked].size)
        gap = (shares(found, spans[asked].size) - expected).abs().sum()
        assert gap < 0.4 * (independent - expected).abs().sum()
