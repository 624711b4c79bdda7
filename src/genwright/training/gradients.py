"""From a phase and a batch to gradients on the phase's parameters, and to nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

from genwright.contract import Batch, GenerativeModel, Phase


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """The number format of a step's forward passes; float32 leaves everything as it is."""
    return torch.autocast(device.type, dtype=precision, enabled=precision is not torch.float32)


def plain(model: GenerativeModel, phase: Phase, batch: Batch, precision: torch.dtype) -> dict[str, Tensor]:
    """Set `.grad` on the parameters of `phase.updates` only; returns the mean of each loss term, shape ().

    Parameters that the loss does not reach get a zero gradient, so that every step moves the same set.
    """
    with autocast(batch.x.device, precision):
        terms = model.loss(phase, batch)
    means = {name: term.float().mean() for name, term in terms.items()}
    parameters = [p for p in getattr(model, phase.updates).parameters() if p.requires_grad]
    objective = torch.stack(list(means.values())).sum()
    gradients = torch.autograd.grad(objective, parameters, materialize_grads=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    return {name: mean.detach() for name, mean in means.items()}
