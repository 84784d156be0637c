"""Time and memory of comparing two large lm-eval logs: `PYTHONPATH=src python bench/compare_logs.py [MEGABYTES]`.

Writes two logs of that size (200 MB unless told) into a temporary folder, compares them, and prints
seconds, MB/s and the peak of resident memory above that before the comparison.
"""

from __future__ import annotations

import hashlib
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from hydrometer.comparison import compare_logs
from hydrometer.logs.reading import read_log

TEXT = 4000
"""Characters of a reply: with its prompt a line of about 6 kB, as of a reasoning model that thinks briefly."""


def write(path: Path, megabytes: int, seed: int) -> int:
    rng = random.Random(seed)
    written = count = 0
    with path.open("w", encoding="utf-8") as file:
        while written < megabytes * 1_000_000:
            doc = {"question": f"What is {count} + {count}?" + " context" * 100, "answer": str(2 * count)}
            record = {
                "doc_id": count,
                "doc": doc,
                "target": doc["answer"],
                "arguments": {"gen_args_0": {"arg_0": doc["question"], "arg_1": {"until": ["\n\n"]}}},
                "resps": [["think " * (TEXT // 6)]],
                "filtered_resps": [doc["answer"]],
                "filter": "none",
                "metrics": ["exact_match"],
                "doc_hash": hashlib.sha256(json.dumps(doc).encode()).hexdigest(),
                "prompt_hash": hashlib.sha256(doc["question"].encode()).hexdigest(),
                "exact_match": float(rng.random() < 0.7),
            }
            written += file.write(json.dumps(record) + "\n")
            count += 1
    return count


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"samples_bench_2026-01-0{n}T00-00-00.000000.jsonl" for n in (1, 2)]
        items = [write(path, megabytes, seed) for seed, path in enumerate(paths)]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        result = compare_logs(*map(read_log, paths))
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"2 logs of {megabytes} MB, {items[0]:,} items each: {seconds:.1f} s, {2 * megabytes / seconds:.0f} MB/s, "
        f"{peak / 1024:.0f} MB above the {before / 1024:.0f} MB before it; {result.verdict}"
    )


if __name__ == "__main__":
    main()
