"""What drift costs over the bare forward passes, and against llama-perplexity: `python bench/drift.py [--tokens 20000]`.

Both models read the same text (README, docs and changelog of this project: nothing is read twice). Ratios come from one
run: the two bare passes and the comparison take turns, stretch by stretch, in seconds of the clock and, for cores that
others use too, of the processor. `--perplexity PATH` runs llama.cpp's tool on
the same files, writes its `.kld` file, and reads that back; `--steps` shows that cost grows with tokens.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hydrometer.api import environment
from hydrometer.catalog import open_reader
from hydrometer.drift.base_side import CachedBase, KeepingBase
from hydrometer.drift.cache import TOP_K, Cache, CacheWriter, header_of
from hydrometer.drift.kld import KldFile
from hydrometer.drift.reading import Source, piece_of, read_pair, source_of
from hydrometer.drift.rows import WINDOW, Row, batches, make_rows
from hydrometer.drift.run import drift
from hydrometer.drift.texts import Passage
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.reading import Reader
from hydrometer.refs import bundled_adapter, bundled_base, parse_ref
from hydrometer.stats.estimate import Floats

ROOT = Path(__file__).resolve().parent.parent
Seconds = Floats
PAIR = ("bundled:base", "bundled:student")
STRETCH = 4
"""Rows between two turns."""


def texts() -> list[Passage]:
    """The project's own prose, one document a file."""
    paths = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "bench" / "RESULTS.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [Passage(name=path.name, group="docs", text=path.read_text(encoding="utf-8")) for path in paths]


def rows_of(reader: Reader, tokens: int) -> list[Row]:
    """Rows of about so many compared tokens."""
    found, seen = [], 0
    for row in make_rows(reader, texts(), WINDOW):
        if seen >= tokens:
            break
        found.append(row)
        seen += len(row.starts)
    return found


def count(rows: Sequence[Row]) -> int:
    return sum(len(row.starts) for row in rows)


