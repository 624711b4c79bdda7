"""Pictures in: what comes back is what was drawn, from every format, mode and container; sizes and classes by their rules."""

import gzip
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageOps

from genwright.config import Train
from genwright.data import images as images_module
from genwright.data.decoding import Target, decode
from genwright.data.images import looks_like_images, open_images
from genwright.errors import GenwrightError
from genwright.images import ImageSet
from pictures import digits_folder, draw, encoded, folder, idx, some, tarred, zipped

ON_WHITE = Target(16, False)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("PNG", {"interlace": 1}),
        ("GIF", {}),
        ("TIFF", {"compression": "tiff_deflate"}),
    ],
)
def test_lossless_formats_come_back_as_drawn(form, options):
    for seed in range(3):
        picture = draw(seed)
        assert (decode(encoded(picture, form, **options), ON_WHITE) == picture).all()
        grey = decode(encoded(draw(seed, channels=1), form, **options), Target(16, True))
        assert (grey == draw(seed, channels=1)).all()


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_lossy_formats_come_back_nearly(form):
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)[:, :, None].repeat(3, 2)
    assert np.abs(decode(encoded(smooth, form, quality=95), Target(64, False)).astype(int) - smooth).mean() < 2


def test_a_large_jpeg_is_reduced_as_it_should_be():
    picture = np.kron(draw(4, 16, 16), np.ones((40, 40, 1), np.uint8))
    assert np.abs(decode(encoded(picture, "JPEG", quality=95), ON_WHITE).astype(int) - draw(4)).mean() < 4


def test_transparency_is_laid_on_the_background():
    rgba = np.dstack([draw(1), np.full((16, 16), 255)]).astype(np.uint8)
    rgba[:, :8, 3] = 0
    rgba[:, 8:12, 3] = 102
    expected = draw(1).astype(float)
    expected[:, :8] = (0, 0, 255)
    expected[:, 8:12] = 0.4 * expected[:, 8:12] + 0.6 * np.array([0, 0, 255])
    target = Target(16, False, background=(0, 0, 255))
    for form in ("PNG", "TIFF"):
        assert np.abs(decode(encoded(rgba, form), target) - expected).max() <= 1
    grey = np.dstack([draw(1, channels=1), rgba[:, :, 3]])
    made = decode(encoded(Image.fromarray(grey, "LA") if grey.shape[2] == 2 else grey), ON_WHITE)
    assert (made[:, :8] == 255).all()
    assert (made[:, 12:] == draw(1, channels=1)[:, 12:]).all()


def test_undefined_colours_under_transparency_do_not_shine_through_when_reduced():
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[:, :, 0] = 255  # red, but seen only in the middle, where it is black
    rgba[16:48, 16:48] = (0, 0, 0, 255)
    made = decode(encoded(rgba), Target(16, False)).astype(int)
    assert np.ptp(made, axis=2).max() == 0


def test_palettes_bits_and_key_colours():
    palette = Image.fromarray(draw(2)).quantize(8)
    assert (decode(encoded(palette), ON_WHITE) == np.asarray(palette.convert("RGB"))).all()
    see_through = decode(encoded(palette, transparency=0), Target(16, False, background=(1, 2, 3)))
    gone = np.asarray(palette) == 0
    assert (see_through[gone] == (1, 2, 3)).all()
    assert (see_through[~gone] == np.asarray(palette.convert("RGB"))[~gone]).all()
    bits = np.indices((16, 16)).sum(0) % 2 == 1
    for form in ("PNG", "TIFF", "BMP"):
        assert (decode(encoded(Image.fromarray(bits), form), Target(16, True))[:, :, 0] == 255 * bits).all()
    keyed = decode(encoded(draw(3), transparency=tuple(draw(3)[0, 0].tolist())), ON_WHITE)
    assert (keyed[0, 0] == 255).all()


