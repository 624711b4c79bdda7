"""Gaussians of images: their velocity is the best linear one; what they are fitted to under a guarantee is noisy sums."""

import math

import numpy as np
import pytest
import torch

import coded
from genwright.contract import Batch, DataSpec
from genwright.models.flow import Flow
from genwright.networks import image_moments
from genwright.networks.image_gaussians import ImageGaussians
from genwright.networks.image_moments import SUMS, moments, plan_moments
from genwright.privacy.accounting import Guarantee
from genwright.privacy.ledger import PrivacyLedger


def images(n: int, shape: tuple[int, int, int] = (1, 6, 5), seed: int = 0) -> Batch:
    """Two classes in [-1, 1], smooth, each with a mean and directions of its own."""
    random = torch.Generator().manual_seed(seed)
    fixed = torch.Generator().manual_seed(99)
    size = math.prod(shape)
    label = (torch.rand(n, generator=random) < 0.4).long()
    axes = torch.linalg.qr(torch.randn(size, 4, generator=fixed))[0].T
    spread = torch.tensor([[1.2, 0.8, 0.1, 0.1], [0.1, 0.2, 1.0, 0.5]])
    centre = 0.3 * torch.randn(2, size, generator=fixed).clamp(-1, 1)
    z = torch.randn(n, 4, generator=random).clamp(-2, 2) * spread[label]
    x = centre[label] + 0.6 * z @ axes + 0.05 * torch.randn(n, size, generator=random)
    return Batch(x.clamp(-1, 1).view(n, *shape), label)


def fitted(batch: Batch, components: int = 4) -> ImageGaussians:
    gaussians = ImageGaussians(tuple(batch.x.shape[1:]), 2, components)
    gaussians.fit([batch], None)
    return gaussians


def ledger(epsilon: float, rho: float | None = None) -> PrivacyLedger:
    book = PrivacyLedger(Guarantee(epsilon, 1e-6), unit="image")
    plan_moments(book, rho)
    return book


