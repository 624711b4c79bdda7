"""Membership inference with shadow models: what do tables from models that saw a record look like around it, and from
models that did not?

Somebody who knows how the generator is trained trains others like it, *shadows*, each on a random half of all rows that
may have been trained on (Shokri et al. 2017, "Membership inference attacks against machine learning models"; for
synthetic tables Stadler et al. 2022, "Synthetic data - anonymisation groundhog day"). What is looked at in a table is the
logarithm of the distance from the record to the nearest row. Read `attacks.py` next: it sets this beside other attacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genwright.metrics.nearest import Encoded, Index, encode
from genwright.metrics.view import Tables, view_tables

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
PRIOR = 4.0  # shadows that the spread of all records counts for beside a record's own


@dataclass(frozen=True)
class Shadow:
    """What one shadow drew, and which rows of the training and of the hold-out table it was trained on."""

    frame: pl.DataFrame
    of_train: Mask
    of_holdout: Mask


@dataclass(frozen=True)
class Shadows:
    """What the shadows say of the targets, which are some training rows and then as many hold-out rows."""

    train: NDArray[np.intp]
    """(n,) which training rows are targets."""
    holdout: NDArray[np.intp]
    """(n,) which hold-out rows are."""
    far: Floats
    """(shadows, 2n) logarithm of the distance from a target to what the shadow drew."""
    inside: Mask
    """(shadows, 2n) whether the shadow was trained on the target."""
    scale: float
    """A distance far below the usual ones, which is added: the logarithm of none would be infinite."""

    def scores(self, targets: Encoded, made: Index) -> Floats:
        """(2n,) how much likelier the distances of the targets to a table are if it was made from them."""
        return likelier(self.far, self.inside, np.log(made.neighbours(targets).first + self.scale))


def look(tables: Tables, shadows: Sequence[Shadow], asked: int, most: int, generator: np.random.Generator) -> Shadows:
    """Choose at most `asked` targets on each side and measure their distances to `most` rows of each shadow."""
    assert tables.holdout is not None
    n = min(asked, tables.train.rows, tables.holdout.rows)
    chosen = [np.sort(generator.permutation(rows)[:n]) for rows in (tables.train.rows, tables.holdout.rows)]
    distances = np.empty((len(shadows), 2 * n))
    for index, shadow in enumerate(shadows):
        # Labels have other codes beside each table, so that the targets are coded anew.
        own = view_tables(tables.frames["train"], tables.frames["holdout"], shadow.frame, tables.kinds)  # type: ignore[arg-type]
        targets = targets_of(own, chosen)
        made = encode(own.synthetic.sample(most, generator), own.train, own.modelled, own.modelled)
        distances[index] = Index(made).neighbours(targets).first
    scale = 0.01 * float(np.median(distances)) or 1e-6
    inside = np.stack([np.append(s.of_train[chosen[0]], s.of_holdout[chosen[1]]) for s in shadows])
    return Shadows(chosen[0], chosen[1], np.log(distances + scale), inside, scale)


def targets_of(tables: Tables, chosen: Sequence[NDArray[np.intp]]) -> Encoded:
    """The chosen training rows, and after them the chosen hold-out rows."""
    assert tables.holdout is not None
    views = [view.take(rows) for view, rows in zip((tables.train, tables.holdout), chosen, strict=True)]
    first, second = (encode(view, tables.train, tables.modelled, tables.modelled) for view in views)
    numbers, labels = (np.concatenate([getattr(first, f), getattr(second, f)], axis=1) for f in ("numbers", "labels"))
    return Encoded(numbers, labels, first.may_miss)


def likelier(seen: Floats, inside: Mask, own: Floats) -> Floats:
    """(n,) log-likelihood ratio of `own` (n,) between a model that saw the record and one that did not.

    From shadows, `seen` (K, n), each with or without a record, `inside`: a Gaussian around a level of each record's own,
    which moves by one amount for all where it was seen (Carlini et al. 2022, section 4, "LiRA", with what few shadows
    cannot tell of one record taken from all of them).
    """
    shadows = len(seen)
    without_level = seen - seen.mean(0)
    seen_more = inside - inside.mean(0)
    known = (seen_more**2).sum()
    shift = (without_level * seen_more).sum() / known if known else 0.0
    level = (seen - shift * inside).mean(0)
    left = (seen - level - shift * inside) ** 2
    usual = left.sum() / max(left.size - left.shape[1] - 1, 1)
    spread = (PRIOR * usual + left.sum(0)) / (PRIOR + shadows - 1)
    return shift * (own - level - shift / 2) / np.where(spread > 0, spread, 1)
