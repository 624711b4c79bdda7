"""Quality, privacy and speed on real tables: `python benchmarks/tables.py [--tables adult,magic] [--seeds 0,1,2]`.

Each row is one `genwright train` as a process of its own, timed from start to end, then judged by `genwright report
--effort full`. The tables are looked for in GENWRIGHT_TEST_DATA/table (Adult ships with the package). Results are printed
and kept in benchmarks/results/ with machine and versions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

import genwright

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "src" / "genwright" / "data" / "samples"
LARGE = Path(os.environ.get("GENWRIGHT_TEST_DATA", ROOT.parent / "shared" / "data")) / "table"
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
    "tvae-adult": [
        ADULT, "--test", SAMPLES / "adult_test.csv.gz", "--target", "income", "--model", "tvae", "--preset", "best",
        "--time", "10m",
    ],
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
    metrics = {key: {end: metric[end] for end in ("value", "floor", "copycat")} for key, metric in report.items()}
    parts = run.state["seconds"]
    return {"case": name, "seed": seed, "seconds": seconds, "parts": parts, "rows_per_second": pace, "metrics": metrics}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default=",".join(CASES))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--out", default=str(ROOT / "benchmarks" / "results" / "tables.json"))
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
                    f"{key} {m['value']:.4g} (floor {m['floor']:.4g})"
                    for key, m in result["metrics"].items()
                    if m["value"] is not None and m["floor"] is not None
                )
                print(
                    f"{name} seed {seed}: {result['seconds']:.1f} s, {result['rows_per_second']:,.0f} rows/s  {numbers}"
                )
    Path(arguments.out).parent.mkdir(exist_ok=True)
    Path(arguments.out).write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
