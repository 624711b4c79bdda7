"""Every setting, typed and documented once: command-line flags, TOML keys, environment names, docs and forms come from here.

A settings class is a frozen dataclass whose fields carry a sentence, a range and choices in their metadata. This file
imports nothing heavy, so `--help` is instant. Read `settings.py` next: it merges TOML < environment < flags into these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from genwright.model_settings import TabularARSettings
from genwright.privacy_settings import PrivacySettings
from genwright.setting import setting
from genwright.text_settings import TextSettings


@dataclass(frozen=True)
class ImageSettings:
    """How image files become examples."""

    size: int = setting(
        0, "side of the square that every image becomes; 0: by looking", low=0, high=512, short="--size"
    )
    grey: bool = setting(False, "drop the colours", short="--grey")
    fit: str = setting("crop", "what happens to images that are not square", choices=("crop", "pad", "stretch"))
    background: str = setting("white", "colour under transparent pixels and around padded images")
    features: str = setting(
        "auto", "what the report compares images by", choices=("auto", "digits", "general", "pixels")
    )
    inception: str = setting(
        "", "file of the Inception weights (pt_inception-2015-12-05-6726825d.pth) by which the report has a FID as well"
    )


@dataclass(frozen=True)
class TableSettings:
    """How table values become codes."""

    bins: int = setting(100, "cells of the grid laid over a number with many values", low=2, high=4096)
    slices: int = setting(16, "equal slices that refine each interval cell", low=1, high=1024)
    most_values: int = setting(
        256, "numbers with at most so many distinct values keep each as a code", low=2, high=8192
    )
    delimiter: str = setting(
        "", "what parts the cells of a text file, where that is not found; \\t for a tab", short="--delimiter"
    )
    rare_below: int = setting(
        5,
        "categories in fewer rows, and numbers beyond that row from either end, are not drawn, to protect people",
        low=1,
    )


@dataclass(frozen=True)
class TrainingSettings:
    """The loop: the same for every model with gradients. A preset sets them by model and number of rows."""

    batch_size: int = setting(512, "examples in one step", low=1, high=1_000_000)
    learning_rate: float = setting(2e-3, "highest learning rate; rises over the warm-up, then falls", low=0)
    warmup_steps: int = setting(30, "steps over which the learning rate rises", low=0)
    hold: float = setting(
        0.0,
        "share of the run before the rate falls, then in a straight line; 0: as a cosine, at once",
        low=0,
        high=0.99,
    )
    final_rate: float = setting(0.0, "learning rate at the end, as a share of the highest", low=0, high=1)
    weight_decay: float = setting(0.01, "AdamW decay on weights of two or more dimensions", low=0, high=1)
    optimizer: str = setting(
        "adamw", "muon: matrices of linear layers move by Muon, all else by AdamW", choices=("adamw", "muon")
    )
    matrix_rate: float = setting(0.02, "highest learning rate of Muon", low=0)
    beta1: float = setting(0.9, "AdamW memory of the gradient", low=0, high=0.9999)
    beta2: float = setting(0.99, "AdamW memory of the squared gradient", low=0, high=0.99999)
    clip_norm: float = setting(5.0, "longest gradient, as a Euclidean norm; 0: not clipped", low=0)
    ema_decay: float = setting(
        0.995, "memory of the averaged weights that ship; 0: the last weights ship", low=0, high=0.99999
    )
    validation: float = setting(0.05, "share of training rows kept to choose the snapshot that ships", low=0, high=0.5)
    select_every: int = setting(50, "steps between looks at the validation slice; 0: only at the end", low=0)
    checkpoint_every: int = setting(250, "steps between checkpoints", low=1)
    precision: str = setting(
        "auto", "arithmetic of the forward pass; auto: bf16 where the processor has it", choices=("auto", "f32", "bf16")
    )


@dataclass(frozen=True)
class Train:
    """Train a model on your data, write samples and a report."""

    data: str = setting(
        "",
        "a table (CSV, Parquet, JSON lines; .gz too), images (folder, zip, tar, npz, idx) or texts (.txt, folder, JSON lines)",
        positional=True,
    )
    model: Any = field(default_factory=TabularARSettings, metadata={"help": "the model's own settings"})
    preset: str = setting("quick", "how much effort", choices=("quick", "good", "best"))
    time: str = setting("", "hard limit of the whole run, as 90s, 10m or 1h30m; empty: the preset's steps")
    steps: int = setting(0, "optimiser steps; 0: the preset decides by the number of rows", low=0)
    out: str = setting("", "folder of the run; empty: runs/<name of the data>-<number>")
    seed: int = setting(0, "same seed, same machine type, same threads: same bytes", low=0)
    holdout: float = setting(
        0.1, "share of the data that training never sees and the report judges by", low=0, high=0.9
    )
    test: str = setting("", "a file of real rows to judge by instead of a hold-out")
    target: str = setting("", "column to predict in the report's utility test; empty: every column")
    schema: str = setting("", "a schema.toml that says what the columns are; empty: found by looking")
    rules: str = setting("", "a rules.toml of what holds in every row of a table, or its text; empty: no rules")
    epsilon: float = setting(0.0, "privacy guarantee: the smaller, the stronger; 0: none", low=0, high=1000)
    delta: str = setting("auto", "its delta, such as 1e-6; auto: 1e-6, or by --privacy.rows")
    unit: str = setting("", "column that names the person whom --epsilon protects with all rows; empty: single rows")
    start: str = setting("", "a run on texts whose weights and tokens the training begins with, to tune it further")
    rows: int = setting(
        0, "synthetic rows to write after training; 0: as many as training rows, at most 100,000", low=0
    )
    report: bool = setting(True, "write report.json and report.html after training")
    track: str = setting(
        "none", "where to follow the losses besides log.jsonl", choices=("none", "tensorboard", "wandb")
    )
    device: str = setting("auto", "cpu, cuda, cuda:1, mps; auto: the first GPU, else cpu")
    threads: int = setting(0, "processor threads; 0: all", low=0, high=1024)
    training: TrainingSettings = field(default_factory=TrainingSettings, metadata={"help": "the loop"})
    table: TableSettings = field(default_factory=TableSettings, metadata={"help": "how table values become codes"})
    images: ImageSettings = field(default_factory=ImageSettings, metadata={"help": "how image files become examples"})
    privacy: PrivacySettings = field(default_factory=PrivacySettings, metadata={"help": "how epsilon is spent"})
    text: TextSettings = field(default_factory=TextSettings, metadata={"help": "how texts become tokens"})


@dataclass(frozen=True)
class Sample:
    """Draw synthetic rows, images or texts from a run."""

    run: str = setting("", "folder of the run", positional=True)
    n: int = setting(1000, "rows, images or texts to draw", low=1, short="-n")
    out: str = setting(
        "",
        "file to write (rows: .csv, .csv.gz, .parquet, .jsonl; images: .png for a grid, .npz, .zip or a folder; "
        "texts: .txt, .jsonl, .csv, .parquet, a folder, - for the terminal); empty: samples/ in the run folder",
    )
    where: tuple[str, ...] = setting(
        (),
        "what every row must fulfil, as 'age>=30 and sex in (Female) and income is missing'; texts: COLUMN=VALUE; "
        "may be given several times",
    )
    like: str = setting("", "file of partly filled rows: each is completed, what it has stays; -n is not used")
    prompt: str = setting("", "what texts begin with, or what the user says to an assistant")
    prompts: str = setting(
        "", "file with prompts, one a line or as the training texts: one text for each, -n is not used"
    )
    stop: tuple[str, ...] = setting((), "texts end before this string; may be given several times")
    regex: str = setting("", "regular expression that every text obeys, as '[A-Z][a-z]+, [0-9]{4}'")
    schema: str = setting("", "file with a JSON schema that every text obeys")
    label: str = setting("", "class of the images; empty: as often as in the training images")
    guidance: str = setting(
        "",
        "flow: how far images are pushed towards their label, such as 1.5; gpt: texts towards --where; empty: as trained",
    )
    guidance_from: str = setting("", "flow: time from which on, noise 0, images 1; empty: as trained")
    solver: str = setting("", "flow: heun, euler or adaptive; empty: as trained")
    solver_steps: str = setting("", "flow: steps of the solver; empty: as trained")
    truncation: str = setting("", "gan, pggan: below 1, safer and more alike; empty: as trained")
    temperature: str = setting(
        "", "pixel-ar, vqvae, gpt, pretrained: below 1, likelier and more alike; empty: as trained"
    )
    length: str = setting("", "gpt, ngram: tokens of a text at most; empty: as trained")
    top_k: str = setting("", "gpt: only so many likeliest tokens are drawn; empty: as trained")
    top_p: str = setting("", "gpt: only the likeliest tokens with this probability together; empty: as trained")
    min_p: str = setting("", "gpt: only tokens with this share of the likeliest one's probability; empty: as trained")
    repetition: str = setting("", "gpt: above 1, tokens that were drawn lately come less; empty: as trained")
    seed: int = setting(0, "seed of the draw, independent of the training's seed", low=0)


@dataclass(frozen=True)
class Chat:
    """Talk with a run on conversations, or let one on texts go on from what you write, token after token."""

    run: str = setting("", "folder of the run", positional=True)
    system: str = setting("", "rules for the assistant, where the training texts had such messages")
    temperature: str = setting("", "below 1: likelier tokens; empty: as trained")
    top_k: str = setting("", "only so many likeliest tokens are drawn; empty: as trained")
    top_p: str = setting("", "only the likeliest tokens with this probability together; empty: as trained")
    min_p: str = setting("", "only tokens with this share of the likeliest one's probability; empty: as trained")
    repetition: str = setting("", "above 1: tokens that were drawn lately come less; empty: as trained")
    length: str = setting("", "tokens of an answer at most; empty: as trained")
    guidance: str = setting("", "above 1: answers are pushed towards --where; empty: as trained")
    stop: tuple[str, ...] = setting((), "answers end before this string; may be given several times")
    where: tuple[str, ...] = setting((), "conditions, as COLUMN=VALUE; may be given several times")
    seed: int = setting(0, "seed of the first answer; each next one has another", low=0)


@dataclass(frozen=True)
class Report:
    """Judge a run, or any synthetic table, images or texts, against real ones."""

    run: str = setting(
        "", "folder of the run; empty: judge the files given by --train, --test, --synth", positional=True
    )
    test: str = setting("", "file of real rows, images or texts, that training never saw")
    train: str = setting("", "file of the rows, images or texts, that the generator was trained on")
    synth: str = setting("", "file of synthetic rows or texts, or synthetic images: a folder, zip or npz")
    target: str = setting("", "column to predict in the utility test; empty: every column")
    out: str = setting("", "folder for report.json and report.html; empty: the run folder, or ./report")
    effort: str = setting("full", "quick: subsamples for slow metrics", choices=("quick", "full"))
    features: str = setting(
        "",
        "images: what they are compared by; empty: as the run was told",
        choices=("", "auto", "digits", "general", "pixels"),
    )
    inception: str = setting("", "images: file of the Inception weights, for a FID as well")
    shadows: int = setting(
        0, "runs on tables: trainings on half of the rows, for a membership attack that knows the model (8)", low=0
    )
    language: str = setting("auto", "language the page opens in", choices=("auto", "en", "zh"))
    seed: int = setting(0, "seed of splits and subsamples", low=0)


@dataclass(frozen=True)
class Compare:
    """Put runs, or models trained under one time budget, into one table."""

    runs: tuple[str, ...] = setting((), "run folders, or one data file together with --models", positional=True)
    models: str = setting("", "models to train on the data file, as a,b,c")
    time: str = setting("5m", "hard limit for each model")
    preset: str = setting(
        "",
        "preset of the trainings; empty: best for tables, quick for images",
        choices=("", "quick", "good", "best"),
    )
    test: str = setting("", "a file of real rows to judge by instead of a hold-out")
    target: str = setting("", "column to predict in the utility test")
    out: str = setting("", "folder for the runs and comparison.html; empty: runs/compare-<name of the data>-<number>")
    seed: int = setting(0, "seed of every training", low=0)
    epsilon: float = setting(0.0, "not here: train each model with --epsilon, then compare the runs", low=0)


# Settings of a training, and sections of them, that are the same for all models: `compare` hands them on.
SHARED = ("holdout", "schema", "rules", "device", "threads", "table", "images", "text")


@dataclass(frozen=True)
class Impute:
    """Fill the missing values of a table with a run's model."""

    run: str = setting("", "folder of the run", positional=True)
    file: str = setting("", "table with missing values, with the columns of the training data", positional=True)
    out: str = setting("", "file to write; empty: <name>-imputed beside the input")
    draws: int = setting(0, "fill each row so many times, for multiple imputation; 0: once", low=0, high=1000)
    seed: int = setting(0, "seed of the draw", low=0)


