"""Clipped gradients are those of a loop over single examples, for every model and by every way."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import coded
from genwright.contract import Batch, DataSpec, GenerativeModel, Phase
from genwright.errors import GenwrightError
from genwright.models import MODELS
from genwright.privacy import norms, uses
from genwright.privacy.clipping import Engine, repeated


def build(name: str) -> GenerativeModel:
    """As a private training builds it."""
    return coded.build(name, **({"network": "residual"} if name == "wgan-gp" else {}))


# A pretrained network, which takes seconds to make, has the phases of its class; a GAN's depend on its settings.
PHASES = [
    (name, phase.name)
    for name, entry in MODELS.items()
    if entry.load().phases
    for phase in (entry.load() if name == "pretrained" else build(name)).phases
]
MIXING = {(name, phase) for name in ("ctgan", "dcgan", "pggan") for phase in ("critic", "generator")}
MIXING |= {("dcgan", "penalty"), ("pggan", "penalty")}
PENALTIES = {("r3gan", "penalty"), ("wgan-gp", "critic")}
READS_LABELS = {"gpt", "pretrained"}  # whether a window holds several documents decides what is computed: not by vmap
EXAMPLES = 7


def in_doubles(values: Tensor | None) -> Tensor | None:
    return values.double() if values is not None and values.is_floating_point() else values


def moved(model: GenerativeModel) -> GenerativeModel:
    """In double precision, and away from the zeros that some layers start at, behind which gradients vanish."""
    with torch.no_grad():
        for parameter in model.double().parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def drawn(model: GenerativeModel, phase: Phase, batch: Batch) -> Batch:
    batch = model.draw(phase, dataclasses.replace(batch, x=in_doubles(batch.x)))
    return dataclasses.replace(batch, drawn={key: in_doubles(value) for key, value in batch.drawn.items()})


def by_hand(model: GenerativeModel, phase: Phase, batch: Batch, draws: int = 1) -> list[dict[str, Tensor]]:
    """The gradients of each example by name: one example after another, with nothing of the engine's."""
    parameters = {n: p for n, p in getattr(model, phase.updates).named_parameters() if p.requires_grad}
    found = []
    for at in range(0, len(batch), draws):
        rows = slice(at, at + draws)
        one = Batch(
            batch.x[rows],
            None if batch.condition is None else batch.condition[rows],
            {key: value[rows] for key, value in batch.drawn.items()},
            batch.progress,
            None if batch.counts is None else batch.counts[rows],
        )
        objective = sum(term.sum() for term in model.loss(phase, one).values()) / draws
        gradients = torch.autograd.grad(objective, list(parameters.values()), materialize_grads=True)
        found.append({name: g.detach() for name, g in zip(parameters, gradients, strict=True)})
    return found


def agrees(model, phase, batch, way, *, draws=1, micro_batch=None, often=True) -> Engine:
    """All, none and half of the examples clipped, or just half of them; the engine is returned."""
    engine = Engine(model, phase, draws=draws, micro_batch=micro_batch)
    engine.way = way
    each = by_hand(model, phase, batch, draws)
    norms_of_all = torch.stack([torch.cat([g.flatten() for g in gradients.values()]).norm() for gradients in each])
    half, most, least = (float(value) for value in (norms_of_all.median(), norms_of_all.max(), norms_of_all.min()))
    for clip_norm in (math.inf, 2 * most, half, least / 3) if often else (half,):
        factors = (clip_norm / norms_of_all).clamp_max(1.0)
        total = {name: sum(f * one[name] for f, one in zip(factors, each, strict=True)) for name in each[0]}
        found = engine.clipped_gradient(batch, clip_norm)
        assert torch.allclose(found.norms.double(), norms_of_all, rtol=1e-6, atol=0)
        largest = max(float(value.abs().max()) for value in total.values())
        assert found.total.keys() == total.keys()
        for name, value in total.items():
            assert found.total[name].shape == value.shape
            assert float((found.total[name] - value).abs().max()) <= 1e-5 * largest, name
    return engine


