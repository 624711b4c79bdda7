"""Where functions whose gradients are written by hand stand in for torch's own, and the product of a linear layer.

Read `rms_norm.py`, `attention.py`, `hidden.py` and `head.py` next: such functions; `sequence.py` uses them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.overrides import has_torch_function


def is_faster(x: Tensor) -> bool:
    """Whether they may be used, and are the faster way: for gradients on a processor, outside transforms of functions."""
    # There is no public question for it; what torch asks itself before it applies a function.
    transformed = torch._C._are_functorch_transforms_active()
    return torch.is_grad_enabled() and not x.is_cuda and not transformed


def may_replace(x: Tensor, *layers: nn.Module) -> bool:
    """Whether they may take the weights of these layers to themselves, for x in full precision."""
    plain = all(type(layer) is nn.Linear and layer.bias is None for layer in layers)
    exact = x.dtype.itemsize >= 4 and not torch.is_autocast_enabled("cpu")
    # Private training looks at each use of a weight, and would not see those in here.
    return is_faster(x) and plain and exact and not has_torch_function((x,))


def product(x: Tensor, weight: Tensor) -> Tensor:
    """As `F.linear`, but the gradient of the weight is multiplied the other way round: on a processor that is faster."""
    return torch.mm(x.flatten(0, -2), weight.mT).view(*x.shape[:-1], -1)
