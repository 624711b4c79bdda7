"""train(): data in, finished Run out; a new one, or one that goes on. Read `stages.py` next for what happens between."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genwright import settings as settings_layer
from genwright.errors import GenwrightError
from genwright.folder import locked, next_free, write_text
from genwright.given import check_choice, complete
from genwright.guarantee import LEDGER, anything_spent
from genwright.modalities import new_run, open_run
from genwright.models import MODELS
from genwright.progress import Progress
from genwright.run import Run
from genwright.stages import Stages
from genwright.tables import RULES
from genwright.training.ranks import Ranks, joined
from genwright.training.stop import Interrupted, Stop


def train(data: Any = None, *, resume: str | Path | None = None, quiet: bool = False, **settings: Any) -> Run:
    """Train a model on a table or on images and return the finished run.

    `data` is a path (CSV, Parquet, JSON lines; a folder or archive of images), a pandas, polars or Arrow frame, an array of
    images, (N, height, width, channels) uint8, or a pair of such an array and its labels. Settings are those of
    `genwright train --help`, with dots for nested ones: train(frame, model="tvae", time="3m", **{"model.width": 128}).
    `resume` continues a stopped run to the same bytes; with `steps="+500"` a finished one goes on longer.
    """
    if resume is not None:
        return resume_run(resume, data=data, steps=settings.get("steps"), quiet=quiet)
    if data is None:
        raise GenwrightError("GW-0207", "There is nothing to train on", "Give a file or a frame, or resume=FOLDER.")
    check_choice(settings)
    return start(data, settings, quiet=quiet)


def start(data: Any, given: Mapping[str, Any], *, quiet: bool = False) -> Run:
    """A new run from settings by dotted name (over the environment's). With torchrun, the processes that do not lead have
    one of their own in a temporary folder, which goes away."""
    with joined() as ranks, contextlib.ExitStack() as stack:
        if not ranks.leads:
            own = stack.enter_context(tempfile.TemporaryDirectory(prefix="genwright-"))
            given = {**given, "out": str(Path(own) / "run")}
        run = _started(data, complete(data, given), quiet or not ranks.leads, ranks)
        return _of_leader(run, ranks)


def _started(data: Any, given: dict[str, Any], quiet: bool, ranks: Ranks) -> Run:
    settings = settings_layer.build(given)
    stem = Path(given["data"].strip("<>")).name.split(".")[0].replace(" ", "-") or "run"
    folder = Path(settings.out) if settings.out else next_free(Path("runs"), stem)
    if (folder / "run.toml").exists():
        raise GenwrightError(
            "GW-0309", f"{str(folder)!r} already holds a run", f"Choose another --out, or go on with --resume {folder}."
        )
    given["out"] = str(folder)
    stop = Stop()
    with stop.listening(), locked(folder):  # from the first file on: a stopped run can always go on
        write_text(folder / "run.toml", settings_layer.given_to_toml(given))
        run = new_run(folder, settings_layer.model_name(settings))
        run.data = None if isinstance(data, str | Path) else data
        try:
            return Stages(run, given, Progress(quiet=quiet), stop, ranks).go()
        except Interrupted:
            raise
        except Exception as error:
            # A mistake of the user's can be met late; a defect of Genwright's, once the data are read, leaves what can go on.
            if (
                (isinstance(error, GenwrightError) or not (folder / "state.json").exists())
                and run.state["status"] == "started"
                and not (folder / "checkpoints").exists()
                and not anything_spent(folder)
            ):
                _forget(folder)
            raise


def resume_run(folder: str | Path, *, data: Any = None, steps: Any = None, quiet: bool = False) -> Run:
    """Go on with a stopped run, or with `steps` as "+500" longer than a finished one."""
    with joined() as ranks, contextlib.ExitStack() as stack:
        if not ranks.leads:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="genwright-"))
        elif ranks.number > 1:
            open_run(folder)  # before the others wait for it
        ranks.same_files(Path(folder))
        return _of_leader(_resumed(folder, data, steps, quiet or not ranks.leads, ranks), ranks)


def _resumed(folder: str | Path, data: Any, steps: Any, quiet: bool, ranks: Ranks) -> Run:
    run = open_run(folder)
    run.data = data
    stop = Stop()
    with stop.listening(), locked(run.folder):
        given = settings_layer.from_file(run.folder / "run.toml")
        more = _more_steps(run, given, steps)
        if run.state["status"] == "finished" and not more:
            Progress(quiet=quiet).say(f"{run.folder} is finished: nothing to resume (--steps +500 would go on longer).")
            return run
        if more:
            given["steps"] = more
            write_text(run.folder / "run.toml", settings_layer.given_to_toml(given))
            run.update_state(status="started")
        return Stages(run, given, Progress(quiet=quiet), stop, ranks).go()


def _of_leader(run: Run, ranks: Ranks) -> Run:
    """The run; the other processes, which have done their part, end here."""
    if not ranks.leads:
        raise SystemExit(0)
    return run


def _forget(folder: Path) -> None:
    """Take back what a training that could not begin has written: a mistake in its words leaves no run behind."""
    for name in ("run.toml", "schema.toml", RULES, "state.json", "log.jsonl", LEDGER, "lock"):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty: somebody else's files
        folder.rmdir()


def _more_steps(run: Run, given: Mapping[str, Any], steps: Any) -> int | None:
    if steps is None:
        return None
    text = str(steps)
    if not text.startswith("+") or not text[1:].isdigit() or int(text[1:]) == 0:
        raise GenwrightError("GW-0208", f"Cannot resume to {text!r} steps", "Say how many more, as --steps +500.")
    if not MODELS[str(given.get("model.name", settings_layer.DEFAULT_MODEL))].load().phases:
        raise GenwrightError("GW-0208", "This model has no steps to add", "Leave out --steps.")
    if run.settings.epsilon:
        what = "The steps of a training under a guarantee are planned before the first, and there are no more"
        raise GenwrightError("GW-0208", what, "Leave out --steps.")
    planned = run.settings.steps
    return (run.state.get("outcome", {}).get("steps") or planned) + int(text[1:])
