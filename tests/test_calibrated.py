"""Stated confidences beside the verdicts: a student that became too sure is said to be, one that only got weaker is not."""

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

from doubles import REF, Adding, World, adder
from hydrometer.calibrated import calibration_result
from hydrometer.engines.base import EngineSettings
from hydrometer.items import Item, Request
from hydrometer.outcomes import Completion, Grade
from hydrometer.progress import Silent
from hydrometer.provenance import Environment
from hydrometer.report.html import render_html
from hydrometer.report.json_report import from_json, to_json
from hydrometer.report.text import print_report
from hydrometer.result import AuditResult, Verdict
from hydrometer.run import Runner
from hydrometer.spec import AuditSpec
from hydrometer.store import Store
from hydrometer.verify import _recompute

HERE = Environment(hydrometer="0", python="3", platform="test", packages={})


class Sure(Adding):
    """Sums with a stated confidence."""

    name, capability, asks_confidence = "sure", "sums", True

    def grade(self, item: Item, reply: str) -> Grade:
        return super().grade(item, reply.partition("Confidence")[0])


def model(right: Callable[[int], bool], says: Callable[[bool, int], str]) -> Callable[[Request], Completion]:
    """A model that is right on items chosen by their number and says how sure it is."""

    def answer(request: Request) -> Completion:
        number = int(adder(request).text) // 2
        good = right(number)
        return Completion(text=f"{2 * number + (not good)} {says(good, number)}", completion_tokens=5)

    return answer


def drawn(share: float, seed: int = 1) -> Callable[[int], bool]:
    return lambda number: Random(seed * 100_003 + number).random() < share


def always(percent: int) -> Callable[[bool, int], str]:
    return lambda _good, _number: f"Confidence: {percent}%"


def run(base: object, student: object, folder: Path, n: int = 300) -> AuditResult:
    with Store(folder / "evidence.sqlite") as store:
        return Runner(
            AuditSpec(base=REF["base"], student=REF["student"], fixed=True),
            {Sure(): n},
            store,
            opener=World(base=base, student=student).open,  # type: ignore[arg-type]
            settings=EngineSettings(),
            progress=Silent(),
        ).run(HERE)


def shown(result: AuditResult) -> str:
    console = Console(file=StringIO(), width=100, force_terminal=False)
    print_report(result, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_student_that_became_too_sure_is_said_to_be_and_gets_no_verdict_for_it(tmp_path: Path) -> None:
    result = run(model(drawn(0.7), always(70)), model(drawn(0.7), always(99)), tmp_path)
    found = result.calibration
    assert found is not None
    assert (found.n, found.asked, found.base_stated, found.student_stated) == (300, 300, 300, 300)
    assert found.level == pytest.approx(0.29)
    assert (found.level_shown, found.level_p < 0.001, found.brier > 0) == (True, True, True)
    # The answers are the same: there is nothing to judge.
    assert result.capabilities[0].verdict is Verdict.EQUIVALENT
    assert "claims more than the base" in " ".join(shown(result).split())
    page = render_html(result)
    assert "claims more than the base" in page
    assert "Stated a confidence" in page
    assert from_json(to_json(result)).calibration == found
    with Store(tmp_path / "evidence.sqlite", read_only=True) as store:
        assert _recompute(store, result, "r", lambda _: Sure()) == []
        changed = replace(result, calibration=replace(found, level=0.0))
        assert any("calibration" in problem for problem in _recompute(store, changed, "r", lambda _: Sure()))


def test_a_clean_pair_and_a_weaker_student_that_knows_it_are_left_alone(tmp_path: Path) -> None:
    clean = run(model(drawn(0.7, 1), always(70)), model(drawn(0.7, 2), always(70)), tmp_path / "a").calibration
    weaker = run(model(drawn(0.8, 1), always(80)), model(drawn(0.5, 2), always(50)), tmp_path / "b")
    for found in (clean, weaker.calibration):
        assert found is not None
        assert not found.level_shown
        assert not found.slope_shown
    assert weaker.capabilities[0].verdict is Verdict.WORSE
    assert "No change of calibration is shown" in " ".join(shown(weaker).split())


def test_confidences_that_follow_the_answers_less_show_in_the_slope(tmp_path: Path) -> None:
    """Both say 75 % on average, and both are right on three quarters; the student is sure at random."""
    honest = model(drawn(0.75), lambda good, _: f"Confidence: {75 if good else 74}%")
    random = model(drawn(0.75), lambda _, number: f"Confidence: {99 if number % 4 else 3}%")
    found = run(honest, random, tmp_path).calibration
    assert found is not None
    assert found.slope > 0
    assert found.slope_shown


def test_replies_without_a_confidence_are_counted_and_not_guessed(tmp_path: Path) -> None:
    silent = model(drawn(0.7), lambda _, number: "" if number % 2 else "Confidence: 90%")
    result = run(model(drawn(0.7), always(90)), silent, tmp_path, n=40)
    found = result.calibration
    assert found is not None
    assert (found.n, found.base_stated, found.student_stated) == (20, 40, 20)
    none = calibration_result([replace(i, student=replace(i.student, confidence=None)) for i in result.items], alpha=0.05)
    assert none is not None
    assert (none.n, none.level_shown, none.slope_shown) == (0, False, False)
    assert calibration_result([replace(i, asks_confidence=False) for i in result.items], alpha=0.05) is None
