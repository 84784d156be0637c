"""Thinking on and off as two audits: their own sampling, leakage between them, and templates that cannot switch."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from commands import hydrometer as command
from doubles import REF, Adding, Script, Scripted, World, adder
from hydrometer.api import worst_code
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import UsageError
from hydrometer.items import Request, Thinking
from hydrometer.outcomes import Completion
from hydrometer.preflight import check_thinking
from hydrometer.progress import Silent
from hydrometer.provenance import Environment
from hydrometer.report.build import build_view
from hydrometer.result import AuditResult, BehaviourResult
from hydrometer.run import Runner
from hydrometer.spec import AuditSpec, ModelRef
from hydrometer.store import Store
from hydrometer.templates.render import switches_thinking
from tiny_models import GEMMA_TEMPLATE, LLAMA_TEMPLATE, QWEN_TEMPLATE

HERE = Environment(hydrometer="0", python="3", platform="test", packages={})


class Thinkers(World):
    """Two models under Qwen's template."""

    template = QWEN_TEMPLATE

    def open(self, ref: ModelRef, settings: EngineSettings) -> Scripted:
        engine = super().open(ref, settings)
        engine.chat_template = self.template
        return engine


def thinks(request: Request) -> Completion:
    return Completion(text=f"It is a sum.</think>{adder(request).text}", completion_tokens=9, opens_thinking=True)


def obeys(request: Request) -> Completion:
    return thinks(request) if request.thinking is Thinking.ON else adder(request)


def always(request: Request) -> Completion:
    said = f"<think>It is a sum.</think>{adder(request).text}"
    return thinks(request) if request.thinking is Thinking.ON else Completion(text=said, completion_tokens=9)


def never(request: Request) -> Completion:
    return Completion(text=adder(request).text, completion_tokens=1)


def leg(folder: Path, mode: Thinking, student: Script, **identity: object) -> tuple[AuditResult, Thinkers]:
    world = Thinkers(obeys, student, **identity)
    if identity:
        world._identities["base"] = dict(identity)
    spec = AuditSpec(base=REF["base"], student=REF["student"], thinking=mode, fixed=True)
    with Store(folder / "evidence.sqlite") as store:
        runner = Runner(
            spec, {Adding(): 40}, store, opener=world.open, settings=EngineSettings(), progress=Silent()
        )
        return runner.run(HERE), world


def leaks(result: AuditResult) -> dict[str, BehaviourResult]:
    return {
        row.behaviour: row for row in result.behaviours if row.behaviour.endswith(("when_off", "when_on"))
    }


def test_a_student_that_thinks_when_it_should_not_is_named(tmp_path: Path) -> None:
    result, _ = leg(tmp_path, Thinking.OFF, always)
    (found,) = leaks(result).values()
    assert found.behaviour == "thinks_when_off"
    assert (found.excess.base, found.excess.student) == (0.0, 1.0)
    assert found.adjusted_p < 0.001
    assert leaks(leg(tmp_path, Thinking.ON, always)[0]) == {}


def test_a_student_that_does_not_think_when_it_should_is_named(tmp_path: Path) -> None:
    result, _ = leg(tmp_path, Thinking.ON, never)
    (found,) = leaks(result).values()
    assert found.behaviour == "no_thinking_when_on"
    assert found.excess.difference == 1.0
    assert leaks(leg(tmp_path, Thinking.OFF, never)[0]) == {}


@pytest.mark.parametrize("mode", Thinking)
def test_a_clean_pair_shows_no_leak(mode: Thinking, tmp_path: Path) -> None:
    result, _ = leg(tmp_path, mode, obeys)
    assert leaks(result) == {}
    assert result.verdict.value in ("equivalent", "not enough evidence")


def test_each_leg_has_its_own_sampling_and_its_own_answers(tmp_path: Path) -> None:
    on, world = leg(tmp_path, Thinking.ON, obeys, architecture="qwen3_5")
    off, other = leg(tmp_path, Thinking.OFF, obeys, architecture="qwen3_5")
    assert (on.base.decoding.temperature, off.base.decoding.temperature) == (1.0, 0.7)
    assert on.base.sampling_source.endswith("thinking on")
    assert off.student.sampling_source.endswith("thinking off")
    assert len(world.asked["base"]) == len(other.asked["base"]) == 40
    assert {r.thinking for r in other.asked["student"]} == {Thinking.OFF}
    assert build_view(on).title.endswith(", thinking on")


@pytest.mark.parametrize(
    ("source", "has"), [(QWEN_TEMPLATE, True), (GEMMA_TEMPLATE, True), (LLAMA_TEMPLATE, False), ("", True)]
)
def test_a_switch_is_found_by_rendering(source: str, has: bool) -> None:
    assert switches_thinking(source) is has


def test_a_template_without_a_switch_is_refused_in_one_line() -> None:
    check_thinking(Thinking.DEFAULT, [("a", LLAMA_TEMPLATE)])
    check_thinking(Thinking.ON, [("a", QWEN_TEMPLATE), ("b", GEMMA_TEMPLATE)])
    with pytest.raises(UsageError, match=r"template of a and of b has no thinking switch.*--thinking default"):
        check_thinking(Thinking.ON, [("a", LLAMA_TEMPLATE), ("b", LLAMA_TEMPLATE)])
    with pytest.raises(UsageError, match=r"template of same has.*--template base or student") as error:
        check_thinking(Thinking.OFF, [("same", LLAMA_TEMPLATE), ("same", QWEN_TEMPLATE)])
    assert "\n" not in str(error.value)


def test_the_refusal_comes_before_anything_is_asked(tmp_path: Path) -> None:
    world = Thinkers(obeys, obeys)
    world.template = LLAMA_TEMPLATE
    spec = AuditSpec(base=REF["base"], student=REF["student"], thinking=Thinking.ON)
    with Store(tmp_path / "evidence.sqlite") as store:
        runner = Runner(
            spec, {Adding(): 40}, store, opener=world.open, settings=EngineSettings(), progress=Silent()
        )
        with pytest.raises(UsageError, match="no thinking switch"):
            runner.run(HERE)
    assert world.asked == {"base": [], "student": []}


def test_the_worst_leg_decides_the_exit_status() -> None:
    assert [worst_code(codes) for codes in ([0, 0], [0, 11], [11, 10], [10, 12])] == [0, 11, 10, 12]


def test_both_are_two_audits_on_the_command_line(tmp_path: Path) -> None:
    words = ("audit", "fake:echo", "fake:echo?seed=1", "--task", "copying", "--items", "8", "--thinking", "both")
    said = command(*words, "--json", cwd=tmp_path)
    assert said.returncode == 11, said.stderr
    legs = json.loads(said.stdout)
    assert [found["spec"]["thinking"] for found in legs.values()] == list(legs) == ["on", "off"]
    assert len(list((tmp_path / "hydrometer-out").glob("*/report.html"))) == 2
    shown = command(*words, cwd=tmp_path)
    assert "thinking on" in shown.stdout
    assert "thinking off" in shown.stdout
