"""Replies taken apart into thinking and answer, in each family's own marks."""

import pytest

from hydrometer.templates.dialects import Dialect, ThinkState, dialect_of, opens_thinking, split_thinking

TAGS = {
    Dialect.QWEN: ("<think>", "</think>"),
    Dialect.GEMMA: ("<|channel>thought\n", "<channel|>"),
    Dialect.MISTRAL: ("[THINK]", "[/THINK]"),
}


@pytest.mark.parametrize("dialect", TAGS)
def test_each_family_is_split_and_named(dialect: Dialect) -> None:
    opening, closing = TAGS[dialect]
    whole = split_thinking(f"{opening}3 and 4{closing}Seven.")
    assert (whole.thinking, whole.answer, whole.state, whole.dialect) == ("3 and 4", "Seven.", ThinkState.CLOSED, dialect)
    assert split_thinking(f"{opening}3 and").state is ThinkState.UNCLOSED
    assert split_thinking(f"{opening} {closing}Seven.").state is ThinkState.EMPTY
    assert split_thinking(f"3 and 4{closing}Seven.").state is ThinkState.ORPHAN
    behind = split_thinking(f"3 and 4{closing}Seven.", opened=True)
    assert (behind.thinking, behind.state, behind.dialect) == ("3 and 4", ThinkState.CLOSED, dialect)


@pytest.mark.parametrize("dialect", TAGS)
def test_a_template_speaks_its_dialect_and_may_open_the_block(dialect: Dialect) -> None:
    opening, closing = TAGS[dialect]
    assert dialect_of(f"{{{{ x }}}}{opening}{closing}") is dialect
    assert opens_thinking(f"user: hi\n{opening}\n")
    assert not opens_thinking(f"user: hi\n{opening}{closing}\n")


def test_a_reply_that_was_cut_inside_an_opened_block_names_no_dialect() -> None:
    """Nothing in it tells whose tags the model would have used, so it is no wrong dialect either."""
    cut = split_thinking("3 and 4 make", opened=True)
    assert (cut.thinking, cut.answer, cut.state, cut.dialect) == ("3 and 4 make", "", ThinkState.UNCLOSED, Dialect.NONE)


def test_no_block_is_an_answer() -> None:
    plain = split_thinking("Seven.")
    assert (plain.answer, plain.state, plain.dialect) == ("Seven.", ThinkState.NONE, Dialect.NONE)
    assert dialect_of("{{ messages }}") is Dialect.NONE
