"""A report on any two or three collections of texts, whoever made the synthetic ones. Runs have `text_run.py`."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from genwright.data.texts import open_texts
from genwright.errors import GenwrightError
from genwright.metrics.text_sets import Texts
from genwright.metrics.texts import score_texts
from genwright.report import Report
from genwright.report.texts import write_text_report

READ = 100_000  # documents of each side that are read, at most


def report_on_texts(
    train: Any, test: Any, synthetic: Any, folder: Path, *, effort: str, language: str, seed: int
) -> Report:
    """Judge synthetic texts against those they were made from and others that were held out; writes the report."""
    for flag, path in (("--train", train), ("--synth", synthetic)):
        if not path:
            raise GenwrightError(
                "GW-0211", f"{flag} is missing", "Give a run folder, or --train, --test and --synth files."
            )
    known, held, made = _read(train), _read(test) if test else None, _read(synthetic)
    scores = score_texts(known, held, made, effort=effort, seed=seed)
    facts = {"name": Path(str(synthetic)).name, "model": "texts of a file", "settings": {}}
    real = held.texts if held is not None else []
    write_text_report(folder, scores, facts, samples=made.texts, real=real, training=known.texts, language=language)
    return Report(scores, facts)


def _read(data: Any) -> Texts:
    return Texts([document.text for document in islice(open_texts(data).documents(), READ)])
