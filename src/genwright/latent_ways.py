"""Ways through a latent space: between two vectors, and along the directions that change images most.

`image_run.py` walks them: read it next.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from genwright.errors import GenwrightError

MOST_DIRECTIONS = 20


def slerp(first: Tensor, last: Tensor, place: float) -> Tensor:
    """(n, ...) between vectors (n, ...) along the great circle (White 2016), `place` in [0, 1]; lengths go along."""
    a, b = first.flatten(1), last.flatten(1)
    cosine = torch.nn.functional.cosine_similarity(a, b).clamp(-1 + 1e-6, 1 - 1e-6)
    angle = torch.arccos(cosine)[:, None]
    between = (torch.sin((1 - place) * angle) * a + torch.sin(place * angle) * b) / torch.sin(angle)
    return between.view_as(first)


def direction_of(z: np.ndarray, pixels: np.ndarray, place: int) -> np.ndarray:
    """(latent,) the unit change of z (n, latent) that goes with one principal component of the images (n, values), by ridge
    regression; `place` 0: the component that varies most. GW-0183 where there is no such component."""
    centred = pixels - pixels.mean(0)
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    if not 0 <= place < min(MOST_DIRECTIONS, len(components)):
        raise GenwrightError("GW-0183", f"There is no direction {place}", f"Give 0 to {MOST_DIRECTIONS - 1}.")
    scores = centred @ components[place]
    flat = z - z.mean(0)
    way = np.linalg.solve(flat.T @ flat + 0.1 * len(z) * np.eye(flat.shape[1]), flat.T @ scores)
    return (way / np.linalg.norm(way)).astype(np.float32)
