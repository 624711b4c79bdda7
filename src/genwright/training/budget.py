"""The wall clock: turning `--time` into steps, and ending in time whatever happens."""

from __future__ import annotations

import time


class Budget:
    """A limit on the whole run, started before preparation. Without a limit it plans nothing and never ends a run.

    `reserve` seconds stay for what follows the training (calibration, sampling, report).
    """

    def __init__(self, seconds: float | None, *, reserve: float = 0.0) -> None:
        self.started = time.monotonic()
        self.seconds, self.reserve = seconds, reserve

    @classmethod
    def of_run(cls, limit: float | None) -> Budget:
        """For a whole run of so many seconds: some are kept for calibration, sampling and the report."""
        return cls(limit, reserve=0.0 if limit is None else min(40.0, 0.4 * limit))

    def keep(self, seconds: float) -> None:
        """Reserve so much, if that is more than is reserved, but no more than half of the limit."""
        if self.seconds is not None:
            self.reserve = max(self.reserve, min(seconds, 0.5 * self.seconds))

    def left(self) -> float:
        """Seconds until the limit; infinite without one."""
        return float("inf") if self.seconds is None else self.started + self.seconds - time.monotonic()

    def exhausted(self) -> bool:
        """Whether training must end now."""
        return self.left() <= self.reserve

    def steps(self, most: int, seconds_per_step: float) -> int:
        """How many steps fit before the limit, at least 1 and at most `most`; a part is kept for looks and checkpoints."""
        return max(1, min(most, int(0.92 * (self.left() - self.reserve) / seconds_per_step)))
