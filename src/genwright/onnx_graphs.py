"""Models of images as ONNX graphs: `decode` recorded as it is, or for a flow one step recorded and a loop put around it.

PyTorch's exporter would unroll a solver into thousands of nodes, in minutes; the loop has one network and takes seconds.
Imported only where the packages of `genwright[export]` are: `export.py` checks that first.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator, Sequence

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import Tensor, nn

from genwright.contract import GenerativeModel
from genwright.models.flow import SOLVERS, Flow
from genwright.networks.solvers import growing

TRACED = 2  # examples that a graph is recorded with; 1 would be taken for a constant
ROW = ("time", "before", "now")  # of a solver's table, see `calls`


def graph(model: GenerativeModel, latent: Tensor, label: Tensor | None) -> onnx.ModelProto:
    """What `decode` does to inputs like these, as `latent` and `label` (if given) to `image`, for batches of any size."""
    given = {"latent": latent[:TRACED]} | ({} if label is None else {"label": label[:TRACED]})
    model = copy.deepcopy(model).cpu()
    if isinstance(model, Flow):
        return _integrated(model, given)
    return _recorded(_Drawing(model), given, given, ["image"])


class _Drawing(nn.Module):
    """`decode` as a module."""

    def __init__(self, model: GenerativeModel) -> None:
        super().__init__()
        self.model = model
        for name, buffer in list(model.named_buffers(recurse=False)):
            if not buffer.ndim:  # steers Python (the level of pggan): a number, and no part of the graph
                delattr(model, name)
                setattr(model, name, buffer.item())

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        return self.model.decode(latent, condition=label).x


class _Step(nn.Module):
    """One call of the velocity, and where the solver looks next: x + before * last + now * velocity."""

    def __init__(self, model: Flow) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, x: Tensor, last: Tensor, time: Tensor, before: Tensor, now: Tensor, label: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        velocity = self.model._field(label, x)(x, time.expand(len(x)))
        return x + before * last + now * velocity, velocity


def _integrated(model: Flow, given: dict[str, Tensor]) -> onnx.ModelProto:
    """ONNX's Scan runs one recorded step along the solver's times; x and the last velocity go from step to step."""
    latent = given["latent"]
    # the exporter takes one tensor given twice for one input: each gets its own
    state = {"x": latent, "last": latent.clone(), **{name: torch.tensor(0.0) for name in ROW}}
    label = {name: value for name, value in given.items() if name == "label"}
    step = _recorded(_Step(model), {**state, **label}, {"x": latent, "last": latent, **label}, ["ahead", "velocity"])
    outside = [value for value in step.graph.input if value.name in label]
    for value in outside:  # a loop's body sees the names around it
        step.graph.input.remove(value)
    columns = {f"{name}s": column for name, column in zip(ROW, calls(model).unbind(1), strict=True)}
    shape = ["batch", *latent.shape[1:]]
    scan = helper.make_node(
        "Scan", ["latent", "latent", *columns], ["end", "end_velocity"], body=step.graph, num_scan_inputs=len(columns)
    )
    bounds = {"low": torch.tensor(-1.0), "high": torch.tensor(1.0)}
    whole = helper.make_graph(
        [scan, helper.make_node("Clip", ["end", *bounds], ["image"])],
        "flow",
        [helper.make_tensor_value_info("latent", TensorProto.FLOAT, shape), *outside],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value.numpy(), name) for name, value in {**columns, **bounds}.items()],
    )
    return helper.make_model(whole, opset_imports=step.opset_import, ir_version=step.ir_version)


def calls(model: Flow) -> Tensor:
    """The solver as a table, a row for each call of the velocity: (calls, 3) float32 with its time, and what of the last
    velocity and of this one leads on to where the next call looks.

    Explicit solvers move along sums of velocities, so the table is read off one run in which the velocities are unit vectors.
    """
    units = torch.eye(2 * model.solver_steps, dtype=torch.float64)
    places: list[Tensor] = []
    times: list[float] = []

    def field(x: Tensor, time: Tensor) -> Tensor:
        places.append(x[0])
        times.append(float(time[0]))
        return units[len(places) - 1][None]

    end = SOLVERS[model.solver](field, torch.zeros_like(units[:1]), growing(model.solver_steps))
    moved = torch.stack([*places, end[0]]).diff(dim=0)
    now, before = moved.diagonal(), moved.diagonal(-1)[: len(times) - 1]
    return torch.stack([torch.tensor(times).double(), torch.cat([torch.zeros(1), before]), now], dim=1).float()


def _recorded(
    module: nn.Module, given: dict[str, Tensor], batched: dict[str, Tensor], outputs: Sequence[str]
) -> onnx.ModelProto:
    """The module as a graph; inputs named as the arguments, those in `batched` of any size along the first axis."""
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module.eval(),
            kwargs=given,
            input_names=list(given),
            output_names=list(outputs),
            dynamic_shapes={name: {0: "batch"} if name in batched else None for name in given},
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        ClearMetadataAndDocStringPass()(program.model)  # PyTorch's notes name files of this machine
        return program.model_proto


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's remarks on its own doings are not for users."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
