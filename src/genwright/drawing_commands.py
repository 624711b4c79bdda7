"""The commands that draw from a finished run: samples, talks, ways between images, missing values, files for elsewhere.

`commands.py` has all others and is what `cli.py` looks into.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from genwright import config
from genwright.errors import GenwrightError
from genwright.progress import Progress

SAMPLER = (
    "guidance", "guidance_from", "solver", "solver_steps", "truncation", "temperature", "length", "top_k", "top_p", "min_p",
    "repetition",
)  # fmt: skip
INVERTS = (
    "this model decodes by undoing what encodes, whatever it has learned: these numbers tell how exact its solver is, and "
    "nothing of how good the model is."
)
EDITED = 9  # images of an edit, from one side to the other
PAIRS = 60  # that the picture of reconstructions shows: so many of the largest images fit


def sample_command(settings: config.Sample) -> None:
    run = open_named(settings.run)
    started = time.monotonic()
    path = Path(settings.out or run.folder / "samples" / f"sample-{settings.seed}-{settings.n}{run.suffix}")
    asked: dict[str, Any] = {name: getattr(settings, name) for name in ("label", "prompt", "stop", "regex", *SAMPLER)}
    rows = run.noun == "rows"
    asked["where"] = settings.where if rows else dict(_condition(text) for text in settings.where)
    asked["prompts"] = _prompts(settings.prompts) if settings.prompts else []
    asked["schema"] = _schema(settings.schema) if settings.schema else None
    given = {name: value for name, value in asked.items() if value}
    unknown = set(given) - run.sample_words
    if unknown:
        raise GenwrightError(
            "GW-0211",
            f"--{sorted(unknown)[0]} means nothing for this run",
            f"Its samples know: {', '.join(sorted(run.sample_words))}.",
        )
    if settings.like:
        if not rows:
            raise GenwrightError("GW-0211", "--like completes rows of a table", "Leave it out for this run.")
        if settings.where:
            fix = "Put the values that are asked for into the file of --like, or leave one out."
            raise GenwrightError("GW-0211", "--where and --like both say what rows begin with", fix)
        made = run.write_completed(Path(settings.like), path, seed=settings.seed)
        print(f"{made:,} {'row' if made == 1 else 'rows'} like those in {settings.like}, completed, in {path}")
        return
    n = len(asked["prompts"]) or settings.n
    if settings.out == "-" and run.noun == "texts":
        return _write_to_terminal(run, n, settings.seed, given)
    pace = ""
    with Progress().phase("Sampling", n) as advance:

        def told(done: int, total: int | None = None, note: str = "") -> None:
            nonlocal pace
            pace = f", {note}" if note else ""
            advance(done, n if total is None else total, note)

        run.write_samples(path, n, seed=settings.seed, advance=told, **given)
    print(f"{n:,} {run.noun if n > 1 else run.noun[:-1]} in {path} ({time.monotonic() - started:.1f} s{pace})")


def _write_to_terminal(run: Any, n: int, seed: int, given: dict[str, Any]) -> None:
    """One text after another, each as it is drawn."""
    prompts = given.pop("prompts", None) or [given.pop("prompt", "")] * n
    for place, prompt in enumerate(prompts):
        if place:
            print("\n")
        pieces = run.pieces(run.begun(prompt), seed=seed + place, **given)  # what is wrong with `given` is said here
        if not run.codec.roles:
            print(prompt, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
    print()


def _prompts(name: str) -> list[str]:
    from genwright.data.texts import open_texts

    source = open_texts(name, separator="line" if name.endswith((".txt", ".md")) else "")
    return [document.messages[0].content for document in source.documents()]


def _schema(name: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise GenwrightError(
            "GW-0177", f"The JSON schema {name!r} cannot be read: {why}", "Give a file of JSON, an object."
        ) from None
    if not isinstance(found, dict):
        raise GenwrightError("GW-0177", f"{name!r} is no JSON schema, which is an object", "Write {...}.")
    return found


def chat_command(settings: config.Chat) -> None:
    from genwright.data.documents import ASSISTANT, SYSTEM, USER, Message
    from genwright.text_run import TextRun

    run = open_named(settings.run)
    if not isinstance(run, TextRun):
        raise GenwrightError("GW-0211", f"{settings.run} is no run on texts", "Name a run on texts.")
    names = ("temperature", "top_k", "top_p", "min_p", "repetition", "length", "guidance", "stop")
    asked: dict[str, Any] = {name: value for name in names if (value := getattr(settings, name))}
    asked["where"] = dict(_condition(text) for text in settings.where)
    said = [Message(SYSTEM, settings.system)] if settings.system else []
    talking = bool(run.codec.roles)
    if sys.stdin.isatty():
        print("Write, and press Enter. An empty line, or Ctrl-D, ends it.")
    for turn, line in enumerate(iter(_line, "")):
        said.append(Message(USER, line) if talking else run.begun(line)[0])
        answer = []
        for piece in run.pieces(said if talking else said[-1:], seed=settings.seed + turn, **asked):
            print(piece, end="", flush=True)
            answer.append(piece)
        print()
        said.append(Message(ASSISTANT, "".join(answer)))


def _line() -> str:
    """What the user writes; nothing at the end."""
    try:
        return input("> " if sys.stdin.isatty() else "")
    except EOFError:
        return ""


def interpolate_command(settings: config.Interpolate) -> None:
    run = _of_kind(settings.run, "images")
    path = Path(settings.out or run.folder / "samples" / f"interpolation-{settings.seed}.png")
    _check_strips(run, path, settings.pairs, settings.steps)
    how: dict[str, Any] = {"pairs": settings.pairs, "label": settings.label or None, "seed": settings.seed}
    run.write_strips(path, run.interpolate(settings.steps, **how), steps=settings.steps, **how)
    print(f"{settings.pairs} ways of {settings.steps} images in {path}")


def edit_command(settings: config.Edit) -> None:
    run = _of_kind(settings.run, "images")
    path = Path(settings.out or run.folder / "samples" / f"direction-{settings.direction}.png")
    _check_strips(run, path, settings.images, EDITED)
    how: dict[str, Any] = {name: getattr(settings, name) for name in ("direction", "reach", "images", "seed")}
    how |= {"label": settings.label or None, "steps": EDITED}
    run.write_strips(path, run.edit(**how), **how)
    print(f"Direction {settings.direction} on {settings.images} images in {path}")


def reconstruct_command(settings: config.Reconstruct) -> None:
    import numpy as np

    from genwright.metrics.image_quality import psnr, ssim

    run = _of_kind(settings.run, "images")
    if not settings.images:
        raise GenwrightError("GW-0211", "There are no images to reconstruct", "Give files, folders or archives.")
    run.check_encodes()
    path = Path(settings.out or run.folder / "samples" / "reconstructions.png")
    _check_strips(run, path, PAIRS, 2)
    read = run.read(list(settings.images), fewest=1)
    given, made = run.rebuilt(read, label=settings.label or None)
    pairs = np.stack([given[:PAIRS], made[:PAIRS]], axis=1)
    run.write_strips(path, pairs, label=settings.label or None)
    scores = list(zip(psnr(given, made), ssim(given, made), strict=True))
    wide = max(map(len, read.paths))
    for name, (peak, alike) in zip(read.paths, scores, strict=True):
        print(f"{name:<{wide}}  PSNR {peak:6.2f} dB  SSIM {alike:.3f}")
    for note in [*read.notes, *([INVERTS] if run.model.inverts else [])]:
        print(f"Note: {note}")
    first = f"The first {PAIRS}, given" if len(scores) > PAIRS else "Given"
    print(f"{first} (left) and made (right), in {path}")


def _check_strips(run: Any, path: Path, rows: int, columns: int) -> None:
    """What the path may not be is said before anything is drawn."""
    from genwright.data.image_writers import check_strips

    check_strips(path, rows, columns, run.codec.height, run.codec.width)


def export_command(settings: config.Export) -> None:
    from genwright.export import export_run

    run = open_named(settings.run)
    if settings.release:
        from genwright.release import release

        folder = release(run, Path(settings.out or f"{run.folder}-release"))
        print(f"{folder} may leave the building: {', '.join(sorted(path.name for path in folder.iterdir()))}")
        return
    asked = {name: value for name, value in vars(settings).items() if name in SAMPLER}
    made = export_run(run, Path(settings.out or run.folder / "model.onnx"), **asked)
    print(f"{made.path} ({made.path.stat().st_size / 1e6:.1f} MB) draws as the run does: 16 images differ by")
    print(f"{made.difference:.1e} of a range of 2 at most.")
    for name, shape in made.inputs.items():
        print(f"  {name:<8} {' x '.join(map(str, shape))}")


def impute_command(settings: config.Impute) -> None:
    run = _of_kind(settings.run, "rows")
    if not settings.file:
        raise GenwrightError("GW-0211", "There is no table to impute", "Give a file: genwright impute RUN FILE")
    source = Path(settings.file)
    stem, _, suffix = source.name.partition(".")
    path = Path(settings.out) if settings.out else source.with_name(f"{stem}-imputed.{suffix}")
    draws = settings.draws or None
    made = run.write_imputed(source, path, seed=settings.seed, draws=draws, say=lambda note: print(f"Note: {note}"))
    where = " to ".join(str(place) for place in made.paths[:1] + made.paths[1:][-1:])
    left = f"{made.left:,} are left, as their columns had no value in training" if made.left else "none is left"
    print(f"{made.rows:,} {'row' if made.rows == 1 else 'rows'} in {where}: {made.cells:,} gaps filled, {left}")


def open_named(path: str) -> Any:
    """The run in a folder that the user has to name. GW-0211 if there is no name."""
    from genwright.modalities import open_run

    if not path:
        raise GenwrightError("GW-0211", "No run was named", "Give its folder; `genwright list` shows them.")
    return open_run(path)


def _of_kind(path: str, noun: str) -> Any:
    run = open_named(path)
    if run.noun != noun:
        raise GenwrightError("GW-0211", f"{path} is a run on {run.noun}, not on {noun}", f"Name a run on {noun}.")
    return run


def _condition(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise GenwrightError(
            "GW-0212", f"{text!r} is not a condition", "Write it as COLUMN=VALUE, e.g. --where age=30."
        )
    return name.strip(), value.strip()
