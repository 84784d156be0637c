"""Structured output to a JSON schema: facts of a text as a JSON value that the schema allows.

Validity is decided by the jsonschema package (draft 2020-12), an optional one; a valid reply with other facts is wrong
too, and the reason of a grade says which of the two it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from hydrometer.graders.structured import grade_json
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, user
from hydrometer.tasks.orders import ORDERS

_ASKED = (
    "\nWrite these facts as JSON that this schema allows:\n{schema}\n"
    "Reply with only the JSON. A list keeps the order of the text."
)


class JsonSchema(RepliedTask):
    """Turn a text into JSON under a schema."""

    name = "json_schema"
    capability = "structured output"
    summary = "facts of an order as JSON under a given schema, validated by jsonschema"
    needs = ("jsonschema",)
    extra = "tasks"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; flat objects, lists of objects and nested objects take turns."""
        tier = tuple(ORDERS)[index % 3]
        text, schema, gold = ORDERS[tier](rng)
        asked = text + _ASKED.format(schema=json.dumps(schema))
        return Item(
            task=self.name,
            messages=user(asked),
            answer={"schema": schema, "value": gold},
            max_tokens=320,
            tier=tier,
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """Valid under the schema, with the facts of the text, and nothing around it but one fence."""
        return grade_json(reply, item.answer["value"], fences=True, schema=item.answer["schema"])

    def gold_reply(self, item: Item) -> str:
        """A right reply."""
        return json.dumps(item.answer["value"])

    def wrong_reply(self) -> str:
        """Facts that no text has."""
        return '{"customer": "Nobody", "thing": "lamp", "colour": "red", "count": 99, "gift": true}'

    def case_item(self) -> Item:
        """A flat object."""
        text, schema, gold = ORDERS["flat"](Random(3))  # noqa: S311
        return Item(task=self.name, messages=user(text), answer={"schema": schema, "value": gold})

    def traps(self) -> Sequence[GraderCase]:
        """A fence is fine; what the schema forbids, prose and other facts are not."""
        item = self.case_item()
        gold: Mapping[str, Any] = item.answer["value"]
        return [
            case("fenced", item, f"```json\n{json.dumps(gold)}\n```", 1.0),
            case("preamble", item, f"Here it is:\n{json.dumps(gold)}", 0.0),
            case("number_as_text", item, json.dumps({**gold, "count": str(gold["count"])}), 0.0),
            case("not_in_the_enumeration", item, json.dumps({**gold, "colour": "crimson"}), 0.0),
            case("true_for_one", item, json.dumps({**gold, "count": True}), 0.0),
            case("extra_key", item, json.dumps({**gold, "price": 3}), 0.0),
            case("missing_key", item, json.dumps({k: v for k, v in gold.items() if k != "gift"}), 0.0),
            case("other_facts", item, json.dumps({**gold, "count": gold["count"] + 1}), 0.0),
            case("the_schema_itself", item, json.dumps(item.answer["schema"]), 0.0),
        ]
