"""The last sentences of a reply that leave work undone, told by what they are about instead of by their wording.

Everybody gives up in other words, so a sentence is not matched whole: cues say that it stops, leaves out, cannot go on,
speaks of the rest, of space, of only a part. Some cues together are a give-up, each of them alone is ordinary.
"""

from __future__ import annotations

import re

from hydrometer.letters import contains_any, lowered

_LISTED = r"(?:list|entry|entries|items?|register|names?|table|reply|response|answer|output|code|text|essay|lines?|file|program)"

_I = re.compile(r"\b(?:i|we|let me)\b")
_NOT = re.compile(r"n['’]t\b|\b(?:cannot|not|no|never|unable|impossible)\b")
_STOP = re.compile(
    r"\b(?:stop|end|paus|break|cut|leav|wrap|quit|conclud|halt|call)\w*\b[^,;]{0,24}?"
    r"\b(?:here|there|now|at (?:this|that)|short|off)\b",
)
_OUT = re.compile(
    r"\b(?:omit\w*|left out|leav\w+(?: \w+){0,5} out|left off|skip(?:ped|ping|s)?|truncat\w+|abridged|cut (?:off|for|down)|incomplete|unlisted|elided)\b"
    r"|(?:\bnot|n['’]t) (?:shown|listed|included|printed|given|displayed|written out)\b",
)
_NOTHING_OUT = re.compile(
    r"\b(?:no|none|nothing|neither|without)\b[^,;]{0,30}\b(?:omit|left out|leaving|skip|truncat|missing|lacking)|n['’]t (?:omit|skip|truncat)|\bnot limited to\b",
)
_REST = re.compile(
    r"\b(?:rest|remainder|remaining|others|the other (?:\w+ )?" + _LISTED + r"|(?:the|any) further \w+"
    r"|all (?:of )?(?:them|these|those|\d+|the " + _LISTED + r"|entries|items|names)|them all|everything|every (?:single )?\w+"
    r"|(?:full|complete|whole|entire) (?:\w+ )?" + _LISTED + r"|(?:many|no|for|\d+) more\b(?! \w+ (?:than|about))"
    r"|next (?:\w+ )?(?:entries|items|names|ones))\b",
)
_OTHERS = re.compile(
    r"\b(?:rest|remainder|remaining|the others|the other (?:\w+ )?" + _LISTED + r"|all (?:further|other) \w+)\b",
)
_DO = re.compile(
    r"\b(?:list|show|writ|wrot|giv|includ|provid|print|cover|enumerat|nam(?:e|ing)\b|reproduc|finish|complet|continu|go (?:on|through|over"
    r"|further)|get (?:through|to)|got to|reach|carry on|fit|display|spell|put|bother|do\b|done\b)\w*",
)
_FINISH = re.compile(
    r"\b(?:finish|complet|continu)\w*|\b(?:go on|go further|carry on|get (?:through|to the end)|reach the end|do (?:all|more|the))\b",
)
_SPACE = re.compile(
    r"\b(?:space|lengthy?|brevity|limit\w*|room|tokens?|maximum|(?:too|far|very) (?:\w+ )?(?:long|many|much|large|big|lengthy)|exceed\w*"
    r"|practical|feasible|(?:keep|cut) (?:\w+ ){1,3}short|constraints?|(?:large|sheer) number|tak\w+ (?:\w+ )*?(?:long|time|ages))\b",
)
_ONLY = re.compile(
    r"\b(?:only|just|merely|some|a few|first (?:few|\w+)|a? ?part of|a part|sample|selection|excerpt|portion|partial\w*)\b",
)
_LIST = re.compile(rf"\b(?:{_LISTED}|these|ones)\b")
_SAME = re.compile(
    r"\b(?:(?:the )?same (?:\w+ )?(?:way|manner|pattern|scheme|format|form|style|fashion|principle|lines|steps?|rules?|procedure)|like (?:this|that|manner)|likewise"
    r"|similarly|analogously|accordingly)\b|\b(?:is|are|look\w*|be) (?:\w+ )?(?:similar|alike|analogous|the same)\b",
)
_YOURS = re.compile(
    r"\b(?:you|please|feel free|let you)\b[^,;]{0,40}?\b(?:add|fill|complete|finish|continue|write|do|work out|find|look up|extend|supply)\b"
    r"|\b(?:exercise|reader|yours|yourself|up to you|(?:leave|left) \w+(?: \w+)? to you)\b",
)
_OFFER = re.compile(
    r"\b(?:let me know|tell me|would you like|do you want|shall i|should i|if you(?:['’]d)? (?:want|like|need|wish|prefer)|just (?:say|ask))\b",
)
_ON = re.compile(
    r"\b(?:continue|go on|carry on|keep going|proceed)\b|\b(?:the|any) (?:rest|remaining|remainder|missing|others)\b|\bnext (?:\w+ )?(?:entries|items"
    r"|names|ones|part)\b",
)
_PART = re.compile(
    r"\b(?:this|that|these|those|here|above|list)\b[^,;]{0,30}\b(?:(?:only|just|merely) (?:an? (?:\w+ )?(?:part|sample|selection|excerpt|few|portion|fraction"
    r"|handful)|part|some|the first|the beginning)|an? (?:short |small |brief )(?:excerpt|sample|selection|part)|an? (?:\w+ )?(?:partial|incomplete|abridged)\b|incomplete\b|not (?:the |a )?(?:complete|full|whole)"
    r"|the first few)",
)
_GOES_ON = re.compile(
    rf"\b(?:{_LISTED}|pattern|it|this|that|sequence) (?:goes on|go on|(?:would )?continues?)\b(?! (?:to|from|on|at|with (?:the|a) (?!rest|remaining))\b)"
    r"|\band so (?:on|forth)\b,? (?:until|up to|to|for)\b",
)
_SAYS_GO_ON = re.compile(
    r"\A\W*(?:please |just |simply )?(?:continu\w*|repeat|proceed|carry on|go on|keep going)\b"
    r"(?=.{0,60}\b(?:same|similar\w*|like|until|up to|remaining|rest|others|on your own|likewise|pattern|so on|list|\d+)\b)",
)
_ENOUGH = re.compile(
    r"\A[\s.(…]*(?:and so (?:on|forth)|etc)\b(?=\W*\Z| (?:for|through|until|up|with)\b)|\A\W*more (?:could|can|may|will|to)\b"
    r"|\bto be continued\b|\bget (?:you )?started\W*\Z|\bgives? you (?:an?|the) (?:\w+ )?idea\b|\bgood (?:place|point) to (?:stop|end|pause)\b|\byou\b[^,;]{0,40}\bfrom (?:here|there)\W*\Z"
    r"|\b(?:more|further|remaining|additional|others?)\b[^,;]{0,30}\b(?:up)?on request\b"
    r"|\b(?:etc|and so (?:on|forth))\b\W{0,3}(?:\w+ ){0,3}(?:remaining|rest|others)\b",
)
_REFER = re.compile(r"\b(?:see|refer|consult|visit|check|look (?:up|in|at))\b")
_WHOLE = re.compile(rf"\b(?:rest|remaining|others|(?:full|complete|whole|entire) (?:\w+ )?{_LISTED})\b")
_REST_FIRST = re.compile(
    r"\A\W*(?:todo\W+)?(?:the )?(?:rest|remaining|remainder|others)\b.{0,40}"
    r"\b(?:follows?|(?:goes|go) here|to be|(?:can|could|should|would|will|may) be|yours|identical|missing)\b",
)
_MISSING = re.compile(r"\b(?:missing|lacking|absent)\b")
_TOO = re.compile(r"\btoo (?:long|many|much|lengthy|large)\b")
_WOULD = re.compile(r"\b(?:would|will|gets?|makes?|becomes?)\b")
_BEYOND = re.compile(r"\bbeyond (?:the scope|what i|my|the limits?)\b")
_SHOWN = re.compile(r"\b(?:only|just|merely)\b.{0,40}\b(?:shown|given|listed|included|printed|a few|few of|some of|first|part)\b")
_HAND = re.compile(r"\b(?:is|are|were|was|been|i|we)\b")
_OTHER = re.compile(rf"\b(?:more|other) {_LISTED}\b")
_SPENT = re.compile(
    r"\bout of (?:space|room|time|tokens|ideas|patience|energy)\b|\b(?:reached|hit|at) (?:the|my) (?:\w+ )?(?:limit|maximum)"
    r"|\b(?:as (?:far|much|many) as i (?:can|could|will)|all (?:that )?i (?:can|could) (?:give|write|offer|do|list|show|manage)|all (?:that )?i have)\b(?! to\b)"
    r"|\bi(?:['’](?:m|ve|ll))?(?: am| have| will| must| had to| have to| need to)? (?:giv\w+ up|gave up|given up|got stuck|am stuck|stuck|too tired|lost track)\b",
)
_MANY_MORE = re.compile(r"\A\W*(?:and )?(?:(?:so )?many|several|\d+|lots|countless) (?:more|others)\b")
_NOTE = re.compile(
    r"[\[(<…][^\[\]()<>\n]{0,20}\b(?:more|remaining|others?|rest|continu\w*|so on|further|truncated|omitted)\b[^\[\]()<>\n]{0,40}[\])>…]\W*\Z",
)

