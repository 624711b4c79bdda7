"""Near-copies end in one group, different pictures do not, groups are never parted by a split; and on the real sets."""

import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from genwright.data import likeness
from genwright.data.array_files import read_array_file
from genwright.data.images import open_images
from genwright.data.likeness import near_copies, split_groups
from pictures import draw, encoded

COUPLES = {  # emoji of two people: their variants with two skin tones have a name of their own
    "1f469-200d-1f91d-200d-1f468": "1f46b",
    "1f468-200d-1f91d-200d-1f468": "1f46c",
    "1f469-200d-1f91d-200d-1f469": "1f46d",
    "1f9d1-200d-2764-200d-1f48b-200d-1f9d1": "1f48f",
    "1f9d1-200d-2764-200d-1f9d1": "1f491",
    "1faf1-200d-1faf2": "1f91d",
}


def pictures(count: int, side: int = 48, channels: int = 3) -> np.ndarray:
    """Pictures with enough in them to be told apart."""
    random = np.random.default_rng(count)
    out = []
    for seed in range(count):
        layers = np.stack([draw(1000 * seed + layer, side, side, channels) for layer in range(3)])
        out.append(
            layers[random.integers(0, 3, (3, 3)).repeat(side // 3, 0).repeat(side // 3, 1), *np.indices((side, side))]
        )
    return np.stack(out)


def changed(picture: np.ndarray, how: str) -> np.ndarray:
    image = Image.fromarray(picture)
    if how == "recompressed":
        return np.asarray(Image.open(io.BytesIO(encoded(image, "JPEG", quality=60))))
    if how == "rescaled":
        small = image.resize((36, 36), Image.Resampling.LANCZOS)
        return np.asarray(small.resize(image.size, Image.Resampling.LANCZOS))
    if how == "brightened":
        return np.asarray(ImageEnhance.Brightness(image).enhance(0.85))
    noise = np.random.default_rng(0).normal(0, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("how", ["recompressed", "rescaled", "brightened", "noisy"])
def test_a_changed_copy_joins_its_original_and_nothing_else(how):
    originals = pictures(40)
    groups = near_copies(np.concatenate([originals, np.stack([changed(picture, how) for picture in originals])]))
    assert (groups[:40] == np.arange(40)).all()
    assert (groups[40:] == np.arange(40)).mean() >= 0.95


def test_equal_pictures_share_a_group_whatever_they_show():
    blank = np.full((3, 16, 16, 1), 255, np.uint8)
    different = np.stack([draw(n, channels=1) for n in range(4)])
    assert near_copies(np.concatenate([different, blank, different]))[4:].tolist() == [4, 4, 4, 0, 1, 2, 3]


def test_a_part_of_another_shade_is_a_variant_and_another_hue_is_not():
    side = 48
    y, x = np.mgrid[:side, :side]
    disc, stripe = (y - 20) ** 2 + (x - 24) ** 2 < 150, np.abs(y - x) < 4
    hands = []
    for skin in ((255, 200, 60), (240, 190, 140), (190, 140, 90), (60, 90, 220)):
        hand = np.full((side, side, 3), 255, np.uint8)
        hand[disc], hand[stripe] = skin, (60, 40, 40)
        hands.append(hand)
    groups = near_copies(np.concatenate([np.stack(hands), pictures(20)]))
    assert groups[:4].tolist() == [0, 0, 0, 3]


def test_grey_is_not_a_copy_of_coloured():
    coloured = pictures(6)
    grey = np.stack([np.asarray(Image.fromarray(p).convert("L").convert("RGB")) for p in coloured])
    assert len(set(near_copies(np.concatenate([coloured, grey])))) == 12


def test_small_steps_do_not_chain_different_pictures_together():
    first, last = pictures(2).astype(float)
    steps = np.linspace(0, 1, 200)[:, None, None, None]
    film = np.rint(first + steps * (last - first)).astype(np.uint8)
    groups = near_copies(film)
    assert groups[0] != groups[-1]
    assert (np.diff(groups) >= 0).mean() > 0.9  # neighbours in time, not a scatter


def test_many_alike_pictures_do_not_take_for_ever():
    base = pictures(1)[0]
    noise = np.random.default_rng(0).integers(-2, 3, (1500, *base.shape))
    assert len(np.unique(near_copies(np.clip(base + noise, 0, 255).astype(np.uint8)))) <= 2


def test_too_many_pictures_are_compared_by_bytes_only(monkeypatch):
    monkeypatch.setattr(likeness, "MOST_COMPARED", 10)
    originals = pictures(20)
    groups = near_copies(np.concatenate([originals, originals, np.stack([changed(p, "noisy") for p in originals])]))
    assert (groups[20:40] == groups[:20]).all()
    assert len(set(groups)) == 40


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=200), st.floats(0, 0.9), st.integers(0, 5))
def test_a_split_keeps_groups_whole(groups, share, seed):
    given_groups = np.array(groups)
    held = split_groups(given_groups, share, seed=seed)
    assert held.shape == given_groups.shape
    assert held.dtype == bool
    assert not set(given_groups[held]) & set(given_groups[~held])
    assert held.sum() <= round(share * len(groups))
    assert not held.all()
    assert (held == split_groups(given_groups, share, seed=seed)).all()


def test_a_split_is_of_the_size_asked_for_where_groups_are_small():
    groups = np.arange(1000) // 2
    masks = [split_groups(groups, 0.1, seed=seed) for seed in range(3)]
    assert [mask.sum() for mask in masks] == [100, 100, 100]
    assert (masks[0] != masks[1]).any()


@pytest.mark.slow
def test_emoji_variants_end_with_their_base(large_data):
    images = open_images(large_data / "image" / "emoji" / "emoji64.zip").load()
    names = [name.split("/")[-1].removesuffix(".png").replace("-fe0f", "") for name in images.names]
    plain = [re.sub("-1f3f[b-f]", "", name) for name in names]
    bases = [COUPLES.get(name, name) for name in plain]
    group_of = {name: group for name, group in zip(names, images.groups, strict=True) if name in bases}
    variants = [place for place, name in enumerate(names) if name != bases[place]]
    together = np.mean([images.groups[place] == group_of[bases[place]] for place in variants])
    kinds: dict[int, set[str]] = {}
    for group, base in zip(images.groups.tolist(), bases, strict=True):
        kinds.setdefault(group, set()).add(base)
    merged = sum(len(inside) - 1 for inside in kinds.values())
    assert len(set(bases)) == 1911
    assert len(variants) == 1875
    assert together > 0.98
    assert merged < 100  # 1,911 bases; hearts, discs and flags of like colours, and 11 that are equal
    assert max(len(inside) for inside in kinds.values()) <= 10


@pytest.mark.slow
def test_different_digits_are_not_merged(large_data):
    pixels, labels, _ = read_array_file(large_data / "image" / "mnist" / "train-images-idx3-ubyte.gz")
    groups = near_copies(pixels)
    _, places, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    assert labels is not None
    assert (labels == labels[groups]).all()
    assert (sizes[places] > 1).mean() < 0.05
    assert sizes.max() < 100
