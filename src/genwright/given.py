"""What a training is asked for: the user's settings over the environment's, with the model named and what follows from them.

Read `trainer.py` next, which begins with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import tomli_w

from genwright import settings as settings_layer
from genwright.errors import GenwrightError
from genwright.modalities import default_model, open_run
from genwright.models import MODELS
from genwright.run import Run

PRIVATE_MODEL = "mixture"
OF_TABLES = ("rules", "unit")
PATHS = ("data", "test", "schema", "rules", "start", "images.inception")
CHOOSING = ("training.validation", "training.select_every")  # how a snapshot is chosen by its score on real examples


def complete(data: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings that are not left to presets, nor None, by dotted name; paths are absolute, so that a run is resumed and
    judged from wherever its owner stands. GW-0205 for an unknown model, GW-0202 for a setting of tables with a model that is
    for other data, and what the model says of its own settings."""
    given = {key: value for key, value in given.items() if value is not None}
    name = str(data) if isinstance(data, str | Path) else f"<{type(data).__module__.split('.')[0]} {_noun(data)}>"
    begun = first_run(given["start"]) if given.get("start") else None
    named = given.get("model.name") or given.get("model") or settings_layer.environment_model()
    model = str(named or (settings_layer.model_name(begun.settings) if begun else _suiting(data, given)))
    given = {"model": model, **settings_layer.from_environment(model=model), **given, "data": name}
    if float(given.get("epsilon") or 0):
        given = {**dict.fromkeys(CHOOSING, 0), **given}
    if begun:
        given = {**_of_start(begun, model), **given}
    elif model == "gpt" and int(given.get("model.rank") or 0):
        what = "Adapters (--model.rank) tune weights that have learned, and a new gpt has none"
        raise GenwrightError("GW-0214", what, "Give --start RUN, or leave out --model.rank.")
    for key in OF_TABLES:
        if given.get(key) and MODELS[settings_layer.named_model(given)].kind != "row":
            raise GenwrightError(
                "GW-0202", f"The setting {key} is for tables, and {model} is not", f"Leave out --{key}."
            )
    if isinstance(given.get("rules"), Mapping):
        given["rules"] = tomli_w.dumps(given["rules"])
    for key in PATHS:
        if given.get(key) and not str(given[key]).startswith("<") and "\n" not in str(given[key]):  # rules as text
            given[key] = str(Path(given[key]).expanduser().absolute())
    return dict(MODELS[settings_layer.named_model(given)].follow(given))


def check_choice(given: Mapping[str, Any]) -> None:
    """GW-0601, naming it, for a setting of the choice of a snapshot that the user gave together with --epsilon."""
    asked = {name.replace("-", "_"): value for name, value in {**settings_layer.from_environment(), **given}.items()}
    known = {name: asked[name] for name in (*CHOOSING, "epsilon") if asked.get(name) is not None}
    settings = settings_layer.flatten(settings_layer.build(known))
    for name in CHOOSING:
        if name in known and settings[name] and settings["epsilon"]:
            what = f"--{name}: to choose a snapshot by its score is to look at real examples without noise"
            raise GenwrightError(
                "GW-0601", f"{what}, which cannot go with --epsilon", "Leave it out: the last averaged weights ship."
            )


def _suiting(data: Any, given: Mapping[str, Any]) -> str:
    """The default model; of tables under a guarantee, the one that is best there."""
    usual = default_model(data, (key for key, value in given.items() if value))
    private = float(given.get("epsilon") or 0) > 0 and MODELS[usual].kind == "row"
    return PRIVATE_MODEL if private else usual


def first_run(folder: str | Path) -> Run:
    """The run that a training begins with. GW-0214 if it is not one of texts that has weights to go on from."""
    run = open_run(folder)
    entry = MODELS[settings_layer.model_name(run.settings)]
    if entry.kind != "tokens" or not entry.load().phases or not run.state.get("files"):
        raise GenwrightError(
            "GW-0214",
            f"{str(folder)!r} is no finished run on texts whose weights can be tuned further",
            "Give --start a run of model gpt.",
        )
    return run


def _of_start(run: Run, model: str) -> dict[str, Any]:
    """The settings of a run that one that begins with it shares: its network and its tokens."""
    own = settings_layer.model_name(run.settings)
    if model != own:
        raise GenwrightError("GW-0214", f"The run to start from is of model {own}, not {model}", "Leave out --model.")
    settings = run.settings
    network = {f"model.{f.name}": getattr(settings.model, f.name) for f in fields(settings.model)}
    return {**network, "text.tokeniser": settings.text.tokeniser, "text.context": settings.text.context}


def _noun(data: Any) -> str:
    return "array" if hasattr(data, "shape") and not hasattr(data, "columns") else "frame"
