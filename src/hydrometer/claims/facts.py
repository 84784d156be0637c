"""Claims of facts in sentences: lineage, licence, context, training data, method and quantisation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hydrometer.claims.benchmarks import find_mentions
from hydrometer.claims.model import BASE, STUDENT, Claim, ClaimKind
from hydrometer.claims.names import BASE_NAMED, SIZED, Names
from hydrometer.claims.numbers import NUMBER, read_number

_CONTEXT = (
    re.compile(rf"(?P<n>{NUMBER})\s?(?P<u>[kKM]?)[- ]?(?:tokens?)?[- ](?:of )?(?:native )?context\b"),
    re.compile(
        rf"(?:context(?: (?:length|window|size))?|\bwindow)(?: of| is|:| up to| =| stays at| remains(?: at)?|(?: is)? unchanged at)?\s*(?P<n>{NUMBER})\s?(?P<u>[kKM]?)\b(?:[- ]?tokens?)?", re.IGNORECASE
    ),
)
_DATA = re.compile(
    rf"(?P<n>\d{{1,3}}(?:[. ]\d{{3}})+(?![\d.])|{NUMBER})\s?(?P<u>[kKM]?)\+?\s+(?:\w[\w./-]*[- ]){{0,4}}?(?:samples|examples|traces"
    r"|trajectories|conversations|pairs|dialogues|dialogs|rows|instances|records|demonstrations|Beispielen?|exemples|ejemplos|conversazioni|esempi|exemplos)\b"
    rf"|\b(?:train\w*|distil\w*|tun(?:ed|ing))\b[^.;:]{{0,60}}?(?P<q>{NUMBER})\s?(?P<w>[kKM]?)\s+(?:[a-z][\w-]* ){{0,3}}?(?:answers|responses|replies"
    r"|completions|solutions|problems|prompts|chains of thought)\b"
    r"|\b(?:train(?:ed|ing)?|treinad\w*|entra\u00een\w*|fine-?tun\w+|SFT|affin\u00e9|GRPO|DPO|Q?LoRA|addestrat\w*)\b[^.;:]{0,90}?\b(?:on|sur|em|auf|mit|with) (?:about |roughly |over |some |only |just )?"
    rf"(?P<o>\d{{1,3}}(?: \d{{3}})+|{NUMBER})\s?(?P<v>[kKM]?)\s+(?P<what>(?:[a-z][\w-]*\s+){{0,2}}[a-z][\w-]*)"
    rf"|(?P<m>{NUMBER})\s?(?:\u6761|\u4e2a\u6837\u672c|\u4efd)",
    re.IGNORECASE,
)
_NO_DATA = re.compile(r"epochs?|steps?|gpus?|nodes?|tokens?|hours?|days?|layers?|parameters?|bits?|shots?|languages?|domains?|x\b", re.IGNORECASE)
_DATA_CUE = re.compile(
    r"train|tun(?:ed|ing)|fine-?tun|distil|dataset|data\b|SFT|corpus|kept|heal|feinabstimm|entra\u00een|entrena|addestra|LoRA|\u8bad\u7ec3|\u5fae\u8c03", re.IGNORECASE
)
_TESTED = re.compile(r"\b(?:evaluat|benchmark|test(?:ed|s)?\b|held[- ]out|measured|asked)", re.IGNORECASE)
_DATASET = re.compile(r"(?<![\w/.:-])(?P<id>[A-Za-z\d][\w.-]{0,60}/[A-Za-z\d][\w.-]{1,90})(?![\w/])")
_DATASET_CUE = re.compile(
    r"\b(?:datasets?|training data|data(?: mix)?\b|corpus|traces|samples|trained on|fine-?tuned on|distilled from|come from|comes from|drawn from|sourced from)\b", re.IGNORECASE
)
_CALLED = re.compile(r"[`*\"')]*\s+(?:data ?set|corpus)\b", re.IGNORECASE)
_NO_ID = re.compile(r"^[\d.]+/[\d.]+$|^(?:and|w)/|\.(?:py|md|txt|ya?ml|jsonl?|sh|gguf|html?|ipynb|png|csv)$", re.IGNORECASE)
_METHOD = re.compile(
    r"\b(?P<m>QLoRA|LoRA|DoRA|full(?:[- ]parameter|[- ]weights?)? (?:fine-?tun(?:e|ing)|SFT)|GRPO|DPO|ORPO|KTO|SimPO|RLHF|PPO|SLERP|TIES"
    r"|DARE|passthrough|model[- ]stock|task arithmetic)\b(?:[^.;\n]{0,40}?\b(?:r(?:ank)?\s*[=:]?\s*)(?P<r>\d+)\b)?",
    re.IGNORECASE,
)
_RIGHT_LETTERS = re.compile(r"TIES|DARE|PPO|KTO|slerp|SLERP|.*[^A-Za-z].*|.{5,}|GRPO|DPO|ORPO|LoRA|DoRA", re.DOTALL)
"""`ties` and `dare` are words unless they are written as names."""
_LINEAGE = re.compile(
    r"\b(?:fine-?tun(?:e|ed|ing)(?: version)?(?: of| from)|distill?(?:ed|ation|s|ing)?\b[^.;\n]{0,80}? (?:in)?to|distilled version of"
    r"|(?:variant|derivative|finetune|fine-?tune|LoRA|adapter|post-?train(?:ed|ing)?)(?: version)? (?:of|on|for|from)|trained on top of|starts? as|started as"
    r"|(?:based|built|trained|starts?|started|initiali[sz]ed|derived)(?: directly)? (?:up)?(?:on|from)(?: top of)?|Feinabstimmung von"
    r"|fine-?tun(?:e|ed|ing)(?: of)? on|(?:the|our|its) (?:base|parent)(?: model)?(?: is|,)?|modelo base,?|(?:base|parent|source|foundation)(?:[ -]model)?\s*[:=\uff1a]|\u57fa\u4e8e|\u57fa\u5ea7\s*[:\uff1a])\s*"
    r"(?:the |a |an |our )?(?:\w+ ){0,2}?[`\"'*\[]{0,4}",
    re.IGNORECASE,
)
_MADE = re.compile(r"fine-?tun|distil|\btrained|LoRA|\badapter|\bSFT\b|affin\u00e9|entrena|treinad|feinabgestimmt|abliterat|\bheal", re.IGNORECASE)
_NO_BASE = re.compile(
    r"teacher|student|\b(?:traces|outputs?|samples|data|answers|replies) (?:of|from|by)|generated|synthesi[sz]ed|distill?(?:ed|ation)? (?:from|of)"
    r"|judge|\bvs|versus|\bthan|against|compar|\blike|sister|sibling|reports?|scor|reach|unlike|also (?:have|see)|see also|other",
    re.IGNORECASE,
)
_LICENCE_NAMES: dict[str, str] = {
    "apache-2.0": r"Apache(?:[- ]License)?,?[- ](?:v(?:ersion)?\.? ?)?2(?:\.0)?",
    "cc-by-nc-sa-4.0": r"CC[- ]BY[- ]NC[- ]SA(?:[- ]4\.0)?",
    "cc-by-nc-4.0": r"CC[- ]BY[- ]NC(?:[- ]4\.0)?",
    "cc-by-sa-4.0": r"CC[- ]BY[- ]SA(?:[- ]4\.0)?",
    "cc-by-4.0": r"CC[- ]BY(?:[- ]4\.0)?",
    "agpl-3.0": r"AGPL(?:[- ]?v?3(?:\.0)?)?",
    "gpl-3.0": r"GPL(?:[- ]?v?3(?:\.0)?)?",
    "mit": r"MIT",
    "gemma": r"Gemma",
    "llama3.3": r"Llama[- ]?3\.3",
    "llama3.2": r"Llama[- ]?3\.2",
    "llama3.1": r"Llama[- ]?3\.1",
    "llama3": r"Llama[- ]?3",
}
_LICENCE_NAME = "|".join(f"(?P<l{i}>{words})" for i, words in enumerate(_LICENCE_NAMES.values()))
_LICENCE = (
    re.compile(
        rf"(?:\b(?:licen[sc]ed?|Lizenz|licencia|licen\u00e7a|licenza|terms)\b|\u8bb8\u53ef\u8bc1?|\u534f\u8bae)(?:\s+(?:is|as|under)|\s*[:=\uff1a])?(?:\s+the)?\s*[:*`\"']*\s*(?:{_LICENCE_NAME})\b", re.IGNORECASE
    ),
    re.compile(
        rf"(?<![\w.-])(?:{_LICENCE_NAME})(?:[ -](?:community|open[- ]source))?[- ](?:licen[sc]ed?|Lizenz)\b", re.IGNORECASE
    ),
    re.compile(rf"\b(?:released|published|available|distributed|licensed|is|are) under (?:the |an? )?(?:{_LICENCE_NAME})\b", re.IGNORECASE),
)
_Q = r"(?:UD-)?I?Q[1-8]_(?:[KLMSX01](?:_(?:XXS|XS|XL|S|M|L))?|XXS|XS|S|M|NL)|NVFP4|MXFP4|FP8|INT[48]|AWQ|GPTQ|[2-8]-bit"
_QUANT = re.compile(rf"(?<![\w.])(?P<q>{_Q})(?![\w])")
_QUANT_FILE = re.compile(rf"[-._](?P<q>{_Q})(?:-\d{{5}}-of-\d{{5}})?\.gguf\b", re.IGNORECASE)
_STORED = re.compile(
    r"\b(?:quanti[sz]\w+|quants?\b|weights are|files?\b|stored (?:as|in)|exported|available (?:as|in)|provided (?:as|in)|GGUFs?|versions?\b"
    r"|variants?\b|repo(?:sitory)?\b|published as|comes (?:as|in)|ships? (?:as|in))",
    re.IGNORECASE,
)
_AS_SETTING = re.compile(
    r"\b(?:V?RAM|GB|GiB|tok/s|t/s|evaluat\w+|tested|measured|benchmark\w*|scores?|run(?:s|ning)? (?:at|in|with|on)|compared|vs|KV|cache|load_in"
    r"|recommend\w*|we use|should|optimi[sz]er|adamw?|trained in|base model was loaded)\b|--|_8bit",
    re.IGNORECASE,
)
_QUANT_OF = re.compile(rf"^[\s\W]*(?:{_Q})(?:\s*(?:,|and|&|/|or)\s*(?:{_Q}))*\s+(?:of|quant\w*|GGUFs?|versions?|files?|weights)\b")


def lineage_in(text: str, names: Names) -> Iterator[Claim]:
    """Yield what a text says the model was made from; a heading may say so, and so may a sentence about intentions."""
    yield from _lineage(text, names)
    yield from _licence(text)


def facts_in(sentence: str, names: Names, taken: list[tuple[int, int]]) -> Iterator[Claim]:
    """Yield the facts that a sentence states.

    Args:
        sentence: The sentence.
        names: Names of the two models.
        taken: Places of it that are read already; those that are read here are added.
    """
    yield from _context(sentence, taken)
    yield from _data(sentence, taken)
    yield from _methods(sentence, taken)
    yield from lineage_in(sentence, names)
    yield from _quantisation(sentence)


def named_bases(text: str, student: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names, without their owners, that a text says a model was made from.

    Args:
        text: The body of a card.
        student: Names of the model itself.
    """
    names = Names(student=student)
    found = [claim.subject.rpartition("/")[2] for line in re.sub(r"<[^<>]{0,200}>", "", text).splitlines() for claim in _lineage(line[:2000], names)]
    return tuple(dict.fromkeys(found))


