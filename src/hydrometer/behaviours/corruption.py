"""Learned damage to the form of an answer: indentation, fences, JSON, escapes.

Only what a reader's tools would trip over counts. Code is parsed, never run, and only up to a bounded size.
"""

from __future__ import annotations

import ast
import json
import re
import symtable
import textwrap
import warnings
from contextlib import suppress
from functools import lru_cache

from hydrometer.behaviours.base import Behaviour, Observed, Sign
from hydrometer.behaviours.segments import Fence, fences, prose, shortened, visible, without_inline
from hydrometer.outcomes import Finish

_PARSED = 8_000
"""Characters of Python parsed per reply: parsing is the slowest thing a detector does."""

_PYTHON = {"python", "py", "python3"}
_NOT_PLAIN = re.compile(
    r"^\s{0,40}(?:>>>|\.\.\. |\$ |%|!|pip3? |python3? \S+\.py|conda |Traceback|print \S|@@|[+-]{3} )|…"
    r"|<(?:your|insert|path|name)\b|\{\{"
    r"|^\s{0,40}In \[",
    re.MULTILINE,
)
_STARTS = re.compile(r"(?:def |class |import |from \w+ import |print\()")
_OPENER = re.compile(
    r"^([ \t]*)(?:def|class|if|for|while|with|try|else|elif|except|finally"
    r"|async)\b[^\n]{0,200}:[ \t]*(?:#[^\n]{0,200})?\n(?:[ \t]*\n){0,3}([ \t]*)\S",
    re.MULTILINE,
)
_WANTS_JSON = re.compile(r"\bjson\b", re.IGNORECASE)
_NEWLINE = re.compile(r"\\{1,3}n(?![a-z])")
_UNICODE = re.compile(r"\\{1,2}u[0-9a-fA-F]{4}")
_MARKUP = re.compile(
    r"\A\s{0,80}(?:<!DOCTYPE|<html|<\?xml|<svg|\{\s{0,40}\"[^\"\n]{1,80}\"\s?:)", re.IGNORECASE
)
_ABOUT_ESCAPES = re.compile(
    r"escape|regex|regular expression|newline|backslash|raw string|unicode|\\n|latex|encode", re.IGNORECASE
)


def code(observed: Observed) -> Sign | None:
    """Python whose indentation is odd, or that does not parse."""
    text = visible(observed)
    left = _PARSED
    for block in fences(text):
        if block.label not in _PYTHON and (block.label or not _STARTS.match(block.body)):
            continue
        odd = _odd_indentation(text, block)
        if odd:
            return Sign(odd, shortened(block.body))
        # A reply cut by its budget ends in the middle of a line, which says nothing about the model.
        if block.closed and len(block.body) <= left and not _NOT_PLAIN.search(block.body):
            left -= len(block.body)
            broken = _does_not_parse(block.body)
            if broken:
                return Sign(broken, shortened(block.body))
    return None


def fence(observed: Observed) -> Sign | None:
    """Fences that do not close, or that hold something else than they say."""
    text = visible(observed)
    blocks = fences(text)
    if not blocks:
        return None
    if not blocks[-1].closed and observed.finish is Finish.STOP:
        return Sign("a fence is never closed", shortened(text[blocks[-1].start :]))
    for block in blocks[:50]:
        body = block.body.lstrip()[:200]
        if block.label in _PYTHON and _MARKUP.match(body) and not body.startswith(("{", "[")):
            return Sign(f"a fence labelled {block.label} holds markup", shortened(body))
        if block.label == "json" and _STARTS.match(body):
            return Sign("a fence labelled json holds code", shortened(body))
    return None


def json_broken(observed: Observed) -> Sign | None:
    """JSON that was asked for and cannot be read."""
    if not (_wants_json(observed.asked) or _wants_json(observed.system)):
        return None
    if observed.finish is not Finish.STOP:
        return None
    text = visible(observed).strip()
    if text[:1] in {"{", "["}:
        pieces = [text]
    else:
        pieces = [
            b.body.strip() for b in fences(text) if b.label == "json" or b.body.lstrip()[:1] in {"{", "["}
        ]
        pieces = [piece for piece in pieces if piece][:20]
    for piece in pieces:
        why = _unreadable(piece)
        if why:
            return Sign(why, shortened(piece[-200:] if "cut" in why else piece))
    return None


