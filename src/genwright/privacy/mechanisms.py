"""What may look at private data: each function pays the ledger first, then draws its noise, then answers;
what it answered in a training that was killed, it answers again.

The noise is what the entry of the ledger says, so that what is paid and what is drawn cannot differ. Arrays hold the
values of units whose contributions the caller has bounded: no unit has more than `ledger.contributions` of them.
Read `noise.py` next for how the noise is drawn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genwright.errors import GenwrightError
from genwright.privacy.accounting import count_noise
from genwright.privacy.answers import remembered
from genwright.privacy.events import DiscreteGaussian, Event, Gaussian, Pure, ZeroConcentrated
from genwright.privacy.ledger import Entry, PrivacyLedger
from genwright.privacy.noise import Source, discrete_gaussian, discrete_laplace, gaussian, system_source, uniform

Label = TypeVar("Label", bound=Hashable)
SMALLEST, LARGEST = -20, 64  # powers of two between which bounds are looked for; what is nearer to 0 counts as 0
SURE = 0.01  # chance that noise alone makes a bound where there are no values
LEVELS = 12  # halvings of the range in which quantiles are looked for
LAPLACE_PARTS = 1024
OUTPUT_BITS = 20  # bits that a released sum keeps below its noise


def counts_entry(purpose: str, rho: float, *, sensitivity: int = 1, releases: int = 1, delta: float = 0.0) -> Entry:
    """A plan for counts with discrete Gaussian noise: all `releases` together cost rho (zCDP).

    `sensitivity`: rows of one unit that are counted, `ledger.contributions` for values; `releases`: 1, or the levels of
    `private_quantiles`; `delta`: for `discover`.
    """
    event = DiscreteGaussian(count_noise(rho, sensitivity=sensitivity, releases=releases), sensitivity, releases)
    return Entry(purpose, "discrete Gaussian noise on counts", event, sensitivity, delta)


@remembered
def noisy_counts(
    counts: ArrayLike, ledger: PrivacyLedger, purpose: str, *, releases: int = 1, source: Source = system_source
) -> NDArray[np.int64]:
    """Whole numbers plus discrete noise, in their shape; one unit changes one cell of each release, or several by less.

    The entry's event is DiscreteGaussian or Pure (discrete Laplace), else GW-0609.
    """
    exact = np.asarray(counts)
    if exact.dtype.kind not in "iu":
        raise GenwrightError("GW-0609", f"Counts of type {exact.dtype} are not whole numbers", "Give whole numbers.")
    entry = _pay(ledger, purpose, (DiscreteGaussian, Pure), releases)
    return exact.astype(np.int64) + _noise(entry, exact.size, source).reshape(exact.shape)


def private_count(rows: int, ledger: PrivacyLedger, purpose: str, *, source: Source = system_source) -> int:
    """A noisy number of rows, at least 0."""
    return max(0, int(noisy_counts(np.array([rows]), ledger, purpose, source=source)[0]))


@remembered
def missing_rate(
    missing: NDArray[np.bool_], ledger: PrivacyLedger, purpose: str, *, source: Source = system_source
) -> float:
    """A noisy share in [0, 1] of values that are missing; 0 where noise leaves no values at all."""
    gone = int(missing.sum())
    entry = _pay_for_values(ledger, purpose)
    noisy = np.maximum(np.array([gone, missing.size - gone]) + _noise(entry, 2, source), 0)
    return float(noisy[0] / noisy.sum()) if noisy.sum() else 0.0


@remembered
def noisy_vector(
    vector: ArrayLike, ledger: PrivacyLedger, purpose: str, *, source: Source = system_source
) -> NDArray[np.float64]:
    """A sum of vectors plus continuous Gaussian noise, in its shape; one unit changes it by the entry's sensitivity (L2).

    The answer is rounded to a grid far coarser than floating-point numbers are, whose last bits could give away what
    the noise was added to (Mironov 2012). The entry's event is Gaussian, else GW-0609.
    """
    exact = np.asarray(vector, dtype=np.float64)
    entry = _pay(ledger, purpose, (Gaussian,))
    assert isinstance(entry.event, Gaussian)
    sigma = entry.event.noise_multiplier * entry.sensitivity
    grid = 2.0 ** (math.floor(math.log2(sigma)) - OUTPUT_BITS)
    return np.rint((exact + sigma * gaussian(exact.size, source).reshape(exact.shape)) / grid) * grid


@remembered
def private_bounds(
    values: NDArray[np.float64], ledger: PrivacyLedger, purpose: str, *, source: Source = system_source
) -> tuple[float, float]:
    """(low, high), powers of two or 0, between which nearly all finite values lie.

    Values are counted by sign and power of two; the outermost cells that stand out of the noise are the bounds.
    GW-0608 if none does.
    """
    known = values[np.isfinite(values)]
    power = np.clip(np.frexp(known)[1] - 1, SMALLEST - 1, LARGEST - 1)
    cell = np.where(power < SMALLEST, 0, np.sign(known) * (power - SMALLEST + 1)).astype(np.int64)
    powers = LARGEST - SMALLEST
    counts = np.bincount(cell + powers, minlength=2 * powers + 1)
    entry = _pay_for_values(ledger, purpose)
    noisy = counts + _noise(entry, counts.size, source)
    found = np.flatnonzero(noisy > deviation(entry) * math.sqrt(2 * math.log(counts.size / SURE))) - powers
    if not found.size:
        raise GenwrightError(
            "GW-0608",
            f"{purpose}: no range of values stands out of the noise",
            "Declare the bounds in schema.toml, which costs nothing, or give more of epsilon to the preparation.",
        )
    low, high = int(found[0]), int(found[-1])
    return -_edge(-low, up=True) if low < 0 else _edge(low), _edge(high, up=True) if high > 0 else -_edge(-high)


@remembered
def private_quantiles(
    values: NDArray[np.float64],
    bounds: tuple[float, float],
    shares: Sequence[float],
    ledger: PrivacyLedger,
    purpose: str,
    *,
    source: Source = system_source,
) -> NDArray[np.float64]:
    """The values below which each share (0 to 1) of the finite values lies, never decreasing in the share.

    The range is halved again and again and each half counted with noise; a quantile follows its share downwards, until
    the counts drown in the noise, and lies evenly within the last piece. Values outside the bounds count at their edge.
    `values` (N,); the entry has one release for each halving, `counts_entry(..., releases=LEVELS)`.
    """
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise GenwrightError(
            "GW-0602", f"{purpose}: the bounds {bounds} are no range", "The first must be the smaller."
        )
    known = values[np.isfinite(values)]
    entry = _pay_for_values(ledger, purpose, LEVELS)
    cells = np.clip((known - low) / (high - low) * 2**LEVELS, 0, 2**LEVELS - 1).astype(np.int64)
    leaves = np.bincount(cells, minlength=2**LEVELS)
    tree = []
    for level in range(1, LEVELS + 1):
        counts = leaves.reshape(2**level, -1).sum(axis=1)
        tree.append(np.maximum(counts + _noise(entry, counts.size, source), 0))
    return np.array([low + (high - low) * _descend(tree, share, 3 * deviation(entry)) for share in shares])


@remembered
def discover(
    values: Iterable[Label], ledger: PrivacyLedger, purpose: str, *, source: Source = system_source
) -> dict[Label, int]:
    """The values that occur often enough to be told, with noisy counts, most frequent first.

    A value that only one unit has is told with a chance below the entry's delta: the threshold sees to that. Counts get
    discrete Gaussian noise (`counts_entry(..., delta=...)`), else GW-0609.
    """
    counts = Counter(values)
    limit = threshold(ledger.entry(purpose))
    entry = _pay_for_values(ledger, purpose)
    noise = _noise(entry, len(counts), source)
    noisy = {value: count + int(extra) for (value, count), extra in zip(counts.items(), noise, strict=True)}
    kept = [value for value, count in noisy.items() if count > limit]
    return {value: noisy[value] for value in sorted(kept, key=lambda value: (-noisy[value], str(value)))}


def threshold(entry: Entry) -> int:
    """The noisy count that a value of one unit alone passes with chance at most delta, for all its values together.

    A unit with m rows brings at most m new values, each counted at most m times: m P(noise > threshold - m) <= delta.
    """
    if not isinstance(entry.event, DiscreteGaussian) or not 0 < entry.delta < 1:
        raise _unfit(entry, "DiscreteGaussian with a delta")
    rows, sigma = entry.event.sensitivity, entry.event.noise
    x = np.arange(math.ceil(40 * sigma) + 2)
    weight = np.exp(-0.5 * (x / sigma) ** 2)
    above = np.append(np.cumsum(weight[::-1])[::-1][1:], 0.0) / (2 * weight.sum() - 1)  # P(noise > x)
    return rows + int(np.argmax(rows * above <= entry.delta))


@remembered
def select(
    scores: NDArray[np.float64],
    sensitivity: float,
    ledger: PrivacyLedger,
    purpose: str,
    *,
    source: Source = system_source,
) -> int:
    """The place of a high score, by the exponential mechanism; one unit changes each score by at most `sensitivity`.

    The entry's event is ZeroConcentrated, whose rho is epsilon^2 / 8, else GW-0609.
    """
    entry = _pay(ledger, purpose, (ZeroConcentrated,))
    assert isinstance(entry.event, ZeroConcentrated)
    gumbel = -np.log(-np.log(uniform(scores.size, source) * (1 - 2.0**-53)))
    return int(np.argmax(math.sqrt(8 * entry.event.rho) * scores / (2 * sensitivity) + gumbel))


def deviation(entry: Entry) -> float:
    """About the standard deviation of the noise on one count."""
    if isinstance(entry.event, DiscreteGaussian):
        return entry.event.noise
    assert isinstance(entry.event, Pure)
    return math.sqrt(2) * entry.sensitivity / entry.event.epsilon


def _noise(entry: Entry, size: int, source: Source) -> NDArray[np.int64]:
    if isinstance(entry.event, DiscreteGaussian):
        return discrete_gaussian(size, entry.event.noise, source)
    assert isinstance(entry.event, Pure)
    scale = math.ceil(LAPLACE_PARTS * entry.sensitivity / entry.event.epsilon)
    return discrete_laplace(size, scale, LAPLACE_PARTS, source)


def _pay(ledger: PrivacyLedger, purpose: str, kinds: tuple[type[Event], ...], count: int = 1) -> Entry:
    """Pay, unless the plan has another kind of noise than the mechanism draws (GW-0609)."""
    entry = ledger.entry(purpose)
    if not isinstance(entry.event, kinds):
        raise _unfit(entry, " or ".join(kind.__name__ for kind in kinds))
    return ledger.spend(purpose, count)


def _pay_for_values(ledger: PrivacyLedger, purpose: str, count: int = 1) -> Entry:
    """The same for counts of values, of which one unit has as many as the ledger says: less noise is refused (GW-0609)."""
    entry = ledger.entry(purpose)
    planned = entry.event.sensitivity if isinstance(entry.event, DiscreteGaussian) else entry.sensitivity
    if planned < ledger.contributions:
        raise GenwrightError(
            "GW-0609",
            f"{purpose!r} is planned for {planned:g} values of one {ledger.unit}, of which {ledger.contributions} are used",
            "Plan it with the sensitivity ledger.contributions.",
        )
    return _pay(ledger, purpose, (DiscreteGaussian, Pure), count)


def _unfit(entry: Entry, wanted: str) -> GenwrightError:
    return GenwrightError(
        "GW-0609", f"{entry.purpose!r} is planned with {type(entry.event).__name__}", f"Plan it with {wanted}."
    )


def _edge(cell: int, *, up: bool = False) -> float:
    """The lower (or upper) end of the cell of a power of two, counted from 1; cell 0 is 0."""
    if cell == 0:
        return 0.0
    return 2.0 ** (cell - 1 + SMALLEST + up)


def _descend(tree: list[NDArray[np.int64]], share: float, least: float) -> float:
    """Where in [0, 1] the share lies, by a tree of counts of halves; pieces with fewer than `least` are not halved."""
    place, width = 0, 1.0
    for counts in tree:
        left, right = int(counts[2 * place]), int(counts[2 * place + 1])
        if left + right <= least:
            break
        part = left / (left + right)
        goes_left = share <= part and part > 0
        share = share / part if goes_left else (share - part) / (1 - part)
        place, width = 2 * place + (not goes_left), width / 2
    return (place + min(max(share, 0.0), 1.0)) * width
