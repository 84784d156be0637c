"""llama.cpp's files of distributions against a slow reading of what its perplexity tool does, and what is refused."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest

from hydrometer.api import environment
from hydrometer.catalog import open_reader
from hydrometer.drift.kld import KldFile, KldWriter, chunks
from hydrometer.drift.result import DriftResult
from hydrometer.drift.run import drift
from hydrometer.drift.texts import neutral
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import ModelError, UsageError
from hydrometer.refs import parse_ref
from tiny_models import build_tiny

pytest.importorskip("torch")
CONTEXT = 32
SPECIAL = "<|im_end|>"
SETTINGS = EngineSettings(threads=1, context=CONTEXT)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    (folder / "text.txt").write_text(neutral()[0].text[:700] + "\n", encoding="utf-8")
    return build_tiny("llama", folder / "base", 1), build_tiny("llama", folder / "student", 2), folder / "text.txt"


@pytest.fixture(scope="module")
def written(pair: tuple[Path, Path, Path]) -> tuple[Path, DriftResult]:
    path = pair[2].with_name("base.kld")
    return path, run(*pair, write_kld=path)


def run(base: Path, student: Path, text: Path, **more: object) -> DriftResult:
    options = {"settings": SETTINGS} | more
    return drift(str(base), str(student), text=text, environment=environment(), **options)  # type: ignore[arg-type]


def coded(logits: np.ndarray) -> tuple[float, float, list[int]]:
    """One row as llama-perplexity stores it."""
    largest, lowest = float(logits.max()), float(logits.min())
    lowest = max(lowest, largest - 16.0)
    mass = math.log(sum(math.exp(float(value) - largest) for value in logits))
    step = (largest - lowest) / 65535
    return step, lowest - largest - mass, [round(max(0.0, float(value) - lowest) / step) for value in logits]


def their_kl(row: tuple[float, float, list[int]], student: np.ndarray) -> float:
    """What llama-perplexity adds up for one row: nothing for tokens that it stored as 16 below the largest."""
    largest = float(student.max())
    mass = largest + math.log(sum(math.exp(float(value) - largest) for value in student))
    logprobs = [row[0] * code + row[1] for code in row[2]]
    return sum(math.exp(p) * (p - float(z) + mass) for p, z in zip(logprobs, student, strict=True) if p > -16.0)


def test_rows_are_those_of_llama_perplexity(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    # An odd vocabulary, which the file pads; the second row is deep enough to be cut off.
    logits = np.stack([rng.normal(0, 1, 101), rng.normal(0, 9, 101)] * 10 + [np.zeros(101)]).astype(np.float32)[:21]
    context, tokens = 8, np.arange(56)
    writer = KldWriter(tmp_path / "f", context=context, vocabulary=101, tokens=tokens)
    writer.add(logits)
    writer.finish()
    raw = (tmp_path / "f").read_bytes()
    assert raw[:8] == b"_logits_"
    assert struct.unpack_from("<iii", raw, 8) == (8, 101, 7)
    assert list(struct.unpack_from("<56i", raw, 20)) == list(range(56))
    for number, row in enumerate(logits[:20]):
        at = 20 + 4 * 56 + number * 2 * 106
        step, lowest = struct.unpack_from("<ff", raw, at)
        own = coded(row)
        assert (step, lowest) == pytest.approx(own[:2], rel=1e-5)
        assert struct.unpack_from("<101H", raw, at + 8) == pytest.approx(own[2], abs=1)
    file = KldFile(tmp_path / "f")
    found = np.concatenate(list(file.rows()))
    assert list(file.tokens) == list(tokens)
    exact = logits - np.log(np.exp(logits.astype(np.float64)).sum(1, keepdims=True))
    kept = exact > exact.max(1, keepdims=True) - 15.9
    np.testing.assert_allclose(found[kept], exact[kept], atol=2e-4)
    np.testing.assert_allclose(np.exp(found.astype(np.float64)).sum(1), 1.0, atol=2e-4)


def test_the_mean_is_that_of_llama_perplexity(pair: tuple[Path, Path, Path], written: tuple[Path, DriftResult]) -> None:
    path, exact = written
    found = run(*pair, kld=path)
    assert found.whole
    assert exact.whole
    assert found.floor is None
    assert exact.floor
    assert found.bits == pytest.approx(exact.bits, rel=1e-3)
    assert found.whole.kl.value == pytest.approx(exact.whole.kl.value, abs=5e-4)
    with open_reader(parse_ref(str(pair[0])), SETTINGS) as base, open_reader(parse_ref(str(pair[1])), SETTINGS) as student:
        _, rows, tokens = chunks(base, "text.txt", pair[2].read_text(encoding="utf-8").strip(), CONTEXT)
        assert len(rows) == len(tokens) // CONTEXT
        theirs = []
        for row in rows:
            left, right = (np.concatenate(list(reader.read([row.ids], 100))) for reader in (base, student))
            theirs += [their_kl(coded(p), q) for p, q in zip(left[CONTEXT // 2 :], right[CONTEXT // 2 :], strict=True)]
    assert len(theirs) == found.whole.tokens == len(rows) * (CONTEXT - 1 - CONTEXT // 2)
    assert found.whole.kl.value == pytest.approx(np.mean(theirs), abs=5e-4)


def test_the_base_itself_lies_at_the_floor_of_the_file(pair: tuple[Path, Path, Path], written: tuple[Path, DriftResult]) -> None:
    found = run(pair[0], pair[0], pair[2], kld=written[0])
    assert found.whole
    assert found.whole.kl.value < 1e-4
    assert found.whole.same.value > 0.99


def test_what_does_not_fit_is_refused(pair: tuple[Path, Path, Path], written: tuple[Path, DriftResult], tmp_path: Path) -> None:
    base, student, text = pair
    path = written[0]
    (tmp_path / "other.txt").write_text(text.read_text(encoding="utf-8").replace("Alice", "Bertha"), encoding="utf-8")
    for word, again in (
        ("other tokens", lambda: run(base, student, tmp_path / "other.txt", kld=path)),
        ("windows of 32 tokens, not --context 64", lambda: run(base, student, text, kld=path, settings=EngineSettings(context=64))),
        ("vocabulary", lambda: run(base, build_tiny("qwen3_5", tmp_path / "q", 3), text, kld=path)),
        ("give --text", lambda: drift(str(base), str(student), kld=path, environment=environment())),
        ("no second", lambda: run(base, student, text, kld=path, write_kld=tmp_path / "x")),
        ("less than two windows", lambda: run(base, student, text, write_kld=tmp_path / "x", settings=EngineSettings(context=4096))),
        ("No such file", lambda: run(base, student, text, kld=tmp_path / "missing")),
        ("cannot be written", lambda: run(base, student, text, write_kld=text / "x")),
    ):
        with pytest.raises((UsageError, ModelError), match=word):
            again()
    assert not list(tmp_path.glob("x*"))


def test_a_file_cut_short_or_damaged_is_one_line(written: tuple[Path, DriftResult], tmp_path: Path) -> None:
    whole = written[0].read_bytes()
    for length, word in (
        (0, "no file of llama-perplexity"),
        (12, "cut short"),
        (30, "cut short"),
        (len(whole) // 2, r"cut short after \d+ of \d+ chunks"),
        (len(whole) - 1, "cut short after"),
    ):
        (tmp_path / "f").write_bytes(whole[:length])
        with pytest.raises(UsageError, match=word):
            KldFile(tmp_path / "f")
    for changed, word in (
        (whole + b"x", "damaged"),
        (whole[:8] + struct.pack("<iii", -1, 100, 1) + whole[20:], "damaged"),
        (whole[:8] + struct.pack("<iii", 1 << 20, 1 << 22, 1 << 30) + whole[20:], "cut short"),
    ):
        (tmp_path / "f").write_bytes(changed)
        with pytest.raises(UsageError, match=word):
            KldFile(tmp_path / "f")
    file = KldFile(written[0])
    at = 20 + 4 * len(file.tokens)
    (tmp_path / "f").write_bytes(whole[:at] + struct.pack("<f", math.nan) + whole[at + 4 :])
    with pytest.raises(UsageError, match="NaN"):
        list(KldFile(tmp_path / "f").rows())


def test_nan_is_not_written(tmp_path: Path) -> None:
    writer = KldWriter(tmp_path / "f", context=8, vocabulary=10, tokens=np.arange(16))
    with pytest.raises(ValueError, match="NaN"):
        writer.add(np.full((1, 10), np.nan, dtype=np.float32))
    writer.discard()
    assert not list(tmp_path.iterdir())


def test_names_of_special_tokens_are_letters_as_for_llama_perplexity() -> None:
    text = "He wrote <|im_end|> and <|endoftext|> in a text."
    with open_reader(parse_ref("bundled:base"), SETTINGS) as reader:
        _, rows, tokens = chunks(reader, "text.txt", text, 8)
    # What llama-perplexity (llama.cpp 0c1e570) wrote into its file of this text.
    theirs = [3681, 4150, 2067, 108, 306, 79, 486, 108, 46, 284, 2067, 108, 486, 1714, 2692, 108]
    assert list(tokens)[: len(theirs)] == theirs
    assert rows[0].ids == tuple(theirs[:8])


def test_hf_reads_names_of_special_tokens_as_letters_where_asked(pair: tuple[Path, Path, Path]) -> None:
    with open_reader(parse_ref(str(pair[0])), SETTINGS) as reader:
        special = reader.tokens(SPECIAL)
        plain = reader.tokens(SPECIAL, plain=True)
        assert len(special.ids) == 1
        assert len(plain.ids) > 1
        # The next reading is not changed by it.
        assert reader.tokens(SPECIAL) == special
