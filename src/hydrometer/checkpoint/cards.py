"""The front matter of a model card: read as data, never trusted.

Cards come from anybody: a few lines of YAML aliases can stand for billions of values, and a card can be of any length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from hydrometer.errors import CardError

LARGEST = 2_000_000
"""Characters of a card; no card is longer, and what is longer is no card."""

_FRONT = re.compile(r"\A\ufeff?---[ \t]*\n(?P<yaml>.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_ALIAS = re.compile(r"(?m)(?:^|[\s,\[:-])\*\w")
_MARKS = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_MAX_ALIASES = 20
_MAX_FRONT = 500_000
"""Characters of front matter: the longest lists of scores have 300,000, and YAML is slow to read."""

# Written in C, ten times as fast, and in every wheel of the package; the other one reads the same.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class CardText(NamedTuple):
    """A card taken apart.

    Attributes:
        front: The front matter, empty without one.
        text: The whole card with plain line ends and without invisible marks.
        start: Where the text behind the front matter begins.
    """

    front: Mapping[str, Any]
    text: str
    start: int

    @property
    def body(self) -> str:
        """The text behind the front matter."""
        return self.text[self.start :]

    @property
    def offset(self) -> int:
        """Lines of the front matter."""
        return self.text[: self.start].count("\n")


def split_card(text: str, source: str) -> CardText:
    """Take a card apart.

    Args:
        text: The card, Markdown with or without front matter.
        source: Where it came from, for messages.

    Raises:
        CardError: It is no card: too long, or its front matter cannot be read.
    """
    text, front = _plain(text, source)
    return CardText(_read(front["yaml"], source) if front else {}, text, front.end() if front else 0)


def check_card(text: str, source: str) -> str:
    """Return a card's text if its front matter is safe to read, whether it is right or not.

    Raises:
        CardError: It is built to fill the memory or to take for ever.
    """
    text, front = _plain(text, source)
    if front:
        _refuse_bombs(front["yaml"], source)
    return text


def listed(value: Any) -> list[Any]:
    """Return what may be one value or a list of them as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _plain(text: str, source: str) -> tuple[str, re.Match[str] | None]:
    if len(text) > LARGEST:
        msg = f"{source} has {len(text):,} characters: no model card is longer than {LARGEST:,}"
        raise CardError(msg)
    text = _MARKS.sub("", text.replace("\r\n", "\n").replace("\0", "\ufffd"))
    return text, _FRONT.match(text)


def _refuse_bombs(front: str, source: str) -> None:
    if len(_ALIAS.findall(front)) > _MAX_ALIASES:
        msg = f"{source}: the front matter is full of YAML aliases, which no card needs"
        raise CardError(msg)
    if len(front) > _MAX_FRONT:
        msg = f"{source}: the front matter has {len(front):,} characters, no card has more than {_MAX_FRONT:,}"
        raise CardError(msg)


def _read(front: str, source: str) -> dict[str, Any]:
    _refuse_bombs(front, source)
    try:
        data = yaml.load(front, _Loader)  # noqa: S506 - one of the two safe loaders
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 2}" if where else ""
        msg = f"{source}: the front matter is no YAML{line}"
        raise CardError(msg) from error
    return data if isinstance(data, dict) else {}
