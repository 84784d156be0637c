"""Sketches of small problems for code, and what they are made of: one line, or a loop."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

_LETTERS = "abcdefghijklmnopqrstuvwxyz"

Call = list[Any]


class Sketch(NamedTuple):
    """A problem before it has a name.

    Attributes:
        arguments: Names of the arguments.
        statement: What the function does, in words.
        body: Body of the reference, lines indented by four blanks each.
        inputs: Makes the arguments of one call from a generator and the call's number; the first ones are edges.
    """

    arguments: tuple[str, ...]
    statement: str
    body: str
    inputs: Callable[[Random, int], Call]


def ints(rng: Random, low: int, high: int, least: int, most: int) -> list[int]:
    """Return `least` to `most` numbers from `low` to `high`."""
    return [rng.randint(low, high) for _ in range(rng.randint(least, most))]


def word(rng: Random, letters: str, least: int, most: int) -> str:
    """Return a word of `least` to `most` letters."""
    return "".join(rng.choice(letters) for _ in range(rng.randint(least, most)))


def _affine(rng: Random) -> Sketch:
    a, b, c = rng.randint(2, 9), rng.randint(-20, 20) or 5, rng.randint(30, 90)
    side, pick = rng.choice((("more", "min"), ("less", "max")))
    shift = f"plus {b}" if b > 0 else f"minus {-b}"
    return Sketch(
        ("x",),
        f"It returns x times {a} {shift}, but never {side} than {c}.",
        f"    return {pick}(x * {a} {b:+d}, {c})",
        lambda r, i: [(c - b) // a + 5 - 2 * i if i < 6 else r.randint(-50, 50)],
    )


def _digits(rng: Random) -> Sketch:
    k, parity = rng.randint(2, 9), rng.choice(("even", "odd"))
    return Sketch(
        ("n",),
        f"It returns {k} times the sum of the {parity} digits of the non-negative integer n (0 is an even digit).",
        f"    return {k} * sum(int(d) for d in str(n) if int(d) % 2 == {int(parity == 'odd')})",
        lambda r, i: [(0, 7, 8, 2468, 13579)[i] if i < 5 else r.randint(10, 999_999)],
    )


def _slices(rng: Random) -> Sketch:
    k, start = rng.randint(2, 4), rng.randint(0, 2)
    back = rng.random() < 0.5
    order = "in reverse order" if back else "in capital letters"
    return Sketch(
        ("text",),
        f"It returns every {_ordinal(k)} character of the string text, beginning with the one at index {start}, "
        f"{order}.",
        f"    return text[{start}::{k}]{'[::-1]' if back else '.upper()'}",
        lambda r, i: ["" if i == 0 else word(r, _LETTERS, 1 if i < 3 else 6, 2 if i < 3 else 14)],
    )


def _multiples(rng: Random) -> Sketch:
    a, b = rng.choice((2, 3)), rng.choice((5, 7))
    what, expression = rng.choice((("how many of the numbers", "1"), ("the sum of the numbers that", "n")))
    return Sketch(
        ("numbers",),
        f"It returns {what} are divisible by {a} but not by {b}.",
        f"    return sum({expression} for n in numbers if n % {a} == 0 and n % {b} != 0)",
        lambda r, i: [[] if i == 0 else [a * b] if i == 1 else ints(r, -40, 60, 4, 14)],
    )


def _joined(rng: Random) -> Sketch:
    mark, least = rng.choice(("-", "+", "/", "_")), rng.randint(3, 5)
    how, change = rng.choice((("in capital letters", ".upper()"), ("each spelled backwards", "[::-1]")))
    return Sketch(
        ("words",),
        f"It joins the words that have at least {least} letters with {mark!r}, {how}, in their order.",
        f"    return {mark!r}.join(w{change} for w in words if len(w) >= {least})",
        lambda r, i: [[] if i == 0 else [word(r, _LETTERS, 1, 7) for _ in range(r.randint(1, 5))]],
    )


def _largest(rng: Random) -> Sketch:
    k, size = rng.randint(2, 4), rng.choice(("largest", "smallest"))
    cut = f"[-{k}:]" if size == "largest" else f"[:{k}]"
    return Sketch(
        ("numbers",),
        f"It returns the sum of the {k} {size} numbers of a list, or of all of them if there are fewer.",
        f"    return sum(sorted(numbers){cut})",
        lambda r, i: [[] if i == 0 else ints(r, -30, 30, 1 if i < 3 else 4, 2 if i < 3 else 9)],
    )


def _runs(rng: Random) -> Sketch:
    first, single = rng.random() < 0.5, rng.random() < 0.5
    form = "count + letter" if first else "letter + count"
    alone = " if count == '1':\n            count = ''" if single else ""
    rule = "a run of one is written without its count" if single else "a run of one has the count 1"
    return Sketch(
        ("text",),
        f"It shortens a string of letters: each run of equal letters becomes the "
        f"{'length of the run followed by the letter' if first else 'letter followed by the length of the run'}, "
        f"and {rule}.",
        "    out, i = '', 0\n    while i < len(text):\n        j = i\n"
        "        while j < len(text) and text[j] == text[i]:\n            j += 1\n"
        f"        letter, count = text[i], str(j - i)\n{'       ' + alone + chr(10) if alone else ''}"
        f"        out += {form}\n        i = j\n    return out",
        lambda r, i: ["" if i == 0 else "".join(r.choice("abc") * r.randint(1, 4 if i % 2 else 12) for _ in range(4))],
    )


def _shift(rng: Random) -> Sketch:
    up, down = rng.sample(range(2, 12), 2)
    return Sketch(
        ("text",),
        f"It moves every lowercase letter {up} places forward in the alphabet and every capital letter {down} places "
        "back, going round at the ends, and leaves everything else as it is.",
        "    out = ''\n    for c in text:\n        if 'a' <= c <= 'z':\n"
        f"            c = chr((ord(c) - 97 + {up}) % 26 + 97)\n        elif 'A' <= c <= 'Z':\n"
        f"            c = chr((ord(c) - 65 - {down}) % 26 + 65)\n        out += c\n    return out",
        lambda r, i: ["" if i == 0 else "zA" if i == 1 else word(r, "azbyAZBYmM 3!", 5, 12)],
    )


def _checksum(rng: Random) -> Sketch:
    weights, modulus = rng.sample(range(1, 10), 3), rng.choice((7, 11, 13, 17))
    return Sketch(
        ("digits",),
        f"It multiplies the digits of a string, from right to left, by the weights {weights[0]}, {weights[1]}, "
        f"{weights[2]}, {weights[0]}, and so on in turn, and returns the sum of the products modulo {modulus}.",
        f"    weights = {weights}\n    total = 0\n    for i, d in enumerate(reversed(digits)):\n"
        f"        total += int(d) * weights[i % 3]\n    return total % {modulus}",
        lambda r, i: [("", "0", "9")[i] if i < 3 else word(r, "0123456789", 3, 10)],
    )


def _ranked(rng: Random) -> Sketch:
    letter, longer = rng.choice("abc"), rng.random() < 0.5
    size = "longer words first" if longer else "shorter words first"
    return Sketch(
        ("words",),
        f"It returns the words sorted by how often they contain the letter {letter!r}, most often first; among equals "
        f"{size}, and then in alphabetical order.",
        f"    return sorted(words, key=lambda w: (-w.count({letter!r}), {'-' if longer else ''}len(w), w))",
        lambda r, i: [[] if i == 0 else [word(r, "abcd", 1, 5) for _ in range(r.randint(4, 8))]],
    )


def _totals(rng: Random) -> Sketch:
    floor, cap = rng.randint(5, 15), rng.randint(30, 60)
    return Sketch(
        ("entries",),
        "It takes a list of [name, amount] pairs and returns a dictionary from each name to the sum of its amounts. "
        f"Amounts below {floor} are ignored, amounts above {cap} count as {cap}, and a name without any counted amount "
        "is left out.",
        f"    totals = {{}}\n    for name, amount in entries:\n        if amount >= {floor}:\n"
        f"            totals[name] = totals.get(name, 0) + min(amount, {cap})\n    return totals",
        lambda r, i: [
            []
            if i == 0
            else [[r.choice("xyz"), r.choice((floor - 1, floor, cap + 9, r.randint(0, 80)))] for _ in range(5)]
        ],
    )


def _steps(rng: Random) -> Sketch:
    k, c, stop = rng.choice((2, 3, 5)), rng.randint(1, 4), rng.randint(5, 12)
    return Sketch(
        ("n",),
        f"It counts steps: while n is greater than {stop}, n is divided by {k} if that leaves no remainder, and "
        f"otherwise {c} is subtracted from it; each of these is one step. It returns the number of steps.",
        f"    steps = 0\n    while n > {stop}:\n        n = n // {k} if n % {k} == 0 else n - {c}\n        steps += 1\n"
        "    return steps",
        lambda r, i: [(0, stop, stop + 1)[i] if i < 3 else r.randint(20, 5000)],
    )


def _spread(rng: Random) -> Sketch:
    k = rng.randint(2, 4)
    which, pick = rng.choice((("largest", "max"), ("smallest", "min")))
    return Sketch(
        ("numbers",),
        f"For every {k} numbers that stand next to each other in the list it takes the difference between their "
        f"maximum and their minimum, and it returns the {which} of these differences, or -1 if the list has fewer "
        f"than {k} numbers.",
        f"    if len(numbers) < {k}:\n        return -1\n    windows = [numbers[i:i + {k}] for i in "
        f"range(len(numbers) - {k} + 1)]\n    return {pick}(max(w) - min(w) for w in windows)",
        lambda r, i: [[] if i == 0 else ints(r, -30, 30, 1 if i < 3 else 5, k if i < 3 else 10)],
    )


def _ordinal(k: int) -> str:
    return {2: "second", 3: "third", 4: "fourth"}[k]


ONE_LINE = (_affine, _digits, _slices, _multiples, _joined, _largest)
LOOP = (_runs, _shift, _checksum, _ranked, _totals, _steps, _spread)
