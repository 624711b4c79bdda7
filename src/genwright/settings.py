"""Merging settings: preset < TOML file < environment < flags, checked by type and range, with the nearest right name.

Between the layers a setting is a dotted name and a value ("training.batch_size": 256), so every source looks the same.
The classes themselves are in `config.py`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from genwright.config import Train
from genwright.errors import GenwrightError, did_you_mean
from genwright.model_presets import Extent
from genwright.models import MODELS

DEFAULT_MODEL = "tabular-ar"
ENVIRONMENT_PREFIX = "GENWRIGHT_"


def walk(settings: type, prefix: str = "", model: str = DEFAULT_MODEL) -> Iterator[tuple[str, Field, type]]:
    """Every leaf setting of a class as (dotted name, field, type); the model's own come from the named model."""
    hints = get_type_hints(settings)
    for item in fields(settings):
        kind = _model_settings(model) if item.name == "model" and settings is Train else hints[item.name]
        if is_dataclass(kind):
            yield from walk(kind, f"{prefix}{item.name}.", model)
        else:
            yield prefix + item.name, item, kind


def convert(name: str, item: Field, kind: type, value: Any) -> Any:
    """A text or TOML value as the setting's type and within its range, or GW-0201 saying what is allowed."""
    text = value.strip() if isinstance(value, str) else value
    try:
        if kind is bool:
            result: Any = _as_bool(text)
        elif kind is int:
            result = int(text.replace("_", "").replace(",", "")) if isinstance(text, str) else _as_int(text)
        elif kind is float:
            result = float(text)
        elif kind is str:
            result = str(value)
        else:  # tuple of str
            result = (value,) if isinstance(value, str) else tuple(str(part) for part in value)
    except (TypeError, ValueError):
        raise GenwrightError(
            "GW-0201", f"Setting {name} cannot be {value!r}", f"Give {_wanted(item, kind)}: {item.metadata['help']}."
        ) from None
    low, high, choices = (item.metadata[key] for key in ("low", "high", "choices"))
    too_low = low is not None and not result >= low
    too_high = high is not None and not result <= high
    if too_low or too_high:
        raise GenwrightError("GW-0201", f"Setting {name} cannot be {value!r}", f"Give {_wanted(item, kind)}.")
    if choices and result not in choices:
        raise GenwrightError("GW-0201", f"Setting {name} cannot be {value!r}", did_you_mean(str(value), list(choices)))
    return result


def build(given: Mapping[str, Any], extent: Extent | None = None) -> Train:
    """The complete training settings: given values over the preset's (which depend on how much there is to train on).

    `given` maps dotted names to values; "model" or "model.name" names the model. Raises GW-0201/0202.
    """
    model = named_model(given)
    given = {name: value for name, value in given.items() if name not in ("model", "model.name")}
    known = {name: (item, kind) for name, item, kind in walk(Train, model=model)}
    values = {}
    for name, value in given.items():
        name = name.replace("-", "_")
        if name not in known:
            raise GenwrightError(
                "GW-0202", f"There is no setting {name!r} for model {model}", did_you_mean(name, list(known))
            )
        values[name] = convert(name, *known[name], value)
    preset = values.get("preset", Train.preset)
    timed = bool(values.get("time"))
    if values.get("steps") == 0:  # the preset decides
        del values["steps"]
    return _construct(Train, {**MODELS[model].presets(preset, extent or Extent(), timed), **values}, model)


def named_model(given: Mapping[str, Any]) -> str:
    """The model that settings by dotted name are for. GW-0205 if there is none of that name."""
    model = str(given.get("model.name") or given.get("model") or DEFAULT_MODEL)
    _model_settings(model)
    return model