@pytest.mark.parametrize("label", [0, 1, 2])
@pytest.mark.parametrize("time", [0.05, 0.5, 0.95])
def test_the_velocity_is_the_conditional_mean_of_a_joint_gaussian(label, time):
    gaussians = fitted(images(4000))
    axes, turn, variance = gaussians.axes.double(), gaussians.turn[label].double(), gaussians.variance[label].double()
    along = axes.T @ turn
    rest = float(gaussians.rest) * (torch.eye(30, dtype=torch.float64) - along @ along.T)
    covariance = along @ torch.diag(variance) @ along.T + rest
    mean, identity = gaussians.mean[label].double(), torch.eye(30, dtype=torch.float64)
    x = torch.randn(5, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    seen = time**2 * covariance + (1 - time) ** 2 * identity  # of x = (1 - t) noise + t image
    common = time * covariance - (1 - time) * identity  # of image - noise with x
    wanted = mean + (x - time * mean) @ torch.linalg.solve(seen, common)
    left = covariance + identity - common @ torch.linalg.solve(seen, common)
    found, error = gaussians.velocity(x.float().view(5, 1, 6, 5), torch.full((5,), time), torch.full((5,), label))
    assert torch.allclose(found.flatten(1).double(), wanted, atol=1e-4)
    assert torch.allclose(error.flatten().double(), (left.trace() / 30).sqrt().expand(5), atol=1e-5)


def test_an_untrained_flow_draws_the_gaussians():
    real = images(6000)
    torch.manual_seed(0)
    spec = DataSpec("grid", (1, 6, 5), class_shares=(0.6, 0.4))
    settings = {"width": 8, "levels": 1, "depth": 1, "patch": 1, "coupling": "independent", "components": 4}
    model = Flow(spec, **settings, class_drop=0.1, guidance=1.0, guidance_from=0.0, solver="heun", solver_steps=40)
    model.prepare([real], None)
    label = torch.arange(6000) % 2
    made = model.sample(6000, condition=label, generator=torch.Generator().manual_seed(0)).x.flatten(1)
    for each in (0, 1):
        own = real.x[real.condition == each].flatten(1)
        assert torch.allclose(made[label == each].mean(0), own.mean(0), atol=0.03)
        assert torch.allclose(made[label == each].T.cov(), own.T.cov(), atol=0.02)


def test_without_components_a_flow_has_no_gaussians():
    model = coded.build("flow", components=0)
    assert not model.prepares
    assert {name.partition(".")[0] for name in model.state_dict()} == {"net"}


def test_with_little_noise_a_noisy_fit_is_the_exact_one():
    real = images(20_000)
    exact, noisy = moments([real], 2, 4, None), moments([real], 2, 4, ledger(1e5))
    assert torch.allclose(exact.mean, noisy.mean, atol=1e-3)
    for label in (0, 1):
        first, second = (
            m.axes.T @ m.turn[label] @ torch.diag(m.variance[label]) @ m.turn[label].T @ m.axes for m in (exact, noisy)
        )
        assert torch.allclose(first, second, atol=2e-3)
    assert noisy.rest == pytest.approx(exact.rest, rel=0.05)


def test_one_image_adds_a_vector_of_the_planned_length_at_most(monkeypatch):
    """The longest image that pixels allow, as far from its class's mean as can be: nothing else is in the sums."""
    sums: dict[str, np.ndarray] = {}

    def without_noise(vector, book, purpose, *, source):
        sums[purpose] = np.array(vector)
        middle = np.zeros_like(sums[purpose])  # as if noise had brought the mean to 0, and no image were known of
        return middle if purpose == SUMS else sums[purpose]

    monkeypatch.setattr(image_moments, "noisy_vector", without_noise)
    signs = torch.where(torch.arange(30) % 2 == 0, 1.0, -1.0).view(1, 1, 6, 5)
    book = ledger(1e4)
    moments([Batch(signs, torch.zeros(1, dtype=torch.int64))], 2, 4, book)
    for entry in book.entries:
        assert np.linalg.norm(sums[entry.purpose]) == pytest.approx(entry.sensitivity, rel=1e-5)


def test_noise_hides_components_instead_of_making_some():
    random = torch.Generator().manual_seed(0)
    label = torch.zeros(500, dtype=torch.int64)
    nothing = Batch((0.05 * torch.randn(500, 1, 12, 12, generator=random)).clamp(-1, 1), label)
    found = moments([nothing], 1, 50, ledger(0.5))
    assert len(found.axes) <= 2
    assert found.mean.isfinite().all()
    assert found.variance.isfinite().all()
    assert found.rest > 0


def test_large_images_are_looked_at_in_squares():
    random = torch.Generator().manual_seed(0)
    ramp = torch.linspace(-0.5, 0.5, 70)[:, None].expand(70, 50)
    x = torch.randn(3000, 1, 1, 1, generator=random) * ramp + 0.05 * torch.randn(3000, 1, 70, 50, generator=random)
    book = ledger(20.0)
    found = moments([Batch(x.clamp(-1, 1))], 1, 4, book)
    assert found.mean.shape == (2, 3500)
    leading = torch.nn.functional.normalize(ramp.flatten().double(), dim=0)
    assert float((found.axes[0] @ leading).abs()) > 0.98
    whole = float(x.clamp(-1, 1).flatten(1).double().matmul(leading).var())
    assert float(found.variance[0].max()) == pytest.approx(whole, rel=0.15)
    assert all(entry.spent == 1 for entry in book.entries)


def test_the_plan_keeps_to_the_guarantee_and_uses_it():
    book = ledger(1.0)
    assert 0.97 < book.epsilon_planned() <= 1.0
    share = ledger(1.0, rho=0.002)
    assert share.epsilon_planned() < 0.4


def test_samples_are_pushed_from_a_time_on():
    """With 1 they are as without guidance; from 0 on, as with it all the way; between, neither."""
    drawn = {}
    torch.manual_seed(0)
    weights = [torch.randn_like(weight) for weight in coded.build("flow", components=0).parameters()]
    for how, (guidance, begin) in {
        "not": (1.0, 0.0),
        "never": (3.0, 1.0),
        "late": (3.0, 0.5),
        "all": (3.0, 0.0),
    }.items():
        model = coded.build("flow", guidance=guidance, guidance_from=begin, components=0, solver_steps=6)
        for weight, other in zip(model.parameters(), weights, strict=True):  # untrained, it does not look at labels
            weight.data.copy_(0.1 * other)
        drawn[how] = model.sample(4, condition=torch.tensor([0, 1, 0, 1]), generator=torch.Generator().manual_seed(0)).x
    assert torch.equal(drawn["not"], drawn["never"])
    assert not torch.equal(drawn["late"], drawn["not"])
    assert not torch.equal(drawn["late"], drawn["all"])
