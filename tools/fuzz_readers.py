"""Fuzz the readers of safetensors, GGUF, scale and adapter files: `python tools/fuzz_readers.py header --seconds 120`.

With atheris installed the inputs follow what code they reach; without it sound files are mutated at random. Found
inputs are kept in the folder given by `--corpus`. What must hold for every input:

- nothing but ModelError comes out, with a message of one printable line;
- no input takes longer than a second, or more than 300 MB;
- a safetensors file that is accepted is accepted by the reference reader, with the same tensors;
- every tensor of an accepted file can be read: the right shape, within the file.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import re
import struct
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

try:
    atheris: Any = importlib.import_module("atheris")
except ImportError:
    atheris = None
if atheris is not None:
    with atheris.instrument_imports(include=["hydrometer"]):
        from hydrometer.checkpoint import adapter_files, gguf_source, places, safetensors_source, shards
else:
    from hydrometer.checkpoint import adapter_files, gguf_source, places, safetensors_source, shards
from hydrometer.errors import MissingPackageError, ModelError

LIMIT_SECONDS, LIMIT_BYTES = 1.0, 300_000_000
WORDS = [
    *(
        b'"dtype"',
        b'"shape"',
        b'"data_offsets"',
        b'"__metadata__"',
        b"F8_E4M3",
        b"F4",
        b"BF16",
        b"-0",
        b"1e9",
    ),
    *(b"_scale", b"_scale_inv", b"_packed", b"_global_scale", b"_scale_2", b"I32", b"F8_E8M0", b"U8", b".lora_A"),
    *(b"{}", b"[]", b"general.alignment", b"split.count", b"\xff" * 8, b"\x00" * 8),
    *(struct.pack("<Q", 1 << 63), struct.pack("<I", 9)),
]


class Memory:
    """Bytes as a storage, and as a folder that holds one file and some JSON."""

    label = "fuzzed"

    def __init__(self, raw: bytes, tables: Mapping[str, Any] | None = None) -> None:
        self.raw = raw
        self.size = len(raw)
        self.tables = tables or {"config.json": {}}

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes; asking beyond the end is a fault of the reader."""
        if not 0 <= offset <= offset + length <= self.size:
            msg = f"read of {length} bytes at {offset}, the file has {self.size}"
            raise AssertionError(msg)
        return self.raw[offset : offset + length]

    def prefetch(self, spans: Any) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def open(self, name: str, head: int = 0) -> Memory | None:
        """Return itself for the one file that it holds."""
        del head
        return self if name in {shards.SINGLE, "m.gguf", "adapter_model.safetensors"} else None

    def json(self, name: str) -> dict[str, Any] | None:
        """Return a table, None for a name that has none."""
        return self.tables.get(name)

    def names(self, inside: str = "") -> list[str]:
        """Return no names."""
        del inside
        return []


