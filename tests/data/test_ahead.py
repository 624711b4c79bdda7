"""Work ahead of the caller: in order, bounded, errors where they belong; and coded rows gathered in memory or on disk."""

import itertools
import threading
import time

import numpy as np
import pytest
import torch

from genwright.data import batches
from genwright.data.ahead import ahead
from genwright.data.batches import Examples, gathered


def test_results_come_in_order_however_long_each_takes():
    def slowly(item):
        time.sleep(0.002 * (item % 3 == 0))
        return item * item

    assert list(ahead(slowly, range(50), threads=4)) == [item * item for item in range(50)]


def test_an_endless_stream_is_read_no_further_than_asked():
    read = []

    def endless():
        for item in itertools.count():
            read.append(item)
            yield item

    results = ahead(str, endless(), threads=2, waiting=3)
    assert [next(results) for _ in range(5)] == ["0", "1", "2", "3", "4"]
    results.close()
    assert len(read) <= 5 + 3


def test_an_error_comes_at_its_place_and_ends_the_work():
    begun, gate = [], threading.Event()

    def work(item):
        begun.append(item)
        if item == 2:
            gate.set()
            raise ValueError("the third")
        return item

    results = ahead(work, range(1000), threads=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(results)
    assert gate.is_set()
    assert len(begun) < 10


@pytest.mark.parametrize(("most_code", "dtype"), [(255, np.uint8), (256, np.uint16), (65534, np.uint16)])
def test_codes_are_the_same_in_memory_and_on_disk(most_code, dtype, monkeypatch):
    codes = np.random.default_rng(0).integers(0, most_code + 1, (1000, 7)).astype(np.uint16)
    blocks = [codes[:300], codes[300:300], codes[300:]]
    inside = gathered(iter(blocks), 1000, 7, most_code=most_code)
    monkeypatch.setattr(batches, "IN_MEMORY", 0)
    outside = gathered(iter(blocks), 1000, 7, most_code=most_code)
    assert isinstance(outside, np.memmap)
    for matrix in (inside, outside):
        assert matrix.dtype == dtype
        assert np.array_equal(matrix, codes)
        some = Examples(matrix).batch(np.array([999, 0, 5]), torch.device("cpu"))
        assert torch.equal(some.x, torch.from_numpy(codes[[999, 0, 5]].astype(np.int64)))
