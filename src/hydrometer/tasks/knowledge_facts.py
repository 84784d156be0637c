"""Common facts: capitals, animals, materials, opposites, science, authors; four choices of the same type each.

The other choices are answers to the same question about something else, so form gives nothing away. Tier `hard`
holds what a school leaver may have to think about.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import NamedTuple

from hydrometer.items import Item
from hydrometer.tasks.common import TableTask, load_table


class Fact(NamedTuple):
    """A question with its answer and the answers to its sister questions."""

    question: str
    right: str
    others: tuple[str, ...]
    tier: str


class KnowledgeFacts(TableTask):
    """Which of four answers is right; scored by log-probability per byte."""

    name = "knowledge_facts"
    capability = "knowledge"
    summary = "common facts, four choices of the same type, scored by log-probability"
    chance = 0.25
    limit = 220
    stride = 89

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`: a fact of the table with three answers of its group, drawn anew for each seed."""
        fact = facts()[self.place(index)]
        return self.choice_item(rng, fact.question, fact.right, rng.sample(fact.others, 3), fact.tier)


@cache
def facts() -> tuple[Fact, ...]:
    """Return all facts of the table."""
    return tuple(
        Fact(
            f"{group['question'].format(subject)} Reply with only the answer.",
            right,
            tuple(sorted(set(group["facts"].values()) - {right})),
            group["tier"],
        )
        for group in load_table("knowledge_facts.json")
        for subject, right in group["facts"].items()
    )