def framed(raw: bytes) -> bytes:
    """A header of the right length before as many bytes as it claims; no zeros, which as scales would hide codes."""
    claimed = max((int(number) for number in re.findall(rb",\s*(\d{1,5})\]", raw)), default=0)
    return len(raw).to_bytes(8, "little") + raw + (bytes(range(1, 252)) * (claimed // 251 + 1))[:claimed]


def safetensors(raw: bytes) -> None:
    """One input for the safetensors reader."""
    source = safetensors_source.open_safetensors(Memory(raw))
    try:
        theirs = {name: (tuple(t["shape"]), len(t["data"])) for name, t in deserialize(raw)}
    except SafetensorError as error:
        msg = f"accepted what the reference refuses: {error}"
        raise AssertionError(msg) from error
    assert theirs == {name: (meta.shape, meta.nbytes) for name, meta in source.tensors.items()}
    read_all(source)


def header_text(raw: bytes) -> None:
    """One input for the safetensors reader behind the frame of its header."""
    safetensors(framed(raw))


def scaled(raw: bytes) -> None:
    """One input for the reader of weights with scales: a header whose tensors may be codes, scales and factors."""
    source = safetensors_source.open_safetensors(Memory(framed(raw), {"config.json": QUANTISED}))
    inner = {table.name for table in source.scaled.values()}
    inner |= {name for one in source.packed.values() for name in (one.codes, *one.beside)}
    assert set(source.shards.tensors) - inner <= set(source.tensors), "a tensor got lost"
    read_all(source)
    with np.errstate(all="ignore"):
        for name in (*source.scaled, *source.packed):
            meta, factors = source.tensors[name], source.scales(name, 0, source.tensors[name].rows)
            assert factors is not None
            assert np.broadcast_shapes(factors.shape, (meta.rows, meta.width)) == (meta.rows, meta.width)


def adapter(raw: bytes) -> None:
    """One input for the reader of PEFT adapters: its config, a byte of zero, and the header of its tensors."""
    config, _, header = raw.partition(b"\0")
    table = places.parse_json(config, "adapter_config.json", "fuzzed")
    source = adapter_files.open_peft(BASE, Memory(framed(header), {"adapter_config.json": table}))
    assert set(source.tensors) >= set(BASE.tensors), "a tensor got lost"
    read_all(source)


def gguf_adapter(raw: bytes) -> None:
    """One input for the reader of GGUF adapters."""
    read_all(adapter_files.open_gguf_lora(GGUF_BASE, Memory(raw), "m.gguf"))


def gguf_file(raw: bytes) -> None:
    """One input for the GGUF reader."""
    read_all(gguf_source.open_gguf(Memory(raw), "m.gguf"))


def index_file(raw: bytes) -> None:
    """One input for the reader of small JSON files."""
    places.parse_json(raw, shards.INDEX, "fuzzed")


def read_all(source: Any) -> None:
    """Read the first and the last row of every tensor."""
    for meta in source.tensors.values():
        for start in {0, meta.rows - 1} if meta.rows > 0 and meta.width < 1 << 20 else ():
            try:
                assert source.values(meta.name, start, start + 1).shape == (1, meta.width)
            except (ModelError, MissingPackageError) as error:
                check_message(error)


def check_message(error: Exception) -> None:
    """A message is one printable line."""
    text = str(error)
    assert text.isprintable(), repr(text)
    assert len(text) < 2000, len(text)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "safetensors": safetensors,
    "header": header_text,
    "scales": scaled,
    "adapter": adapter,
    "gguf": gguf_file,
    "gguf-adapter": gguf_adapter,
    "index": index_file,
}


def judge(target: Callable[[bytes], None], raw: bytes) -> bool:
    """Run one input; return whether it was accepted."""
    start = time.process_time()
    try:
        target(raw)
    except ModelError as error:
        check_message(error)
        return False
    finally:
        assert time.process_time() - start < LIMIT_SECONDS, "too slow"
    return True


def seeds(name: str) -> list[bytes]:
    """Return sound files to begin with."""
    if name == "index":
        return [json.dumps({"weight_map": {"a": "model-00001-of-00001.safetensors"}}).encode()]
    if name == "header":
        return [header_of(raw) for raw in seeds("safetensors")]
    if name == "safetensors":
        small = {
            "a": np.ones((2, 3), np.float32),
            "b": np.ones(3, np.int8),
            "c": np.zeros((0, 4), np.float16),
        }
        return [save(small, metadata={"format": "pt"}), save({"x": np.ones((), np.float64)}), save({})]
    if name == "scales":
        return [described(tensors) for tensors in SCALED]
    if name == "adapter":
        return adapter_seeds()
    if name == "gguf-adapter":
        return [gguf_lora()]
    kinds = [(0, (8,), 32), (2, (32, 2), 36), (8, (32,), 34), (12, (256,), 144)]
    key = entry("name", struct.pack("<I", 8) + text("name")) + entry("k", struct.pack("<IIQ3I", 9, 4, 3, 1, 2, 3))
    return [gguf(key, 2, [("name", kind, shape, nbytes)]) for kind, shape, nbytes in kinds]


QUANTISED = {
    "quantization_config": {"weight_block_size": [2, 4], "config_groups": {"g": {"weights": {"num_bits": 4}}}}
}
_CODES = ("U8", [2, 16], 32)
SCALED: tuple[dict[str, tuple[str, list[int], int]], ...] = (
    {"a.weight": ("F8_E4M3", [4, 8], 32), "a.weight_scale_inv": ("F32", [2, 2], 16)},
    {"a.weight": ("F8_E5M2", [4, 8], 32), "a.weight_scale": ("BF16", [4, 1], 8)},
    {"a.weight": ("F8_E4M3", [4, 8], 32), "a.weight_scale": ("F32", [], 4)},
    {"a.weight_packed": _CODES, "a.weight_scale": ("F8_E4M3", [2, 2], 4), "a.weight_global_scale": ("F32", [1], 4)},
    {"a.weight": _CODES, "a.weight_scale": ("F8_E4M3", [2, 2], 4), "a.weight_scale_2": ("F32", [], 4)},
    {"a.weight_packed": _CODES, "a.weight_scale": ("U8", [2, 1], 2)},
    {"a.weight_packed": ("I32", [2, 4], 32), "a.weight_scale": ("BF16", [2, 1], 4), "a.weight_shape": ("I64", [2], 16)},
)
"""Tensors of small checkpoints with scales: dtype, shape, bytes."""


def described(tensors: Mapping[str, tuple[str, list[int], int]]) -> bytes:
    """The header of a safetensors file that holds these tensors."""
    rows, start = {}, 0
    for name, (dtype, shape, nbytes) in tensors.items():
        rows[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, start + nbytes]}
        start += nbytes
    return json.dumps(rows, separators=(",", ":")).encode()