def licence_key(written: str) -> str:
    """Return a licence as front matter writes it, where it is a known one, else as written in lower case."""
    for key, words in _LICENCE_NAMES.items():
        if re.fullmatch(words, written.strip(), re.IGNORECASE):
            return key
    return written.strip().lower()


def _context(sentence: str, taken: list[tuple[int, int]]) -> Iterator[Claim]:
    for pattern in _CONTEXT:
        for match in pattern.finditer(sentence):
            tokens = _scaled(match["n"], match["u"])
            trained = re.match(r"(?:\s+\w+){0,2}?\s+(?:during|in|for) training", sentence[match.end() :])
            if tokens >= 512 and not trained and not any(start <= match.start("n") < end for start, end in taken):
                taken.append(match.span())
                yield Claim(kind=ClaimKind.CONTEXT, value=tokens)


def _data(sentence: str, taken: list[tuple[int, int]]) -> Iterator[Claim]:
    if _DATA_CUE.search(sentence):
        for match in _DATA.finditer(sentence):
            lead = sentence[max(0, match.start() - 40) : match.start()]
            if _TESTED.search(lead) or (match["what"] and any(map(_NO_DATA.match, match["what"].split()))) or any(mention.benchmark for mention in find_mentions(match.group())):
                continue
            taken.append(match.span())
            yield Claim(kind=ClaimKind.DATA, value=_count(match["n"] or match["q"] or match["o"] or match["m"], match["u"] or match["w"] or match["v"] or ""))
    if _DATASET_CUE.search(sentence):
        for match in _DATASET.finditer(sentence):
            near = sentence[max(0, match.start() - 60) : match.end() + 30]
            known = find_mentions(match["id"]) or SIZED.fullmatch(match["id"]) or _NO_ID.search(match["id"])
            if not known and (re.search(r"[-_\d]", match["id"]) or _CALLED.match(sentence, match.end())) and _DATASET_CUE.search(near):
                yield Claim(kind=ClaimKind.DATA, subject=match["id"].rstrip(".")[:200])


