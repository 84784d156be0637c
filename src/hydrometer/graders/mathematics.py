r"""Find the mathematical answer of a reply, and compare it with the exact one by math-verify, an optional package.

math-verify works on sympy objects and can be kept busy for ever by towers of powers; its own time limit is a signal,
which works in the main thread only. So what reaches it is checked first: one short expression of small numbers.
"""

from __future__ import annotations

import logging
import re
from fractions import Fraction
from functools import lru_cache
from importlib import import_module
from typing import Any

from hydrometer.outcomes import Grade

VERSION = 1

_LONGEST = 200
"""Longest answer that is read, in characters."""

_LOOK = 2000
"""How far from the end of a reply its answer is looked for, in characters."""

_MARKER = re.compile(r"\b(?:answer|result|solution)s?\b[*_\s]{0,9}(?:is|are|[:=])[*_:\s]{0,9}", re.IGNORECASE)
_SIGNS = {
    "−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "∪": r"\cup ", "∞": r"\infty ", "π": r"\pi ", "≤": r"\le ",
    "≥": r"\ge ", "±": r"\pm ", "**": "", "$": "", "\\(": "", "\\)": "", "\\[": "", "\\]": "", "\\left": "",
    "\\right": "", "\\,": "", "\\!": "", "dfrac": "frac", "tfrac": "frac", "\\displaystyle": "",
}  # fmt: skip
_BOUND = re.compile(r"[a-z]\s*(<=|>=|<|>|\\leq?\b|\\geq?\b)\s*([^<>]+)")
_EXACT = re.compile(r"(-?)(?:\\frac\{(\d{1,12})\}\{([1-9]\d{0,11})\}|(\d{1,12})(?:/([1-9]\d{0,11}))?)")
_NO_NUMBER = re.compile(r"\d{0,3}\\sqrt\{\d{1,4}\}|(?:\\\{|[(\[]).+, .+(?:\\\}|[)\]])")
"""Wanted answers that no single fraction equals: a root with its squares taken out, several solutions, an interval."""
_WORD = re.compile(r"(?<!\\)(?<![a-zA-Z\\])(?!(?:or|and)\b)[a-zA-Z]{2,}")
_HOSTILE = re.compile(
    r"\d{13}|!|\^\s*+\{?+\s*+(?!-?\d{1,2}(?!\d))|\^[^^]*\^[^^]*\^|(?:\\sqrt[^\\]*){5}|(?:[({\[]\s*){7}"
)


def mathematical_answer(reply: str) -> str:
    r"""Return a reply's answer as LaTeX: from the last `\boxed{}`, behind "answer:", or the last line."""
    tail = reply[-_LOOK:]
    boxed = tail.rfind("\\boxed{")
    if boxed >= 0:
        return _plain(_inside(tail, boxed + len("\\boxed{")))
    marks = list(_MARKER.finditer(tail))
    lines = [line for line in tail[marks[-1].end() if marks else 0 :].splitlines() if line.strip(" *$.[]\\")]
    if not lines:
        return ""
    line = lines[0] if marks else lines[-1]
    shown = re.findall(r"\$([^$]+)\$|\\\((.+?)\\\)", line)
    return _plain(
        " or ".join(a or b for a, b in shown) if marks and shown else "".join(shown[-1]) if shown else line
    )


def grade_mathematics(reply: str, wanted: str) -> Grade:
    """Grade a reply: right if its answer equals the wanted one as a number, set, interval or expression.

    Args:
        reply: The reply.
        wanted: The exact answer as LaTeX.
    """
    found = mathematical_answer(reply)
    if not found or not re.search(r"\d|\\infty|\\emptyset", found):
        return Grade.unparsed("no mathematical answer in the reply")
    shown = found[:80]
    if len(found) > _LONGEST or _HOSTILE.search(found):
        return Grade.wrong(shown, "not one short expression")
    if found.replace(" ", "") == wanted.replace(" ", "") or _equal(found, wanted):
        return Grade.right(shown)
    return Grade.wrong(shown, f"expected {wanted}")


def _equal(found: str, wanted: str) -> bool:
    # Most answers are whole numbers or fractions, and parsing LaTeX takes milliseconds.
    number, exact = _EXACT.fullmatch(found), _EXACT.fullmatch(wanted)
    if number and exact:
        return _fraction(number) == _fraction(exact)
    if number and _NO_NUMBER.fullmatch(wanted):
        return False
    judge: Any = import_module("math_verify")
    gold, answer = _parsed(wanted), _parsed(_as_interval(found))
    return bool(judge.verify(gold, answer, timeout_seconds=None, allow_set_relation_comp=True))


def _fraction(match: re.Match[str]) -> Fraction:
    return Fraction(int(f"{match[1]}{match[2] or match[4]}"), int(match[3] or match[5] or 1))


@lru_cache(maxsize=256)
def _parsed(text: str) -> Any:
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)  # it warns of every missing time limit
    return import_module("math_verify").parse(f"${text}$", parsing_timeout=None)


def _as_interval(text: str) -> str:
    r"""Write "x < 2 or x > 5" as a union of intervals, which math-verify does not."""
    bounds = [_BOUND.fullmatch(part.strip()) for part in re.split(r"\bor\b", text)]
    if not all(bounds):
        return text
    parts = []
    for sign, value in (bound.groups() for bound in bounds if bound):
        closed = "=" in sign or "e" in sign
        below = f"(-\\infty, {value}{']' if closed else ')'}"
        parts.append(
            below if sign[0] == "<" or "\\l" in sign else f"{'[' if closed else '('}{value}, \\infty)"
        )
    return " \\cup ".join(parts)


def _inside(text: str, start: int) -> str:
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return text[start:place]
    return text[start:]


def _plain(text: str) -> str:
    plain = text[: 4 * _LONGEST]
    for sign, other in _SIGNS.items():
        plain = plain.replace(sign, other)
    plain = re.sub(r"\\(?:text|mathrm|textbf)\{([^{}]*)\}", r" \1 ", plain)
    plain = re.sub(r"(?:√|(?<!\\)\bsqrt)\s*(?:\(([^()]*)\)|\{([^{}]*)\}|(\d+))", r"\\sqrt{\1\2\3}", plain)
    plain = re.sub(r"(?<![\\a-z])pi\b", r"\\pi ", plain)
    return _WORD.sub(" ", plain).strip(" .,;:*\n\t")
