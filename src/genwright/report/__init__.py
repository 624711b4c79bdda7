"""Scores -> report.json -> report.html (one self-contained file), and `Report`, which shows itself. Read `build.py` next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from genwright.report.build import build_report, write_report
from genwright.report.show import Report

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Report", "build_report", "report_files", "write_report"]


def report_files(
    train: pl.DataFrame, holdout: pl.DataFrame | None, synthetic: pl.DataFrame, kinds: Mapping[str, str],
    target: str | None, folder: str | Path, language: str = "auto", *, effort: str = "full", seed: int = 0,
) -> Report:  # fmt: skip
    """Score three typed frames and write the report into `folder`, whatever made the synthetic one."""
    from genwright.metrics.table import score

    report = Report(score(train, holdout, synthetic, kinds, target=target, effort=effort, seed=seed))
    report.write(folder, language)
    return report
