"""What each command does: calls into the package, prints the answer. One function a command, found by name in `cli.py`."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from genwright import __version__, config
from genwright.audit_command import audit_command  # noqa: F401 - `cli.py` looks all commands up here
from genwright.drawing_commands import (  # noqa: F401 - `cli.py` looks all commands up here
    chat_command,
    edit_command,
    export_command,
    impute_command,
    interpolate_command,
    open_named,
    reconstruct_command,
    sample_command,
)
from genwright.errors import GenwrightError
from genwright.models import MODELS
from genwright.progress import COLOURS, Progress, print_grid
from genwright.rules_command import show_rules


def train_command(given: dict[str, Any], actions: dict[str, Any]) -> None:
    from genwright import trainer
    from genwright.given import check_choice

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
        check_choice(given)
        if actions.get("dry-run"):
            from genwright.planning import plan

            print(plan(data, given, quiet=quiet))
            return
        run = trainer.start(data, given, quiet=quiet)
    _after_training(run)


def report_command(settings: config.Report) -> None:
    from genwright.data.images import looks_like_images
    from genwright.data.texts import looks_like_texts

    if settings.run:
        run = open_named(settings.run)
        if run.noun != "rows":
            _no_target(settings.target, run.noun)
        only: dict[str, Any] = {"target": settings.target} if settings.target else {}
        if settings.shadows:
            only["shadows"] = _shadows(run, settings)
        only |= _of_images(settings, run.noun)
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
        if settings.shadows:
            raise GenwrightError("GW-0211", "Only a run can train shadow models", "Name its folder.")
        folder = Path(settings.out or "report")
        files = (settings.train, settings.test, settings.synth, folder)
        how: dict[str, Any] = {"effort": settings.effort, "language": settings.language, "seed": settings.seed}
        if looks_like_images(settings.synth):
            from genwright.image_report import report_on_images

            _no_target(settings.target, "images")
            report = report_on_images(*files, **(how | _of_images(settings, "images")))
        elif looks_like_texts(settings.synth):
            from genwright.text_report import report_on_texts

            _of_images(settings, "texts")
            _no_target(settings.target, "texts")
            report = report_on_texts(*files, **how)
        else:
            from genwright.tables import report_on_files

            _of_images(settings, "rows")
            report = report_on_files(*files, target=settings.target or None, **how)
    print(report)
    print(f"\nReport: {folder / 'report.html'}")


def _shadows(run: Any, settings: config.Report) -> Any:
    from genwright.shadows import shadows_of
    from genwright.table_run import TableRun

    if not isinstance(run, TableRun):
        raise GenwrightError("GW-0211", f"{run.noun} have no shadow models", "Leave out --shadows.")
    with Progress().phase("Shadows") as advance:
        return shadows_of(run, settings.shadows, test=settings.test or None, seed=settings.seed, advance=advance)


def _of_images(settings: config.Report, noun: str) -> dict[str, str]:
    """What is asked of a report on images alone. GW-0211 for other data."""
    asked = {name: value for name in ("features", "inception") if (value := getattr(settings, name))}
    if asked and noun != "images":
        raise GenwrightError("GW-0211", f"--{next(iter(asked))} is for images, not for {noun}", "Leave it out.")
    return asked


def _no_target(target: str, noun: str) -> None:
    if target:
        raise GenwrightError("GW-0211", f"{noun} have no column to predict", "Leave out --target.")


def compare_command(settings: config.Compare, shared: dict[str, Any]) -> None:
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
        **{**shared, **({"epsilon": settings.epsilon} if settings.epsilon else {})},
    )
    print(table)
    if table.page:
        print(f"\nPage:  {table.page}   (open it in a browser)")


def models_command(settings: config.Models) -> None:
    for name, entry in MODELS.items():
        print(f"{name:<15} {entry.kind:<6} {(entry.settings.__doc__ or '').splitlines()[0]}")
    print("\nSettings of one: genwright train --model NAME --help")


def data_command(settings: config.Data) -> None:
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
        return _show_images(settings, name)
    if looks_like_texts(name):
        return _show_texts(name)
    if settings.rules:
        return show_rules(settings)
    source = open_table(name, delimiter=settings.delimiter or None)
    schema = Schema.inspect(source)
    path = Path(settings.out or "schema.toml")
    if path.exists() and not settings.force:
        raise GenwrightError("GW-0310", f"{str(path)!r} exists", "Choose another --out, or replace it with --force.")
    print_grid(schema.describe())
    for note in [*source.notes, *schema.notes]:
        print(f"Note: {note}")
    write_text(path, schema.to_toml())
    print(f"\nWritten to {path}. Edit it where the finding is wrong, then:")
    more = f" --delimiter {shlex.quote(settings.delimiter)}" * bool(settings.delimiter)
    print(f"  genwright train {shlex.quote(name)} --schema {shlex.quote(str(path))}{more}")


def _show_images(settings: config.Data, name: str) -> None:
    import numpy as np

    from genwright.data.image_files import counted
    from genwright.data.images import open_images

    source = open_images(name, size=settings.size, grey=settings.grey)
    with Progress().phase("Reading") as advance:
        images = source.load(advance)
    height, width, channels = images.pixels.shape[1:]
    copies = len(images.groups) - len(np.unique(images.groups))
    print(
        f"{counted(len(images.pixels), 'image')}, trained on as {width} x {height} pixels in {counted(channels, 'channel')}"
    )
    if copies:
        near = "is a near-copy" if copies == 1 else "are near-copies"
        print(f"{copies:,} of them {near} of another; the split keeps them on one side")
    if images.labels is not None:
        counts = np.bincount(images.labels, minlength=len(source.classes))
        print("Classes: " + ", ".join(f"{c} {n:,}" for c, n in zip(source.classes, counts, strict=True)))
    for note in [*source.notes, *images.left_out()]:
        print(f"Note: {note}")
    how = f" --size {settings.size}" * bool(settings.size) + " --grey" * settings.grey
    print(f"\nNext:  genwright train {shlex.quote(name)}{how}")


def _show_texts(name: str) -> None:
    from genwright import settings as settings_layer
    from genwright.texts import TextSet

    settings = settings_layer.build({"model": "gpt", "data": name})
    with Progress().phase("Reading") as advance:
        texts = TextSet.open(name, settings, advance)
    codec = texts.fit_codec(settings)
    count, size = len(texts.findings.sizes), texts.values
    documents = f"{count:,} documents of {size / count:,.0f} bytes on average, {size:,} in all"
    print(documents if count > 1 else f"1 document of {size:,} bytes")
    print(f"Tokens: {codec.spec.vocabulary:,} pieces ({settings.text.tokeniser}), context of {codec.context}")
    for condition, values in codec.values.items():
        print(f"Condition {condition}: {', '.join(values[:12])}{', ...' if len(values) > 12 else ''}")
    for note in texts.notes:
        print(f"Note: {note if sys.stdout.isatty() else COLOURS.sub('', note)}")
    print(f"\nNext:  genwright train {shlex.quote(name)}")


def _get(settings: config.Data) -> None:
    from genwright.data.known import KNOWN, SHIPPED, get, unpack

    if len(settings.file) != 2:
        known = f"{', '.join(SHIPPED)} ship; {', '.join(KNOWN)} with --from DIR|URL"
        raise GenwrightError("GW-0211", "Name one data set", f"genwright data get NAME [--out PATH]: {known}.")
    name = settings.file[1]
    if settings.from_:
        out = get(name, settings.from_, Path(settings.out or name))
        print(f"{name} in {out}, checked.")
    else:
        out, licence = unpack(name, settings.out, replace=settings.force)
        print(f"{name} in {out}. Licence: {licence}.")
    data = out if name != "adult" else out / "adult_train.csv.gz"
    print(f"Next:  genwright train {shlex.quote(str(data))}")


def list_command(settings: config.List) -> None:
    from genwright.modalities import open_run

    folders = sorted(path.parent for path in Path(settings.folder).glob("**/run.toml"))
    if not folders:
        print(f"No runs in {settings.folder}. Start one with: genwright train data.csv")
    for folder in folders:
        run = open_run(folder)
        data = run.state.get("data", {})
        size = f"{data.get('training_rows', 0):>9,} {run.noun:<6}"
        print(f"{folder!s:<32} {run.state['status']:<9} {run.facts()['model']:<14} {size}  {data.get('name', '')}")


def info_command(settings: config.Info) -> None:
    from genwright import card

    run = open_named(settings.run)
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
    from genwright.guarantee import LEDGER
    from genwright.privacy.ledger import PrivacyLedger

    path = run.folder / LEDGER
    if not path.exists():
        raise GenwrightError("GW-0614", f"{run.folder} has no privacy guarantee", "Train with --epsilon.")
    ledger = PrivacyLedger.open(path)
    rows = [{name: _cell(value) for name, value in row.items()} for row in ledger.table()]
    print_grid(rows, width=None if sys.stdout.isatty() else 160)
    guarantee = ledger.guarantee
    print(
        f"Neighbours: one {ledger.unit} added or removed. "
        f"Guarantee: epsilon {guarantee.epsilon:g} at delta {guarantee.delta:g}."
    )
    print(f"Planned: epsilon {ledger.epsilon_planned():.4f}. Spent so far: epsilon {ledger.epsilon_spent():.4f}.")
    print(f"All digits, for another accountant: {path}")


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


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
    print(f"Synthetic {run.noun + ':':<7} {run.first_path}")
    more = {"rows": "-n 10000 --out more", "images": "-n 64 --out more"}.get(run.noun, "-n 10 --out more") + run.suffix
    print(f"More {run.noun + ':':<12} genwright sample {shlex.quote(str(folder))} {more}")
    sys.stdout.flush()
