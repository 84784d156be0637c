"""Claims of lengths and speeds in sentences, as the student's over the base's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from hydrometer.claims.model import Claim, ClaimKind
from hydrometer.claims.numbers import NUMBER, read_number

UP_TO = re.compile(r"\bup to\s*$|\bas (?:much|many|little|few) as\s*$|\bbis zu\s*$", re.IGNORECASE)
REPLY_LENGTH, PER_CORRECT, SPEED = "reply length", "tokens per correct answer", "speed"
_FRACTIONS = {
    "half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "fourth": 1 / 4, "fifth": 1 / 5, "tenth": 1 / 10,
    "two thirds": 2 / 3, "three quarters": 3 / 4,
}  # fmt: skip
_F = r"(?P<f>half|(?:a|one) (?:third|quarter|fourth|fifth|tenth)|two[- ]thirds|three[- ]quarters)"
_UNIT = r"(?P<u>%|percent|x|\u00d7|times)"
_N = rf"(?P<n>{NUMBER})\s?{_UNIT}"
_WORDS = (
    r"(?:chains?[- ]of[- ]thought|CoT|think(?:ing)?|reasoning|traces?|tokens?|repl(?:y|ies)|responses?|answers?|outputs?|chains?"
    r"|generations?|completions?|Antworten|Gedankeng\u00e4nge|r\u00e9ponses|respuestas|respostas|risposte"
    r"|(?:\u601d\u8003|\u63a8\u7406|\u56de\u7b54|\u8f93\u51fa)(?:\u957f\u5ea6|\u94fe)?)"
)
_LESS = (
    r"(?:reduced|reduction|down|cut|shorter|shortened|longer|fewer|less|drop\w*|f[ae]ll\w*|decreas\w*|shr[iu]nk\w*|trimmed|saved"
    r"|smaller|lower|k\u00fcrzer|l\u00e4nger|pi\u00f9 cort\w+|\u51cf\u5c11|\u7f29\u77ed|\u964d\u4f4e)"
)
_SHORTER = r"(?P<w>shorter|fewer|less|longer|more|k\u00fcrzer|l\u00e4nger|plus court\w*|mais curt\w*|m\u00e1s cort\w*)"
_TIME = r"(?:latency|wall[- ]?(?:clock)?(?: time)?|response times?|time[- ]to[- ]answer|(?:inference|generation|running|run)[- ]?time)"
_MORE = re.compile(r"longer|more|l\u00e4nger|increas|rise|rose|grew", re.IGNORECASE)


def _compiled(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


_PER_CORRECT = _compiled(
    rf"per[- ]token\b[^.;]{{0,40}}?{_N}\s+more\s+(?:correct|right)\b",
    rf"{_N}\s+more\s+(?:correct|right)\b[^.;]{{0,40}}?\bper[- ](?:thinking[- ])?token\b",
)
_LENGTH = _compiled(
    rf"{_WORDS}\b[^.;,\d]{{0,40}}?{_N}\s*{_SHORTER}\b",
    rf"{_N}\s*{_SHORTER}\s+(?:\w+[- ]){{0,2}}?{_WORDS}\b",
    rf"{_WORDS}(?:\b|(?=[\u4e00-\u9fff]))[^.;,]{{0,40}}?(?P<w>{_LESS})(?:\b|(?<=[\u4e00-\u9fff]))[^.;,\d]{{0,20}}?{_N}",
    rf"(?P<w>reduc\w+|cut\w*|sav\w+|shorten\w*|trim\w*)\b[^.;,]{{0,40}}?{_WORDS}\b[^.;,\d]{{0,25}}?(?:by )?{_N}",
    rf"{_WORDS} (?:length|usage|count|consumption)?\s*:?\s*(?P<n>[-\u2212]\d+(?:[.,]\d+)?)\s?(?P<u>%)(?P<w>)",
    rf"{_N}\s+(?P<w>reduction|decrease|cut)\s+in\s+(?:\w+[- ]){{0,2}}?{_WORDS}\b",
    rf"(?P<n>[-\u2212]\d+(?:[.,]\d+)?)\s?(?P<u>%)\s+(?:\w+[- ])?{_WORDS}\b(?P<w>)",
)
_COUNTED = _compiled(
    rf"{_WORDS}\b[^.;]{{0,60}}?\bfrom\s+(?P<a>{NUMBER})(?:\s+\w+)?\s+(?:down )?to\s+(?P<b>{NUMBER})(?!\s?(?:%|percent|x\b))",
    rf"{_WORDS}\b[^.;\d]{{0,40}}?(?P<a>{NUMBER})(?:\s+tokens)?\s*(?:->|\u2192)\s*(?P<b>{NUMBER})(?!\s?(?:%|percent|x\b))",
    rf"(?<![\w.])(?P<b>{NUMBER})\s+(?:\w+\s+)?(?:vs\.?|versus|against|instead of|rather than|compared (?:to|with))\s+(?P<a>{NUMBER})"
    rf"\s+(?:\w+[- ]){{0,2}}?{_WORDS}\b",
    rf"{_WORDS}\b[^.;\d]{{0,40}}?(?P<b>{NUMBER})\s+(?:tokens\s+)?\(\s*(?:vs\.? )?(?:the )?(?:base|baseline|original)(?: model)?[ :=]*(?P<a>{NUMBER})",
    rf"{_WORDS}\b[^.;\d]{{0,40}}?(?P<b>{NUMBER})\s+(?:tokens\s+)?(?:vs\.?|versus|against|instead of|rather than|compared (?:to|with))"
    rf"\s+(?P<a>{NUMBER})(?!\s?(?:%|percent|x\b))",
)
_SHARE = _compiled(
    rf"(?P<n>{NUMBER})\s?%\s+of\s+(?:its|the (?:base|original)(?: model)?(?:'s|\u2019s)?)\s+(?:\w+ )?(?:tokens?|length|thinking|budget)\b"
)
_FRACTION = _compiled(
    rf"{_F} (?:of )?the (?:words|length)\b(?P<w>)",
    rf"{_F} (?:of )?(?:as many |(?:the|its) )?(?:(?:base|original)(?: model)?(?:'s)? )?(?:\w+[- ]){{0,2}}?{_WORDS}\b(?P<w>)",
    rf"{_WORDS}\b[^.;,\d]{{0,40}}?(?P<w>{_LESS})\b[^.;,\d]{{0,20}}?\bby (?:about |roughly |nearly |almost )?{_F}",
    rf"(?P<w>reduc\w+|cut\w*|shorten\w*)\b[^.;,\d]{{0,40}}?{_WORDS}\b[^.;,\d]{{0,25}}?\b(?:by|in) (?:about |roughly |nearly |almost )?{_F}",
    rf"{_F} (?P<w>fewer|less|shorter) (?:\w+[- ]){{0,2}}?{_WORDS}\b",
    rf"{_WORDS}\b[^.;,\d]{{0,40}}?\b{_F} as long\b(?P<w>)",
)
_HALVES = re.compile(rf"\bhalv(?:es|ed|ing)\b[^.;,]{{0,40}}?(?P<what>{_WORDS}|{_TIME})\b", re.IGNORECASE)
_OF_ALL = re.compile(r"of (?:the|its|all) (?:replies|answers|responses|outputs|traces|chains|generations)\b", re.IGNORECASE)
"""A share of the replies is no length of them."""
_USES = re.compile(
    r"\b(?:us(?:e|es|ing)|spends?|needs?|takes?|generat\w+|produc\w+|with|only|just|at|in|consum\w+|requir\w+|writes?|emits?)\b", re.IGNORECASE
)
_SPEED = _compiled(
    rf"{_N}\s*(?:as fast|faster|schneller|speed-?ups?|(?:higher|more|better|increase in|gain in) (?:\w+ )?(?:throughput|speed)"
    rf"|(?:\w+ )?(?:decode|decoding|throughput|generation speed|inference speed|tok/s|tokens?/s)\b)",
    rf"(?:throughput|speed-?ups?|decod(?:e|ing) speed|inference speed|generation speed|faster)\b[^.;\d]{{0,25}}?{_N}",
)
_SPEED_COUNTED = _compiled(
    rf"\bfrom\s+(?P<a>{NUMBER})(?:\s?(?:tok(?:ens?)?/s(?:ec)?|t/s|tps))?\s+to\s+(?P<b>{NUMBER})\s?(?:tok(?:ens?)?/s(?:ec)?|t/s|tps|tokens per second)\b",
    rf"(?<![\w.])(?P<a>{NUMBER})(?:\s?(?:tok(?:ens?)?/s(?:ec)?|t/s|tps))?\s*(?:->|\u2192)\s*(?P<b>{NUMBER})\s?(?:tok(?:ens?)?/s(?:ec)?|t/s|tps)\b",
)
_TIME_COUNTED = _compiled(
    rf"{_TIME}\b[^.;]{{0,60}}?\bfrom\s+(?P<b>{NUMBER})\s?(?:m?s|sec\w*|min\w*)\s+to\s+(?P<a>{NUMBER})\s?(?:m?s|sec\w*|min\w*)\b",
)
_TIME_LEFT = _compiled(rf"\b(?:in|takes?|needs?|within)\b[^.;,\d]{{0,20}}?\b{_F} (?:of )?the time\b")
_TIME_CUT = _compiled(
    rf"{_TIME}\b[^.;,\d]{{0,25}}?(?:{_LESS})\b[^.;,\d]{{0,15}}?(?:\bby (?:about |roughly )?{_F}|{_N})",
    rf"(?:{_N}|{_F}) (?:lower|less|shorter) {_TIME}\b",
    rf"(?:reduc\w+|cut\w*)\b[^.;,\d]{{0,20}}?{_TIME}\b[^.;,\d]{{0,15}}?\b(?:by|in) (?:about |roughly )?(?:{_F}|{_N})",
)
_DOUBLE = re.compile(
    r"\b(?:twice as (?P<a>fast|long)|doubl(?:es|ed|ing) (?:the |its )?(?P<b>throughput|(?:decode|decoding|generation|inference) speed))\b", re.IGNORECASE
)


def ratios_in(sentence: str, taken: list[tuple[int, int]]) -> Iterator[Claim]:
    """Yield the lengths and speeds of a sentence.

    Args:
        sentence: The sentence.
        taken: Places of it that are read already; those that are read here are added.
    """
    readers = (
        (_PER_CORRECT, ClaimKind.LENGTH, PER_CORRECT, _per_correct),
        (_SHARE, ClaimKind.LENGTH, REPLY_LENGTH, lambda match: read_number(match["n"])[0] / 100),
        (_TIME_COUNTED, ClaimKind.SPEED, SPEED, _clocked),
        (_TIME_LEFT, ClaimKind.SPEED, SPEED, lambda match: 1.0 / _share(match["f"])),
        (_TIME_CUT, ClaimKind.SPEED, SPEED, _time),
        (_SPEED_COUNTED, ClaimKind.SPEED, SPEED, _counted),
        (_LENGTH, ClaimKind.LENGTH, REPLY_LENGTH, _length),
        (_COUNTED, ClaimKind.LENGTH, REPLY_LENGTH, _counted),
        (_FRACTION, ClaimKind.LENGTH, REPLY_LENGTH, _fraction),
        (_SPEED, ClaimKind.SPEED, SPEED, _speed),
    )
    for patterns, kind, subject, read in readers:
        for match in (found for pattern in patterns for found in pattern.finditer(sentence)):
            yield from _read(match, kind, subject, read, taken)
    for match in _HALVES.finditer(sentence):
        if re.fullmatch(_TIME, match["what"], re.IGNORECASE):
            yield from _read(match, ClaimKind.SPEED, SPEED, lambda _: 2.0, taken)
        else:
            yield from _read(match, ClaimKind.LENGTH, REPLY_LENGTH, lambda _: 0.5, taken)
    for match in _DOUBLE.finditer(sentence):
        long = (match["a"] or "").lower() == "long"
        kind, subject = (ClaimKind.LENGTH, REPLY_LENGTH) if long else (ClaimKind.SPEED, SPEED)
        yield from _read(match, kind, subject, lambda _: 2.0, taken)


def _read(
    match: re.Match[str], kind: ClaimKind, subject: str,
    read: Callable[[re.Match[str]], float | None], taken: list[tuple[int, int]],
) -> Iterator[Claim]:  # fmt: skip
    if any(start < match.end() and match.start() < end for start, end in taken):
        return
    ratio = read(match)
    if ratio is None or not 1e-4 <= ratio <= 1e4:
        return
    taken.append(match.span())
    named = match.groupdict()
    place = match.start("n") if named.get("n") else match.start("f") if named.get("f") else match.start()
    yield Claim(
        kind=kind, subject=subject, value=ratio, digits=read_number(match["n"])[1] if named.get("n") else 0,
        up_to=bool(UP_TO.search(match.string[:place])),
    )  # fmt: skip


def _length(match: re.Match[str]) -> float | None:
    value = read_number(match["n"])[0]
    return _ratio(abs(value), match["u"], down=value < 0 or not _MORE.match(match["w"] or ""))


def _speed(match: re.Match[str]) -> float | None:
    value = read_number(match["n"])[0]
    slower = value < 0 or re.search(r"\b(?:loss|slower|drop|decreas\w*|lower)\b", match.group(), re.IGNORECASE)
    if match["u"].lower() in {"%", "percent"}:
        return _ratio(abs(value), match["u"], down=bool(slower))
    return abs(value) or None


def _time(match: re.Match[str]) -> float | None:
    left = 1.0 - _share(match["f"]) if match["f"] else _ratio(abs(read_number(match["n"])[0]), match["u"], down=True)
    return 1.0 / left if left else None


def _per_correct(match: re.Match[str]) -> float | None:
    more = _ratio(abs(read_number(match["n"])[0]), match["u"], down=False)
    return 1.0 / more if more else None


def _clocked(match: re.Match[str]) -> float | None:
    before, after = read_number(match["b"])[0], read_number(match["a"])[0]
    return before / after if before > 0 and after > 0 else None


def _counted(match: re.Match[str]) -> float | None:
    """Two counts of tokens, or two speeds; small or signed ones are something else, such as temperatures or points."""
    (before, decimals), (after, _) = read_number(match["a"]), read_number(match["b"])
    return after / before if before >= 10 and after > 0 and (not decimals or "/s" in match.group()) else None


def _fraction(match: re.Match[str]) -> float | None:
    if _OF_ALL.search(match.group()):
        return None
    share = _share(match["f"])
    if match["w"]:
        return 1.0 - share
    return share if _USES.search(match.string[: match.start("f")]) or "as long" in match.group() else None


def _share(words: str) -> float:
    return _FRACTIONS[re.sub(r"^(?:a|one) ", "", words.lower().replace("-", " "))]


def _ratio(value: float, unit: str, *, down: bool) -> float | None:
    """Return student over base; None where nothing of it would be left."""
    if unit.lower() in {"x", "\u00d7", "times"}:
        return None if value <= 0 else 1.0 / value if down else value
    share = value / 100
    return (None if share >= 1.0 else 1.0 - share) if down else 1.0 + share
