"""Audits that stop where the evidence is in: what is asked, what is said, and what the budget and the floor do."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from doubles import REF, Adding, Choosing, Scripted, World, adder
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import EngineUnavailableError, UsageError
from hydrometer.items import Item, Message, Request
from hydrometer.outcomes import Completion
from hydrometer.progress import Sight, Silent
from hydrometer.provenance import Environment
from hydrometer.result import AuditResult, Course, Standing, Stopped, Verdict
from hydrometer.run import Runner
from hydrometer.spec import AuditSpec, Budget, ModelRef
from hydrometer.stats.sequential import look_counts
from hydrometer.store import Store
from hydrometer.verify import _recompute

FIRST = look_counts(400)[0]
HERE = Environment(hydrometer="0", python="3", platform="test", packages={})


class Watching(Silent):
    """Remembers what a run showed."""

    def __init__(self) -> None:
        self.seen: list[list[Sight]] = []
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def look(self, sights: Sequence[Sight]) -> None:
        self.seen.append(list(sights))


class Larger(Adding):
    """Sums of numbers from `start` on, so that no request is another task's."""

    name, capability, start = "larger", "larger_numbers", 10_000

    def make(self, rng: Random, index: int) -> Item:
        number = index + self.start
        return Item(task=self.name, messages=(Message("user", f"{number}+{number}"),), answer=2 * number)


def run(world: World, folder: Path, *, n: int = 400, watch: Silent | None = None, **spec: object) -> AuditResult:
    with Store(folder / "evidence.sqlite") as store:
        runner = Runner(
            AuditSpec(base=REF["base"], student=REF["student"], **spec),  # type: ignore[arg-type]
            {Adding(): n},
            store,
            opener=world.open,
            settings=EngineSettings(),
            progress=watch or Silent(),
        )
        return runner.run(HERE)


def failing_on(choose: Callable[[int], bool]) -> Callable[[Request], Completion]:
    """A model that is off by one on the items chosen by their number."""

    def answer(request: Request) -> Completion:
        right = adder(request)
        number = int(right.text) // 2
        return Completion(text=str(2 * number + choose(number)), completion_tokens=5)

    return answer


fails_a_third = failing_on(lambda number: number % 3 == 0)


def course(result: AuditResult) -> Course:
    found = result.capabilities[0].course
    assert found is not None
    return found


def test_a_loss_stops_the_asking_and_the_verdict_is_that_of_all_items(tmp_path: Path) -> None:
    world = World(student=fails_a_third)
    result = run(world, tmp_path / "a")
    whole = run(World(student=fails_a_third), tmp_path / "b", fixed=True)
    assert result.verdict is whole.verdict is Verdict.WORSE
    assert course(result).stopped is Stopped.DECIDED
    assert course(result).planned == look_counts(400)
    assert len(world.asked["base"]) == len(world.asked["student"]) == course(result).items < 100
    assert course(whole) == Course(planned=(400,), looks=1, stopped=Stopped.COMPLETE)
    assert len(result.items) == course(result).items


def test_both_sides_are_asked_the_same_blocks_in_turns(tmp_path: Path) -> None:
    world = World(student=fails_a_third)
    run(world, tmp_path)
    assert [r.digest for r in world.asked["base"]] == [r.digest for r in world.asked["student"]]
    # Identified, then one opening per model and block at most, the one that is open going on.
    assert world.opened[:3] == ["student", "base", "student"]
    assert len(world.opened) <= 2 + len(look_counts(400))


def test_equal_models_are_equivalent_before_the_end(tmp_path: Path) -> None:
    result = run(World(), tmp_path)
    assert result.verdict is Verdict.EQUIVALENT
    assert course(result).stopped is Stopped.DECIDED
    assert course(result).items < 400
    assert not result.capabilities[0].estimate.gained + result.capabilities[0].estimate.lost


def test_what_the_rest_cannot_settle_is_not_asked(tmp_path: Path) -> None:
    world = World(
        base=failing_on(lambda number: number % 8 == 1), student=failing_on(lambda number: number % 8 == 2)
    )
    result = run(world, tmp_path, n=120)
    assert course(result).stopped is Stopped.UNLIKELY
    assert result.verdict is Verdict.NOT_ENOUGH
    assert course(result).items < 120


def test_intervals_are_shown_as_they_close(tmp_path: Path) -> None:
    watch = Watching()
    result = run(World(), tmp_path, watch=watch)
    widths = [sights[0].high - sights[0].low for sights in watch.seen]
    assert len(widths) == course(result).looks > 2
    assert widths == sorted(widths, reverse=True)
    assert [sights[0].words for sights in watch.seen] == ["open"] * (len(widths) - 1) + ["equivalent"]


