"""Run: a folder with a trained model, and what can be done with it whatever its data are. Made by `trainer.py`.

All that it holds is text, JSON and safetensors: opening a stranger's folder runs no code, and every file that sampling
needs is checked against its SHA-256 first. Read `table_run.py` or `image_run.py` next: what rows and images add.
"""

from __future__ import annotations

import functools
import html
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genwright import settings as settings_layer
from genwright.config import Train
from genwright.contract import DataSpec, GenerativeModel
from genwright.dataset import Dataset
from genwright.errors import GenwrightError, did_you_mean
from genwright.folder import read_json, sha256, write_json
from genwright.models import MODELS
from genwright.progress import Advance, no_progress
from genwright.report import Report
from genwright.selection import SampleJudge
from genwright.training.checkpoints import load_tensors
from genwright.training.devices import choose_device, set_threads

FORMAT = 1


class Run(ABC):
    """A run folder. Nothing is read before it is needed. Subclasses are final: one for each kind of data."""

    codec_class: Any
    noun: str
    """What examples are called: rows, images."""
    first_name = "synthetic"
    """Of the file that a finished training leaves in samples/, without its suffix."""

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
    def codec(self) -> Any:
        """The codec, checked: a `codec_class`."""
        self._check("codec.json", "codec.safetensors")
        arrays = {name: tensor.numpy() for name, tensor in load_tensors(self.folder / "codec.safetensors").items()}
        return self.codec_class.from_json(read_json(self.folder / "codec.json"), arrays)

    @functools.cached_property
    def model(self) -> GenerativeModel:
        """The model with the weights that ship, checked, on the run's device and in evaluation mode."""
        return self._model(self.settings.model)

    def model_with(self, **changes: Any) -> GenerativeModel:
        """The model with other settings of its sampler (those marked so in `config.py`). GW-0202 for any others."""
        given = {name: value for name, value in changes.items() if value not in (None, "")}
        known = {f.name: f for f in fields(self.settings.model) if f.metadata.get("at_sampling")}
        values = {}
        for name, value in given.items():
            if name not in known:
                model = settings_layer.model_name(self.settings)
                raise GenwrightError(
                    "GW-0202", f"Samples of {model} have no setting {name!r}", did_you_mean(name, list(known))
                )
            values[name] = settings_layer.convert(name, known[name], type(known[name].default), value)
        return self._model(replace(self.settings.model, **values)) if values else self.model

    def _model(self, settings: Any) -> GenerativeModel:
        self._check("weights.safetensors")
        model = build_model(settings_layer.model_name(self.settings), settings, self.codec.spec)
        weights = load_tensors(self.folder / "weights.safetensors")
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise GenwrightError(
                "GW-0304", f"The weights of {str(self.folder)!r} do not fit its settings ({error})", "Train again."
            ) from None
        set_threads(self.settings.threads)
        return model.to(choose_device(self.settings.device)).eval()

    @abstractmethod
    def open_dataset(self, data: Any, settings: Train) -> Dataset:
        """The user's data, opened and split as the settings say; once trained, read as they were then."""

    @abstractmethod
    def sample(self, n: int = 1000, *, seed: int = 0) -> Any:
        """n synthetic examples, as the kind of data that was trained on. Same seed, same examples."""

    @abstractmethod
    def write_samples(self, path: Path, n: int, *, seed: int = 0, advance: Advance = no_progress) -> Path:
        """n synthetic examples in a file or folder."""

    @property
    @abstractmethod
    def suffix(self) -> str:
        """Of files of samples; "" for a folder."""

    @property
    def first_path(self) -> Path:
        """Where `first_samples` writes."""
        return self.folder / "samples" / f"{self.first_name}{self.suffix}"

    @abstractmethod
    def first_samples(self, advance: Advance) -> Path:
        """What a finished training leaves in samples/, and where."""

    @abstractmethod
    def report(
        self, *, effort: str = "full", language: str = "auto", seed: int = 0, advance: Advance = no_progress
    ) -> Report:
        """Judge synthetic examples beside training and held-out ones; writes report.json and report.html."""

    def judge(self, codec: Any, real: Any) -> SampleJudge | None:
        """What compares samples with real examples while training, for models that select by SAMPLES; None: nothing does."""
        return None

    def watcher(self, codec: Any) -> Callable[[int, GenerativeModel], None] | None:
        """What looks at the model after each checkpoint, for pictures of the progress; None: nothing."""
        return None

    def seconds_of_report(self, codec: Any, model: GenerativeModel) -> float:
        """How long samples and report will take after the training, where that is known beforehand, else 0."""
        return 0.0

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

    def check_fingerprint(self, dataset: Dataset) -> None:
        """GW-0307 if the data are not those that the run was started on."""
        wanted = self.state.get("data", {}).get("fingerprint")
        if wanted and dataset.fingerprint() != wanted:
            raise GenwrightError(
                "GW-0307",
                f"The data in {dataset.name!r} have changed since the run was started",
                "Restore the file, or train a new run on the changed data.",
            )

    def never_drawn(self) -> str:
        """For the card: a sentence on what samples leave out to protect people; empty: nothing."""
        return ""

    def facts(self) -> dict[str, Any]:
        """How the run was made, for report, card and `genwright info`."""
        state = self.state
        guarantee = {"epsilon": state["privacy"]["epsilon"]} if "privacy" in state else {}
        return {
            "name": state.get("data", {}).get("name", ""),
            "model": settings_layer.model_name(self.settings),
            **guarantee,
            "settings": {name: value for name, value in settings_layer.flatten(self.settings).items() if value != ""},
            **{
                name: state[name]
                for name in ("data", "outcome", "seconds", "memory_mb", "versions", "files", "privacy")
                if name in state
            },
        }

    @property
    @abstractmethod
    def examples_at_a_time(self) -> int:
        """Drawn in one piece: bounds memory, and fixes which random numbers an example gets."""

    def log(self) -> list[dict[str, float]]:
        """The losses by step: the rows of log.jsonl."""
        path = self.folder / "log.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def update_state(self, **changes: Any) -> None:
        """Write state.json with some entries changed."""
        write_json(self.folder / "state.json", {**self.state, **changes})

    def _draw(
        self,
        n: int,
        condition: torch.Tensor | None,
        seed: int,
        advance: Advance = no_progress,
        model: GenerativeModel | None = None,
    ) -> Iterator[torch.Tensor]:
        """n new examples, as the codec decodes them, in pieces."""
        model = model or self.model
        device = choose_device(self.settings.device)
        for index, start in enumerate(range(0, n, self.examples_at_a_time)):
            size = min(self.examples_at_a_time, n - start)
            generator = torch.Generator(device).manual_seed(
                int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
            )
            given = None if condition is None else condition[start : start + size].to(device).contiguous()
            yield self._sample(model, size, given, generator)
            advance(start + size, n)

    def _sample(
        self, model: GenerativeModel, n: int, condition: torch.Tensor | None, generator: torch.Generator
    ) -> torch.Tensor:
        """n new examples in one piece, on the processor."""
        return model.sample(n, condition=condition, generator=generator).x.cpu()

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


def build_model(name: str, settings: Any, spec: DataSpec) -> GenerativeModel:
    """The named model with its own settings for the data, with fresh weights."""
    model = MODELS[name].load()(spec, **asdict(settings))
    if spec.kind == "grid":
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    return model
