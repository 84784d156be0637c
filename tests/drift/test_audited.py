"""Drift as a part of an audit: a real pair of tiny models, and what `verify` makes of a changed report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hydrometer.api import audit, audit_folder
from hydrometer.distances import AuditDrift, ItemDrift, ReplyDrift, SpanSums
from hydrometer.drift.audited import drift_tables, follows
from hydrometer.report.drift_view import fork_sentence
from hydrometer.report.html import render_html
from hydrometer.report.json_report import from_json
from hydrometer.result import AuditResult
from hydrometer.stats.flips import FlipFit, chance
from hydrometer.verify import verify_folder
from tiny_models import build_tiny

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AuditResult]:
    folder = tmp_path_factory.mktemp("audit")
    pair = [str(build_tiny("llama", folder / name, seed)) for name, seed in (("base", 1), ("student", 2))]
    # Tiny models say anything: the cap ends each reply.
    result = audit(
        *pair, tasks=["arithmetic"], items=3, max_tokens=16, fixed=True, drift=True, inspect=False, out=folder / "out"
    )
    return folder / "out", result


def test_both_read_every_reply(audited: tuple[Path, AuditResult]) -> None:
    result = audited[1]
    drift = result.drift
    assert drift
    assert drift.skipped == ""
    assert drift.whole
    assert drift.floor
    assert drift.floor.kl.value < 1e-5 < drift.whole.kl.value
    assert len(drift.items) == len(result.items)
    assert {row.name for row in drift.sources} == {"replies of the base", "replies of the student"}
    assert {row.name for row in drift.spans} == {"prompt", "answer"}
    replies = [reply for item in drift.items for reply in (item.base, item.student) if reply]
    assert sum(span.tokens for reply in replies for span in reply.spans) == drift.whole.tokens
    kl = sum(span.kl for reply in replies for span in reply.spans) / drift.whole.tokens
    assert kl == pytest.approx(drift.whole.kl.value, rel=1e-9)
    # Two models of random weights: what either says surprises the other, and the texts they say it in hold the place.
    known = {item.item_id: item for item in result.items}
    seen = 0
    for item in drift.items:
        for reply, drifted in ((known[item.item_id].base, item.base), (known[item.item_id].student, item.student)):
            for found in drifted.surprises if drifted else ():
                seen += 1
                assert 0 <= found.start < found.end <= len(getattr(reply, found.place))
                assert found.nats >= 1.0
    assert seen


def test_a_fork_is_the_first_token_that_differs(audited: tuple[Path, AuditResult]) -> None:
    result = audited[1]
    assert result.drift
    known = {item.item_id: item for item in result.items}
    forks = [item for item in result.drift.items if item.fork]
    assert forks
    for item in forks:
        fork = item.fork
        assert fork
        row = known[item.item_id]
        left, right = (getattr(reply, side.place) for reply, side in ((row.base, fork.base), (row.student, fork.student)))
        assert left[: fork.base.at] == right[: fork.student.at]
        assert left[fork.base.at :].startswith(fork.base.token.rstrip())
        assert fork.base.token != fork.student.token
        assert all(0.0 < share <= 1.0 for side in (fork.base, fork.student) for share in (side.base, side.student))
        assert "Where the replies part the base wrote" in fork_sentence(fork)


def test_it_is_verified_as_far_as_it_can_be_without_a_model(audited: tuple[Path, AuditResult]) -> None:
    out, result = audited
    assert verify_folder(out).problems == ()
    path = audit_folder(out, result) / "report.json"
    whole = path.read_text(encoding="utf-8")
    assert from_json(whole) == result
    try:
        for change, word in (
            (lambda drift: drift["whole"]["kl"].update(value=0.5), "drift over 'all'"),
            (lambda drift: drift["spans"][1]["same"].update(value=0.99), "drift over"),
            (lambda drift: drift["items"][0]["base"]["spans"][0].update(kl=99.0), "drift"),
            (lambda drift: drift["items"][0].update(item_id="s2:0"), "not asked"),
            (lambda drift: drift["tasks"].append(drift["tasks"][0] if drift["tasks"] else
             {"task": "x", "items": 1, "flips": 0, "kl": {"value": 1.0, "low": None, "high": None}}), "per task"),
        ):  # fmt: skip
            plain = json.loads(whole)
            change(plain["drift"])
            path.write_text(json.dumps(plain), encoding="utf-8")
            assert any(word in problem for problem in verify_folder(out).problems), word
    finally:
        path.write_text(whole, encoding="utf-8")


def test_the_page_shows_it(audited: tuple[Path, AuditResult]) -> None:
    result = audited[1]
    page = render_html(result)
    assert 'id="drift"' in page
    assert "Token by token: how surprised the other model is" in page
    assert 'class="fork"' in page
    assert "--drift" in page
    assert "No curve is fitted" in page or not (result.drift and result.drift.tasks)
    assert "Not compared: no &lt;reader&gt;" in render_html(replace(result, drift=AuditDrift(skipped="no <reader>")))


def test_a_model_that_cannot_read_costs_no_audit(tmp_path: Path) -> None:
    result = audit("fake:echo", "fake:echo", tasks=["arithmetic"], items=2, fixed=True, drift=True, out=tmp_path)
    assert result.drift
    assert result.drift.skipped
    assert verify_folder(tmp_path).problems == ()


def test_flips_lie_beside_drift_and_the_curve_is_fitted(audited: tuple[Path, AuditResult]) -> None:
    row = audited[1].items[0]
    rng = np.random.default_rng(2)
    kl = np.exp(rng.normal(-2.0, 1.0, 400))
    flipped = rng.random(400) < chance(FlipFit(1.0, 1.0, 0.0), kl)
    items = [
        replace(
            row,
            item_id=f"s2:{n}",
            task=f"task {n % 2}",
            base=replace(row.base, value=1.0),
            student=replace(row.student, value=0.0 if flip else 1.0),
        )
        for n, flip in enumerate(flipped)
    ]
    drifts = [
        ItemDrift(
            item_id=f"s2:{n}",
            base=ReplyDrift(
                spans=(
                    SpanSums(name="prompt", tokens=5, kl=50.0, reverse=0.0, change=0.0, same=0),
                    SpanSums(name="answer", tokens=10, kl=10 * float(value), reverse=0.0, change=0.0, same=0),
                ),
                surprises=(),
            ),
            student=None,
            fork=None,
        )
        for n, value in enumerate(kl)
    ]
    tasks, curve = drift_tables(items, drifts)
    assert [(task.task, task.items) for task in tasks] == [("task 0", 200), ("task 1", 200)]
    assert tasks[0].flips == flipped[::2].sum()
    assert tasks[0].kl.value == pytest.approx(kl[::2].mean())
    assert curve
    assert curve.slope == pytest.approx(1.0, abs=4 * curve.slope_error)
    drift = AuditDrift(items=tuple(drifts), tasks=tasks, curve=curve)
    assert follows(items, drift) == ""
    assert "curve" in follows(items, replace(drift, curve=replace(curve, slope=2.0)))
    assert drift_tables([], []) == ((), None)
