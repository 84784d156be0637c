"""Measure the detection matrix: plant every fault, audit, and count how often it is seen and how often a clean pair is.

    python tools/measure_detects.py [--only KEY ...] [--missing] [--seeds N] [--clean N] [--jobs N]

Every pair goes through the whole of an audit: plan, engine, grading, pairing, tests, verdicts and what stands beside
them. Results are written into the package as data (`src/hydrometer/data/detects.json`), which `hydrometer detects` and
docs/detects.md show; run `python tools/make_docs.py` afterwards. With --only or --missing the other
rows are kept.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tools")]

from detect_bundled import BundledPlant, bundled_plants  # noqa: E402
from detect_plants import MISSING, ROWS, Plant, plants  # noqa: E402
from detect_pupils import RealPlant, real_plants  # noqa: E402
from hydrometer.detects import MATRIX, Detection, Matrix, Missing, load_matrix  # noqa: E402

DATA = ROOT / "src" / "hydrometer" / "data" / "detects.json"
COMMAND = "python tools/measure_detects.py"
SEEDS, CLEAN = 40, 100

AnyPlant = Plant | RealPlant | BundledPlant


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
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    chosen = parser.parse_args(arguments)
    known = {plant.key: plant for plant in all_plants()}
    if unknown := sorted(set(chosen.only) - set(known)):
        parser.error(f"no planted fault {', '.join(unknown)}: there are {', '.join(known)}")
    kept = {row.key: row for row in load_matrix().detections if row.key in known} if DATA.exists() else {}
    wanted = chosen.only or [key for key in known if not chosen.missing or not _as_planted(known[key], kept)]
    with tempfile.TemporaryDirectory(prefix="detects-") as folder, ProcessPoolExecutor(chosen.jobs) as pool:
        # What a process leaves behind, too, is removed at the end.
        os.environ["TMPDIR"] = folder
        running = [
            pool.submit(_measured, [plant.key for plant in group], chosen.seeds, chosen.clean)
            for group in groups(known[key] for key in wanted)
        ]
        for done in as_completed(running):
            kept |= {row.key: row for row in done.result()}
            write(kept)
    return 0 if all(row.shown for row in kept.values()) else 1


def all_plants() -> tuple[AnyPlant, ...]:
    """Return every planted fault, by row."""
    return tuple(sorted((*plants(), *real_plants(), *bundled_plants()), key=lambda plant: plant.row))


def measure(plant: AnyPlant, *, seeds: int, clean: int) -> Detection:
    """Return how often a planted fault is seen, and how often a clean pair raises it."""
    return measure_group([plant], seeds=seeds, clean=clean)[0]


def measure_group(group: Sequence[AnyPlant], *, seeds: int, clean: int) -> list[Detection]:
    """Measure plants whose clean pairs are the same; each of these is audited once for all."""
    started = time.perf_counter()
    alarms = [_seen(group, seed, clean=True) for seed in range(clean)]
    found = []
    for place, plant in enumerate(group):
        seen = sum(_seen([plant], seed, clean=False)[0] for seed in range(seeds))
        raised = sum(shown[place] for shown in alarms)
        row = Detection(
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
            alarms=raised,
            clean_pairs=clean,
        )
        took = time.perf_counter() - started
        print(f"{row.row:2} {row.key:28} {seen}/{seeds} {raised}/{clean} {took:6.1f} s", flush=True)
        found.append(row)
    return found


def groups(chosen: Iterable[AnyPlant]) -> list[list[AnyPlant]]:
    """Return plants in groups that share their clean pairs."""
    found: list[list[AnyPlant]] = []
    for plant in chosen:
        group = next((group for group in found if group[0].shares_clean(plant)), None)
        if group is None:
            found.append([plant])
        else:
            group.append(plant)
    return found


def write(rows: dict[str, Detection]) -> None:
    """Write the shipped file, rows in the order of the plants."""
    matrix = Matrix(
        command=COMMAND,
        detections=tuple(rows[plant.key] for plant in all_plants() if plant.key in rows),
        missing=tuple(Missing(row=row, detects=ROWS[row], why=why) for row, why in MISSING.items()),
    )
    DATA.write_bytes(MATRIX.dump_json(matrix, indent=1) + b"\n")


def _as_planted(plant: AnyPlant, rows: dict[str, Detection]) -> bool:
    """Whether a plant was measured as it is described now."""
    row = rows.get(plant.key)
    return row is not None and (row.fault, row.sees, row.clean, row.sizes, row.planted) == (
        plant.fault, plant.sees, plant.clean, plant.sizes, plant.planted
    )  # fmt: skip


def _seen(group: Sequence[AnyPlant], seed: int, *, clean: bool) -> list[bool]:
    """Audit one pair under all its legs, and return for each plant of the group whether all that must be seen is."""
    shown = [True] * len(group)
    for leg in dict.fromkeys(leg for plant in group for leg in plant.conditions):
        with tempfile.TemporaryDirectory(prefix="detects-") as folder:
            result = group[0].audit(seed, Path(folder), leg, clean=clean)
        for place, plant in enumerate(group):
            if leg in plant.conditions and not plant.conditions[leg](result):
                shown[place] = False
    return shown


def _measured(keys: Sequence[str], seeds: int, clean: int) -> list[Detection]:
    """Measure a group by its keys, which travel between processes where plants cannot."""
    known = {plant.key: plant for plant in all_plants()}
    return measure_group([known[key] for key in keys], seeds=seeds, clean=clean)


if __name__ == "__main__":
    sys.exit(main())
