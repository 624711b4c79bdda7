"""Features of Inception v3 as the FID was defined on, by weights that the user has: a Frechet distance on them is a FID.

The weights are those of the TensorFlow graph `inception-2015-12-05` ported to PyTorch, which pytorch-fid, torch-fidelity,
StyleGAN and others fetch as `pt_inception-2015-12-05-6726825d.pth`; nothing is fetched here. The network differs from
Szegedy et al. 2016 as that graph does: average pooling does not count padding, and the last block takes maxima in the
place of averages (most likely a slip in 2015, which the FID has kept). Layers have torchvision's names, as the file does.

Departs: pictures are resized to 299 x 299 as pytorch-fid does (bilinear, half-pixel centres, no averaging when reducing);
the TensorFlow of 2015, and torch-fidelity, put the centres elsewhere, which moves a FID of small pictures by some per cent.
"""

from __future__ import annotations

import functools
import hashlib
import io
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn

from genwright.errors import GenwrightError

NAME = "inception_2015_12_05"
SHA256_BEGINS = "6726825d"
"""Of the usual file, as its name says."""
SIDE = 299
MOST_BYTES = 500_000_000
_UNUSED = ("fc.", "AuxLogits.")  # the classifier; FID is measured before it
_POOLED_AFTER = ("Conv2d_2b_3x3", "Conv2d_4a_3x3")

Row = tuple[str, int, int, int]
"""A layer: name, channels, height and width of its kernel."""
Branch = tuple[Row | tuple[Row, Row], ...]
"""Layers one after another; two in parentheses stand side by side."""


class Layer(nn.Module):
    """Convolution, batch normalisation as trained, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: tuple[int, int], stride: int, padding: tuple[int, int]
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Branches side by side, joined by channels; the last one pools: "mean" or "max" before a layer of so many channels, or,
    with `pooled` 0, a halving, as is then the last layer of all other branches."""

    def __init__(self, inputs: int, *branches: Branch, pool: str, pooled: int) -> None:
        super().__init__()
        self.pool, self.halves, self.names = pool, not pooled, list[list[tuple[str, ...]]]()
        for branch in branches:
            width, names = inputs, list[tuple[str, ...]]()
            for step in branch:
                rows = (step,) if isinstance(step[0], str) else step
                for name, outputs, height, across in rows:
                    halving = self.halves and step is branch[-1]
                    padding = (0, 0) if halving else (height // 2, across // 2)
                    self.add_module(name, Layer(width, outputs, (height, across), 1 + halving, padding))
                names.append(tuple(row[0] for row in rows))
                width = sum(row[1] for row in rows)
            self.names.append(names)
        if pooled:
            self.branch_pool = Layer(inputs, pooled, (1, 1), 1, (0, 0))

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for names in self.names:
            h = x
            for side_by_side in names:
                h = torch.cat([self.get_submodule(name)(h) for name in side_by_side], dim=1)
            found.append(h)
        if self.halves:
            return torch.cat([*found, F.max_pool2d(x, 3, 2)], dim=1)
        mean = self.pool == "mean"
        pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) if mean else F.max_pool2d(x, 3, 1, 1)
        return torch.cat([*found, self.branch_pool(pooled)], dim=1)


class InceptionV3(nn.Module):
    """(B, 3, 299, 299) in [-1, 1] -> (B, 2048), not negative."""

    def __init__(self) -> None:
        super().__init__()
        stem = (("1a_3x3", 3, 32, 3, 2, 0), ("2a_3x3", 32, 32, 3, 1, 0), ("2b_3x3", 32, 64, 3, 1, 1),
                ("3b_1x1", 64, 80, 1, 1, 0), ("4a_3x3", 80, 192, 3, 1, 0))  # fmt: skip
        for name, inputs, outputs, kernel, stride, padding in stem:
            layer = Layer(inputs, outputs, (kernel, kernel), stride, (padding, padding))
            self.add_module(f"Conv2d_{name}", layer)
        for name, inputs, pooled in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
            self.add_module(f"Mixed_{name}", _fives(inputs, pooled))
        self.Mixed_6a = Mixed(
            288,
            (("branch3x3", 384, 3, 3),),
            (("branch3x3dbl_1", 64, 1, 1), ("branch3x3dbl_2", 96, 3, 3), ("branch3x3dbl_3", 96, 3, 3)),
            pool="max", pooled=0,
        )  # fmt: skip
        for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
            self.add_module(f"Mixed_{name}", _sevens(width))
        self.Mixed_7a = Mixed(
            768,
            (("branch3x3_1", 192, 1, 1), ("branch3x3_2", 320, 3, 3)),
            (("branch7x7x3_1", 192, 1, 1), ("branch7x7x3_2", 192, 1, 7), ("branch7x7x3_3", 192, 7, 1),
             ("branch7x7x3_4", 192, 3, 3)),
            pool="max", pooled=0,
        )  # fmt: skip
        self.Mixed_7b, self.Mixed_7c = _wide(1280, "mean"), _wide(2048, "max")

    def forward(self, x: Tensor) -> Tensor:
        for name, layer in self.named_children():
            x = layer(x)
            if name in _POOLED_AFTER:
                x = F.max_pool2d(x, 3, 2)
        return x.mean(dim=(2, 3))


