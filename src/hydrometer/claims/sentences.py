"""Claims in sentences: a known benchmark or quantity with a number, or words such as "preserves" and "better"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from hydrometer.claims.benchmarks import BASE_WORDS, Mention, find_mentions
from hydrometer.claims.model import BASE, STUDENT, Claim, ClaimKind
from hydrometer.claims.numbers import NUMBER, Quantity, find_quantities, read_number
from hydrometer.claims.settings import COUNT, find_settings

_REACH = 60
"""Characters between a benchmark and a number that may still belong together."""

_LONGEST = 1000
"""Characters of a sentence that are looked at: what runs on is no sentence, and patterns must stay linear."""

_SPLIT = re.compile(r"(?<=[.!?;])\s+(?=[A-Z\d*+\u2212\"'(-])|\n+")
_WISH = re.compile(
    r"\b(?:will|plan(?:s|ned)? to|aims? to|hope|goal|todo|coming soon|future|should|may|might|could|would|if you|designed to|intended"
    r"|not (?:yet )?(?:been )?(?:evaluated|tested|measured|benchmarked)|has not|have not|no (?:benchmarks?|evaluation))\b|\?\s*$",
    re.IGNORECASE,
)
_BASE = re.compile(rf"\b(?:the )?(?:{BASE_WORDS})\b(?: model)?", re.IGNORECASE)
_OTHERS = re.compile(
    r"\b(?:GPT-?\d|GPT-4o|o[134](?:-mini)?|Claude(?: \w+)? scores|Sonnet|Gemini|DeepSeek-(?:R1|V\d)|Llama[- ]?\d|Ornith|teacher (?:scores|reaches))",
)
_UP_TO = re.compile(r"\bup to\s*$|\bas much as\s*$", re.IGNORECASE)
_CHANGE = re.compile(
    r"(?:improv\w*|gain\w*|rais\w*|lift\w*|increas\w*|up|drop\w*|los[et]\w*|down|regress\w*|decreas\w*|boost\w*|jump\w*|better|worse|higher"
    r"|lower)\b[^.;]{0,40}?\bby\s*$",
    re.IGNORECASE,
)
_UP_OR_DOWN = re.compile(
    r"\b(?:(?P<down>drop|los[et]|down|regress|decreas|worse|lower|fell|fall)|improv|gain|rais|lift|increas|up\b|boost|jump|better|higher|rose)",
    re.IGNORECASE,
)
_FROM_TO = re.compile(
    rf"from\s+(?P<a>{NUMBER})\s?%?\s*(?:to|->|\u2192)\s*(?P<b>{NUMBER})\s?%?|(?<![\w.])(?P<c>{NUMBER})\s?%?\s*(?:->|\u2192)\s*(?P<d>{NUMBER})\s?%?",
    re.IGNORECASE,
)
_VERSUS = re.compile(
    rf"(?P<a>{NUMBER})\s?%?\s*(?:\(\s*(?:base|baseline|original|before)\b[ :=]*|vs\.?\s+|versus\s+|against\s+)(?P<b>{NUMBER})\s?%?", re.IGNORECASE
)
_LENGTH_WORDS = (
    r"(?:chains?[- ]of[- ]thought|CoT|think(?:ing)?|reasoning|traces?|tokens?|repl(?:y|ies)|responses?|answers?|outputs?|chains?)"
)
_LENGTH = (
    re.compile(
        rf"{_LENGTH_WORDS}\b[^.;,\d]{{0,30}}?(?P<n>{NUMBER})\s?(?P<u>%|percent|x|\u00d7|times)\s*(?P<w>shorter|fewer|less|longer|more)\b",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?P<n>{NUMBER})\s?(?P<u>%|percent|x|\u00d7|times)\s*(?P<w>shorter|fewer|less|longer|more)\s+(?:\w+[- ]){{0,2}}?{_LENGTH_WORDS}\b",
        re.IGNORECASE,
    ),
    re.compile(
        rf"{_LENGTH_WORDS}\b[^.;,]{{0,30}}?(?P<w>reduced|reduction|down|cut|shorter|shortened|longer|fewer|less|drop\w*|f[ae]ll\w*|decreas\w*|shr[iu]nk\w*)\b[^.;,\d]{{0,20}}?(?P<n>{NUMBER})\s?(?P<u>%|percent|x|\u00d7|times)",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?P<w>reduc\w+|cut\w*|sav\w+|shorten\w*)\b[^.;,]{{0,40}}?{_LENGTH_WORDS}\b[^.;,\d]{{0,25}}?(?:by )?(?P<n>{NUMBER})\s?(?P<u>%|percent|x|\u00d7|times)",
        re.IGNORECASE,
    ),
    re.compile(
        rf"{_LENGTH_WORDS} (?:length|usage|count)?\s*:?\s*(?P<n>[-\u2212]\d+(?:[.,]\d+)?)\s?(?P<u>%)(?P<w>)", re.IGNORECASE
    ),
    re.compile(
        rf"(?P<n>{NUMBER})\s?(?P<u>%|percent)\s+(?P<w>reduction|decrease|cut)\s+in\s+(?:\w+[- ]){{0,2}}?{_LENGTH_WORDS}\b", re.IGNORECASE
    ),
)
_SPEED = (
    re.compile(
        rf"(?P<n>{NUMBER})\s?(?P<u>%|percent|x|\u00d7|times)\s*(?:as fast|faster|speed-?ups?|(?:higher|more|better) (?:throughput|speed)|(?:decode|decoding"
        r"|throughput|generation speed|inference speed|tok/s)\b)",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?:throughput|speed-?ups?|decod(?:e|ing) speed|inference speed|generation speed|faster)\b[^.;\d]{{0,25}}?(?P<n>{NUMBER})\s?(?P<u>%|percent|x|\u00d7|times)",
        re.IGNORECASE,
    ),
)
_CONTEXT = (
    re.compile(rf"(?P<n>{NUMBER})\s?(?P<u>[kKM]?)[- ]?(?:tokens?)?[- ](?:of )?(?:native )?context\b"),
    re.compile(
        rf"context(?: (?:length|window|size))?(?: of| is|:| up to| =)?\s*(?P<n>{NUMBER})\s?(?P<u>[kKM]?)\b(?:[- ]?tokens?)?", re.IGNORECASE
    ),
)
_DATA = re.compile(
    rf"(?P<n>{NUMBER})\s?(?P<u>[kKM]?)\+?\s+(?:\w[\w.-]*[- ]){{0,4}}?(?:samples|examples|traces|conversations|pairs|dialogues|rows)\b",
    re.IGNORECASE,
)
_DATA_CUE = re.compile(r"train|fine-?tun|distil|dataset|data\b|SFT|corpus|kept", re.IGNORECASE)
_METHOD = re.compile(
    r"\b(?P<m>QLoRA|LoRA|DoRA|full(?:[- ]parameter)? (?:fine-?tun(?:e|ing)|SFT)|GRPO|DPO|RLHF|PPO|SLERP|TIES|DARE)\b(?:[^.;\n]{0,40}?"
    r"\b(?:r(?:ank)?\s*[=:]?\s*)(?P<r>\d+)\b)?",
    re.IGNORECASE,
)
_KEPT = re.compile(
    r"\b(?:fully |completely )?(?:preserv\w+|retain\w*|maintain\w*|keep(?:s|ing)?|kept)\b"
    r"|\b(?:without|no|zero) (?:any )?(?:loss(?:es)?|losing|degradation|degrading|regressions?|catastrophic forgetting|sacrificing)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:not|no|never|without|isn't|doesn't|no claims? (?:on|about))\s+(?:\w+\s)?$", re.IGNORECASE)
_PASSIVE = re.compile(r"\b(?:is|are|was|were|stays?|remains?|been)\s+(?:\w+ly\s+)?$", re.IGNORECASE)
_BETTER = re.compile(
    r"\b(?:better|stronger|improv(?:ed|es|ing|ement)|sharper|superior|outperform\w*|enhanc(?:ed|es|ing)|boost(?:s|ed)|surpass\w*|beats?"
    r"|more (?:capable|accurate|reliable)|state-of-the-art|(?:opus|claude|gpt|sonnet)[-\w. ]{0,6}[- ]level)\b",
    re.IGNORECASE,
)


def claims_in(text: str, line: int) -> list[Claim]:
    """Return the claims of a paragraph, a list item or a heading.

    Args:
        text: Its words, without markup.
        line: Its first line in the card.
    """
    found: list[Claim] = []
    for start, sentence in _sentences(text):
        if _WISH.search(sentence):
            continue
        settings = find_settings(sentence)
        here = line + text.count("\n", 0, start)
        quote = " ".join(sentence.split())[:300]
        found += [
            replace(claim, settings={**settings, **claim.settings}, line=here, quote=quote)
            for claim in _of_sentence(sentence)
        ]
    return found


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for match in [*_SPLIT.finditer(text), None]:
        end = match.start() if match else len(text)
        if text[start:end].strip():
            yield start, text[start : min(end, start + _LONGEST)]
        start = match.end() if match else end


def _of_sentence(sentence: str) -> Iterator[Claim]:
    taken: list[tuple[int, int]] = []
    yield from _ratios(sentence, taken)
    yield from _facts(sentence, taken)
    mentions = find_mentions(sentence)
    counted = list(_counted(sentence, mentions, taken))
    yield from counted
    numbers = [q for q in find_quantities(sentence) if not q.other and not _within(q, taken)]
    scored = list(_numbers(sentence, mentions, numbers))
    yield from scored
    # "better" beside the number of the same thing is said by the number.
    numbered = {claim.subject for claim in (*scored, *counted)}
    yield from (claim for claim in _words(sentence, mentions) if claim.subject not in (numbered and {*numbered, ""}))


def _within(quantity: Quantity, taken: list[tuple[int, int]]) -> bool:
    return any(start <= quantity.start < end for start, end in taken)


def _ratios(sentence: str, taken: list[tuple[int, int]]) -> Iterator[Claim]:
    """Lengths and speeds as student over base."""
    for kind, patterns in ((ClaimKind.LENGTH, _LENGTH), (ClaimKind.SPEED, _SPEED)):
        for pattern in patterns:
            for match in pattern.finditer(sentence):
                if any(start < match.end() and match.start() < end for start, end in taken):
                    continue
                value, digits = read_number(match["n"])
                down = kind is ClaimKind.LENGTH and (
                    value < 0 or not re.match(r"longer|more", match["w"] or "", re.IGNORECASE)
                )
                ratio = _ratio(abs(value), match["u"], down=down)
                if ratio is None:
                    continue
                taken.append(match.span())
                yield Claim(
                    kind=kind,
                    subject="reply length" if kind is ClaimKind.LENGTH else "speed",
                    value=ratio,
                    digits=digits,
                    up_to=bool(_UP_TO.search(sentence[: match.start("n")])),
                )


def _ratio(value: float, unit: str, *, down: bool) -> float | None:
    """Return student over base; None where nothing of it would be left."""
    if unit.lower() in {"x", "\u00d7", "times"}:
        return None if value <= 0 else 1.0 / value if down else value
    share = value / 100
    return (None if share >= 1.0 else 1.0 - share) if down else 1.0 + share


def _facts(sentence: str, taken: list[tuple[int, int]]) -> Iterator[Claim]:
    """Context, training data, method and quantisation."""
    for pattern in _CONTEXT:
        for match in pattern.finditer(sentence):
            tokens = _scaled(match["n"], match["u"])
            if tokens >= 512 and not any(start <= match.start("n") < end for start, end in taken):
                taken.append(match.span())
                yield Claim(kind=ClaimKind.CONTEXT, value=tokens)
    if _DATA_CUE.search(sentence):
        for match in _DATA.finditer(sentence):
            taken.append(match.span())
            yield Claim(kind=ClaimKind.DATA, value=_scaled(match["n"], match["u"]))
    seen = set()
    for match in _METHOD.finditer(sentence):
        method = re.sub(r"\s+", " ", match["m"]).lower()
        if method not in seen:
            seen.add(method)
            taken.append(match.span())
            yield Claim(
                kind=ClaimKind.METHOD, subject=method, value=float(match["r"]) if match["r"] else None
            )


def _scaled(number: str, unit: str) -> float:
    # 128K of context is 131,072 tokens to some and 128,000 to others; evidence compares within that.
    return read_number(number)[0] * {"k": 1_000, "m": 1_000_000}.get(unit.lower(), 1)


def _numbers(sentence: str, mentions: list[Mention], numbers: list[Quantity]) -> Iterator[Claim]:
    """Scores and differences: every number goes to the benchmark that it stands with."""
    used: set[int] = set()
    for start, end, sides in _pairs_of_numbers(sentence):
        mention = _nearest(start, end, mentions, sentence)
        if mention is None:
            continue
        for written, of in sides:
            value, digits = read_number(written)
            if 0 <= value <= 100:
                yield Claim(kind=ClaimKind.SCORE, subject=mention.subject, value=value / 100, digits=digits, of=of)
        used |= {q.start for q in numbers if start <= q.start < end}
    for number in numbers:
        if number.start in used or number.unit == "x" or abs(number.value) > 100:
            continue
        mention = _nearest(number.start, number.end, mentions, sentence)
        if mention is not None:
            claim = _scored(sentence, mention, number)
            if claim is not None:
                yield claim
                yield from (replace(claim, subject=also.subject) for also in _joined(sentence, mention, mentions))


def _pairs_of_numbers(sentence: str) -> Iterator[tuple[int, int, tuple[tuple[str, str], ...]]]:
    """Two numbers for one thing, with their owners: "from 79 to 71", "71 (base: 79)", "71 vs 79"."""
    for match in _FROM_TO.finditer(sentence):
        yield *match.span(), ((match["a"] or match["c"], BASE), (match["b"] or match["d"], STUDENT))
    for match in _VERSUS.finditer(sentence):
        if not _OTHERS.search(sentence):
            yield *match.span(), ((match["a"], STUDENT), (match["b"], BASE))


def _counted(sentence: str, mentions: list[Mention], taken: list[tuple[int, int]]) -> Iterator[Claim]:
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
            of=_owner(sentence, place, mention), settings={"items": match["n"]},
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


def _scored(sentence: str, mention: Mention, number: Quantity) -> Claim | None:
    lead = sentence[max(0, number.start - 50) : number.start]
    difference = number.signed or number.unit == "points" or bool(_CHANGE.search(lead))
    if not mention.benchmark and not difference:
        return None  # "97 % reasoning samples" is no score
    if not number.unit and not difference and not _plain(sentence, mention, number):
        return None
    value = number.value / 100
    if difference and value > 0 and not number.signed and _falls(lead):
        value = -value
    return Claim(
        kind=ClaimKind.DIFFERENCE if difference else ClaimKind.SCORE,
        subject=mention.subject,
        value=value,
        digits=number.digits,
        of=STUDENT if difference else _owner(sentence, number, mention),
        up_to=bool(_UP_TO.search(lead)),
    )


def _falls(lead: str) -> bool:
    """Whether the last word of change before a number points downwards."""
    words = list(_UP_OR_DOWN.finditer(lead))
    return bool(words) and words[-1]["down"] is not None


def _plain(sentence: str, mention: Mention, number: Quantity) -> bool:
    """Whether a number without a unit stands beside its benchmark as a score does: `MMLU: 84.5`, `84.5 on MMLU`."""
    if number.value < 1 and not number.digits:
        return False
    gap = sentence[mention.end : number.start] if number.start >= mention.end else sentence[number.end : mention.start]
    return bool(re.fullmatch(r"[\s:=|*_`()~-]*(?:(?:on|of|at|is|sur|auf|score[sd]?|reache[sd]|from|to|accuracy)\s*)*[\s*_`(~]*(?:the )?", gap))


def _owner(sentence: str, number: Quantity, mention: Mention) -> str:
    """Whose score it is: the base's where the sentence says so beside the number, another model's where it is named."""
    clause_start = max(sentence.rfind(mark, 0, min(number.start, mention.start)) for mark in (",", ";", " vs", "against", "compared"))
    ends = [i for mark in (",", ";", " and ", " vs", " against", " versus", " compared") if (i := sentence.find(mark, max(number.end, mention.end))) > 0]
    clause = sentence[max(clause_start, 0) : min(ends, default=len(sentence))]
    if other := _OTHERS.search(clause):
        return other.group().strip()
    near = sentence[number.end : number.end + 30]
    if re.match(r",\s*which\b", clause) and re.search(rf"{_BASE.pattern}\s*$", sentence[:clause_start], re.IGNORECASE):
        return BASE
    if _BASE.search(clause) and not re.search(r"(?:vs|than|against|over|compared (?:to|with))\b.*$", clause[: clause.find(str(int(number.value)))]):
        return BASE
    return BASE if re.match(r"[\s)%]*(?:\(|for |of |by )?(?:the )?(?:base|original)\b", near, re.IGNORECASE) else STUDENT


def _words(sentence: str, mentions: list[Mention]) -> Iterator[Claim]:
    """Claims without a number: what is kept and what is better, each with the capabilities that its own words reach.

    "Preserves X" and "improved X" speak of what follows, "X is preserved" and "X improved" of what stands before.
    """
    cues = sorted(
        ((match, kind) for kind, pattern in ((ClaimKind.KEPT, _KEPT), (ClaimKind.BETTER, _BETTER)) for match in pattern.finditer(sentence)),
        key=lambda cue: cue[0].start(),
    )
    cues = [(match, kind) for match, kind in cues if not _NEGATED.search(sentence[: match.start()])]
    capabilities = [m for m in mentions if not m.benchmark]
    for i, (match, kind) in enumerate(cues):
        start = cues[i - 1][0].end() if i else 0
        end = cues[i + 1][0].start() if i + 1 < len(cues) else len(sentence)
        behind = [m for m in capabilities if match.end() <= m.start < min(end, match.end() + 90)]
        before = [m for m in capabilities if max(start, match.start() - 60) <= m.start < match.start()]
        reached = before if before and (_PASSIVE.search(sentence[: match.start()]) or not behind) else behind
        # "Opus-level reasoning", "keeps its coding": a capability inside the words themselves.
        reached = reached or [m for m in capabilities if match.start() <= m.start < match.end()]
        for subject in dict.fromkeys(m.subject for m in reached):
            yield Claim(kind=kind, subject=subject)
        if not reached and _BASE.search(sentence[match.end() : match.end() + 60]):
            yield Claim(kind=kind, subject="")
