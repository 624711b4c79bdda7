"""Fidelity of three columns at once: the total variation of three-way margins.

Definition: mean over triples of columns of the total variation between their joint tables, with the cells of `pairs.py`: ten
equal-width bins of the training range for numbers, missing values a cell of their own. The NIST contest of 2018 judged
synthetic tables by such margins (McKenna et al. 2021, arXiv 2108.04978). Numbers are binned in every triple, unlike in a
pair of numbers: a correlation says nothing of three columns. Read `judges.py` next.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from genwright.metrics.marginals import total_variation
from genwright.metrics.pairs import Cells, all_edges, cell_codes, tallies
from genwright.metrics.view import View

Triple = tuple[str, str, str]


def choose_triples(columns: Sequence[str], limit: int, generator: np.random.Generator) -> list[Triple]:
    """All triples, or a random `limit` of them, in table order."""
    if math.comb(len(columns), 3) <= limit:
        return list(itertools.combinations(columns, 3))
    chosen: set[tuple[int, ...]] = set()
    while len(chosen) < limit:
        places = sorted(generator.integers(0, len(columns), 3).tolist())
        if len(set(places)) == 3:
            chosen.add(tuple(places))
    return [(columns[i], columns[j], columns[k]) for i, j, k in sorted(chosen)]


def triple_errors(train: View, others: Sequence[View], triples: Sequence[Triple]) -> list[list[float]]:
    """For each of `others`, the total variation in [0, 1] from the training table, of every triple; 0 best."""
    columns = sorted({name for triple in triples for name in triple})
    edges = all_edges(train, columns)
    coded = [cell_codes(view, edges) for view in (train, *others)]
    sizes = {name: 1 + max(int(codes[name].max(initial=0)) for codes in coded) for name in columns}
    errors: list[list[float]] = [[] for _ in others]
    for cells, size in _joint_cells(coded, sizes, triples):
        real, *made = tallies(cells, size)
        for listed, table in zip(errors, made, strict=True):
            listed.append(total_variation(real, table))
    return errors


def _joint_cells(
    coded: list[dict[str, Cells]], sizes: dict[str, int], triples: Sequence[Triple]
) -> Iterator[tuple[list[Cells], int]]:
    """The joint cell of every row in each table and the number of cells, triple by triple."""
    for (first, second), group in itertools.groupby(triples, key=lambda triple: triple[:2]):
        pair = [codes[first] * sizes[second] + codes[second] for codes in coded]
        for *_, third in group:
            size = sizes[first] * sizes[second] * sizes[third]
            yield [cells * sizes[third] + codes[third] for cells, codes in zip(pair, coded, strict=True)], size
