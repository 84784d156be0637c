"""Long chains of small steps: sums, legs, equations, weekdays, letters, bases, towers and families.

Questions and verifiers are those of reasoning-gym, an optional package; the length of the chain is the difficulty. Its
verifiers give partial scores to answers that merely contain the right one, so a reply is right only at 1. Towers are
right from 0.5 on (`right_from` in the table): moves that reach the end in at most twice the shortest number of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from random import Random
from typing import Any

from hydrometer.graders.numbers import final_number
from hydrometer.graders.text import find_last, stated, strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, load_table, user


class LongChains(RepliedTask):
    """The end of a chain of small steps."""

    name = "long_chains"
    version = 2
    capability = "long chains"
    summary = "eight kinds of chains from a few steps to dozens, made and verified by reasoning-gym"
    needs = ("reasoning_gym",)
    extra = "tasks"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; families take turns, and after each round the chains grow."""
        families = _families()
        name, step = list(families)[index % len(families)], index // len(families) % 3
        setting = families[name]["settings"][step]
        entry = import_module("reasoning_gym").create_dataset(name, size=1, seed=rng.getrandbits(31), **setting)[0]
        facts = {key: entry["metadata"][key] for key in families[name].get("facts", ())}
        return Item(
            task=self.name,
            messages=user(entry["question"].strip() + families[name].get("closing", _CLOSING)),
            answer={"family": name, "answer": entry["answer"], "facts": facts},
            max_tokens=256 * (step + 1),
            tier=_TIERS[step],
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """Find the answer, then let the family's verifier judge it."""
        name, gold = item.answer["family"], item.answer["answer"]
        family = _families()[name]
        said = strip_echo(reply, item.messages[-1].content)
        found = _find(family, said)
        if not found:
            answer, why = stated(said).strip(" *\n")[:40], "no answer of the kind that was asked for"
            return Grade.wrong(answer, why) if answer else Grade.unparsed(why)
        score = _verifier(name)(found, {"answer": gold, "metadata": item.answer["facts"]})
        shown = found.partition("\n")[0]
        if score >= family.get("right_from", 1.0):
            return Grade.right(shown)
        return Grade.wrong(shown, f"expected {gold.partition(chr(10))[0]}, verifier gives {score:.2f}")

    def gold_reply(self, item: Item) -> str:
        """Return the answer at the end of a line of working."""
        return f"Step by step.\nAnswer:\n{item.answer['answer']}"

    def wrong_reply(self) -> str:
        """Return the right number with a digit before it, which the verifier half accepts."""
        return f"Answer: 1{self.case_item().answer['answer'].lstrip('-')}"

    def traps(self) -> Sequence[GraderCase]:
        """Return answers amid working, towers with a detour, and relations that contain others."""
        item, right = self.case_item(), self.case_item().answer["answer"]
        family = _item("family_relationships", "mother-in-law")
        shape = {"num_disks": 1, "num_pegs": 3, "start_peg": 1, "target_peg": 2, "solution_length": 1}
        tower, move = _item("tower_of_hanoi", "", **shape), "Move disk 1 from Peg {} to Peg {}"
        return (
            case("boxed", item, f"3 + 4 = 7, then 9, so \\boxed{{{right}}}", 1.0),
            case("other_end", item, f"I get {right} first.\nAnswer: {right}7", 0.0),
            case("longer_relation", family, "She is his **mother-in-law**.", 1.0),
            case("a_name_for_a_relation", family, "Anna is Ben's.\n\n**Answer:** Olivia", 0.0),
            case("part_of_a_relation", family, "Answer: mother", 0.0),
            case("base_named", _item("base_conversion", "1010"), "50 in base-6 is 1010 in base 3.", 1.0),
            case("numbered_moves", tower, f"1. {move.format(1, 2)}.", 1.0),
            case("detour", tower, f"{move.format(1, 3)}\n{move.format(3, 2)}", 1.0),
            case("detour_too_long", tower, f"{move.format(1, 3)}\n{move.format(3, 1)}\n{move.format(1, 2)}", 0.0),
            case("no_moves", tower, "Everything to peg 2.", None),
        )


def _item(name: str, answer: str, **facts: int) -> Item:
    return Item(task=LongChains.name, messages=user("When?"), answer={"family": name, "answer": answer, "facts": facts})


@cache
def _verifier(name: str) -> Any:
    """A family's verifier; some read a whole book when they are made."""
    return import_module("reasoning_gym").get_score_answer_fn(name)


@cache
def _families() -> dict[str, dict[str, Any]]:
    return dict(load_table("long_chains.json"))


def _find(family: dict[str, Any], reply: str) -> str:
    if "every" in family:
        return "\n".join(re.findall(family["every"], reply))
    if "pattern" in family:
        found = find_last(reply, re.compile(family["pattern"]))
        return found.capitalize() if "day" in found.lower() else found.lower()
    if "_" in reply or "base" in reply.lower():
        reply = re.sub(r"(?i)\bbase[- ]?\d+|_\{?\d+\}?", "", reply)  # the base is not the answer
    return "" if (number := final_number(reply)) is None else f"{number.normalize():f}"


_CLOSING = '\n\nWork it out, then end with a line "Answer: " and only the answer.'
_TIERS = ("short", "medium", "long")
