"""Families of problems about numbers: written arithmetic and word problems, with their worked steps."""

from __future__ import annotations

import random

from problems import GOODS, PEOPLE, Draft, listed


def add(rng: random.Random) -> Draft:
    """Sum of two numbers, place by place."""
    a, b = _number(rng), _number(rng)
    parts = [(_place(a, i), _place(b, i)) for i in (2, 1, 0)]
    shown = [(x, y) for x, y in parts if x + y > 0]
    steps = [f"{x} + {y} = {x + y}" for x, y in shown]
    if len(shown) > 1:
        steps.append(f"{' + '.join(str(x + y) for x, y in shown)} = {a + b}")
    asked = rng.choice((f"What is {a} + {b}?", f"Add {a} and {b}.", f"Calculate {a} plus {b}."))
    return Draft(prompt=asked, goal=f"Find {a} + {b}.", steps=tuple(steps), answer=str(a + b))


def subtract(rng: random.Random) -> Draft:
    """Difference of two numbers, the smaller one taken away place by place."""
    b, a = sorted((_number(rng), _number(rng)))
    left, steps = a, []
    for part in (_place(b, i) for i in (2, 1, 0)):
        if part:
            steps.append(f"{left} - {part} = {left - part}")
            left -= part
    asked = rng.choice((f"What is {a} - {b}?", f"Calculate {a} minus {b}.", f"Subtract {b} from {a}."))
    return Draft(prompt=asked, goal=f"Find {a} - {b}.", steps=tuple(steps), answer=str(a - b))


def multiply(rng: random.Random) -> Draft:
    """Product of two numbers, the longer one split by place; two-digit factors give the long traces."""
    a = rng.randint(3, 999)
    b = rng.randint(2, 9) if rng.random() < 0.75 else rng.randint(11, 99)
    pairs = [(x, y) for x in (_place(a, i) for i in (2, 1, 0)) for y in (_place(b, 1), _place(b, 0)) if x * y]
    steps = [f"{x} x {y} = {x * y}" for x, y in pairs]
    if len(pairs) > 1:
        steps.append(f"{' + '.join(str(x * y) for x, y in pairs)} = {a * b}")
    asked = rng.choice((f"What is {a} x {b}?", f"Multiply {a} by {b}.", f"Calculate {a} times {b}."))
    return Draft(prompt=asked, goal=f"Find {a} x {b}.", steps=tuple(steps), answer=str(a * b))


def divide(rng: random.Random) -> Draft:
    """Exact division, proven by the product."""
    b, q = rng.randint(2, 12), rng.randint(2, 60)
    a = b * q
    asked = rng.choice((f"What is {a} / {b}?", f"Divide {a} by {b}.", f"How often does {b} fit into {a}?"))
    tens, ones = q // 10 * 10, q % 10
    steps = [f"{b} x {tens} = {b * tens}, {a} - {b * tens} = {a - b * tens}"] if tens else []
    if ones:
        steps.append(f"{b} x {ones} = {b * ones}, nothing is left over")
    steps.append(f"{a} / {b} = {q}")
    return Draft(prompt=asked, goal=f"Find {a} / {b}.", steps=tuple(steps), answer=str(q))


def total(rng: random.Random) -> Draft:
    """Running sum over three to nine numbers; the long ones exceed any short cap."""
    values = [rng.randint(2, 60) for _ in range(rng.randint(3, 9))]
    run, steps = values[0], []
    for value in values[1:]:
        steps.append(f"{run} + {value} = {run + value}")
        run += value
    asked = rng.choice(("What is the total of {}?", "Sum up these numbers: {}.", "Find the sum of {}."))
    goal = f"Sum {len(values)} numbers."
    return Draft(prompt=asked.format(listed(values)), goal=goal, steps=tuple(steps), answer=str(run))


