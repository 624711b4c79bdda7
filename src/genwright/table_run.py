"""TableRun: a run on a table - rows, imputation, the table report. The rest of a run is in `run.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from genwright.codecs.table import TableCodec
from genwright.config import Train
from genwright.data.origin import Origin
from genwright.data.sources import open_table
from genwright.data.writers import to_user_frame, write_table
from genwright.errors import GenwrightError
from genwright.metrics.table import score
from genwright.progress import Advance, no_progress
from genwright.report import Report, write_report
from genwright.run import Run
from genwright.tables import FRAME_ROWS, Table, read_like


class TableRun(Run):
    """A run on a table."""

    codec_class = TableCodec
    examples_at_a_time = 16_384
    noun = "rows"
    sample_words = frozenset({"where"})

    def open_dataset(self, data: Any, settings: Train) -> Table:
        """The table, split; once trained, typed by the schema of then."""
        return Table.open(data, settings, self.codec.schema if self.state["status"] != "started" else None)

    def sample(self, n: int = 1000, *, where: Mapping[str, Any] | None = None, seed: int = 0) -> Any:
        """n synthetic rows, as the kind of frame that was trained on; a typed polars frame if it was a file.

        `where` maps columns to the value that every row must have. Same seed, same rows; it has nothing to do with the
        seed of the training.
        """
        return self._users(self.sample_typed(n, where=where, seed=seed), self.origin)

    def sample_typed(
        self, n: int, *, where: Mapping[str, Any] | None = None, seed: int = 0, advance: Advance = no_progress
    ) -> pl.DataFrame:
        """n synthetic rows as a typed polars frame, whatever was trained on; advance(done, total) after each chunk."""
        if n < 1:
            raise GenwrightError("GW-0206", f"Cannot draw {n} rows", "Ask for one row or more.")
        condition = torch.from_numpy(self.codec.encode_condition(dict(where), n)) if where else None
        codes = self._codes(n, condition, seed, advance)
        frame = self.codec.decode(codes, generator=np.random.default_rng([seed, 1]), where=where)
        return frame

    def _users(self, typed: pl.DataFrame, origin: Origin) -> Any:
        """In a file every cell has its text; in Python it has its type, and a frame that of the user's library."""
        if origin.format != "frame":
            return typed
        return to_user_frame(self.codec.schema.format(typed) if self.origin.format == "frame" else typed, origin)

    def _filed(self, typed: pl.DataFrame, path: Path) -> pl.DataFrame:
        """Text files get the user's own texts, Parquet and JSON lines of a text file's run get types."""
        text = self.origin.format == "csv" and Path(path).name.endswith((".parquet", ".jsonl", ".jsonl.gz"))
        return typed if text else self.codec.schema.format(typed)

    def impute(self, table: Any, *, seed: int = 0) -> Any:
        """The table (path or frame) with its missing values drawn from the model, given each row's other values."""
        return self._users(self._impute(table, seed), open_table(table).origin)

    def write_imputed(self, table: Any, path: Path, *, seed: int = 0) -> int:
        """Impute a table into a file; returns the number of its rows."""
        frame = self._impute(table, seed)
        write_table(self._filed(frame, path), path, open_table(table).origin)
        return len(frame)

    def _impute(self, table: Any, seed: int) -> pl.DataFrame:
        typed = read_like(table, self.codec.schema, what="table to impute", most=2**62)
        condition = torch.from_numpy(self.codec.encode_partial(typed))
        drawn = self.codec.decode(self._codes(len(typed), condition, seed), generator=np.random.default_rng([seed, 2]))
        filled = typed.with_columns(typed[name].fill_null(drawn[name]) for name in typed.columns)
        return filled

    def write_samples(
        self,
        path: Path,
        n: int,
        *,
        where: Mapping[str, Any] | None = None,
        seed: int = 0,
        advance: Advance = no_progress,
    ) -> Path:
        """n synthetic rows in a file; its suffix says the format, the rest is as in the training file."""
        frame = self.sample_typed(n, where=where, seed=seed, advance=advance)
        write_table(self._filed(frame, path), path, self.origin)
        return path

    def report(
        self,
        *,
        data: Any = None,
        test: Any = None,
        target: str | None = None,
        effort: str = "full",
        language: str = "auto",
        seed: int = 0,
        out: str | Path | None = None,
        advance: Advance = no_progress,
    ) -> Report:
        """Judge as many synthetic rows as training rows; writes report.json and report.html into the folder (or `out`).

        The training data are read again from where they were (give `data` when it was a frame); GW-0307 if changed.
        """
        settings = self.settings
        table = self.open_dataset(self.training_data(data), settings)
        self.check_fingerprint(table)
        test = test or settings.test or None
        train = table.frame(seed=seed)
        holdout = read_like(test, self.codec.schema, what="test file") if test else table.frame(held=True, seed=seed)
        target = target or settings.target or None
        kinds = {column.name: column.kind for column in self.codec.schema.columns}
        synthetic = self.sample_typed(min(len(train), FRAME_ROWS), seed=seed)
        scores = score(train, holdout, synthetic, kinds, target=target, effort=effort, seed=seed, progress=advance)
        write_report(Path(out or self.folder), scores, self.facts(), language=language)
        return Report(scores, self.facts())

    def first_samples(self, advance: Advance) -> Path:
        """As many synthetic rows as the settings say, in samples/."""
        rows = self.settings.rows or min(self.state["data"]["training_rows"], FRAME_ROWS)
        return self.write_samples(self.folder / "samples" / f"synthetic{self.suffix}", rows, advance=advance)

    @property
    def suffix(self) -> str:
        """Of the files that samples go to: the training file's format, CSV for frames."""
        return {"parquet": ".parquet", "jsonl": ".jsonl"}.get(self.origin.format, ".csv")

    @property
    def origin(self) -> Origin:
        """What the training data were: format, dialect, kind of frame."""
        return Origin.from_json(self.state.get("data", {}).get("origin", {}))

    def _codes(self, n: int, condition: torch.Tensor | None, seed: int, advance: Advance = no_progress) -> np.ndarray:
        return np.concatenate([x.numpy().astype(np.uint16) for x in self._draw(n, condition, seed, advance)])
