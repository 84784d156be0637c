"""Weights crossed with chat templates: planted effects of the template, of the weights, of both, and of neither."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))

import hydrometer
from doubles import REF, Adding, Scripted, adder
from hydrometer.crossed import template_shares
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import UsageError
from hydrometer.items import Message, Request
from hydrometer.outcomes import Completion, Status
from hydrometer.progress import Silent
from hydrometer.provenance import Environment
from hydrometer.report.build import build_view, reproduce_command
from hydrometer.report.html import render_html
from hydrometer.report.json_report import from_json, to_json, write
from hydrometer.report.text import print_report
from hydrometer.result import AuditResult, ItemResult, Reply, Verdict
from hydrometer.run import Runner
from hydrometer.shares import TemplateShares
from hydrometer.spec import AuditSpec, ModelRef, TemplatePolicy
from hydrometer.store import Store

HERE = Environment(hydrometer="0", python="3", platform="test", packages={})
Effect = Callable[[str, str], bool]
"""From weights and template to whether a reply is right."""


def wrong(request: Request) -> Completion:
    return Completion(text=str(int(adder(request).text) + 1), completion_tokens=1)


class Crossing:
    """Two models whose replies depend on the weights and on the template in use."""

    def __init__(self, right: Effect, student_template: str = "T", *, deaf: bool = False) -> None:
        self._right, self._own, self._deaf = right, {"base": "B", "student": student_template}, deaf
        self.asked: dict[tuple[str, str], list[Request]] = {}

    def open(self, ref: ModelRef, settings: EngineSettings) -> Scripted:
        template = (not self._deaf and settings.chat_template) or self._own[ref.target]
        asked = self.asked.setdefault((ref.target, template), [])
        script = adder if self._right(ref.target, template) else wrong
        engine = Scripted(ref.target, script, asked, template=f"digest of {template}")
        engine.chat_template = template
        return engine


def run(world: Crossing, folder: Path, policy: str = "2x2", n: int = 30, **spec: object) -> AuditResult:
    wanted = AuditSpec(
        base=REF["base"],
        student=REF["student"],
        template=TemplatePolicy(policy),
        **{"fixed": True, **spec},  # type: ignore[arg-type]
    )
    with Store(folder / "evidence.sqlite") as store:
        runner = Runner(
            wanted, {Adding(): n}, store, opener=world.open, settings=EngineSettings(), progress=Silent()
        )
        return runner.run(HERE)


def sizes(row: TemplateShares) -> tuple[float, ...]:
    return tuple(share.difference for share in (row.total, row.weights, row.template, row.interaction))


def shown(row: TemplateShares) -> tuple[bool, ...]:
    return tuple(share.shown for share in (row.weights, row.template, row.interaction))


def by_template(weights: str, template: str) -> bool:
    return template == "B"


def by_weights(weights: str, template: str) -> bool:
    return weights == "base"


def by_both(weights: str, template: str) -> bool:
    return weights == "base" or template == "B"


@pytest.mark.parametrize(
    ("effect", "expected", "found"),
    [
        (by_template, (-1, 0, -1, 0), (False, True, False)),
        (by_weights, (-1, -1, 0, 0), (True, False, False)),
        (by_both, (-1, 0, 0, -1), (False, False, True)),
        (lambda *_: True, (0, 0, 0, 0), (False, False, False)),
    ],
)
def test_the_planted_share_is_named(
    effect: Effect, expected: tuple[float, ...], found: tuple[bool, ...], tmp_path: Path
) -> None:
    result = run(Crossing(effect), tmp_path)
    answered, strict = result.template_shares
    assert (answered.n, answered.strict, strict.strict) == (30, False, True)
    assert sizes(answered) == sizes(strict) == expected
    assert shown(answered) == found
    assert answered.total.difference == sum(sizes(answered)[1:])
    assert result.verdict is (Verdict.WORSE if sum(expected) else Verdict.NOT_ENOUGH)
    assert all(f.standing != "undeclared difference" for f in result.findings)


def test_answers_under_different_templates_never_mix_and_a_second_run_asks_nothing(tmp_path: Path) -> None:
    world = Crossing(by_template)
    first = run(world, tmp_path)
    assert {cell: len(asked) for cell, asked in world.asked.items()} == {
        ("base", "B"): 30, ("base", "T"): 30, ("student", "T"): 30, ("student", "B"): 30,
    }  # fmt: skip
    keys = {reply.key for item in (*first.items, *first.swapped) for reply in (item.base, item.student)}
    assert len(keys) == 120
    second = run(world, tmp_path)
    assert all(len(asked) == 30 for asked in world.asked.values())
    assert second.template_shares == first.template_shares


def test_the_panel_is_the_first_block_of_every_capability(tmp_path: Path) -> None:
    world = Crossing(by_template)
    result = run(world, tmp_path, n=200, fixed=False)
    assert len(result.swapped) < 200
    assert [item.item_id for item in result.swapped] == [
        item.item_id for item in result.items[: len(result.swapped)]
    ]
    assert len(world.asked["base", "T"]) == len(result.swapped)


def test_equal_templates_ask_nothing_more_and_say_so(tmp_path: Path) -> None:
    world = Crossing(by_weights, student_template="B")
    result = run(world, tmp_path)
    assert result.template_shares == result.swapped == ()
    assert set(world.asked) == {("base", "B"), ("student", "B")}
    assert any(f.aspect == "template 2x2" and "the weights'" in f.message for f in result.findings)


def test_an_engine_that_renders_no_other_template_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    world = Crossing(by_template, deaf=True)
    with pytest.raises(UsageError, match=r"scripted engine cannot ask 'base' under another chat template"):
        run(world, tmp_path)
    assert not any(world.asked.values())


def test_one_template_for_both_can_be_the_students(tmp_path: Path) -> None:
    world = Crossing(by_weights)
    result = run(world, tmp_path, "student")
    assert set(world.asked) == {("base", "T"), ("student", "T")}
    assert result.verdict is Verdict.WORSE
    world = Crossing(by_weights)
    run(world, tmp_path, "base")
    assert [cell for cell, asked in world.asked.items() if asked] == [("base", "B"), ("student", "B")]


def test_a_template_difference_alone_is_still_refused(tmp_path: Path) -> None:
    assert run(Crossing(by_template), tmp_path, "own").verdict is Verdict.INVALID


def test_tokens_of_the_panel_count_against_the_budget(tmp_path: Path) -> None:
    budget = hydrometer.spec.Budget.parse("250tokens")
    free = run(Crossing(by_template), tmp_path / "a", "base", n=200, fixed=False, budget=budget)
    taxed = run(Crossing(lambda *_: True), tmp_path / "b", n=200, fixed=False, budget=budget)
    assert len(taxed.items) < len(free.items)


def item(number: int, *values: float | None) -> ItemResult:
    def reply(value: float | None) -> Reply:
        status = Status.TRUNCATED if value is None else Status.GRADED
        return Reply(
            key="k", status=status, value=value, answer="", thinking="", think_state="none", extracted="",
            reason="", tokens=1,
        )  # fmt: skip

    return ItemResult(
        item_id=str(number), task="t", capability="c", tier="", messages=(Message("user", "?"),), choices=(),
        expected="", base=reply(values[0]), student=reply(values[1]),
    )  # fmt: skip


def test_replies_that_the_template_lets_run_on_show_in_the_strict_count() -> None:
    """Under the student's template nothing ends: all four cells are answered nowhere, and that is no zero."""
    own = [item(n, 1.0, None) for n in range(20)]
    other = [item(n, None, 1.0) for n in range(20)]
    answered, strict = template_shares(own, other, alpha=0.05)
    assert answered.n == 0
    assert not any(shown(answered))
    assert answered.template.low == -1.0
    assert sizes(strict) == (-1.0, 0.0, -1.0, 0.0)
    assert shown(strict) == (False, True, False)