def escapes(observed: Observed) -> Sign | None:
    """Escapes written out twice, so that a reader sees them."""
    text = visible(observed)
    if "\\" not in text or _ABOUT_ESCAPES.search(observed.asked):
        return None
    plain = without_inline(prose(text))
    lines = len(_NEWLINE.findall(plain))
    if lines >= 3 and lines > plain.count("\n"):
        return Sign(f"{lines} line breaks written as \\n", shortened(plain))
    if plain.count('\\"') >= 4 and not plain.lstrip().startswith(("{", "[")):
        return Sign('quotation marks written as \\"', shortened(plain))
    if len(_UNICODE.findall(plain)) >= 3 and not plain.lstrip().startswith(("{", "[")):
        return Sign("letters written as \\u escapes", shortened(plain))
    for block in fences(text):
        if block.label in _PYTHON and "\n" not in block.body.strip() and block.body.count("\\n") >= 3:
            return Sign("code on one line with \\n between", shortened(block.body))
    return None


BEHAVIOURS = (
    Behaviour(
        name="code_corruption",
        version=1,
        summary="Python with odd indentation, or that does not parse",
        detect=code,
    ),
    Behaviour(
        name="fence_corruption",
        version=1,
        summary="fences not closed, or labelled as something else",
        detect=fence,
    ),
    Behaviour(
        name="json_corruption",
        version=1,
        summary="JSON that was asked for and cannot be read",
        detect=json_broken,
    ),
    Behaviour(name="escape_corruption", version=1, summary="escapes written out twice", detect=escapes),
)


@lru_cache(maxsize=64)
def _wants_json(request: str) -> bool:
    return "json" in request.lower() and bool(_WANTS_JSON.search(request))


def _odd_indentation(text: str, block: Fence) -> str:
    body = block.body[:50_000].expandtabs(4)
    margin = len(text[block.start : block.start + 20]) - len(
        text[block.start : block.start + 20].lstrip(" \t>")
    )
    widths = [len(line) - len(line.lstrip(" ")) for line in body.splitlines() if line.strip()]
    if len(widths) < 2:
        return ""
    common = min(widths)
    if common > margin and (common - margin) % 2:
        return f"every line of code is indented by {common - margin}"
    steps = [len(found[2].expandtabs(4)) - len(found[1].expandtabs(4)) for found in _OPENER.finditer(body)]
    if steps and sum(step == 1 for step in steps) >= 0.5 * len(steps):
        return "blocks of code are indented by one space"
    return ""


def _does_not_parse(body: str) -> str:
    if _depth(body) > 60:
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        body = textwrap.dedent(body)
        # The table of symbols costs less than a tree of objects; what has one was parsed. Why not, the tree's parser says.
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            symtable.symtable(body, "<unknown>", "exec")
            return ""
        try:
            ast.parse(body)
        except IndentationError as fault:
            return f"indentation: {fault.msg}"
        except SyntaxError as fault:
            return f"Python that does not parse: {fault.msg}"
        except (ValueError, RecursionError, MemoryError):
            return ""
    return ""


def _depth(body: str) -> int:
    """Deepest nesting of brackets, which a parser answers with recursion."""
    deepest = level = 0
    for mark in re.findall(r"[()\[\]{}]", body):
        level += 1 if mark in "([{" else -1
        deepest = max(deepest, level)
    return deepest


def _unreadable(piece: str) -> str:
    try:
        json.loads(piece[:1_000_000])
    except RecursionError:
        return ""
    except ValueError as fault:
        return _why(piece, fault)
    return ""


def _why(piece: str, fault: ValueError) -> str:
    at = fault.pos if isinstance(fault, json.JSONDecodeError) else 0
    message = fault.msg if isinstance(fault, json.JSONDecodeError) else str(fault)
    around = piece[max(0, at - 40) : at + 2]
    if message == "Extra data":
        # Words behind an object are a matter of instructions; several objects are lines of JSON.
        return "a fence inside of JSON" if "```" in piece[at : at + 20] and "```" not in piece[:at] else ""
    if "```" in piece:
        return "a fence inside of JSON"
    if at >= len(piece) - 1 or message.startswith("Unterminated"):
        return "JSON cut off"
    if re.search(r",\s{0,30}[}\]]?\s{0,3}\Z", around):
        return "a trailing comma in JSON"
    if piece[at : at + 1] == "'":
        return "single quotes in JSON"
    if piece[at : at + 4] in {"True", "None", "Fals"}:
        return "a Python literal in JSON"
    return f"JSON that cannot be read: {message}"
