"""Images under a guarantee: what is declared, what is paid for, and that no image decides anything about another."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import genwright
import pictures
from genwright import settings as settings_layer
from genwright.codecs.image import CLASSES, ImageCodec
from genwright.config import Train
from genwright.errors import GenwrightError
from genwright.guarantee import SIZE, public_extent
from genwright.images import ImageSet
from genwright.model_presets import Extent
from genwright.models.gan import GAN
from genwright.networks.image_moments import SHARES
from genwright.privacy.accounting import Guarantee
from genwright.privacy.ledger import PrivacyLedger
from genwright.release import release
from genwright.training.checkpoints import load_tensors
from genwright.training.private import TRAINING

SMALL = {
    "epsilon": 8.0, "steps": 4, "training.batch_size": 8, "training.warmup_steps": 1, "report": False, "quiet": True,
}  # fmt: skip
MODELS = {
    "gaussian": {},
    "flow": {"model.width": 8, "model.depth": 1, "model.solver_steps": 2},
    "r3gan": {"model.width": 8},
    "wgan-gp": {"model.width": 8},
    "vqvae": {"model.width": 8, "model.prior_width": 16, "model.prior_depth": 1},
    "vae": {"model.width": 8, "model.latent": 4},
    "pixel-ar": {"model.width": 8, "model.hidden": 8, "model.depth": 1, "model.levels": 2},
}


def arrays(n=90, seed=0):
    random = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], [n // 2, n // 3, n - n // 2 - n // 3])
    return random.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8), labels


@pytest.fixture(scope="module", params=MODELS)
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("private") / "run"
    return genwright.train(arrays(), model=request.param, out=folder, **SMALL, **MODELS[request.param])


def test_everything_that_looks_at_pictures_is_in_the_ledger(run):
    ledger = PrivacyLedger.open(run.folder / "ledger.json")
    name = settings_layer.model_name(run.settings)
    steps = set() if name == "gaussian" else {SIZE, TRAINING}
    sums = set(SHARES) if name in ("gaussian", "flow") else set()
    assert {entry.purpose for entry in ledger.entries} == {CLASSES} | steps | sums
    assert 0 < ledger.epsilon_spent() <= 8.0
    assert ledger.unit == "image"
    pixels, labels = run.draw(6)
    assert pixels.shape == (6, 8, 8, 1)
    assert labels is not None


def test_what_is_released_opens_and_tells_no_number_of_pictures(run, tmp_path):
    release(run, tmp_path / "out")
    released = genwright.open(tmp_path / "out")
    assert np.array_equal(released.sample(5, seed=3), run.sample(5, seed=3))
    text = (tmp_path / "out" / "state.json").read_text() + (tmp_path / "out" / "run.toml").read_text()
    kept = json.loads((tmp_path / "out" / "state.json").read_text())["data"]
    assert set(kept) == {"name", "shape", "classes"}
    assert run.state["data"]["fingerprint"] not in text
    assert "3 classes" in (tmp_path / "out" / "card.md").read_text()


def test_class_counts_are_noisy_with_the_noise_that_was_planned():
    pixels, labels = arrays(3000)
    exact = np.bincount(labels)
    found = []
    for _ in range(800):
        ledger = PrivacyLedger(Guarantee(1.0, 1e-5))
        ImageCodec.plan_classes(ledger, rho=1 / 200)  # a deviation of 10
        found.append(ImageCodec.fit(pixels, labels, ("a", "b", "c"), ledger=ledger).counts)
    errors = np.array(found) - exact
    # Five deviations either way: the noise is the system's, which no seed fixes.
    assert errors.std() == pytest.approx(10, rel=5 / 4800**0.5)
    assert abs(errors.mean()) < 5 * 10 / 2400**0.5


def test_a_class_that_noise_took_away_can_still_be_drawn():
    ledger = PrivacyLedger(Guarantee(1.0, 1e-5))
    ImageCodec.plan_classes(ledger, rho=1e-6)
    pixels, labels = arrays(30)
    codec = ImageCodec.fit(pixels, labels, ("a", "b", "c"), ledger=ledger)
    assert min(codec.counts) >= 1
    assert len(codec.labels(10, np.random.default_rng(0))) == 10


def test_no_picture_moves_another_to_the_hold_out():
    """With and without one picture, and whatever its twins: the others stay on their side."""
    settings = Train(epsilon=1.0)
    pixels, labels = arrays(200)
    pixels[100] = pixels[3]  # a twin
    whole = ImageSet.open((pixels, labels), settings).held
    assert 5 < whole.sum() < 40
    for gone in (0, 3, 100, 199):
        rest = np.arange(200) != gone
        assert np.array_equal(ImageSet.open((pixels[rest], labels[rest]), settings).held, whole[rest])


def test_sizes_of_files_are_declared_and_colours_not_looked_for(tmp_path):
    folder = pictures.folder(tmp_path / "grey", pictures.some(12, channels=1))
    with pytest.raises(GenwrightError) as error:
        ImageSet.open(folder, Train(epsilon=1.0))
    assert error.value.code == "GW-0610"
    settings = Train(epsilon=1.0)
    sized = replace(settings, images=replace(settings.images, size=16))
    assert ImageSet.open(folder, sized).images.pixels.shape[1:] == (16, 16, 3), "that all are grey is not looked for"
    grey = replace(sized, images=replace(sized.images, grey=True))
    assert ImageSet.open(folder, grey).images.pixels.shape[1:] == (16, 16, 1)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"model": "dcgan"}, "mix"),
        ({"model": "wgan-gp", "model.network": "dcgan"}, "mix"),
        ({"model": "vqvae", "model.quantiser": "ema"}, "quantiser"),
        ({"model": "flow", "time": "1m"}, "time"),
        ({"model": "flow", "unit": "patient"}, "unit"),
    ],
)
def test_what_would_look_for_free_is_refused_by_name(given, reason, tmp_path):
    with pytest.raises(GenwrightError, match=reason) as error:
        genwright.train(arrays(), out=tmp_path / "run", epsilon=1.0, quiet=True, **given)
    assert error.value.code in ("GW-0601", "GW-0202")
    assert not (tmp_path / "run").exists()


def test_presets_go_by_a_public_number_of_pictures():
    settings = settings_layer.build({"model": "flow", "epsilon": 1.0, "privacy.rows": 500})
    assert public_extent(settings, Extent(90, 90 * 64)) == Extent(500, 500 * 64)
    unknown = settings_layer.build({"model": "flow", "epsilon": 1.0})
    assert public_extent(unknown, Extent(90, 90 * 64)).examples == public_extent(unknown, Extent(91, 91 * 64)).examples


def test_a_training_that_broke_off_does_not_pay_for_its_classes_again(tmp_path, monkeypatch):
    def crash(*args):
        raise OSError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr("genwright.stages.Stages._loop", crash)
        with pytest.raises(OSError, match="power"):
            genwright.train(arrays(), model="flow", out=tmp_path / "run", **SMALL, **MODELS["flow"])
    counts = json.loads((tmp_path / "run" / "codec.json").read_text())["counts"]
    prepared = load_tensors(tmp_path / "run" / "checkpoints" / "prepared.safetensors")
    run = genwright.train(arrays(), resume=tmp_path / "run", quiet=True)
    assert list(run.codec.counts) == counts, "the noise was drawn once"
    assert torch.equal(run.model.gaussians.mean, prepared["gaussians.mean"])
    assert run.model.gaussians.mean.abs().max() > 0
    assert PrivacyLedger.open(tmp_path / "run" / "ledger.json").epsilon_spent() <= 8.0


def test_labels_of_steps_without_data_are_drawn_by_noisy_counts(monkeypatch, tmp_path):
    """The generator of wgan-gp costs nothing: it may see neither true labels nor how many pictures there are."""
    seen: list[torch.Tensor] = []
    real = GAN.draw

    def draw(self, phase, batch):
        if not phase.reads_data:
            seen.append(batch.condition)
        return real(self, phase, batch)

    monkeypatch.setattr(GAN, "draw", draw)
    noisy = replace(ImageCodec.even((8, 8, 1), ("a", "b", "c")), counts=(0, 1, 3))
    monkeypatch.setattr(ImageCodec, "fit", lambda *_, **__: noisy)
    for n in (90, 40):
        settings = {**SMALL, "training.batch_size": 64, **MODELS["wgan-gp"]}
        genwright.train(arrays(n), model="wgan-gp", out=tmp_path / str(n), **settings)
    labels = torch.cat(seen)
    assert {len(one) for one in seen} == {64}
    assert torch.equal(*labels.chunk(2)), "another number of pictures, the same labels"
    assert set(labels.tolist()) == {1, 2}
    assert 0.6 < float((labels == 2).float().mean()) < 0.9
