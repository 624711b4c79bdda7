"""What rules cost: `python benchmarks/rules.py [--rows 1000000] [--seeds 0,1,2] [--threads 1]`.

Adult (it ships) with columns more that hang together by rules of every kind. Two trainings of the same rows, one with the
rules and one without, each then draws so many rows. The rules are checked here, in plain polars on the rows as they are
written, not by the code that kept them; what the free run breaks stands beside it, so that a check that cannot fail is seen.
Printed and kept in benchmarks/results/rules.json, unless a rule was broken or drawing is below half the free speed: then it
ends with 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from machine import machine

import genwright

ROOT = Path(__file__).parents[1]
ADULT = ROOT / "src" / "genwright" / "data" / "samples" / "adult_train.csv.gz"
OUT = ROOT / "benchmarks" / "results" / "rules.json"
LEAST_SPEED = 0.5  # of the free run's
RULES = """
version = 1
[[order]]
columns = ["hired", "left"]
[[range]]
column = "base"
above = 0
[[sum]]
total = "pay"
add = ["base", "bonus"]
[[product]]
total = "yearly"
factors = ["pay", "months"]
[[combination]]
columns = ["education", "education-num"]
[[implication]]
if = "insured = no"
then = "insurer = none"
[[unique]]
columns = ["number"]
"""
# True where a row breaks the rule.
BROKEN = {
    "order": pl.col("hired") > pl.col("left"),
    "range": pl.col("base") <= 0,
    "sum": (pl.col("base") + pl.col("bonus") - pl.col("pay")).abs() > 0.005,
    "product": (pl.col("pay") * pl.col("months") - pl.col("yearly")).abs() > 0.005,
    "implication": (pl.col("insured") == "no") & (pl.col("insurer") != "none"),
}


def table(seed: int) -> pl.DataFrame:
    """Adult's rows with a number, two dates, pay and insurance, which depend on age and income."""
    adult = pl.read_csv(ADULT, null_values="?")
    random, rows = np.random.default_rng(seed), len(adult)
    rich = (adult["income"] == ">50K").to_numpy()
    hired = 19_000 - random.integers(0, 200, rows) * np.maximum(adult["age"].to_numpy() - 17, 1) // 4
    base = np.round(random.gamma(6, 300, rows) * (1 + rich), 2)
    bonus = np.where(random.random(rows) < 0.3 + 0.4 * rich, np.round(base * random.random(rows) / 4, 2), 0.0)
    pay, months = np.round(base + bonus, 2), random.choice([12, 13, 14], rows)
    insured = random.random(rows) < 0.6 + 0.3 * rich
    return adult.with_columns(
        number=pl.Series(random.permutation(rows) + 100_000),
        hired=pl.Series(hired, dtype=pl.Int32).cast(pl.Date),
        left=pl.Series(hired + random.integers(0, 3000, rows), dtype=pl.Int32).cast(pl.Date),
        base=base,
        bonus=bonus,
        pay=pay,
        months=months,
        yearly=np.round(pay * months, 2),
        insured=np.where(insured, "yes", "no"),
        insurer=np.where(insured, random.choice(["north", "south", "state"], rows), "none"),
    )


def broken(real: pl.DataFrame, made: pl.DataFrame) -> dict[str, int]:
    """How many rows break each rule."""
    pair = ["education", "education-num"]
    return {
        **{name: made.select(rule.fill_null(False).sum()).item() for name, rule in BROKEN.items()},
        "combination": made.drop_nulls(pair).join(real.select(pair).unique(), on=pair, how="anti").height,
        "unique": made.height - made["number"].n_unique(),
    }


def drawn(real: pl.DataFrame, rules: str | None, rows: int, usual: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A training, and rows of it: the seconds of both, rows per second, and what they break."""
    started = time.monotonic()
    run = genwright.train(real, rules=rules, out=folder, report=False, rows=1, quiet=True, **usual)
    trained, worked = time.monotonic(), time.process_time()
    made = run.sample_typed(rows, seed=1)
    costs = {"train_seconds": trained - started, "sample_seconds": time.monotonic() - trained}
    costs["rows_per_second"] = rows / costs["sample_seconds"]
    costs["rows_per_processor_second"] = rows / (time.process_time() - worked)
    assert made.height == rows
    return costs | {"broken": broken(real, made)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--threads", type=int, default=0, help="0: all")
    given = parser.parse_args()
    results, failed = [], False
    for seed in map(int, given.seeds.split(",")):
        real, usual = table(seed), {"seed": seed, "threads": given.threads}
        assert not any(broken(real, real).values())
        result: dict[str, Any] = {"seed": seed, "rows": given.rows, "threads": given.threads}
        with tempfile.TemporaryDirectory() as folder:
            for name, rules in (("free", None), ("ruled", RULES)):
                result[name] = drawn(real, rules, given.rows, usual, Path(folder) / name)
        result["speed"] = result["ruled"]["rows_per_second"] / result["free"]["rows_per_second"]
        failed |= any(result["ruled"]["broken"].values()) or result["speed"] < LEAST_SPEED
        results.append(result)
        print(json.dumps(result), flush=True)
    if failed:
        sys.exit(1)
    OUT.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
