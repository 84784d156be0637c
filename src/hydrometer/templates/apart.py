"""Chat templates rendered in a limited process of their own, never in that of an audit.

The process is started by the first conversation and stays for all that follow: a conversation then costs a fraction of
a millisecond, whatever thread asks. Its limits count computing time and memory. Time on the clock is no measure on a
busy machine, so it has a bound only against waiting for ever.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import IO, Any

from hydrometer.errors import EngineError, ModelError, UnsafeTemplateError

SECONDS = 5.0
"""Computing time of one conversation; published templates take a few thousandths, and a tenth to be compiled."""
MEMORY = 400 << 20
WALL = 600.0
"""Seconds on the clock without an answer, after which the machine is to blame."""

_CURE = "do not use this model, or --chat-template FILE names another template"
_PIECE = 1 << 20


def render_apart(
    source: str,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] | None,
    names: Mapping[str, Any],
) -> str:
    """Render a conversation in the limited process; arguments as those of `sandboxed.render_chat`.

    Raises:
        ModelError: The template refuses the conversation, or fails on it.
        UnsafeTemplateError: It takes more time, memory or characters than any template may.
        EngineError: The process did not answer, or was ended from outside.
    """
    work = {"source": source, "messages": messages, "tools": tools, "names": names, "seconds": SECONDS}
    answer = _RENDERER.ask(json.dumps(work).encode() + b"\n")
    if "unsafe" in answer:
        msg = f"a chat template {answer['unsafe']}: {_CURE}"
        raise UnsafeTemplateError(msg)
    if "refused" in answer:
        msg = f"the chat template {answer['refused']}"
        raise ModelError(msg)
    return answer["text"]


class _Renderer:
    """The process, started when it is needed, once per process that asks."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def ask(self, line: bytes) -> dict[str, str]:
        """Return the answer to one conversation."""
        with self._lock:
            child = self._running()
            answer = self._exchange(child, line)
            if answer is None or "unsafe" in answer:
                status = self.close()
            if answer is not None:
                return answer
        if status == -signal.SIGPROF:
            return {"unsafe": "takes too much computing time"}
        if status in (-signal.SIGKILL, -signal.SIGTERM):
            msg = "the process that renders chat templates was ended from outside: run the same command again"
            raise EngineError(msg)
        # Out of memory ends inside the allocator of a library now and then, without an exception.
        return {"unsafe": f"ends the process that renders it (status {status})"}

    def close(self) -> int:
        """End the process and return its status; without one do nothing."""
        child, self._child = self._child, None
        if child is None or self._owner != os.getpid():
            return 0
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        return child.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        # One that ended between two conversations did so for no template. And a fork of this process must not talk
        # into the pipes of the other.
        if self._child is None or self._owner != os.getpid() or self._child.poll() is not None:
            self.close()
            # Nothing of the environment but where modules are: no tokens, no proxies.
            self._child = subprocess.Popen(  # noqa: S603 - this package's own module
                [sys.executable, "-m", "hydrometer.templates.child", str(MEMORY)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
                env={"PYTHONPATH": os.pathsep.join(sys.path)},
                # An interrupt at the terminal is for the audit, which ends in order and needs its prompts until then.
                start_new_session=True,
            )  # fmt: skip
            self._owner = os.getpid()
        return self._child

    def _exchange(self, child: subprocess.Popen[bytes], line: bytes) -> dict[str, str] | None:
        """Send a line and return what comes back, None where the process ended instead."""
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            _write(child.stdin, line)
        except BrokenPipeError:
            return None
        found = _read_line(child)
        if found is None:
            return None
        answer: dict[str, str] = json.loads(found)
        return answer


def _write(pipe: IO[bytes], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[pipe.write(rest) :]


def _read_line(child: subprocess.Popen[bytes]) -> bytes | None:
    assert child.stdout is not None
    parts: list[bytes] = []
    end = time.monotonic() + WALL
    while not parts or not parts[-1].endswith(b"\n"):
        if not select.select([child.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
            child.kill()
            child.wait()
            msg = f"no chat template was rendered within {WALL:.0f} seconds: this machine is too busy to go on"
            raise EngineError(msg)
        part = child.stdout.read(_PIECE)
        if not part:
            return None
        parts.append(part)
    return b"".join(parts)


_RENDERER = _Renderer()
atexit.register(_RENDERER.close)
