"""The bundled pair through llama.cpp, a llama.cpp server over HTTP, and transformers: verdicts, and how often replies differ.

    python bench/engines.py [--items 4] [--tasks arithmetic,copying] [--engines llamacpp,http,hf] [--max-tokens 0]

Greedy replies to the same items, one request at a time; per task and side, replies, chosen options and outcomes that differ
from the first engine's, then every verdict. The servers are started here, one process per model, on loopback.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

import hydrometer
from hydrometer.engines.base import EngineSettings
from hydrometer.refs import bundled_adapter, bundled_base
from hydrometer.result import CapabilityResult, Reply
from hydrometer.tasks.suites import suite

SERVER = """
import sys, time, xllamacpp
p = xllamacpp.CommonParams()
p.model.path, p.n_parallel, p.n_ctx, p.verbosity, p.endpoint_props = sys.argv[1], 1, 2048, -1, True
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 2
if len(sys.argv) > 2:
    p.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(sys.argv[2], 1.0)]
s = xllamacpp.Server(p)
print(s.listening_address, flush=True)
time.sleep(3600)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=4, help="items per task")
    parser.add_argument("--tasks", default="", help="task names with commas; all of the quick suite by default")
    parser.add_argument("--engines", default="llamacpp,http,hf")
    parser.add_argument("--max-tokens", type=int, default=0, help="cap of a reply, 0 for each task's own")
    args = parser.parse_args()
    tasks = tuple(args.tasks.split(",")) if args.tasks else tuple(suite("quick").items)
    first: hydrometer.AuditResult | None = None
    for name in args.engines.split(","):
        with pair(name) as (base, student), tempfile.TemporaryDirectory() as out:
            result = hydrometer.audit(
                base, student, tasks=tasks, items=args.items, max_tokens=args.max_tokens, fixed=True, out=out,
                settings=EngineSettings(concurrency=1),
            )  # fmt: skip
        print(f"{name}: {result.seconds:.0f} s, {len(result.items)} items, verdict: {result.verdict.value}")
        if first is None:
            first = result
            for found in result.capabilities:
                print(f"  {found.capability}: {worded(found)}", flush=True)
        else:
            compare(first, result)


def compare(first: hydrometer.AuditResult, other: hydrometer.AuditResult) -> None:
    """Print how often replies and outcomes differ, per task and side, and every verdict."""
    ours, theirs = ({item.item_id: item for item in result.items} for result in (first, other))
    if ours.keys() != theirs.keys():
        sys.exit(f"other items were asked: {other.headline}")
    sums = dict.fromkeys(("base", "student"), Differing())
    width = max(len(task.task) for task in other.tasks)
    for task in other.tasks:
        cells = []
        for side in sums:
            pairs = [
                (getattr(ours[key], side), getattr(item, side))
                for key, item in theirs.items()
                if item.task == task.task
            ]
            found = Differing.among(pairs, choices=bool(task.method))
            sums[side] = sums[side] + found
            cells.append(f"{side} {found}")
        print(f"  {task.task:{width}} of {len(pairs)}: {'; '.join(cells)}")
    for side, found in sums.items():
        print(f"  all of {side}: {found} of {len(theirs)} items, {found.generated} of them generated replies")
    before = {found.capability: found for found in first.capabilities}
    for found in other.capabilities:
        same = "same" if found.verdict is before[found.capability].verdict else "DIFFERENT"
        print(f"  {found.capability}: {worded(found)}; verdict {same}, first {worded(before[found.capability])}")
    print(f"  overall verdict {'same' if first.verdict is other.verdict else 'DIFFERENT'}", flush=True)


def worded(found: CapabilityResult) -> str:
    return f"{found.verdict.value} {100 * found.estimate.difference:+.1f}"


class Differing(NamedTuple):
    """How many generated replies, chosen options and outcomes of one side differ."""

    replies: int = 0
    chosen: int = 0
    outcomes: int = 0
    generated: int = 0

    @classmethod
    def among(cls, pairs: Sequence[tuple[Reply, Reply]], *, choices: bool) -> Differing:
        """Count over pairs of replies to the same items."""
        answers = sum(a.answer != b.answer or a.thinking != b.thinking for a, b in pairs)
        outcomes = sum((a.status, a.value) != (b.status, b.value) for a, b in pairs)
        return cls(0 if choices else answers, answers if choices else 0, outcomes, 0 if choices else len(pairs))

    def __add__(self, other: object) -> Differing:
        return Differing(*(a + b for a, b in zip(self, cast("Differing", other), strict=True)))

    def __str__(self) -> str:
        return f"{self.replies} replies, {self.chosen} choices, {self.outcomes} outcomes differ"


@contextmanager
def pair(name: str) -> Iterator[tuple[str, str]]:
    if name != "http":
        prefix = "hf:" if name == "hf" else ""
        yield f"{prefix}bundled:base", f"{prefix}bundled:student"
        return
    adapter = str(Path(bundled_adapter(), "adapter.gguf"))
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SERVER, str(bundled_base()), *extra], stdout=subprocess.PIPE, text=True
        )
        for extra in ([], [adapter])
    ]
    try:
        addresses = [process.stdout.readline().strip() for process in started if process.stdout]
        yield f"{addresses[0]}/v1", f"{addresses[1]}/v1"
    finally:
        for process in started:
            process.kill()


if __name__ == "__main__":
    main()