@dataclass(frozen=True)
class Interpolate:
    """Show the way from one synthetic image to another through the latent space."""

    run: str = setting("", "folder of the run", positional=True)
    out: str = setting(
        "", "picture to write (.png: a row for each pair; .gif: a film); empty: samples/ in the run folder"
    )
    pairs: int = setting(8, "ways to show", low=1, high=64)
    steps: int = setting(10, "images on each way", low=2, high=200)
    label: str = setting("", "class of the images; empty: any")
    seed: int = setting(0, "seed of the draw", low=0)


@dataclass(frozen=True)
class Edit:
    """Move synthetic images along the directions that change them most."""

    run: str = setting("", "folder of the run", positional=True)
    out: str = setting("", "picture to write (.png: a row for each image); empty: samples/ in the run folder")
    direction: int = setting(0, "which direction; 0 changes most", low=0, high=19)
    reach: float = setting(3.0, "how far to either side, in standard deviations", low=0.1, high=20)
    images: int = setting(8, "images to move", low=1, high=64)
    label: str = setting("", "class of the images; empty: any")
    seed: int = setting(0, "seed of the draw", low=0)


@dataclass(frozen=True)
class Reconstruct:
    """Encode and decode given images: how much of them the model keeps."""

    run: str = setting("", "folder of the run", positional=True)
    images: tuple[str, ...] = setting((), "images: one or more files, folders or archives", positional=True)
    out: str = setting(
        "",
        "picture to write (.png: given left of made; .gif: from one to the other); empty: samples/ in the run folder",
    )
    label: str = setting("", "class of the images, where they have none of their own")


