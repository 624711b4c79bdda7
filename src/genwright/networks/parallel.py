"""Independent pieces of a batch, each on a core of its own.

Sampling does many small operations, and threads within each of them wait for one another more than they help.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def on_all_cores(function: Callable[[Piece], Result], pieces: Sequence[Piece], device: torch.device) -> list[Result]:
    """[function(piece) for piece in pieces], without gradients. On a CPU as many at once as torch may use threads, each
    with one, so that the result depends on neither; randomness must come from generators of the pieces' own."""

    @torch.no_grad()
    def alone(piece: Piece) -> Result:
        return function(piece)

    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1 or len(pieces) == 1:
        return [alone(piece) for piece in pieces]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(alone, pieces))
    finally:
        torch.set_num_threads(threads)  # part of the setting is the process's, not the thread's


def generators(generator: torch.Generator, n: int) -> list[torch.Generator]:
    """n generators of their own, seeded by the one."""
    seeds = torch.randint(2**62, (n,), generator=generator, device=generator.device).tolist()
    return [torch.Generator(generator.device).manual_seed(seed) for seed in seeds]