def test_clusters_are_the_units() -> None:
    own = [replace(item(n, 1.0, 0.0), cluster=f"passage {n % 5}") for n in range(50)]
    other = [replace(item(n, 0.0, 1.0), cluster=f"passage {n % 5}") for n in range(50)]
    answered = template_shares(own, other, alpha=0.05)[0]
    assert not any(shown(answered)), "five passages show nothing, however many items"


def test_several_capabilities_stand_below_the_whole_panel() -> None:
    own = [replace(item(n, 1.0, 0.0), capability=("a", "b")[n % 2]) for n in range(40)]
    other = [replace(item(n, 0.0 if n % 2 else 1.0, 1.0 if n % 2 else 0.0)) for n in range(40)]
    rows = {(row.capability, row.strict): row for row in template_shares(own, other, alpha=0.05)}
    assert list(rows) == [("", False), ("", True), ("a", False), ("a", True), ("b", False), ("b", True)]
    assert shown(rows["a", False]) == (True, False, False)
    assert shown(rows["b", False]) == (False, True, False)


def test_shares_are_named_falsely_no_more_often_than_promised() -> None:
    """Four cells that differ by chance alone: any of three shares is shown in at most 5 % of panels."""
    rng = np.random.default_rng(4)
    false = 0
    for _ in range(120):
        cells = rng.random((40, 4)) < rng.uniform(0.2, 0.9)
        own = [item(n, float(a), float(d)) for n, (a, _, _, d) in enumerate(cells)]
        other = [item(n, float(b), float(c)) for n, (_, b, c, _) in enumerate(cells)]
        false += any(shown(template_shares(own, other, alpha=0.05)[0]))
    # 120 draws at 5 % stay at or below 11 in 98 of 100 cases.
    assert false <= 11


