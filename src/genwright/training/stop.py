"""Stopping politely: the first Ctrl-C or SIGTERM finishes the step and saves, the second leaves at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

RESUMABLE = 75
"""Exit status of a run that was stopped and can go on (EX_TEMPFAIL of sysexits.h)."""


class Interrupted(Exception):
    """The run was asked to stop and is saved; `--resume` goes on, or what the message says."""


class Stop:
    """Whether a stop was asked for. Inside `deferred` the asker waits for the step's end, elsewhere the work ends at once."""

    def __init__(self) -> None:
        self.requested = False
        self._deferred = False

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """While active a signal only sets `requested`; the loop looks at it between steps."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[Stop]:
        """Take SIGINT and SIGTERM over for the time of a run (in the main thread only; elsewhere the caller keeps them)."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            os._exit(128 + number)
        self.requested = True
        if not self._deferred:
            raise Interrupted
