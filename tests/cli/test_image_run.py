"""A run on images from end to end: what comes back, in every form, and what each verb says to mistakes."""

import base64
import io
import json
import math
import re
import time

import numpy as np
import pytest
from PIL import Image

import coded
import genwright
from genwright.data.batches import Examples
from genwright.errors import GenwrightError
from genwright.model_presets import Extent
from processes import run as run_command

pytestmark = pytest.mark.usefixtures("quick_judges")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """120 grey pictures of 12 x 12 pixels in three class folders, and one that is no picture."""
    place = tmp_path_factory.mktemp("pictures")
    pixels, labels = coded.pictures(120)
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        path = place / "bars" / f"class {label + 9}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.pad(image[0], ((0, 0), (2, 2)))).save(path)
    (place / "bars" / "class 9" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return place


@pytest.fixture(scope="module")
def run(folder):
    return genwright.train(
        folder / "bars", model="r3gan", steps=12, out=folder / "run", quiet=True, threads=1, **{"model.width": 8}
    )


def test_samples_come_back_as_pictures_of_the_same_form(run):
    pixels = run.sample(30)
    assert pixels.shape == (30, 12, 12, 1)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, run.sample(30))
    assert not np.array_equal(pixels, run.sample(30, seed=1))
    assert genwright.open(run.folder).sample(3).shape == (3, 12, 12, 1)


def test_classes_come_as_often_as_in_training(run):
    _, labels = run.draw(1000)
    counts = np.array(run.codec.counts)
    assert run.codec.classes == ("class 9", "class 10", "class 11")
    assert np.abs(np.bincount(labels) - 1000 * counts / counts.sum()).max() <= 1
    assert set(run.draw(5, label="class 10")[1]) == {1}


def test_the_bad_file_is_named_and_everything_is_in_the_folder(run):
    assert [name for name, _ in run.state["data"]["skipped"]] == ["class 9/torn.png"]
    for name in ("run.toml", "card.md", "report.json", "report.html", "samples/grid.png", "weights.safetensors"):
        assert (run.folder / name).stat().st_size > 0
    for name in ("state.json", "report.json"):  # Infinity and NaN are Python's, not JSON's
        json.loads((run.folder / name).read_text(), parse_constant=pytest.fail)
    card = (run.folder / "card.md").read_text(encoding="utf-8")
    assert run.state["outcome"]["precision"] in card
    assert "best at" not in card, "nothing was selected in so few steps"
    report = json.loads((run.folder / "report.json").read_text())
    assert report["kind"] == "images"
    assert report["metrics"]["exact_pictures"]["copycat"] == 1.0
    assert report["metrics"]["exact_pictures"]["value"] < 0.5
    assert "Fréchet" in str(genwright.Report.load(run.folder))


@pytest.mark.parametrize("out", ["grid.png", "all.npz", "all.zip", "files"])
def test_every_form_of_output(run, tmp_path, out):
    path = run.write_samples(tmp_path / out, 20)
    if out == "all.npz":
        with np.load(path, allow_pickle=False) as content:
            assert content["images"].shape == (20, 12, 12, 1)
            assert content["images"].dtype == np.uint8
            assert content["labels"].shape == (20,)
    elif out == "grid.png":
        with Image.open(path) as image:
            assert image.text["model"] == "r3gan"
            assert image.text["seed"] == "0"
    else:  # what was written is trained on again
        again = genwright.train(path, model="r3gan", steps=2, out=tmp_path / "again", report=False, quiet=True)
        assert again.codec.classes == run.codec.classes


def test_ways_and_directions(run, tmp_path):
    ways = run.interpolate(5, pairs=2, label="class 11")
    assert ways.shape == (2, 5, 12, 12, 1)
    assert not np.array_equal(ways[:, 0], ways[:, -1])
    moved = run.edit(1, images=3, steps=5)
    assert moved.shape == (3, 5, 12, 12, 1)
    run.write_strips(tmp_path / "ways.gif", ways)
    with Image.open(tmp_path / "ways.gif") as film:
        assert film.n_frames == 5
    with pytest.raises(GenwrightError, match="GW-0183"):
        run.edit(40)


def test_what_a_model_cannot_do_is_said(run, folder):
    with pytest.raises(GenwrightError, match="GW-0403"):
        run.reconstruct(folder / "bars")
    with pytest.raises(GenwrightError, match="GW-0202"):
        run.sample(3, guidance=2)
    with pytest.raises(GenwrightError, match="GW-0181"):
        run.sample(3, label="class 8")
    with pytest.raises(GenwrightError, match="GW-0201"):
        run.sample(3, truncation=0)
    with pytest.raises(GenwrightError, match="GW-0206"):
        run.sample(0)
    assert run.sample(3, truncation=0.5).shape == (3, 12, 12, 1)


