"""Drift through a server that tells the log-probabilities of a prompt: a tiny real model behind a stub, and its traps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from http_stub import Stub
from hydrometer.api import environment
from hydrometer.catalog import open_reader
from hydrometer.drift.result import DriftResult
from hydrometer.drift.run import drift
from hydrometer.drift.texts import Passage, neutral
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.http_prompt import _byte_pieces, _plain_pieces
from hydrometer.engines.reading import Reader
from hydrometer.errors import EngineError, HydrometerError, ModelError
from hydrometer.refs import parse_ref
from tiny_models import build_tiny

pytest.importorskip("torch")
TEXTS = tuple(Passage(name=f"t{i}", group="g", text=t.text[:90] + " café") for i, t in enumerate(neutral()[:3]))


class Vllm(Stub):
    """Answers as vLLM documents it, from a model that is really there; `twist` changes what it says of a prompt."""

    def __init__(self, reader: Reader, twist: Any = None, most: int = 50) -> None:
        super().__init__(models=[{"id": "stub", "object": "model", "owned_by": "vllm", "max_model_len": 400}])
        self.reader, self.twist, self.most, self.seen = reader, twist, most, 0
        self.pages["/tokenize"] = self.tokenize

    def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        ids = self.reader.tokens(str(body.get("prompt", body.get("content", "")))).ids
        begin = self.reader.begin if body.get("add_special_tokens") else ()
        tokenizer = self.reader._tokenizer  # type: ignore[attr-defined]
        return {"tokens": [*begin, *ids], "token_strs": tokenizer.convert_ids_to_tokens([*begin, *ids])}

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(body.get("prompt"), list):
            return super().reply(body)
        ids, count = body["prompt"], body["prompt_logprobs"]
        logits = np.concatenate(list(self.reader.read([ids], 100))).astype(np.float64)
        logprobs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        places: list[Any] = [None]
        for row, token in zip(logprobs, ids[1:], strict=True):
            best = {*np.argsort(-row)[: min(count, self.most)].tolist(), token}
            places.append({str(n): {"logprob": float(row[n]), "rank": 1, "decoded_token": "?"} for n in best})
        self.seen += 1
        found = {"model": "stub", "choices": [{"index": 0, "text": "", "prompt_logprobs": places}]}
        return self.twist(found, self.seen) if self.twist else found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    return build_tiny("llama", folder / "base", 1), build_tiny("llama", folder / "student", 2)


@pytest.fixture(scope="module")
def readers(pair: tuple[Path, Path]) -> Iterator[tuple[Reader, Reader]]:
    with open_reader(parse_ref(str(pair[0])), EngineSettings()) as base, open_reader(parse_ref(str(pair[1])), EngineSettings()) as student:
        yield base, student


def run(base: str, student: str, top_k: int = 40, **more: Any) -> DriftResult:
    return drift(base, student, passages=TEXTS, top_k=top_k, settings=EngineSettings(threads=1), environment=environment(), **more)


def test_a_served_side_is_a_lower_bound_of_what_the_files_say(
    pair: tuple[Path, Path], readers: tuple[Reader, Reader]
) -> None:
    exact = run(*map(str, pair)).whole
    assert exact
    with Vllm(readers[0]) as base, Vllm(readers[1]) as student:
        both = run(f"{base.url}#stub", f"{student.url}#stub")
        one = run(f"{base.url}#stub", str(pair[1]))
        other = run(str(pair[0]), f"{student.url}#stub")
    for found in (both, one, other):
        assert found.whole
        assert found.kept
        assert found.kept.top_k == 40
        assert 0.0 < found.kept.rest < 1.0
        assert found.whole.gap is None
        assert 0.0 < found.whole.kl.value < exact.kl.value
        assert found.whole.tokens == exact.tokens
        assert found.whole.change.value == pytest.approx(exact.change.value, abs=1e-5)
        assert found.whole.same.value == pytest.approx(exact.same.value)
        assert found.floor
    # More is told apart where one side is known whole.
    assert both.whole and one.whole and both.whole.kl.value <= one.whole.kl.value + 1e-9  # noqa: PT018
    assert both.heat is None
    assert both.floor and both.floor.kl.value < 1e-5  # noqa: PT018


def changed(key: str, value: Any) -> Any:
    def twist(found: dict[str, Any], seen: int) -> dict[str, Any]:
        place = found["choices"][0]["prompt_logprobs"][2]
        place[next(iter(place))] = {key: value}
        return found

    return twist


def shifted(found: dict[str, Any], seen: int) -> dict[str, Any]:
    for place in found["choices"][0]["prompt_logprobs"][1:]:
        for entry in place.values():
            entry["logprob"] -= 0.5 * seen
    return found


def short(found: dict[str, Any], seen: int) -> dict[str, Any]:
    places = found["choices"][0]["prompt_logprobs"]
    places[1:9] = [None] * 8
    return found


def cached(found: dict[str, Any], seen: int) -> dict[str, Any]:
    return {**found, "usage": {"prompt_tokens_details": {"cached_tokens": 16}}}


def none(found: dict[str, Any], seen: int) -> dict[str, Any]:
    return {**found, "choices": [{"index": 0, "text": ""}]}


@pytest.mark.parametrize(
    ("twist", "most", "word"),
    [
        (None, 10, "where 40 were asked for: start it with --max-logprobs 40"),
        (changed("logprob", math.nan), 50, "NaN"),
        (changed("logprob", "high"), 50, "NaN"),
        (changed("logprob", 3.0), 50, "more than probabilities"),
        (shifted, 50, "other log-probabilities for the same prompt"),
        (short, 50, "--no-enable-prefix-caching"),
        (cached, 50, "--no-enable-prefix-caching"),
        (none, 50, "no log-probabilities of a prompt"),
    ],
)
def test_a_server_that_cannot_be_believed_is_refused(
    twist: Any, most: int, word: str, pair: tuple[Path, Path], readers: tuple[Reader, Reader]
) -> None:
    with Vllm(readers[0], twist, most) as base, pytest.raises((EngineError, ModelError), match=word):
        run(f"{base.url}#stub", str(pair[1]))


def test_servers_without_what_it_takes_are_refused_when_they_are_opened(readers: tuple[Reader, Reader]) -> None:
    settings = EngineSettings()
    props = {"/props": {"default_generation_settings": {"n_ctx": 512}}}
    llama = [{"id": "stub", "owned_by": "llamacpp"}]
    with Stub(models=llama, pages=props) as server, pytest.raises(ModelError, match="llama-server"):
        open_reader(parse_ref(f"{server.url}#stub"), settings)
    with Stub() as server, pytest.raises(ModelError, match="does not tell its tokens"):
        open_reader(parse_ref(f"{server.url}#stub"), settings)


def test_what_needs_whole_distributions_says_so(pair: tuple[Path, Path], readers: tuple[Reader, Reader], tmp_path: Path) -> None:
    with Vllm(readers[0]) as base, pytest.raises(ModelError, match="--cache"):
        run(f"{base.url}#stub", str(pair[1]), cache=tmp_path / "c")
    assert not list(tmp_path.iterdir())


def test_a_context_longer_than_the_model_s_is_read_in_parts(pair: tuple[Path, Path], readers: tuple[Reader, Reader]) -> None:
    text = Passage(name="long", group="g", text=" ".join(text.text for text in neutral()[:4]))
    with Vllm(readers[0]) as base:
        found = drift(
            f"{base.url}#stub",
            str(pair[1]),
            passages=[text],
            top_k=20,
            settings=EngineSettings(threads=1, context=100_000),
            environment=environment(),
        )
    assert found.window < 400
    assert found.cut == 1


def test_pieces_are_bytes() -> None:
    assert _byte_pieces(["Ġthe", "Ã©", "<|end|>"]) == [b" the", "é".encode(), b"<|end|>"]
    assert _plain_pieces(["▁the", "<0x0A>", "é"]) == [b" the", b"\n", "é".encode()]
    assert _plain_pieces(["<0xZZ>"]) is None
    assert issubclass(EngineError, HydrometerError)
