"""The two large parts of a `tokenizer.json`, taken out entry by entry: as objects they would fill the memory.

A file of 31 MB has 262,144 tokens and half a million merges. Read as one text it takes up to four times its size, for
one character of the last plane widens all others, and its merges as lists of two three times as much again. What is
not written as libraries write it is left in place, for the general reader.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

_MOST, _PIECE = 1_000_000, 1 << 16
_BLANK, _BREAK = "Ġ", "Ċ"
_S = rb"[ \t\n\r]*"
_TEXT = rb'"((?:[^"\\\x00-\x1f]|\\.)*+)"'
_MERGES = re.compile(rb'(?<!\\)"merges"' + _S + rb":" + _S + rb"\[")
_TOKENS = re.compile(rb'(?<!\\)"vocab"' + _S + rb":" + _S + rb"\{")
_MERGE = re.compile(
    _S + rb"(?:\[" + _S + _TEXT + _S + rb"," + _S + _TEXT + _S + rb"\]|" + _TEXT + rb")" + _S + rb"[,\]]"
)
_TOKEN = re.compile(_S + _TEXT + _S + rb":" + _S + rb"(0|[1-9][0-9]{0,8})" + _S + rb"[,}]")
MERGES_MARK: list[None] = [None]
TOKENS_MARK: dict[str, None] = {"": None}


class Parts(NamedTuple):
    """A file taken apart.

    Attributes:
        rest: The file with marks in the places of what was taken out.
        ids: Token -> number, None if they are still in the rest.
        merges: The merges as lines, None if they are still in the rest.
    """

    rest: bytes
    ids: dict[str, int] | None
    merges: bytes | None


def take_apart(raw: bytes) -> Parts:
    """Take tokens and merges out of the content of a `tokenizer.json`.

    The caller must see whether the marks stand where tokens and merges belong.
    """
    try:
        merges = _merges(raw)
        rest = raw if merges is None else merges[0]
        tokens = _tokens(rest)
    except ValueError:  # a text that is none
        return Parts(raw, None, None)
    rest = rest if tokens is None else tokens[0]
    return Parts(rest, tokens[1] if tokens else None, merges[1] if merges else None)


def merge_line(merge: Any) -> bytes:
    """Return a merge as one line, whether it is written as one text or as a pair."""
    # Converters to GGUF write a blank inside a half of a pair as its visible twin; a line break parts merges here.
    text = " ".join(str(part).replace(" ", _BLANK) for part in merge) if isinstance(merge, list) else str(merge)
    return text.replace("\n", _BREAK).encode("utf-8", errors="replace")


def _merges(raw: bytes) -> tuple[bytes, bytes] | None:
    """The file without its merges, and those as lines in UTF-8."""
    lines = bytearray()
    place = _take(raw, _MERGES, _MERGE, lambda *texts: lines.extend(_line(*texts) + b"\n"))
    if place is None:
        return None
    merges = bytes(memoryview(lines)[:-1])
    # Whatever is no UTF-8 is refused, as in the rest of the file.
    all(codecs.iterdecode((merges[n : n + _PIECE] for n in range(0, len(merges), _PIECE)), "utf-8"))
    return raw[: place[0]] + b"null" + raw[place[1] :], merges


def _tokens(raw: bytes) -> tuple[bytes, dict[str, int]] | None:
    """The file without its tokens, and those with their numbers."""
    ids: dict[str, int] = {}

    def keep(token: bytes, number: bytes) -> None:
        ids[_decoded(token)] = int(number)

    place = _take(raw, _TOKENS, _TOKEN, keep)
    return None if place is None else (raw[: place[0]] + b'"":null' + raw[place[1] :], ids)


def _take(
    raw: bytes, start: re.Pattern[bytes], entry: re.Pattern[bytes], keep: Callable[..., None]
) -> tuple[int, int] | None:
    """Read the entries of one list or table; return where they begin and end, None where one is written otherwise."""
    places = [*islice(start.finditer(raw), 2)]
    if len(places) != 1:
        return None
    at = places[0].end()
    for _ in range(_MOST):
        found = entry.match(raw, at)
        if found is None:
            return None
        keep(*found.groups())
        at = found.end()
        if raw[at - 1] in b"]}":
            return places[0].end(), at - 1
    return None


def _line(left: bytes | None, right: bytes | None, whole: bytes | None) -> bytes:
    """A merge as `merge_line` writes it. Raises ValueError where a text is none."""
    if left is None or right is None:
        text = whole or b""
        return merge_line(_decoded(text)) if b"\\" in text else text
    if b"\\" in left or b"\\" in right:
        return merge_line([_decoded(left), _decoded(right)])
    return left.replace(b" ", _BLANK.encode()) + b" " + right.replace(b" ", _BLANK.encode())


def _decoded(text: bytes) -> str:
    if b"\\" not in text:
        return text.decode()
    found: str = json.loads(b'"' + text + b'"')
    return found