def from_file(path: str | Path) -> dict[str, Any]:
    """Settings of a TOML file (a run.toml or one written by hand) by dotted name. GW-0203 if it cannot be read."""
    try:
        tree = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GenwrightError("GW-0203", f"There is no settings file {str(path)!r}", "Check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise GenwrightError("GW-0203", f"{str(path)!r} is not a readable TOML file ({error})", "Mend it.") from None
    tree.pop("made", None)  # how a run was made; not a setting
    return dict(_flatten(tree))


def from_environment(environment: Mapping[str, str] | None = None, model: str = "") -> dict[str, Any]:
    """Settings given as GENWRIGHT_SEED, GENWRIGHT_TRAINING_BATCH_SIZE ...: the dotted name in capitals, dots as _.

    Those of the model are of the named one, else of GENWRIGHT_MODEL's, else of the default.
    """
    environment = os.environ if environment is None else environment
    model = model or environment.get(ENVIRONMENT_PREFIX + "MODEL", DEFAULT_MODEL)
    if model not in MODELS:
        model = DEFAULT_MODEL
    names = {name.replace(".", "_").upper(): name for name, _, _ in walk(Train, model=model)} | {"MODEL": "model"}
    return {
        names[key.removeprefix(ENVIRONMENT_PREFIX)]: value
        for key, value in environment.items()
        if key.startswith(ENVIRONMENT_PREFIX) and key.removeprefix(ENVIRONMENT_PREFIX) in names
    }


def environment_model() -> str:
    """The model that GENWRIGHT_MODEL names, or ""."""
    return os.environ.get(ENVIRONMENT_PREFIX + "MODEL", "")


def to_toml(settings: Train) -> str:
    """All settings, every default written out, each with its sentence: `train --config` on it repeats the run."""
    import tomli_w

    model = model_name(settings)
    flat = flatten(settings)
    sections: dict[str, list[str]] = {}
    for name, item, _ in walk(Train, model=model):
        section, _, key = name.rpartition(".")
        line = tomli_w.dumps({key: flat[name]}).rstrip()
        sections.setdefault(section, []).append(f"{line:<32}  # {item.metadata['help']}" if "\n" not in line else line)
    sections["model"] = [f'name = "{model}"', *sections.get("model", [])]
    head = sections.pop("")
    return "\n".join(head + [line for name, lines in sections.items() for line in ["", f"[{name}]", *lines]]) + "\n"


def given_to_toml(given: Mapping[str, Any]) -> str:
    """Only the given settings: what run.toml holds until the data have been read and the defaults are known."""
    import tomli_w

    tree: dict[str, Any] = {"model": {"name": DEFAULT_MODEL}}
    for name, value in given.items():
        *path, key = (name if name != "model" else "model.name").replace("-", "_").split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[key] = value
    return tomli_w.dumps(tree)


def flatten(settings: Train) -> dict[str, Any]:
    """The settings by dotted name, the model's name not among them."""
    return {name: _lookup(settings, name) for name, _, _ in walk(Train, model=model_name(settings))}


def model_name(settings: Train) -> str:
    """The model that the settings are for."""
    return next(name for name, entry in MODELS.items() if type(settings.model) is entry.settings)


def documentation() -> str:
    """docs/settings.md: every setting of `train`, with its default, range and meaning."""
    lines = [
        "# Settings",
        "",
        "Made from `src/genwright/config.py` by `python -m genwright.settings`; a test keeps it so.",
        "",
        "A setting is given as a flag (`--training.batch_size 256`), in a TOML file (`--config`), in the environment",
        '(`GENWRIGHT_TRAINING_BATCH_SIZE=256`) or in Python (`train(data, **{"training.batch_size": 256})`).',
        "Flags win over the environment, the environment over the file, the file over the preset.",
    ]
    groups: dict[str, list[str]] = {}
    for model in MODELS:
        for name, item, kind in walk(Train, model=model):
            section, _, key = name.rpartition(".")
            title = {"": "train", "model": f"model {model}"}.get(section, section)
            shown = item.default
            names = f"`{key}`" + (f" (`{item.metadata['short']}`)" if item.metadata["short"] else "")
            row = f"| {names} | {shown} | {_wanted(item, kind)} | {item.metadata['help']} |"
            if row not in groups.setdefault(title, []):
                groups[title].append(row)
    for title, rows in groups.items():
        lines += ["", f"## {title}", "", "| setting | default | value | meaning |", "| --- | --- | --- | --- |", *rows]
    return "\n".join(lines) + "\n"


def seconds(text: str) -> float | None:
    """A duration as 90s, 10m, 1h30m or plain seconds; None for an empty text. Raises GW-0204."""
    if not text:
        return None
    match = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip().lower())
    total = (
        sum(float(part or 0) * unit for part, unit in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0
    )
    if total <= 0:
        raise GenwrightError("GW-0204", f"{text!r} is not a duration", "Write it as 90s, 10m or 1h30m.")
    return total


def _model_settings(model: str) -> type:
    if model not in MODELS:
        raise GenwrightError("GW-0205", f"There is no model {model!r}", did_you_mean(model, list(MODELS)))
    return MODELS[model].settings


def _construct(settings: type, values: Mapping[str, Any], model: str, prefix: str = "") -> Any:
    hints = get_type_hints(settings)
    arguments = {}
    for item in fields(settings):
        kind = _model_settings(model) if item.name == "model" and settings is Train else hints[item.name]
        name = prefix + item.name
        if is_dataclass(kind):
            arguments[item.name] = _construct(kind, values, model, name + ".")
        elif name in values:
            arguments[item.name] = values[name]
        elif item.default is MISSING:
            raise GenwrightError("GW-0202", f"Setting {name} is missing", item.metadata["help"])
    return settings(**arguments)


def _lookup(settings: Any, name: str) -> Any:
    for part in name.split("."):
        settings = getattr(settings, part)
    return settings


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _as_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError(value)
    return words[str(value).lower()]


def _as_int(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(value)
    return int(value)


def _wanted(item: Field, kind: type) -> str:
    low, high, choices = (item.metadata[key] for key in ("low", "high", "choices"))
    if choices:
        return "one of " + ", ".join(choices)
    noun = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "a text")
    if low is not None and high is not None:
        return f"{noun} from {low:g} to {high:g}"
    return f"{noun} of at least {low:g}" if low is not None else noun


if __name__ == "__main__":
    print(documentation(), end="")
