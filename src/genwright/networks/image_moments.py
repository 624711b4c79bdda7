"""Means and covariances of the classes of images, exact or, under a guarantee, of three noisy sums.

The sums are over images, of one image each (adding one changes a sum by a vector of bounded length): pixels and counts by
class; products of two pixels of what is left of the class's mean, whose eigenvectors are the components (Dwork et al. 2014,
"Analyze Gauss"); products of two components by class. All else follows from these. Read `image_gaussians.py` for the use.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from genwright.contract import Batch
from genwright.privacy.events import Gaussian
from genwright.privacy.ledger import Entry, PrivacyLedger
from genwright.privacy.mechanisms import noisy_vector
from genwright.privacy.noise import Source, system_source

MOST = 2**26  # pixel values that an exact fit keeps: 85,000 small digits, 5,400 of 64 x 64 in colour
AT_ONCE = 4096  # images
SMALL = 1024  # numbers up to which products of any two are summed; a noisy fit takes squares of pixels of larger images
LEAST = 1e-4  # variance, on the scale of pixels in [-1, 1]
REACH = 0.5  # of the length of the longest image: how far from its class's mean an image counts under a guarantee
COUNTER = 0.25  # what an image adds to its class's count, beside pixels that are brought to length 1 at most
GRAIN = 0.03  # variance outside of the components at most, under a guarantee: the same in all directions it looks like grain
CLEAR = 1.5  # times the largest variance that noise alone has, from which on a component is one
SUMS, PRODUCTS, OWN_PRODUCTS = "sums of images by class", "products of pixels", "products of components by class"
SHARES = {SUMS: 0.15, PRODUCTS: 0.4, OWN_PRODUCTS: 0.45}  # of the budget


@dataclass(frozen=True)
class Moments:
    """As the buffers of `ImageGaussians`, with k components: mean (C + 1, size), axes (k, size), turn (C + 1, k, k),
    variance (C + 1, k)."""

    mean: Tensor
    axes: Tensor
    turn: Tensor
    variance: Tensor
    rest: float


def plan_moments(ledger: PrivacyLedger, rho: float | None = None) -> None:
    """Plan the noisy sums, for rho (zCDP) in all; None: for all that the plan has left. GW-0603 if that is nothing."""

    def entry(purpose: str, noise: float) -> Entry:
        longest = math.hypot(1, COUNTER) if purpose == SUMS else 1.0
        return Entry(purpose, "Gaussian noise on sums", Gaussian(noise), longest)

    budget = ledger.left() if rho is None else rho
    *first, last = (entry(purpose, (2 * share * budget) ** -0.5) for purpose, share in SHARES.items())
    ledger.plan(*first)
    if rho is None:  # by exact accounts a little more is left than by rho
        ledger.plan_rest(lambda noise: entry(last.purpose, noise))
    else:
        ledger.plan(last)


def moments(
    batches: Iterable[Batch],
    classes: int,
    components: int,
    ledger: PrivacyLedger | None,
    *,
    source: Source = system_source,
) -> Moments:
    """Of images (B, channels, height, width) in [-1, 1] with labels (B,), or None where there is one class.

    Of more images than are kept every second, fourth, ... one counts, unless there is a ledger. What a class has of its own
    weighs the less, beside what all have, the fewer its images are and the more noise there is.
    """
    noisy = _Noisy(ledger, source)
    x, label, fold = _gathered(batches, everything=ledger is not None)
    size = x.shape[1]
    length = math.sqrt(size)  # of the longest image there can be
    sums = torch.zeros(classes, size + 1, dtype=torch.float64)
    for part, own in zip(x.split(AT_ONCE), label.split(AT_ONCE), strict=True):
        sums[:, :-1].index_add_(0, own, part.double() / length)
    sums[:, -1] = COUNTER * label.bincount(minlength=classes)
    sums, noise = noisy(SUMS, sums)
    counts = (sums[:, -1] / COUNTER).clamp_min(1)
    means = sums[:, :-1] * length / counts[:, None]
    mean = counts @ means / counts.sum()
    means = mean + _own(means - mean, counts, components, size * (noise * length / counts) ** 2)
    reach = REACH * length if ledger else math.inf

    def residuals() -> Iterator[tuple[Tensor, Tensor]]:
        """Images less the means of their classes, and these. In float64: rounding must not lengthen what noise goes by."""
        for part, own in zip(x.split(AT_ONCE), label.split(AT_ONCE), strict=True):
            apart = part.double() - means[own]
            yield apart * (reach / apart.norm(dim=1, keepdim=True)).clamp_max(1), own

    largest = reach**2 if ledger else 1.0
    if ledger or size <= SMALL:
        products = torch.zeros(size, size, dtype=torch.float64)
        for apart, _ in residuals():
            products.addmm_(apart.T, apart)
        products, noise = noisy.symmetric(PRODUCTS, products, largest)
        edge = math.sqrt(2 * size) * noise / float(counts.sum())  # what noise alone has at most: Wigner's semicircle
        axes, variance, trace = _leading(products / counts.sum(), components, edge)
    else:
        whole = torch.cat([apart.float() for apart, _ in residuals()])
        _, values, vectors = torch.svd_lowrank(whole, q=min(components, len(whole)), niter=4)
        axes, variance = vectors.double().T, values.double() ** 2 / len(whole)
        trace = float(whole.square().sum()) / len(whole)
    k = len(axes)
    rest = max((trace - float(variance.sum())) / max(size - k, 1), LEAST)
    if ledger:
        rest = min(rest, GRAIN)

    products = torch.zeros(classes, k, k, dtype=torch.float64)
    for apart, own in residuals():
        for found in own.unique():
            along = apart[own == found] @ axes.T
            products[found] += along.T @ along
    products, noise = noisy.symmetric(OWN_PRODUCTS, products, largest)
    shared = torch.diag(variance)
    apart = products / counts[:, None, None] - shared
    covariance = shared + _own(apart, counts, components, k * (k + 1) / 2 * (noise / counts) ** 2)
    between = (means - mean) @ axes.T
    anywhere = shared + (between.T * counts / counts.sum()) @ between
    values, turn = torch.linalg.eigh(torch.cat([covariance, anywhere[None]]))
    larger = fold.side**2  # a square of pixels that move together
    return Moments(
        fold.back(torch.cat([means, mean[None]])),
        functional.normalize(fold.back(axes)),
        turn,
        (values * larger).clamp_min(LEAST),
        rest * larger,
    )


def _leading(covariance: Tensor, most: int, edge: float) -> tuple[Tensor, Tensor, float]:
    """The eigenvectors (k, size) and eigenvalues (k,) that stand out of the noise, largest first, and the trace.

    Noise whose own largest eigenvalue is `edge` makes v of u = v + edge^2 / 4 v (Benaych-Georges and Nadakuditi 2011).
    """
    values, vectors = torch.linalg.eigh(covariance)
    seen = values.flip(0)[:most]
    seen = seen[seen > max(CLEAR * edge, LEAST)]
    return vectors.flip(1)[:, : len(seen)].T, (seen + (seen**2 - edge**2).sqrt()) / 2, float(values.sum())


def _own(apart: Tensor, counts: Tensor, few: int, doubt: Tensor) -> Tensor:
    """What classes have of their own, (C, ...), as far as it can be told from chance: as if so few images more were like all,
    and less what squares of noise, (C,) in sum, would make of nothing (James and Stein)."""
    energy = apart.flatten(1).pow(2).sum(1).clamp_min(torch.finfo(apart.dtype).tiny)
    weight = counts / (counts + few) * (1 - doubt / energy).clamp_min(0)
    return apart * weight.view(-1, *[1] * (apart.ndim - 1))


@dataclass(frozen=True)
class _Noisy:
    """Sums as they may be looked at, in float64, and the standard deviation of the noise on each."""

    ledger: PrivacyLedger | None
    source: Source

    def __call__(self, purpose: str, exact: Tensor) -> tuple[Tensor, float]:
        if self.ledger is None:
            return exact, 0.0
        entry = self.ledger.entry(purpose)
        assert isinstance(entry.event, Gaussian)
        found = noisy_vector(exact.numpy(), self.ledger, purpose, source=self.source)
        return torch.from_numpy(found), entry.event.noise_multiplier * entry.sensitivity

    def symmetric(self, purpose: str, exact: Tensor, largest: float) -> tuple[Tensor, float]:
        """Of products of vectors whose squared length is `largest`, (..., k, k): each pair is looked at once, on a scale on
        which their squares add up to those of the whole matrix."""
        row, column = torch.triu_indices(*exact.shape[-2:])
        scale = torch.where(row == column, 1.0, 2**0.5).double() / largest
        found, noise = self(purpose, exact[..., row, column] * scale)
        whole = torch.empty_like(exact)
        whole[..., row, column] = whole[..., column, row] = found / scale
        return whole, noise * largest


@dataclass(frozen=True)
class _Fold:
    """Images (channels, height, width) whose squares of pixels, `side` long, were averaged."""

    shape: tuple[int, int, int]
    side: int

    def __call__(self, x: Tensor) -> Tensor:
        """(B, size of the folded)."""
        return functional.avg_pool2d(x, self.side, ceil_mode=True).flatten(1)  # a square at the edge may be cut

    def back(self, folded: Tensor) -> Tensor:
        """(n, size): pixels of a square alike."""
        channels, height, width = self.shape
        grid = folded.view(-1, channels, -(-height // self.side), -(-width // self.side))
        for axis, length in ((2, height), (3, width)):
            grid = grid.repeat_interleave(self.side, axis).narrow(axis, 0, length)
        return grid.flatten(1)


def _gathered(batches: Iterable[Batch], *, everything: bool) -> tuple[Tensor, Tensor, _Fold]:
    """Images (N, size) and labels (N,); everything, folded to `SMALL` numbers at most, or all that there is place for."""
    kept: list[Tensor] = []
    labels: list[Tensor] = []
    at, apart, fold = 0, 1, None
    for batch in batches:
        if fold is None:
            channels, height, width = batch.x.shape[1:]
            fold = _Fold((channels, height, width), 1)
            while everything and fold(batch.x[:1]).numel() > SMALL:
                fold = _Fold(fold.shape, fold.side + 1)
        chosen = torch.arange(-at % apart, len(batch), apart)
        kept.append(fold(batch.x.cpu()[chosen]))
        label = torch.zeros(len(batch), dtype=torch.int64) if batch.condition is None else batch.condition.cpu()
        labels.append(label[chosen])
        at += len(batch)
        while not everything and sum(map(torch.numel, kept)) > MOST:
            x, label = torch.cat(kept), torch.cat(labels)
            kept, labels, apart = [x[::2]], [label[::2]], 2 * apart
    assert fold is not None
    return torch.cat(kept), torch.cat(labels), fold