def test_every_face_tells_the_shares_apart(tmp_path: Path) -> None:
    result = run(Crossing(by_template), tmp_path)
    view = build_view(result)
    assert "a share is shown for template alone: weights alone 0.0 [" in view.template
    assert reproduce_command(result.spec).endswith("--template 2x2 --fixed")
    out = io.StringIO()
    print_report(result, Console(file=out, width=100))
    assert "2x2" in out.getvalue()
    assert "template alone -100.0" in " ".join(out.getvalue().split())
    page = render_html(result)
    assert 'id="template"' in page
    assert "answered in all four" in page
    assert from_json(to_json(result)) == result
    write(result, tmp_path / "report")
    assert (tmp_path / "report" / "report.html").exists()
    plain = run(Crossing(by_weights, student_template="B"), tmp_path)
    assert 'id="template"' not in render_html(plain)


class Speaking(Crossing):
    """Models that copy under one template and talk about it under the other."""

    def open(self, ref: ModelRef, settings: EngineSettings) -> Scripted:
        engine = super().open(ref, settings)
        right = self._right(ref.target, engine.chat_template)
        engine._script = lambda r: Completion(  # type: ignore[attr-defined]
            text=r.messages[-1].content if right else "<think>Well</think>No.", completion_tokens=4
        )
        return engine


def test_the_panel_is_derived_again_from_the_evidence(tmp_path: Path) -> None:
    result = hydrometer.audit(
        REF["base"], REF["student"], template="2x2", tasks=["copying"], items=12, out=tmp_path,
        opener=Speaking(by_template).open,
    )  # fmt: skip
    assert result.swapped
    assert hydrometer.verify_folder(tmp_path).problems == ()
    (report,) = tmp_path.glob("*/report.json")
    said = report.read_text().replace('"base_swapped": 0.0', '"base_swapped": 0.5')
    report.write_text(said)
    (problem,) = hydrometer.verify_folder(tmp_path).problems
    assert "template_shares" in problem
