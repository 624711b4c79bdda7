"""Attacks on the synthetic rows, as metrics: membership inference and the three risks that European law names.

Each attack runs three times: on the synthetic rows, on one half of the hold-out as if it were synthetic (floor: the attack
must be at chance), and on training rows handed back (copycat). `membership.py`, `shadows.py`, `singling_out.py` and
`lookalikes.py` have the attacks, `risks.py` says what a risk is. That those which we know fail proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genwright.metrics.auc import Estimate
from genwright.metrics.lookalikes import halves, inference, linkability, lookalikes, right, tolerances
from genwright.metrics.membership import Caught, Game, Membership, Scored, among_rows, played, scored
from genwright.metrics.nearest import Encoded, Index, encode
from genwright.metrics.risks import Attacked
from genwright.metrics.shadows import Shadow, look, targets_of
from genwright.metrics.singling_out import MINIMUM, People, singling_out
from genwright.metrics.values import NO_HOLDOUT, Metric, Scene, metric, rounded
from genwright.metrics.view import View

ATTACK_STAGE, SHADOW_STAGE = 7, 8
ATTACKS = ("membership", "singling_out", "linkability", "attribute_inference")
LEAST_TARGETS, MOST_TARGETS = 250, 3_000
MEMBERSHIP_TARGETS = 4
"""Membership is asked of this many times more records: its search for neighbours is the faster one."""
WORK_SHARE = 1 / 20
"""Of the work allowed for distances; see `effort.py`."""


@dataclass(frozen=True)
class Outcome:
    """What all attacks found in one game; None where an attack has too little to go on."""

    membership: Membership | None
    one_column: Attacked | None
    several_columns: Attacked | None
    linkability: Attacked | None
    inference: Attacked | None
    columns: list[Attacked]
    """Attribute inference of each column alone: the numbers, then the labels."""


def attack_metrics(scene: Scene, shadows: Sequence[Shadow] = ()) -> dict[str, Metric]:
    """`membership` (AUC, .5 best), and the risks `singling_out`, `linkability`, `attribute_inference` (0 best).

    With `shadows`, membership has their attack among its parts. They hold "targets" (training rows asked about, for
    membership), "rates" (for risks: success on training rows, on control rows and of a guess, and how many attacks), "parts"
    (further attacks of the kind) and, for inference, "columns". Risks below 0 are shown as 0; their intervals keep the sign,
    down to -1.
    """
    tables = scene.tables
    lacking: dict[str, Any] | None = None
    if not tables.modelled:
        lacking = {"code": "no_columns"}
    elif tables.holdout is None:
        lacking = NO_HOLDOUT
    elif min(view.rows for view in tables.views.values()) < 2 * MINIMUM:
        lacking = {"code": "few_attacked", "rows": 2 * MINIMUM}
    if lacking is not None:
        return {name: _metric(name, None, None, None, notes=[lacking]) for name in ATTACKS}
    generator = scene.generator(ATTACK_STAGE)
    games, asked, notes = _games(scene, generator)
    found = {name: play(game, asked, generator) for name, game in games.items()}
    names = [n for n in tables.modelled if n in tables.train.numbers]
    names += [n for n in tables.modelled if n not in tables.train.numbers]
    metrics = _metrics(found, names, notes)
    if shadows:
        metrics["membership"]["parts"] |= _by_shadows(scene, shadows, asked)
    return metrics


def _by_shadows(scene: Scene, shadows: Sequence[Shadow], asked: int) -> dict[str, Any]:
    """The membership attack of who can train the model, in the three games."""
    tables, generator = scene.tables, scene.generator(SHADOW_STAGE)
    assert tables.holdout is not None
    names, most = tables.modelled, math.ceil(scene.effort.distance_work * WORK_SHARE / (asked * len(tables.modelled)))
    known = look(tables, shadows, asked, most, generator)
    targets, n = targets_of(tables, (known.train, known.holdout)), len(known.train)

    def play(made: View, unseen: NDArray[np.bool_]) -> Scored:
        scores = known.scores(targets, Index(encode(made.sample(most, generator), tables.train, names, names)))
        kept = np.append(np.ones(n, dtype=bool), unseen)
        return scored((np.arange(2 * n) < n)[kept], scores[kept], generator)

    stand_in = generator.permutation(tables.holdout.rows)[: tables.holdout.rows // 2]
    everybody = np.ones(n, dtype=bool)
    value = play(tables.synthetic, everybody)
    floor = play(tables.holdout.take(stand_in), ~np.isin(known.holdout, stand_in))
    copycat = play(tables.train, everybody)
    three = (value, floor, copycat)
    return {
        "shadows": _part(*(found.area for found in three)) | {"shadows": len(shadows), "targets": n},
        "caught_by_shadows": _part(*(found.caught for found in three)),
    }


def _games(scene: Scene, generator: np.random.Generator) -> tuple[dict[str, Game[Encoded]], int, list[dict[str, Any]]]:
    """The three games, the number of targets on each side, and what was cut: rows only where targets can not be fewer."""
    tables = scene.tables
    holdout = tables.holdout
    assert holdout is not None
    names = list(tables.modelled)
    work = scene.effort.distance_work * WORK_SHARE / (2 * len(names))
    most = max(2 * MINIMUM, math.ceil(work / LEAST_TARGETS))
    gaps = [name for name in names if any(view.missing(name).any() for view in tables.views.values())]

    def coded(view: View) -> Encoded:
        return encode(scene.sample(view, most, generator), tables.train, names, gaps)

    train, control, made = coded(tables.train), coded(holdout), coded(tables.synthetic)
    # Drawn once more: where rows had to be cut, copies of rows that were cut away do not show in the copycat either.
    again = coded(tables.train)
    cut_in_two = np.array_split(generator.permutation(control.rows), 2)
    unseen, stand_in = (control.take(half) for half in cut_in_two)
    games = {
        "value": Game(train, control, made),
        "floor": Game(train, unseen, stand_in),
        "copycat": Game(train, control, again),
    }
    asked = int(np.clip(work / max(train.rows, made.rows), LEAST_TARGETS, MOST_TARGETS))
    cut = max(tables.train.rows, tables.synthetic.rows) > most
    return games, asked, [{"code": "attack_rows", "rows": most}] if cut else []


def play(game: Game[Encoded], asked: int, generator: np.random.Generator) -> Outcome:
    """All attacks, on at most `asked` training rows and as many hold-out rows; membership on four times as many."""
    several = len(game.train.numbers) + len(game.train.labels) > 1
    people = People(game.train, game.holdout, generator)
    one = singling_out(people, game.synthetic, asked, generator, several=False)
    many = singling_out(people, game.synthetic, asked, generator, several=True) if several else None
    linked, inferred, columns = _lookalikes(game, asked, generator) if several else (None, None, [])
    known = played(game, asked * MEMBERSHIP_TARGETS, among_rows, generator)
    return Outcome(known, one, many, linked, inferred, columns)


def _lookalikes(
    game: Game[Encoded], asked: int, generator: np.random.Generator
) -> tuple[Attacked | None, Attacked | None, list[Attacked]]:
    n = min(asked, game.train.rows, game.holdout.rows)
    members, others = (rows.take(generator.permutation(rows.rows)[:n]) for rows in (game.train, game.holdout))
    if n < MINIMUM:
        return None, None, []
    made, side = game.synthetic, halves(game.synthetic)
    ours, theirs = (lookalikes(targets, made, side) for targets in (members, others))
    allowed = tolerances(game.train)
    random_rows = generator.integers(0, made.rows, ours.twins.shape)
    hits = [
        right(targets, made, twins, allowed)
        for targets, twins in ((members, ours.twins), (others, theirs.twins), (members, random_rows))
    ]
    columns = [inference(*(found[[i]] for found in hits)) for i in range(len(side))]
    return linkability(ours, theirs), inference(hits[0], hits[1], hits[2]), columns


def _metrics(found: dict[str, Outcome], names: list[str], notes: list[dict[str, Any]]) -> dict[str, Metric]:
    def each(pick: Callable[[Outcome], Any]) -> tuple[Any, Any, Any]:
        return pick(found["value"]), pick(found["floor"]), pick(found["copycat"])

    one, several = each(lambda o: o.one_column), each(lambda o: o.several_columns)
    of_columns = each(lambda o: o.columns or [None] * len(names))
    columns = {name: _part(*(results[i] for results in of_columns)) for i, name in enumerate(names)}
    return {
        "membership": membership_metric(*each(lambda o: o.membership), notes=notes),
        "singling_out": _metric(
            "singling_out", *(several if len(names) > 1 else one), notes=notes, parts={"one_column": _part(*one)}
        ),
        "linkability": _metric("linkability", *each(lambda o: o.linkability), notes=notes),
        "attribute_inference": _metric(
            "attribute_inference", *each(lambda o: o.inference), notes=notes, columns=columns
        ),
    }


def membership_metric(
    value: Membership | None, floor: Membership | None, copycat: Membership | None, *, notes: list[dict[str, Any]]
) -> Metric:
    """The metric `membership` of three games, of rows or of anything else."""

    def each(pick: Callable[[Membership], Any]) -> tuple[Any, Any, Any]:
        one, two, three = (None if found is None else pick(found) for found in (value, floor, copycat))
        return one, two, three

    parts = {
        "caught": _part(*each(lambda m: m.density.caught)),
        "distance": _part(*each(lambda m: m.distance.area)),
        "caught_by_distance": _part(*each(lambda m: m.distance.caught)),
    }
    targets = None if value is None else value.targets
    return _metric("membership", *each(lambda m: m.density.area), notes=notes, targets=targets, parts=parts)


Result = Estimate | Caught | Attacked | None


def _metric(
    name: str, value: Result, floor: Result, copycat: Result, *, notes: list[dict[str, Any]], **more: Any
) -> Metric:
    shown, interval = _shown(value)
    found = list(notes)
    if isinstance(value, Attacked):
        more["rates"] = _rates(value)
        if value.risk is None:
            found.append({"code": "nothing_left"})
        elif value.attack.low <= value.naive:
            found.append({"code": "attack_useless"})
    elif value is None and not found:
        found.append({"code": "few_conditions", "least": MINIMUM} if name == "singling_out" else {"code": "one_column"})
    better, unit = ("nearer to .5", "AUC") if name == "membership" else ("lower", "share")
    return metric(shown, _shown(floor)[0], _shown(copycat)[0], better, unit, interval=interval, notes=found, **more)  # type: ignore[arg-type]


def _part(value: Result, floor: Result, copycat: Result) -> dict[str, Any]:
    """The same numbers for a part of a metric."""
    shown, interval = _shown(value)
    out: dict[str, Any] = {"value": rounded(shown), "floor": rounded(_shown(floor)[0])}
    out["copycat"] = rounded(_shown(copycat)[0])
    if interval is not None:
        out["interval"] = [rounded(end) for end in interval]
    return out | ({"rates": _rates(value)} if isinstance(value, Attacked) else {})


def _shown(result: Result) -> tuple[float | None, tuple[float, float] | None]:
    """The number for the page and its interval; a risk below 0 reads 0, and its interval ends at -1."""
    if isinstance(result, Estimate):
        return result.value, result.interval(0, 1)
    if isinstance(result, Caught):
        return result.value, (result.low, result.high)
    found = result.risk if result is not None else None
    return (max(0.0, found.value), (max(-1.0, found.low), found.high)) if found is not None else (None, None)


def _rates(attacked: Attacked) -> dict[str, Any]:
    rates = {"attack": attacked.attack.value, "control": attacked.control.value, "naive": attacked.naive}
    return {name: rounded(share) for name, share in rates.items()} | {"attacks": attacked.attacks}
