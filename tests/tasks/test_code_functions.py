"""Code problems: what is asked agrees with what is checked, and nothing runs outside a sandbox."""

import subprocess
from random import Random

import pytest

from hydrometer.outcomes import Status
from hydrometer.sandbox import find_sandbox
from hydrometer.tasks import code_functions
from hydrometer.tasks.base import item_rng
from hydrometer.tasks.code_functions import CodeFunctions
from hydrometer.tasks.code_problems import CALLS, PROBLEMS, draw_problem
from hydrometer.tasks.common import RepliedTask

FAMILIES = [family for families in PROBLEMS.values() for family in families]


@pytest.mark.parametrize("family", FAMILIES)
def test_problems_tell_right_from_nearly_right(family: object) -> None:
    different = set()
    for seed in range(30):
        drawn = draw_problem(family, Random(seed))  # type: ignore[arg-type]
        assert len(drawn.calls) == len(drawn.results) == CALLS
        assert drawn.example not in drawn.calls
        # A constant answer must fail, and so must a reply that only knows the example.
        assert len({repr(result) for result in drawn.results}) >= 3
        assert all(argument in drawn.source for argument in drawn.arguments)
        different.add(drawn.source.partition("\n")[2])
    assert len(different) >= 3


@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_reference_depends_on_stands_in_the_question(family: object) -> None:
    sources: dict[str, str] = {}
    for seed in range(60):
        drawn = draw_problem(family, Random(seed))  # type: ignore[arg-type]
        body = drawn.source.partition("\n")[2]
        # The same words must mean the same program.
        assert sources.setdefault(drawn.statement, body) == body
    assert len(sources) >= 3


def test_without_a_sandbox_nothing_is_run_and_no_reply_is_blamed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError

    task = CodeFunctions()
    item = task.items(1, 3)[0]
    find_sandbox.cache_clear()
    code_functions._run.cache_clear()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        patch.setattr(subprocess, "Popen", started)
        assert "bubblewrap" in task.unavailable()
        grade = task.grade(item, task.gold_reply(item))
        assert (grade.status, grade.value) == (Status.ITEM_INVALID, None)
        assert "bubblewrap" in grade.reason
    find_sandbox.cache_clear()


def test_a_reply_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    task = CodeFunctions()
    if task.unavailable():
        pytest.skip(task.unavailable())
    item = task.items(1, 4)[0]
    code_functions._run.cache_clear()
    for _ in range(3):
        assert task.grade(item, task.gold_reply(item)).value == 1.0
    assert code_functions._run.cache_info().misses == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("while True: pass", "computing"),
        ("return 'x' * (1 << 40)", "MemoryError"),
        ("import os; os.system('echo hi'); return open('/etc/passwd').read()", "FileNotFoundError"),
        ("return open('/dev/stdout', 'w')", "Error"),
        ("import os; os.kill(os.getpid(), 9)", "computing"),
        ("print('[1]' * 10); return object()", "TypeError"),
    ],
)
def test_hostile_functions_are_wrong_and_harmless(body: str, why: str) -> None:
    task = CodeFunctions()
    if task.unavailable():
        pytest.skip(task.unavailable())
    item = task.items(1, 5)[0]
    grade = task.grade(item, f"```python\ndef {item.answer['function']}(*given):\n    {body}\n```")
    assert grade.value == 0.0
    assert why in grade.reason


def test_tiers_take_turns() -> None:
    items = CodeFunctions().items(6, 1)
    assert [item.tier for item in items] == ["one line", "loop", "algorithm"] * 2
    assert isinstance(CodeFunctions(), RepliedTask)
    assert CodeFunctions().make(item_rng("code_functions", 1, 0), 0) == items[0]
