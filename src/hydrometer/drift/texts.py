"""The texts that both models read: neutral ones that come along, a user's file, replies stored by an audit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from hydrometer.canon import digest
from hydrometer.errors import UsageError

_LARGEST = 1 << 24

NEUTRAL = "s2:3266f448d16b98a7e74fac83a300ba7a"
"""Digest of the texts that come along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One document: the unit that errors are clustered by.

    Attributes:
        name: What a reader knows it by.
        group: What it belongs to: a language, code, or a capability.
        text: The text, prompt included.
        prompt: Characters of the prompt, 0 for plain text.
        source: Where it comes from.
        thinking: Characters from which and up to which the model thinks; both equal where it does not.
    """

    name: str
    group: str
    text: str
    prompt: int = 0
    source: str = "texts"
    thinking: tuple[int, int] = (0, 0)

    def span(self, start: int) -> str:
        """Return what the character at a place belongs to: `text`, or `prompt`, `thinking` and `answer` of a reply."""
        if not self.prompt:
            return "text"
        if start < self.prompt:
            return "prompt"
        return "thinking" if self.thinking[0] <= start < self.thinking[1] else "answer"


def neutral() -> tuple[Passage, ...]:
    """Return the texts that come along: public domain in several languages, and code."""
    table = json.loads(files("hydrometer").joinpath("data", "neutral.json").read_text(encoding="utf-8"))
    return tuple(Passage(name=t["name"], group=t["group"], text=t["text"]) for t in table)


def texts_digest(texts: Sequence[Passage]) -> str:
    """Return the digest of some texts: distances compare only where it is the same."""
    return digest([[text.text, text.prompt] for text in texts])


def from_file(path: Path) -> tuple[Passage, ...]:
    """Return the documents of a user's file.

    A `.jsonl` file has one document per line, an object with `text` and, if wanted, `group`. In any other file
    two blank lines or more stand between documents; a file without such gaps is cut at blank lines.

    Raises:
        UsageError: It cannot be read, or holds no text.
    """
    text = _read(path)
    found = list(_lines(path, text) if path.suffix == ".jsonl" else _plain(path, text))
    if not found:
        msg = f"--text {path} holds no text"
        raise UsageError(msg)
    return tuple(found)


def whole_file(path: Path) -> str:
    """Return a file's text as one, without the line end at its end, which llama-perplexity leaves out too.

    Raises:
        UsageError: It cannot be read, or holds no text.
    """
    text = _read(path).removesuffix("\n")
    if not text.strip():
        msg = f"--text {path} holds no text"
        raise UsageError(msg)
    return text


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            msg = f"{path} has {path.stat().st_size >> 20} MB, at most {_LARGEST >> 20} are read: give a part of it"
            raise UsageError(msg)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"--text {path}: {error.strerror or error}"
        raise UsageError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"--text {path}: not UTF-8 at byte {error.start}: save it as UTF-8"
        raise UsageError(msg) from error
    return text


def _plain(path: Path, text: str) -> Iterable[Passage]:
    parts = text.replace("\r\n", "\n").split("\n\n\n")
    parts = parts if len(parts) > 1 else text.replace("\r\n", "\n").split("\n\n")
    for number, part in enumerate(part.strip("\n") for part in parts):
        if part.strip():
            yield Passage(name=f"{path.name} {number + 1}", group=path.name, text=part)


def _lines(path: Path, text: str) -> Iterable[Passage]:
    # Not `splitlines`: JSON allows other line separators inside of a text.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            own, group = entry["text"], str(entry.get("group") or path.name)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            msg = f"--text {path}, line {number}: not an object with `text`"
            raise UsageError(msg) from error
        if not isinstance(own, str) or not own.strip():
            msg = f"--text {path}, line {number}: `text` must be a text"
            raise UsageError(msg)
        try:
            (own + group).encode()
        except UnicodeEncodeError as error:
            msg = f"--text {path}, line {number}: holds half of a surrogate pair, which is no character"
            raise UsageError(msg) from error
        yield Passage(name=f"{path.name} {number}", group=group, text=own)
