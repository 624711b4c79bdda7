"""Ten million rows of twenty columns, from Parquet to Parquet: `python benchmarks/large_table.py [--rows 10000000]`.

The table is made here: 7 categories, 5 integers, 6 decimals, a date and a flag that hang together through two hidden numbers
and a hidden group, with missing cells in three columns. Then the whole processes `genwright train --dry-run`, `train` and
`sample` (as many rows as there are) run after one another, each with its seconds, the processor's seconds and its peak of
memory. What --dry-run said beforehand stands beside what the training took. Kept in benchmarks/results/large_table.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from machine import machine

OUT = Path(__file__).parent / "results" / "large_table.json"
BLOCK = 500_000


def make_block(rows: int, generator: np.random.Generator) -> pl.DataFrame:
    """Rows of the table."""
    group = generator.choice(6, size=rows, p=[0.35, 0.25, 0.15, 0.12, 0.08, 0.05])
    wealth, age = generator.normal(size=rows) + 0.3 * group, generator.normal(size=rows)
    noise = lambda: generator.normal(size=rows)  # noqa: E731

    def words(prefix: str, count: int, level: np.ndarray) -> np.ndarray:
        at = np.clip(np.floor(count * (0.5 + 0.18 * level)), 0, count - 1).astype(int)
        return np.array([f"{prefix}-{i:02}" for i in range(count)])[at]

    def gone(values: np.ndarray, share: float) -> pl.Series:
        series = pl.Series(values)
        return pl.select(pl.when(pl.Series(generator.random(rows) >= share)).then(series)).to_series()

    return pl.DataFrame(
        {
            "region": np.array(["north", "south", "east", "west", "centre", "islands"])[group],
            "district": words("district", 60, wealth + 0.3 * noise()),
            "branch": words("branch", 300, noise() + 0.2 * group),
            "product": words("product", 12, age + 0.5 * noise()),
            "channel": words("channel", 4, -age + noise()),
            "status": gone(words("status", 5, wealth + noise()), 0.04),
            "grade": words("grade", 9, wealth + 0.2 * noise()),
            "active": wealth + noise() > 0.4,
            "age": np.clip(44 + 15 * age + 2 * noise(), 18, 96).astype(np.int64),
            "children": generator.poisson(np.exp(0.3 * np.clip(age, -2, 2))),
            "visits": generator.poisson(np.exp(1 + 0.5 * np.clip(wealth, -3, 3))),
            "score": np.clip(600 + 80 * wealth + 30 * noise(), 300, 850).astype(np.int64),
            "year": 2026 - np.clip(generator.exponential(8, rows), 0, 60).astype(np.int64),
            "income": np.round(np.exp(10 + 0.6 * wealth + 0.2 * noise()), 2),
            "balance": gone(np.round(np.exp(7 + wealth + 0.8 * noise()), 2), 0.1),
            "rate": np.round(np.clip(0.05 - 0.01 * wealth + 0.005 * noise(), 0.001, 0.2), 4),
            "ratio": generator.beta(2 + np.exp(np.clip(wealth, -2, 2)), 3),
            "distance": gone(generator.gamma(2, 3 + group), 0.02),
            "weight": np.round(70 + 12 * noise() + 3 * age, 1),
            "since": (np.datetime64("2026-01-01") - (generator.exponential(1500, rows) + 30 * age**2).astype(int)),
        }
    )


def make_table(path: Path, rows: int) -> None:
    """The table as one Parquet file, written block by block."""
    import pyarrow.parquet as parquet  # the writer that goes block by block

    generator, writer = np.random.default_rng(0), None
    for start in range(0, rows, BLOCK):
        block = make_block(min(BLOCK, rows - start), generator).to_arrow()
        writer = writer or parquet.ParquetWriter(path, block.schema)
        writer.write_table(block)
    assert writer is not None
    writer.close()


def measured(*words: str | Path) -> tuple[dict[str, float], str]:
    """What `genwright` with these words cost, as a process of its own, and what it printed; memory is its peak."""
    started = time.monotonic()
    command = [sys.executable, "-m", "genwright", *map(str, words)]
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, stdout=said)
        _, status, used = os.wait4(child.pid, 0)
        said.seek(0)
        text = said.read()
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{text}")
    costs = {"seconds": time.monotonic() - started, "processor_seconds": used.ru_utime + used.ru_stime}
    return costs | {"memory_gb": used.ru_maxrss / 1e6}, text


def said(text: str, line: str) -> float:
    """The first number after a word of --dry-run's answer."""
    found = re.search(rf"^{line}\D*([\d.]+)", text, re.MULTILINE)
    return float(found[1]) if found else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, run, made = (Path(folder) / name for name in ("table.parquet", "run", "made.parquet"))
        make_table(data, given.rows)
        result: dict[str, Any] = {"machine": machine(), "rows": given.rows, "file_mb": data.stat().st_size / 1e6}
        result["dry_run"], text = measured("train", data, "--dry-run")
        result["dry_run"] |= {"said_seconds": said(text, "Time"), "said_memory_gb": said(text, "Memory")}
        result["train"], _ = measured("train", data, "--out", run)
        state, report = (json.loads((run / name).read_text()) for name in ("state.json", "report.json"))
        result["train"] |= {"phases": state["seconds"], "outcome": state["outcome"]}
        result["report"] = {name: report["metrics"][name]["value"] for name in ("shape", "trend", "boosting_judge")}
        result["sample"], _ = measured("sample", run, "-n", str(given.rows), "--out", made)
        height, columns = (
            pl.scan_parquet(made).select(pl.len()).collect().item(),
            pl.scan_parquet(made).collect_schema(),
        )
        assert height == given.rows
        assert columns == pl.scan_parquet(data).collect_schema()
    print(json.dumps(result, indent=1))
    OUT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
