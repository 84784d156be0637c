"""The files of a pair inside an audit: the wrong base and the same weights stop it, the rest stands beside the verdict."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import hydrometer
from hydrometer.errors import UnreadableModelError
from hydrometer.files import FilesFound
from hydrometer.inspected import file_findings, files_clause, look_at_files, refuse_harm, with_files
from hydrometer.progress import Silent
from hydrometer.refs import parse_ref
from hydrometer.result import AuditResult, Finding, Standing, Verdict
from hydrometer.spec import AuditSpec, TemplatePolicy
from hydrometer.verify import verify_folder
from tiny_models import build_tiny

Make = Callable[[str, int], str]
NAMES = ("one", "two")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Make:
    pytest.importorskip("transformers")
    known: dict[tuple[str, int], str] = {}

    def make(kind: str, seed: int) -> str:
        if (kind, seed) not in known:
            folder = tmp_path_factory.mktemp(f"{kind}{seed}")
            known[kind, seed] = str(build_tiny(kind, folder, seed))  # type: ignore[arg-type]
        return known[kind, seed]

    return make


def edited(source: str, target: Path, change: Callable[[dict[str, Any]], None]) -> str:
    shutil.copytree(source, target)
    tensors = load_file(target / "model.safetensors")
    change(tensors)
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    return str(target)


def nudge(tensors: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    for name, array in tensors.items():
        if name.endswith("up_proj.weight"):
            tensors[name] = (array * (1 + 0.01 * rng.standard_normal(array.shape))).astype(array.dtype)


def look(base: str, student: str, **more: Any) -> FilesFound | None:
    return look_at_files(AuditSpec(base=parse_ref(base), student=parse_ref(student), **more), Silent())


def found(base: str, student: str) -> FilesFound:
    seen = look(base, student)
    assert seen is not None
    return seen


def standings(seen: FilesFound, allow: tuple[str, ...] = ()) -> dict[str, Standing]:
    return {finding.aspect: finding.standing for finding in file_findings(seen, NAMES, allow)}


def test_a_student_of_another_base_is_not_comparable(tiny: Make) -> None:
    seen = found(tiny("llama", 0), tiny("llama", 1))
    assert seen.answer("lineage") == "contradicted"
    assert standings(seen) == {"lineage": Standing.UNDECLARED}
    assert standings(seen, ("lineage",)) == {"lineage": Standing.DECLARED}
    assert "does not come from this base" in files_clause(seen)


def test_a_true_student_changes_nothing(tiny: Make, tmp_path: Path) -> None:
    seen = found(tiny("llama", 0), edited(tiny("llama", 0), tmp_path / "s", nudge))
    assert seen.answer("lineage") == "confirmed"
    assert seen.kind == "changed"
    assert file_findings(seen, NAMES, ()) == ()
    assert files_clause(seen) == ""
    moved = {cell.role for cell in seen.cells if cell.moved}
    assert moved == {"mlp.up_proj"}


def test_the_same_weights_under_another_name_are_no_student(tiny: Make, tmp_path: Path) -> None:
    """Other bytes, other file, same values: a digest of the file cannot see it."""

    def reordered(tensors: dict[str, Any]) -> None:
        for name in reversed(list(tensors)):
            tensors[name] = tensors.pop(name)

    copy = edited(tiny("llama", 0), tmp_path / "copy", reordered)
    seen = found(tiny("llama", 0), copy)
    assert (seen.same, seen.whole) == (True, True)
    assert standings(seen) == {"identity": Standing.UNDECLARED}
    assert standings(seen, ("identity",)) == {"identity": Standing.DECLARED}


def test_one_changed_value_at_the_end_makes_another_model(tiny: Make, tmp_path: Path) -> None:
    """The glance sees no difference; what stands on "the same" must not stand on a sample."""

    def last_value(tensors: dict[str, Any]) -> None:
        tensors["model.embed_tokens.weight"][-1, -1] += 1

    seen = found(tiny("llama", 0), edited(tiny("llama", 0), tmp_path / "s", last_value))
    assert not seen.same
    assert standings(seen) == {}


def test_a_copy_in_another_format_is_noted(tiny: Make, tmp_path: Path) -> None:
    def halve(tensors: dict[str, Any]) -> None:
        for name, array in tensors.items():
            tensors[name] = array.astype(np.float16)

    seen = found(tiny("llama", 0), edited(tiny("llama", 0), tmp_path / "s", halve))
    assert seen.kind == "cast"
    assert standings(seen)["training"] is Standing.NOTE
    assert "nothing was trained" in files_clause(seen)


def test_lost_parts_are_noted_and_stop_nothing(tiny: Make, tmp_path: Path) -> None:
    student = Path(edited(tiny("llama", 0), tmp_path / "s", nudge))
    config = json.loads((student / "config.json").read_text())
    (student / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 9}))
    assert standings(found(tiny("llama", 0), str(student))) == {"parts": Standing.NOTE}


def test_what_is_not_read() -> None:
    """Servers have no files here, scripts none at all, and what cannot be read stops nothing."""
    pytest.importorskip("gguf")
    server = look("http://localhost:1/v1#x", "bundled:student")
    assert server is not None
    assert server.skipped == "the base is behind a server, whose files cannot be seen here"
    assert file_findings(server, NAMES, ()) == ()
    assert look("fake:a", "fake:b") is None
    assert look("bundled:base", "bundled:base") is None
    assert look("bundled:base", "bundled:student", inspect=False) is None


def test_damaged_files_stop_nothing(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / f"{name}.gguf").write_bytes(b"GGUF" + b"\xff" * 113)
    seen = look(*(str(tmp_path / f"{name}.gguf") for name in NAMES))
    assert seen is not None
    assert seen.skipped
    assert "\n" not in seen.skipped


def test_the_graver_finding_of_an_aspect_stands() -> None:
    rows = {
        standing: Finding(aspect="identity", base="a", student="b", standing=standing)
        for standing in (Standing.EQUAL, Standing.UNDECLARED, Standing.NOTE)
    }
    mine = replace(rows[Standing.UNDECLARED], message="from files")
    assert with_files([rows[Standing.EQUAL]], [mine]) == (mine,)
    assert with_files([rows[Standing.NOTE]], [mine]) == (rows[Standing.NOTE],)


def test_the_same_weights_under_a_declared_difference_are_noted() -> None:
    same = Finding(aspect="identity", base="a", student="b", standing=Standing.UNDECLARED)
    template = Finding(aspect="template", base="x", student="y", standing=Standing.DECLARED)
    assert [f.standing for f in with_files([template], [same])] == [Standing.DECLARED, Standing.NOTE]
    open_still = replace(template, standing=Standing.UNDECLARED)
    assert [f.standing for f in with_files([open_still], [same])] == [Standing.UNDECLARED] * 2


@pytest.fixture(scope="module")
def wrong_base(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditResult, Path]:
    out = tmp_path_factory.mktemp("audit")
    result = hydrometer.audit(tiny("llama", 0), tiny("llama", 1), tasks=["knowledge_facts"], items=4, out=out)
    return result, out


def test_an_audit_against_the_wrong_base_asks_nothing(wrong_base: tuple[AuditResult, Path]) -> None:
    result, out = wrong_base
    assert result.verdict is Verdict.INVALID
    assert result.exit_code == 12
    assert not result.items
    assert "the student does not come from this base" in result.headline
    assert "--allow lineage" in result.headline
    assert not verify_folder(out).problems


LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"


def test_a_harmful_template_stops_the_audit_that_would_render_it(tiny: Make, tmp_path: Path) -> None:
    """Nothing is rendered by the one that would not end; under the base's template the same student is audited."""
    student = edited(tiny("llama", 0), tmp_path / "s", nudge)
    (Path(student) / "chat_template.jinja").write_text(LOOPS)
    asked: dict[str, Any] = {"tasks": ["knowledge_facts"], "items": 2, "out": tmp_path / "out"}
    with pytest.raises(UnreadableModelError) as refused:
        hydrometer.audit(tiny("llama", 0), student, **asked)
    assert "chat_template.jinja takes too much computing time" in str(refused.value)
    assert str(refused.value).endswith("--template base renders both with the base's")
    result = hydrometer.audit(tiny("llama", 0), student, template="base", **asked)
    assert result.items
    assert result.files is not None
    assert [result.files.answer(name) for name in ("template safety", "lineage")] == ["unsafe", "confirmed"]
    assert [f.standing for f in result.findings if f.aspect == "template safety"] == [Standing.NOTE]


