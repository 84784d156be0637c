from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from hydrometer.comparison import ComparisonResult, compare_counts, compare_logs
from hydrometer.errors import UsageError
from hydrometer.logs.base import Choice, LogError, Scale
from hydrometer.logs.reading import read_log
from hydrometer.result import Finding, Standing, Verdict
from hydrometer.stats.power import pairs_for_equivalence

LOGS = Path(__file__).resolve().parent / "fixtures" / "logs"
LM, INSPECT = LOGS / "lm_eval", LOGS / "inspect"
ACC = Choice(metrics=("acc",), tasks=("capitals",))


def table(path: Path, scores: dict[str, float | None], task: str = "t") -> Path:
    rows = [f"{key},{task},{'' if score is None else score}" for key, score in scores.items()]
    path.write_text("\n".join(["item,task,score", *rows]) + "\n")
    return path


def compared(tmp_path: Path, base: dict, student: dict, scale: Scale | None = None, **options: object) -> ComparisonResult:
    sides = [read_log(table(tmp_path / f"{n}.csv", s), scale=scale) for n, s in (("b", base), ("s", student))]
    return compare_logs(*sides, scale=scale, **options)


def finding(result: ComparisonResult, aspect: str) -> Finding:
    return next(f for f in result.findings if f.aspect == aspect)


def test_the_published_table() -> None:
    result = compare_counts(125, 15, 32, 26)
    (row,) = result.capabilities
    found = row.result.estimate
    assert (found.gained, found.lost, found.n) == (15, 32, 198)
    assert round(100 * found.difference, 1) == -8.6
    tail = sum(math.comb(47, k) for k in range(16)) / 2**47
    assert row.exact_p == pytest.approx(2 * tail)
    assert found.p_value == pytest.approx(2 * tail - math.comb(47, 15) / 2**47)
    assert (found.low, found.high) == pytest.approx((-0.15483, -0.01864), abs=1e-5)
    assert result.verdict is Verdict.WORSE
    assert not row.size_resolved
    assert row.pairs_for_margin == pairs_for_equivalence(0.03, 48 / 200)
    assert result.exit_code == 10


@pytest.mark.parametrize(
    ("cells", "verdict", "resolved"),
    [
        ((900, 1, 1, 98), Verdict.EQUIVALENT, True),
        ((400, 0, 200, 400), Verdict.WORSE, True),
        ((400, 200, 0, 400), Verdict.BETTER, True),
        ((40, 2, 3, 5), Verdict.NOT_ENOUGH, False),
        ((1, 0, 0, 0), Verdict.NOT_ENOUGH, False),
    ],
)
def test_counts_give_the_verdicts_of_an_audit(cells: tuple[int, ...], verdict: Verdict, resolved: bool) -> None:
    result = compare_counts(*cells)
    assert result.verdict is verdict
    assert result.capabilities[0].size_resolved is resolved


def test_swapping_the_models_swaps_the_result() -> None:
    one, other = compare_counts(125, 15, 32, 26).capabilities[0], compare_counts(125, 32, 15, 26).capabilities[0]
    assert other.result.verdict is Verdict.BETTER
    assert other.result.estimate.low == pytest.approx(-one.result.estimate.high)
    assert other.exact_p == one.exact_p


@pytest.mark.parametrize("cells", [(-1, 2, 3, 4), (0, 0, 0, 0), (10**9, 0, 0, 0)])
def test_impossible_tables_are_refused(cells: tuple[int, ...]) -> None:
    with pytest.raises(LogError, match="must be four counts"):
        compare_counts(*cells)


@pytest.mark.parametrize("margin", [0.0, 1.0, 1.5, -0.1, float("nan")])
def test_a_margin_that_means_nothing_is_refused(margin: float) -> None:
    with pytest.raises(UsageError, match="margin"):
        compare_counts(1, 1, 1, 1, margin=margin)


def test_alpha_and_allowances_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="alpha"):
        compare_counts(1, 1, 1, 1, alpha=0.0)
    with pytest.raises(UsageError, match="did you mean 'template'"):
        compared(tmp_path, {"a": 1}, {"a": 1}, allow=("templat",))


