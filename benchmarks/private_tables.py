"""Private tables: errors of marginals, usefulness, seconds: `python benchmarks/private_tables.py [--cases binned,adult] ...`.

`binned` is Adult in integer codes, all rows, where the errors of 1, 2 and 3 columns (total variation, 64 random triples)
are measured; `binned-half` its training rows, judged by the official test rows; the other cases are raw tables for which
everything but the kinds is paid for. TSTR is scikit-learn's gradient boosting, trained on synthetic rows and tested on real
ones: AUC, or R2 where the target is a number. Seconds are of the processor, accounting included. Tables are looked for in
GENWRIGHT_TEST_DATA/table; Adult ships.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import r2_score, roc_auc_score

from genwright.codecs.private_table import fit_private, plan_codec
from genwright.contract import Batch, DataSpec, Span
from genwright.data.schema import Schema
from genwright.data.sources import open_table
from genwright.model_presets import FEW_COMPONENTS
from genwright.models.mixture import Mixture
from genwright.models.mst import MST
from genwright.privacy.accounting import Guarantee
from genwright.privacy.ledger import PrivacyLedger

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "src" / "genwright" / "data" / "samples"
LARGE = Path(os.environ.get("GENWRIGHT_TEST_DATA", ROOT.parent / "shared" / "data")) / "table"
ADULT_ROWS = 32_561  # of the training file; the binned table has the test file's behind them
ORDERED = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
RAW = {
    "adult": (SAMPLES / "adult_train.csv.gz", SAMPLES / "adult_test.csv.gz", "income"),
    "california": (LARGE / "california_housing.csv.gz", None, "median_house_value"),
    "magic": (LARGE / "magic.csv.gz", None, "class"),
    "insurance": (LARGE / "insurance.csv.gz", None, "charges"),
}
METHODS = {"mixture": Mixture, "mst": MST}
CODEC_SHARE, CODEC_DELTA = 0.1, 0.1


def _number(value: str) -> float | int | str:
    return float(value) if "." in value else int(value) if value.isdigit() else value


def settings_of(words: list[str]) -> dict[str, Any]:
    """Settings of the model from words such as rounds=6."""
    pairs = [word.split("=") for word in words]
    return {name: _number(value) for name, value in pairs}


def fitted(
    method: str, spec: DataSpec, codes: np.ndarray, ledger: PrivacyLedger, seed: int, given: dict[str, Any]
) -> Any:
    """The model after its fit, its releases being planned."""
    torch.manual_seed(seed)
    model = METHODS[method](spec, **given)
    model.fit([Batch(torch.from_numpy(codes.astype(np.int64)))], ledger)
    return model


def binned(method: str, guarantee: Guarantee, seed: int, half: bool, given: dict[str, Any]) -> dict[str, Any]:
    """Adult in integer codes whose meaning is public."""
    sizes = json.loads((LARGE / "adult_binned.domain.json").read_text())
    table = pl.read_csv(LARGE / "adult_binned.csv.gz").select(list(sizes)).to_numpy().astype(np.int64)
    rows, test = (table[:ADULT_ROWS], table[ADULT_ROWS:]) if half else (table, table[:0])
    spans = [
        Span(name, (1 / size,) * size, ordered_from=0 if name in ORDERED else size) for name, size in sizes.items()
    ]
    ledger = PrivacyLedger(guarantee)
    started = time.process_time()
    METHODS[method].plan(ledger, len(spans), **given)
    model = fitted(method, DataSpec("row", (len(spans),), spans=tuple(spans)), rows, ledger, seed, given)
    seconds = time.process_time() - started
    made = model.sample(round(float(model.rows)), generator=torch.Generator().manual_seed(seed)).x.numpy()
    result = {"seconds": seconds, "epsilon_spent": ledger.epsilon_spent()}
    if half:
        return result | {"tstr": useful(made[:, :-1], made[:, -1], test[:, :-1], test[:, -1])}
    triples = list(combinations(range(len(spans)), 3))
    chosen = np.random.default_rng(0).choice(len(triples), 64, replace=False)
    groups = {"1-way": combinations(range(len(spans)), 1), "2-way": combinations(range(len(spans)), 2)}
    groups["3-way"] = [triples[at] for at in chosen]
    return result | {name: float(np.mean([variation(rows, made, c) for c in some])) for name, some in groups.items()}


def variation(rows: np.ndarray, made: np.ndarray, columns: tuple[int, ...]) -> float:
    """Total variation distance between the joint distributions of some columns."""
    both = np.concatenate([rows[:, columns], made[:, columns]])
    cell = (
        np.unique(both, axis=0, return_inverse=True)[1].ravel()
        if len(columns) > 2
        else both @ [1 << 20, 1][: both.shape[1]]
    )
    cell = np.unique(cell, return_inverse=True)[1]
    real, synthetic = (np.bincount(part, minlength=cell.max() + 1) for part in np.split(cell, [len(rows)]))
    return float(np.abs(real / len(rows) - synthetic / len(made)).sum() / 2)


def useful(features: Any, target: np.ndarray, test: Any, truth: np.ndarray, categories: Any = None) -> float:
    """AUC, or R2, on real rows of gradient boosting that was fitted on synthetic ones."""
    if len(np.unique(truth)) > 2:
        number = HistGradientBoostingRegressor(random_state=0, categorical_features=categories).fit(features, target)
        return float(r2_score(truth, number.predict(test)))
    if len(np.unique(target)) < 2:
        return 0.5
    label = HistGradientBoostingClassifier(random_state=0, categorical_features=categories).fit(features, target)
    return float(roc_auc_score(truth, label.predict_proba(test)[:, 1]))


def raw(case: str, method: str, guarantee: Guarantee, seed: int, given: dict[str, Any]) -> dict[str, Any]:
    """A table whose kinds are declared, and nothing else; a fifth of its rows is held out where no test file is."""
    path, test_path, target = RAW[case]
    schema = Schema.from_json(Schema.inspect(open_table(path)).to_json())
    frame = pl.concat(schema.parse(batch) for batch in open_table(path).batches())
    if test_path:
        test = pl.concat(schema.parse(batch) for batch in open_table(test_path).batches())
    else:
        held = np.random.default_rng(seed).random(len(frame)) < 0.2
        frame, test = frame.filter(pl.Series(~held)), frame.filter(pl.Series(held))
    started = time.process_time()
    ledger = PrivacyLedger(guarantee)
    plan_codec(ledger, schema, CODEC_SHARE * ledger.rho(1.0), CODEC_DELTA * guarantee.delta, {})
    METHODS[method].plan(ledger, len(schema.columns), **given)
    codec = fit_private(lambda: iter([frame]), schema, ledger)
    model = fitted(method, codec.spec, codec.encode(frame), ledger, seed, given)
    codes = model.sample(round(float(model.rows)), generator=torch.Generator().manual_seed(seed)).x.numpy()
    made = codec.decode(codes, generator=np.random.default_rng(seed))
    seconds = time.process_time() - started
    names = [name for name in schema.names if name != target]
    numbers = schema[target].is_number
    label = pl.col(target) if numbers else (pl.col(target) == sorted(test[target].unique())[-1]).cast(pl.Int8)
    words = [name for name in names if not schema[name].is_number]
    codebook = {name: test[name].cast(pl.String).value_counts(sort=True)[name].head(200).to_list() for name in words}
    coded = [
        pl.col(name).cast(pl.String).replace_strict({word: at for at, word in enumerate(codebook[name])}, default=None)
        for name in words
    ]
    score = useful(
        *(
            part
            for rows in (made, test)
            for part in (_features(rows, names, coded), rows.select(label).to_series().to_numpy())
        ),
        categories=[name in words for name in names],
    )
    return {"seconds": seconds, "epsilon_spent": ledger.epsilon_spent(), "tstr": score}


def _features(rows: pl.DataFrame, names: list[str], coded: list[pl.Expr]) -> np.ndarray:
    return rows.with_columns(coded).select(pl.col(names).cast(pl.Float64)).to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="binned,binned-half,adult")
    parser.add_argument("--methods", default="mixture")
    parser.add_argument("--epsilons", default="0.3,1,3,10")
    parser.add_argument("--delta", type=float, default=1e-9)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--set", nargs="*", default=[], help="settings of the model, such as rounds=6")
    parser.add_argument("--out", help="file to keep the results in, with machine and versions")
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("GENWRIGHT_THREADS", "2")))
    results = []
    for case in given.cases.split(","):
        for method in given.methods.split(","):
            for epsilon in map(float, given.epsilons.split(",")):
                for seed in map(int, given.seeds.split(",")):
                    guarantee, own = Guarantee(epsilon, given.delta), settings_of(given.set)
                    if method == "mixture" and epsilon < 1:
                        own = {"components": FEW_COMPONENTS, **own}
                    if case.startswith("binned"):
                        measured = binned(method, guarantee, seed, case == "binned-half", own)
                    else:
                        measured = raw(case, method, guarantee, seed, own)
                    results.append({"case": case, "method": method, "epsilon": epsilon, "seed": seed, **measured})
                    print(*(f"{v:.4g}" if isinstance(v, float) else v for v in results[-1].values()), flush=True)
    if given.out:
        facts = {"machine": platform.platform(), "python": platform.python_version(), "torch": torch.__version__}
        Path(given.out).write_text(json.dumps({**facts, "delta": given.delta, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
