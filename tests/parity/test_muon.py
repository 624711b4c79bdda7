"""Muon against PyTorch's own, which works in bfloat16, and by what it promises."""

import numpy as np
import pytest
import torch

from genwright.training import muon
from genwright.training.muon import MARGIN, QUINTICS, Muon, orthogonal

JORDAN = (3.4445, -4.7750, 2.0315)
"""The one quintic of the first method, which PyTorch takes five times."""


def test_each_quintic_is_the_best_for_what_the_one_before_leaves():
    """Chebyshev: no other comes nearer to 1 where the largest error, in turn below and above, is met four times."""
    low, high = 0.003, 1.0
    for a, b, c in QUINTICS:
        turning = np.sqrt((-3 * b + np.array([-1, 1]) * np.sqrt(9 * b * b - 20 * a * c)) / (10 * c))
        assert low < turning[0] < turning[1] < high
        s = np.array([low, *turning, high])
        errors = a * s + b * s**3 + c * s**5 - 1
        assert errors == pytest.approx(errors[1] * np.array([-1, 1, -1, 1]), rel=2e-3)
        low, high = 1 - errors[1], 1 + errors[1]
    assert low > 0.8


@pytest.mark.parametrize("shape", [(24, 24), (48, 16), (16, 48)])
def test_singular_values_come_near_one_and_directions_stay(shape):
    left, _, right = torch.linalg.svd(torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)), False)
    matrix = left @ torch.diag_embed(torch.linspace(0.1, 3, min(shape)).expand(3, -1)) @ right
    found = orthogonal(matrix)
    assert torch.linalg.svdvals(found).min() > 0.75
    assert torch.linalg.svdvals(found).max() < 1.25
    exact = left @ right
    cosine = torch.nn.functional.cosine_similarity(found.flatten(1), exact.flatten(1))
    assert cosine.min() > 0.97
    for one, alone in zip(found, matrix, strict=True):
        torch.testing.assert_close(one, orthogonal(alone[None])[0], atol=1e-5, rtol=1e-5)


def test_one_direction_alone_stays_bounded_where_halves_round():
    """The largest singular value is then all of the norm, and above 1 the first quintic rises steeply."""
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(80, 64, 1, generator=generator) @ torch.randn(80, 1, 48, generator=generator)
    assert torch.linalg.svdvals(orthogonal(one.bfloat16()).float()).max() < 1.3


def test_long_matrices_take_half_of_the_products_and_end_at_the_same():
    generator = torch.Generator().manual_seed(0)
    fading = torch.logspace(0, -6, 16, dtype=torch.double)  # some directions hardly matter
    matrix = torch.diag_embed(fading.expand(2, -1)) @ torch.randn(2, 16, 80, dtype=torch.double, generator=generator)
    x = matrix / torch.linalg.vector_norm(matrix, dim=(1, 2), keepdim=True) / MARGIN
    for a, b, c in QUINTICS:
        square = x @ x.mT
        x = a * x + b * square @ x + c * square @ square @ x
    torch.testing.assert_close(orthogonal(matrix), x, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(orthogonal(matrix.mT), x.mT, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(orthogonal(matrix.float()), x.float(), atol=1e-4, rtol=1e-4)


def test_steps_are_those_of_pytorch_where_the_quintics_are(monkeypatch):
    """Within what bfloat16 can tell, over several steps, with decay and two shapes."""
    monkeypatch.setattr(muon, "QUINTICS", [JORDAN] * 5)
    monkeypatch.setattr(muon, "MARGIN", 1.0)
    torch.manual_seed(0)
    start = [torch.randn(24, 12), torch.randn(12, 24), torch.randn(24, 12)]
    ours, theirs = ([torch.nn.Parameter(value.clone()) for value in start] for _ in range(2))
    optimizers = (
        Muon(ours, 0.02, momentum=0.95, weight_decay=0.05),
        torch.optim.Muon(theirs, lr=0.02, momentum=0.95, weight_decay=0.05),
    )
    for step in range(5):
        gradients = [torch.randn(value.shape, generator=torch.Generator().manual_seed(step)) for value in start]
        for parameters, optimizer in zip((ours, theirs), optimizers, strict=True):
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()
    for first, own, other in zip(start, ours, theirs, strict=True):
        moved, wanted = (own - first).flatten(), (other - first).flatten()
        assert torch.nn.functional.cosine_similarity(moved, wanted, dim=0) > 0.999
        assert (moved.norm() / wanted.norm() - 1).abs() < 0.01
