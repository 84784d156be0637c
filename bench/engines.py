"""The bundled pair through llama.cpp, a llama.cpp server over HTTP, and transformers: verdicts, and how often replies differ.

    python bench/engines.py [--items 10] [--tasks arithmetic,copying,knowledge_facts] [--engines llamacpp,http,hf]

The servers are started here, one process per model, on loopback.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydrometer
from hydrometer.engines.base import EngineSettings
from hydrometer.refs import bundled_adapter, bundled_base

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
    parser.add_argument("--items", type=int, default=10)
    parser.add_argument("--tasks", default="arithmetic,copying,knowledge_facts")
    parser.add_argument("--engines", default="llamacpp,http,hf")
    args = parser.parse_args()
    reference: hydrometer.AuditResult | None = None
    for name in args.engines.split(","):
        with pair(name) as (base, student), tempfile.TemporaryDirectory() as out:
            result = hydrometer.audit(
                base, student, tasks=args.tasks.split(","), items=args.items, out=out,
                settings=EngineSettings(slots=1 if name == "llamacpp" else 0, concurrency=1),
            )  # fmt: skip
        reference = reference or result
        verdicts = ", ".join(
            f"{c.capability} {c.verdict.value} {100 * c.estimate.difference:+.1f}"
            for c in result.capabilities
        )
        print(f"{name} ({result.seconds:.0f} s): {verdicts or result.headline}")
        for side in ("base", "student"):
            ours, theirs = (
                [getattr(i, side) for i in result.items],
                [getattr(i, side) for i in reference.items],
            )
            replies = sum(a.answer != b.answer for a, b in zip(ours, theirs, strict=True))
            values = sum(a.value != b.value for a, b in zip(ours, theirs, strict=True))
            print(
                f"  {side}: {replies} of {len(ours)} replies and {values} outcomes differ from the first engine",
                flush=True,
            )


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
