"""Measure the detection matrix: plant every fault, audit, and count how often it is seen and how often a clean pair is.

    python tools/measure_detects.py [--only KEY ...] [--missing] [--seeds N] [--clean N]

Every pair goes through the whole of an audit: plan, engine, grading, pairing, tests, verdicts and what stands beside
them. Results are written into the package as data (`src/hydrometer/data/detects.json`), which `hydrometer detects` and
docs/detects.md show; run `python tools/make_docs.py` afterwards. With --only or --missing the other
rows are kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tools")]

from detect_plants import MISSING, ROWS, Plant, plants  # noqa: E402
from hydrometer.detects import MATRIX, Detection, Matrix, Missing, load_matrix  # noqa: E402

DATA = ROOT / "src" / "hydrometer" / "data" / "detects.json"
COMMAND = "python tools/measure_detects.py"
SEEDS, CLEAN = 40, 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; the exit status is 1 where a measured row is not shown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[], help="names of planted faults")
    parser.add_argument(
        "--missing", action="store_true", help="only what is not in the file, or was planted otherwise"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help="audits of planted pairs")
    parser.add_argument("--clean", type=int, default=CLEAN, help="audits of clean pairs")
    chosen = parser.parse_args(arguments)
    known = {plant.key: plant for plant in all_plants()}
    if unknown := sorted(set(chosen.only) - set(known)):
        parser.error(f"no planted fault {', '.join(unknown)}: there are {', '.join(known)}")
    kept = {row.key: row for row in load_matrix().detections if row.key in known} if DATA.exists() else {}
    wanted = chosen.only or [key for key in known if not chosen.missing or not _as_planted(known[key], kept)]
    for key in wanted:
        kept[key] = measure(known[key], seeds=chosen.seeds, clean=chosen.clean)
        write(kept)
    return 0 if all(row.shown for row in kept.values()) else 1


def all_plants() -> tuple[Plant, ...]:
    """Return every planted fault, by row."""
    return plants()


def measure(plant: Plant, *, seeds: int, clean: int) -> Detection:
    """Return how often a planted fault is seen, and how often a clean pair raises it."""
    started = time.perf_counter()
    seeds, clean = (min(count, plant.most) if plant.most else count for count in (seeds, clean))
    seen, alarms = (
        sum(_shows(plant, seed, clean=healthy) for seed in range(count))
        for count, healthy in ((seeds, False), (clean, True))
    )
    found = Detection(
        key=plant.key,
        row=plant.row,
        detects=ROWS[plant.row],
        sees=plant.sees,
        fault=plant.fault,
        clean=plant.clean,
        planted=plant.planted,
        sizes=plant.sizes,
        seen=seen,
        pairs=seeds,
        alarms=alarms,
        clean_pairs=clean,
    )
    took = time.perf_counter() - started
    print(f"{plant.row:2} {plant.key:28} {seen}/{seeds} {alarms}/{clean} {took:6.1f} s", flush=True)
    return found


def write(rows: dict[str, Detection]) -> None:
    """Write the shipped file, rows in the order of the plants."""
    matrix = Matrix(
        command=COMMAND,
        detections=tuple(rows[plant.key] for plant in all_plants() if plant.key in rows),
        missing=tuple(Missing(row=row, detects=ROWS[row], why=why) for row, why in MISSING.items()),
    )
    DATA.write_bytes(MATRIX.dump_json(matrix, indent=1) + b"\n")


def _as_planted(plant: Plant, rows: dict[str, Detection]) -> bool:
    """Whether a plant was measured as it is described now."""
    row = rows.get(plant.key)
    return row is not None and (row.fault, row.sees, row.clean, row.sizes, row.planted) == (
        plant.fault, plant.sees, plant.clean, plant.sizes, plant.planted
    )  # fmt: skip


def _shows(plant: Plant, seed: int, *, clean: bool) -> bool:
    with tempfile.TemporaryDirectory(prefix="detects-") as folder:
        return plant.shows(seed, Path(folder), clean=clean)


if __name__ == "__main__":
    sys.exit(main())
