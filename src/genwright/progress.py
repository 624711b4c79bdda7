"""Progress that people can follow: a live bar with an ETA in a terminal or notebook, a line now and then in a log file."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

Advance = Callable[..., None]
LINE_EVERY_SECONDS = 30.0
COLOURS = re.compile("\x1b\\[[0-9;]*m")


def no_progress(done: int, total: int | None = None, note: str = "") -> None:
    """An `Advance` that shows nothing."""


def print_grid(rows: Sequence[Mapping[str, object]], *, width: int | None = None) -> None:
    """Rows with the same keys as a table in the terminal; words of the user's data stay as they are."""
    from rich.console import Console
    from rich.table import Table

    grid = Table(*rows[0])
    for row in rows:
        grid.add_row(*(str(value) for value in row.values()))
    Console(width=width, markup=False, emoji=False, highlight=False).print(grid)


class Progress:
    """Shows one named phase at a time on standard error; `quiet` shows nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, text: str) -> None:
        """A line of its own."""
        if not self.quiet:
            text = text if sys.stderr.isatty() else COLOURS.sub("", text)
            print(text, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Advance]:
        """Yields advance(done, total=None, note=""); the ETA follows from the pace."""
        if self.quiet:
            yield no_progress
        elif sys.stderr.isatty():
            with self._bar(name, total) as advance:
                yield advance
        else:
            yield self._lines(name, total)

    @contextlib.contextmanager
    def _bar(self, name: str, total: int | None) -> Iterator[Advance]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),  # it may speak of columns
        )
        with Bars(*columns, console=Console(stderr=True), refresh_per_second=4) as bars:
            task = bars.add_task(name, total=total, note="")

            def advance(done: int, total: int | None = None, note: str = "") -> None:
                bars.update(task, completed=done, note=note)
                if total is not None:
                    bars.update(task, total=total)

            yield advance

    def _lines(self, name: str, total: int | None) -> Advance:
        started = last = time.monotonic()
        self.say(f"{name} ...")

        def advance(done: int, total: int | None = total, note: str = "") -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < LINE_EVERY_SECONDS:
                return
            last = now
            left = f", {(now - started) / done * (total - done):.0f} s left" if total and done else ""
            self.say(f"{name}: {done}" + (f" of {total}" if total else "") + left + (f", {note}" if note else ""))

        return advance
