"""The one exception for everything a user can cause: a code to search for, what is wrong and where, and how to fix it.

The command line prints it without a traceback (exit 2). Anything else that is raised is a defect of Genwright.

    code       what went wrong
    GW-01xx    data in: a file or frame that cannot be read, a schema that does not fit it
    GW-02xx    settings: an unknown name, a value out of range
    GW-03xx    run folder: missing, damaged, held by another process
    GW-04xx    training and export: the loss is not a number, too little memory or disk, a package that is missing
    GW-05xx    report: tables that cannot be compared
    GW-06xx    privacy: a plan that cannot be kept, a ledger that is damaged

The full list is whatever the modules raise; a code keeps its meaning for ever. Read `data/sources.py` next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GenwrightError(Exception):
    """A mistake that the user can repair: `code` like "GW-0101", `what` with cause and place, `fix` with what to do."""

    def __init__(self, code: str, what: str, fix: str) -> None:
        super().__init__(code, what, fix)  # all three, so that the exception survives the way between processes
        self.code = code
        self.what = what.strip().rstrip(".")
        self.fix = fix.strip().rstrip(".")

    def __str__(self) -> str:
        return f"{self.code}: {self.what}. {self.fix}{'' if self.fix.endswith('?') else '.'}"


def did_you_mean(word: object, known: Iterable[object], *, shown: int = 5) -> str:
    """A half-sentence for a fix: the known words nearest to the one given, or the first few where none is near."""
    words = [str(item) for item in known]
    if not words:
        return "There is nothing to choose from"
    lowered = {candidate.lower(): candidate for candidate in reversed(words)}
    near = difflib.get_close_matches(str(word).lower(), list(lowered), n=3, cutoff=0.6)
    if near:
        return "Did you mean " + " or ".join(repr(lowered[candidate]) for candidate in near) + "?"
    more = f" and {len(words) - shown} more" if len(words) > shown else ""
    return "Choose from " + ", ".join(repr(candidate) for candidate in words[:shown]) + more
