"""How fast clipped gradients are beside plain ones: `python benchmarks/clipping.py [--rounds 10] [--threads 1] [--only NAME]`.

A plain step is forward, backward and AdamW; a private one clips the gradient of each example and adds noise too. Both take
turns in one process, so that what else the machine does slows both: the ratios count (1: privacy is free). The noise comes
from torch's generator; that of the operating system is timed apart, at the end.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.contract import Batch, DataSpec, GenerativeModel, Phase
from genwright.models import MODELS
from genwright.networks.adversarial import LEAK
from genwright.privacy.clipping import Engine
from genwright.privacy.noise import gaussian
from genwright.training.devices import set_threads
from genwright.training.gradients import plain
from genwright.training.private import set_noisy

GREY = DataSpec("grid", (1, 28, 28))


class Classifier(GenerativeModel):
    """A perceptron 32-256-256-2."""

    phases = (Phase("labels", updates="net"),)

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(32, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 2))

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        return {"nats": F.cross_entropy(self.net(batch.x), batch.condition, reduction="none")}

    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        raise NotImplementedError


class Critic(GenerativeModel):
    """The critic of DCGAN without BatchNorm, called for real and made images."""

    phases = (Phase("critic", updates="net"),)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, out in ((1, 64), (64, 128), (128, 256)):
            layers += [nn.Conv2d(channels, out, 4, 2, 1), nn.LeakyReLU(LEAK)]
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 9, 1))

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        real, made = self.net(batch.x)[:, 0], self.net(batch.drawn["made"])[:, 0]
        return {"loss": F.softplus(-real) + F.softplus(made)}

    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        raise NotImplementedError


def transformer() -> tuple[GenerativeModel, Batch]:
    """Four layers of width 128 over 64 places, 100 tokens; batches of 64."""
    model = made_by("gpt", DataSpec("tokens", (65,), vocabulary=100), width=128, depth=4, head=32)
    return model, Batch(torch.randint(2, 100, (64, 65)))


def unet() -> tuple[GenerativeModel, Batch]:
    """The velocity network of `flow` on 28 x 28 pixels, 32 channels; batches of 64."""
    return made_by("flow", GREY, width=32, patch=1), Batch(torch.rand(64, 1, 28, 28) * 2 - 1)


def residual_critic() -> tuple[GenerativeModel, Batch]:
    """That of `r3gan` without a penalty; batches of 64."""
    return made_by("r3gan", GREY, penalty="none"), Batch(torch.rand(64, 1, 28, 28) * 2 - 1)


CASES: dict[str, Callable[[], tuple[GenerativeModel, Batch]]] = {
    "transformer": transformer,
    "u-net": unet,
    "mlp": lambda: (Classifier(), Batch(torch.randn(512, 32), torch.randint(2, (512,)))),
    "critic": lambda: (Critic(), Batch(torch.rand(64, 1, 28, 28)).drawing(made=torch.rand(64, 1, 28, 28))),
    "residual critic": residual_critic,
}


def made_by(name: str, spec: DataSpec, **settings: object) -> GenerativeModel:
    """A model of the table with its own settings but these."""
    entry = MODELS[name]
    return entry.load()(spec, **{**vars(entry.settings()), **settings})


def steps(model: GenerativeModel, batch: Batch) -> tuple[Callable[[], None], Callable[[], None], Engine]:
    """A plain and a private step of the model's first phase, and what the private one uses."""
    phase = model.phases[0]
    with torch.no_grad():
        batch = model.draw(phase, batch)
    engine = Engine(model, phase)
    optimizer = torch.optim.AdamW(getattr(model, phase.updates).parameters(), lr=1e-4, fused=True)

    noise = torch.empty(sum(p.numel() for p in engine.parameters.values()))

    def plain_step() -> None:
        plain(model, phase, batch, torch.float32)
        optimizer.step()
        optimizer.zero_grad()

    def private_step() -> None:
        total = engine.clipped_gradient(batch, 1.0).total
        set_noisy(engine.parameters, total, noise.normal_(), len(batch))
        optimizer.step()
        optimizer.zero_grad()

    return plain_step, private_step, engine


def seconds_of(work: Callable[[], object]) -> float:
    """Of this process's own time: others take turns on the same cores."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=CASES)
    words = parser.parse_args()
    set_threads(words.threads)
    for name in [words.only] if words.only else CASES:
        torch.manual_seed(0)
        plain_step, private_step, engine = steps(*CASES[name]())
        pairs = [(seconds_of(plain_step), seconds_of(private_step)) for _ in range(2 + words.rounds)][2:]
        ratios = sorted(a / b for a, b in pairs)
        medians = [1000 * statistics.median(times) for times in zip(*pairs, strict=True)]
        numbers = sum(p.numel() for p in engine.parameters.values())
        noise = 1000 * seconds_of(lambda numbers=numbers: gaussian(numbers))
        print(f"{name} ({engine.way}): {medians[0]:.1f} ms plain, {medians[1]:.1f} private", end=", ")
        print(f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})", end="; ")
        print(f"noise of the system for {numbers:,} weights: {noise:.1f} ms", flush=True)


if __name__ == "__main__":
    main()
