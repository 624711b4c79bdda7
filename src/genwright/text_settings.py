"""Settings of texts: how files become documents, and documents become tokens. See `config.py`, which lists them."""

from __future__ import annotations

from dataclasses import dataclass

from genwright.setting import setting


@dataclass(frozen=True)
class TextSettings:
    """How texts become tokens."""

    column: str = setting("", "column of a table that holds the texts; empty: found by name, else the longest values")
    conditions: str = setting(
        "", "columns that texts can be asked for by, as a,b; none: no column; empty: those with few values"
    )
    separator: str = setting(
        "",
        "what parts a file into documents: 'blank line', 'line', 'none', or a line that stands between them; "
        "empty: by looking",
    )
    tokeniser: str = setting(
        "bpe",
        "pieces of text that a model sees: bpe, characters, bytes, or folder:PATH of a pretrained model's tokeniser",
    )
    vocabulary: int = setting(
        0, "pieces that the tokeniser may have; 0: by the size of the data", low=0, high=1_000_000
    )
    context: int = setting(256, "tokens that a model looks back over", low=8, high=131_072)
    duplicates: str = setting("drop", "documents that occur again, letter for letter", choices=("drop", "keep"))
    near_duplicates: str = setting(
        "together",
        "documents that nearly agree: together on one side of the hold-out, dropped but for the first, or not looked for",
        choices=("together", "drop", "ignore"),
    )
    shortest: int = setting(1, "documents with fewer characters are left out", low=1)
    longest: int = setting(0, "documents with more characters are left out; 0: none", low=0)
    languages: str = setting("", "documents in other languages are left out, as en,zh; empty: none is")
    personal: str = setting(
        "count",
        "mail addresses, phone, card and account numbers, ids and network addresses: count, mask as [mail], or ignore",
        choices=("count", "mask", "ignore"),
    )
    learn: str = setting(
        "all", "messages of conversations that are learned: all, or the assistant's answers", choices=("all", "answers")
    )
    canaries: int = setting(
        0, "random texts planted among the training texts, whose exposure the report tells", low=0, high=10
    )
    canary_copies: int = setting(1, "times that each canary is planted", low=1, high=1000)
    free_share: float = setting(
        0.1, "share of documents that hide each condition in training, so that it can be left open", low=0, high=1
    )
