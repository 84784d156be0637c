"""Parts of a packed row on several threads at once, in the place of several threads for every single product.

Where a matrix product is cut over threads, these wait for one another some two hundred times a step, and at twenty or
fifty rows hardly any of it is long enough to be worth it; everything between the products stays on one thread. Cut by
requests, each thread computes a step of its own and waits for the others once. Weights are then read once per thread,
so a part needs enough rows that reading is not what takes the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

import torch

_ENOUGH = 8
"""Tokens that a part has at least: below it, reading the weights takes most of the time."""

_MOVING = ("dynamic", "longrope")
"""Kinds of position whose tables a model changes while it computes, so that no two threads may."""

T = TypeVar("T")


def shares(sizes: Sequence[int], threads: int) -> list[tuple[int, int]]:
    """Cut pieces into runs of about the same size: the first and the one behind the last of each, at least one run.

    Args:
        sizes: Tokens of each piece.
        threads: Largest number of runs.
    """
    total = sum(sizes)
    runs = max(1, min(threads, total // _ENOUGH))
    cuts, begun, done = [0], 0, 0
    for place, size in enumerate(sizes):
        # A piece goes where most of it lies, if no part is left too small.
        due = len(cuts) < runs and (done + size / 2) * runs >= total * len(cuts)
        if due and min(done - begun, total - done) >= _ENOUGH:
            cuts.append(place)
            begun = done
        done += size
    return list(zip(cuts, [*cuts[1:], len(sizes)], strict=True))


def may_share(config: Any) -> bool:
    """Return whether several threads may compute with a model of this configuration at once."""
    found = getattr(config, "rope_parameters", None) or {}
    kinds = [found, *(kind for kind in found.values() if isinstance(kind, dict))]
    return not any(kind.get("rope_type") in _MOVING for kind in kinds)


class Team:
    """Threads that stay between steps."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def run(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Do all jobs at once, each with its share of torch's threads, and return when the last one has ended."""
        if len(jobs) == 1:
            return [jobs[0]()]
        total = torch.get_num_threads()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(total, thread_name_prefix="hydrometer-hf")
        running = [self._pool.submit(_alone, job, max(1, total // len(jobs))) for job in jobs]
        wait(running)
        # What a thread sets for itself is also what threads of others would begin with.
        torch.set_num_threads(total)
        return [one.result() for one in running]


def _alone(job: Callable[[], T], threads: int) -> T:
    # Asking comes first: only then has torch set this thread's number for the first time, and will not do so again.
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    return job()
