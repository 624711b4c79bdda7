"""What a model of texts says of given texts itself: what held-out ones cost, and how well it remembers planted ones."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from genwright.codecs.text import COUNTED, TextCodec
from genwright.contract import BEGIN, Batch, GenerativeModel
from genwright.data.documents import Document
from genwright.data.token_batches import TokenExamples
from genwright.metrics.text_canaries import exposure
from genwright.metrics.text_distance import Embedding
from genwright.metrics.values import Metric, metric

AT_ONCE = 64  # texts whose cost is taken together
MEASURED = 1_000_000  # bytes of held-out texts that the likelihood is taken of, at most


def measured(model: GenerativeModel, codec: TextCodec, holdout: Sequence[Document], *, seed: int) -> dict[str, Metric]:
    """The cost of held-out documents by token, character and byte; nothing where there are none.

    Each token is read with at least half of the context before it, where its document has that.
    """
    few: list[Document] = []
    size = 0
    for document in holdout:
        if size + document.bytes > MEASURED and few:
            break
        few.append(document)
        size += document.bytes
    cost = nats(model, codec, few, seed=seed)
    if cost is None:
        return {}
    mean, tokens = cost
    said = [m.content for document in few for m in document.messages if codec.whole or m.role in COUNTED]
    total, size = mean * tokens, sum(len(text.encode("utf-8", "replace")) for text in said)
    return {
        "nats": metric(mean, None, None, "lower", "nats a token", n=tokens),
        "nats_per_character": metric(total / max(1, sum(map(len, said))), None, None, "lower", "nats"),
        "perplexity": metric(math.exp(min(mean, 700)), None, None, "lower", "tokens"),
        "bits_per_byte": metric(total / math.log(2) / max(1, size), None, None, "lower", "bits"),
    }


def nats(
    model: GenerativeModel, codec: TextCodec, documents: Sequence[Document], *, seed: int = 0
) -> tuple[float, int] | None:
    """Mean nats of a counted token of the documents, and how many there are; None where there are none."""
    coded = codec.encode_all(documents)
    if not coded:
        return None
    examples = TokenExamples.written(coded, codec.context, dtype=codec.dtype, prefix=codec.prefix, overlapping=False)
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    batches = _overlapping(examples, device) if model.phases else examples.once(device)
    found = model.measures(batches, torch.Generator(device).manual_seed(seed))
    return (found["nats"], int(sum(counted.sum() for _, counted in coded))) if "nats" in found else None


def _overlapping(examples: TokenExamples, device: torch.device) -> Iterator[Batch]:
    """Windows that begin in the middle of the one before, and of which the later half counts (of the first, all)."""
    half = examples.context // 2
    windows = replace(examples, stride=examples.context - half)
    for start in range(0, len(windows), windows.at_once):
        batch = windows.batch(slice(start, min(start + windows.at_once, len(windows))), device)
        assert batch.counts is not None
        later = torch.arange(start, start + len(batch), device=device)[:, None] > 0
        known = torch.arange(batch.counts.shape[1], device=device) <= half
        yield replace(batch, counts=batch.counts & ~(later & known))


def exposed(
    model: GenerativeModel, codec: TextCodec, planted: Sequence[str], others: Sequence[str]
) -> dict[str, Metric]:
    """How well the model remembers the canary that it remembers best, in bits, less what the best of so many would have by
    chance; nothing where none was planted."""
    if not planted:
        return {}
    found = exposure(planted, others, lambda texts: costs(model, codec, texts))
    best = float(found.bits.max()) - math.log2(len(planted))
    return {"exposure": metric(best, None, None, "lower", "bits", flagged=int(found.flagged.sum()), n=len(planted))}


@torch.no_grad()
def costs(model: GenerativeModel, codec: TextCodec, texts: Sequence[str]) -> np.ndarray:
    """(texts,) nats of each text on its own."""
    if not model.phases:
        return np.array([_alone(model, *one) for one in codec.encode_all([Document.of(text) for text in texts])])
    found = [(cost * counting).sum(1) for cost, counting in map(model.nats, _batches(model, codec, texts))]
    return torch.cat(found).cpu().numpy()


def states(model: GenerativeModel, codec: TextCodec) -> Embedding | None:
    """Texts as the model itself sees them: the mean of its last states over the first tokens of a text, of as many as fit its
    context. None for a model without a network."""
    if not model.phases:
        return None

    @torch.no_grad()
    def call(texts: Sequence[str]) -> np.ndarray:
        found = []
        for batch in _batches(model, codec, texts):
            real = (batch.x != BEGIN)[:, :, None]
            real[:, 0] = True  # the beginning itself: a text may have nothing more
            found.append((model.states(batch) * real).sum(1) / real.sum(1))
        return torch.cat(found).double().cpu().numpy()

    mark = hashlib.sha256()
    for _, weight in sorted(model.state_dict().items()):
        mark.update(weight.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return Embedding("own_states", mark.hexdigest(), call)


def _batches(model: GenerativeModel, codec: TextCodec, texts: Sequence[str]) -> Iterator[Batch]:
    """Each text in a row of its own, in their order, cut where the context ends."""
    coded = codec.encode_all([Document.of(text) for text in texts])
    device = next(model.parameters()).device
    for start in range(0, len(coded), AT_ONCE):
        part = coded[start : start + AT_ONCE]
        longest = min(max(len(tokens) for tokens, _ in part), codec.context + 1)
        x = np.full((len(part), longest), BEGIN, np.int64)
        counts = np.zeros(x.shape, bool)
        for row, (tokens, counted) in enumerate(part):
            x[row, : len(tokens)], counts[row, : len(tokens)] = tokens[:longest], counted[:longest]
        yield Batch(torch.from_numpy(x).to(device), counts=torch.from_numpy(counts).to(device))


def _alone(model: GenerativeModel, tokens: np.ndarray, counted: np.ndarray) -> float:
    batch = Batch(torch.from_numpy(tokens.astype(np.int64))[None], counts=torch.from_numpy(counted)[None])
    return model.measures([batch], torch.Generator())["nats"] * int(counted.sum())
