"""The sum over examples of their gradients, each scaled down to a norm: what noise is added to (Abadi et al. 2016).

`Engine` reaches it in one of three ways, the first that agrees with plain autograd on a few random examples: "tape", one
backward pass for all examples (`tape.py`); "vmap", the gradients of examples side by side by `torch.func`; "loop", one
after another. The way is fixed before any data are seen. Read `tape.py` next.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from genwright.contract import BEGIN, Batch, DataSpec, GenerativeModel, Phase
from genwright.errors import GenwrightError
from genwright.privacy.layers import KNOWN
from genwright.privacy.norms import Gradients, Lengths, Method, fastest, forked, weighted
from genwright.privacy.tape import Tape, UnknownUse

Way = Literal["tape", "vmap", "loop"]
WAYS: tuple[Way, ...] = ("tape", "vmap", "loop")
MOST_STORED = 2**26  # numbers of the gradients of examples that are kept at once, of all parameters together
SIDE_BY_SIDE = 16  # examples whose gradients are held at once by "vmap"
TRIED = 4  # random examples on which the ways are compared
AGREE = 1e-4  # in double precision, but some losses are sums of single ones; a wrong formula is off by far more

logger = logging.getLogger(__name__)


class Clipped(NamedTuple):
    """What `Engine.clipped_gradient` found."""

    total: dict[str, Tensor]
    """By the names of the parameters in the phase's module, those that require gradients: no example adds more than
    clip_norm to it, all parameters together (L2)."""
    norms: Tensor
    """(B,) of the examples' gradients before clipping: private, not for any log."""


