"""Where the golden numbers of test_inception.py come from: pytorch-fid 0.3.0 and torchvision, on seeded random weights.

Not a test and not needed for one. To repeat: pip install pytorch-fid torchvision, then run this file.
"""

from __future__ import annotations

import numpy as np
import torch


def weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Tensors of these shapes, the same for the same names, that let signals through about as trained ones do."""
    made = {}
    for name in sorted(shapes):
        shape, random = shapes[name], np.random.default_rng(list(name.encode()))
        if name.endswith("num_batches_tracked"):
            continue  # the usual file has none
        if name.endswith(("running_var", "bn.weight")):
            values = random.uniform(0.5, 1.5, shape)
        else:
            values = random.normal(size=shape) * ((2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.1)
        made[name] = torch.from_numpy(values.astype(np.float32))
    return made


def pictures() -> np.ndarray:
    """(3, 40, 32, 3) uint8: one is darker than the others."""
    random = np.random.default_rng(5)
    return (random.integers(0, 256, (3, 40, 32, 3)) // np.array([1, 1, 4]).reshape(3, 1, 1, 1)).astype(np.uint8)


def main() -> None:
    import pytorch_fid.inception
    import torchvision

    plain = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    given = weights({name: tuple(value.shape) for name, value in plain.state_dict().items()})
    pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: given
    net = pytorch_fid.inception.InceptionV3().eval()
    x = torch.from_numpy(pictures()).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        found = net(x)[0].flatten(1).double()
    print(tuple(found.shape), found.mean(1).tolist(), found[:, 700].tolist(), found.std(1).tolist())


if __name__ == "__main__":
    main()
