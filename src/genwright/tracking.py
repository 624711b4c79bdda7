"""Following a training elsewhere: what log.jsonl holds, and the pictures of the progress, to TensorBoard or W&B.

Nothing leaves the machine: TensorBoard's files lie in the run folder, and W&B writes its own there offline unless
WANDB_MODE says otherwise. `stages.py` opens a tracker and feeds it.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from genwright.data.image_writers import read_png
from genwright.errors import GenwrightError
from genwright.folder import write_text


class Tracker(Protocol):
    """Takes what a training says, step by step."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Losses and the learning rate, by the names of log.jsonl."""

    def image(self, step: int, path: Path) -> None:
        """A grid of samples, a PNG file."""

    def close(self) -> None:
        """Everything is on disk afterwards."""


def check_installed(track: str) -> None:
    """GW-0407 if the package behind a word of the setting `track` is not there."""
    if track != "none" and find_spec(track) is None:
        raise GenwrightError(
            "GW-0407", f"--track {track} needs the package {track}", "Install it with: pip install 'genwright[track]'"
        )


def open_tracker(track: str, folder: Path, *, step: int, facts: Mapping[str, Any]) -> Tracker:
    """The tracker that the setting `track` names, for a run folder whose training goes on after `step`.

    A run that was killed may have tracked more steps than its checkpoint has; they come again, and are kept once. To be
    called before log.jsonl is cut to that checkpoint. `facts` are the settings by dotted name.
    """
    if track == "tensorboard":
        return _TensorBoard(folder / "tensorboard", step)
    if track == "wandb":
        return _Wandb(folder, facts)
    return _Nowhere()


def following(watch: Callable[..., None] | None, folder: Path, tracker: Tracker) -> Callable[..., None] | None:
    """What watches the training, the picture that it may write in samples/steps/ going to the tracker as well."""
    if watch is None:
        return None

    def look(step: int, model: Any) -> None:
        watch(step, model)
        picture = folder / "samples" / "steps" / f"{step:08}.png"
        if picture.exists():
            tracker.image(step, picture)

    return look


class _Nowhere:
    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        pass

    def image(self, step: int, path: Path) -> None:
        pass

    def close(self) -> None:
        pass


class _TensorBoard:
    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(folder, purge_step=step + 1)  # readers forget what a killed run had after `step`

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()  # a kill loses no more than it does in log.jsonl

    def image(self, step: int, path: Path) -> None:
        self.writer.add_image("samples", read_png(path), step, dataformats="HWC")
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class _Wandb:
    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        os.environ.setdefault("WANDB_MODE", "offline")
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its crash reports would go out even offline
        import wandb

        self.wandb, self.logged = wandb, _last_logged(folder / "log.jsonl")  # steps are the same when they come again
        named = folder / "wandb" / "id.txt"  # the same over all resumptions
        if not named.exists():
            write_text(named, secrets.token_hex(4))
        self.run = wandb.init(
            dir=folder,
            name=folder.name,
            project="genwright",
            id=named.read_text(encoding="utf-8"),
            resume="allow",
            config=dict(facts),
            settings=wandb.Settings(
                silent=True, console="off", host="", disable_git=True, disable_code=True, x_disable_machine_info=True
            ),
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        if step > self.logged:
            self.run.log(dict(values), step=step)

    def image(self, step: int, path: Path) -> None:
        if step > self.logged:
            self.run.log({"samples": self.wandb.Image(str(path))}, step=step)

    def close(self) -> None:
        self.run.finish()


def _last_logged(path: Path) -> int:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return int([0, *re.findall(r'^{"step": (\d+),.*}$', text, re.MULTILINE)][-1])
