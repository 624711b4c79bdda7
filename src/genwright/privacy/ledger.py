"""The privacy ledger: what may be released about the data, what was, and what that costs together.

Everything is planned before it is drawn and paid before it is drawn: a payment is on disk before its noise exists, so
that a crash can only make the ledger report too much. Read `mechanisms.py` next for what pays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genwright.errors import GenwrightError, did_you_mean
from genwright.folder import read_json, write_json
from genwright.privacy.accounting import Guarantee, calibrate, epsilon, keeps, rho_of
from genwright.privacy.answers import Answers
from genwright.privacy.events import Event, event_from_json, event_to_json

FORMAT = 1
ADJACENCY = "add-remove"
ANSWERS = "answers.jsonl"


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: releases of one kind for one purpose."""

    purpose: str
    """What it is for, such as "bounds of age"; unique in its ledger."""
    mechanism: str
    """What is done, such as "discrete Gaussian noise on counts"."""
    event: Event
    """What the planned releases cost; its count is their number."""
    sensitivity: float
    """The largest change that one unit can make to what is released: a clip norm, a number of rows."""
    delta: float = 0.0
    """The part of delta that it uses besides its noise, for all its releases together: the error of a threshold."""
    spent: int = 0
    """How many of the releases are paid for."""

    def paid(self) -> Event | None:
        """The event of the releases that are paid for."""
        return replace(self.event, count=self.spent) if self.spent else None


