"""Several samples per item, against combinations counted one by one and known variances."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrometer.stats.repeated import item_means, pass_at_k, pass_hat_k, variance_components

TALLY = st.integers(0, 7).flatmap(lambda k: st.tuples(st.just(k), st.integers(0, k)))


@given(TALLY, st.integers(1, 8))
@settings(deadline=None)
def test_passes_count_all_choices_of_samples(tally: tuple[int, int], k: int) -> None:
    drawn, right = tally
    choices = list(combinations([True] * right + [False] * (drawn - right), k))
    some, every = float(pass_at_k(drawn, right, k)), float(pass_hat_k(drawn, right, k))
    if drawn < k:
        assert np.isnan(some)
        assert np.isnan(every)
    else:
        assert some == pytest.approx(np.mean([any(c) for c in choices]))
        assert every == pytest.approx(np.mean([all(c) for c in choices]))


def test_published() -> None:
    assert pass_at_k(5, 2, 2) == pytest.approx(0.7)
    assert pass_hat_k(5, 2, 2) == pytest.approx(0.1)
    assert pass_hat_k(10, 7, 5) == pytest.approx(0.0833333, abs=5e-8)


def test_large_tallies_keep_their_digits() -> None:
    assert pass_hat_k(100_000, 50_000, 10) == pytest.approx(2.0**-10, rel=1e-3)
    assert pass_at_k(1000, 1, 1000) == 1.0


def test_unbiased_where_the_plug_in_is_not() -> None:
    random = np.random.default_rng(3)
    right = random.binomial(8, 0.7, size=100_000)
    assert pass_hat_k(np.full(right.shape, 8), right, 4).mean() == pytest.approx(0.7**4, abs=0.003)
    assert ((right / 8) ** 4).mean() > 0.7**4 + 0.03


def test_item_means_skip_what_was_not_graded() -> None:
    means = item_means([[1.0, 0.0, np.nan], [0.5, np.nan, np.nan], [np.nan] * 3])
    assert means[:2].tolist() == [0.5, 0.5]
    assert np.isnan(means[2])


def test_components_of_known_noise() -> None:
    random = np.random.default_rng(4)
    n = 20_000
    p_base = random.beta(2, 2, n)
    p_student = np.clip(p_base + random.normal(-0.05, 0.1, n), 0.0, 1.0)
    base, student = (
        (random.random((n, k)) < p[:, None]).astype(float) for p, k in ((p_base, 8), (p_student, 3))
    )
    found = variance_components(base, student)
    assert found.base == pytest.approx((p_base * (1 - p_base)).mean(), rel=0.02)
    assert found.student == pytest.approx((p_student * (1 - p_student)).mean(), rel=0.02)
    assert found.between == pytest.approx((p_student - p_base).var(), abs=0.0015)
    seen = (student.mean(axis=1) - base.mean(axis=1)).var(ddof=1) / n
    assert found.of_mean(n, 8, 3) == pytest.approx(seen)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(2, 5), st.integers(2, 6))
@settings(deadline=None, max_examples=30)
def test_components_are_the_textbook_ones(seed: int, k_base: int, k_student: int, n: int) -> None:
    random = np.random.default_rng(seed)
    base, student = random.integers(0, 2, (n, k_base)), random.integers(0, 2, (n, k_student))
    found = variance_components(base, student)
    for tallies, k, within in ((base, k_base, found.base), (student, k_student, found.student)):
        p = tallies.mean(axis=1)
        assert within == pytest.approx((p * (1 - p) * k / (k - 1)).mean())
    spread = np.var(student.mean(axis=1) - base.mean(axis=1), ddof=1)
    assert found.between == pytest.approx(spread - found.base / k_base - found.student / k_student)


def test_more_samples_never_beat_the_items() -> None:
    """The variance cannot fall below the one of perfectly known items: n K is no denominator."""
    found = variance_components(
        [[0, 1, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], [[1, 1], [0, 0], [0, 1], [1, 0]]
    )
    assert found.of_mean(4, 10**9, 10**9) == pytest.approx(max(found.between, 0.0) / 4, abs=1e-9)
    assert found.of_mean(8, 2, 2) == pytest.approx(found.of_mean(4, 2, 2) / 2)


def test_refuses() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        pass_at_k(3, 1, 0)
    with pytest.raises(ValueError, match="whole numbers"):
        pass_at_k(3, 4, 1)
    with pytest.raises(ValueError, match="whole numbers"):
        pass_hat_k(3.0, 1, 1)
    with pytest.raises(ValueError, match="items, samples"):
        item_means([1.0, 0.0])
    with pytest.raises(ValueError, match="two samples or more"):
        variance_components([[1], [0]], [[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="same items"):
        variance_components([[1, 0]] * 3, [[1, 0]] * 2)
    with pytest.raises(ValueError, match="finite"):
        variance_components([[1, np.nan]] * 3, [[1, 0]] * 3)
    with pytest.raises(ValueError, match="at least 1"):
        variance_components([[1, 0]] * 3, [[1, 0]] * 3).of_mean(3, 0, 1)
