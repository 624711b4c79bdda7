"""Shared by all tests: one thread, and where the large real tables are (their tests skip, saying so, without them)."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

for name in ("GENWRIGHT_THREADS", "OMP_NUM_THREADS"):  # tiny models: more threads only wait for one another
    os.environ.setdefault(name, "1")

LARGE_DATA = Path(os.environ.get("GENWRIGHT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def large_data() -> Path:
    if not LARGE_DATA.is_dir():
        pytest.skip(f"the large real data are not at {LARGE_DATA} (GENWRIGHT_TEST_DATA)")
    return LARGE_DATA


@pytest.fixture(scope="module")
def quick_judges():
    """Judges of pictures that learn for a moment only: what they find is tested in `parity/`."""
    from genwright.metrics.image_sets import EFFORTS  # after the threads are set

    with pytest.MonkeyPatch.context() as patch:
        for name, effort in EFFORTS.items():
            patch.setitem(EFFORTS, name, replace(effort, classifier_steps=50))
        yield
