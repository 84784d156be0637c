"""Claims in words, without a number: what is kept and what is better."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hydrometer.claims.benchmarks import PARTS, Mention
from hydrometer.claims.model import STUDENT, Claim, ClaimKind
from hydrometer.claims.names import BASE_NAMED, Names

_KEPT = re.compile(
    r"\b(?P<change>(?:no|without|zero) (?:any )?(?:\w+ )?(?:changes?|difference|drop|decline|decrease)s? (?:to|in|on|for)\b)"
    r"|\b(?P<behind>(?:fully |completely )?(?:preserv\w+|retain\w*|maintain\w*|keep(?:s|ing)?|kept|inherits?)|leav(?:es?|ing)(?= [^.;]{3,80}? (?:untouched|intact|unchanged|unaffected)))\b"
    r"|\b(?P<loss>(?:without|no|zero) (?:any )?(?:\w+ )?(?:loss(?:es)?|losing|degradation|degrading|regressions?|catastrophic forgetting|sacrificing)"
    r"|(?:does|did) not (?:degrade|hurt|harm|lose))\b"
    r"|\b(?P<before>(?:remain\w*|stay\w*|(?:is|are|was|were)(?: left| still)?) (?:\w+ly )?(?:intact|unchanged|untouched|unaffected|the same|included|present)"
    r"|(?:did|does|do)(?: not|n't) (?:\w+ly )?(?:change|suffer|drop|regress)|works? (?:exactly |just )?(?:as|like) (?:in|with) (?:the )?(?:base|original)"
    r"|(?:is|are) on par with (?:the )?(?:base|original)"
    r"|(?:tower|encoder|projector|heads?|weights|layers?) (?:left )?(?:untouched|intact|unchanged|kept|preserved|included|carried over))\b",
    re.IGNORECASE,
)
_BETTER = re.compile(
    r"\b(?:better|stronger|improv(?:ed|es|ing|ements?)|sharper|superior|outperform\w*|enhanc(?:ed|es|ing)|boost(?:s|ed)|surpass\w*|beats?|crush(?:es|ed)|outclass\w*"
    r"|more (?:capable|accurate|reliable|stable|robust|consistent)|state-of-the-art|(?:opus|claude|gpt|sonnet)[-\w. ]{0,6}[- ]level)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:not|no|never|without|isn't|doesn't|don't|cannot|neither|nor|no claims? (?:on|about)|less|nothing|hardly)\s+(?:\w+\s)?$", re.IGNORECASE
)
_PASSIVE = re.compile(r"\b(?:is|are|was|were|stays?|remains?|been)\s+(?:\w+ly\s+|far\s+|much\s+|also\s+|well\s+)?$", re.IGNORECASE)
_ADVICE = re.compile(
    r"^\W*(?:for (?:better|improved|more)|to (?:get|improve|keep|preserve|retain|maintain|boost|enhance)|use|try|set|make sure|we recommend"
    r"|recommended|please|you can|consider|remember|be sure|keep|note)\b",
    re.IGNORECASE,
)


def words_in(sentence: str, mentions: list[Mention], names: Names) -> Iterator[Claim]:
    """Yield what a sentence says is kept or better, each with the capabilities that its own words reach.

    "Preserves X" and "improved X" speak of what follows, "X is preserved" and "X improved" of what stands before.
    """
    if _ADVICE.search(sentence):
        return
    cues = sorted(
        ((match, kind) for kind, pattern in ((ClaimKind.KEPT, _KEPT), (ClaimKind.BETTER, _BETTER)) for match in pattern.finditer(sentence)),
        key=lambda cue: cue[0].start(),
    )
    cues = [(match, kind) for match, kind in cues if not _NEGATED.search(sentence[: match.start()]) and not _of_others(sentence, match, names)]
    capabilities = [m for m in mentions if not m.benchmark]
    for i, (match, kind) in enumerate(cues):
        start = cues[i - 1][0].end() if i else 0
        end = cues[i + 1][0].start() if i + 1 < len(cues) else len(sentence)
        reached = _reached(sentence, match, capabilities, start, end)
        for subject in dict.fromkeys(m.subject for m in reached):
            # A part is there or it is not; "improved images" are something else.
            if kind is ClaimKind.KEPT or subject not in PARTS[1:]:
                yield Claim(kind=kind, subject=subject)
        if not reached and not _is(match, "before") and BASE_NAMED.search(sentence[match.end() : match.end() + 60]):
            on = [m.subject for m in mentions if m.benchmark and match.end() <= m.start < end]
            yield from (Claim(kind=kind, subject=subject) for subject in dict.fromkeys(on or [""]))


def _reached(sentence: str, match: re.Match[str], capabilities: list[Mention], start: int, end: int) -> list[Mention]:
    behind = [m for m in capabilities if match.end() <= m.start < min(end, match.end() + 90)]
    before = [m for m in capabilities if max(start, match.start() - 60) <= m.start < match.start()]
    if _is(match, "before"):
        return before
    reached = before if before and (_PASSIVE.search(sentence[: match.start()]) or not behind) else behind
    # "Opus-level reasoning", "keeps its coding": a capability inside the words themselves.
    return reached or [m for m in capabilities if match.start() <= m.start < match.end()]


def _of_others(sentence: str, match: re.Match[str], names: Names) -> bool:
    """Whether another model is what is said to be better: "the base is better at maths"."""
    clause = re.split(r"[,;:]|\b(?:but|while|whereas|and)\b", sentence[: match.start()])[-1][-80:]
    than = re.split(r"\b(?:than|over|compared (?:with|to)|of|from|like|as)\b", clause)[0]
    who = names.named(than)
    return who not in ("", STUDENT) and bool(re.match(r"\W*(?:the |\w+[- ]){0,3}", than))


def _is(match: re.Match[str], group: str) -> bool:
    return bool(match.groupdict().get(group))