def test_cmyk_is_converted():
    cmyk = Image.fromarray(draw(5)).convert("CMYK")
    for form in ("TIFF", "JPEG"):
        made = decode(encoded(cmyk, form, **({"quality": 100} if form == "JPEG" else {})), ON_WHITE)
        assert np.abs(made.astype(int) - draw(5)).mean() < 8


def test_sixteen_bits_are_scaled_by_the_range_of_all_of_them(tmp_path):
    ramp = np.arange(256, dtype=np.uint16).reshape(16, 16)
    for top, factor in ((255, 1), (4095, 16), (65535, 257)):
        files = {
            "a.png": encoded(Image.fromarray(ramp * np.uint16(factor))),
            "dark.tif": encoded(Image.fromarray(ramp // 4), "TIFF"),
        }
        source = open_images(folder(tmp_path / str(top), files))
        loaded = source.load()
        assert np.abs(loaded.pixels[0, :, :, 0].astype(int) - ramp).max() <= 1
        assert loaded.pixels[1].max() <= 64  # dark stays dark
        assert any(f"{top:,} is taken as white" in note for note in source.notes)


def test_floating_point_is_taken_between_0_and_1(tmp_path):
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    made = decode(encoded(Image.fromarray(ramp), "TIFF"), Target(16, True))
    assert (made[:, :, 0].ravel() == np.rint(255 * ramp.ravel())).all()
    files = some(40) | {"wild.tif": encoded(Image.fromarray(ramp * 1000), "TIFF")}
    assert "do not lie in 0 to 1" in open_images(folder(tmp_path, files)).load().skipped[0][1]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_stand_upright_as_exif_says(form):
    stored = Image.fromarray(np.kron(draw(6, 8, 16), np.ones((8, 8, 1), np.uint8)))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded(stored, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
        made = decode(content, Target(64, False, "pad")).astype(int)
        upright = decode(encoded(ImageOps.exif_transpose(Image.open(io.BytesIO(content)))), Target(64, False, "pad"))
        assert np.abs(made - upright).mean() < 2, orientation


def test_only_the_first_picture_of_an_animation_is_taken():
    frames = [Image.fromarray(draw(seed)) for seed in range(3)]
    for form, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        content = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
        assert (decode(content, ON_WHITE) == draw(0)).all()


def test_the_three_ways_to_a_square():
    wide = draw(7, 16, 40)
    assert (decode(encoded(wide), Target(16, False)) == wide[:, 12:28]).all()
    padded = decode(encoded(wide), Target(40, False, "pad", (9, 8, 7)))
    assert (padded[12:28] == wide).all()
    assert (padded[:12] == (9, 8, 7)).all()
    assert (padded[28:] == (9, 8, 7)).all()
    even = np.full((16, 40, 3), 77, np.uint8)
    assert (decode(encoded(even), Target(16, False, "stretch")) == 77).all()
    assert (decode(encoded(draw(7, 17, 16)), ON_WHITE) == draw(7, 17, 16)[:16]).all()  # cut, not resampled


@pytest.mark.parametrize(
    ("sides", "side"),
    [
        ([(28, 28)], 28),
        ([(30, 30)], 32),
        ([(64, 64)], 64),
        ([(5, 5)], 8),
        ([(65, 65)], 64),
        ([(100, 70)], 64),
        ([(40, 60)], 32),
        ([(20, 20), (100, 100), (100, 90)], 64),
        ([(20, 20), (24, 24)], 16),
        ([(9, 12)], 16),
    ],
)
def test_the_side_is_chosen_by_looking(tmp_path, sides, side):
    files = {f"{number}.png": encoded(draw(number, *sides[number % len(sides)])) for number in range(6)}
    loaded = open_images(folder(tmp_path, files)).load()
    assert loaded.pixels.shape == (6, side, side, 3)
    assert loaded.pixels.dtype == np.uint8
    if sides == [(30, 30)]:
        assert (loaded.pixels[0, 1:31, 1:31] == draw(0, 30, 30)).all()
        assert (loaded.pixels[0, 0] == 255).all()
    arrays = [draw(number, *sides[0]) for number in range(6)]
    if len(sides) == 1:
        assert (open_images(np.stack(arrays)).load().pixels == loaded.pixels).all()


def test_grey_is_found_and_can_be_asked_for(tmp_path):
    grey = {f"{n}.png": encoded(draw(n, channels=1).repeat(3, 2)) for n in range(4)}
    loaded = open_images(folder(tmp_path / "grey", grey)).load()
    assert loaded.pixels.shape == (4, 16, 16, 1)
    assert (loaded.pixels[0] == draw(0, channels=1)).all()
    one_coloured = grey | {"c.png": encoded(draw(9))}
    assert open_images(folder(tmp_path / "one", one_coloured)).load().pixels.shape[3] == 3
    red = np.zeros((3, 16, 16, 3), np.uint8)
    red[..., 0] = 255 - np.arange(3).reshape(3, 1, 1)
    assert (open_images(red, grey=True).load().pixels[0] == 76).all()  # luma, not the red channel


def test_the_first_folders_are_the_classes_in_natural_order(tmp_path):
    names = ["10/a.png", "9/b.png", "9/deep/er/c.png", "1/d.png"]
    files = {name: encoded(draw(number)) for number, name in enumerate(names)}
    for form in (
        folder(tmp_path / "f", files),
        zipped(tmp_path / "z.zip", {f"top/all/{k}": v for k, v in files.items()}),
    ):
        source = open_images(form)
        loaded = source.load()
        assert source.classes == ("1", "9", "10")
        found = {name.split("/")[-1]: source.classes[k] for name, k in zip(loaded.names, loaded.labels, strict=True)}
        assert found == {"a.png": "10", "b.png": "9", "c.png": "9", "d.png": "1"}


def test_where_there_are_no_classes(tmp_path):
    flat = open_images(folder(tmp_path / "flat", some(3)))
    assert flat.classes == ()
    assert flat.load().labels is None
    mixed = open_images(
        folder(tmp_path / "mixed", some(2) | {"a/1.png": encoded(draw(8)), "b/1.png": encoded(draw(9))})
    )
    assert mixed.classes == ()
    assert "beside the folders" in mixed.notes[0]
    parts = open_images(folder(tmp_path / "parts", {"train/1.png": encoded(draw(1)), "test/1.png": encoded(draw(2))}))
    assert "taken as classes" in parts.notes[0]


def test_few_stray_pictures_do_not_cost_the_classes(tmp_path):
    files = {f"{'ab'[n % 2]}/{n:02}.png": encoded(draw(n)) for n in range(20)}
    for count, stray in ((1, "cover.png"), (2, "cover.png, x.png")):
        strays = {name: encoded(draw(90)) for name in ("cover.png", "x.png")[:count]}
        source = open_images(folder(tmp_path / str(count), files | strays))
        assert source.classes == ("a", "b")
        assert source.notes == [f"{count} picture{'s' * (count > 1)} beside the class folders left out: {stray}."]
        assert np.bincount(source.load().labels).tolist() == [10, 10]


def test_what_is_no_picture_is_passed_over_and_counted_once(tmp_path):
    others = {"readme.txt": b"x", "a.json": b"{}", ".DS_Store": b"x", "Thumbs.db": b"x", "__MACOSX/._001.png": b"x"}
    for path in (folder(tmp_path / "f", some(3) | others), zipped(tmp_path / "z.zip", some(3) | others)):
        source = open_images(path)
        assert len(source.load().pixels) == 3
        assert source.notes == ["2 files are passed over: no pictures by their names."]


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_an_archive_is_like_its_folder(tmp_path, suffix):
    files = {f"{'ab'[n % 2]}/{n}.png": encoded(draw(n)) for n in range(5)}
    path = tmp_path / f"my.{suffix}"
    if suffix == "zip":
        zipped(path, files)
    else:
        tarred(
            path, files, {"tar": "w", "gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}[suffix.split(".")[-1]]
        )
    as_folder, as_archive = open_images(folder(tmp_path / "my", files)), open_images(path)
    one, other = as_folder.load(), as_archive.load()
    assert (as_archive.name, one.names) == ("my", other.names)
    assert (one.pixels == other.pixels).all()
    assert (one.labels == other.labels).all()
    assert as_folder.fingerprint() == as_archive.fingerprint() == open_images(path).fingerprint()
    changed = files | {"a/0.png": encoded(draw(99))}
    assert open_images(folder(tmp_path / "other", changed)).fingerprint() != as_folder.fingerprint()


def test_npz_with_its_usual_names(tmp_path):
    pixels = np.stack([draw(n) for n in range(4)])
    labels = np.array(["b10", "b9", "a", "b9"])
    for images, classes in (("images", "labels"), ("x_train", "y_train"), ("arr_0", "arr_1")):
        np.savez(tmp_path / "a.npz", **{images: pixels, classes: labels})
        source = open_images(tmp_path / "a.npz")
        assert source.classes == ("a", "b9", "b10")
        loaded = source.load()
        assert (loaded.pixels == pixels).all()
        assert loaded.labels.tolist() == [2, 1, 0, 1]
    np.savez_compressed(tmp_path / "g.npz", whatever=pixels[..., 0])
    assert open_images(tmp_path / "g.npz").load().pixels.shape == (4, 16, 16, 1)
    assert open_images(tmp_path / "g.npz").load().labels is None


def test_arrays_that_an_npz_holds_besides_are_named(tmp_path):
    pixels = np.stack([draw(n) for n in range(4)])
    parts = {"x_train": pixels, "y_train": np.arange(4), "x_test": pixels, "y_test": np.arange(4)}
    np.savez(tmp_path / "a.npz", **parts)
    source = open_images(tmp_path / "a.npz")
    assert source.notes == ["Of a.npz, 'x_train', 'y_train' are read; passed over: 'x_test', 'y_test'."]
    assert len(source.load().pixels) == 4


def test_labels_may_be_whole_numbers_in_floating_point_but_nothing_between():
    pixels = np.stack([draw(n) for n in range(4)])
    source = open_images((pixels, np.array([2.0, 0.0, 10.0, 2.0], np.float32)))
    assert source.classes == ("0", "2", "10")
    assert source.load().labels.tolist() == [1, 0, 2, 1]
    for odd in (0.5, np.nan, np.inf, 1e20):
        with pytest.raises(GenwrightError, match="GW-0155"):
            open_images((pixels, np.array([0.0, 1.0, 2.0, odd])))


def test_a_bare_array_file_is_told_what_to_be(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 16, 16), np.uint8))
    assert looks_like_images(tmp_path / "a.npy")
    with pytest.raises(GenwrightError, match=r"GW-0155.*\.npz"):
        open_images(tmp_path / "a.npy")


def test_other_sizes_are_said(tmp_path):
    files = some(3) | {"wide.png": encoded(draw(7, 20, 40))}
    source = open_images(folder(tmp_path, files), size=16)
    source.load()
    source.load()
    assert source.notes == ["1 of 4 pictures had another size: made 16 x 16 pixels (--images.fit crop)."]
    small = open_images(np.stack([draw(n) for n in range(3)]), size=8)
    small.load()
    assert small.notes == ["3 of 3 pictures had another size: made 8 x 8 pixels (--images.fit crop)."]


def test_arrays_in_memory():
    pixels = np.stack([draw(n) for n in range(4)])
    assert (open_images(pixels).load().pixels == pixels).all()
    source = open_images((pixels, np.array([[5], [7], [5], [5]])))
    assert source.classes == ("5", "7")
    assert source.load().labels.tolist() == [0, 1, 0, 0]
    assert open_images((pixels, None)).fingerprint() == open_images(pixels).fingerprint() != source.fingerprint()
    assert open_images(np.stack([draw(n, 100, 120) for n in range(3)])).load().pixels.shape == (3, 64, 64, 3)


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_with_labels_beside_them(tmp_path, packed):
    place, pixels, labels = digits_folder(tmp_path, packed=packed)
    file = place / ("train-images-idx3-ubyte" + (".gz" if packed else ""))
    for path in (place, file):
        source = open_images(path)
        loaded = source.load()
        assert (loaded.pixels[..., 0] == pixels).all()
        assert (loaded.labels == labels).all()
        assert source.classes == tuple("0123456789")
    (place / "t10k-images.idx3-ubyte").write_bytes(idx(pixels[:5]))
    assert len(open_images(place).load().pixels) == 30
    assert "train-images" in open_images(place).notes[0]
    test_part = open_images(place / "t10k-images.idx3-ubyte")
    assert test_part.load().labels is None


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_table_of_paths_and_labels(tmp_path, suffix):
    folder(tmp_path, {f"photos/{n}.png": encoded(draw(n)) for n in range(6)})
    frame = pl.DataFrame({"id": range(6), "file": [f"photos/{n}.png" for n in range(6)], "kind": ["x", "y", "x"] * 2})
    path = tmp_path / f"list.{suffix}"
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[suffix](path)
    source = open_images(path)
    loaded = source.load()
    assert source.classes == ("x", "y")
    assert loaded.labels.tolist() == [0, 1, 0, 0, 1, 0]
    assert (loaded.pixels == np.stack([draw(n) for n in range(6)])).all()
    assert "'file'" in source.notes[-1]
    assert "'kind'" in source.notes[-1]
    assert looks_like_images(path)
    (tmp_path / "no.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(GenwrightError, match="GW-0156"):
        open_images(tmp_path / "no.csv")


def test_a_split_column_is_kept_to(tmp_path):
    """Rows that are not for training are the hold-out, and so are their near-copies."""
    names = [f"photos/{n}.png" for n in range(9)]
    folder(tmp_path, {name: encoded(draw(0 if n == 8 else n)) for n, name in enumerate(names)})  # 8 is 0 again
    parts = ["train", "Train", "test", "train", "val", "train", "train", "train", "test"]
    frame = pl.DataFrame({"file": names, "kind": ["x", "y", "x"] * 3, "split": parts})
    frame.write_csv(tmp_path / "list.csv")
    source = open_images(tmp_path / "list.csv")
    assert source.classes == ("x", "y")
    assert "'split'" in source.notes[-1]
    assert "(3)" in source.notes[-1]
    assert source.load().held.tolist() == [part.lower() != "train" for part in parts]
    dataset = ImageSet.open(tmp_path / "list.csv", Train(holdout=0.5))
    assert dataset.held.nonzero()[0].tolist() == [0, 2, 4, 8]
    frame.drop("split").write_csv(tmp_path / "list.csv")
    assert open_images(tmp_path / "list.csv").fingerprint() != source.fingerprint()
    one_part = frame.with_columns(split=pl.lit("test"))
    one_part.write_csv(tmp_path / "list.csv")
    assert open_images(tmp_path / "list.csv").load().held is None


def test_what_looks_like_images(tmp_path):
    folder(
        tmp_path, {"f/deep/1.png": encoded(draw(1)), "t/a.txt": b"x", "a.csv": b"a,b\n1,2\n", "u.csv": b"a\ngone.png\n"}
    )
    zipped(tmp_path / "f.zip", some(2))
    zipped(tmp_path / "t.zip", {"a.csv": b"a,b\n1,2\n"})
    tarred(tmp_path / "f.tgz", some(2), "w:gz")
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 8, 8), np.uint8))
    (tmp_path / "x.idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((2, 8, 8)))))
    yes = ["f", "f.zip", "f.tgz", "a.npz", "x.idx3-ubyte.gz", "f/deep/1.png"]
    assert [name for name in yes if not looks_like_images(tmp_path / name)] == []
    no = ["t", "t.zip", "a.csv", "u.csv", "t/a.txt", "gone", "gone.png", "a\0b"]
    assert [name for name in no if looks_like_images(tmp_path / name)] == []
    assert looks_like_images(np.zeros((2, 8, 8), np.uint8))
    assert not looks_like_images(pl.DataFrame({"a": [1]}))


def test_few_bad_files_are_left_out_and_many_stop(tmp_path):
    place = folder(tmp_path, some(39) | {"bad.png": b"junk"})
    seen: list[tuple[int, int]] = []
    loaded = open_images(place).load(lambda done, total: seen.append((done, total)))
    assert len(loaded.pixels) == len(loaded.names) == len(loaded.groups) == 39
    assert loaded.skipped == [("bad.png", "it is not a PNG, JPEG, WebP, GIF, TIFF or BMP picture")]
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    many = folder(tmp_path / "many", some(3000, height=8, width=8) | {f"bad{n:03}.png": b"junk" for n in range(103)})
    left_out = open_images(many).load().left_out()
    assert len(left_out) == 101
    assert left_out[0].startswith("bad000.png is left out: it is not a PNG")
    assert left_out[-1] == "3 more files left out."
    with pytest.raises(GenwrightError, match=r"GW-0153: .* has 1 usable picture. Give at least 2"):
        open_images(place / "000.png").load()
    assert len(open_images(place / "000.png").load(fewest=1).pixels) == 1
    place = folder(tmp_path / "bad", some(39) | {f"bad{n:02}.png": b"junk" for n in range(21)})
    with pytest.raises(GenwrightError, match=r"GW-0152: 21 of 60 pictures .*bad00.png: it is not.*; and 16 more"):
        open_images(place).load()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 30}, "side of 30"),
        ({"size": 4}, "side of 4"),
        ({"size": 1024}, "1024"),
        ({"fit": "cut"}, "'cut'"),
        ({"background": "blurple"}, "blurple"),
        ({"background": "#12"}, "#12"),
    ],
)
def test_settings_out_of_range_are_told(options, words):
    with pytest.raises(GenwrightError, match=f"GW-0154.*{words}"):
        open_images(np.zeros((3, 16, 16), np.uint8), **options)


