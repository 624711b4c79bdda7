"""The network of a FID: pytorch-fid's numbers on random weights (see derive_inception.py), what files it takes, its metric."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from derive_inception import pictures, weights
from safetensors.torch import save_file

from genwright.errors import GenwrightError
from genwright.metrics import fid as fid_module
from genwright.metrics.image_features import Features, inception
from genwright.metrics.image_sets import Labelled
from genwright.metrics.inception_features import InceptionV3, inception_net, inception_pixels

GOLDEN_MEAN = [2.6285805721141786, 2.6145139714257626, 2.7933027437075566]
GOLDEN_SPREAD = [3.555166505973866, 3.5305549537022225, 3.767115365099064]
GOLDEN_700 = [1.0268588066101074, 0.899054229259491, 1.0630431175231934]


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    """As the usual file has them: with a classifier of 1,008 classes, without counters of batches."""
    shapes = {name: tuple(value.shape) for name, value in InceptionV3().state_dict().items()}
    return weights({**shapes, "fc.weight": (1008, 2048), "fc.bias": (1008,)})


@pytest.fixture(scope="module")
def path(tensors: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(tensors, place)
    return str(place)


def test_features_equal_those_of_pytorch_fid(path: str) -> None:
    found = inception(path).call(pictures())
    assert found.shape == (3, 2048)
    assert found.mean(1) == pytest.approx(GOLDEN_MEAN, rel=1e-5)
    assert found.std(1, ddof=1) == pytest.approx(GOLDEN_SPREAD, rel=1e-5)
    assert found[:, 700] == pytest.approx(GOLDEN_700, rel=1e-4)
    assert (inception(path).call(pictures()) == found).all()
    assert (
        sum(p.numel() for p in inception_net(path)[0].parameters()) == 21_785_568
    )  # torchvision's, without classifier


def test_grey_pictures_are_coloured_ones_of_equal_channels(path: str) -> None:
    grey = pictures()[:1, :, :, :1]
    call = inception(path).call
    assert call(grey) == pytest.approx(call(grey.repeat(3, axis=3)), rel=1e-4, abs=1e-4)


def test_pictures_are_resized_with_half_pixel_centres_and_no_averaging() -> None:
    x = torch.arange(4.0).view(1, 1, 1, 4).expand(1, 3, 4, 4) / 3
    centres = ((torch.arange(299) + 0.5) * 4 / 299 - 0.5).clamp(0, 3)
    assert torch.allclose(inception_pixels(x)[0, 0, 150], 2 * centres / 3 - 1, atol=1e-5)
    large = torch.zeros(1, 1, 598, 598)
    large[:, :, ::2] = 1.0
    assert torch.allclose(inception_pixels(large), torch.zeros(1), atol=1e-5)  # the mean of two rows, not of more
    assert inception_pixels(large).shape == (1, 3, 299, 299)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_tensors_are_taken_and_nothing_else(path: str, tensors: dict[str, torch.Tensor], tmp_path) -> None:
    save_file(tensors, tmp_path / "same.safetensors")
    same = inception_net(str(tmp_path / "same.safetensors"))[0]
    assert all(torch.equal(a, b) for a, b in zip(same.parameters(), inception_net(path)[0].parameters(), strict=True))
    torch.save({"weights": tensors, "made by": object()}, tmp_path / "objects.pth")
    torch.save({name: value for name, value in tensors.items() if "7c" not in name}, tmp_path / "part.pth")
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), tmp_path / "script.pt")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    for name in ("objects.pth", "part.pth", "script.pt", "junk.pth", "gone.pth"):
        with pytest.raises(GenwrightError, match="GW-0525"):
            inception_net(str(tmp_path / name))


def test_a_fid_stands_beside_floor_and_copycat_and_names_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def means(pixels: np.ndarray) -> np.ndarray:
        return pixels.reshape(len(pixels), -1)[:, :6].astype(float)

    monkeypatch.setattr(fid_module, "inception", lambda path: Features(path, "abc" * 20, means, slow=True))
    random = np.random.default_rng(0)
    train, held = (Labelled(random.integers(0, 200, (n, 8, 8, 1)).astype(np.uint8)) for n in (400, 200))
    made = Labelled((random.integers(0, 200, (300, 8, 8, 1)) + 55).astype(np.uint8))
    seen: list[int] = []
    found = fid_module.fid(train, held, made, "w.pth", progress=lambda done, *_: seen.append(done))
    assert found["n"] == 200
    assert found["copycat"] < found["value"]
    assert found["floor"] < found["value"] / 5
    assert [note["code"] for note in found["notes"]] == ["measured_on", "other_weights", "few_images"]
    assert seen == sorted(seen)
    assert seen[-1] == 400 + 200 + 200
