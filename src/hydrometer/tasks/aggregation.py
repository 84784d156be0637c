"""Many lines of a log taken together: the latest place of a thing, how often it was moved, how much somebody sold.

As many lines count in every size, so that the tiers differ in length alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from hydrometer.graders.asides import pick_main
from hydrometer.graders.numbers import grade_number
from hydrometer.graders.text import strip_echo
from hydrometer.items import Item
from hydrometer.letters import contains_any
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import NAMES, RepliedTask, case, user
from hydrometer.tasks.long_texts import LOG, Size, hide, size, words

_KINDS = ("latest", "count", "sum")
_EARLIER = re.compile(
    r"\b(?:first|earlier|before|previous\w*|original\w*|initially|then|from)\b"
)
_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_MOVE, _SALE = "{} took the {} {} to the {}.", "{} sold {} {} to a visitor from the town."
_FEW = Size("a few lines", 100)
_START = "This is the log of one day, from its first line to its last."


class Aggregation(RepliedTask):
    """Read all of it, not one place."""

    name = "aggregation"
    capability = "context"
    summary = "the latest value, a count or a sum over the lines of a log of a few lines to 32k tokens"
    chance = 0.16  # one of ten rooms, four counts and about twenty sums

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; every third is of a few lines, the others of the long sizes; the kind is drawn."""
        turn, place = divmod(index, 3)
        return self._item(rng, rng.choice(_KINDS), size(2 * turn + place - 1) if place else _FEW)

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the room or the number that the reply settles on."""
        said, gold = strip_echo(reply, item.messages[-1].content), item.answer
        if isinstance(gold, int):
            return grade_number(_in_digits(said), gold)
        if not said:
            return Grade.unparsed("empty reply")
        found = pick_main(said, words("rooms"), _EARLIER)
        return Grade.right(gold) if found == gold else Grade.wrong(found or said[:40], f"expected {gold}")

    def gold_reply(self, item: Item) -> str:
        """Return the room or the number."""
        return str(item.answer)

    def wrong_reply(self) -> str:
        """Return a room where nothing is."""
        return (
            "It is in the " + next(room for room in words("rooms") if room != self.case_item().answer) + "."
        )

    def case_item(self) -> Item:
        """Return a short item about the latest place."""
        return self._item(Random(1), "latest", _FEW)  # noqa: S311 - the same case every time

    def traps(self) -> Sequence[GraderCase]:
        """Return replies that name places on the way, and numbers in a calculation."""
        item = self.case_item()
        number, count = (self._item(Random(2), kind, _FEW) for kind in ("sum", "count"))  # noqa: S311
        way = next(room for room in words("rooms") if room != item.answer)
        return (
            case("on_the_way", item, f"It is in the {item.answer}. It was in the {way} before.", 1.0),
            case("last_of_two", item, f"First it went to the {way}, now it is in the {item.answer}.", 1.0),
            case("nowhere", item, "The log does not say.", 0.0),
            case("calculation", number, f"1 + {number.answer - 1} = {number.answer}", 1.0),
            case("in_words", count, f"It was moved {_NUMBERS[count.answer]} times.", 1.0),
            case("no_number", number, "Quite a lot.", None),
        )

    def _item(self, rng: Random, kind: str, long: Size) -> Item:
        colour, box = rng.choice(words("colours")), rng.choice(words("boxes"))
        who, goods = rng.choice(NAMES), rng.choice(words("goods"))
        answer: int | str
        if kind == "sum":
            sold = [rng.randint(2, 9) for _ in range(rng.randint(2, 3))]
            lines, answer = [_SALE.format(who, number, goods) for number in sold], sum(sold)
            asked = f"How many {goods} did {who} sell in all? Reply with only the number."
        else:
            rooms = rng.sample(words("rooms"), rng.randint(2, 5))
            lines, answer = [_MOVE.format(rng.choice(NAMES), colour, box, room) for room in rooms], len(rooms)
            asked = f"How many times was the {colour} {box} moved? Reply with only the number."
            if kind == "latest":
                answer, asked = rooms[-1], f"Where is the {colour} {box} now? Reply with one word."

        things = [(c, b) for c in words("colours") for b in words("boxes") if (c, b) != (colour, box)]
        sales = [(n, g) for n in NAMES for g in words("goods") if (n, g) != (who, goods)]

        def other(rng: Random) -> str:
            if rng.random() < 0.5:
                return _MOVE.format(rng.choice(NAMES), *rng.choice(things), rng.choice(words("rooms")))
            seller, sort = rng.choice(sales)
            return _SALE.format(seller, rng.randint(2, 9), sort)

        text = f"{_START}\n{hide(rng, lines, other, int(long.tokens * LOG), chr(10))}\n\n{asked}"
        return Item(task=self.name, messages=user(text), answer=answer, max_tokens=128, tier=long.tier)


def _in_digits(reply: str) -> str:
    """Return the last number that a reply without digits has in words, else the reply."""
    if re.search(r"\d", reply) or not contains_any(reply.lower(), (*_NUMBERS, "once", "twice")):
        return reply
    words = re.findall(r"[a-z]+", reply.lower().replace("once", "one").replace("twice", "two"))
    last = next((word for word in reversed(words) if word in _NUMBERS), "")
    return str(_NUMBERS.index(last)) if last else reply
