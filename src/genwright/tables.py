"""A user's table from end to end: read, typed by its schema, split, coded for a model, and framed for the report.

This is all that a run needs to know about tables; another kind of data brings a file like this one and a codec.
Read `codecs/table.py` next for how values become codes.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genwright.codecs.private_table import require_declared, schema_of_types
from genwright.codecs.table import TableCodec
from genwright.config import Train
from genwright.data.ahead import ahead
from genwright.data.batches import Examples, gathered, held_by_content, split
from genwright.data.columns import Column
from genwright.data.rules import Combination, Rule, Unique
from genwright.data.rules_clash import check_rules
from genwright.data.rules_file import read_rules, rules_text, write_rules
from genwright.data.rules_seen import Seen, look
from genwright.data.schema import Schema
from genwright.data.sources import TableSource, open_table
from genwright.data.units import naming, numbered
from genwright.errors import GenwrightError
from genwright.folder import write_text
from genwright.report import Report, report_files

RULES = "rules.toml"
FRAME_ROWS = 100_000  # rows of a table that the report looks at, at most


@dataclass(frozen=True)
class Table:
    """A table and its split into training rows and a hold-out that training never sees."""

    source: TableSource
    schema: Schema
    held: np.ndarray
    """(rows,) True for rows of the hold-out."""
    rules: tuple[Rule, ...] = ()
    """What holds in every synthetic row, with the combinations that training rows have."""
    seen: Seen | None = None
    """How the training rows keep the rules; None without rules, and under a guarantee: nothing is counted then."""
    units: np.ndarray | None = None
    """(rows,) number of each row's unit of privacy, -1 beyond the most of one that are used; None: rows are the units."""

    @classmethod
    def open(cls, data: Any, settings: Train, schema: Schema | None = None, rules: str | None = None) -> Table:
        """From a path or a frame. The schema is the given one, the file named in the settings, or found by looking; the
        rules are a given TOML text (of the run, when it is gone on with) or those of the settings."""
        source = open_table(data, delimiter=settings.table.delimiter or None)
        if schema is None and settings.schema:
            schema = _read_schema(Path(settings.schema))
        if schema is None and settings.epsilon:
            schema = _declared(source)
        schema = schema or Schema.inspect(source)
        if not schema.columns:
            raise GenwrightError("GW-0118", f"{source.name!r} has no columns", "Give a table with columns.")
        for name in (settings.target, *getattr(settings.model, "workload", ())):
            _ = schema[name] if name else None  # raises GW-0112 with the nearest name
        share = 0.0 if settings.test else settings.holdout
        stated = _read_rules(settings, schema, rules)
        if settings.unit and not settings.epsilon:
            raise GenwrightError("GW-0616", "--unit says whom --epsilon protects", "Give --epsilon too.")
        if settings.epsilon:
            return cls._private(source, schema, stated, share, settings)
        schema = _with_keys(schema, stated)
        table = cls(source, schema, split(source.rows, share, seed=settings.seed), stated)
        return table._within_rules(settings.table.rare_below) if stated and not table.held.all() else table

    @classmethod
    def _private(
        cls, source: TableSource, schema: Schema, rules: tuple[Rule, ...], share: float, settings: Train
    ) -> Table:
        """Under a guarantee no unit decides anything about another: neither where it is nor which rows are used."""
        if not settings.unit:
            held = np.concatenate([split_by_content(frame, share) for frame in source.batches()])
            return cls(source, schema, held, rules)
        named = naming(schema[settings.unit])
        schema = replace(schema, columns=tuple(named if c.name == named.name else c for c in schema.columns))
        names = pl.concat([frame.select(pl.col(named.name).cast(pl.String)) for frame in source.batches()])
        units = numbered(names[named.name], settings.privacy.most_rows, seed=settings.seed)
        return cls(source, schema, split_by_content(names, share), rules, units=units)

    def _within_rules(self, rare_below: int) -> Table:
        """The same table, its training rows looked at: those that break a rule are left out."""
        seen = look(self.rules, self.batches(), np.flatnonzero(~self.held), self.name, rare_below)
        return replace(self, rules=seen.rules, seen=seen)

    @functools.cached_property
    def left_out(self) -> np.ndarray:
        """(rows,) True for rows that are in neither part: they break a rule, or their unit has enough others."""
        mask = np.zeros(len(self.held), dtype=bool)
        if self.units is not None:
            mask = (self.units < 0) & ~self.held
        if self.seen:
            mask[~self.held] = self.seen.broken
        return mask

    @functools.cached_property
    def training_rows(self) -> int:
        return int(len(self.held) - self.held.sum() - self.left_out.sum())

    @property
    def training_units(self) -> np.ndarray | None:
        """(training rows,) the number of each one's unit of privacy; None: rows are the units."""
        return None if self.units is None else self.units[~self.held & ~self.left_out]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def notes(self) -> list[str]:
        """Sentences on what was guessed, mended or left out."""
        return [*self.source.notes, *self.schema.notes, *self._breaches()]

    def _breaches(self) -> list[str]:
        counts = self.seen.counts if self.seen else {}
        broken = ", ".join(f"{rule!r} ({count:,})" for rule, count in counts.items() if count)
        left = int(self.left_out.sum())
        return [f"{left:,} training rows are left out, as they break rules: {broken}."] if broken else []

    @property
    def values(self) -> int:
        """Cells of the table."""
        return len(self.held) * len(self.schema.columns)

    def fingerprint(self) -> str:
        """SHA-256 over the content of the file or frame."""
        return self.source.fingerprint()

    def facts(self) -> dict[str, Any]:
        """What state.json keeps: number of columns, what the file or frame was, and the checksum of the rules."""
        known = {"columns": len(self.schema.columns), "origin": self.source.origin.to_json()}
        if not self.rules:
            return known
        digest = hashlib.sha256(self._rules_text.encode()).hexdigest()
        return {**known, "training_rows": self.training_rows, "rules": digest}

    @functools.cached_property
    def _rules_text(self) -> str:
        return write_rules(self.rules, self.schema)

    def write_findings(self, folder: Path) -> None:
        """schema.toml, without the values that were seen; and rules.toml, where there are rules."""
        write_text(folder / "schema.toml", Schema.from_json(self.schema.to_json()).to_toml())
        if self.rules:
            write_text(folder / RULES, self._rules_text)

    def batches(self, *, held: bool = False) -> Iterator[pl.DataFrame]:
        """Typed frames of the training rows, or of the hold-out, in the table's order."""
        return self._typed((self.held == held) & ~self.left_out)

    def _typed(self, chosen: np.ndarray) -> Iterator[pl.DataFrame]:
        """Typed frames of the chosen rows, (rows,) True for them."""
        start = 0
        for frame in self.source.batches():
            mask = chosen[start : start + len(frame)]
            place = functools.partial(self._place, np.flatnonzero(mask) + start)
            start += len(frame)
            yield self.schema.parse(frame.filter(pl.Series(mask)), place=place)

    def _place(self, rows: np.ndarray, row: int) -> str:
        return self.source.place(int(rows[row]))

    def fit_codec(self, settings: Train) -> TableCodec:
        """The codec of the training rows."""
        given = settings.table
        return TableCodec.fit(
            self.batches,
            self.schema,
            bins=given.bins,
            slices=given.slices,
            most_values=given.most_values,
            rare_below=given.rare_below,
            seed=settings.seed,
        )

    def encode(self, codec: TableCodec, *, validation: float, seed: int) -> tuple[Examples, Examples]:
        """Training rows on disk and a validation slice (share `validation` of them) in memory, both (rows, spans)."""
        chosen = split(self.training_rows, validation, seed=seed + 1)
        slices = []

        def blocks() -> Iterator[np.ndarray]:
            start = 0
            for codes in ahead(codec.encode, self.batches()):
                mask = chosen[start : start + len(codes)]
                start += len(codes)
                slices.append(codes[mask])
                yield codes[~mask]

        spans = codec.spec.spans
        most_code = max(span.size for span in spans) - 1
        count = self.training_rows - int(chosen.sum())
        rows = gathered(blocks(), count, len(spans), most_code=most_code)
        return Examples(rows), Examples(np.concatenate(slices) if slices else rows[:0])

    def frame(self, *, held: bool = False, most: int = FRAME_ROWS, seed: int = 0) -> pl.DataFrame:
        """Training rows or the hold-out as one typed frame; a random subset in table order when there are more."""
        chosen = (self.held == held) & ~self.left_out
        total = int(chosen.sum())
        if total > most:
            chosen[chosen] = split(total, most / total, seed=seed)
        parts = list(self._typed(chosen))
        return pl.concat(parts) if parts else self.schema.parse(pl.DataFrame(schema=self.source.columns))


