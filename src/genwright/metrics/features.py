"""Rows as the matrices that scikit-learn's models read; used by the judges and by the utility metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.view import View

TREE_LABELS = 200  # scikit-learn's histogram trees take at most 255 categories
ONE_HOT_LABELS = 50
Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]


def tree_features(view: View, columns: Sequence[str]) -> Floats:
    """(rows, columns): numbers as they are, category codes with all labels from the 200th on as one; NaN = missing."""
    matrix = np.empty((view.rows, len(columns)))
    for index, name in enumerate(columns):
        if name in view.numbers:
            matrix[:, index] = view.numbers[name]
        else:
            codes = np.minimum(view.codes[name], TREE_LABELS)
            matrix[:, index] = np.where(codes < 0, np.nan, codes)
    return matrix


def to_fit(matrix: NDArray[np.floating]) -> NDArray[np.floating]:
    """The same features with 0 for missing in columns that have hardly a value (under 10, or 1 in 1,000).

    scikit-learn's trees fail on a column without any value, and they look at random parts of the rows.
    """
    scarce = (~np.isnan(matrix)).sum(axis=0) < max(10, len(matrix) / 1000)
    return np.where(np.isnan(matrix) & scarce, 0.0, matrix) if scarce.any() else matrix


def is_category(view: View, columns: Sequence[str]) -> list[bool]:
    """For each column of `tree_features`: is it a category?"""
    return [name in view.codes for name in columns]


def linear_features(real: View, other: View, columns: Sequence[str]) -> tuple[Matrix, Matrix]:
    """Both tables as (rows, width): numbers standardised with both tables' mean and spread, missing ones at the mean plus
    a column that says so; categories one-hot, with all labels from the 50th on as one."""
    parts: list[Matrix] = []  # single precision: half the time and memory, and a judge needs no more
    for name in columns:
        if name in real.numbers:
            parts += _number(np.concatenate([real.numbers[name], other.numbers[name]]))
        else:
            parts.append(_one_hot(np.concatenate([real.codes[name], other.codes[name]])))
    matrix = np.column_stack(parts)
    return matrix[: real.rows], matrix[real.rows :]


def _number(values: Floats) -> list[Matrix]:
    missing = np.isnan(values)
    present = values[~missing]
    mean, spread = (float(present.mean()), float(present.std())) if present.size else (0.0, 0.0)
    scaled = (np.where(missing, 0.0, values - mean) / (spread or 1.0)).astype(np.float32)
    return [scaled, missing.astype(np.float32)] if missing.any() else [scaled]


def _one_hot(codes: NDArray[np.int32]) -> Matrix:
    capped = np.minimum(codes, ONE_HOT_LABELS) + 1
    levels, where = np.unique(capped, return_inverse=True)
    matrix = np.zeros((len(codes), len(levels)), dtype=np.float32)
    matrix[np.arange(len(codes)), where] = 1
    return matrix
