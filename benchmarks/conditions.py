"""Any condition, measured: `python benchmarks/conditions.py [--parts order,speed,impute] [--tables adult,california]`.

`order`: rows drawn column by column, every few hundred in a random order of their own; shape, trend and three-way error in
percent against the training table, beside the hold-out's. `speed`: rows per second with a condition on three columns, of wall
clock and of processor. `impute`: in hold-out rows a fifth of all cells is hidden at random; the accuracy of categories and the
pinball loss of numbers (at .1, .5 and .9, in standard deviations of the training column), beside what knows the column alone,
scikit-learn's IterativeImputer (draws of its posterior) and gradient boosting fitted for each column and level. No method sees
a hold-out row before; all but the model are fitted on training rows of which a fifth of the cells is hidden too.
Tables are looked for in GENWRIGHT_TEST_DATA/table; Adult ships.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from machine import machine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.metrics import mean_pinball_loss
from sklearn.preprocessing import OneHotEncoder

import genwright
from genwright.metrics.effort import EFFORTS
from genwright.metrics.fidelity_scores import fidelity
from genwright.metrics.values import Scene
from genwright.metrics.view import view_tables
from genwright.models.tabular_ar import TabularAR, categorical

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "src" / "genwright" / "data" / "samples"
LARGE = Path(os.environ.get("GENWRIGHT_TEST_DATA", ROOT.parent / "shared" / "data")) / "table"
FILES = {
    "adult": (SAMPLES / "adult_train.csv.gz", SAMPLES / "adult_test.csv.gz"),
    "california": (LARGE / "california_housing.csv.gz", None),
}
CONDITIONS = {
    "adult": {
        "values": {"sex": "Female", "education": "Bachelors", "income": ">50K"},
        "ranges": "age >= 30 and sex in (Female) and hours-per-week between 20 and 45",
    },
    "california": {
        "values": {"ocean_proximity": "INLAND", "housing_median_age": 20, "median_income": 3.0},
        "ranges": "median_income >= 3 and ocean_proximity in (INLAND) and housing_median_age < 30",
    },
}
ORDERS, SPEED_ROWS, HIDDEN, ASKED_ROWS, DRAWS = 64, 100_000, 0.2, 4_000, 20
LINEAR_ROWS, LINEAR_ROUNDS = 5_000, 5  # a linear model of 100 one-hot columns each round: more rows change little
LEAST_SEEN = (
    100  # rows of a label, below which boosting leaves it out: with all 41 countries it falls below the marginal
)
LEVELS = (0.1, 0.5, 0.9)
Frames = tuple[pl.DataFrame, pl.DataFrame]


def tables(name: str, seed: int) -> Frames:
    """Training and hold-out rows; a tenth of them where no test file is."""
    train, test = (pl.read_csv(path, null_values="?") if path else None for path in FILES[name])
    assert train is not None
    if test is not None:
        return train, test
    held = pl.Series(np.random.default_rng(seed).random(len(train)) < 0.1)
    return train.filter(~held), train.filter(held)


def order(run: Any, train: pl.DataFrame, holdout: pl.DataFrame, seed: int) -> dict[str, Any]:
    """Errors of as many rows as the training table has, drawn in random column orders, each beside the hold-out's."""
    generator = torch.Generator().manual_seed(seed)
    sizes = np.diff(np.linspace(0, len(train), ORDERS + 1).astype(int))
    codes = torch.cat([in_random_order(run.model, int(rows), generator) for rows in sizes])
    made = run.codec.decode(codes.numpy(), generator=np.random.default_rng(seed))
    kinds = {column.name: column.kind for column in run.codec.schema.columns}
    real = [run.codec.schema.parse(frame.cast(pl.String)) for frame in (train, holdout)]
    metrics, *_ = fidelity(Scene(view_tables(*real, made, kinds), EFFORTS["full"], seed))
    return {name: {end: metrics[name][end] for end in ("value", "floor")} for name in ("shape", "trend", "three_way")}


@torch.no_grad()
def in_random_order(model: TabularAR, rows: int, generator: torch.Generator) -> torch.Tensor:
    """(rows, spans) codes, all in one random order of the columns; a refining span follows the span that it refines."""
    net, tables = model.net, model.net.tables()
    codes = torch.zeros(rows, len(model.leader), dtype=torch.int64)
    context = torch.zeros(rows, net.context_bias.shape[1])
    columns = model.leader.unique()
    for leader in columns[torch.randperm(len(columns), generator=generator)].tolist():
        for span in (model.leader == leader).nonzero()[:, 0].tolist():
            applies = net.applies(span, codes)
            drawn = categorical(net.logits(span, context, tables), generator)
            codes[:, span] = torch.where(applies, drawn, 0)
            context += net.vector(span, codes, tables) * applies[:, None]
    return codes


