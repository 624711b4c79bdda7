"""Pictures out: what is written is read back as it was, whole or not at all; and known data sets are brought and checked."""

import functools
import gzip
import hashlib
import http.server
import json
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genwright.data import image_writers, known
from genwright.data.image_writers import (
    check_images,
    check_strips,
    film,
    grid,
    png,
    read_png,
    write_grid,
    write_images,
)
from genwright.data.images import open_images
from genwright.errors import GenwrightError
from pictures import draw, folder, idx

LABELS = np.array([2, 0, 1, 0, 2, 1, 0])
CLASSES = ("cat", "a/b", "..")
MADE = {"run": "my run", "seed": "3", "label": "猫"}


def pixels(channels: int = 3, side: int = 16) -> np.ndarray:
    return np.stack([draw(number, side, side, channels) for number in range(len(LABELS))])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["x.npz", "x.zip", "x", "x.folder/"])
def test_what_is_written_is_read_back(tmp_path, name, channels):
    given = pixels(channels)
    path = str(tmp_path / name) + ("/" if name.endswith("/") else "")
    write_images(path, given, metadata=MADE)
    loaded = open_images(path).load()
    assert (loaded.pixels == given).all()
    assert loaded.labels is None


@pytest.mark.parametrize("name", ["x.npz", "x.zip", "x"])
def test_labels_come_back_by_their_classes_names(tmp_path, name):
    write_images(tmp_path / name, pixels(), labels=LABELS, classes=CLASSES)
    source = open_images(tmp_path / name)
    loaded = source.load()
    safe = {"cat": "cat", "a/b": "a_b", "..": "_"}
    expected = [CLASSES[k] if name == "x.npz" else safe[CLASSES[k]] for k in LABELS]
    found = [source.classes[k] for k in loaded.labels]
    order = (
        range(7) if name == "x.npz" else [int(name.split("/")[-1].removesuffix(".png")) - 1 for name in loaded.names]
    )
    assert found == [expected[place] for place in order]
    assert (loaded.pixels == pixels()[list(order)]).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_npz_has_the_arrays_that_are_promised(tmp_path):
    write_images(tmp_path / "a.npz", pixels(), labels=LABELS, classes=CLASSES)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as content:
        assert content["images"].dtype == np.uint8
        assert content["images"].shape == (7, 16, 16, 3)
        assert content["labels"].tolist() == LABELS.tolist()
        assert content["classes"].tolist() == list(CLASSES)
    write_images(tmp_path / "b.npz", pixels())
    with np.load(tmp_path / "b.npz", allow_pickle=False) as content:
        assert content.files == ["images"]


def test_equal_pictures_make_equal_files(tmp_path):
    for suffix in ("zip", "npz", "png"):
        for name in ("a", "b"):
            write_images(tmp_path / f"{name}.{suffix}", pixels(), metadata=MADE)
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_pngs_carry_how_they_were_made(tmp_path):
    write_images(tmp_path / "g.png", pixels(), metadata=MADE)
    write_images(tmp_path / "z.zip", pixels(), metadata=MADE)
    with zipfile.ZipFile(tmp_path / "z.zip") as archive, archive.open("000001.png") as file, Image.open(file) as image:
        image.load()
        assert image.text == MADE
    with Image.open(tmp_path / "g.png") as image:
        assert image.text == MADE


def test_a_grid_shows_each_picture_once():
    whole = grid(pixels(), columns=3)
    assert whole.shape == (3 * 18 - 2, 3 * 18 - 2, 3)
    for place, picture in enumerate(pixels()):
        top, left = 18 * (place // 3), 18 * (place % 3)
        assert (whole[top : top + 16, left : left + 16] == picture).all()
    assert (whole[16:18] == 255).all()
    assert (whole[36:, 18:] == 255).all()
    assert grid(np.zeros((100, 8, 8, 1), np.uint8)).shape == (98, 98, 1)
    assert grid(pixels()[:1]).shape == (16, 16, 3)


def test_a_grid_is_ordered_by_class_and_not_endless(tmp_path):
    write_images(tmp_path / "g.png", pixels(), labels=LABELS, classes=CLASSES)
    ordered = pixels()[np.argsort(LABELS, kind="stable")]
    assert (read_png(tmp_path / "g.png") == grid(ordered)).all()
    write_grid(tmp_path / "grey.png", pixels(1), columns=7)
    assert (read_png(tmp_path / "grey.png") == grid(pixels(1), columns=7)).all()
    with pytest.raises(GenwrightError, match="GW-0158"):
        write_grid(tmp_path / "huge.png", np.broadcast_to(np.uint8(0), (10_000, 512, 512, 1)))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_film_has_its_frames(tmp_path, channels):
    frames = [grid(pixels(channels)[n:]) if n == 0 else grid(np.roll(pixels(channels), n, 0)) for n in range(5)]
    film(frames, tmp_path / "f.gif")
    with Image.open(tmp_path / "f.gif") as made:
        assert made.n_frames == 5
        assert made.info["loop"] == 0
        for place, frame in enumerate(frames):
            made.seek(place)
            shown = np.asarray(made.convert("RGB"))
            assert np.abs(shown.astype(int) - frame).max() <= (0 if channels == 1 else 8)


def test_nothing_is_half_written_or_overwritten(tmp_path, monkeypatch):
    with pytest.raises(GenwrightError, match="GW-0157"):
        write_images(tmp_path / "x.jpg", pixels())
    with pytest.raises(GenwrightError, match="GW-0157"):
        film([grid(pixels())], tmp_path / "x.mp4")
    folder(tmp_path / "mine", {"diary.txt": b"x"})
    with pytest.raises(GenwrightError, match="GW-0310"):
        write_images(tmp_path / "mine", pixels())
    (tmp_path / "old.zip").write_bytes(b"old")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full_disk(*_):
        if next(left) == 0:
            raise OSError(28, "No space left on device")
        return png(pixels()[0])

    for name in ("new", "new.zip", "old.zip", "new.png"):
        left = iter([2, 1, 0] if name != "new.png" else [0])
        monkeypatch.setattr(image_writers, "png", full_disk)
        with pytest.raises(GenwrightError, match="GW-0301"):
            write_images(tmp_path / name, pixels())
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_cannot_be_written_is_known_before_there_are_pictures(tmp_path):
    folder(tmp_path / "mine", {"diary.txt": b"x"})
    for name, count, code in (("x.jpg", 3, "GW-0157"), ("mine", 3, "GW-0310"), ("x.png", 10**6, "GW-0158")):
        with pytest.raises(GenwrightError, match=code):
            check_images(tmp_path / name, count, 28, 28)
    forms = {"x.png": ".png", "x.npz": ".npz", "x.ZIP": ".zip", "new": "", "new.folder/": ""}
    assert {name: check_images(f"{tmp_path}/{name}", 3, 28, 28) for name in forms} == forms
    for name, rows, code in (("x.mp4", 8, "GW-0157"), ("x.png", 2000, "GW-0158")):
        with pytest.raises(GenwrightError, match=code):
            check_strips(tmp_path / name, rows, 9, 28, 28)
    check_strips(tmp_path / "x.gif", 2000, 9, 28, 28)


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """A folder with a data set that is known while the test runs; one file plain, one packed."""
    files = {"train-images-idx3-ubyte": idx(pixels(1)[..., 0]), "train-labels-idx1-ubyte": idx(LABELS)}
    sums = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in files.items()}
    monkeypatch.setitem(known.KNOWN, "tiny", sums)
    packed = {"train-images.idx3-ubyte.gz": gzip.compress(files["train-images-idx3-ubyte"])}
    return folder(tmp_path / "source", packed | {"train-labels-idx1-ubyte": files["train-labels-idx1-ubyte"]})


