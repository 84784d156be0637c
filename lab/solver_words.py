"""Families of problems about order, units, dates, letters and plain deduction, with their worked steps."""

from __future__ import annotations

import random
from itertools import pairwise

from problems import PEOPLE, Draft, listed

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
UNITS = (
    ("km", "km", "metres", 1000),
    ("hours", "hour", "minutes", 60),
    ("minutes", "minute", "seconds", 60),
    ("kg", "kg", "grams", 1000),
    ("weeks", "week", "days", 7),
    ("days", "day", "hours", 24),
    ("metres", "metre", "centimetres", 100),
    ("dozens", "dozen", "pieces", 12),
)
WORDS = (
    "banana", "cheese", "pepper", "letter", "summer", "balloon", "coffee", "rabbit", "window", "bottle",
    "kitten", "garden", "pillow", "carrot", "butter", "yellow", "planet", "mirror", "tomato", "potato",
    "needle", "ribbon", "mississippi", "strawberry", "committee", "parallel", "raccoon", "bookkeeper",
)  # fmt: skip
THINGS = {
    "fruits": ("apple", "pear", "plum", "cherry", "grape", "peach", "lemon"),
    "animals": ("dog", "cat", "horse", "cow", "sheep", "fox", "owl"),
    "tools": ("hammer", "saw", "drill", "wrench", "pliers", "file", "chisel"),
    "colours": ("red", "blue", "green", "white", "black", "brown", "pink"),
}
CLASSES = (
    ("roses", "a rose", "flowers", "a flower"),
    ("sparrows", "a sparrow", "birds", "a bird"),
    ("oaks", "an oak", "trees", "a tree"),
    ("bloops", "a bloop", "razzies", "a razzy"),
    ("salmon", "a salmon", "fish", "a fish"),
    ("wugs", "a wug", "daxes", "a dax"),
    ("violins", "a violin", "instruments", "an instrument"),
)


def extreme(rng: random.Random) -> Draft:
    """The largest or smallest of a list, by comparing one after the other."""
    values = rng.sample(range(1, 1000), rng.randint(3, 6))
    word, pick, relation = rng.choice((("largest", max, "above"), ("smallest", min, "below")))
    best, steps = values[0], [f"Start with {values[0]}"]
    for value in values[1:]:
        if pick(value, best) == value:
            steps.append(f"{value} is {relation} {best}, keep {value}")
            best = value
        else:
            steps.append(f"{value} is not {relation} {best}")
    asked = rng.choice(
        ("Which is the {} of {}?", "Find the {} number: {}.", "Name the {} of these numbers: {}.")
    )
    prompt, goal = asked.format(word, listed(values)), f"Find the {word} number."
    return Draft(prompt=prompt, goal=goal, steps=tuple(steps), answer=str(best))


def sort(rng: random.Random) -> Draft:
    """A list put in order by taking the next one each time; long lists give long traces."""
    values = rng.sample(range(1, 100), rng.randint(3, 9))
    down = rng.random() < 0.4
    way = "from largest to smallest" if down else "from smallest to largest"
    ordered = sorted(values, reverse=down)
    word = "largest" if down else "smallest"
    steps = [f"The {word} of {listed(values)} is {ordered[0]}"]
    left = [v for v in values if v != ordered[0]]
    for value in ordered[1:-1]:
        steps.append(f"Of {listed(left)}: {value}")
        left.remove(value)
    steps.append(f"Last comes {ordered[-1]}")
    asked = rng.choice(("Sort {} {}.", "Put these numbers in order: {}, {}."))
    prompt, goal = asked.format(listed(values), way), f"Order the numbers {way}."
    return Draft(prompt=prompt, goal=goal, steps=tuple(steps), answer=listed(ordered))


def units(rng: random.Random) -> Draft:
    """A quantity in a smaller unit."""
    big, one, small, factor = rng.choice(UNITS)
    n = rng.randint(2, 30)
    asked = rng.choice((f"How many {small} are {n} {big}?", f"Convert {n} {big} to {small}."))
    steps = (f"1 {one} is {factor} {small}", f"{n} x {factor} = {n * factor}")
    goal, answer = f"Express {n} {big} in {small}.", f"{n * factor} {small}"
    return Draft(prompt=asked, goal=goal, steps=steps, answer=answer)


def weekday(rng: random.Random) -> Draft:
    """The day of the week some days later."""
    start, n = rng.randrange(7), rng.randint(2, 40)
    rest = n % 7
    end = DAYS[(start + rest) % 7]
    asked = rng.choice((
        f"Today is {DAYS[start]}. What day of the week is it in {n} days?",
        f"Which weekday comes {n} days after {DAYS[start]}?",
    ))  # fmt: skip
    days = "day" if rest == 1 else "days"
    steps = (f"A week has 7 days, {n} = {n // 7} x 7 + {rest}", f"{rest} {days} after {DAYS[start]} is {end}")
    return Draft(prompt=asked, goal=f"Count {n} days from {DAYS[start]}.", steps=steps, answer=end)


