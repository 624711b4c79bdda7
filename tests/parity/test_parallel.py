"""Pieces on all cores give what one core gives, and leave the number of threads as it was."""

import pytest
import torch

from genwright.networks.parallel import generators, on_all_cores

CPU = torch.device("cpu")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_the_number_of_threads_decides_nothing(two_threads):
    weight = torch.randn(300, 300, requires_grad=True)

    def drawn(piece):
        rows, generator = piece
        assert torch.get_num_threads() == 1
        return (rows + torch.rand(rows.shape, generator=generator)) @ weight

    def all_pieces():
        generator = torch.Generator().manual_seed(3)
        pieces = list(zip(rows.split(100), generators(generator, 10), strict=True))
        return torch.cat(on_all_cores(drawn, pieces, CPU))

    rows = torch.randn(1000, 300)
    parallel = all_pieces()
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    assert torch.equal(parallel, all_pieces())
    assert not parallel.requires_grad
    torch.set_num_threads(2)


def test_each_piece_has_randomness_of_its_own():
    drawn = [torch.rand(4, generator=g) for g in generators(torch.Generator().manual_seed(0), 3)]
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[1], drawn[2])


def test_a_failure_is_told_and_the_threads_are_restored(two_threads):
    def fail(piece):
        raise ValueError(piece)

    with pytest.raises(ValueError, match="a"):
        on_all_cores(fail, ["a", "b"], CPU)
    assert torch.get_num_threads() == 2
