"""What is said of memory: the peak since it was asked to forget, not that of the whole process."""

import sys

import numpy as np
import pytest

from genwright.memory import forget_peak, peak_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets a peak")
def test_a_peak_is_seen_and_forgotten():
    forget_peak()
    before = peak_bytes()
    block = np.ones(50_000_000)  # 400 MB
    high = peak_bytes()
    assert 380e6 < high - before < 600e6
    del block
    assert peak_bytes() == high, "a peak stays"
    forget_peak()
    assert peak_bytes() < high - 300e6