def header_of(raw: bytes) -> bytes:
    """The header of a safetensors file."""
    return raw[8 : 8 + int.from_bytes(raw[:8], "little")]


def adapter_seeds() -> list[bytes]:
    """Adapters over the small base: plain, of the embedding, with patterns, DoRA, with a layer replaced."""
    module, table = f"base_model.model.{LAYER}", "base_model.model.model.embed_tokens"
    pair = {f"{module}.lora_A.weight": ("F32", [2, 6], 48), f"{module}.lora_B.weight": ("F32", [8, 2], 64)}
    looked_up = {f"{table}.lora_embedding_A": ("F32", [2, 10], 80), f"{table}.lora_embedding_B": ("F32", [6, 2], 48)}
    cases: list[tuple[dict[str, Any], Any]] = [
        ({}, pair),
        ({"use_rslora": True}, {**pair, **looked_up}),
        ({"r": 4, "rank_pattern": {"q_proj": 2}, "alpha_pattern": {"layers.[0-3].*": 1.5}}, pair),
        ({"use_dora": True}, {**pair, f"{module}.lora_magnitude_vector": ("F32", [8], 32)}),
        ({}, {**pair, "base_model.model.model.norm.modules_to_save.weight": ("F32", [6], 24)}),
    ]
    plain = {"peft_type": "LORA", "r": 2, "lora_alpha": 4}
    return [json.dumps({**plain, **more}).encode() + b"\0" + described(tensors) for more, tensors in cases]


def text(words: str) -> bytes:
    """A text as GGUF files hold it."""
    return struct.pack("<Q", len(words)) + words.encode()


def entry(key: str, value: bytes) -> bytes:
    """One entry of the metadata, whose value begins with its type."""
    return text(key) + value