@dataclass(frozen=True)
class Export:
    """Write what draws a run's images as an ONNX file, for use without Genwright; or what may leave the building.

    `--release` writes a folder that samples as the run does, without what looked at real data outside the guarantee: no
    report, no log, no path, no number of rows.
    """

    run: str = setting("", "folder of the run", positional=True)
    out: str = setting("", "file to write; empty: model.onnx in the run folder; with --release, the folder")
    release: bool = setting(False, "write the folder that may leave the building, of a run with a guarantee")
    guidance: str = setting("", "flow: how far images are pushed towards their label; empty: as trained")
    solver: str = setting("", "flow: heun or euler; empty: as trained")
    solver_steps: str = setting("", "flow: steps of the solver; empty: as trained")
    truncation: str = setting("", "gan, pggan: below 1, safer and more alike; empty: as trained")


@dataclass(frozen=True)
class Data:
    """Show what is in your data: a table's columns, written to schema.toml for you to edit, or images, or texts.

    `genwright data get digits` (or emoji, adult) writes a small set that ships to --out; `genwright data get mnist --from
    DIR|URL` brings a known one there, checked.
    """

    file: tuple[str, ...] = setting((), "a table, images or texts; or: get NAME", positional=True)
    rules: bool = setting(False, "find rules that hold in all rows of a table and write them to rules.toml")
    out: str = setting("", "where to write the finding (schema.toml, rules.toml), or the data that are brought")
    force: bool = setting(False, "replace an existing file")
    size: int = setting(0, "images: side of the squares that they become; 0: by looking", low=0, high=512)
    grey: bool = setting(False, "images: drop the colours")
    delimiter: str = setting("", "what parts the cells of a text file, where that is not found; \\t for a tab")
    from_: str = setting("", "for get: folder or address that has the files")


