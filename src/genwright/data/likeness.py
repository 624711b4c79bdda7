"""Near-copies among pictures: the same one twice, recompressed, rescaled, brightened, or recoloured in parts.

Each picture leaves three marks, unit vectors compared by their cosine: how bright it is (16 x 16 cells), where its edges
are and how strong (32 x 32 cells, in whichever channel they are strongest), and its colours (4 x 4 cells). Two pictures
are near-copies when their colours agree and either brightness or edges do: brightness survives compression, edges survive
a change of colours. Pairs worth comparing are found by 64-bit hashes of the marks. The limits were chosen on 3,786 emoji,
of which 1,875 are skin-tone variants: 99.2 % of those end in one group with their base; see `near_copies`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

ALIKE = 0.99  # least cosine of brightness; compressing a photograph to JPEG quality 50 leaves .992 or more
EDGES_ALIKE = 0.985
COLOURS_ALIKE = 0.75
SLACK = 0.015  # how much farther the first pictures of two groups may be from one another, for the groups to be joined
MOST_COMPARED = 200_000  # more pictures than this: exact copies only
CELLS, EDGE_CELLS, COLOUR_CELLS = 16, 32, 4
_SOFT = 10.0  # change of brightness, of 255, beyond which more counts little
_GREY = 8.0  # colour, of 255, below which cells count as grey
_MOST_BITS_APART = 7  # of 64, for pairs that are compared; of those that are alike, 99 in 100 are that near
_BLOCK_BYTES = 1 << 26
_PAIRS = 1 << 22  # looked at in one go


def fingerprints(pixels: np.ndarray) -> np.ndarray:
    """(N, height, width, channels) uint8 -> (N, 256) float32: brightness on 16 x 16 cells less its mean, of length 1.

    0 for pictures of one even brightness. A cosine of `ALIKE` means the same picture, but perhaps for its colours.
    """
    return np.concatenate([_brightness(block) for block in _blocks(pixels)])


def near_copies(pixels: np.ndarray) -> np.ndarray:
    """(N,) group numbers: near-copies of (N, height, width, channels) uint8 share one, the index of their first picture.

    Groups may chain (a light hand, a brown one, a dark one), but not far: two groups are joined only where their first
    pictures are nearly alike themselves, so that no endless row of small steps makes one group of different pictures.
    """
    groups = _exact(pixels)
    first = np.unique(groups)
    if len(first) <= MOST_COMPARED:
        marks = _Marks(pixels[first] if len(first) < len(pixels) else pixels)
        groups = first[marks.grouped()[np.searchsorted(first, groups)]]
    return groups


def in_two_classes(pixels: np.ndarray, groups: np.ndarray, labels: np.ndarray) -> list[tuple[int, int]]:
    """Of pictures that are equal to an earlier one in all pixels and have another label: its index and theirs."""
    first: dict[bytes, int] = {}
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    twice = np.flatnonzero(sizes[number] > 1).tolist()
    pairs = [(first.setdefault(hashlib.sha256(pixels[at]).digest(), at), at) for at in twice]
    return [(one, other) for one, other in pairs if labels[one] != labels[other]]


def split_groups(groups: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """A mask of (N,) with about `share` of the pictures True, groups kept whole, at random by the seed; never all."""
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    wanted = min(round(share * len(groups)), len(groups) - 1)
    chosen, total = np.zeros(len(sizes), dtype=bool), 0
    for group in np.random.default_rng([seed, len(groups)]).permutation(len(sizes)):
        if total + sizes[group] <= wanted:
            chosen[group] = True
            total += sizes[group]
    return chosen[number]


class _Marks:
    """The marks of N different pictures, and the groups of near-copies that they tell."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.brightness = fingerprints(pixels)
        self.colours = np.concatenate([_colours(block) for block in _blocks(pixels)])
        self.edges = np.concatenate([_edges(block) for block in _blocks(pixels)])
        self.lengths = np.concatenate(
            [np.linalg.norm(block.astype(np.float32), axis=1) for block in _blocks(self.edges)]
        )
        self.leader = np.arange(len(pixels))
        """The first picture of each one's group."""

    def grouped(self) -> np.ndarray:
        """(N,) the index of the first picture of each one's group."""
        for marks, alike in ((self.brightness, self._same), (self.edges, self._recoloured)):
            for first, second in self._candidates(_hashes(marks)):
                for start in range(0, len(first), 4096):
                    one, other = first[start : start + 4096], second[start : start + 4096]
                    apart = self.leader[one] != self.leader[other]
                    one, other = one[apart], other[apart]
                    found = alike(one, other)
                    for pair in zip(one[found].tolist(), other[found].tolist(), strict=True):
                        self._join(*pair)
        return self.leader

    def _candidates(self, hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pairs whose hashes share a byte and differ in few bits, each once, in bounded portions."""
        octets = hashes.view(np.uint8).reshape(-1, 8)
        for band in range(8):
            order = np.argsort(octets[:, band], kind="stable")
            for bucket in np.split(order, np.flatnonzero(np.diff(octets[order, band])) + 1):
                rows = max(1, _PAIRS // len(bucket))
                for start in range(0, len(bucket) - 1, rows):
                    if (self.leader[bucket] == self.leader[bucket[0]]).all():
                        break
                    few, rest = bucket[start : start + rows], bucket[start + 1 :]
                    differ = hashes[few][:, None] ^ hashes[rest][None]
                    near = np.flatnonzero(np.bitwise_count(differ) <= _MOST_BITS_APART)
                    one, other = np.divmod(near, len(rest))
                    lower = differ.ravel()[near].view(np.uint8).reshape(-1, 8)[:, :band]
                    fresh = (other >= one) & lower.all(axis=1)  # pairs that share a lower octet were found there
                    yield few[one[fresh]], rest[other[fresh]]

    def _same(self, first: np.ndarray, second: np.ndarray, slack: float = 0.0) -> np.ndarray:
        """(n,) whether pairs agree in brightness and colours; the slack is wider for colours, which vary more."""
        brightness = _products(self.brightness, first, second) >= ALIKE - slack
        return brightness & (_products(self.colours, first, second) >= COLOURS_ALIKE - 10 * slack)

    def _recoloured(self, first: np.ndarray, second: np.ndarray, slack: float = 0.0) -> np.ndarray:
        """(n,) whether pairs agree in edges and, roughly, in colours."""
        found = _products(self.colours, first, second) >= COLOURS_ALIKE - 10 * slack
        first, second = first[found], second[found]
        lengths = np.maximum(self.lengths[first] * self.lengths[second], 1.0)
        found[found] = _products(self.edges, first, second) / lengths >= EDGES_ALIKE - slack
        return found

    def _join(self, one: int, other: int) -> None:
        early, late = sorted((self.leader[one], self.leader[other]))
        pair = np.array([early]), np.array([late])
        if early != late and (self._same(*pair, SLACK)[0] or self._recoloured(*pair, SLACK)[0]):
            self.leader[self.leader == late] = early


def _exact(pixels: np.ndarray) -> np.ndarray:
    """(N,) the index of the first picture with the same pixels."""
    first: dict[bytes, int] = {}
    digests = (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in pixels)
    return np.array([first.setdefault(digest, place) for place, digest in enumerate(digests)], dtype=np.int64)


def _hashes(marks: np.ndarray) -> np.ndarray:
    """(N,) uint64: on which side of 64 random planes the marks lie (Charikar 2002).

    The planes go through half the mean: through 0, most pictures would lie on one side, as they share much; through the
    mean, near-copies would be scattered where a set has nothing but them.
    """
    planes = np.random.default_rng(0).normal(size=(marks.shape[1], 64)).astype(np.float32)
    middle = marks.mean(axis=0, dtype=np.float32) / 2
    sides = np.concatenate([(block - middle) @ planes > 0 for block in _blocks(marks)])
    return np.packbits(sides, axis=1).view(np.uint64)[:, 0]


def _brightness(block: np.ndarray) -> np.ndarray:
    cells = _cells(block.astype(np.float32) @ _luma(block.shape[3]), CELLS)
    cells = cells.reshape(len(block), -1)
    return _unit(cells - cells.mean(axis=1, keepdims=True))


def _edges(block: np.ndarray) -> np.ndarray:
    """(n, 1984) uint8, an eighth of the memory: changes between neighbouring cells, large ones held down."""
    strongest = np.zeros((len(block), 2 * EDGE_CELLS * (EDGE_CELLS - 1)), np.float32)
    for channel in range(block.shape[3]):
        cells = _cells(block[..., channel].astype(np.float32), EDGE_CELLS)
        changes = [np.abs(np.diff(cells, axis=axis)).reshape(len(block), -1) for axis in (1, 2)]
        np.maximum(strongest, np.concatenate(changes, axis=1), out=strongest)
    return np.rint(255 * np.tanh(strongest / _SOFT)).astype(np.uint8)


def _colours(block: np.ndarray) -> np.ndarray:
    """Red against green and yellow against blue. The last coordinate makes grey pictures alike, and coloured ones not."""
    grey = np.full((len(block), 1), _GREY * COLOUR_CELLS, np.float32)
    if block.shape[3] == 1:
        return _unit(grey)
    red, green, blue = np.moveaxis(block.astype(np.float32), 3, 0)
    opposed = [_cells(red - green, COLOUR_CELLS), _cells((red + green) / 2 - blue, COLOUR_CELLS)]
    return _unit(np.concatenate([*(cells.reshape(len(block), -1) for cells in opposed), grey], axis=1))


def _cells(channel: np.ndarray, count: int) -> np.ndarray:
    """(n, height, width) -> (n, count, count): the mean of the pixels under each cell, partial ones by their share."""
    rows, columns = (_averaging(side, count) for side in channel.shape[1:])
    return rows @ channel @ columns.T


def _averaging(side: int, count: int) -> np.ndarray:
    edges = np.linspace(0, side, count + 1)
    places = np.arange(side)
    share = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    share = np.clip(share, 0.0, None)
    return (share / share.sum(axis=1, keepdims=True)).astype(np.float32)


def _luma(channels: int) -> np.ndarray:
    return np.array([0.299, 0.587, 0.114] if channels == 3 else [1.0], np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 1e-3, vectors / np.maximum(length, 1e-3), 0.0).astype(np.float32)


def _products(marks: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    one, other = (np.asarray(marks[places], dtype=np.float32) for places in (first, second))
    return np.einsum("nd,nd->n", one, other)


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    rows = max(1, _BLOCK_BYTES // (4 * int(np.prod(array.shape[1:]))))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]
