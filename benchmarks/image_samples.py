"""Makes the pictures that ship in src/genwright/data/samples: `python benchmarks/image_samples.py MNIST_FOLDER EMOJI_ZIP`.

MNIST_FOLDER holds the four idx files of MNIST; EMOJI_ZIP the img/google/64 pictures of the npm package
emoji-datasource-google 16.0.0 in a folder for each category. The same sources give the same bytes.
"""

from __future__ import annotations

import gzip
import re
import struct
import sys
from pathlib import Path

import numpy as np

from genwright.data.array_files import read_array_file
from genwright.data.image_writers import write_images
from genwright.data.images import open_images

SAMPLES = Path(__file__).parents[1] / "src" / "genwright" / "data" / "samples"
DIGITS = {"train": 5000, "t10k": 1000}
EMOJI_SIDE = 32
MOST_OF_A_CLASS = 85
LEFT_OUT = "component"  # five swatches are too few to learn from


def digits(source: Path, out: Path) -> None:
    """A random part of each idx file; classes as often as in the whole."""
    out.mkdir(exist_ok=True)
    for part, count in DIGITS.items():
        pixels, labels, _ = read_array_file(source / f"{part}-images-idx3-ubyte.gz")
        assert labels is not None
        chosen = _stratified(labels, count)
        for kind, array in (("images-idx3", pixels[chosen, :, :, 0]), ("labels-idx1", labels[chosen].astype(np.uint8))):
            head = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
            packed = gzip.compress(head + array.tobytes(), 9, mtime=0)
            (out / f"{part}-{kind}-ubyte.gz").write_bytes(packed)


def _stratified(labels: np.ndarray, count: int) -> np.ndarray:
    """Sorted indices of `count` examples: whole shares of each class, largest remainders filled up."""
    random = np.random.default_rng(0)
    wanted = np.bincount(labels) * count / len(labels)
    sizes = wanted.astype(int)
    sizes[np.argsort(sizes - wanted, kind="stable")[: count - sizes.sum()]] += 1
    parts = [random.permutation(np.flatnonzero(labels == k))[:size] for k, size in enumerate(sizes)]
    return np.sort(np.concatenate(parts))


def emoji(source: Path, out: Path) -> None:
    """One picture of each base emoji, on white, at most 85 of a class: skin-tone variants and near-copies are left out."""
    found = open_images(source, size=EMOJI_SIDE)
    images = found.load()
    assert images.labels is not None
    random, kept, groups = np.random.default_rng(0), [], set()
    for label, name in enumerate(found.classes):
        chosen = []
        for place in random.permutation(np.flatnonzero(images.labels == label)):
            toned = re.search(r"1f3f[b-f]", images.names[place])
            if name != LEFT_OUT and not toned and images.groups[place] not in groups and len(chosen) < MOST_OF_A_CLASS:
                groups.add(images.groups[place])
                chosen.append(place)
        kept += sorted(chosen)
    classes = tuple(name for name in found.classes if name != LEFT_OUT)
    names = np.array(found.classes)[images.labels[kept]]
    labels = np.array([classes.index(name) for name in names])
    write_images(out, images.pixels[kept], labels=labels, classes=classes)


if __name__ == "__main__":
    digits(Path(sys.argv[1]), SAMPLES / "digits")
    emoji(Path(sys.argv[2]), SAMPLES / "emoji.zip")
