"""Scoring choices on a remote llama-server, by its native endpoints: exact, and as the embedded engine does it.

The prompt is rendered here, so it must be the prompt that the server would make itself; that is checked by asking
it to render one, and a template that this sandbox renders differently is not used for scoring.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Lock, Thread

import httpx

from hydrometer.engines.base import Answer, letters_prompt
from hydrometer.engines.http_client import TRIES, Client
from hydrometer.engines.http_identity import Server
from hydrometer.engines.llama_server import LlamaServer
from hydrometer.errors import EngineUnavailableError, ModelError
from hydrometer.items import Message, Request, Thinking
from hydrometer.outcomes import Completion, Finish
from hydrometer.templates.render import ChatTemplate

METHODS = ("continuation", "letters")
_SAMPLE = (Message("system", "Be brief."), Message("user", "Hello?"))


class ServerTemplate:
    """The chat template of a llama-server, rendered as the server renders it.

    Args:
        template: The source with its special tokens.
        default: What the server itself asks of a template that can switch thinking, when a request leaves it open.
    """

    def __init__(self, template: ChatTemplate, default: Thinking) -> None:
        self._template, self._default = template, default

    def render(self, request: Request, messages: Sequence[Message] | None = None) -> str:
        """Return the prompt of a request, or of other messages under the request's settings.

        Raises:
            ModelError: The template refuses the conversation.
        """
        thinking = self._default if request.thinking is Thinking.DEFAULT else request.thinking
        return self._template.render(messages or request.messages, thinking=thinking).text

    def opens_thinking(self, request: Request) -> bool:
        """Return whether the prompt of a request ends inside a think block; False where it cannot be rendered."""
        thinking = self._default if request.thinking is Thinking.DEFAULT else request.thinking
        try:
            return self._template.render(request.messages, thinking=thinking).opens_thinking
        except ModelError:
            return False


def find_template(server: Server) -> ServerTemplate | None:
    """Return the server's template if it renders here as it does there, None otherwise."""
    if not server.template or server.kind != "llama.cpp":
        return None
    special = {name: str(server.props.get(name) or "") for name in ("bos_token", "eos_token")}
    with httpx.Client(**server.client.options()) as http:
        begins = bool(special["bos_token"]) and LlamaServer(server.root, http).begins()
    begin = special["bos_token"] if begins else ""
    template = ChatTemplate(source=server.template, special=special, begin=begin)
    body = {"messages": [message._asdict() for message in _SAMPLE]}
    theirs = str(server.client.look(f"{server.root}/apply-template", body).get("prompt") or "")
    for default in Thinking:
        with suppress(ModelError):
            # llama.cpp strips a leading beginning-of-sequence token, since it adds one itself.
            ours = template.render(_SAMPLE, thinking=default).text
            if theirs and ours.removeprefix(special["bos_token"]) == theirs.removeprefix(special["bos_token"]):
                return ServerTemplate(template, default)
    return None


def score_choices(
    server: Server, template: ServerTemplate, requests: Sequence[Request], method: str
) -> Generator[Answer, None, None]:
    """Yield a score per choice, as many requests at a time as the server has slots.

    Raises:
        EngineUnavailableError: The server went away; what was yielded before stands.
    """
    if not requests:
        return
    slots = server.props.get("total_slots")
    number = max(1, min(server.client.concurrency, slots if isinstance(slots, int) else 1, len(requests)))
    inbox: SimpleQueue[Answer | Exception] = SimpleQueue()
    stop, lock, waiting = Event(), Lock(), iter(requests)
    with httpx.Client(**server.client.options()) as http:
        native = LlamaServer(server.root, http)

        def work(slot: int) -> None:
            # One slot per worker: all choices of a request then share its computed prompt.
            while not stop.is_set() and (request := _next(waiting, lock)) is not None:
                try:
                    completion = _patiently(server.client, native, template, request, method, slot, stop)
                    inbox.put(Answer(request, completion))
                except Exception as error:  # noqa: BLE001 - carried over to the thread that waits, which raises it
                    inbox.put(error)
                    return

        workers = [Thread(target=work, args=(slot,), name="hydrometer-score", daemon=True) for slot in range(number)]
        for worker in workers:
            worker.start()
        try:
            for _ in requests:
                got = inbox.get()
                if isinstance(got, Exception):
                    raise got
                yield got
        finally:
            stop.set()
            native.cancel()
            for worker in workers:
                worker.join()


def _next(waiting: Iterator[Request], lock: Lock) -> Request | None:
    with lock:
        return next(waiting, None)


def _patiently(
    client: Client,
    native: LlamaServer,
    template: ServerTemplate,
    request: Request,
    method: str,
    slot: int,
    stop: Event,
) -> Completion:
    pause = client.back_off
    for attempt in range(TRIES):
        try:
            return _score(native, template, request, method, slot)
        except ModelError as error:
            return Completion(finish=Finish.ERROR, method=method, error=str(error))
        except EngineUnavailableError as error:
            if attempt == TRIES - 1 or stop.wait(pause):
                raise client.stopped(str(error)) from error
            pause *= 2
    raise AssertionError


def _score(
    native: LlamaServer, template: ServerTemplate, request: Request, method: str, slot: int
) -> Completion:
    if method == "continuation":
        return native.score(template.render(request), request.choices, slot=slot)
    *before, last = request.messages
    asked = (*before, Message(last.role, letters_prompt(last.content, request.choices)))
    return native.letters(template.render(request, asked), len(request.choices), slot=slot)