def speed(run: Any, name: str) -> dict[str, Any]:
    """Rows per second with a condition on three columns, wall clock and processor; after a first draw."""
    out = {}
    for kind, where in CONDITIONS[name].items():
        run.sample_typed(1_000, where=where)
        started, worked = time.perf_counter(), time.process_time()
        run.sample_typed(SPEED_ROWS, where=where, seed=1)
        seconds, work = time.perf_counter() - started, time.process_time() - worked
        out[kind] = {"rows_per_second": SPEED_ROWS / seconds, "rows_per_processor_second": SPEED_ROWS / work}
    return {**out, "threads": torch.get_num_threads()}


def impute(run: Any, train: pl.DataFrame, holdout: pl.DataFrame, seed: int) -> dict[str, Any]:
    """Accuracy and pinball loss by method: the mean over columns, and each column's."""
    generator = np.random.default_rng(seed)
    truth = holdout[generator.permutation(len(holdout))[:ASKED_ROWS]]
    asked, fitted = hidden(truth, generator), hidden(train, generator)
    guesses = {
        "marginal": marginal(train, truth),
        "iterative": iterative(fitted, asked, seed),
        "boosting": boosting(train, fitted, asked, seed),
        "genwright": [frame.select(train.columns) for frame in run.impute(asked, draws=DRAWS, seed=seed)],
    }
    out: dict[str, Any] = {}
    for method, guess in guesses.items():
        columns = {name: _error(name, guess, train, truth, asked) for name in train.columns}
        words = [value for name, value in columns.items() if train[name].dtype == pl.String]
        numbers = [value for name, value in columns.items() if train[name].dtype != pl.String]
        out[method] = {"accuracy": np.mean(words), "pinball": np.mean(numbers), "columns": columns}
        print(f"  {method}: accuracy {out[method]['accuracy']:.4f}, pinball {out[method]['pinball']:.4f}", flush=True)
    return out


def hidden(frame: pl.DataFrame, generator: np.random.Generator) -> pl.DataFrame:
    """The frame with a fifth of its cells missing."""
    keep = generator.random(frame.shape) >= HIDDEN
    return frame.select(
        pl.when(pl.Series(keep[:, at])).then(pl.col(name)).alias(name) for at, name in enumerate(frame.columns)
    )


def _error(name: str, guess: Any, train: pl.DataFrame, truth: pl.DataFrame, asked: pl.DataFrame) -> float:
    """Of the cells that were hidden: accuracy, or pinball loss; `guess` is draws (frames), or a column's guesses by name."""
    places = (asked[name].is_null() & truth[name].is_not_null()).to_numpy()
    real = truth[name].filter(pl.Series(places))
    if train[name].dtype == pl.String:
        words = commonest([frame[name] for frame in guess]) if isinstance(guess, list) else guess[name]
        return float((words.filter(pl.Series(places)) == real).mean())
    levels = np.quantile([f[name] for f in guess], LEVELS, axis=0) if isinstance(guess, list) else guess[name]
    losses = [mean_pinball_loss(real, level[places], alpha=at) for at, level in zip(LEVELS, levels, strict=True)]
    return float(np.mean(losses) / train[name].std())


def commonest(draws: list[pl.Series]) -> pl.Series:
    """The commonest word of each row over the draws; ties by name."""
    words = pl.DataFrame([draw.alias(str(at)) for at, draw in enumerate(draws)])
    return words.select(pl.concat_list(pl.all()).list.eval(pl.element().mode().sort().first()).list.first()).to_series()


def marginal(train: pl.DataFrame, truth: pl.DataFrame) -> dict[str, Any]:
    """The training column's commonest word, or its quantiles, for every row."""
    return {
        name: pl.Series([column.drop_nulls().mode().sort()[0]]).new_from_index(0, len(truth))
        if column.dtype == pl.String
        else np.repeat(np.quantile(column.drop_nulls(), LEVELS)[:, None], len(truth), axis=1)
        for name, column in ((name, train[name]) for name in train.columns)
    }


