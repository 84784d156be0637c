"""A user's own questions: read strictly, graded as they say, verified without the file."""

import json
import sys
from pathlib import Path
from random import Random

import pytest

import hydrometer
from hydrometer.catalog import load_task, task_of
from hydrometer.errors import UsageError
from hydrometer.items import Kind
from hydrometer.outcomes import Status
from hydrometer.verify import verify_folder

sys.path.insert(0, str(Path(__file__).parent.parent))


def write(folder: Path, *rows: object, name: str = "mine.jsonl") -> Path:
    path = folder / name
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "right", "wrong"),
    [
        ({"question": "2+2?", "answer": 4}, "It is 4.", "It is 5."),
        ({"question": "half?", "answer": 0.1, "grader": "number"}, "0.10", "0.11"),
        ({"question": "Capital?", "answer": "Paris"}, "**paris**.", "It is Paris."),
        ({"question": "Capital?", "answer": "Paris", "grader": "contains"}, "It is Paris.", "Rome"),
        (
            {"question": "Which?", "answer": "red", "options": ["red", "blue"]},
            "The answer is red.",
            "blue, not red",
        ),
    ],
)
def test_graders(tmp_path: Path, row: dict[str, object], right: str, wrong: str) -> None:
    task = load_task(str(write(tmp_path, row)))
    (item,) = task.items(10, seed=0)
    # Grading needs the item alone: the file may be gone.
    for grader in (task, task_of(task.name)):
        assert grader is not None
        assert grader.grade(item, right).value == 1.0
        assert grader.grade(item, wrong).value == 0.0
        assert grader.grade(item, item.messages[-1].content).status is Status.UNPARSED


def test_choices_are_scored_and_conversations_kept(tmp_path: Path) -> None:
    task = load_task(
        str(write(tmp_path, {"question": "The sky is", "answer": "blue", "choices": ["green", "blue"]}))
    )
    item = task.make(Random(0), 0)
    assert (task.kind, item.kind, item.answer) == (Kind.CHOICES, Kind.CHOICES, 1)
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    talk = load_task(str(write(tmp_path, {"messages": turns, "answer": "x"}, name="talk.jsonl")))
    assert [tuple(m) for m in talk.make(Random(0), 0).messages] == [("system", "s"), ("user", "u")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds no question"),
        (["{"], "line 1: is not JSON"),
        (["[" * 100_000], "line 1: is not JSON"),
        ([{"question": "q", "answer": "a"}, "[]"], "line 2: needs an object"),
        ([{"question": "q"}], "line 1: needs an object with question"),
        ([{"answer": "a"}], "line 1: needs a question"),
        ([{"question": 3, "answer": "a"}], "line 1: needs a question"),
        ([{"messages": [{"role": "tool", "content": "x"}], "answer": "a"}], "line 1: needs a question"),
        ([{"messages": [{"role": "assistant", "content": "x"}], "answer": "a"}], "last is the user's"),
        ([{"question": "q", "answer": "a", "choices": ["b", "c"]}], "answer one of them"),
        ([{"question": "q", "answer": "a", "choices": ["a", "a"]}], "different texts"),
        ([{"question": "q", "answer": "a", "choices": "ab"}], "different texts"),
        ([{"question": "q", "answer": "a", "options": ["b", "c"]}], "answer one of them"),
        ([{"question": "q", "answer": "a", "grader": "judge"}], "'judge' is not known"),
        ([{"question": "q", "answer": "a", "grader": "number"}], "not a number"),
        ([{"question": "q", "answer": "?!"}], "letters or digits"),
        ([{"question": "q", "answer": True}], "letters or digits"),
        ([{"question": "q", "answer": "a", "max_tokens": 0}], "above 0"),
        (
            [{"question": "q", "answer": "a", "choices": ["a", "b"]}, {"question": "q", "answer": "a"}],
            "two files",
        ),
    ],
)
def test_bad_files_are_one_line_with_the_place(tmp_path: Path, rows: list[object], message: str) -> None:
    path = write(tmp_path, *rows)
    with pytest.raises(UsageError, match=message) as caught:
        load_task(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_task(str(tmp_path / "none.jsonl"))
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        load_task(str(tmp_path / "b.jsonl"))


def test_an_audit_of_own_questions_verifies_without_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, *({"question": f"Say {n}", "answer": str(n)} for n in range(12)))
    result = hydrometer.audit("fake:echo", "fake:echo?seed=1", tasks=[str(path)], out=tmp_path / "o")
    assert len(result.items) == 12
    assert result.capabilities[0].capability == "own questions"
    path.unlink()
    assert verify_folder(tmp_path / "o").problems == ()
