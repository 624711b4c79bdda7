"""The language of a text, by its bytes: a naive Bayes model of 97 languages (Lui and Baldwin 2012, the package py3langid)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

READ = 2_000  # first characters of a text
LOOKED_AT = 50  # texts whose language stands for that of all
CODES = "ISO 639-1, such as en, zh or de"


def language(text: str) -> str:
    """Two letters of ISO 639-1; of a few words it is a guess."""
    return str(_identifier().classify(text[:READ])[0])


def most_common_language(texts: Sequence[str]) -> str:
    """Of most of a few of the texts, drawn evenly."""
    places = np.linspace(0, len(texts) - 1, min(len(texts), LOOKED_AT)).astype(int)
    return Counter(language(texts[place]) for place in places).most_common(1)[0][0]


def known() -> frozenset[str]:
    """The languages that can be told."""
    return frozenset(map(str, _identifier().nb_classes))


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    return LanguageIdentifier.from_model_file(MODEL_FILE)
