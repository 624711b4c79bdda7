"""Shared by all tests: one thread, and where the large real tables are (their tests skip, saying so, without them)."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("GENWRIGHT_THREADS", "1")  # tiny models: more threads only wait for one another

LARGE_DATA = Path(os.environ.get("GENWRIGHT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def large_data() -> Path:
    if not LARGE_DATA.is_dir():
        pytest.skip(f"the large real data are not at {LARGE_DATA} (GENWRIGHT_TEST_DATA)")
    return LARGE_DATA
