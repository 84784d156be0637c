"""What a JSON server's answer to one call means: a reply, a refusal, something to try again, or the end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

_LONGEST_PAUSE = 120.0

Kind = Literal["refused", "lost", "slow", "busy", ""]
News = Literal["answered", "crowded", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP call.

    Attributes:
        path: Path behind the server's URL.
        body: JSON to post; None makes it a GET.
        key: What the caller knows it by.
    """

    path: str
    body: dict[str, Any] | None = None
    key: int = 0


class Reply(NamedTuple):
    """What came back: an object, or why there is none.

    Attributes:
        call: The call that it answers.
        body: The JSON object, empty for a refusal.
        refusal: The server's message where it refused, or why the call was given up; else `""`.
        seconds: Time of the try that succeeded.
    """

    call: Call
    body: dict[str, Any]
    refusal: str = ""
    seconds: float = 0.0


class Trouble(NamedTuple):
    """A try that came to nothing and may be repeated."""

    kind: Kind
    text: str
    pause: float = 0.0

    @property
    def news(self) -> News:
        """What the gate learns: whether fewer calls at a time would have helped."""
        return "crowded" if self.kind in ("slow", "busy") else ""


class GoneError(Exception):
    """The server cannot be used any more. Turned into a message where the number of answers is known."""

    def __init__(self, kind: Literal["never", "stopped", "key", "form"], text: str) -> None:
        super().__init__(text)
        self.kind, self.text = kind, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A server's response as it came.

    Attributes:
        status: Status code.
        reason: Its words, such as `Bad Gateway`.
        headers: Header lines, names in any case.
        content: The whole body.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes


def read(response: Response, call: Call, seconds: float) -> Reply | Trouble:
    """Sort a response: an answer, a refusal of this one request, or something to try again.

    Raises:
        GoneError: It comes from something that is no API, or the key is refused.
    """
    status = response.status
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        text = f"HTTP {status}: {_message(response)}"
        return Trouble("busy", text, _retry_after(response.headers.get("retry-after", "")))
    if status == HTTPStatus.UNAUTHORIZED:
        raise GoneError("key", f"HTTP {status}: {_message(response)}")
    form = response.headers.get("content-type", "no content type").partition(";")[0]
    if "html" in form:
        raise GoneError("form", "HTML, not JSON")
    if status != HTTPStatus.OK:
        return Reply(call, {}, f"HTTP {status}: {_message(response)}", seconds)
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise GoneError("form", f"something that is not JSON (content type {form})") from error
    if not isinstance(body, dict):
        raise GoneError("form", "JSON that is not an object")
    if body.get("error"):
        return Reply(call, {}, _message(response), seconds)
    return Reply(call, body, "", seconds)


def _message(response: Response) -> str:
    """Return what a server says is wrong, wherever it puts it."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        error = body.get("error", body)
        said = error if isinstance(error, str) else None
        if isinstance(error, dict):
            said = error.get("message") or error.get("detail")
        if said:
            return str(said)[:500]
    return " ".join(response.content.decode(errors="replace").split())[:200] or response.reason


def _retry_after(value: str) -> float:
    """Return the pause that a server asks for in seconds or as a date, 0 without one."""
    try:
        seconds = float(value)
    except (ValueError, RecursionError):
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), _LONGEST_PAUSE)
