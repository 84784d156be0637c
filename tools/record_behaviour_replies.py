"""Record short replies of the bundled base model, for the labelled set of behaviours (`tools/make_behaviour_set.py`).

    python tools/record_behaviour_replies.py [--seconds 270]

Questions of many kinds, and some that provoke repetition, at temperature 0 and 1.2; at most 400 new tokens each. The
replies are written to `src/hydrometer/behaviours/data/recorded.jsonl.zst` without labels.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import zstandard

from hydrometer.catalog import open_engine
from hydrometer.engines.base import EngineSettings
from hydrometer.items import Decoding, Kind, Message, Request
from hydrometer.refs import bundled_base, parse_ref

FILE = Path(__file__).resolve().parent.parent / "src/hydrometer/behaviours/data/recorded.jsonl.zst"

TOPICS = (
    "tides", "bread", "bridges", "the moon", "chess", "rivers", "honey bees", "clocks", "volcanoes", "bicycles", "salt", "paper",
    "the violin", "deserts", "glass", "trees", "maps", "rain", "horses", "the heart",
)  # fmt: skip
FORMS = (
    "Explain {} in simple words.", "Write a short story about {}.", "List ten facts about {}.", "Write a poem about {}.",
    "Give step by step instructions for a school project about {}.", "What are the advantages and disadvantages of {}?",
    "Write a dialogue between two friends about {}.", "Tell me everything you know about {}, in as much detail as you can.",
    "Write a list of words that have to do with {}.", "Why is {} so so so so important? Why? Why? Why?",
    "Keep writing about {} and do not stop.", "Write a Python program about {}.", "Count things in {}: one, two, three",
)  # fmt: skip


def main() -> None:
    """Ask until the time is over, and write what came."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=270.0)
    parser.add_argument("--append", action="store_true", help="keep what was recorded, and go on behind it")
    args = parser.parse_args()
    kept = zstandard.decompress(FILE.read_bytes()).decode() if args.append and FILE.is_file() else ""
    rows: list[dict[str, object]] = [json.loads(line) for line in kept.splitlines()]
    end = time.monotonic() + args.seconds
    settings = EngineSettings(threads=1, slots=4, context=640)
    with open_engine(parse_ref(str(bundled_base())), settings) as engine:
        plans = itertools.islice(requests(), len(rows), None)
        while time.monotonic() < end:
            for request, completion in engine.generate(list(itertools.islice(plans, 16))):
                rows.append(
                    {
                        "asked": request.messages[0].content,
                        "text": completion.text,
                        "finish": completion.finish.value,
                        "token_ids": list(completion.token_ids or ()),
                        "temperature": request.decoding.temperature,
                    }
                )
            print(len(rows), flush=True)
    FILE.write_bytes(zstandard.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), 19))
    print(len(rows), "replies,", FILE.stat().st_size, "bytes")


def requests() -> Iterator[Request]:
    """Yield requests for ever: questions in random order, greedy and hot in turns."""
    chance = random.Random(4)
    for number in itertools.count():
        text = chance.choice(FORMS).format(chance.choice(TOPICS))
        decoding = Decoding(temperature=1.2) if number % 2 else Decoding()
        yield Request(
            kind=Kind.GENERATE,
            messages=(Message("user", text),),
            max_tokens=400,
            decoding=decoding,
            seed=number,
        )


if __name__ == "__main__":
    main()
