"""Quality, privacy and speed on real tables: `python benchmarks/tables.py [--tables adult,magic] [--seeds 0,1,2]`.

Each row is one `genwright train` as a process of its own, timed from start to end, then judged by `genwright report
--effort full`. The tables are looked for in GENWRIGHT_TEST_DATA/table (Adult ships with the package). Results are printed
and kept in benchmarks/results/tables.json with machine and versions, unless they have fallen behind what is there
(`regression.py`): then it ends with 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine
from regression import OURS, keep

import genwright

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "src" / "genwright" / "data" / "samples"
LARGE = Path(os.environ.get("GENWRIGHT_TEST_DATA", ROOT.parent / "shared" / "data")) / "table"
KEPT = ROOT / "benchmarks" / "results" / "tables.json"
ADULT = SAMPLES / "adult_train.csv.gz"

# name -> words of `genwright train`
CASES = {
    "adult": [ADULT, "--test", SAMPLES / "adult_test.csv.gz", "--target", "income"],
    "adult-half": [ADULT, "--holdout", "0.5", "--target", "income"],
    "california": [LARGE / "california_housing.csv.gz", "--target", "median_house_value"],
    "magic": [LARGE / "magic.csv.gz", "--target", "class"],
    "insurance": [LARGE / "insurance.csv.gz", "--target", "charges"],
    "trees-adult": [ADULT, "--test", SAMPLES / "adult_test.csv.gz", "--target", "income", "--model", "tabular-trees"],
    "trees-adult-half": [ADULT, "--holdout", "0.5", "--target", "income", "--model", "tabular-trees"],
    **{
        f"{model}-adult": [
            ADULT, "--test", SAMPLES / "adult_test.csv.gz", "--target", "income", "--model", model, "--time", limit,
        ]
        for model, limit in (("tvae", "10m"), ("ctgan", "10m"), ("tabular-flow", "15m"))
    },
}  # fmt: skip


def measure(name: str, seed: int, folder: Path) -> dict[str, object]:
    """One training as a process, judged with all rows; seconds are wall clock of the whole process."""
    out = folder / f"{name}-{seed}"
    words = [str(word) for word in CASES[name]]
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "genwright", "train", *words, "--seed", str(seed), "--out", str(out), "--quiet"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.monotonic() - started
    run = genwright.open(out)
    report = run.report(effort="full")
    run.sample_typed(1000)
    started = time.monotonic()
    rows = 200_000
    run.sample_typed(rows, seed=1)
    pace = rows / (time.monotonic() - started)
    values, floors, copies = ({key: m[end] for key, m in report.items()} for end in ("value", "floor", "copycat"))
    costs = {"seconds": seconds, "parts": run.state["seconds"], "rows_per_second": pace}
    return {"table": name, "peer": OURS, "seed": seed, **costs, **values, "floors": floors, "copycats": copies}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default=",".join(CASES))
    parser.add_argument("--seeds", default="0")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.tables.split(","):
            if not Path(CASES[name][0]).exists():
                print(f"{name}: {CASES[name][0]} is not there, skipped")
                continue
            for seed in map(int, arguments.seeds.split(",")):
                result = measure(name, seed, Path(folder))
                results.append(result)
                numbers = "  ".join(
                    f"{key} {result[key]:.4g} (floor {floor:.4g})"
                    for key, floor in result["floors"].items()
                    if result[key] is not None and floor is not None
                )
                print(
                    f"{name} seed {seed}: {result['seconds']:.1f} s, {result['rows_per_second']:,.0f} rows/s  {numbers}"
                )
    sys.exit(keep({"machine": machine(), "results": results}, KEPT))


if __name__ == "__main__":
    main()
