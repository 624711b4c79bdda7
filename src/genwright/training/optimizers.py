"""Which optimiser moves which weights: AdamW, or Muon for the matrices of linear layers. See `muon.py`."""

from __future__ import annotations

import torch
from torch import nn

from genwright.config import TrainingSettings
from genwright.training.muon import Muon

MATRICES = "-matrices"  # behind the name of a sub-module: its part that Muon moves


def owners(name: str) -> tuple[str, str]:
    """The names of the optimisers that a sub-module may have."""
    return name, name + MATRICES


def optimizers_of(name: str, module: nn.Module, settings: TrainingSettings) -> dict[str, torch.optim.Optimizer]:
    """Optimisers of the weights that are not frozen, by `owners`. The entry "share" of their groups: the part of the
    learning rate of a step that is theirs."""
    moving = {id(p): p for p in module.parameters() if p.requires_grad}
    orthogonal: list[torch.Tensor] = []
    if settings.optimizer == "muon":
        tables = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}  # a head may be tied to one
        layers = [m.weight for m in module.modules() if isinstance(m, nn.Linear)]
        orthogonal = [p for p in layers if id(p) in moving and id(p) not in tables]
    chosen = {id(p) for p in orthogonal}
    rest = [p for key, p in moving.items() if key not in chosen]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": settings.weight_decay, "share": 1.0},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0, "share": 1.0},
    ]
    found: dict[str, torch.optim.Optimizer] = {}
    if rest:
        betas = (settings.beta1, settings.beta2)
        given = [group for group in groups if group["params"]]
        found[name] = torch.optim.AdamW(given, lr=settings.learning_rate, betas=betas, fused=True)
    if orthogonal:
        share = settings.matrix_rate / settings.learning_rate if settings.learning_rate else 0.0
        muon = Muon(orthogonal, settings.matrix_rate, weight_decay=settings.weight_decay)
        muon.param_groups[0]["share"] = share
        found[name + MATRICES] = muon
    return found
