"""The language of a text, by its bytes: a naive Bayes model of 97 languages (Lui and Baldwin 2012, the package py3langid)."""

from __future__ import annotations

from functools import cache
from typing import Any

READ = 2_000  # first characters of a text
CODES = "ISO 639-1, such as en, zh or de"


def language(text: str) -> str:
    """Two letters of ISO 639-1; of a few words it is a guess."""
    return str(_identifier().classify(text[:READ])[0])


def known() -> frozenset[str]:
    """The languages that can be told."""
    return frozenset(map(str, _identifier().nb_classes))


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    return LanguageIdentifier.from_model_file(MODEL_FILE)
