"""vae, vqvae and pixel-ar learn: in seconds, on the digits that ship, each beats a named trivial baseline by far."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import genwright
from genwright.config import TrainingSettings
from genwright.contract import Batch, DataSpec
from genwright.data.array_files import read_array_file
from genwright.data.batches import Examples
from genwright.errors import GenwrightError
from genwright.models.pixel_ar import PixelAR
from genwright.models.vae import VAE, log_logistic
from genwright.models.vqvae import VQVAE
from genwright.networks.autoencoder import Codebook, FiniteScalars
from genwright.networks.causal import CausalTransformer
from genwright.training.budget import Budget
from genwright.training.loop import Loop
from genwright.training.stop import Stop

DIGITS = Path(genwright.__file__).parent / "data" / "samples" / "digits"
SPEC = DataSpec("grid", (1, 28, 28), class_shares=(0.1,) * 10)


@pytest.fixture(scope="module")
def digits() -> tuple[Examples, Batch]:
    """The training digits that ship, and 500 of the test digits."""
    pixels, labels, _ = read_array_file(DIGITS / "train-images-idx3-ubyte.gz")
    held, held_labels, _ = read_array_file(DIGITS / "t10k-images-idx3-ubyte.gz")
    test = Examples(held.transpose(0, 3, 1, 2), held_labels).batch(slice(0, 500), torch.device("cpu"))
    return Examples(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)), labels), test


def trained(model, examples: Examples, folder: Path, steps: int, *, batch_size: int, learning_rate: float):
    settings = TrainingSettings(
        batch_size=batch_size, learning_rate=learning_rate, warmup_steps=10, ema_decay=0.9, select_every=steps
    )
    none = Examples(examples.x[:0], examples.labels[:0])
    loop = Loop(
        model.to(memory_format=torch.channels_last),
        examples,
        none,
        settings,
        seed=0,
        precision=torch.float32,
        folder=folder,
    )
    loop.run(steps, budget=Budget(None), stop=Stop(), report=lambda *_: None)
    model.fit([examples.batch(slice(0, 2000), torch.device("cpu"))], None)
    return model


def class_means(examples: Examples) -> torch.Tensor:
    """(10, 1, 28, 28) in [-1, 1]: the trivial baseline of all three."""
    means = [examples.x[examples.labels == label].mean(0) for label in range(10)]
    return torch.from_numpy(np.stack(means)).float() / 127.5 - 1


def independent_bits(examples: Examples, test: Batch) -> float:
    """Nats of binarised test digits when each pixel is drawn by its class's mean brightness."""
    share = ((class_means(examples)[test.condition] + 1) / 2).clamp(1e-3, 1 - 1e-3)
    bits = torch.bernoulli((test.x + 1) / 2, generator=torch.Generator().manual_seed(0))
    return float(torch.nn.functional.binary_cross_entropy(share, bits, reduction="none").flatten(1).sum(1).mean())


def decibels(made: torch.Tensor, real: torch.Tensor) -> float:
    """Mean PSNR of images in [-1, 1]."""
    return float(-10 * ((made - real) / 2).pow(2).flatten(1).mean(1).log10().mean())


def vae(likelihood: str, *, latent: int = 16, prior: str = "fitted") -> VAE:
    torch.manual_seed(0)
    return VAE(SPEC, width=8, depth=1, latent=latent, likelihood=likelihood, warmup=0.2, free_bits=0.0, prior=prior)


def test_vae_knows_more_than_independent_pixels(digits, tmp_path):
    examples, test = digits
    model = trained(vae("bernoulli"), examples, tmp_path, 150, batch_size=64, learning_rate=4e-3)
    random = torch.Generator().manual_seed(0)
    bounds = [float(model.bound(test.x, condition=test.condition, samples=k, generator=random).mean()) for k in (1, 20)]
    assert bounds[1] < bounds[0], "more samples must tighten the bound"
    assert bounds[1] < 0.85 * independent_bits(examples, test)
    again = model.decode(model.encode(test.x, condition=test.condition), condition=test.condition).x
    assert decibels(again, test.x) > decibels(class_means(examples)[test.condition], test.x) + 1


def test_vqvae_rebuilds_digits_with_most_of_its_codes(digits, tmp_path):
    examples, test = digits
    torch.manual_seed(0)
    model = VQVAE(
        SPEC,
        width=16,
        depth=1,
        quantiser="fsq",
        codes=240,
        commitment=0.25,
        prior_width=64,
        prior_depth=2,
        temperature=1.0,
    )
    trained(model, examples, tmp_path, 180, batch_size=64, learning_rate=4e-3)
    again = model.decode(model.encode(test.x)).x
    assert decibels(again, test.x) > decibels(class_means(examples)[test.condition], test.x) + 5
    usage = model.usage([test])
    assert usage["share"] > 0.5
    assert usage["perplexity"] > 30
    codes, prior = model.encode(test.x), model.phases[1]
    with torch.no_grad():
        nll = float(model.loss(prior, model.draw(prior, test))["nll"].mean())
    frequency = torch.bincount(codes.flatten(), minlength=240).float() + 1
    independent = float(-(frequency / frequency.sum()).log()[codes].flatten(1).sum(1).mean())
    assert nll < 0.85 * independent, "the prior knows no more than how frequent each code is"


