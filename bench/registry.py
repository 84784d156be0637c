"""A registry of many audits: time to build the site, size of its index, time of a live query.

    python bench/registry.py [--audits 1000] [--keep DIR]

One audit of two scripted models is run; the others are copies of it with other models, numbers and dates, so that each
has a whole report and its own place in every list.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from hydrometer.api import audit
from hydrometer.canon import canonical_json, to_plain
from hydrometer.provenance import ModelIdentity
from hydrometer.registry.collect import find_sources, read_source
from hydrometer.registry.site import build_site
from hydrometer.result import AuditResult, CapabilityResult, Verdict
from hydrometer.verdict import headline, overall

BASES = [
    ("Qwen3.5", 27.4e9), ("Qwen3.6", 35.1e9), ("Qwen3.8", 8.2e9), ("gemma-4", 12.2e9), ("gemma-4", 4.3e9),
    ("SmolLM2", 0.135e9), ("Qwen3.5", 4.0e9), ("Llama-3.2", 3.2e9),
]  # fmt: skip
WIDTHS = {"Q4_K_M": 0.6, "Q5_K_M": 0.7, "Q8_0": 1.06, "IQ3_XXS": 0.39, "BF16": 2.0}


def synthetic(first: AuditResult, number: int, rng: random.Random) -> AuditResult:
    """Return a copy with other models, verdicts, numbers and date."""
    family, parameters = rng.choice(BASES)
    quantisation = rng.choice(list(WIDTHS))
    base = f"{family}-{parameters / 1e9:.1f}B-Instruct.{quantisation}"
    student = f"{rng.choice(['Qwopus', 'Opus-Distill', 'R1-Distill', 'Sonnet-Reasoner'])}-{family}-{number}.{quantisation}"
    size = "" if number % 10 == 0 else str(round(parameters * WIDTHS[quantisation]))
    capabilities = tuple(varied(row, rng) for row in first.capabilities)
    return replace(
        first,
        created=f"2026-{1 + number % 11:02d}-{1 + number % 28:02d}T{number % 24:02d}:00:00+00:00",
        base=replace(first.base, identity=identity(first.base.identity, base, family, parameters, quantisation, size)),
        student=replace(
            first.student, identity=identity(first.student.identity, student, family, parameters, quantisation, size)
        ),
        capabilities=capabilities,
        verdict=overall(capabilities),
        headline=headline(capabilities, base, student),
    )


def identity(old: ModelIdentity, label: str, family: str, parameters: float, quantisation: str, size: str) -> ModelIdentity:
    details = {"parameters": str(int(parameters)), **({"file size": size} if size else {})}
    weights = "sha256:" + sha256(label.encode()).hexdigest()
    return replace(old, label=label, weights=weights, family=family, precision=quantisation, details=details)


def varied(row: CapabilityResult, rng: random.Random) -> CapabilityResult:
    base, difference, half = rng.uniform(0.3, 0.9), rng.gauss(-0.02, 0.05), rng.uniform(0.01, 0.06)
    low, high = difference - half, difference + half
    verdict = (
        Verdict.WORSE if high < 0
        else Verdict.BETTER if low > 0
        else Verdict.EQUIVALENT if low > -0.03 and high < 0.03
        else Verdict.NOT_ENOUGH
    )  # fmt: skip
    found = replace(row.estimate, base=base, student=base + difference, difference=difference, low=low, high=high, n=120)
    return replace(row, verdict=verdict, estimate=found, strict=found)


def make(folder: Path, count: int) -> None:
    """Write so many audits."""
    first = audit("fake:echo", "fake:echo?seed=1", suite="quick", out=folder / ".first")
    rng = random.Random(7)
    for number in range(count):
        place = folder / f"{number:04d}"
        place.mkdir(parents=True)
        (place / "report.json").write_text(canonical_json(to_plain(synthetic(first, number, rng))))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--audits", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="folder for the audits and the site; else a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        if not (folder / "audits").exists():
            make(folder / "audits", options.audits)
        clock, before = time.perf_counter(), sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        built = build_site(folder / "audits", folder / "site")
        spent = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) - before
        print(f"build of {built.audits:,} audits: {time.perf_counter() - clock:.1f} s on {os.cpu_count()} cores, "
              f"{spent:.1f} s of processor time")
        site = folder / "site"
        print(f"index.html: {(site / 'index.html').stat().st_size:,} bytes; memory.html: "
              f"{(site / 'memory.html').stat().st_size:,}; index.json: {(site / 'index.json').stat().st_size:,}")
        total = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
        print(f"site: {total / 1e6:,.0f} MB in {sum(1 for p in site.rglob('*') if p.is_file()):,} files")
        live(folder)


def live(folder: Path) -> None:
    """Time queries of the server's pages and of its API over the same audits."""
    try:
        from fastapi.testclient import TestClient

        from hydrometer.registry.database import Database
        from hydrometer.registry.server import Settings, make_app
    except ImportError as error:
        print(f"live queries left out: {error}")
        return
    database = Database(f"sqlite:///{folder / 'bench.sqlite'}")
    for source in find_sources(folder / "audits")[0]:
        entry, _, report = read_source(source)
        database.add(entry, report, b"")
    client = TestClient(make_app(database, Settings(reads=100_000)))
    for path in ("/index.html", "/index.html?q=qwopus&verdict=worse&capability=reasoning", "/memory.html?memory=24&free=2",
                 "/api/audits.json?base=gemma-4-12.2B-Instruct", "/bases.html"):  # fmt: skip
        times = []
        for _ in range(20):
            clock = time.perf_counter()
            answer = client.get(path)
            times.append(1000 * (time.perf_counter() - clock))
            answer.raise_for_status()
        print(f"GET {path}: median {statistics.median(times):.0f} ms, longest {max(times):.0f} ms, {len(answer.content):,} bytes")


if __name__ == "__main__":
    main()
