"""An autoregressive model of pixels: exact likelihoods, images drawn square by square, row by row.

After PixelCNN (van den Oord et al., "Pixel recurrent neural networks", 2016), but places are squares of `patch` pixels a
side: a network of causal convolutions (`networks/causal.py`) sees the squares before, and a small head draws the pixels of
the square one after another as NADE does (Larochelle and Murray 2011): red of all its pixels, then green, then blue. A
pixel of more than 16 levels is two digits, the coarse one first, so no softmax is larger than 16 and the probabilities
of the levels sum to 1 without any assumption on their shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genwright.contract import Batch, DataSpec, GenerativeModel, Phase
from genwright.errors import GenwrightError
from genwright.networks.causal import CausalConvolutions, categorical

DIGITS = {2: (1, 2), 4: (1, 4), 8: (1, 8), 16: (1, 16), 64: (2, 8), 256: (2, 16)}  # levels -> (digits, base)
AT_ONCE = 256  # images drawn together: their memory is some 400 kB each


class PixelAR(GenerativeModel):
    """Network and head in `net`. Of `levels` grey or colour values each pixel has the nearest; 2 levels are drawn."""

    phases = (Phase("likelihood", updates="net"),)
    selects_by = "likelihood"

    def __init__(
        self,
        spec: DataSpec,
        *,
        levels: int,
        patch: int,
        width: int,
        hidden: int,
        depth: int,
        temperature: float,
    ) -> None:
        super().__init__()
        if levels not in DIGITS:
            known = ", ".join(map(str, DIGITS))
            raise GenwrightError("GW-0202", f"pixel-ar cannot have {levels} levels", f"Choose one of {known}.")
        channels, height, width_of_image = spec.shape
        if height % patch or width_of_image % patch:
            raise GenwrightError(
                "GW-0202",
                f"Images of {width_of_image} x {height} pixels cannot be parted into squares of {patch} x {patch}",
                "Choose a --model.patch that divides the side, or another --images.size.",
            )
        self.levels, self.patch, self.temperature = levels, patch, temperature
        self.sides = (height // patch, width_of_image // patch)
        self.pixels, (self.digits, self.base) = channels * patch**2, DIGITS[levels]
        self.net = Network(
            CausalConvolutions(self.pixels, self.sides, features=width, depth=depth, classes=max(spec.classes, 1)),
            Head(width, self.pixels * self.digits, self.base, hidden),
        )

    def draw(self, phase: Phase, batch: Batch) -> Batch:
        """pixels: (B, channels, height, width) levels as integers."""
        return batch.drawing(pixels=self._quantised(batch.x))

    def loss(self, phase: Phase, batch: Batch) -> dict[str, Tensor]:
        """Negative log-likelihood of each image in nats, (B,)."""
        label = self._labels(batch.condition, batch.x)
        pixels = F.pixel_unshuffle(batch.drawn["pixels"], self.patch).permute(0, 2, 3, 1)
        digits = pixels
        if self.digits == 2:
            digits = torch.stack([pixels // self.base, pixels % self.base], dim=-1).flatten(-2)
        logits = self.net.head(self.net.context(self._brightness(pixels), label), digits).float()
        nll = F.cross_entropy(logits.flatten(0, -2), digits.flatten(), reduction="none")
        return {"nll": nll.view(len(digits), -1).sum(1)}

    @torch.no_grad()
    def nll(self, x: Tensor, *, condition: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """(B,) nats, exactly -log p(levels | label). At 2 levels the generator draws bits by the brightness of x."""
        batch = Batch(x, condition).drawing(pixels=self._quantised(x, generator))
        return self.loss(self.phases[0], batch)["nll"]

    def measures(self, batches: Iterable[Batch], generator: torch.Generator) -> dict[str, float]:
        """Exact: nats of a picture and, of more than two levels, bits of a pixel value."""
        exact = [self.nll(batch.x, condition=batch.condition, generator=generator) for batch in batches]
        nats = float(torch.cat(exact).mean())
        values = self.pixels * self.sides[0] * self.sides[1]
        return (
            {"nats": nats} if self.levels == 2 else {"nats": nats, "bits_per_dimension": nats / (values * math.log(2))}
        )

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Batch:
        """n images; at temperatures below 1 likelier ones, more alike."""
        label = self._labels(condition, self.net.head.shift.new_zeros(n))
        return Batch(torch.cat([self._drawn(part, generator) for part in label.split(AT_ONCE)]), condition)

    def _drawn(self, label: Tensor, generator: torch.Generator) -> Tensor:
        """Images of (B,) labels, one place after another."""
        context, head = self.net.context, self.net.head
        memory, (height, width) = context.start(len(label)), self.sides
        pixels = torch.empty(len(label), self.pixels, height, width, device=label.device)
        for row in range(height):
            for column in range(width):
                digits = head.draw(context.step(memory, row, column, label), self.temperature, generator)
                if self.digits == 2:
                    digits = digits[:, 0::2] * self.base + digits[:, 1::2]
                pixels[:, :, row, column] = x = self._brightness(digits)
                context.remember(memory, row, column, x)
        return F.pixel_shuffle(pixels, self.patch)

    def _quantised(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Levels of x: the nearest, or of two a draw by the brightness (Salakhutdinov and Murray 2008)."""
        share = (x + 1) / 2
        bits = self.levels == 2
        return (torch.bernoulli(share, generator=generator) if bits else share * (self.levels - 1)).round().long()

    def _brightness(self, pixels: Tensor) -> Tensor:
        """Levels in [-1, 1]."""
        return pixels.to(self.net.head.shift.dtype) * (2 / (self.levels - 1)) - 1

    def _labels(self, condition: Tensor | None, like: Tensor) -> Tensor:
        return torch.zeros(len(like), dtype=torch.int64, device=like.device) if condition is None else condition