def test_the_command_line(run, tmp_path):
    def call(*words):
        return run_command(*words, cwd=tmp_path)

    done = call("train", "--resume", run.folder)
    assert (run.folder / "samples" / "grid.png").exists()
    assert f"Synthetic images: {run.folder / 'samples' / 'grid.png'}" in done.stdout
    done = call("sample", run.folder, "-n", 9, "--label", "class 9", "--truncation", "0.7", "--out", "nines.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "nines.png").exists()
    refused = call("sample", run.folder, "--where", "a=1")
    assert refused.returncode == 2
    assert "GW-0211" in refused.stderr
    assert "Traceback" not in refused.stderr
    wrong = call("sample", run.folder, "-n", 3, "--out", "x.jpg")
    assert wrong.returncode == 2
    assert "GW-0157" in wrong.stderr


def test_arrays_are_data_too(tmp_path):
    pixels, labels = coded.pictures(80)
    pixels = np.pad(pixels, ((0, 0), (0, 0), (0, 0), (2, 2))).transpose(0, 2, 3, 1)
    run = genwright.train(
        (pixels, labels), model="flow", steps=4, out=tmp_path / "run", quiet=True, report=False,
        **{"model.width": 8, "model.solver_steps": 2},
    )  # fmt: skip
    assert run.sample(4, guidance=2.0, solver="euler", solver_steps=3).shape == (4, 12, 12, 1)
    given, made = run.reconstruct((pixels[:5], labels[:5]))
    assert given.shape == made.shape == (5, 12, 12, 1)


def test_the_report_command_judges_runs_and_any_files(run, folder, tmp_path, capsys):
    from genwright.cli import main

    main(["report", str(run.folder), "--effort", "quick", "--out", str(tmp_path / "own")])
    own = json.loads((tmp_path / "own" / "report.json").read_text())
    assert own["sizes"]["holdout"] == run.state["data"]["holdout_rows"]
    made = run.write_samples(tmp_path / "made.npz", 60)
    words = [
        "--train",
        str(folder / "bars"),
        "--synth",
        str(made),
        "--effort",
        "quick",
        "--out",
        str(tmp_path / "files"),
    ]
    main(["report", *words])
    judged = json.loads((tmp_path / "files" / "report.json").read_text())
    assert judged["kind"] == "images"
    assert judged["sizes"]["synthetic"] == 60
    assert judged["metrics"]["exact_pictures"]["copycat"] == 1
    assert "synthetic" in (tmp_path / "files" / "report.html").read_text().lower()
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        main(["report", str(run.folder), "--target", "income"])
    assert "GW-0211" in capsys.readouterr().err


def test_the_full_report_of_a_flow_says_what_its_steps_are_worth(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("genwright.image_run.BY_STEPS", 60)
    small = {"model.width": 8, "model.levels": 1}
    flow = genwright.train(
        folder / "bars", model="flow", steps=3, report=False, out=tmp_path / "flow", quiet=True, threads=1, **small
    )
    flow.report(effort="full")
    page = (tmp_path / "flow" / "report.html").read_text(encoding="utf-8")
    rows = page[page.index('id="steps"') :]
    assert all(f'class="n">{steps}</th>' in rows for steps in (2, 4, 6, 10, 20))


def test_a_time_limit_and_not_the_preset_says_how_long_images_are_trained():
    from genwright import settings

    def built(**given):
        return settings.build({"model": "flow", "data": "x", **given}, Extent(54_000, 54_000 * 784))

    assert built(time="10m").steps > built().steps
    assert built(time="10m").model == built().model
    assert built(time="10m", steps=7).steps == 7


def test_quick_networks_of_gans_are_narrower_for_large_images():
    from genwright import settings

    def width(side: int, **given: str) -> int:
        return settings.build({"model": "dcgan", **given}, Extent(3000, 3000 * 3 * side**2)).model.width

    assert [width(side) for side in (28, 32, 64, 256)] == [48, 48, 24, 16]
    assert width(64, preset="good") == 48
    assert width(64, **{"model.width": "40"}) == 40


def test_pixel_ar_takes_fewer_large_images_at_once():
    """32 of 64 x 64 in colour want 13 GB."""
    from genwright import settings

    sizes = {(1, 28, 28): (32, 167), (3, 32, 32): (10, 42), (3, 64, 64): (4, 10), (3, 512, 512): (4, 4)}
    for shape, (step, look) in sizes.items():
        built = settings.build({"model": "pixel-ar"}, Extent(3000, 3000 * math.prod(shape)))
        assert built.training.batch_size == step
        assert Examples(np.zeros((20, *shape), np.uint8)).at_once == look


def test_the_time_of_a_report_is_known_by_that_of_a_few_images(run, monkeypatch):
    clock = [0.0]

    def draw(model, n, condition, generator):
        clock[0] += 0.5 + 0.01 * n

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def measures(batches, generator):
        clock[0] += sum(0.1 + 0.02 * len(batch) for batch in batches)

    monkeypatch.setattr(run, "_sample", draw)
    monkeypatch.setattr(run.model, "measures", measures)
    drawing, measuring = 1100 * 0.01 + 1100 / 256 * 0.5, 500 * 0.02 + 500 / 256 * 0.1
    assert run.seconds_of_report(run.codec, run.model) == pytest.approx(20 + drawing + measuring)


def test_a_comparison_shows_the_samples_side_by_side(run, tmp_path):
    found = genwright.compare(run, run, out=tmp_path / "beside")
    shown = re.findall(r'<img class="pictures" src="data:image/png;base64,([^"]+)"', found.page.read_text())
    assert len(shown) == 2
    with Image.open(io.BytesIO(base64.b64decode(shown[0]))) as image, Image.open(run.first_path) as whole:
        assert image.size == tuple(min(side, 480) for side in whole.size)
