"""Tokens per point scored, and the trade "shorter and not worse": from the items of every run, cut replies included."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "report"))

import sample

from hydrometer.outcomes import Status
from hydrometer.report.words import efficiency_sentence
from hydrometer.result import Course, Efficiency, ItemResult, Reply
from hydrometer.summary import efficiency


def items(n: int, base: tuple[int, int], student: tuple[int, int], *, lost: int = 0, cut: int = 0) -> list[ItemResult]:
    """`n` items; tokens run over a range on each side; the student fails the first `lost` and is cut on the next `cut`."""

    def reply(i: int, tokens: tuple[int, int], value: float | None) -> Reply:
        count = tokens[0] + i * (tokens[1] - tokens[0]) // n
        status = Status.GRADED if value is not None else Status.TRUNCATED
        return sample.reply(value, "x", tokens=count, status=status)

    def student_value(i: int) -> float | None:
        return 0.0 if i < lost else None if i < lost + cut else 1.0

    return [
        sample.item(i, reply(i, base, 1.0), reply(i, student, student_value(i)), capability="a", task="a")
        for i in range(n)
    ]


def found(rows: list[ItemResult], first: int = 0) -> Efficiency:
    course = Course(planned=(first or len(rows), len(rows)) if first else (len(rows),), looks=1, stopped=None)  # type: ignore[arg-type]
    result = efficiency(rows, {"a": course}, margin=0.03, alpha=0.05)
    assert result is not None
    return result


def test_a_shorter_student_without_a_loss_is_shown_to_be_a_good_trade() -> None:
    result = found(items(400, (100, 140), (50, 71)))
    assert result.shown
    assert result.ratio == pytest.approx(0.5, abs=0.02)
    assert result.low <= result.ratio <= result.high < 0.55


def test_a_shorter_student_that_loses_is_not() -> None:
    result = found(items(400, (100, 140), (50, 71), lost=40))
    assert not result.shown
    assert result.shorter < 0.001
    assert result.noninferior > 0.5
    assert result.ratio == pytest.approx(0.5 / 0.9, abs=0.03)


def test_a_longer_student_is_not() -> None:
    result = found(items(400, (50, 71), (100, 140)))
    assert not result.shown
    assert result.shorter > 0.999


def test_cut_replies_cost_their_tokens_and_score_nothing() -> None:
    result = found(items(400, (100, 140), (100, 140), cut=100))
    assert result.n == 400
    assert result.ratio == pytest.approx(400 / 300, abs=0.01)
    assert result.noninferior > 0.5


def test_items_behind_the_first_look_do_not_count() -> None:
    rows = [*items(100, (100, 140), (50, 71)), *items(100, (100, 140), (500, 571))]
    assert found(rows, first=100) == found(rows[:100])


def test_nothing_generated_is_nothing_said() -> None:
    row = sample.item(0, sample.reply(1.0, "a", tokens=None), sample.reply(1.0, "a", tokens=None), capability="a")
    course = Course(planned=(1,), looks=1, stopped=None)  # type: ignore[arg-type]
    assert efficiency([row], {"a": course}, margin=0.03, alpha=0.05) is None


def test_the_sentence_never_overstates() -> None:
    shown = Efficiency(ratio=0.5, low=0.45, high=0.56, n=300, noninferior=0.01, shorter=0.0001, shown=True)
    assert "is shown to be both shorter and not worse by 3 points: p = .010" in efficiency_sentence(shown, 0.03)
    other = Efficiency(ratio=2.0, low=1.5, high=2.6, n=300, noninferior=0.4, shorter=1.0, shown=False)
    assert "Not shown to be both shorter and not worse" in efficiency_sentence(other, 0.03)
    unknown = Efficiency(ratio=1.0, low=0.0, high=1e6, n=2, noninferior=1.0, shorter=1.0, shown=False)
    assert "cannot be compared" in efficiency_sentence(unknown, 0.03)
