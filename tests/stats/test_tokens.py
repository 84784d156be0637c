"""Distances between next-token distributions against their obvious definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from hydrometer.stats.tokens import BETAS, EVERY, compare_tokens, top_tokens


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