def test_pixel_ar_knows_more_than_independent_pixels(digits, tmp_path):
    examples, test = digits
    torch.manual_seed(0)
    model = PixelAR(SPEC, levels=2, patch=2, width=32, hidden=64, depth=3, temperature=1.0)
    trained(model, examples, tmp_path, 100, batch_size=32, learning_rate=6e-3)
    nll = model.nll(test.x, condition=test.condition, generator=torch.Generator().manual_seed(0)).mean()
    assert nll < 0.65 * independent_bits(examples, test)


@pytest.mark.parametrize(
    ("shape", "levels", "patch"), [((1, 3, 3), 2, 1), ((1, 2, 4), 2, 2), ((3, 1, 1), 16, 1), ((1, 1, 2), 64, 1)]
)
def test_pixel_ar_is_a_distribution_and_draws_from_it(shape, levels, patch):
    """Probabilities of all images sum to 1, and images are drawn as often as they say."""
    torch.manual_seed(0)
    spec = DataSpec("grid", shape, class_shares=(0.5, 0.5))
    model = PixelAR(spec, levels=levels, patch=patch, width=16, hidden=16, depth=2, temperature=1.0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    pixels = math.prod(shape)
    every = torch.cartesian_prod(*[torch.arange(levels)] * pixels).view(-1, *shape) * (2 / (levels - 1)) - 1
    probability = (-model.nll(every, condition=torch.ones(len(every), dtype=torch.int64))).double().exp()
    assert float(probability.sum()) == pytest.approx(1.0, abs=1e-5)
    n = 20_000
    made = model.sample(n, condition=torch.ones(n, dtype=torch.int64), generator=torch.Generator().manual_seed(0)).x
    digits = ((made + 1) / 2 * (levels - 1)).round().long().flatten(1)
    index = (digits * levels ** torch.arange(pixels - 1, -1, -1)).sum(1)
    share = torch.bincount(index, minlength=len(every)) / n
    distance = 0.5 * float((share - probability).abs().sum())
    # The mean of the total variation distance of n true draws: each count is nearly normal.
    expected = 0.5 * float((2 / math.pi * probability * (1 - probability) / n).sqrt().sum())
    assert distance < 1.2 * expected


def test_pixel_ar_refuses_other_levels():
    with pytest.raises(GenwrightError, match="GW-0202"):
        PixelAR(SPEC, levels=10, patch=2, width=16, hidden=16, depth=1, temperature=1.0)


def test_the_logistic_likelihood_is_a_distribution():
    """Over all 256 levels it sums to 1, for scales from a level's width to the whole range, in and outside of it."""
    levels = torch.arange(256)[:, None, None] / 127.5 - 1
    means, scales = torch.linspace(-1.5, 1.5, 7, dtype=torch.float64)[:, None], torch.linspace(-6, 1, 8).double()
    total = log_logistic(levels.double(), means, scales).exp().sum(0)
    assert torch.allclose(total, torch.ones_like(total), atol=1e-9)


def test_the_gaussian_that_vae_fits_is_that_of_its_latent_vectors(digits):
    """Standardised by it, the mean latent vectors of a class have mean 0 and no more than unit variance."""
    examples, _ = digits
    model = vae("logistic", latent=4).eval()
    model.fit([examples.batch(slice(0, 4000), torch.device("cpu"))], None)
    seen = examples.batch(slice(0, 4000), torch.device("cpu"))
    z = model.encode(seen.x, condition=seen.condition)[seen.condition == 3]
    assert z.mean(0).abs().max() < 0.05
    assert z.var(0).max() < 1.02


def test_the_transformer_says_the_same_one_by_one():
    torch.manual_seed(0)
    prior = CausalTransformer(11, 9, width=64, depth=2, classes=3)
    tokens, label = torch.randint(0, 11, (5, 9)), torch.arange(5) % 3
    with torch.no_grad():
        together, memory = prior(tokens, label), prior.start(5)
        for place in range(9):
            alone = prior.step(memory, place, tokens[:, place - 1] if place else label)
            assert torch.allclose(alone, together[:, place], atol=1e-5)


def test_finite_scalars_have_a_code_for_each_vector():
    quantise = FiniteScalars((8, 6, 5))
    codes = torch.arange(240)
    vectors = quantise.vectors(codes)
    assert len(vectors.unique(dim=0)) == 240
    rounded, found = quantise(4 * torch.rand(5000, 3, generator=torch.Generator().manual_seed(0)) - 2)
    assert torch.allclose(quantise.vectors(found), rounded, atol=1e-6)
    assert found.unique().numel() > 230


def test_a_codebook_finds_the_clusters_and_revives_dead_codes():
    torch.manual_seed(0)
    centres, quantise = 10 * torch.randn(8, 4), Codebook(24, 4)
    quantise.vector.add_(1000)  # all dead
    for _ in range(300):
        quantise.follow(centres[torch.randint(8, (200,))] + 0.1 * torch.randn(200, 4))
    distance = torch.cdist(centres, quantise.vector).min(1).values
    assert distance.max() < 0.5
