"""Corrections for several tests."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from hydrometer.stats.multiplicity import benjamini_hochberg, holm, intersection_union


def test_published() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


def test_keeps_the_order_given() -> None:
    assert holm([0.5, 0.01, 0.02]) == pytest.approx([0.5, 0.03, 0.04])


def test_none_and_one() -> None:
    assert holm([]).tolist() == []
    assert holm([0.3]).tolist() == [0.3]


@given(st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=7))
@settings(deadline=None)
def test_is_the_closed_test_over_all_subsets(p: list[float]) -> None:
    """A hypothesis falls if Bonferroni rejects every intersection that it is part of."""
    numbers = range(len(p))
    subsets = [s for size in numbers for s in combinations(numbers, size + 1)]
    slow = [max(min(1.0, len(s) * min(p[k] for k in s)) for s in subsets if i in s) for i in numbers]
    assert holm(p) == pytest.approx(slow)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12))
@settings(deadline=None)
def test_never_below_the_raw_value_and_in_its_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(p <= a <= 1.0 for p, a in zip(p, adjusted, strict=True))
    ranked = [a for _, a in sorted(zip(p, adjusted, strict=True))]
    assert ranked == sorted(ranked)


@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=12))
@settings(deadline=None)
def test_false_discovery_rate_is_the_step_up(p: list[float]) -> None:
    """Rejected at q: the k smallest, k the largest with p(k) <= q k / m."""
    adjusted = benjamini_hochberg(p)
    assert adjusted == pytest.approx(multipletests(p, method="fdr_bh")[1])
    for q in (0.0513, 0.1017, 0.3071):
        ranked = sorted(p)
        passing = [k for k in range(1, len(p) + 1) if ranked[k - 1] <= q * k / len(p)]
        cut = ranked[max(passing) - 1] if passing else -1.0
        assert [a <= q for a in adjusted] == [x <= cut for x in p]


def test_false_discovery_rate_published() -> None:
    assert benjamini_hochberg([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05] * 5)
    assert benjamini_hochberg([0.5, 0.01, 0.04]) == pytest.approx([0.5, 0.03, 0.06])
    assert benjamini_hochberg([]).tolist() == []


def test_all_claims_together_are_the_weakest_one() -> None:
    assert intersection_union([0.01, 0.04, 0.002]) == 0.04
    assert intersection_union([]) == 1.0


@pytest.mark.parametrize("p", [[-0.1], [1.1], [float("nan")], [[0.1]]])
def test_refuses_what_is_no_p_value(p: list[float]) -> None:
    with pytest.raises(ValueError, match="p-values"):
        holm(p)
    with pytest.raises(ValueError, match="p-values"):
        benjamini_hochberg(p)
    with pytest.raises(ValueError, match="p-values"):
        intersection_union(p)
