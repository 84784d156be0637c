"""Files behind HTTP, read by ranges: never a whole file, never more than was asked for, never from another version.

Retries with growing pauses come from `huggingface_hub`; what is added here is that a body that breaks off is continued
where it ended, that a server which ignores ranges is refused before it sends a whole file, and that a token goes to
the server that it is for and to nobody that it points to.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import http_stream_backoff  # type: ignore[attr-defined]  # documented, not re-exported

from hydrometer.checkpoint.storage import GAP, Span
from hydrometer.errors import EngineUnavailableError, ModelError

TRIES = 4
BACK_OFF = 1.0
"""Seconds before the second try, doubled for each further one."""

KEPT = 64_000_000
"""Bytes that were fetched before they were asked for, over all files of a repository."""

_LONGEST = 1 << 24
_HEAD = 1 << 16
_SILENCE, _PATIENCE = 30.0, 300.0
_HOPS = 5
# One class in httpx, another in httpx2; which of the two the library uses depends on its version.
LOST: tuple[type[Exception], ...] = (HfHubHTTPError.__mro__[1], OSError)
"""What a connection that breaks raises."""


class Answer(NamedTuple):
    """What a server said.

    Attributes:
        status: Status code.
        headers: Names in lower case.
        body: At most as many bytes as allowed.
        whole: Whether the body ended by itself.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool


