"""JSON under a schema: the schema decides what is valid, the text what is right, and a grade says which was missed."""

import json
import time

import jsonschema
import pytest

from hydrometer.tasks.json_schema import JsonSchema

TASK = JsonSchema()
ITEMS = TASK.items(30, 7)


def test_schemas_are_schemas_and_allow_their_own_facts() -> None:
    for item in ITEMS:
        jsonschema.Draft202012Validator.check_schema(item.answer["schema"])
        jsonschema.validate(item.answer["value"], item.answer["schema"])
        assert json.dumps(item.answer["schema"]) in item.messages[-1].content
    assert {item.tier for item in ITEMS} == {"flat", "list", "nested"}
    assert len({item.messages[-1].content for item in ITEMS}) == len(ITEMS)


@pytest.mark.parametrize("item", ITEMS[:3], ids=lambda item: item.tier)
def test_any_key_that_is_missing_or_new_is_not_valid(item: object) -> None:
    value, reply = item.answer["value"], json.dumps  # type: ignore[attr-defined]
    for key in value:
        less = {k: v for k, v in value.items() if k != key}
        assert TASK.grade(item, reply(less)).reason.startswith("not valid: required")  # type: ignore[arg-type]
    assert TASK.grade(item, reply({**value, "note": ""})).reason.startswith("not valid: additionalProperties")  # type: ignore[arg-type]


def test_other_facts_are_told_from_a_fault_of_form() -> None:
    listed = next(item for item in ITEMS if item.tier == "list")
    value = listed.answer["value"]
    turned = {**value, "things": value["things"][::-1]}
    assert TASK.grade(listed, json.dumps(turned)).reason == "valid, with other facts"
    assert TASK.grade(listed, json.dumps({**value, "order": "B-12"})).reason == "not valid: pattern at $.order"


def test_huge_replies_are_read_in_a_moment() -> None:
    item = next(item for item in ITEMS if item.tier == "list")
    for reply in ("[" * 500_000, '{"things": [' + "{}, " * 250_000 + "{}]}", "1" * 1_000_000):
        start = time.thread_time()
        grade = TASK.grade(item, reply)
        assert grade.value == 0.0
        assert len(grade.reason) < 300
        assert time.thread_time() - start < 1.5
