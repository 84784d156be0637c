"""Several samples of one question: the question is the unit, collapse shows, and a clean pair is left alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))

from doubles import REF, World
from hydrometer.catalog import load_task, task_of
from hydrometer.engines.base import EngineSettings
from hydrometer.facets import budget_points
from hydrometer.graders.together import any_right
from hydrometer.items import Request
from hydrometer.outcomes import Completion, Finish, Grade, Status
from hydrometer.pairing import Scores, counted
from hydrometer.progress import Silent
from hydrometer.provenance import Environment
from hydrometer.report.build import build_view
from hydrometer.report.html import render_html
from hydrometer.report.text import print_report
from hydrometer.result import AuditResult, Standing, Verdict
from hydrometer.run import Runner
from hydrometer.sampled import diversity_results
from hydrometer.spec import AuditSpec
from hydrometer.store import Store
from hydrometer.verify import _recompute

HERE = Environment(hydrometer="0", python="3", platform="test", packages={})
TASK = load_task("diversity")
RIGHT, WRONG, LOST = Grade.right("7"), Grade.wrong("8", "no"), Grade.unparsed("nothing")
FAILED = Grade(status=Status.ENGINE_ERROR)
ANSWERS = {item.messages[-1].content: item.answer["right"] for item in TASK.items(500, 0)}
Script = Callable[[Request], Completion]


def varied(salt: int) -> Script:
    """A model that is right on every other sample, with another number each time."""

    def answer(request: Request) -> Completion:
        rng = Random(f"{salt} {request.seed}")
        right = ANSWERS[request.messages[-1].content]
        number = rng.choice(right) if rng.random() < 0.5 else rng.randrange(1000, 2000)
        return Completion(text=str(number), completion_tokens=3)

    return answer


def collapsed(request: Request) -> Completion:
    """A model that always says the same, right on three questions of five."""
    asked = request.messages[-1].content
    sure = Random(asked).random() < 0.6
    return Completion(text=str(ANSWERS[asked][0] if sure else 1001), completion_tokens=3)


def run(base: Script, student: Script, folder: Path, n: int = 500, **spec: object) -> AuditResult:
    world = World(base=base, student=student)
    with Store(folder / "evidence.sqlite") as store:
        result = Runner(
            AuditSpec(base=REF["base"], student=REF["student"], **{"fixed": True, **spec}),  # type: ignore[arg-type]
            {TASK: n},
            store,
            opener=world.open,
            settings=EngineSettings(),
            progress=Silent(),
        ).run(HERE)
    asked = world.asked["base"]
    assert all(request.decoding.temperature == 1.0 for request in asked)
    assert len({request.digest for request in asked}) == len(asked) == len(result.items)
    return result


def test_a_collapse_is_named_though_one_sample_got_better(tmp_path: Path) -> None:
    result = run(varied(1), collapsed, tmp_path)
    (found,) = result.diversity
    assert [estimate.n for estimate in found.passes] == [100] * 5
    assert found.passes[0].difference > 0.0
    assert found.passes[-1].difference < -0.2
    assert (found.added_shown, found.added.difference < 0) == (True, True)
    assert (found.distinct_shown, found.distinct.difference < 0) == (True, True)
    assert found.distinct.student == pytest.approx(0.2)
    (capability,) = result.capabilities
    assert (capability.verdict, capability.estimate.n) == (Verdict.WORSE, 100)
    console = Console(file=StringIO(), width=100, force_terminal=False)
    print_report(result, console)
    said = "Further samples help it less than the base and its samples are more alike."
    assert said in " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    page = render_html(result)
    assert said in page
    assert "any of 5 right" in page
    assert "any of them is right" in build_view(result).items[0].note
    note = next(f for f in result.findings if f.aspect == "task diversity")
    assert note.standing is Standing.NOTE
    with Store(tmp_path / "evidence.sqlite", read_only=True) as store:
        assert _recompute(store, result, "r", task_of) == []
        changed = replace(result, diversity=(replace(found, added_shown=False),))
        assert any("diversity" in problem for problem in _recompute(store, changed, "r", task_of))


def test_a_clean_pair_is_left_alone(tmp_path: Path) -> None:
    (found,) = run(varied(1), varied(2), tmp_path).diversity
    assert not found.added_shown
    assert not found.distinct_shown


def test_the_numbers_are_those_of_the_formula_and_missing_samples_are_not_right(tmp_path: Path) -> None:
    """Question by question two of five right: pass@1 is 2/5, pass@2 is 1 - C(3, 2) / C(5, 2) = 0.7."""

    def two_right(request: Request) -> Completion:
        place = sorted(seeds[request.messages[-1].content]).index(request.seed)
        right = ANSWERS[request.messages[-1].content]
        text = [str(right[0]), str(right[1]), "1001", "no idea", "well"][place]
        return Completion(text=text, finish=Finish.LENGTH if text == "well" else Finish.STOP, completion_tokens=4)

    seeds: dict[str, set[int]] = {}

    def noting(request: Request) -> Completion:
        seeds.setdefault(request.messages[-1].content, set()).add(request.seed)
        return varied(3)(request)

    result = run(noting, two_right, tmp_path, n=50)
    (found,) = result.diversity
    assert [round(each.student, 6) for each in found.passes] == [0.4, 0.7, 0.9, 1.0, 1.0]
    # Three readable samples, all different.
    assert found.distinct.student == 1.0
    assert found.passes[0].n == 10
    short = [item for item in result.items if item.item_id != result.items[0].item_id]
    (less,) = diversity_results(short, alpha=0.05)
    assert less.passes[0].n == 9
    gone = replace(result.items[0], student=replace(result.items[0].student, status=Status.ENGINE_ERROR, value=None))
    (fewer,) = diversity_results([gone, *result.items[1:]], alpha=0.05)
    assert fewer.passes[0].n == 9


def test_a_budget_holds_for_the_shortest_right_sample(tmp_path: Path) -> None:
    def uneven(request: Request) -> Completion:
        return Completion(text=str(ANSWERS[request.messages[-1].content][0]), completion_tokens=10 + request.seed % 90)

    result = run(uneven, uneven, tmp_path, n=5)
    spent = [item.base.tokens or 0 for item in result.items]
    assert counted(result.items)[0].base.tokens == sum(spent)
    points = budget_points(result.items, alpha=0.05)
    assert [p.estimate.base for p in points] == [float(p.tokens >= min(spent)) for p in points]


@pytest.mark.parametrize(
    ("grades", "value", "status"),
    [
        ([WRONG, RIGHT, LOST], 1.0, Status.GRADED),
        ([WRONG, WRONG], 0.0, Status.GRADED),
        ([WRONG, LOST], None, Status.UNPARSED),
        ([LOST, FAILED, WRONG], None, Status.ENGINE_ERROR),
        ([FAILED, RIGHT], 1.0, Status.GRADED),
    ],
)
def test_one_right_sample_is_enough(grades: list[Grade], value: float | None, status: Status) -> None:
    found = any_right(grades)
    assert (found.value, found.status) == (value, status)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        any_right([])


def test_a_failed_engine_leaves_the_question_out(tmp_path: Path) -> None:
    def failing(request: Request) -> Completion:
        return Completion(finish=Finish.ERROR, error="gone") if request.seed % 2 else Completion(text="1001")

    scores = Scores.of(run(varied(1), failing, tmp_path, n=50).items)
    assert scores.excused.sum() >= 8
    assert (~scores.excused).sum() == (scores.student == 0.0).sum()
