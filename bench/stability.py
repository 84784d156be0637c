"""Do replies depend on the order of requests? Asks each bundled model the same requests in two orders.

    python bench/stability.py [--items 8] [--models bundled:base,bundled:student] [--slots 16]

A resumed run asks what is missing, in other batches than an undisturbed one; it gives the same result only if replies do
not depend on what was decoded beside them.
"""

from __future__ import annotations

import argparse
import random

from hydrometer.catalog import TASKS, load_task, open_engine
from hydrometer.engines.base import EngineSettings
from hydrometer.items import Kind, Request
from hydrometer.refs import parse_ref


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=8)
    parser.add_argument("--models", default="bundled:base,bundled:student")
    parser.add_argument("--slots", type=int, default=0, help="0 for the engine's choice")
    args = parser.parse_args()
    tasks = [task for task in map(load_task, TASKS) if task.kind is Kind.GENERATE]
    wanted = [
        Request(kind=Kind.GENERATE, messages=item.messages, max_tokens=item.max_tokens)
        for task in tasks
        for item in task.items(args.items, 0)
    ]
    for model in args.models.split(","):
        runs = []
        for shuffle in (None, 1):
            order = list(wanted)
            if shuffle is not None:
                random.Random(shuffle).shuffle(order)
                order = order[len(order) // 3 :] + order[: len(order) // 3]
            with open_engine(parse_ref(model), EngineSettings(slots=args.slots)) as engine:
                half = len(order) // 2
                answers = (
                    [*engine.generate(order[:half]), *engine.generate(order[half:])]
                    if shuffle
                    else list(engine.generate(order))
                )
            runs.append({a.request.digest: a.completion.text for a in answers})
        differ = sum(runs[0][key] != runs[1][key] for key in runs[0])
        print(f"{model}: {differ} of {len(wanted)} replies differ between two orders", flush=True)


if __name__ == "__main__":
    main()
