"""Muon against PyTorch's own, which works in bfloat16, and by what it promises."""

import pytest
import torch

from genwright.training.muon import QUINTIC, STEPS, Muon, orthogonal


@pytest.mark.parametrize("shape", [(24, 24), (48, 16), (16, 48)])
def test_singular_values_come_near_one_and_directions_stay(shape):
    left, _, right = torch.linalg.svd(torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)), False)
    matrix = left @ torch.diag_embed(torch.linspace(0.1, 3, min(shape)).expand(3, -1)) @ right
    found = orthogonal(matrix)
    assert torch.linalg.svdvals(found).min() > 0.5
    assert torch.linalg.svdvals(found).max() < 1.3
    exact = left @ right
    cosine = torch.nn.functional.cosine_similarity(found.flatten(1), exact.flatten(1))
    assert cosine.min() > 0.97
    for one, alone in zip(found, matrix, strict=True):
        torch.testing.assert_close(one, orthogonal(alone[None])[0], atol=1e-5, rtol=1e-5)


def test_long_matrices_take_half_of_the_products_and_end_at_the_same():
    generator = torch.Generator().manual_seed(0)
    fading = torch.logspace(0, -6, 16, dtype=torch.double)  # some directions hardly matter
    matrix = torch.diag_embed(fading.expand(2, -1)) @ torch.randn(2, 16, 80, dtype=torch.double, generator=generator)
    x = matrix / torch.linalg.vector_norm(matrix, dim=(1, 2), keepdim=True)
    for _ in range(STEPS):
        square = x @ x.mT
        x = QUINTIC[0] * x + QUINTIC[1] * square @ x + QUINTIC[2] * square @ square @ x
    torch.testing.assert_close(orthogonal(matrix), x, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(orthogonal(matrix.mT), x.mT, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(orthogonal(matrix.float()), x.float(), atol=1e-4, rtol=1e-4)


def test_steps_are_those_of_pytorch():
    """Within what bfloat16 can tell, over several steps, with decay and two shapes."""
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
