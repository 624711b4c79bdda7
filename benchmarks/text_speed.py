"""Tokens per second of `gpt`, in training and in drawing: `python benchmarks/text_speed.py [--rounds 10] [--threads 1]`.

Training goes through the loop and is compared with the plainest decoder of the same size, written below as one writes it
by hand, at the same precision: once with that one's optimiser, once as the preset has it (Muon). Drawing, with its memory,
is compared with reading all that went before for every token. Both sides take turns in one process, so that what else the
machine does slows both: the ratios count, not the tokens per second.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.config import TrainingSettings
from genwright.contract import BEGIN, END, DataSpec
from genwright.data.token_batches import TokenExamples
from genwright.model_presets import Extent
from genwright.model_presets import gpt as preset
from genwright.models.gpt import GPT
from genwright.networks.causal import categorical
from genwright.training.devices import choose_precision, set_threads
from genwright.training.loop import Loop

CONTEXT, BATCH, WIDTH, DEPTH, HEAD = 128, 16, 128, 4, 64
TEXTS, DRAWN, EACH = 32, 256, 16
VOCABULARIES = (100, 4096)
SAME = TrainingSettings(batch_size=BATCH, beta2=0.95, clip_norm=1.0)
"""The optimiser of the script by hand."""


class Plain(nn.Module):
    """A decoder with learned positions, layer norms, GELU and one table for embedding and head."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding, self.places = nn.Embedding(vocabulary, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList([PlainBlock() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embedding(tokens) + self.places(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