def test_the_cost_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    watch = Watching()
    result = run(World(), tmp_path, watch=watch, fixed=True)
    cap = 2 * sum(Adding().items(400, 0)[i].max_tokens for i in range(400))
    said = f"at most 400 items, 800 requests to both models together and {cap:,} reply tokens"
    assert watch.notes[0].startswith(said)
    assert re.search(r"; some [\d,]+ if neither model thinks, \d+ (?:s|min) at 50 tokens a second$", watch.notes[0])
    assert (result.base.asked, result.student.asked) == (400, 400)


def test_a_stopped_audit_follows_from_its_evidence(tmp_path: Path) -> None:
    result = run(World(student=fails_a_third), tmp_path)
    with Store(tmp_path / "evidence.sqlite", read_only=True) as store:
        assert _recompute(store, result, "r", lambda _: Adding()) == []
        course_of = result.capabilities[0].course
        object.__setattr__(course_of, "planned", (30, 45, 400))
        assert "do not fit its items" in _recompute(store, result, "r", lambda _: Adding())[0]
        object.__setattr__(course_of, "planned", (FIRST, 200))
        assert "report r: the verdicts do not follow from the evidence" in _recompute(store, result, "r", lambda _: Adding())


class OwnWay(Choosing):
    """Scored in a way of its own, as tasks of another harness are."""

    name, capability, method = "own_way", "own", "letters"

    def make(self, rng: Random, index: int) -> Item:
        return replace(super().make(rng, index), task=self.name)


class TwoWays(World):
    def open(self, ref: ModelRef, settings: EngineSettings) -> Scripted:
        engine = super().open(ref, settings)
        engine.capabilities = replace(engine.capabilities, choice_methods=("continuation", "letters"))
        return engine


def test_a_task_with_a_way_of_its_own_says_nothing_of_the_others(tmp_path: Path) -> None:
    tasks = {task.name: task for task in (OwnWay(), Choosing())}
    with Store(tmp_path / "evidence.sqlite") as store:
        result = Runner(
            AuditSpec(base=REF["base"], student=REF["student"]),
            dict.fromkeys(tasks.values(), 40),
            store,
            opener=TwoWays().open,
            settings=EngineSettings(),
            progress=Silent(),
        ).run(HERE)
        assert [row.method for row in result.tasks] == ["letters", "continuation"]
        assert _recompute(store, result, "r", tasks.get) == []


def test_a_run_that_died_ends_like_one_that_did_not(tmp_path: Path) -> None:
    left = count(70, -1)

    def dying(request: Request) -> Completion:
        if next(left) <= 0:
            msg = "gone"
            raise EngineUnavailableError(msg)
        return fails_a_tenth(request)

    fails_a_tenth = failing_on(lambda number: number % 10 == 0)
    with pytest.raises(EngineUnavailableError):
        run(World(student=dying), tmp_path / "a")
    world = World(student=fails_a_tenth)
    resumed = run(world, tmp_path / "a")
    undisturbed = run(World(student=fails_a_tenth), tmp_path / "b")
    assert resumed.capabilities == undisturbed.capabilities
    assert resumed.items == undisturbed.items
    assert len(world.asked["student"]) == len(resumed.items) - 70


class TestBudget:
    @pytest.mark.parametrize(
        ("text", "budget"),
        [
            ("600items", Budget(amount=600, unit="items")),
            ("1 item", Budget(amount=1, unit="items")),
            ("2Mtokens", Budget(amount=2e6, unit="tokens")),
            ("1.5k tokens", Budget(amount=1500, unit="tokens")),
            ("30min", Budget(amount=30, unit="minutes")),
            ("2 hours", Budget(amount=120, unit="minutes")),
        ],
    )
    def test_reads(self, text: str, budget: Budget) -> None:
        assert Budget.parse(text) == budget

    @pytest.mark.parametrize("text", ["", "600", "items", "-5items", "0items", "1e9items", "5 bananas", "nanitems"])
    def test_refuses(self, text: str) -> None:
        with pytest.raises(UsageError, match="such as 600items"):
            Budget.parse(text)

    def audit(self, folder: Path, budget: str) -> AuditResult:
        """Two capabilities: a loss in one, nothing in the other."""
        world = World(student=failing_on(lambda number: number % 3 == 0 and number < 10_000))
        with Store(folder / "evidence.sqlite") as store:
            runner = Runner(
                AuditSpec(base=REF["base"], student=REF["student"], budget=Budget.parse(budget)),
                {Adding(): 400, Larger(): 400},
                store,
                opener=world.open,
                settings=EngineSettings(),
                progress=Silent(),
            )
            return runner.run(HERE)

    def test_items_end_it(self, tmp_path: Path) -> None:
        result = self.audit(tmp_path, "100items")
        assert [c.course.items for c in result.capabilities if c.course] == [FIRST, 60]
        assert result.capabilities[1].course.stopped is Stopped.BUDGET
        assert result.capabilities[1].verdict is Verdict.NOT_ENOUGH

    def test_tokens_end_it(self, tmp_path: Path) -> None:
        result = self.audit(tmp_path, "700tokens")
        # One token per reply of the base, five of the student: 80 items, then blocks of 20 while they fit.
        assert sum(c.course.items for c in result.capabilities if c.course) == 100

    def test_less_than_the_first_looks_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="which take 80"):
            self.audit(tmp_path, "79items")

    def test_what_one_capability_saves_serves_the_other(self, tmp_path: Path) -> None:
        result = self.audit(tmp_path, "200items")
        loss, equal = (c.course for c in result.capabilities)
        assert loss is not None
        assert equal is not None
        assert (loss.stopped, loss.items) == (Stopped.DECIDED, FIRST)
        # Without what the other one left, it would have had 100.
        assert equal.items == 160


