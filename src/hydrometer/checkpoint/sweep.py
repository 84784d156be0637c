"""All weights of two models compared, by one process or several; how many changes nothing about the result.

A weight is always summed up by one process, piece by piece in the same order, so that every number is the same to the
last bit whatever the number of processes. Only names and results travel between them.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context

from hydrometer.checkpoint.changes import SAMPLE, Change, measure, sample_rows
from hydrometer.checkpoint.inventory import Inventory
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.source import prefetch
from hydrometer.errors import ModelError

Couple = tuple[Place, Place]
"""A weight of the student and the weight of the base that it comes from."""

_BATCH = 16_000_000
"""Bytes that a source may fetch together."""


def sweep(
    base: Inventory,
    student: Inventory,
    couples: Sequence[Couple],
    *,
    most: int | None,
    workers: int = 1,
    advance: Callable[[int, int], None] = lambda *_: None,
) -> tuple[Change, ...]:
    """Compare weights of two models.

    Args:
        base: The base.
        student: The student.
        couples: What to compare.
        most: Values of each weight that are compared, None for all.
        workers: Processes; several need both models on this machine, and a script that starts them a main guard.
        advance: Called after each weight with how many are done and how many there are.

    Returns:
        One change per couple, in their order.
    """
    changes = []
    for change in _in_turn(base, student, couples, most) if workers < 2 else _together(
        base, student, couples, most, workers
    ):
        changes.append(change)
        advance(len(changes), len(couples))
    return tuple(changes)


def _in_turn(
    base: Inventory, student: Inventory, couples: Sequence[Couple], most: int | None
) -> Iterator[Change]:
    for known in _batches(base, couples):
        if most is not None:
            prefetch(base.source, [base.wanted(o, 0, sample_rows(base.weights[o], most)) for _, o in known])
            prefetch(student.source, [student.wanted(p, 0, sample_rows(student.weights[p], most)) for p, _ in known])
        for place, origin in known:
            yield measure(base, student, place, origin, most=most)


def _together(
    base: Inventory, student: Inventory, couples: Sequence[Couple], most: int | None, workers: int
) -> Iterator[Change]:
    # Started afresh: a fork would copy the locks of threads that other libraries have started.
    with ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=_keep,
        initargs=(pickle.dumps((base, student, most)),),
    ) as pool:
        try:
            yield from pool.map(_measure, couples, chunksize=max(1, min(16, len(couples) // (4 * workers))))
        except BrokenProcessPool as error:
            msg = "a process that reads weights was killed, perhaps for want of memory: --workers 1 needs none"
            raise ModelError(msg) from error


_packed: list[bytes] = []
"""The models that this process compares. Unpacked with the first weight: an error then comes back as what it is."""


def _keep(packed: bytes) -> None:
    _packed.append(packed)


@cache
def _unpacked() -> tuple[Inventory, Inventory, int | None]:
    found: tuple[Inventory, Inventory, int | None] = pickle.loads(_packed[-1])  # noqa: S301 - packed by the parent
    return found


def _measure(couple: Couple) -> Change:
    base, student, most = _unpacked()
    return measure(base, student, *couple, most=most)


def _batches(base: Inventory, couples: Sequence[Couple]) -> Iterator[Sequence[Couple]]:
    """Couples whose samples a source may fetch together."""
    batch: list[Couple] = []
    size = 0
    for couple in couples:
        weight = base.weights[couple[1]]
        size += weight.nbytes if couple[0].expert >= 0 else min(weight.nbytes, 4 * SAMPLE)
        batch.append(couple)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