def test_a_known_set_is_brought_from_a_folder(tiny, tmp_path):
    out = known.get("tiny", tiny, tmp_path / "out")
    loaded = open_images(out).load()
    assert (loaded.pixels == pixels(1)).all()
    assert (loaded.labels == LABELS).all()


def test_a_known_set_is_brought_from_an_address(tiny, tmp_path):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(tiny))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            known.get("tiny", address + "/", tmp_path / "out")
            with pytest.raises(GenwrightError, match="GW-0161"):
                known.get("tiny", address + "/elsewhere", tmp_path / "no")
        finally:
            server.shutdown()
            thread.join()
    assert len(open_images(tmp_path / "out").load().pixels) == 7
    with pytest.raises(GenwrightError, match="GW-0163"):
        known.get("tiny", address, tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_a_set_that_is_not_as_it_should_be_is_refused_whole(tiny, tmp_path):
    for name, code in (("tny", "GW-0160"), ("tiny", "GW-0161")):
        with pytest.raises(GenwrightError, match=code):
            known.get(name, tmp_path / "nowhere", tmp_path / "out")
    labels = tiny / "train-labels-idx1-ubyte"
    for wrong in (labels.read_bytes() + b"x", gzip.compress(labels.read_bytes())[:-9], b""):
        labels.write_bytes(wrong)
        with pytest.raises(GenwrightError, match="GW-0162"):
            known.get("tiny", tiny, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_mnist_is_brought_and_read(large_data, tmp_path):
    loaded_from = known.get("mnist", large_data / "image" / "mnist", tmp_path / "mnist")
    assert len(list(loaded_from.iterdir())) == 4


def test_sets_that_ship_are_had_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out, licence = known.unpack("digits")
    assert out == Path("digits")
    assert "CC BY-SA" in licence
    assert len(open_images(out).load().pixels) == 5000
    out, licence = known.unpack("emoji", "pictures/faces.zip")
    assert open_images(out).classes
    assert "Apache" in licence
    assert len(list(known.unpack("adult", "people")[0].iterdir())) == 2
    with pytest.raises(GenwrightError, match="GW-0310"):
        known.unpack("digits")
    known.unpack("digits", replace=True)
    with pytest.raises(GenwrightError, match=r"GW-0160.*adult, digits, emoji ship.*mnist"):
        known.unpack("digit")
    with pytest.raises(GenwrightError, match=r"GW-0160.*--from"):
        known.unpack("mnist")
    with pytest.raises(GenwrightError, match=r"GW-0160.*leave out"):
        known.get("digits", tmp_path, tmp_path / "again")


def test_the_samples_that_ship_are_whole():
    samples = Path(known.__file__).parent / "samples"
    digits = open_images(samples / "digits").load()
    assert digits.pixels.shape == (5000, 28, 28, 1)
    assert len(set(digits.labels.tolist())) == 10
    assert open_images(samples / "digits" / "t10k-images-idx3-ubyte.gz").load().pixels.shape == (1000, 28, 28, 1)
    emoji = open_images(samples / "emoji.zip")
    loaded = emoji.load()
    assert loaded.pixels.shape == (765, 32, 32, 3)
    assert np.bincount(loaded.labels).tolist() == [85] * 9
    assert len(np.unique(loaded.groups)) == 765
    licences = (samples / "README.md").read_text(encoding="utf-8")
    assert all(name in licences for name in ("digits/", "emoji.zip"))
    assert json.dumps(emoji.classes)
