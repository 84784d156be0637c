"""The base's side in a file: what a second student gets from it, and what is refused."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hydrometer.api import environment
from hydrometer.cli.drift import TOP_K as SHOWN
from hydrometer.drift.cache import TOP_K, Cache, CacheWriter, header_of
from hydrometer.drift.result import DriftResult
from hydrometer.drift.rows import Row
from hydrometer.drift.run import drift
from hydrometer.drift.texts import Passage, neutral
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import ModelError, UsageError
from hydrometer.provenance import ModelIdentity
from hydrometer.stats.top import top_rows
from tiny_models import build_tiny

pytest.importorskip("torch")
TEXTS = tuple(Passage(name=f"t{i}", group="g", text=t.text[:120]) for i, t in enumerate(neutral()[:4]))
IDENTITY = ModelIdentity(label="b", weights="w", tokenizer="t", template="", engine="hf", engine_version="1")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    return build_tiny("llama", folder / "base", 1), build_tiny("llama", folder / "student", 2)


@pytest.fixture(scope="module")
def kept(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cache") / "base.cache"
    run(*pair, path)
    return path


def run(base: Path, student: Path, cache: Path | None, **more: object) -> DriftResult:
    options = {"passages": TEXTS, "top_k": 16, "settings": EngineSettings(threads=1)} | more
    return drift(str(base), str(student), cache=cache, environment=environment(), **options)  # type: ignore[arg-type]


def test_a_second_student_asks_the_base_nothing(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hydrometer.engines.hf_read import HfReader

    base, student = pair
    first = run(base, student, tmp_path / "c")
    own, asked = HfReader.read, []

    def read(self: HfReader, rows: Sequence[Sequence[int]], piece: int) -> Iterator[np.ndarray]:
        asked.append(self._ref.text)
        return own(self, rows, piece)

    monkeypatch.setattr(HfReader, "read", read)
    second = run(base, student, tmp_path / "c")
    assert set(asked) == {str(student)}
    assert second.kept
    assert second.kept.reused
    assert first.kept
    assert not first.kept.reused
    for name in ("whole", "groups", "floor", "places", "bits", "heat"):
        assert getattr(first, name) == getattr(second, name), name
    assert first.kept.bytes == second.kept.bytes == (tmp_path / "c").stat().st_size


def test_it_is_a_lower_bound_and_the_gap_is_stated(pair: tuple[Path, Path], kept: Path) -> None:
    exact, bound = run(*pair, None), run(*pair, kept)
    assert exact.whole
    assert bound.whole
    assert exact.whole.gap is None
    assert bound.whole.gap
    assert bound.whole.kl.value < exact.whole.kl.value
    assert bound.whole.reverse.value < exact.whole.reverse.value
    assert bound.whole.kl.value + bound.whole.gap.value == pytest.approx(exact.whole.kl.value, rel=0.02)
    for name in ("same", "overlap", "change"):
        assert getattr(bound.whole, name).value == pytest.approx(getattr(exact.whole, name).value, abs=1e-5)
    assert bound.bits == pytest.approx(exact.bits, rel=1e-5)
    assert bound.floor == exact.floor


def test_what_belongs_to_something_else_is_refused(pair: tuple[Path, Path], kept: Path, tmp_path: Path) -> None:
    base, student = pair
    other = tuple(replace(text, text=text.text + " more") for text in TEXTS)
    for word, again in (
        ("another model", lambda: run(student, base, kept)),
        ("another text", lambda: run(base, student, kept, passages=other)),
        ("another --top-k", lambda: run(base, student, kept, top_k=17)),
        ("other engine settings", lambda: run(base, student, kept, settings=EngineSettings(threads=1, dtype="bfloat16"))),
    ):
        with pytest.raises(UsageError, match=word):
            again()
    with pytest.raises(ModelError, match="leave --cache out"):
        run(base, build_tiny("qwen3_5", tmp_path / "other", 3), kept)
    with pytest.raises(UsageError, match="--top-k 3"):
        run(base, student, tmp_path / "new", top_k=3)
    assert not list(tmp_path.glob("new*"))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"tokenizer": "other"}, "another tokenizer"),
        ({"engine_version": "2"}, r"another build \(1, here 2\)"),
        ({"engine": "llamacpp"}, "another engine"),
        ({"weights": "v"}, "another model"),
    ],
)
def test_every_part_of_the_identity_counts(change: dict[str, str], word: str, tmp_path: Path) -> None:
    cache = Cache(written(tmp_path / "c"))
    cache.check(cache.header)
    with pytest.raises(UsageError, match=word):
        cache.check(replace(cache.header, identity=replace(IDENTITY, **change)))


def written(path: Path, places: int = 40, width: int = 300, top_k: int = 16) -> Path:
    rng = np.random.default_rng(4)
    logits, ids = rng.normal(0, 3, (places, width)).astype(np.float32), tuple(int(i) for i in rng.integers(0, width, places + 1))
    rows = [Row(document=0, ids=ids, starts=tuple(range(places)), end=places)]
    header = header_of(IDENTITY, TEXTS, rows, vocabulary=width, top_k=top_k, window=512)
    writer = CacheWriter(path, header)
    for at in range(0, places, 25):
        writer.add(top_rows(logits[at : at + 25], np.array(ids[1 + at : 26 + at]), top_k, start=at))
    writer.finish(None)
    return path


def test_a_file_cut_short_or_changed_is_one_line(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole").read_bytes()
    assert sum(len(rows) for rows in Cache(tmp_path / "whole").rows()) == 40
    for length in (*range(40), *range(40, len(whole), 97), len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(UsageError, match=r"cut short|something else"):
            Cache(tmp_path / "cut")
    (tmp_path / "cut").write_bytes(whole + b"x")
    with pytest.raises(UsageError, match="damaged"):
        Cache(tmp_path / "cut")
    for at in range(0, len(whole), 53):
        (tmp_path / "cut").write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        with pytest.raises(UsageError, match=r"damaged|something else|another version"):
            list(Cache(tmp_path / "cut").rows())


def test_lengths_that_lie_are_not_believed(tmp_path: Path) -> None:
    whole = bytearray(written(tmp_path / "c").read_bytes())
    for at, value in ((8, 0xFFFFFFFF), (8, 0)):
        lying = whole.copy()
        lying[at : at + 4] = struct.pack("<I", value)
        (tmp_path / "c").write_bytes(lying)
        with pytest.raises(UsageError, match="damaged"):
            Cache(tmp_path / "c")


def test_a_run_that_is_stopped_leaves_no_cache(pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hydrometer.drift.base_side.floor", stop)
    with pytest.raises(KeyboardInterrupt):
        run(*pair, tmp_path / "c")
    assert not list(tmp_path.iterdir())


def test_it_is_at_most_a_fiftieth_of_llama_cpp_s_file(tmp_path: Path) -> None:
    # llama.cpp keeps 2 bytes a token of the vocabulary, for the second half of each window of 512.
    width, places = 49152, 64
    size = written(tmp_path / "c", places=places, width=width, top_k=TOP_K).stat().st_size
    theirs = places * (2 * width + 8) * 255 / 512
    assert size < theirs / 50


def test_the_help_shows_the_default() -> None:
    assert SHOWN == TOP_K


def test_a_place_that_cannot_be_written_is_one_line(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        run(*pair, tmp_path / "file" / "c")
    with pytest.raises(UsageError, match="something else"):
        run(*pair, tmp_path / "file")
