"""Code found in replies, and what calls are worth."""

import pytest

from hydrometer.graders.code import find_code, grade_calls, write_job
from hydrometer.outcomes import Status
from hydrometer.sandbox import End, Ran

CODE = "def f(x):\n    return x + 1"


def ran(stdout: str, end: End = End.DONE, stderr: str = "") -> Ran:
    return Ran(end, stdout, stderr, 0.1)


@pytest.mark.parametrize(
    "reply",
    [
        CODE,
        f"```python\n{CODE}\n```",
        f"```\n{CODE}\n```",
        f"```py\n{CODE}",
        f"Sure!\n```Python\n{CODE}\n```\nThis adds one.",
        f"  ```python\n{CODE}\n  ```",
        f"```python\ndef f(x):\n    return 0\n```\nNo, better:\n```python\n{CODE}\n```",
        f"```python\n{CODE}\n```\n```bash\npython f.py\n```",
        f"```python\n{CODE}\n```\n```python\nprint(f(1))\n```",
        f"Here it is:\n\n{CODE}\n\nIt adds one.",
        "f = lambda x: x + 1",
        "`f = lambda x: x + 1`",
        "```python\n    def f(x):\n        return x + 1\n```",
    ],
)
def test_the_function_is_found(reply: str) -> None:
    found = find_code(reply, "f")
    assert found.defines
    space: dict[str, object] = {}
    exec(found.code, space)
    assert space["f"](1) == 2  # type: ignore[operator]


@pytest.mark.parametrize("reply", ["", "I would define f and add one.", "The result = 5.", "x = 3\nThat is it."])
def test_prose_is_no_code(reply: str) -> None:
    assert find_code(reply, "f").code == ""


@pytest.mark.parametrize("reply", ["```python\ndef ff(x):\n    return 1\n```", "```js\nconst f = x => 1\n```"])
def test_other_code_is_code_without_the_function(reply: str) -> None:
    found = find_code(reply, "f")
    assert found.code
    assert not found.defines


@pytest.mark.parametrize(
    "reply", ["`" * 1_000_000, "```python\n" * 100_000, "def " * 250_000, "a = " * 250_000, "x" * 1_000_000 + "\u202e"]
)
def test_long_nonsense_takes_no_time(reply: str) -> None:
    find_code(reply, "f")


def test_every_call_must_be_right() -> None:
    calls, results = [[1], [2]], [2, [3, "a"]]
    assert grade_calls(ran('[2]\n[[3, "a"]]\n'), "f", calls, results).value == 1.0
    wrong = grade_calls(ran("[2]\n[4]\n"), "f", calls, results)
    assert (wrong.value, wrong.extracted) == (0.0, "1 of 2 calls")
    assert wrong.reason == "f(2) gave 4, not [3, 'a']"


@pytest.mark.parametrize(
    ("stdout", "end", "why"),
    [
        ("", End.FAILED, "ValueError: no"),
        ("[2]\n", End.KILLED, "computing"),
        ("[2]\n", End.TIMEOUT, "stopped after"),
        ("[2]\n", End.FLOODED, "too much output"),
        ("[2]\n", End.DONE, "ended early"),
        ("[2]\n[3]\n", End.FAILED, "ValueError: no"),
        ("[2]\n[3]\n[3]\n", End.DONE, "ended early"),
        ("[2]\nrubbish\n[3]\n", End.DONE, "ended early"),
        ("[" * 100_000, End.DONE, "ended early"),
    ],
)
def test_what_ended_early_is_wrong_and_says_why(stdout: str, end: End, why: str) -> None:
    grade = grade_calls(ran(stdout, end, "Traceback\nValueError: no"), "f", [[1], [2]], [2, 3])
    assert (grade.status, grade.value) == (Status.GRADED, 0.0)
    assert why in grade.reason


def test_expected_results_stay_outside_the_sandbox() -> None:
    assert "expected" not in write_job(CODE, "f", [[1]])
    assert set(write_job(CODE, "f", [[1]])) > set('"calls')
