"""The picture of accuracy and price: both scales hold whatever a report may say."""

from dataclasses import replace

import pytest
import sample

from hydrometer.report.price_view import build_prices
from hydrometer.report.words import UNBOUNDED_RATIO


@pytest.mark.parametrize("ratio", [0.0, 1e-12, 1.0, UNBOUNDED_RATIO])
def test_a_length_without_a_bound_stays_on_the_axis(ratio: float) -> None:
    price = sample.sample().tokens[0]
    price = replace(price, capability=sample.WORSE.capability, n=1, ratio=ratio, low=0.0, high=UNBOUNDED_RATIO)
    (chart,) = build_prices([sample.WORSE], [price], 0.03)
    low, place, high = chart.x
    assert 15.0 == low <= place <= high == 97.0
    assert all(14.0 <= end <= 154.0 for end in chart.y)