_TOGETHER: tuple[tuple[re.Pattern[str], ...], ...] = (
    (_I, _STOP),
    (_OUT, _REST), (_OUT, _SPACE), (_OUT, _ONLY), (_OUT, _LIST),
    (_NOT, _DO, _REST), (_NOT, _DO, _SPACE), (_I, _NOT, _FINISH, _LIST),
    (_OTHERS, _SAME), (_OTHERS, _YOURS), (_LIST, _SAME, _YOURS),
    (_SPACE, _REST), (_SPACE, _ONLY, _LIST), (_SPACE, _DO, _LIST, _NOT),
    (_TOO, _DO, _LIST), (_TOO, _WOULD, _LIST), (_BEYOND, _LIST), (_BEYOND, _REST), (_SHOWN, _HAND), (_I, _NOT, _DO, _OTHER),
    (_I, _ONLY, re.compile(r"\b(?:list|give|gave|given|show|shown|wrote|write|name)\w*\b"), _LIST),
    (_OFFER, _ON), (_PART,), (_GOES_ON,), (_SAYS_GO_ON,), (_REFER, _WHOLE), (_REST_FIRST,), (_MISSING, _LIST), (_SPENT,), (_ENOUGH,), (_MANY_MORE,),
)  # fmt: skip
"""Cues that have to meet in one sentence."""

