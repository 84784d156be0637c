"""Seconds and memory to judge 1,000,000 paired outcomes over 50 capabilities, and what importing the statistics costs.

    python bench/million_pairs.py

Labels and scores stand in arrays, as a log reader leaves them. Measured are: grouping by capability, the tables of
answered items and with missing replies as failed, and the verdicts; fixed size, and with 20 looks each.
Targets: under 2 s; boundaries of 20 looks under 2 s once, kept afterwards; `hydrometer.stats` loads numpy and scipy
alone.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

SOURCE = Path(__file__).resolve().parent.parent / "src"
sys.path.insert(0, str(SOURCE))

from hydrometer.pairing import Scores  # noqa: E402
from hydrometer.result import CapabilityResult, Course, Stopped  # noqa: E402
from hydrometer.stats.estimate import Floats, Ints  # noqa: E402
from hydrometer.stats.sequential import boundaries, look_counts, repeated_p  # noqa: E402
from hydrometer.verdict import CapabilityTable, judge, overall  # noqa: E402

PAIRS, CAPABILITIES = 1_000_000, 50
T = TypeVar("T")
IMPORT = """
import json, sys, time
clock = time.perf_counter()
import numpy, scipy.special
below = time.perf_counter() - clock
before, clock = set(sys.modules), time.perf_counter()
import hydrometer.stats.monitor, hydrometer.stats.power, hydrometer.stats.multiplicity, hydrometer.stats.lengths
own = time.perf_counter() - clock
from importlib.metadata import packages_distributions
more = {name.partition(".")[0] for name in set(sys.modules) - before} & set(packages_distributions())
print(json.dumps({"below": below, "own": own, "more": sorted(more - {"hydrometer", "numpy", "scipy"})}))
"""


def main() -> None:
    print_import()
    times = tuple(k / 20 for k in range(1, 21))
    first, again = timed(lambda: boundaries(times)), timed(lambda: boundaries(times))
    print(f"boundaries of 20 looks: {first[0]:.3f} s at first, {again[0] * 1e6:.1f} us afterwards")
    first, again = (timed(lambda: repeated_p(np.full((1, 20), 2.0), times)) for _ in range(2))
    print(f"repeated p-values of 20 looks: {first[0]:.3f} s at first, {again[0] * 1e6:.1f} us afterwards")
    labels, base, student = outcomes()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for looks in (False, True):
        seconds, results = timed(partial(compare, labels, base, student, looks=looks))
        how = "with 19 or 20 looks each" if looks else "fixed size"
        print(
            f"{PAIRS:,} pairs, {CAPABILITIES} capabilities, {how}: {seconds:.2f} s, overall {overall(results).value}"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory: {peak / 1024:.0f} MiB, of which {(peak - before) / 1024:.0f} MiB for the comparison")


def outcomes() -> tuple[Ints, Floats, Floats]:
    """A capability number per item, and right/wrong scores with 1 % missing on each side; 12 % of items flip."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CAPABILITIES, PAIRS)
    flips = rng.random(PAIRS) < 0.12
    base = (rng.random(PAIRS) < np.where(flips, 0.5, 0.7)).astype(np.float64)
    student = np.where(flips, 1.0 - base, base)
    for scores in (base, student):
        scores[rng.random(PAIRS) < 0.01] = np.nan
    return labels, base, student


def compare(labels: Ints, base: Floats, student: Floats, *, looks: bool) -> tuple[CapabilityResult, ...]:
    """From arrays to verdicts."""
    order = np.argsort(labels, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(labels, minlength=CAPABILITIES))[:-1])
    return judge(
        {f"c{n}": table(base[own], student[own], looks=looks) for n, own in enumerate(parts)},
        margin=0.03,
        alpha=0.05,
    )


def table(base: Floats, student: Floats, *, looks: bool) -> CapabilityTable:
    """The evidence on one capability."""
    scores = Scores(base=base, student=student, excused=np.zeros(base.size, dtype=np.bool_))
    seen = counted = None
    if looks:
        planned = look_counts(base.size)
        seen, counted = scores.looks(Course(planned=planned, looks=len(planned), stopped=Stopped.COMPLETE))
    return CapabilityTable(
        answered=scores.answered(),
        strict=scores.strict(),
        chance=0.0,
        tasks=(),
        answered_looks=seen,
        strict_looks=counted,
    )


def print_import() -> None:
    """Import in a process of its own, so that nothing is loaded already."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SOURCE)},
    )
    found = json.loads(done.stdout)
    more = ", ".join(found["more"]) or "no other package"
    print(
        f"import: numpy and scipy.special {found['below']:.2f} s, the statistics {found['own']:.2f} s, {more}"
    )


def timed(call: Callable[[], T]) -> tuple[float, T]:
    clock = time.perf_counter()
    result = call()
    return time.perf_counter() - clock, result


if __name__ == "__main__":
    main()
