"""Record short replies of the bundled models, for the labelled set of behaviours (`tools/make_behaviour_set.py`).

    python tools/record_behaviour_replies.py develop --number 80
    python tools/record_behaviour_replies.py judged --number 150
    python tools/record_behaviour_replies.py unseen --number 96

Questions of many kinds, some of which provoke repetition. The sets share no question form, no topic, no seed and
but one temperature: the loop detector was developed on the first; the second judged its version before this one, and has
been used for this one since; the third is there to judge it. Labels are in
`tools/behaviour_labels.py`. Written to
`src/hydrometer/behaviours/data/recorded_*.jsonl.zst` as the replies come.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from hydrometer.catalog import open_engine
from hydrometer.engines.base import EngineSettings
from hydrometer.items import Decoding, Kind, Message, Request
from hydrometer.refs import parse_ref

DATA = Path(__file__).resolve().parent.parent / "src/hydrometer/behaviours/data"
_BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one set asks.

    Attributes:
        forms: Questions with a place for a topic.
        topics: What goes there.
        temperatures: Taken in turns.
        models: References of the models that answer, each the same number of questions.
        max_tokens: Largest number of new tokens per reply.
        seed: Seed of questions and replies.
    """

    forms: tuple[str, ...]
    topics: tuple[str, ...]
    temperatures: tuple[float, ...]
    models: tuple[str, ...]
    max_tokens: int
    seed: int


PLANS = {
    "develop": Plan(
        forms=(
            "Explain {} in simple words.", "Write a short story about {}.", "List ten facts about {}.", "Write a poem about {}.",
            "Give step by step instructions for a school project about {}.", "What are the advantages and disadvantages of {}?",
            "Write a dialogue between two friends about {}.", "Tell me everything you know about {}, in as much detail as you can.",
            "Write a list of words that have to do with {}.", "Why is {} so so so so important? Why? Why? Why?",
            "Keep writing about {} and do not stop.", "Write a Python program about {}.", "Count things in {}: one, two, three",
        ),
        topics=(
            "tides", "bread", "bridges", "the moon", "chess", "rivers", "honey bees", "clocks", "volcanoes", "bicycles", "salt",
            "paper", "the violin", "deserts", "glass", "trees", "maps", "rain", "horses", "the heart",
        ),
        temperatures=(0.0, 1.2),
        models=("bundled:base",),
        max_tokens=400,
        seed=4,
    ),
    "judged": Plan(
        forms=(
            "What should a beginner know about {}?", "Describe a day in the life of somebody who works with {}.",
            "Give me a table that compares three kinds of {}.", "Write a letter to a museum that collects {}.",
            "Make a quiz with answers about {}.", "Sing me a song about {}, with a refrain.", "Plan a week of lessons on {}.",
            "Is it true that {} will change the world? Think step by step and reconsider each step.",
            "Name as many sorts of {} as you can.", "Write a JavaScript function that draws {}.",
            "Continue this sentence for as long as you can: When I first saw {}, I",
            "Summarise the history of {} in three paragraphs.", "Argue for {}, then against, then for, then against.",
        ),
        topics=(
            "lighthouses", "tea", "stamps", "umbrellas", "windmills", "kites", "owls", "soap", "trains", "mushrooms", "ice", "pottery",
            "comets", "gardens", "buttons", "whales", "coffee", "castles", "radios", "spiders", "sand", "lanterns", "apples",
        ),
        temperatures=(0.0, 0.6, 1.0),
        models=("bundled:base", "bundled:student"),
        max_tokens=400,
        seed=90_411,
    ),
    "unseen": Plan(
        forms=(
            "Make a checklist for somebody who buys {}.", "Which questions do children ask about {}?",
            "Write a diary entry about {}.", "Give me twenty tips for people who love {}.",
            "Write a report on {} with headings and numbered points.", "How are {} made?",
            "Write an advertisement for {}.", "Explain the rules of a game that is played with {}.",
            "Put the most famous {} in order, from the oldest to the newest.", "Write SQL that stores {} in a database.",
            "What would the world be like without {}?", "Write an interview with an expert on {}.",
            "Give me a glossary of terms for {}.",
        ),
        topics=(
            "shoes", "bells", "rockets", "cheese", "foxes", "mirrors", "ships", "carpets", "dinosaurs", "candles", "roses", "tunnels",
            "pianos", "penguins", "chairs", "onions", "telescopes", "islands", "puppets", "ants", "wool", "fountains", "pencils",
        ),
        temperatures=(0.0, 0.3, 0.8),
        models=("bundled:base",),
        max_tokens=400,
        seed=551_207,
    ),
}  # fmt: skip


def main() -> None:
    """Ask each model its share of the questions, and write what came."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=PLANS)
    parser.add_argument("--number", type=int, default=150)
    args = parser.parse_args()
    plan = PLANS[args.set]
    questions = requests(plan)
    rows: list[dict[str, object]] = []
    for model in plan.models:
        asked = itertools.islice(questions, args.number // len(plan.models))
        settings = EngineSettings(threads=1, slots=4, context=768, timeout=3600.0)
        with open_engine(parse_ref(model), settings) as engine:
            while batch := list(itertools.islice(asked, _BATCH)):
                rows += [
                    {
                        "asked": request.messages[0].content,
                        "text": completion.text,
                        "finish": completion.finish.value,
                        "token_ids": list(completion.token_ids or ()),
                        "temperature": request.decoding.temperature,
                        "model": model,
                        "number": request.seed - plan.seed,
                    }
                    for request, completion in engine.generate(batch)
                ]
                write(args.set, rows)


def write(name: str, rows: list[dict[str, object]]) -> None:
    """Write what came so far, in the order in which it was asked."""
    rows.sort(key=lambda row: int(str(row["number"])))
    file = DATA / f"recorded_{name}.jsonl.zst"
    file.write_bytes(zstandard.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), 19))
    print(len(rows), "replies,", file.stat().st_size, "bytes", flush=True)


def requests(plan: Plan) -> Iterator[Request]:
    """Yield requests for ever: questions in random order, temperatures in turns."""
    chance = random.Random(plan.seed)
    for number in itertools.count():
        text = chance.choice(plan.forms).format(chance.choice(plan.topics))
        yield Request(
            kind=Kind.GENERATE,
            messages=(Message("user", text),),
            max_tokens=plan.max_tokens,
            decoding=Decoding(temperature=plan.temperatures[number % len(plan.temperatures)]),
            seed=plan.seed + number,
        )


if __name__ == "__main__":
    main()