@dataclass(slots=True)
class Web:
    """One server: headers for it, what it was asked and what is kept of its answers.

    Attributes:
        headers: Sent to the server itself, such as a token.
        requests: Requests so far, redirects included.
        received: Bytes of bodies so far.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    requests: int = 0
    received: int = 0
    _kept: OrderedDict[tuple[str, int], bytes] = field(default_factory=OrderedDict, repr=False)

    def ask(self, url: str, home: str, most: int, span: str = "") -> Answer:
        """Make one request, tried again while the server is busy.

        Args:
            url: Where to.
            home: An URL of the server that the headers are for.
            most: Bytes of the body to read; the rest is not fetched.
            span: Value of the `Range` header.

        Raises:
            EngineUnavailableError: The server cannot be reached or stays busy.
        """
        headers = {**(self.headers if _origin(url) == _origin(home) else {}), "Accept-Encoding": "identity"}
        if span:
            headers["Range"] = span
        self.requests += 1
        try:
            with http_stream_backoff(
                "GET",
                url,
                max_retries=TRIES - 1,
                base_wait_time=BACK_OFF,
                headers=headers,
                timeout=_SILENCE,
                follow_redirects=False,
            ) as response:
                names = {name.lower(): value for name, value in response.headers.items()}
                body, whole = _body(response, most if 200 <= response.status_code < 300 else 0)
                self.received += len(body)
                return Answer(response.status_code, names, body, whole)
        except OfflineModeIsEnabled as error:
            msg = f"{url} cannot be asked, since HF_HUB_OFFLINE is set: unset it, or give a folder"
            raise EngineUnavailableError(msg) from error
        except LOST as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            why = f"it answers {status}" if status else f"{type(error).__name__}"
            msg = (
                f"{urlsplit(url).netloc} cannot be used ({why}): check the network, or download the model and "
                "give the folder"
            )
            raise EngineUnavailableError(msg) from error

    def keep(self, url: str, start: int, piece: bytes) -> None:
        """Keep bytes of a file until others need the room."""
        self._kept[url, start] = piece
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > KEPT:
            self._kept.popitem(last=False)

    def kept(self, url: str, start: int, length: int) -> bytes | None:
        """Return bytes that are kept, None if they are not."""
        for (place, first), piece in self._kept.items():
            if place == url and first <= start and start + length <= first + len(piece):
                return piece[start - first : start - first + length]
        return None

    def reach(self, url: str, start: int) -> int:
        """Return how many bytes of a file are kept from a place on."""
        ends = (first + len(piece) for (place, first), piece in self._kept.items() if place == url and first <= start)
        return max(0, max(ends, default=start) - start)

    def __getstate__(self) -> tuple[Mapping[str, str], int, int]:
        return self.headers, self.requests, self.received

    def __setstate__(self, state: tuple[Mapping[str, str], int, int]) -> None:
        self.headers, self.requests, self.received = state
        self._kept = OrderedDict()


class RemoteFile:
    """A file behind HTTP as a `Storage`. Its size is that of the first answer and must stay so.

    Args:
        web: The server.
        url: Where it lies.
        label: How messages name it.
        head: Bytes of its start to fetch along with the size.

    Raises:
        MissingFileError: There is no such file.
        ModelError: The server does not serve ranges, or answers something else than was asked.
        EngineUnavailableError: The server cannot be reached or stays busy.
    """

    far = True
    """Every read may be a request."""

    def __init__(self, web: Web, url: str, label: str, head: int) -> None:
        self._web = web
        self._url = url
        self._label = label
        self._place = url
        self._size = -1
        self.headers: Mapping[str, str] = {}
        web.keep(url, 0, self._fetch(0, max(head, 8) if head else _HEAD))

    @property
    def label(self) -> str:
        """How messages name it."""
        return self._label

    @property
    def size(self) -> int:
        """Bytes."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes.

        Raises:
            ModelError: The file ends before them, or changed.
            EngineUnavailableError: The server cannot be reached or stays busy.
        """
        if length <= 0:
            return b""
        if offset + length > self._size:
            msg = f"{self._label}: cut off: {offset + length} bytes are needed and it has {self._size}"
            raise ModelError(msg)
        found = self._web.kept(self._url, offset, length)
        return found if found is not None else self._fetch(offset, length)

    def prefetch(self, spans: Sequence[Span]) -> None:
        """Fetch places, those close together in one request, and keep them."""
        for start, stop in _coalesced(spans, self._size):
            if self._web.kept(self._url, start, stop - start) is None:
                self._web.keep(self._url, start, self._fetch(start, stop - start))

    @property
    def redirected(self) -> bool:
        """Whether it lies somewhere else than it was asked for."""
        return self._place != self._url

    def reach(self, offset: int) -> int:
        """Return how many bytes from a place on are here already."""
        return self._web.reach(self._url, offset)

    @property
    def server(self) -> Web:
        """Whom it is asked of."""
        return self._web

    def close(self) -> None:
        """Nothing is held open."""

    def _fetch(self, offset: int, length: int) -> bytes:
        """Ask for bytes until all are there; a first answer may be short because the file is."""
        found = b""
        idle = 0
        while len(found) < (length if self._size < 0 else min(length, self._size - offset)):
            start = offset + len(found)
            answer = self._ask(f"bytes={start}-{offset + length - 1}", length - len(found))
            self._check(answer, start, offset + length)
            found += answer.body
            idle = 0 if answer.body else idle + 1
            if idle == TRIES:
                msg = f"{self._label}: the server breaks off every answer: try again later, or download the model"
                raise EngineUnavailableError(msg)
        return found

    def _ask(self, span: str, most: int) -> Answer:
        """Follow redirects once and remember where they led; a place that has expired is asked for again."""
        fresh = self._place == self._url
        for _ in range(_HOPS):
            answer = self._web.ask(self._place, self._url, most, span)
            place = answer.headers.get("location", "")
            if answer.status in {301, 302, 303, 307, 308} and place:
                self.headers = {**answer.headers, **self.headers}
                self._place = follow(self._place, place, self._label)
                fresh = True
            elif answer.status in {401, 403, 404, 410} and not fresh:
                self._place, fresh = self._url, True
            else:
                self.headers = {**answer.headers, **self.headers}
                return answer
        msg = f"{self._label}: the server sends from one place to the next: download the model and give the folder"
        raise ModelError(msg)

    def _check(self, answer: Answer, start: int, stop: int) -> None:
        refuse_status(answer, self._label)
        if answer.status == 416:
            msg = f"{self._label}: cut off: the server has nothing from byte {start} on"
            raise ModelError(msg)
        found = re.fullmatch(
            r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", answer.headers.get("content-range", "")
        )
        if (
            answer.status != 206
            or found is None
            or answer.headers.get("content-encoding", "identity") != "identity"
        ):
            msg = f"{self._label}: the server does not serve ranges of files: download the model and give the folder"
            raise ModelError(msg)
        first, last, size = map(int, found.groups())
        if first != start or not first <= last < min(stop, size) or (self._size >= 0 and size != self._size):
            msg = f"{self._label}: the server sent other bytes than were asked for, or the file changed: try again"
            raise ModelError(msg)
        if self._size < 0:
            self._size = size


class MissingFileError(ModelError):
    """The server has no such file."""


def refuse_status(answer: Answer, label: str) -> None:
    """Raise for an answer that says why there is nothing to read.

    Raises:
        MissingFileError: There is no such file.
        ModelError: There is no such repository or revision, or it is not open to this user.
    """
    code = answer.headers.get("x-error-code", "")
    if code == "GatedRepo" or (answer.status == 403 and not code):
        msg = f"{label} is gated: accept its terms on the hub and log in with `hf auth login`"
        raise ModelError(msg)
    if code in {"RepoNotFound", "RevisionNotFound"} or answer.status == 401:
        what = "revision" if code == "RevisionNotFound" else "repository, or none that is open to you"
        msg = f"{label}: no such {what}: check the spelling"
        raise ModelError(msg)
    if answer.status == 404:
        msg = f"{label}: there is no such file"
        raise MissingFileError(msg)
    if answer.status not in {200, 206, 416}:
        msg = f"{label}: the server answers {answer.status}: try again later, or download the model"
        raise ModelError(msg)


def _body(response: Any, most: int) -> tuple[bytes, bool]:
    """Read at most so many bytes; what came before a broken line counts."""
    pieces: list[bytes] = []
    left = most
    end = time.monotonic() + _PATIENCE
    try:
        for piece in response.iter_raw():
            pieces.append(piece[:left])
            left -= len(pieces[-1])
            if left <= 0 or time.monotonic() > end:
                break
    except LOST:
        return b"".join(pieces), False
    body = b"".join(pieces)
    promised = response.headers.get("content-length", "")
    return body, not promised.isdecimal() or len(body) == min(int(promised), most)


def follow(here: str, place: str, label: str) -> str:
    """Return where a redirect leads.

    Raises:
        ModelError: Nowhere, or from an encrypted place to one that is not.
    """
    found = urljoin(here, place)
    schemes = {"https"} if here.startswith("https:") else {"https", "http"}
    if urlsplit(found).scheme not in schemes:
        msg = f"{label}: the server points to {found[:60]!r}, which is not followed"
        raise ModelError(msg)
    return found


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _coalesced(spans: Sequence[Span], size: int) -> list[tuple[int, int]]:
    """First and last-plus-one byte of the requests for some places: one for those less than 64 KiB apart."""
    found: list[tuple[int, int]] = []
    for start, length in sorted(spans):
        stop = min(start + length, size)
        if length <= 0 or start >= size:
            continue
        if found and start - found[-1][1] <= GAP and max(stop, found[-1][1]) - found[-1][0] <= _LONGEST:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found