@pytest.mark.parametrize(("name", "phase"), [pair for pair in PHASES if pair not in MIXING])
@pytest.mark.parametrize("way", ["tape", "vmap", "loop"])
def test_every_model_and_phase(name, phase, way):
    model = moved(build(name))
    chosen = next(p for p in model.phases if p.name == phase)
    batch = drawn(model, chosen, coded.batch(name, EXAMPLES))
    engine = agrees(model, chosen, batch, way, often=way == "tape")  # the others clip alike
    if way == "tape" and (name, phase) in PENALTIES:
        assert engine.way == "vmap"
        assert "takes gradients itself" in engine.reason
    elif way == "vmap" and name in READS_LABELS:
        assert engine.way == "loop"
    else:
        assert engine.way == way
        assert engine.reason == ""


@pytest.mark.parametrize(("name", "phase"), sorted(MIXING))
def test_phases_that_mix_examples_are_refused(name, phase):
    model = build(name)
    with pytest.raises(GenwrightError, match="GW-0601"):
        Engine(model, next(p for p in model.phases if p.name == phase))


@pytest.mark.parametrize(("name", "phase"), [pair for pair in PHASES if pair not in MIXING])
def test_the_check_chooses_before_any_data_are_seen(name, phase):
    model = build(name)
    engine = Engine(model, next(p for p in model.phases if p.name == phase))
    before, state = [p.clone() for p in model.parameters()], torch.random.get_rng_state()
    engine.check(coded.spec_of(name))
    assert engine.way == ("vmap" if (name, phase) in PENALTIES else "tape"), engine.reason
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", ["flow", "vae", "vqvae", "pixel-ar", "r3gan"])
def test_images_without_classes(name):
    entry = MODELS[name]
    settings = {**vars(entry.settings()), **{k: v for k, v in coded.TINY.items() if k in vars(entry.settings())}}
    if name == "pixel-ar":
        settings["levels"] = 4
    spec = dataclasses.replace(coded.spec_of(name), class_shares=())
    model = moved(entry.load()(spec, **settings))
    for phase in model.phases:
        batch = drawn(model, phase, dataclasses.replace(coded.batch(name, EXAMPLES), condition=None))
        engine = agrees(model, phase, batch, "tape")
        assert engine.way == ("vmap" if (name, phase.name) in PENALTIES else "tape"), engine.reason


class Net(GenerativeModel):
    """Whatever a test wants: `make` builds the net, `score` gives (B,) of it and the inputs."""

    phases = (Phase("only", updates="net"),)

    def __init__(self, net: nn.Module, score=lambda net, x: net(x).flatten(1).pow(2).sum(1)) -> None:
        super().__init__()
        self.net, self.score = net, score

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        return {"score": self.score(self.net, batch.x)}

    def sample(self, n, *, condition=None, generator) -> Batch:
        raise NotImplementedError


def net_agrees(net: nn.Module, x: Tensor, *score, way="tape", **settings) -> Engine:
    torch.manual_seed(0)
    model = moved(Net(net, *score))
    return agrees(model, model.phases[0], Batch(in_doubles(x)), way, **settings)


