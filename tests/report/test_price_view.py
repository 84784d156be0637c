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
    spec = chart.drawing.spec
    (place,) = spec["data"][0]["values"]
    low, high = next(scale["domain"] for scale in spec["scales"] if scale["name"] == "x")
    assert low == place["x_low"] <= place["x"] <= place["x_high"] == high
    assert place["margin_high"] - place["base"] == pytest.approx(3.0)
    assert f"difference {-9.0} [-14.1, -3.9] points" in chart.drawing.description


def test_charts_side_by_side_share_both_scales() -> None:
    price = replace(sample.sample().tokens[0], n=9, ratio=1.5, low=1.2, high=1.9)
    rows = [sample.WORSE, replace(sample.WORSE, capability="other")]
    prices = [
        replace(price, capability=row.capability, high=high) for row, high in zip(rows, (1.9, 7.0), strict=True)
    ]
    one, other = (chart.drawing.spec for chart in build_prices(rows, prices, 0.03))
    assert one["scales"] == other["scales"]
    assert one["scales"][0]["domain"] == [1 / 8, 8]
