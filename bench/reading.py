"""What the readers cost over a plain read of the same file: `python bench/reading.py [--gb 1.0] [--cold]`.

Prints gigabytes per second of file bytes and the ratio to `pread` in pieces of the same size, best of three, and the
memory that the process held at most. `--cold` drops the file from the page cache before each pass.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hydrometer.checkpoint.gguf_source import open_gguf
from hydrometer.checkpoint.header import read_header
from hydrometer.checkpoint.places import LocalFolder
from hydrometer.checkpoint.safetensors_source import open_safetensors
from hydrometer.checkpoint.source import TensorSource
from hydrometer.refs import bundled_base

ROWS, WIDTH = 4096, 4096
PIECE = 128
"""Rows at a time: 1 MiB of bfloat16."""


def make(folder: Path, gigabytes: float) -> Path:
    """Write a bfloat16 checkpoint of random matrices."""
    count = max(1, round(gigabytes * 1e9 / (2 * ROWS * WIDTH)))
    size = 2 * ROWS * WIDTH
    entry = (
        '"model.layers.{0}.mlp.up_proj.weight":{{"dtype":"BF16","shape":[{1},{2}],"data_offsets":[{3},{4}]}}'
    )
    table = "{" + ",".join(entry.format(i, ROWS, WIDTH, i * size, (i + 1) * size) for i in range(count)) + "}"
    rng = np.random.default_rng(0)
    path = folder / "model.safetensors"
    with path.open("wb") as file:
        file.write(len(table).to_bytes(8, "little") + table.encode())
        for _ in range(count):
            file.write(rng.bytes(size))
    (folder / "config.json").write_text("{}")
    return path


def many_tensors(folder: Path) -> Path:
    """Write a file of as many tensors as a header may list."""
    entry = '"model.layers.{0}.mlp.experts.{1}.up_proj.weight":{{"dtype":"U8","shape":[1,1],"data_offsets":[{2},{3}]}}'
    table = "{" + ",".join(entry.format(*divmod(i, 1000), i, i + 1) for i in range(200_000)) + "}"
    path = folder / "many.safetensors"
    path.write_bytes(len(table).to_bytes(8, "little") + table.encode() + bytes(200_000))
    return path


def plainly(path: Path, piece: int) -> None:
    fd = os.open(path, os.O_RDONLY)
    offset = 0
    while raw := os.pread(fd, piece, offset):
        offset += len(raw)
    os.close(fd)


def by_rows(source: TensorSource, read: Callable[[str, int, int], object]) -> None:
    for meta in source.tensors.values():
        rows = max(1, PIECE * WIDTH // max(1, meta.width))
        for start in range(0, meta.rows, rows):
            read(meta.name, start, min(start + rows, meta.rows))


def best(run: Callable[[], object], path: Path, *, cold: bool) -> float:
    """Seconds of the fastest of three runs."""
    found = []
    for _ in range(3):
        if cold:
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def report(what: str, path: Path, source: TensorSource, *, cold: bool) -> None:
    size = path.stat().st_size / 1e9
    plain = size / best(lambda: plainly(path, 2 * PIECE * WIDTH), path, cold=cold)
    print(f"{what:28} pread {plain:6.2f} GB/s")
    for name, read in (("bits", source.bits), ("values", source.values)):
        rate = size / best(lambda read=read: by_rows(source, read), path, cold=cold)
        print(f"{what:28} {name:6}{rate:6.2f} GB/s  {rate / plain:5.0%} of pread")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gb", type=float, default=1.0)
    parser.add_argument("--cold", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path = make(folder, asked.gb)
        report("bfloat16 safetensors", path, open_safetensors(LocalFolder(folder)), cold=asked.cold)
        many = many_tensors(folder)
        seconds = best(lambda: read_header(many), many, cold=asked.cold)
        print(f"header of 200,000 tensors    {seconds:.2f} s")
    bundled = bundled_base()
    report(
        "SmolLM2 Q4_1 GGUF", bundled, open_gguf(LocalFolder(bundled.parent), bundled.name), cold=asked.cold
    )
    print(f"most memory held             {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
