"""Replies with nothing in them, that stop before the work is done, or that say they do not know."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from hydrometer.behaviours.base import Behaviour, Observed, Sign
from hydrometer.behaviours.leaving_off import leaves_off
from hydrometer.behaviours.refusal import looks_refused
from hydrometer.behaviours.segments import fences, shortened, visible
from hydrometer.letters import contains_any, lowered
from hydrometer.outcomes import Finish

_NOTHING = re.compile(r"[\s\u200b\u200c\u200d\u2060\ufeff]*")
_END = 320
"""Characters at the end in which a give-up stands: whoever goes on afterwards did not give up."""

_REST = r"(?:the |any |all )?(?:rest|remainder|others?|(?:remaining|other|missing|further) (?:\w+ ?){1,3}|remaining)"
_STOPS = re.compile(
    r"\b(?:i(?:['’](?:ll|d|m)| will| am)?(?: \w+){0,3}? (?:stop|pause|end|break off|leave off|cut (?:this|it) (?:off|short))"
    r"(?: \w+){0,2} (?:here|there|now|at this point|for now)"
    rf"|i(?:['’](?:ll|ve)| will| have)? (?:leave|left|let|omit|omitted|skip|skipped)(?: out)? (?:{_REST}|it to|you (?:to )?(?:do|finish|complete|fill|write|add))"
    rf"|{_REST} (?:(?:i|we)(?:['’]ll| will)? (?:leave|omit|skip)|(?:is|are|can be|will be|have been|has been|were|was) (?:\w+ )?(?:left|omitted|skipped|missing"
    r"|similar|analogous|straightforward|done (?:similarly|likewise)|filled in|not (?:shown|listed|included)|up to you|yours|look(?:s)? (?:alike|the same|similar))|looks? (?:alike|the same|similar)|follows? (?:the same|a similar|analogously|similarly|likewise))"
    rf"|(?:you can|please|feel free to|you may|you(?:['’]ll| will) have to) (?:add|fill in|complete|write|finish|do|work out) (?:{_REST}|(?:it )?yourself)"
    r"|left (?:as an exercise|to the reader|for you to|up to you)"
    r"|(?:due|owing) to (?:(?:the|its|space|time|token|response|limited) )*(?:length|space|time|tokens?|size|output|constraints?|limit(?:s|ations?)?)"
    r"|because of (?:the )?(?:(?:length|space|time|tokens?|output) )?(?:limit|length|constraint)s?"
    rf"|for (?:the sake of )?brevity,? (?:i|we|{_REST})"
    r"|(?:would|will) be (?:too|very) (?:long|lengthy)|(?:would|will) take too (?:long|much)|too (?:long|many|lengthy|large|much) (?:for me )?to (?:list|write|show|include|complete|fit|enumerate|name|give|print|cover)"
    r"|(?:continu\w+|repeat|proceed|follow|do|complete|fill|go on|carry on) (?:\w+ ){0,3}(?:in (?:the same|this|a similar|like) (?:manner|way|fashion|pattern)|the same (?:way|pattern)"
    rf"|(?:for|with) {_REST})"
    r"|i (?:can(?:['’]t|not)|could not|couldn['’]t|am unable to|was unable to|was not able to|did not|didn['’]t|did not manage to|didn['’]t manage to) (?:finish|complete|continue|go on|get through|reach the end|do (?:the rest|more|all))"
    r"|i give up|i(?:['’]m| am) giving up|(?:i(?:['’]m| am)|run|ran|running) out of (?:space|room|time|tokens))",
)
_LEFT = (
    " here", " there", " now", "this point", "leave", "left", " let ", "omit", "skip", "yourself", "due to", "owing to", "limit", "length", "constraint",
    "brevity", "too ", "very l", " manner", " way", " fashion", " pattern", "i c", "i am un", "i was", "i did", "i give", "giving up", "out of ",
    "rest", "remain", "other", "missing", "further",
)  # fmt: skip
"""One of them stands in whatever `_STOPS` finds; likewise below."""
_ELIDED = re.compile(
    r"(?:#|//|/\*|--|<!--|\[|\(|\.\.\.|…)\s{0,3}(?:\.\.\.|…)?\s{0,3}(?:the )?(?:rest of (?:the "
    r"|your )?(?:code|file|function|implementation|program|list|text|items|entries|essay|answer)"
    r"|remaining (?:code|implementation|items|entries|lines|steps|functions|methods|sections?|parts?)"
    r"|(?:your )?(?:code|implementation|logic) (?:goes )?here|continue(?:s|d)? (?:similarly|likewise"
    r"|in the same)"
    r"|similar(?:ly)? for the (?:rest|others?)|and so on for (?:the|all)|(?:and )?\d{1,4} (?:more|further|other|additional) \w+)",
)
_ELISIONS = ("rest of", "remaining", "code", "implementation", "logic", "continue", "similar", "so on", "more ", "further ", "other ", "additional ")
"""Behind one of these marks."""
_MARKS = ("#", "//", "/*", "--", "[", "(", "...", "…")
_AND_SO_ON = re.compile(r"(?:\band so (?:on|forth)|\betc|\bet cetera|\.\.\.|…)[.)\s]*\Z", re.IGNORECASE)
_WANTS_ALL = re.compile(
    r"\b(?:all|every|each|complete|full|entire|whole|exactly|\d{2,}|twenty|thirty|forty|fifty|hundred)\b"
)
_WANTS_LIST = re.compile(r"\b(?:list|write|print|enumerate|count|name|give|output|show)\b")
_WANTS_LESS = re.compile(
    r"\b(?:brief|short|summary|outline|exercise|excerpt|first few|sketch|placeholder|skeleton|stub"
    r"|template|limits?|brevity|truncat)"
)
"""These three, and the two below, are for requests in lower case."""
_LENGTH = re.compile(r"\b(\d{3,5}|(?:one|two|five|three) (?:hundred|thousand))[\s-](?:or more )?words?\b")
_COUNT = re.compile(
    r"\b(?:list|name|give|write|print|show|provide|enumerate|generate|produce|make|suggest)(?: me| out| down| up)?(?: the| all| exactly| of)*"
    r" (\d{2,4}|twenty|thirty|forty|fifty|sixty|a hundred|one hundred)\b"
    r"(?! (?:or (?:more|fewer) )?(?:words?|characters?|letters?|sentences?|lines|pages|percent|years?|tokens?|minutes?|times)\b|[-%.,]\d|-)"
)
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "a hundred": 100, "one hundred": 100}
_ENTRY = re.compile(r"^[ \t>*_]{0,8}(\d{1,4})[.):]\s", re.MULTILINE)
_SHORTER = re.compile(
    r"(?:at most|up to|under|fewer than|less than|no more than|maximum(?: of)?|within|below|than)\s+\Z",
    re.IGNORECASE,
)
_WORDED = {"one": 1, "two": 2, "three": 3, "five": 5}
_TOLD = r"(?:text|passage|story|article|document|context|paragraph|conversation|question|message|note|information)"
_UNKNOWN = re.compile(
    r"\A(?:(?:well|hmm|honestly|unfortunately|sorry|i['’]?m sorry|i am sorry|i apologi[sz]e|to be honest"
    r"|as an? (?:ai|language model)[^.,]{0,60})\b,?\s*(?:but\s+)?){0,3}"
    r"(?:i\s+(?:really\s+|honestly\s+|simply\s+|just\s+)?(?:(?:do not|don['’]?t|did not"
    r"|didn['’]?t)\s+(?:actually\s+|really\s+)?(?:know|have (?:any |enough |sufficient |reliable |that "
    r"|this |the |access to )*(?:information|knowledge|data|details|context|idea|answer))"
    r"|have no (?:idea|information|knowledge|way of knowing|data|record)|(?:am|['’]m) not (?:sure|certain"
    r"|aware|familiar)|cannot (?:say|tell|know|determine|verify|confirm)|can['’]t (?:say|tell|know"
    r"|determine|verify|confirm)"
    r"|could not find|couldn['’]t find|(?:am|['’]m) (?:unsure|uncertain|unaware)|lack (?:the |enough "
    r"|sufficient )?(?:information|knowledge|data))"
    r"|i['’]m not (?:sure|certain|aware|familiar)|i['’]m (?:unsure|uncertain|unaware)|unknown\b"
    r"|not (?:enough|sufficient) information|there (?:is|was) (?:no|not enough"
    r"|insufficient) (?:information|way to (?:know|tell|determine|answer))"
    r"|it is (?:not known|unknown|not possible to (?:know|tell|say|determine|answer))|(?:this|that"
    r"|the answer|the question) (?:is (?:unknown|not known)|cannot be (?:determined|known|answered))"
    r"|no (?:such )?(?:information|record|data) (?:is|was|exists)"
    rf"|(?:(?:the|this|that) (?:given |provided )?{_TOLD}(?: given| provided| above)?|it) (?:does not|doesn['’]?t|did not|didn['’]?t)"
    r" (?:(?:actually|explicitly|really) )?(?:say|state|mention|tell(?: us| me)?|specify|indicate|reveal|give|provide|contain|include)"
    r"(?: (?:it|that|this|so|(?:the|any|enough|that) (?:answer|information|details?)))?"
    r"(?=\W*\Z|[.!;\n]|,? (?:what|who|where|when|how|which|whether|if|why)\b)"
    r"|(?:it|that|this|the answer) (?:is|was)(?: not|n['’]t) (?:mentioned|stated|specified|given|said|told)\b(?! (?:lightly|enough|often))"
    r"|(?:nobody|no one) (?:really )?knows\b)",
    re.IGNORECASE,
)


def empty_reply(observed: Observed) -> Sign | None:
    """A reply that ended by itself and shows nothing."""
    if observed.finish is not Finish.STOP or observed.think_state == "unclosed":
        return None
    # A blank start of a long text is told from a blank text at once, whatever its length.
    if not _NOTHING.fullmatch(visible(observed)):
        return None
    return Sign("nothing but thinking" if observed.thinking else "the reply is empty")


def gave_up(observed: Observed) -> Sign | None:
    """A reply that leaves the work undone and says so, or is far shorter than it was asked to be."""
    text = visible(observed).rstrip()
    asked = observed.asked
    if observed.finish is not Finish.STOP or not text:
        return None
    found = None if _wants(asked).less else _left_undone(text, asked)
    found = found or _far_too_short(text, observed) or _far_too_few(text, asked)
    return found if found and not looks_refused(text) else None


def says_unknown(observed: Observed) -> Sign | None:
    """A short reply that opens by saying it does not know."""
    text = visible(observed).lstrip(" \n\t*_>\"'“")[:900]
    if len(text) >= 700 or not _UNKNOWN.match(text):
        return None
    return Sign("says that it does not know", shortened(text))


QUOTE_END = 60
"""Characters quoted where a reply trails off."""

EMPTY_REPLY = Behaviour(
    name="empty_reply", version=1, summary="ends by itself and shows nothing", detect=empty_reply
)
GAVE_UP = Behaviour(name="gave_up", version=2, summary="leaves the work undone", detect=gave_up)
SAYS_UNKNOWN = Behaviour(
    name="says_unknown", version=2, summary="says that it does not know", detect=says_unknown, fault=False
)


class _Wants(NamedTuple):
    """What a request asks for.

    Attributes:
        less: Whether it is content with a part.
        everything: Whether it wants all of a list.
        words: How many words at least, 0 where it does not say.
        entries: How many entries, 0 where it does not say.
    """

    less: bool
    everything: bool
    words: int
    entries: int


@lru_cache(maxsize=64)
def _wants(asked: str) -> _Wants:
    """Read a request once, for all that answer it: prompts can be many times longer than replies."""
    low = lowered(asked)
    everything = bool(_WANTS_ALL.search(low) and _WANTS_LIST.search(low))
    found = _COUNT.search(low)
    entries = (int(found[1]) if found[1].isdigit() else _TENS[found[1]]) if found else 0
    return _Wants(bool(_WANTS_LESS.search(low)), everything, _words_wanted(low), entries)


def _words_wanted(low: str) -> int:
    found = _LENGTH.search(low) if "word" in low else None
    if not found or _SHORTER.search(low[: found.start()]):
        return 0
    number, _, unit = found[1].partition(" ")
    return int(number) if number.isdigit() else _WORDED[number] * (100 if unit == "hundred" else 1000)


def _left_undone(text: str, asked: str) -> Sign | None:
    tail = text[-_END:]
    low = lowered(tail)
    found = _STOPS.search(low) if contains_any(low, _LEFT) else None
    if found and found[0] not in asked.lower() and not _spoken(tail, found) and not _explains(tail, found):
        return Sign("leaves the work undone", shortened(tail[found.start() :]))
    elided = _elided(text)
    if elided:
        return Sign("leaves out a part", shortened(elided))
    if not _wants(asked).everything:
        return None
    if _AND_SO_ON.search(tail[-20:]):
        return Sign("trails off where all was asked for", shortened(tail[-QUOTE_END:]))
    left = leaves_off(text)
    return Sign("leaves the work undone", shortened(left)) if left else None


def _elided(text: str) -> str:
    """A comment that stands for code nobody wrote; within code, or in brackets at the end of a text."""
    for block in fences(text):
        found = block.body and _elision(block.body[-20_000:])
        if found:
            return found
    return _elision(text[-200:])


def _elision(text: str) -> str:
    if not contains_any(text, _MARKS):
        return ""
    low = lowered(text)
    found = _ELIDED.search(low) if contains_any(low, _ELISIONS) else None
    return text[found.start() : found.end()] if found else ""


def _spoken(tail: str, found: re.Match[str]) -> bool:
    """Whether somebody in a story says it."""
    return tail[: found.start()].endswith(('"', "“", "'", "‘"))


def _explains(tail: str, found: re.Match[str]) -> bool:
    """Whether "due to length" and the like speak of the subject: then more than a sentence follows, or no verb of ours."""
    words = found[0]
    if re.search(r"to (?:list|write|show|include|enumerate|print)\Z|\A(?:would|will) be too", words):
        return False
    if not words.startswith(("due to", "owing to", "because of", "would be", "will be", "too ")):
        return False
    start = max(tail.rfind(mark, 0, found.start()) for mark in ".!?\n")
    sentence = tail[start + 1 : found.end() + 120].lower()
    return not re.search(
        r"\b(?:i|i['’](?:ll|ve|m)|we|list|response|answer|omit\w*|rest|remaining|truncat\w*|full|complete)\b",
        sentence,
    )


def _far_too_short(text: str, observed: Observed) -> Sign | None:
    wanted = _wants(observed.asked).words
    if not wanted:
        return None
    words = len(text[:40_000].split())
    if words * 8 > wanted or len(text) >= wanted:
        return None
    return Sign(f"{words} words where {wanted} were asked for", shortened(text))


def _far_too_few(text: str, asked: str) -> Sign | None:
    """A numbered list that ends before the half of what was asked for."""
    wanted = _wants(asked).entries
    if not wanted:
        return None
    last = 0
    for entry in _ENTRY.finditer(text):
        last = int(entry[1]) if int(entry[1]) == last + 1 else last
    if last < 3 or 2 * last >= wanted:
        return None
    return Sign(f"{last} entries where {wanted} were asked for", shortened(text[-QUOTE_END:]))
