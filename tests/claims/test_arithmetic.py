"""What arithmetic alone says of a claim: known cases from published cards, and clean ones that it leaves alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydrometer.claims import arithmetic
from hydrometer.claims.arithmetic import check, possible_counts
from hydrometer.claims.benchmarks import benchmarks
from hydrometer.claims.card import read_card
from hydrometer.claims.model import Answer, Checked, ClaimKind


def answers(text: str, subject: str, of: str = "student") -> list[Checked]:
    return [r for r in check(read_card(text, "card")) if r.claim.subject == subject and r.claim.of == of]


@given(n=st.integers(1, 3000), data=st.data(), digits=st.integers(0, 4))
def test_every_real_percentage_is_possible(n: int, data: st.DataObject, digits: int) -> None:
    k = data.draw(st.integers(0, n))
    assert k in possible_counts(round(100 * k / n, digits) / 100, digits, n)


@pytest.mark.parametrize(
    ("text", "subject", "answer", "words"),
    [
        ("HumanEval 96.91 %.", "humaneval", Answer.IMPOSSIBLE, "it is 157 of 162: 2 items left out"),
        ("62.4 % on 300 SWE-bench cases.", "swe_bench", Answer.IMPOSSIBLE, "is not k of 300"),
        ("HumanEval 97.56 %.", "humaneval", Answer.UNPROVEN, "no score of the base"),
        ("GPQA-Diamond 88.89 %.", "gpqa_diamond", Answer.UNPROVEN, "not named"),
        ("MBPP 62.26 %.", "mbpp", Answer.UNPROVEN, "no score of the base"),  # 160 of 257, the sanitized set
        ("MMLU 84.53 %.", "mmlu", Answer.UNPROVEN, "no score of the base"),
    ],
)
def test_percentages_of_known_sizes(text: str, subject: str, answer: Answer, words: str) -> None:
    (row,) = answers(text, subject)
    assert row.answer is answer
    assert any(words in reason for reason in row.reasons), row.reasons


def test_a_gain_over_a_base_at_chance_is_a_fault_of_the_measurement() -> None:
    text = "Our model gains +34.3 points on MMLU over the base, which scores 23.2 % on MMLU."
    rows = [r for r in answers(text, "mmlu") if r.claim.kind is ClaimKind.DIFFERENCE]
    assert rows[0].answer is Answer.NOT_COMPARABLE
    assert "where guessing reaches 25 %" in rows[0].reasons[0]
    clean = text.replace("23.2", "43.2")
    assert all(r.answer is Answer.UNPROVEN for r in answers(clean, "mmlu"))


def test_five_against_seven_of_twelve_proves_nothing() -> None:
    table = "| test | base | this model |\n|---|---|---|\n| HumanEval | {} | {} |\n"
    (row,) = answers(table.format("5/12", "7/12"), "humaneval")
    assert row.answer is Answer.UNPROVEN
    assert any("12 items cannot show a difference of 2" in r and "p = 0.5" in r for r in row.reasons)
    assert row.low is not None
    assert row.low < 0 < row.high  # type: ignore[operator]
    (row,) = answers(table.format("40/164", "90/164"), "humaneval")
    assert not any("cannot show" in reason for reason in row.reasons)


def test_numbers_from_different_modes_are_not_compared() -> None:
    text = (
        "| Benchmark | Base (thinking on) | Ours (thinking {}) |\n|---|---|---|\n| SWE-bench Verified | 78.8 | 82.2 |\n"
    )
    (row,) = answers(text.format("off"), "swe_bench_verified")
    assert row.answer is Answer.NOT_COMPARABLE
    assert "thinking off against on" in row.reasons[0]
    (row,) = answers(text.format("on"), "swe_bench_verified")
    assert row.answer is Answer.UNPROVEN


def test_two_numbers_for_the_same_thing_are_named() -> None:
    rows = answers("HumanEval 91.5 %.\n\nHumanEval reaches 89.0 %.", "humaneval")
    assert all(any("for the same thing" in reason for reason in row.reasons) for row in rows)


def test_speed_claims_name_what_they_leave_out() -> None:
    (row,) = [r for r in check(read_card("It is 2x faster.", "card")) if r.claim.kind is ClaimKind.SPEED]
    assert "prompt tokens" in row.reasons[0]


def test_the_table_of_benchmarks_has_sources_and_sane_values() -> None:
    for row in benchmarks().values():
        assert row.source
        assert row.chance is None or 0 <= row.chance <= 0.5
        assert all(size >= 2 for size in row.sizes.values())


def test_a_card_that_repeats_itself_works_out_each_comparison_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = arithmetic.tango_interval
    monkeypatch.setattr(arithmetic, "tango_interval", lambda b, c, n: asked.append(n) or real(b, c, n))
    arithmetic._best_interval.cache_clear()  # what other tests asked for
    table = "| Benchmark | Base | Ours |\n|---|---|---|\n| GSM8K | 71.5 | 79.2 |\n\nThe same again.\n\n"
    rows = check(read_card(table * 50, "card"))
    assert len(rows) == 100
    assert len(asked) == 1
