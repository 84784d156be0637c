"""Families of problems about words: opposites, plurals, the alphabet, with their worked steps.

They are here so that the style is learnt for plain questions as well, not only where numbers appear.
"""

from __future__ import annotations

import random

from problems import Draft
from solver_words import THINGS, WORDS

OPPOSITES = (
    ("hot", "cold"), ("big", "small"), ("early", "late"), ("open", "closed"), ("loud", "quiet"),
    ("wet", "dry"), ("strong", "weak"), ("fast", "slow"), ("empty", "full"), ("light", "dark"),
    ("rich", "poor"), ("near", "far"), ("hard", "soft"), ("high", "low"), ("young", "old"),
    ("thick", "thin"), ("clean", "dirty"), ("first", "last"),
)  # fmt: skip
NOUNS = (
    "box", "city", "dish", "berry", "table", "church", "fox", "story", "bus", "river", "lady", "bench",
    "glass", "key", "chair", "party", "brush", "class", "cloud", "baby", "watch", "tree", "tax", "toy",
    "puppy", "lamp", "match", "boat",
)  # fmt: skip


def opposite(rng: random.Random) -> Draft:
    """The word at the other end of a scale."""
    word, other = rng.choice(OPPOSITES)
    if rng.random() < 0.5:
        word, other = other, word
    asked = rng.choice(('What is the opposite of "{}"?', 'Name a word that means the opposite of "{}".'))
    steps = (f'"{word}" stands at one end of a scale', f'At the other end stands "{other}"')
    goal = f'Find the opposite of "{word}".'
    return Draft(prompt=asked.format(word), goal=goal, steps=steps, answer=other.capitalize())


def plural(rng: random.Random) -> Draft:
    """The regular plural of a noun, by the rule for its ending."""
    word = rng.choice(NOUNS)
    rule, many = _plural(word)
    asked = rng.choice(('What is the plural of "{}"?', 'Write the plural form of the word "{}".'))
    steps = (rule, f"{word} becomes {many}")
    return Draft(prompt=asked.format(word), goal=f'Find the plural of "{word}".', steps=steps, answer=many)


def odd_one_out(rng: random.Random) -> Draft:
    """The one word that is not of the class of the others."""
    target, other = rng.sample(sorted(THINGS), 2)
    mine, odd = rng.sample(THINGS[target], 3), rng.choice(THINGS[other])
    mixed = [*mine, odd]
    rng.shuffle(mixed)
    asked = rng.choice(("Which word does not belong: {}?", "Find the odd one out: {}."))
    same = [word for word in mixed if word != odd]
    steps = (f"{', '.join(same)} are {target}", f"{odd} is not one of the {target}")
    prompt, goal = asked.format(", ".join(mixed)), "Find the word that does not fit."
    return Draft(prompt=prompt, goal=goal, steps=steps, answer=odd.capitalize())


def alphabet(rng: random.Random) -> Draft:
    """The first of some words in the alphabet, their first letters all different."""
    by_letter = {word[0]: word for word in rng.sample(NOUNS, len(NOUNS))}
    words = rng.sample(sorted(by_letter.values()), rng.choice((3, 4)))
    first = min(words)
    asked = rng.choice(
        ("Which word comes first in the alphabet: {}?", "Which of these is first in a dictionary: {}?")
    )
    steps = (f"First letters: {', '.join(w[0] for w in words)}", f"The earliest letter is {first[0]}")
    prompt, goal = asked.format(", ".join(words)), "Find the first word."
    return Draft(prompt=prompt, goal=goal, steps=steps, answer=first.capitalize())


def backwards(rng: random.Random) -> Draft:
    """A word read from its end."""
    word = rng.choice(WORDS)
    asked = rng.choice(('Spell the word "{}" backwards.', 'Write "{}" in reverse.'))
    steps = (f"Spell it: {'-'.join(word)}", f"From the end: {'-'.join(reversed(word))}")
    answer = word[::-1]
    return Draft(prompt=asked.format(word), goal=f'Reverse "{word}".', steps=steps, answer=answer)


def _plural(word: str) -> tuple[str, str]:
    if word.endswith(("s", "x", "ch", "sh")):
        return "A word that ends in a hissing sound takes -es", f"{word}es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return "A consonant and -y turn into -ies", f"{word[:-1]}ies"
    return "The regular ending is -s", f"{word}s"
