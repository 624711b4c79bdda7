"""Seconds per stage of scoring, and the calls of `progress`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


class Clock:
    """Calls `progress(done, total, stage)` before each stage and at the end."""

    def __init__(self, stages: Sequence[str], progress: Callable[[int, int, str], None] | None) -> None:
        self.stages = tuple(stages)
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self.stage = ""
        self.since = time.perf_counter()

    def start(self, stage: str) -> None:
        """Ends the stage before."""
        self._end()
        self.stage = stage
        if self.progress is not None:
            self.progress(self.stages.index(stage), len(self.stages), stage)

    def stop(self) -> dict[str, float]:
        """Seconds by stage, and "total"."""
        self._end()
        if self.progress is not None:
            self.progress(len(self.stages), len(self.stages), "")
        return {**self.seconds, "total": round(sum(self.seconds.values()), 2)}

    def _end(self) -> None:
        now = time.perf_counter()
        if self.stage:
            self.seconds[self.stage] = round(now - self.since, 2)
        self.since = now
