"""Which texts are compared with which: reference, floor and copycat, as many of each as of samples, and about as long.

*Reference* of all distances: random training texts. *Floor*: held-out texts in the place of the samples; where too few were
held out, one half of the training texts against the other. *Copycat*: training texts drawn at random. Real texts far longer
than the samples (a book against pages) are cut into pieces of their length first. `texts.py` scores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genwright.errors import GenwrightError

ENOUGH = 200  # held-out pieces from which on they are the floor, or half of the training pieces
PLENTY = 1_000
FITTED = 3  # times the texts compared: for the embedding and the classifiers
SHORTEST = 40  # characters of a piece
LONGER = 2  # times the length of long samples: longer texts are cut
MANY_CUT = 1.1  # pieces for a text: more, and it is said that texts were cut
COPYCATS = 200  # training texts that are looked for among themselves
NO_HELD_TEXTS = {"code": "no_held_texts"}


@dataclass(frozen=True)
class TextEffort:
    """How much is read."""

    compared: int
    """Texts of each set."""
    compared_characters: int
    searched_characters: int
    """Of the training texts, for copies."""
    fitted_characters: int
    """Of the training texts, for the n-gram model."""
    order: int
    """Of the n-gram model."""
    packed_bytes: int
    """Of the training texts, for xz."""
    paired: int
    """Texts whose BLEU against each other is measured."""


EFFORTS = {
    "quick": TextEffort(1_000, 500_000, 20_000_000, 1_200_000, 6, 4_000_000, 200),
    "full": TextEffort(5_000, 5_000_000, 100_000_000, 4_000_000, 8, 32_000_000, 500),
}


@dataclass(frozen=True)
class Texts:
    """Texts (N,) and the number of the value that each has of each condition (N, conditions), -1: none; if any."""

    texts: Sequence[str]
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, places: np.ndarray) -> Texts:
        return Texts([self.texts[k] for k in places], None if self.labels is None else self.labels[places])


@dataclass(frozen=True)
class Responses:
    """Generated answers to held-out prompts, and what was really answered (N,) each."""

    made: Sequence[str]
    references: Sequence[str]
    train: Sequence[str] = ()
    """Answers of the training texts, for the copycat."""
    labels: np.ndarray | None = None
    """(N, conditions) of the prompts, if any: the floor is another answer of the same conditions."""


def check_texts(train: Texts, holdout: Texts | None, synthetic: Texts) -> None:
    """GW-0530 without texts to compare, GW-0534 for something else than a string, GW-0535 for labels of another
    number."""
    for name, part in (("training", train), ("held-out", holdout), ("synthetic", synthetic)):
        if part is None:
            continue
        kinds = {type(text).__name__ for text in part.texts if not isinstance(text, str)}
        if kinds:
            raise GenwrightError(
                "GW-0534", f"One of the {name} texts is of type {min(kinds)}", "Give every text as a string"
            )
        if part.labels is not None and (part.labels.ndim != 2 or len(part.labels) != len(part)):
            raise GenwrightError(
                "GW-0535",
                f"Conditions of shape {part.labels.shape} are given for {len(part)} {name} texts",
                "Give one row for each text",
            )
    for name, few in (("training", train), ("synthetic", synthetic)):
        if not any(text.strip() for text in few.texts):
            raise GenwrightError(
                "GW-0530",
                f"There are no {name} texts with anything in them",
                "Give training and synthetic texts; a report compares them",
            )


def pieces(part: Texts, length: int, longest: int) -> Texts:
    """Texts of more than `longest` characters, cut into pieces of about `length`, where there is a space if any."""
    cut, owner = [], []
    for k, text in enumerate(part.texts):
        begin = 0
        while len(text) > longest and len(text) - begin > 1.5 * length:
            end = begin + length
            space = max(text.rfind(sign, begin + length // 2, end) for sign in " \n")
            end = space + 1 if space >= 0 else end
            cut.append(text[begin:end])
            owner.append(k)
            begin = end
        cut.append(text[begin:])
        owner.append(k)
    return Texts(cut, None if part.labels is None else part.labels[np.array(owner, dtype=np.int64)])


class Compared:
    """n texts of each set; `searched`: the training texts, or as many as are searched for copies."""

    def __init__(
        self, train: Texts, holdout: Texts | None, synthetic: Texts, limit: TextEffort, random: np.random.Generator
    ) -> None:
        self.all_train, self.holdout = train, holdout
        sizes = [len(text) for text in synthetic.texts]
        self.length, longest = max(SHORTEST, int(np.mean(sizes))), LONGER * max(SHORTEST, int(np.quantile(sizes, 0.9)))
        self.searched_places = first_within(random.permutation(len(train)), train.texts, limit.searched_characters)
        self.searched = train.take(self.searched_places)
        most = max(2, min(limit.compared, limit.compared_characters // self.length))
        known = pieces(self.searched, self.length, longest)
        fresh = None if holdout is None else pieces(holdout, self.length, longest)
        self.was_cut = len(known) > MANY_CUT * len(self.searched)
        held = 0 if fresh is None else len(fresh)
        self.held_floor = held >= 2 and held >= min(ENOUGH, len(known) // 2)
        halves = not self.held_floor and len(known) >= 4
        real = min(len(known), held) if self.held_floor else len(known) // (2 if halves else 1)
        self.n = n = max(1, min(most, len(synthetic), real))
        known = known.take(random.permutation(len(known)))
        self.made_places = random.permutation(len(synthetic))[:n]
        self.made = synthetic.take(self.made_places)
        self.reference = known.take(np.arange(n))
        self.known = known.take(np.arange(min(len(known), FITTED * most)))
        self.copycat = known.take(random.permutation(len(known))[:n])
        self.fresh = None if fresh is None or held < 2 else fresh.take(random.permutation(held)[:most])
        self.floor: Texts | None = None
        if self.held_floor and self.fresh is not None:
            self.floor = self.fresh.take(np.arange(n))
        elif halves:
            self.floor = known.take(np.arange(n, 2 * n))

    @property
    def sets(self) -> tuple[Texts, Texts | None, Texts]:
        """Samples, floor, copycat."""
        return self.made, self.floor, self.copycat

    @property
    def notes(self) -> list[dict[str, Any]]:
        """Where the floor comes from, if not from held-out texts; whether texts were cut; whether they are few."""
        found: list[dict[str, Any]] = []
        if not self.held_floor:
            held = 0 if self.holdout is None else len(self.holdout)
            found.append({"code": "floor_halves", "holdout": held} if self.floor is not None else NO_HELD_TEXTS)
        found += [{"code": "cut_texts", "characters": self.length}] if self.was_cut else []
        return found + ([{"code": "few_texts", "n": self.n}] if self.n < PLENTY else [])

    @property
    def copy_notes(self) -> list[dict[str, Any]]:
        """What limits the search for copies."""
        part = {"code": "searched_part", "searched": len(self.searched), "of": len(self.all_train)}
        notes = [part] if len(self.searched) < len(self.all_train) else []
        return notes if self.fresh is not None else [*notes, NO_HELD_TEXTS]


def first_within(places: np.ndarray, texts: Sequence[str], characters: int) -> np.ndarray:
    """The first of the places whose texts have so many characters together; one at least."""
    sizes = np.cumsum([len(texts[k]) for k in places])
    return places[: max(1, int(np.searchsorted(sizes, characters, side="right")))]
