"""Several models trained one after another on the same data, each within one time budget, for `comparison.py` to set side by
side. The same contest in the same folder goes on where it was stopped.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genwright import settings as settings_layer
from genwright.errors import GenwrightError, did_you_mean
from genwright.given import complete
from genwright.modalities import open_run
from genwright.models import MODELS
from genwright.progress import Progress
from genwright.run import Run
from genwright.trainer import resume_run, start
from genwright.training.ranks import launched
from genwright.training.stop import Interrupted

USUAL = {"row": "best", "grid": "quick", "tokens": "quick"}
"""Presets by kind: the steps of "best" for tables, else the networks of "quick": larger ones learn too little in minutes."""


@dataclass(frozen=True)
class Contest:
    """What is trained on `data`: a path or a frame. `given`: settings of all trainings by dotted name."""

    data: Any
    models: Sequence[str]
    folder: Path
    given: Mapping[str, Any]
    preset: str = ""

    def check(self) -> None:
        """GW-0205 for an unknown model, GW-0213 for models of different kinds of data, GW-0309 for runs in the folder that
        were asked for otherwise, GW-0408 with torchrun."""
        if launched():
            raise GenwrightError(
                "GW-0408", "Several processes train one model", "Start genwright compare without torchrun"
            )
        for name in self.models:
            if name not in MODELS:
                raise GenwrightError("GW-0205", f"There is no model {name!r}", did_you_mean(name, list(MODELS)))
            if MODELS[name].kind != MODELS[self.models[0]].kind:
                what = f"{self.models[0]} and {name} are not for the same kind of data"
                raise GenwrightError("GW-0213", what, "Compare models of one kind: genwright models lists them.")
        for name in self.models:
            self._check_same(name)

    def train(self, *, quiet: bool) -> tuple[list[Run], dict[str, GenwrightError]]:
        """The finished runs, and what the models that failed said. The first error if none finished. Interrupted, saying how
        to go on, if a stop is asked for."""
        runs, failed = [], dict[str, GenwrightError]()
        for name in dict.fromkeys(self.models):
            gc.collect()  # what the training before has left would count as memory of this one
            try:
                runs.append(self._trained(name, quiet))
            except GenwrightError as error:
                failed[name] = error
                Progress(quiet=quiet).say(f"{name} is left out: {error}")
            except Interrupted:
                raise Interrupted(
                    f"Stopped. What was done is saved; the same command with --out {self.folder} goes on."
                ) from None
        if not runs:
            raise next(iter(failed.values()))
        return runs, failed

    def _trained(self, name: str, quiet: bool) -> Run:
        """A new run, or the one that is in the folder, gone on with."""
        folder = self.folder / name
        if not (folder / "run.toml").exists():
            return start(self.data, {**self._settings(name), "out": str(folder)}, quiet=quiet)
        run = open_run(folder)
        if run.state["status"] == "finished":
            return run
        return resume_run(folder, data=None if isinstance(self.data, str | Path) else self.data, quiet=quiet)

    def _check_same(self, name: str) -> None:
        file = self.folder / name / "run.toml"
        if not file.exists():
            return
        asked = {key.replace("-", "_"): value for key, value in complete(self.data, self._settings(name)).items()}
        wanted, there = (
            settings_layer.flatten(settings_layer.build(x)) for x in (asked, settings_layer.from_file(file))
        )
        changed = [key for key in asked if key in wanted and key != "out" and wanted[key] != there.get(key)]
        if changed:
            what = f"{str(file.parent)!r} holds a run with another {changed[0]}"
            raise GenwrightError("GW-0309", what, "Choose another --out, or ask for the same.")

    def _settings(self, name: str) -> dict[str, Any]:
        return {**self.given, "model": name, "preset": self.preset or USUAL[MODELS[name].kind]}
