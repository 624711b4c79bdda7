"""Run: a folder with a trained model, and what can be done with it. Made by `trainer.py`, opened with `genwright.open`.

All that it holds is text, JSON and safetensors: opening a stranger's folder runs no code, and every file that sampling
needs is checked against its SHA-256 first.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from genwright import settings as settings_layer
from genwright.codecs.table import TableCodec
from genwright.config import Train
from genwright.contract import GenerativeModel
from genwright.data.origin import Origin
from genwright.data.sources import open_table
from genwright.data.writers import to_user_frame, write_table
from genwright.errors import GenwrightError
from genwright.folder import read_json, sha256, write_json
from genwright.metrics.table import score
from genwright.models import MODELS
from genwright.progress import Advance, no_progress
from genwright.report import Report, write_report
from genwright.tables import FRAME_ROWS, Table, read_like
from genwright.training.checkpoints import load_tensors
from genwright.training.devices import choose_device, set_threads

FORMAT = 1
CHUNK_ROWS = 16_384  # rows drawn at a time: bounds memory, and fixes which random numbers a row gets


def open_run(path: str | Path) -> Run:
    """Open a run folder. GW-0305 if it is not one, GW-0306 if a newer Genwright made it."""
    folder = Path(path)
    if not (folder / "run.toml").is_file():
        raise GenwrightError(
            "GW-0305",
            f"{str(folder)!r} is not a run folder",
            "Give a folder that `genwright train` made; see genwright list.",
        )
    run = Run(folder)
    if run.state.get("format", FORMAT) > FORMAT:
        raise GenwrightError(
            "GW-0306", f"{str(folder)!r} was made by a newer Genwright", "Update Genwright to open it."
        )
    return run


class Run:
    """A run folder. Nothing is read before it is needed."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.data: Any = None
        """The frame that was trained on, in the process that trained on it; a path is in the settings."""

    @functools.cached_property
    def settings(self) -> Train:
        """The settings, every default resolved."""
        return settings_layer.build(settings_layer.from_file(self.folder / "run.toml"))

    @property
    def state(self) -> dict[str, Any]:
        """How far the run is and how it was made: the content of state.json."""
        path = self.folder / "state.json"
        return read_json(path) if path.exists() else {"format": FORMAT, "status": "started"}

    @functools.cached_property
    def codec(self) -> TableCodec:
        """The codec, checked."""
        self._check("codec.json", "codec.safetensors")
        arrays = {name: tensor.numpy() for name, tensor in load_tensors(self.folder / "codec.safetensors").items()}
        return TableCodec.from_json(read_json(self.folder / "codec.json"), arrays)

    @functools.cached_property
    def model(self) -> GenerativeModel:
        """The model with the weights that ship, checked, on the run's device and in evaluation mode."""
        self._check("weights.safetensors")
        model = build_model(self.settings, self.codec)
        weights = load_tensors(self.folder / "weights.safetensors")
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise GenwrightError(
                "GW-0304", f"The weights of {str(self.folder)!r} do not fit its settings ({error})", "Train again."
            ) from None
        set_threads(self.settings.threads)
        return model.to(choose_device(self.settings.device)).eval()

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
        codes = self._draw(n, condition, seed, advance)
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
        drawn = self.codec.decode(self._draw(len(typed), condition, seed), generator=np.random.default_rng([seed, 2]))
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
        table = Table.open(self.training_data(data), settings, self.codec.schema)
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

    def training_data(self, data: Any = None) -> Any:
        """The data to read again: given, kept in this process, or the path in the settings. GW-0307 if there are none."""
        if data is not None:
            return data
        if self.data is not None:
            return self.data
        if self.settings.data.startswith("<"):
            raise GenwrightError(
                "GW-0307",
                f"The run was trained on {self.settings.data}, which is gone",
                "Give the frame again as data=...",
            )
        return self.settings.data

    def check_fingerprint(self, table: Table) -> None:
        """GW-0307 if the data are not those that the run was started on."""
        wanted = self.state.get("data", {}).get("fingerprint")
        if wanted and table.source.fingerprint() != wanted:
            raise GenwrightError(
                "GW-0307",
                f"The data in {table.source.name!r} have changed since the run was started",
                "Restore the file, or train a new run on the changed data.",
            )

    @property
    def origin(self) -> Origin:
        """What the training data were: format, dialect, kind of frame."""
        return Origin.from_json(self.state.get("data", {}).get("origin", {}))

    def facts(self) -> dict[str, Any]:
        """How the run was made, for report, card and `genwright info`."""
        state = self.state
        return {
            "name": state.get("data", {}).get("name", ""),
            "model": settings_layer.model_name(self.settings),
            "settings": {name: value for name, value in settings_layer.flatten(self.settings).items() if value != ""},
            **{name: state[name] for name in ("data", "outcome", "seconds", "versions", "files") if name in state},
        }

    def update_state(self, **changes: Any) -> None:
        """Write state.json with some entries changed."""
        write_json(self.folder / "state.json", {**self.state, **changes})

    def _draw(self, n: int, condition: torch.Tensor | None, seed: int, advance: Advance = no_progress) -> np.ndarray:
        device = choose_device(self.settings.device)
        chunks = []
        for index, start in enumerate(range(0, n, CHUNK_ROWS)):
            size = min(CHUNK_ROWS, n - start)
            generator = torch.Generator(device).manual_seed(
                int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
            )
            given = None if condition is None else condition[start : start + size].to(device)
            batch = self.model.sample(size, condition=given, generator=generator)
            chunks.append(batch.x.cpu().numpy().astype(np.uint16))
            advance(start + size, n)
        return np.concatenate(chunks)

    def _check(self, *names: str) -> None:
        """GW-0304, naming the file, if one is missing or is not what was written."""
        sums = self.state.get("files", {})
        if not sums:
            raise GenwrightError(
                "GW-0308",
                f"The run {str(self.folder)!r} is not trained to its end",
                f"genwright train --resume {self.folder}",
            )
        for name in names:
            path = self.folder / name
            if not path.is_file() or sha256(path) != sums.get(name):
                raise GenwrightError("GW-0304", f"{str(path)!r} is missing or damaged", "Restore it, or train again.")

    def __repr__(self) -> str:
        return f"<genwright.Run {str(self.folder)!r}: {self.state['status']}>"

    def _repr_html_(self) -> str:
        facts = self.facts()
        rows = {"model": facts["model"], "status": self.state["status"], **facts.get("outcome", {})}
        cells = "".join(
            f"<tr><th>{html.escape(str(k))}</th><td>{html.escape(str(v))}</td></tr>" for k, v in rows.items()
        )
        path = self.folder / "report.json"
        report = ""
        if path.exists():
            report = Report.load(path)._repr_html_()
        return f"<b>Run {html.escape(str(self.folder))}</b><table>{cells}</table>{report}"


def build_model(settings: Train, codec: TableCodec) -> GenerativeModel:
    """The model of the settings for the codec's data, with fresh weights."""
    entry = MODELS[settings_layer.model_name(settings)]
    return entry.load()(codec.spec, **asdict(settings.model))
