"""A run on images from end to end: what comes back, in every form, and what each verb says to mistakes."""

import base64
import contextlib
import html
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
from genwright import comparison
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
    assert "best at 12" in card, "the only look, at the end, beside training images"
    report = json.loads((run.folder / "report.json").read_text())
    assert report["kind"] == "images"
    assert report["metrics"]["exact_pictures"]["copycat"] == 1.0
    assert report["metrics"]["exact_pictures"]["value"] < 0.5
    assert "Fréchet" in str(genwright.Report.load(run.folder))


def test_files_left_out_stand_in_card_and_report_with_their_reason(run):
    reason = "class 9/torn.png: it "
    assert reason in (run.folder / "card.md").read_text(encoding="utf-8")
    assert "1 channel," in (run.folder / "card.md").read_text(encoding="utf-8")
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert page.count("class 9/torn.png") == 1
    assert "class 9/torn.png is left out: it " in page


def test_the_score_that_picks_the_snapshot_is_in_the_log_and_on_the_page(folder, tmp_path):
    looks = {"training.select_every": 5, "model.width": 8}
    gan = genwright.train(
        folder / "bars", model="dcgan", steps=12, out=tmp_path / "run", quiet=True, threads=1, **looks
    )
    scores = {row["step"]: row["selection"] for row in gan.log() if "selection" in row}
    assert list(scores) == [5, 10, 12]
    assert min(scores.values()) == pytest.approx(gan.state["outcome"]["best_loss"], rel=1e-5)
    assert scores[gan.state["outcome"]["best_step"]] == min(scores.values())
    assert "<figcaption>selection</figcaption>" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


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
            made = {"run": "run", "model": "r3gan", "seed": "0", "n": "20", "truncation": "1.0"}
            assert image.text == made, "the sampler's settings too, though they are the usual ones"
    else:  # what was written is trained on again
        again = genwright.train(path, model="r3gan", steps=2, out=tmp_path / "again", report=False, quiet=True)
        assert again.codec.classes == run.codec.classes


def test_nothing_is_drawn_for_a_place_that_cannot_be_written_to(run, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "draw", pytest.fail)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").touch()
    for name, n, code in (("x.jpg", 9, "GW-0157"), ("full", 9, "GW-0310"), ("x.png", 10**7, "GW-0158")):
        with pytest.raises(GenwrightError, match=code):
            run.write_samples(tmp_path / name, n)


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
    with Image.open(tmp_path / "nines.png") as image:
        assert {"label": "class 9", "truncation": "0.7", "n": "9"}.items() <= image.text.items()
    call("interpolate", run.folder, "--seed", 5, "--steps", 4, "--label", "class 10", "--out", "ways.png")
    with Image.open(tmp_path / "ways.png") as image:
        assert {"seed": "5", "steps": "4", "label": "class 10"}.items() <= image.text.items()
    call("edit", run.folder, "--seed", 9, "--direction", 3, "--images", 2, "--out", "moved.png")
    with Image.open(tmp_path / "moved.png") as image:
        assert {"seed": "9", "direction": "3", "images": "2", "steps": "9"}.items() <= image.text.items()
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


def test_reconstruct_takes_one_photo_or_many_and_names_each(folder, tmp_path, monkeypatch):
    from genwright.cli import main

    vae = genwright.train(
        folder / "bars", model="vae", steps=3, report=False, out=tmp_path / "vae", quiet=True, threads=1,
        **{"model.width": 8, "training.validation": 0},
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    photos = [tmp_path / name for name in ("one.jpg", "b/two.png", "b/three.png")]
    for place, path in enumerate(photos):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((30, 40, 3), 60 + 80 * place, np.uint8)).save(path)

    def said(*words: str) -> list[str]:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            main(["reconstruct", str(vae.folder), *words])
        return out.getvalue().splitlines()

    assert said("one.jpg", "--out", "one.png")[0].startswith("one.jpg  PSNR")
    several = said("one.jpg", "--out", "three.png", "b")
    assert [line.split("  PSNR")[0].rstrip() for line in several[:3]] == ["one.jpg", "b/three.png", "b/two.png"]
    assert several[-1] == "Given (left) and made (right), in three.png"
    given, _ = vae.reconstruct([photos[1], photos[0]])
    assert given[:, 6, 6, 0].tolist() == pytest.approx([140, 60], abs=2)
    with Image.open(tmp_path / "three.png") as picture:
        assert picture.size == (2 * 14 - 2, 3 * 14 - 2)
    with pytest.raises(SystemExit, match="2"):
        main(["reconstruct", str(vae.folder), "gone.png"])


