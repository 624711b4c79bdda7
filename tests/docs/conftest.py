"""Judges of pictures that learn for a moment only: what they find is tested in `parity/`, here that they are asked."""

from dataclasses import replace

import pytest

from genwright.metrics.image_sets import EFFORTS


@pytest.fixture(scope="module", autouse=True)
def quick_judges():
    with pytest.MonkeyPatch.context() as patch:
        for name, effort in EFFORTS.items():
            patch.setitem(EFFORTS, name, replace(effort, classifier_steps=50))
        yield
