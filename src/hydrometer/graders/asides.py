"""The option that a reply settles on where it names others in passing: the old value, the world outside of a story."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hydrometer.graders.text import pick_option
from hydrometer.letters import lowered

VERSION = 1

_CLAUSE = re.compile(r"(?<=[.,;:!?()\n])\s*|\s(?=(?:but|although|though|whereas|instead of|rather than)\b)")
_NOT = re.compile(
    # What must stand before a word comes behind it, so that a search skips to the words' first letters.
    r"not(?<!\wnot)\b|n['’]t\b|instead of(?<!\winstead of)\b|rather than(?<!\wrather than)\b"
    r"|no longer(?<!\wno longer)\b"
)
_LOOK = 8000
"""How much of the end of a reply is read."""


def pick_main(reply: str, options: Sequence[str], aside: re.Pattern[str]) -> str | None:
    """Return the option that a reply settles on, None if it names none or only denies them.

    Clauses with a negation do not count; clauses with an aside count only where no other clause names an option:
    "you first said Rex, but it is called Luna" says Luna, "you said earlier that it is called Luna" says so too.

    Args:
        reply: The reply; its last 8,000 characters are read.
        options: All answers that the question allows.
        aside: Words that mark a clause as beside the point, such as `first` or `in reality`, in lower case.
    """
    tail = reply[-_LOOK:]
    low = lowered(tail)
    # Clauses hold no word that the text does not hold; most replies name no option at all.
    if not any(all(word in low for word in lowered(option).split()) for option in options):
        return None
    clauses = _CLAUSE.split(tail)
    if _NOT.search(low):
        clauses = [clause for clause in clauses if not _NOT.search(clause.lower())]
    main = clauses
    if aside.search(low):
        main = [clause for clause in clauses if not aside.search(clause.lower())]
    found = pick_option(" ".join(main), options)
    return found if found or main is clauses else pick_option(" ".join(clauses), options)
