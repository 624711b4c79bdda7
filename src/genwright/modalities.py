"""The kinds of data, in one literal table: which Run a folder is, and which model suits data of which nothing is said.

Read `run.py` next for what a run can do, `dataset.py` for what a new kind of data has to bring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from genwright import settings as settings_layer
from genwright.data.images import looks_like_images
from genwright.data.texts import looks_like_texts
from genwright.errors import GenwrightError
from genwright.models import MODELS
from genwright.run import FORMAT, Run

SAYS_TEXTS = {"text.column", "text.separator"}  # whoever says where texts are has texts
DEFAULT_MODELS = {"row": settings_layer.DEFAULT_MODEL, "grid": "flow", "tokens": "gpt"}


def _table_run() -> type[Run]:
    from genwright.table_run import TableRun

    return TableRun


def _image_run() -> type[Run]:
    from genwright.image_run import ImageRun

    return ImageRun


def _text_run() -> type[Run]:
    from genwright.text_run import TextRun

    return TextRun


RUNS: dict[str, Callable[[], type[Run]]] = {"row": _table_run, "grid": _image_run, "tokens": _text_run}
"""The Run for each DataSpec kind, loaded when it is needed."""


def default_model(data: Any, said: Iterable[str] = ()) -> str:
    """The model to take when the user names none: by what the settings that are said are for, else by what the data look
    like."""
    if not SAYS_TEXTS.isdisjoint(said):
        return DEFAULT_MODELS["tokens"]
    kind = "grid" if looks_like_images(data) else "tokens" if looks_like_texts(data) else "row"
    return DEFAULT_MODELS[kind]


def new_run(folder: Path, model: str) -> Run:
    """The run in a folder, of the kind that the model is for."""
    return RUNS[MODELS[model].kind]()(folder)


def model_of(folder: Path) -> str:
    """The model that a run folder is for. GW-0205 if there is none of that name."""
    given = settings_layer.from_file(folder / "run.toml")
    return settings_layer.named_model(given)


def open_run(path: str | Path) -> Run:
    """Open a run folder. GW-0305 if it is not one, GW-0306 if a newer Genwright made it."""
    folder = Path(path)
    if not (folder / "run.toml").is_file():
        raise GenwrightError(
            "GW-0305",
            f"{str(folder)!r} is not a run folder",
            "Give a folder that `genwright train` made; see genwright list.",
        )
    run = new_run(folder, model_of(folder))
    if run.state.get("format", FORMAT) > FORMAT:
        raise GenwrightError(
            "GW-0306", f"{str(folder)!r} was made by a newer Genwright", "Update Genwright to open it."
        )
    return run
