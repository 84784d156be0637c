"""Whole inspections of tiny real models with something around their weights changed, and files built to do harm."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import ENTRY, environment, hydrometer
from hydrometer.errors import UnreadableModelError
from hydrometer.inspection import Inspection, inspect, to_json
from hydrometer.surface.fixtures import FIXTURES
from range_server import serving
from tiny_models import QWEN_TEMPLATE, build_tiny

CARD = "---\nlicense: apache-2.0\nbase_model: {}\n---\n# A student\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    folder = build_tiny("qwen3_5", tmp_path_factory.mktemp("pair") / "tiny-base", 0)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A base\n")
    (folder / "preprocessor_config.json").write_text("{}")
    return folder


@pytest.fixture
def student(base: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "student"
    shutil.copytree(base, folder)
    (folder / "README.md").write_text(CARD.format("org/tiny-base"))
    return folder


def answers(found: Inspection) -> dict[str, str]:
    return {question.name: question.answer for question in found.questions}


def change(path: Path, **values: Any) -> None:
    table = json.loads(path.read_text())
    for key, value in values.items():
        table.pop(key) if value is None else table.update({key: value})
    path.write_text(json.dumps(table))


def test_a_clean_pair_raises_nothing(base: Path, student: Path) -> None:
    found = inspect(str(base), str(student))
    mine = answers(found)
    assert {mine[name] for name in ("chain", "tokenizer", "template", "settings", "licence", "recipe")} == {"confirmed"}
    assert not found.surface.risks
    assert found.exit_code == 0
    assert not [f for topic in found.surface.topics for f in topic.findings if f.answer != "confirmed"]


def test_a_swapped_template_is_shown_with_its_values(base: Path, student: Path) -> None:
    (student / "chat_template.jinja").write_text(QWEN_TEMPLATE.replace("enable_thinking is defined and enable_thinking is false", "false"))
    done = hydrometer("inspect", str(base), str(student), "--quick", cwd=student)
    shown = " ".join(done.stdout.split())
    assert done.returncode == 10
    assert "template: CONTRADICTED" in shown
    assert "enable_thinking changes the prompt of the base, and does nothing in the student" in shown
    assert "think prefill: behind an empty think block in the base, inside an open think block in the student" in shown
    plain = json.loads(hydrometer("inspect", str(base), str(student), "--json", "--quick", cwd=student).stdout)
    rows = {row["name"]: row["answer"] for row in plain["surface"]["template"]}
    assert rows["thinking switch"] == "contradicted"


def test_settings_lost_in_the_files(base: Path, student: Path) -> None:
    (student / "generation_config.json").unlink()
    found = inspect(str(base), str(student), quick=True)
    assert answers(found)["settings"] == "contradicted"
    assert "no generation_config.json" in next(q.text for q in found.questions if q.name == "settings")


def test_risks_have_file_and_line(base: Path, student: Path) -> None:
    (student / "training_args.json").write_text('{\n "load_in_4bit": true,\n "max_seq_length": 8192\n}')
    plain = to_json(inspect(str(base), str(student), quick=True))
    assert {(risk["name"], risk["file"], risk["line"]) for risk in plain["risks"]} == {
        ("4-bit training", "training_args.json", 2), ("length filter", "training_args.json", 3),
    }  # fmt: skip
    assert plain["verdict"] == "confirmed"


def test_a_parent_beside_the_student_is_followed(base: Path, student: Path) -> None:
    middle = student.parent / "middle"
    shutil.copytree(student, middle)
    (student / "README.md").write_text(CARD.format("me/middle"))
    found = inspect(str(base), str(student), quick=True)
    text = next(q.text for q in found.questions if q.name == "chain")
    assert text == "the student -> me/middle -> org/tiny-base, 1 of the models between checked by tensors"


def test_a_chain_on_the_hub_and_the_base_of_the_day(base: Path, student: Path) -> None:
    middle = student.parent / "middle"
    shutil.copytree(student, middle)
    (middle / "README.md").write_text(CARD.format("org/name"))
    (student / "README.md").write_text(CARD.format("me/middle"))
    rows = [{"id": c * 40, "authors": [], "date": f"2026-0{m}-01T00:00:00.000Z", "title": "t", "message": ""} for c, m in (("b", 5), ("a", 1))]
    with serving(base) as server:
        server.others = {"me/student": student, "me/middle": middle}
        server.commits = {"org/name": rows, "me/student": [{**rows[0], "date": "2026-03-01T00:00:00.000Z"}]}
        words = [*ENTRY, "inspect", "hf://org/name", "hf://me/student", "--json", "--quick"]
        settings = {**environment(), "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": server.url}
        done = subprocess.run(words, env=settings, capture_output=True, text=True, check=False, timeout=100)
        asked = server.paths()
    assert done.returncode == 0, done.stderr
    plain = json.loads(done.stdout)
    chain = next(row for row in plain["questions"] if row["name"] == "chain")
    assert chain["text"] == "the student -> me/middle -> org/name, 1 of the models between checked by tensors"
    assert plain["base"]["reference"] == f"hf://org/name@{'a' * 40}"
    assert any("the newest on 2026-03-01" in remark for remark in plain["remarks"])
    assert not [path for path in asked if path.startswith("/org/name/resolve/main")]


def test_two_gguf_files_and_a_folder_with_one(base: Path, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    import numpy as np
    from safetensors.numpy import load_file

    from hydrometer.surface.vocabulary import of_json

    table = of_json(json.loads((base / "tokenizer.json").read_text()))
    tokens = sorted(table.ids, key=lambda token: table.ids[token])
    norms = {name: value for name, value in load_file(base / "model.safetensors").items() if name.endswith("layernorm.weight") and ".layers." in name} if (base / "model.safetensors").exists() else {}
    assert norms

    def write(name: str, template: str, merges: list[str]) -> str:
        writer = gguf.GGUFWriter(tmp_path / name, "qwen35")
        writer.add_context_length(512)
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(tokens)
        writer.add_token_merges(merges)
        writer.add_eos_token_id(table.ids["<|im_end|>"])
        writer.add_chat_template(template)
        for number in range(4):
            writer.add_tensor(f"blk.{number}.attn_norm.weight", np.ones(32, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return str(tmp_path / name)

    merges = table.merges.decode().split("\n")
    good = write("good.gguf", QWEN_TEMPLATE, merges)
    bad = write("bad.gguf", QWEN_TEMPLATE.replace("<think>", "<thought>"), merges[::-1])
    for one in (str(base), good):
        found = answers(inspect(one, good))
        assert [found[name] for name in ("tokenizer", "template", "settings")] == ["confirmed"] * 3
        wrong = answers(inspect(one, bad))
        assert [wrong[name] for name in ("tokenizer", "template", "settings")] == ["contradicted", "contradicted", "confirmed"]


HOSTILE: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "template no text": ("no text in UTF-8", lambda p: (p / "chat_template.jinja").write_bytes(b"\xff\xfe{{ x }}")),
    "tokenizer of 50 MB": ("too many", lambda p: (p / "tokenizer.json").write_bytes(b" " * 50_000_000)),
    "deep tokenizer": ("no valid JSON", lambda p: (p / "tokenizer.json").write_text("[" * 200_000)),
    "many parts": ("too many parts", lambda p: (p / "tokenizer.json").write_text("[" + "[]," * 1_200_000 + "[]]")),
    "deep settings": ("no valid JSON", lambda p: (p / "generation_config.json").write_text('{"a":' * 150_000)),
    "aliases": ("full of YAML aliases", lambda p: (p / "README.md").write_text("---\na: &a [1]\n" + "b: [" + "*a," * 30 + "*a]\n---\n")),
    "long front": ("front matter has", lambda p: (p / "README.md").write_text("---\n" + "a: 1\n" * 200_000 + "---\n")),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_one_line(name: str, base: Path, student: Path) -> None:
    words, plant = HOSTILE[name]
    plant(student)
    with pytest.raises(UnreadableModelError, match=words) as caught:
        inspect(str(base), str(student))
    assert caught.value.exit_code == 12
    assert len(str(caught.value).splitlines()) == 1


LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
REACH = "{{ ''.__class__.__mro__ }}"


@pytest.mark.parametrize(
    ("file", "source", "words"),
    [
        ("chat_template.jinja", LOOPS, "takes too much computing time"),
        ("chat_template.jinja", REACH, "what the sandbox forbids"),
        ("additional_chat_templates/tool_use.jinja", REACH, "what the sandbox forbids"),
    ],
)
def test_a_harmful_template_is_one_answer_of_many(file: str, source: str, words: str, base: Path, student: Path) -> None:
    (student / file).parent.mkdir(exist_ok=True)
    (student / file).write_text(source)
    seen = inspect(str(base), str(student))
    assert seen.exit_code == 12
    found = to_json(seen)
    mine = {question["name"]: question for question in found["questions"]}
    assert mine["template safety"]["answer"] == found["verdict"] == "unsafe"
    assert file in mine["template safety"]["text"]
    assert words in mine["template safety"]["text"]
    assert [mine[name]["answer"] for name in ("lineage", "edit", "parts", "tokenizer", "settings")] == ["confirmed"] * 5
    default = file == "chat_template.jinja"
    assert mine["template"]["answer"] == ("not testable from files" if default else "confirmed")


def named(folder: Path, **templates: str) -> None:
    change(folder / "tokenizer_config.json", chat_template=[{"name": n, "template": t} for n, t in templates.items()])


def test_templates_with_names_of_their_own_are_compared(base: Path, student: Path, tmp_path: Path) -> None:
    """A list in the settings, a folder of files: two ways to write the same, and each template counts."""
    origin = tmp_path / "origin"
    shutil.copytree(base, origin)
    tools = QWEN_TEMPLATE.replace("<think>", "<tool>")
    named(origin, default=QWEN_TEMPLATE, tool_use=tools)
    for folder in ("additional_chat_templates", "chat_templates"):
        (student / folder).mkdir()
        (student / folder / "tool_use.jinja").write_text(tools)
        found = inspect(str(origin), str(student), quick=True)
        assert answers(found)["template"] == "confirmed", found.surface.topics
        (student / folder / "tool_use.jinja").write_text(QWEN_TEMPLATE)
        found = inspect(str(origin), str(student), quick=True)
        assert answers(found)["template"] == "contradicted"
        assert "template tool_use: 13 of 14" in next(q.text for q in found.questions if q.name == "template")
        (student / folder / "tool_use.jinja").unlink()
    found = inspect(str(origin), str(student), quick=True)
    assert "the base's template tool_use is gone" in next(q.text for q in found.questions if q.name == "template")


@pytest.mark.parametrize("file", ["tokenizer_config.json", "chat_template.json"])
def test_a_second_default_that_other_loaders_take(file: str, base: Path, student: Path) -> None:
    assert (base / "chat_template.jinja").exists()
    path = student / file
    table = json.loads(path.read_text()) if path.exists() else {}
    for source, answer in ((QWEN_TEMPLATE, "confirmed"), (QWEN_TEMPLATE.replace("<think>", "<thought>"), "contradicted")):
        path.write_text(json.dumps({**table, "chat_template": source}))
        found = inspect(str(base), str(student), quick=True)
        assert answers(found)["template"] == answer
    assert f"{file} holds another default" in next(q.text for q in found.questions if q.name == "template")


def test_a_card_that_is_only_wrong_is_a_remark(base: Path, student: Path) -> None:
    (student / "README.md").write_bytes(b"---\nlicense: [\n---\n\xff\xfe broken\n")
    found = inspect(str(base), str(student), quick=True)
    assert any("no YAML" in remark for remark in found.remarks)
    assert any("not in UTF-8" in remark for remark in found.remarks)
    assert found.exit_code == 0


@pytest.mark.parametrize("name", ["\u00e9" * 200, "owner/" + "\u00e9" * 190, "Notes"])
def test_a_name_on_a_card_that_is_no_model_is_not_looked_into(name: str, base: Path, student: Path) -> None:
    (student.parent / "Notes").mkdir()
    (student / "README.md").write_text(f"---\nbase_model: {name}\n---\n", encoding="utf-8")
    chain = next(q for q in inspect(str(base), str(student), quick=True).questions if q.name == "chain")
    assert chain.answer == "not testable from files"
    assert "cannot be followed" in chain.text


@pytest.mark.parametrize("name", ["org/parent", "../parent", "parent", "{}/parent", "org/..", "org/."])
def test_a_path_on_a_card_is_followed_nowhere(
    name: str, base: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models lie where the path leads: from here, above, at the root. Only folders beside the student are looked at."""
    here = tmp_path / "here" / "below"
    for place in (here / "org" / "parent", here.parent / "parent", here / "parent"):
        shutil.copytree(base, place)
    shutil.copy(base / "config.json", tmp_path / "config.json")
    (student / "README.md").write_text(f"---\nbase_model: {name.format(here)}\n---\n")
    monkeypatch.chdir(here)
    chain = next(q for q in inspect(str(base), str(student), quick=True).questions if q.name == "chain")
    assert chain.answer == "not testable from files"
    assert "by its tensors" not in chain.text
    shutil.copytree(base, tmp_path / "parent")
    beside = next(q for q in inspect(str(base), str(student), quick=True).questions if q.name == "chain")
    assert ("is not known" in beside.text) is name.endswith("parent"), beside.text


def test_the_table_of_fixtures_is_in_the_document() -> None:
    text = (Path(__file__).parents[2] / "docs" / "inspect.md").read_text(encoding="utf-8")
    assert all(f"| {fixture.name} |" in text for fixture in FIXTURES)
