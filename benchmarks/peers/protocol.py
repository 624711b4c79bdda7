"""What every generator in the bench is asked for, in its own interpreter: fit a CSV, draw rows, say what it cost.

    python run_sdv.py ctgan TRAIN.csv OUT.csv --rows 1000 --seconds 60 --seed 0     -> OUT.csv, OUT.json
    python run_sdv.py ctgan --cases CASES.json                                      -> CASES.results.json

Each `run_*.py` hands `serve` a `fit(path, method, epochs, seed)`, which reads the file, trains for so many epochs (0: as many
as it sees fit) and gives back `draw(rows)`. Seconds are the processor's: on a machine that others use too, the wall clock
says little. They become epochs by short trainings, which are not counted; limits of time that a peer may have of its own go
by the wall clock. This file needs nothing but Python, as the interpreters of the peers hold no Genwright. The driver is
`../peers.py`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Draw = Callable[[int], Any]
Fit = Callable[[str, str, float, int], Draw]
Write = Callable[[Any, str], object]
CASE_ROWS, FIRST_ROWS = 50, 100
CASE_SECONDS, CASE_WALL_SECONDS = 60, 600  # of the processor; for what hangs without working


def to_csv(frame: Any, path: str) -> None:
    """A pandas frame as CSV."""
    frame.to_csv(path, index=False)


def serve(fit: Fit, packages: tuple[str, ...], write: Write = to_csv) -> None:
    """Reads the command line and does what it says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("method")
    parser.add_argument("train", nargs="?")
    parser.add_argument("out", nargs="?")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--seconds", type=float, help="none: as long as it sees fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.cases:
        _all_cases(fit, given.method, Path(given.cases))
        return
    epochs = epochs_within(given.seconds, fit, given) if given.seconds else 0
    result = _measured(fit, write, epochs, given)
    result["versions"] = {package: version(package) for package in packages}
    Path(given.out).with_suffix(".json").write_text(json.dumps(result))


def epochs_within(seconds: float, fit: Fit, given: argparse.Namespace) -> float:
    """Epochs, at least 1, that take so long together with all that comes before."""

    def spent(epochs: int) -> float:
        started = processor_seconds()
        fit(given.train, given.method, epochs, given.seed)
        return processor_seconds() - started

    tried, first = 1, spent(1)
    last = first
    while last - first < 0.1 * seconds and tried < 1000:  # until epochs stand out from the preparation, which varies
        tried *= 4
        last = spent(tried)
    return max(1, round(1 + (seconds - first) * (tried - 1) / max(last - first, 0.01)))


def _measured(fit: Fit, write: Write, epochs: float, given: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the training (reading included), rows per second of the sampling, and the peak of the memory."""
    wall, started = time.monotonic(), processor_seconds()
    draw = fit(given.train, given.method, epochs, given.seed)
    wall, fitted = time.monotonic() - wall, processor_seconds()
    draw(FIRST_ROWS)  # whatever happens only once
    warm = processor_seconds()
    frame = draw(given.rows)
    drawn = processor_seconds()
    write(frame, given.out)
    return {
        "seconds": fitted - started,
        "wall_seconds": wall,
        "epochs": epochs,
        "rows_per_second": given.rows / (drawn - warm),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    return time.process_time() + sum(os.times()[2:4])


def _all_cases(fit: Fit, method: str, path: Path) -> None:
    """Each file in a process of its own with a limit on its time, so that one that hangs or crashes spoils no other."""
    results = {}
    for case in json.loads(path.read_text()):
        results[case["name"]] = _one_case(fit, method, case)
        print(f"  {case['name']}: {results[case['name']] or 'passes'}", file=sys.stderr, flush=True)
    path.with_suffix(".results.json").write_text(json.dumps(results))


def _one_case(fit: Fit, method: str, case: dict[str, Any]) -> str:
    """What went wrong; empty: it trained and drew rows with as many columns as the table has."""
    context = multiprocessing.get_context("fork")  # the imports, slow in every peer, are done once
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_try, args=(fit, method, case, writer))
    process.start()
    writer.close()
    try:
        return reader.recv() if reader.poll(CASE_WALL_SECONDS) else f"hung for {CASE_WALL_SECONDS} seconds"
    except EOFError:
        process.join()
        slow = process.exitcode == -signal.SIGXCPU
        return f"took more than {CASE_SECONDS} processor seconds" if slow else "the process died"
    finally:
        process.kill()
        process.join()


def _try(fit: Fit, method: str, case: dict[str, Any], writer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CASE_SECONDS, CASE_SECONDS + 1))
    try:
        frame = fit(case["path"], method, 1, 0)(CASE_ROWS)
        wanted, got = (CASE_ROWS, case["columns"]), tuple(frame.shape)
        writer.send("" if got == wanted else f"asked for {wanted} rows and columns, got {got}")
    except BaseException as error:  # whatever it is, the case has failed, and the next one goes on
        writer.send(f"{type(error).__name__}: {error}"[:200])
