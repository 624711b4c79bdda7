"""The command line: words in, calls out. Flags come from the classes in `config.py`; torch is imported by the calls only."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import Field, fields
from typing import Any, get_type_hints

from genwright import __version__
from genwright.config import COMMANDS, SHARED, Compare, Train

EXAMPLES = {
    "train": "genwright train patients.csv\n  genwright train photos/ --size 32 --time 10m\n"
    "  genwright train adult.csv --target income --preset good\n"
    "  genwright train adult.csv --model tvae --model.width 128 --time 10m\n"
    "  genwright train --config runs/adult-1/run.toml --out runs/again\n"
    "  genwright train --resume runs/adult-1 --steps +500",
    "sample": "genwright sample runs/adult-1 -n 10000 --out synthetic.csv\n"
    "  genwright sample runs/adult-1 -n 500 --where 'age>=30 and sex in (Female)' --out women.parquet\n"
    "  genwright sample runs/digits-1 -n 64 --label 7 --out sevens.png\n"
    "  genwright sample runs/letters-1 -n 3 --prompt 'Dear Anna,' --temperature 0.8 --out -",
    "chat": "genwright chat runs/talks-1\n  genwright chat runs/letters-1 --temperature 0.7",
    "report": "genwright report runs/adult-1\n"
    "  genwright report --train T.csv --test H.csv --synth S.csv --target income --out report",
    "compare": "genwright compare runs/adult-1 runs/adult-2\n"
    "  genwright compare adult.csv --models tabular-ar,tabular-trees,tvae --time 5m --target income\n"
    "  genwright compare photos/ --models gaussian,flow,dcgan --size 32 --time 10m",
    "impute": "genwright impute runs/adult-1 holes.csv --out filled.csv",
    "interpolate": "genwright interpolate runs/digits-1 --label 7 --out sevens.gif",
    "edit": "genwright edit runs/digits-1 --direction 2 --out slant.png",
    "reconstruct": "genwright reconstruct runs/digits-1 photo.jpg other.png scans/ --out pairs.png",
    "export": "genwright export runs/digits-1 --out digits.onnx\n"
    "  genwright export runs/digits-1 --solver euler --solver-steps 8 --out quick.onnx",
    "data": "genwright data patients.csv\n  genwright train patients.csv --schema schema.toml\n"
    "  genwright data patients.csv --rules\n  genwright train patients.csv --rules rules.toml\n"
    "  genwright data photos/ --size 32\n  genwright data get digits\n"
    "  genwright data get mnist --from downloads/ --out mnist",
    "list": "genwright list\n  genwright list experiments",
    "info": "genwright info runs/adult-1",
    "audit": "genwright audit runs/adult-1\n  genwright audit runs/private --canaries 5000 --data visits.parquet",
    "demo": "genwright demo",
    "doctor": "genwright doctor",
    "models": "genwright models",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs a command and exits with 0, 1 (an audit found a claim broken), 2 (an error of use, said in one
    sentence) or 75 (stopped, resumable)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] in (["--version"], ["-V"]):
        print(f"genwright {__version__}")
        return
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(overview())
        return
    debug = "--debug" in arguments
    from genwright.errors import GenwrightError
    from genwright.training.stop import RESUMABLE, Interrupted

    try:
        _dispatch(arguments[0], [word for word in arguments[1:] if word != "--debug"])
    except GenwrightError as error:
        if debug:
            raise
        print(f"Error {error}", file=sys.stderr)
        sys.exit(2)
    except Interrupted as stopped:
        usual = "Stopped. What was done is saved; the same command with --resume FOLDER goes on."
        print(str(stopped) or usual, file=sys.stderr)
        sys.exit(RESUMABLE)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def overview() -> str:
    """The text of `genwright --help`."""
    lines = [
        f"genwright {__version__}: train a generative model on your own data, get synthetic data and an honest report.",
        "",
    ]
    lines += [f"  genwright {name:<11} {_summary(command)}" for name, command in COMMANDS.items()]
    lines += [
        "",
        "First time here?   genwright demo              (no data, no network needed)",
        "Your own table:    genwright train data.csv    then  genwright sample runs/data-1 -n 1000 --out new.csv",
        "Your own images:   genwright train photos/     then  genwright sample runs/photos-1 -n 64 --out grid.png",
        "More on a command: genwright COMMAND --help     Settings may also come from --config FILE.toml or GENWRIGHT_*.",
    ]
    return "\n".join(lines)


def _summary(command: type) -> str:
    return (command.__doc__ or "").splitlines()[0]


def _dispatch(name: str, words: list[str]) -> None:
    from genwright.errors import GenwrightError, did_you_mean

    if name not in COMMANDS:
        raise GenwrightError("GW-0210", f"There is no command {name!r}", did_you_mean(name, list(COMMANDS)))
    from genwright import commands

    call: Callable[..., None] = getattr(commands, f"{name}_command")
    call(*(_parse_train(words) if name == "train" else _parse(name, words)))


def _parse(name: str, words: list[str]) -> tuple[Any, ...]:
    """The command's settings object from its words; of `compare` also those of its trainings, by dotted name."""
    from genwright.settings import convert, walk

    command = COMMANDS[name]
    hints = get_type_hints(command)
    leaves = [(item.name, item, hints[item.name]) for item in fields(command)]
    shared = [leaf for leaf in walk(Train) if leaf[0].split(".")[0] in SHARED] if command is Compare else []
    values = _read(name, words, [*leaves, *shared], {})
    own = command(**{key: convert(key, item, kind, values[key]) for key, item, kind in leaves if key in values})
    return (own, {key: values[key] for key, *_ in shared if key in values}) if command is Compare else (own,)