def timed(work: Callable[[], object]) -> Seconds:
    """Seconds of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - clock, time.process_time() - processor])


def bare(reader: Reader, rows: Sequence[Row]) -> None:
    """A pass that does nothing with the logits."""
    for batch in batches(rows):
        for _ in reader.read([row.ids for row in batch], piece_of(reader.vocabulary)):
            pass


def compared(base: Source, student: Reader, rows: Sequence[Row], threads: int) -> None:
    """A comparison whose result nobody looks at."""
    piece = piece_of(student.vocabulary)
    read_pair(base, source_of(student), rows, piece=piece, threads=threads, done=lambda _: None)


def turns(base: Reader, student: Reader, rows: Sequence[Row], threads: int) -> tuple[Seconds, Seconds]:
    """Seconds of the two bare passes, and of the exact comparison, in turns."""
    alone, both = np.zeros(2), np.zeros(2)
    for number, at in enumerate(range(0, len(rows), STRETCH)):
        part = rows[at : at + STRETCH]
        for what in (0, 1) if number % 2 else (1, 0):
            if what:
                alone += timed(lambda part=part: (bare(base, part), bare(student, part)))
            else:
                both += timed(lambda part=part: compared(source_of(base), student, part, threads))
    return alone, both


def cached(base: Reader, student: Reader, rows: Sequence[Row], path: Path, threads: int) -> tuple[Seconds, Seconds, int]:
    """Seconds of a run that writes the cache, of one that reads it, and its size."""
    header = header_of(base.identity(), [], rows, vocabulary=base.vocabulary, top_k=TOP_K, window=WINDOW)
    writer = CacheWriter(path, header)
    wrote = timed(lambda: compared(KeepingBase(base, writer, threads=threads).source, student, rows, threads))
    writer.finish(None)
    again = timed(lambda: compared(CachedBase(Cache(path)).source, student, rows, threads))
    return wrote, again, path.stat().st_size


def asked_tool(tool: Path, threads: int, *more: str) -> tuple[Seconds, str]:
    """Seconds of llama-perplexity, of the clock and of its processor, and what it said."""
    common = [str(tool), "-m", str(bundled_base()), "-t", str(threads), "-c", str(WINDOW)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([*common, *more], capture_output=True, text=True, check=True)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return np.array([clock, processor]), done.stdout + done.stderr


def perplexity(tool: Path, kld: Path, threads: int, text: Path | None = None) -> tuple[Seconds, float]:
    """Seconds of llama-perplexity over base and student, or over the student alone without a text; its mean KL."""
    lora = str(next(Path(bundled_adapter()).glob("*.gguf")))
    seconds = np.zeros(2)
    if text is not None:
        seconds += asked_tool(tool, threads, "-f", str(text), "--kl-divergence-base", str(kld))[0]
    own, said = asked_tool(tool, threads, "--lora", lora, "--kl-divergence-base", str(kld), "--kl-divergence")
    mean = re.search(r"Mean\s+KLD:\s+([0-9.]+)", said)
    return seconds + own, float(mean[1]) if mean else float("nan")


def against(tool: Path, rows: Sequence[Row], folder: Path, settings: EngineSettings, each: Seconds) -> None:
    """Compare with llama.cpp's tool; `each` is what a compared token costs us in windows of our own."""
    text, kld = folder / "text.txt", folder / "base.kld"
    parts = {row.document for row in rows}
    text.write_text("\n\n".join(texts()[number].text for number in sorted(parts)), encoding="utf-8")
    seconds, mean = perplexity(tool, kld, settings.threads, text)
    file = KldFile(kld)
    places = file.chunks * (file.context - 1 - file.context // 2)
    theirs = seconds / places
    print(f"llama-perplexity      {seconds[0]:8.1f} s, {places} places, mean KL {mean:.6f}")
    print(f"seconds a place       {theirs[0] / each[0]:.2f} times ours, of the processor {theirs[1] / each[1]:.2f}")
    start = time.perf_counter()
    own = drift(
        *PAIR, text=text, write_kld=folder / "own.kld", settings=settings, environment=environment()
    )
    ours = time.perf_counter() - start
    read = drift(*PAIR, text=text, kld=kld, settings=settings, environment=environment())
    print(f"its tool, our file    mean KL {perplexity(tool, folder / 'own.kld', settings.threads)[1]:.6f}")
    if own.whole and read.whole:
        print(f"drift, its windows    {ours:8.1f} s, {own.whole.tokens} places, mean KL {own.whole.kl.value:.6f}")
        print(f"drift, its file       mean KL {read.whole.kl.value:.6f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--base", default="bundled:base")
    parser.add_argument("--student", default="bundled:student")
    parser.add_argument("--steps", type=int, nargs="*", default=[200, 2_000, 20_000])
    parser.add_argument("--perplexity", type=Path, default=None, help="llama-perplexity, bundled pair only")
    asked = parser.parse_args()
    settings = EngineSettings(threads=asked.threads)
    with tempfile.TemporaryDirectory() as place, open_reader(parse_ref(asked.base), settings) as base:
        folder, ref = Path(place), parse_ref(asked.student)
        with base.beside(ref) or open_reader(ref, settings) as student:
            rows = rows_of(base, asked.tokens)
            tokens = count(rows)
            alone, both = turns(base, student, rows, asked.threads)
            print(f"two bare passes       {alone[0]:8.1f} s, {tokens} tokens")
            print(f"exact comparison      {both[0]:8.1f} s, {both[0] / alone[0]:.3f} times; processor {both[1] / alone[1]:.3f}")
            wrote, again, size = cached(base, student, rows, folder / "c", asked.threads)
            theirs = tokens * (2 * base.vocabulary + 8) * (WINDOW - 1 - WINDOW // 2) / WINDOW
            print(f"written to a cache    {wrote[0]:8.1f} s, processor {wrote[1] / alone[1]:.3f} times the bare passes")
            print(f"from the cache        {again[0]:8.1f} s, processor {again[1] / alone[1]:.3f} times the bare passes")
            print(f"cache                 {size / 1e6:8.1f} MB, 1/{theirs / size:.0f} of a .kld file of this text")
            for step in asked.steps:
                part = rows_of(base, min(step, asked.tokens))
                _, seconds = turns(base, student, part, asked.threads)
                each = 1e3 * seconds / count(part)
                print(f"{count(part):8} tokens       {seconds[0]:8.2f} s, {each[0]:.2f} ms a token, {each[1]:.2f} of the processor")
        if asked.perplexity:
            against(asked.perplexity, rows, folder, settings, both / tokens)
    print(f"most memory held      {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:8.0f} MB")


if __name__ == "__main__":
    main()