def _methods(sentence: str, taken: list[tuple[int, int]]) -> Iterator[Claim]:
    seen = set()
    for match in _METHOD.finditer(sentence):
        method = re.sub(r"\s+", " ", match["m"]).lower()
        if method in seen or not _RIGHT_LETTERS.fullmatch(match["m"]):
            continue
        seen.add(method)
        taken.append(match.span())
        yield Claim(kind=ClaimKind.METHOD, subject=method, value=_rank(sentence, match))


def _rank(sentence: str, method: re.Match[str]) -> float | None:
    """The rank behind a method's name, or right before it: "rank-16 LoRA"."""
    before = re.search(r"\br(?:ank)?\s*[-=: ]?\s*(?P<r>\d{1,4})[- ,]\s*$", sentence[: method.start()], re.IGNORECASE)
    rank = method["r"] or (before["r"] if before else None)
    return float(rank) if rank else None


def _lineage(sentence: str, names: Names) -> Iterator[Claim]:
    yield from _made_from(sentence, names)
    for match in _LINEAGE.finditer(sentence):
        named = SIZED.match(sentence, match.end())
        if named is None or sentence.startswith(("'s", "\u2019s"), named.end()) or names.named(named.group()) == STUDENT:
            continue
        yield Claim(kind=ClaimKind.LINEAGE, subject=named.group().rstrip(".")[:200])


