"""Distances between next-token distributions against their obvious definitions, and the bound against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from hydrometer.stats.tokens import BETAS, EVERY, compare_tokens, kl_lower_bound, top_tokens


def drawn(seed: int, rows: int = 20, width: int = 700) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    base = rng.normal(0.0, 3.0, (rows, width)).astype(np.float32)
    student = (base + rng.normal(0.0, 1.0, base.shape)).astype(np.float32)
    return base, student, rng.integers(0, width, rows)


def test_equals_the_definitions() -> None:
    base, student, wanted = drawn(1)
    found = compare_tokens(base, student, wanted)
    p, q = log_softmax(base.astype(np.float64), axis=1), log_softmax(student.astype(np.float64), axis=1)
    at = np.arange(len(wanted))
    np.testing.assert_allclose(found.kl, (np.exp(p) * (p - q)).sum(1), atol=2e-6)
    np.testing.assert_allclose(found.reverse, (np.exp(q) * (q - p)).sum(1), atol=2e-6)
    np.testing.assert_allclose(found.base, p[at, wanted], atol=1e-5)
    np.testing.assert_allclose(found.change, (q - p)[at, wanted], atol=1e-5)
    np.testing.assert_array_equal(found.same, p.argmax(1) == q.argmax(1))
    tops = [(set(np.argsort(a)[-5:]), set(np.argsort(b)[-5:])) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(found.overlap, [len(a & b) / len(a | b) for a, b in tops])
    tried = ~np.isnan(found.heated).any(axis=1)
    assert list(np.flatnonzero(tried)) == list(range(0, 20, EVERY))
    for column, beta in enumerate(BETAS):
        heated = log_softmax(beta * student.astype(np.float64), axis=1)
        kl = (np.exp(p) * (p - heated)).sum(1)
        np.testing.assert_allclose(found.heated[tried, column], kl[tried], atol=5e-6)


def test_itself_is_no_distance_and_threads_change_nothing() -> None:
    base, student, wanted = drawn(2)
    assert compare_tokens(base, base, wanted).kl.max() == 0.0
    one, two = compare_tokens(base, student, wanted), compare_tokens(base, student, wanted, threads=3)
    np.testing.assert_array_equal(one.kl, two.kl)
    np.testing.assert_array_equal(one.heated, two.heated)


@given(st.integers(0, 10_000), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_lumping_the_rest_never_makes_it_larger(seed: int, count: int) -> None:
    base, student, wanted = drawn(seed, rows=4, width=80)
    truth = compare_tokens(base, student, wanted).kl
    p, q = log_softmax(base.astype(np.float64), axis=1), log_softmax(student.astype(np.float64), axis=1)
    before = np.zeros(4)
    for k in sorted({1, count, 79}):
        chosen = np.argsort(-p, axis=1)[:, :k]
        bound = kl_lower_bound(np.take_along_axis(p, chosen, 1), np.take_along_axis(q, chosen, 1))
        assert (bound <= truth + 1e-5).all()
        assert (bound >= before - 1e-9).all(), "more tokens make the bound tighter"
        before = bound
    np.testing.assert_allclose(before, truth, atol=1e-4)


def test_the_largest_values_are_found_whatever_the_width() -> None:
    rng = np.random.default_rng(3)
    for width in (3, 5, 256, 5000, 49_152, 49_153):
        row = rng.normal(size=width).astype(np.float32)
        for count in (1, 5, 128):
            assert set(top_tokens(row, count)) == set(np.argsort(row)[-min(count, width) :])


def test_what_is_no_number_is_refused_and_what_is_ruled_out_is_not() -> None:
    base, student, wanted = drawn(4)
    broken = student.copy()
    broken[3, 7] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        compare_tokens(base, broken, wanted)
    both = base.copy(), student.copy()
    for side in both:
        side[:, 9] = -np.inf
    wanted[wanted == 9] = 10
    found = compare_tokens(*both, wanted)
    assert np.isfinite(found.kl).all()
    assert (found.kl > 0.0).all()
    without = compare_tokens(np.delete(base, 9, 1), np.delete(student, 9, 1), wanted * 0)
    np.testing.assert_allclose(found.kl, without.kl, atol=1e-5)
    with pytest.raises(ValueError, match="shapes"):
        compare_tokens(base, student[:, 1:], wanted)
