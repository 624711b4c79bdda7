"""What a model must offer, and what it is told about the data: the only file that models, training and codecs share.

A codec turns user data into tensors and describes them in a `DataSpec`; a `GenerativeModel` is built from that spec and
sees nothing else of the data. Read `training/loop.py` next: it drives every model through this contract.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

FREE = -1  # in a row condition: this position is not given, the model draws it
SAMPLES = "samples"  # in `selects_by`
BEGIN, END = 0, 1  # tokens: a document begins; a message ends
PRESENT = -2  # not given either, but the value may not be missing (imputation)


@dataclass(frozen=True)
class Span:
    """One position of a coded row: what the integers 0 .. size-1 at that position mean.

    A number is coded as the cell of a grid laid over its training quantiles: a cell is one value (an *atom*: a spike, or
    a column with few values) or an interval. Interval cells may be refined by a second span, whose codes are equal
    slices of the cell; where the parent's cell is an atom or missing, the refining code is 0 and carries no information.
    """

    column: str
    frequency: tuple[float, ...]
    """Share of training rows with each code; sums to 1. For a refining span: among the rows whose parent is refined."""
    ordered_from: int
    """Codes from here on follow the order of the values; codes below (missing, rare) have none. size: no order."""
    parent: int | None = None
    """Index of the span that this one refines; it always comes directly before."""
    missing: bool = False
    """Code 0 means that the value is missing."""
    refined: tuple[bool, ...] = ()
    """On a parent: which of its codes are intervals, so that the next span tells where inside. Empty: none."""

    @property
    def size(self) -> int:
        return len(self.frequency)


@dataclass(frozen=True)
class DataSpec:
    """What the tensors are; enough to pick a backbone and to size every layer. Serialises with `dataclasses.asdict`."""

    kind: Literal["row", "grid", "series", "tokens"]
    shape: tuple[int, ...]
    """Shape of one example, without the batch axis: (spans,) for a row, (channels, height, width) for a grid."""
    vocabulary: int = 0
    """Number of token values for kind "tokens", else 0."""
    spans: tuple[Span, ...] = ()
    """For kind "row": one entry for each position."""
    last: int = END
    """For kind "tokens": a sample is complete with this token; BEGIN: with the next document's."""
    class_shares: tuple[float, ...] = ()
    """Share of training examples with each class label; sums to 1. Empty: no labels (rows condition on positions)."""

    @property
    def classes(self) -> int:
        """Number of class labels in `Batch.condition`, 0 for none."""
        return len(self.class_shares)


@dataclass(frozen=True)
class Batch:
    """B examples.

    Rows: x is (B, spans) int64 codes; a condition is (B, spans) codes, FREE or PRESENT if not given.
    Grids: x is (B, channels, height, width) float32 in [-1, 1], the pixel values 0 .. 255 divided by 127.5, minus 1; the
    condition is (B,) int64 class labels wherever the spec has classes, in training as in sampling, else None.
    Tokens: x is (B, tokens) int64, a window that may hold several documents, each from BEGIN on; for sampling, a condition is
    (B, tokens) prompts from BEGIN on, and what follows the spec's `last` token is BEGIN.
    """

    x: Tensor
    condition: Tensor | None = None
    drawn: Mapping[str, Tensor] = field(default_factory=dict)
    """What `draw` added: noise, times, orders, fakes; the only randomness that `loss` may use. Batch axis first."""

    progress: float = 1.0
    """Share of the run that is done: what warms up or grows goes by it. 1 outside training."""

    counts: Tensor | None = None
    """Tokens: (B, tokens) bool, the tokens that the loss counts, such as those of answers; None: all."""

    def drawing(self, **drawn: Tensor) -> Batch:
        """The same batch with more drawn tensors."""
        return replace(self, drawn={**self.drawn, **drawn})

    def __len__(self) -> int:
        return self.x.shape[0]


@dataclass(frozen=True)
class Phase:
    """One kind of optimiser step, as data (the term StyleGAN's training loop uses)."""

    name: str
    updates: str
    """Attribute holding the sub-module whose parameters move."""
    reads_data: bool = True
    """False: the loop hands it no data, so it costs no privacy."""
    mixes_examples: bool = False
    """True (BatchNorm, PacGAN, minibatch optimal transport): private training is refused, saying why."""
    repeats: int = 1
    """Steps in one round."""
    interval: int = 1
    """Takes part in each interval-th step of the run only (lazy regularisation)."""
    rate: float = 1.0
    """Learning rate of the phase as a share of the run's."""
    active: tuple[float, float] = (0.0, 1.0)
    """Share of the run in which the phase takes part: two-stage models need no second trainer."""


