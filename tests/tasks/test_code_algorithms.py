"""References of the algorithms against slow solutions written from the wording of the question alone."""

import itertools
import re
from collections.abc import Callable
from functools import lru_cache
from random import Random
from typing import Any

import pytest

from hydrometer.tasks.code_algorithms import ALGORITHM
from hydrometer.tasks.code_problems import Drawn, draw_problem


def number(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    assert match, (pattern, text)
    return int(match[1])


def intervals(text: str, given: list[list[int]]) -> Any:
    gap = number(r"at most (\d+) apart", text)
    pairs = [list(pair) for pair in given]
    for a, b in itertools.permutations(range(len(pairs)), 2):
        if pairs[a][0] <= pairs[b][0] <= pairs[a][1] + gap:
            joined = [pairs[a][0], max(pairs[a][1], pairs[b][1])]
            return intervals(text, [p for i, p in enumerate(pairs) if i not in (a, b)] + [joined])
    return sorted(pairs)


def coins(text: str, amount: int) -> Any:
    found = re.search(r"coins of (\d+), (\d+) and (\d+)", text)
    assert found
    a, b, c = map(int, found.groups())
    ways = [
        i + j + k
        for i in range(amount // a + 1)
        for j in range(amount // b + 1)
        for k in range(amount // c + 1)
        if i * a + j * b + k * c == amount
    ]
    return len(ways) if "number of different ways" in text else min(ways, default=-1)


def paths(text: str, grid: list[str]) -> Any:
    wall = re.search(r"onto a cell '(.)'", text)
    assert wall
    steps = [(0, 1), (1, 0)] + [(1, 1)] * ("diagonally" in text)

    def walk(r: int, c: int) -> int:
        if r >= len(grid) or c >= len(grid[0]) or grid[r][c] == wall[1]:
            return 0
        if (r, c) == (len(grid) - 1, len(grid[0]) - 1):
            return 1
        return sum(walk(r + x, c + y) for x, y in steps)

    return walk(0, 0)


def brackets(text: str, given: str) -> Any:
    found = re.search(r"brackets (..) and (..) in", text)
    assert found
    rest = "".join(c for c in given if c in found[1] + found[2])
    depth = 0
    while rest:
        shorter = rest
        # Peeling all innermost pairs at once takes one level off.
        marks = [m.span() for m in re.finditer("|".join(map(re.escape, found.groups())), rest)]
        for start, end in reversed(marks):
            shorter = shorter[:start] + shorter[end:]
        if shorter == rest:
            return -1
        rest = shorter
        depth += 1

    @lru_cache
    def deepest(part: str) -> int:
        best, level = 0, 0
        for c in part:
            level += 1 if c in (found[1][0], found[2][0]) else -1 if c in (found[1][1], found[2][1]) else 0
            best = max(best, level)
        return best

    return deepest(given)


def climbing(text: str, numbers: list[int]) -> Any:
    found = re.search(r"at least (\d+) (greater|less) than the one before", text)
    assert found
    sign = 1 if found[2] == "greater" else -1
    for size in range(len(numbers), 0, -1):
        for chosen in itertools.combinations(numbers, size):
            if all(sign * (b - a) >= int(found[1]) for a, b in itertools.pairwise(chosen)):
                return size
    return 0


def edits(text: str, a: str, b: str) -> Any:
    insert, delete = number(r"inserting a character costs (\d)", text), number(r"deleting one costs (\d)", text)
    change = number(r"by another costs (\d)", text)

    @lru_cache
    def cost(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return (len(a) - i) * delete + (len(b) - j) * insert
        kept = cost(i + 1, j + 1) + (a[i] != b[j]) * change
        return min(kept, cost(i + 1, j) + delete, cost(i, j + 1) + insert)

    return cost(0, 0)


def jumps(text: str, size: int, row: int, column: int) -> Any:
    found = re.search(r"moves it (\d) cells along one axis and (\d) along the other", text)
    assert found
    sides = sorted(map(int, found.groups()))
    cells = list(itertools.product(range(size), repeat=2))
    count = {(0, 0): 0}
    for step in range(1, size * size + 1):
        for (r, c), (x, y) in itertools.product([p for p in cells if count.get(p) == step - 1], cells):
            if sorted((abs(r - x), abs(c - y))) == sides:
                count.setdefault((x, y), step)
    return count.get((row, column), -1)


def cache(text: str, keys: list[int]) -> Any:
    size, recent = number(r"holds (\d) keys", text), "last use" in text
    held: set[int] = set()
    put: dict[int, int] = {}
    used: dict[int, int] = {}
    missed = 0
    for when, key in enumerate(keys):
        if key not in held:
            missed += 1
            if len(held) == size:
                held.remove(min(held, key=lambda k: (used if recent else put)[k]))
            held.add(key)
            put[key] = when
        used[key] = when
    return missed


SLOW: dict[str, Callable[..., Any]] = {
    "_intervals": intervals, "_coins": coins, "_paths": paths, "_brackets": brackets, "_climbing": climbing,
    "_edits": edits, "_jumps": jumps, "_cache": cache,
}  # fmt: skip


@pytest.mark.parametrize("family", ALGORITHM, ids=lambda family: family.__name__)
def test_the_reference_does_what_the_question_says(family: Any) -> None:
    slow = SLOW[family.__name__]
    for seed in range(12):
        drawn: Drawn = draw_problem(family, Random(seed))
        for call, result in zip([*drawn.calls, drawn.example], [*drawn.results, drawn.shown], strict=True):
            assert slow(drawn.statement, *call) == result, (drawn.statement, call)
