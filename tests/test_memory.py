"""What is said of memory: the peak since it was asked to forget, not that of the whole process."""

import os
import sys

import numpy as np
import pytest

from genwright.memory import forget_peak, free_bytes, peak_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets a peak")
def test_a_peak_is_seen_and_forgotten():
    forget_peak()
    before = peak_bytes()
    block = np.ones(50_000_000)  # 400 MB
    high = peak_bytes()
    assert 380e6 < high - before < 600e6
    del block
    # The kernel counts pages on each core and adds them up now and then.
    assert peak_bytes() == pytest.approx(high, rel=1e-3), "a peak stays"
    forget_peak()
    assert peak_bytes() < high - 300e6


def test_what_is_free_is_the_least_of_what_machine_and_container_leave(tmp_path):
    machine, group = tmp_path / "proc", tmp_path / "group"
    for folder in (machine, group):
        folder.mkdir()
    assert free_bytes(machine, group) is None
    (machine / "meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:  1000 kB\n")
    assert free_bytes(machine, group) == 1_024_000
    written = {"memory.max": "600000", "memory.current": "500000", "memory.stat": "anon 5\ninactive_file 30000\n"}
    for name, text in written.items():
        (group / name).write_text(text)
    assert free_bytes(machine, group) == 130_000
    (group / "memory.current").write_text("700000")
    assert free_bytes(machine, group) == 0
    (group / "memory.max").write_text("max")
    assert free_bytes(machine, group) == 1_024_000
    if sys.platform == "linux":
        assert 0 < free_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
