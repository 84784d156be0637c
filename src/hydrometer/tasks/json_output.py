"""Structured output: the facts of a sentence as one JSON object with the given keys and nothing around it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

from hydrometer.graders.structured import grade_json
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, user

NAMES = ("Anna", "Peter", "Mia", "Tom", "Lucy", "Erik", "Sara", "Leo", "Nina", "Max", "Clara", "Ivan")
CITIES = ("Rome", "Oslo", "Paris", "Lima", "Cairo", "Berlin", "Madrid", "Delhi", "Tokyo", "Boston")
JOBS = ("baker", "nurse", "pilot", "teacher", "farmer", "painter", "driver", "lawyer")


class JsonOutput(RepliedTask):
    """Turn a sentence into JSON."""

    name = "json_output"
    capability = "structured output"
    summary = "facts of a sentence as a JSON object"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; two, three and four keys take turns."""
        name, age, city, job = rng.choice(NAMES), rng.randint(18, 80), rng.choice(CITIES), rng.choice(JOBS)
        tier = f"{index % 3 + 2} keys"
        gold: dict[str, str | int] = {"name": name, "age": age}
        sentence = f"{name} is {age} years old."
        if index % 3 >= 1:
            gold["city"] = city
            sentence = f"{name} is {age} years old and lives in {city}."
        if index % 3 == 2:
            gold["job"] = job
            sentence = f"{name} is {age} years old, lives in {city} and works as a {job}."
        keys = ", ".join(f'"{key}"' for key in gold)
        text = (
            f"{sentence}\nWrite these facts as one JSON object with the keys {keys}. The age is a number. "
            "Reply with only the JSON object."
        )
        return Item(task=self.name, messages=user(text), answer=gold, max_tokens=192, tier=tier)

    def grade(self, item: Item, reply: str) -> Grade:
        """All fields right, nothing around the object but one fence."""
        return grade_json(reply, item.answer, fences=True)

    def gold_reply(self, item: Item) -> str:
        """A right reply."""
        return json.dumps(item.answer)

    def wrong_reply(self) -> str:
        """A value that the sentence does not have."""
        return '{"name": "Mia", "age": 30}'

    def case_item(self) -> Item:
        """Two keys."""
        text = 'Mia is 31 years old.\nWrite these facts as one JSON object with the keys "name", "age".'
        return Item(task=self.name, messages=user(text), answer={"name": "Mia", "age": 31})

    def traps(self) -> Sequence[GraderCase]:
        """A fence is fine; prose around it, other types and other keys are not."""
        item = self.case_item()
        right = '{"name": "Mia", "age": 31}'
        return [
            case("fenced", item, f"```json\n{right}\n```", 1.0),
            case("preamble", item, f"Here is the JSON:\n{right}", 0.0),
            case("number_as_text", item, '{"name": "Mia", "age": "31"}', 0.0),
            case("extra_key", item, '{"name": "Mia", "age": 31, "city": ""}', 0.0),
            case("array", item, "[1]", 0.0),
        ]