@pytest.mark.parametrize(
    ("unsafe", "policy", "cure"),
    [
        (("base",), "own", "--template student"), (("base",), "base", "--template student"), (("base",), "student", ""),
        (("base", "student"), "2x2", "--chat-template FILE"), (("student",), "base", ""), ((), "own", ""),
    ],
)  # fmt: skip
def test_only_a_template_that_would_be_rendered_stops_an_audit(unsafe: tuple[str, ...], policy: str, cure: str) -> None:
    seen = FilesFound(unsafe=unsafe)
    if not cure:
        return refuse_harm(seen, TemplatePolicy(policy))
    with pytest.raises(UnreadableModelError, match=cure):
        refuse_harm(seen, TemplatePolicy(policy))
    return None


def test_verify_sees_a_setup_that_was_made_comparable(wrong_base: tuple[AuditResult, Path], tmp_path: Path) -> None:
    _, out = wrong_base
    shutil.copytree(out, tmp_path / "copy")
    path = next((tmp_path / "copy").glob("*/report.json"))
    plain = json.loads(path.read_text())
    verdict = {**plain, "verdict": "equivalent"}
    rows = [row for row in plain["findings"] if row["aspect"] != "lineage"]
    for changed in (verdict, {**plain, "findings": rows}):
        path.write_text(json.dumps(changed))
        assert len(verify_folder(tmp_path / "copy").problems) == 1
