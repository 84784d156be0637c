"""The table of known benchmarks and capabilities: names in text, sizes, chance levels, with their sources."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A benchmark that cards quote.

    Attributes:
        key: Its name as data.
        name: Its name as people write it.
        sizes: Numbers of items by variant, `""` for the usual one; empty where the size is not fixed.
        chance: Score of guessing, None where it depends on the variant.
        source: Where size and chance come from.
        capability: What it is a test of, of `CAPABILITIES`; `""` where that is several.
    """

    key: str
    name: str
    sizes: dict[str, int]
    chance: float | None
    source: str
    capability: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A benchmark or capability in a text, with its place."""

    start: int
    end: int
    subject: str
    benchmark: bool


BASE_WORDS = (
    "base(?:line)?|original|plain|parent|vanilla|stock|untouched|unmodified|undistilled|untuned|starting point|basis(?:modell)?|ausgangsmodell|mod\u00e8le de base|modelo base"
    "|\u57fa\u5ea7|\u57fa\u7840\u6a21\u578b|\u539f\u6a21\u578b"
)
"""Words for the model that a distillation was made from, as a pattern."""

CAPABILITIES: dict[str, str] = {
    "arithmetic": r"arithmetic",
    "reasoning": r"reasoning|word problems|logic(?:al)?\b|deduction",
    "mathematics": r"math(?:s|ematics|ematical)?\b",
    "code": r"cod(?:e|ing)\b|programming",
    "knowledge": r"(?:world |general )?knowledge",
    "commonsense": r"common[- ]?sense",
    "instruction following": r"instruction[- ]following|following (?:of )?instructions",
    "structured output": r"structured outputs?|json(?: output)?|formats?\b",
    "tools": r"tool[- ](?:use|calling|calls?)|function[- ]calling|agentic(?: (?:use|tasks|abilities|workflows|work))?|agent (?:tasks|workflows)",
    "context": r"long[- ]context|recall",
    "languages": r"multi-?lingual(?:ity)?|languages",
    "honesty": r"honesty|hallucinations?|factuality",
    "safety": r"safety|refusals?",
    "vision": r"vision|images?(?: (?:understanding|input))?|visual (?:understanding|abilities)|multi-?modal(?:ity)?",
    "audio": r"audio(?: (?:understanding|input))?|speech(?: (?:understanding|input))?",
    "mtp": r"(?:MTP|multi-?token[- ]prediction)(?: (?:heads?|layers?|weights|tensors|modules?))?",
}
"""Name of a capability to the words that cards use for it."""

PARTS = ("vision", "audio", "mtp")
"""Capabilities that are parts of the weights as well: there or not there."""


@cache
def benchmarks() -> dict[str, Benchmark]:
    """Return all known benchmarks by key."""
    return {
        row["key"]: Benchmark(**{k: v for k, v in row.items() if k != "aliases"}) for row in _rows()
    }


def find_mentions(text: str) -> list[Mention]:
    """Return benchmarks and capabilities in a text, in order; where names overlap, the longer one counts."""
    found: list[Mention] = []
    for pattern, benchmark in ((_benchmark_names(), True), (_capability_names(), False)):
        for match in pattern.finditer(text):
            group = match.lastgroup or ""
            name = group if benchmark else list(CAPABILITIES)[int(group[1:])]
            if not any(match.start() < other.end and other.start < match.end() for other in found):
                found.append(Mention(start=match.start(), end=match.end(), subject=name, benchmark=benchmark))
    return sorted(found, key=lambda mention: mention.start)


@cache
def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(
        files("hydrometer.claims").joinpath("data/benchmarks.json").read_text(encoding="utf-8")
    )
    return rows


@cache
def _benchmark_names() -> re.Pattern[str]:
    # In the order of the table: the longer names of a family stand before the shorter ones.
    order = sorted(_rows(), key=lambda row: -max(len(alias) for alias in row["aliases"]))
    parts = (f"(?P<{row['key']}>{'|'.join(row['aliases'])})" for row in order)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(parts)})(?![A-Za-z])", re.IGNORECASE)


@cache
def _capability_names() -> re.Pattern[str]:
    parts = (f"(?P<c{i}>{words})" for i, words in enumerate(CAPABILITIES.values()))
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)", re.IGNORECASE)
