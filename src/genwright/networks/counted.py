"""Counts of n-grams beside a network: what a few texts say too seldom for a network to have learned it.

The network and the counts err in different places, so that their mixture (Jelinek and Mercer 1980) costs less than either:
p = (1 - share) p_network + share p_counts. The share is the likeliest for texts that neither has learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genwright.contract import BEGIN, Batch
from genwright.networks.ngram import NGram

MOST = 1_000_000  # tokens counted beside a network, fifty bytes each; of more text the network knows as much
LARGEST = 0.999  # share of the counts: nothing that the network says is lost
TUNED = 30_000  # tokens that the share is chosen for
HALVINGS = 20  # of the range of shares


class Counts(nn.Module):
    """An n-gram model as a module: its arrays are buffers, so that they are saved as weights are. Read `networks/ngram.py`."""

    def __init__(self, vocabulary: int, order: int) -> None:
        super().__init__()
        self._shape = (vocabulary, order)  # a buffer is called vocabulary
        self.clear()

    def clear(self) -> None:
        """Know nothing."""
        self.keep(NGram.fit([np.zeros(1, np.int64)], *self._shape))

    def keep(self, model: NGram) -> None:
        """Be this model from now on."""
        self._model: NGram | None = model
        for name, array in model.arrays().items():
            self.register_buffer(name, torch.from_numpy(array))

    @property
    def model(self) -> NGram:
        """The model as it counts."""
        if self._model is None:
            buffers = self.named_buffers(recurse=False)
            self._model = NGram.from_arrays({name: buffer.cpu().numpy() for name, buffer in buffers})
        return self._model

    def fit(self, batches: Iterable[Batch], *, most: int | None = None) -> None:
        """Count the documents of windows that follow each other, up to the one that passes `most` tokens."""
        streams, left = [], most
        for document, _ in documents(batches, most):
            streams.append(document[:left])
            left = None if left is None else left - len(document)
            if left is not None and left <= 0:
                break
        self.keep(NGram.fit(streams, *self._shape))

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """As in torch, but the buffers take the sizes of what is loaded: they depend on the data."""
        for name in dict(self.named_buffers(recurse=False)):
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name], device=getattr(self, name).device))
        self._model = None
        super()._load_from_state_dict(state_dict, prefix, *rest)


class Beside(nn.Module):
    """Counts and their share in what a network says; nothing until they are fitted."""

    share: Tensor

    def __init__(self, vocabulary: int, order: int) -> None:
        super().__init__()
        self.counts = Counts(vocabulary, order)
        self.register_buffer("share", torch.zeros((), dtype=torch.float64))

    def fit(self, batches: Iterable[Batch]) -> None:
        """Count. What share the counts have is open until `tune`."""
        self.counts.fit(batches, most=MOST)
        self.share.zero_()

    def tune(self, nats: Callable[[Batch], tuple[Tensor, Tensor]], held: Iterable[Batch]) -> float:
        """The likeliest share for the later halves of held-out windows, of which a network knows what came before.

        `nats` gives (B, T - 1) what tokens cost the network, and which count.
        """
        ratios: list[Tensor] = []  # of the probabilities by the counts and by the network
        for batch in held:
            if sum(map(len, ratios)) >= TUNED:
                break
            cost, counted = nats(batch)
            later = counted & (torch.arange(counted.shape[1], device=counted.device) >= counted.shape[1] // 2)
            ratios.append((cost.double() - self.nats(batch.x))[later].exp().cpu())
        better = torch.cat([*ratios, torch.zeros(0, dtype=torch.float64)]) - 1
        low, high = 0.0, LARGEST
        for _ in range(HALVINGS):  # the likelihood is concave: where it still rises, the best share is larger
            middle = (low + high) / 2
            rises = float((better / (1 + middle * better)).sum()) > 0
            low, high = (middle, high) if rises else (low, middle)
        self.share.fill_(low)
        if not low:
            self.counts.clear()
        return low

    def nats(self, x: Tensor) -> Tensor:
        """(B, T - 1) what each token of (B, T) windows but the first costs by the counts alone, float64."""
        streams = [part for row in x.cpu().numpy() for part in _documents_of(row)]
        found = -self.counts.model.log_probabilities(*streams)
        return torch.from_numpy(found).view(x.shape)[:, 1:].to(x.device)

    def mixed_nats(self, nats: Tensor, x: Tensor) -> Tensor:
        """(B, T - 1) what tokens cost the mixture where they cost the network `nats`."""
        if not self.share:
            return nats
        both = torch.logaddexp(torch.log1p(-self.share) - nats, self.share.log() - self.nats(x))
        return -both.to(nats.dtype)


class Follower:
    """Texts that grow, as the counts remember them: their last few tokens."""

    def __init__(self, beside: Beside) -> None:
        self.beside, self.nodes = beside, list[np.ndarray]()

    def mixed(self, tokens: Tensor, logits: Tensor) -> Tensor:
        """(B, V) logits of the token after the next (B, T) tokens, from those of the network; as they are without counts."""
        share, model = float(self.beside.share), self.beside.counts.model
        if not share:
            return logits
        read = tokens.cpu().numpy()
        if self.nodes:
            for column in read.T:
                self.nodes = model.follow(self.nodes, column)
        else:
            self.nodes = model.after(list(read))
        counted = torch.from_numpy(model.probabilities(self.nodes)).to(logits)
        return torch.lerp(logits.softmax(-1), counted, share).log()

    def select(self, texts: Tensor) -> None:
        """Remember only these of the texts, (n,) their places."""
        self.nodes = [node[texts.cpu().numpy()] for node in self.nodes]


def documents(batches: Iterable[Batch], most: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Windows that follow each other, each repeating the last token of the one before, as documents and what counts; no
    more windows than hold `most` tokens."""
    tokens, counts, held = [], [], 0
    for batch in batches:
        x = batch.x.cpu().numpy()
        counted = np.ones(x.shape, bool) if batch.counts is None else batch.counts.cpu().numpy()
        tokens += [x[:, :-1].ravel()]
        counts += [counted[:, :-1].ravel()]
        held += tokens[-1].size
        if most is not None and held >= most:
            break
    if not tokens:
        return
    stream, counting = np.concatenate([*tokens, x[-1, -1:]]), np.concatenate([*counts, counted[-1, -1:]])
    for document, counted in zip(_documents_of(stream), _documents_of(counting, stream), strict=True):
        if counted.any():  # else it fills up the last window
            yield document, counted


def _documents_of(values: np.ndarray, tokens: np.ndarray | None = None) -> Sequence[np.ndarray]:
    """Values of a stream of tokens (they themselves), in parts that begin where documents do."""
    starts = np.flatnonzero((values if tokens is None else tokens) == BEGIN)
    return np.split(values, starts[starts > 0])
