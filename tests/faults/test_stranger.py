"""A run folder from a stranger, or a damaged one: no code runs, damage is named, and no real row is in any file."""

import json
import pickle
import re
import shutil
import zipfile

import numpy as np
import pytest

import coded
import genwright
import people
from genwright.errors import GenwrightError
from genwright.models import MODELS


class Payload:
    """What a hostile pickle would do."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code of a stranger ran')",))


ROWS = [name for name, entry in MODELS.items() if entry.kind == "row"]


@pytest.fixture(scope="module", params=ROWS)
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return genwright.train(
        people.csv(folder, 300), model=request.param, out=folder / "run", steps=20, quiet=True, target="income"
    )


@pytest.fixture
def copy(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("name", ["weights.safetensors", "codec.safetensors", "codec.json"])
def test_a_flipped_bit_is_detected_and_named(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(GenwrightError, match=name) as caught:
        genwright.open(copy).sample(5)
    assert caught.value.code == "GW-0304"


@pytest.mark.parametrize("name", ["weights.safetensors", "codec.safetensors", "codec.json", "state.json", "run.toml"])
def test_a_pickle_in_the_place_of_a_file_runs_no_code(copy, name):
    from genwright.folder import sha256

    hostile = pickle.dumps(Payload())
    (copy / name).write_bytes(hostile)
    if name not in ("state.json", "run.toml"):  # a stranger also writes the sums
        state = json.loads((copy / "state.json").read_text())
        state["files"][name] = sha256(copy / name)
        (copy / "state.json").write_text(json.dumps(state))
    with pytest.raises(GenwrightError):
        genwright.open(copy).sample(5)


@pytest.mark.parametrize("name", ["weights.safetensors", "codec.json", "state.json"])
@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 64, b'{"format": 1}', b"[" * 5000, (2**62).to_bytes(8, "little") + b"{}"]
)
def test_a_torn_or_odd_file_is_an_error_and_no_traceback(copy, name, content):
    (copy / name).write_bytes(content)
    with pytest.raises(GenwrightError):
        genwright.open(copy).sample(5)


def test_no_file_is_a_pickle(run):
    for path in run.folder.rglob("*"):
        if path.is_file():
            assert not zipfile.is_zipfile(path), path
            assert path.suffix in {".toml", ".json", ".jsonl", ".safetensors", ".md", ".html", ".csv", ""}, path


def test_no_file_holds_a_real_row(run):
    """Unless the model made one up that exists: samples may coincide, so they are left out here and judged in the report."""
    rows = [",".join(line) for line in people.frame(300).select(people.frame(1).columns).cast(str).rows()]
    weights = {str(value) for value in people.frame(300)["fnlwgt"]}  # nearly unique: stands for its row
    for path in run.folder.rglob("*"):
        if not path.is_file() or path.suffix in (".safetensors", ".csv"):
            continue
        text = path.read_text(encoding="utf-8")
        assert not [row for row in rows if row in text], path
        if path.name not in ("codec.json", "report.html", "report.json"):
            # Whole numbers: the digits of a hash or of a time may hold any five of them.
            assert not weights & set(re.findall(r"(?<![\w.])\d+(?![\w.])", text)), path


def test_a_run_of_a_newer_genwright_is_refused(copy):
    state = json.loads((copy / "state.json").read_text())
    (copy / "state.json").write_text(json.dumps({**state, "format": 99}))
    with pytest.raises(GenwrightError, match="GW-0306"):
        genwright.open(copy)


def test_no_picture_is_in_any_file_of_a_run_on_images(tmp_path):
    """But for the report, whose panel of nearest training pictures says so."""
    pixels, labels = coded.pictures(60)
    pixels = np.pad(pixels, ((0, 0), (0, 0), (0, 0), (2, 2))).transpose(0, 2, 3, 1)
    run = genwright.train(
        (pixels, labels), model="vae", steps=4, out=tmp_path / "run", quiet=True, report=False, **{"model.width": 4}
    )
    content = b"".join(path.read_bytes() for path in run.folder.rglob("*") if path.is_file())
    assert not any(image.tobytes() in content for image in pixels)