def iterative(fitted: pl.DataFrame, asked: pl.DataFrame, seed: int) -> list[pl.DataFrame]:
    """Draws of IterativeImputer (Bayesian ridge): standardised numbers and one-hot words, of which the largest wins.

    A word has one column less than it has labels: with all of them each would be what the others leave, never to move.
    """
    words = [name for name in fitted.columns if fitted[name].dtype == pl.String]
    numbers = [name for name in fitted.columns if name not in words]
    coder = OneHotEncoder(drop="first", sparse_output=False).fit(fitted.select(words).drop_nulls())
    labels = dict(zip(words, coder.categories_, strict=True))
    sizes = [len(own) - 1 for own in labels.values()]
    centre, spread = (getattr(fitted.select(numbers), what)().to_numpy()[0] for what in ("mean", "std"))

    def matrix(frame: pl.DataFrame) -> np.ndarray:
        known = frame.select(
            pl.when(pl.col(name).is_in(own.tolist())).then(name).otherwise(pl.lit(own[0]))
            for name, own in labels.items()
        )
        gaps = np.repeat(frame.select(pl.col(words).is_null()).to_numpy(), sizes, axis=1)
        scaled = (frame.select(pl.col(numbers).cast(pl.Float64)).to_numpy() - centre) / spread
        return np.hstack([scaled, np.where(gaps, np.nan, coder.transform(known))])

    imputer = IterativeImputer(sample_posterior=True, max_iter=LINEAR_ROUNDS, tol=0, random_state=seed)
    draws, given = [], matrix(asked)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it did not converge; with draws it never does
        imputer.fit(matrix(fitted.sample(LINEAR_ROWS, seed=seed)))
        for _ in range(DRAWS):
            filled = imputer.transform(given)
            columns = dict(zip(numbers, (filled[:, : len(numbers)] * spread + centre).T, strict=True))
            parts = np.split(filled[:, len(numbers) :], np.cumsum(sizes)[:-1], axis=1)
            for name, part in zip(words, parts, strict=True):
                whole = np.hstack([1 - part.sum(1, keepdims=True), part])
                columns[name] = labels[name][whole.argmax(1)]
            draws.append(pl.DataFrame(columns))
    return draws


def boosting(train: pl.DataFrame, fitted: pl.DataFrame, asked: pl.DataFrame, seed: int) -> dict[str, Any]:
    """A model of each column (one for each level of a number) from all others, of which a fifth is missing in training too."""
    words = [name for name in train.columns if train[name].dtype == pl.String]
    codes = {name: pl.Enum(train[name].drop_nulls().unique().sort()) for name in words}

    def matrix(frame: pl.DataFrame) -> pl.DataFrame:
        coded = [pl.col(name).cast(codes[name], strict=False).to_physical() for name in words]
        return frame.with_columns(coded).cast(pl.Float64)

    inputs, given = matrix(fitted), matrix(asked)
    out: dict[str, Any] = {}
    for name in train.columns:
        rows, others = train[name].is_not_null(), [other for other in train.columns if other != name]
        x, y, ask = (
            inputs.filter(rows).select(others).to_numpy(),
            train[name].filter(rows),
            given.select(others).to_numpy(),
        )
        usual = {"random_state": seed, "early_stopping": True}
        usual["categorical_features"] = [other in words for other in others]
        if name in words:
            frequent = y.to_frame().select(pl.len().over(name) >= LEAST_SEEN).to_series()
            x, y = x[frequent.to_numpy()], y.filter(frequent)
            out[name] = pl.Series(HistGradientBoostingClassifier(**usual).fit(x, y.to_numpy()).predict(ask))
        else:
            models = (HistGradientBoostingRegressor(loss="quantile", quantile=level, **usual) for level in LEVELS)
            out[name] = np.stack([model.fit(x, y.to_numpy()).predict(ask) for model in models])
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="order,speed,impute")
    parser.add_argument("--tables", default=",".join(FILES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="of the training and of drawing; 0: all")
    parser.add_argument("--out", default=str(ROOT / "benchmarks" / "results" / "conditions.json"))
    given = parser.parse_args()
    results = []
    for name in given.tables.split(","):
        train, holdout = tables(name, given.seed)
        with tempfile.TemporaryDirectory() as folder:
            usual = {"seed": given.seed, "threads": given.threads, "report": False, "quiet": True}
            run = genwright.train(train, out=f"{folder}/run", **usual)
            for part in given.parts.split(","):
                if part == "order":
                    found = order(run, train, holdout, given.seed)
                else:
                    found = speed(run, name) if part == "speed" else impute(run, train, holdout, given.seed)
                results.append({"table": name, "part": part, "seed": given.seed, **found})
                print(name, part, {} if part == "impute" else found, flush=True)
                Path(given.out).write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
