"""Coherence over many turns: what the user told and corrected, what the assistant promised, and standing orders.

The last word on a matter counts: a corrected fact replaces the first one, a new order the old one. Tiers go by the
number of user turns; the kinds take turns in each, and small talk and other facts lie between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from hydrometer.graders.asides import pick_main
from hydrometer.graders.constraints import holds
from hydrometer.graders.text import strip_echo
from hydrometer.items import Item, Message
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case
from hydrometer.tasks.recall import ASK, TOLD
from hydrometer.tasks.turns import Core, Turn, fact, order_turn, promise, shaped, table, told

_TURNS, _KINDS = (3, 5, 7, 10), ("told", "corrected", "promised", "ordered")
_MANY = 7
"""From so many turns on a fact is corrected twice, and an order replaced by another."""

_OLD = re.compile(r"\b(?:first|earlier|before|previous\w*|original\w*|initially|used to)\b")


class Conversation(RepliedTask):
    """Stay with what was said."""

    name = "conversation"
    capability = "coherence"
    summary = "facts, corrections, own promises and standing orders over 3 to 10 turns; the last word counts"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; four lengths take turns, and the four kinds within each."""
        number, kind = _TURNS[index % 4], _KINDS[index // 4 % 4]
        asked, *rest = rng.sample(sorted(TOLD), 5)
        if kind == "promised":
            core = promise(rng)
        else:
            core = fact(rng, asked, (2 if number < _MANY else 3) if kind == "corrected" else 1)
        if kind == "ordered":
            orders = rng.sample(table()["orders"], 1 if number < _MANY else 2)
            core = core._replace(turns=[*map(order_turn, orders), *core.turns])
        others = [turn for key in rest for turn in fact(rng, key, 1).turns] if number >= _MANY else []
        talk = [Turn(*pair) for pair in rng.sample(table()["talk"], number)]
        for turn in [*others[: number // 3], *talk][: number - 1 - len(core.turns)]:
            core.turns.insert(rng.randrange(len(core.turns) + 1), turn)
        return _item(core, f"{number} turns")

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the value that the reply settles on, and the order that stands; both must be right."""
        said, gold = strip_echo(reply, item.messages[-1].content), item.answer["answer"]
        if not said:
            return Grade.unparsed("empty reply")
        found = pick_main(said, [gold, *item.answer["others"]], _OLD)
        if found != gold:
            return Grade.wrong(found or said[:40], f"expected {gold}")
        order, lifted = item.answer["order"], item.answer["lifted"]
        if (order and not holds(said, order["rule"])) or (lifted and holds(said, lifted)):
            return Grade.wrong(said[:40], "right, but against the standing order")
        return Grade.right(gold)

    def gold_reply(self, item: Item) -> str:
        """Return the value, in the form that was ordered."""
        return shaped(f"It is {item.answer['answer']}.", item.answer["order"])

    def wrong_reply(self) -> str:
        """Return the value that was corrected."""
        return "Your dog is called Rex."

    def case_item(self) -> Item:
        """Return an item about a corrected fact."""
        return _item(Core(told("dog", ["Rex", "Luna"]), ASK["dog"], TOLD["dog"][1], "Luna"), "3 turns")

    def traps(self) -> Sequence[GraderCase]:
        """Return replies that name the old value too, and replies right but against the order."""
        item = self.case_item()
        turns = [*map(order_turn, table()["orders"][:2]), *told("dog", ["Luna"])]
        ordered = _item(Core(turns, ASK["dog"], TOLD["dog"][1], "Luna"), "5 turns")
        return (
            case("old_before", item, "You first said Rex, but your dog is called Luna.", 1.0),
            case("old_behind", item, "Luna (you first said Rex).", 1.0),
            case("not_the_old", item, "It is Luna, not Rex.", 1.0),
            case("as_said_earlier", item, "You said earlier that it is called Luna.", 1.0),
            case("denied", item, "Your dog is not called Luna.", 0.0),
            case("both", item, "Luna and Rex.", 0.0),
            case("no_name", item, "I do not know your dog.", 0.0),
            case("ordered", ordered, "Captain, your dog is called Luna.", 1.0),
            case("order_forgotten", ordered, "Your dog is called Luna.", 0.0),
            case("lifted_order", ordered, "Captain, your dog is Luna. Over.", 0.0),
            case("ordered_but_wrong", ordered, "Captain, your dog is called Rex.", 0.0),
        )


def _item(core: Core, tier: str) -> Item:
    messages, order, lifted = [], None, None
    for turn in core.turns:
        said = turn.said
        if turn.order and order:
            said, lifted = f"Please stop that. {said}", order["rule"]
        order = turn.order or order
        messages += [Message("user", said), Message("assistant", shaped(turn.answered, order))]
    messages.append(Message("user", f"Now a question. {core.asked}"))
    others = [option for option in core.options if option != core.gold]
    answer = {"answer": core.gold, "others": others, "order": order, "lifted": lifted}
    return Item(task=Conversation.name, messages=tuple(messages), answer=answer, max_tokens=128, tier=tier)