class Engine:
    """Clipped sums of per-example gradients of one phase; `way` says how, `reason` why not faster."""

    def __init__(
        self,
        model: GenerativeModel,
        phase: Phase,
        *,
        draws: int = 1,
        micro_batch: int | None = None,
        precision: torch.dtype = torch.float32,
    ) -> None:
        """Batches hold `draws` rows for each example, one example after another (`repeated`); their loss is averaged before
        clipping. At most `micro_batch` examples are worked on at once; `precision` is that of the forward pass.
        GW-0601 if the phase mixes examples."""
        if phase.mixes_examples:
            raise GenwrightError(
                "GW-0601",
                f"The phase {phase.name!r} of this model mixes examples, so the gradient of one cannot be bounded",
                "Choose a model or settings without batch statistics or pairings of examples.",
            )
        self.model, self.phase, self.draws = model, phase, draws
        self.micro_batch, self.precision = micro_batch, precision
        self.way: Way = "tape"
        self.reason = ""
        named = getattr(model, phase.updates).named_parameters()
        self.parameters: dict[str, nn.Parameter] = {name: p for name, p in named if p.requires_grad}
        moved = set(map(id, self.parameters.values()))
        self.constants = [*model.buffers(), *(p for p in model.parameters() if id(p) not in moved)]
        self.methods: dict[Any, Method] = {}

    def check(self, spec: DataSpec) -> None:
        """Choose the way: on random examples of the spec and moved weights (layers that start at zero would hide what lies
        behind them), it must agree with the loop, whether all, half or none are clipped. Touches no data."""
        device = next(self.model.parameters()).device
        trial = Engine(copy.deepcopy(self.model).double(), self.phase, draws=self.draws)
        with forked(device), torch.no_grad():
            torch.manual_seed(0)
            for parameter in trial.model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
            batch = repeated(_random(spec, device), self.draws)
            batch = _doubled(trial.model.draw(self.phase, _doubled(batch)))
        norms = trial._by("loop", batch, math.inf).norms
        for way in WAYS:
            try:
                disagrees = any(
                    _differ(trial, way, batch, clip)
                    for clip in (math.inf, float(norms.median()), float(norms.min()) / 2)
                )
                reason = "it disagrees with the gradients of single examples" if disagrees else ""
            except (UnknownUse, RuntimeError) as error:
                reason = str(error)
            if not reason:
                self.way = way
                return
            self._give_up(way, reason)

    def clipped_gradient(self, batch: Batch, clip_norm: float) -> Clipped:
        """The sum of the gradients of the B examples of a batch that went through `draw`, each scaled to at most clip_norm.

        Empty batches give zeros; examples whose gradient is not finite add nothing. GW-0602 unless clip_norm is above 0.
        """
        if not clip_norm > 0:
            raise GenwrightError("GW-0602", f"clip_norm is {clip_norm}", "It must be above 0.")
        if not len(batch):
            empty = {name: torch.zeros_like(parameter) for name, parameter in self.parameters.items()}
            return Clipped(empty, batch.x.new_zeros(0, dtype=torch.get_default_dtype()))
        size = self.micro_batch * self.draws if self.micro_batch else len(batch)
        return _added(self._finite(part, clip_norm) for part in _split(batch, size))

    def _finite(self, batch: Batch, clip_norm: float) -> Clipped:
        """Without the examples whose gradient is not finite: they would make the sum so, and cannot be scaled down."""
        found = self._first_that_works(batch, clip_norm)
        finite = found.norms.isfinite()
        if finite.all():
            return found
        rest = self.clipped_gradient(_rows(batch, finite.repeat_interleave(self.draws)), clip_norm)
        return Clipped(rest.total, found.norms)

    def _first_that_works(self, batch: Batch, clip_norm: float) -> Clipped:
        while self.way != "loop":
            try:
                return self._by(self.way, batch, clip_norm)
            except torch.OutOfMemoryError:
                raise
            except (UnknownUse, RuntimeError) as error:
                self._give_up(self.way, str(error))
        return self._by("loop", batch, clip_norm)

    def _give_up(self, way: Way, reason: str) -> None:
        self.way = WAYS[WAYS.index(way) + 1]
        self.reason = f"not {way}: {reason.splitlines()[0]}"
        logger.warning("Clipped gradients of %s: %s, so by %s", self.phase.name, self.reason, self.way)

    def _by(self, way: Way, batch: Batch, clip_norm: float) -> Clipped:
        if way == "tape":
            return self._taped(batch, clip_norm)
        size = SIDE_BY_SIDE if way == "vmap" else 1
        return _added(self._one_by_one(way, part, clip_norm) for part in _split(batch, size * self.draws))

    def _taped(self, batch: Batch, clip_norm: float) -> Clipped:
        tape = Tape(self.parameters.values(), self.constants, len(batch) // self.draws, self.draws, KNOWN)
        with self._autocast(batch), tape:
            terms = self.model.loss(self.phase, batch)
        objective = self._added_up(terms)
        found, made = tape.gradients(objective)
        with torch.no_grad():
            squared = [objective.new_zeros(tape.examples) if made is None else made.norms()]
            stored: dict[int, Tensor | None] = {}
            room, lengths = MOST_STORED, Lengths()
            for key, gradients in found.items():
                square, stored[key] = gradients.norms(self._method(key, gradients, room), lengths)
                room -= 0 if stored[key] is None else gradients.numbers
                squared.append(square)
            norms = torch.stack(squared).sum(0).sqrt()
            factors = (clip_norm / norms).clamp(max=1)
            totals = {key: weighted(gradients, stored[key], factors) for key, gradients in found.items()}
            if made is not None:
                totals |= zip(map(id, made.parameters), made.total(factors), strict=True)
            total = {
                name: totals[id(p)] if id(p) in totals else torch.zeros_like(p) for name, p in self.parameters.items()
            }
        return Clipped(total, norms)

    def _method(self, parameter: int, gradients: Gradients, room: int) -> Method:
        """The fastest, by the parameter and the number of examples to a factor of two."""
        if gradients.direct:
            return Method()
        key = (parameter, gradients.examples.bit_length(), len(gradients.uses))
        method = self.methods.get(key) or self.methods.setdefault(key, fastest(gradients))
        too_much = method.norm == "stored" and gradients.numbers > room
        return method._replace(norm="discarded") if too_much else method

    def _one_by_one(self, way: Way, batch: Batch, clip_norm: float) -> Clipped:
        """Gradients of all examples of a small batch, by `torch.func` side by side or, of one example, by autograd."""
        if way == "vmap":
            gradients = self._side_by_side(batch)
        else:
            found = torch.autograd.grad(self._objective(batch), list(self.parameters.values()), materialize_grads=True)
            gradients = {name: g.detach()[None] for name, g in zip(self.parameters, found, strict=True)}
        norms = torch.stack([torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in gradients.values()]).norm(
            dim=0
        )
        factors = (clip_norm / norms).clamp(max=1)
        return Clipped({name: torch.tensordot(factors, g, 1) for name, g in gradients.items()}, norms)

    def _side_by_side(self, batch: Batch) -> dict[str, Tensor]:
        prefix = f"model.{self.phase.updates}."
        module = _Objective(self)
        weights = {prefix + name: p.detach() for name, p in self.parameters.items()}
        fields = {name: t.unflatten(0, (-1, self.draws)) for name, t in _fields(batch).items()}

        def objective(weights: dict[str, Tensor], fields: dict[str, Tensor]) -> Tensor:
            return torch.func.functional_call(module, weights, (_with(batch, fields),))

        with sdpa_kernel(SDPBackend.MATH):  # the others cannot be taken side by side
            found = torch.func.vmap(torch.func.grad(objective), in_dims=(None, 0))(weights, fields)
        return {name.removeprefix(prefix): g.detach() for name, g in found.items()}

    def _objective(self, batch: Batch) -> Tensor:
        with self._autocast(batch):
            return self._added_up(self.model.loss(self.phase, batch))

    def _autocast(self, batch: Batch) -> torch.autocast:
        return torch.autocast(batch.x.device.type, dtype=self.precision, enabled=self.precision is not torch.float32)

    def _added_up(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The sum over examples of the mean over their draws."""
        total = reduce(add, (term.to(torch.promote_types(term.dtype, torch.float32)).sum() for term in terms.values()))
        return total if self.draws == 1 else total / self.draws


class _Objective(nn.Module):
    """The loss as a module's own function, for `functional_call`."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine, self.model = engine, engine.model

    def forward(self, batch: Batch) -> Tensor:
        return self.engine._objective(batch)


def repeated(batch: Batch, draws: int) -> Batch:
    """Each example `draws` times, one example after another: what goes through `draw` for several noise draws."""
    return _with(batch, {name: t.repeat_interleave(draws, 0) for name, t in _fields(batch).items()})


def _added(parts: Iterator[Clipped]) -> Clipped:
    """Sums over all examples, norms one after another; of at least one part."""
    total, *norms = next(parts)
    for part in parts:
        norms.append(part.norms)
        for name, found in part.total.items():
            total[name] += found
    return Clipped(total, torch.cat(norms))


def _differ(trial: Engine, way: Way, batch: Batch, clip_norm: float) -> bool:
    """Whether a way and the loop find other norms or sums."""
    found, wanted = (trial._by(each, batch, clip_norm) for each in (way, "loop"))
    norms = torch.allclose(found.norms, wanted.norms, rtol=AGREE, atol=0)
    largest = max(float(total.abs().max()) for total in wanted.total.values())
    totals = (torch.allclose(found.total[name], wanted.total[name], 0, AGREE * largest) for name in wanted.total)
    return not (norms and all(totals))


def _random(spec: DataSpec, device: torch.device) -> Batch:
    """A few examples as the spec describes them, of random values."""
    condition = torch.randint(spec.classes, (TRIED,), device=device) if spec.classes else None
    if spec.kind == "row":
        return Batch(torch.stack([torch.randint(span.size, (TRIED,), device=device) for span in spec.spans], 1))
    if spec.kind == "tokens":
        x = torch.randint(spec.vocabulary, (TRIED, *spec.shape), device=device)
        x[:, 0] = BEGIN
        return Batch(x, condition)
    return Batch(torch.rand(TRIED, *spec.shape, device=device) * 2 - 1, condition)


def _doubled(batch: Batch) -> Batch:
    """In double precision, where rounding is no excuse."""
    return _with(batch, {name: t.double() if t.is_floating_point() else t for name, t in _fields(batch).items()})


def _fields(batch: Batch) -> dict[str, Tensor]:
    """All tensors of a batch, whose first axis is that of its rows."""
    own = {"x": batch.x, "condition": batch.condition, "counts": batch.counts}
    return {name: t for name, t in own.items() if t is not None} | {f"drawn {k}": t for k, t in batch.drawn.items()}


def _with(batch: Batch, fields: Mapping[str, Tensor]) -> Batch:
    """The batch with other tensors for `_fields`."""
    drawn = {name: fields[f"drawn {name}"] for name in batch.drawn}
    return replace(batch, x=fields["x"], drawn=drawn, condition=fields.get("condition"), counts=fields.get("counts"))


def _rows(batch: Batch, rows: slice | Tensor) -> Batch:
    return _with(batch, {name: t[rows] for name, t in _fields(batch).items()})


def _split(batch: Batch, size: int) -> Iterator[Batch]:
    if len(batch) == size:
        return iter([batch])
    return (_rows(batch, slice(start, start + size)) for start in range(0, len(batch), size))
