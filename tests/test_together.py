"""Items that count only together: one pair per cluster, in every table, at every look, and again in `verify`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from doubles import REF, Adding, World
from hydrometer.engines.base import EngineSettings
from hydrometer.facets import budget_points, cut_replies
from hydrometer.items import Decoding, Item, Message, Request
from hydrometer.outcomes import Completion, Finish, Grade, Status
from hydrometer.pairing import Scores, answered, counted
from hydrometer.plan import draw_items, make_plan
from hydrometer.planning import read_pilot
from hydrometer.progress import Silent
from hydrometer.provenance import Environment
from hydrometer.report.build import build_view
from hydrometer.result import AuditResult, Course, ItemResult, Stopped, Verdict
from hydrometer.run import Runner
from hydrometer.spec import AuditSpec
from hydrometer.stopping import make_pools
from hydrometer.store import Store
from hydrometer.tasks.base import GraderCase, Task
from hydrometer.verify import _recompute

HERE = Environment(hydrometer="0", python="3", platform="test", packages={})


class Twins(Adding):
    """Is a number even? Its twin asks for the next number, so that always yes is right on one of two."""

    name, capability, summary, group, together, chance = "twins", "nuance", "twins", 2, True, 0.25

    def make(self, rng: Random, index: int) -> Item:
        return Item(
            task=self.name,
            messages=(Message("user", f"Is {index} even?"),),
            answer="no" if index % 2 else "yes",
            cluster=f"pair {index // 2}",
        )

    def grade(self, item: Item, reply: str) -> Grade:
        if reply not in {"yes", "no"}:
            return Grade.unparsed("neither")
        return Grade.right(reply) if reply == item.answer else Grade.wrong(reply)

    def cases(self) -> Sequence[GraderCase]:
        return ()


class Neighbour(Adding):
    """Items of the same capability that count by themselves."""

    capability = "nuance"


def reading(request: Request) -> Completion:
    """A model that reads the question."""
    asked = request.messages[-1].content
    if "+" in asked:
        return Completion(text=str(2 * int(asked.partition("+")[0])), completion_tokens=1)
    return Completion(text="no" if int(asked.split()[1]) % 2 else "yes", completion_tokens=10)


def always_yes(request: Request) -> Completion:
    """A model that says yes to everything but sums."""
    right = reading(request)
    return right if "+" in request.messages[-1].content else replace(right, text="yes")


def run(world: World, folder: Path, tasks: dict[Task, int], **spec: object) -> AuditResult:
    with Store(folder / "evidence.sqlite") as store:
        return Runner(
            AuditSpec(base=REF["base"], student=REF["student"], **spec),  # type: ignore[arg-type]
            tasks,
            store,
            opener=world.open,
            settings=EngineSettings(),
            progress=Silent(),
        ).run(HERE)


def test_a_student_that_always_says_yes_is_worse_and_not_a_coin(tmp_path: Path) -> None:
    result = run(World(base=reading, student=always_yes), tmp_path, {Twins(): 80}, fixed=True)
    (nuance,) = result.capabilities
    assert (nuance.verdict, nuance.material) == (Verdict.WORSE, True)
    assert (nuance.estimate.n, nuance.estimate.base, nuance.estimate.student) == (40, 1.0, 0.0)
    assert nuance.chance == 0.25
    # Judged singly it would be right on every other item.
    single = answered([replace(item, together=0) for item in result.items])
    assert (single.n, single.student.mean()) == (80, 0.5)
    (task,) = result.tasks
    assert task.estimate is not None
    assert (task.items, task.estimate.n, task.estimate.student) == (80, 40, 0.0)
    assert any("no better than guessing" in alarm for alarm in task.alarms)
    # A point takes both replies.
    assert result.tokens[0].base_per_correct == 20.0
    assert result.tokens[0].student_per_correct is None


def test_a_clean_pair_is_equivalent_and_its_items_stay_visible(tmp_path: Path) -> None:
    result = run(World(base=reading, student=reading), tmp_path, {Twins(): 800})
    (nuance,) = result.capabilities
    assert nuance.verdict is Verdict.EQUIVALENT
    assert nuance.course is not None
    assert len(result.items) == nuance.course.items == 2 * nuance.estimate.n < 800
    view = build_view(result)
    assert len(view.items) == len(result.items)
    assert all("count only together" in item.note for item in view.items)


def test_no_look_cuts_a_cluster_and_the_first_has_thirty_pairs() -> None:
    entries = make_plan(
        AuditSpec(base=REF["base"], student=REF["student"]),
        draw_items({Twins(): 301, Neighbour(): 100}, 0),
        base_decoding=Decoding(),
        student_decoding=Decoding(),
        choice_method="",
    )
    # Rounded up: half a pair says nothing.
    assert sum(entry.task.together for entry in entries) == 302
    (pool,) = make_pools(entries, fixed=False)
    assert pool.planned[-1] == len(entries) == 402
    assert pool.pairs == 251
    for end in pool.planned:
        asked = pool.entries[:end]
        twins = [entry.item.cluster for entry in asked if entry.task.together]
        assert all(twins.count(cluster) == 2 for cluster in set(twins))
    first = pool.entries[: pool.planned[0]]
    assert len({entry.item.cluster or entry.item.id for entry in first}) >= 30
    # Both tasks in proportion.
    assert sum(not entry.task.together for entry in first) == pytest.approx(len(first) / 4, abs=2)


def test_a_stopped_audit_of_mixed_items_follows_from_its_evidence(tmp_path: Path) -> None:
    known = {"twins": Twins(), "adding": Neighbour()}
    result = run(
        World(base=reading, student=always_yes), tmp_path, {known["twins"]: 300, known["adding"]: 100}
    )
    assert result.verdict is Verdict.WORSE
    assert result.capabilities[0].course is not None
    assert result.capabilities[0].course.items < 400
    assert result.core is not None
    with Store(tmp_path / "evidence.sqlite", read_only=True) as store:
        assert _recompute(store, result, "r", known.get) == []
        alone = tuple(replace(item, together=0) for item in result.items)
        problems = _recompute(store, replace(result, items=alone), "r", known.get)
        assert any("items do not follow" in problem for problem in problems)
        later = replace(result.capabilities[0].course, planned=(5_000, 6_000), looks=1)
        moved = replace(result, capabilities=(replace(result.capabilities[0], course=later),))
        assert any("do not fit its items" in problem for problem in _recompute(store, moved, "r", known.get))


class TestCounted:
    def items(self, folder: Path, script: object = reading, n: int = 6) -> list[ItemResult]:
        world = World(base=reading, student=script)  # type: ignore[arg-type]
        return list(run(world, folder, {Twins(): n}, fixed=True).items)

    def test_a_cluster_whose_twin_was_not_asked_counts_as_nothing(self, tmp_path: Path) -> None:
        rows = self.items(tmp_path, always_yes)
        # The second of the pair is the one that always-yes fails: alone it must not count as wrong either.
        for part in (rows[:5], [*rows[:4], rows[5]]):
            assert [row.student.value for row in counted(part)] == [0.0, 0.0]
            pairs = answered(part)
            assert (pairs.n, pairs.missing_base, pairs.missing_student, pairs.missing_both) == (2, 0, 0, 0)
            assert Scores.of(part).strict().n == 2

    def test_a_cut_twin_leaves_the_pair_unanswered_unless_the_other_is_wrong(self, tmp_path: Path) -> None:
        def cut(request: Request) -> Completion:
            number = int(request.messages[-1].content.split()[1])
            if number in (0, 2):
                return Completion(text="well", finish=Finish.LENGTH, completion_tokens=99)
            return replace(reading(request), text="yes") if number == 3 else reading(request)

        rows = self.items(tmp_path, cut)
        assert [row.student.status for row in counted(rows)] == [Status.TRUNCATED, Status.GRADED, Status.GRADED]
        assert [row.student.value for row in counted(rows)] == [None, 0.0, 1.0]
        assert [row.student.tokens for row in counted(rows)] == [109, 109, 20]
        (found,) = cut_replies(rows, alpha=0.05)
        # Replies are cut one by one; what was finished is a pair of which neither was.
        assert (found.hits.n, found.hits.student) == (6, pytest.approx(1 / 3))
        assert found.finished is not None
        assert (found.finished.n, found.finished.student) == (1, 1.0)

    def test_an_engine_that_failed_on_one_twin_does_not_hide_that_the_other_was_cut(self, tmp_path: Path) -> None:
        def failing(request: Request) -> Completion:
            number = int(request.messages[-1].content.split()[1])
            if number % 2 == 0:
                return Completion(finish=Finish.ERROR, error="gone")
            return Completion(text="well", finish=Finish.LENGTH) if number == 1 else reading(request)

        scores = Scores.of(self.items(tmp_path, failing))
        assert scores.excused.tolist() == [False, True, True]

    def test_a_budget_holds_for_the_longest_reply_of_a_pair(self, tmp_path: Path) -> None:
        def long_second(request: Request) -> Completion:
            number = int(request.messages[-1].content.split()[1])
            return replace(reading(request), completion_tokens=40 if number % 2 else 10)

        points = budget_points(self.items(tmp_path, long_second), alpha=0.05)
        assert [(p.tokens, p.estimate.n, p.estimate.student) for p in points] == [(16, 3, 0.0), (32, 3, 0.0), (64, 3, 1.0)]

    def test_looks_reach_whole_pairs(self, tmp_path: Path) -> None:
        scores = Scores.of(self.items(tmp_path, n=8))
        course = Course(planned=(4, 8), looks=2, stopped=Stopped.COMPLETE)
        assert scores.looks(course)[0].cuts == (2, 4)
        assert scores.looks(course)[1].times == (0.5, 1.0)

    def test_a_pilot_counts_pairs_and_their_whole_price(self, tmp_path: Path) -> None:
        result = run(World(base=reading, student=always_yes), tmp_path, {Twins(): 60}, fixed=True)
        pilot = read_pilot(result)
        assert pilot.items == {"nuance": 30}
        assert pilot.discordance["nuance"] == pytest.approx(31 / 32)
        assert pilot.tokens_per_item == 40.0
