"""What each command does: calls into the package, prints the answer. One function a command, found by name in `cli.py`."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from genwright import __version__, config
from genwright.errors import GenwrightError
from genwright.models import MODELS
from genwright.progress import COLOURS, Progress

SAMPLER = (
    "guidance", "solver", "solver_steps", "truncation", "temperature", "length", "top_k", "top_p", "min_p", "repetition",
)  # fmt: skip


def train_command(given: dict[str, Any], actions: dict[str, Any]) -> None:
    from genwright import trainer

    quiet = bool(actions.get("quiet"))
    if "resume" in actions:
        changed = sorted(set(given) - {"steps"})
        if changed:
            raise GenwrightError(
                "GW-0208", f"A resumed run keeps its settings: {', '.join(changed)} cannot change", "Leave them out."
            )
        run = trainer.resume_run(actions["resume"], steps=given.get("steps"), quiet=quiet)
    else:
        data = given.pop("data", "")
        if not data:
            raise GenwrightError("GW-0207", "There is nothing to train on", "Give a file: genwright train data.csv")
        if actions.get("dry-run"):
            from genwright.planning import plan

            print(plan(data, given))
            return
        run = trainer.start(data, given, quiet=quiet)
    _after_training(run)


def sample_command(settings: config.Sample) -> None:
    run = _open(settings.run)
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
        made = run.write_completed(Path(settings.like), path, seed=settings.seed)
        print(f"{made:,} rows like those in {settings.like}, completed, in {path}")
        return
    n = len(asked["prompts"]) or settings.n
    if settings.out == "-" and run.noun == "texts":
        return _write_to_terminal(run, n, settings.seed, given)
    with Progress().phase("Sampling", n) as advance:
        run.write_samples(path, n, seed=settings.seed, advance=advance, **given)
    print(f"{n:,} {run.noun} in {path} ({time.monotonic() - started:.1f} s)")


def _write_to_terminal(run: Any, n: int, seed: int, given: dict[str, Any]) -> None:
    """One text after another, each as it is drawn."""
    prompts = given.pop("prompts", None) or [given.pop("prompt", "")] * n
    for place, prompt in enumerate(prompts):
        if place:
            print("\n")
        if not run.codec.roles:
            print(prompt, end="", flush=True)
        for piece in run.pieces(run.begun(prompt), seed=seed + place, **given):
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
        raise GenwrightError("GW-0177", f"The JSON schema {name!r} cannot be read ({error})", "Mend it.") from None
    if not isinstance(found, dict):
        raise GenwrightError("GW-0177", f"{name!r} is no JSON schema, which is an object", "Write {...}.")
    return found


def chat_command(settings: config.Chat) -> None:
    from genwright.data.documents import ASSISTANT, SYSTEM, USER, Message
    from genwright.text_run import TextRun

    run = _open(settings.run)
    if not isinstance(run, TextRun):
        raise GenwrightError("GW-0211", f"{settings.run} is no run on texts", "Name a run on texts.")
    names = ("temperature", "top_k", "top_p", "min_p", "repetition", "length")
    asked = {name: value for name in names if (value := getattr(settings, name))}
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
    run = _images(settings.run)
    frames = run.interpolate(settings.steps, pairs=settings.pairs, label=settings.label or None, seed=settings.seed)
    path = Path(settings.out or run.folder / "samples" / f"interpolation-{settings.seed}.png")
    run.write_strips(path, frames)
    print(f"{settings.pairs} ways of {settings.steps} images in {path}")


def edit_command(settings: config.Edit) -> None:
    run = _images(settings.run)
    label = settings.label or None
    frames = run.edit(settings.direction, reach=settings.reach, images=settings.images, label=label, seed=settings.seed)
    path = Path(settings.out or run.folder / "samples" / f"direction-{settings.direction}.png")
    run.write_strips(path, frames)
    print(f"Direction {settings.direction} on {settings.images} images in {path}")


def reconstruct_command(settings: config.Reconstruct) -> None:
    import numpy as np

    from genwright.metrics.image_quality import psnr, ssim

    run = _images(settings.run)
    if not settings.images:
        raise GenwrightError("GW-0211", "There are no images to reconstruct", "Give a file, a folder or an archive.")
    given, made = run.reconstruct(settings.images, label=settings.label or None)
    path = Path(settings.out or run.folder / "samples" / "reconstructions.png")
    run.write_strips(path, np.stack([given, made], axis=1))
    for place, (peak, alike) in enumerate(zip(psnr(given, made), ssim(given, made), strict=True)):
        print(f"{place + 1:>5}  PSNR {peak:6.2f} dB  SSIM {alike:.3f}")
    print(f"Given and made in {path}")


def export_command(settings: config.Export) -> None:
    from genwright.export import export_run

    run = _open(settings.run)
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


def report_command(settings: config.Report) -> None:
    from genwright.data.images import looks_like_images
    from genwright.data.texts import looks_like_texts

    if settings.run:
        run = _open(settings.run)
        if run.noun != "rows":
            _no_target(settings.target, run.noun)
        only = {"target": settings.target} if settings.target else {}
        with Progress().phase("Judging") as advance:
            report = run.report(
                **only,
                test=settings.test or None,
                effort=settings.effort,
                language=settings.language,
                seed=settings.seed,
                out=settings.out or None,
                advance=advance,
            )
        folder = Path(settings.out) if settings.out else run.folder
    else:
        folder = Path(settings.out or "report")
        files = (settings.train, settings.test, settings.synth, folder)
        how: dict[str, Any] = {"effort": settings.effort, "language": settings.language, "seed": settings.seed}
        if looks_like_images(settings.synth):
            from genwright.image_report import report_on_images

            _no_target(settings.target, "images")
            report = report_on_images(*files, **how)
        elif looks_like_texts(settings.synth):
            from genwright.text_report import report_on_texts

            _no_target(settings.target, "texts")
            report = report_on_texts(*files, **how)
        else:
            from genwright.tables import report_on_files

            report = report_on_files(*files, target=settings.target or None, **how)
    print(report)
    print(f"\nReport: {folder / 'report.html'}")


def _no_target(target: str, noun: str) -> None:
    if target:
        raise GenwrightError("GW-0211", f"{noun} have no column to predict", "Leave out --target.")


def compare_command(settings: config.Compare) -> None:
    from genwright.comparison import compare

    table = compare(
        *settings.runs,
        models=[name.strip() for name in settings.models.split(",") if name.strip()] or None,
        time=settings.time,
        preset=settings.preset,
        test=settings.test or None,
        target=settings.target or None,
        out=settings.out or None,
        seed=settings.seed,
    )
    print(table)


def impute_command(settings: config.Impute) -> None:
    run = _open(settings.run)
    if not settings.file:
        raise GenwrightError("GW-0211", "There is no table to impute", "Give a file: genwright impute RUN FILE")
    source = Path(settings.file)
    stem, _, suffix = source.name.partition(".")
    path = Path(settings.out) if settings.out else source.with_name(f"{stem}-imputed.{suffix}")
    rows = run.write_imputed(source, path, seed=settings.seed, draws=settings.draws or None)
    print(f"{rows:,} rows without missing values in {path}")


def models_command(settings: config.Models) -> None:
    for name, entry in MODELS.items():
        print(f"{name:<15} {entry.kind:<6} {(entry.settings.__doc__ or '').splitlines()[0]}")
    print("\nSettings of one: genwright train --model NAME --help")


def data_command(settings: config.Data) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    from genwright.data.images import looks_like_images
    from genwright.data.schema import Schema
    from genwright.data.sources import open_table
    from genwright.data.texts import looks_like_texts
    from genwright.folder import write_text

    if settings.file[:1] == ("get",):
        return _get(settings)
    if len(settings.file) != 1:
        raise GenwrightError("GW-0211", "Data to look at must be one file or folder", "Give it: genwright data X")
    name = settings.file[0]
    if looks_like_images(name):
        return _show_images(name)
    if looks_like_texts(name):
        return _show_texts(name)
    source = open_table(name)
    schema = Schema.inspect(source)
    path = Path(settings.out or "schema.toml")
    if path.exists() and not settings.force:
        raise GenwrightError("GW-0310", f"{str(path)!r} exists", "Choose another --out, or replace it with --force.")
    rows = schema.describe()
    grid = Grid(*rows[0])
    for row in rows:
        grid.add_row(*(str(value) for value in row.values()))
    Console().print(grid)
    for note in [*source.notes, *schema.notes]:
        print(f"Note: {note}")
    write_text(path, schema.to_toml())
    print(f"\nWritten to {path}. Edit it where the finding is wrong, then:")
    print(f"  genwright train {shlex.quote(name)} --schema {shlex.quote(str(path))}")


def _show_images(name: str) -> None:
    import numpy as np

    from genwright.data.images import open_images

    source = open_images(name)
    with Progress().phase("Reading") as advance:
        images = source.load(advance)
    height, width, channels = images.pixels.shape[1:]
    copies = len(images.groups) - len(np.unique(images.groups))
    print(f"{len(images.pixels):,} images, trained on as {width} x {height} pixels in {channels} channels")
    print(f"{copies:,} of them are near-copies of another; the split keeps them on one side")
    if images.labels is not None:
        counts = np.bincount(images.labels, minlength=len(source.classes))
        print("Classes: " + ", ".join(f"{c} {n:,}" for c, n in zip(source.classes, counts, strict=True)))
    for note in [*source.notes, *(f"{file} is left out: {reason}" for file, reason in images.skipped)]:
        print(f"Note: {note}")
    print(f"\nNext:  genwright train {shlex.quote(name)}")


def _show_texts(name: str) -> None:
    from genwright import settings as settings_layer
    from genwright.texts import TextSet

    settings = settings_layer.build({"model": "gpt", "data": name})
    with Progress().phase("Reading") as advance:
        texts = TextSet.open(name, settings, advance)
    codec = texts.fit_codec(settings)
    count, size = len(texts.findings.sizes), texts.values
    print(f"{count:,} documents of {size / max(count, 1):,.0f} bytes on average, {size:,} in all")
    print(f"Tokens: {codec.spec.vocabulary:,} pieces ({settings.text.tokeniser}), context of {codec.context}")
    for condition, values in codec.values.items():
        print(f"Condition {condition}: {', '.join(values[:12])}{', ...' if len(values) > 12 else ''}")
    for note in texts.notes:
        print(f"Note: {note if sys.stdout.isatty() else COLOURS.sub('', note)}")
    print(f"\nNext:  genwright train {shlex.quote(name)}")


def _get(settings: config.Data) -> None:
    from genwright.data.known import get

    if len(settings.file) != 2 or not settings.from_:
        raise GenwrightError(
            "GW-0211", "Name the data set and where it is", "genwright data get mnist --from DIR|URL [--out FOLDER]"
        )
    name = settings.file[1]
    out = get(name, settings.from_, Path(settings.out or name))
    print(f"{name} in {out}, checked.\nNext:  genwright train {shlex.quote(str(out))}")


def list_command(settings: config.List) -> None:
    from genwright.modalities import open_run

    folders = sorted(path.parent for path in Path(settings.folder).glob("**/run.toml"))
    if not folders:
        print(f"No runs in {settings.folder}. Start one with: genwright train data.csv")
    for folder in folders:
        run = open_run(folder)
        data = run.state.get("data", {})
        rows = f"{data.get('training_rows', 0):>9,} rows"
        print(f"{folder!s:<32} {run.state['status']:<9} {run.facts()['model']:<14} {rows}  {data.get('name', '')}")


def info_command(settings: config.Info) -> None:
    from genwright import card

    run = _open(settings.run)
    if settings.privacy:
        return _show_ledger(run)
    if run.state["status"] == "finished":
        print(
            card.text(run)
            if (run.folder / "log.jsonl").exists() or "privacy" not in run.facts()
            else card.released(run)
        )
    else:
        print(f"{run.folder}: {run.state['status']}; go on with: genwright train --resume {run.folder}")
    for name, value in run.facts()["settings"].items():
        print(f"  {name:<28} {value}")


def _show_ledger(run: Any) -> None:
    """Every use of the data and its cost, with epsilon computed from the file alone."""
    from rich.console import Console
    from rich.table import Table as Grid

    from genwright.guarantee import LEDGER
    from genwright.privacy.ledger import PrivacyLedger

    path = run.folder / LEDGER
    if not path.exists():
        raise GenwrightError("GW-0614", f"{run.folder} has no privacy guarantee", "Train with --epsilon.")
    ledger = PrivacyLedger.open(path)
    rows = ledger.table()
    grid = Grid(*rows[0])
    for row in rows:
        grid.add_row(*(f"{value:.5g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 160).print(grid)
    guarantee = ledger.guarantee
    print(
        f"Neighbours: one {ledger.unit} added or removed. "
        f"Guarantee: epsilon {guarantee.epsilon:g} at delta {guarantee.delta:g}."
    )
    print(f"Planned: epsilon {ledger.epsilon_planned():.4f}. Spent so far: epsilon {ledger.epsilon_spent():.4f}.")


def demo_command(settings: config.Demo) -> None:
    from genwright import trainer
    from genwright.modalities import open_run

    samples = files("genwright") / "data" / "samples"
    data, test = str(samples / "adult_train.csv.gz"), str(samples / "adult_test.csv.gz")
    print(
        "Genwright demo: the Adult census table (32,561 people, 15 columns; UCI, CC BY 4.0), which ships with the package.",
        flush=True,
    )
    folder = Path(settings.out)
    if (folder / "run.toml").exists():
        run = open_run(folder)
        again = "is finished already" if run.state["status"] == "finished" else "was stopped: going on"
        print(f"{folder} {again} (delete the folder to start anew).")
        run = trainer.resume_run(folder)
    else:
        run = trainer.start(data, {"test": test, "target": "income", "out": str(folder)})
    _after_training(run)
    print("Your own data:    genwright train YOUR.csv")


def doctor_command(settings: config.Doctor) -> None:
    import platform
    from importlib.metadata import version

    import torch

    from genwright.training.devices import choose_device, choose_precision

    device = choose_device("auto")
    print(f"genwright {__version__}, Python {platform.python_version()}, {platform.platform()}")
    print(", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "polars", "scikit-learn")))
    print(f"device {device}, {torch.get_num_threads()} threads, arithmetic {choose_precision('auto', device)}")
    free = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    print(f"temporary folder {tempfile.gettempdir()}: {free:.1f} GB free")
    with tempfile.TemporaryDirectory() as folder:
        import genwright

        table = Path(folder) / "table.csv"
        table.write_text("a,b\n" + "".join(f"{i % 7},{'xyz'[i % 3]}\n" for i in range(200)))
        started = time.monotonic()
        genwright.train(table, out=Path(folder) / "run", steps=5, report=False, quiet=True).sample(10)
        print(f"five training steps and ten rows: {time.monotonic() - started:.1f} s. All is well.")


def _open(path: str) -> Any:
    from genwright.modalities import open_run

    if not path:
        raise GenwrightError("GW-0211", "No run was named", "Give its folder; `genwright list` shows them.")
    return open_run(path)


def _images(path: str) -> Any:
    from genwright.image_run import ImageRun

    run = _open(path)
    if not isinstance(run, ImageRun):
        raise GenwrightError("GW-0211", f"{path} is a run on a table, not on images", "Name a run on images.")
    return run


def _condition(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise GenwrightError(
            "GW-0212", f"{text!r} is not a condition", "Write it as COLUMN=VALUE, e.g. --where age=30."
        )
    return name.strip(), value.strip()


def _after_training(run: Any) -> None:
    """What was done, where the files are, what to try next."""
    state, folder = run.state, run.folder
    seconds = state["seconds"]["total"]
    print(f"\nTrained {run.facts()['model']} on {state['data']['training_rows']:,} {run.noun} in {seconds:.0f} s.")
    path = folder / "report.json"
    if path.exists():
        from genwright.report import Report

        print(Report.load(path))
        print(f"\nReport:           {folder / 'report.html'}   (open it in a browser)")
    first = folder / "samples" / f"synthetic{run.suffix}"
    print(f"Synthetic {run.noun + ':':<7} {first}")
    more = {"rows": "-n 10000 --out more", "images": "-n 64 --out more"}.get(run.noun, "-n 10 --out more") + run.suffix
    print(f"More {run.noun + ':':<12} genwright sample {shlex.quote(str(folder))} {more}")
    sys.stdout.flush()
