"""Gemma 4's notation of a call: `call:NAME{key:value,...}` with bare keys and strings between `<|"|>` marks.

Numbers, `true`, `false` and `null` stand bare, objects and arrays nest, and nothing is escaped.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from hydrometer.templates.tools import ToolCall

_QUOTE = '<|"|>'
_NAME = re.compile(r"call:\s*([\w.\-]+)\s*(?=\{)")
_KEY = re.compile(r"\s*([\w.\-]+)\s*:")
_BARE = re.compile(r"\s*([^,{}\[\]<]+)")
_BLANK = re.compile(r"\s*")
_DEEPEST = 64


class BrokenCallError(ValueError):
    """A call that cannot be read; its text says why."""


def read_gemma(text: str) -> ToolCall:
    """Read one call.

    Raises:
        BrokenCallError: It is no call in this notation.
    """
    head = _NAME.match(text)
    if head is None:
        msg = f"no call:NAME{{...}} between the marks, but {text[:40]!r}"
        raise BrokenCallError(msg)
    reader = _Reader(text, head.end())
    arguments = reader.mapping(1)
    if reader.rest():
        msg = f"text behind the arguments: {reader.rest()[:40]!r}"
        raise BrokenCallError(msg)
    return ToolCall(head[1], arguments)


class _Reader:
    def __init__(self, text: str, place: int) -> None:
        self.text, self.place = text, place

    def rest(self) -> str:
        return self.text[self.place :].strip()

    def mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._take("{")
        while not self._peek("}"):
            key = self._key()
            found[key] = self._value(depth)
            self._comma("}")
        self._take("}")
        return found

    def _array(self, depth: int) -> list[Any]:
        found = []
        self._take("[")
        while not self._peek("]"):
            found.append(self._value(depth))
            self._comma("]")
        self._take("]")
        return found

    def _value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            self._fail("arguments nest too deep")
        if self._peek(_QUOTE):
            return self._quoted()
        if self._peek("{"):
            return self.mapping(depth + 1)
        if self._peek("["):
            return self._array(depth + 1)
        bare = _BARE.match(self.text, self.place)
        if bare is None:
            self._fail("a value is missing")
        self.place = bare.end()
        word = bare[1].strip()
        try:
            # The template prints Python's own words for what is neither text nor truth.
            return None if word == "None" else json.loads(word)
        except (ValueError, RecursionError) as error:
            msg = f"a text without its marks: {word[:40]!r}"
            raise BrokenCallError(msg) from error

    def _key(self) -> str:
        if self._peek(_QUOTE):
            key = self._quoted()
            self._take(":")
            return key
        match = _KEY.match(self.text, self.place)
        if match is None:
            self._fail("a key is missing")
        self.place = match.end()
        return match[1]

    def _quoted(self) -> str:
        start = self.place + len(_QUOTE)
        end = self.text.find(_QUOTE, start)
        if end < 0:
            self._fail("a text is never closed")
        self.place = end + len(_QUOTE)
        return self.text[start:end]

    def _comma(self, closing: str) -> None:
        if self._peek(","):
            self.place += 1
        elif not self._peek(closing):
            self._fail(f"neither comma nor {closing}")

    def _peek(self, mark: str) -> bool:
        blank = _BLANK.match(self.text, self.place)
        self.place = blank.end() if blank else self.place
        return self.text.startswith(mark, self.place)

    def _take(self, mark: str) -> None:
        if not self._peek(mark):
            self._fail(f"{mark} is missing")
        self.place += len(mark)

    def _fail(self, why: str) -> NoReturn:
        msg = f"{why} at {self.text[self.place : self.place + 20]!r}"
        raise BrokenCallError(msg)
