from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from doubles import REF, Adding, Choosing, World, adder
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import EngineUnavailableError, UsageError
from hydrometer.items import Request
from hydrometer.outcomes import Completion, Finish, Status
from hydrometer.progress import Silent
from hydrometer.provenance import Environment
from hydrometer.result import AuditResult, Verdict
from hydrometer.run import Runner
from hydrometer.spec import AuditSpec
from hydrometer.store import Store
from hydrometer.tasks.base import Task

HERE = Environment(hydrometer="0", python="3", platform="test", packages={})


def run(world: World, folder: Path, *, n: int = 40, student: str = "student", **spec: object) -> AuditResult:
    wanted = AuditSpec(base=REF["base"], student=REF[student], **{"fixed": True, **spec})  # type: ignore[arg-type]
    with Store(folder / "evidence.sqlite") as store:
        runner = Runner(
            wanted,
            {Adding(): n, Choosing(): 5},
            store,
            opener=world.open,
            settings=EngineSettings(),
            progress=Silent(),
        )
        return runner.run(HERE)


def off_by_one(request: Request) -> Completion:
    right = adder(request)
    return Completion(text=str(int(right.text) + 1), completion_tokens=3)


def test_planted_damage_comes_out_worse_and_a_clean_pair_does_not(tmp_path: Path) -> None:
    damaged = run(World(student=off_by_one), tmp_path / "damaged")
    arithmetic = next(c for c in damaged.capabilities if c.capability == "arithmetic")
    assert arithmetic.verdict is Verdict.WORSE
    assert damaged.verdict is Verdict.WORSE
    assert damaged.exit_code == 10
    clean = run(World(), tmp_path / "clean", n=150)
    assert next(c for c in clean.capabilities if c.capability == "arithmetic").verdict is Verdict.EQUIVALENT
    assert all(c.verdict is not Verdict.WORSE for c in clean.capabilities)


def test_a_student_that_is_better_is_said_to_be(tmp_path: Path) -> None:
    result = run(World(base=off_by_one), tmp_path)
    assert next(c for c in result.capabilities if c.capability == "arithmetic").verdict is Verdict.BETTER


def test_both_models_get_the_same_requests(tmp_path: Path) -> None:
    world = World()
    run(world, tmp_path)
    digests = [sorted(r.digest for r in world.asked[side]) for side in ("base", "student")]
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == 45


def test_items_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    items = Task.items

    def counted(self: Task, number: int, seed: int) -> object:
        made.append(self.name)
        return items(self, number, seed)

    monkeypatch.setattr(Task, "items", counted)
    run(World(), tmp_path)
    assert sorted(made) == ["adding", "choosing"]


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    world = World()
    first = run(world, tmp_path)
    second = run(world, tmp_path)
    assert len(world.asked["base"]) == len(world.asked["student"]) == 45
    assert (second.base.asked, second.base.reused, second.student.reused) == (0, 45, 45)
    assert second.capabilities == first.capabilities


def test_a_larger_run_asks_only_what_is_new(tmp_path: Path) -> None:
    world = World()
    run(world, tmp_path, n=10)
    larger = run(world, tmp_path, n=25)
    assert (larger.base.asked, larger.base.reused) == (15, 15)


def test_another_student_asks_the_base_nothing(tmp_path: Path) -> None:
    run(World(), tmp_path)
    other = World(student=off_by_one, weights="another student")
    result = run(other, tmp_path)
    assert other.asked["base"] == []
    assert result.base.reused == 45
    assert result.student.asked == 45


def test_an_engine_that_dies_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    class Dying(World):
        left = 17

    def dying(request: Request) -> Completion:
        Dying.left -= 1
        if Dying.left < 0:
            msg = "the server at http://x stopped answering"
            raise EngineUnavailableError(msg)
        return adder(request)

    with pytest.raises(EngineUnavailableError):
        run(World(student=dying), tmp_path)
    world = World()
    result = run(world, tmp_path)
    assert world.asked["base"] == []
    assert len(world.asked["student"]) == 40 - 17
    assert result.verdict is run(World(), tmp_path / "undisturbed").verdict


