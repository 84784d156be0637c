"""Replies from a file, by the question they answer: a teacher that is only there as traces.

    {"question": "What is 2 + 2?", "reply": "Let me think ... 4"}
    {"messages": [{"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "4"}]}

`prompt` and `response` are read as other names of the two. A question stands for all user turns of a conversation, one
below the other; what the file has no reply to is answered with an error, and so left out and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydrometer.canon import digest_file
from hydrometer.engines.base import Answer, Capabilities, ClosingEngine, EngineSettings
from hydrometer.errors import ModelError
from hydrometer.items import Request
from hydrometer.outcomes import Completion, Finish
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef


class TracesEngine(ClosingEngine):
    """Replies of one file.

    Args:
        label: Name for tables.
        weights: Digest of the file.
        replies: Question to reply.
    """

    def __init__(self, label: str, weights: str, replies: dict[str, str]) -> None:
        self._label, self._weights, self._replies = label, weights, replies

    @property
    def capabilities(self) -> Capabilities:
        """Nothing but replies."""
        return Capabilities(choice_methods=(), token_ids=False, local=False)

    @property
    def chat_template(self) -> str:
        """There is none."""
        return ""

    def identity(self) -> ModelIdentity:
        """Return who answers."""
        return ModelIdentity(
            label=self._label,
            weights=self._weights,
            tokenizer="",
            template="",
            engine="traces",
            engine_version="1",
        )

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yield the reply to each question, or that there is none."""
        for request in requests:
            said = self._replies.get(_question([message._asdict() for message in request.messages]))
            if said is None:
                error = f"{self._label} has no reply to this question"
                yield Answer(request, Completion(finish=Finish.ERROR, error=error))
            else:
                yield Answer(request, Completion(text=said))

    def score(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        """Yield an error per request: texts have no probabilities."""
        for request in requests:
            error = f"replies of a file cannot be scored by {method}"
            yield Answer(request, Completion(finish=Finish.ERROR, error=error))


def open_model(ref: ModelRef, settings: EngineSettings) -> TracesEngine:
    """Open a file of replies.

    Raises:
        ModelError: It cannot be read, or a line holds no question with a reply; the line is named.
    """
    del settings  # A file has nothing to set.
    path = Path(ref.target).expanduser()
    replies: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    question, said = _row(line, f"{path}, line {number}")
                    replies.setdefault(question, said)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as a file of replies: {error}"
        raise ModelError(msg) from error
    return TracesEngine(path.stem, digest_file(path), replies)


def _row(line: str, where: str) -> tuple[str, str]:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"{where}: is not JSON ({error}): one object per line"
        raise ModelError(msg) from error
    turns = row.get("messages") if isinstance(row, dict) else None
    if isinstance(turns, list) and turns and all(isinstance(turn, dict) for turn in turns):
        question = _question(turns[:-1])
        said = turns[-1].get("content") if turns[-1].get("role") == "assistant" else None
    else:
        row = row if isinstance(row, dict) else {}
        question, said = row.get("question", row.get("prompt")), row.get("reply", row.get("response"))
        question = question.strip() if isinstance(question, str) else ""
    if not question or not isinstance(said, str):
        msg = f"{where}: needs question and reply, or messages of which the last is the assistant's"
        raise ModelError(msg)
    return question, said


def _question(turns: Sequence[dict[str, Any]]) -> str:
    """All user turns, one below the other."""
    return "\n".join(str(turn.get("content", "")).strip() for turn in turns if turn.get("role") == "user")
