"""A setting that documents itself: the field from which flags, TOML keys, docs and forms come. See `config.py`."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any


def setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    short: str | None = None,
    positional: bool = False,
    at_sampling: bool = False,
) -> Any:
    """A dataclass field that documents itself: one sentence, inclusive range, allowed words, short flag.

    `at_sampling`: a model's setting that its samples may be drawn with another value of.
    """
    metadata = {"help": help, "low": low, "high": high, "choices": choices, "short": short, "positional": positional}
    return field(default=default, metadata={**metadata, "at_sampling": at_sampling})


def again(settings: type, name: str) -> dict[str, Any]:
    """What another class says of its setting of that name: for a class that has another default for it."""
    return dict(next(item.metadata for item in fields(settings) if item.name == name))
