"""Classification accuracy score: what a classifier learns from samples is worth on real pictures (Ravuri and Vinyals 2019).

Accuracies are balanced, the mean over classes: where one class has most pictures, to name it always is worth no more.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE, BATCH, RATE = 32, 32, 3e-3


class Classifier(nn.Module):
    """Three convolutions and a linear layer on 32 x 32 pixels."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 16, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * 16, classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, 32, 32) in [-1, 1] -> (B, classes) logits."""
        return self.layers(x)


def train_classifier(pixels: np.ndarray, labels: np.ndarray, classes: int, *, steps: int, seed: int) -> Classifier:
    """A classifier of (N, height, width, channels) pictures, trained for `steps` steps of 32 with shifts by a few pixels.

    The global generator of torch is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Classifier(pixels.shape[3], classes)
        x, y = _prepared(pixels), torch.from_numpy(labels.astype(np.int64))
        optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
        for _ in range(steps):
            chosen = torch.randint(len(x), (min(BATCH, len(x)),))
            right, down = torch.randint(-2, 3, (2,)).tolist()
            loss = F.cross_entropy(net(torch.roll(x[chosen], (right, down), dims=(2, 3))), y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def classify(net: Classifier, pixels: np.ndarray) -> np.ndarray:
    """(N,) the likeliest class of each picture."""
    parts = [net(_prepared(pixels[at : at + 512])).argmax(1).numpy() for at in range(0, len(pixels), 512)]
    return np.concatenate(parts)


def balanced_accuracy(told: np.ndarray, labels: np.ndarray) -> float:
    """Mean, over the classes that occur in (N,) `labels`, of the share of a class that is told right."""
    return float(np.mean([(told[labels == label] == label).mean() for label in np.unique(labels)]))


def telling(labels: np.ndarray) -> float:
    """How many pictures of equally large classes tell as much about a balanced accuracy: K^2 / (1 / n_1 + ... + 1 / n_K)."""
    counts = np.unique(labels, return_counts=True)[1]
    return float(len(counts) ** 2 / (1 / counts).sum())


def _prepared(pixels: np.ndarray) -> Tensor:
    """Pictures (N, H, W, C) uint8 -> (N, C, 32, 32) in [-1, 1], resized with averaging, a few at a time."""
    parts = []
    for at in range(0, len(pixels), 512):
        x = torch.tensor(pixels[at : at + 512].transpose(0, 3, 1, 2)).float() / 127.5 - 1.0
        fits = x.shape[2:] == (SIZE, SIZE)
        parts.append(x if fits else F.interpolate(x, (SIZE, SIZE), mode="bilinear", antialias=True))
    return torch.cat(parts)
