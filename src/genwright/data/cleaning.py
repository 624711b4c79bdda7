"""One look through all documents: which are left out, which nearly agree, what personal data they hold.

`duplicates.py` and `personal.py` do the finding. What is done about it follows the settings, and the notes say it.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from genwright.data import personal
from genwright.data.documents import Document, TextSource
from genwright.data.duplicates import Duplicates, digest
from genwright.data.language import known, language
from genwright.errors import GenwrightError, did_you_mean
from genwright.progress import Advance, no_progress
from genwright.text_settings import TextSettings

_REPORTED = 1000  # documents between two reports of progress


@dataclass(frozen=True)
class Findings:
    """What one look through all documents told."""

    kept: np.ndarray
    """(documents of the source,) False for those that are left out."""
    groups: np.ndarray
    """(kept,) documents that are the same, or nearly, share a number."""
    sizes: np.ndarray
    """(kept,) bytes in UTF-8."""
    fingerprint: str
    """SHA-256 over all documents of the source in their order."""
    personal: dict[str, int]
    """Items of personal data by kind."""
    removed: dict[str, int]
    """Documents left out, by reason."""


def look_through(source: TextSource, settings: TextSettings, advance: Advance = no_progress) -> Findings:
    """Read all documents once; sentences on what was found go to the source's notes. GW-0175 when none is left."""
    near = settings.near_duplicates != "ignore"
    duplicates, found, overall = Duplicates(near=near), Counter[str](), hashlib.sha256()
    fitting, sizes, removed = bytearray(), array("q"), Counter[str]()  # a few bytes for each of millions
    for number, document in enumerate(source.documents(), 1):
        overall.update(digest(document))
        reason = _unfit(document, settings)
        fitting.append(not reason)
        if reason:
            removed[reason] += 1
        else:
            duplicates.add(document)
            sizes.append(document.bytes)
            if settings.personal != "ignore":
                for message in document.messages:
                    found.update(personal.count(message.content))
        if number % _REPORTED == 0:
            advance(number, note="documents")
    exact = duplicates.exact()
    groups, copies = duplicates.groups()
    again = (exact != np.arange(len(exact))) & (settings.duplicates == "drop")
    nearly = copies & (exact == np.arange(len(exact))) & (settings.near_duplicates == "drop")
    removed |= Counter({"exact duplicate": int(again.sum()), "near duplicate": int(nearly.sum())})
    stays = ~(again | nearly)
    if not stays.any():
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in (+removed).items())
        if not reasons:
            raise GenwrightError("GW-0175", f"No document of {source.name!r} holds any text", "Give texts.")
        raise GenwrightError(
            "GW-0175", f"No document of {source.name!r} is left ({reasons})", "Change what is left out"
        )
    kept = np.array(fitting, dtype=bool)
    kept[kept] = stays
    findings = Findings(
        kept, groups[stays], np.array(sizes, np.int64)[stays], overall.hexdigest(), dict(found), dict(+removed)
    )
    _tell(source, settings, findings)
    return findings


def cleaned(source: TextSource, findings: Findings, settings: TextSettings) -> Iterator[Document]:
    """The documents that are kept, masked where that is asked for."""
    for document, kept in zip(source.documents(), findings.kept, strict=True):
        if kept and settings.personal == "mask":
            messages = (replace(message, content=personal.mask(message.content)) for message in document.messages)
            yield replace(document, messages=tuple(messages))
        elif kept:
            yield document


def _unfit(document: Document, settings: TextSettings) -> str:
    """Why a document is left out by itself, or ""."""
    length = sum(len(message.content) for message in document.messages)
    if length < settings.shortest or not document.text.strip():
        return "too short"
    if settings.longest and length > settings.longest:
        return "too long"
    return "another language" if settings.languages and language(document.text) not in _wanted(settings) else ""


def _wanted(settings: TextSettings) -> set[str]:
    """The languages that are kept. GW-0180 for one that cannot be told."""
    wanted = {code.strip().lower() for code in settings.languages.split(",")} - {""}
    for code in wanted - known():
        raise GenwrightError("GW-0180", f"There is no language {code!r}", did_you_mean(code, sorted(known())))
    return wanted


def _tell(source: TextSource, settings: TextSettings, findings: Findings) -> None:
    for reason, count in findings.removed.items():
        source.note(f"{count:,} {'documents are' if count > 1 else 'document is'} left out: {reason}.")
    again = len(findings.groups) - len(np.unique(findings.groups))
    if again:
        source.note(f"{again:,} documents nearly agree with an earlier one; such are on one side of the hold-out.")
    if findings.personal:
        parts = [f"{count:,} {personal.NAMES[kind]}" for kind, count in sorted(findings.personal.items())]
        done = "each is masked." if settings.personal == "mask" else "they are kept; personal = 'mask' hides them."
        source.note(f"The texts hold {', '.join(parts)}: {done}")
