"""Claims in sentences: a known benchmark or quantity with a number, or words such as "preserves" and "better"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from hydrometer.claims.benchmarks import BASE_WORDS, PARTS, Mention, find_mentions
from hydrometer.claims.facts import facts_in, lineage_in
from hydrometer.claims.kept import words_in
from hydrometer.claims.model import BASE, STUDENT, Claim, ClaimKind
from hydrometer.claims.names import BASE_NAMED, Names
from hydrometer.claims.numbers import NUMBER, Quantity, find_quantities, read_number
from hydrometer.claims.ratios import UP_TO, ratios_in
from hydrometer.claims.settings import COUNT, find_settings

_REACH = 60
"""Characters between a benchmark and a number that may still belong together."""

_LONGEST = 1000
"""Characters of a sentence that are looked at: what runs on is no sentence, and patterns must stay linear."""

_SPLIT = re.compile(
    r"(?<=[.!?;])(?<!\bvs\.)(?<!\bca\.)(?<!\bcf\.)(?<!e\.g\.)(?<!i\.e\.)(?<!approx\.)\s+(?=[A-Z\d*+\u2212\"'(-])"
    r"|(?<=[\u3002\uff01])|\n*\f\s*|\n{2,}|(?<=[.!?;:])\n+|(?<!.{60})\n(?![a-z(])"
)
"""Ends of sentences. A line of 60 characters that ends without a stop goes on in the next one, a shorter one is an item of its own."""
_WISH = re.compile(
    r"\b(?:will|whether|plan(?:s|ned)? to|aims? to|hope|goal|todo|coming soon|future|should|may|might|could|would|if you|designed to|intended"
    r"|not (?:yet )?(?:been )?(?:evaluated|tested|measured|benchmarked)|has not|have not|no (?:benchmarks?|evaluation))\b|\?\s*$",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"(?:improv\w*|gain\w*|rais\w*|lift\w*|increas\w*|up|drop\w*|los[et]\w*|down|regress\w*|decreas\w*|boost\w*|jump\w*|better|worse|higher"
    r"|lower)\b[^.;]{0,40}?\bby\s*$",
    re.IGNORECASE,
)
_UP_OR_DOWN = re.compile(
    r"\b(?:(?P<down>drop|los[et]|down|regress|decreas|worse|lower|fell|fall|cost|trail|behind|below|penalty|sacrific)|improv|gain|rais|lift|increas"
    r"|up\b|boost|jump|better|higher|rose|above|ahead)",
    re.IGNORECASE,
)
_BEHIND_IT = re.compile(r"[\s)]*(?:(?P<down>below|behind|under|lower|worse|down|less|short of|drop|loss|lost|fewer|regression)|above|over|ahead|higher|better|up|more|gain)\b", re.IGNORECASE)
_FROM_TO = re.compile(
    rf"from\s+(?P<a>{NUMBER})\s?%?\s*(?:to|->|\u2192)\s*(?P<b>{NUMBER})\s?%?|(?<![\w.])(?P<c>{NUMBER})\s?%?\s*(?:->|\u2192)\s*(?P<d>{NUMBER})\s?%?",
    re.IGNORECASE,
)
_VERSUS = re.compile(
    rf"(?<![\w.])(?P<a>{NUMBER})\s?%?\s*(?:\(\s*(?:the |its )?(?:{BASE_WORDS}|before)\b(?: model)?[ :=]*|vs\.?\s+|versus\s+|against\s+|instead of\s+|rather than\s+|(?:up |down )?from\s+)(?P<b>{NUMBER})\s?%?", re.IGNORECASE
)
_ITEM = re.compile(r"^[\W_]*(?P<label>[^:=|\n]{1,60}?)[\s*_`]*[:=]\s*[*_`]*(?P<n>\d{1,3}(?:[.,]\d{1,4})?)\s?(?P<u>%?)[\s*_`]*(?:\(.{0,80}\))?[\W_]*$")
"""An item of a list that is nothing but a name and a number."""
_NOBODY = Names()
_REACHED = re.compile(r"\b(?:scor\w+|reach\w*|achiev\w*|gets?|obtain\w*|attain\w*)\s*$", re.IGNORECASE)
_CLAUSES = (",", ";", "\uff0c", "\uff1b", " vs", " against", " versus", " compared", " while ", " whereas ", " than ")
_RIGHT_BEFORE = re.compile(r"(?P<who>[^\s,;()][^,;()]{0,50}?)\s*[(:=]\s*[*_`]*$")
_RIGHT_BEHIND = re.compile(r"[\s)%]*(?:\(|for |of |by )\s*(?P<who>[^,;):=\d]{1,40}+(?:\d[^,;):=\s]*)?)(?!\s*[:=\d])", re.IGNORECASE)
_FOR_BASE = re.compile(rf"\s*(?:for|of|by) (?:the |its )?(?:{BASE_WORDS})\b", re.IGNORECASE)
_SHARE_OF = re.compile(r"\s*of (?:the |its |their )", re.IGNORECASE)
"""What follows a percentage that is a share of something else than items."""
_REPORTS = re.compile(r"\b(?:reports?|scores?|reach(?:es)?|gets?|achieves?|attains?|is at|stands at|manages|has)\b", re.IGNORECASE)


def claims_in(text: str, line: int, names: Names = _NOBODY, heading: str = "") -> list[Claim]:
    """Return the claims of a paragraph, a list item or a heading.

    Args:
        text: Its words, without markup.
        line: Its first line in the card.
        names: Names of the two models.
        heading: Key of the only benchmark that the heading above it names, `""` for none: what an item of a list such as
            `Base: 63.1` is about.
    """
    found: list[Claim] = []
    last = ""
    for start, sentence in _sentences(text):
        if _WISH.search(sentence):
            claims = list(lineage_in(sentence, names))
        else:
            claims = list(_of_sentence(sentence, names)) or list(_of_label(sentence, heading, names))
            claims = claims or list(_of_reference(sentence, last, names))
        settings = find_settings(sentence)
        here = line + text.count("\n", 0, start)
        quote = " ".join(sentence.split())[:300]
        found += [
            replace(claim, settings={**settings, **claim.settings}, line=here, quote=quote) for claim in claims
        ]
        scored = {claim.subject for claim in claims if claim.kind is ClaimKind.SCORE}
        last = scored.pop() if len(scored) == 1 else ""
    return found


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for match in [*_SPLIT.finditer(text), None]:
        end = match.start() if match else len(text)
        if text[start:end].strip():
            # A wrapped line is one space to every pattern, and as long, so that places stay right.
            yield start, text[start : min(end, start + _LONGEST)].replace("\n", " ")
        start = match.end() if match else end


def _of_sentence(sentence: str, names: Names) -> Iterator[Claim]:
    taken: list[tuple[int, int]] = []
    yield from ratios_in(sentence, taken)
    yield from facts_in(sentence, names, taken)
    mentions = find_mentions(sentence)
    counted = list(_counted(sentence, mentions, taken, names))
    yield from counted
    numbers = [
        q for q in find_quantities(sentence) if not (q.other or _within(q, taken) or _SHARE_OF.match(sentence, q.end))
    ]
    scored = list(_numbers(sentence, mentions, numbers, names))
    yield from scored
    # "better" beside the number of the same thing is said by the number.
    numbered = {claim.subject for claim in (*scored, *counted)}
    yield from (
        claim for claim in words_in(sentence, mentions, names) if claim.subject not in (numbered and {*numbered, ""})
    )


def _of_label(sentence: str, heading: str, names: Names) -> Iterator[Claim]:
    """A score in a list below the heading of its benchmark, which is nothing but a name and a number."""
    match = _ITEM.match(sentence.strip()) if heading else None
    if match is None:
        return
    value, digits = read_number(match["n"])
    of = names.owner(match["label"])
    if value <= 100 and (match["u"] or digits) and (of in {STUDENT, BASE} or names.named(match["label"])):
        yield Claim(kind=ClaimKind.SCORE, subject=heading, value=value / 100, digits=digits, of=of)


def _of_reference(sentence: str, last: str, names: Names) -> Iterator[Claim]:
    """A score of the base or of another model right after one of the student: "for reference the base reports 77.2 %"."""
    who = names.named(sentence)
    numbers = [q for q in find_quantities(sentence) if q.unit == "%" and not q.signed]
    if last and len(numbers) == 1 and who not in ("", STUDENT) and _REPORTS.search(sentence) and numbers[0].value <= 100:
        (number,) = numbers
        yield Claim(kind=ClaimKind.SCORE, subject=last, value=number.value / 100, digits=number.digits, of=who)


def _within(quantity: Quantity, taken: list[tuple[int, int]]) -> bool:
    return any(start <= quantity.start < end for start, end in taken)


def _numbers(sentence: str, mentions: list[Mention], numbers: list[Quantity], names: Names) -> Iterator[Claim]:
    """Scores and differences: every number goes to the benchmark that it stands with."""
    used: set[int] = set()
    for start, end, sides in _pairs_of_numbers(sentence, names):
        mention = _nearest(start, end, mentions, sentence)
        if mention is None or mention.subject in PARTS:
            continue
        read = {of: read_number(written) for written, of in sides}
        if not mention.benchmark and max(value for value, _ in read.values()) <= 100:
            change = (read[STUDENT][0] - read[BASE][0]) / 100
            yield Claim(kind=ClaimKind.DIFFERENCE, subject=mention.subject, value=change, digits=read[STUDENT][1])
        for of, (value, digits) in read.items():
            if 0 <= value <= 100 and mention.benchmark:
                yield Claim(kind=ClaimKind.SCORE, subject=mention.subject, value=value / 100, digits=digits, of=of)
        used |= {q.start for q in numbers if start <= q.start < end}
    for number in numbers:
        if number.start in used or number.unit == "x" or abs(number.value) > 100:
            continue
        mention = _nearest(number.start, number.end, mentions, sentence)
        if mention is not None:
            claim = _scored(sentence, mention, number, names)
            if claim is not None:
                yield claim
                yield from (replace(claim, subject=also.subject) for also in _joined(sentence, mention, mentions))


def _pairs_of_numbers(sentence: str, names: Names) -> Iterator[tuple[int, int, tuple[tuple[str, str], ...]]]:
    """Two numbers for one thing, with their owners: "from 79 to 71", "71 (base: 79)", "71 vs 79"."""
    for match in _FROM_TO.finditer(sentence):
        yield *match.span(), ((match["a"] or match["c"], BASE), (match["b"] or match["d"], STUDENT))
    for match in _VERSUS.finditer(sentence):
        if not names.other(sentence):
            yield *match.span(), ((match["a"], STUDENT), (match["b"], BASE))


def _counted(
    sentence: str, mentions: list[Mention], taken: list[tuple[int, int]], names: Names
) -> Iterator[Claim]:
    """Scores as counts: "17 of 30"."""
    for match in COUNT.finditer(sentence):
        right, items = int(match["k"]), int(match["n"])
        mention = _nearest(match.start(), match.end(), mentions, sentence)
        if mention is None or not mention.benchmark or not 1 < items >= right:
            continue
        place = Quantity(
            start=match.start(), end=match.end(), value=right, digits=0, unit="", signed=False, other=False
        )
        taken.append(match.span())
        yield Claim(
            kind=ClaimKind.SCORE, subject=mention.subject, value=right / items, digits=4,
            of=_owner(sentence, place, mention, names), settings={"items": match["n"]},
        )  # fmt: skip


def _nearest(start: int, end: int, mentions: list[Mention], sentence: str) -> Mention | None:
    """The benchmark that a number belongs to: the one it introduces by a preposition, else the one before it, else the next."""
    for mention in mentions:
        between = sentence[end : mention.start]
        if mention.start >= end and re.fullmatch(
            r"[\s)%]*(?:accuracy |points |pass rate )?(?:on|in|for|at|auf|en|sur)?\s*(?:the |its )?[*_`]*", between
        ):
            return mention
    before = [m for m in mentions if m.end <= start and start - m.end <= _REACH]
    if before and not re.search(r"[;:]\s.*[;:]", sentence[before[-1].end : start]):
        return before[-1]
    behind = [m for m in mentions if m.start >= end and m.start - end <= _REACH]
    return behind[0] if behind else None


def _joined(sentence: str, mention: Mention, mentions: list[Mention]) -> Iterator[Mention]:
    """What is named in one breath with a capability: "on arithmetic and word problems"."""
    for following in mentions[mentions.index(mention) + 1 :]:
        if not re.fullmatch(r"\s*(?:,|and|&|/|,\s*and)\s*", sentence[mention.end : following.start]) or following.benchmark:
            return
        yield following
        mention = following


def _scored(sentence: str, mention: Mention, number: Quantity, names: Names) -> Claim | None:
    lead = sentence[max(0, number.start - 50) : number.start]
    difference = number.signed or bool(_CHANGE.search(lead)) or (number.unit == "points" and not _REACHED.search(lead))
    if not mention.benchmark and not difference:
        return None  # "97 % reasoning samples" is no score
    if not number.unit and not difference and not _plain(sentence, mention, number):
        return None
    if difference and names.other(sentence) and not BASE_NAMED.search(sentence):
        return None  # ahead of somebody else is no difference to the base
    value = number.value / 100
    if difference and value > 0 and not number.signed and _falls(lead, sentence[number.end : number.end + 20]):
        value = -value
    return Claim(
        kind=ClaimKind.DIFFERENCE if difference else ClaimKind.SCORE,
        subject=mention.subject,
        value=value,
        digits=number.digits,
        of=STUDENT if difference else _owner(sentence, number, mention, names),
        up_to=bool(UP_TO.search(lead)),
    )


def _falls(lead: str, behind: str) -> bool:
    """Whether a change points downwards: by the word right after its number, else by the last such word before it."""
    if after := _BEHIND_IT.match(behind):
        return after["down"] is not None
    words = list(_UP_OR_DOWN.finditer(lead))
    return bool(words) and words[-1]["down"] is not None


def _plain(sentence: str, mention: Mention, number: Quantity) -> bool:
    """Whether a number without a unit stands beside its benchmark as a score does: `MMLU: 84.5`, `84.5 on MMLU`."""
    if number.value < 1 and not number.digits:
        return False
    if number.start >= mention.end and re.search(r"\d\s?(?:points|pts|pp|%)\s+to\s*$", sentence[: number.start]):
        return True
    if not number.digits and re.fullmatch(r"\s*", sentence[number.end : mention.start]) and mention.start >= number.end:
        return False  # "30 SWE-bench tasks"
    if number.start >= mention.end and re.fullmatch(r",?\s*(?:up|down) from\s+", sentence[max(mention.end, number.start - 12) : number.start]):
        return True
    if number.start >= mention.end and _FOR_BASE.match(sentence, number.end):
        return True
    gap = sentence[mention.end : number.start] if number.start >= mention.end else sentence[number.end : mention.start]
    return bool(re.fullmatch(r"[\s:=|*_`()~-]*(?:(?:on|of|at|is|sur|auf|score[sd]?|reache[sd]|from|to|accuracy|unchanged|flat|stay(?:s|ed)|remain(?:s|ed))\s*)*[\s*_`(~]*(?:the )?", gap))


def _owner(sentence: str, number: Quantity, mention: Mention, names: Names) -> str:
    """Whose score it is: who is named right before the number, else right behind it, else in its clause."""
    lead, near = sentence[max(0, number.start - 60) : number.start], sentence[number.end : number.end + 50]
    if re.search(rf"{BASE_NAMED.pattern}\s*$", lead, re.IGNORECASE):
        return BASE
    if re.search(r"(?:\bthis model|\bours|\u672c\u6a21\u578b)\s*[:\uff1a]?\s*$", lead, re.IGNORECASE):
        return STUDENT
    if named := _RIGHT_BEFORE.search(lead):
        who = names.named(named["who"])
        if who:
            return who
    clause_start = max(sentence.rfind(mark, 0, min(number.start, mention.start)) for mark in _CLAUSES)
    ends = [i for mark in (*_CLAUSES, " and ", "(") if (i := sentence.find(mark, max(number.end, mention.end))) > 0]
    clause = sentence[max(clause_start, 0) : min(ends, default=len(sentence))]
    if re.match(r",\s*which\b", clause) and re.search(rf"{BASE_NAMED.pattern}\s*$", sentence[:clause_start], re.IGNORECASE):
        return BASE
    if behind := _RIGHT_BEHIND.match(near):
        who = names.named(behind["who"])
        if who:
            return who
    own = re.split(r"\b(?:of|from|by) (?:the )?$", clause)[0]
    who = names.other(own) or names.named(own)
    if who == BASE and re.search(
        r"(?:vs|than|against|over|compared (?:to|with)|below|above|behind)\b.*$", clause[: clause.find(str(int(number.value)))]
    ):
        return STUDENT
    return who or _subject(sentence, number, names)


def _subject(sentence: str, number: Quantity, names: Names) -> str:
    """Whose a number is that its own clause does not say: the model that the sentence begins with, up to its first number."""
    first = next((q.start for q in find_quantities(sentence) if q.digits or q.unit), number.start)
    start = re.split(r"\b(?:vs|than|against|over|compared|from|of|with|to|like|on top)\b", sentence[: min(first, 80)])[0]
    return names.named(start) or STUDENT
