"""A server that an engine starts itself, keeps to itself and stops again.

It listens on a free port of the loopback under a key of its own. Its log is kept, and its last lines are what an error
shows. It runs in a process group of its own, so that Ctrl-C reaches us first, and beside it waits a guard: when this
process dies in whatever way, the guard's input ends and it ends the server, which would hold a GPU's memory otherwise.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import httpx

from hydrometer.engines.base import Answer, Capabilities, ClosingEngine, EngineSettings
from hydrometer.engines.http import HttpEngine
from hydrometer.engines.http import open_model as open_http
from hydrometer.engines.machine import openmp_waiting
from hydrometer.errors import EngineUnavailableError
from hydrometer.items import Request
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef

_GRACE = 15.0
"""Seconds that a server has to end by itself once it was told to."""

_POLL = 0.1
_BACK_OFF = 0.1
# No network lies between: a connection that is refused means that the server ended.
_TAIL_LINES, _TAIL_BYTES = 3, 4096
_GUARD = 'read -r _; kill -s TERM -- "-$1"; sleep 15; kill -s KILL -- "-$1"'
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Started:
    """A running server. Raises `EngineUnavailableError` where it does not come up.

    Args:
        name: What messages call it, such as `vllm serve Qwen/Qwen3.5-9B`.
        command: The program and its arguments; `{port}` in one of them becomes the port.
        key_variable: Environment variable in which the program expects its key.
        log: Folder of the log.
        patience: Seconds until it has to be ready.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, key_variable: str, log: Path, patience: float
    ) -> None:
        self.name, self.key = name, secrets.token_urlsafe(24)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = _log_file(log, Path(command[0]).name)
        arguments = [part.replace("{port}", str(port)) for part in command]
        self._process = _spawn(arguments, {**os.environ, **openmp_waiting(), key_variable: self.key}, self.log)
        guard = subprocess.Popen(  # noqa: S603 - a constant and a number
            ["/bin/sh", "-c", _GUARD, "sh", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # A finaliser, not only close(): a run that ends in an error must leave no server behind.
        self.stop = weakref.finalize(self, _stop, self._process, guard)
        try:
            self._wait(patience)
        except BaseException:
            self.stop()
            raise

    def gone(self) -> str:
        """Say how it ended and what it said last; `""` while it runs."""
        status = self._process.poll()
        return "" if status is None else f"{self.name} ended with status {status}: {self._last_words()}"

    def _wait(self, patience: float) -> None:
        end = time.monotonic() + patience
        with httpx.Client(trust_env=False, timeout=5.0) as client:
            while time.monotonic() < end:
                if gone := self.gone():
                    raise EngineUnavailableError(gone)
                # A model that is being loaded answers 503, or nothing yet.
                with contextlib.suppress(httpx.HTTPError):
                    if client.get(f"{self.url}/health").status_code == httpx.codes.OK:
                        return
                time.sleep(_POLL)
        msg = f"{self.name} was not ready within {patience:g} s (--timeout): {self._last_words()}"
        raise EngineUnavailableError(msg)

    def _last_words(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            text = _COLOURS.sub("", log.read().decode(errors="replace"))
        lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        said = " / ".join(line[:200] for line in lines[-_TAIL_LINES:])
        return f"{said or 'it said nothing'} (log: {self.log})"


class StartedEngine(ClosingEngine):
    """A model behind a server of our own.

    Args:
        server: The server, which ends with the engine.
        http: The model on it.
        known: Completes what the server tells of itself by what is known of the files that it was started with.
        template: Source of the chat template, where the server keeps it to itself.
    """

    def __init__(
        self,
        server: Started,
        http: HttpEngine,
        known: Callable[[ModelIdentity], ModelIdentity],
        template: str = "",
    ) -> None:
        self._server, self._http, self._known, self._source = server, http, known, template
        self._identity: ModelIdentity | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the server can do; its memory is ours to free."""
        return replace(self._http.capabilities, local=True)

    @property
    def chat_template(self) -> str:
        """Source of the chat template in use, `""` if it is seen nowhere."""
        return self._http.chat_template or self._source

    def identity(self) -> ModelIdentity:
        """Who answers: the files' digests and the server's build; the first call costs a few short requests."""
        if self._identity is None:
            with self._watched():
                told = self._http.identity()
            # The port is another one each time, and the key of an answer must not depend on it.
            facts = {name: text for name, text in told.details.items() if name not in ("url", "model_path")}
            self._identity = self._known(replace(told, details=facts))
        return self._identity

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yield replies as the server gives them."""
        with self._watched():
            yield from self._http.generate(requests)

    def score(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        """Yield a score per choice."""
        with self._watched():
            yield from self._http.score(requests, method)

    def close(self) -> None:
        """Stop the server."""
        self._http.close()
        self._server.stop()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """A server that ended says why better than a connection that was refused."""
        try:
            yield
        except EngineUnavailableError as error:
            if gone := self._server.gone():
                msg = f"{gone}; what was answered is kept: rerun the same command"
                raise EngineUnavailableError(msg) from error
            raise


def connect(server: Started, ref: ModelRef, settings: EngineSettings, model: str) -> HttpEngine:
    """Open a model on a server that was started for it; stops the server where that fails."""
    target = ModelRef(text=ref.text, engine="http", target=f"{server.url}/v1", model=model)
    try:
        # The template went to the server when it was started.
        return open_http(target, replace(settings, chat_template=""), key=server.key, back_off=_BACK_OFF)
    except BaseException:
        server.stop()
        raise


def log_folder(settings: EngineSettings) -> Path:
    """Return the folder that logs go to: the audit's own, or the system's for temporary files."""
    return Path(settings.folder) / "logs" if settings.folder else Path(tempfile.gettempdir())


def template_file(source: str, folder: Path) -> Path:
    """Write a chat template where a server can read it."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="hydrometer-template-", suffix=".jinja", dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(source)
    return Path(name)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _log_file(folder: Path, program: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{program}-", suffix=".log", dir=folder)
    except OSError as error:
        msg = f"cannot write the log of {program} into {folder}: {error.strerror or error}; choose another --out"
        raise EngineUnavailableError(msg) from error
    os.close(handle)
    return Path(name)


def _spawn(command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    try:
        with log.open("wb") as out:
            return subprocess.Popen(  # noqa: S603 - the user named the model, and the program is the one on PATH
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        msg = f"cannot start {command[0]}: {error.strerror or error}"
        raise EngineUnavailableError(msg) from error


def _stop(process: subprocess.Popen[bytes], guard: subprocess.Popen[bytes]) -> None:
    """End the whole group: vLLM computes in children of its own."""
    for last, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _GRACE)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, last)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            break
    # Children that outlive their parent are still in its group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    guard.kill()
    guard.wait()
    if guard.stdin is not None:
        guard.stdin.close()
