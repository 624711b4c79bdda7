"""Several processes, one training: gradients are averaged over them, all else is as if one process did it.

`torchrun` starts the processes, on one machine or several. Each reads the same data and draws the same random numbers for
a step's whole batch; its part of the batch is its own, so the weights move as in one process, within float noise. The
first process leads: it alone writes the run folder, looks at the held-out slice and decides when to stop. Read
`loop.py` next.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor

from genwright.contract import Batch, Phase
from genwright.errors import GenwrightError
from genwright.training.checkpoints import Checkpoint

LARGEST_FILE = 1 << 26  # bytes; of the files that the others need to go on with a run


@dataclass(frozen=True)
class Ranks:
    """The processes of a training; this one's `rank` is 0 .. number - 1."""

    rank: int = 0
    number: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and decides."""
        return self.rank == 0

    def device(self, device: torch.device) -> torch.device:
        """Of several GPUs, each process of a machine takes its own."""
        if self.number == 1 or device.type != "cuda" or device.index is not None:
            return device
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))

    def threads(self, wanted: int) -> int:
        """The wanted number of threads, 0 for one per processor, or what the processes of a machine leave one another."""
        if wanted or self.number == 1:
            return wanted
        return max(1, len(os.sched_getaffinity(0)) // int(os.environ["LOCAL_WORLD_SIZE"]))

    def part(self, phase: Phase, batch: Batch) -> tuple[Batch, float]:
        """What this process computes of a batch, and its share in the mean. All of it where the phase mixes examples."""
        if self.number == 1:
            return batch, 1.0
        if phase.mixes_examples or len(batch) < self.number:
            return batch, 1 / self.number
        ends = [len(batch) * rank // self.number for rank in (self.rank, self.rank + 1)]
        own = slice(*ends)
        return replace(
            batch,
            x=batch.x[own],
            condition=None if batch.condition is None else batch.condition[own],
            counts=None if batch.counts is None else batch.counts[own],
            drawn={name: tensor[own] for name, tensor in batch.drawn.items()},
        ), (ends[1] - ends[0]) / len(batch)

    def average(self, parameters: list[Tensor], terms: dict[str, Tensor], share: float) -> dict[str, Tensor]:
        """Gradients of the parameters (in place) and loss terms: the sums of those of all processes by their shares."""
        if self.number == 1:
            return terms
        moving = [p.grad for p in parameters if p.grad is not None]
        values = [*moving, *terms.values()]
        total = torch.cat([value.reshape(-1).float() for value in values]).mul_(share)
        with _together():
            dist.all_reduce(total)
        parts = total.split([value.numel() for value in values])
        for gradient, part in zip(moving, parts, strict=False):
            gradient.copy_(part.view_as(gradient))
        return dict(zip(terms, (part[0] for part in parts[len(moving) :]), strict=True))

    def any(self, *flags: bool) -> list[bool]:
        """Of each flag, whether it is set in any process."""
        if self.number == 1:
            return list(flags)
        found = torch.tensor(flags, dtype=torch.int32)
        with _together():
            dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return [bool(flag) for flag in found.tolist()]

    def same(self, content: bytes) -> bytes:
        """What the leader says, in every process."""
        if self.number == 1:
            return content
        length = torch.tensor([len(content)])
        with _together():
            dist.broadcast(length, 0)
            data = torch.empty(int(length), dtype=torch.uint8)
            if self.leads:
                data = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else data
            dist.broadcast(data, 0)
        return data.numpy().tobytes()

    def same_number(self, value: int) -> int:
        """The leader's whole number."""
        return int(self.same(str(value).encode()))

    def same_checkpoint(self, checkpoint: Checkpoint | None) -> Checkpoint | None:
        """The leader's checkpoint; the others need no folder that holds it."""
        if self.number == 1:
            return checkpoint
        state = self.same(json.dumps(checkpoint and [checkpoint.step, dict(checkpoint.state)]).encode())
        found = json.loads(state)
        if found is None:
            return None
        tensors = checkpoint.tensors if checkpoint else {}
        content = self.same(safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()}))
        return Checkpoint(found[0], safetensors.torch.load(content), found[1])

    def same_files(self, folder: Path) -> None:
        """Give the files in the leader's folder to the folders of the others: settings, state, codec, but no checkpoints."""
        if self.number == 1:
            return
        names = [p.name for p in folder.iterdir() if p.is_file() and p.stat().st_size < LARGEST_FILE]
        for name in json.loads(self.same(json.dumps([n for n in names if n != "lock"]).encode())):
            content = self.same((folder / name).read_bytes() if self.leads else b"")
            if not self.leads:
                (folder / name).write_bytes(content)

    def check_same(self, facts: Mapping[str, object]) -> None:
        """GW-0408 where this process has found other data than the leader."""
        own = json.dumps(facts, sort_keys=True).encode()
        if self.any(self.same(own) != own)[0]:
            raise GenwrightError(
                "GW-0408",
                "The processes of this training read different data",
                "Give each the same file, at the same path.",
            )


ALONE = Ranks()


def launched() -> bool:
    """Whether `torchrun` has started this process and others."""
    return dist.is_available() and dist.is_torchelastic_launched() and int(os.environ["WORLD_SIZE"]) > 1


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that `torchrun` started, joined; one alone if it did not."""
    if not launched():
        yield ALONE
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def _together() -> Iterator[None]:
    """GW-0408 if another process is gone."""
    try:
        yield
    except RuntimeError as error:
        raise GenwrightError(
            "GW-0408",
            f"Another process of this training has ended ({str(error).splitlines()[0][:120]})",
            "See its message, then go on with --resume.",
        ) from None
