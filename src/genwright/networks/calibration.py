"""Calibration: weights on codes that give sampled columns the shares of the training rows. `models/tabular_ar.py` uses it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

STEPS = 10
LARGEST = math.log(5.0)  # beyond this the network is wrong in a way that weights cannot mend


def calibration_weights(logits: Tensor, frequency: Tensor) -> Tensor:
    """Weights, added to (B, V) logits, that make the mean distribution over the rows equal to (V,) frequency."""
    weights = torch.zeros_like(frequency)
    for _ in range(STEPS):
        mean = torch.softmax(logits + weights, -1).mean(0)
        step = torch.where(frequency > 0, (frequency / mean).log(), 0.0)
        weights = (weights + step).clamp(-LARGEST, LARGEST)
    return weights
