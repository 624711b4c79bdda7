"""Independent pieces of work on all cores, one thread each.

scikit-learn's trees would share one fit among all cores, and OpenMP's threads wait by spinning: on a machine that is busy
with something else (the usual case at the end of a training) that was measured 50 times slower than one thread per fit.
One thread per fit also makes the result independent of the number of cores.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from genwright.data.ahead import cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """[function(item) for item in items], on all cores; libraries inside use one thread each, and their warnings (a
    judge that stops short of convergence is still a judge) are not shown."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    def one_thread() -> None:
        threadpool_limits(1, user_api="openmp")  # a setting of the calling thread, which ends with the pool

    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore")
        with ThreadPoolExecutor(cores(), initializer=one_thread) as pool:
            return list(pool.map(function, items))
