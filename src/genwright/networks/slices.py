"""Slices of a number's cell: where they say something; and for models that draw cells only, slices drawn by the cell
alone, as often as they were seen or evenly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from genwright.contract import DataSpec, Span


def slice_shares(spec: DataSpec, blocks: Iterable[np.ndarray] = ()) -> Tensor:
    """For each refining span the (cells, slices) shares of its codes, flat, one after the other.

    From blocks of (rows, spans) codes; without any, or for a cell that no row has, all slices are as likely.
    """
    refining = {at: span.parent for at, span in enumerate(spec.spans) if span.parent is not None}
    counts = {at: np.zeros(spec.spans[parent].size * spec.spans[at].size) for at, parent in refining.items()}
    for codes in blocks:
        for at, parent in refining.items():
            places = codes[:, parent].astype(np.int64) * spec.spans[at].size + codes[:, at]
            counts[at] += np.bincount(places, minlength=len(counts[at]))
    tables = [torch.empty(0)]
    for at, count in counts.items():
        table = count.reshape(-1, spec.spans[at].size)
        seen = table.sum(1, keepdims=True)
        shares = np.where(seen > 0, table / np.maximum(seen, 1), 1 / table.shape[1])
        tables.append(torch.from_numpy(shares).float().ravel())
    return torch.cat(tables)


def _tables(spec: DataSpec, shares: Tensor) -> Iterator[tuple[int, Span, Tensor]]:
    """Each refining span's place, the span that it refines, and its (cells, slices) shares out of the flat ones."""
    start = 0
    for at, span in enumerate(spec.spans):
        if span.parent is not None:
            parent = spec.spans[span.parent]
            size = parent.size * span.size
            yield at, parent, shares[start : start + size].reshape(parent.size, span.size)
            start += size


def within(spec: DataSpec, shares: Tensor, factors: Mapping[int, Tensor]) -> tuple[Tensor, dict[int, Tensor]]:
    """The shares times the factors (cells, slices) of refining spans, and what they leave of each of their parents' cells."""
    tables, left = [torch.empty(0)], {}
    for at, parent, table in _tables(spec, shares):
        if at in factors:
            table = table * factors[at].float()
            kept = table.sum(1)
            left[at - 1] = torch.where(torch.tensor(parent.refined), kept, 1.0)  # a parent comes directly before
            table = torch.where(kept[:, None] > 0, table, 1.0)  # of a cell that is never drawn, or not refined
        tables.append(table.flatten())
    return torch.cat(tables), left


def draw_slices(spec: DataSpec, shares: Tensor, x: Tensor, given: Tensor, generator: torch.Generator) -> Tensor:
    """(n, spans) codes whose refining spans are drawn by their cells, or kept where cell and slice are `given`."""
    for at, parent, table in _tables(spec, shares):
        cell = x[:, at - 1]
        drawn = torch.multinomial(table[cell], 1, generator=generator)[:, 0]
        kept = (given[:, at] >= 0) & (given[:, at - 1] >= 0)
        refined = torch.tensor(parent.refined, device=x.device)[cell]
        x[:, at] = torch.where(kept, given[:, at], drawn) * refined
    return x


def informative(spec: DataSpec, x: Tensor) -> Tensor:
    """(B, spans) True where a code of (B, spans) says something: not in a refining span whose parent is an atom or missing."""
    columns = []
    for at, span in enumerate(spec.spans):
        if span.parent is None:
            columns.append(torch.ones_like(x[:, at], dtype=torch.bool))
        else:
            refined = torch.tensor(spec.spans[span.parent].refined, device=x.device)
            columns.append(refined[x[:, span.parent]])
    return torch.stack(columns, dim=1)
