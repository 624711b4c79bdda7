"""Work on a stream of items in several threads, results in order: numpy, polars and Pillow let go of the interpreter."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int = 0, waiting: int = 0
) -> Iterator[Result]:
    """work(item) for each item, in order, computed in threads (0: one for each core) while the caller uses earlier results.

    At most `waiting` items (0: as many as threads) are taken before their results are wanted: that bounds memory.
    """
    threads = threads or cores()
    pool = ThreadPoolExecutor(threads)
    futures: deque[Future[Result]] = deque()
    try:
        for item in items:
            futures.append(pool.submit(work, item))
            if len(futures) > (waiting or threads):
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:  # also when the user stops: what has not begun never does
        pool.shutdown(cancel_futures=True)
