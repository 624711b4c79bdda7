"""Derives the golden numbers of test_table_metrics.py with SDMetrics 0.32 (MIT), which CI does not install.

    pip install sdmetrics==0.32.0 && python tests/parity/derive_sdmetrics.py

The tables are made here from a fixed seed, so that the test can make them too. Thresholds of the pair metrics are 0: every
pair counts. LogisticDetection splits at random; its number is the mean of 20 calls.
"""

from __future__ import annotations

import itertools
import json

import numpy as np
import polars as pl

KINDS = {"age": "integer", "income": "decimal", "job": "category", "city": "category", "member": "boolean"}
NUMBERS = ("age", "income")


def table(rows: int, seed: int, shift: float) -> pl.DataFrame:
    """Mixed columns that depend on each other; `shift` makes a second table differ from the first."""
    generator = np.random.default_rng(seed)
    age = generator.integers(18, 80, rows)
    income = np.round(np.exp(generator.normal(10 + shift, 0.6, rows)) + 300.0 * age * (1 - shift), 2)
    job = np.array(["clerk", "nurse", "smith", "none"])[np.minimum(3, (age // 17 - 1 + generator.integers(0, 2, rows)))]
    city = generator.choice(
        ["Aix", "Bonn", "Cork", "Delft", "Essen"], rows, p=[0.4 - shift / 2, 0.2, 0.2 + shift / 2, 0.1, 0.1]
    )
    member = generator.random(rows) < np.where(city == "Aix", 0.7, 0.3 + shift / 4)
    return pl.DataFrame({"age": age, "income": income, "job": job, "city": city, "member": member})


def tables() -> tuple[pl.DataFrame, pl.DataFrame]:
    """(real, synthetic)"""
    return table(3000, 1, 0.0), table(2000, 2, 0.3)


def main() -> None:
    from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity
    from sdmetrics.single_column import KSComplement, TVComplement
    from sdmetrics.single_table import LogisticDetection

    real, made = (frame.to_pandas() for frame in tables())
    shape = {
        name: 1 - (KSComplement if name in NUMBERS else TVComplement).compute(real[name], made[name]) for name in KINDS
    }
    trend = {}
    for pair in itertools.combinations(KINDS, 2):
        both = list(pair)
        if set(pair) <= set(NUMBERS):
            score = CorrelationSimilarity.compute(real[both], made[both])
        else:
            numbers = [name for name in both if name in NUMBERS] or None
            score = ContingencySimilarity.compute(real[both], made[both], continuous_column_names=numbers)
        trend["/".join(pair)] = 1 - score
    sdtypes = {"integer": "numerical", "decimal": "numerical", "category": "categorical", "boolean": "boolean"}
    metadata = {"columns": {name: {"sdtype": sdtypes[kind]} for name, kind in KINDS.items()}}
    logistic = [LogisticDetection.compute(real[:2000], made, metadata=metadata) for _ in range(20)]
    print(json.dumps({"shape": shape, "trend": trend, "logistic": float(np.mean(logistic))}, indent=1))


if __name__ == "__main__":
    main()
