"""Low-rank adapters: fine-tuning that moves a small part of a network (Hu et al., "LoRA", 2021), for any module.

`adapt` freezes a network and puts two thin matrices beside each of its linear layers; `merge` adds them to the layers and
takes them away. Read `models/pretrained.py` next: it adapts models of other people.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.errors import GenwrightError


class Adapted(nn.Module):
    """A frozen linear layer with a low-rank one beside it: frozen(x) + scale * up (down x) (Hu et al. 2021, equation 3).

    It begins as the frozen layer alone: `up` is zero. All that merging needs is in its state, the scale too.
    """

    scale: Tensor

    def __init__(self, frozen: nn.Module, rank: int, alpha: float) -> None:
        """Around a `nn.Linear`, or a layer whose `weight` is (inputs, outputs) as that of GPT-2's published code."""
        super().__init__()
        self.frozen = frozen
        weight = _matrix(frozen)
        outputs, inputs = weight.shape
        self.down = nn.Parameter(torch.empty(rank, inputs, dtype=weight.dtype, device=weight.device))
        self.up = nn.Parameter(torch.zeros(outputs, rank, dtype=weight.dtype, device=weight.device))
        nn.init.normal_(self.down, std=inputs**-0.5)
        self.register_buffer("scale", torch.tensor(alpha / rank, dtype=weight.dtype, device=weight.device))

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(x) + F.linear(self.scale * F.linear(x, self.down), self.up)

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """The plain layer with the adapter added to its weights."""
        _matrix(self.frozen).add_(self.scale * (self.up @ self.down))
        return self.frozen


def adapt(module: nn.Module, rank: int, alpha: float, *, kinds: tuple[type[nn.Module], ...] = (nn.Linear,)) -> int:
    """Freeze all parameters and put an adapter of `rank` beside each layer of these kinds; returns how many there are.

    alpha / rank scales what the adapters say, so that the learning rate need not follow the rank. The matrices are drawn
    from torch's global generator. GW-0184 when there is no such layer.
    """
    module.requires_grad_(False)
    found = [(parent, name, child) for parent, name, child in _children(module) if isinstance(child, kinds)]
    if not found:
        raise GenwrightError("GW-0184", "The network has no linear layer to adapt", "Train all of it: --model.rank 0")
    for parent, name, child in found:
        setattr(parent, name, Adapted(child, rank, alpha))
    return len(found)


def merge(module: nn.Module) -> nn.Module:
    """Put plain layers in the place of all adapted ones, in `module` itself; what it computes stays, to rounding."""
    for parent, name, child in _children(module):
        if isinstance(child, Adapted):
            setattr(parent, name, child.merged())
    return module


def merged_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a network whose adapters stand beside `nn.Linear`, or that has none, as `merge` would leave it."""
    adapted = {name.removesuffix(".scale") for name in weights if name.endswith(".scale")}
    plain = {}
    for name, value in weights.items():
        layer, _, part = name.rpartition(".")
        if layer in adapted:
            continue
        owner = layer.removesuffix(".frozen")
        if owner in adapted and part == "weight":
            value = value + weights[f"{owner}.scale"] * (weights[f"{owner}.up"] @ weights[f"{owner}.down"])
        plain[f"{owner}.{part}" if owner in adapted else name] = value
    return plain


@torch.no_grad()
def start_from(module: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Give a fresh module, adapted or not, the weights of a finished one of the same sizes (its adapters merged); adapters
    of the fresh one stay as they are.

    `source` names the finished one in errors: GW-0184 when a part is missing or has another shape, such as that of another
    vocabulary.
    """
    anew = tuple(f"{name}." for name in getattr(module, "refits", ()))
    plain, own = (
        {name: value for name, value in state.items() if not name.startswith(anew)}
        for state in (merged_weights(weights), module.state_dict())
    )
    adapted = {name.removesuffix(".scale") for name in own if name.endswith(".scale")}
    places = {name.replace(".frozen.", "."): name for name in own if name.rpartition(".")[0] not in adapted}
    for name in sorted(places.keys() | plain.keys()):
        here = tuple(own[places[name]].shape) if name in places else None
        there = tuple(plain[name].shape) if name in plain else None
        if here != there:
            raise GenwrightError(
                "GW-0184",
                f"{source!r} does not fit this model: {name} is {there or 'missing'} there, {here or 'missing'} here",
                "Start from a run with the same model settings and the same tokeniser",
            )
    for name, place in places.items():
        own[place].copy_(plain[name])


def _matrix(layer: nn.Module) -> Tensor:
    """(outputs, inputs) view of a layer's weights."""
    weight = layer.weight.data
    return weight if isinstance(layer, nn.Linear) else weight.T  # type: ignore[return-value]


def _children(module: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """(parent, name, child) of every module within: a list, so that they can be replaced."""
    return [(parent, name, child) for parent in module.modules() for name, child in parent.named_children()]
