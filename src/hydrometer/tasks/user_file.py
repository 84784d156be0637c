"""A user's own questions, one JSON object per line: `--task questions.jsonl`.

    {"question": "What is 2 + 2?", "answer": 4, "grader": "number"}
    {"question": "Capital of France?", "answer": "Paris", "options": ["Paris", "Rome"]}
    {"question": "The sky is", "answer": "blue", "choices": ["blue", "green"]}
    {"messages": [{"role": "system", "content": "..."}, {"role": "user", "content": "..."}], "answer": "yes"}

With `choices` the log-probability of each is scored; else the reply is graded: `exact` (the default), `contains`,
`number`, or by the one of `options` that it settles on. Everything a grade needs travels in the item, so that a stored
reply can be graded again without the file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from hydrometer.errors import UsageError
from hydrometer.graders.numbers import grade_number
from hydrometer.graders.text import grade_option, normalise, strip_echo
from hydrometer.items import Item, Message
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import FILE_PREFIX, GraderCase, Task

_GRADERS = ("exact", "contains", "number", "option")
_ROLES = ("system", "user", "assistant")
_MAX_LINES = 1_000_000


class UserFile(Task):
    """The questions of one file; without rows it only grades."""

    name = "file"
    capability = "own questions"
    summary = "questions of a user's file"
    rows: tuple[Item, ...] = ()

    def make(self, rng: Random, index: int) -> Item:
        """Return question `index` of the file, in its order."""
        del rng
        return self.rows[index % len(self.rows)]

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge a reply as the item says."""
        wanted, said = item.answer, strip_echo(reply, item.messages[-1].content)
        if not said:
            return Grade.unparsed("empty reply")
        match wanted["grader"]:
            case "number":
                return grade_number(said, Decimal(str(wanted["answer"])))
            case "option":
                return grade_option(said, wanted["answer"], wanted["options"])
            case "contains":
                found = normalise(wanted["answer"]) in normalise(said)
            case _:
                found = normalise(wanted["answer"]) == normalise(said)
        return (
            Grade.right(wanted["answer"]) if found else Grade.wrong(said[:40], f"expected {wanted['answer']}")
        )

    def cases(self) -> Sequence[GraderCase]:
        """Return nothing: the questions are not ours."""
        return ()


def load_user_task(path: Path) -> UserFile:
    """Return the task of a file; its name is `file:` and the file's stem.

    Raises:
        UsageError: It cannot be read, or a line is no question; the line is named.
    """
    name = f"{FILE_PREFIX}{path.stem}"
    items: dict[str, Item] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if number > _MAX_LINES:
                    msg = f"{path}: more than {_MAX_LINES:,} lines: split it"
                    raise UsageError(msg)
                if line.strip():
                    item = _item(name, line, f"{path}, line {number}")
                    items.setdefault(item.id, item)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as a file of questions: {error}"
        raise UsageError(msg) from error
    if not items:
        msg = f"{path}: holds no question: one JSON object per line, with at least question and answer"
        raise UsageError(msg)
    rows = tuple(items.values())
    kinds = {row.kind for row in rows}
    if len(kinds) > 1:
        msg = f"{path}: some lines have choices and some have none: make two files of them"
        raise UsageError(msg)
    # The attributes of a task belong to its class; a file is a class of its own.
    made = type(
        "UserFile", (UserFile,), {"name": name, "kind": kinds.pop(), "rows": rows, "limit": len(rows)}
    )
    return made()  # type: ignore[no-any-return]


def task_for_grading(name: str) -> UserFile:
    """Return the task of a stored item: without its file it can grade, and no more."""
    return type("UserFile", (UserFile,), {"name": name})()  # type: ignore[no-any-return]


def _item(task: str, line: str, where: str) -> Item:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"{where}: is not JSON ({error}): one object per line"
        raise UsageError(msg) from error
    if not isinstance(row, dict) or "answer" not in row:
        msg = f"{where}: needs an object with question (or messages) and answer"
        raise UsageError(msg)
    messages = _messages(row, where)
    choices = row.get("choices", [])
    if choices:
        if not _texts(choices) or len(set(choices)) < len(choices) or row["answer"] not in choices:
            msg = f"{where}: choices must be different texts, and answer one of them"
            raise UsageError(msg)
        return Item(
            task=task,
            messages=messages,
            choices=tuple(choices),
            answer=choices.index(row["answer"]),
            max_tokens=0,
        )
    cap = row.get("max_tokens", 512)
    if not isinstance(cap, int) or isinstance(cap, bool) or cap < 1:
        msg = f"{where}: max_tokens {cap!r} must be a whole number above 0"
        raise UsageError(msg)
    return Item(
        task=task,
        messages=messages,
        answer=_answer(row, where),
        max_tokens=cap,
        tier=str(row.get("tier", "")),
    )


def _messages(row: dict[str, Any], where: str) -> tuple[Message, ...]:
    turns = row.get("messages", [{"role": "user", "content": row.get("question")}])
    good = (
        isinstance(turns, list)
        and turns
        and all(
            isinstance(t, dict)
            and t.get("role") in _ROLES
            and isinstance(t.get("content"), str)
            and t["content"]
            for t in turns
        )
    )
    if not good or turns[-1]["role"] != "user":
        msg = f"{where}: needs a question, or messages with role and content of which the last is the user's"
        raise UsageError(msg)
    return tuple(Message(turn["role"], turn["content"]) for turn in turns)


def _answer(row: dict[str, Any], where: str) -> dict[str, Any]:
    options, answer = row.get("options"), row["answer"]
    grader = row.get("grader", "option" if options else "number" if _number(answer) else "exact")
    if grader not in _GRADERS:
        msg = f"{where}: grader {grader!r} is not known: {', '.join(_GRADERS)}"
        raise UsageError(msg)
    if grader == "number" and not _number(answer):
        msg = f"{where}: the answer {answer!r} is not a number"
        raise UsageError(msg)
    if grader == "option" and (options is None or not _texts(options) or answer not in options):
        msg = f"{where}: options must be texts, and answer one of them"
        raise UsageError(msg)
    if grader in ("exact", "contains") and (not isinstance(answer, str) or not normalise(answer)):
        msg = f"{where}: the answer {answer!r} must be a text with letters or digits"
        raise UsageError(msg)
    return {"grader": grader, "answer": answer, **({"options": options} if options else {})}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _texts(value: object) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(v, str) and v for v in value)