def clock(rng: random.Random) -> Draft:
    """The end of something that starts at a time and lasts some minutes."""
    hour, minute, length = rng.randint(6, 18), 5 * rng.randrange(12), 5 * rng.randint(2, 30)
    what = rng.choice(("film", "lesson", "meeting", "concert", "walk"))
    whole = minute + length
    end = f"{hour + whole // 60}:{whole % 60:02d}"
    prompt = f"A {what} starts at {hour}:{minute:02d} and lasts {length} minutes. When does it end?"
    steps = [f"Minutes: {minute} + {length} = {whole}"]
    if whole >= 60:
        steps.append(f"{whole} minutes are {whole // 60} h {whole % 60} min")
        steps.append(f"{hour} h + {whole // 60} h = {hour + whole // 60} h")
    return Draft(prompt=prompt, goal="Find the end time.", steps=tuple(steps), answer=end)


def ordering(rng: random.Random) -> Draft:
    """Who is first or last when neighbours are compared, the comparisons told in any order."""
    names = rng.sample(PEOPLE, rng.choice((3, 3, 4)))
    more, most, least = rng.choice((
        ("taller", "tallest", "shortest"), ("older", "oldest", "youngest"), ("faster", "fastest", "slowest"),
    ))  # fmt: skip
    facts = [f"{a} is {more} than {b}." for a, b in pairwise(names)]
    rng.shuffle(facts)
    asked, answer = rng.choice(((most, names[0]), (least, names[-1])))
    prompt = f"{' '.join(facts)} Who is the {asked}?"
    steps = (f"The chain from {most} to {least} is {', '.join(names)}", f"The {asked} is {answer}")
    return Draft(prompt=prompt, goal=f"Find the {asked} person.", steps=steps, answer=answer)


def syllogism(rng: random.Random) -> Draft:
    """One rule, one case: does the rule decide it with yes or with no?"""
    (many, one, classes, a_class), (_, _, others, an_other) = rng.sample(CLASSES, 2)
    name = rng.choice(("Pim", "Tola", "Rex", "Nilo", "Zed", "Mika", "Orla", "Bram"))
    holds = rng.random() < 0.6
    # A denied rule names a class of another row, so that no trace teaches that roses are not flowers.
    classes, a_class = (classes, a_class) if holds else (others, an_other)
    rule = f"All {many} are {classes}." if holds else f"No {many} are {classes}."
    prompt = f"{rule} {name} is {one}. Is {name} {a_class}?"
    link = "every one of them is" if holds else "none of them is"
    steps = (f"{name} is {one}", f"The rule covers {many}: {link} {a_class}")
    answer = "Yes" if holds else "No"
    return Draft(prompt=prompt, goal=f"Decide whether {name} is {a_class}.", steps=steps, answer=answer)


def elimination(rng: random.Random) -> Draft:
    """One place is left after the others are ruled out."""
    thing = rng.choice(("key", "ball", "ring", "coin", "letter", "map"))
    places = rng.sample(("box", "bag", "drawer", "basket", "jar", "car", "desk"), rng.choice((3, 3, 4)))
    answer = rng.choice(places)
    out = [p for p in places if p != answer]
    options = f"the {', the '.join(places[:-1])} or the {places[-1]}"
    denied = " ".join(f"It is not in the {p}." for p in out)
    prompt = f"The {thing} is in {options}. {denied} Where is the {thing}?"
    steps = (f"Ruled out: {', '.join(out)}", f"Only the {answer} is left")
    goal = f"Find the place of the {thing}."
    return Draft(prompt=prompt, goal=goal, steps=steps, answer=f"In the {answer}")


def letters(rng: random.Random) -> Draft:
    """How often a letter occurs in a word, by spelling it out."""
    word = rng.choice(WORDS)
    letter = rng.choice(sorted(set(word)))
    places = [i for i, c in enumerate(word, 1) if c == letter]
    asked = rng.choice(
        ('How many times does "{}" appear in "{}"?', 'Count the letter "{}" in the word "{}".')
    )
    where = f"position {places[0]}" if len(places) == 1 else f"positions {listed(places)}"
    steps = (f"Spell it: {'-'.join(word)}", f'"{letter}" stands at {where}')
    prompt, goal = asked.format(letter, word), f'Count "{letter}" in "{word}".'
    return Draft(prompt=prompt, goal=goal, steps=steps, answer=str(len(places)))


def items(rng: random.Random) -> Draft:
    """How many things of a list belong to a class."""
    target, other = rng.sample(sorted(THINGS), 2)
    mine = rng.sample(THINGS[target], rng.randint(1, 4))
    mixed = mine + rng.sample(THINGS[other], rng.randint(1, 3))
    rng.shuffle(mixed)
    found = [thing for thing in mixed if thing in mine]
    prompt = f"How many {target} are in this list: {', '.join(mixed)}?"
    steps = (f"The {target} are: {', '.join(found)}", f"That makes {len(found)}")
    return Draft(prompt=prompt, goal=f"Count the {target}.", steps=steps, answer=str(len(found)))


def parity(rng: random.Random) -> Draft:
    """Even or odd, from the last digit."""
    n = rng.randint(10, 9999)
    word = "even" if n % 2 == 0 else "odd"
    asked = rng.choice((f"Is {n} even or odd?", f"Tell me whether {n} is even or odd."))
    steps = (f"The last digit is {n % 10}", f"{n % 10} is {word}, so {n} is {word}")
    return Draft(prompt=asked, goal=f"Decide whether {n} is even.", steps=steps, answer=word.capitalize())