def _declared(source: TableSource) -> Schema:
    """The schema that the types of the source declare. GW-0610 for a text file, whose kinds only values would tell."""
    typed = source.origin.format in ("parquet", "frame")
    return schema_of_types(next(source.batches()).schema) if typed else require_declared(None)


def split_by_content(frame: pl.DataFrame, share: float) -> np.ndarray:
    """(rows,) True for about `share` of the rows: each row's own content decides, so that no row moves another."""
    if not share:
        return np.zeros(len(frame), dtype=bool)
    words = frame.select(pl.concat_str(pl.all().cast(pl.String).fill_null("\x00"), separator="\x1f")).to_series()
    return held_by_content((word.encode() for word in words), share)


def _read_rules(settings: Train, schema: Schema, own: str | None) -> tuple[Rule, ...]:
    """The rules, if there are any; GW-0601 for what would look for them in private rows."""
    if not settings.rules and own is None:
        return ()
    rules = read_rules(rules_text(settings.rules) if own is None else own, schema)
    check_rules(rules, schema)
    for rule in rules:
        if settings.epsilon and isinstance(rule, Combination) and rule.allowed is None:
            what = f"The rule {str(rule)!r} looks for combinations in private rows, which cannot go with --epsilon"
            raise GenwrightError("GW-0601", what, "List the allowed ones, or leave it out")
    return rules


