"""Cards that are hard to read: other languages, merged cells, decimal commas, contradictions, images for tables."""

from __future__ import annotations

import pytest

from hydrometer.claims.card import read_card
from hydrometer.claims.evidence import answer
from hydrometer.claims.model import Answer, Card, ClaimKind


def scores(card: Card) -> list[tuple[str, float | None, str]]:
    return [(claim.subject, claim.value, claim.of) for claim in card.claims if claim.kind.value == "score"]


@pytest.mark.parametrize(
    "text",
    [
        "# \u6a21\u578b\n\n\u672c\u6a21\u578b\u5728 MMLU \u4e0a\u8fbe\u5230 84.5%\u3002\n\n| \u57fa\u51c6 | base | ours |\n|---|---|---|\n| GSM8K | 71,5 | 79,2 |\n",
        "Das Modell erreicht 84,5 % auf MMLU.\n\n| Pr\u00fcfung | base | ours |\n|---|---|---|\n| GSM8K | 71,5 | 79,2 |\n",
        "Le mod\u00e8le atteint 84,5 % sur MMLU.\n\n| \u00c9preuve | base | ours |\n|---|---|---|\n| GSM8K | 71,5 | 79,2 |\n",
    ],
    ids=["zh", "de", "fr"],
)
def test_numbers_of_known_benchmarks_are_read_in_any_language(text: str) -> None:
    read = [(subject, value and round(value, 6), of) for subject, value, of in scores(read_card(text, "card"))]
    assert read == [("mmlu", 0.845, "student"), ("gsm8k", 0.715, "base"), ("gsm8k", 0.792, "student")]


def test_a_language_without_known_names_claims_nothing() -> None:
    text = "\u042d\u0442\u0430 \u043c\u043e\u0434\u0435\u043b\u044c \u043d\u0430 24 % \u043b\u0443\u0447\u0448\u0435 \u0438 \u0431\u044b\u0441\u0442\u0440\u0435\u0435 \u0432 2 \u0440\u0430\u0437\u0430.\n"
    assert not read_card(text, "card").claims


@pytest.mark.parametrize("span", ['colspan="2"', 'rowspan="2"', "colspan=3"])
def test_merged_cells_are_named_and_nothing_is_guessed(span: str) -> None:
    table = f"<table>\n<tr><th>Benchmark</th><th {span}>Ours</th></tr>\n<tr><td>MMLU</td><td>84.5</td><td>85.3</td></tr>\n</table>\n"
    card = read_card(f"# Results\n\n{table}", "card")
    assert not card.claims
    (unread,) = card.unread
    assert unread.line == 3
    assert "merged cells" in unread.reason


def test_a_table_without_merged_cells_is_read() -> None:
    table = '<table>\n<tr><th>Benchmark</th><th colspan="1">Ours</th></tr>\n<tr><td>MMLU</td><td>84.5</td></tr>\n</table>\n'
    card = read_card(table, "card")
    assert scores(card) == [("mmlu", 0.845, "student")]
    assert not card.unread


@pytest.mark.parametrize("written", ["96,91", "96.91"])
def test_a_decimal_comma_is_checked_as_a_point_is(written: str) -> None:
    (row,) = answer(read_card(f"HumanEval {written} %.\n", "card"))
    assert row.answer is Answer.IMPOSSIBLE
    assert "157 of 162" in row.reasons[0]


def test_contradicting_numbers_name_each_other() -> None:
    rows = answer(read_card("MMLU 84.5 %.\n\nFurther down, MMLU 79.1 %.\n", "card"))
    assert [row.answer for row in rows] == [Answer.UNPROVEN, Answer.UNPROVEN]
    assert any("also gives 79.1 % for the same thing (line 3)" in reason for reason in rows[0].reasons)
    assert any("also gives 84.5 % for the same thing (line 1)" in reason for reason in rows[1].reasons)


def test_an_image_in_place_of_a_table_is_named_and_a_logo_is_not() -> None:
    card = read_card("![logo](logo.png)\n\n## Results\n\n![MMLU 99 %](benchmarks.png)\n", "card")
    assert not card.claims
    (unread,) = card.unread
    assert unread.line == 5
    assert "an image" in unread.reason


def test_two_licences_contradict_each_other() -> None:
    rows = answer(read_card("---\nlicense: mit\n---\nReleased under the Apache 2.0 licence.\n", "card"))
    assert [row.answer for row in rows] == [Answer.CONTRADICTED, Answer.CONTRADICTED]
    assert "the card also says apache-2.0 (line 4)" in rows[0].reasons[0]


def test_a_hard_wrapped_paragraph_is_one_text_and_a_list_of_lines_is_not() -> None:
    text = "In our runs on the whole test set with the same harness as its base, the\nmodel reaches 84.5 % on MMLU.\n"
    assert scores(read_card(text, "card")) == [("mmlu", 0.845, "student")]
    assert len(scores(read_card("MMLU 84.5 %\nGSM8K 79.2 %\n", "card"))) == 2


def test_columns_of_a_harness_are_no_scores() -> None:
    table = "|Tasks|Version|n-shot|Metric|Value||Stderr|\n|---|---|---|---|---|---|---|\n|gsm8k|3|5|exact_match|0.8438|\u00b1|0.01|\n"
    (claim,) = read_card(table, "card").claims
    assert (claim.value, claim.settings) == (0.8438, {"shots": "5", "metric": "exact_match"})


def test_what_only_looks_like_a_claim_is_none() -> None:
    text = "A tenth of the replies were cut. See `tools/sample.py` for the training data. We ask whether it is better than the base.\n"
    assert not read_card(text, "card").claims
    (claim,) = read_card("25 points lost on MMLU.\n", "card").claims
    assert claim.value == -0.25


def test_the_licence_of_the_base_is_the_bases() -> None:
    (claim,) = read_card("The base model is under the Gemma license.", "card").claims
    assert (claim.kind, claim.subject, claim.of) == (ClaimKind.LICENCE, "gemma", "base")


@pytest.mark.parametrize("text", ["It needs half of the replies to be short.", "With one third of the responses truncated, it stays readable."])
def test_a_share_of_the_replies_is_no_length_of_them(text: str) -> None:
    assert read_card(text, "card").claims == ()
