"""The grid's laws: each value has its slice, what is drawn from a slice belongs to it, spikes are hit exactly or never."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.codecs.grid import build_grid
from genwright.codecs.tally import RowSample


@settings(max_examples=60, deadline=None)
@given(
    places=st.sampled_from([0, 2, None]),
    values=st.lists(st.one_of(st.integers(-50, 50), st.floats(-1e6, 1e6)), min_size=1, max_size=300),
    bins=st.integers(1, 64),
    slices=st.integers(1, 32),
    most=st.integers(1, 256),
)
def test_a_grid_sends_every_value_to_its_own_slice(places, values, bins, slices, most):
    exact = np.array([float(value) if places is None else round(value, places) for value in values], dtype=float)
    points, counts = np.unique(exact, return_counts=True)
    grid = build_grid(points, counts, places=places, bins=bins, slices=slices, most_values=most)
    cell, part = grid.locate(exact)
    drawn = grid.draw(cell, part, np.random.default_rng(0), whole=False)
    again = grid.locate(drawn)
    np.testing.assert_array_equal(again[0], cell)
    if places is not None:
        np.testing.assert_array_equal(again[1], part)
        np.testing.assert_allclose(np.round(drawn, places), drawn, rtol=1e-12)
    assert exact.min() <= drawn.min() <= drawn.max() <= exact.max()
    heavy = counts * 2 * bins > len(exact)
    spikes = np.isin(exact, points[heavy])
    np.testing.assert_array_equal(drawn[spikes], exact[spikes])
    assert not np.isin(drawn[~spikes], points[heavy]).any()


def test_slices_grow_in_a_heavy_tail():
    values, counts = np.unique(np.random.default_rng(0).lognormal(8, 2, 30_000).round(2), return_counts=True)
    grid = build_grid(values, counts, places=2, bins=64, slices=32, most_values=256)
    widths = np.diff(grid.starts[grid.first[-2] :])
    assert widths[-1] > 4 * widths[0]


def test_the_row_sample_is_bounded_and_fair():
    sample = RowSample(["n"], 500, seed=0)
    for start in range(0, 10_000, 1000):
        sample.add(pl.DataFrame({"n": range(start, start + 1000)}))
    rows = sample.rows()["n"]
    assert len(rows) == rows.n_unique() == 500
    assert abs(rows.mean() - 5000) < 500
