"""Cut replies, token budgets, tiers and behaviours, on items made by hand."""

from collections.abc import Sequence

import pytest

from hydrometer.behaviours.base import Behaviour
from hydrometer.facets import (
    behaviour_results,
    budget_points,
    cut_replies,
    ranking_flips,
    tier_results,
)
from hydrometer.items import Message
from hydrometer.outcomes import Status
from hydrometer.result import ItemResult, Reply

CUT, GRADED, UNPARSED, FAILED = Status.TRUNCATED, Status.GRADED, Status.UNPARSED, Status.ENGINE_ERROR


def reply(
    value: float | None = None, tokens: int | None = 10, status: Status = GRADED, signs: Sequence[str] = ()
) -> Reply:
    return Reply(
        key="k",
        status=status if value is None else GRADED,
        value=value,
        answer="",
        thinking="",
        think_state="none",
        extracted="",
        reason="",
        tokens=tokens,
        signs=tuple(signs),
    )


def item(number: int, base: Reply, student: Reply, **fields: object) -> ItemResult:
    facts = {
        "item_id": str(number),
        "task": "t",
        "capability": "c",
        "tier": "",
        "messages": (Message("user", "?"),),
        "choices": (),
        "expected": "",
    }
    return ItemResult(**{**facts, **fields}, base=base, student=student)  # type: ignore[arg-type]


RIGHT, WRONG = reply(1.0), reply(0.0)


class TestCuts:
    def test_a_student_that_runs_into_the_cap_is_told_from_one_that_fails(self) -> None:
        """All its finished replies are right; every other one was cut."""
        rows = [item(n, RIGHT, RIGHT if n % 2 else reply(None, 99, CUT)) for n in range(40)]
        (found,) = cut_replies(rows, alpha=0.05)
        assert (found.hits.base, found.hits.student) == (0.0, 0.5)
        assert found.hits.low > 0.3
        assert found.finished is not None
        assert (found.finished.n, found.finished.student) == (20, 1.0)
        assert (found.worst, found.best) == (pytest.approx(-0.5), 0.0)
        assert found.low < -0.5 < 0.0 < found.high

    def test_an_unreadable_finished_reply_counts_as_failed(self) -> None:
        rows = [item(n, RIGHT, reply(None, 5, UNPARSED)) for n in range(10)]
        (found,) = cut_replies(rows, alpha=0.05)
        assert found.finished is not None
        assert (found.finished.base, found.finished.student) == (1.0, 0.0)
        assert found.hits.difference == 0.0

    def test_an_engines_failure_is_nobodys_cut(self) -> None:
        rows = [item(0, RIGHT, RIGHT), item(1, RIGHT, reply(None, None, FAILED))]
        (found,) = cut_replies(rows, alpha=0.05)
        assert found.hits.n == 1
        assert (found.worst, found.best) == (-0.5, 0.0)

    def test_nothing_finished_has_no_accuracy(self) -> None:
        rows = [item(0, reply(None, 9, CUT), RIGHT)]
        (found,) = cut_replies(rows, alpha=0.05)
        assert found.finished is None

    def test_choices_have_no_cap(self) -> None:
        assert cut_replies([item(0, RIGHT, RIGHT, choices=("a", "b"))], alpha=0.05) == ()


class TestBudgets:
    def test_one_generation_holds_every_smaller_budget(self) -> None:
        rows = [item(n, reply(1.0, 20), reply(1.0, 100)) for n in range(30)]
        points = budget_points(rows, alpha=0.05)
        assert [p.tokens for p in points] == [16, 32, 64, 128]
        assert [p.estimate.base for p in points] == [0.0, 1.0, 1.0, 1.0]
        assert [p.estimate.student for p in points] == [0.0, 0.0, 0.0, 1.0]
        assert ranking_flips(points) == ()

    def test_a_reply_of_exactly_the_budget_fits(self) -> None:
        points = budget_points([item(0, reply(1.0, 32), reply(1.0, 33))], alpha=0.05)
        assert [(p.estimate.base, p.estimate.student) for p in points] == [(0, 0), (1, 0), (1, 1)]

    def test_a_ranking_that_flips_is_found(self) -> None:
        """The base is quick and half right, the student right and long."""
        rows = [item(n, reply(float(n % 2), 10), reply(1.0, 100)) for n in range(60)]
        ((short, long),) = ranking_flips(budget_points(rows, alpha=0.05))
        assert (short.tokens, long.tokens) == (16, 128)
        assert short.estimate.high < 0.0 < long.estimate.low

    def test_without_token_counts_there_are_no_budgets(self) -> None:
        assert budget_points([item(0, reply(1.0, None), reply(1.0, 5))], alpha=0.05) == ()


def test_tiers_are_in_order_and_a_single_one_is_none() -> None:
    rows = [item(n, RIGHT, WRONG if n % 2 else RIGHT, tier=("easy", "hard")[n % 2]) for n in range(20)]
    easy, hard = tier_results(rows, alpha=0.05)
    assert (easy.tier, easy.estimate.difference, easy.estimate.n) == ("easy", 0.0, 10)
    assert (hard.tier, hard.estimate.difference) == ("hard", -1.0)
    assert tier_results([row for row in rows if row.tier == "easy"], alpha=0.05) == ()


def test_behaviours_are_excess_over_the_base() -> None:
    known = [
        Behaviour(name=name, version=2, summary=name, detect=lambda _: None, fault=name != "identity_claim")
        for name in ("loop", "loop_soft", "identity_claim", "never")
    ]
    looped, claimed = reply(None, 99, CUT, ["loop: 9 times"]), reply(1.0, 5, signs=["identity_claim: Claude"])
    rows = [item(n, RIGHT, looped) for n in range(30)]
    rows += [item(n + 30, claimed, claimed) for n in range(30)]
    rows += [item(99, reply(None, None, FAILED), looped), item(98, RIGHT, RIGHT, choices=("a", "b"))]
    loop, claim = behaviour_results(rows, known, alpha=0.05)
    assert (loop.behaviour, loop.excess.n, loop.excess.difference, loop.version) == ("loop", 60, 0.5, 2)
    assert loop.adjusted_p < 0.001
    assert loop.items == tuple(str(n) for n in range(10))
    assert (claim.behaviour, claim.excess.base, claim.excess.difference) == ("identity_claim", 0.5, 0.0)
    assert claim.adjusted_p == 1.0
    assert not claim.fault
