"""Image metrics: numbers of torch-fidelity, prdc, scikit-image, pytorch-msssim (see derive_image_metrics.py), closed forms."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from derive_image_metrics import feature_sets, images, picture
from scipy.linalg import sqrtm

from digits import digits
from genwright.errors import GenwrightError
from genwright.metrics import digits_features, general_features, image_features
from genwright.metrics.image_copies import TrainingPictures, near_floor, near_share, nearer_share, pixel_cells
from genwright.metrics.image_distances import distances, frechet, kid, kid_error, manifolds, nearest, reach
from genwright.metrics.image_diversity import label_entropy, likeness_within, uniformity, vendi
from genwright.metrics.image_quality import ms_ssim, psnr, scales_of, ssim
from genwright.metrics.image_utility import balanced_accuracy, telling
from genwright.metrics.images import least_excess, wilson

GOLDEN_FRECHET = 0.5138301746009368
GOLDEN_KID = 0.04432028782764341  # 600 of each
GOLDEN_MANIFOLDS = {
    "precision": 0.87,
    "recall": 0.9514285714285714,
    "density": 0.8076666666666666,
    "coverage": 0.9142857142857143,
}
GOLDEN_PSNR = {
    "28x28x1": [42.00080383475935, 30.40859723811159, 22.09474840864364, 13.729002503364981],
    "33x40x3": [41.91715214344561, 30.024202373282847, 22.25226592861437, 13.948698709986287],
    "192x176x3": [41.94840713670584, 30.06284998516161, 22.266429997766014, 13.787179599274966],
}
GOLDEN_SSIM = {
    "28x28x1": [0.9809925824485123, 0.934548399549903, 0.6858906015923738, 0.19548010740187755],
    "33x40x3": [0.9889470621815694, 0.9346098799709148, 0.8493790528949329, 0.3450055948131719],
    "192x176x3": [0.989998087593141, 0.9341148110095127, 0.8488393030623786, 0.34096472316443477],
}
GOLDEN_MS_SSIM = {
    "192x176x3": [0.9993374839834409, 0.9953032772749845, 0.9862273347132883, 0.8836266088101347],
}
DIGITS_SHA256 = "407cf987354edfc64eefb5b885b92e24dcddbbce7079bac855911c8b9b32e041"


@pytest.fixture(scope="module")
def sets() -> tuple[np.ndarray, np.ndarray]:
    return feature_sets()


def test_frechet_equals_torch_fidelity_and_the_formula(sets: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = sets
    assert frechet(real, made) == pytest.approx(GOLDEN_FRECHET, rel=1e-9)
    first, second = np.cov(real, rowvar=False), np.cov(made, rowvar=False)
    gap = real.mean(0) - made.mean(0)
    assert frechet(real, made) == pytest.approx(
        gap @ gap + np.trace(first + second - 2 * sqrtm(first @ second).real), rel=1e-7
    )


def test_frechet_laws(sets: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = sets
    assert frechet(real, made) == pytest.approx(frechet(made, real), rel=1e-9)
    assert frechet(real, real) < 1e-6
    assert frechet(real, real + 3.0) == pytest.approx(9.0 * real.shape[1])
    few = real[:5]  # singular covariances
    assert frechet(few, few) < 1e-6
    assert frechet(few, np.ones_like(few)) == pytest.approx(((few.mean(0) - 1) ** 2).sum() + few.var(0, ddof=1).sum())
    assert np.isfinite(frechet(np.zeros((2, 3)), np.ones((2, 3))))


def test_kid_equals_torch_fidelity(sets: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = sets
    assert kid(real[:600], made) == pytest.approx(GOLDEN_KID, abs=1e-10)
    assert kid(real[:600], made) == pytest.approx(kid(made, real[:600]), abs=1e-12)


def test_kid_is_unbiased_for_two_halves() -> None:
    """Over many pairs of halves, where the Frechet distance is always above 0, its mean is 0 within its error."""
    values = []
    for seed in range(40):
        x = np.random.default_rng(seed).normal(size=(200, 8))
        values.append(kid(x[:100], x[100:]))
        assert frechet(x[:100], x[100:]) > 0
    assert abs(np.mean(values)) < 3 * np.std(values) / len(values) ** 0.5
    assert min(values) < 0 < max(values)


def test_error_of_kid() -> None:
    """About as large as what another draw changes."""
    shift = np.array([0.0, 0.2])[:, None, None]
    draws = [np.random.default_rng(seed).normal(size=(2, 1000, 6)) + shift for seed in range(12)]
    spread = np.std([kid(a, b) for a, b in draws], ddof=1)
    errors = [kid_error(a, b, seed=0) for a, b in draws]
    assert 0.5 * spread < np.mean(errors) < 3 * spread
    assert kid_error(draws[0][0][:50], draws[0][1][:50], seed=0) is None


def test_manifolds_equal_prdc(sets: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = sets
    found = manifolds(real, made)
    assert vars(found) == pytest.approx(GOLDEN_MANIFOLDS, abs=1e-12)
    assert manifolds(real, made, real_reach=reach(real)) == found


def test_manifolds_of_copies_and_of_one_point(sets: tuple[np.ndarray, np.ndarray]) -> None:
    real, _ = sets
    same = manifolds(real, real)
    assert same.precision == same.recall == same.coverage == 1
    assert same.density > 1
    one = manifolds(real, np.repeat(real[:1], 50, axis=0))
    assert (one.precision, one.recall) == (1, 1 / len(real))
    assert one.coverage < 0.05
    assert manifolds(real[:2], real[:2]).coverage == 1


def test_neighbours_are_those_of_brute_force(sets: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = sets[0][:300], sets[1][:200]
    brute = np.sqrt(((made[:, None] - real[None]) ** 2).sum(2))
    assert distances(made, real) == pytest.approx(brute, abs=1e-9)
    places, distance = nearest(made, real)
    assert np.array_equal(places, brute.argmin(1))
    assert distance == pytest.approx(brute.min(1), abs=1e-12)
    itself = nearest(real, real)
    assert np.array_equal(itself[0], np.arange(len(real)))
    assert not itself[1].any()
    places, distance = nearest(real, real, groups=(np.arange(len(real)),) * 2)
    assert (places != np.arange(len(real))).all()
    assert distance == pytest.approx(reach(real, 1), abs=1e-9)
    groups = np.arange(len(real)) % 7
    places, distance = nearest(real, real, groups=(groups, groups))
    apart = np.where(groups[:, None] == groups[None], np.inf, distances(real, real))
    assert np.array_equal(places, apart.argmin(1))
    assert distance == pytest.approx(apart.min(1), abs=1e-9)


@pytest.mark.parametrize("shape", list(GOLDEN_PSNR))
def test_quality_equals_scikit_image(shape: str) -> None:
    clean, noisy = images(*map(int, shape.split("x")), seed=3)
    assert psnr(clean, noisy) == pytest.approx(GOLDEN_PSNR[shape], abs=1e-9)
    assert ssim(clean, noisy) == pytest.approx(GOLDEN_SSIM[shape], abs=1e-9)


@pytest.mark.parametrize("shape", list(GOLDEN_MS_SSIM))
def test_ms_ssim_equals_pytorch_msssim(shape: str) -> None:
    clean, noisy = images(*map(int, shape.split("x")), seed=3)
    assert ms_ssim(clean, noisy) == pytest.approx(GOLDEN_MS_SSIM[shape], abs=1e-6)


def test_quality_laws() -> None:
    for shape in ((28, 28, 1), (5, 7, 3), (40, 12, 3)):
        clean, noisy = images(*shape, seed=4)
        assert np.isinf(psnr(clean, clean)).all()
        for call in (ssim, ms_ssim):
            assert call(clean, clean) == pytest.approx(np.ones(4))
            assert (np.diff(call(clean, noisy)) < 0).all()
            assert call(clean, noisy) == pytest.approx(call(noisy, clean))
    assert [scales_of(side, 500) for side in (8, 28, 44, 87, 88, 175, 176, 1024)] == [1, 2, 3, 3, 4, 4, 5, 5]


def test_diversity_closed_forms() -> None:
    assert uniformity(np.array([5, 5, 5, 5])) == pytest.approx(1)
    assert uniformity(np.array([20, 0, 0, 0])) == 0
    assert label_entropy(np.array([10, 10])) == pytest.approx(np.log(2))
    assert vendi(np.repeat([[1.0, 2.0, 3.0]], 10, axis=0)) == pytest.approx(1)
    assert vendi(np.repeat(np.eye(4), 5, axis=0)) == pytest.approx(4)
    assert vendi(np.zeros((6, 3))) == 1
    flat = np.zeros((8, 16, 16, 1), np.uint8)
    assert likeness_within(flat, np.zeros(8, int), seed=0) == pytest.approx(1)
    assert likeness_within(flat, np.arange(8), seed=0) is None


def test_copies_by_brute_force() -> None:
    """Ten training pictures; an exact copy, a faint one, a new one."""
    random = np.random.default_rng(0)
    train = random.integers(0, 256, (10, 20, 20, 1)).astype(np.uint8)
    asked = np.stack([train[3], np.clip(train[4].astype(int) + 1, 0, 255).astype(np.uint8), 255 - train[5]])
    features, asked_features = train.reshape(10, -1) / 1.0, asked.reshape(3, -1) / 1.0
    found = TrainingPictures(train, features, everything=train).neighbours(asked, asked_features)
    brute = np.sqrt(((asked_features[:, None] - features[None]) ** 2).sum(2))
    own = np.sqrt(((features[:, None] - features[None]) ** 2).sum(2))
    np.fill_diagonal(own, np.inf)
    assert np.array_equal(found.place, brute.argmin(1))
    assert found.distance == pytest.approx(brute.min(1), rel=1e-5)
    assert found.authentic.tolist() == (brute.min(1) > own.min(1)[brute.argmin(1)]).tolist()
    assert found.exact.tolist() == [True, False, False]
    assert found.alike.tolist()[:2] == [True, True]
    assert found.pixel_place.tolist()[:2] == [3, 4]
    assert found.pixel_distance[0] == 0
    assert pixel_cells(train).shape == (10, 256)


def test_shares_of_nearness() -> None:
    fresh = np.arange(1.0, 1001.0)
    assert near_share(np.array([0.0, 5.0, 500.0, 900.0]), fresh) == 0.5
    assert near_floor(fresh) == pytest.approx(0.01, abs=0.003)
    assert nearer_share(np.zeros(4), np.ones(4), 10.0) == 1
    assert nearer_share(np.ones(4), np.ones(4), 1.0) == 0.5
    assert nearer_share(np.array([0.0] * 10 + [2.0]), np.ones(11), 10.0) == pytest.approx(0.5)
    assert wilson(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(0.0, 10)[0] == 0


def test_digits_net() -> None:
    content = digits_features.WEIGHTS.read_bytes()
    assert hashlib.sha256(content).hexdigest() == DIGITS_SHA256
    assert len(content) < 1_200_000
    real = digits()  # of other hands, and another resolution, than it has learned from
    assert (image_features.digit_probabilities(real.pixels).argmax(1) == real.labels).mean() > 0.94
    assert image_features.digits().call(real.pixels[:3]).shape == (3, 128)


def test_which_features_are_chosen() -> None:
    real = digits()
    names, letters = tuple("0123456789"), tuple("abcdefghij")
    assert image_features.choose(real.pixels, labels=real.labels, classes=names).name == "digits_cnn_v1"
    assert image_features.choose(real.pixels).name == "digits_cnn_v1"
    assert image_features.choose(real.pixels, features="pixels").name == "random_cnn_v1"
    assert not image_features.look_like_digits(real.pixels, real.labels, letters)
    assert not image_features.look_like_digits(real.pixels, np.roll(real.labels, 1), names)
    assert not image_features.look_like_digits(np.repeat(real.pixels, 3, axis=3))
    assert not image_features.look_like_digits(255 - real.pixels)
    with pytest.raises(GenwrightError, match=r"GW-0524.*'general'"):
        image_features.choose(real.pixels, features="generals")


def test_random_features_are_always_the_same() -> None:
    found = image_features.random()
    assert found.sha256.startswith("9043029b6e86")
    assert found.call(np.full((2, 9, 12, 3), 99, np.uint8)).shape == (2, 288)


def test_general_features_say_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    general_features.general_net.cache_clear()
    monkeypatch.setattr(general_features, "general_weights", lambda: None)
    with pytest.raises(GenwrightError, match=r"GW-0522.*genwright\[features\]"):
        image_features.choose(np.zeros((2, 8, 8, 3), np.uint8), features="general")
    path = tmp_path / "other.pth"
    path.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")  # a hostile pickle is refused before it is opened
    monkeypatch.setattr(general_features, "general_weights", lambda: path)
    with pytest.raises(GenwrightError, match="GW-0523"):
        general_features.general_net()


@pytest.mark.skipif(general_features.general_weights() is None, reason="needs genwright[features]")
def test_general_features() -> None:
    """Its numbers for one picture, as efficientnet-lite-pytorch gives them (see derive_image_metrics.py)."""
    found = image_features.general().call(picture())
    assert found.shape == (1, 1280)
    assert found.mean() == pytest.approx(0.096226, abs=1e-4)


def test_shape_of_the_general_network() -> None:
    net = general_features.EfficientNetLite0()
    assert sum(p.numel() for p in net.parameters()) == 4_652_008
    sizes = [tuple(net.eval().features(image_features.torch.zeros(1, 3, *side)).shape) for side in ((33, 47), (64, 64))]
    assert sizes == [(1, 1280)] * 2


def test_balanced_accuracy_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import balanced_accuracy_score

    random = np.random.default_rng(0)
    labels, told = random.choice(4, 200, p=(0.7, 0.2, 0.08, 0.02)), random.integers(0, 4, 200)
    assert balanced_accuracy(told, labels) == pytest.approx(balanced_accuracy_score(labels, told))
    assert balanced_accuracy(np.zeros(200), labels) == pytest.approx(1 / len(np.unique(labels)))
    assert telling(np.repeat(np.arange(5), 30)) == pytest.approx(150)
    assert telling(np.repeat((0, 1), (199, 1))) < 4


def test_an_excess_by_chance_is_none() -> None:
    """Newcombe 1998, table II: 56 of 70 against 48 of 80 gives .0524 by method 10; 9 of 10 against 3 of 10 gives .1705."""
    assert least_excess(56 / 70, 70, 48 / 80, 80) == pytest.approx(0.0524, abs=1e-4)
    assert least_excess(9 / 10, 10, 3 / 10, 10) == pytest.approx(0.1705, abs=1e-4)
    assert least_excess(0.05, 40, 0.02, 40) < 0