def _fives(inputs: int, pooled: int) -> Mixed:
    return Mixed(
        inputs,
        (("branch1x1", 64, 1, 1),),
        (("branch5x5_1", 48, 1, 1), ("branch5x5_2", 64, 5, 5)),
        (("branch3x3dbl_1", 64, 1, 1), ("branch3x3dbl_2", 96, 3, 3), ("branch3x3dbl_3", 96, 3, 3)),
        pool="mean", pooled=pooled,
    )  # fmt: skip


def _sevens(width: int) -> Mixed:
    return Mixed(
        768,
        (("branch1x1", 192, 1, 1),),
        (("branch7x7_1", width, 1, 1), ("branch7x7_2", width, 1, 7), ("branch7x7_3", 192, 7, 1)),
        (("branch7x7dbl_1", width, 1, 1), ("branch7x7dbl_2", width, 7, 1), ("branch7x7dbl_3", width, 1, 7),
         ("branch7x7dbl_4", width, 7, 1), ("branch7x7dbl_5", 192, 1, 7)),
        pool="mean", pooled=192,
    )  # fmt: skip


def _wide(inputs: int, pool: str) -> Mixed:
    return Mixed(
        inputs,
        (("branch1x1", 320, 1, 1),),
        (("branch3x3_1", 384, 1, 1), (("branch3x3_2a", 384, 1, 3), ("branch3x3_2b", 384, 3, 1))),
        (("branch3x3dbl_1", 448, 1, 1), ("branch3x3dbl_2", 384, 3, 3),
         (("branch3x3dbl_3a", 384, 1, 3), ("branch3x3dbl_3b", 384, 3, 1))),
        pool=pool, pooled=192,
    )  # fmt: skip


@functools.cache
def inception_net(path: str) -> tuple[InceptionV3, str]:
    """The net with the weights of a file (.pth of a state dict, or .safetensors), and the file's SHA-256. GW-0525 for a file
    that holds something else: only tensors are read of it, no code and no pickled objects."""
    try:
        with open(Path(path).expanduser(), "rb") as file:
            content = file.read(MOST_BYTES)
        safe = path.lower().endswith(".safetensors")
        given = load(content) if safe else torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        given = {name: value for name, value in given.items() if not name.startswith(_UNUSED)}
        net = InceptionV3()
        counters = {name: value for name, value in net.state_dict().items() if name.endswith("num_batches_tracked")}
        net.load_state_dict({**counters, **given})
    except OSError as error:
        reason = error.strerror or str(error)
    except Exception as error:  # torch and safetensors raise whatever a file makes of them
        reason = " ".join(str(error).split())[:120]
    else:
        return net.eval(), hashlib.sha256(content).hexdigest()
    raise GenwrightError(
        "GW-0525",
        f"{path!r} does not hold the Inception weights that a FID is measured with ({reason})",
        "Give pt_inception-2015-12-05-6726825d.pth, as pytorch-fid and torch-fidelity keep it, or its tensors as .safetensors",
    )


def inception_pixels(x: Tensor) -> Tensor:
    """(B, C, H, W) in [0, 1] -> (B, 3, 299, 299) in [-1, 1]; grey pictures three times."""
    return (2 * F.interpolate(x, (SIDE, SIDE), mode="bilinear") - 1).expand(-1, 3, -1, -1)
