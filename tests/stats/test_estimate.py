"""The values that statistics take, and what the package offers."""

import subprocess
import sys

import numpy as np
import pytest

import hydrometer.stats
from hydrometer.stats.estimate import Floats, Paired


def scores(*values: float) -> Floats:
    return np.array(values, dtype=np.float64)


def test_knows_binary_from_fractional() -> None:
    assert Paired(base=scores(0, 1), student=scores(1, 1)).binary
    assert not Paired(base=scores(0, 1), student=scores(0.5, 1)).binary


def test_difference_is_student_minus_base() -> None:
    assert Paired(base=scores(1, 0.5), student=scores(0, 0.75)).differences.tolist() == [-1.0, 0.25]


@pytest.mark.parametrize(
    ("base", "student"),
    [
        (scores(1), scores(1, 0)),
        (scores(2), scores(0)),
        (scores(0), scores(float("nan"))),
        (scores(-0.1), scores(0)),
    ],
)
def test_refuses_what_is_not_paired_scores(base: Floats, student: Floats) -> None:
    with pytest.raises(ValueError, match="must be"):
        Paired(base=base, student=student)


def test_every_public_function_is_found_and_listed_in_order() -> None:
    assert hydrometer.stats.__all__ == sorted(hydrometer.stats.__all__)
    assert all(callable(getattr(hydrometer.stats, name)) for name in hydrometer.stats.__all__)
    with pytest.raises(AttributeError, match="wald"):
        _ = hydrometer.stats.wald_interval


def test_values_load_without_scipy() -> None:
    code = "import sys, hydrometer.stats.estimate; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