class PrivacyLedger:
    """Plan and payments under one guarantee; two data sets are neighbours when one has one `unit` more."""

    def __init__(
        self, guarantee: Guarantee, *, unit: str = "row", contributions: int = 1, path: Path | None = None
    ) -> None:
        """`unit`: "row", or the column that names the unit; `contributions`: the most rows of one unit that are used.

        With a `path`, every change is written there before it counts; without, the ledger lives in memory only. GW-0605
        if there is a ledger already: what it says was spent must not be forgotten.
        """
        if contributions < 1 or (unit == "row" and contributions != 1):
            raise GenwrightError(
                "GW-0602", f"A unit of {unit!r} cannot have {contributions} rows", "A row is one row; others have some."
            )
        if path is not None and (path.exists() or path.with_name(ANSWERS).exists()):
            raise GenwrightError(
                "GW-0605",
                f"There is a privacy ledger at {str(path)!r}",
                "Go on with it: --resume. Or choose another --out.",
            )
        self.guarantee = guarantee
        self.unit = unit
        self.contributions = contributions
        self.path = path
        self.answers = Answers(path and path.with_name(ANSWERS))
        self._entries: dict[str, Entry] = {}
        self._prepaid: dict[str, int] = {}  # paid in advance by this process; what a crash loses stays paid

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, in the order in which they were planned."""
        return tuple(self._entries.values())

    def rho(self, share: float) -> float:
        """The zCDP budget of a share in (0, 1) of the guarantee: what to calibrate the preparation to, see `mechanisms`."""
        return share * rho_of(self.guarantee)

    def left(self) -> float:
        """About the zCDP budget that the plan so far leaves: what releases cost by their Renyi divergence at order 2."""
        events = [entry.event for entry in self.entries]
        return max(self.rho(1.0) - sum(e.count * float(e.renyi(np.array([2.0]))[0]) / 2 for e in events), 0.0)

    def plan(self, *entries: Entry) -> None:
        """Add releases to the plan; GW-0603, and none is added, if all planned ones together break the guarantee."""
        for position, entry in enumerate(entries):
            if entry.purpose in self._entries or entry.purpose in {e.purpose for e in entries[:position]}:
                raise GenwrightError(
                    "GW-0604", f"{entry.purpose!r} is planned already", "Plan each purpose once, with its whole count."
                )
        everything = [*self.entries, *entries]
        if not keeps([entry.event for entry in everything], self._less(everything)):
            raise GenwrightError(
                "GW-0603",
                f"With {' and '.join(repr(entry.purpose) for entry in entries)} the plan costs more than epsilon "
                f"{self.guarantee.epsilon:g} at delta {self.guarantee.delta:g}",
                "Raise --epsilon, plan fewer releases or give them more noise.",
            )
        self._entries |= {entry.purpose: entry for entry in entries}
        self._write()

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """What is planned within is written together at the end; if that is not reached, nothing of it is planned."""
        before, path, self.path = dict(self._entries), self.path, None
        try:
            yield
        except BaseException:
            self._entries = before
            raise
        finally:
            self.path = path
        self._write()

    def plan_rest(self, entry_at: Callable[[float], Entry]) -> Entry:
        """Plan one entry with the least noise that all that is planned allows; `entry_at(noise)` describes it.

        GW-0603 if nothing is left for it.
        """
        rest = self._less([*self.entries, entry_at(1.0)])
        settled = [entry.event for entry in self.entries]
        entry = entry_at(calibrate(lambda noise: [*settled, entry_at(noise).event], rest))
        self.plan(entry)
        return entry

    def spend(self, purpose: str, count: int = 1, *, block: int = 1) -> Entry:
        """Pay for `count` releases, then return their entry: only now may their noise be drawn.

        `block`: pay for up to this many at once and let later calls use them up, which saves a write for every step.
        GW-0604, with nothing paid, if they are not in the plan or the plan is used up.
        """
        entry = self.entry(purpose)
        short = count - self._prepaid.get(purpose, 0)
        if count < 1 or short > entry.event.count - entry.spent:
            raise GenwrightError(
                "GW-0604",
                f"The plan has {self.remaining(purpose)} of {entry.event.count} releases left for {purpose!r}, not {count}",
                "Stop here: what was released stays within the guarantee. More needs a new plan, on new data.",
            )
        if short > 0:
            paid = min(max(short, block), entry.event.count - entry.spent)
            self._entries[purpose] = replace(entry, spent=entry.spent + paid)
            self._write()
            self._prepaid[purpose] = self._prepaid.get(purpose, 0) + paid
        self._prepaid[purpose] -= count
        return self._entries[purpose]

    def entry(self, purpose: str) -> Entry:
        """The entry for a purpose; GW-0604 if it is not in the plan."""
        if purpose not in self._entries:
            raise GenwrightError(
                "GW-0604", f"{purpose!r} is not in the privacy plan", did_you_mean(purpose, self._entries)
            )
        return self._entries[purpose]

    def remaining(self, purpose: str) -> int:
        """How many releases the plan still allows."""
        entry = self.entry(purpose)
        unused = self._prepaid.get(purpose, 0) + self.answers.waiting(purpose)
        return entry.event.count - entry.spent + unused

    def settle(self) -> None:
        """Take back what was paid in advance in blocks and never released: for a run that ends in good order."""
        for purpose, unused in self._prepaid.items():
            entry = self._entries[purpose]
            self._entries[purpose] = replace(entry, spent=entry.spent - unused)
        self._prepaid = {}
        self._write()

    def epsilon_planned(self) -> float:
        """Epsilon, at the guarantee's delta, once everything in the plan is spent."""
        return self._epsilon([entry.event for entry in self.entries], self.entries)

    def epsilon_spent(self) -> float:
        """Epsilon, at the guarantee's delta, of what is paid for so far."""
        paid = [entry for entry in self.entries if entry.spent]
        return self._epsilon([event for entry in paid if (event := entry.paid())], paid)

    def table(self) -> list[dict[str, Any]]:
        """One row for each entry: what `genwright info RUN --privacy` prints, enough to compute epsilon from."""
        rows = []
        for entry in self.entries:
            rows.append(
                {
                    "purpose": entry.purpose,
                    "mechanism": entry.mechanism,
                    "noise": entry.event.told,
                    "sensitivity": entry.sensitivity,
                    "rate": event_to_json(entry.event).get("sampling_rate"),
                    "delta": entry.delta,
                    "planned": entry.event.count,
                    "spent": entry.spent,
                    "epsilon alone": self._epsilon([event], [entry]) if (event := entry.paid()) else 0.0,
                }
            )
        return rows

    def to_json(self) -> dict[str, Any]:
        """The ledger as plain data, enough for an auditor to compute epsilon with another tool."""
        return {
            "format": FORMAT,
            "epsilon": self.guarantee.epsilon,
            "delta": self.guarantee.delta,
            "adjacency": ADJACENCY,
            "unit": self.unit,
            "contributions": self.contributions,
            "entries": [{**vars(entry), "event": event_to_json(entry.event)} for entry in self.entries],
        }

    @classmethod
    def from_json(cls, value: Any, *, path: Path | None = None) -> PrivacyLedger:
        """What `to_json` wrote; GW-0606 if it is damaged or from a later Genwright. What was prepaid stays spent."""
        try:
            if value["format"] != FORMAT or value["adjacency"] != ADJACENCY:
                raise ValueError(f"format {value['format']}, adjacency {value['adjacency']}")
            guarantee = Guarantee(value["epsilon"], value["delta"])
            ledger = cls(guarantee, unit=value["unit"], contributions=value["contributions"])
            for line in value["entries"]:
                entry = Entry(**{**line, "event": event_from_json(line["event"])})
                if entry.purpose in ledger._entries or not 0 <= entry.spent <= entry.event.count:
                    raise ValueError(f"the entry {entry.purpose!r}")
                ledger._entries[entry.purpose] = entry
            ledger.path, ledger.answers = path, Answers(path and path.with_name(ANSWERS))
        except (KeyError, TypeError, ValueError, GenwrightError) as error:
            raise GenwrightError(
                "GW-0606",
                f"The privacy ledger {str(path) if path else ''} is damaged or from a later Genwright ({error})",
                "Restore it from a copy. Without it nobody knows what was released: do not train on these data again.",
            ) from None
        return ledger

    @classmethod
    def open(cls, path: Path) -> PrivacyLedger:
        """Read a ledger back to go on with it; GW-0302 or GW-0606 if it cannot be."""
        return cls.from_json(read_json(path), path=path)

    def _less(self, entries: Sequence[Entry]) -> Guarantee:
        """The guarantee that is left to the noise when the thresholds' parts of delta are taken off; GW-0603 if none."""
        left = self.guarantee.delta - sum(entry.delta for entry in entries)
        if left <= 0:
            raise GenwrightError(
                "GW-0603",
                f"The thresholds use up delta {self.guarantee.delta:g}",
                "Give each less of it, or declare the categories in schema.toml.",
            )
        return Guarantee(self.guarantee.epsilon, left)

    def _epsilon(self, events: Sequence[Event], entries: Sequence[Entry]) -> float:
        return epsilon(events, self._less(entries).delta)

    def _write(self) -> None:
        if self.path is not None:
            write_json(self.path, self.to_json())
