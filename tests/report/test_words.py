"""Golden sentences for every verdict, and numbers as they are written."""

from dataclasses import replace

import pytest
import sample

from hydrometer.report import words
from hydrometer.report.names import plain
from hydrometer.result import CapabilityResult, Verdict

SENTENCES = [
    (
        sample.WORSE,
        "On instruction following the distillation fails 9 more of 100 tasks than plain SmolLM2; the truth lies between "
        "4 and 14 more. That is more than the margin of 3.",
    ),
    (
        sample.WORSE_SMALL,
        "On arithmetic the distillation fails 4 more of 100 tasks than plain SmolLM2; the truth lies between 0.4 and 8 more. "
        "It is not shown that this exceeds the margin of 3.",
    ),
    (
        sample.BETTER,
        "On reasoning the distillation fails 12 fewer of 100 tasks than plain SmolLM2; the truth lies between 5 and 19 fewer. "
        "That is more than the margin of 3.",
    ),
    (
        sample.EQUIVALENT,
        "On text editing the distillation fails as many tasks as plain SmolLM2, give or take the margin of 3 of 100; the "
        "truth lies between 2 fewer and 2 more.",
    ),
    (
        sample.NOT_ENOUGH,
        "On general knowledge no difference is shown: the distillation may fail anything from 6 fewer to 11 more of 100 "
        "tasks than plain SmolLM2; some 1,810 tasks would settle it even if there is no difference (80 were answered by "
        "both).",
    ),
    (
        sample.DEPENDS,
        "On tool use a difference appears but is not shown surely enough: the distillation may fail anything from 3 to "
        "17 more of 100 tasks than plain SmolLM2. The reason: depends on how the 7 unanswered items count.",
    ),
    (sample.EMPTY, "On long context nothing can be said: no item was answered by both models."),
]


@pytest.mark.parametrize(("result", "sentence"), SENTENCES, ids=lambda v: getattr(v, "capability", ""))
def test_sentence_of_each_verdict(result: CapabilityResult, sentence: str) -> None:
    assert words.capability_sentence(result, 0.03, "plain SmolLM2") == sentence


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1", "plain SmolLM2-135M-Instruct"),
        ("Qwen/Qwen3.5-4B", "plain Qwen3.5-4B"),
        ("gemma-4-12b-UD-Q4_K_XL.gguf", "plain gemma-4-12b"),
        ("Base", "the base"),
        ("", "the base"),
        ("x" * 60, "the base"),
        ("<b>\u202e\x1b[31m\n", "plain <b>\ufffd[31m"),
    ],
)
def test_a_sentence_names_the_base_where_a_name_says_something(label: str, name: str) -> None:
    assert plain(label) == name


def test_the_mirror_of_a_loss_reads_as_a_gain() -> None:
    gain = replace(sample.WORSE, verdict=Verdict.BETTER, estimate=sample.estimate(0.62, 0.71, 0.039, 0.141))
    mirrored = words.capability_sentence(sample.WORSE, 0.03).replace(" more of", " fewer of")
    assert words.capability_sentence(gain, 0.03) == mirrored.replace("14 more", "14 fewer")


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_overall_verdict_has_its_meaning(verdict: Verdict) -> None:
    assert words.verdict_sentence(verdict, 0.05).endswith(".")


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.012, "p = .012"),
        (0.0009, "p < .001"),
        (0.001, "p = .001"),
        (1.0, "p > .999"),
        (0.5, "p = .500"),
        (0.0, "p < .001"),
    ],
)
def test_p_values(p: float, text: str) -> None:
    assert words.p_value(p) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.09, "-9.0"), (0.12, "+12.0"), (0.0, "0.0"), (-0.0001, "0.0"), (0.0004, "0.0"), (-1.0, "-100.0")],
)
def test_points_carry_a_sign_except_at_zero(value: float, text: str) -> None:
    assert words.points(value) == text


def test_intervals_and_ratios() -> None:
    assert words.interval(-0.141, -0.03) == "[-14.1, -3.0]"
    assert words.interval(-0.0001, 0.02) == "[0.0, 2.0]"
    wide, narrow, single = sample.tokens()
    assert words.ratio(wide) == "x1.62 [1.4, 1.9]"
    assert words.ratio(narrow) == "x0.94 [0.90, 0.98]"
    assert words.ratio(single) == "x1.80 (no interval)"
    assert words.ratio(replace(single, n=0)) == "–"


def test_price_sentences_claim_a_trend_only_where_the_interval_shows_one() -> None:
    wide, narrow, single = sample.tokens()
    assert words.price_sentence(wide) == (
        "The distillation writes longer replies: x1.62 [1.4, 1.9] tokens per item, on average 120 against 74 "
        "(160 replies each). Each point scored costs 210 against 98 tokens."
    )
    assert words.price_sentence(narrow).startswith("The distillation writes shorter replies")
    assert words.price_sentence(single).startswith("No difference in reply length is shown")
    assert words.price_sentence(replace(wide, low=0.9)).startswith("No difference in reply length is shown")
    assert words.price_sentence(replace(wide, n=0)).startswith("No reply was finished by both")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.6, "1 min 0 s"), (754.2, "12 min 34 s"), (7260, "2 h 1 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_a_divergence_too_small_for_three_places_is_not_written_as_none() -> None:
    assert [words.nats(value) for value in (0.0, 0.00004, 0.001, 1.23456)] == ["0.000", "4e-05", "0.001", "1.235"]


def test_hostile_characters_are_disarmed() -> None:
    assert words.block("a\x1b[31mb\x00\x9bc\ud800\r\nd\te") == "a\ufffd[31mb\ufffd\ufffdc\ufffd\nd\te"
    assert words.line("one\n two\u202e three\u2066") == "one two three"
    assert words.line("x" * 400, 10) == "x" * 9 + "…"
    assert words.block("x" * 1500, 100) == "x" * 100 + "… (1,400 more characters in report.json)"
