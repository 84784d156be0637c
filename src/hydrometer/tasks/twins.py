"""Questions that can be answered, and their twins that cannot: untold, never happened, not real."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any, NamedTuple

from hydrometer.tasks.common import NAMES, load_table


class Twin(NamedTuple):
    """A question, its answer (`""` where there is none), what could be made up, and what it shares with its twin."""

    text: str
    answer: str
    options: tuple[str, ...] = ()
    shared: str = ""


def passage(rng: Random, *, known: bool, distracted: bool) -> Twin:
    """A fact of a short text; without it, another fact stands there. Distracted, the text tells it of somebody else."""
    facts, (who, other) = _table()["facts"], rng.sample(NAMES, 2)
    asked, first, *rest = rng.sample(sorted(facts), 4)
    value, also = rng.sample(facts[asked]["values"], 2)
    lines = [
        facts[key]["told"].format(who=who, value=rng.choice(facts[key]["values"])) for key in (first, *rest)
    ]
    question = facts[asked]["asked"].format(who=who)
    shared = " ".join([*lines[1:], question, value])
    if known:
        lines[0] = facts[asked]["told"].format(who=who, value=value)
    if distracted:
        lines.insert(rng.randrange(4), facts[asked]["told"].format(who=other, value=also))
        shared += f" {other} {also}"
    options = tuple(facts[asked]["values"])
    return Twin(f"{' '.join(lines)} {question}", value if known else "", options, shared)


def visit(rng: Random, *, known: bool) -> Twin:
    """When somebody was somewhere, where the text says that they never were; somebody else was elsewhere."""
    visits, facts, (who, other) = _table()["visits"], _table()["facts"], rng.sample(NAMES, 2)
    (place, elsewhere), month = rng.sample(facts["town"]["values"], 2), rng.choice(facts["month"]["values"])
    wording = visits["known" if known else "unreal"]
    lines = [wording.format(who=who, value=place, month=month)]
    lines.insert(rng.randrange(2), visits["known"].format(who=other, value=elsewhere, month=month))
    question = visits["asked"].format(who=who, value=place)
    options = tuple(facts["month"]["values"])
    shared = f"{question} {other} {elsewhere} {month}"
    return Twin(f"{' '.join(lines)} {question}", month if known else "", options, shared)


def reality(rng: Random, *, known: bool) -> Twin:
    """A fact that everybody knows, or the same asked of an invented name or of what never was."""
    row = rng.choice(_table()["nothing real"])
    subject, gold = rng.choice(sorted(row["real"].items()))
    made = rng.choice(_table()["syllables"]) + rng.choice(row.get("ends", [""]))
    unreal = rng.choice(row["unreal"]) if "unreal" in row else made
    asked = row["asked"].format(subject if known else unreal)
    return Twin(asked, gold if known else "", (), f"{row['asked']} {subject} {unreal}")


@cache
def _table() -> dict[str, Any]:
    return dict(load_table("honesty.json"))
