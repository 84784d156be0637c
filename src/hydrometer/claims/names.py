"""Whose a number is: the student's, the base's, or another model's, told from the names that a card gives."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hydrometer.claims.benchmarks import BASE_WORDS
from hydrometer.claims.model import BASE, STUDENT

BASE_NAMED = re.compile(rf"\b(?:the )?(?:{BASE_WORDS})\b(?: model)?", re.IGNORECASE)
_OURS = re.compile(
    r"\b(?:ours?|this model|this|distill\w*|fine-?tuned?|tuned|student|sft|score|accuracy|result|acc|value|pass@1)\b", re.IGNORECASE
)
SIZED = re.compile(r"(?<![\w/.-])(?:[\w.-]{1,60}/)?[A-Za-z][\w.]*(?:-[\w.]+){0,8}?-?[AE]?\d{1,4}(?:\.\d{1,3})?[BbM](?![\w.]*[a-z\d])(?:-[A-Za-z\d][\w.]*){0,8}")
"""A name of a model that holds its size, such as `Qwen3.6-35B-A3B`."""
_FAMILY = re.compile(
    r"\b(?:Qwen|QwQ|Gemma|Llama|Mi[sx]tral|Ministral|Magistral|Phi-?\d|GLM-|Kimi|DeepSeek|MiniMax|gpt-oss|Nemotron|Granite|OLMo|Ornith)",
    re.IGNORECASE,
)
_SERVED = re.compile(
    r"\b(?:(?:GPT-?\d|GPT-4o|o[134](?:-mini)?|Gemini|DeepSeek-(?:R1|V\d)|Llama[- ]?\d|Ornith)(?:[-.\w]*\w)?"
    r"|(?:Claude|Sonnet|Opus|Haiku)(?:[ -][\w.]+){0,3}? (?:scores|reaches|gets|achieves|has|is at)|(?:the )?teacher(?:'s)? (?:scores|reaches))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the two models, as far as the card tells: what a column must say to be one of them."""

    student: tuple[str, ...] = ()
    base: tuple[str, ...] = ()

    def owner(self, label: str) -> str:
        """Return whose a column or row is: `student`, `base`, or its own label."""
        low = label.lower()
        for names, of in ((self.student, STUDENT), (self.base, BASE)):
            if any(name and name.lower() == low.strip("* `") for name in names):
                return of
        if BASE_NAMED.search(label) or any(
            n and n.lower() in low for n in self.base if len(n) > 3 and not _is_longer(low, self.student)
        ):
            return BASE
        if _OURS.search(label) or any(n and (n.lower() in low or low in n.lower()) for n in self.student if len(low) > 3):
            return STUDENT
        return STUDENT if _same_release(low, self.student) else label.strip("* `")

    def named(self, text: str) -> str:
        """Return whose name a piece of a sentence holds: `student`, `base`, another model's, `""` for none."""
        low = text.lower()
        if any(len(n) > 3 and n.lower() in low for n in self.student):
            return STUDENT
        if any(len(n) > 3 and n.lower() in low for n in self.base) or BASE_NAMED.search(text):
            return BASE
        return self.other(text)

    def other(self, text: str) -> str:
        """Return the first name of a known model that is neither of the two, `""` for none."""
        for found in (*_SERVED.finditer(text), *SIZED.finditer(text)):
            low = found.group().strip().lower()
            sized = found.re is SIZED
            if sized and not _FAMILY.search(low):
                continue
            if not any(low in name.lower() or name.lower() in low for name in (*self.student, *self.base) if len(name) > 3):
                return found.group().strip()
        return ""


def _same_release(label: str, names: tuple[str, ...]) -> bool:
    """Whether a label is a shorter form of a name: `Tern v3` of `Tern-27B-v3`, but not `Tern v2`."""
    said = re.findall(r"[a-z]+(?:\d+(?:\.\d+)*)?|\d+(?:\.\d+)*[a-z]?", label)
    for name in names:
        parts = re.findall(r"[a-z]+(?:\d+(?:\.\d+)*)?|\d+(?:\.\d+)*[a-z]?", name.lower())
        if said and parts and len(said[0]) > 2 and said[0] == parts[0] and set(said) <= set(parts):
            return True
    return False


def _is_longer(label: str, names: tuple[str, ...]) -> bool:
    """Whether a label is a name of the student that holds the base's name, as most do."""
    return any(name and name.lower() in label for name in names)
