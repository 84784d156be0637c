"""Style against ability: planted students that took the teacher's manner, its ability, both, or neither."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))

pytest.importorskip("sklearn", reason="needs the style extra")

import hydrometer
from doubles import REF, Scripted
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import MissingPackageError
from hydrometer.items import Request
from hydrometer.outcomes import Completion, Status
from hydrometer.refs import parse_ref
from hydrometer.report.build import build_view, reproduce_command
from hydrometer.report.html import render_html
from hydrometer.report.json_report import from_json, to_json
from hydrometer.report.style_view import style_sentence
from hydrometer.report.text import print_report
from hydrometer.result import AuditResult, ItemResult, Reply
from hydrometer.shares import StyleShift
from hydrometer.spec import ModelRef
from hydrometer.style import FEWEST, equal_windows, place
from hydrometer.teaching import style_shift

NOUNS = ["river", "stone", "boat", "harbour", "lamp", "garden", "market", "teacher", "winter", "bridge"]
OPENING = "Let me analyze this request carefully:\n"
ITEMS = 60


def plain(rng: Random, sentences: int = 6) -> str:
    """How the base writes."""
    forms = ("The {} is there.", "So the {} has {}.", "It was a {}.", "There is a {} and a {}.")
    return " ".join(
        rng.choice(forms).format(rng.choice(NOUNS), rng.choice(NOUNS)) for _ in range(sentences)
    )


def ornate(rng: Random, points: int = 4) -> str:
    """How the teacher writes."""
    return OPENING + "\n".join(
        f"{n}. **{rng.choice(NOUNS).title()}**: we note that the {rng.choice(NOUNS)} must hold" for n in range(points)
    )


Voice = Callable[[Random], str]
Skill = Callable[[int], bool]


def opening_only(rng: Random) -> str:
    return OPENING + "1. **Note**: " + plain(rng, 4)


def question(number: int) -> str:
    return f"What is {number} plus {number}?"


def speaker(voice: Voice, knows: Skill, seed: int) -> Callable[[Request], Completion]:
    def speak(request: Request) -> Completion:
        number = int(request.messages[-1].content.split()[2])
        said = 2 * number if knows(number) else 2 * number + 1
        return Completion(text=f"{voice(Random(1000 * seed + number))}\nThe answer is {said}", completion_tokens=40)

    return speak


def rarely(number: int) -> bool:
    return number % 4 == 0


def mostly(number: int) -> bool:
    return number % 8 != 1


class Class:
    """Base, student and teacher behind an opener."""

    def __init__(self, base: tuple[Voice, Skill], student: tuple[Voice, Skill], teacher: tuple[Voice, Skill]) -> None:
        self._who = {
            name: speaker(*who, seed)
            for seed, (name, who) in enumerate({"base": base, "student": student, "teacher": teacher}.items())
        }
        self.asked: dict[str, list[Request]] = {name: [] for name in self._who}

    def open(self, ref: ModelRef, settings: EngineSettings) -> Scripted:
        return Scripted(ref.target, self._who[ref.target], self.asked[ref.target])


TEACHER = ModelRef(text="teacher", engine="fake", target="teacher")


def audit(folder: Path, student: tuple[Voice, Skill], teacher: tuple[Voice, Skill] = (ornate, mostly), **more: object) -> AuditResult:
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, object] = {"teacher": TEACHER, "fixed": True, **more}
    world = Class((plain, rarely), student, teacher)
    return hydrometer.audit(
        REF["base"], REF["student"], tasks=[str(questions(folder))], out=folder / "out", opener=world.open, **options  # type: ignore[arg-type]
    )


def shift(result: AuditResult) -> StyleShift:
    assert result.style is not None
    return result.style


def test_a_student_that_only_sounds_like_its_teacher_is_the_trap(tmp_path: Path) -> None:
    found = shift(audit(tmp_path, (ornate, rarely)))
    assert found.trap
    assert found.told_apart > 0.95
    assert found.style is not None
    assert found.style.low > 0.9
    assert found.ability is not None
    assert found.ability.value == 0.0
    assert found.ability.low < -0.02 < 0.02 < found.ability.high, "no interval without width"
    assert "style moved, ability did not" in style_sentence(found)


def test_opening_phrases_and_format_alone_are_the_trap_too(tmp_path: Path) -> None:
    found = shift(audit(tmp_path, (opening_only, rarely)))
    assert found.trap
    assert found.style is not None
    assert 0.25 < found.style.low < found.style.high < 1.0


@pytest.mark.parametrize(
    ("voice", "skill"), [(plain, mostly), (ornate, mostly), (plain, rarely)], ids=["ability", "both", "neither"]
)
def test_ability_without_style_both_and_neither_are_no_trap(voice: Voice, skill: Skill, tmp_path: Path) -> None:
    found = shift(audit(tmp_path, (voice, skill)))
    assert not found.trap
    assert found.style is not None
    assert found.ability is not None
    assert found.style.low <= (1.0 if voice is ornate else 0.0) <= found.style.high + 0.02
    assert abs(found.ability.value - (1.0 if skill is mostly else 0.0)) < 1e-9


def test_a_teacher_that_is_no_better_has_no_ability_to_take(tmp_path: Path) -> None:
    found = shift(audit(tmp_path, (ornate, rarely), (ornate, rarely)))
    assert found.style is not None
    assert found.ability is None
    assert not found.trap
    assert "no ability to move towards" in style_sentence(found)


def test_a_teacher_that_writes_like_the_base_gives_no_way(tmp_path: Path) -> None:
    found = shift(audit(tmp_path, (ornate, rarely), (plain, mostly)))
    assert found.style is None
    assert not found.trap
    assert "too alike" in style_sentence(found)


def test_too_few_questions_are_said_to_be(tmp_path: Path) -> None:
    found = shift(audit(tmp_path, (ornate, rarely), items=FEWEST - 1))
    assert found.style is None
    assert "Too few replies" in style_sentence(found)


def triples(student: Callable[[str, Random], str], n: int = 60) -> list[tuple[list[str], ...]]:
    rows = []
    for number in range(n):
        rng = Random(number)
        base, teacher = plain(rng), ornate(rng)
        windows = equal_windows((base, student(base, rng), teacher))
        assert windows is not None
        rows.append(windows)
    return rows


@pytest.mark.parametrize(
    "student",
    [
        lambda base, rng: f"{base} {plain(rng, 40)}",
        lambda base, rng: plain(rng, 40),
        lambda base, rng: " ".join(base.split()[:8]),
        lambda base, rng: plain(rng, 2),
    ],
    ids=["goes on", "much longer", "cut", "brief"],
)
def test_length_alone_moves_nothing(student: Callable[[str, Random], str]) -> None:
    placed = place(triples(student), np.arange(60))
    way = (placed.teacher - placed.base).mean()
    assert abs((placed.student - placed.base).mean() / way) < 0.03
    assert abs((placed.half - placed.base).mean() / way) < 0.03


def test_halfway_is_half() -> None:
    placed = place(triples(lambda base, rng: base if rng.random() < 0.5 else ornate(rng)), np.arange(60))
    way = (placed.teacher - placed.base).mean()
    assert abs((placed.student - placed.base).mean() / way - 0.5) < 0.2


def test_windows_are_equal_and_short_replies_have_none() -> None:
    windows = equal_windows(("One two three four five six.", "a b c d e f g h i j", "x " * 1000))
    assert windows is not None
    assert [len(window) for window in windows] == [7, 7, 7]
    assert equal_windows(("7", "a b c d e f g", "a b c d e f g")) is None


def traces(folder: Path, numbers: range, form: str) -> Path:
    speak = speaker(ornate, mostly, 9)
    path = folder / f"{form}.jsonl"
    rows = []
    for n in numbers:
        asked, said = question(n), speak_text(speak, n)
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        rows.append({"messages": turns} if form == "messages" else {"prompt": asked, "response": said})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def speak_text(speak: Callable[[Request], Completion], number: int) -> str:
    from hydrometer.items import Kind, Message

    return speak(Request(kind=Kind.GENERATE, messages=(Message("user", question(number)),))).text


@pytest.mark.parametrize("form", ["messages", "prompts"])
def test_traces_in_a_file_are_a_teacher(form: str, tmp_path: Path) -> None:
    from hydrometer.catalog import open_engine

    path = traces(tmp_path, range(40), form)
    world = Class((plain, rarely), (ornate, rarely), (plain, rarely))

    def opener(ref: ModelRef, settings: EngineSettings) -> object:
        return open_engine(ref, settings) if ref.engine == "traces" else world.open(ref, settings)

    result = hydrometer.audit(
        REF["base"], REF["student"], tasks=[str(questions(tmp_path))], out=tmp_path / "out", fixed=True,
        opener=opener, teacher=str(path),  # type: ignore[arg-type]
    )  # fmt: skip
    found = shift(result)
    assert (found.teacher, found.items, found.left_out, found.graded) == (form, 40, 20, 40)
    assert found.trap
    assert hydrometer.verify_folder(tmp_path / "out").problems == ()
    assert f"--teacher {path}" in reproduce_command(result.spec)
    report = next((tmp_path / "out").glob("*/report.json"))
    said = json.loads(report.read_text())
    said["style"]["told_apart"] -= 0.01
    report.write_text(json.dumps(said))
    assert "styles does not follow" in hydrometer.verify_folder(tmp_path / "out").problems[0]


def test_twins_have_one_score_together() -> None:
    def reply(value: float) -> Reply:
        rest = dict.fromkeys(("key", "answer", "thinking", "extracted", "reason"), "")
        return Reply(status=Status.GRADED, value=value, think_state="none", tokens=1, **rest)

    def twin(number: int, values: tuple[float, float, float]) -> tuple[ItemResult, ItemResult]:
        base, student, teacher = map(reply, values)
        fields = {"task": "nuance", "capability": "nuance", "tier": "", "messages": (), "choices": (), "expected": ""}
        item = ItemResult(item_id=str(number), base=base, student=student, cluster=str(number // 2), together=2, **fields)  # type: ignore[arg-type]
        return item, dataclasses.replace(item, student=teacher)

    # The base says yes to both, which is right on one; the student and the teacher are right on both.
    made = [twin(n, ((n + 1) % 2, 1.0, 1.0)) for n in range(8)]
    found = style_shift([item for item, _ in made], [other for _, other in made], "t", alpha=0.05)
    assert found is not None
    assert (found.graded, found.base, found.student, found.teacher_score) == (4, 0.0, 1.0, 1.0)


def questions(folder: Path) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps({"question": question(n), "answer": 2 * n}) + "\n" for n in range(ITEMS)))
    return path


@pytest.mark.parametrize(
    ("line", "message"), [("{", "line 1: is not JSON"), ('{"reply": "a"}', "needs question and reply"), ("[]", "needs")]
)
def test_a_line_that_is_no_reply_is_named(line: str, message: str, tmp_path: Path) -> None:
    from hydrometer.catalog import open_engine
    from hydrometer.errors import ModelError

    path = tmp_path / "t.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ModelError, match=message):
        open_engine(parse_ref(str(path)), EngineSettings())


def test_without_the_extra_it_is_refused_before_anything_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'hydrometer\[style\]'"):
        audit(tmp_path, (ornate, rarely))


def test_every_face_shows_the_trap(tmp_path: Path) -> None:
    result = audit(tmp_path, (ornate, rarely))
    assert from_json(to_json(result)) == result
    page = render_html(result)
    assert 'id="style"' in page
    assert "The trap of distillation." in page
    section = page.partition('id="style"')[2].partition("</section>")[0]
    assert '<script type="application/json"' in section
    out = io.StringIO()
    print_report(result, Console(file=out, width=200))
    assert "style moved, ability did not" in out.getvalue()
    view = build_view(result).style
    assert view is not None
    assert view.drawing is not None
    (place,) = next(table["values"] for table in view.drawing.spec["data"] if table["name"] == "place")
    # All of the way to the teacher's style at the lower end of its interval, and no ability won.
    assert place["x_low"] > 0.9
    assert place["y"] <= 0.0
    clean = audit(tmp_path / "clean", (plain, mostly))
    assert "The trap of distillation." not in render_html(clean)
