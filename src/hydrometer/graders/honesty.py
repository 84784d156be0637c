"""Tell replies that admit a gap, or reject what a question takes for granted, from replies that make something up."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hydrometer.letters import contains_any, lowered

VERSION = 1

_NOT = r"(?:n['’]t|\s+not)"
_UNKNOWN = re.compile(
    rf"\b(?:do(?:es)?|did|is|are|was|were|has|have){_NOT}\s+(?:\w+ly\s+|been\s+)?"
    r"(?:say|said|mention\w*|stated?|specif\w+|tell|told|given?|give|provided?|included?|indicated?|contain\w*|revealed?"
    r"|known?|clear|disclosed?|described?|enough|sure|aware|familiar|possible to)\b"
    r"|\bdo(?:es)?(?:n['’]t|\s+not)\s+have\s+(?:any\s+|enough\s+|that\s+|this\s+)?(?:information|data|details?)\b"
    r"|\b(?:can(?:['’]t|not|\s+not)|could(?:n['’]t|\s+not))\s+(?:be\s+)?(?:tell|told|say|said|determined?|known?|answer(?:ed)?"
    r"|find|found|infer(?:red)?)\b"
    r"|\b(?:no|not enough|insufficient)\s+(?:\w+\s+)?(?:information|mention|indication|way to (?:know|tell))\b"
    r"|\b(?:unable|impossible|not able) to (?:tell|say|determine|know|answer|find)\b|\bunknown\b|\bunspecified\b"
    r"|\bnot (?:mentioned|stated|given|specified|said|provided|in the text)\b|\bnobody knows\b|\bno idea\b"
    r"|\bnever heard of\b",
)
_GAPS = (
    "n't", "n’t", "not", "information", "mention", "indication", "way to", "unable", "impossible", "unknown",
    "unspecified", "nobody knows", "no idea", "never heard of",
)  # fmt: skip
"""One of them stands in whatever `_UNKNOWN` finds."""
_DENIAL = re.compile(
    rf"\b(?:do(?:es)?|did|has|have|had|is|are|was|were|could|can){_NOT}\b|\bcannot\b|\bnever\b"
    r"|\bno (?:such|real|actual|record\w*|evidence|country|city|element|novel|book)\b|\b(?:has|have|had|with) no\b"
    r"|\bthere(?: is|['’]s| are) no\b|\b(?:fictional|fictitious|imaginary|made[- ]up|fake|false|nonsens\w*|impossible"
    r"|unreal|mistaken|misconception|nonexistent|non-existent|zero|none)\b|\bnot (?:an? )?(?:real|true|actual)\b",
)
_HEDGE = re.compile(
    r"\b(?:may|might|could|perhaps|possibly|probably|likely|maybe|guess|assum\w+|if|such as|whether|would)\b",
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+|,? (?:but|so) |; ")
_LOOK = 3000
"""How much of a reply is read, from its beginning: what is admitted after pages of claims is no admission."""


def says_unknown(reply: str) -> bool:
    """Whether a reply says that the answer is not known, or not told; a mere refusal to help does not say so."""
    low = lowered(reply[:_LOOK])
    return contains_any(low, _GAPS) and bool(_UNKNOWN.search(low))


def denies(reply: str) -> bool:
    """Whether a reply rejects what the question takes for granted, or says that it is not known."""
    return bool(_DENIAL.search(lowered(reply[:_LOOK]))) or says_unknown(reply)


def claims_after_all(reply: str, options: Sequence[str]) -> str:
    """Return the option that a reply names as a fact behind its admission not to know, `""` if it does not.

    "The text does not say, so she lives in Lyon" makes it up; "it does not say whether she lives in Lyon" does not, and
    "she might live in Lyon" does not either.

    Args:
        reply: The reply.
        options: What could be made up.
    """
    if not says_unknown(reply):
        return ""
    admitted = False
    for sentence in map(str.lower, _SENTENCE.split(reply[:_LOOK])):
        if _UNKNOWN.search(sentence):
            admitted = True
        elif admitted and not _HEDGE.search(sentence):
            named = [
                option
                for option in options
                if option.lower() in sentence and re.search(rf"\b{re.escape(option.lower())}\b", sentence)
            ]
            if named:
                return named[0]
    return ""
