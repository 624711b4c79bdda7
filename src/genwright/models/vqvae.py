"""VQ-VAE: an autoencoder whose code is a small grid of whole numbers, and a Transformer that draws such grids.

Van den Oord et al., "Neural discrete representation learning" (2017). Two phases of one run: first the codes are learned,
then, with the encoder at rest, the distribution of the codes of the images, given the label. The quantisers are in
`networks/autoencoder.py`, the Transformer in `networks/causal.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from genwright.contract import Batch, DataSpec, GenerativeModel, Phase
from genwright.errors import GenwrightError
from genwright.networks.autoencoder import Codebook, Decoder, Encoder, FiniteScalars, coarse, halvings, widths
from genwright.networks.causal import CausalTransformer, categorical

COARSEST = 16  # longer side of the grid of codes, at most
LEVELS = {64: (8, 8), 240: (8, 6, 5), 1000: (8, 5, 5, 5), 4375: (7, 5, 5, 5, 5)}  # Mentzer et al. 2023, table 1
DIMENSIONS = 16  # of the vectors of a codebook
AT_ONCE = 256  # images drawn together


class VQVAE(GenerativeModel):
    """Encoder, quantiser and decoder in `autoencoder`, the Transformer over codes in `prior`."""

    phases = (
        Phase("codes", updates="autoencoder", active=(0.0, 0.5)),
        Phase("prior", updates="prior", active=(0.5, 1.0)),
    )
    selects_by = "prior"
    encodes = True

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: int,
        depth: int,
        quantiser: str,
        codes: int,
        commitment: float,
        prior_width: int,
        prior_depth: int,
        temperature: float,
    ) -> None:
        super().__init__()
        if quantiser == "fsq" and codes not in LEVELS:
            known = ", ".join(map(str, LEVELS))
            raise GenwrightError("GW-0202", f"The quantiser fsq cannot have {codes} codes", f"Choose one of {known}.")
        self.commitment, self.temperature = commitment, temperature
        quantise = FiniteScalars(LEVELS[codes]) if quantiser == "fsq" else Codebook(codes, DIMENSIONS)
        self.autoencoder = Autoencoder(spec.shape, quantise, width=width, depth=depth)
        self.sides = self.autoencoder.sides
        self.prior = CausalTransformer(
            codes, math.prod(self.sides), width=prior_width, depth=prior_depth, classes=max(spec.classes, 1)
        )

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """For the prior, codes: (B, places) of the images."""
        return batch.drawing(codes=self.encode(batch.x).flatten(1)) if phase.name == "prior" else batch

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """codes: squared error of the reconstruction and, for a codebook, of the vectors (equation 3 without its second
        term, which is `observe`); prior: negative log-likelihood of the codes in nats. (B,) each."""
        if phase.name == "prior":
            codes = batch.drawn["codes"]
            logits = self.prior(codes, self._labels(batch.condition, batch.x)).float()
            return {"nll": nn.functional.cross_entropy(logits.mT, codes, reduction="none").sum(1)}
        vectors = self.autoencoder.vectors(batch.x)
        quantised, _ = self.autoencoder.quantise(vectors)
        terms = {"reconstruction": (self.autoencoder.image(quantised) - batch.x).pow(2).flatten(1).mean(1)}
        if isinstance(self.autoencoder.quantise, Codebook):
            terms["commitment"] = self.commitment * (vectors - quantised.detach()).pow(2).flatten(1).mean(1)
        return terms

    def observe(self, phase: Phase, batch: Batch) -> None:
        """The codebook follows the encoder."""
        quantise = self.autoencoder.quantise
        if phase.name == "codes" and isinstance(quantise, Codebook):
            quantise.follow(self.autoencoder.vectors(batch.x).flatten(0, 2))

    @torch.no_grad()
    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """(B, rows, columns) codes."""
        return self.autoencoder.quantise(self.autoencoder.vectors(x))[1]

    @torch.no_grad()
    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Batch:
        """Images of (B, rows, columns) codes."""
        return Batch(self.autoencoder.image(self.autoencoder.quantise.vectors(z)).clamp(-1, 1), condition)

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n images; at temperatures below 1 of likelier codes, more alike."""
        label = self._labels(condition, self.prior.place.new_zeros(n))
        images = [self.decode(self._drawn(part, generator)).x for part in label.split(AT_ONCE)]
        return Batch(torch.cat(images), condition)

    @torch.no_grad()
    def usage(self, batches: Iterable[Batch]) -> dict[str, float]:
        """share: of the codes, those that occur; perplexity: exp of their entropy, `codes` if all are equally frequent."""
        count = torch.zeros(self.autoencoder.quantise.size, dtype=torch.float64, device=self.prior.place.device)
        for batch in batches:
            count += torch.bincount(self.encode(batch.x).flatten(), minlength=len(count))
        entropy = torch.special.entr(count / count.sum()).sum()
        return {"share": float((count > 0).double().mean()), "perplexity": float(entropy.exp())}

    def measures(self, batches: Iterable[Batch], generator: torch.Generator) -> dict[str, float]:
        """How much of the codebook held-out pictures use."""
        return {
            f"codebook_{'usage' if name == 'share' else name}": value for name, value in self.usage(batches).items()
        }

    def _drawn(self, label: Tensor, generator: torch.Generator) -> Tensor:
        """Codes of (B,) labels, one place after another."""
        memory, codes = self.prior.start(len(label)), [label]
        for place in range(math.prod(self.sides)):
            logits = self.prior.step(memory, place, codes[-1])
            codes.append(categorical(logits / self.temperature, generator))
        return torch.stack(codes[1:], dim=1).view(-1, *self.sides)

    def _labels(self, condition: Tensor | None, like: Tensor) -> Tensor:
        return torch.zeros(len(like), dtype=torch.int64, device=like.device) if condition is None else condition


class Autoencoder(nn.Module):
    """Images of a shape to vectors on the grid `sides`, and quantised vectors to images."""

    def __init__(self, shape: tuple[int, ...], quantise: FiniteScalars | Codebook, *, width: int, depth: int) -> None:
        super().__init__()
        channels, height, width_of_image = shape
        sides = (height, width_of_image)
        times = halvings(sides, longest=COARSEST)
        self.sides, features = coarse(sides, times), widths(width, times)[-1]
        self.encoder = Encoder(channels, width, times=times, depth=depth)
        self.narrow = nn.Linear(features, quantise.dimensions)
        self.quantise = quantise
        self.widen = nn.Linear(quantise.dimensions, features)
        self.decoder = Decoder(channels, sides, width, times=times, depth=depth)

    def vectors(self, x: Tensor) -> Tensor:
        """(B, rows, columns, dimensions), not quantised."""
        return _precise(self.narrow(self.encoder(x).permute(0, 2, 3, 1)))

    def image(self, quantised: Tensor) -> Tensor:
        """(B, channels, height, width) of (B, rows, columns, dimensions)."""
        return _precise(self.decoder(self.widen(quantised).permute(0, 3, 1, 2)))


def _precise(x: Tensor) -> Tensor:
    """float32 at least: what bf16 layers give is rounded and compared here."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
