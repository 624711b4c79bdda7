"""Genwright beside its peers: `python benchmarks/peers.py [--tables adult,magic] [--seeds 0,1]`.

Every generator gets the same training rows, in a process of its own interpreter (`peers/run_*.py`, answering to
`peers/protocol.py`), and as many epochs as fit into the processor's seconds that Genwright's quick preset took on the same
rows; `genwright report` judges all by the same hold-out rows. An environment is built once,
in build/bench-*, with the versions in `peers/*.txt`; a peer that does not install stands in the table with the reason.
Tables are looked for in GENWRIGHT_TEST_DATA/table; Adult ships. What was measured is kept in build/peers.json after each
run (`--resume` goes on from there), and at the end in benchmarks/results/peers.json, unless our own rows have fallen behind
what is there (`regression.py`): then the bench fails. A partial run leaves a fuller table as it is. Not here: realtabformer
and be-great, which tune a language model for hours. `dirty_peers.py` is next.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import polars as pl
from machine import machine
from regression import OURS, keep, places

ROOT = Path(__file__).parents[1]
HERE, BUILD, KEPT = ROOT / "benchmarks" / "peers", ROOT / "build", ROOT / "benchmarks" / "results" / "peers.json"
SAMPLES = ROOT / "src" / "genwright" / "data" / "samples"
LARGE = Path(os.environ.get("GENWRIGHT_TEST_DATA", ROOT.parent / "shared" / "data")) / "table"
METRICS = ("shape", "trend", "boosting_judge", "utility", "nearer_to_train")
HEARD: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
MOST_SECONDS = 3600  # wall clock; what needs longer hangs
COLUMNS = (*METRICS, "seconds", "wall_seconds", "memory_mb", "rows_per_second")


@dataclass(frozen=True)
class Peer:
    """A generator: the environment that has it (empty: ours), the script that runs it, and its word for the method."""

    environment: str
    script: str
    method: str
    licence: str
    epochs: bool = True
    """Whether it trains by epochs, so that it can be given an equal time."""


BUSL = "BUSL-1.1, run for measurement only"
PEERS = {
    OURS: Peer("", "run_genwright.py", "tabular-ar", "Apache-2.0", epochs=False),
    "mostlyai-engine": Peer("mostlyai", "run_mostlyai.py", "any-order", "Apache-2.0"),
    "mostlyai-engine-fixed-order": Peer("mostlyai", "run_mostlyai.py", "fixed-order", "Apache-2.0"),
    "sdv-gaussian-copula": Peer("sdv", "run_sdv.py", "gaussian-copula", BUSL, epochs=False),
    "sdv-tvae": Peer("sdv", "run_sdv.py", "tvae", BUSL),
    "sdv-ctgan": Peer("sdv", "run_sdv.py", "ctgan", BUSL),
}


@dataclass(frozen=True)
class Case:
    """A table: its file, the file of its test rows (none: a tenth is held out), and the column to predict."""

    data: Path
    test: Path | None
    target: str


CASES = {
    "adult": Case(SAMPLES / "adult_train.csv.gz", SAMPLES / "adult_test.csv.gz", "income"),
    "california": Case(LARGE / "california_housing.csv.gz", None, "median_house_value"),
    "magic": Case(LARGE / "magic.csv.gz", None, "class"),
    "insurance": Case(LARGE / "insurance.csv.gz", None, "charges"),
}


def interpreter(environment: str) -> str:
    """The Python of an environment, which is built if its versions are not installed yet."""
    if not environment:
        return sys.executable
    folder, wanted = BUILD / f"bench-{environment}", HERE / f"{environment}.txt"
    python, ready = folder / "bin" / "python", folder / "installed.txt"
    if not ready.exists() or ready.read_text() != wanted.read_text():
        print(f"Building {folder} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if os.environ.get("TORCH_INDEX"):
            torch = next(line for line in wanted.read_text().splitlines() if line.startswith("torch=="))
            subprocess.run([*install, "--index-url", os.environ["TORCH_INDEX"], torch], **HEARD)
        subprocess.run([*install, "--no-deps", "-r", wanted], **HEARD)
        shutil.copy(wanted, ready)
    return str(python)


def split(case: Case, seed: int, train: Path, holdout: Path) -> int:
    """Writes training and hold-out rows as plain CSV, cells as they are in the source; how many are for training."""
    frames = [pl.read_csv(path, infer_schema=False) for path in (case.data, case.test) if path]
    if case.test is None:
        held = pl.Series(np.random.default_rng(seed).random(len(frames[0])) < 0.1)
        frames = [frames[0].filter(~held), frames[0].filter(held)]
    for frame, path in zip(frames, (train, holdout), strict=True):
        frame.write_csv(path)
    return len(frames[0])


def measure(name: str, table: str, seed: int, seconds: float | None, threads: int) -> dict[str, Any]:
    """One generator on one table: its costs and its judged quality, or in a sentence why there is none."""
    peer, case = PEERS[name], CASES[table]
    result: dict[str, Any] = {"table": table, "peer": name, "seed": seed, "licence": peer.licence}
    result |= {"date": datetime.date.today().isoformat(), "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        train, holdout, made = (folder / f"{what}.csv" for what in ("train", "holdout", "made"))
        rows = split(case, seed, train, holdout)
        asked = f"--rows {rows} --seed {seed}".split() + (["--seconds", seconds] if peer.epochs and seconds else [])
        judge = ["-m", "genwright", "report", "--train", train, "--test", holdout, "--synth", made, "--seed", seed]
        try:
            python = interpreter(peer.environment)
            _run([python, HERE / peer.script, peer.method, train, made, *asked], folder, threads)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            return result | {"failed": (_last_line(error.stderr) or str(error))[:300]}
        _run([sys.executable, *judge, "--target", case.target, "--out", folder / "report"], folder, threads)
        metrics = json.loads((folder / "report" / "report.json").read_text())["metrics"]
        costs = json.loads(made.with_suffix(".json").read_text())
    values, floors = ({key: metrics[key][end] for key in METRICS} for end in ("value", "floor"))
    return result | costs | values | {"floors": floors}


def _run(words: list[Any], folder: Path, threads: int) -> None:
    names = ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "LOKY_MAX_CPU_COUNT")
    own = {name: str(threads) for name in names if threads} | {"TMPDIR": str(folder)}
    subprocess.run([str(word) for word in words], cwd=folder, env=os.environ | own, timeout=MOST_SECONDS, **HEARD)


def _last_line(text: str | None) -> str:
    return (text or "").strip().rpartition("\n")[2]


def shown(results: list[dict[str, Any]]) -> str:
    """The means over seeds as a Markdown table, with the hold-out's own figures under each table."""
    lines = [f"| {' | '.join(('table', 'generator', 'seeds', *COLUMNS))} |", "| --- " * (len(COLUMNS) + 3) + "|"]
    for table in dict.fromkeys(row["table"] for row in results):
        rows = [row for row in results if row["table"] == table]
        for name in dict.fromkeys(row["peer"] for row in rows):
            done = [row for row in rows if row["peer"] == name and "failed" not in row]
            if not done:
                failed = next(row["failed"] for row in rows if row["peer"] == name)
                lines.append(f"| {table} | {name} | 0 | {failed} |")
                continue
            cells = [f"{fmean(row[key] for row in done):.4g}" for key in COLUMNS]
            lines.append(f"| {table} | {name} | {len(done)} | {' | '.join(cells)} |")
        judged = [row["floors"] for row in rows if "floors" in row]
        if judged:
            cells = [f"{fmean(floors[key] for floors in judged):.4g}" for key in METRICS]
            lines.append(f"| {table} | (hold-out rows) | | {' | '.join(cells)} | | | | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default=",".join(CASES))
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--threads", type=int, default=1, help="of every process; 0: as many as each likes")
    parser.add_argument("--resume", action="store_true", help="keep what build/peers.json has, and measure the rest")
    given = parser.parse_args()
    going = BUILD / "peers.json"
    found: dict[str, Any] = {"machine": machine(), "threads": given.threads, "results": []}
    if given.resume and going.exists():
        found["results"] = json.loads(going.read_text())["results"]
    done = places(found)
    BUILD.mkdir(exist_ok=True)
    for table in given.tables.split(","):
        if not CASES[table].data.exists():
            print(f"{table}: {CASES[table].data} is not there, skipped")
            continue
        for seed in map(int, given.seeds.split(",")):
            for name in given.peers.split(","):
                if (table, name, seed) not in done:
                    seconds = our_seconds(found, table, seed)
                    found["results"].append(measure(name, table, seed, seconds, given.threads))
                    going.write_text(json.dumps(found, indent=1) + "\n")
                    print(json.dumps(found["results"][-1]), flush=True)
    print(shown(found["results"]))
    sys.exit(keep(found, KEPT))


def our_seconds(found: dict[str, Any], table: str, seed: int) -> float | None:
    """What Genwright took on the same rows; None if it was not run before."""
    rows = [row for row in found["results"] if (row["table"], row["peer"], row["seed"]) == (table, OURS, seed)]
    return rows[0].get("seconds") if rows else None


if __name__ == "__main__":
    main()
