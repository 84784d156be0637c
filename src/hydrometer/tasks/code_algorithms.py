"""Sketches of problems for code that take an algorithm."""

from __future__ import annotations

from random import Random

from hydrometer.tasks.code_sketches import Call, Sketch, ints, word


def _intervals(rng: Random) -> Sketch:
    gap = rng.randint(1, 4)
    return Sketch(
        ("intervals",),
        "It takes a list of [start, end] pairs of integers in any order and merges pairs that overlap, touch, or lie "
        f"at most {gap} apart (the next start is at most {gap} greater than the end). It returns the merged pairs as "
        "lists, sorted by start.",
        "    merged = []\n    for start, end in sorted(intervals):\n"
        f"        if merged and start <= merged[-1][1] + {gap}:\n            merged[-1][1] = max(merged[-1][1], end)\n"
        "        else:\n            merged.append([start, end])\n    return merged",
        lambda r, i: [
            [] if i == 0 else [[s, s + r.randint(0, 6)] for s in (r.randint(0, 40) for _ in range(r.randint(2, 7)))]
        ],
    )


def _coins(rng: Random) -> Sketch:
    coins = sorted(rng.sample((2, 3, 4, 5, 7, 9, 11, 13), 3))
    most = rng.random() < 0.5
    asked = "the number of different ways to pay" if most else "the smallest number of coins that pay"
    none = "0 ways if it cannot be paid, 1 way for 0" if most else "-1 if it cannot be paid, 0 for 0"
    body = (
        f"    ways = [1] + [0] * amount\n    for coin in {coins}:\n        for total in range(coin, amount + 1):\n"
        "            ways[total] += ways[total - coin]\n    return ways[amount]"
        if most
        else f"    best = [0] + [None] * amount\n    for total in range(1, amount + 1):\n        options = "
        f"[best[total - c] for c in {coins} if c <= total and best[total - c] is not None]\n"
        "        best[total] = min(options) + 1 if options else None\n"
        "    return -1 if best[amount] is None else best[amount]"
    )
    text = f"There are coins of {coins[0]}, {coins[1]} and {coins[2]}, as many as needed. It returns {asked} amount"
    order = "; the order of the coins does not matter" if most else ""
    statement = f"{text} exactly ({none}){order}."
    return Sketch(("amount",), statement, body, lambda r, i: [i if i < 5 else r.randint(6, 90)])


def _paths(rng: Random) -> Sketch:
    wall, diagonal = rng.choice("#xo"), rng.random() < 0.5
    diagonally = "one to the right, one down, or one diagonally right and down"
    moves = diagonally if diagonal else "one to the right or one down"
    extra = " + (ways[r - 1][c - 1] if r and c else 0)" if diagonal else ""
    return Sketch(
        ("grid",),
        f"The grid is a list of strings of equal length. It returns the number of ways from the top left to the bottom "
        f"right cell, going {moves} at each step and never onto a cell {wall!r} (0 if the first or last cell is one).",
        "    ways = [[0] * len(grid[0]) for _ in grid]\n    for r, row in enumerate(grid):\n"
        f"        for c, cell in enumerate(row):\n            if cell == {wall!r}:\n                continue\n"
        "            if r == c == 0:\n                ways[r][c] = 1\n                continue\n"
        f"            ways[r][c] = (ways[r - 1][c] if r else 0) + (ways[r][c - 1] if c else 0){extra}\n"
        "    return ways[-1][-1]",
        lambda r, i: [_grid(r, wall, i)],
    )


def _brackets(rng: Random) -> Sketch:
    first, second = rng.sample(("()", "[]", "{}", "<>"), 2)
    opening, closing = first[0] + second[0], first[1] + second[1]
    return Sketch(
        ("text",),
        f"It looks only at the brackets {first} and {second} in a string and returns how deep they are nested (0 "
        "without any), or -1 if they are not properly closed and nested. All other characters are ignored.",
        "    stack, deepest = [], 0\n    for c in text:\n"
        f"        if c in {opening!r}:\n            stack.append(c)\n            deepest = max(deepest, len(stack))\n"
        f"        elif c in {closing!r}:\n"
        f"            if not stack or {opening!r}.index(stack.pop()) != {closing!r}.index(c):\n"
        "                return -1\n    return -1 if stack else deepest",
        lambda r, i: [_nested(r, first, second, i)],
    )


