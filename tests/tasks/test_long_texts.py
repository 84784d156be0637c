"""Long texts: the sizes take turns, the answers follow from the lines, and one place is not enough."""

import re
from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from hydrometer.catalog import load_task
from hydrometer.items import Item
from hydrometer.tasks.long_texts import LOG, PROSE, SIZES, Size, filler, hide, size, words


def test_every_size_costs_as_many_tokens_and_the_easy_ones_come_first() -> None:
    sizes = [size(index) for index in range(128)]
    assert [s.tokens // 1000 for s in sizes[:8]] == [1, 2, 1, 4, 1, 2, 1, 8]
    counts = Counter(s.tier for s in sizes)
    assert [counts[s.tier] for s in SIZES] == [64, 32, 16, 8, 4, 4]


@pytest.mark.parametrize(("name", "characters"), [("aggregation", LOG), ("long_retrieval", PROSE)])
def test_texts_are_as_long_as_their_tier_says(name: str, characters: float) -> None:
    tokens = {s.tier: s.tokens for s in (*SIZES, Size("a few lines", 100))}
    for item in load_task(name).items(64, 1):
        over = len(item.messages[-1].content) - characters * tokens[item.tier]
        assert -150 < over < 250


def test_hidden_sentences_keep_their_order_and_spread() -> None:
    depths = []
    for seed in range(200):
        text = hide(Random(seed), ["Alpha.", "Beta."], filler, 2000)
        assert text.index("Alpha.") < text.index("Beta.")
        depths.append(text.index("Alpha.") / len(text))
    assert min(depths) < 0.02
    assert max(depths) > 0.85
    assert 0.25 < sum(depths) / len(depths) < 0.42  # the first of two lies at a third


def _asked(item: Item) -> tuple[list[str], str]:
    *lines, _, question = item.messages[-1].content.split("\n")
    return lines, question


def test_aggregates_follow_from_the_lines() -> None:
    seen: Counter[str] = Counter()
    for item in load_task("aggregation").items(120, 2):
        lines, question = _asked(item)
        if found := re.match(r"How many (\w+) did (\w+) sell", question):
            sold = [re.match(rf"{found[2]} sold (\d) {found[1]} ", line) for line in lines]
            assert item.answer == sum(int(m[1]) for m in sold if m)
            seen["sum"] += 1
            continue
        found = re.search(r"the (\w+ \w+) (?:moved|now)\?", question)
        assert found
        rooms = [line.rpartition(" ")[2][:-1] for line in lines if f"the {found[1]} to" in line]
        assert len(set(rooms)) == len(rooms) > 1
        assert item.answer == (rooms[-1] if " now?" in question else len(rooms))
        seen["latest" if " now?" in question else "count"] += 1
    assert min(seen[kind] for kind in ("latest", "count", "sum")) > 20


def test_chance_is_what_the_best_habit_scores() -> None:
    task = load_task("aggregation")
    items = task.items(600, 3)
    numbers = Counter(
        (_asked(i)[1].startswith("How many times"), i.answer) for i in items if isinstance(i.answer, int)
    )
    guessed = sum(
        max((n for (c, _), n in numbers.items() if c is count), default=0) for count in (True, False)
    )
    rooms = sum(isinstance(item.answer, str) for item in items)
    assert task.chance == pytest.approx((guessed + rooms / len(words("rooms"))) / len(items), abs=0.04)


def test_one_fact_is_asked_and_its_rivals_have_other_places() -> None:
    rivals: Counter[int] = Counter()
    for item in load_task("long_retrieval").items(120, 4):
        text, question = item.messages[-1].content.rsplit("\n\n", 1)
        subject = re.match(r"Where is the (\w+ of the \w+)\?", question)
        assert subject
        facts = re.findall(r"The (\w+ of the \w+) is in the (\w+)\.", text)
        assert dict(facts)[subject[1]] == item.answer["answer"]
        assert len({place for _, place in facts}) == len(facts) == len({what for what, _ in facts})
        rivals[len(facts) - 1] += 1
    assert set(rivals) == {0, 1, 3}


def test_facts_lie_at_every_depth() -> None:
    depths = []
    for item in load_task("long_retrieval").items(200, 5):
        text, question = item.messages[-1].content.rsplit("\n\n", 1)
        depths.append(text.index(question[13:].partition("?")[0]) / len(text))
    fifths = Counter(int(depth * 5) for depth in depths)
    assert min(fifths[fifth] for fifth in range(5)) > 20
    assert all(a != b for a, b in pairwise(depths))
