"""Shared by all tests: quiet threads, and where the large real tables are (their tests skip, saying so, without them)."""

import os
from pathlib import Path

import pytest

LARGE_DATA = Path(os.environ.get("GENWRIGHT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def large_data() -> Path:
    if not LARGE_DATA.is_dir():
        pytest.skip(f"the large real data are not at {LARGE_DATA} (GENWRIGHT_TEST_DATA)")
    return LARGE_DATA
