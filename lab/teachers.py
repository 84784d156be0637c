"""Teachers: what turns a problem into a reply. Both kinds sit behind one method, so one path serves both.

`SolverTeacher` is a program that writes the worked solution itself: the default, no model involved.
`HttpTeacher` is any OpenAI-compatible server, written `URL#model`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

import httpx

from problems import Problem
from solver import ANSWER_MARK, OPENING, trace

STYLE = (
    f'Open your reply with exactly "{OPENING}:", then work in short numbered steps. '
    f'End with one last line of the form "{ANSWER_MARK} ...". Use at most 90 words.'
)
"""What a served teacher is told; the solver needs no telling. It never reaches the training data."""


class TeacherError(Exception):
    """The teacher cannot be reached or does not answer in the protocol."""


class Teacher(Protocol):
    """Anything that answers problems."""

    name: str

    def reply(self, problem: Problem) -> str:
        """Return the reply to a problem.

        Raises:
            TeacherError: There is no reply.
        """
        ...


class SolverTeacher:
    """The program that made the problem writes its solution in the style of the traces."""

    name = "solver program"

    def reply(self, problem: Problem) -> str:
        """Return the worked solution; never fails."""
        return trace(problem.draft)


class HttpTeacher:
    """A model behind an OpenAI-compatible chat endpoint, asked greedily."""

    def __init__(self, url: str, model: str, *, timeout_s: float = 120.0, max_tokens: int = 512) -> None:
        self.name = model
        self._max_tokens = max_tokens
        self._client = httpx.Client(base_url=url.rstrip("/") + "/", timeout=timeout_s)

    def reply(self, problem: Problem) -> str:
        """Ask the server; only the question is sent, never the solution that the problem carries.

        Raises:
            TeacherError: No connection, an error status, or an answer that is not a chat completion.
        """
        body = {
            "model": self.name,
            "messages": [{"role": "system", "content": STYLE}, problem.messages()[-1]],
            "temperature": 0,
            "max_tokens": self._max_tokens,
        }
        try:
            response = self._client.post("chat/completions", json=body)
            response.raise_for_status()
            return str(response.json()["choices"][0]["message"]["content"])
        except httpx.HTTPError as error:
            msg = f"teacher {self.name!r} at {self._client.base_url}: {error}"
            raise TeacherError(msg) from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            kind = type(error).__name__
            msg = f"teacher {self.name!r} does not answer as /v1/chat/completions: {kind}: {error}"
            raise TeacherError(msg) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


def open_teacher(text: str | None) -> SolverTeacher | HttpTeacher:
    """Return the teacher that a command line names.

    Args:
        text: None for the solver, else `URL#model`.

    Raises:
        TeacherError: The text is not of that form.
    """
    if text is None:
        return SolverTeacher()
    url, _, model = text.partition("#")
    if not url.startswith(("http://", "https://")) or not model:
        msg = f"teacher {text!r} is not URL#model, such as http://127.0.0.1:8080/v1#name"
        raise TeacherError(msg)
    return HttpTeacher(url, model)
