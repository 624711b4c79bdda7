"""log.jsonl: the losses of a training by step, on disk and to whatever follows them. `stages.py` writes it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from genwright.folder import write_text
from genwright.tracking import Tracker
from genwright.training.loop import SELECTION


class Log:
    """log.jsonl: each logged step once, also in a run that was stopped, killed and resumed."""

    EVERY = 20

    def __init__(self, path: Path, tracker: Tracker, *, keep_until: int) -> None:
        self.path, self.tracker = path, tracker
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            write_text(path, "".join(line + "\n" for line in lines if _logged_step(line) <= keep_until))

    def write(self, step: int, losses: Mapping[str, float], *, last: bool) -> None:
        if step % self.EVERY == 0 or last or SELECTION in losses:
            entry = {"step": step, "time": round(time.time(), 2), **{k: round(v, 6) for k, v in losses.items()}}
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            self.tracker.scalars(step, losses)


def _logged_step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError):  # a line torn by a kill
        return float("inf")
