"""Time and memory of files built to do harm: `python bench/hostile.py`.

Every kind is one student beside a sound base, inspected in a process of its own. Prints processor time and memory above
what imports take, of the renderer's process too, with the line that the user sees.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

_MEASURED = """
import resource, sys, time
from hydrometer.errors import HydrometerError
from hydrometer.inspection import inspect

def most():
    return next(int(row.split()[1]) for row in open("/proc/self/status") if row.startswith("VmHWM")) / 1000

held, start = most(), time.process_time()
try:
    found = inspect(*sys.argv[1:])
    said = [found.exit_code, *(q.text for q in found.questions if q.answer == "unsafe")]
except HydrometerError as error:
    said = [error.exit_code, str(error)]
child = resource.getrusage(resource.RUSAGE_CHILDREN)
spent = time.process_time() - start + child.ru_utime + child.ru_stime
print(f"{spent:5.2f} s, {max(most() - held, child.ru_maxrss / 1000):4.0f} MB, status {' '.join(map(str, said))}"[:230])
"""


def header(table: Any) -> bytes:
    """A header as a safetensors file begins."""
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return len(text).to_bytes(8, "little") + text


def entry(start: int, stop: int, *shape: int, dtype: str = "U8") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


HEADERS: dict[str, bytes] = {
    "overlapping offsets": header({"a": entry(0, 4, 4), "b": entry(2, 6, 4)}) + bytes(6),
    "a hole": header({"a": entry(0, 4, 4), "b": entry(5, 9, 4)}) + bytes(9),
    "a key twice": header(b'{"a":' + json.dumps(entry(0, 1, 1)).encode() + b',"a":' + json.dumps(entry(1, 2, 1)).encode() + b"}") + bytes(2),
    "200,000 deep": header(b'{"a":' + b"[" * 200_000),
    "2^33 x 2^33": header({"a": entry(0, 4, 1 << 33, 1 << 33, dtype="F32")}) + bytes(4),
    "another size": header({"a": entry(0, 4, 9)}) + bytes(4),
    "bytes behind the end": header({"a": entry(0, 4, 4)}) + b"1234PK\x03\x04",
    "a header of 2^62": (1 << 62).to_bytes(8, "little") + b"{}",
    "brackets of 15 MB": header(b"{" + b'"a":[' * 3_000_000),
}  # fmt: skip
TEMPLATES = {
    "template without end": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "template of 10 GB": "{{ 'a' * 10**10 }}",
    "template out of the sandbox": "{{ ''.__class__.__mro__ }}",
}


def index_of(path: str) -> Callable[[Path], None]:
    """Replace the weights by an index that points elsewhere."""

    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": path}}))

    return change


def link_to(target: Path) -> Callable[[Path], None]:
    """Replace the weights by a link out of the folder."""

    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors").symlink_to(target)

    return change


def pickle(folder: Path) -> None:
    """Replace the weights by a pickle."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def students(place: Path, sound: bytes, base: Path) -> dict[str, Path]:
    """Write every kind."""
    found = {}

    def write(name: str, raw: bytes, change: Callable[[Path], Any] = lambda _: None) -> None:
        folder = found[name] = place / name.replace(" ", "-")
        folder.mkdir()
        (folder / "config.json").write_text('{"model_type": "llama"}')
        (folder / "model.safetensors").write_bytes(raw)
        change(folder)

    for name, raw in HEADERS.items():
        write(name, raw)
    for name, source in TEMPLATES.items():
        write(name, sound, lambda folder, source=source: (folder / "chat_template.jinja").write_text(source))
    write("shard name with a path", sound, index_of("../base/model.safetensors"))
    write("link out of the folder", sound, link_to(base / "model.safetensors"))
    write("pickle", sound, pickle)
    claim = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 40) + b"k" * 40 + struct.pack("<IIQ", 9, 4, 4_000_000)
    found["GGUF of 117 bytes"] = place / "claim.gguf"
    found["GGUF of 117 bytes"].write_bytes(claim + bytes(117 - len(claim)))
    return found


def main() -> None:
    """Write, inspect, print."""
    rng = np.random.default_rng(0)
    shapes = {f"model.layers.{i}.mlp.up_proj.weight": rng.normal(size=(64, 32)).astype(np.float32) for i in range(4)}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        base.mkdir()
        (base / "config.json").write_text('{"model_type": "llama"}')
        (base / "model.safetensors").write_bytes(save(shapes))
        for name, student in students(Path(folder), save(shapes), base).items():
            words = [sys.executable, "-c", _MEASURED, str(base), str(student)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            print(f"{name:28} {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
