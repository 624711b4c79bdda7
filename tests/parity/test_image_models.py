"""Numbers of the image models against closed forms, brute force and PyTorch's own losses."""

import dataclasses
import itertools
import math

import pytest
import torch
import torch.nn.functional as F

import coded
from genwright.contract import Batch, DataSpec
from genwright.errors import GenwrightError
from genwright.models import MODELS
from genwright.models.flow import _pairing
from genwright.models.gan import LOSSES
from genwright.networks import attention, augmentation
from genwright.networks.adversarial import TutorialGenerator
from genwright.networks.solvers import adaptive, euler, even, growing, heun


def test_losses_are_those_of_their_papers():
    real, made = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    ones, zeros = torch.ones(50), torch.zeros(50)

    def bce(score, target):
        return F.binary_cross_entropy_with_logits(score, target, reduction="none")

    critic, generator = LOSSES["cross-entropy"](real, made)
    assert torch.allclose(critic, bce(real, ones) + bce(made, zeros))
    assert torch.allclose(generator, bce(made, ones))
    critic, generator = LOSSES["least-squares"](real, made)
    assert torch.allclose(critic, 0.5 * F.mse_loss(real, ones, reduction="none") + 0.5 * made**2)
    assert torch.allclose(generator, 0.5 * F.mse_loss(made, ones, reduction="none"))
    critic, generator = LOSSES["relativistic"](real, made)
    assert torch.allclose(critic, bce(real - made, ones))
    assert torch.allclose(generator, bce(made - real, ones))
    assert torch.allclose(LOSSES["wasserstein"](real, made)[0], made - real)
    hinge = [max(0.0, 1 - r) + max(0.0, 1 + m) for r, m in zip(real.tolist(), made.tolist(), strict=True)]
    assert torch.allclose(LOSSES["hinge"](real, made)[0], torch.tensor(hinge))


def test_the_penalty_is_the_squared_gradient_of_each_image():
    model = coded.build("r3gan").double()
    batch = coded.batch("r3gan", 4)
    batch = Batch(batch.x.double(), batch.condition)
    x = batch.x.clone().requires_grad_()
    change = augmentation.draw(4, x.device).double()
    wanted = torch.autograd.grad(model.critic(x, batch.condition).sum(), x)[0].flatten(1).pow(2).sum(1)
    assert torch.allclose(model._squared_gradient(batch.x, change, batch.condition).double(), wanted, rtol=1e-5)


def test_squares_that_do_not_part_the_side_are_refused_in_a_sentence():
    assert coded.build("pixel-ar", patch=4).sides == (3, 2)  # of 12 x 8 pixels
    for patch in (3, 5, 8):
        with pytest.raises(GenwrightError, match=f"GW-0202.*squares of {patch} x {patch}.*--model.patch"):
            coded.build("pixel-ar", patch=patch)


def test_what_is_flat_is_flat_when_a_generator_begins_to_double_it():
    """Or samples come out chequered."""
    layers = [
        layer
        for layer in TutorialGenerator((3, 64, 64), width=8, latent=4, classes=2).layers
        if hasattr(layer, "stride")
    ]
    for layer in layers:
        made = layer(torch.randn(1, layer.in_channels, 1, 1).expand(-1, -1, 6, 6))[0, :, 2:-2, 2:-2]
        assert torch.allclose(made, made[:, :1, :1].expand_as(made), atol=1e-6)
        assert made[:, 0, 0].std().item() > 0
    assert len(layers) == 3


@pytest.mark.parametrize("penalty", ["zero-centred", "one-centred"])
@pytest.mark.parametrize("name", ["r3gan", "dcgan", "pggan"])
def test_every_network_takes_every_penalty(name, penalty):
    model = coded.build(name, penalty=penalty, penalty_interval=4)
    batch = coded.batch(name)
    (phase,) = (phase for phase in model.phases if phase.name == "penalty")
    terms = model.loss(phase, model.draw(phase, batch))
    gradients = torch.autograd.grad(terms["penalty"].sum(), list(model.critic.parameters()), allow_unused=True)
    assert sum(float(g.abs().sum()) for g in gradients if g is not None) > 0