def test_a_report_on_files_says_what_was_resized(run, folder, tmp_path):
    from genwright.cli import main

    np.savez(tmp_path / "large.npz", images=run.sample(60).repeat(2, axis=1).repeat(2, axis=2))
    words = ["--train", folder / "bars", "--synth", tmp_path / "large.npz", "--features", "pixels", "--effort", "quick"]
    main(["report", *map(str, words), "--out", str(tmp_path / "report")])
    judged = json.loads((tmp_path / "report" / "report.json").read_text())
    notes = judged["facts"]["data"]["notes"]
    assert "--synth: 60 of 60 pictures had another size: made 12 x 12 pixels (--images.fit crop)." in notes
    assert judged["features"]["name"] == "random_cnn_v1"
    assert "torn.png" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    with pytest.raises(GenwrightError, match="GW-0525"):
        run.report(inception=str(tmp_path / "large.npz"), effort="quick", out=tmp_path / "report")
    assert "fid" not in judged["metrics"]


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
    metrics = json.loads((tmp_path / "flow" / "report.json").read_text())["metrics"]
    assert metrics["reconstruction_psnr"]["value"] is None, "an untrained flow would get 100"
    assert metrics["reconstruction_psnr"]["notes"] == [{"code": "inverts"}]
    assert "reconstruction_ssim" not in metrics
    assert 'id="rebuilt"' not in page
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


def test_a_quick_r3gan_sees_as_many_large_images_in_fewer_larger_steps():
    from genwright import settings

    small, large = (settings.build({"model": "r3gan"}, Extent(3000, 3000 * 3 * side**2)) for side in (28, 64))
    assert (small.training.batch_size, large.training.batch_size) == (16, 32)
    assert small.steps == 2 * large.steps


def test_the_critic_of_a_quick_wgan_takes_as_many_steps_as_the_generator_on_large_images():
    from genwright import settings

    def steps(side: int, **given: object) -> int:
        return settings.build({"model": "wgan-gp", **given}, Extent(3000, 3000 * 3 * side**2)).model.critic_steps

    assert [steps(side) for side in (28, 64)] == [3, 1]
    assert steps(64, preset="good") == 3
    assert steps(64, **{"model.critic_steps": 5}) == 5


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
    assert found.notes
    assert all(html.escape(words) in found.page.read_text() for note in found.notes for words in note)
    with Image.open(io.BytesIO(base64.b64decode(shown[0]))) as image, Image.open(run.first_path) as whole:
        assert image.size == tuple(min(side, 480) for side in whole.size)


def test_a_comparison_keeps_what_only_some_runs_have(run):
    """Likelihoods, codebooks; and it says what distances are measured on, and of how many."""
    scores = {
        "features": {"name": "digits_cnn_v1", "n": 1000},
        "metrics": {"kid": {"value": 1.0, "floor": 0.0, "copycat": 0.0, "better": "lower", "unit": ""}},
    }
    nats = {"value": 90.0, "floor": None, "copycat": None, "better": "lower", "unit": "nats"}
    weak = {**scores["metrics"]["kid"], "floor": 0.5, "notes": [{"code": "weak_features"}]}
    other = {"features": {"name": "random_cnn_v1", "n": 40}, "metrics": {"nats": nats, "kid": weak}}
    rows = comparison._metric_rows([scores["metrics"], other["metrics"]])
    assert rows == [
        ("kid", "1", "1", "0.25", "0", "lower"),
        ("nats (nats)", "-", "90", "-", "-", "lower"),
    ]

    def said(*reports):
        return " ".join(words.en for words in comparison._measuring(reports, ["a", "b"]))

    assert "measured on digits_cnn_v1" in said(scores, scores)
    assert "untrained" not in said(scores, scores)
    mixed = said(scores, other)
    assert all(words in mixed for words in ("a: digits_cnn_v1, b: random_cnn_v1", "different numbers", "untrained"))
    table = str(genwright.compare(run, run))
    assert re.search(r"n of distances +(\d+) +\1 ", table)
    assert "Note: distances are measured on" in table


def test_use_of_a_codebook_is_counted_on_training_images(folder, tmp_path):
    """A few held-out images have fewer codes than a codebook."""
    small = {"model.width": 8, "model.prior_width": 16, "model.prior_depth": 1}
    run = genwright.train(folder / "bars", model="vqvae", steps=4, out=tmp_path / "run", quiet=True, threads=1, **small)
    metrics = json.loads((run.folder / "report.json").read_text())["metrics"]
    n = run.state["data"]["training_rows"]
    for name in ("codebook_usage", "codebook_perplexity"):
        assert metrics[name]["n"] == n
        assert metrics[name]["notes"] == [{"code": "of_training", "n": n}]
    assert metrics["reconstruction_psnr"]["value"] is not None


def test_reconstructions_that_tell_nothing_are_said_to(folder, tmp_path, capsys):
    from genwright.cli import main

    small = {"model.width": 8, "model.levels": 1, "model.solver_steps": 2}
    for model, steps, told in (("flow", 2, True), ("gaussian", None, False)):
        out = tmp_path / model
        given = {**(small if model == "flow" else {}), **({"steps": steps} if steps else {})}
        genwright.train(folder / "bars", model=model, report=False, out=out, quiet=True, threads=1, **given)
        capsys.readouterr()
        main(["reconstruct", str(out), str(folder / "bars" / "class 10")])
        assert ("nothing of how good the model is" in capsys.readouterr().out) == told


def test_a_grid_that_no_program_would_open_is_refused_before_training(tmp_path):
    with pytest.raises(GenwrightError, match="GW-0158"):
        genwright.train(
            np.random.default_rng(0).integers(0, 255, (20, 12, 12, 1), np.uint8),
            out=tmp_path / "run",
            rows=10**8,
            quiet=True,
        )
    assert not (tmp_path / "run").exists()
