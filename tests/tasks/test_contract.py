"""What every task in the catalogue promises, asked of each of them."""

from collections import Counter
from pathlib import Path

import pytest

import hydrometer.tasks
from hydrometer.canon import canonical_json
from hydrometer.catalog import TASKS, load_task
from hydrometer.graders.numbers import find_numbers
from hydrometer.items import Kind
from hydrometer.outcomes import Status
from hydrometer.tasks.base import Task
from hydrometer.tasks.common import RepliedTask

COMMON = {"right", "wrong", "empty", "refusal", "template_echo"}
FOLDER = Path(hydrometer.tasks.__path__[0])


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    task = load_task(request.param)
    if task.unavailable():
        pytest.skip(task.unavailable())
    return task


def test_there_are_ten_tasks_in_six_capabilities() -> None:
    assert len(TASKS) >= 10
    assert len({load_task(name).capability for name in TASKS}) >= 6


def test_grader_cases(task: Task) -> None:
    for case in task.cases():
        grade = task.grade(case.item, case.reply)
        assert (grade.status, grade.value) == (case.status, case.value), (
            f"{case.name}: {case.reply!r} {grade}"
        )


def test_the_common_cases_are_there(task: Task) -> None:
    cases = {case.name: case for case in task.cases()}
    assert set(cases) >= COMMON
    assert len(cases) == len(task.cases())
    assert cases["right"].value == 1.0
    assert cases["wrong"].value == 0.0
    assert cases["empty"].status is Status.UNPARSED
    assert cases["refusal"].value in ({None, 0.0, 1.0} if task.refusal_is_answer else {None, 0.0})
    assert cases["template_echo"].value in {None, 0.0}
    assert cases["template_echo"].reply == cases["template_echo"].item.messages[-1].content


def test_blank_replies_are_unparsed(task: Task) -> None:
    for item in task.items(20, 2):
        for reply in ("", "  \n"):
            assert task.grade(item, reply).status is Status.UNPARSED


def test_no_echo_is_ever_right(task: Task) -> None:
    for item in task.items(200, 3):
        assert task.grade(item, item.messages[-1].content).value != 1.0, item


@pytest.mark.parametrize("name", ["arithmetic", "word_problems"])
def test_a_number_copied_from_the_question_is_never_right(name: str) -> None:
    for item in load_task(name).items(300, 11):
        assert item.answer not in find_numbers(item.messages[-1].content), item


def test_every_item_takes_its_own_gold_reply(task: Task) -> None:
    if task.kind is Kind.CHOICES:
        pytest.skip("answered by choice")
    assert isinstance(task, RepliedTask)
    for item in task.items(200, 4):
        assert task.grade(item, task.gold_reply(item)).value == 1.0, item


def test_items_depend_on_the_seed_alone(task: Task) -> None:
    first, again, other = task.items(40, 5), task.items(40, 5), task.items(40, 6)
    assert first == again
    assert {item.id for item in first} != {item.id for item in other}


def test_a_smaller_suite_is_a_prefix(task: Task) -> None:
    assert task.items(40, 7)[:10] == task.items(10, 7)


def test_items_of_a_group_share_their_cluster_and_no_others(task: Task) -> None:
    items = task.items(40, 12)
    if task.group == 1:
        assert not task.together
        return
    clusters = [item.cluster for item in items]
    assert all(clusters)
    assert set(Counter(clusters).values()) == {task.group}
    for first in range(0, 40, task.group):
        assert len(set(clusters[first : first + task.group])) == 1


def test_ids_are_distinct_and_items_plenty(task: Task) -> None:
    items = task.items(300, 8)
    assert len({item.id for item in items}) == len(items)
    assert len(items) == (min(300, task.limit) if task.limit else 300)
    assert len(items) >= 120


def test_items_name_their_task_and_tier(task: Task) -> None:
    for item in task.items(20, 9):
        assert item.task == task.name
        assert item.kind is task.kind
        assert item.messages[-1].role in {"user", "tool"}
        assert item.max_tokens <= 1024
        assert canonical_json(item)


def test_choices(task: Task) -> None:
    if task.kind is not Kind.CHOICES:
        pytest.skip("not a choice task")
    items = task.items(task.limit, 10)
    assert len(items) == task.limit
    assert len({item.messages[-1].content for item in items}) == task.limit
    for item in items:
        assert 0 <= item.answer < len(item.choices)
        assert len(set(item.choices)) == len(item.choices)
    places = Counter((len(item.choices), item.answer) for item in items)
    most = max(Counter(len(item.choices) for item in items).items(), key=lambda pair: pair[1])
    spread = [places[most[0], place] / most[1] for place in range(most[0])]
    # Five standard deviations of a fair shuffle.
    assert max(abs(share - 1 / most[0]) for share in spread) < 5 * (0.25 / most[1]) ** 0.5
    chance = sum(1 / len(item.choices) for item in items) / len(items)
    assert task.chance == pytest.approx(chance, abs=0.01)


def test_names_match_and_files_are_short(task: Task) -> None:
    place = TASKS[task.name].partition(":")[0].rpartition(".")[2]
    assert place == task.name
    assert len((FOLDER / f"{place}.py").read_text(encoding="utf-8").splitlines()) <= 120
    assert task.summary
    assert not task.summary.endswith(".")


def test_large_suites_hold_whole_groups_alone() -> None:
    """A cluster with an item too many would join two groups, one too few leave an item without its twin."""
    for name in ("nuance", "honesty", "diversity"):
        task = load_task(name)
        sizes = Counter(item.cluster for item in task.items(1500, 0))
        assert set(sizes.values()) == {task.group}
