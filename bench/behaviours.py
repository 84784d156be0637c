"""Speed of graders and behaviour detectors: megabytes of reply text per second of one core, all together and each.

    python bench/behaviours.py [--replies 2000]

Ordinary replies of all styles, a reply of 130 kB, and hostile text. Target: at least 5 MB/s for one grade and all
behaviours of a reply together, and a reply of 130 kB well below a second. The grader is each task's in turns, but for
`code_functions`: its time is that of starting a sandbox (bench/RESULTS.md). That of `competition_math` is math-verify's,
so the sum is given with and without it.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hydrometer.behaviours.base import Observed
from hydrometer.behaviours.registry import BEHAVIOURS, find
from hydrometer.catalog import TASKS, load_task
from hydrometer.items import Kind

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from behaviour_grammar import Maker, ordinary
from behaviour_phrases import DEVELOP
from make_behaviour_set import observed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replies", type=int, default=2000)
    args = parser.parse_args()
    maker = Maker(DEVELOP, random.Random(5))
    replies = [observed(ordinary(maker)) for _ in range(args.replies)]
    find(Observed(text="Loads the language model of the first use.", asked="Say something about models."))
    size = sum(len(reply.text.encode("utf-8", "replace")) for reply in replies)
    print(f"{len(replies)} ordinary replies, {size / len(replies) / 1e3:.1f} kB each")
    for behaviour in BEHAVIOURS:
        spent = seconds(lambda reply, b=behaviour: b.detect(reply), replies)  # type: ignore[misc]
        print(f"  {behaviour.name:28s} {size / spent / 1e6:9.1f} MB/s")
    found = seconds(find, replies)
    print(f"  {'all together':28s} {size / found / 1e6:9.1f} MB/s")
    graded = graders(replies)
    for name, spent in graded.items():
        print(f"  grader of {name:18s} {size / spent / 1e6:9.1f} MB/s")
    for what, left_out in (("all", set[str]()), ("but math-verify", {"competition_math"})):
        rest = [spent for name, spent in graded.items() if name not in left_out]
        grade = sum(rest) / len(rest)
        print(f"  {f'one grade, {what}':28s} {size / grade / 1e6:9.1f} MB/s")
        print(f"  {f'and all behaviours, {what}':28s} {size / (grade + found) / 1e6:6.1f} MB/s")
    for name, reply in single(maker).items():
        spent = seconds(find, [reply])
        print(
            f"{name:30s} {len(reply.text) / 1e3:8.0f} kB {spent * 1e3:8.1f} ms {len(reply.text) / spent / 1e6:8.1f} MB/s"
        )


def seconds(call: Callable[[Observed], object], replies: list[Observed]) -> float:
    start = time.process_time()
    for reply in replies:
        call(reply)
    return max(1e-9, time.process_time() - start)


def graders(replies: list[Observed]) -> dict[str, float]:
    """Return the seconds that the grader of each generating task takes for all replies."""
    spent = {}
    for name in TASKS:
        task = load_task(name)
        if task.kind is Kind.CHOICES or task.unavailable() or name == "code_functions":
            continue
        items = itertools.cycle(task.items(40, 1))
        for loads in ("The answer is 4.", r"Answer: $1+\sqrt{2}$"):  # packages that only such an answer takes
            task.grade(next(items), loads)
        spent[name] = seconds(lambda reply, t=task, i=items: t.grade(next(i), reply.answer), replies)  # type: ignore[misc]
    return spent


def single(maker: Maker) -> dict[str, Observed]:
    prose, code = maker.prose(130_000), "```python\n" + maker.python(500) + "```\n"
    texts = {
        "32k tokens of prose": prose, "32k tokens of code": code, "1 MB of prose": maker.prose(1_000_000), "1 MB of one character": "x" * 1_000_000,
        "1 MB of newlines": "\n" * 1_000_000, "1 MB of spaces": " " * 1_000_000, "1 MB of fences": "```\n" * 250_000, "deep JSON": "[" * 100_000,
        "bait": "I'm sorry, " * 90_000, "backslashes": "\\" * 1_000_000, "angle brackets": "<" * 1_000_000,
    }  # fmt: skip
    return {
        name: Observed(text=text, answer=text.strip(), asked="Answer in JSON please, all of it.")
        for name, text in texts.items()
    }


if __name__ == "__main__":
    main()
