"""Closed-form intervals, against published values, textbook twins and exact coverage."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multinomial
from statsmodels.stats.proportion import proportion_confint

from hydrometer.stats.intervals import bonett_price_interval, newcombe_interval

COUNT = st.integers(0, 40)
TABLES = st.tuples(COUNT, COUNT, COUNT, COUNT).filter(lambda t: sum(t) > 0)


def textbook_newcombe(a: int, b: int, c: int, d: int, level: float, corrected: bool) -> tuple[float, float]:
    n = a + b + c + d
    p1, p2 = (a + b) / n, (a + c) / n
    l1, u1 = proportion_confint(a + b, n, alpha=1 - level, method="wilson")
    l2, u2 = proportion_confint(a + c, n, alpha=1 - level, method="wilson")
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    top = a * d - b * c
    if corrected and top > 0:
        top = max(top - n / 2, 0)
    phi = top / math.sqrt(margins) if margins else 0.0
    down = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    up = (p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2
    return p1 - p2 - math.sqrt(max(down, 0)), p1 - p2 + math.sqrt(max(up, 0))


@given(TABLES, st.sampled_from([0.8, 0.95]), st.booleans())
@settings(deadline=None)
def test_newcombe_is_the_textbook_one(
    table: tuple[int, int, int, int], level: float, corrected: bool
) -> None:
    found = newcombe_interval(*table, level, corrected=corrected)
    # The square root near 0 keeps half of the digits.
    assert tuple(map(float, found)) == pytest.approx(textbook_newcombe(*table, level, corrected), abs=2e-7)


def test_published_values() -> None:
    cavo = (59, 6, 16, 80)
    assert [float(x) for x in newcombe_interval(*cavo)] == pytest.approx([-0.1186, -0.0046], abs=5e-5)
    plain = newcombe_interval(*cavo, corrected=False)
    assert [float(x) for x in plain] == pytest.approx([-0.1174, -0.0059], abs=5e-5)
    assert [float(x) for x in bonett_price_interval(6, 16, 161)] == pytest.approx(
        [-0.1195, -0.0032], abs=5e-5
    )
    assert [float(x) for x in newcombe_interval(1, 0, 0, 1)] == pytest.approx([-0.5734, 0.5734], abs=5e-5)


@given(TABLES)
@settings(deadline=None)
def test_swapping_the_models_negates(table: tuple[int, int, int, int]) -> None:
    both, gained, lost, neither = table
    for one, other in (
        (newcombe_interval(both, gained, lost, neither), newcombe_interval(both, lost, gained, neither)),
        (bonett_price_interval(gained, lost, sum(table)), bonett_price_interval(lost, gained, sum(table))),
    ):
        assert [float(x) for x in other] == pytest.approx([-float(one[1]), -float(one[0])], abs=1e-12)
        assert -1.0 <= one[0] <= one[1] <= 1.0


@given(COUNT, COUNT, st.integers(0, 100))
@settings(deadline=None)
def test_bonett_price_is_wald_of_two_more_flips(gained: int, lost: int, more: int) -> None:
    n = gained + lost + more + 2
    values = np.repeat([1.0, -1.0, 0.0], [gained + 1, lost + 1, more])
    reach = 1.959963984540054 * values.std() / math.sqrt(n)
    low, high = bonett_price_interval(gained, lost, n - 2)
    assert (float(low), float(high)) == pytest.approx(
        (max(-1, values.mean() - reach), min(1, values.mean() + reach))
    )


def test_exact_coverage() -> None:
    """By enumeration, with all concordant pairs spread evenly: n 50, flips 5 % and 10 %, no difference."""
    tables = np.array([(b, c) for b in range(51) for c in range(51 - b)])
    b, c = tables.T
    for share, expected in ((0.05, 0.999), (0.10, 0.987)):
        chance = multinomial.pmf(np.column_stack([b, c, 50 - b - c]), 50, [share / 2, share / 2, 1 - share])
        low, high = bonett_price_interval(b, c, 50)
        assert chance[(low <= 0) & (high >= 0)].sum() == pytest.approx(expected, abs=6e-4)
        assert chance.sum() == pytest.approx(1.0)


def test_arrays_and_no_pairs() -> None:
    low, high = newcombe_interval([59, 0], [6, 0], [16, 0], [80, 0])
    assert low[1] == -1.0
    assert high[1] == 1.0
    assert low[0] == newcombe_interval(59, 6, 16, 80)[0]
    assert [float(x) for x in bonett_price_interval(0, 0, 0)] == [-1.0, 1.0]


def test_refuses_odd_tables() -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        newcombe_interval(0.5, 1, 1, 1)
    with pytest.raises(ValueError, match="cannot exceed the pairs"):
        bonett_price_interval(3, 3, 5)
    with pytest.raises(ValueError, match="level"):
        newcombe_interval(1, 1, 1, 1, 95)