class GenerativeModel(nn.Module, ABC):
    """A model: phases, a loss, a sampler. Subclasses are final and take flat arguments after the spec.

    Models without gradients (trees, n-grams) leave `phases` empty and learn everything in `fit`.
    """

    phases: tuple[Phase, ...] = ()
    decodes: bool = False
    """Has latent vectors: `latents` draws them, `decode` makes examples of them (interpolation, editing)."""
    encodes: bool = False
    """`encode` finds what `decode` makes an example of again, nearly (reconstruction)."""
    inverts: bool = False
    """`decode` undoes `encode` whatever has been learned, so that a reconstruction says nothing of the model."""
    private: bool = False
    """With a ledger, `prepare` and `fit` see examples through its mechanisms alone, by what `plan` has put into its plan."""
    prepares: bool = False
    """Learns something before the first phase, in `prepare`."""
    streams: bool = False
    """Of tokens: `stream` draws one after another, so that what may come next can be restricted on the way."""
    restricts: bool = False
    """Of rows: `sample_within` can be asked for conditions on any positions; other models' rows are drawn and sifted."""
    refits: tuple[str, ...] = ()
    """Attributes whose state `fit` makes anew: a training that starts from a finished run does not take them over."""
    selects_by: str | None = None
    """What picks the snapshot that ships: the phase of this name by its loss on a held-out slice; SAMPLES: the distance of
    samples from that slice (losses of a GAN say nothing); None: the last one ships."""

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """All randomness of a step, made without gradient before the loss. The default draws nothing."""
        return batch

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """Named terms of shape (B,); the objective is the mean over B of their sum. Pure: draws no randomness."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient phases")

    def observe(self, phase: Phase, batch: Batch) -> None:
        """Update buffers that are not learned by gradient (EMA codebooks); never called in a private phase."""

    def prepare(self, batches: Iterable[Batch], ledger: Any) -> None:
        """What the phases build on, learned once before the first of them; buffers alone. `batches` as in `fit`."""

    def fit(self, batches: Iterable[Batch], ledger: Any) -> None:
        """What is learned without gradients, once, after the last phase: everything for trees, calibration for others.

        `batches` runs once over all training examples when iterated; a model that does not iterate costs no privacy.
        """

    def tune(self, held: Iterable[Batch]) -> dict[str, float]:
        """A few numbers that are chosen by the slice kept out of training, once, after `fit`; never under a guarantee.
        Returns those that a user may want to see, by name."""
        return {}

    @staticmethod
    def plan(ledger: Any, columns: int, **settings: Any) -> None:
        """Plan what `prepare` or `fit` will release of rows of so many columns (0: of other examples), by the model's settings
        and, for models with phases, `rho` (zCDP); without, all that the plan has left."""
        raise NotImplementedError("this model plans no releases")

    @abstractmethod
    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n new examples; `generator` is the only source of randomness. Conditions as in `Batch`, first axis n."""

    def sample_within(self, n: int, factors: Mapping[int, Tensor], *, generator: torch.Generator) -> Batch:
        """n rows of the distribution that is the model's times the factors of the codes at some positions.

        A factor is 0 or more for each code of the span, (size,); for a span that refines, (parent's size, size), and its
        parent then has one too.
        """
        raise NotImplementedError(f"{type(self).__name__} does not draw rows within limits")

    def stream(self, prompts: Tensor, *, generator: torch.Generator, **how: Any) -> Iterator[Tensor]:
        """(B,) tokens that follow (B, P) prompts, place after place; see `networks/drawing.py`."""
        raise NotImplementedError(f"{type(self).__name__} does not draw one token after another")

    def measures(self, batches: Iterable[Batch], generator: torch.Generator) -> dict[str, float]:
        """What only the model itself can say of held-out data, by the report's names: likelihoods, use of a codebook."""
        return {}

    def nats(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of tokens: what each token but the first costs, (B, tokens - 1), and whether the loss counts it."""
        raise NotImplementedError(f"{type(self).__name__} does not tell the cost of single tokens")

    def familiarity(self, batch: Batch) -> Tensor | None:
        """(B,) how much examples are like those it learned from, where it can say so without draws: by a density, or by what a
        critic thinks of them. None: its loss tells."""
        return None

    def states(self, batch: Batch) -> Tensor:
        """Of tokens: what the network makes of each token of a window and those before it, (B, tokens, width)."""
        raise NotImplementedError(f"{type(self).__name__} has no network that reads tokens")

    def latents(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n latent vectors, (n, ...), of the distribution that `decode` expects."""
        raise NotImplementedError(f"{type(self).__name__} has no latent vectors")

    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Batch:
        """Examples of latent vectors; the same vectors give the same examples."""
        raise NotImplementedError(f"{type(self).__name__} has no latent vectors")

    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """The latent vectors of given examples."""
        raise NotImplementedError(f"{type(self).__name__} does not encode")