def _made_from(sentence: str, names: Names) -> Iterator[Claim]:
    """The only known model in a sentence about training, unless the words before it make it the teacher or a rival."""
    strangers = Names(student=names.student)
    found = [match for match in SIZED.finditer(sentence) if strangers.other(match.group())]
    if len(found) == 1 and _MADE.search(SIZED.sub("", sentence)) and not _NO_BASE.search(sentence[: found[0].start()]):
        name = found[0].group().rstrip(".")
        if not sentence.startswith(("'s", "\u2019s"), found[0].end()):
            yield Claim(kind=ClaimKind.LINEAGE, subject=name[:200])


def _licence(sentence: str) -> Iterator[Claim]:
    keys = list(_LICENCE_NAMES)
    for match in (found for pattern in _LICENCE for found in pattern.finditer(sentence)):
        key = next(keys[int(name[1:])] for name, value in match.groupdict().items() if value)
        lead = sentence[max(0, match.start() - 60) : match.start()]
        yield Claim(kind=ClaimKind.LICENCE, subject=key, of=BASE if BASE_NAMED.search(re.split(r"[\u00b7|;,.]", lead)[-1]) else STUDENT)
        return


def _quantisation(sentence: str) -> Iterator[Claim]:
    found = [match["q"] for match in _QUANT_FILE.finditer(sentence) if not re.search(r"\s-(?:m|hf|-model)\s", sentence)]
    if not found and (_QUANT_OF.search(sentence) or (_STORED.search(sentence) and not _AS_SETTING.search(sentence))):
        found = [match["q"] for match in _QUANT.finditer(sentence)]
    for name in dict.fromkeys(found):
        yield Claim(kind=ClaimKind.QUANTISATION, subject=name)


def _scaled(number: str, unit: str) -> float:
    # 128K of context is 131,072 tokens to some and 128,000 to others; evidence compares within that.
    return read_number(number)[0] * {"k": 1_000, "m": 1_000_000}.get(unit.lower(), 1)


def _count(number: str, unit: str) -> float:
    """A number of samples: `4.200` of them are four thousand, for none is a fifth of one."""
    if re.fullmatch(r"\d{1,3}(?:[. ]\d{3})+", number):
        return _scaled(re.sub(r"[. ]", "", number), unit)
    return _scaled(number, unit)
