"""Typed rows of a table <-> rows of integer codes, and the `DataSpec` that tells a model what the codes mean.

`fit` takes two passes over the data: one to see the values, one to count the codes. What is saved is JSON and arrays: no
pickle, and no real row. `data/schema.py` made the rows typed; the models read the spec: see `contract.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from genwright.codecs.build import build_coders
from genwright.codecs.columns import CategoryCoder, Coder, category_coder, grid_coder
from genwright.codecs.fresh import FixedCoder, FreshCoder
from genwright.codecs.identifiers import identifier_source
from genwright.codecs.words import TextModel
from genwright.contract import FREE, PRESENT, DataSpec, Span
from genwright.data.ahead import ahead
from genwright.data.columns import Column
from genwright.data.schema import Schema
from genwright.errors import GenwrightError

FORMAT = 1
_MOST_CODES = 65535


class TableCodec:
    """A fitted codec: `encode` typed rows, `decode` codes, and condition on some columns."""

    def __init__(self, schema: Schema, coders: list[Coder], counts: list[np.ndarray], rows: int) -> None:
        """`counts`: for each span how many of the training `rows` had each code; use `fit` or `from_json`."""
        counts = counts or [np.array([rows])]  # no column needs a code: one that says nothing, as models want some
        self.schema, self.coders, self.counts, self.rows = schema, coders, counts, rows
        self._spans: list[slice] = []
        start = 0
        for coder in coders:
            self._spans.append(slice(start, start + len(coder.sizes())))
            start = self._spans[-1].stop
        self._usual = np.array([int(np.argmax(count)) for count in counts], dtype=np.int64)
        self.spec = self._make_spec()

    @classmethod
    def fit(
        cls,
        batches: Callable[[], Iterator[pl.DataFrame]],
        schema: Schema,
        *,
        bins: int = 64,
        slices: int = 32,
        most_values: int = 256,
        rare_below: int = 5,
        seed: int = 0,
        ledger: Any = None,
    ) -> TableCodec:
        """Learn the coding of a table from typed frames; `batches()` must give the same rows each time.

        A number with at most `most_values` distinct values gets a code for each; others a grid of about `bins` cells,
        each cut into up to `slices` slices. Categories of fewer than `rare_below` rows share a code, and
        numbers beyond the `rare_below`-th row from either end are coded as that row's. Memory is bounded by a sample of a
        million rows, drawn by `seed`. A ledger is refused (GW-0601): nothing here is private yet.
        """
        if ledger is not None:
            raise GenwrightError("GW-0601", "This codec looks at the data without noise", "Train without privacy")
        coders, rows = build_coders(batches(), schema, bins, slices, most_values, rare_below, seed)
        counts = [np.zeros(size, dtype=np.int64) for coder in coders for size in coder.sizes()]
        counting = cls(schema, coders, counts, rows)
        for counted in ahead(counting._counted, batches()):
            for total, count in zip(counts, counted, strict=True):
                total += count
        return cls(schema, coders, counts, rows)

    def encode(self, frame: pl.DataFrame) -> np.ndarray:
        """(n, spans) uint16 codes of a typed frame.

        What training never saw is coded by its nearest neighbour: numbers by the nearest value, unknown categories as
        rare (if there are rare ones, else the most frequent), missing values of a complete column as its usual code.
        """
        codes = self._codes(frame)
        return np.ascontiguousarray(np.where(codes == FREE, self._usual, codes), dtype=np.uint16)

    def encode_partial(self, frame: pl.DataFrame) -> np.ndarray:
        """(n, spans) int64 codes with FREE where a value is unknown or its column is not in the frame; PRESENT where
        it is missing and the column's codes could say so: what is drawn there shall be a value."""
        codes, known = self._codes(frame), set(frame.columns)
        for coder, span in zip(self.coders, self._spans, strict=True):
            if coder.column.name in known and span.start < span.stop:
                missing = frame[coder.column.name].is_null().to_numpy()
                codes[missing, span] = FREE
                if coder.missing:
                    codes[missing, span.start] = PRESENT
        return codes

    def encode_condition(self, where: Mapping[str, Any], n: int) -> np.ndarray:
        """(n, spans) int64 codes of the given values (typed or as the user's words; None: missing), FREE elsewhere.

        Raises GW-0112 for an unknown column, GW-0113 and GW-0114 for a value that it cannot have.
        """
        row = np.full(len(self.spec.spans), FREE, dtype=np.int64)
        for name, value in self._typed(where).items():
            at = self.schema.names.index(name)
            row[self._spans[at]] = self.coders[at].condition(value)
        return np.tile(row, (n, 1))

    def decode(
        self,
        codes: np.ndarray,
        *,
        generator: np.random.Generator,
        where: Mapping[str, Any] | None = None,
        first_row: int = 0,
    ) -> pl.DataFrame:
        """A typed frame of (n, spans) codes; `generator` draws within slices and makes fresh values.

        `where`: the condition that the rows were drawn under; its values come back exactly. `first_row`: how many rows
        of the same sample were decoded before, so that identifiers stay different from theirs.
        """
        codes = np.asarray(codes).astype(np.int64)
        fixed = self._typed(where or {})
        columns = []
        for coder, span in zip(self.coders, self._spans, strict=True):
            name = coder.column.name
            if name in fixed:
                value = pl.Series(name, [fixed[name]], dtype=coder.column.dtype)
                columns.append(value.new_from_index(0, len(codes)))
            else:
                parts = [codes[:, at] for at in range(span.start, span.stop)]
                columns.append(coder.decode(parts, len(codes), generator, first_row).alias(name))
        return pl.DataFrame(columns)

    def rare_rows(self) -> dict[str, int]:
        """How many training rows, by column, have a word that too few have: it is never drawn, so that the column's total
        variation distance from them cannot fall below their share."""
        counts = {}
        for coder, span in zip(self.coders, self._spans, strict=True):
            if isinstance(coder, CategoryCoder) and coder.rare and self.counts[span.start][coder.rare_code]:
                counts[coder.column.name] = int(self.counts[span.start][coder.rare_code])
        return counts

    def to_json(self) -> dict[str, Any]:
        """What is not in `arrays`, as JSON values."""
        coders = [coder.to_json() for coder in self.coders]
        return {"format": FORMAT, "rows": self.rows, "schema": self.schema.to_json(), "columns": coders}

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, ready for safetensors."""
        arrays = {f"counts.{at}": count for at, count in enumerate(self.counts)}
        for at, coder in enumerate(self.coders):
            arrays |= {f"{at}.{name}": np.ascontiguousarray(array) for name, array in coder.arrays().items()}
        return arrays

    @classmethod
    def from_json(cls, data: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TableCodec:
        """Back from `to_json` and `arrays`; GW-0304 when they are damaged, GW-0306 when a later Genwright wrote them."""
        if isinstance(data, Mapping) and isinstance(data.get("format"), int) and data["format"] > FORMAT:
            raise GenwrightError("GW-0306", "The codec was written by a later Genwright", "Update Genwright")
        try:
            schema = Schema.from_json(data["schema"])
            coders = []
            for at, (column, values) in enumerate(zip(schema.columns, data["columns"], strict=True)):
                own = {key.removeprefix(f"{at}."): array for key, array in arrays.items() if key.startswith(f"{at}.")}
                coders.append(_coder(values, column, own))
            sizes = [size for coder in coders for size in coder.sizes()]
            counts = [arrays[f"counts.{at}"] for at in range(len(sizes))]
            if [len(count) for count in counts] != sizes:
                raise ValueError("counts do not fit")
            return cls(schema, coders, counts, int(data["rows"]))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise GenwrightError("GW-0304", "The codec in the run folder is damaged", "Train again") from None

    def _make_spec(self) -> DataSpec:
        spans: list[Span] = []
        for coder, own in zip(self.coders, self._spans, strict=True):
            counts = self.counts[own]
            for place, count in enumerate(counts):
                refining = place == 1
                spans.append(
                    Span(
                        column=coder.column.name,
                        frequency=tuple((count / max(int(count.sum()), 1)).tolist()),
                        ordered_from=0 if refining else coder.ordered_from(),
                        parent=len(spans) - 1 if refining else None,
                        missing=coder.missing and not refining,
                        refined=tuple(coder.refined().tolist()) if len(counts) > 1 and not refining else (),
                    )
                )
        if not spans:
            spans.append(Span(column=self.schema.names[0], frequency=(1.0,), ordered_from=1))
        return DataSpec(kind="row", shape=(len(spans),), spans=tuple(spans))

    def _counted(self, batch: pl.DataFrame) -> list[np.ndarray]:
        """For each span how often each code occurs in typed rows."""
        codes, counts = self._codes(batch), list[np.ndarray]()
        for coder, span in zip(self.coders, self._spans, strict=True):
            inside = None
            for place, at in enumerate(range(span.start, span.stop)):
                if place == 1:  # a refining span counts only where its parent is refined
                    parent = codes[:, at - 1]
                    inside = (parent != FREE) & coder.refined()[np.maximum(parent, 0)]
                known = codes[:, at] if inside is None else codes[inside, at]
                counts.append(np.bincount(known[known != FREE], minlength=len(self.counts[at])))
        return counts

    def _codes(self, frame: pl.DataFrame) -> np.ndarray:
        shape, known = (frame.height, len(self.counts)), set(frame.columns)
        codes = np.full(shape, FREE, dtype=np.int64, order="F")  # written and counted column by column
        for coder, span in zip(self.coders, self._spans, strict=True):
            if coder.column.name in known:
                for at, part in zip(range(span.start, span.stop), coder.encode(frame[coder.column.name]), strict=True):
                    codes[:, at] = part
        return codes

    def _typed(self, where: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.schema.parse_value(name, value) for name, value in where.items()}


def _coder(data: Mapping[str, Any], column: Column, arrays: Mapping[str, np.ndarray]) -> Coder:
    if data["coder"] == "number":
        return grid_coder(data, column, arrays)
    if data["coder"] == "category":
        return category_coder(data, column, arrays)
    if data["coder"] == "fresh":
        source = data["source"]
        known = TextModel.from_json(source, arrays) if source["style"] == "words" else identifier_source(source, arrays)
        return FreshCoder(column, known, bool(data["missing"]))
    if data["coder"] == "fixed":
        return FixedCoder(column)
    raise ValueError(f"unknown coder {data['coder']!r}")
