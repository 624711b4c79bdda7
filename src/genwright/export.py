"""A trained model of images as an ONNX file, which draws without Genwright and without PyTorch.

What is written is `decode` of the contract: latent vectors and labels in, images out, a flow's solver included. Every file
is run with onnxruntime beside the model before it gets its name. Read `onnx_graphs.py` next: how the graphs come about.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genwright import __version__
from genwright import settings as settings_layer
from genwright.contract import GenerativeModel
from genwright.errors import GenwrightError
from genwright.folder import replacing
from genwright.models import MODELS
from genwright.models.flow import Flow
from genwright.run import Run

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
COMPARED = 16  # images drawn by both before the file is believed
TOLERANCE = 1e-3  # largest difference of a value in [-1, 1]: an eighth of a level of the 256


@dataclass(frozen=True)
class Exported:
    """A written ONNX file."""

    path: Path
    inputs: dict[str, tuple[str | int, ...]]
    """Name -> shape; "batch" where any size fits."""
    difference: float
    """Largest absolute difference of a value in [-1, 1] between onnxruntime and PyTorch, over 16 images."""


def export_run(run: Run, path: str | Path, **sampler: Any) -> Exported:
    """Write what draws a run's images as an ONNX file: `latent`, and `label` where there are classes, to `image`.

    latent: float32 (batch, ...), standard normal; label: int64 (batch,), places in the classes; image: float32 (batch,
    channels, height, width) in [-1, 1]. `sampler`: settings of the model's sampler, fixed in the file, such as
    solver_steps=20. The file carries model, classes, settings and the weights' hash as metadata, and no data.
    GW-0405 for models that cannot be exported, GW-0406 if the file draws other images, GW-0407 without the packages.
    """
    _check(run)
    model = run.model_with(**sampler)
    if isinstance(model, Flow) and model.solver == "adaptive":
        raise GenwrightError(
            "GW-0405",
            "The adaptive solver chooses its steps while it draws, which an ONNX file cannot",
            "Fix them: --solver heun --solver-steps 20.",
        )
    latent, label = _inputs(model, run.codec.spec.classes)
    from genwright.onnx_graphs import graph

    file = graph(model, latent, label)
    for name, text in _metadata(run, model).items():
        file.metadata_props.add(key=name, value=text)
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_bytes(file.SerializeToString())
        difference = _difference(model, latent, label, temporary)
    inputs: dict[str, tuple[str | int, ...]] = {"latent": ("batch", *latent.shape[1:])}
    return Exported(path, inputs if label is None else {**inputs, "label": ("batch",)}, difference)


def _check(run: Run) -> None:
    exportable = [name for name, entry in MODELS.items() if entry.kind == "grid" and entry.load().decodes]
    name = settings_layer.model_name(run.settings)
    if name not in exportable:
        raise GenwrightError(
            "GW-0405",
            f"{name} draws piece by piece or in codes of its own, which an ONNX file cannot (exported are images of "
            f"{', '.join(exportable)})",
            f"Draw with: genwright sample {run.folder}",
        )
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise GenwrightError(
            "GW-0407",
            f"To export, {' and '.join(missing)} must be installed",
            "Install them with: pip install 'genwright[export]'",
        )


def _inputs(model: GenerativeModel, classes: int) -> tuple[Tensor, Tensor | None]:
    generator = torch.Generator(_device(model)).manual_seed(0)
    latent = model.latents(COMPARED, generator).cpu()
    return latent, torch.arange(COMPARED) % classes if classes else None


def _device(model: GenerativeModel) -> torch.device:
    """Where its tensors are; not all models have parameters."""
    return next(iter(model.state_dict().values())).device


def _metadata(run: Run, model: GenerativeModel) -> dict[str, str]:
    """What a stranger needs to draw with the file, and its owner to know where it came from."""
    sampler = [f.name for f in fields(run.settings.model) if f.metadata.get("at_sampling")]
    return {
        "genwright": __version__,
        "run": run.folder.name,
        "model": settings_layer.model_name(run.settings),
        "sampler": json.dumps({name: getattr(model, name) for name in sampler}),
        "latent": "standard normal",
        "classes": json.dumps(run.codec.classes, ensure_ascii=False),
        "pixels": "round((image + 1) * 127.5), 0 to 255",
        "weights_sha256": run.state["files"]["weights.safetensors"],
    }


def _difference(model: GenerativeModel, latent: Tensor, label: Tensor | None, path: Path) -> float:
    """The largest difference between both ways to draw; GW-0406 where it could be seen."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    given = {"latent": latent.numpy()} | ({} if label is None else {"label": label.numpy()})
    (made,) = session.run(["image"], given)
    device = _device(model)
    condition = None if label is None else label.to(device)
    drawn = model.decode(latent.to(device), condition=condition).x.cpu().numpy()
    difference = float(np.abs(made - drawn).max())
    if not difference <= TOLERANCE:
        raise GenwrightError(
            "GW-0406",
            f"onnxruntime draws other images than PyTorch: values differ by {difference:.2g}, by more than {TOLERANCE}",
            "Nothing was written. Update the packages of genwright[export], or draw with genwright sample.",
        )
    return difference
