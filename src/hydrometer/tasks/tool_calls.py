"""Tool calling: the right call, a question for what is missing, a correction, the use of a result, and restraint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

from hydrometer.graders.text import strip_echo
from hydrometer.graders.tool_use import grade_call, grade_direct, grade_question, grade_used
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case
from hydrometer.tasks.tool_sets import TOOLS
from hydrometer.tasks.tool_talks import TALKS
from hydrometer.templates.tool_calls import read_calls
from hydrometer.templates.tools import ToolCall, offered, tools_of, write_call

KINDS = tuple(TALKS)


class ToolCalls(RepliedTask):
    """Use of tools in each family's own format, see `templates.tool_calls`."""

    name = "tool_calls"
    capability = "tools"
    summary = "calls of tools: right arguments, missing ones asked for, corrections, results, and restraint"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; the kinds take turns."""
        kind = KINDS[index % len(KINDS)]
        fitting = [t for t in TOOLS if kind not in ("result", "correction") or bool(t.wanted) == (kind == "result")]
        tool = rng.choice(fitting)
        others = rng.sample([t for t in TOOLS if t is not tool], 2)
        offer = rng.sample([tool, *others], 3)
        talk = TALKS[kind](rng, tool)
        return Item(
            task=self.name,
            messages=(offered([t.schema for t in offer]), *talk.turns),
            answer={"kind": kind, **talk.answer},
            max_tokens=256,
            tier=kind,
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge by the kind of item."""
        said, wanted = strip_echo(reply, item.messages[-1].content), item.answer
        if not said:
            return Grade.unparsed("empty reply")
        found = read_calls(said, tools_of(item.messages))
        match wanted["kind"]:
            case "missing parameter":
                return grade_question(found, said, wanted["words"])
            case "result":
                return grade_used(found, said, wanted["value"])
            case "no tool":
                return grade_direct(found, said, wanted["answer"], wanted["options"])
        return grade_call(found, ToolCall(wanted["name"], wanted["arguments"]))

    def gold_reply(self, item: Item) -> str:
        """Return a right reply of each kind."""
        wanted = item.answer
        match wanted["kind"]:
            case "missing parameter":
                return f"I can do that. Could you tell me about this first: {wanted['words'][0]}?"
            case "result":
                return f"It is {wanted['value']}."
            case "no tool":
                return f"The answer is {wanted['answer']}."
        return write_call(wanted["name"], wanted["arguments"])

    def wrong_reply(self) -> str:
        """Return a call without arguments."""
        return write_call(self.case_item().answer["name"], {})

    def traps(self) -> Sequence[GraderCase]:
        """Return calls and answers that look right and are not, and the other way round."""
        items = {kind: self.make(Random(7), number) for number, kind in enumerate(KINDS)}  # noqa: S311 - no secrets
        item = items["call"]
        name, arguments = item.answer["name"], item.answer["arguments"]
        call = write_call(name, arguments)
        text = {key: str(value) for key, value in arguments.items()}
        return (
            case("explained", item, f"I will do that.\n{call}", 1.0),
            case("null_is_left_out", item, write_call(name, {**arguments, "extra": None}), 1.0),
            case("never_closed", item, call.removesuffix("</tool_call>"), 0.0),
            case("cut_json", item, call.replace("}", "", 1), 0.0),
            case("all_as_text", item, write_call(name, text), 0.0 if text != arguments else 1.0),
            case("extra_argument", item, write_call(name, {**arguments, "note": "soon"}), 0.0),
            case("twice", item, call + call, 0.0),
            case("told_not_called", item, f"I have called {name} with everything you said.", 0.0),
            case("guessed", items["missing parameter"], call, 0.0),
            case("asked_for_nothing", items["missing parameter"], "Sure, done!", 0.0),
            case("old_value", items["correction"], _old_call(items["correction"]), 0.0),
            case("result_ignored", items["result"], "I found it for you.", 0.0),
            case("neighbour_of_result", items["result"], f"It is {_neighbour(items['result'])}.", 0.0),
            case("called_again", items["result"], call, 0.0),
            case("needless_call", items["no tool"], call, 0.0),
        )


def _old_call(item: Item) -> str:
    made = next(json.loads(message.content) for message in item.messages if message.role == "calls")
    return write_call(**made[0])


def _neighbour(item: Item) -> int:
    """Return the number in the other field of the result."""
    result = json.loads(item.messages[-1].content)["result"]
    return int(next(value for value in result.values() if value != item.answer["value"]))
