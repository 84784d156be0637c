"""The fit of flips on drift: it finds the curve that made them, and says nothing where it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from hydrometer.stats.flips import FEWEST, FlipFit, chance, fit_flips


def made(fit: FlipFit, items: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    kl = np.exp(rng.normal(-2.0, 1.0, items))
    return kl, rng.random(items) < chance(fit, kl)


def test_it_finds_the_curve_that_made_the_flips() -> None:
    true = FlipFit(level=1.0, slope=1.2, slope_error=0.0)
    found = fit_flips(*made(true, 20_000, 1))
    assert found
    assert abs(found.slope - true.slope) < 4 * found.slope_error
    assert found.level == pytest.approx(true.level, abs=0.15)
    assert found.slope_error < 0.05


def test_its_error_covers_and_without_a_relation_none_is_shown() -> None:
    true = FlipFit(level=-1.0, slope=0.0, slope_error=0.0)
    fits = [fit for seed in range(300) if (fit := fit_flips(*made(true, 120, seed)))]
    outside = np.mean([abs(fit.slope) > 1.96 * fit.slope_error for fit in fits])
    assert len(fits) == 300
    assert 0.02 < outside < 0.085


def test_its_error_is_how_far_a_steep_slope_varies() -> None:
    true = FlipFit(level=4.0, slope=2.0, slope_error=0.0)
    fits = [fit for seed in range(300) if (fit := fit_flips(*made(true, 400, seed)))]
    assert np.mean([fit.slope_error for fit in fits]) == pytest.approx(np.std([fit.slope for fit in fits]), rel=0.15)


def test_what_cannot_be_fitted_is_not() -> None:
    kl = np.linspace(0.01, 1.0, 40)
    assert fit_flips(kl, kl < 0.0) is None
    assert fit_flips(kl, np.arange(40) < FEWEST - 1) is None
    assert fit_flips(kl, kl > 0.5) is None, "separated"
    assert fit_flips(np.full(40, 0.1), np.arange(40) % 2 == 0) is None
    assert fit_flips(np.zeros(0), np.zeros(0, dtype=bool)) is None
    assert fit_flips(np.where(np.arange(40) % 3 == 0, 0.0, kl), np.arange(40) % 2 == 0) is not None