def test_pairing_follows_the_item_and_not_the_row(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    base = {f"i{n}": float(rng.integers(2)) for n in range(50)}
    student = dict(sorted(base.items(), reverse=True))
    assert compared(tmp_path, base, student).capabilities[0].result.estimate.gained == 0
    assert compared(tmp_path, base, student).capabilities[0].result.estimate.lost == 0


def test_items_without_partner_are_counted_and_left_out(tmp_path: Path) -> None:
    (row,) = compared(tmp_path, {"a": 1, "b": 1, "c": 0}, {"b": 0, "c": 0, "d": 1, "e": 1}).capabilities
    assert (row.only_base, row.only_student) == (1, 2)
    assert (row.result.estimate.n, row.result.strict.n) == (2, 2)


def test_a_missing_score_is_no_zero_and_the_bounds_hold_it(tmp_path: Path) -> None:
    base = {"a": 1, "b": 1, "c": None, "d": None, "e": 0}
    student = {"a": 1, "b": None, "c": 1, "d": None, "e": 0}
    (row,) = compared(tmp_path, base, student).capabilities
    found = row.result.estimate
    assert (found.n, found.lost, found.gained) == (2, 0, 0)
    assert (found.missing_base, found.missing_student, found.missing_both) == (1, 1, 1)
    assert (row.result.strict.n, row.result.strict.lost, row.result.strict.gained) == (5, 1, 1)
    # b: -1..0, c: 0..1, d: -1..1
    assert (row.lowest, row.highest) == pytest.approx((-2 / 5, 2 / 5))
    assert row.missing_base == row.missing_student == {"no score": 2}


def test_a_verdict_that_hangs_on_missing_scores_is_withdrawn(tmp_path: Path) -> None:
    base = {f"i{n}": 1.0 for n in range(2000)}
    student = {f"i{n}": 1.0 if n < 1500 else None for n in range(2000)}
    (row,) = compared(tmp_path, base, student).capabilities
    assert row.result.estimate.lost == 0
    assert row.result.verdict is Verdict.NOT_ENOUGH
    assert "500 unanswered" in row.result.reason
    assert not row.size_resolved


def test_fractional_scores_have_no_exact_p(tmp_path: Path) -> None:
    (row,) = compared(tmp_path, {"a": 0.5, "b": 1}, {"a": 0.25, "b": 1}).capabilities
    assert row.exact_p is None
    assert row.result.estimate.difference == pytest.approx(-0.125)


def test_a_range_only_rescales(tmp_path: Path) -> None:
    plain = compared(tmp_path, {"a": 0.5, "b": 1}, {"a": 0.25, "b": 0})
    wide = compared(tmp_path, {"a": 5, "b": 10}, {"a": 2.5, "b": 0}, scale=Scale(worst=0, best=10))
    assert wide.capabilities[0].result.estimate == plain.capabilities[0].result.estimate
    assert (wide.worst_score, wide.best_score) == (0, 10)


def test_every_task_is_a_capability_and_holm_looks_at_all(tmp_path: Path) -> None:
    rows = ["item,capability,base,student"]
    rows += [f"{task}{n},{task},1,{int(n >= lost)}" for task, lost in (("x", 6), ("y", 0), ("z", 0)) for n in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    from hydrometer.logs.base import Columns

    sides = [read_log(tmp_path / "t.csv", columns=Columns(score=name)) for name in ("base", "student")]
    together = {row.result.capability: row for row in compare_logs(*sides).capabilities}
    assert list(together) == ["x", "y", "z"]
    assert together["x"].result.adjusted_p == pytest.approx(3 * together["x"].result.estimate.p_value)


@pytest.mark.parametrize(("other", "said"), [({"z": 1}, "no item in common"), ({}, "holds no scored item")])
def test_logs_of_different_questions_are_refused(tmp_path: Path, other: dict, said: str) -> None:
    with pytest.raises(LogError, match=said):
        compared(tmp_path, {"a": 1}, other)


def test_logs_of_different_harnesses_are_refused() -> None:
    with pytest.raises(LogError, match=r"of kind lm-eval, .* of kind Inspect"):
        compare_logs(read_log(LM / "base", choice=ACC), read_log(INSPECT / "sums_base.eval"))


def test_another_measure_is_refused() -> None:
    sides = [read_log(LM / side, choice=Choice(metrics=(m,), tasks=("capitals",))) for side, m in (("base", "acc"), ("student", "acc_norm"))]
    with pytest.raises(LogError, match="scored by 'acc, filter none' in the base's log, by 'acc_norm"):
        compare_logs(*sides)


def test_tasks_of_one_log_only_are_shown(tmp_path: Path) -> None:
    base = read_log(LM / "base", choice=Choice(metrics=("acc", "exact_match"), filters=("none", "strict-match")))
    result = compare_logs(base, read_log(LM / "student", choice=ACC))
    assert [row.result.capability for row in result.capabilities] == ["capitals"]
    assert finding(result, "tasks in one log only").base == "sums (20 items)"


def test_real_lm_eval_logs_give_the_counts_of_their_lines() -> None:
    result = compare_logs(read_log(LM / "base", choice=ACC), read_log(LM / "student", choice=ACC))
    rows = [[json.loads(line) for line in next((LM / side).glob("samples_capitals_*")).read_text().splitlines()] for side in ("base", "student")]
    changes = [s["acc"] - b["acc"] for b, s in zip(*rows, strict=True)]
    found = result.capabilities[0].result.estimate
    assert (found.gained, found.lost) == (changes.count(1.0), changes.count(-1.0))
    assert all(f.standing is Standing.EQUAL for f in result.findings)
    assert (result.base.model, result.student.model) == ("base", "student")


@pytest.mark.parametrize(
    ("log", "aspects", "allow"),
    [
        ("student-chat", {"chat template", "prompts"}, "template"),
        ("student-shots", {"few-shots", "prompts"}, "few-shots"),
    ],
)
def test_logs_made_differently_are_invalid_until_declared(log: str, aspects: set[str], allow: str) -> None:
    sides = read_log(LM / "base", choice=ACC), read_log(LM / log, choice=ACC)
    result = compare_logs(*sides)
    assert {f.aspect for f in result.findings if f.standing is Standing.UNDECLARED} == aspects
    assert (result.verdict, result.exit_code) == (Verdict.INVALID, 12)
    assert "no verdict" in result.headline
    declared = compare_logs(*sides, allow=(allow,))
    assert {f.aspect for f in declared.findings if f.standing is Standing.DECLARED} == aspects
    assert declared.verdict in (Verdict.WORSE, Verdict.NOT_ENOUGH)


def test_a_declared_cause_does_not_cover_another_one() -> None:
    sides = read_log(LM / "student-chat", choice=ACC), read_log(LM / "student-shots", choice=ACC)
    result = compare_logs(*sides, allow=("few-shots",))
    assert finding(result, "chat template").standing is Standing.UNDECLARED
    assert finding(result, "prompts").standing is Standing.UNDECLARED
    assert compare_logs(*sides, allow=("few-shots", "template")).verdict is not Verdict.INVALID


def test_a_changed_prompt_shows_even_where_no_setup_is_stated(tmp_path: Path) -> None:
    source = next((LM / "base").glob("samples_capitals_*"))
    (tmp_path / "b.jsonl").write_text(source.read_text())
    changed = [{**json.loads(line), "prompt_hash": "0" * 64} for line in source.read_text().splitlines()]
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, changed)))
    result = compare_logs(*(read_log(tmp_path / f"{n}.jsonl", choice=Choice(metrics=("acc",))) for n in "bs"))
    assert finding(result, "prompts").standing is Standing.UNDECLARED
    assert result.capabilities[0].result.capability == "these items"