@dataclass(frozen=True)
class Info:
    """Say how a run was made, how far it is and what is in it."""

    run: str = setting("", "folder of the run", positional=True)
    privacy: bool = setting(False, "show the privacy ledger, with epsilon computed anew")


@dataclass(frozen=True)
class Audit:
    """Attack a run, and say what the attack proves of its epsilon beside what the run claims.

    The run is trained once more by its own settings, on its data and on canaries: made-up rows, images or texts, each of
    which a coin puts in or leaves out. Then the model is asked which ones it saw. So many right guesses are too unlikely
    below a certain epsilon: that is the lower bound. It may be far below the truth, since another attack may do better;
    above the claim, it refutes it, and the command ends with exit status 1. An audit takes about as long as the training
    did. It looks at the data outside of any guarantee, so its finding, audit.json in the run's folder, is no part of a
    release.
    """

    run: str = setting("", "folder of the run", positional=True)
    canaries: int = setting(
        1000, "examples to plant or not: more show more, up to about a tenth of the data", low=20, high=1_000_000
    )
    data: str = setting("", "the training data; empty: where they were")
    seed: int = setting(0, "seed of the canaries and their coins", low=0)


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
    "chat": Chat,
    "report": Report,
    "compare": Compare,
    "impute": Impute,
    "interpolate": Interpolate,
    "edit": Edit,
    "reconstruct": Reconstruct,
    "export": Export,
    "models": Models,
    "data": Data,
    "list": List,
    "info": Info,
    "audit": Audit,
    "demo": Demo,
    "doctor": Doctor,
}
