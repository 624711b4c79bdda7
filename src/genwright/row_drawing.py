"""Rows drawn within a condition and within rules, or around given values: what the model cannot keep to is drawn again.

So rows are distributed as the model's rows that fulfil all that is asked, but for values that other columns determine:
those are computed. `table_run.py` calls it; `data/rules_kept.py` says what a rule does to rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from genwright.codecs.allowed import Allowed
from genwright.codecs.table import TableCodec
from genwright.contract import GenerativeModel
from genwright.data.conditions import Condition, Group
from genwright.data.rules import Rule, fixes, parts_of
from genwright.data.rules_kept import RuleKeeper
from genwright.errors import GenwrightError
from genwright.progress import Advance

EVERYTHING = Group(True, ())
"""The condition that every row fulfils."""
ROWS_TO_SIFT = 16_384  # drawn at a time for a condition, however few of them will fulfil it
PATIENCE_ROWS = 100_000  # drawn without one that fulfils a condition, before it counts as impossible
LEAST_KEPT = 0.001  # share of free rows that must keep the rules
GAP_ATTEMPTS = 100  # times that the gaps of a row are drawn, before its values count as against a rule


@dataclass(frozen=True)
class RowDrawing:
    """How a run's rows are drawn."""

    codec: TableCodec
    model: GenerativeModel
    device: torch.device
    rows_at_a_time: int
    rules: tuple[Rule, ...]
    codes: Callable[[int, torch.Tensor | None, int], np.ndarray]
    """(rows, spans) codes of so many rows, around given codes if there are any, by a seed."""

    def sifted(self, n: int, condition: Condition, seed: int, advance: Advance) -> Iterator[pl.DataFrame]:
        """n rows within a condition and the rules, drawn piece by piece; every piece is sifted.

        GW-0222 where no row fulfils the condition, GW-0223 where hardly one keeps the rules.
        """
        allowed, values = Allowed(self.codec, condition), np.random.default_rng([seed, 1])
        keeper = RuleKeeper(self.rules, self.codec.schema)
        asks = bool(condition.columns)
        sifts = allowed.rest is not None or bool(self.rules) or (asks and not self.model.restricts)
        kept = drawn = before = pieces = 0
        while kept < n:
            size = self._to_sift if sifts and asks else self._enough(n - kept, kept, drawn if sifts else 0)
            codes = self._codes_within(allowed, size, [seed, pieces])
            rows = self._within_rules(keeper, condition, allowed.decode(codes, values, drawn))
            yield rows.head(n - kept)
            kept, drawn, pieces = kept + len(rows), drawn + size, pieces + 1
            if kept < n and drawn // PATIENCE_ROWS > (drawn - size) // PATIENCE_ROWS:
                if kept - before <= (0 if asks else LEAST_KEPT * PATIENCE_ROWS):
                    raise self._never(condition, kept, drawn, seed)
                before = kept if self.rules else 0  # unique keys may run out; a rare condition goes on being rare
            what = "fulfil the condition" if asks else "keep the rules"
            advance(min(kept, n), n, f"{kept:,} of {drawn:,} rows drawn {what} ({kept / drawn:.2%})" if sifts else "")

    @property
    def _to_sift(self) -> int:
        return min(self.rows_at_a_time, ROWS_TO_SIFT)

    def _enough(self, short: int, kept: int, drawn: int) -> int:
        """Rows to draw for `short` more, by what was kept of those drawn so far; at first as if all were kept."""
        wanted = 1.1 * short * drawn / max(kept, 1) if drawn else short
        return min(self.rows_at_a_time, int(wanted) + 1)

    def around(self, typed: pl.DataFrame, given: np.ndarray, seed: int) -> pl.DataFrame:
        """Whole rows with all values of `typed`, drawn around (rows, spans) given codes; gaps are drawn again where they
        break a rule. GW-0224, naming row and rule, where that does not help."""
        keeper, masks = RuleKeeper(self.rules, self.codec.schema), typed.select(pl.all().is_not_null())
        waiting, parts, places = np.arange(len(typed)), list[pl.DataFrame](), list[np.ndarray]()
        for attempt in range(GAP_ATTEMPTS):
            here = pl.Series(waiting)
            own = seed if not attempt else int(np.random.SeedSequence([seed, attempt]).generate_state(1)[0])
            codes = self.codes(len(waiting), torch.from_numpy(given[waiting]), own)
            rows = self.codec.decode(codes, generator=np.random.default_rng([own, 2]))
            rows = rows.with_columns(typed[name].gather(here).fill_null(rows[name]) for name in typed.columns)
            if not self.rules:
                return rows
            rows = keeper.settled(rows, {name: masks[name].gather(here) for name in typed.columns})
            fine = keeper.accepts(rows, pl.repeat(True, len(rows), eager=True))
            parts.append(rows.filter(fine))
            places.append(waiting[fine.to_numpy()])
            waiting = waiting[~fine.to_numpy()]
            if not len(waiting):
                return pl.concat(parts)[np.argsort(np.concatenate(places))]
        broken = next(rule for rule, mask in keeper.breaches(rows.filter(~fine)).items() if mask[0])
        raise GenwrightError(
            "GW-0224",
            f"Row {waiting[0] + 1:,} cannot be completed: it broke the rule {broken!r} in {GAP_ATTEMPTS} draws",
            "Correct what the row has, or leave more of it open",
        )

    def _within_rules(self, keeper: RuleKeeper, condition: Condition, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows put right by the rules, but for those that still break one, or now the condition."""
        if not self.rules or not len(frame):
            return frame
        every = pl.repeat(True, len(frame), eager=True)
        asked = {name: every for part in parts_of(condition) if fixes(part) for name in part.columns}
        frame = keeper.settled(frame, asked)
        return frame.filter(keeper.accepts(frame, condition.holds(frame) if condition.columns else every))

    def _codes_within(self, allowed: Allowed, size: int, seed: list[int]) -> np.ndarray:
        """The codes of `size` rows that keep to what is allowed of each column; fewer where the model cannot do that."""
        generator = torch.Generator(self.device).manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        if self.model.restricts and allowed.factors:
            factors = {span: torch.from_numpy(factor) for span, factor in allowed.factors.items()}
            return self.model.sample_within(size, factors, generator=generator).x.cpu().numpy()
        codes = self.model.sample(size, generator=generator).x.cpu().numpy()
        return codes[allowed.accepts(codes, np.random.default_rng([*seed, 3]))]

    def _never(self, condition: Condition, kept: int, drawn: int, seed: int) -> GenwrightError:
        """Names the part of the condition, or the rule, that the fewest free rows fulfil."""
        codes = self.codes(self._to_sift, None, seed)
        keeper = RuleKeeper(self.rules, self.codec.schema)
        free = keeper.settled(self.codec.decode(codes, generator=np.random.default_rng([seed, 1])))
        holds = {str(part): int(part.holds(free).sum()) for part in parts_of(condition)}
        holds |= {rule: len(free) - int(broken.sum()) for rule, broken in keeper.breaches(free).items()}
        rarest = min(holds, key=holds.__getitem__)
        alone = f"{rarest!r} alone holds in {holds[rarest] / len(free):.2%} of {len(free):,}"
        if not condition.columns:
            what = f"Only {kept:,} of {drawn:,} rows drawn keep the rules; {alone}"
            return GenwrightError("GW-0223", what, "Ask for fewer rows, train longer, or leave the rule out")
        within = " within the rules" if self.rules else ""
        return GenwrightError(
            "GW-0222",
            f"{f'Only {kept:,}' if kept else 'None'} of {drawn:,} rows drawn{within} "
            f"fulfils the condition {str(condition)!r}; {alone}",
            "Ask for less" + ("" if self.model.restricts else ", or train tabular-ar, which keeps to it as it draws"),
        )