def _parse_train(words: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(settings by dotted name, actions). The model is found first: its own settings become flags."""
    from genwright.models import MODELS
    from genwright.settings import DEFAULT_MODEL, environment_model, from_environment, from_file, walk

    config = _value_of("--config", words)
    read = from_file(config) if config else {}
    named = _value_of("--model", words) or environment_model() or read.get("model.name") or read.get("model")
    model = str(named or _suiting(words))
    layers = {**read, **from_environment(model=model)}
    leaves = list(walk(Train, model=model if model in MODELS else DEFAULT_MODEL))
    actions = {
        "model": "the model; see genwright models",
        "config": "a TOML file of settings, such as a run's run.toml",
        "resume": "folder of a stopped run to go on with, to the same bytes",
        "dry-run": "say what would be done and what it would cost, and stop",
        "quiet": "no progress",
    }
    values = _read("train", words, leaves, actions)
    if values.get("steps", "").startswith("+") and "resume" not in values:
        from genwright.errors import GenwrightError

        raise GenwrightError("GW-0208", "--steps +N goes on with a run", "Name it with --resume FOLDER.")
    chosen: dict[str, Any] = {key: values.pop(key) for key in ("config", "resume", "dry-run", "quiet") if key in values}
    if "resume" in chosen:
        return values, chosen  # the run has its settings
    if "config" in chosen and "out" not in values and "out" in layers:
        layers.pop("out")  # the folder of the run that the file came from; a new run gets a new one
    return {**layers, **values}, chosen


def _suiting(words: list[str]) -> str:
    """The default model for the data that the words name, so that its settings are known."""
    from genwright.settings import DEFAULT_MODEL

    for before, word in zip(["", *words], words, strict=False):
        value = before.startswith("--") and "=" not in before and before not in ("--dry-run", "--quiet")
        if not value and not word.startswith("-") and os.path.exists(word):
            from genwright.modalities import default_model

            return default_model(word, (each.removeprefix("--").partition("=")[0] for each in words))
    return DEFAULT_MODEL


def _value_of(flag: str, words: list[str]) -> str | None:
    for word, following in zip(words, [*words, ""][1:], strict=True):
        if word == flag:
            return following
        if word.startswith(flag + "="):
            return word.partition("=")[2]
    return None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        from genwright.errors import GenwrightError

        raise GenwrightError(
            "GW-0211", message[0].upper() + message[1:], f"See genwright {self.prog.split()[-1]} --help."
        )


def _read(name: str, words: list[str], leaves: list[tuple[str, Field, Any]], actions: dict[str, str]) -> dict[str, Any]:
    """The words that were given, by dotted name, as text."""
    from genwright.errors import GenwrightError, did_you_mean

    parser = _Parser(
        prog=f"genwright {name}",
        description=inspect.getdoc(COMMANDS[name]),
        epilog="examples:\n  " + EXAMPLES[name],
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=34, width=110),
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        usage=f"genwright {name} "
        + " ".join(k.upper() for k, item, _ in leaves if item.metadata.get("positional"))
        + " [--setting value ...]",
    )
    for flag, text in actions.items():
        if flag in ("dry-run", "quiet"):
            parser.add_argument(f"--{flag}", dest=flag, action="store_true", help=text)
        else:
            parser.add_argument(f"--{flag}", dest=flag, metavar=flag.upper(), help=text)
    groups: dict[str, Any] = {"": parser}
    for key, item, kind in leaves:
        section = key.rpartition(".")[0]
        if section not in groups:
            groups[section] = parser.add_argument_group(section)
        _add(groups[section], key, item, kind)
    known, unknown = parser.parse_known_intermixed_args([_dashes(word) for word in words])
    for word in unknown:
        flags = [f"--{key.rstrip('_')}" for key, item, _ in leaves if not item.metadata.get("positional")]
        flags += [f"--{flag}" for flag in actions]
        raise GenwrightError(
            "GW-0202", f"genwright {name} does not know {word!r}", did_you_mean(word.split("=")[0], flags)
        )
    return vars(known)


def _dashes(word: str) -> str:
    """--training.batch-size is --training.batch_size."""
    if not word.startswith("--") or word in ("--dry-run",):
        return word
    flag, equals, value = word.partition("=")
    return "--" + flag[2:].replace("-", "_") + equals + value


def _add(group: Any, key: str, item: Field, kind: Any) -> None:
    metadata = item.metadata
    names = [name for name in (metadata["short"], f"--{key.rstrip('_')}") if name]
    default = "" if item.default in ("", (), 0) or metadata["positional"] else f" ({item.default})"
    text = (metadata["help"] + default).replace("%", "%%")
    if metadata["positional"]:
        group.add_argument(key, nargs="*" if kind == tuple[str, ...] else "?", help=text)
    elif kind is bool:
        group.add_argument(*names, dest=key, nargs="?", const="true", metavar="YES|NO", help=text)
        group.add_argument(f"--no_{key}", dest=key, action="store_const", const="false", help=argparse.SUPPRESS)
    else:
        shape = {int: "N", float: "X"}.get(kind, "WORD")
        metavar = "|".join(metadata["choices"]) if metadata["choices"] else shape
        several = kind == tuple[str, ...]
        group.add_argument(*names, dest=key, action="append" if several else "store", metavar=metavar, help=text)