def test_the_weight_of_the_penalty_grows_with_the_numbers_of_an_image():
    model = coded.build("r3gan", penalty_weight=3.0, penalty_interval=1)
    phase, batch = model.phases[0], coded.batch("r3gan", 4)
    drawn = dataclasses.replace(model.draw(phase, batch), progress=0.0)
    squared = (
        model._squared_gradient(x, drawn.drawn["change"], batch.condition) for x in (batch.x, drawn.drawn["made"])
    )
    wanted = 0.5 * 3.0 * batch.x[0].numel() / 28**2 * sum(squared)
    assert torch.allclose(model.loss(phase, drawn)["penalty"], wanted, rtol=1e-4)


def test_the_penalty_towards_slope_1_grows_with_the_root_of_the_numbers(monkeypatch):
    model = coded.build("wgan-gp", penalty_weight=10.0)
    monkeypatch.setattr(model, "_squared_gradient", lambda x, change, label: torch.full((len(x),), 9.0))
    drawn = model.draw(model.phases[0], batch := coded.batch("wgan-gp", 4))
    wanted = 10.0 * math.sqrt(batch.x[0].numel() / 28**2) * (3 - 1) ** 2
    assert torch.allclose(model.loss(model.phases[0], drawn)["penalty"], torch.full((4,), wanted))


def test_the_weight_of_the_penalty_falls_to_its_end():
    model = coded.build("r3gan")
    phase = next(p for p in model.phases if p.name == "penalty")
    drawn = model.draw(phase, coded.batch("r3gan", 4))
    first, last = (
        model.loss(phase, Batch(drawn.x, drawn.condition, drawn.drawn, progress))["penalty"] for progress in (0.0, 1.0)
    )
    assert torch.allclose(last, 0.2 * first)


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2)])
def test_solvers_converge_at_their_order(solver, order):
    start = torch.tensor([[1.0, -2.0]], dtype=torch.float64)

    def field(x, t):
        return x * torch.cos(6 * t)[:, None].double()

    exact = start * math.exp(math.sin(6.0) / 6)
    errors = [float((solver(field, start, even(steps)) - exact).abs().max()) for steps in (80, 160)]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.15)


@pytest.mark.parametrize("solver", [euler, heun, adaptive])
def test_the_way_back_along_the_times_undoes_the_way_there(solver):
    start = torch.tensor([[1.0, -2.0]], dtype=torch.float64)

    def field(x, t):
        return x * torch.cos(6 * t)[:, None].double()

    there = solver(field, start, growing(200))
    assert torch.allclose(solver(field, there, growing(200)[::-1]), start, atol=0.03)
    assert not torch.allclose(there, start, atol=0.04)


def test_the_adaptive_solver_keeps_its_tolerance_and_spends_where_it_is_steep():
    calls = []

    def field(x, t):
        calls.append(float(t[0]))
        return 50 * (torch.sigmoid(50 * (t - 0.8)) * (1 - torch.sigmoid(50 * (t - 0.8))))[:, None] * torch.ones_like(x)

    out = adaptive(field, torch.zeros(3, 2), even(10))
    assert out == pytest.approx(torch.ones(3, 2), abs=0.02)
    steep = [t for t in calls if 0.7 < t < 0.9]
    assert len(steep) > len(calls) / 3


def test_guidance_of_one_is_no_guidance_and_more_moves_away_from_no_label():
    model = coded.build("flow").eval()
    torch.nn.init.normal_(model.net.leave.weight, std=0.1)
    z, labels = model.latents(4, torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])
    field = model._field(labels, z)
    time = torch.full((4,), 0.5)
    with torch.no_grad():
        towards, away = model._velocity(z, time, labels), model._velocity(z, time, torch.full_like(labels, 3))
        assert torch.equal(field(z, time), towards)
        model.guidance = 3.0
        assert torch.allclose(field(z, time), 3 * towards - 2 * away, atol=1e-5)


