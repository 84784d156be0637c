"""What the machine offers to an engine that computes on its processor."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path("/")


def processor_threads(root: Path = _ROOT) -> int:
    """Return how many threads compute best: one for each core that this process may use.

    Two threads of one core share its arithmetic units, and a matrix product keeps those busy alone; llama.cpp counts
    so by itself. A container's share of processor time counts too: threads beyond it wait for one another at each
    layer.

    Args:
        root: Where the system's own files lie; tests bring their own.
    """
    allowed = _allowed()
    cores = {_core(root, number) for number in allowed}
    return max(1, min(len(cores), _quota(root)))


def openmp_waiting() -> dict[str, str]:
    """Return the environment in which OpenMP threads wait well; empty where the user chose how they wait.

    Threads that spin without end slow everything down many times over as soon as another process wants a core; threads
    that sleep at once make an adapter twice as slow on quiet cores. A short spin has neither fault (bench/RESULTS.md).
    """
    chosen = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys()
    return {} if chosen else {"GOMP_SPINCOUNT": "3000"}


def _allowed() -> set[int]:
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # Only Linux has it.
        return set(range(os.cpu_count() or 1))


def _core(root: Path, number: int) -> str:
    """Name the core of a processor number by the numbers that share it, by itself where the system does not say."""
    path = root / f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list"
    try:
        return path.read_text(encoding="ascii").strip() or str(number)
    except (OSError, ValueError):
        return str(number)


def _quota(root: Path) -> int:
    """Whole processors that the control group grants (version 2), many where it sets no limit."""
    try:
        granted, period = (root / "sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, round(int(granted) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return 1 << 16