LAYERS = {
    "linear": (nn.Linear(5, 3), (6, 5)),
    "linear without bias": (nn.Linear(5, 3, bias=False), (6, 5)),
    "linear over places": (nn.Linear(5, 3), (6, 4, 5)),
    "linear over many places": (nn.Linear(2, 3), (6, 40, 2)),
    "linear over planes": (nn.Linear(5, 3), (6, 2, 3, 5)),
    "convolution": (nn.Conv2d(4, 6, 3), (6, 4, 7, 6)),
    "convolution, stride and padding": (nn.Conv2d(4, 6, 4, stride=(2, 3), padding=(1, 2)), (6, 4, 9, 8)),
    "convolution, dilation, no bias": (nn.Conv2d(4, 6, 3, dilation=2, padding=1, bias=False), (6, 4, 9, 8)),
    "convolution, groups": (nn.Conv2d(4, 6, (3, 2), groups=2, padding=1), (6, 4, 7, 7)),
    "convolution over one axis": (nn.Conv1d(4, 6, 3, stride=2, padding=1), (6, 4, 11)),
    "transposed": (nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1), (6, 4, 5, 4)),
    "transposed, more": (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), (6, 4, 5, 4)),
    "transposed over one axis": (nn.ConvTranspose1d(4, 6, 3, stride=2, dilation=2), (6, 4, 5)),
    "layer norm": (nn.Sequential(nn.LayerNorm(5), nn.Linear(5, 2)), (6, 4, 5)),
    "layer norm over two axes": (nn.LayerNorm((4, 5)), (6, 4, 5)),
    "RMS norm": (nn.RMSNorm(5), (6, 4, 5)),
    "group norm": (nn.Sequential(nn.GroupNorm(2, 4), nn.Tanh()), (6, 4, 5, 3)),
    "norms without weights": (nn.Sequential(nn.LayerNorm(5, elementwise_affine=False), nn.Linear(5, 2)), (6, 4, 5)),
    "changed in place": (nn.Sequential(nn.Linear(5, 5), nn.ReLU(inplace=True), nn.Linear(5, 5)), (6, 5)),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("draws", [1, 3])
def test_layers(layer, draws):
    net, shape = LAYERS[layer]
    x = torch.randn(shape[0] * draws, *shape[1:])
    engine = net_agrees(net, x, draws=draws)
    assert engine.way == ("vmap" if "in place" in layer else "tape"), engine.reason


METHODS = [norms.Method(norm, folded) for norm in ("stored", "discarded", "gram") for folded in (True, False)]


@pytest.fixture(params=METHODS, ids=str)
def method(request, monkeypatch):
    """The one way to norms that is tried, where it can be used at all."""
    allowed = norms.Gradients.methods

    def only(gradients: norms.Gradients) -> list[norms.Method]:
        return [m for m in allowed(gradients) if m == request.param] or allowed(gradients)[:1]

    monkeypatch.setattr(norms, "LONG", 1e9)
    monkeypatch.setattr(norms, "CHUNK", 100)
    monkeypatch.setattr(norms, "_fastest", {})
    monkeypatch.setattr(norms.Gradients, "methods", only)
    return request.param


@pytest.mark.parametrize(
    "layer", [layer for layer in LAYERS if "conv" in layer or "linear" in layer or "trans" in layer]
)
def test_methods_reach_the_same(layer, method):
    net, shape = LAYERS[layer]
    assert net_agrees(net, torch.randn(shape)).way == "tape"


@pytest.mark.parametrize("draws", [1, 2])
def test_tied_weights(method, draws):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.hidden = nn.Embedding(9, 4), nn.Linear(4, 4)

        def forward(self, x):
            return F.linear(torch.tanh(self.hidden(self.table(x)) + self.table(x.flip(1))), self.table.weight).softmax(
                -1
            )

    x = torch.randint(9, (6 * draws, 5))
    x[:, 1] = x[:, 0]  # indices that repeat
    assert net_agrees(Tied(), x, draws=draws).way == "tape"


@pytest.mark.parametrize(
    "net", [nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1)), nn.Conv2d(6, 2, 3, padding=1)]
)
def test_nets_that_are_called_twice(net):
    x = torch.randn(6, 6) if isinstance(net, nn.Sequential) else torch.randn(6, 6, 4, 4)
    assert net_agrees(net, x, lambda net, x: (net(x).exp() + net(-x).tanh()).flatten(1).sum(1)).way == "tape"


