"""Images per second in training: `python benchmarks/image_speed.py [--rounds 10] [--threads 0] [--precision auto]`.

A step of the loop, with clipping of gradients, averaged weights and all, beside the plainest script of the same network,
written below as one writes it by hand. Three sides take turns in one process, so that what else the machine does slows
all: the script; the loop in the script's own format (float32, contiguous); and the loop as a run has it (channels last,
and bfloat16 where the processor multiplies it). The ratios count. Then, images per second that models draw, at the sizes
of `quick` on handwritten digits, in float32 and as a run has it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from genwright import settings
from genwright.contract import DataSpec, GenerativeModel
from genwright.data.batches import Examples
from genwright.models import MODELS
from genwright.run import build_model
from genwright.training.devices import choose_precision, set_threads
from genwright.training.gradients import autocast
from genwright.training.loop import Loop

CPU = torch.device("cpu")
SPEC = DataSpec("grid", (3, 64, 64))
CASES = {"dcgan": 64, "flow": 32}
"""Models and the widths of their networks."""
DRAWING = ("r3gan", "dcgan", "vae", "flow")
DRAWN = 256


def examples() -> Examples:
    return Examples(np.random.default_rng(0).integers(0, 256, (512, *SPEC.shape), dtype=np.uint8))


def by_hand_gan(model: GenerativeModel, pixels: np.ndarray, batch: int) -> Callable[[], None]:
    """The tutorial's loop: the critic on real and on made images, then the generator."""
    generator, critic = model.generator, model.critic
    ours = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (critic, generator)]
    labels = torch.zeros(batch, dtype=torch.int64)
    random = np.random.default_rng(0)

    def step() -> None:
        real = torch.from_numpy(pixels[random.integers(0, len(pixels), batch)]).float() / 127.5 - 1
        made = generator(torch.randn(batch, model.latent_size), labels)
        ours[0].zero_grad()
        loss = F.softplus(-critic(real, labels)).mean() + F.softplus(critic(made.detach(), labels)).mean()
        loss.backward()
        ours[0].step()
        ours[1].zero_grad()
        second = F.softplus(-critic(generator(torch.randn(batch, model.latent_size), labels), labels)).mean()
        second.backward()
        ours[1].step()
        loss.item()
        second.item()

    return step


def by_hand_flow(model: GenerativeModel, pixels: np.ndarray, batch: int) -> Callable[[], None]:
    """Noise, a time, the squared error of the velocity."""
    optimizer = torch.optim.AdamW(model.net.parameters(), lr=1e-3)
    labels = torch.zeros(batch, dtype=torch.int64)
    random = np.random.default_rng(0)

    def step() -> None:
        x = torch.from_numpy(pixels[random.integers(0, len(pixels), batch)]).float() / 127.5 - 1
        noise, time = torch.randn_like(x), torch.rand(batch)
        t = time[:, None, None, None]
        loss = F.mse_loss(model.net((1 - t) * noise + t * x, time, labels), x - noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def through_the_loop(model: GenerativeModel, name: str, data: Examples, folder: Path, precision: torch.dtype):
    """A step as a run takes it."""
    given = settings.build({"model": name, "steps": 1000}).training
    loop = Loop(model, data, data, given, seed=0, precision=precision, folder=folder)

    def step() -> None:
        loop._one_step(1000)
        loop.step += 1

    return step, given.batch_size


def seconds_of(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def measure(name: str, folder: Path, rounds: int, precision: torch.dtype) -> None:
    own = settings.build({"model": name, "model.width": CASES[name]}).model
    data = examples()

    def fresh() -> GenerativeModel:
        torch.manual_seed(0)
        return MODELS[name].load()(SPEC, **vars(own))

    plain = fresh()
    equal, batch = through_the_loop(fresh(), name, data, folder, torch.float32)
    usual, _ = through_the_loop(build_model(name, own, SPEC), name, data, folder, precision)
    script = {"dcgan": by_hand_gan, "flow": by_hand_flow}[name](plain, data.x, batch)
    times = np.array([[seconds_of(work) for work in (script, equal, usual)] for _ in range(1 + rounds)])[1:]
    rates = batch / np.median(times, axis=0)
    ratios = np.median(times[:, :1] / times, axis=0)
    size = sum(p.numel() for p in plain.parameters())
    print(f"{name}, {size:,} weights, batch {batch}: script {rates[0]:,.0f} images/s; loop at equal precision ", end="")
    print(f"{rates[1]:,.0f} ({ratios[1]:.2f}x); as a run has it {rates[2]:,.0f} ({ratios[2]:.2f}x)", flush=True)


def draw(name: str, rounds: int, precision: torch.dtype) -> None:
    """Untrained weights draw as fast as others."""
    spec = DataSpec("grid", (1, 28, 28), class_shares=(0.1,) * 10)
    model = build_model(name, settings.build({"model": name}).model, spec).eval()
    labels = torch.arange(DRAWN) % 10

    def drawing(precision: torch.dtype) -> float:
        generator = torch.Generator().manual_seed(0)
        with torch.inference_mode(), autocast(CPU, precision):
            return seconds_of(lambda: model.sample(DRAWN, condition=labels, generator=generator))

    times = np.array([[drawing(torch.float32), drawing(precision)] for _ in range(1 + rounds)])[1:]
    rates = DRAWN / np.median(times, axis=0)
    print(f"{name} draws {rates[0]:,.0f} images/s in float32, {rates[1]:,.0f} as a run has it", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--precision", choices=("auto", "f32", "bf16"), default="auto")
    parser.add_argument("--only", choices=tuple(CASES))
    words = parser.parse_args()
    set_threads(words.threads)
    precision = choose_precision(words.precision, CPU)
    print(f"{torch.get_num_threads()} threads, {precision} as a run has it")
    for name in [words.only] if words.only else CASES:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, Path(folder), words.rounds, precision)
    for name in () if words.only else DRAWING:
        draw(name, words.rounds, precision)


if __name__ == "__main__":
    main()