def test_missing_answers_are_counted_and_never_zeros(tmp_path: Path) -> None:
    def cut(request: Request) -> Completion:
        right = adder(request)
        number = int(right.text) // 2
        if number % 4 == 0:
            return Completion(text="thinking...", finish=Finish.LENGTH, completion_tokens=9)
        if number % 4 == 1:
            return Completion(finish=Finish.ERROR, error="too long")
        return right

    result = run(World(student=cut), tmp_path)
    arithmetic = next(c for c in result.capabilities if c.capability == "arithmetic")
    assert arithmetic.estimate.n == 20
    assert arithmetic.estimate.missing_student == 20
    assert arithmetic.estimate.difference == 0.0
    assert arithmetic.strict.n == 30
    assert arithmetic.strict.difference == pytest.approx(-1 / 3)
    assert arithmetic.verdict is Verdict.NOT_ENOUGH
    task = next(t for t in result.tasks if t.task == "adding")
    assert task.student_counts[Status.TRUNCATED] == 10
    assert task.student_counts[Status.ENGINE_ERROR] == 10
    assert sum(task.student_counts.values()) == task.items == 40
    assert any("were cut" in alarm for alarm in task.alarms)


def test_a_failed_request_is_asked_again_in_the_next_run(tmp_path: Path) -> None:
    failing = World(student=lambda _: Completion(finish=Finish.ERROR, error="busy"))
    run(failing, tmp_path)
    world = World()
    run(world, tmp_path)
    assert len(world.asked["student"]) == 40


def test_an_undeclared_difference_asks_nothing(tmp_path: Path) -> None:
    world = World(template="another template")
    result = run(world, tmp_path)
    assert result.verdict is Verdict.INVALID
    assert result.exit_code == 12
    assert result.capabilities == ()
    assert world.asked == {"base": [], "student": []}
    assert "template" in result.headline
    assert (
        run(World(template="another template"), tmp_path, allow=("template",)).verdict is not Verdict.INVALID
    )


def test_the_same_model_twice_is_neither_better_nor_worse(tmp_path: Path) -> None:
    world = World()
    result = run(world, tmp_path, student="base")
    assert all(c.verdict in (Verdict.EQUIVALENT, Verdict.NOT_ENOUGH) for c in result.capabilities)
    assert any("given twice" in f.message for f in result.findings)
    assert len(world.asked["base"]) == 45


def test_token_price_counts_what_was_spent(tmp_path: Path) -> None:
    result = run(World(student=off_by_one), tmp_path)
    overall = result.tokens[0]
    assert (overall.base, overall.student, overall.n) == (1.0, 3.0, 40)
    assert overall.ratio == pytest.approx(3.0)
    assert overall.student_per_correct is None


def test_a_task_that_cannot_run_here_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    class Missing(Adding):
        name, capability, needs, extra = "missing", "missing", ("no_such_package",), "tasks"

    with Store(tmp_path / "evidence.sqlite") as store:
        world = World()
        spec = AuditSpec(base=REF["base"], student=REF["student"])
        settings = {"opener": world.open, "settings": EngineSettings(), "progress": Silent()}
        result = Runner(spec, {Adding(): 5, Missing(): 5}, store, **settings).run(HERE)  # type: ignore[arg-type]
        assert [c.capability for c in result.capabilities] == ["arithmetic"]
        note = next(f for f in result.findings if f.aspect == "task missing")
        assert "pip install 'hydrometer[tasks]'" in note.message
        with pytest.raises(UsageError, match="no task is left: no_such_package not installed"):
            Runner(spec, {Missing(): 5}, store, **settings).run(HERE)  # type: ignore[arg-type]
