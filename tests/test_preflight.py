from dataclasses import replace

import pytest

from hydrometer.items import Decoding
from hydrometer.preflight import compare_setups, is_valid
from hydrometer.provenance import ModelIdentity
from hydrometer.result import Standing
from hydrometer.sampling import GREEDY, Sampling

BASE = ModelIdentity(
    label="base",
    weights="w1",
    tokenizer="t",
    template="c",
    engine="llamacpp",
    engine_version="1",
    precision="Q4_1",
    context_length=2048,
)
STUDENT = replace(BASE, label="student", weights="w2")
SAME = (Sampling(GREEDY, "greedy"), Sampling(GREEDY, "greedy"))


def check(
    student: ModelIdentity,
    *,
    base: ModelIdentity = BASE,
    allow: tuple[str, ...] = (),
    refs=("a", "b"),
    samplings=SAME,
):
    return compare_setups(base, student, references=refs, samplings=samplings, allow=allow)


def test_a_clean_pair_is_valid() -> None:
    assert is_valid(check(STUDENT))


@pytest.mark.parametrize(
    ("aspect", "change"),
    [
        ("template", {"template": "other"}),
        ("precision", {"precision": "Q8_0"}),
        ("engine", {"engine_version": "2"}),
        ("tokenizer", {"tokenizer": "other"}),
        ("context", {"context_length": 1024}),
        ("identity", {"weights": "w1"}),
    ],
)
def test_an_undeclared_difference_is_invalid_and_a_declared_one_is_not(
    aspect: str, change: dict[str, object]
) -> None:
    student = replace(STUDENT, **change)  # type: ignore[arg-type]
    findings = check(student)
    assert [f.aspect for f in findings if f.standing is Standing.UNDECLARED] == [aspect]
    assert all("--" in f.message for f in findings if f.standing is Standing.UNDECLARED)
    assert is_valid(check(student, allow=(aspect,)))


def test_the_same_reference_twice_is_said_and_allowed() -> None:
    findings = check(replace(BASE), refs=("a", "a"))
    assert is_valid(findings)
    assert any("given twice" in f.message for f in findings)


def test_two_addresses_of_one_model_are_caught() -> None:
    server = replace(BASE, engine="http", weights="fingerprint")
    findings = check(replace(server), base=server, refs=("http://a/v1", "http://b/v1"))
    assert not is_valid(findings)
    assert any("both addresses serve the same model" in f.message for f in findings)


def test_two_names_of_one_model_on_one_server_are_caught() -> None:
    base = replace(BASE, engine="http", details={"fingerprint": "f"})
    assert not is_valid(check(replace(base, weights="w2"), base=base, refs=("http://a/v1#x", "http://a/v1#y")))
    assert is_valid(check(replace(base, weights="w2", details={"fingerprint": "g"}), base=base))


@pytest.mark.parametrize(("served", "valid"), [("Qwen3-0.6B", False), ("/models/qwen3.5-27b.gguf", True)])
def test_a_server_that_serves_something_else_is_caught(served: str, valid: bool) -> None:
    student = replace(STUDENT, details={"asked_model": "Qwen3.5-27B", "served_model": served})
    assert is_valid(check(student)) is valid


def test_different_vendor_sampling_is_shown_and_valid() -> None:
    other = Sampling(Decoding(temperature=1.0, top_p=0.95, top_k=20), "vendor preset")
    findings = check(STUDENT, samplings=(SAME[0], other))
    sampling = next(f for f in findings if f.aspect == "sampling")
    assert is_valid(findings)
    assert sampling.standing is Standing.DECLARED
    assert "T 1" in sampling.student


def test_what_cannot_be_seen_is_a_note() -> None:
    findings = check(replace(STUDENT, template=""))
    assert is_valid(findings)
    assert any("cannot be seen" in f.message for f in findings)
