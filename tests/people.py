"""A small real table for tests that train: the first rows of the census sample that ships with the package."""

from importlib.resources import files
from pathlib import Path

import polars as pl

SAMPLES = Path(str(files("genwright") / "data" / "samples"))


def frame(rows: int = 600) -> pl.DataFrame:
    """The first census rows, typed by polars."""
    return pl.read_csv(SAMPLES / "adult_train.csv.gz").head(rows)


def csv(folder: Path, rows: int = 600, name: str = "people.csv") -> Path:
    """The first census rows as a CSV file."""
    path = folder / name
    frame(rows).write_csv(path)
    return path
