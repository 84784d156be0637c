"""What coverage-guided fuzzing kept, one input per way through the readers, held against the fuzzer's own rules."""

from __future__ import annotations

import base64
import importlib.util
import json
import random
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
KEPT: dict[str, list[str]] = json.loads((ROOT / "tests" / "fixtures" / "fuzzed.json").read_text(encoding="ascii"))


@pytest.fixture(scope="module")
def fuzzer() -> Any:
    spec = importlib.util.spec_from_file_location("fuzz_readers", ROOT / "tools" / "fuzz_readers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_reader_has_inputs_and_sound_seeds(fuzzer: Any) -> None:
    assert set(KEPT) | {"index"} == set(fuzzer.TARGETS)
    for name, target in fuzzer.TARGETS.items():
        assert any(fuzzer.judge(target, raw) for raw in fuzzer.seeds(name)), name


@pytest.mark.parametrize("name", KEPT)
def test_what_was_found_breaks_no_rule(name: str, fuzzer: Any) -> None:
    judged = [fuzzer.judge(fuzzer.TARGETS[name], base64.b64decode(text)) for text in KEPT[name]]
    assert 0 < sum(judged) < len(judged)


@pytest.mark.parametrize("name", KEPT)
def test_and_neither_do_neighbours_of_it(name: str, fuzzer: Any) -> None:
    rng = random.Random(0)
    for text in KEPT[name] * 3:
        fuzzer.judge(fuzzer.TARGETS[name], fuzzer.mutate(rng, base64.b64decode(text)))
