"""What a card says of how something was measured."""

from __future__ import annotations

import re

from hydrometer.claims.numbers import read_number

_PATTERNS: dict[str, re.Pattern[str]] = {
    "thinking": re.compile(
        r"(?:think(?:ing)?|reasoning)(?: mode)?[ -]*(?P<a>on|off|enabled|disabled)\b"
        r"|(?P<b>non-?thinking|no[- ]?think(?:ing)?|without thinking|with thinking)",
        re.IGNORECASE,
    ),
    "shots": re.compile(r"(?P<a>\d+|zero|few|five)[- ]shots?\b", re.IGNORECASE),
    "harness": re.compile(
        r"(?P<a>lm[-_ ]eval(?:uation)?(?:[-_ ]harness)?|evalplus|inspect[-_ ]?ai|lighteval|opencompass|simple-evals|swe-agent"
        r"|mini-swe-agent|openhands|bigcode(?:[- ]evaluation[- ]harness)?)\b",
        re.IGNORECASE,
    ),
    "quantisation": re.compile(
        r"(?<![\w.])(?P<a>(?:UD-)?I?Q[2-8]_[A-Z0-9_]+|FP8|BF16|FP16|INT[48]|NVFP4|MXFP4|AWQ|GPTQ|[48]-bit)(?![\w])",
        re.IGNORECASE,
    ),
    "budget": re.compile(
        r"(?P<a>\d[\d,.]*\s?k?)[- ]tokens?[- ](?:budget|cap|limit)|(?:budget|cap|limit)(?: of)? (?P<b>\d[\d,.]*\s?k?)(?: tokens)?\b",
        re.IGNORECASE,
    ),
    "sampling": re.compile(
        r"(?P<a>greedy|temperature\s*=?\s*\d(?:\.\d+)?|temp\s*=?\s*\d(?:\.\d+)?|pass@\d+|majority voting|maj@\d+)", re.IGNORECASE
    ),
}
_SUBSET = re.compile(
    r"(?:--limit[ =]|(?:on|of|over|with|across)(?: a| an| the)?(?: (?:subset|sample|random subset))?(?: of)? |\()(?P<n>\d[\d,]*)"
    r"[- ](?:\w+[- ]){0,2}?(?:questions|problems|items|prompts|tasks|cases|samples|examples|bugs|instances|tests)\b"
    r"|--limit[ =](?P<m>\d+)|\bn ?= ?(?P<k>\d[\d,]*)",
    re.IGNORECASE,
)
COUNT = re.compile(r"(?<![\w.,/])(?P<k>\d{1,5})\s?(?:/|of|out of)\s?(?P<n>\d{1,5})(?![\w%/]|[.,]\d)", re.IGNORECASE)


def find_settings(text: str) -> dict[str, str]:
    """Return what a text says of thinking, shots, harness, quantisation, budget, sampling and number of items.

    The keys are those words, and `items` for the number of items; what is not said has no key.
    """
    found = {}
    for name, pattern in _PATTERNS.items():
        values = {_first(match).lower() for match in pattern.finditer(text)}
        if len(values) == 1:  # two settings in one sentence belong to two numbers
            found[name] = values.pop()
    if "thinking" in found:
        found["thinking"] = "off" if re.search(r"off|dis|non|no[- ]?th|without", found["thinking"]) else "on"
    sizes = {int(read_number(_first(match))[0]) for match in _SUBSET.finditer(text)}
    if len(sizes) == 1:
        found["items"] = str(sizes.pop())
    return found


def _first(match: re.Match[str]) -> str:
    return next(value for value in match.groupdict().values() if value)
