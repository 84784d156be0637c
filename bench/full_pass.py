"""What a full comparison of two models costs: `python bench/full_pass.py [--gb 4] [--folder DIR] [--cold]`.

Writes a bfloat16 pair with the names of a Qwen3 (the student a merged LoRA of rank 16) unless the folder holds one, and
prints gigabytes of the pair per second: read plainly, and compared by one process and by two; whether both give the
same numbers to the last bit; and the memory that a process held at most. `--cold` drops the files from the page cache
before each pass.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hydrometer.checkpoint.grids import rounded
from hydrometer.checkpoint.inventory import pair_up, take_inventory
from hydrometer.checkpoint.opening import open_source
from hydrometer.checkpoint.sweep import sweep
from hydrometer.refs import parse_ref

HIDDEN, INNER, RANK = 2048, 8192, 16
SHAPES = {
    "input_layernorm": (HIDDEN,), "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (512, HIDDEN),
    "self_attn.v_proj": (512, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN), "post_attention_layernorm": (HIDDEN,),
    "mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN), "mlp.down_proj": (HIDDEN, INNER),
}  # fmt: skip


def make_pair(folder: Path, gigabytes: float) -> None:
    """Write both models side by side, tensor by tensor."""
    size = 2 * sum(int(np.prod(shape)) for shape in SHAPES.values())
    layers = max(1, round(gigabytes * 1e9 / (2 * size)))
    shapes = {f"model.layers.{i}.{role}.weight": shape for i in range(layers) for role, shape in SHAPES.items()}
    table, offset = {}, 0
    for name, shape in shapes.items():
        stop = offset + 2 * int(np.prod(shape))
        table[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, stop]}
        offset = stop
    head = json.dumps(table, separators=(",", ":")).encode()
    config = {"model_type": "qwen3", "num_hidden_layers": layers}
    rng = np.random.default_rng(0)
    files = []
    for side in ("base", "student"):
        (folder / side).mkdir(parents=True)
        (folder / side / "config.json").write_text(json.dumps(config))
        files.append((folder / side / "model.safetensors").open("wb"))
        files[-1].write(len(head).to_bytes(8, "little") + head)
    for shape in shapes.values():
        base = rounded(rng.standard_normal(shape, dtype=np.float32) * np.float32(0.02), "BF16")
        student = base
        if len(shape) == 2:
            left, right = (rng.standard_normal(s, dtype=np.float32) for s in ((shape[0], RANK), (RANK, shape[1])))
            student = rounded(base + left @ right * np.float32(2.5e-5), "BF16")
        for file, values in zip(files, (base, student), strict=True):
            file.write((values.view(np.uint32) >> 16).astype("<u2").tobytes())
    for file in files:
        file.flush()
        os.fsync(file.fileno())
        file.close()


def drop(paths: list[Path]) -> None:
    """Drop files from the page cache."""
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def read_plainly(paths: list[Path], piece: int = 1 << 22) -> None:
    """Read both files from start to end, in turns."""
    fds = [os.open(path, os.O_RDONLY) for path in paths]
    for offset in range(0, max(path.stat().st_size for path in paths), piece):
        for fd in fds:
            os.pread(fd, piece, offset)
    for fd in fds:
        os.close(fd)


def timed(what: str, run: Callable[[], object], paths: list[Path], *, cold: bool) -> float:
    """Best rate of three passes, by the clock."""
    rates = []
    size = sum(path.stat().st_size for path in paths) / 1e9
    for _ in range(3):
        if cold:
            drop(paths)
        start, used = time.perf_counter(), time.process_time()
        run()
        rates.append((size / (time.perf_counter() - start), size / max(1e-9, time.process_time() - used)))
    best = max(rates)
    print(f"{what:24}{best[0]:6.2f} GB/s by the clock {best[1]:6.2f} GB/s of this process's time", flush=True)
    return best[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=4.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--cold", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = asked.folder or Path(place) / "pair"
        if not (folder / "base").is_dir():
            make_pair(folder, asked.gb)
        paths = [folder / side / "model.safetensors" for side in ("base", "student")]
        base, student = (take_inventory(open_source(parse_ref(str(path.parent)))) for path in paths)
        couples = [(place, place) for place in pair_up(base, student).pairs]
        plain = timed("plain read", lambda: read_plainly(paths), paths, cold=asked.cold)
        found = {}
        for workers in (1, 2):
            rate = timed(
                f"compared by {workers}",
                lambda n=workers: found.update({n: sweep(base, student, couples, most=None, workers=n)}),
                paths, cold=asked.cold,
            )  # fmt: skip
            print(f"{rate / plain:.0%} of the plain read")
        print(f"same to the last bit     {found[1] == found[2]}")
    held = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"most memory held         {held / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