class Network(nn.Module):
    """What sees the places before, and what draws a place."""

    def __init__(self, context: CausalConvolutions, head: Head) -> None:
        super().__init__()
        self.context, self.head = context, head


class Head(nn.Module):
    """The digits of one place, each given the context and the digits before it: NADE with a softmax for each.

    Larochelle and Murray, "The neural autoregressive distribution estimator" (2011), equations 8 to 10: what is known
    adds up before one hidden layer. Departs: the context takes the place of the bias, and ReLU that of the sigmoid.
    """

    def __init__(self, features: int, digits: int, base: int, hidden: int) -> None:
        super().__init__()
        self.enter = nn.Linear(features, hidden)
        self.known = nn.Parameter(torch.randn(digits, base, hidden) * 0.3)
        self.shift = nn.Parameter(torch.zeros(digits, hidden))
        self.weight = nn.Parameter(torch.randn(digits, hidden, base) * hidden**-0.5)
        self.bias = nn.Parameter(torch.zeros(digits, base))

    def forward(self, context: Tensor, digits: Tensor) -> Tensor:
        """context (..., features), digits (..., D) -> logits (..., D, base) of each, given those before it."""
        given = iter(digits.unbind(-1))
        return self._each(context, lambda logits: next(given))[0]

    def draw(self, context: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """(B, D) digits of contexts (B, features)."""
        return self._each(context, lambda logits: categorical(logits / temperature, generator))[1]

    def _each(self, context: Tensor, choose: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Logits and digits, chosen one after another: all at once, hidden layers would not fit into a processor's cache."""
        h, logits, digits = self.enter(context), [], []
        for known, shift, weight, bias in zip(self.known, self.shift, self.weight, self.bias, strict=True):
            logits.append(F.relu(h + shift) @ weight + bias)
            digits.append(choose(logits[-1]))
            h = h + F.embedding(digits[-1], known)
        return torch.stack(logits, dim=-2), torch.stack(digits, dim=-1)