def _with_keys(schema: Schema, rules: tuple[Rule, ...]) -> Schema:
    """Plain integers that shall be unique, and of which no other rule speaks, are identifiers: new ones never run out."""
    single = {rule.columns[0] for rule in rules if isinstance(rule, Unique) and len(rule.columns) == 1}
    single -= {name for rule in rules for name in rule.columns if not isinstance(rule, Unique)}
    columns = [
        replace(column, kind="identifier", style="sequence")
        if column.name in single and column == Column(column.name, "integer", column.stored, column.missing)
        else column
        for column in schema.columns
    ]
    return replace(schema, columns=tuple(columns))


def _read_schema(path: Path) -> Schema:
    try:
        return Schema.from_toml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise GenwrightError(
            "GW-0203", f"The schema {str(path)!r} cannot be read ({error})", "`genwright data FILE` writes one."
        ) from None


def read_like(path: Any, schema: Schema, *, what: str, most: int = FRAME_ROWS, delimiter: str = "") -> pl.DataFrame:
    """A whole second table (test rows, synthetic rows) typed by the first one's schema.

    Raises GW-0117, naming the columns, when they are not the same; their order may differ.
    """
    source = open_table(path, delimiter=delimiter or None)
    wanted = [column.name for column in schema.columns]
    missing = [name for name in wanted if name not in source.columns]
    if missing:
        raise GenwrightError(
            "GW-0117",
            f"The {what} {source.name!r} lacks the columns {', '.join(map(repr, missing[:5]))}",
            "Give a file with the columns of the training data.",
        )
    parts, count = list[pl.DataFrame](), 0
    for frame in source.batches():
        parts.append(schema.parse(frame.select(wanted), place=functools.partial(source.place, start=count)))
        count += len(frame)
        if count >= most:
            break
    if not parts:
        raise GenwrightError("GW-0118", f"The {what} {source.name!r} has no rows", "Give a file with rows.")
    return pl.concat(parts).head(most)


def report_on_files(
    train: str, test: str, synthetic: str, folder: Path, *, target: str | None, effort: str, language: str, seed: int
) -> Report:
    """Judge any synthetic file against the rows it was made from and rows that were held out; writes the report."""
    for flag, path in (("--train", train), ("--synth", synthetic)):
        if not path:
            raise GenwrightError(
                "GW-0211", f"{flag} is missing", "Give a run folder, or --train, --test and --synth files."
            )
    schema = Schema.inspect(open_table(train))
    return report_files(
        read_like(train, schema, what="training file"),
        read_like(test, schema, what="test file") if test else None,
        read_like(synthetic, schema, what="synthetic file"),
        {column.name: column.kind for column in schema.columns},
        target,
        folder,
        language,
        effort=effort,
        seed=seed,
    )