class PlainBlock(nn.Module):
    """Attention, then a hidden layer of four times the width."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.enter, self.leave = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.hidden = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        b, length, width = x.shape
        parts = self.enter(self.first(x)).split(width, dim=2)
        queries, keys, values = (part.view(b, length, -1, HEAD).transpose(1, 2) for part in parts)
        h = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        x = x + self.leave(h.transpose(1, 2).reshape(b, length, width))
        return x + self.hidden(self.second(x))


def stream_of_tokens(vocabulary: int, document: int) -> TokenExamples:
    """200,000 random tokens in documents of that length."""
    random = np.random.default_rng(0)
    documents = [random.integers(2, vocabulary, document) for _ in range(200_000 // document)]
    for tokens in documents:
        tokens[0] = BEGIN
    return TokenExamples.written([(tokens, np.ones(document, bool)) for tokens in documents], CONTEXT, dtype=np.uint16)


def gpt(vocabulary: int) -> GPT:
    """As the preset `quick` makes it."""
    torch.manual_seed(0)
    return GPT(
        DataSpec("tokens", (CONTEXT + 1,), vocabulary=vocabulary),
        width=WIDTH,
        depth=DEPTH,
        head=HEAD,
        key_heads=0,
        mixing=2,
        counts=0,
        length=DRAWN,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        min_p=0.0,
        repetition=1.0,
        guidance=1.0,
        rank=0,
        alpha=1.0,
    )


def of_the_preset() -> TrainingSettings:
    """As `quick` trains."""
    given = preset("quick", Extent(), False)
    own = {key.removeprefix("training."): value for key, value in given.items() if key.startswith("training.")}
    return TrainingSettings(**own)  # type: ignore[arg-type]


def through_the_loop(
    vocabulary: int, examples: TokenExamples, settings: TrainingSettings, precision: torch.dtype, folder: Path
) -> Callable[[], float]:
    """Seconds of a step as a run takes it: gradient clipping and all."""
    loop = Loop(gpt(vocabulary), examples, examples, settings, seed=0, precision=precision, folder=folder)

    def step() -> None:
        loop._one_step(1000)
        loop.step += 1

    return lambda: seconds_of(step)


def by_hand(vocabulary: int, examples: TokenExamples, precision: torch.dtype) -> Callable[[], float]:
    """Seconds of a step of the plain decoder."""
    torch.manual_seed(0)
    model = Plain(vocabulary)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    random = np.random.default_rng(0)

    def step() -> None:
        starts = random.integers(0, len(examples.tokens) - CONTEXT - 1, BATCH)
        x = torch.stack([torch.from_numpy(examples.tokens[s : s + CONTEXT + 1].astype(np.int64)) for s in starts])
        with torch.autocast("cpu", precision, enabled=precision is not torch.float32):
            loss = F.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()

    return lambda: seconds_of(step)


def seconds_of(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def endless(tokens: Tensor, vocabulary: int) -> Tensor:
    """(B, V) bool: all may be drawn but END, so that both sides draw the same number of tokens."""
    permitted = torch.ones(len(tokens), vocabulary, dtype=torch.bool)
    permitted[:, END] = False
    return permitted


def with_memory(vocabulary: int) -> Callable[[], float]:
    """Seconds of drawing."""
    model, prompts, generator = gpt(vocabulary), torch.full((TEXTS, 1), BEGIN), torch.Generator().manual_seed(0)
    allowed = partial(endless, vocabulary=vocabulary)
    return lambda: seconds_of(lambda: list(model.stream(prompts, generator=generator, allowed=allowed)))


def without_memory(vocabulary: int) -> Callable[[], float]:
    """Seconds of the same, with everything read again for every token: every EACH-th is drawn and stands for all."""
    model, generator = gpt(vocabulary), torch.Generator().manual_seed(0)

    @torch.inference_mode()
    def draw() -> None:
        for place in range(EACH // 2, DRAWN, EACH):
            tokens = torch.randint(2, vocabulary, (TEXTS, place), generator=generator)
            logits = model.net.logits(model.net(tokens)[:, -1]).masked_fill(~endless(tokens, vocabulary), float("-inf"))
            categorical(logits, generator)

    return lambda: EACH * seconds_of(draw)


def take_turns(name: str, tokens: int, ours: Callable[[], float], other: Callable[[], float], rounds: int) -> None:
    """Print the tokens per second of both, and how many times ours is as fast: medians of pairs."""
    pairs = [(ours(), other()) for _ in range(1 + rounds)][1:]  # the first is slower: memory is new
    rates = [tokens / statistics.median(seconds) for seconds in zip(*pairs, strict=True)]
    ratios = sorted(b / a for a, b in pairs)
    print(
        f"{name}: {rates[0]:,.0f} tokens/s, the other {rates[1]:,.0f}; ratio {statistics.median(ratios):.2f}", end=" "
    )
    print(f"({ratios[0]:.2f} to {ratios[-1]:.2f}, {rounds} pairs)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=("training", "drawing"))
    parser.add_argument("--precision", default="auto", choices=("auto", "f32", "bf16"))
    words = parser.parse_args()
    set_threads(words.threads)
    precision = choose_precision(words.precision, torch.device("cpu"))
    print(f"{words.threads} threads, training in {precision}", flush=True)
    ways = {"the script's optimiser": SAME, "the preset's": of_the_preset()}
    for vocabulary in VOCABULARIES if words.only != "drawing" else ():
        for document, name in ((200_000, "one document"), (100, "documents of 100 tokens")):
            examples = stream_of_tokens(vocabulary, document)
            for way, settings in ways.items():
                with tempfile.TemporaryDirectory() as folder:
                    loop = through_the_loop(vocabulary, examples, settings, precision, Path(folder))
                    plain = by_hand(vocabulary, examples, precision)
                    what = f"training, {vocabulary} pieces, {name}, {way}"
                    take_turns(what, BATCH * CONTEXT, loop, plain, words.rounds)
    for vocabulary in VOCABULARIES if words.only != "training" else ():
        take_turns(
            f"drawing, {vocabulary} pieces",
            TEXTS * DRAWN,
            with_memory(vocabulary),
            without_memory(vocabulary),
            max(2, words.rounds // 3),
        )


if __name__ == "__main__":
    main()
