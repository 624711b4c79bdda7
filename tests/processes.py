"""Commands as processes that start warm: forked from one that has imported everything, four seconds sooner than anew.

What a test of signals, exit codes and messages needs is a process of its own, not the start of an interpreter.
"""

import multiprocessing
import os
import signal
from dataclasses import dataclass
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["genwright.cli", "genwright.trainer", "genwright.table_run", "sklearn.tree"])


@dataclass(frozen=True)
class Done:
    """How a command ended; the names of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


class Command:
    """`genwright WORDS` in a folder; what it says goes to the files `stdout` and `stderr` there."""

    def __init__(self, *words: object, cwd: Path, **environment: str) -> None:
        self.cwd, self.files = cwd, [cwd / name for name in ("stdout", "stderr")]
        self.process = FORKS.Process(target=_run, args=([str(word) for word in words], cwd, self.files, environment))
        self.process.start()
        self.pid = self.process.pid

    def poll(self, seconds: float) -> int | None:
        """The exit code, -n after signal n; None if it still runs after the seconds."""
        self.process.join(seconds)
        return self.process.exitcode

    def wait(self, seconds: float = 120.0) -> int:
        code = self.poll(seconds)
        assert code is not None, f"still running after {seconds} s: {self.said()}"
        return code

    def send(self, number: int) -> None:
        if self.process.is_alive():
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.wait()

    def said(self, file: str = "stderr") -> str:
        return (self.cwd / file).read_text(encoding="utf-8")


def run(*words: object, cwd: Path, **environment: str) -> Done:
    """Run a command to its end, at most five minutes."""
    command = Command(*words, cwd=cwd, **environment)
    return Done(command.wait(300), command.said("stdout"), command.said())


def _run(words: list[str], cwd: Path, files: list[Path], environment: dict[str, str]) -> None:
    os.chdir(cwd)
    os.environ.update(environment)
    for number, path in enumerate(files, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    from genwright.cli import main

    main(words)
