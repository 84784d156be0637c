"""What was kept of a distribution against all of it: never too large a divergence, and exact where it says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, logsumexp

from hydrometer.stats.tokens import BETAS, EVERY, compare_tokens
from hydrometer.stats.top import (
    STEP,
    TopRows,
    code_logprobs,
    compare_top,
    compare_tops,
    decode_logprobs,
    top_rows,
)


def drawn(seed: int, rows: int = 20, width: int = 700, scale: float = 3.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    base = rng.normal(0.0, scale, (rows, width)).astype(np.float32)
    student = (base + rng.normal(0.0, 1.0, base.shape)).astype(np.float32)
    return base, student, rng.integers(0, width, rows)


def rounded(rows: TopRows) -> TopRows:
    return replace(rows, logprobs=decode_logprobs(code_logprobs(rows.logprobs)))


def obvious(base: np.ndarray, student: np.ndarray, count: int, beta: float = 1.0) -> np.ndarray:
    """The divergence with the rest lumped, by its definition."""
    found = []
    for left, right in zip(base.astype(np.float64), student.astype(np.float64), strict=True):
        p, q = log_softmax(left), log_softmax(beta * right)
        order = np.argsort(-p, kind="stable")
        top, rest = order[:count], order[count:]
        lumps = [(p[i], q[i]) for i in top] + ([(logsumexp(p[rest]), logsumexp(q[rest]))] if len(rest) else [])
        found.append(sum(np.exp(a) * (a - b) for a, b in lumps))
    return np.array(found)


def test_equals_the_definition_of_a_lumped_divergence() -> None:
    base, student, wanted = drawn(3)
    kept = top_rows(base, wanted, 24)
    found, exact = compare_top(kept, student, wanted), compare_tokens(base, student, wanted)
    np.testing.assert_allclose(found.kl, obvious(base, student, 24), atol=1e-5)
    for name in ("base", "student", "same", "overlap"):
        np.testing.assert_allclose(getattr(found, name), getattr(exact, name), atol=1e-5)
    tried = np.flatnonzero(~np.isnan(found.heated).any(axis=1))
    assert list(tried) == list(range(0, 20, EVERY))
    for column, beta in enumerate(BETAS):
        np.testing.assert_allclose(
            found.heated[tried, column], obvious(base[tried], student[tried], 24, beta), atol=2e-5
        )
    rest = 1.0 - np.exp(kept.logprobs).sum(axis=1)
    np.testing.assert_allclose(found.rest, rest, atol=1e-6)


@given(st.integers(0, 10_000), st.integers(5, 79), st.sampled_from([0.5, 3.0, 12.0]))
@settings(max_examples=60, deadline=None)
def test_it_never_comes_out_too_large_and_more_tokens_make_it_tighter(seed: int, count: int, scale: float) -> None:
    base, student, wanted = drawn(seed, rows=4, width=80, scale=scale)
    truth = compare_tokens(base.astype(np.float64), student.astype(np.float64), wanted)
    before = np.zeros(4)
    for k in sorted({5, count, 80}):
        found = compare_top(rounded(top_rows(base, wanted, k)), student, wanted)
        # The rest is arithmetic in float32.
        assert (found.kl <= truth.kl + 2e-6 * (1.0 + truth.kl)).all()
        assert (found.reverse <= truth.reverse + 2e-6 * (1.0 + truth.reverse)).all()
        assert (found.kl >= before - 2e-5 * (1.0 + truth.kl)).all()
        before = found.kl
    np.testing.assert_allclose(before, truth.kl, atol=2e-5, rtol=2e-5)


def test_rounding_is_paid_for_on_the_safe_side() -> None:
    base, student, wanted = drawn(5, rows=200, width=300)
    for shift in (-0.49, 0.49):
        kept = top_rows(base, wanted, 300)
        moved = replace(kept, logprobs=kept.logprobs + shift * STEP)
        truth = compare_tokens(base.astype(np.float64), student.astype(np.float64), wanted)
        assert (compare_top(moved, student, wanted).kl <= truth.kl + 2e-7 * (1.0 + truth.kl)).all()


def test_the_gap_is_estimated_without_bias() -> None:
    base, student, wanted = drawn(6, rows=4000, width=60)
    found, exact = compare_top(top_rows(base, wanted, 8), student, wanted), compare_tokens(base, student, wanted)
    truth = exact.kl - found.kl
    error = (found.gap - truth).std() / np.sqrt(len(truth))
    assert truth.mean() > 20 * error
    assert abs((found.gap - truth).mean()) < 4 * error
    part = compare_top(top_rows(base[7:], wanted[7:], 8, start=7), student[7:], wanted[7:], start=7)
    np.testing.assert_array_equal(part.gap, found.gap[7:])
    np.testing.assert_array_equal(part.kl, found.kl[7:])


def test_a_rest_too_small_for_single_precision_is_still_one() -> None:
    base = np.full((1, 50), -110.0, dtype=np.float32)
    base[0, :5] = [0.0, -1.0, -2.0, -3.0, -4.0]
    student = np.where(base < -100.0, np.float32(-120.0), base)
    found = compare_top(top_rows(base, np.array([1]), 5), student, np.array([1]))
    assert np.isfinite([found.kl[0], found.reverse[0]]).all()
    assert found.kl[0] == pytest.approx(0.0, abs=1e-6)


def test_tokens_that_the_student_lacks_count_to_the_rest() -> None:
    base, student, wanted = drawn(8, width=90)
    found = compare_top(top_rows(base, wanted % 80, 30), student[:, :80], wanted % 80)
    assert np.isfinite(found.kl).all()
    assert (found.kl > 0.0).all()
    assert np.isnan(found.gap).any()


def test_threads_change_nothing() -> None:
    base, student, wanted = drawn(9)
    one, two = (top_rows(base, wanted, 12, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one.logprobs, two.logprobs)
    found = [compare_top(one, student, wanted, threads=threads).kl for threads in (1, 3)]
    np.testing.assert_array_equal(*found)


def test_what_cannot_be_kept_is_refused() -> None:
    base, student, wanted = drawn(10)
    with pytest.raises(ValueError, match="at least 5"):
        top_rows(base, wanted, 4)
    broken = base.copy()
    broken[3, 7] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        top_rows(broken, wanted, 8)
    with pytest.raises(ValueError, match="NaN"):
        compare_top(top_rows(base, wanted, 8), broken, wanted)
    with pytest.raises(ValueError, match="must be equal"):
        compare_top(top_rows(base, wanted, 8), student[1:], wanted)


def test_two_that_were_kept_whole_are_compared_as_if_nothing_had_been_left_out() -> None:
    base, student, wanted = drawn(11)
    width = base.shape[1]
    found = compare_tops(top_rows(base, wanted, width), top_rows(student, wanted, width))
    exact = compare_tokens(base, student, wanted)
    for name in ("kl", "reverse", "base", "student", "same", "overlap"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), abs=1e-5), name
