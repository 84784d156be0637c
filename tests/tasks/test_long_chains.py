"""Chains from reasoning-gym: what their verifiers accept, and what this task makes of it."""

import os
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from hydrometer.canon import digest
from hydrometer.outcomes import Status
from hydrometer.tasks.long_chains import LongChains

pytestmark = pytest.mark.skipif(find_spec("reasoning_gym") is None, reason="needs the tasks extra")
TASK = LongChains() if find_spec("reasoning_gym") else None


def test_every_family_has_every_length() -> None:
    items = TASK.items(48, 1)
    assert len({(item.answer["family"], item.tier) for item in items}) == 24
    assert [item.tier for item in items[:8]] == ["short"] * 8


def test_chains_grow_with_the_tier() -> None:
    terms = {t: [] for t in ("short", "medium", "long")}
    for item in TASK.items(240, 2):
        if item.answer["family"] == "chain_sum":
            terms[item.tier].append(sum(item.messages[-1].content.count(sign) for sign in ("+ ", "- ")) + 1)
    assert {tier: set(counts) for tier, counts in terms.items()} == {
        "short": {4},
        "medium": {10},
        "long": {25},
    }


def test_a_partial_score_is_wrong() -> None:
    """The verifier gives 0.5 to "123" where "23" is right, since it holds the right digits."""
    for item in TASK.items(64, 3):
        gold = item.answer["answer"]
        if gold.isdigit() and item.answer["family"] != "family_relationships":
            assert TASK.grade(item, f"Answer: 1{gold}").value == 0.0, item
            assert TASK.grade(item, f"Answer: {gold}0").value == 0.0, item


def test_a_tower_that_stands_elsewhere_is_wrong() -> None:
    (tower,) = [item for item in TASK.items(8, 4) if item.answer["family"] == "tower_of_hanoi"]
    moves = tower.answer["answer"].splitlines()
    assert TASK.grade(tower, "\n".join(moves)).value == 1.0
    assert TASK.grade(tower, "\n".join(moves[:-1])).value == 0.0
    assert TASK.grade(tower, "\n".join(reversed(moves))).value == 0.0


def test_weekdays_count_in_any_case() -> None:
    (day,) = [item for item in TASK.items(8, 4) if item.answer["family"] == "calendar_arithmetic"]
    assert TASK.grade(day, f"The answer is {day.answer['answer'].upper()}.").value == 1.0
    assert TASK.grade(day, "Some day in spring.").status is Status.UNPARSED


def test_items_do_not_depend_on_the_process() -> None:
    code = (
        "from hydrometer.canon import digest; from hydrometer.tasks.long_chains import LongChains;"
        "print(digest(LongChains().items(48, 7)))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "12", "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert other.stdout.strip() == digest(TASK.items(48, 7))


def test_a_megabyte_is_read_in_a_moment() -> None:
    for item in TASK.items(8, 5):
        for bait in (
            "1 " * 500_000,
            "a" * 1_000_000,
            "Answer: " * 120_000,
            "Move disk 1 from Peg 1 to Peg 2\n" * 30_000,
        ):
            start = time.thread_time()
            TASK.grade(item, bait)
            # Six tenths of a second where nothing else runs; what is not linear takes minutes.
            assert time.thread_time() - start < 6.0
