"""What card and training files name that went wrong for others: risks, never verdicts, for files show no harm.

Every file is read line by line, as text, so that nothing in it is run or built, and each risk has its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydrometer.surface.answers import Risk, Topic, quoted
from hydrometer.surface.files import CARD, SurfaceFiles
from hydrometer.surface.licence import licence_of
from hydrometer.surface.template import DIALECT_WORDS, family_dialect
from hydrometer.templates.dialects import Dialect

_MAX_LINE = 2_000
_YES = r"[\"'\s:=]+(true|1)\b"

_FOUR_BIT = re.compile(
    rf"load_in_4bit{_YES}|\bq-?lora\b|bnb-4bit|\b4-?bit\s+(lora|training|fine-?tun)|adapter[\"'\s:=]+qlora",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"\b(max_seq_length|max_seq_len|sequence_len|cutoff_len|max_length|model_max_length|max_context_window)"
    r"[\"'`\s:=|*]+(\d{1,3}(?:[,_]\d{3})+|\d+)(k?)\b",
    re.IGNORECASE,
)
_NO_EVALUATION = re.compile(
    r"\beval_dataset[\"'\s:=]+(none|null)\b|\bdo_eval[\"'\s:=]+(false|0)\b|\bval_set_size[\"'\s:=]+0(\.0+)?\s*[,}]?\s*$"
    r"|\beval(uation)?_strategy[\"'\s:=]+no\b|\bno (held-out|validation|evaluation) (set|data|split)\b",
    re.IGNORECASE,
)
_SYNTHETIC = re.compile(
    r"trace[-_ ]?inver(sion|ter|ted)|inverted (reasoning )?traces?|(synthetic|reconstructed|simulated|invented) "
    r"(reasoning |thinking |tool )?(traces?|chains?|thoughts|results)",
    re.IGNORECASE,
)
_MADE_FROM = r"distill|traces?\b|teacher|generated|outputs|responses|reasoning"
_VENDORS: Mapping[str, tuple[str, str]] = {
    r"claude|anthropic|\bopus\b|\bsonnet\b": ("Anthropic", "Claude"),
    r"\bgpt-?[345]|openai|chatgpt|\bo[134]-(mini|preview)": ("OpenAI", "GPT"),
    r"\bgemini\b": ("Google", "Gemini"),
    r"\bgrok\b|\bxai\b": ("xAI", "Grok"),
}
"""Teachers whose makers' terms restrict training other models on their replies."""
_DENIED = re.compile(r"\b(no|not|never|none|neither|without|instead of|unlike)\b[^.;:]{0,30}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a family of bases.

    Attributes:
        start: Beginning of its architecture's name.
        name: Its name.
        thinks: Tokens of reply that its makers advise to leave room for.
        frail: Whether the authors of a widely used trainer advise against training it in 4 bits.
    """

    start: str
    name: str
    thinks: int
    frail: bool


FAMILIES = (
    Known("qwen3_5", "Qwen3.5 to 3.8", 32_768, frail=True),
    Known("qwen35", "Qwen3.5 to 3.8", 32_768, frail=True),
    Known("qwen3_next", "Qwen3-Next", 32_768, frail=False),
    Known("qwen3next", "Qwen3-Next", 32_768, frail=False),
    Known("qwen3", "Qwen3", 32_768, frail=False),
)

KINDS: Mapping[str, str] = {
    "4-bit training": "LoRA on a 4-bit base of the Qwen3.5 family: its quantisation error is larger than usual",
    "length filter": "training texts cut or dropped below the length at which the base thinks",
    "no evaluation": "no evaluation set during training",
    "synthetic traces": "thoughts that another model invented from question and answer",
    "teacher's terms": "replies of a model whose maker restricts training on them",
    "licence": "no licence named",
    "own code": "a config names Python code of the repository, which loaders run when they are told to trust it",
    "think dialect": "the card names think marks that are not the family's",
}
"""Every kind of risk, with what it is."""


def find_risks(base: SurfaceFiles, student: SurfaceFiles) -> Iterator[Risk]:
    """Return what the student's card and training files name; of each kind the first line that does.

    Args:
        base: The files of the base.
        student: The files of the student.
    """
    family = next((known for known in FAMILIES if (student.family or base.family).startswith(known.start)), None)
    seen: set[tuple[str, str]] = set()
    for file, text in student.texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            for risk in _of_line(file, number, line[:_MAX_LINE], family, student.family or base.family):
                # One file may name two teachers, with terms of their own.
                once = (risk.name, risk.text.rpartition(": ")[2] if risk.name == "teacher's terms" else "")
                if once not in seen:
                    seen.add(once)
                    yield risk
    if CARD in student.texts and not licence_of(student):
        yield Risk(
            name="licence", text="the card names no licence, so nobody knows what may be done with the model",
            file=CARD, line=1, quote="",
        )  # fmt: skip


    for file, table in (("config.json", student.config), ("tokenizer_config.json", student.tokenizer_config)):
        named = table.get("auto_map")
        if isinstance(named, Mapping) and named:
            first = quoted(str(next(iter(named.values()))))
            text = (
                f"{file} names code of the repository ({first}), which loaders run when they are told to trust it; it "
                "is not run here, and was not looked at"
            )
            yield Risk(name="own code", text=text, file=file, line=1, quote=first)


def recipe_topic(student: SurfaceFiles, risks: Sequence[Risk]) -> Topic:
    """Say how many risks were found and where was looked; files do not show whether they did harm."""
    files = ", ".join(student.texts)
    if not files and not risks:
        return Topic(name="recipe", answer="not testable from files", text="no card and no training files")
    if not risks:
        return Topic(name="recipe", answer="confirmed", text=f"none of the known risks is named in {files}")
    names = ", ".join(dict.fromkeys(risk.name for risk in risks))
    count = "1 known risk is" if len(risks) == 1 else f"{len(risks)} known risks are"
    text = f"{count} named ({names}); whether harm was done shows in replies alone"
    return Topic(name="recipe", answer="not testable from files", text=text)


def _of_line(file: str, number: int, line: str, family: Known | None, architecture: str) -> Iterator[Risk]:
    where: dict[str, Any] = {"file": file, "line": number, "quote": line.strip()[:200]}
    what = "the card" if file == CARD else file
    if family and family.frail and (found := _FOUR_BIT.search(line)):
        text = (
            f"{what} names {found[0].strip()!r}: training {family.name} in 4 bits is advised against by the authors of "
            "a widely used trainer, since its quantisation error is larger than usual"
        )
        yield Risk(name="4-bit training", text=text, **where)
    if family:
        yield from _length(line, what, family, where)
    if found := _NO_EVALUATION.search(line):
        text = f"{what} names {found[0].strip()!r}, which means that nothing was watched but the training loss"
        yield Risk(name="no evaluation", text=text, **where)
    if found := _SYNTHETIC.search(line):
        text = f"{what} names {found[0].strip()!r}, which means thoughts that the teacher itself never wrote"
        yield Risk(name="synthetic traces", text=text, **where)
    yield from _teacher(line, what, where)
    yield from _dialect(line, file, what, architecture, where)


def _length(line: str, what: str, family: Known, where: dict[str, Any]) -> Iterator[Risk]:
    for found in _LENGTH.finditer(line):
        tokens = int(re.sub(r"[,_]", "", found[2])[:12]) * (1024 if found[3] else 1)
        if 0 < tokens < family.thinks:
            text = (
                f"{what} names {found[1]} {tokens:,}, which cuts or drops longer texts; replies of {family.name} need "
                f"room for {family.thinks:,} tokens, so short thinking was selected"
            )
            yield Risk(name="length filter", text=text, **where)
            return


def _teacher(line: str, what: str, where: dict[str, Any]) -> Iterator[Risk]:
    if not re.search(rf"(?i){_MADE_FROM}|^\s*-\s*[\w.-]+/[\w.-]+\s*$", line):
        return
    for pattern, (maker, name) in _VENDORS.items():
        found = re.search(pattern, line, re.IGNORECASE)
        if found and not _DENIED.search(line[: found.start()]):
            text = (
                f"{what} names replies of {name}: the terms of {maker} restrict training other models on them, and "
                "whether this one competes is not settled by files"
            )
            yield Risk(name="teacher's terms", text=text, **where)


def _dialect(line: str, file: str, what: str, architecture: str, where: dict[str, Any]) -> Iterator[Risk]:
    own = family_dialect(architecture)
    if file == CARD and own is Dialect.GEMMA and "<think>" in line:
        marks = DIALECT_WORDS[own]
        text = f"{what} names <think>, and this family thinks in {marks}: parsers and switches may not apply"
        yield Risk(name="think dialect", text=text, **where)