class Odd(nn.Module):
    """Parameters outside of layers."""

    def __init__(self):
        super().__init__()
        self.place, self.scale = nn.Parameter(torch.randn(4, 5)), nn.Parameter(torch.randn(5))
        self.matrix, self.stack = nn.Parameter(torch.randn(5, 3)), nn.Parameter(torch.randn(4, 3, 2))
        self.floor, self.unused = nn.Parameter(torch.randn(())), nn.Parameter(torch.randn(3))
        self.frozen = nn.Parameter(torch.randn(3), requires_grad=False)
        self.register_buffer("mask", torch.tensor([1.0, 0, 1, 1, 0]))

    def forward(self, x):
        h = (x + self.place) * self.scale.exp() - self.floor
        h = h @ (self.matrix * self.mask[:, None]) + self.frozen
        h = torch.einsum("...dh,dhv->...dv", h.tanh(), self.stack)
        wide = torch.baddbmm(self.stack[:, :1], h.transpose(0, 1) @ torch.ones(2, 3).to(h), self.stack)
        return h.flatten(1).sum(1, keepdim=True) / (1 + self.scale[0] ** 2) + wide.transpose(0, 1).flatten(1)


@pytest.mark.parametrize("way", ["tape", "vmap"])
@pytest.mark.parametrize("draws", [1, 3])
def test_parameters_outside_of_layers(way, draws):
    engine = net_agrees(Odd(), torch.randn(6 * draws, 4, 5), way=way, draws=draws)
    assert engine.way == way, engine.reason
    assert "frozen" not in engine.parameters
    assert not engine.clipped_gradient(Batch(torch.randn(6 * draws, 4, 5).double()), 1.0).total["unused"].any()


def examples_in_the_middle(net, x):
    return net(x.transpose(0, 1)).transpose(0, 1).flatten(1).pow(2).sum(1)


