"""How far weights moved, against the slow obvious way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hydrometer.checkpoint import inventory
from hydrometer.checkpoint.changes import SAMPLE, measure
from hydrometer.checkpoint.grids import GRIDS, rounded
from hydrometer.checkpoint.inventory import Inventory, take_inventory
from hydrometer.checkpoint.names import Place
from memory_source import Array, MemorySource, bf16

PLACE = Place("text", 0, "mlp.up_proj")
rng = np.random.default_rng(0)
BASE = bf16(rng.standard_normal((600, 256)).astype(np.float32))
STUDENT = bf16(BASE + np.where(rng.random(BASE.shape) < 0.3, 0.05, 0.0).astype(np.float32))


def stock(array: Array, name: str = "model.layers.0.mlp.up_proj.weight") -> Inventory:
    return take_inventory(MemorySource({name: array}))


def test_every_number_equals_the_obvious_one() -> None:
    found = measure(stock(BASE), stock(STUDENT), PLACE, most=None)
    base, student = BASE.astype(np.float64), STUDENT.astype(np.float64)
    norms = np.linalg.norm(base), np.linalg.norm(student)
    both = np.sum(base * student)
    assert (found.compared, found.elements) == (BASE.size, BASE.size)
    assert found.changed == np.mean(BASE != STUDENT) == found.cast_changed
    assert found.relative == pytest.approx(np.linalg.norm(student - base) / norms[0], rel=1e-5)
    assert found.cosine == pytest.approx(both / (norms[0] * norms[1]), rel=1e-5)
    assert found.gain == pytest.approx(both / norms[0] ** 2 - 1, rel=1e-3)
    assert found.largest == np.abs(STUDENT - BASE).max()


def test_a_sample_is_the_first_rows() -> None:
    found = measure(stock(BASE), stock(STUDENT), PLACE, most=SAMPLE)
    rows = SAMPLE // 256
    assert found.compared == rows * 256
    assert found.changed == np.mean(BASE[:rows] != STUDENT[:rows])


def test_experts_in_a_stack_count_each_alone() -> None:
    name = "model.layers.0.mlp.experts.gate_up_proj"
    ours, theirs = (stock(np.stack([a[:64], a[64:128]]), name) for a in (BASE, STUDENT))
    found = measure(ours, theirs, Place("text", 0, "experts.up_proj", 1), most=None)
    assert found.changed == np.mean(BASE[96:128] != STUDENT[96:128])


def test_pieces_cover_every_row_once() -> None:
    weight = stock(BASE).weights[PLACE]
    found = list(inventory.pieces(weight, 3, 600, most=1000))
    assert found[0][0] == 3
    assert found[-1][1] == 600
    assert all(first[1] == second[0] for first, second in itertools.pairwise(found))
    assert max(stop - start for start, stop in found) == 3


def test_zeros_and_odd_numbers() -> None:
    zeros = np.zeros_like(BASE)
    assert measure(stock(zeros), stock(zeros), PLACE, most=None).relative == 0.0
    assert measure(stock(zeros), stock(BASE), PLACE, most=None).relative == np.inf
    broken = STUDENT.copy()
    broken[0, 0], broken[1, 1] = np.nan, np.inf
    found = measure(stock(BASE), stock(broken), PLACE, most=None)
    assert (found.base_odd, found.student_odd) == (0, 2)
    assert found.relative == pytest.approx(measure(stock(BASE), stock(STUDENT), PLACE, most=None).relative, rel=1e-2)


def test_rounding() -> None:
    values = (rng.standard_normal(4000) * np.exp(rng.standard_normal(4000) * 8)).astype(np.float32)
    np.testing.assert_array_equal(rounded(values, "BF16"), bf16(values))
    odd = np.array([np.nan, np.inf, -np.inf], np.float32)
    np.testing.assert_array_equal(rounded(odd, "BF16"), odd)


@pytest.mark.parametrize(("grid", "noise"), [("NF4", 0.092), ("INT4", 0.118), ("MXFP4", 0.114), ("FP8", 0.026)])
def test_grids_make_the_known_noise(grid: str, noise: float) -> None:
    """Relative distances measured with the usual quantisers on normal values; INT4 in symmetric steps of 2.85 / 7."""
    values = rng.standard_normal((256, 512)).astype(np.float32)
    found = GRIDS[grid](values)
    assert found is not None
    assert np.linalg.norm(found - values) / np.linalg.norm(values) == pytest.approx(noise, rel=0.08)
    again = GRIDS[grid](found)
    assert again is not None
    if grid != "MXFP4":
        np.testing.assert_allclose(again, found, rtol=1e-5)
    assert GRIDS[grid](values[:, :40]) is None
