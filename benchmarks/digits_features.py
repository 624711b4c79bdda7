"""Makes the weights of the digits features: `python benchmarks/digits_features.py FOLDER_WITH_MNIST OUT.safetensors`.

Trained on the 60,000 training images with shifts of up to two pixels; the 10,000 test images are only counted at the end.
The shipped file is `src/genwright/metrics/weights/digits_cnn_v1.safetensors`. One thread, so that a second run on the same
machine gives the same file; another processor or version of torch may round differently.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from genwright.metrics.digits_features import DigitsNet

EPOCHS, BATCH, RATE = 12, 128, 2e-3


def tensors(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 1, 28, 28) in [0, 1] and labels (N,)."""
    pixels, labels = (
        np.frombuffer(gzip.decompress((folder / f"{part}-{name}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for name, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    return torch.tensor(pixels.reshape(-1, 1, 28, 28)).float() / 255.0, torch.tensor(labels.astype(np.int64))


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, y = tensors(folder, "train")
    net = DigitsNet()
    steps = EPOCHS * len(x) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(len(x), (BATCH,))
        right, down = torch.randint(-2, 3, (2,)).tolist()
        batch = torch.roll(x[chosen], (down, right), dims=(2, 3))
        loss = F.cross_entropy(net(batch), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 1000 == 0:
            print(f"step {step}/{steps} loss {loss.item():.4f}", flush=True)
    test_x, test_y = tensors(folder, "t10k")
    with torch.no_grad():
        right = sum(
            int((net(a).argmax(1) == b).sum()) for a, b in zip(test_x.split(500), test_y.split(500), strict=True)
        )
    print(f"test accuracy {right / len(test_x):.4f}")
    save_file(net.state_dict(), out)
    print(f"sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