def gguf(metadata: bytes, keys: int, tensors: list[tuple[str, int, tuple[int, ...], int]]) -> bytes:
    """A GGUF file: metadata, then tensors of name, type, shape and bytes."""
    head, place, sizes = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), keys) + metadata, 0, 0
    for name, kind, shape, nbytes in tensors:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, place)
        place, sizes = (place + nbytes + 31) // 32 * 32, place + nbytes
    return head + bytes(-len(head) % 32) + (bytes(range(1, 252)) * (sizes // 251 + 1))[:sizes]


def gguf_lora() -> bytes:
    """A GGUF adapter over the small GGUF base."""
    words = {"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora"}
    metadata = b"".join(entry(key, struct.pack("<I", 8) + text(value)) for key, value in words.items())
    metadata += entry("adapter.lora.alpha", struct.pack("<If", 6, 4.0))
    halves = [("blk.0.attn_q.weight.lora_a", 0, (8, 2), 64), ("blk.0.attn_q.weight.lora_b", 0, (2, 4), 32)]
    return gguf(metadata, 4, halves)


LAYER = "model.layers.0.self_attn.q_proj"


def small_base() -> safetensors_source.SafetensorsSource:
    """A checkpoint of four tensors."""
    shapes = {f"{LAYER}.weight": (8, 6), f"{LAYER}.bias": (8,)}
    shapes |= {"model.embed_tokens.weight": (10, 6), "model.norm.weight": (6,)}
    raw = save({name: np.ones(shape, np.float32) for name, shape in shapes.items()})
    return safetensors_source.open_safetensors(Memory(raw))


BASE = small_base()
GGUF_BASE = gguf_source.open_gguf(
    Memory(
        gguf(
            entry("general.architecture", struct.pack("<I", 8) + text("llama")), 1,
            [("blk.0.attn_q.weight", 0, (8, 4), 128)],
        )
    ),
    "m.gguf",
)  # fmt: skip


def mutate(rng: random.Random, raw: bytes) -> bytes:
    """Change a few places."""
    found = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(found))
        kind = rng.randrange(6)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            found[at : at + rng.randint(0, 8)] = rng.choice(WORDS)
        elif kind == 2:
            del found[at : at + rng.randint(1, 20)]
        elif kind == 3:
            found[at:at] = found[at : at + rng.randint(1, 60)]
        elif kind == 4:
            found[at : at + 8] = struct.pack("<Q", rng.choice([0, 1, 8, 255, 1 << 31, 1 << 62, len(found)]))
        else:
            found[at:at] = str(rng.choice([0, 1, 2, 24, 1 << 33, 1 << 64])).encode()
    return bytes(found)


def by_mutation(target: Callable[[bytes], None], corpus: Path, seconds: float, seed: int) -> int:
    """Mutate at random; return 1 if a rule was broken."""
    rng = random.Random(seed)  # noqa: S311 - repeatable inputs, no secrets
    pool = [path.read_bytes() for path in sorted(corpus.iterdir())]
    end, runs, accepted = time.monotonic() + seconds, 0, 0
    tracemalloc.start()
    while time.monotonic() < end:
        raw = mutate(rng, rng.choice(pool))
        runs += 1
        try:
            if judge(target, raw):
                accepted += 1
                pool = [*pool[-999:], raw]
            assert tracemalloc.get_traced_memory()[1] < LIMIT_BYTES, "too much memory"
        except BaseException:
            (corpus / f"fault-{seed}-{runs}").write_bytes(raw)
            print(f"fault after {runs} inputs, kept as {corpus / f'fault-{seed}-{runs}'}")
            raise
        tracemalloc.reset_peak()
    print(f"{runs} inputs by mutation, {accepted} accepted, no rule broken")
    return 0


def main() -> int:
    """Fuzz one reader."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mutate", action="store_true", help="mutate at random even if atheris is installed")
    asked = parser.parse_args()
    corpus = asked.corpus or Path(tempfile.mkdtemp(prefix="fuzz-"))
    corpus.mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(seeds(asked.target)):
        assert judge(TARGETS[asked.target], raw) or asked.target in {"safetensors", "header"}, (
            "a seed is refused"
        )
        (corpus / f"seed-{number}").write_bytes(raw)
    if atheris is None or asked.mutate:
        return by_mutation(TARGETS[asked.target], corpus, asked.seconds, asked.seed)
    words = corpus.with_suffix(".dict")
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in WORDS))
    limits = [
        f"-dict={words}",
        f"-max_total_time={asked.seconds}",
        # On the clock, which is no measure on a busy machine: `judge` counts computing time.
        "-timeout=120",
        "-rss_limit_mb=1500",
        "-max_len=4096",
        f"-seed={asked.seed + 1}",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *limits], lambda raw: judge(TARGETS[asked.target], raw) and None)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
