"""TableRun: a run on a table - rows, imputation, the table report. The rest of a run is in `run.py`."""

from __future__ import annotations

import functools
import hashlib
import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from genwright.codecs.allowed import check, given_values
from genwright.codecs.table import TableCodec
from genwright.config import Train
from genwright.contract import FREE, PRESENT
from genwright.data.condition_text import Where, condition_of
from genwright.data.conditions import Condition
from genwright.data.origin import Origin
from genwright.data.rules import Rule
from genwright.data.rules_file import read_rules
from genwright.data.rules_kept import RuleKeeper
from genwright.data.writers import check_suffix, to_user_frame, write_frames, write_table
from genwright.errors import GenwrightError
from genwright.gaps import Filled, Gappy, check_other, silent
from genwright.metrics.shadows import Shadow
from genwright.metrics.table import score
from genwright.progress import Advance, no_progress
from genwright.report import Report, write_report
from genwright.row_drawing import EVERYTHING, RowDrawing
from genwright.run import Run
from genwright.tables import FRAME_ROWS, RULES, Table, read_like
from genwright.training.devices import choose_device

CODES_AT_A_TIME = 2**21


class TableRun(Run):
    """A run on a table."""

    codec_class = TableCodec
    noun = "rows"
    sample_words = frozenset({"where"})

    @property
    def examples_at_a_time(self) -> int:
        """Rows whose codes take little memory, and enough of them that all cores have work to the end."""
        return min(65_536, max(4_096, CODES_AT_A_TIME // max(1, len(self.codec.spec.spans))))

    def open_dataset(self, data: Any, settings: Train) -> Table:
        """The table, split; once trained, typed by the schema of then."""
        schema = self.codec.schema if self.state["status"] != "started" else None
        return Table.open(data, settings, schema, self._rules_text)

    @property
    def _rules_text(self) -> str | None:
        """rules.toml, checked, once the run has one. GW-0304 if it is missing or is not what was written."""
        digest = self.state.get("data", {}).get("rules")
        if digest is None:
            return None
        try:
            content = (self.folder / RULES).read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != digest:
            path = str(self.folder / RULES)
            raise GenwrightError("GW-0304", f"{path!r} is missing or damaged", "Restore it, or train again.")
        return content.decode("utf-8")

    @functools.cached_property
    def rules(self) -> tuple[Rule, ...]:
        """What holds in every row that is drawn."""
        text = self._rules_text
        return read_rules(text, self.codec.schema) if text else ()

    @property
    def _drawing(self) -> RowDrawing:
        device = choose_device(self.settings.device)
        return RowDrawing(self.codec, self.model, device, self.examples_at_a_time, self.rules, self._codes)

    def sample(self, n: int = 1000, *, where: Where | None = None, seed: int = 0) -> Any:
        """n synthetic rows, as the kind of frame that was trained on; a typed polars frame if it was a file.

        `where` is what every row must fulfil: "age>=30 and sex in (Female)", or {"age": 30, "sex": ["Female"]}; see
        docs/tables.md. Same seed, same rows; it has nothing to do with the seed of the training.
        """
        return self._users(self.sample_typed(n, where=where, seed=seed), self.origin)

    def sample_typed(
        self, n: int, *, where: Where | None = None, seed: int = 0, advance: Advance = no_progress
    ) -> pl.DataFrame:
        """n synthetic rows as a typed polars frame, whatever was trained on; advance(done, total) after each piece."""
        return pl.concat(self.pieces(n, where=where, seed=seed, advance=advance))

    def pieces(
        self, n: int, *, where: Where | None = None, seed: int = 0, advance: Advance = no_progress
    ) -> Iterator[pl.DataFrame]:
        """The rows of `sample_typed` a piece at a time, for more of them than fit into memory."""
        if not isinstance(n, int | np.integer) or n < 1:
            raise GenwrightError("GW-0206", f"Cannot draw {n} rows", "Ask for one row or more, a whole number.")
        if where is not None:
            return self._pieces_where(n, condition_of(where, self.codec.schema), seed, advance)
        if self.rules:
            return self._drawing.sifted(n, EVERYTHING, seed, advance)
        return self._decoded(self._draw(n, None, seed, advance), seed, {})

    def _pieces_where(self, n: int, condition: Condition, seed: int, advance: Advance) -> Iterator[pl.DataFrame]:
        """n rows that fulfil a condition. What the model cannot keep to as it draws is sifted from what it drew."""
        check(self.codec, condition)
        given = given_values(condition)
        if given is not None and not self.rules:
            codes = torch.from_numpy(self.codec.encode_condition(given, 1)).expand(n, -1)
            pieces = self._decoded(self._draw(n, codes, seed, advance), seed, given)
            try:
                return itertools.chain([next(pieces)], pieces)
            except GenwrightError as error:
                if error.code != "GW-0403":  # a model that cannot be given values says so at once
                    raise
        return self._drawing.sifted(n, condition, seed, advance)

    def _decoded(self, pieces: Iterable[torch.Tensor], seed: int, given: dict[str, Any]) -> Iterator[pl.DataFrame]:
        """The rows of codes that were drawn under the given values."""
        generator, start = np.random.default_rng([seed, 1]), 0
        for codes in pieces:
            yield self.codec.decode(codes.numpy(), generator=generator, where=given, first_row=start)
            start += len(codes)

    def _users(self, typed: pl.DataFrame, origin: Origin) -> Any:
        """In a file every cell has its text; in Python it has its type, and a frame that of the user's library."""
        if origin.format != "frame":
            return typed
        return to_user_frame(self.codec.schema.format(typed) if self.origin.format == "frame" else typed, origin)

    def _filed(self, typed: pl.DataFrame, path: Path) -> pl.DataFrame:
        """Text files get the user's own texts, Parquet and JSON lines of a text file's run get types."""
        text = self.origin.format == "csv" and Path(path).name.endswith((".parquet", ".jsonl", ".jsonl.gz"))
        return typed if text else self.codec.schema.format(typed)

    def impute(self, table: Any, *, draws: int | None = None, seed: int = 0) -> Any:
        """The table (path or frame) with its missing values drawn from the model, given each row's other values.

        Its other columns, the order of all, and the index of a pandas frame stay; a warning names values that the model
        does not know. With `draws`, a list of so many such tables (multiple imputation), drawn with seed, seed + 1, ...: they
        differ by as much as the values are uncertain.
        """
        begun = self._begun(table)
        for note in begun.notes():
            warnings.warn(note, stacklevel=2)
        stored = {begun.source.origin.format, self.origin.format} == {"frame"}
        tables = []
        for draw in range(draws or 1):
            rows = self._filled(begun.typed, seed + draw)
            tables.append(begun.users(self.codec.schema.format(rows) if stored else rows))
        return tables if draws else tables[0]

    def write_imputed(
        self,
        table: Any,
        path: Path,
        *,
        draws: int | None = None,
        seed: int = 0,
        say: Callable[[str], None] = silent,
    ) -> Filled:
        """Impute a table into a file, or into NAME-1, NAME-2, ... for `draws`; `say` is told what the model does not know.
        GW-0211 where that would be the table itself."""
        name, dot, suffix = path.name.partition(".")
        places = [path.with_name(f"{name}-{draw + 1}{dot}{suffix}") for draw in range(draws)] if draws else [path]
        for place in places:
            check_other(place, table)
        begun = self._begun(table)
        check_suffix(path, begun.source.origin)
        for note in begun.notes():
            say(note)
        for draw, place in enumerate(places):
            rows = self._filled(begun.typed, seed + draw)
            write_table(begun.with_made(self._filed(rows, place)), place, begun.source.origin)
        return begun.filled(rows, places)

    def complete(self, table: Any, *, seed: int = 0) -> Any:
        """Whole rows that begin as those of a table (path or frame) of some of the columns: all cells without a value are
        drawn, missing values among them where the column has them. GW-0112 for a column that is not the run's."""
        return self._users(self._completed(table, seed), self.origin)

    def write_completed(self, table: Any, path: Path, *, seed: int = 0) -> int:
        """Complete the rows of a table into a file; returns their number. GW-0211 where that would be the table itself."""
        check_other(path, table)
        check_suffix(path, self.origin)
        frame = self._completed(table, seed)
        write_table(self._filed(frame, path), path, self.origin)
        return len(frame)

    def _begun(self, table: Any, *, whole: bool = True) -> Gappy:
        """A table of the run's columns, of all if it is `whole`; its cells are parted as those of the training file."""
        names = self.codec.schema.names if whole else None
        return Gappy.read(table, self.codec, names, delimiter=self.settings.table.delimiter)

    def _filled(self, typed: pl.DataFrame, seed: int) -> pl.DataFrame:
        return self._drawing.around(typed, self.codec.encode_partial(typed), seed)

    def _completed(self, table: Any, seed: int) -> pl.DataFrame:
        typed = self._begun(table, whole=False).typed
        codes = self.codec.encode_partial(typed)
        return self._drawing.around(typed, np.where(codes == PRESENT, FREE, codes), seed)

    def write_samples(
        self,
        path: Path,
        n: int,
        *,
        where: Where | None = None,
        seed: int = 0,
        advance: Advance = no_progress,
    ) -> Path:
        """n synthetic rows in a file; its suffix says the format, the rest is as in the training file."""
        pieces = self.pieces(n, where=where, seed=seed, advance=advance)
        write_frames((self._filed(piece, path) for piece in pieces), path, self.origin)
        return path

    def report(
        self,
        *,
        data: Any = None,
        test: Any = None,
        target: str | None = None,
        effort: str = "full",
        shadows: Sequence[Shadow] = (),
        language: str = "auto",
        seed: int = 0,
        out: str | Path | None = None,
        advance: Advance = no_progress,
    ) -> Report:
        """Judge as many synthetic rows as training rows; writes report.json and report.html into the folder (or `out`).

        The training data are read again from where they were (give `data` when it was a frame); GW-0307 if changed.
        `shadows`: what models like this one drew, for another attack; `shadows.shadows_of` trains them.
        """
        table, train, holdout = self.known(data, test, seed)
        target = target or self.settings.target or None
        kinds = {column.name: column.kind for column in self.codec.schema.columns}
        synthetic = self.sample_typed(min(len(train), FRAME_ROWS), seed=seed)
        scores = score(
            train, holdout, synthetic, kinds, target=target, effort=effort, seed=seed, progress=advance,
            shadows=shadows,
        )  # fmt: skip
        facts = self.facts() | self._kept_rules(table, train, synthetic)
        if rare := self.codec.rare_rows():
            facts["rare"] = {name: f"{rows:,} / {self.codec.rows:,}" for name, rows in rare.items()}
        write_report(Path(out or self.folder), scores, facts, language=language)
        return Report(scores, facts)

    def known(self, data: Any, test: Any, seed: int) -> tuple[Table, pl.DataFrame, pl.DataFrame]:
        """The training data, as for `report`, with their training and their held-out rows."""
        table = self.open_dataset(self.training_data(data), self.settings)
        self.check_fingerprint(table)
        test = test or self.settings.test or None
        if not test:
            return table, table.frame(seed=seed), table.frame(held=True, seed=seed)
        delimiter = self.settings.table.delimiter
        held = read_like(test, self.codec.schema, what="test file", delimiter=delimiter)
        return table, table.frame(seed=seed), held

    def _kept_rules(self, table: Table, train: pl.DataFrame, synthetic: pl.DataFrame) -> dict[str, Any]:
        """For the report: the share of real and of synthetic rows that break each rule."""
        made = RuleKeeper(self.rules, self.codec.schema).breaches(synthetic)
        if table.seen:  # what broke a rule is no longer among the training rows
            real = {rule: count / len(table.seen.broken) for rule, count in table.seen.counts.items()}
        else:
            real = {str(rule): float(rule.broken(train).mean()) for rule in self.rules}  # type: ignore[arg-type]
        shares = {rule: {"real": real[rule], "synthetic": float(mask.to_numpy().mean())} for rule, mask in made.items()}
        return {"rules": shares} if shares else {}

    def never_drawn(self) -> str:
        below, rare = self.settings.table.rare_below, self.codec.rare_rows()
        if below == 1 or self.settings.epsilon:  # a guarantee has its own way with what is rare
            return ""
        worst = max(rare, key=rare.__getitem__, default="")
        cost = f"{rare[worst]:,} of {self.codec.rows:,} rows in {worst!r}, where it is most" if worst else "no row"
        return (
            f"words that fewer than {below} training rows have, and numbers beyond row {below} from either end of a column, "
            "are never drawn, as they could name a person (`--table.rare_below`). For words that concerns "
            f"{cost}, for numbers at most {2 * (below - 1)} rows a column; no shape error can fall below that."
        )

    def first_samples(self, advance: Advance) -> Path:
        """As many synthetic rows as the settings say, in samples/."""
        rows = self.settings.rows or min(self.codec.rows, FRAME_ROWS)  # under a guarantee, a noisy number
        return self.write_samples(self.first_path, rows, advance=advance)

    @property
    def suffix(self) -> str:
        """Of the files that samples go to: the training file's format, CSV for frames."""
        return {"parquet": ".parquet", "jsonl": ".jsonl"}.get(self.origin.format, ".csv")

    @property
    def origin(self) -> Origin:
        """What the training data were: format, dialect, kind of frame."""
        return Origin.from_json(self.state.get("data", {}).get("origin", {}))

    def _codes(self, n: int, condition: torch.Tensor | None, seed: int, advance: Advance = no_progress) -> np.ndarray:
        return np.concatenate([x.numpy().astype(np.uint16) for x in self._draw(n, condition, seed, advance)])