def _climbing(rng: Random) -> Sketch:
    d = rng.randint(2, 5)
    way, sign = rng.choice((("greater", 1), ("less", -1)))
    test = f"numbers[i] - numbers[j] >= {d}" if sign > 0 else f"numbers[j] - numbers[i] >= {d}"
    return Sketch(
        ("numbers",),
        f"It returns the length of the longest selection of numbers, taken in their order but not necessarily next to "
        f"each other, in which every number is at least {d} {way} than the one before it.",
        "    best = []\n    for i in range(len(numbers)):\n"
        f"        best.append(1 + max([best[j] for j in range(i) if {test}], default=0))\n"
        "    return max(best, default=0)",
        lambda r, i: [[] if i == 0 else ints(r, 0, 30, 1 if i < 2 else 6, 2 if i < 2 else 12)],
    )


def _edits(rng: Random) -> Sketch:
    insert, delete, change = rng.sample(range(1, 6), 3)
    return Sketch(
        ("a", "b"),
        "It returns the smallest total cost of turning string a into string b, where inserting a character costs "
        f"{insert}, deleting one costs {delete} and replacing one by another costs {change}.",
        f"    row = [j * {insert} for j in range(len(b) + 1)]\n    for x in a:\n"
        f"        last, row = row, [row[0] + {delete}]\n"
        "        for j, y in enumerate(b):\n            row.append(min(last[j + 1] + "
        f"{delete}, row[j] + {insert}, last[j] + ({change} if x != y else 0)))\n    return row[-1]",
        lambda r, i: [word(r, "abc", int(i > 1), 7), word(r, "abc", int(i > 0), 7)],
    )


def _jumps(rng: Random) -> Sketch:
    a, b = rng.choice(((1, 2), (1, 3), (2, 3), (1, 4)))
    return Sketch(
        ("size", "row", "column"),
        f"A piece stands in the corner (0, 0) of a board of size times size cells. Each jump moves it {a} cells along "
        f"one axis and {b} along the other, in any direction, and it may not leave the board. It returns the smallest "
        "number of jumps to the cell (row, column), or -1 if it cannot be reached.",
        f"    steps = [(s * x, t * y) for x, y in (({a}, {b}), ({b}, {a})) for s in (1, -1) for t in (1, -1)]\n"
        "    seen, edge, count = {(0, 0)}, [(0, 0)], 0\n    while edge:\n        if (row, column) in edge:\n"
        "            return count\n        edge = list({(r + x, c + y) for r, c in edge for x, y in steps\n"
        "                     if 0 <= r + x < size and 0 <= c + y < size} - seen)\n        seen |= set(edge)\n"
        "        count += 1\n    return -1",
        lambda r, i: [1, 0, 0] if i == 0 else _cell(r, r.randint(2 if i < 3 else 5, 8)),
    )


def _cache(rng: Random) -> Sketch:
    size, recent = rng.randint(2, 4), rng.random() < 0.5
    first = "the one that was put in first, however often it is used"
    rule = "the one whose last use lies furthest back" if recent else first
    touch = "            held.remove(key)\n            held.append(key)\n" if recent else "            pass\n"
    return Sketch(
        ("keys",),
        f"A cache holds {size} keys. It is asked for the keys of a list one after the other; a key that is not in it "
        f"is put in, and if the cache is full, {rule} is thrown out before. It returns how many keys were not in it.",
        "    held, missed = [], 0\n    for key in keys:\n        if key in held:\n"
        f"{touch}        else:\n            missed += 1\n"
        f"            if len(held) == {size}:\n                held.pop(0)\n"
        "            held.append(key)\n    return missed",
        lambda r, i: [[] if i == 0 else [r.randint(1, size + 2) for _ in range(r.randint(6, 16))]],
    )


def _cell(rng: Random, size: int) -> Call:
    return [size, rng.randrange(size), rng.randrange(size)]


def _grid(rng: Random, wall: str, number: int) -> list[str]:
    if number == 0:
        return ["."]
    if number == 1:
        return ["." * 3, "." * 2 + wall]
    rows, columns = rng.randint(2, 5), rng.randint(2, 5)
    cells = [[wall if rng.random() < 0.15 else "." for _ in range(columns)] for _ in range(rows)]
    cells[0][0] = cells[-1][-1] = "."
    return ["".join(row) for row in cells]


def _nested(rng: Random, first: str, second: str, number: int) -> str:
    if number < 4:
        return ("", first[0] + second[0] + first[1] + second[1], first[0], first[1] + first[0])[number]

    def grow(depth: int) -> str:
        if depth == 0:
            return rng.choice(("a", "", "b"))
        pair = rng.choice((first, second))
        return f"{pair[0]}{grow(depth - 1)}{pair[1]}{grow(rng.randrange(depth))}"

    text = grow(rng.randint(1, 4))
    if rng.random() < 0.25:
        place = rng.randrange(len(text))
        text = text[:place] + text[place + 1 :]
    return text


ALGORITHM = (_intervals, _coins, _paths, _brackets, _climbing, _edits, _jumps, _cache)
