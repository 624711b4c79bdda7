"""Personal data in texts: found by form and, where a kind has one, by its checksum; counted, or masked as [mail].

What is found is likely meant as such; what is not found may still be there: names and places have no form.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

_WORD = 64  # longest part of a mail address before the @ (RFC 5321)
_IBAN_LENGTHS = range(15, 35)
_HINT = re.compile(r"[@\d]")  # without one of these a line holds nothing
_WITHOUT_PREFIX = re.compile(r"\d{3}[-. ]\d{3}[-. ]\d{4}|1[3-9]\d[ -]?\d{4}[ -]?\d{4}")


@dataclass(frozen=True)
class Found:
    """One item: which characters, and what kind of data."""

    start: int
    end: int
    kind: str


def find(text: str) -> list[Found]:
    """Everything found in a text, in order, none within another; kinds are the keys of `NAMES`."""
    found: list[Found] = []
    start = 0
    for line in text.splitlines(keepends=True):
        if _HINT.search(line):
            found += _in_line(line, start)
        start += len(line)
    return found


def count(text: str) -> Counter[str]:
    """How many of each kind."""
    return Counter(item.kind for item in find(text))


def mask(text: str) -> str:
    """The text with each item replaced by its kind in brackets."""
    parts, start = [], 0
    for item in find(text):
        parts += [text[start : item.start], f"[{item.kind}]"]
        start = item.end
    return "".join([*parts, text[start:]])


def _in_line(line: str, start: int) -> list[Found]:
    """Kinds in the order of their table, the surest first: what overlaps with something found before is passed over."""
    found: list[Found] = []
    for kind, pattern, proves in _KINDS:
        ends = [item.end - start for item in found]
        for match in pattern.finditer(line):
            behind = bisect_right(ends, match.start())
            if proves(match[0]) and (behind == len(ends) or found[behind].start - start >= match.end()):
                found.append(Found(start + match.start(), start + match.end(), kind))
        found.sort(key=lambda item: item.start)
    return found


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of a card number (ISO/IEC 7812-1)."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 13 <= len(digits) <= 19 and digits[0] in "23456" and len(set(digits)) > 1 and luhn(digits)


def _is_iban(text: str) -> bool:
    """ISO 13616: letters as numbers from 10, the first four characters behind the rest, modulo 97 is 1."""
    letters = text.replace(" ", "").upper()
    if len(letters) not in _IBAN_LENGTHS:
        return False
    return int("".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4])) % 97 == 1


def _is_resident_id(text: str) -> bool:
    """GB 11643: a date of birth in the middle, and a last character that makes the weighted sum 1 modulo 11."""
    try:
        datetime.date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    values = [10 if digit in "Xx" else int(digit) for digit in text]
    return sum(value * 2 ** (17 - place) for place, value in enumerate(values)) % 11 == 1


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
        return True
    except ValueError:
        return False


def _is_phone(text: str) -> bool:
    """An international or national prefix and enough digits, or the form of a North American or Chinese number."""
    digits = re.sub(r"\D", "", text)
    if text[0] in "+0(":
        return (8 if text[0] == "+" else 9) <= len(digits) <= 15 and len(set(digits)) > 2
    return bool(_WITHOUT_PREFIX.fullmatch(text))


def _always(text: str) -> bool:
    return True


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    (
        "mail",
        re.compile(
            rf"(?<![\w.+%-])[\w.+%-]{{1,{_WORD}}}@(?:[\w-]{{1,63}}\.){{1,8}}[A-Za-z]{{2,24}}(?![\w-])", re.ASCII
        ),
        _always,
    ),
    ("iban", re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)", re.ASCII), _is_iban),
    ("id", re.compile(r"(?<!\d)[1-9]\d{5}(?:19|20)\d{9}[\dXx](?!\w)", re.ASCII), _is_resident_id),
    # Of United States social security: without the numbers that are never given (no part is zero, no area 666 or from 900).
    ("id", re.compile(r"(?<![\w.-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-]|\.\d)", re.ASCII), _always),
    ("card", re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-])", re.ASCII), _is_card),
    ("ip", re.compile(r"(?<![\w.:])(?:\d{1,3}\.){3}\d{1,3}(?![\w:]|\.\d)", re.ASCII), _is_address),
    ("ip", re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])", re.ASCII), _is_address),
    (
        "phone",
        re.compile(
            r"(?<![\w.,-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{1,5}\)[ .-]?)?\d{2,5}(?:[ ./-]?\d{2,5}){1,5}(?![\w-]|[.,]\d)",
            re.ASCII,
        ),
        _is_phone,
    ),
)
NAMES = {
    "mail": "mail addresses",
    "iban": "bank accounts (IBAN)",
    "id": "ids of residents",
    "card": "card numbers",
    "ip": "network addresses",
    "phone": "phone numbers",
}
"""What each kind is called in a sentence."""
