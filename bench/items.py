"""Does an audit's own cost grow linearly with its items? Two scripted models, the whole way to the written report.

    python bench/items.py [--sizes 60,600,6000] [--task arithmetic] [--limit 1.5]

Scripted replies take no time, so all of it is ours: items, requests, evidence, grades, statistics, report. Fails where
an item of the largest audit costs more than `--limit` times what one of the middle audit does: the smallest pays for
the start.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from hydrometer.api import audit
from hydrometer.verify import verify_folder


def once(task: str, items: int) -> dict[str, float]:
    """Microseconds of computing per item: a first audit, the same again from the evidence, and its verification."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("audit", "again"):
            clock = time.process_time()
            result = audit(
                "fake:echo", "fake:echo?seed=1", tasks=(task,), items=items, fixed=True, out=Path(folder), inspect=False
            )
            assert len(result.items) == items, len(result.items)
            found[name] = time.process_time() - clock
        clock = time.process_time()
        assert not verify_folder(Path(folder)).problems
        found["verify"] = time.process_time() - clock
    return {name: 1e6 * seconds / items for name, seconds in found.items()}


def main() -> int:
    """Run the sizes one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="60,600,6000")
    parser.add_argument("--task", default="arithmetic")
    parser.add_argument("--limit", type=float, default=1.5)
    args = parser.parse_args()
    sizes = [int(size) for size in args.sizes.split(",")]
    once(args.task, sizes[0])  # What is loaded on first use is no cost of items.
    found = {size: once(args.task, size) for size in sizes}
    for size, costs in found.items():
        print(f"{size} items: " + ", ".join(f"{name} {cost:.0f} us an item" for name, cost in costs.items()))
    growth = {name: found[sizes[-1]][name] / found[sizes[-2]][name] for name in found[sizes[0]]}
    print("growth of the last step: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in growth.items()))
    return 1 if max(growth.values()) > args.limit else 0


if __name__ == "__main__":
    sys.exit(main())
