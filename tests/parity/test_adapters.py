"""Low-rank adapters by laws: they begin as nothing, merge without a trace, and leave the rest of a network as it was."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import coded
from genwright.config import TrainingSettings
from genwright.contract import BEGIN
from genwright.errors import GenwrightError
from genwright.networks.adapters import Adapted, adapt, merge, merged_weights, start_from
from genwright.networks.sequence import Decoder
from genwright.training.budget import Budget
from genwright.training.loop import Loop
from genwright.training.stop import Stop

TOKENS = torch.tensor([[BEGIN, 5, 6, 7, 1, BEGIN, 9, 3, 4], [BEGIN, 3, 3, 8, 9, 4, 5, 6, 1]])


def decoder(vocabulary: int = 12, seed: int = 0) -> Decoder:
    """One whose blocks do something: at first they are nothing."""
    torch.manual_seed(seed)
    net = Decoder(vocabulary, 16, depth=2, heads=2, key_heads=1, mixing=3)
    for parameter in net.blocks.parameters():
        nn.init.normal_(parameter, std=0.3)
    return net


def stir(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, Adapted):
            nn.init.normal_(module.up, std=0.3)


def test_the_formula():
    torch.manual_seed(0)
    layer = nn.Linear(5, 3)
    adapted = Adapted(copy.deepcopy(layer), rank=2, alpha=6)
    nn.init.normal_(adapted.up)
    x = torch.randn(4, 5)
    weights = layer.weight + 6 / 2 * adapted.up @ adapted.down
    torch.testing.assert_close(adapted(x), F.linear(x, weights, layer.bias))


def test_an_adapted_network_begins_as_it_was_and_moves_only_its_adapters():
    net = decoder()
    with torch.no_grad():  # with gradients, adapted layers are computed in another order, to rounding
        before, names = net(TOKENS), set(net.state_dict())
        assert adapt(net, rank=3, alpha=6) == 2 * 4
        assert torch.equal(net(TOKENS), before)
    torch.testing.assert_close(net(TOKENS), before)
    stir(net)
    assert not torch.allclose(net(TOKENS), before, atol=1e-2)
    moving = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert moving == {name for name in net.state_dict() if name.endswith((".down", ".up"))}
    net.logits(net(TOKENS)).sum().backward()
    assert all((parameter.grad is not None) == (name in moving) for name, parameter in net.named_parameters())
    assert set(merge(net).state_dict()) == names


def test_merged_is_unmerged():
    net = decoder()
    adapt(net, rank=3, alpha=6)
    stir(net)
    unmerged, state = net(TOKENS), {name: value.clone() for name, value in net.state_dict().items()}
    torch.testing.assert_close(merge(net)(TOKENS), unmerged, atol=1e-5, rtol=1e-5)
    plain = merged_weights(state)
    assert plain.keys() == net.state_dict().keys()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(plain[name], value)
    assert merged_weights(plain).keys() == plain.keys(), "without adapters nothing changes"


def test_layers_with_transposed_weights():
    layers = pytest.importorskip("transformers.pytorch_utils")
    torch.manual_seed(0)
    net = nn.Sequential(layers.Conv1D(6, 4), nn.Linear(6, 2))
    adapt(net, rank=2, alpha=2, kinds=(nn.Linear, layers.Conv1D))
    stir(net)
    x = torch.randn(3, 4)
    unmerged = net(x)
    torch.testing.assert_close(merge(net)(x), unmerged, atol=1e-5, rtol=1e-5)
    assert isinstance(net[0], layers.Conv1D)


def test_a_fresh_network_starts_from_a_finished_one():
    finished = decoder()
    adapt(finished, rank=3, alpha=6)
    stir(finished)
    wanted = finished(TOKENS)
    plain, adapted = decoder(seed=1), decoder(seed=2)
    adapt(adapted, rank=1, alpha=1)
    for net in (plain, adapted):
        start_from(net, finished.state_dict(), "runs/first")
        torch.testing.assert_close(net(TOKENS), wanted, atol=1e-5, rtol=1e-5)
    with pytest.raises(
        GenwrightError, match=r"GW-0184: 'runs/first' .* embedding.weight is \(12, 16\) there, \(13, 16\)"
    ):
        start_from(decoder(13), finished.state_dict(), "runs/first")
    weights = {name: value for name, value in plain.state_dict().items() if name != "blocks.1.down.weight"}
    with pytest.raises(GenwrightError, match=r"blocks.1.down.weight is missing there"):
        start_from(decoder(), weights, "runs/first")


def test_nothing_to_adapt_is_said():
    with pytest.raises(GenwrightError, match="GW-0184"):
        adapt(nn.Embedding(3, 4), rank=1, alpha=1)


def test_the_loop_trains_the_adapters_of_our_own_decoder(tmp_path):
    model = coded.build("gpt")
    adapt(model.net, rank=4, alpha=8)
    frozen = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    settings = TrainingSettings(batch_size=32, learning_rate=3e-2, warmup_steps=5, weight_decay=0.1)
    examples = (coded.windows(300), coded.windows(50, seed=1))
    held = examples[1].batch(slice(0, 50), torch.device("cpu"))
    before = model.loss(model.phases[0], held)["nats"].mean().item()
    loop = Loop(model, *examples, settings, seed=0, precision=torch.float32, folder=tmp_path)
    outcome = loop.run(60, budget=Budget(None), stop=Stop(), report=lambda *_: None)
    assert outcome.best_loss < before - 0.1
    for name, value in frozen.items():
        assert torch.equal(model.get_parameter(name), value), name
