"""Does the cost of the hf engine grow in proportion to items and to tokens? Over two decades of each.

    python bench/linear.py [--threads 2] [--largest 200] [--model FOLDER]

Choices: items at 150 tokens of prompt, then tokens of prompt at 10 items. Replies: requests of 16 tokens each, then tokens
of a reply at 10 requests, cut by the cap alone where the model goes on. A row is a size, its seconds of processor, and
those per unit; in proportion means that the last column stays. Few replies at once cost more each, since the weights
are read from memory once a step however many there are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from choices import Asked, items, opened, ours, quiet
from hydrometer.engines.hf import HfEngine
from hydrometer.items import Kind, Message, Request
from smollm import make_folder

STORY = "Tell me a very long story about a traveller who comes to town number {}."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--largest", type=int, default=200, help="items and requests of the largest size")
    parser.add_argument("--model", type=Path, default=Path(tempfile.gettempdir(), "smollm2-float32"))
    args = parser.parse_args()
    quiet()
    engine = opened(make_folder(args.model), dtype="float32", threads=args.threads)
    asked = items(args.largest, engine._tokenizer)
    ours(engine, asked[:2])
    sizes = [args.largest // 100, args.largest // 10, args.largest]
    table("items of choices", sizes, lambda n: items_of(engine, asked[:n]))
    table("tokens of prompt, 10 items", [20, 200, 2000], lambda n: prompts_of(engine, asked[:10], n))
    table("replies of 16 tokens", sizes, lambda n: replies_of(engine, n, 16))
    table("tokens a reply, 10 replies", [4, 40, 400], lambda n: replies_of(engine, 10, n))


def table(name: str, sizes: list[int], job: Callable[[int], int]) -> None:
    """Print what each size costs; a job returns what its cost is divided by."""
    print(name)
    for size in sizes:
        start, used = time.perf_counter(), time.process_time()
        units = job(size)
        wall, spent = time.perf_counter() - start, time.process_time() - used
        print(f"  {size:6} {wall:8.2f} s, {spent:8.2f} s of processor, {1000 * spent / units:8.2f} ms each of {units}", flush=True)


def items_of(engine: HfEngine, asked: list[Asked]) -> int:
    ours(engine, asked)
    return len(asked)


def prompts_of(engine: HfEngine, asked: list[Asked], size: int) -> int:
    """Score items whose prompts were made longer, or cut, to a number of tokens."""
    long = "\n\n".join(one.prompt for one in asked) * 2
    ids = engine._tokenizer(long)["input_ids"]
    cut = [Asked(engine._tokenizer.decode(ids[n : n + size]), one.choices, 0) for n, one in enumerate(asked)]
    ours(engine, cut)
    return len(asked) * size


def replies_of(engine: HfEngine, number: int, cap: int) -> int:
    """Make replies and return how many tokens they have."""
    requests = [
        Request(kind=Kind.GENERATE, messages=(Message("user", STORY.format(n)),), max_tokens=cap)
        for n in range(number)
    ]
    return sum(answer.completion.completion_tokens or 0 for answer in engine.generate(requests))


if __name__ == "__main__":
    main()