def test_one_model_twice_is_noted() -> None:
    side = read_log(INSPECT / "sums_base.eval")
    result = compare_logs(side, side)
    assert finding(result, "model").standing is Standing.NOTE
    assert "mockllm" not in result.headline


def test_real_inspect_logs_pair_across_forms() -> None:
    pairs = [("sums_base.eval", "sums_student.json"), ("deflate_base.eval", "crashed_student.eval")]
    results = [compare_logs(*(read_log(INSPECT / name) for name in pair)) for pair in pairs]
    estimates = [result.capabilities[0].result.estimate for result in results]
    assert estimates[0] == estimates[1]
    assert estimates[0].n == 12
    assert estimates[0].lost > 0


def test_epochs_of_another_number_are_shown_and_partly_missing_items_bounded(tmp_path: Path) -> None:
    result = compare_logs(read_log(INSPECT / "sums_base.eval"), read_log(INSPECT / "epochs_student.eval"))
    assert finding(result, "epochs").standing is Standing.NOTE
    assert result.capabilities[0].exact_p is None
    log = json.loads((INSPECT / "sums_base.json").read_text())
    again = [{**s, "epoch": 2, "scores": {}, "error": {"message": "x"}} for s in log["samples"]]
    (tmp_path / "l.json").write_text(json.dumps({**log, "samples": log["samples"] + again}))
    (row,) = compare_logs(read_log(tmp_path / "l.json"), read_log(INSPECT / "sums_base.eval")).capabilities
    assert row.result.estimate.difference == 0.0
    assert row.lowest == 0.0
    assert row.highest == pytest.approx(0.5)
    assert row.missing_base == {"sample error": 12}
