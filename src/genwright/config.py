"""Every setting, typed and documented once: command-line flags, TOML keys, environment names, docs and forms come from here.

A settings class is a frozen dataclass whose fields carry a sentence, a range and choices in their metadata. This file
imports nothing heavy, so `--help` is instant. Read `settings.py` next: it merges TOML < environment < flags into these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    short: str | None = None,
    positional: bool = False,
) -> Any:
    """A dataclass field that documents itself: one sentence, inclusive range, allowed words, short flag."""
    metadata = {"help": help, "low": low, "high": high, "choices": choices, "short": short, "positional": positional}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TabularARSettings:
    """Autoregressive network over columns: any column from any others."""

    width: int = setting(192, "size of the vector that collects what is known of a row", low=4, high=8192)
    hidden: int = setting(64, "units of each layer of a column's own network", low=4, high=4096)
    depth: int = setting(2, "layers of a column's own network", low=1, high=8)
    knots: int = setting(64, "resolution of the features that are smooth in the rank of a number", low=2, high=1024)
    dropout: float = setting(0.2, "share of first-layer units switched off in training", low=0, high=0.9)
    table_order: float = setting(
        0.5, "share of training rows read in the table's order, not a random one", low=0, high=1
    )


@dataclass(frozen=True)
class TabularTreesSettings:
    """A chain of decision trees: fits in seconds, memorises more."""

    leaf_rows: int = setting(20, "rows that a leaf holds at least; fewer copy more", low=1, high=1_000_000)
    smoothing: float = setting(1.0, "weight, in rows, of the column's own distribution in each leaf", low=0, high=1e6)


@dataclass(frozen=True)
class TVAESettings:
    """Variational autoencoder on coded rows."""

    width: int = setting(256, "units of the hidden layers of encoder and decoder", low=8, high=4096)
    depth: int = setting(2, "hidden layers of encoder and of decoder", low=1, high=16)
    latent: int = setting(16, "dimensions of the latent space", low=1, high=1024)
    divergence_weight: float = setting(0.5, "weight of the KL term; at 1 the latent vector is ignored", low=0, high=100)


@dataclass(frozen=True)
class TableSettings:
    """How table values become codes."""

    bins: int = setting(100, "cells of the grid laid over a number with many values", low=2, high=4096)
    slices: int = setting(16, "equal slices that refine each interval cell", low=1, high=1024)
    most_values: int = setting(
        256, "numbers with at most so many distinct values keep each as a code", low=2, high=8192
    )
    rare_below: int = setting(3, "categories in fewer rows are drawn anew from the others, to protect people", low=1)


@dataclass(frozen=True)
class TrainingSettings:
    """The loop: the same for every model with gradients. A preset sets them by model and number of rows."""

    batch_size: int = setting(512, "examples in one step", low=1, high=1_000_000)
    learning_rate: float = setting(2e-3, "highest learning rate; rises over the warm-up, then falls as a cosine", low=0)
    warmup_steps: int = setting(30, "steps over which the learning rate rises", low=0)
    final_rate: float = setting(0.0, "learning rate at the end, as a share of the highest", low=0, high=1)
    weight_decay: float = setting(0.01, "AdamW decay on weights of two or more dimensions", low=0, high=1)
    beta1: float = setting(0.9, "AdamW memory of the gradient", low=0, high=0.9999)
    beta2: float = setting(0.99, "AdamW memory of the squared gradient", low=0, high=0.99999)
    clip_norm: float = setting(5.0, "longest gradient, as a Euclidean norm; 0: not clipped", low=0)
    ema_decay: float = setting(
        0.995, "memory of the averaged weights that ship; 0: the last weights ship", low=0, high=0.99999
    )
    validation: float = setting(0.05, "share of training rows kept to choose the snapshot that ships", low=0, high=0.5)
    select_every: int = setting(50, "steps between looks at the validation slice", low=1)
    checkpoint_every: int = setting(250, "steps between checkpoints", low=1)
    precision: str = setting(
        "auto", "arithmetic of the forward pass; auto: bf16 where the processor has it", choices=("auto", "f32", "bf16")
    )


@dataclass(frozen=True)
class Train:
    """Train a model on your data, write samples and a report."""

    data: str = setting("", "CSV, Parquet or JSON lines file (.gz too)", positional=True)
    model: Any = field(default_factory=TabularARSettings, metadata={"help": "the model's own settings"})
    preset: str = setting("quick", "how much effort", choices=("quick", "good", "best"))
    time: str = setting("", "hard limit of the whole run, as 90s, 10m or 1h30m; empty: the preset's steps")
    steps: int = setting(0, "optimiser steps; 0: the preset decides by the number of rows", low=0)
    out: str = setting("", "folder of the run; empty: runs/<name of the data>-<number>")
    seed: int = setting(0, "same seed, same machine type, same threads: same bytes", low=0)
    holdout: float = setting(0.1, "share of rows that training never sees and the report judges by", low=0, high=0.9)
    test: str = setting("", "a file of real rows to judge by instead of a hold-out")
    target: str = setting("", "column to predict in the report's utility test; empty: every column")
    schema: str = setting("", "a schema.toml that says what the columns are; empty: found by looking")
    rows: int = setting(
        0, "synthetic rows to write after training; 0: as many as training rows, at most 100,000", low=0
    )
    report: bool = setting(True, "write report.json and report.html after training")
    device: str = setting("auto", "cpu, cuda, cuda:1, mps; auto: the first GPU, else cpu")
    threads: int = setting(0, "processor threads; 0: all", low=0, high=1024)
    training: TrainingSettings = field(default_factory=TrainingSettings, metadata={"help": "the loop"})
    table: TableSettings = field(default_factory=TableSettings, metadata={"help": "how table values become codes"})


@dataclass(frozen=True)
class Sample:
    """Draw synthetic rows from a run."""

    run: str = setting("", "folder of the run", positional=True)
    n: int = setting(1000, "rows to draw", low=1, short="-n")
    out: str = setting("", "file to write (.csv, .csv.gz, .parquet, .jsonl); empty: samples/ in the run folder")
    where: tuple[str, ...] = setting((), "what every row must have, as COLUMN=VALUE; may be given several times")
    seed: int = setting(0, "seed of the draw, independent of the training's seed", low=0)


@dataclass(frozen=True)
class Report:
    """Judge a run, or any synthetic file, against real rows."""

    run: str = setting(
        "", "folder of the run; empty: judge the files given by --train, --test, --synth", positional=True
    )
    test: str = setting("", "file of real rows that training never saw")
    train: str = setting("", "file of the rows that the generator was trained on")
    synth: str = setting("", "file of synthetic rows")
    target: str = setting("", "column to predict in the utility test; empty: every column")
    out: str = setting("", "folder for report.json and report.html; empty: the run folder, or ./report")
    effort: str = setting("full", "quick: subsamples for slow metrics", choices=("quick", "full"))
    language: str = setting("auto", "language the page opens in", choices=("auto", "en", "zh"))
    seed: int = setting(0, "seed of splits and subsamples", low=0)


@dataclass(frozen=True)
class Compare:
    """Put runs, or models trained under one time budget, into one table."""

    runs: tuple[str, ...] = setting((), "run folders, or one data file together with --models", positional=True)
    models: str = setting("", "models to train on the data file, as a,b,c")
    time: str = setting("5m", "hard limit for each model")
    test: str = setting("", "a file of real rows to judge by instead of a hold-out")
    target: str = setting("", "column to predict in the utility test")
    out: str = setting("", "folder for the runs; empty: runs/compare-<name of the data>-<number>")
    seed: int = setting(0, "seed of every training", low=0)


@dataclass(frozen=True)
class Impute:
    """Fill the missing values of a table with a run's model."""

    run: str = setting("", "folder of the run", positional=True)
    file: str = setting("", "table with missing values, with the columns of the training data", positional=True)
    out: str = setting("", "file to write; empty: <name>-imputed beside the input")
    seed: int = setting(0, "seed of the draw", low=0)


@dataclass(frozen=True)
class Data:
    """Show what the columns of a table were found to be, and write schema.toml for you to edit."""

    file: str = setting("", "CSV, Parquet or JSON lines file", positional=True)
    out: str = setting("schema.toml", "where to write the finding")
    force: bool = setting(False, "replace an existing file")


@dataclass(frozen=True)
class Info:
    """Say how a run was made, how far it is and what is in it."""

    run: str = setting("", "folder of the run", positional=True)


@dataclass(frozen=True)
class List:
    """List the runs in a folder."""

    folder: str = setting("runs", "where the runs are", positional=True)


@dataclass(frozen=True)
class Models:
    """List the models and what they are for."""


@dataclass(frozen=True)
class Demo:
    """Train on real census rows that ship with the package; needs no data and no network."""

    out: str = setting("runs/demo", "folder of the run")


@dataclass(frozen=True)
class Doctor:
    """Check this installation: versions, processor, disk, and five training steps."""


COMMANDS: dict[str, type] = {
    "train": Train,
    "sample": Sample,
    "report": Report,
    "compare": Compare,
    "impute": Impute,
    "models": Models,
    "data": Data,
    "list": List,
    "info": Info,
    "demo": Demo,
    "doctor": Doctor,
}
