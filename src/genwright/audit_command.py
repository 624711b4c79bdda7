"""The command that audits a run, and its exit status when a claim is broken. The audit itself is in `audits.py`."""

from __future__ import annotations

import sys

from genwright import config
from genwright.drawing_commands import open_named
from genwright.training.stop import Interrupted

BROKEN = 1
STOPPED = 130


def audit_command(settings: config.Audit) -> None:
    from genwright.audits import OUTSIDE, audit

    run = open_named(settings.run)
    try:
        found = audit(run, canaries=settings.canaries, data=settings.data or None, seed=settings.seed)
    except Interrupted:
        print("Stopped. Nothing is kept of an audit that was stopped: the same command begins anew.", file=sys.stderr)
        sys.exit(STOPPED)
    print(f"{found}\n\nWritten to {run.folder / 'audit.json'}. {OUTSIDE}")
    if found.broken:
        sys.exit(BROKEN)
