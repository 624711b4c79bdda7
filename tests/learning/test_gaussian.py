"""The trivial baseline of images is the Gaussian that it says it is."""

import math

import pytest
import torch

from genwright.contract import Batch, DataSpec
from genwright.models.gaussian import Gaussian
from genwright.networks import image_moments

SPEC = DataSpec("grid", (1, 6, 5), class_shares=(0.7, 0.3))


def pictures(n: int, seed: int = 0) -> Batch:
    """Images of two classes in a plane of the pixels, each class with a Gaussian of its own there, and a little noise."""
    random = torch.Generator().manual_seed(seed)
    label = (torch.rand(n, generator=random) < 0.3).long()
    axes = torch.linalg.qr(torch.randn(30, 2, generator=torch.Generator().manual_seed(7)))[0].T
    z = torch.randn(n, 2, generator=random) * torch.tensor([[0.6, 0.2], [0.1, 0.3]])[label]
    z += torch.tensor([[1.0, 0.0], [-1.0, 0.5]])[label]
    x = (0.3 * z) @ axes + 0.005 * torch.randn(n, 30, generator=random)
    return Batch(x.view(n, 1, 6, 5), label)


def fitted(batches: list[Batch], components: int = 2) -> Gaussian:
    torch.manual_seed(0)
    model = Gaussian(SPEC, components=components)
    model.fit(batches, None)
    return model


def moments(batch: Batch, label: int) -> tuple[torch.Tensor, torch.Tensor]:
    assert batch.condition is not None
    own = batch.x[batch.condition == label].flatten(1).double()
    return own.mean(0), own.T.cov()


def test_samples_have_the_mean_and_covariance_of_their_class():
    real = pictures(20_000)
    model = fitted([real])
    label = torch.arange(40_000) % 2
    made = model.sample(40_000, condition=label, generator=torch.Generator().manual_seed(1))
    for each in (0, 1):
        (mean, covariance), (wanted, spread) = moments(made, each), moments(real, each)
        assert torch.allclose(mean, wanted, atol=0.005)
        assert torch.allclose(covariance, spread, atol=0.001)


def test_what_lies_in_the_components_is_rebuilt():
    model, given = fitted([pictures(2000)]), pictures(50, seed=3)
    z = model.encode(given.x, condition=given.condition)
    assert (model.decode(z, condition=given.condition).x - given.x).abs().max() < 0.03
    assert (given.x - given.x.mean(0)).abs().max() > 0.2


def test_of_too_many_images_evenly_spread_ones_are_used(monkeypatch):
    whole = pictures(1000)
    parts = [Batch(x, label) for x, label in zip(whole.x.split(77), whole.condition.split(77), strict=True)]
    monkeypatch.setattr(image_moments, "MOST", 30 * 300)
    thinned = fitted(parts)
    assert torch.allclose(thinned.gaussians.mean[-1], whole.x[::4].flatten(1).mean(0), atol=1e-6)  # 250 of them


@pytest.mark.parametrize("n", [1, 3])
def test_fewer_images_than_components_do(n):
    model = fitted([pictures(n)], components=20)
    made = model.sample(10, condition=torch.zeros(10, dtype=torch.int64), generator=torch.Generator().manual_seed(0))
    assert made.x.isfinite().all()
    assert math.isfinite(float(model.encode(made.x, condition=made.condition).abs().max()))