class TestFloor:
    def test_a_quiet_base_is_equivalent_to_itself(self, tmp_path: Path) -> None:
        world = World(student=fails_a_third)
        result = run(world, tmp_path, floor=True, items=400, margin=0.2)
        assert result.floor is not None
        assert (result.floor.flips, result.floor.estimate.n) == (0, FIRST)
        assert result.floor.excess == pytest.approx(1 / 3, abs=0.05)
        assert result.floor.excess_p is not None
        assert result.floor.excess_p < 0.01
        assert result.verdict is Verdict.WORSE
        # Asked twice in the first block, once in the others.
        assert len(world.asked["base"]) == FIRST + course(result).items

    def test_a_base_that_differs_from_itself_stops_the_audit(self, tmp_path: Path) -> None:
        turn = count()

        def drifting(request: Request) -> Completion:
            right = adder(request)
            return right if next(turn) < 120 else Completion(text="1", completion_tokens=1)

        world = World(base=drifting)
        result = run(world, tmp_path, n=120, floor=True, margin=0.1, fixed=True)
        assert result.verdict is Verdict.INVALID
        assert result.exit_code == 12
        assert world.asked["student"] == []
        fault = next(f for f in result.findings if f.standing is Standing.UNDECLARED)
        assert fault.aspect == "noise floor"
        assert "not equivalent to itself" in result.headline

    def test_a_margin_below_the_noise_is_refused(self, tmp_path: Path) -> None:
        """Two flips in 400 leave the floor sound; 40 items per capability cannot carry a margin of 3 points."""
        noisy = count()

        def flickering(request: Request) -> Completion:
            number = next(noisy)
            right = adder(request)
            return Completion(text="1", completion_tokens=1) if number in (3, 50, 700, 790) else right

        world = World(base=flickering)
        with Store(tmp_path / "evidence.sqlite") as store:
            tasks = {type(f"T{i}", (Larger,), {"name": f"t{i}", "capability": f"c{i}", "start": 100 * i})(): 20 for i in range(20)}
            result = Runner(
                AuditSpec(base=REF["base"], student=REF["student"], floor=True, fixed=True, margin=0.03),
                tasks,
                store,
                opener=world.open,
                settings=EngineSettings(),
                progress=Silent(),
            ).run(HERE)
        assert result.verdict is Verdict.INVALID
        assert any(f.aspect == "margin" and f.standing is Standing.UNDECLARED for f in result.findings)
        assert "--items" in result.headline

    def test_too_few_answers_are_not_called_a_fault_of_the_base(self, tmp_path: Path) -> None:
        mute = World(base=lambda r: adder(r) if int(adder(r).text) % 8 == 0 else Completion(text="well"))
        result = run(mute, tmp_path, n=400, floor=True, fixed=True)
        assert result.verdict is Verdict.INVALID
        assert "only 100 items were answered twice" in result.headline

    def test_too_few_items_are_refused_before_anything_is_asked(self, tmp_path: Path) -> None:
        world = World()
        with pytest.raises(UsageError, match="takes 199 to show"):
            run(world, tmp_path, n=40, floor=True)
        assert world.asked["base"] == []


def test_the_overall_figure_comes_from_the_first_looks_alone(tmp_path: Path) -> None:
    with Store(tmp_path / "evidence.sqlite") as store:
        result = Runner(
            AuditSpec(base=REF["base"], student=REF["student"]),
            {Adding(): 400, Choosing(): 5},
            store,
            opener=World(student=fails_a_third).open,
            settings=EngineSettings(),
            progress=Silent(),
        ).run(HERE)
    assert result.core is not None
    assert result.core.n == FIRST + 5
    # The other capability has no difference, and both weigh the same.
    lost = sum(number % 3 == 0 for number in range(FIRST)) / FIRST
    assert result.core.difference == pytest.approx(-lost / 2)
    assert result.core.low < result.core.difference < result.core.high
