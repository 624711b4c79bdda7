"""How much of the tables each metric may read: "quick" at the end of a training, "full" when a report is asked for.

Limits are on work (rows x columns), so that a table of 1,000 columns also ends. What was cut down is noted beside the
metric that it concerns.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """Upper limits; below them every row is used."""

    fidelity_cells: float
    """Rows x columns of each table for shape, trend, missing values and spikes."""
    pairs: int
    """Pairs of columns; a seeded sample is measured beyond."""
    triple_rows: float
    """Triples of columns x rows of the training table, counted as 10,000 at least; at least 50 triples are measured."""
    subgroup_cells: float
    """Columns that form subgroups x rows x columns; at least 10 columns form subgroups."""
    judge_rows: int
    """Rows of each table for a judge."""
    judge_cells: float
    """Rows x columns of each table for a judge."""
    utility_rows: int
    """Rows fitted on for a named target."""
    utility_cells: float
    importance_rows: int
    """Rows fitted on to compare importances for a named target."""
    importance_cells: float
    """Rows asked x columns, for each importance; at least 500 rows are asked."""
    utility_pairs: int
    """Columns predicted in turn where no target is named x columns predicted from; at least 3 columns are."""
    utility_column_rows: int
    """Rows fitted on for each of them."""
    distance_work: float
    """Rows asked x rows compared with x columns, for the nearest neighbours."""


EFFORTS = {
    "quick": Effort(
        fidelity_cells=8e6, pairs=3_000, triple_rows=2e7, subgroup_cells=8e7, judge_rows=10_000, judge_cells=1e6,
        utility_rows=40_000, utility_cells=2e6, importance_rows=10_000, importance_cells=3e4, utility_pairs=400,
        utility_column_rows=2_000, distance_work=5e9,
    ),
    "full": Effort(
        fidelity_cells=1e9, pairs=20_000, triple_rows=1e9, subgroup_cells=2e9, judge_rows=100_000, judge_cells=1e7,
        utility_rows=1_000_000, utility_cells=5e7, importance_rows=100_000, importance_cells=3e5, utility_pairs=10_000,
        utility_column_rows=5_000, distance_work=2e11,
    ),
}  # fmt: skip