_NEEDED: dict[re.Pattern[str], tuple[str, ...]] = {
    _NOTHING_OUT: ("omit", "left out", "leaving", "skip", "truncat", "missing", "lacking", "not limited"),
    _OUT: ("omit", "out", "left off", "skip", "truncat", "abridged", "cut ", "incomplete", "unlisted", "elided", "shown", "listed", "included",
           "printed", "given", "displayed"),
    _OTHERS: ("rest", "remain", "the other", "all further", "all other"), _TOO: ("too ",), _BEYOND: ("beyond ",), _SHOWN: ("only", "just", "merely"),
    _OFFER: ("let me know", "tell me", "would you like", "do you want", "shall i", "should i", "if you", "just "), _REFER: ("see", "refer", "consult", "visit", "check", "look "),
    _PART: ("part", "sample", "excerpt", "few", "portion", "fraction", "handful", "selection", "some", "the first", "beginning", "abridged", "complete", "full", "whole"),
    _SAYS_GO_ON: ("continu", "repeat", "proceed", "carry on", "go on", "keep going"),
    _REST_FIRST: ("rest", "remain", "other"), _MISSING: ("missing", "lacking", "absent"), _MANY_MORE: (" more", " others"),
    _SPENT: ("out of ", "reached ", "hit ", "at ", "as far", "as much", "as many", "all ", "giv", "gave", "stuck", "too tired", "lost track"),
}  # fmt: skip
"""Words of which one stands in whatever a cue finds."""

_END = 320
_CUT = re.compile(r"(?<=[.!?])\s+|\n+|[()\[\]]+")
_LAST = 3


def leaves_off(text: str) -> str:
    """Return the sentence at the end of a reply that leaves the work undone, `""` without one.

    Meant for replies to a request for something whole; elsewhere the same sentences are ordinary.
    """
    tail = text[-_END:]
    if tail.rstrip(" .)]*").endswith(("\n[", "\n(", "\n…")):
        return tail[-6:].strip()
    note = _NOTE.search(lowered(tail))
    if note and not tail[tail.rfind("\n", 0, note.start()) + 1 : note.start()].strip(" \t.*_"):
        return tail[note.start() : note.end()]
    sentences = [piece.strip() for piece in _CUT.split(tail) if piece and piece.strip(" .*_-")]
    # Entries of a list are no sentences of the model's own.
    own = [piece for piece in sentences[-_LAST:] if not re.match(r"(?:\d+[.):]|[-*•|#])\s", piece)]
    return next((piece for piece in own if _gives_up(lowered(piece))), "")


def _gives_up(sentence: str) -> bool:
    if _shows(_NOTHING_OUT, sentence):
        return False
    seen: dict[re.Pattern[str], bool] = {}

    def shows(cue: re.Pattern[str]) -> bool:
        if cue not in seen:
            seen[cue] = _shows(cue, sentence)
        return seen[cue]

    return any(all(map(shows, cues)) for cues in _TOGETHER)


def _shows(cue: re.Pattern[str], sentence: str) -> bool:
    needed = _NEEDED.get(cue)
    return (needed is None or contains_any(sentence, needed)) and bool(cue.search(sentence))
