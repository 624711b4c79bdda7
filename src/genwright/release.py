"""What may leave the building of a run under a guarantee: all that sampling needs, and nothing that was read past the ledger.

The released folder opens and samples as the run does. Read `guarantee.py` for how the run was planned.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from genwright import card
from genwright import settings as settings_layer
from genwright.errors import GenwrightError
from genwright.folder import write_json, write_text
from genwright.guarantee import LEDGER
from genwright.run import FORMAT, Run
from genwright.tables import RULES

WHOLE = ("codec.json", "codec.safetensors", "weights.safetensors", LEDGER)
PUBLIC = ("columns", "rules", "shape", "classes", "form", "conditions")  # of what is known of the data
NAMED = ("data", "test", "schema", "rules", "out")  # settings that name files of the owner


def release(run: Run, folder: Path) -> Path:
    """Write the release of a finished run into a new folder. GW-0614 for a run without a guarantee, GW-0310 if it exists."""
    facts = run.facts()
    if "privacy" not in facts:
        raise GenwrightError("GW-0614", f"{str(run.folder)!r} has no privacy guarantee", "Train with --epsilon.")
    if folder.exists():
        raise GenwrightError("GW-0310", f"{str(folder)!r} exists", "Choose another --out.")
    _ = run.codec, run.model  # checked as they are read
    folder.mkdir(parents=True)
    for name in (*WHOLE, *([RULES] if run.state["data"].get("rules") else [])):
        shutil.copyfile(run.folder / name, folder / name)
    given = settings_layer.from_file(run.folder / "run.toml")
    write_text(folder / "run.toml", settings_layer.given_to_toml({**given, **dict.fromkeys(NAMED, "")}))
    write_json(folder / "state.json", _state(run.state))
    write_text(folder / "card.md", card.released(type(run)(folder)))
    return folder


def _state(state: dict[str, Any]) -> dict[str, Any]:
    """How the run was made, without numbers of rows, fingerprints, times, and categories that a frame had declared."""
    outcome = {name: state["outcome"][name] for name in ("parameters", "steps") if name in state["outcome"]}
    # Rules are declared, as are classes and sizes of images: under a guarantee none are found.
    data = {"name": "", **{name: state["data"][name] for name in PUBLIC if name in state["data"]}}
    if "origin" in state["data"]:
        data["origin"] = {**state["data"]["origin"], "categories": {}}
    return {
        "format": FORMAT,
        "status": "finished",
        "data": data,
        "outcome": outcome,
        "privacy": state["privacy"],
        "versions": state["versions"],
        "files": state["files"],
    }