def percent(rng: random.Random) -> Draft:
    """A round percentage of a round number."""
    p, base = rng.choice((5, 10, 20, 25, 30, 40, 50, 75)), 20 * rng.randint(1, 45)
    asked = rng.choice((f"What is {p}% of {base}?", f"Find {p} percent of {base}."))
    steps = (f"1% of {base} is {base / 100:g}", f"{p} x {base / 100:g} = {p * base // 100}")
    return Draft(prompt=asked, goal=f"Find {p}% of {base}.", steps=steps, answer=str(p * base // 100))


def sequence(rng: random.Random) -> Draft:
    """The next term of an arithmetic sequence."""
    first, gap = rng.randint(1, 40), rng.randint(2, 15)
    terms = [first + gap * i for i in range(4)]
    asked = rng.choice(("What comes next: {}, ...?", "Find the next number in the sequence {}, ..."))
    steps = (
        f"{terms[1]} - {terms[0]} = {gap}, so each term grows by {gap}",
        f"{terms[3]} + {gap} = {terms[3] + gap}",
    )
    prompt, goal = asked.format(listed(terms)), "Find the next term."
    return Draft(prompt=prompt, goal=goal, steps=steps, answer=str(terms[3] + gap))


def change(rng: random.Random) -> Draft:
    """Two steps: a price and the change from a banknote."""
    who, what = rng.choice(PEOPLE), rng.choice(GOODS)
    n, price = rng.randint(2, 9), rng.randint(2, 9)
    note = rng.choice([x for x in (20, 50, 100) if x > n * price])
    prompt = (
        f"{who} buys {n} {what} for {price} dollars each and pays with a {note} dollar bill. "
        "How many dollars of change are due?"
    )
    steps = (f"Cost: {n} x {price} = {n * price}", f"Change: {note} - {n * price} = {note - n * price}")
    return Draft(prompt=prompt, goal="Find the change.", steps=steps, answer=str(note - n * price))


def gain_lose(rng: random.Random) -> Draft:
    """Three steps: get some, give some away, share the rest."""
    who, what = rng.choice(PEOPLE), rng.choice(GOODS)
    friends, each = rng.randint(2, 6), rng.randint(2, 9)
    start, gain = rng.randint(5, 40), rng.randint(3, 30)
    lose = start + gain - friends * each
    if lose < 1:
        gain, lose = gain + 1 - lose, 1
    have = start + gain
    prompt = (
        f"{who} has {start} {what}, gets {gain} more and gives away {lose}. "
        f"The rest is shared equally by {friends} friends. How many {what} does each friend get?"
    )
    steps = (
        f"After getting more: {start} + {gain} = {have}",
        f"After giving away: {have} - {lose} = {have - lose}",
        f"Shared: {have - lose} / {friends} = {each}",
    )
    return Draft(prompt=prompt, goal="Find the share of each friend.", steps=steps, answer=str(each))


def share(rng: random.Random) -> Draft:
    """One step: equal shares."""
    n, each = rng.randint(2, 12), rng.randint(2, 15)
    what = rng.choice(GOODS)
    prompt = (
        f"{n * each} {what} are put into {n} boxes, the same number in each. How many {what} are in one box?"
    )
    steps = (f"{n * each} / {n} = {each}",)
    return Draft(prompt=prompt, goal="Find the number per box.", steps=steps, answer=str(each))


def travel(rng: random.Random) -> Draft:
    """One step: distance from speed and time."""
    what = rng.choice(("train", "bus", "car", "cyclist", "boat"))
    speed, hours = 5 * rng.randint(2, 24), rng.randint(2, 9)
    prompt = f"A {what} travels at {speed} km per hour for {hours} hours. How many km does it cover?"
    steps = ("Distance is speed times time", f"{speed} x {hours} = {speed * hours}")
    return Draft(prompt=prompt, goal="Find the distance.", steps=steps, answer=f"{speed * hours}")


def farm(rng: random.Random) -> Draft:
    """Three steps: rows of trees, their crop, what is left after a sale."""
    rows, trees, crop = rng.randint(2, 6), rng.randint(2, 6), rng.randint(3, 10)
    count, harvest = rows * trees, rows * trees * crop
    sold = rng.randint(1, harvest - 1)
    prompt = (
        f"A garden has {rows} rows of {trees} trees. Each tree gives {crop} pears. "
        f"{sold} pears are sold. How many pears are left?"
    )
    steps = (
        f"Trees: {rows} x {trees} = {count}",
        f"Pears: {count} x {crop} = {harvest}",
        f"Left: {harvest} - {sold} = {harvest - sold}",
    )
    return Draft(prompt=prompt, goal="Find the pears left.", steps=steps, answer=str(harvest - sold))


def _number(rng: random.Random) -> int:
    digits = rng.randint(1, 3)
    return rng.randint(10 ** (digits - 1), 10**digits - 1)


def _place(value: int, power: int) -> int:
    unit = int(10**power)
    return value // unit % 10 * unit