class Hidden(torch.autograd.Function):
    """A product that no mode sees."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, weight):
        return x * weight

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient * weight, (gradient * x).sum(0)


def penalised(net, x):
    """The old kind of gradient penalty, by autograd within the loss."""
    x = x.detach().requires_grad_()
    gradient = torch.autograd.grad(net(x).sum(), x, create_graph=True)[0]
    return gradient.pow(2).sum(1)


UNKNOWN = {
    "an operation": (nn.PReLU(5), lambda net, x: net(x).pow(2).sum(1), (6, 5)),
    "examples on another axis": (nn.Linear(5, 3), examples_in_the_middle, (6, 4, 5)),
    "rows of several examples": (
        nn.Linear(5, 3),
        lambda net, x: net(x.flatten(0, 1)).view(6, -1).pow(2).sum(1),
        (6, 4, 5),
    ),
    "hidden from the tape": (
        nn.Linear(5, 3),
        lambda net, x: Hidden.apply(x, net.weight[0]).sum(1) + net(x).sum(1),
        (6, 5),
    ),
    "weights that depend on data": (
        nn.Linear(5, 5),
        lambda net, x: F.linear(x, x.mT @ net(x), net.bias).sum(1),
        (6, 5),
    ),
    "a penalty": (nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1)), penalised, (6, 5)),
    "a penalty by torch.func": (
        nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1)),
        lambda net, x: torch.func.grad(lambda x: net(x).sum())(x).pow(2).sum(1),
        (6, 5),
    ),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_the_tape_does_not_know_is_never_guessed(case):
    net, score, shape = UNKNOWN[case]
    engine = net_agrees(net, torch.randn(shape), score)
    assert engine.way in ("vmap", "loop")
    assert engine.reason


def test_the_check_finds_a_wrong_formula(monkeypatch, caplog):
    right = uses.Product.each
    monkeypatch.setattr(norms, "_fastest", {})
    monkeypatch.setattr(norms.Gradients, "methods", lambda self: [norms.Method("stored")])
    monkeypatch.setattr(uses.Product, "each", lambda *args: 1.1 * right(*args))
    engine = Engine(moved(Net(nn.Linear(8, 3))).float(), Net.phases[0])
    engine.check(DataSpec("grid", (8,)))
    assert engine.way == "vmap"
    assert "disagrees" in engine.reason
    assert "disagrees" in caplog.text


def test_an_empty_batch_gives_zeros():
    model = coded.build("flow")
    phase = model.phases[0]
    batch = model.draw(phase, coded.batch("flow", 4))
    empty = dataclasses.replace(
        batch,
        x=batch.x[:0],
        condition=batch.condition[:0],
        drawn={key: value[:0] for key, value in batch.drawn.items()},
    )
    found = Engine(model, phase).clipped_gradient(empty, 1.0)
    assert found.norms.shape == (0,)
    assert not any(value.any() for value in found.total.values())
    assert found.total.keys() == dict(model.net.named_parameters()).keys()


@pytest.mark.parametrize("way", ["tape", "vmap"])
@pytest.mark.parametrize("micro_batch", [1, 3, 100])
def test_micro_batches_give_the_same(micro_batch, way):
    model = moved(coded.build("tvae"))
    phase = model.phases[0]
    agrees(model, phase, drawn(model, phase, coded.batch("tvae", EXAMPLES)), way, micro_batch=micro_batch)


@pytest.mark.parametrize("name", ["flow", "vae", "tabular-ar", "gpt"])
@pytest.mark.parametrize("way", ["tape", "vmap"])
def test_several_draws_are_averaged_before_clipping(name, way):
    model = moved(build(name))
    phase = model.phases[0]
    batch = repeated(coded.batch(name, 5), 3)
    assert torch.equal(batch.x[:3], batch.x[:1].expand_as(batch.x[:3]))
    agrees(model, phase, drawn(model, phase, batch), way, draws=3, micro_batch=2)


@pytest.mark.parametrize("name", ["tabular-ar", "vae", "gpt"])
def test_half_precision_is_of_the_forward_pass_alone(name):
    model = build(name)
    phase = model.phases[0]
    batch = model.draw(phase, coded.batch(name, EXAMPLES))
    exact = Engine(model, phase).clipped_gradient(batch, 1.0)
    engine = Engine(model, phase, precision=torch.bfloat16)
    engine.check(coded.spec_of(name))
    found = engine.clipped_gradient(batch, 1.0)
    assert engine.way == "tape", engine.reason
    assert torch.allclose(found.norms, exact.norms, rtol=0.05)
    assert all(total.dtype == torch.float32 for total in found.total.values())


def test_a_norm_is_never_too_small_where_places_cancel():
    x = torch.cat([torch.ones(1, 32, 300), -torch.ones(1, 32, 300) * (1 + 1e-5)], dim=1)
    uses_ = uses.Product(lambda g: g, x[:, None], flipped=True)
    gradients = norms.Gradients(torch.Size((200, 300)), ((uses_, torch.ones(1, 1, 64, 200)),))
    exact = gradients.each(folded=True).double().norm() ** 2
    assert float(gradients.norms(norms.Method("gram"), norms.Lengths())[0]) >= float(exact)


def test_examples_that_are_not_finite_add_nothing():
    model = moved(Net(nn.Linear(5, 3)))
    x = torch.randn(6, 5).double()
    engine = Engine(model, model.phases[0])
    wanted = engine.clipped_gradient(Batch(x[[0, 1, 2, 4, 5]]), 0.5).total
    x[3, 2] = math.inf
    found = engine.clipped_gradient(Batch(x), 0.5)
    assert found.norms.isfinite().tolist() == [True, True, True, False, True, True]
    assert all(torch.allclose(found.total[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("clip_norm", [0.0, -1.0, math.nan])
def test_a_bound_is_above_zero(clip_norm):
    with pytest.raises(GenwrightError, match="GW-0602"):
        Engine(Net(nn.Linear(5, 3)), Net.phases[0]).clipped_gradient(Batch(torch.randn(2, 5)), clip_norm)


def test_no_example_moves_the_sum_by_more_than_the_bound():
    model = coded.build("vqvae")
    for phase in model.phases:
        batch = model.draw(phase, coded.batch("vqvae", 6))
        engine = Engine(model, phase)
        for at in range(6):
            one = Batch(
                batch.x[at : at + 1], batch.condition[at : at + 1], {k: v[at : at + 1] for k, v in batch.drawn.items()}
            )
            total = engine.clipped_gradient(one, 1e-3).total
            assert torch.cat([value.flatten() for value in total.values()]).norm() <= 1e-3 * (1 + 1e-5)
