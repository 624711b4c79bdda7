"""What private releases answered, kept beside the ledger until a training is done.

What is paid for cannot be paid for again: without them a training that was killed would have to end. What was released may
be read as often as one likes, it is post-processing. Read `mechanisms.py` next, whose answers these are.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from genwright.folder import disk_error

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Answers:
    """Those of one ledger, in the order in which they were given for each purpose; without a path, none are kept."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known: dict[str, deque[tuple[Any, int]]] = {}
        written = path.read_bytes() if path and path.exists() else b""
        self.whole = written.rfind(b"\n") + 1  # bytes; what follows was being written
        for line in written[: self.whole].splitlines():
            purpose, answer, releases = json.loads(line)
            self.known.setdefault(purpose, deque()).append((answer, releases))

    def again(self, purpose: str) -> Any | None:
        """The next answer that was given before this process began, as `keep` got it; None if there are no more."""
        left = self.known.get(purpose)
        return left.popleft()[0] if left else None

    def waiting(self, purpose: str) -> int:
        """Releases whose answers are yet to be given again."""
        return sum(releases for _, releases in self.known.get(purpose, ()))

    def keep(self, purpose: str, answer: Any, releases: int = 1) -> None:
        """Write down an answer, as JSON has it, and how many releases it took: on disk when this returns."""
        if self.path is None:
            return
        try:
            with self.path.open("ab") as file:
                file.truncate(self.whole)
                self.whole += file.write(json.dumps([purpose, answer, releases]).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise disk_error(error, self.path) from error

    def forget(self) -> None:
        """When nothing will be asked again."""
        if self.path:
            self.path.unlink(missing_ok=True)


def remembered(mechanism: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """A mechanism with arguments `ledger` and `purpose` that gives an answer again, unpaid, which a killed training got."""
    shape = signature(mechanism)

    @wraps(mechanism)
    def asked(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        given = shape.bind(*args, **kwargs).arguments
        ledger, purpose = given["ledger"], given["purpose"]
        before = ledger.answers.again(purpose)
        if before is not None:
            return _read(before)
        left = ledger.remaining(purpose)
        answer = mechanism(*args, **kwargs)
        ledger.answers.keep(purpose, _plain(answer), left - ledger.remaining(purpose))
        return answer

    return asked


def _plain(answer: Any) -> Any:
    """As JSON has it: numbers are exact, as Python writes as many digits as it takes; labels are text or numbers."""
    if isinstance(answer, np.ndarray):
        return {"array": answer.ravel().tolist(), "shape": answer.shape, "type": str(answer.dtype)}
    if isinstance(answer, dict):
        return {"pairs": list(answer.items())}
    return {"tuple": answer} if isinstance(answer, tuple) else answer


def _read(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        return np.array(plain["array"], dtype=plain["type"]).reshape(plain["shape"])
    return tuple(plain["tuple"]) if "tuple" in plain else dict(plain["pairs"])
