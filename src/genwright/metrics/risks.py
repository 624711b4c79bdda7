"""From attacks to a risk: what an attack finds out on training rows beyond what it finds out on rows never trained on.

Singling out, linkability and inference are the three risks that European law names (Article 29 Working Party, opinion
05/2014), measured by attacks as Giomi et al. 2023 (anonymeter) propose. An attack that works as well on people outside
the training table has used what is true of everybody; only the excess is a breach of the training rows:

    risk = (attack - control) / (1 - control) = 1 - (failures on training rows) / (failures on control rows)

Read `singling_out.py` and `lookalikes.py` for the attacks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from genwright.metrics.closest import wilson


@dataclass(frozen=True)
class Rate:
    """Share of attacks that succeed, in [0, 1], with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Risk:
    """The excess over the control in (-inf, 1], with its 95 % interval: below 0, the control rows fared worse."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Attacked:
    """One kind of attack: its success on training rows, on control rows, and that of a guess that knows no record."""

    attack: Rate
    control: Rate
    naive: float
    attacks: int

    @property
    def risk(self) -> Risk | None:
        return risk(self.attack, self.control)


def rate(share: float, n: float, scale: float = 1.0) -> Rate:
    """A share of n independent attacks with its Wilson interval, times `scale`, cut at 1."""
    return Rate(*(min(1.0, scale * end) for end in (share, *wilson(share, max(1, int(n))))))


def risk(attack: Rate, control: Rate) -> Risk | None:
    """The risk of Giomi et al. 2023, equation 1; None if the attack always succeeds on control rows: nothing is left to lose.

    The interval joins both intervals for the ratio of failures by the method of variance estimates recovery (Donner and
    Zou 2012, equation 9); theirs propagates errors, which gives no width where an attack never fails.
    """
    ours, least, most = 1 - attack.value, 1 - attack.high, 1 - attack.low
    theirs, fewest, largest = 1 - control.value, 1 - control.high, 1 - control.low
    if theirs <= 0:
        return None
    product = ours * theirs
    inner, outer = least * (2 * ours - least), most * (2 * ours - most)
    narrow, wide = fewest * (2 * theirs - fewest), largest * (2 * theirs - largest)
    below = product + math.sqrt(max(0.0, product**2 - inner * wide))
    above = product + math.sqrt(max(0.0, product**2 - outer * narrow))
    low = inner / below if below > 0 else 0.0
    high = above / narrow if narrow > 0 else math.inf
    return Risk(1 - ours / theirs, 1 - high, 1 - low)
