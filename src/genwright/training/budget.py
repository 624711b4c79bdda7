"""The wall clock: turning `--time` into steps by timing the first ones, and ending in time whatever happens."""

from __future__ import annotations

import time

PROBE_STEPS = 30
WARM_STEPS = 10  # not timed: allocation and caches


class Budget:
    """A limit on the whole run, started before preparation. Without a limit it plans nothing and never ends a run.

    `reserve` seconds stay for what follows the training (calibration, sampling, report).
    """

    def __init__(self, seconds: float | None, *, reserve: float = 0.0) -> None:
        self.started = time.monotonic()
        self.seconds, self.reserve = seconds, reserve
        self.planned: int | None = None
        self._timed: list[float] = []

    def left(self) -> float:
        """Seconds until the limit; infinite without one."""
        return float("inf") if self.seconds is None else self.started + self.seconds - time.monotonic()

    def exhausted(self) -> bool:
        """Whether training must end now."""
        return self.left() <= self.reserve

    def plan(self, step: int, steps: int, step_seconds: float) -> int:
        """The number of steps to train, decided once after `PROBE_STEPS`; at most `steps`, at least those already done."""
        if self.seconds is None or self.planned is not None or step > PROBE_STEPS:
            return steps
        if step > WARM_STEPS:
            self._timed.append(step_seconds)
        if step < PROBE_STEPS:
            return steps
        each = sum(self._timed) / len(self._timed)
        room = 0.95 * (self.left() - self.reserve)  # the rest is for selection and checkpoints
        self.planned = max(step, min(steps, step + int(room / each)))
        return self.planned
