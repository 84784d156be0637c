"""Tokenizers compared by what they do: real small ones, written in other ways, and each damaged once."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from hydrometer.errors import ModelError
from hydrometer.surface import tokenizer as module
from hydrometer.surface.probes import PROBES
from hydrometer.surface.tokenizer import compare_tokenizers
from hydrometer.surface.vocabulary import Vocabulary, of_file, of_gguf, of_json
from tiny_models import _tokenizer


@pytest.fixture(scope="module")
def qwen() -> dict[str, Any]:
    pytest.importorskip("tokenizers")
    return json.loads(_tokenizer("qwen3_5").to_str())


def read(table: dict[str, Any]) -> Vocabulary:
    return of_json(table, json.dumps(table).encode())


def faults(base: Vocabulary, student: Vocabulary, **more: Any) -> dict[str, str]:
    topic = compare_tokenizers(base, student, **more)
    return {f.name: f.text for f in topic.findings if f.answer == "contradicted"}


def as_gguf(table: dict[str, Any]) -> dict[str, Any]:
    ids = {**table["model"]["vocab"], **{a["content"]: a["id"] for a in table["added_tokens"]}}
    tokens = sorted(ids, key=lambda token: ids[token])
    merges = [" ".join(m) if isinstance(m, list) else m for m in table["model"]["merges"]]
    return {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen35", "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.tokens": [*tokens, "[PAD400]"], "tokenizer.ggml.token_type": [1] * len(tokens) + [5],
    }  # fmt: skip


def test_other_bytes_and_the_same_meaning(qwen: dict[str, Any]) -> None:
    """As newer libraries write it: merges as pairs, a sequence of one, defaults left out, other order of keys."""
    again = dict(reversed(copy.deepcopy(qwen).items()))
    merges = [m if isinstance(m, str) else " ".join(m) for m in again["model"]["merges"]]
    again["model"]["merges"] = merges
    again["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": False}]}
    again["padding"], again["truncation"] = {"strategy": "BatchLongest"}, {"max_length": 5}
    topic = compare_tokenizers(read(qwen), read(again))
    assert topic.answer == "confirmed", topic
    assert "written alike" in topic.text


def _rename(table: dict[str, Any]) -> None:
    token = list(table["model"]["vocab"])[-1]
    table["model"]["vocab"]["changed"] = table["model"]["vocab"].pop(token)


def _swap(table: dict[str, Any]) -> None:
    table["model"]["merges"][3], table["model"]["merges"][4] = table["model"]["merges"][4], table["model"]["merges"][3]


def _special(table: dict[str, Any]) -> None:
    next(a for a in table["added_tokens"] if a["content"] == "<think>")["special"] = True


def _plain(table: dict[str, Any]) -> None:
    next(a for a in table["added_tokens"] if a["content"] == "<|im_end|>")["special"] = False


def _split(table: dict[str, Any]) -> None:
    table["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, {"type": "Whitespace"}]}


def _lower(table: dict[str, Any]) -> None:
    table["normalizer"] = {"type": "Lowercase"}


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], None], str, str]] = {
    "token": (_rename, "vocabulary", "1 of the base's"),
    "merges": (_swap, "merges", "from number 4 on"),
    "special": (_special, "added tokens", "vanishes from replies"),
    "not special": (_plain, "added tokens", "printed in replies"),
    "splitting": (_split, "steps", "probe texts are split in another way (splitting into words)"),
    "normaliser": (_lower, "steps", "(normaliser)"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_each_damage_is_named(name: str, qwen: dict[str, Any]) -> None:
    damage, finding, words = DAMAGE[name]
    table = copy.deepcopy(qwen)
    damage(table)
    found = faults(read(qwen), read(table))
    assert words in found[finding]
    assert len(found) == 1


def test_what_is_written_otherwise_may_do_the_same(qwen: dict[str, Any]) -> None:
    table = copy.deepcopy(qwen)
    table["normalizer"] = {"type": "Replace", "pattern": {"String": "\ue000never"}, "content": ""}
    topic = compare_tokenizers(read(qwen), read(table))
    assert topic.answer == "confirmed"
    assert f"the same on all {len(PROBES)} probe texts" in topic.text


def test_without_the_library_it_is_not_known(qwen: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    table = copy.deepcopy(qwen)
    _lower(table)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    topic = compare_tokenizers(read(qwen), read(table))
    assert topic.answer == "insufficient"
    assert "hydrometer[surface]" in topic.text


def test_a_tokenizer_that_the_library_refuses_is_not_known_and_no_cure_is_named(
    qwen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = copy.deepcopy(qwen)
    table["model"]["byte_fallback"] = True
    monkeypatch.setattr(module, "run_child", lambda kind, work: {"unsafe": "ends the process"})
    (finding,) = [f for f in compare_tokenizers(read(qwen), read(table)).findings if f.answer == "insufficient"]
    assert "cannot read one of them" in finding.text
    assert "pip install" not in finding.text
    assert "byte_fallback" in str(finding.student)


def test_a_line_break_inside_a_merge_is_no_further_merge(qwen: dict[str, Any]) -> None:
    table = copy.deepcopy(qwen)
    table["model"]["merges"] = ["\n \n", "a b"]
    gguf = of_gguf({**as_gguf(qwen), "tokenizer.ggml.merges": ["\n \n", "a b"]})
    assert gguf is not None
    assert read(table).merges == gguf.merges
    assert gguf.merges.count(b"\n") == 1


ODD: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pairs": lambda m: m.update(merges=[["a", "b"], ["é", "ü"], ['"', "\\"], ["a b", "\n"], ["\u0120", "中"]]),
    "texts": lambda m: m.update(merges=["a b", '" \\', "Ġ 中"]),
    "empty": lambda m: m.update(merges=[]),
    "none": lambda m: m.pop("merges"),
    "nonsense": lambda m: m.update(merges=["a b", 3, None, ["a"], ["a", "b", "c"]]),
    "a token of that name": lambda m: m["vocab"].update({"merges": 900, 'x"merges":[': 901, '"merges":["a b"]': 902}),
    "a second list": lambda m: m.update(other={"merges": ["x y"]}),
    "a second table": lambda m: m.update(other={"vocab": {"x": 1}}),
    "numbers that are none": lambda m: m["vocab"].update({"x": 1.5, "y": -1, "z": "1"}),
    "a list of tokens": lambda m: m.update(vocab=[["a", -1.5], ["b", -2]]),
    "odd tokens": lambda m: m["vocab"].update({'"': 900, "\\": 901, "\n": 902, "😀": 903, "": 904}),
    "another place": lambda m: (m.pop("merges"), m.update(other={"merges": ["x y"]})),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_merges_read_one_by_one_are_those_of_the_whole_file(name: str, ascii_only: bool, qwen: dict[str, Any]) -> None:
    table = copy.deepcopy(qwen)
    ODD[name](table["model"])
    for indent in (None, 2):
        raw = json.dumps(table, ensure_ascii=ascii_only, indent=indent).encode()
        assert of_file(raw, "x") == of_json(json.loads(raw), raw)
        assert of_file(raw, "x").raw == raw


@pytest.mark.parametrize("raw", [b'{"model":{"merges":["a b"', b'{"model":{"merges":[\xff"a"]}}', b'{"model":{"merges":["\xff a"]}}', b'{"merges":[', b"[]", b'{"model":{"merges":["a\nb"]}}'])
def test_broken_merges_end_in_one_line(raw: bytes) -> None:
    with pytest.raises(ModelError, match="download it again"):
        of_file(raw, "x")


def test_a_merge_more_at_the_end(qwen: dict[str, Any]) -> None:
    longer = copy.deepcopy(qwen)
    longer["model"]["merges"].append(longer["model"]["merges"][0])
    count = len(qwen["model"]["merges"])
    assert f"from number {count + 1:,} on: nothing more in the base" in faults(read(qwen), read(longer))["merges"]
    assert "nothing more in the student" in faults(read(longer), read(qwen))["merges"]


def test_more_tokens_are_no_loss(qwen: dict[str, Any]) -> None:
    table = copy.deepcopy(qwen)
    table["added_tokens"].append({**table["added_tokens"][0], "content": "<new>", "id": 900})
    topic = compare_tokenizers(read(qwen), read(table))
    assert topic.answer == "confirmed"
    assert "1 more: '<new>'" in topic.text


def test_folder_against_gguf(qwen: dict[str, Any]) -> None:
    gguf = of_gguf(as_gguf(qwen))
    assert gguf is not None
    assert compare_tokenizers(read(qwen), gguf).answer == "confirmed"
    assert compare_tokenizers(gguf, read(qwen)).answer == "confirmed"
    other = copy.deepcopy(qwen)
    _rename(other)
    _swap(other)
    assert set(faults(read(other), gguf)) == {"vocabulary", "merges"}


def test_gguf_against_gguf(qwen: dict[str, Any]) -> None:
    ours = of_gguf(as_gguf(qwen))
    assert ours is not None
    assert compare_tokenizers(ours, ours).answer == "confirmed"
    theirs = of_gguf({**as_gguf(qwen), "tokenizer.ggml.pre": "default"})
    assert theirs is not None
    assert faults(ours, theirs) == {"steps": "split by the rule gpt2 default, the base by gpt2 qwen35"}


def test_classes_that_loaders_do_not_know(qwen: dict[str, Any]) -> None:
    mine = read(qwen)
    assert "TokenizersBackend" in faults(mine, mine, config={"tokenizer_class": "TokenizersBackend"})["loader"]
    both = {"additional_special_tokens": ["<a>"], "extra_special_tokens": {"b": "<b>"}}
    assert "loaders drop" in faults(mine, mine, config=both)["loader"]


@pytest.mark.parametrize("table", [{}, {"model": 3}, {"model": {"vocab": [1, [], ["a", 0]], "merges": 5}}, {"added_tokens": [3, {"content": 4}], "pre_tokenizer": {"type": "Sequence", "pretokenizers": [None, 3]}}])
def test_nonsense_is_read_as_little(table: dict[str, Any]) -> None:
    assert len(read(table).ids) <= 1


def test_no_tokenizer_at_hand(qwen: dict[str, Any]) -> None:
    assert compare_tokenizers(read(qwen), None).answer == "not testable from files"
