"""Bounds for missing outcomes, against every way of filling them in."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrometer.stats.bounds import missing_bounds
from hydrometer.stats.estimate import Paired
from hydrometer.stats.paired import estimate

BITS = st.lists(st.sampled_from([0.0, 1.0]), max_size=3)


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), max_size=8),
    BITS,
    BITS,
    st.integers(0, 1),
)
@settings(deadline=None, max_examples=25)
def test_hold_for_every_completion(
    pairs: list[tuple[float, float]], base: list[float], student: list[float], both: int
) -> None:
    paired = Paired(
        base=np.array([b for b, _ in pairs]),
        student=np.array([s for _, s in pairs]),
        missing_base=len(student),
        missing_student=len(base),
        missing_both=both,
    )
    found = missing_bounds(paired, base_alone=base, student_alone=student)
    holes = len(base) + len(student) + 2 * both
    completed = []
    for bits in product([0.0, 1.0], repeat=holes):
        fill = list(bits)
        for_student, for_base = fill[: len(base)], fill[len(base) : len(base) + len(student)]
        rest = fill[len(base) + len(student) :]
        completed.append(
            estimate(
                Paired(
                    base=np.array([*paired.base, *base, *for_base, *rest[:both]]),
                    student=np.array([*paired.student, *for_student, *student, *rest[both:]]),
                )
            )
        )
    assert found.worst == pytest.approx(min(c.difference for c in completed))
    assert found.best == pytest.approx(max(c.difference for c in completed))
    assert found.low == pytest.approx(min(c.low for c in completed))
    assert found.high == pytest.approx(max(c.high for c in completed))
    assert found.n == len(pairs) + len(base) + len(student) + both


def test_counts_alone_leave_both_scores_open() -> None:
    paired = Paired(
        base=np.array([1.0, 0.0]), student=np.array([1.0, 0.0]), missing_base=1, missing_student=1
    )
    wide, known = missing_bounds(paired), missing_bounds(paired, base_alone=[1.0], student_alone=[1.0])
    assert (wide.worst, wide.best) == (-0.5, 0.5)
    assert (known.worst, known.best) == (-0.25, 0.25)


def test_nothing_missing_is_the_estimate() -> None:
    random = np.random.default_rng(2)
    paired = Paired(base=random.random(60), student=random.random(60), clusters=np.repeat(np.arange(12), 5))
    found, plain = missing_bounds(paired, 0.9), estimate(paired, 0.9)
    assert (found.worst, found.best, found.low, found.high) == (
        plain.difference,
        plain.difference,
        plain.low,
        plain.high,
    )


def test_missing_items_of_clustered_tables() -> None:
    paired = Paired(
        base=np.zeros(40),
        student=np.ones(40),
        clusters=np.repeat(np.arange(20), 2),
        missing_student=8,
        missing_both=2,
    )
    found = missing_bounds(paired, base_alone=np.ones(8))
    assert (found.worst, found.best) == (pytest.approx(0.6), pytest.approx(0.84))
    assert found.low < found.worst < found.best < found.high


def test_without_anything() -> None:
    empty = Paired(base=np.array([]), student=np.array([]))
    assert missing_bounds(empty) == (0.0, 0.0, -1.0, 1.0, 0)


def test_refuses_more_scores_than_missing() -> None:
    paired = Paired(base=np.array([1.0]), student=np.array([1.0]), missing_student=1)
    with pytest.raises(ValueError, match="counts 1 such items"):
        missing_bounds(paired, base_alone=[1.0, 0.0])
    with pytest.raises(ValueError, match="counts 0 such items"):
        missing_bounds(paired, student_alone=[1.0])
