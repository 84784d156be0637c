"""The rank of a change, on planted ones: LoRAs of any rank and size, dense ones, and decaying spectra."""

from __future__ import annotations

import numpy as np
import pytest

from hydrometer.checkpoint.grids import rounded
from hydrometer.checkpoint.rank import Rank, find_rank
from memory_source import Array, bf16

WIDTH, ROWS = 256, 384


def plant(change: Array, relative: float, dtype: str = "BF16", seed: int = 0) -> Rank:
    base = bf16((np.random.default_rng(seed).standard_normal((ROWS, WIDTH)) * 0.02).astype(np.float32))
    scaled = change * np.float32(relative * np.linalg.norm(base) / np.linalg.norm(change))
    return find_rank(base, rounded(base + scaled, dtype), dtype)


def low(rank: int, decay: float = 0.0) -> Array:
    rng = np.random.default_rng(rank)
    scale = (1.0 + np.arange(rank)) ** -decay
    return ((rng.standard_normal((ROWS, rank)) * scale) @ rng.standard_normal((rank, WIDTH))).astype(np.float32)


def dense(decay: float = 0.0) -> Array:
    rng = np.random.default_rng(5)
    if not decay:
        return rng.standard_normal((ROWS, WIDTH)).astype(np.float32)
    left, _ = np.linalg.qr(rng.standard_normal((ROWS, WIDTH)))
    right, _ = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))
    return ((left * (1.0 + np.arange(WIDTH)) ** -decay) @ right.T).astype(np.float32)


@pytest.mark.parametrize(("rank", "relative"), [(1, 3e-3), (4, 1e-3), (8, 1e-3), (12, 3e-3), (16, 1e-3), (32, 1e-2)])
def test_a_lora_has_its_rank(rank: int, relative: float) -> None:
    found = plant(low(rank), relative)
    assert found.rank == rank
    assert found.rebuilt > found.unchanged + 0.01


@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_other_dtypes(dtype: str) -> None:
    found = plant(low(8), 1e-3, dtype)
    assert found.rank == 8
    assert found.gap > 3.0


def test_a_decaying_spectrum_has_at_most_its_rank() -> None:
    assert 8 <= plant(low(32, decay=1.0), 1e-2).rank <= 32


@pytest.mark.parametrize("relative", [1e-3, 1e-2, 1e-1])
@pytest.mark.parametrize("decay", [0.0, 0.7])
def test_a_dense_change_has_none(relative: float, decay: float) -> None:
    assert plant(dense(decay), relative).rank == 0


def test_nothing_has_no_rank() -> None:
    found = plant(low(8), 0.0)
    assert (found.rank, found.unchanged) == (0, 1.0)


def test_one_strong_direction_on_a_dense_change_is_no_rank() -> None:
    strong = low(1) / np.linalg.norm(low(1)) + dense() / np.linalg.norm(dense())
    assert plant(strong, 1e-2).rank == 0
