"""Settings of a training under a guarantee. See `config.py`, which lists them, and `docs/privacy.md`."""

from __future__ import annotations

from dataclasses import dataclass

from genwright.setting import setting


@dataclass(frozen=True)
class PrivacySettings:
    """How the budget of --epsilon is spent."""

    rows: int = setting(
        0, "number of rows where it is public: trainings by steps spend nothing to learn it; 0: it is private", low=0
    )
    most_rows: int = setting(8, "with --unit: rows of one unit that are used at most; noise grows with it", low=1)
    preparation: float = setting(
        0.1,
        "share of the budget for bounds, quantiles, categories and counts of columns, or for the sums that flow starts from",
        low=0.01,
        high=0.9,
    )
    clip_norm: float = setting(1.0, "trainings by steps: longest gradient of one example", low=1e-6)
    draws: int = setting(1, "trainings by steps: times an example goes through the loss in a step", low=1, high=256)
    micro_batch: int = setting(0, "trainings by steps: examples worked on at once; 0: by the kind of data", low=0)
    bins: int = setting(32, "cells of the grid laid over a number", low=2, high=1024)