def test_results_do_not_depend_on_threads(tmp_path, monkeypatch):
    place = folder(tmp_path, some(60, height=20, width=30))
    monkeypatch.setattr(images_module, "_threads", lambda: 1)
    one = open_images(place).load()
    monkeypatch.setattr(images_module, "_threads", lambda: 5)
    many = open_images(place).load()
    assert (one.pixels == many.pixels).all()
    assert one.names == many.names


def test_a_picture_in_two_classes_is_said(tmp_path):
    for name, seed in (("cat/a.png", 1), ("cat/b.png", 2), ("dog/c.png", 3), ("dog/d.png", 1), ("dog/e.png", 3)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(draw(seed, 16, 16, 3)))
    source = open_images(tmp_path)
    source.load()
    assert source.notes == [
        "1 picture in more than one class, first cat/a.png (cat) and dog/d.png (dog): labels disagree."
    ]
    declared = open_images(tmp_path, size=16, declared=True)
    declared.load()
    assert declared.notes == [], "private pictures are not compared"


@pytest.mark.parametrize("of_files", [True, False])
def test_pictures_that_do_not_fit_into_memory_are_refused_before_they_are_decoded(of_files, tmp_path, monkeypatch):
    data = folder(tmp_path / "photos", some(9)) if of_files else np.zeros((9, 30, 30, 3), np.uint8)
    source = open_images(data, size=64)
    monkeypatch.setattr(images_module, "free_bytes", lambda: 4 * 9 * 64 * 64 * 3 - 1)
    with pytest.raises(GenwrightError, match=r"GW-0159: 9 pictures of 64 x 64 pixels need 0\.0 GB"):
        source.load()
    for enough in (4 * 9 * 64 * 64 * 3, None):
        monkeypatch.setattr(images_module, "free_bytes", lambda enough=enough: enough)
        assert len(source.load().pixels) == 9
