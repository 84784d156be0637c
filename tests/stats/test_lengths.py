"""Ratio of reply lengths."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from hydrometer.stats.lengths import LARGEST_RATIO, length_ratio

TOKENS = st.integers(0, 100_000)


def test_agrees_with_the_paired_t_interval() -> None:
    random = np.random.default_rng(3)
    base = random.integers(20, 400, size=50)
    student = base * random.lognormal(-0.2, 0.4, size=50) + 1
    found = length_ratio(base, student)
    oracle = ttest_rel(np.log(student), np.log(base)).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((np.exp(oracle.low), np.exp(oracle.high)))
    assert found.ratio == pytest.approx(np.exp(np.log(student / base).mean()))
    assert found.n == 50


def test_halving_and_doubling_cancel() -> None:
    assert length_ratio([100, 100, 40, 40], [50, 200, 20, 80]).ratio == pytest.approx(1.0)


def test_empty_replies_count_as_one_token() -> None:
    assert length_ratio([0, 10], [10, 0]).ratio == pytest.approx(1.0)


def test_without_pairs_and_with_one() -> None:
    assert length_ratio([], []) == (1.0, 0.0, LARGEST_RATIO, 0)
    assert length_ratio([10], [20]) == pytest.approx((2.0, 0.0, LARGEST_RATIO, 1))


@given(st.lists(st.tuples(TOKENS, TOKENS), max_size=8))
@settings(deadline=None)
def test_is_json_and_in_order(pairs: list[tuple[int, int]]) -> None:
    found = length_ratio([b for b, _ in pairs], [s for _, s in pairs])
    json.dumps(found, allow_nan=False)
    assert 0.0 <= found.low <= found.ratio <= found.high <= LARGEST_RATIO


@given(st.lists(st.tuples(TOKENS, TOKENS), min_size=3, max_size=8))
@settings(deadline=None)
def test_swapping_the_models_inverts(pairs: list[tuple[int, int]]) -> None:
    base, student = [b for b, _ in pairs], [s for _, s in pairs]
    one, other = length_ratio(base, student), length_ratio(student, base)
    assert one.ratio * other.ratio == pytest.approx(1.0)


def test_refuses_unpaired_lengths_and_odd_levels() -> None:
    with pytest.raises(ValueError, match="equal and flat"):
        length_ratio([1, 2], [1])
    with pytest.raises(ValueError, match="level"):
        length_ratio([1, 2], [1, 2], level=95)
