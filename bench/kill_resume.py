"""Kill a real audit of the bundled pair with SIGKILL at ten random moments, restart it, and compare with an undisturbed run.

    python bench/kill_resume.py [--items 8] [--seed 0]

Prints the moments, the answers kept at each kill, and whether verdicts, items and counts are the same.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TASKS = ("arithmetic", "copying", "recall", "knowledge_facts", "commonsense", "constraints")


def command(out: Path, items: int) -> list[str]:
    chosen = [word for task in TASKS for word in ("--task", task)]
    entry = [sys.executable, "-m", "hydrometer.cli"]
    return [
        *entry,
        "audit",
        "bundled:base",
        "bundled:student",
        *chosen,
        "--items",
        str(items),
        "--out",
        str(out),
        "--json",
    ]


def answers(store: Path) -> int:
    if not store.exists():
        return 0
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        return int(db.execute("SELECT count(*) FROM completions").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        db.close()


def differences(one: object, other: object, path: str) -> Iterator[str]:
    """Yield where two JSON values differ, with both values."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differences(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}[{number}]")
    elif one != other:
        yield f"{path}: {one!r} -> {other!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        calm, killed = Path(folder, "calm"), Path(folder, "killed")
        clock = time.perf_counter()
        undisturbed = json.loads(
            subprocess.run(command(calm, args.items), capture_output=True, check=False).stdout
        )
        length = time.perf_counter() - clock
        print(f"undisturbed: {length:.1f} s, {answers(calm / 'evidence.sqlite')} answers")
        for number in range(10):
            process = subprocess.Popen(
                command(killed, args.items), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            wait = rng.uniform(0.5, max(2.0, length / 6))
            time.sleep(wait)
            process.kill()
            process.wait()
            print(f"kill {number + 1} after {wait:.1f} s: {answers(killed / 'evidence.sqlite')} answers kept")
        kept = answers(killed / "evidence.sqlite")
        result = json.loads(
            subprocess.run(command(killed, args.items), capture_output=True, check=False).stdout
        )
        total = answers(killed / "evidence.sqlite")
        asked = result["base"]["asked"] + result["student"]["asked"]
        print(
            f"last run asked {asked} of {total}, {kept} were kept: {'none' if asked == total - kept else 'SOME'} asked twice"
        )
        for part in ("verdict", "capabilities", "tasks", "tokens", "items"):
            where = list(differences(undisturbed[part], result[part], part))
            print("\n".join([f"{part}: DIFFERENT", *where[:5]]) if where else f"{part}: same")


if __name__ == "__main__":
    main()
