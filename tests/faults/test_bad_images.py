"""Bad and odd pictures: each is loaded, left out with a reason, or refused in one sentence; none hangs or fills memory."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from genwright.data import decoding, image_files, images
from genwright.data.images import looks_like_images, open_images
from genwright.errors import GenwrightError
from pictures import digits_folder, draw, folder, some, tarred, zipped

sys.path.insert(0, str(Path(__file__).parent))
from hostile import BAD, COLLECTIONS, GOOD, ODD, mutated

MOST_BYTES, MOST_SECONDS = 2_000_000_000, 400
GOOD_FILES = some(20, height=24, width=24)


def check_sentence(text: str) -> None:
    assert text.isprintable(), text
    assert 3 < len(text) < 250, text
    assert "0x7" not in text, text  # an object's address


def test_there_are_enough_cases():
    assert len(BAD) + len(ODD) + len(COLLECTIONS) >= 120


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_left_out_with_a_reason(tmp_path, case):
    suffix = "heic" if case == "heic" else "png"
    place = folder(tmp_path, GOOD_FILES | {f"bad.{suffix}": BAD[case]})
    started = time.monotonic()
    loaded = open_images(place).load()
    assert [name for name, _ in loaded.skipped] == [f"bad.{suffix}"]
    check_sentence(loaded.skipped[0][1])
    assert len(loaded.pixels) == 20
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("case", ODD)
def test_an_odd_picture_is_loaded(tmp_path, case):
    loaded = open_images(folder(tmp_path, GOOD_FILES | {"odd.png": ODD[case]}), size=24).load()
    assert loaded.skipped == []
    assert loaded.pixels.shape[:3] == (21, 24, 24)


@pytest.mark.parametrize("case", COLLECTIONS)
def test_a_collection_is_loaded_or_refused_in_a_sentence(tmp_path, case):
    make, code = COLLECTIONS[case]
    path = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert looks_like_images(path) in (True, False)
    if code:
        with pytest.raises(GenwrightError) as caught:
            open_images(path).load()
        assert caught.value.code == code
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1500 or case == "a path too long"
    else:
        loaded = open_images(path).load()
        assert len(loaded.pixels) >= 3
        assert all(name.isprintable() for name in loaded.names)  # so it can be written, and steers no terminal
        assert all(".." not in name for name in open_images(path).classes)
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked


def test_libraries_print_nothing(tmp_path, capfd):
    torn = GOOD["lzw.tif"][:150] + b"\xff" * 40 + GOOD["lzw.tif"][190:]
    loaded = open_images(folder(tmp_path, GOOD_FILES | {"bad.tif": torn})).load()
    assert "cannot be decoded" in loaded.skipped[0][1]
    assert capfd.readouterr() == ("", "")


def test_what_may_not_be_read_is_said(tmp_path, monkeypatch):
    folder(tmp_path, GOOD_FILES)
    real = open

    def forbidding(path, *rest, **options):
        if str(path).endswith("001.png"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **options)

    monkeypatch.setattr(image_files, "open", forbidding, raising=False)
    assert open_images(tmp_path).load().skipped == [("001.png", "it cannot be read (Permission denied)")]
    monkeypatch.setattr(
        os, "scandir", lambda path: (_ for _ in ()).throw(PermissionError(13, "Permission denied", path))
    )
    with pytest.raises(GenwrightError, match=r"GW-0150.*Permission denied"):
        open_images(tmp_path)


def test_limits_are_checked_before_anything_is_decoded(monkeypatch):
    def forbidden(*_):
        raise AssertionError("decoded")

    for case in [name for name in BAD if "largest" in name or "too large" in name or "gigapixels" in name]:
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", forbidden)
        with pytest.raises(decoding.BadImage), decoding.quiet():
            decoding.decode(BAD[case], decoding.Target(16, False))


def mutate_all(place: Path, count: int, seed: int) -> dict[str, float]:
    """Load `count` mutated files: three quarters are pictures in one folder, the rest containers. What came of them."""
    chance = random.Random(seed)
    kinds = list(GOOD)
    names = [f"{number:05}.{kinds[number % len(kinds)]}" for number in range(count * 3 // 4)]
    files = {name: mutated(GOOD[kinds[at % len(kinds)]], chance) for at, name in enumerate(names)}
    images.MOST_BAD = 1.0
    loaded = open_images(folder(place / "pictures", files), size=16).load()
    for _, reason in loaded.skipped:
        check_sentence(reason)
    result = {"loaded": len(loaded.pixels), "skipped": len(loaded.skipped), "containers": 0, "refused": 0}
    x = np.stack([draw(n, 16, 16) for n in range(6)])
    np.savez_compressed(place / "a.npz", images=x, labels=np.arange(6))
    digits_folder(place / "digits", 6)
    containers = [
        zipped(place / "a.zip", some(6)),
        tarred(place / "a.tar", some(6)),
        tarred(place / "a.tar.gz", some(6), "w:gz"),
        tarred(place / "a.tar.xz", some(6), "w:xz"),
        place / "a.npz",
        place / "digits" / "train-images-idx3-ubyte.gz",
    ]
    for number in range(count - len(names)):
        original = containers[number % len(containers)]
        path = original.with_name(f"m{number}-{original.name}")
        path.write_bytes(mutated(original.read_bytes(), chance))
        result["containers"] += 1
        try:
            open_images(path).load()
        except GenwrightError as error:
            result["refused"] += str(error).isprintable()
        path.unlink()
    return result


def test_mutated_files(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MOST_BAD", 1.0)
    found = mutate_all(tmp_path, 150, seed=1)
    assert found["loaded"] + found["skipped"] + found["containers"] == 150
    assert found["loaded"] > 5
    assert found["skipped"] > 50


@pytest.mark.slow
def test_two_thousand_mutated_files_and_all_bombs_stay_below_two_gigabytes(tmp_path):
    program = f"""
import json, resource, sys
from pathlib import Path
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]!r}
import hostile, test_bad_images
from genwright.data.images import open_images
from genwright.errors import GenwrightError
place = Path({str(tmp_path)!r})
found = test_bad_images.mutate_all(place, 2000, seed=2)
for number, (make, _) in enumerate(hostile.COLLECTIONS.values()):
    (place / str(number)).mkdir()
    try:
        open_images(make(place / str(number))).load()
    except GenwrightError:
        pass
large = {{f"{{n}}.png": hostile.png(7900, 7900, body=(bytes(1 + 7900 * 3)) * 7900) for n in range(4)}}
assert len(open_images(test_bad_images.folder(place / "large", large)).load().pixels) == 4
found["bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["loaded"] + found["skipped"] + found["containers"] == 2000
    assert found["bytes"] < MOST_BYTES, found
