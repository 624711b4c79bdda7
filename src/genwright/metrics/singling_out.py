"""Singling out: does a synthetic row describe exactly one training row?

The attacker reads conditions off the synthetic rows and hopes that exactly one person fulfils each. Of one column: a value
that occurs once, or "at most the smallest", "at least the largest". Of several columns: those of a random row, "equal" for
labels and, for numbers, "at least" or "at most" depending on which side of the median they lie (Giomi et al. 2023, section
4.1). Their columns are drawn until one synthetic row fulfils all; here a row's columns join one by one, to the same end.

Departs: whether a condition isolates somebody depends on how many people there are, so the control must be as large as the
training table. Where the hold-out is smaller, its rows take the places of as many random training rows, and the share of
conditions that then isolate one of them is scaled up to all places. Cutting the training table down instead would hide most
of what was copied. Conditions that isolate the same person count as one observation in the interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.nearest import Encoded
from genwright.metrics.risks import Attacked, Rate, rate

MINIMUM = 20
"""Conditions below which there is no number."""
PRESENT = np.float32(2e6)
"""No number that is present lies beyond; see `nearest.encode`."""
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Condition:
    """Rows whose value of each named column lies in [low, high]. Columns: the numbers, then the labels."""

    columns: NDArray[np.intp]
    low: Floats
    high: Floats

    def rows(self, matrix: Floats) -> NDArray[np.intp]:
        """Places of the rows of a (columns, rows) matrix that fulfil it, in order."""
        whole = matrix[self.columns[0]]
        found = np.flatnonzero((whole >= self.low[0]) & (whole <= self.high[0]))
        for column, low, high in zip(self.columns[1:], self.low[1:], self.high[1:], strict=True):
            values = matrix[column, found]
            found = found[(values >= low) & (values <= high)]
        return found


class People:
    """Real rows in three parts: training rows that stay, training rows that give way, hold-out rows in their places."""

    def __init__(self, train: Encoded, holdout: Encoded, generator: np.random.Generator) -> None:
        places = min(train.rows, holdout.rows)
        order = generator.permutation(train.rows)
        control = holdout.take(generator.permutation(holdout.rows)[:places])
        self.train_rows, self.stay = train.rows, train.rows - places
        self.scale = train.rows / places
        self.matrix = np.concatenate([_matrix(train)[:, order], _matrix(control)], axis=1)

    def singled_out(self, conditions: list[Condition]) -> tuple[Rate, Rate]:
        """Rates of conditions that isolate one training row, and one row of the control."""
        members, others = [], []
        for condition in conditions:
            found = condition.rows(self.matrix)
            trained = int((found < self.train_rows).sum())
            if trained == 1:
                members.append(int(found[0]))
            replaced = found[(found < self.stay) | (found >= self.train_rows)]
            if len(replaced) == 1 and replaced[0] >= self.train_rows:
                others.append(int(replaced[0]))
        return _rate(members, len(conditions)), _rate(others, len(conditions), self.scale)


def _rate(isolated: list[int], n: int, scale: float = 1.0) -> Rate:
    """`isolated` names the row that each success isolates: n is cut by how often the same one comes up."""
    times = np.unique(isolated, return_counts=True)[1]
    repeats = float((times**2).sum() / times.sum()) if len(times) else 1.0
    return rate(len(isolated) / n, n / repeats, scale)


def singling_out(
    people: People, synthetic: Encoded, limit: int, generator: np.random.Generator, *, several: bool
) -> Attacked | None:
    """Attack with at most `limit` conditions of one column or of several; None if there are fewer than 20.

    Naive: values of random rows, rare or not; of several columns, each from another row.
    """
    reader = Reader(synthetic, generator)
    if several:
        read = (reader.isolating(row) for row in generator.permutation(synthetic.rows)[: 2 * limit])
        conditions = list(islice((condition for condition in read if condition is not None), limit))
        naive = [reader.mixed(condition.columns) for condition in conditions]
    else:
        conditions = reader.rare(limit)
        naive = [reader.mixed(generator.integers(0, len(reader.matrix), 1), equal=True) for _ in conditions]
    if len(conditions) < MINIMUM:
        return None
    attack, control = people.singled_out(conditions)
    return Attacked(attack, control, people.singled_out(naive)[0].value, len(conditions))


def _matrix(rows: Encoded) -> Floats:
    """(columns, rows) numbers and label codes alike."""
    return np.concatenate([rows.numbers, rows.labels.astype(np.float32)])


class Reader:
    """Reads conditions off synthetic rows."""

    def __init__(self, rows: Encoded, generator: np.random.Generator) -> None:
        self.matrix, self.numbers, self.generator = _matrix(rows), len(rows.numbers), generator
        present = self.matrix < PRESENT
        self.middle = np.array([np.median(v[p]) if p.any() else 0.0 for v, p in zip(self.matrix, present, strict=True)])

    def rare(self, limit: int) -> list[Condition]:
        """At most `limit` of all values that one row has in a column, and what lies at the ends of a column.

        "Is missing" is a value like others.
        """
        found = [self._rare(column) for column in range(len(self.matrix))]
        columns = np.repeat(np.arange(len(found)), [len(low) for low, _ in found])
        low, high = (np.concatenate(ends) for ends in zip(*found, strict=True))
        chosen = self.generator.permutation(len(columns))[:limit]
        return [Condition(columns[[i]], low[[i]], high[[i]]) for i in chosen]

    def _rare(self, column: int) -> tuple[Floats, Floats]:
        values, times = np.unique(self.matrix[column], return_counts=True)
        low = high = values[times == 1]
        present = values[values < PRESENT]
        if column < self.numbers and len(present):
            low = np.concatenate([low, [-PRESENT, present[-1]]])
            high = np.concatenate([high, [present[0], PRESENT]])
        return low, high

    def isolating(self, row: int) -> Condition | None:
        """As many columns of the row, in random order, as it takes until no other row fulfils their conditions."""
        columns = self.generator.permutation(len(self.matrix))
        low, high = self._ends(columns, self.matrix[columns, row])
        alike = np.arange(self.matrix.shape[1])
        for count, column in enumerate(columns):
            values = self.matrix[column] if count == 0 else self.matrix[column, alike]
            alike = alike[(values >= low[count]) & (values <= high[count])]
            if len(alike) == 1:
                return Condition(columns[: count + 1], low[: count + 1], high[: count + 1])
        return None

    def mixed(self, columns: NDArray[np.intp], *, equal: bool = False) -> Condition:
        """Conditions of these columns, each of a random row of its own."""
        values = self.matrix[columns, self.generator.integers(0, self.matrix.shape[1], len(columns))]
        return Condition(columns, *((values, values) if equal else self._ends(columns, values)))

    def _ends(self, columns: NDArray[np.intp], values: Floats) -> tuple[Floats, Floats]:
        """Least and largest value that fulfil the condition of each value."""
        ordered = (columns < self.numbers) & (values < PRESENT)
        large = values >= self.middle[columns]
        return np.where(ordered & ~large, -PRESENT, values), np.where(ordered & large, PRESENT, values)