def test_optimal_transport_pairs_as_brute_force_does():
    x, noise = torch.randn(2, 6, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    cost = torch.cdist(x.flatten(1), noise.flatten(1)) ** 2

    def total(order):
        return float(sum(cost[i, j] for i, j in enumerate(order)))

    assert total(_pairing(x, noise).tolist()) == pytest.approx(
        min(map(total, itertools.permutations(range(6)))), rel=1e-5
    )


def test_a_level_of_pggan_begins_as_the_one_before_and_ends_as_itself():
    model = coded.build("pggan")
    z, labels = model.latents(3), torch.tensor([0, 1, 2])

    def at(player, given, *stage):
        player.stage = stage
        return player(given, labels)

    with torch.no_grad():
        before = at(model.generator, z, 0, 1.0)
        begun = at(model.generator, z, 1, 0.0)
        assert torch.allclose(begun, F.interpolate(before, scale_factor=2.0, mode="nearest"))
        x = F.avg_pool2d(torch.randn(3, 1, 8, 8), 2)
        critic = at(model.critic, F.interpolate(x, scale_factor=2.0, mode="nearest"), 1, 0.0)
        assert torch.allclose(critic, at(model.critic, x, 0, 1.0), atol=1e-5)
    stages = [model.stage(progress / 100)[0] for progress in range(101)]
    assert stages == sorted(stages)
    assert set(stages) == set(range(model.levels))
    assert model.stage(1.0) == (model.levels - 1, 1.0)


def test_augmentation_changes_what_its_share_says_and_is_differentiable():
    x = torch.rand(500, 1, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    drawn = torch.rand(500, augmentation.NUMBERS, generator=torch.Generator().manual_seed(1))
    assert torch.equal(augmentation.augment(x, drawn, 0.0), x)
    changed = augmentation.augment(x, drawn, 0.3)
    share = float((changed != x).flatten(1).any(1).float().mean())
    assert share == pytest.approx(1 - 0.7**3, abs=0.06)
    (gradient,) = torch.autograd.grad(changed.sum(), x)
    assert torch.isfinite(gradient).all()
    assert float(gradient.abs().sum()) > 0


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.kind == "grid"])
def test_the_smallest_images_that_are_allowed_can_be_made(name):
    entry = MODELS[name]
    own = vars(entry.settings())
    model = entry.load()(DataSpec("grid", (1, 8, 8)), **{**own, **({"width": 8} if "width" in own else {})}).eval()
    batch = Batch(torch.rand(4, 1, 8, 8) * 2 - 1)
    for phase in model.phases:
        assert all(torch.isfinite(term).all() for term in model.loss(phase, model.draw(phase, batch)).values())
    model.fit([batch], None)
    assert model.sample(2, generator=torch.Generator().manual_seed(0)).x.shape == (2, 1, 8, 8)


@pytest.mark.parametrize(("channels", "likelihood"), [(1, "bernoulli"), (3, "logistic")])
def test_the_likelihood_goes_by_colour_unless_it_is_given(channels, likelihood):
    spec, own = DataSpec("grid", (channels, 8, 8)), vars(MODELS["vae"].settings())
    build = MODELS["vae"].load()
    assert build(spec, **own).likelihood == likelihood
    assert build(spec, **{**own, "likelihood": "logistic"}).likelihood == "logistic"


@pytest.mark.parametrize("causal", [False, True])
def test_attention_in_bfloat16_is_that_in_float32_rounded(causal):
    parts = torch.randn(3, 2, 2, 9, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attention.kernel(*parts, causal=causal)
    queries, keys, values = parts.double()
    scores = queries @ keys.mT / 4
    if causal:
        scores += torch.full((9, 9), -math.inf, dtype=torch.float64).triu(1)
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found.double(), scores.softmax(-1) @ values, rtol=2**-8, atol=1e-6)
